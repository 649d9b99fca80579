"""Datasets of dlt that Penstock goes on with, and datasets of Penstock that dlt goes on with."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from tests.parity.dlt import steps
from tests.parity.dlt.continued import ENDPOINT, RESTORE, SINCE, Turns, below, noted, written
from tests.parity.dlt.data import config, resource
from tests.parity.dlt.harness import ALL, Config, Oracle
from tests.parity.dlt.server import Stage

from penstock.engine import Options, compile_source, execute, import_state
from penstock.errors import DestinationError

ORPHANS = "SELECT _dlt_root_id FROM merged__l EXCEPT SELECT _dlt_id FROM merged"
DIGESTS = ("upserted", "inserted", "versions", "versions__l", "versions__l__deep")


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What a dataset holds: columns, rows and relations, and the ids that are digests."""

    columns: dict[str, set[str]]
    tables: dict[str, Any]
    ids: dict[str, list[Any]]

    @classmethod
    def of(cls, turns: Turns) -> Held:
        """Look at a dataset."""
        ids = {t: turns.query(f"SELECT _dlt_id FROM {t} ORDER BY 1") for t in DIGESTS}
        return cls(columns=turns.columns(), tables=_sorted(turns.tables()), ids=ids)


def _sorted(tables: dict[str, Any]) -> dict[str, Any]:
    def key(row: dict[str, Any]) -> str:
        return repr(sorted((c, v) for c, v in row.items() if v is not None))

    return {
        table: (
            {c: kind for c, (kind, _) in sorted(held["columns"].items())},
            sorted(map(key, held["rows"])),
        )
        for table, held in tables.items()
    }


def _same(turns: Turns, alone: Held) -> None:
    """A dataset holds what dlt alone leaves; what differs is shown, table by table."""
    held = Held.of(turns)
    assert held.columns == alone.columns
    assert set(held.tables) == set(alone.tables)
    for table, rows in alone.tables.items():
        assert held.tables[table] == rows, table
    assert held.ids == alone.ids


def _since(turns: Turns) -> list[str]:
    return [target for target in turns.asked() if "since" in target]


@pytest.fixture
def turns(oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path):
    """A dataset that is loaded in turns."""
    return Turns(tmp_path, stages[0], oracle, name="parity")


@pytest.fixture(scope="module")
def alone(oracle: Oracle, stages: tuple[Stage, Stage], tmp_path_factory) -> list[Held]:
    """What dlt alone leaves after each of three runs."""
    made = Turns(tmp_path_factory.mktemp("alone"), stages[0], oracle, name="parity")
    found = []
    for _ in range(3):
        made.dlt()
        found.append(Held.of(made))
    return found


def test_a_dataset_of_dlt_is_gone_on_with(turns: Turns, alone: list[Held]):
    """Dlt's first run and Penstock's second leave what dlt alone leaves; then dlt goes on."""
    turns.dlt()
    turns.penstock()
    _same(turns, alone[1])
    assert not turns.query(ORPHANS)
    assert _since(turns) == ["/events?since=2"] * 2
    turns.dlt()
    _same(turns, alone[2])
    assert _since(turns) == ["/events?since=4"] * 2


def test_dlt_goes_on_with_a_dataset_of_penstock(turns: Turns, alone: list[Held]):
    """Penstock's tables from nothing are dlt's, dlt takes them for its own, and back again."""
    turns.penstock()
    _same(turns, alone[0])
    turns.dlt()
    _same(turns, alone[1])
    turns.penstock(dlt_columns=False)  # tables keep the columns that they have
    _same(turns, alone[2])


def test_every_row_is_of_a_load_that_dlt_knows(turns: Turns):
    """Each load of Penstock stands in `_dlt_loads` with the schema that it left."""
    turns.penstock()
    [(before,)] = turns.query("SELECT max(load_id) FROM _dlt_loads")
    turns.penstock()
    for table, columns in turns.columns().items():
        if "_dlt_load_id" in columns:
            query = f'SELECT count(*) FROM "{table}" ANTI JOIN _dlt_loads ON load_id = _dlt_load_id'
            assert turns.query(query) == [(0,)], table
    unknown = (
        "SELECT schema_version_hash FROM _dlt_loads EXCEPT SELECT version_hash FROM _dlt_version"
    )
    assert not turns.query(unknown)
    assert turns.query(f"SELECT bool_and(_dlt_load_id > '{before}') FROM replaced") == [(True,)]


