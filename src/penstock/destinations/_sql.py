# ruff: noqa: S608 (identifiers go through quote(), values are parameters)
"""SQL text that destinations share: quoting, the system tables, and a stream's schema as rows.

Names are quoted by `quote` and nowhere else; values are parameters and never part of the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from penstock.destinations.base import SYSTEM_PREFIX
from penstock.shape.schema import PARENT_ID, ROW_ID, Schema, Table, TableColumn

FORMAT = 1
"""Version of the system tables; a destination written by a newer one is refused."""

FENCE = f"{SYSTEM_PREFIX}fence"
LOADS = f"{SYSTEM_PREFIX}loads"
STATE = f"{SYSTEM_PREFIX}state"
RECEIPTS = f"{SYSTEM_PREFIX}receipts"
COLUMNS = f"{SYSTEM_PREFIX}columns"
BUILDS = f"{SYSTEM_PREFIX}builds"

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
    "table_path JSON, key JSON, column_position INTEGER, column_name VARCHAR, type VARCHAR, "
    "nullable BOOLEAN, precision INTEGER, scale INTEGER, variant BOOLEAN, column_path JSON",
    BUILDS: "stream VARCHAR, generation VARCHAR, table_name VARCHAR",
}

COLUMN_FIELDS = (
    "table_name, table_position, parent, table_path, key, column_position, column_name, type, "
    "nullable, precision, scale, variant, column_path"
)


def quote(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


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


def same_keys(left: str, right: str, key: Sequence[str]) -> str:
    """Compare the key columns of two relations; a null key is equal to nothing."""
    return " AND ".join(f"{left}.{quote(k)} = {right}.{quote(k)}" for k in key)


def child_delete(child: str, doomed: str) -> str:
    """Delete the rows of a child table whose parents' ids are in `doomed`."""
    return f"DELETE FROM {child} WHERE {quote(PARENT_ID)} IN (SELECT {quote(ROW_ID)} FROM {doomed})"


def schema_rows(schema: Schema) -> list[tuple[Any, ...]]:
    """Spell a schema as rows of `COLUMN_FIELDS`."""
    return [
        (
            *(table.name, t, table.parent, _json(table.path), _json(table.key), c, column.name),
            *(column.type, column.nullable, column.precision, column.scale, column.variant),
            _json(column.path),
        )
        for t, table in enumerate(schema.tables)
        for c, column in enumerate(table.columns)
    ]


def schema_from_rows(stream: str, rows: Iterable[Sequence[Any]]) -> Schema | None:
    """Rebuild a schema from rows of `COLUMN_FIELDS` in order of their positions."""
    heads: dict[str, Sequence[Any]] = {}
    columns: dict[str, list[TableColumn]] = {}
    for row in rows:
        heads.setdefault(row[0], row)
        columns.setdefault(row[0], []).append(_column(row))
    tables = tuple(_table(head, columns[name]) for name, head in heads.items())
    return Schema(stream=stream, tables=tables) if tables else None


def _table(head: Sequence[Any], columns: list[TableColumn]) -> Table:
    name, _, parent, path, key, *_ = head
    return Table(name=name, parent=parent, path=_path(path), key=_path(key), columns=tuple(columns))


def _column(row: Sequence[Any]) -> TableColumn:
    name, kind, nullable, precision, scale, variant, path = row[6:]
    return TableColumn(
        name=name,
        type=kind,
        path=_path(path),
        nullable=nullable,
        precision=precision,
        scale=scale,
        variant=variant,
    )


def _json(value: tuple[str, ...]) -> str:
    return msgspec.json.encode(value).decode()


def _path(text: str) -> tuple[str, ...]:
    return msgspec.json.decode(text, type=tuple[str, ...])
