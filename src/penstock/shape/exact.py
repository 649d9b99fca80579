"""The exact lane: records decoded to objects and placed value by value; here the schema grows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from penstock.errors import ShapeError
from penstock.shape.contract import DiscardRow, DiscardValue, Judge
from penstock.shape.frame import Frame, collected
from penstock.shape.place import Placer
from penstock.shape.report import Tally
from penstock.shape.schema import Discarded, Extra, Segment
from penstock.shape.slices import Slices
from penstock.shape.tree import VALUE, Node, TableState, Tree
from penstock.shape.values import Json, decode

_EXCERPT = 200


class ExactLane:
    """Shapes segments record by record, into the tree's own buffers."""

    def __init__(self, tree: Tree, judge: Judge, tally: Tally) -> None:
        self._tree = tree
        self._judge = judge
        self._tally = tally
        self._placer = Placer(tree, judge, tally)
        self._discards = judge.discards
        self._slices = Slices(b"")
        self.left_out: list[tuple[bytes | msgspec.Raw, Discarded]] = []
        """Records that the contract kept out, since the list was last emptied."""
        self._rows_out: list[Discarded] = []
        self._record: tuple[bytes | msgspec.Raw, str] = (b"", "")

    def shape(self, segments: Sequence[Segment]) -> dict[str, Frame]:
        """The rows of these segments, by table.

        Raises:
            ShapeError: a record cannot be read, or its contract forbids what it brings.
        """
        for table in self._tree.tables:
            table.begin()
        for segment in segments:
            self._segment(segment)
        return {table.name: collected(table) for table in self._tree.tables if table.rows}

    def _segment(self, segment: Segment) -> None:
        extras = segment.extras
        for given in segment.records:
            record = _named(given)
            self._slices = Slices(record)
            try:
                if self._discards:
                    self._add_with_rollback(decode(record), record, segment)
                else:
                    self._add(decode(record), extras)
            except ShapeError as error:
                raise _located(error, self._tree.stream, segment.origin, record) from error
            except RecursionError:
                deep = ShapeError("a record is nested too deeply to be shaped", code="depth")
                raise _located(deep, self._tree.stream, segment.origin, record) from None

    def _add(self, value: Any, extras: tuple[tuple[str, Extra], ...]) -> None:
        root = self._tree.root
        row = root.rows
        root.rows = row + 1
        if type(value) is dict:
            for key, extra in extras:
                if value.get(key) is None:
                    value[key] = extra
            self._object(value, root.record, row)
            return
        if value is not None:
            self._scalar(root.record, value, row)
        if extras:
            self._object(dict(extras), root.record, row)

    def _add_with_rollback(self, value: Any, record: bytes | msgspec.Raw, segment: Segment) -> None:
        marks = {table.name: table.rows for table in self._tree.tables}
        self._record = record, segment.origin
        self._tree.settled()
        before = self._tree.mark()
        try:
            self._add(value, segment.extras)
        except DiscardRow as why:
            self._tree.prune(before)
            self.left_out.append((record, self._out(why)))
            for table in self._tree.tables:
                _truncate(table, marks.get(table.name, 0))

    def _out(self, why: DiscardRow) -> Discarded:
        self._tally.add("discarded_rows")
        record, origin = self._record
        text = bytes(record).decode("utf-8", "replace")
        return Discarded(reason=str(why), record=text, origin=origin)

    def dropped(self) -> tuple[Discarded, ...]:
        """Rows of child tables that the contract kept out since this was last asked."""
        found, self._rows_out = tuple(self._rows_out), []
        return found

    def _object(self, value: dict[str, Any], node: Node, row: int) -> None:
        fields = node.fields
        if fields is None:
            fields = self._tree.objects(node)
        for key, inner in value.items():
            child = fields.get(key)
            if child is None:
                child = self._tree.field(node, key)
            if inner is not None:
                kind = type(inner)
                if kind is child.direct:
                    values = child.main.values  # type: ignore[union-attr]  # a direct type has a main column
                    if len(values) < row:
                        values.extend([None] * (row - len(values)))
                    values.append(inner)
                elif kind is dict and child.nests:
                    self._object(inner, child, row)
                elif kind is list and child.nests:
                    self._list(inner, child, row)
                else:
                    self._scalar(child, inner, row)

    def _list(self, elements: list[Any], node: Node, row: int) -> None:
        if not elements:
            self._tree.listed(node)
            return
        table = node.items or self._child(node, elements)
        if table is None:
            return
        record = table.record
        guarded = self._discards and not table.folded
        if not guarded:
            table.parents.extend([row] * len(elements))
        for index, element in enumerate(elements):
            here = table.rows
            table.rows = here + 1
            table.index.append(index)
            if guarded:
                table.parents.append(row)
                self._element_with_rollback(element, table, here)
            else:
                self._element(element, record, here)

    def _element(self, element: Any, record: Node, row: int) -> None:
        if type(element) is dict:
            self._object(element, record, row)
        elif type(element) is list and record.nests_lists:
            self._list(element, record, row)
        elif element is not None:
            self._scalar(record, element, row)

    def _element_with_rollback(self, element: Any, table: TableState, row: int) -> None:
        """An element of a list, and all below it, unless the contract keeps it out."""
        marks, before = {one.name: one.rows for one in self._tree.tables}, self._tree.mark()
        try:
            self._element(element, table.record, row)
        except DiscardRow as why:
            self._tree.prune(before)
            self._rows_out.append(self._out(why))
            for one in self._tree.tables:
                if one is table or _below(one, table):
                    _truncate(one, row if one is table else marks.get(one.name, 0))

    def _child(self, node: Node, elements: list[Any]) -> TableState | None:
        fold, name = node.mode == "struct", self._tree.wanted_name(node)
        known = not fold and name in self._tree.unseen  # as dlt has made it
        try:
            if not known:
                self._judge.allow("columns" if fold else "tables", node, elements, table=name)
        except DiscardValue:
            self._tally.add("discarded_values")
            return None
        table = self._tree.child(node)
        if not (table.folded or known):
            self._tally.changed("table", table.name, "", f"new table {table.name}")
        return table

    def _scalar(self, node: Node, value: Any, row: int) -> None:
        main = node.main
        as_json = main is not None and main.declared and main.type == "json"
        if (as_json and type(value) is not Json) or type(value) in _CONTAINERS:
            value = Json(self._verbatim(node, value))
        try:
            column, kept = self._placer.place(node, value)
        except DiscardValue:
            self._tally.add("discarded_values")
            return
        values = column.values
        if len(values) < row:
            values.extend([None] * (row - len(values)))
        values.append(kept)

    def _verbatim(self, node: Node, value: Any) -> str:
        """The text of `value`, found at `node` in the record at hand, as the record spells it."""
        text = self._slices.text(_path(node))
        # what a segment adds stands in no record
        return json.dumps(value) if text is None or text == "null" else text