def test_tables_with_other_columns_are_left_alone(turns: Turns):
    """Tables that Penstock made with its own columns are not given dlt's as well."""
    turns.penstock(dlt_columns=False)
    with pytest.raises(DestinationError, match="was made with Penstock's own columns") as caught:
        turns.penstock()
    assert caught.value.code == "dlt-columns"


def test_a_full_refresh_replaces_tables(turns: Turns):
    """A full refresh swaps new tables in, with the columns and the history that dlt knows."""
    turns.penstock()
    columns = turns.columns()
    turns.penstock(full_refresh=True)
    assert turns.query("SELECT count(*) FROM appended") == [(3,)]
    assert turns.query("SELECT count(*) FROM versions WHERE _dlt_valid_to IS NOT NULL") == [(2,)]
    assert {t: c - turns.columns()[t] for t, c in columns.items()} == {t: set() for t in columns}


def test_state_of_dlt_is_taken_over(turns: Turns, tmp_path: Path):
    """From the folder, the file or the dataset: the next run asks for what is new, and has it."""
    turns.dlt()
    turns.rounds = 1
    pipeline = tmp_path / "pipelines" / "parity"
    origins = [pipeline, pipeline / "state.json", turns.file]
    for number, origin in enumerate(origins):
        to = tmp_path / f"other{number}.duckdb"
        taken = import_state(turns.source(), str(to), "parity", str(origin))
        assert taken == ("moving", "moving_by_key")
        there = turns.at(to, rounds=1)
        there.penstock(dlt_columns=False)
        assert _since(there) == ["/events?since=2"] * 2
        assert there.query("SELECT id FROM moving ORDER BY 1") == [(5,), (6,), (7,), (8,)]
        assert there.query("SELECT id FROM moving_by_key ORDER BY 1") == [(5,), (6,), (7,), (8,)]
        there.penstock(dlt_columns=False)
        assert there.query("SELECT count(*) FROM moving") == [(8,)]


def test_a_dataset_without_state_is_told(turns: Turns, tmp_path: Path):
    """A schema that dlt never loaded into holds nothing to take over."""
    turns.penstock(dlt_columns=False)
    with pytest.raises(DestinationError, match="schema 'elsewhere' holds no state") as caught:
        import_state(turns.source(), str(tmp_path / "x.duckdb"), "parity", str(turns.file),
                     dataset="elsewhere")  # fmt: skip
    assert caught.value.hint == "name the dataset that dlt loads into with --dataset"


KEEPING = """
import dlt

@dlt.resource(name="things")
def things():
    kept = dlt.current.resource_state()
    shared = dlt.current.source_state()
    kept["n"] = shared["runs"] = kept.get("n", 0) + 1
    yield {"n": kept["n"]}

@dlt.source(name="store")
def shop():
    return things

dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data").run(shop())
"""


def _execute(oracle: Oracle, path: Path, file: Path, engine: str) -> None:
    """Run a script with dlt, which finds its state in the dataset alone, or with Penstock."""
    if engine == "d":
        shutil.rmtree(path.parent / "dlt", ignore_errors=True)
        done = oracle.execute(path, settings=RESTORE)
        assert not done["error"], done["error"]
        return
    source = compile_source(str(path)).need()
    options = Options(db_schema="shop_data", dlt_columns=True)
    assert execute(source, {}, str(file), options, lambda _event: None).status == "done"


@pytest.mark.parametrize("order", ["dppd", "pdpd"])
def test_what_functions_keep_goes_from_one_to_the_other(oracle: Oracle, tmp_path: Path, order: str):
    """A state that dlt left is gone on with, and told back, so that dlt goes on with it.

    Whoever comes first calls pipeline and schema as the script does.
    """
    path = tmp_path / "pipeline.py"
    path.write_text(KEEPING, "utf-8")
    file = tmp_path / "shop.duckdb"
    for engine in order:
        _execute(oracle, path, file, engine)
    with duckdb.connect(str(file), read_only=True) as con:
        found = con.execute("SELECT n FROM shop_data.things ORDER BY n").fetchall()
        [names] = con.execute("SELECT DISTINCT schema_name FROM shop_data._dlt_loads").fetchall()
    assert found == [(1,), (2,), (3,), (4,)]
    assert names == ("store",)


