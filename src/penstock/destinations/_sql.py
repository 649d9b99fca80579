"""SQL text that destinations share: quoting, the system tables, and a stream's schema as rows.

Names are quoted by `quote` and nowhere else; values are parameters and never part of the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from penstock.destinations.base import SYSTEM_PREFIX, Checkpoint
from penstock.shape.schema import Schema, Table, TableColumn

FORMAT = 1
"""Version of the system tables; a destination written by a newer one is refused."""

FENCE = f"{SYSTEM_PREFIX}fence"
LOADS = f"{SYSTEM_PREFIX}loads"
STATE = f"{SYSTEM_PREFIX}state"
RECEIPTS = f"{SYSTEM_PREFIX}receipts"
COLUMNS = f"{SYSTEM_PREFIX}columns"
BUILDS = f"{SYSTEM_PREFIX}builds"
DISCARDED = f"{SYSTEM_PREFIX}discarded"
SEEN = f"{SYSTEM_PREFIX}seen"

# `turn` is written by whoever commits or opens, so that the two can never both succeed unseen.
SYSTEM_TABLES = {
    FENCE: "format INTEGER, epoch BIGINT, turn BIGINT, run_id VARCHAR, pid BIGINT, host VARCHAR, "
    "started_at TIMESTAMPTZ, released_at TIMESTAMPTZ",
    LOADS: "load_id VARCHAR, stream VARCHAR, sequence BIGINT, run_id VARCHAR, epoch BIGINT, "
    "write VARCHAR, generation VARCHAR, swapped BOOLEAN, rows JSON, slices VARCHAR, "
    "committed_at TIMESTAMPTZ",
    STATE: "stream VARCHAR, name VARCHAR, value VARCHAR",
    RECEIPTS: "run_id VARCHAR, stream VARCHAR, receipt JSON, stored_at TIMESTAMPTZ",
    COLUMNS: "stream VARCHAR, table_name VARCHAR, table_position INTEGER, parent VARCHAR, "
    "column_name VARCHAR, column_position INTEGER, type VARCHAR, table_definition JSON, "
    "column_definition JSON",
    BUILDS: "stream VARCHAR, generation VARCHAR, table_name VARCHAR",
    DISCARDED: "stream VARCHAR, load_id VARCHAR, reason VARCHAR, origin VARCHAR, record VARCHAR, "
    "discarded_at TIMESTAMPTZ",
    SEEN: "stream VARCHAR, run_id VARCHAR, version VARCHAR",
}

# The definitions rebuild the schema, whatever a table or a column comes to say of itself; the
# fields before them are for people.
COLUMN_FIELDS = (
    "table_name, table_position, parent, column_name, column_position, type, "
    "table_definition, column_definition"
)
DEFINITIONS = "CAST(table_definition AS VARCHAR), CAST(column_definition AS VARCHAR)"


MAX_LABEL = 63
"""Bytes that servers keep of what a connection calls itself."""

TEXTS = "unnest(CAST(? AS VARCHAR[]))"
"""A list of texts, given as a value, as rows."""


def quote(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """Quote a text."""
    return "'" + value.replace("'", "''") + "'"


def names(columns: Iterable[str]) -> str:
    """Quote identifiers, separated by commas."""
    return ", ".join(quote(c) for c in columns)


def build_name(table: str, generation: str) -> str:
    """Name the table that a generation is built in until it is shown."""
    return f"{table}_{SYSTEM_PREFIX}{generation}"


def as_build(schema: Schema, generation: str) -> Schema:
    """Give every table of a schema the name it has while its generation is built."""

    def renamed(table: Table) -> Table:
        parent = table.parent and build_name(table.parent, generation)
        name = build_name(table.name, generation)
        return msgspec.structs.replace(table, name=name, parent=parent)

    return msgspec.structs.replace(schema, tables=tuple(renamed(t) for t in schema.tables))


def in_build(checkpoint: Checkpoint, generation: str) -> Checkpoint:
    """A checkpoint whose rows are for the tables in which a generation is built."""
    batches = tuple(
        msgspec.structs.replace(
            batch, tables={build_name(n, generation): rows for n, rows in batch.tables.items()}
        )
        for batch in checkpoint.batches
    )
    schema = checkpoint.schema and as_build(checkpoint.schema, generation)
    return msgspec.structs.replace(checkpoint, schema=schema, batches=batches)


def same_keys(left: str, right: str, key: Sequence[str]) -> str:
    """Compare the key columns of two relations; a null key is equal to nothing."""
    return " AND ".join(f"{left}.{quote(k)} = {right}.{quote(k)}" for k in key)


def schema_rows(schema: Schema) -> list[tuple[Any, ...]]:
    """Spell a schema as rows of `COLUMN_FIELDS`."""
    rows: list[tuple[Any, ...]] = []
    for t, table in enumerate(schema.tables):
        definition = _json(msgspec.structs.replace(table, columns=()))
        rows += [
            (table.name, t, table.parent, column.name, c, column.type, definition, _json(column))
            for c, column in enumerate(table.columns)
        ]
    return rows


def schema_from_rows(stream: str, rows: Iterable[tuple[str, str]]) -> Schema | None:
    """Rebuild a schema from rows of `DEFINITIONS`, in order of their positions."""
    tables: dict[str, list[TableColumn]] = {}
    for table, column in rows:
        tables.setdefault(table, []).append(msgspec.json.decode(column, type=TableColumn))
    found = tuple(_table(definition, columns) for definition, columns in tables.items())
    return Schema(stream=stream, tables=found) if found else None


def _table(definition: str, columns: list[TableColumn]) -> Table:
    table = msgspec.json.decode(definition, type=Table)
    return msgspec.structs.replace(table, columns=tuple(columns))


def _json(value: Table | TableColumn) -> str:
    return msgspec.json.encode(value).decode()
