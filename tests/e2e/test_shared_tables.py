"""Streams whose records go to several tables, some of which others have rows for as well."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import duckdb
import pytest
from tests.e2e.test_tables import SMALL, dying
from tests.support.web import serving

import penstock
from penstock.engine import reshape
from penstock.engine.lot import Sizes

ONE = [{"id": n, "of": ("x", "y")[n % 2], "list": [n]} for n in range(24)]
OTHER = [{"id": 100 + n, "of": ("x", "z")[n % 2], "list": [n]} for n in range(24)]
PLAIN = [{"id": 200 + n, "list": [n]} for n in range(12)]


class Api:
    """Three lists, in pages of six; `wrong` is the path whose second page fails."""

    def __init__(self) -> None:
        self.held = {"one": ONE, "other": OTHER, "y": PLAIN}
        self.wrong = ""

    def __call__(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        name, offset = path.strip("/"), int(query.get("offset") or 0)
        if name == self.wrong and offset:
            return 404, {}
        rows = self.held[name]
        return 200, {"items": rows[offset : offset + 6], "total": len(rows)}


def table(row: Any) -> str:
    return str(row["of"])


def document(url: str, *, cursor: bool = False, **more: Any) -> dict[str, Any]:
    """Two streams whose tables a function names, and one whose table is one of these."""
    paging = {"type": "offset", "limit": 6, "total_path": "total"}
    return {
        "client": {"base_url": url, "retry": {"max_retries": 0}},
        "resources": [
            {
                "name": name,
                "primary_key": "id",
                **({} if name == "y" else {"table_name": table}),
                **more,
                "endpoint": {
                    "path": name,
                    "data_selector": "items",
                    "paginator": paging,
                    **({"incremental": {"cursor_path": "id"}} if cursor else {}),
                },
            }
            for name in ("one", "other", "y")
        ],
    }


def run(url: str, place: str, **more: Any) -> Any:
    options = {
        k: more.pop(k) for k in ("fault", "keep_pages", "dlt_columns", "select") if k in more
    }
    return penstock.run(document(url, **more), place, db_schema="kept", sizes=SMALL, **options)


def held(place: str) -> dict[str, Counter[int]]:
    """The ids in each table, and how often each is there."""
    if ":" in place:
        dataset = penstock.dataset(place, db_schema="kept")
        names = [name for name in dataset.tables if "__" not in name]
        return {name: Counter(dataset.table(name).column("id").to_pylist()) for name in names}
    found = {}
    with duckdb.connect(place, read_only=True) as connection:
        listed = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'kept'"
        for (name,) in connection.execute(listed).fetchall():
            if "__" not in name and not name.startswith("_"):
                ids = connection.execute(f'SELECT id FROM kept."{name}"').fetchall()
                found[name] = Counter(n for (n,) in ids)
    return found


def wanted(*names: str, times: int = 1) -> dict[str, Counter[int]]:
    found = {"x": Counter[int](), "y": Counter[int](), "z": Counter[int]()}
    for name in names or ("one", "other", "y"):
        for row in {"one": ONE, "other": OTHER, "y": PLAIN}[name]:
            found[str(row.get("of", "y"))][int(str(row["id"]))] += times
    return {name: ids for name, ids in found.items() if ids}


@pytest.mark.parametrize(("point", "nth"), [("shape:end", 2), ("commit:after", 1)])
@pytest.mark.parametrize("mode", ["append", "replace", "merge"])
def test_a_run_that_died_is_made_good(tmp_path, mode, point, nth):
    """Every row is there once, also of tables that another stream has made."""
    place = str(tmp_path / "a.duckdb")
    more = {"write_disposition": mode, "cursor": mode == "append"}
    with serving(Api()) as web:
        with pytest.raises(KeyboardInterrupt):
            run(web.url, place, fault=dying(point, nth), **more)
        result = run(web.url, place, **more)
        assert result.status == "done"
        assert held(place) == wanted()
        run(web.url, place, **more)
    assert held(place) == wanted()
    with duckdb.connect(place, read_only=True) as connection:
        lost = "SELECT 1 FROM kept.x__list l LEFT JOIN kept.x p ON p._penstock_id = "
        assert not connection.execute(f"{lost}_penstock_parent_id WHERE p.id IS NULL").fetchall()


@pytest.mark.parametrize("kind", ["parquet:", "delta:", ""])
@pytest.mark.parametrize("mode", ["append", "replace", "merge"])
def test_each_may_be_loaded_alone(tmp_path, mode, kind):
    """A run finds the tables that others have made, in files as well."""
    place, more = f"{kind}{tmp_path / 'a'}{'' if kind else '.duckdb'}", {"write_disposition": mode}
    with serving(Api()) as web:
        for name in ("one", "y", "other"):
            assert run(web.url, place, select=(name,), **more).status == "done"
    if mode == "replace":  # of each table the last run that had rows for it
        x = {row["id"]: 1 for row in OTHER if row["of"] == "x"}
        assert held(place) == {**wanted(), "x": Counter(x), "y": wanted("y")["y"]}
    else:
        assert held(place) == wanted()


def test_what_is_built_anew_is_shown_with_all_who_have_rows_for_it(tmp_path):
    """Where one of them fails, what was there stays, and both say so."""
    place, api = str(tmp_path / "a.duckdb"), Api()
    with serving(api) as web:
        run(web.url, place, write_disposition="replace")
        api.wrong = "other"
        result = run(web.url, place, write_disposition="replace")
    assert held(place) == wanted()
    said = {r.stream: {f.code for f in r.failures} for r in result.receipts}
    assert said["one"] == said["y"] == {"table-lost"}
    assert said["other"]


def test_what_a_dead_run_appended_to_a_table_of_others_goes(tmp_path):
    """Rows are taken back from it although this run has none for it."""
    place, api = str(tmp_path / "a.duckdb"), Api()
    with serving(api) as web:
        run(web.url, place, select=("one",))
        with pytest.raises(KeyboardInterrupt):
            run(web.url, place, select=("other",), fault=dying("commit:after", 1))
        assert held(place)["x"][100] == 1
        api.held["other"] = []
        run(web.url, place, select=("other",))
    assert held(place)["x"] == wanted("one")["x"]


def test_rows_of_others_are_not_emptied(tmp_path):
    """The stream that made a table replaces it, but not for want of rows, once others have some."""
    place, api = str(tmp_path / "a.duckdb"), Api()
    with serving(api) as web:
        run(web.url, place, select=("one",), write_disposition="replace")
        run(web.url, place, select=("other",))
        api.held["one"] = []
        run(web.url, place, select=("one",), write_disposition="replace")
        assert held(place) == {**wanted("one", "other"), "y": Counter()}
        api.held["one"] = ONE
        run(web.url, place, select=("one",), write_disposition="replace")
        assert held(place) == {**wanted("one"), "z": wanted("other")["z"]}
        api.held["one"] = []
        run(web.url, place, select=("one",), write_disposition="replace")
    assert held(place) == {"x": Counter(), "y": Counter(), "z": wanted("other")["z"]}


class Late(Api):
    """Answers for one list when all pages of the others have been asked for."""

    def __init__(self, late: str) -> None:
        super().__init__()
        self.late, self.others = late, threading.Semaphore(0)

    def __call__(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        if path.strip("/") != self.late:
            self.others.release()
        elif not int(query.get("offset") or 0):
            pages = sum(len(rows) // 6 for name, rows in self.held.items() if name != self.late)
            assert all(self.others.acquire(timeout=10) for _ in range(pages))
        return super().__call__(path, query)


@pytest.mark.parametrize("late", ["one", "other", "y"])
@pytest.mark.parametrize("mode", ["append", "replace", "merge"])
def test_kept_pages_go_to_the_same_tables(tmp_path, mode, late):
    """Tables that are built from kept pages are those of the run, whichever stream is last."""
    place, pages = str(tmp_path / "a.duckdb"), tmp_path / "pages"
    with serving(Late(late)) as web:
        for _ in range(2):
            run(web.url, place, keep_pages=str(pages), write_disposition=mode)
    reshape(pages, str(tmp_path / "b.duckdb"))
    assert held(str(tmp_path / "b.duckdb")) == held(place)


MIXED = """
import dlt