FOLDING = """
import dlt

def by_kind(event):
    item, *last = event
    last = dict(last[0] if last and last[0] else {})
    last[item["kind"]] = max(item["n"], last.get(item["kind"], 0))
    return last

@dlt.resource(write_disposition="append")
def things(since=dlt.sources.incremental("$", last_value_func=by_kind)):
    last = since.last_value or {}
    for kind in ("a", "b"):
        yield from ({"kind": kind, "n": n} for n in range(1, last.get(kind, 0) + 3))

dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data").run(things())
"""


@pytest.mark.parametrize("order", ["dpd", "pdp", "ppp", "ddd"])
def test_a_cursor_that_a_function_moves_is_gone_on_with(oracle: Oracle, tmp_path: Path, order: str):
    """However far it is, an object too, each finds what the other left, and loads what is new."""
    path = tmp_path / "pipeline.py"
    path.write_text(FOLDING, "utf-8")
    file = tmp_path / "shop.duckdb"
    for engine in order:
        _execute(oracle, path, file, engine)
    with duckdb.connect(str(file), read_only=True) as con:
        found = con.execute("SELECT kind, n FROM shop_data.things ORDER BY ALL").fetchall()
    assert found == [(kind, n) for kind in "ab" for n in range(1, 7)]


def _two(base: str) -> Config:
    """Two resources with a cursor each, of which one has nothing new in the second run."""
    moving = {**ENDPOINT, "path": "events", "incremental": SINCE}
    quiet = {**moving, "path": "quiet"}
    return config(base, resource("moving", moving), resource("quiet", quiet))


def test_a_cursor_that_did_not_move_is_kept_too(turns: Turns):
    """What is taken over of dlt holds for good, also where another stream alone moves on."""
    for engine in (turns.dlt, turns.penstock, turns.penstock):
        engine(_two)
    assert _since(turns) == ["/events?since=4", "/quiet?since=2"]
    assert turns.query("SELECT count(*) FROM quiet") == [(4,)]


def _spelled(base: str) -> Config:
    """A cursor whose path is more than names, and a key that is a list."""
    since = {**SINCE, "cursor_path": "$.at"}
    moving = {**ENDPOINT, "path": "events", "incremental": since}
    return config(base, resource("moving", moving, primary_key=["id"]))


def test_a_cursor_is_kept_under_its_path_as_it_is_written(turns: Turns):
    """Dlt looks for it under the text of the document, and finds what Penstock left."""
    for engine in (turns.penstock, turns.dlt, turns.penstock):
        engine(_spelled)
    assert _since(turns) == ["/events?since=4"]
    assert turns.query("SELECT count(*) FROM moving") == [(12,)]


def _plain(base: str, **hints: Any) -> Config:
    """Things without a cursor."""
    return config(base, resource("things", {**ENDPOINT, "path": "things"}, **hints))


def test_dlt_knows_the_tables_of_a_dataset_without_a_cursor(turns: Turns):
    """It finds its schema through a state: without one it took columns for what came first."""
    turns.penstock(_plain)
    turns.dlt(partial(_plain, schema_contract={"columns": "discard_value"}))
    assert "new_column" not in turns.columns()["things"]


def test_rows_below_a_merge_without_a_key_name_their_root(turns: Turns):
    """Such a merge appends, and yet dlt gives its child tables the column."""
    made = partial(_plain, write_disposition="merge")
    turns.penstock(made)
    assert "_dlt_root_id" in turns.columns()["things__l__deep"]
    turns.dlt(made)
    roots = "SELECT _dlt_root_id FROM things__l EXCEPT SELECT _dlt_id FROM things"
    assert not turns.query(roots)


def _family(base: str) -> Config:
    """Events that are merged, and what is appended below each of them."""
    events = {**ENDPOINT, "path": "events", "incremental": SINCE}
    below = {**ENDPOINT, "path": "things", "params": {"of": "{resources.events.id}"}}
    return config(
        base,
        resource("events", events, primary_key=["id"], write_disposition="merge"),
        resource("things", below, write_disposition="append"),
    )


def test_what_is_merged_leads_to_no_children_again(turns: Turns):
    """Dlt's state tells records at the newest value by their keys, whoever has written it."""
    turns.dlt(_family)
    turns.penstock(_family)
    assert [t for t in turns.asked() if "of=" in t] == [f"/things?of={n}" for n in range(5, 9)]
    turns.penstock(_family)
    asked = [f"/things?of={n}" for n in (10, 11, 12, 9)]
    assert [t for t in turns.asked() if "of=" in t] == asked
    turns.rounds -= 1
    turns.dlt(_family)
    assert [t for t in turns.asked() if "of=" in t] == []


