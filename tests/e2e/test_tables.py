"""Streams whose records go to several tables: each once, whatever a run dies of, wherever kept."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.support.web import serving

import penstock
from penstock import load
from penstock.engine import reshape
from penstock.engine.lot import Sizes

SMALL = Sizes(block=300, checkpoint=600, idle=300, open=600, seconds=0.0)
ROWS = [
    {"id": n, "type": ("Push", "fork", "star")[n % 3], "list": [n, n + 1] if n % 2 else []}
    for n in range(18)
]
WANTED = {
    "is_push": {n for n in range(18) if n % 3 == 0},
    "is_fork": {n for n in range(18) if n % 3 == 1},
    "events": {n for n in range(18) if n % 3 == 2},
}


class Api:
    """The rows, in pages of six."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def __call__(self, _path: str, query: dict[str, str]) -> tuple[int, Any]:
        offset = int(query.get("offset", 0))
        return 200, {"items": self.rows[offset : offset + 6], "total": len(self.rows)}


def table(row: Any) -> str:
    return "events" if row["type"] == "star" else f"is {row['type']}"


def document(url: str, **more: Any) -> dict[str, Any]:
    endpoint = {
        "path": "events", "data_selector": "items",
        "paginator": {"type": "offset", "limit": 6, "total_path": "total"},
    }  # fmt: skip
    named = {"name": "events", "table_name": table, "endpoint": endpoint, **more}
    return {"client": {"base_url": url}, "resources": [named]}


def run(web: Any, place: str, **more: Any) -> Any:
    options = {k: more.pop(k) for k in ("fault", "keep_pages", "dlt_columns") if k in more}
    made = document(web.url, **more)
    return penstock.run(made, place, db_schema="kept", sizes=SMALL, **options)


def held(place: str) -> dict[str, Counter[int]]:
    """The ids in each table of the stream, and how often."""
    dataset = penstock.dataset(place, db_schema="kept") if ":" in place else None
    found = {}
    for name in WANTED:
        if dataset is not None:
            ids = dataset.table(name).column("id").to_pylist() if name in dataset.tables else []
        else:
            with duckdb.connect(place, read_only=True) as connection:
                ids = [n for (n,) in connection.execute(f'SELECT id FROM kept."{name}"').fetchall()]
        found[name] = Counter(ids)
    return found


def once(times: int = 1) -> dict[str, Counter[int]]:
    return {name: Counter(dict.fromkeys(ids, times)) for name, ids in WANTED.items()}


def dying(point: str, nth: int) -> Callable[[str], None]:
    """What ends a run when it comes to a point for the nth time."""
    points: list[str] = []

    def die(at: str) -> None:
        points.append(at)
        if at == point and points.count(point) == nth:
            raise KeyboardInterrupt

    return die


@pytest.mark.parametrize(("point", "nth"), [("shape:end", 2), ("commit:after", 1)])
@pytest.mark.parametrize("mode", ["append", "replace", "merge"])
def test_a_run_that_died_is_made_good(tmp_path, mode, point, nth):
    """After a run that died between checkpoints, the next one leaves every row once."""
    place = str(tmp_path / "a.duckdb")
    more = {"write_disposition": mode, "primary_key": "id"}
    with serving(Api(ROWS)) as web:
        with pytest.raises(KeyboardInterrupt):
            run(web, place, fault=dying(point, nth), **more)
        result = run(web, place, **more)
    assert held(place) == once()
    receipt = result.receipts[0]
    lists = sum(len(row["list"]) for row in ROWS if row["type"] == "Push")
    assert (receipt.rows, receipt.rows_by_table["is_push__list"]) == (18, lists)


def test_rows_of_a_run_that_died_go_from_every_table(tmp_path):
    """Also where nothing goes to a table any more: what the dead run appended there is gone."""
    place, api = str(tmp_path / "a.duckdb"), Api(ROWS)
    with serving(api) as web:
        with pytest.raises(KeyboardInterrupt):
            run(web, place, fault=dying("commit:after", 1))
        assert held(place)["is_push"]
        api.rows = [row for row in ROWS if row["type"] != "Push"]
        run(web, place)
    assert held(place) == {**once(), "is_push": Counter()}


def lists(place: str) -> Counter[int]:
    """The values in the table of lists, and how often."""
    with duckdb.connect(place, read_only=True) as connection:
        found = connection.execute('SELECT "value" FROM kept.is_push__list').fetchall()
    return Counter(value for (value,) in found)


@pytest.mark.parametrize(("point", "nth"), [("shape:end", 2), ("commit:after", 1)])
def test_what_is_appended_beside_a_replacement(tmp_path, point, nth):
    """Lists with a key of their own are appended, those of a run that died once in all."""
    place = str(tmp_path / "a.duckdb")
    more = {"write_disposition": "replace", "nested_hints": {"list": {"primary_key": "value"}}}
    values = Counter(value for row in ROWS if row["type"] == "Push" for value in row["list"])
    with serving(Api(ROWS)) as web:
        with pytest.raises(KeyboardInterrupt):
            run(web, place, fault=dying(point, nth), **more)
        run(web, place, **more)
        assert (held(place), lists(place)) == (once(), values)
        run(web, place, **more)
        assert (held(place), lists(place)) == (once(), values + values)
        penstock.run(document(web.url, **more), place, db_schema="kept", full_refresh=True)
    assert (held(place), lists(place)) == (once(), values)


