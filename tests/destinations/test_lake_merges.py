"""Merges into files: without a database they do what SQL does, and touch no more than they must."""

import datetime as dt
import random

import pyarrow as pa
import pytest
from msgspec.structs import replace
from tests.destinations.orders import (
    KEY,
    NESTED,
    STREAM,
    as_seen,
    batch,
    checkpoint,
    column,
    order,
    seen,
)
from tests.destinations.places import PLACES, Opener

from penstock.destinations import _lake_merge
from penstock.destinations._duckdb_scratch import scratch
from penstock.destinations._lake_keys import Keys
from penstock.destinations._lake_log import File
from penstock.destinations.base import Append, Checkpoint, Merge
from penstock.shape.schema import Batch, Schema, Table

GONE = column("gone", "bool")
KIND = column("kind")
ROOT = replace(NESTED.root, columns=(*NESTED.root.columns, KIND, GONE))
SCHEMA = Schema(stream=STREAM, tables=(ROOT, *NESTED.tables[1:]))
ROUNDS = 5


@pytest.fixture
def places(tmp_path):
    made = []

    def make(name):
        (tmp_path / name).mkdir()
        made.append(Opener(PLACES["parquet"](tmp_path / name)))
        return made[-1]

    yield make
    for opener in made:
        opener.close()


def some(chance, load_id, write):
    """A checkpoint of two or three batches of orders, some of which come twice or are deleted."""
    batches = []
    for n in range(chance.randint(2, 3)):
        numbers = chance.sample(range(24), chance.randint(1, 6))
        orders = [order(i, f"{load_id}.{n}", chance.randint(0, 2)) for i in numbers]
        one = batch(f"{load_id}.{n}", orders)
        rows = one.tables["orders"]
        kinds = [chance.choice(["a", "b", None]) for _ in orders]
        rows = rows.append_column("kind", pa.array(kinds, pa.string()))
        gone = [chance.choice([True, False, None, None]) for _ in orders]
        rows = rows.append_column("gone", pa.array(gone, pa.bool_()))
        batches.append(Batch(tables={**one.tables, "orders": rows}))
    return Checkpoint(
        load_id=load_id, run_id="run1", stream=STREAM, write=write, schema=SCHEMA, batches=batches
    )


@pytest.mark.parametrize("key", [("id",), ("id", "kind")], ids=" and ".join)
@pytest.mark.parametrize("strategy", ["delete-insert", "insert-only"])
def test_it_does_what_sql_does(places, monkeypatch, strategy, key):
    """The same rows are there and counted as by the merge of every SQL destination."""
    chance = random.Random(f"{strategy} {key}")
    plain, by_sql = places("plain"), places("sql")
    sessions = [(plain, plain(), True), (by_sql, by_sql(), False)]
    for number in range(ROUNDS):
        write = Merge(
            key=key, strategy=strategy, hard_delete=chance.choice([None, "gone"]), ends=number == 3
        )
        work = some(chance, f"load{number}", Append() if number == 1 else write)
        results = []
        for opened, session, quick in sessions:
            with monkeypatch.context() as patch:
                if not quick:
                    patch.setattr(_lake_merge, "suits", lambda *_: False)
                counts = session.commit(work).rows
            rows = opened.place.rows("orders")
            marks = sorted((r["id"], r["note"], str(r["kind"]), str(r["gone"])) for r in rows)
            results.append((counts, marks, seen(opened.place)))
        assert results[0] == results[1]
        assert results[0][1]


def test_a_part_that_is_replaced_whole_is_not_read(places, monkeypatch):
    """Of rows that all go, only the keys are asked; files without them stay as they are."""
    opened = places("lake")
    session = opened()
    session.commit(checkpoint("a", [order(1), order(2)]))
    session.commit(checkpoint("b", [order(3), order(4)]))
    before = set(opened.place.folder.glob("orders*/*.parquet"))
    monkeypatch.setattr("pyarrow.parquet.ParquetFile.read_row_group", None)
    session.commit(checkpoint("c", [order(1, "new"), order(2, "new")], write=Merge(key=KEY)))
    write = Merge(key=KEY, strategy="insert-only")
    session.commit(checkpoint("d", [order(3, "late"), order(5)], write=write))
    assert seen(opened.place) == as_seen(
        [order(1, "new"), order(2, "new"), order(3), order(4), order(5)]
    )
    assert before <= set(opened.place.folder.glob("orders*/*.parquet"))