def _split(base: str) -> Config:
    """Things that go to a table each, which are replaced."""
    return _plain(base, table_name=steps.by_id, write_disposition="replace")


def test_rows_of_several_tables_are_of_a_load_that_dlt_knows(turns: Turns):
    """Also where the stream itself has no table to show, and from one run to the next."""
    for which in (1, 2):
        turns.penstock(_split)
        assert turns.query("SELECT count(*) FROM _dlt_loads") == [(which,)]
        loads = "SELECT _dlt_load_id FROM thing_1 EXCEPT SELECT load_id FROM _dlt_loads"
        assert not turns.query(loads)


MERGED = {"write_disposition": "merge", "primary_key": "id"}
NOTES = "SELECT id FROM comments ORDER BY 1"


def _below(turns: Turns, since: int, count: int = 2) -> list[str]:
    """What is asked for below posts, from a value on."""
    return [f"/posts/{post}/comments?since={since}" for post in range(count)]


@pytest.mark.parametrize("hints", [MERGED, {}], ids=["merged", "appended"])
def test_dlt_goes_on_where_the_last_of_all_parents_is(turns: Turns, hints: dict[str, Any]):
    """Dlt has one cursor for the children of all parents: no row of the one behind is lost."""
    for engine in (turns.dlt, turns.penstock, turns.dlt):
        engine(partial(below, **hints))
    assert _since(turns) == _below(turns, 3)
    held = [found for (found,) in turns.query(NOTES)]
    assert sorted(set(held)) == written(3)
    # What a parent ahead had loaded comes again: dlt knows records at the value alone.
    assert held == (written(3) if hints else sorted([*written(3), "0-5"]))


def test_a_parent_without_children_holds_the_cursor_of_dlt_back(turns: Turns):
    """Nobody knows where those of it will begin: dlt goes on where it was, here at the start."""
    made = partial(below, count=3, **MERGED)
    turns.penstock(made)
    turns.penstock(made)
    assert _since(turns) == [*_below(turns, 2), "/posts/2/comments?since=0"]
    turns.dlt(made)
    assert _since(turns) == _below(turns, 0, 3)
    assert [found for (found,) in turns.query(NOTES)] == written(3, 3)


def test_dlt_is_told_again_who_is_behind(turns: Turns):
    """A parent that dlt passed over keeps its own cursor, and dlt is told of it once more."""
    made = partial(below, **MERGED)
    turns.penstock(made)
    turns.dlt(made)
    turns.rounds = 0
    turns.penstock(made)
    assert _since(turns) == _below(turns, 2)
    turns.rounds = 2
    turns.dlt(made)
    assert _since(turns) == _below(turns, 2)
    assert [found for (found,) in turns.query(NOTES)] == written(3)


NOTES_OF = "SELECT n, id FROM things__notes LEFT JOIN things ON things._dlt_id = _dlt_root_id"
ORDERS = ("dpd", "pdp", "dpp")


@pytest.mark.parametrize("strategy", ["delete-insert", "upsert"] if ALL else ["upsert"])
@pytest.mark.parametrize("write", ["merge", "append"])
def test_nested_tables_with_keys_are_gone_on_with(
    oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path, write: str, strategy: str
):
    """Rows of such a table name the row they are from, as dlt's do, whoever loaded them."""
    made = partial(noted, strategy=strategy, hints={"primary_key": "n", "write_disposition": write})

    def held(order: str) -> Any:
        (tmp_path / order).mkdir()
        turns = Turns(tmp_path / order, stages[0], oracle, name="parity")
        for engine in order:
            (turns.dlt if engine == "d" else turns.penstock)(made)
        named = sorted(turns.query(NOTES_OF), key=repr)
        return named, turns.columns(), _sorted(turns.tables())

    alone = held("ddd")
    assert [found for found in alone[0] if found[1] is not None]
    for order in ORDERS:
        assert held(order) == alone