_CONTAINERS = (dict, list)


def _named(record: bytes | msgspec.Raw) -> bytes | msgspec.Raw:
    """The record, as an object with one field if it is a list: its items have a table then."""
    text = bytes(record[:1] if isinstance(record, bytes) else memoryview(record)[:1])
    return b'{"%b":%b}' % (VALUE.encode(), bytes(record)) if text == b"[" else record


def _below(table: TableState, above: TableState) -> bool:
    """Whether a table's rows are parts of rows of another."""
    while table.parent is not None:
        table = table.parent
        if table is above:
            return True
    return False


def _path(node: Node) -> list[str | int]:
    """The way from the record at hand to `node`, by the rows being filled."""
    path: list[str | int] = list(reversed(node.path))
    table = node.table
    while table.parent is not None:
        path.append(table.index[-1])
        path.extend(reversed(table.path))
        table = table.parent
    path.reverse()
    return path


def _truncate(table: TableState, rows: int) -> None:
    table.rows = rows
    del table.parents[rows:]
    del table.index[rows:]
    for column in table.columns:
        del column.values[rows:]


def _located(
    error: ShapeError, stream: str, origin: str, record: bytes | msgspec.Raw
) -> ShapeError:
    """The same error, saying which stream, request and record it is about."""
    where = f" ({origin})" if origin else ""
    message = f"{stream}: {error.message}{where}; record: {excerpt(record)}"
    return type(error)(message, code=error.code, hint=error.hint)


def excerpt(record: bytes | msgspec.Raw) -> str:
    """The beginning of a record, for a message."""
    text = bytes(record).decode("utf-8", "replace")
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"
