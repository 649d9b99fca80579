"""What is detected where a configuration says nothing: it is reported, and can be pinned."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.parity.dlt.harness import run_penstock
from tests.parity.dlt.server import Api, Ask, Stage

PAGE = (Path(__file__).parents[3] / "docs" / "dlt.md").read_text("utf-8")


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """An API that says nothing of itself, what is reported of it, and what says the same."""

    api: Api
    pagination: str
    records: str
    paginator: dict[str, Any]


def rows(first: int, last: int) -> list[dict[str, int]]:
    return [{"id": n} for n in range(first, last + 1)]


def odata(ask: Ask) -> dict[str, Any]:
    """A link under OData's name."""
    skip = ask.number("$skip")
    body: dict[str, Any] = {"@odata.context": "x", "value": rows(skip + 1, skip + 2)}
    return body | ({"@odata.nextLink": f"{ask.base}/x?$skip={skip + 2}"} if skip < 4 else {})


def numbered(ask: Ask) -> dict[str, Any]:
    """Pages from 1 with their count, and an empty list of errors before the records."""
    page = ask.number("page", 1)
    return {"errors": [], "users": rows(page * 2 - 1, page * 2), "page": page, "total_pages": 3}


def signed(ask: Ask) -> dict[str, Any]:
    """Pages from 1 that say whether there are more."""
    page = ask.number("page", 1)
    return {"items": rows(page * 2 - 1, page * 2), "has_more": page < 3, "page": page}


def counted(ask: Ask) -> dict[str, Any]:
    """An offset and the total of records."""
    offset = ask.number("offset")
    found = rows(offset + 1, min(offset + 2, 6))
    return {"results": found, "total": 6, "offset": offset, "limit": 2}


def token(ask: Ask) -> dict[str, Any]:
    """A token that is null at the end."""
    at = ask.number("cursor")
    more = at < 4
    return {"data": rows(at + 1, at + 2), "next_cursor": str(at + 2) if more else None}


SHAPES = {
    "a link under OData's name": Shape(
        api=odata,
        pagination="pagination: next link (the link at @odata.nextLink)",
        records="value",
        paginator={"type": "json_link", "next_url_path": "['@odata.nextLink']"},
    ),
    "pages from 1 with their count": Shape(
        api=numbered,
        pagination="pagination: page number (the count of pages at total_pages)",
        records="users",
        paginator={"type": "page_number", "base_page": 1, "total_path": "total_pages"},
    ),
    "pages from 1 with a sign for more": Shape(
        api=signed,
        pagination="pagination: page number (a page number, with has_more)",
        records="items",
        paginator={"type": "page_number", "base_page": 1, "has_more_path": "has_more",
                   "total_path": None},
    ),
    "an offset with a total": Shape(
        api=counted,
        pagination="pagination: offset (an offset, with total)",
        records="results",
        paginator={"type": "offset", "limit": 2, "total_path": "total"},
    ),
    "a token": Shape(
        api=token,
        pagination="pagination: next token (the token at next_cursor, sent as cursor)",
        records="data",
        paginator={"type": "cursor", "cursor_path": "next_cursor", "cursor_param": "cursor"},
    ),
}  # fmt: skip


def loaded(api: Api, endpoint: dict[str, Any], folder: Path) -> tuple[list[int], int, list[str]]:
    """The ids that were loaded, how many requests that took, and what was detected."""
    with Stage().open() as stage:
        stage.play(api, 1)
        resource = {"name": "x", "endpoint": {"path": "x", **endpoint}}
        config = {"client": {"base_url": stage.base}, "resources": [resource]}
        tables, error, (receipt,) = run_penstock(config, folder)
        assert error == ""
        asked = len(stage.heard)
    return sorted(row["id"] for row in tables["x"]["rows"]), asked, list(receipt.detected)


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_detected_is_reported_and_can_be_pinned(name: str, tmp_path: Path):
    """The receipt names pagination and records; what says the same in the document reads alike."""
    shape = SHAPES[name]
    (tmp_path / "pinned").mkdir()
    ids, asked, said = loaded(shape.api, {}, tmp_path)
    assert ids == [1, 2, 3, 4, 5, 6]
    assert shape.pagination in said
    assert f"records: {shape.records}" in said
    pinned = {"paginator": shape.paginator, "data_selector": shape.records}
    again, asked_again, said_again = loaded(shape.api, pinned, tmp_path / "pinned")
    assert (again, asked_again) == (ids, asked)
    assert not [line for line in said_again if line.startswith(("pagination", "records"))]


@pytest.mark.parametrize("name", SHAPES)
def test_the_page_tells_how_to_pin(name: str):
    """Each kind that is detected stands in the table, with the keys that say the same."""
    kind = SHAPES[name].paginator["type"]
    assert re.search(rf"^\| .*`\"type\": \"{kind}\"", PAGE, re.MULTILINE)