DEEP = """
import dlt

KEYED = {"primary_key": "n", "write_disposition": "merge"}

@dlt.resource(name="things", write_disposition="merge", primary_key="id", nested_hints=HINTS)
def things():
    kept = dlt.current.resource_state()
    kept["run"] = run = kept.get("run", 0) + 1
    marks = [{"n": run, "of": [run]}, {"n": 9, "of": [1, 2]}]
    notes = [{"n": 1, "marks": marks}, {"n": 1 + run, "marks": [{"n": -run}]}]
    yield {"id": 1, "notes": notes, "tags": [1, 1 + run]}

dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data").run(things())
"""
MARKS_OF = {
    '{"notes": KEYED, ("notes", "marks"): KEYED}': (
        "SELECT m.n, o.n FROM things__notes__marks m JOIN things__notes o "
        "ON o._dlt_id = m._dlt_root_id"
    ),
    '{("notes", "marks"): KEYED}': (
        "SELECT m.n, id FROM things__notes__marks m JOIN things ON things._dlt_id = m._dlt_root_id"
    ),
    '{"tags": {"primary_key": "value", "write_disposition": "merge"}}': (
        "SELECT value, id FROM things__tags LEFT JOIN things ON things._dlt_id = _dlt_root_id "
        "ORDER BY 1, 2"
    ),
}


@pytest.mark.parametrize(
    "hints",
    MARKS_OF if ALL else list(MARKS_OF)[:1],
    ids=["both", "the lower", "scalars"][: None if ALL else 1],
)
def test_rows_name_the_nearest_that_stands_for_itself(oracle: Oracle, tmp_path: Path, hints: str):
    """Tables with keys may be below others with one, or below others without."""

    def held(order: str) -> Any:
        folder = tmp_path / order
        folder.mkdir()
        path, file = folder / "pipeline.py", folder / "shop.duckdb"
        path.write_text(DEEP.replace("HINTS", hints), "utf-8")
        for engine in order:
            _execute(oracle, path, file, engine)
        with duckdb.connect(str(file), read_only=True) as con:
            con.execute("SET schema = 'shop_data'")
            columns = "SELECT table_name, column_name FROM information_schema.columns "
            # dlt's rows of scalars name no load
            mine = "WHERE table_name LIKE 'things%' AND column_name <> '_dlt_load_id' ORDER BY 1, 2"
            found = con.execute(MARKS_OF[hints]).fetchall()
            return sorted(found, key=repr), con.execute(columns + mine).fetchall()

    alone = held("ddd")
    assert alone[0]
    for order in ORDERS:
        assert held(order) == alone


FILES = """
import dlt
from dlt.sources.rest_api import rest_api_source

CONFIG = CONFIG_HERE

destination = dlt.destinations.filesystem(bucket_url="FOLDER")
pipeline = dlt.pipeline("parity", destination=destination, dataset_name="held")
pipeline.run(rest_api_source(CONFIG, name="parity"), loader_file_format="parquet")
"""


def test_state_of_dlt_is_taken_over_from_files(turns: Turns, oracle: Oracle, tmp_path: Path):
    """A dataset of files is dlt's alone: its state can be taken over, and nothing is put there."""
    bucket, made = tmp_path / "bucket", turns.at(tmp_path / "new.duckdb", 0)
    script = FILES.replace("CONFIG_HERE", repr(_two(made.base))).replace("FOLDER", str(bucket))
    (tmp_path / "pipeline.py").write_text(script, "utf-8")
    made.next()
    for _ in range(2):  # the newest of several states counts
        done = oracle.execute(tmp_path / "pipeline.py", settings=RESTORE)
        assert not done["error"], done["error"]
    source = made.source(_two)
    for origin in (f"parquet:{bucket}", str(bucket)):
        taken = import_state(source, str(made.file), "parity", origin, dataset="held")
        assert taken == ("moving", "quiet")
    made.penstock(_two, dlt_columns=False)
    assert _since(made) == ["/events?since=2", "/quiet?since=2"]
    for wanted in (True, False):
        options = Options(db_schema="held", dlt_columns=wanted)
        with pytest.raises(DestinationError, match="takes every file there for rows") as caught:
            execute(source, {}, f"parquet:{bucket}", options, lambda _event: None)
        assert caught.value.code == "dlt-columns"
    assert not (bucket / "held" / "_penstock").exists()


@pytest.mark.parametrize("kind", ["parquet", "delta"])
def test_files_do_not_have_the_columns_of_dlt(turns: Turns, tmp_path: Path, kind: str):
    """They are refused before anything is asked for, and it is said where they are not."""
    turns.next()
    options = Options(db_schema="held", dlt_columns=True)
    with pytest.raises(DestinationError, match="files cannot have dlt's columns") as caught:
        execute(turns.source(_two), {}, f"{kind}:{tmp_path}", options, lambda _event: None)
    assert caught.value.code == "dlt-columns"
    assert caught.value.hint == "load into DuckDB or Postgres, or leave --dlt-columns out"
    assert not turns.asked()