def test_what_is_left_of_several_parts_is_put_together(places):
    """Parts that lose rows make one file of each table, with children beside their roots."""
    opened = places("lake")
    session = opened()
    for number in range(4):
        session.commit(checkpoint(f"{number}", [order(number), order(number + 10)]))
    new = [order(number, "new", 1) for number in range(4)]
    session.commit(checkpoint("m", new, write=Merge(key=KEY)))
    assert seen(opened.place) == as_seen([*new, *(order(number + 10) for number in range(4))])
    log = opened.place.rows("_penstock_loads")
    assert len(log) == 5
    session.commit(checkpoint("n", [order(99)], retract=("2",)))
    kept = [*new, *(order(number + 10) for number in (0, 1, 3)), order(99)]
    assert seen(opened.place) == as_seen(kept)


def test_columns_that_somebody_added_stay(places):
    """Rows that are left keep what is in columns that are not Penstock's."""
    opened = places("lake")
    session = opened()
    session.commit(checkpoint("a", [order(1), order(2)]))
    opened.place.by_hand("ALTER TABLE {} ADD COLUMN mine INTEGER", "orders")
    opened.place.by_hand("UPDATE {} SET mine = 7", "orders")
    session.commit(checkpoint("b", [order(1, "new")], write=Merge(key=KEY)))
    assert {row["note"]: row["mine"] for row in opened.place.rows("orders")} == {"new": None, "": 7}


TABLE = Table(
    name="t", columns=(column("n", "bigint"), column("s"), column("at", "timestamp")), key=("n",)
)


def keys(*rows, names=("n", "s")):
    return Keys.of(TABLE, pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))), names)


@pytest.mark.parametrize(
    ("own", "others", "found"),
    [
        ([(1,), (2,), (None,)], [(2,), (None,)], [False, True, False]),
        ([(1, "a"), (1, "b"), (1, None)], [(1, "b"), (1, None)], [False, True, False]),
        ([(1, "a")], [(2, "b")], [False]),
    ],
)
def test_keys_are_found_among_others(own, others, found):
    """A key is found where all of its columns are equal, and never with a null."""
    names = ("n", "s")[: len(own[0])]
    mask = keys(*own, names=names).among(keys(*others, names=names))
    assert mask.to_pylist() == found


def test_keys_take_the_types_of_their_columns():
    """Values that came in a narrower type are found among those of a file."""
    at = dt.datetime(2024, 1, 2, tzinfo=dt.UTC)
    narrow = pa.table(
        {"n": pa.array([7], pa.int32()), "at": pa.array([at], pa.timestamp("s", "UTC"))}
    )
    wide = pa.table(
        {"n": pa.array([7], pa.int64()), "at": pa.array([at], pa.timestamp("us", "UTC"))}
    )
    own, others = (Keys.of(TABLE, data, ("n", "at")) for data in (narrow, wide))
    assert own.among(others).to_pylist() == [True]


@pytest.mark.parametrize(
    ("low", "high", "may"),
    [(1, 4, False), (5, 5, True), (6, 8, False), (0, 9, True), (10, 20, False)],
)
def test_files_out_of_range_are_not_asked(low, high, may):
    """A file is near where one of the keys, not only their range, lies in its range."""
    file = File(path="p", table="t", part="x", rows=1, size=1, ranges={"n": (low, high)})
    assert keys((9, "a"), (5, "b"), (None, "c")).may_be_in(file) is may


def test_no_database_is_opened_before_it_is_asked():
    """A run whose rows need no SQL does not pay for a database in memory."""
    made = scratch()
    assert "_opened" not in vars(made.connection)
    made.create_table("a", [KIND], ids={KIND.name})
    assert made.rows(f"SELECT count(*) FROM {made.at('a')}") == [(0,)]
    assert "_opened" in vars(made.connection)
    made.close()
