"""Columns that must not be null: a record without a value there is refused.

A document declares them so, or dlt has made them so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.errors import ShapeError
from penstock.plan.hints import Hints
from penstock.shape.exact import excerpt
from penstock.shape.frame import Frame
from penstock.shape.place import takes
from penstock.shape.roles import column_of
from penstock.shape.schema import Segment
from penstock.shape.tree import ColumnState, Tree
from penstock.shape.values import decode


class Required:
    """The columns of one stream's root table that must not be null."""

    def __init__(self, tree: Tree, hints: Hints) -> None:
        self._tree = tree
        self._fields = tuple(column.name for column in hints.columns if not column.nullable)
        # a merge tells of records without its key itself
        key = hints.primary_key or hints.merge_key
        self._keys = frozenset(map(tree.called, key if hints.write == "merge" else ()))

    def check(self, frame: Frame, segments: Sequence[Segment]) -> None:
        """Make sure that every row has a value in each of these columns.

        Raises:
            ShapeError: a row has none; the message shows its record.
        """
        for field in self._fields:
            name = column_of(self._tree, field) or self._tree.called(field)
            array = frame.columns.get(name)
            if frame.rows and (array is None or array.null_count):
                column = next((c for c in self._tree.root.columns if c.name == name), None)
                raise self._refused(field, column, segments)
        for column in self._tree.root.columns:
            array = frame.columns.get(column.name)
            if not column.required or column.name in self._keys or not frame.rows:
                continue
            if array is None or array.null_count:
                raise self._refused(column.name, column, segments)

    def _refused(
        self, field: str, column: ColumnState | None, segments: Sequence[Segment]
    ) -> ShapeError:
        path = column.node.path if column is not None else (field,)
        found, record, origin = _without(path, column, segments)
        what = f"has no {field}" if found is None else f"has {found!r} as {field}, another type"
        where = f" ({origin})" if origin else ""
        made = column is not None and column.required
        why = "whose column dlt has made not nullable" if made else "which is declared not nullable"
        otherwise = "" if made else "declare the column as nullable, or "
        return ShapeError(
            f"{self._tree.stream}: a record {what}, {why}{where}; record: {excerpt(record)}",
            code="null-value",
            hint=f"{otherwise}leave such records out with a filter",
        )


def lookup(value: Any, path: Sequence[str]) -> Any:
    """What stands at a path of keys, or None."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _without(
    path: tuple[str, ...], column: ColumnState | None, segments: Sequence[Segment]
) -> tuple[Any, bytes, str]:
    """The first record that has nothing at `path`, or else nothing that the column takes.

    Gives what it has there, the record, and the request that it came from.
    """
    other: tuple[Any, bytes, str] | None = None
    for segment in segments:
        extras = dict(segment.extras)
        for record in segment.records:
            found = lookup(decode(record), path)
            if found is None and len(path) == 1:
                found = extras.get(path[0])
            if found is None:
                return None, bytes(record), segment.origin
            nested = isinstance(found, dict | list)
            if other is None and (nested or column is None or not takes(column, found)):
                other = found, bytes(record), segment.origin
    assert other is not None, "a null in a column comes from a record"
    return other
