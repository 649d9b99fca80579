"""Flat columns and the rows of folded tables put together as structs and lists.

What is null follows from the values alone, never from where a block ended: a struct whose fields
are all null, and a list without an element that is more than null.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from penstock import arrow
from penstock.shape.frame import Frame, values_type
from penstock.shape.layout import Piece
from penstock.shape.tree import TableState

_NONE = arrow.scalar(0, pa.int64())


def folded(piece: Piece, table: TableState, frames: Mapping[str, Frame]) -> Any:
    """The values of a piece, one for each row of its table."""
    around = [table, *piece.lists]
    values = _innermost(piece, around[-1], frames)
    for outer, inner in reversed(list(zip(around, piece.lists, strict=False))):
        values = _lists(values, frames[inner.name], frames[outer.name].rows)
    return values


def _innermost(piece: Piece, table: TableState, frames: Mapping[str, Frame]) -> Any:
    frame = frames[table.name]
    if piece.leaf is not None:
        array = frame.columns.get(piece.leaf.name)
        return pa.nulls(frame.rows, values_type(piece.leaf)) if array is None else array
    assert piece.fields is not None, "a piece without a leaf has fields"
    inner = piece.fields.pieces
    arrays = [folded(field, table, frames) for field in inner]
    absent = arrow.call("is_null", arrays[0])
    for array in arrays[1:]:
        absent = arrow.call("and", absent, arrow.call("is_null", array))
    return pa.StructArray.from_arrays(arrays, names=[f.name for f in inner], mask=absent)


def _lists(values: Any, frame: Frame, rows: int) -> Any:
    """Elements as lists, by the rows they belong to."""
    parents = frame.parents
    if values.null_count:
        # aligned lists of one path, and lists of nulls: where nothing is, there is no list
        valid = arrow.call("is_valid", values)
        full = arrow.call("unique", arrow.chosen(parents, valid))
        mine = arrow.is_in(parents, full)
        values, parents = arrow.chosen(values, mine), arrow.chosen(parents, mine)
    counted = arrow.call("value_counts", parents)
    at = arrow.index_in(arrow.count_up(rows), counted.field("values"))
    sizes = arrow.call("coalesce", arrow.take(counted.field("counts"), at), _NONE)
    ends = arrow.cast(arrow.call("cumulative_sum", sizes), pa.int32())
    offsets = _without_bitmap(pa.concat_arrays([arrow.array([0], pa.int32()), ends]))
    return pa.ListArray.from_arrays(offsets, values, mask=arrow.call("is_null", at))


def _without_bitmap(numbers: Any) -> Any:
    """The same numbers, none of them null, with no map of nulls: not all of pyarrow take one."""
    return pa.Array.from_buffers(numbers.type, len(numbers), [None, numbers.buffers()[1]])
