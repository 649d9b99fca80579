"""Rows as a destination gets them: Arrow tables of messages, made before any clock starts."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from penstock.shape.schema import LIST_INDEX, LOAD_ID, PARENT_ID, ROW_ID, Batch, Schema, Table
from penstock.shape.schema import TableColumn as Column

BLOCK = 25_000  # rows of one batch: about 16 MB of JSON
CHILDREN = ("parts", "tags", "properties", "links")
KEY = ("id",)


def columns(table, *, child=False):
    own = (ROW_ID, PARENT_ID, LIST_INDEX) if child else (ROW_ID,)
    names = [Column(name=LOAD_ID, type="text")]
    names += [Column(name=n, type="bigint" if n == LIST_INDEX else "text") for n in own]
    body = {"bigint": 7, "text": 10, "double": 2, "bool": 1, "timestamp": 1} if not child else {
        "bigint": 1, "text": 2,
    }  # fmt: skip
    found = [Column(name="id", type="bigint")] if not child else []
    found += [
        Column(name=f"{table}_{kind}_{i}", type=kind) for kind, n in body.items() for i in range(n)
    ]
    return (*found, *names)


def schema(*, nested):
    """Messages of 23 columns; nested ones have four child tables with a row for each message."""
    tables = [Table(name="messages", columns=columns("messages"), key=KEY)]
    if nested:
        tables += [
            Table(name=f"messages__{c}", parent="messages", columns=columns(c, child=True))
            for c in CHILDREN
        ]
    return Schema(stream="messages", tables=tuple(tables))


def _modulo(values, divisor):
    return pc.subtract(values, pc.multiply(pc.divide(values, divisor), divisor))


def _values(column, ids, row_ids, load_id, salt):
    """Values like those of an API: numbers that grow, texts of which some repeat."""
    made = pc.add(ids, salt)
    match column.name:
        case "id":
            return ids
        case _ if column.name == LOAD_ID:
            return pa.repeat(load_id, len(ids))
        case _ if column.name in {ROW_ID, PARENT_ID}:
            return row_ids
        case _ if column.name == LIST_INDEX:
            return pa.repeat(pa.scalar(0, pa.int64()), len(ids))
    match column.type:
        case "bigint":
            return _modulo(pc.multiply(made, 7919), 1_000_003)
        case "double":
            return pc.divide(made.cast(pa.float64()), 7.0)
        case "bool":
            return pc.equal(_modulo(made, 3), 0)
        case "timestamp":
            return pc.add(made, 1_700_000_000_000_000).cast(pa.timestamp("us", "UTC"))
        case _:
            number = _modulo(pc.multiply(made, 31), 50_021).cast(pa.string())
            return pc.binary_join_element_wise(f"{column.name} ", number, " of it", "")


def batches(made, ids, load_id, salt=0):
    """The rows of these ids, a block at a time; `salt` makes other values for the same ids."""
    for start in range(0, len(ids), BLOCK):
        some = pa.array(ids[start : start + BLOCK], pa.int64())
        # Spread like the digests that they are.
        row_ids = pa.array([f"{i.as_py() * 0x9E3779B97F4A7C15 % 2**64:016x}" for i in some])
        yield Batch(
            tables={
                table.name: pa.table(
                    {c.name: _values(c, some, row_ids, load_id, salt) for c in table.columns}
                )
                for table in made.tables
            }
        )
