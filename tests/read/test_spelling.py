"""Slashes of data in a path: one segment, and slashes of the path where the API knows no such."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.support.api import BASE, Api, Asked, answer, read_all

from penstock.engine import compile_source
from penstock.read.spelling import FOUND

DOCUMENT = """
name: shop
client: {{ base_url: "{base}/v1" }}
resources:
  - name: parents
    endpoint: {{ path: /parents, data_selector: data, paginator: single_page }}
  - name: kids
    endpoint:
      path: "things/{{resources.parents.id}}/kids"
      data_selector: data
      paginator: {{ type: cursor, cursor_path: next, cursor_param: page }}
"""


def asked(tmp_path: Path, value: str, known: str, status: int = 404) -> tuple[list[str], list[str]]:
    """The paths that were asked for where the API knows one of them, and what was detected."""
    document = tmp_path / "doc.yaml"
    document.write_text(DOCUMENT.format(base=BASE), "utf-8")

    def api(ask: Asked) -> object:
        if ask.path == "/v1/parents":
            return answer({"data": [{"id": value}]})
        if urlsplit(ask.url).path != f"/v1/things/{known}/kids":
            return answer({"message": "no such thing"}, status=status)
        page = ask.number("page", 1)
        return answer({"data": [{"id": page}], "next": page + 1 if page < 3 else None})

    served = Api(api)
    read = read_all(compile_source(str(document)).need(), served)
    paths = [urlsplit(a.url).path[11:-5] for a in served.requests if "things" in a.url]
    return paths, list(read.tally("kids").detected)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 410, 422])
def test_a_name_of_two_segments_is_asked_for_as_it_is_where_one_is_unknown(
    status: int, tmp_path: Path
) -> None:
    """Once: from then on the API is known."""
    paths, detected = asked(tmp_path, "acme/shop", "acme/shop", status)
    assert paths == ["acme%2Fshop", "acme/shop", "acme/shop", "acme/shop"]
    assert FOUND in detected


def test_a_segment_with_a_slash_that_the_api_knows_is_never_asked_for_otherwise(
    tmp_path: Path,
) -> None:
    """Also not where a later page is refused."""
    paths, detected = asked(tmp_path, "AB/1", "AB%2F1")
    assert set(paths) == {"AB%2F1"}
    assert FOUND not in detected


def test_what_is_encoded_already_is_asked_for_as_it_is(tmp_path: Path) -> None:
    """A script may have quoted a value for dlt, which puts it into the path as it is."""
    paths, _ = asked(tmp_path, "a%252Fb%3D%3D", "a%252Fb%3D%3D")
    assert paths[:2] == ["a%25252Fb%253D%253D", "a%252Fb%3D%3D"]
    assert len(paths) == 4


@pytest.mark.parametrize(
    "value", ["../admin", "a/../b", "a/./b", "/a", "a/", "a//b", "a/%2e%2e/b", "%2E%2e", "50% off"]
)
def test_data_never_leads_out_of_its_place(value: str, tmp_path: Path) -> None:
    """Such a value has one spelling alone."""
    paths, _ = asked(tmp_path, value, "nothing")
    assert len(set(paths)) == 1
    assert "/" not in paths[0]


def test_only_slashes_are_as_they_are(tmp_path: Path) -> None:
    """A question mark, a number sign and a blank would end the path."""
    paths, _ = asked(tmp_path, "a b/c?d=1#e", "a%20b/c%3Fd=1%23e")
    assert paths[1] == "a%20b/c%3Fd%3D1%23e"