@dlt.resource(write_disposition="replace")
def first():
    for nth in range(3):
        yield {"id": nth}
        yield dlt.mark.with_table_name({"id": nth}, "both")

@dlt.resource(name="then")
def then():
    for nth in range(3):
        yield {"id": nth}
        yield dlt.mark.with_table_name({"id": 10 + nth}, "both")

dlt.pipeline("p", destination="duckdb", dataset_name="kept").run([first, then])
"""


def test_pages_of_what_some_replace_and_others_append(tmp_path, monkeypatch):
    """A table that one of them replaces is so with the rows of all."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.py").write_text(MIXED, "utf-8")
    for _ in range(2):
        penstock.run("s.py", "a.duckdb", db_schema="kept", keep_pages="pages", sizes=SMALL)
    reshape(tmp_path / "pages", "b.duckdb")
    once = dict.fromkeys(range(3), 1)
    both = {"first": once, "then": dict.fromkeys(once, 2)}
    for place in ("a.duckdb", "b.duckdb"):
        found = held(place)
        assert found == {**both, "both": {**once, **{10 + n: 1 for n in once}}}


LATE = """
import dlt

@dlt.resource(write_disposition="FIRST")
def rows():
    for nth in range(9):
        yield [{"id": 10 * nth + n} for n in range(10)]
    yield dlt.mark.with_hints({"id": 90}, dlt.mark.make_hints(write_disposition="THEN"))

dlt.pipeline("p", destination="duckdb", dataset_name="kept").run(rows())
"""


@pytest.mark.parametrize("sizes", [SMALL, Sizes()], ids=["kept before", "at once"])
@pytest.mark.parametrize("ways", [("append", "replace"), ("replace", "append")])
def test_rows_before_a_mark_of_another_disposition_are_not_lost(tmp_path, monkeypatch, sizes, ways):
    """They are written as the mark says, or the run says that they cannot be."""
    monkeypatch.chdir(tmp_path)
    script = LATE.replace("FIRST", ways[0]).replace("THEN", ways[1])
    (tmp_path / "s.py").write_text(script, "utf-8")
    for nth in range(2):
        result = penstock.run("s.py", "a.duckdb", db_schema="kept", sizes=sizes)
        found = [f.code for r in result.receipts for f in r.failures]
        if sizes is SMALL:
            assert found == ["late-disposition"]
        else:
            times = nth + 1 if ways[1] == "append" else 1
            assert (found, held("a.duckdb")["rows"]) == ([], dict.fromkeys(range(91), times))
