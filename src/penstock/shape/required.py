"""Columns that a document declares as not nullable: a record without a value there is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.errors import ShapeError
from penstock.plan.hints import Hints
from penstock.shape.exact import excerpt
from penstock.shape.frame import Frame
from penstock.shape.roles import column_of
from penstock.shape.schema import Segment
from penstock.shape.tree import Tree
from penstock.shape.values import decode


class Required:
    """The columns of one stream's root table that must not be null."""

    def __init__(self, tree: Tree, hints: Hints) -> None:
        self._tree = tree
        self._fields = tuple(column.name for column in hints.columns if not column.nullable)

    def check(self, frame: Frame, segments: Sequence[Segment]) -> None:
        """Make sure that every row has a value in each of these columns.

        Raises:
            ShapeError: a row has none; the message shows its record.
        """
        for field in self._fields:
            name = column_of(self._tree, field) or self._tree.called(field)
            array = frame.columns.get(name)
            if frame.rows and (array is None or array.null_count):
                raise self._refused(field, name, segments)

    def _refused(self, field: str, name: str, segments: Sequence[Segment]) -> ShapeError:
        column = next((c for c in self._tree.root.columns if c.name == name), None)
        path = column.node.path if column is not None else (field,)
        what, record, origin = _without(path, segments)
        where = f" ({origin})" if origin else ""
        return ShapeError(
            f"{self._tree.stream}: {what} {field}, which is declared as not nullable{where}; "
            f"record: {excerpt(record)}",
            code="null-value",
            hint="declare the column as nullable, or leave such records out with a filter",
        )


def lookup(value: Any, path: Sequence[str]) -> Any:
    """What stands at a path of keys, or None."""
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _without(path: tuple[str, ...], segments: Sequence[Segment]) -> tuple[str, bytes, str]:
    """The first record that has nothing at `path`, with the request it came from."""
    for segment in segments:
        extras = dict(segment.extras)
        for record in segment.records:
            found = lookup(decode(record), path)
            if found is None and (len(path) > 1 or extras.get(path[0]) is None):
                return "a record has no", bytes(record), segment.origin
    first = segments[0]
    return "a record has a value of another type as", bytes(first.records[0]), first.origin
