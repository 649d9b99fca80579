"""How DuckDB stores texts: those of which few are alike are squeezed, without looking for more."""

import duckdb
import pyarrow as pa
import pytest
from tests.destinations.orders import column
from tests.destinations.places import SCHEMA

from penstock.destinations.base import Append, Checkpoint, Merge, Owner, Replace
from penstock.destinations.duckdb import DuckDB
from penstock.shape.schema import LOAD_ID, ROW_ID, Batch, Schema, Table, TableColumn

TEXTS = {
    "unlike": lambda k: f"order {k}, to be left at the door",
    "alike": lambda k: f"state {k % 7}",
    "long": lambda k: None if k % 20 else f"{k}" * 4_000,
    "rare": lambda k: f"note {k}" if k < 200 else None,
    "same_in_pairs": lambda k: f"pair {k // 2}",
}
SYSTEM = (
    TableColumn(name=LOAD_ID, type="text", nullable=False),
    TableColumn(name=ROW_ID, type="text", nullable=False),
)
COLUMNS = (*SYSTEM, column("id", "bigint"), *map(column, TEXTS), column("doc", "json"))
ORDERS = Schema(stream="orders", tables=(Table(name="orders", columns=COLUMNS),))

only_later = pytest.mark.skipif(
    duckdb.__version__.startswith("1."), reason="DuckDB 1 leaves such columns as they are"
)


def rows(load_id, numbers):
    texts = {name: [made(k) for k in numbers] for name, made in TEXTS.items()}
    return pa.table(
        {
            LOAD_ID: [load_id] * len(numbers),
            ROW_ID: [f"{load_id}-{k:09}" for k in numbers],
            "id": pa.array(numbers, pa.int64()),
            **{name: pa.array(values, pa.string()) for name, values in texts.items()},
            "doc": [f'{{"of": {k}}}' for k in numbers],
        }
    )


def load(path, write, *pieces):
    """Load pieces of rows as one checkpoint, and give how each text column is stored."""
    session = DuckDB(str(path)).open(
        owner=Owner(run_id="run1", pid=1, host="h", alone=True), db_schema=SCHEMA
    )
    batches = [Batch(tables={"orders": rows("a", numbers)}) for numbers in pieces]
    session.commit(
        Checkpoint(
            load_id="a",
            run_id="run1",
            stream="orders",
            write=write,
            schema=ORDERS,
            batches=batches,
        )
    )
    session.close()
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute(
            f"SELECT DISTINCT column_name, compression FROM pragma_storage_info('{SCHEMA}.orders') "
            "WHERE segment_type IN ('VARCHAR', 'JSON')"
        ).fetchall()
        names = ", ".join(TEXTS)
        query = f"SELECT id, {names} FROM {SCHEMA}.orders ORDER BY id"
        held = connection.execute(query).fetchall()
    numbers = sorted(k for piece in pieces for k in piece)
    assert held == [(k, *(made(k) for made in TEXTS.values())) for k in numbers]
    return {name for name, kind in found if kind == "ZSTD"}


@only_later
@pytest.mark.parametrize(
    "write",
    [Append(), Merge(key=("id",)), Replace(generation="g", swap=True)],
    ids=["append", "merge", "replace"],
)
def test_texts_of_which_few_are_alike(tmp_path, write):
    """They are known by the largest piece of the first rows, whatever writes these."""
    squeezed = load(tmp_path / "a.duckdb", write, range(20), range(20, 30_000))
    assert squeezed == {ROW_ID, "unlike", "long", "doc"}


@only_later
def test_few_values_tell_nothing(tmp_path):
    """Of some two hundred texts, all may be unlike by chance."""
    assert "unlike" not in load(tmp_path / "a.duckdb", Append(), range(200))
