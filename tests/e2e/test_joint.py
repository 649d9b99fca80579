"""Streams that load one table: each has a state of its own, and all rows are there once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.e2e.test_tables import SMALL, dying
from tests.support.web import serving

import penstock
from penstock.dialects import compile_document
from penstock.dialects.document import Document
from penstock.engine import reshape, show_state

SINCE = {"cursor_path": "at", "initial_value": 0, "start_param": "since"}
WAYS = ("append", "merge", "replace")


class Api:
    """Two lists, in pages of three; `wrong` is the path that fails."""

    def __init__(self) -> None:
        self.held = {"a": list(range(1, 8)), "b": list(range(101, 108))}
        self.wrong = ""
        self.asked: list[str] = []

    def __call__(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        name = path.strip("/")
        self.asked.append(f"{name} {query.get('since')} {query.get('offset')}")
        if name == self.wrong and query.get("offset"):
            return 404, {}
        rows = [n for n in self.held[name] if n >= int(query.get("since") or 0)]
        offset = int(query.get("offset") or 0)
        page = [{"id": n, "at": n, "list": [n]} for n in rows[offset : offset + 3]]
        return 200, {"items": page, "total": len(rows)}


def document(url: str, *cursors: str, **more: Any) -> dict[str, Any]:
    """Both lists to one table; those that are named have a cursor."""
    paging = {"type": "offset", "limit": 3, "total_path": "total"}
    said = {"table_name": "both", "primary_key": "id", **more}
    return {
        "client": {"base_url": url, "retry": {"max_retries": 0}},
        "resources": [
            {
                "name": name,
                **said,
                "endpoint": {
                    "path": name,
                    "data_selector": "items",
                    "paginator": paging,
                    **({"incremental": SINCE} if name in cursors else {}),
                },
            }
            for name in ("a", "b")
        ],
    }


def run(url: str, place: str, *cursors: str, **more: Any) -> Any:
    options = {
        k: more.pop(k)
        for k in ("fault", "keep_pages", "dlt_columns", "select", "full_refresh")
        if k in more
    }
    made = document(url, *cursors, **more)
    return penstock.run(made, place, db_schema="kept", sizes=SMALL, **options)


def rows(place: str, table: str = "both", column: str = "id") -> Counter[int]:
    """The rows of a table, and how often each is there."""
    if ":" in place:
        dataset = penstock.dataset(place, db_schema="kept")
        return Counter(dataset.table(table).column(column).to_pylist())
    with duckdb.connect(place, read_only=True) as connection:
        found = connection.execute(f'SELECT "{column}" FROM kept."{table}"').fetchall()
    return Counter(n for (n,) in found)


def every(api: Api) -> Counter[int]:
    return Counter(n for held in api.held.values() for n in held)


@pytest.mark.parametrize("cursors", [("a", "b"), ("a",), ()])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("point", "nth"), [("commit:after", 1), ("commit:after", 2),
                                            ("commit:before", 2), ("shape:end", 2)])  # fmt: skip
def test_a_run_that_died_is_made_good(tmp_path, point, nth, way, cursors):
    """The next one leaves every row once, and those below it, also of what was complete."""
    place, api = str(tmp_path / "a.duckdb"), Api()
    with serving(api) as web:
        with pytest.raises(KeyboardInterrupt):
            run(web.url, place, *cursors, write_disposition=way, fault=dying(point, nth))
        run(web.url, place, *cursors, write_disposition=way)
    assert rows(place) == every(api)
    assert rows(place, "both__list", "value") == every(api)


@pytest.mark.parametrize("place", ["a.duckdb", "parquet:files", "delta:files"])
@pytest.mark.parametrize("way", WAYS)
def test_each_keeps_a_cursor_of_its_own(tmp_path, monkeypatch, way, place):
    """Also one that runs alone: what is replaced, and so has to be whole, is read with all."""
    monkeypatch.chdir(tmp_path)
    api = Api()
    with serving(api) as web:
        run(web.url, place, "a", "b", write_disposition=way)
        api.held = {name: [*held, held[-1] + 1] for name, held in api.held.items()}
        api.asked.clear()
        alone = run(web.url, place, "a", "b", write_disposition=way, select=["b"])
        told = [receipt.stream for receipt in alone.receipts]
        since = {"b 0 0", "a 0 0"} if way == "replace" else {"b 107 0"}
        assert {asked for asked in api.asked if asked.endswith(" 0")} == since
        assert told == (["a", "b"] if way == "replace" else ["b"])
        run(web.url, place, "a", "b", write_disposition=way)
        assert rows(place) == every(api)
        assert rows(place, "both__list", "value") == every(api)
        run(web.url, place, "a", "b", write_disposition=way, select=["a"], full_refresh=True)
        assert rows(place) == every(api)


@pytest.mark.parametrize("way", WAYS)
def test_one_that_fails_takes_nothing_of_the_others_along(tmp_path, way):
    """What is replaced stays as it was, which is a failure of all; else the others are kept."""
    place, api = str(tmp_path / "a.duckdb"), Api()
    with serving(api) as web:
        run(web.url, place, "a", "b", write_disposition=way)
        before = every(api)
        api.held = {name: [*held, held[-1] + 1] for name, held in api.held.items()}
        api.held["b"] += range(109, 115)
        api.wrong = "b"
        result = run(web.url, place, "a", "b", write_disposition=way)
        failed = {r.stream: [f.code for f in r.failures] for r in result.receipts}
        if way == "replace":
            assert failed["a"] == ["table-lost"]
            assert "not all that 'both' is made of could be read" in str(result.receipts[0])
            assert rows(place) == before
        else:
            assert failed["a"] == []
            assert rows(place)[8] == 1
        assert failed["b"] == ["status"]
        assert result.status == ("failed" if way == "replace" else "partial")
        api.wrong = ""
        run(web.url, place, "a", "b", write_disposition=way)
    assert rows(place) == every(api)


def test_what_is_complete_waits_for_the_others(tmp_path):
    """What is appended in full is not appended again because another was cut off."""
    place, api = str(tmp_path / "a.duckdb"), Api()
    api.wrong = "b"
    with serving(api) as web:
        assert run(web.url, place).status == "partial"
        api.wrong = ""
        assert run(web.url, place).status == "done"
        assert rows(place) == every(api)
        run(web.url, place)
    assert set(rows(place).values()) == {2}


def test_details_take_the_place_of_what_is_listed(tmp_path):
    """Of one key, whichever of the two streams closes first."""

    def api(path: str, _query: dict[str, str]) -> tuple[int, Any]:
        _, name, *number = path.split("/")
        if number:
            return 200, {"id": int(number[0]), "of": "details"}
        return 200, [{"id": n, "at": n, "of": name} for n in range(1, 8)]

    said = {"table_name": "both", "primary_key": "id", "write_disposition": "merge"}
    with serving(api) as web:
        listed = {"name": "a", **said, "endpoint": {"path": "a", "incremental": SINCE}}
        details = {"name": "each", **said, "endpoint": "a/{resources.a.id}"}
        made = {"client": {"base_url": web.url}, "resources": [listed, details]}
        penstock.run(made, tmp_path / "a.duckdb", db_schema="kept")
    assert rows(str(tmp_path / "a.duckdb"), column="of") == Counter({"details": 7})


def test_the_one_that_made_the_table_keeps_it(tmp_path):
    """Whatever stands before it later on, and whichever is read."""
    place, api = str(tmp_path / "a.duckdb"), Api()
    with serving(api) as web:
        made = document(web.url, "a", "b")
        made["resources"].pop(0)
        penstock.run(made, place, db_schema="kept")
        run(web.url, place, "a", "b")
        run(web.url, place, "a", "b", select=["a"])
    assert rows(place) == every(api)


@pytest.mark.parametrize("options", [{"full_refresh": True}, {}], ids=["anew", "replace"])
def test_one_that_is_not_selected_begins_anew_where_its_rows_are_gone(tmp_path, options):
    """A table that is built anew without it has none of its rows, and its state says no more."""
    place, api = str(tmp_path / "a.duckdb"), Api()
    with serving(api) as web:
        run(web.url, place, "a", "b")
        made = document(web.url, "a", "b", **({} if options else {"write_disposition": "replace"}))
        made["resources"][1]["selected"] = False
        penstock.run(made, place, db_schema="kept", **options)
        assert set(rows(place)) == set(api.held["a"])
        run(web.url, place, "b", *([] if not options else ["a"]), write_disposition="merge")
    assert rows(place) == every(api)


def test_kept_pages_go_to_the_same_table(tmp_path):
    """A table that is built from kept pages has the state of all, and is gone on with."""
    first, second, pages = str(tmp_path / "a.duckdb"), str(tmp_path / "b.duckdb"), tmp_path / "p"
    api = Api()
    with serving(api) as web:
        run(web.url, first, "a", "b", keep_pages=str(pages))
        reshape(pages, second)
        assert rows(second) == every(api)
        api.asked.clear()
        run(web.url, second, "a", "b")
    assert rows(second) == every(api)
    assert sorted(api.asked) == ["a 7 0", "b 107 0"]


def test_the_state_of_each_is_shown(tmp_path: Path):
    """By its own name."""
    place = str(tmp_path / "a.duckdb")
    with serving(Api()) as web:
        run(web.url, place, "a", "b")
        compiled = compile_document(Document.from_object(document(web.url, "a", "b"), "held"))
        state = show_state(compiled.need(), place, "kept", ())
    assert {name: entries["cursor"]["value"] for name, entries in state.items()} == {
        "a": 7,
        "b": 107,
    }
