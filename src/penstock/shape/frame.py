"""Rows of one table between a lane and the finished batch, and whose children they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from penstock import arrow
from penstock.shape.tree import ColumnState, TableState, Tree


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows of a table.

    `columns` holds arrays by column name; a column that is absent is null. For a child table
    `parents` holds the row number in the parent's frame, and `index` the place in the list.
    """

    rows: int
    columns: Mapping[str, Any]
    parents: Any = None
    index: Any = None


Frames = Mapping[str, Frame]


def values_type(column: ColumnState) -> pa.DataType:
    """The Arrow type of a column's values."""
    return arrow.type_of(column.type, column.precision, column.scale)


TEXTUAL = frozenset({"text", "json", "timestamp", "timestamp_ntz", "date", "time"})
"""Types whose values stand in records as text."""


def from_text(texts: pa.Array, column: ColumnState) -> pa.Array:
    """Texts of a textual column as its values.

    Raises:
        pa.ArrowInvalid: one of them is not such a value.
    """
    if column.type in {"text", "json"}:
        return texts
    if column.type == "time":
        anchored = arrow.joined("", arrow.scalar("1970-01-01T", pa.string()), texts)
        return arrow.cast(arrow.cast(anchored, pa.timestamp("us")), pa.time64("us"))
    return arrow.cast(texts, values_type(column))


def from_values(column: ColumnState, rows: int) -> pa.Array:
    """The values that the exact lane collected in `column`, nulls at the end filled in."""
    values = column.values
    if not values:
        return pa.nulls(rows, values_type(column))
    if len(values) < rows:
        values.extend([None] * (rows - len(values)))
    if column.type in TEXTUAL:
        return from_text(arrow.array(values, pa.string()), column)
    return arrow.array(values, values_type(column))


def collected(table: TableState) -> Frame:
    """The rows that the exact lane collected in `table`."""
    columns = {
        column.name: from_values(column, table.rows) for column in table.columns if column.values
    }
    if table.parent is None:
        return Frame(rows=table.rows, columns=columns)
    return Frame(
        rows=table.rows,
        columns=columns,
        parents=arrow.array(table.parents, pa.int64()),
        index=arrow.array(table.index, pa.int64()),
    )


def empty(table: TableState) -> Frame:
    """No rows of `table`."""
    if table.parent is None:
        return Frame(rows=0, columns={})
    none = arrow.array([], pa.int64())
    return Frame(rows=0, columns={}, parents=none, index=none)


def concat(tree: Tree, pieces: Sequence[Frames]) -> dict[str, Frame]:
    """The rows of all pieces, in order, in the columns as they are after the last of them."""
    return {table.name: _concat_table(table, pieces) for table in tree.tables}


def _concat_table(table: TableState, pieces: Sequence[Frames]) -> Frame:
    frames = [piece.get(table.name) or empty(table) for piece in pieces]
    if len(frames) == 1:
        return frames[0]
    rows = sum(frame.rows for frame in frames)
    columns = {
        column.name: _concat_column(column, frames)
        for column in table.columns
        if any(column.name in frame.columns for frame in frames)
    }
    if table.parent is None:
        return Frame(rows=rows, columns=columns)
    parents, index = _concat_links(table.parent, frames, pieces)
    return Frame(rows=rows, columns=columns, parents=parents, index=index)


def _concat_column(column: ColumnState, frames: Sequence[Frame]) -> pa.Array:
    kind = values_type(column)
    arrays = []
    for frame in frames:
        array = frame.columns.get(column.name)
        # an earlier piece may have the narrower type the column had then
        arrays.append(pa.nulls(frame.rows, kind) if array is None else arrow.cast(array, kind))
    return pa.concat_arrays(arrays)


def _concat_links(
    parent: TableState, frames: Sequence[Frame], pieces: Sequence[Frames]
) -> tuple[pa.Array, pa.Array]:
    offset = 0
    parents = []
    for frame, piece in zip(frames, pieces, strict=True):
        parents.append(arrow.plus(frame.parents, offset))
        above = piece.get(parent.name)
        offset += above.rows if above is not None else 0
    return pa.concat_arrays(parents), pa.concat_arrays([frame.index for frame in frames])
