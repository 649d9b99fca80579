"""Batches of one stream as whole tables, for whoever wants rows without a destination."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from penstock.shape.schema import Batch, Schema, Table, arrow_type, grown


def gather(batches: Sequence[Batch], schema: Schema) -> dict[str, pa.Table]:
    """Every table with the columns and types of the schema as it is after the last batch."""
    return {table.name: _table(table, batches) for table in schema.tables}


def _table(table: Table, batches: Sequence[Batch]) -> pa.Table:
    columns = [column for column in table.columns if column.name != table.own.load_id]
    target = pa.schema([pa.field(column.name, arrow_type(column)) for column in columns])
    pieces = [batch.tables[table.name] for batch in batches if table.name in batch.tables]
    return pa.concat_tables([_fitted(piece, target) for piece in pieces] or [target.empty_table()])


def _fitted(piece: pa.Table, target: pa.Schema) -> pa.Table:
    """A piece in the columns that the table has in the end."""
    arrays = [
        grown(piece.column(field.name).combine_chunks(), field.type)
        if field.name in piece.column_names
        else pa.nulls(piece.num_rows, field.type)
        for field in target
    ]
    return pa.table(arrays, schema=target)
