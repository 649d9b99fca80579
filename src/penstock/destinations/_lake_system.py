"""Penstock's own tables in a dataset: some are files, the others are read out of the log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.destinations import _sql as sql
from penstock.destinations._lake_log import Head
from penstock.plan.hints import ColumnType
from penstock.shape.schema import Discarded, Table, TableColumn

if TYPE_CHECKING:
    import pyarrow as pa


def system_table(name: str, /, **columns: ColumnType) -> Table:
    """Describe a table of Penstock's own."""
    found = tuple(TableColumn(name=n, type=kind) for n, kind in columns.items())
    return Table(name=name, columns=found)


SEEN = system_table(sql.SEEN, stream="text", run_id="text", version="text")
RECEIPTS = system_table(
    sql.RECEIPTS, run_id="text", stream="text", receipt="json", stored_at="timestamp"
)
DISCARDED = system_table(
    sql.DISCARDED,
    stream="text",
    load_id="text",
    reason="text",
    origin="text",
    record="text",
    discarded_at="timestamp",
)
FENCE = system_table(
    sql.FENCE,
    format="bigint",
    epoch="bigint",
    run_id="text",
    pid="bigint",
    host="text",
    released="bool",
)
LOADS = system_table(
    sql.LOADS,
    load_id="text",
    stream="text",
    sequence="bigint",
    run_id="text",
    epoch="bigint",
    write="text",
    generation="text",
    swapped="bool",
    rows="json",
    slices="text",
    committed_at="timestamp",
)
STATE = system_table(sql.STATE, stream="text", name="text", value="text")
COLUMNS = system_table(
    sql.COLUMNS,
    stream="text",
    table_name="text",
    table_position="bigint",
    parent="text",
    column_name="text",
    column_position="bigint",
    type="text",
    table_definition="json",
    column_definition="json",
)
BUILDS = system_table(sql.BUILDS, stream="text", generation="text", table_name="text")

IN_FILES = {t.name: t for t in (SEEN, RECEIPTS, DISCARDED)}
IN_THE_LOG = {t.name: t for t in (FENCE, LOADS, STATE, COLUMNS, BUILDS)}


def receipt_rows(
    run_id: str, receipts: Sequence[tuple[str, str]], at: float
) -> tuple[Table, pa.Table]:
    """Receipts, as rows of their table."""
    values = [
        {"run_id": run_id, "stream": stream, "receipt": text, "stored_at": micros(at)}
        for stream, text in receipts
    ]
    return RECEIPTS, arrow_rows(RECEIPTS, values)


def discarded_rows(
    stream: str, load_id: str, found: Sequence[Discarded], at: float
) -> tuple[Table, pa.Table]:
    """Records that a contract kept out, as rows of their table."""
    values = [
        {
            "stream": stream,
            "load_id": load_id,
            "reason": one.reason,
            "origin": one.origin,
            "record": one.record,
            "discarded_at": micros(at),
        }
        for one in found
    ]
    return DISCARDED, arrow_rows(DISCARDED, values)


def arrow_rows(table: Table, values: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows given as dicts."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    from penstock import arrow  # noqa: PLC0415 (the same)
    from penstock.destinations._lake_files import file_schema  # noqa: PLC0415 (the same)

    fields = file_schema(table)
    columns = [arrow.array([row.get(f.name) for row in values], f.type) for f in fields]
    return pa.Table.from_arrays(columns, schema=fields)


def micros(seconds: float) -> int:
    """A time as timestamps have it."""
    return int(seconds * 1_000_000)


def rows_in_the_log(head: Head, name: str) -> list[dict[str, Any]]:
    """The rows of a table that is kept in the log itself."""
    match name:
        case sql.FENCE:
            return _fence(head)
        case sql.LOADS:
            return [
                {
                    **msgspec.structs.asdict(load),
                    "rows": msgspec.json.encode(load.rows).decode(),
                    "committed_at": micros(load.committed_at),
                }
                for load in head.loads
            ]
        case sql.STATE:
            return [
                {"stream": stream, "name": name, "value": value}
                for stream, held in sorted(head.streams.items())
                for name, value in sorted(held.state.items())
            ]
        case sql.COLUMNS:
            return _columns(head)
        case _:
            return [
                {"stream": stream, "generation": held.build.generation, "table_name": table.name}
                for stream, held in sorted(head.streams.items())
                if held.build is not None
                for table in held.build.schema.tables
            ]


def _fence(head: Head) -> list[dict[str, Any]]:
    if head.owner is None:
        return []
    fields = {"format": head.format, "epoch": head.epoch, "released": head.released}
    return [{**fields, **msgspec.structs.asdict(head.owner)}]


def _columns(head: Head) -> list[dict[str, Any]]:
    names = ["stream", *sql.COLUMN_FIELDS.replace(",", " ").split()]
    return [
        dict(zip(names, (stream, *row), strict=True))
        for stream, held in sorted(head.streams.items())
        if held.schema is not None
        for row in sql.schema_rows(held.schema)
    ]