@pytest.mark.parametrize("kind", ["parquet", "delta"])
@pytest.mark.parametrize("point", ["commit:before", "commit:said"])
def test_a_run_into_files_that_died_is_made_good(tmp_path, kind, point):
    """Datasets of files keep all tables of a checkpoint in one commit too."""
    if (kind, point) == ("parquet", "commit:said"):
        point = "commit:after"
    place = f"{kind}:{tmp_path / 'files'}"
    with serving(Api(ROWS)) as web:
        with pytest.raises(KeyboardInterrupt):
            run(web, place, fault=dying(point, 1))
        run(web, place)
        assert held(place) == once()
        run(web, place, write_disposition="replace")
    assert held(place) == once()


def test_a_replacement_empties_tables_that_nothing_goes_to(tmp_path):
    """As in dlt: what the stream had is replaced, in whichever table it was."""
    place, api = str(tmp_path / "a.duckdb"), Api(ROWS)
    with serving(api) as web:
        run(web, place, write_disposition="replace")
        api.rows = [row for row in ROWS if row["type"] == "fork"]
        run(web, place, write_disposition="replace")
        assert held(place) == {**once(), "is_push": Counter(), "events": Counter()}
        api.rows = []
        run(web, place, write_disposition="replace")
    assert held(place) == {name: Counter() for name in WANTED}


def test_kept_pages_go_to_the_same_tables(tmp_path):
    """Tables that are built from kept pages are those of the run."""
    place, pages = str(tmp_path / "a.duckdb"), tmp_path / "pages"
    with serving(Api(ROWS)) as web:
        run(web, place, keep_pages=str(pages))
    built = reshape(pages, str(tmp_path / "b.duckdb"))
    assert held(str(tmp_path / "b.duckdb")) == once()
    assert built.rows["is_push"] == len(WANTED["is_push"])
    with gzip.open(next(pages.glob("*/*.gz"))) as file:
        assert b'"tables":["is Push","is fork","events"' in file.read()


def test_tables_of_one_reading(tmp_path):
    """`read_tables` and the columns of dlt know them too."""
    place = str(tmp_path / "a.duckdb")
    with serving(Api(ROWS)) as web:
        found = load(document(web.url)).tables("events")
        run(web, place, dlt_columns=True)
        run(web, place, dlt_columns=True)
    assert {name: Counter(found[name].column("id").to_pylist()) for name in WANTED} == once()
    assert set(found) == {*WANTED, "is_push__list", "is_fork__list", "events__list"}
    assert held(place) == once(2)
    with duckdb.connect(place, read_only=True) as connection:
        twice = connection.execute(
            "SELECT load_id FROM kept._dlt_loads GROUP BY 1 HAVING count(*) > 1"
        ).fetchall()
        loads = connection.execute(
            "SELECT _dlt_load_id FROM kept.is_push EXCEPT SELECT load_id FROM kept._dlt_loads"
        ).fetchall()
    assert (twice, loads) == ([], [])


WRONG = {
    "no name": (
        lambda row: None if row["id"] == 3 else "a",
        (
            "table-name: the function <lambda> that names tables gave None for "
            '{"id": 3, "type": "Push", "list": [3, 4]}, which is no name'
        ),
    ),
    "a function that fails": (
        lambda row: row["kind"],
        (
            "table-name: the function <lambda> that names tables failed on "
            '{"id": 0, "type": "Push", "list": []}: KeyError(\'kind\')'
        ),
    ),
    "a name that is taken below": (
        lambda row: "a" if row["id"] % 2 else "a__list",
        "shared-table: the tables 'a__list' and 'a' both come to 'a__list'",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_names_tables_wrongly_is_said(tmp_path, name):
    """A function that names no table, or one that is another's, fails the stream."""
    function, said = WRONG[name]
    with serving(Api(ROWS[:10])) as web:
        result = run(web, str(tmp_path / "a.duckdb"), table_name=function)
    (failure,) = result.receipts[0].failures
    assert f"{failure.code}: {failure.message}" == said
    if failure.code == "component-failed":
        assert failure.hint.startswith("correct the function, then run the same command again: ")


SCRIPT = """
import dlt

@dlt.resource(write_disposition="replace")
def things():
    yield {"id": 1}
    hints = dlt.mark.make_hints(table_name="others", write_disposition="WRITE", FURTHER)
    yield dlt.mark.with_hints({"id": 2}, hints, create_table_variant=True)

dlt.pipeline("p", destination="duckdb", dataset_name="kept").run(things)
"""
MARKED = {
    "a disposition there is not": (
        "replce", "primary_key='id'",
        "component-failed: s.py:8: things failed: write_disposition cannot be 'replce'",
    ),
    "hints there are not": (
        "replace", "primary_kye='id'",
        (
            "component-failed: s.py:7: things failed: "
            "TypeError: make_hints() has no argument 'primary_kye'"
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MARKED)
def test_what_is_said_wrongly_of_a_table(tmp_path, monkeypatch, name):
    """What a function says of a table is checked like the rest, as soon as it is said."""
    write, further, said = MARKED[name]
    monkeypatch.chdir(tmp_path)
    Path("s.py").write_text(SCRIPT.replace("WRITE", write).replace("FURTHER", further), "utf-8")
    result = penstock.run("s.py", "a.duckdb")
    assert [f"{f.code}: {f.message}" for f in result.receipts[0].failures] == [said]
