"""Kept pages and the tables built from them: equal to a run's, once each, without a request."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner
from tests.support.web import serving

import penstock
from penstock.cli.app import cli
from penstock.engine import reshape
from penstock.engine.lot import Sizes
from penstock.errors import DestinationError, Error, PlanError

SECRET = "sesame-4711-sesame"
FIRST = "2000-01-01T00:00:00Z"
SMALL = Sizes(block=400, checkpoint=800, idle=400, seconds=0.0)
ROWS = [
    {
        "id": n,
        "at": f"2024-01-01T00:00:{n:02d}Z",
        "n": 1.10,
        "u": {"a": n},
        "l": [{"x": n}, {"y": "t"}],
    }
    for n in range(40)
]


class Api:
    """Rows in pages of ten, after a time if one is asked for; more of them as time goes by."""

    def __init__(self) -> None:
        self.rows = 20

    def __call__(self, _path: str, query: dict[str, str]) -> tuple[int, Any]:
        since, offset = query.get("since", ""), int(query.get("offset", 0))
        assert query["key"] == SECRET
        found = [row for row in ROWS[: self.rows] if row["at"] > since]
        return 200, {"items": found[offset : offset + 10], "total": len(found)}


def document(url: str, **more: Any) -> dict[str, Any]:
    """A configuration of one stream, incremental unless it is replaced."""
    params: dict[str, Any] = {"key": SECRET}
    if more.get("write_disposition") != "replace":
        params["since"] = {
            "type": "incremental",
            "cursor_path": "at",
            "initial_value": FIRST,
        }
    endpoint = {
        "path": "things", "params": params, "data_selector": "items",
        "paginator": {"type": "offset", "limit": 10, "total_path": "total"},
    }  # fmt: skip
    things = {"name": "things", "endpoint": endpoint, **more}
    return {"client": {"base_url": url}, "resources": [things]}


def everything(path: Path, more: dict[str, Any] | None = None) -> dict[str, list[str]]:
    """All rows of the source's tables, and its state.

    Load ids are those of the moment, and of a table that was replaced so are those of its rows.
    """
    replaced = more is not None and more["write_disposition"] == "replace"
    left_out = "_penstock" if replaced else "_penstock_load_id"
    found = {}
    with duckdb.connect(str(path), read_only=True) as connection:
        names = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'kept' AND "
            "(table_name LIKE 'things%' OR table_name = '_penstock_state') ORDER BY 1"
        ).fetchall()
        for (name,) in names:
            rows = connection.sql(f'SELECT * FROM kept."{name}"').to_arrow_table().to_pylist()
            kept = [{k: v for k, v in r.items() if not k.startswith(left_out)} for r in rows]
            found[name] = sorted(map(repr, kept))
    return found


def run(url: str, path: Path, pages: Path, **more: Any) -> Any:
    options = {key: more.pop(key) for key in ("fault", "full_refresh") if key in more}
    source = document(url, **more)
    return penstock.run(
        source, path, db_schema="kept", keep_pages=str(pages), sizes=SMALL, **options
    )


KINDS: list[dict[str, Any]] = [
    {"write_disposition": "append"},
    {"write_disposition": "replace"},
    {"write_disposition": "merge", "primary_key": "id"},
    {"write_disposition": {"disposition": "merge", "strategy": "upsert"}, "primary_key": "id"},
]


@pytest.mark.parametrize("more", KINDS, ids=lambda m: str(m["write_disposition"])[-9:-1])
def test_tables_are_built_again_as_they_were(tmp_path, more):
    """Two runs, replayed without a server: rows and state are equal, and once each."""
    first, second, pages = tmp_path / "a.duckdb", tmp_path / "b.duckdb", tmp_path / "pages"
    api = Api()
    with serving(api) as web:
        run(web.url, first, pages, **more)
        api.rows = 40
        run(web.url, first, pages, **more)
        built = reshape(pages, str(second))
        again = reshape(pages, str(second))
        assert (again.again, built.again) == (built.checkpoints, 0)
        assert everything(second, more) == everything(first, more)
        asked = len(web.asked)
        # the state is as after the runs: the next one goes on from there
        if more["write_disposition"] != "replace":
            source = document(web.url, **more)
            result = penstock.run(source, second, db_schema="kept")
            assert result.receipts[0].rows_read <= 1
            assert len(web.asked) == asked + 1


def test_nesting_may_be_another(tmp_path):
    """Nesting is as the call says, or as the document says now."""
    pages = tmp_path / "pages"
    with serving(Api()) as web:
        run(web.url, tmp_path / "a.duckdb", pages)
        now = penstock.load(document(web.url, nesting="json", columns={"n": {"data_type": "text"}}))
    penstock.reshape(pages, tmp_path / "s.duckdb", nesting="struct")
    assert penstock.reshape(pages, tmp_path / "j.duckdb", now).rows == {"things": 20}
    with duckdb.connect(str(tmp_path / "s.duckdb")) as connection:
        found = connection.execute("SELECT u.a, l[1].x, len(l) FROM kept.things WHERE id = 7")
        assert found.fetchall() == [(7, 7, 2)]
    with duckdb.connect(str(tmp_path / "j.duckdb")) as connection:
        found = connection.execute("SELECT n, u, typeof(u) FROM kept.things WHERE id = 7")
        assert found.fetchall() == [("1.1", '{"a": 7}', "JSON")]


@pytest.mark.parametrize("more", KINDS, ids=lambda m: str(m["write_disposition"])[-9:-1])
def test_a_build_that_was_cut_off_is_gone_on_with(tmp_path, more):
    """Whatever checkpoint it stops at, the same call makes the rest, and nothing twice."""
    first, second, pages = tmp_path / "a.duckdb", tmp_path / "b.duckdb", tmp_path / "pages"
    api = Api()
    with serving(api) as web:
        run(web.url, first, pages, **more)
        api.rows = 40
        run(web.url, first, pages, **more)
    left = [2, 3, 100]

    def stop(_event: object) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    while len(left) > 1:
        with pytest.raises(KeyboardInterrupt):
            reshape(pages, str(second), on_event=stop)
        left.pop(0)
    reshape(pages, str(second))
    assert everything(second, more) == everything(first, more)


@pytest.mark.parametrize("point", ["commit:before", "commit:after"])
def test_a_run_that_died_is_settled_by_the_next(tmp_path, point):
    """A checkpoint of which the run did not hear is asked for: kept or not, never twice."""
    first, second, pages = tmp_path / "a.duckdb", tmp_path / "b.duckdb", tmp_path / "pages"
    points: list[str] = []

    def die(at: str) -> None:
        points.append(at)
        if points.count(point) == 2 and at == point:
            raise KeyboardInterrupt

    with serving(Api()) as web:
        with pytest.raises(KeyboardInterrupt):
            run(web.url, first, pages, fault=die)
        assert len(list(pages.glob("*/*.new"))) == 1
        assert reshape(pages, str(tmp_path / "c.duckdb")).unsure == 1
        run(web.url, first, pages)
        assert list(pages.glob("*/*.new")) == []
    reshape(pages, str(second))
    assert everything(second) == everything(first)


@pytest.mark.parametrize("kind", ["parquet", "delta"])
@pytest.mark.parametrize("point", ["commit:before", "commit:after"])
def test_pages_of_a_run_into_files_are_settled(tmp_path, kind, point):
    """A dataset of files is asked as well, and is built from pages like any other."""
    pages, points = tmp_path / "pages", []
    first, second = f"{kind}:{tmp_path / 'first'}", f"{kind}:{tmp_path / 'second'}"

    def die(at: str) -> None:
        points.append(at)
        if points.count(point) == 2 and at == point:
            raise KeyboardInterrupt

    with serving(Api()) as web:
        with pytest.raises(KeyboardInterrupt):
            run(web.url, first, pages, fault=die)
        assert len(list(pages.glob("*/*.new"))) == 1
        run(web.url, first, pages)
        assert list(pages.glob("*/*.new")) == []
    built = penstock.reshape(pages, second)
    assert set(built.rows) == {"things", "things__l"}
    assert penstock.reshape(pages, second).again == built.checkpoints
    found = [in_files(place) for place in (first, second)]
    assert found[0] == found[1]
    assert len(found[0]["things"]) == 20


def in_files(place: str) -> dict[str, list[str]]:
    """The rows of a dataset by table, but for their load ids."""
    dataset = penstock.dataset(place, db_schema="kept")
    return {
        name: sorted(
            repr({k: v for k, v in row.items() if k != "_penstock_load_id"})
            for row in dataset.table(name).to_pylist()
        )
        for name in dataset.tables
    }


def test_secrets_are_masked_and_records_are_to_the_letter(tmp_path):
    """What is said of a page names its request without the key; records are as the API wrote."""
    pages = tmp_path / "pages"
    with serving(Api()) as web:
        run(web.url, tmp_path / "a.duckdb", pages)
    text = b"".join(gzip.decompress(p.read_bytes()) for p in sorted(pages.glob("*/*.gz")))
    assert SECRET.encode() not in text
    assert json.dumps(ROWS[7]).encode() in text
    heads = [json.loads(line) for line in text.splitlines() if b'"sizes"' in line]
    assert [len(head["sizes"]) for head in heads] == [10, 10]
    assert "/things?key=***" in heads[0]["said"]["request"]
    assert heads[0]["stream"] == "things"
    assert heads[0]["at"] > 1.7e9


def test_what_cannot_be_built_is_said(tmp_path):
    """A directory without pages, a stream that is in none, and one that cannot be written to."""
    with pytest.raises(Error, match="holds no kept pages") as caught:
        reshape(tmp_path, str(tmp_path / "b.duckdb"))
    assert caught.value.code == "no-pages"
    (tmp_path / "file").touch()
    with serving(Api()) as web:
        with pytest.raises(PlanError):
            run(web.url, tmp_path / "a.duckdb", tmp_path / "pages", nesting="none")
        result = run(web.url, tmp_path / "a.duckdb", tmp_path / "file")
        assert result.status == "partial"  # pages were read, and none could be kept
        assert result.receipts[0].failures[0].code == "keep-pages"
        run(web.url, tmp_path / "a.duckdb", tmp_path / "pages")
    with pytest.raises(PlanError, match="no stream is called 'thing'"):
        reshape(tmp_path / "pages", str(tmp_path / "b.duckdb"), select=("thing",))
    with pytest.raises(DestinationError):
        reshape(tmp_path / "pages", "b.parquets")


def test_the_command_says_what_it_built(tmp_path):
    """`penstock reshape` names tables and rows, and what was there already."""
    pages, path = tmp_path / "pages", tmp_path / "b.duckdb"
    with serving(Api()) as web:
        run(web.url, tmp_path / "a.duckdb", pages)
    call = ["reshape", str(pages), "--to", str(path), "--nesting", "json", "--json"]
    said = CliRunner().invoke(cli, call)
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout) == {"db_schema": "kept", "rows": {"things": 20}}
    assert "things: 20 rows" in said.stderr
    assert "0 checkpoints replayed" in CliRunner().invoke(cli, call).stderr
