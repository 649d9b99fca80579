"""The main lane: whole blocks through Arrow's JSON reader, nothing done per record.

The reader is strict under an explicit schema: a field it does not know, a value of another class, a
fraction where integers are, a key given twice are all errors of the block, and the block then goes
to the exact lane. What it takes in silently, numbers that a double rounds, is looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.json as pj

from penstock import arrow
from penstock.patterns import pattern
from penstock.shape.carve import Carver, NotJson, has_json
from penstock.shape.frame import TEXTUAL, Frame, from_text, values_type
from penstock.shape.guard import rounds
from penstock.shape.place import fits
from penstock.shape.schema import Segment
from penstock.shape.tree import ColumnState, Node, TableState, Tree
from penstock.shape.values import EXACT_INTEGER

_MAX_BLOCK = 2**31 - 64
# Instants within a day of the calendar's ends are judged one by one on the exact lane.
_FIRST_INSTANT = -62135510400000000
_LAST_INSTANT = 253402214400000000
_NULL_FIRST = pattern(rb"\s*null")
"""A block that Arrow's reader, under a schema, ends the whole process for (pyarrow 26)."""
_LEAST_LENGTH = {"timestamp": 14, "timestamp_ntz": 16, "date": 10, "time": 5}


class Refused(Exception):  # noqa: N818 (not a fault: the exact lane takes over)
    """The block does not fit the known schema, or only exact work can tell."""


class MainLane:
    """Shapes segments through Arrow's reader; what depends on the tree alone is kept between."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._version = -1
        self._options: Any = None
        self._carver: Carver | None = None
        self._doubles: list[ColumnState] = []

    def shape(self, segments: Sequence[Segment]) -> dict[str, Frame]:
        """The rows of these segments, by table.

        Raises:
            Refused: the exact lane has to take them.
        """
        self._prepare()
        records = [record for segment in segments for record in segment.records]
        text = self._text(records)
        if _NULL_FIRST.match(text):
            raise Refused
        frames = _Frames(self._tree)
        try:
            frames.table(self._tree.root, self._read(text), len(records))
            _add_extras(frames.done[self._tree.root.name].columns, self._tree, segments)
        except _arrow_errors() as error:
            raise Refused from error
        self._check_doubles(frames.done, text)
        return frames.done

    def _text(self, records: Sequence[bytes | msgspec.Raw]) -> bytes:
        if self._carver is None:
            return b"\n".join([*records, b""])
        try:
            return self._carver.lines(records)
        except (msgspec.MsgspecError, NotJson, UnicodeError, RecursionError) as error:
            raise Refused from error

    def _prepare(self) -> None:
        if self._version == self._tree.version:
            return
        record = self._tree.root.record
        columns = [column for table in self._tree.tables for column in table.columns]
        fields = [(key, _parse_type(node)) for key, node in (record.fields or {}).items()]
        if not fields:
            raise Refused
        self._options = pj.ParseOptions(
            explicit_schema=pa.schema(fields), unexpected_field_behavior="error"
        )
        carved = any(has_json(node) for node in (record.fields or {}).values())
        self._carver = Carver(record) if carved else None
        self._doubles = [column for column in columns if column.type == "double"]
        self._version = self._tree.version

    def _read(self, text: bytes) -> pa.StructArray:
        if len(text) > _MAX_BLOCK:
            raise Refused
        options = pj.ReadOptions(use_threads=False, block_size=max(len(text) + 1, 1024))
        table = pj.read_json(pa.BufferReader(text), options, self._options)
        chunks = table.combine_chunks().to_struct_array()
        return chunks.combine_chunks() if chunks.num_chunks != 1 else chunks.chunk(0)

    def _check_doubles(self, frames: dict[str, Frame], text: bytes) -> None:
        """Refuse doubles that are not what stands in the text.

        One may be so large that it may have been an integer too long for a double.
        """
        found = []
        for column in self._doubles:
            frame = frames.get(column.node.table.name)
            array = frame.columns.get(column.name) if frame is not None else None
            if array is not None:
                found.append(array)
        limit = EXACT_INTEGER - 1
        if not all(within(a, -limit, limit) for a in found) or (found and rounds(text, found)):
            raise Refused


def _arrow_errors() -> tuple[type[Exception], ...]:
    return (pa.ArrowException, pa.ArrowIndexError, UnicodeDecodeError)


def _parse_type(node: Node) -> pa.DataType:
    """What the reader shall expect at `node`: the first of the things it is known to hold."""
    if node.main is not None:
        return _scalar_type(node.main)
    if node.fields is not None:
        return pa.struct([(key, _parse_type(child)) for key, child in node.fields.items()])
    if node.items is not None:
        return pa.list_(_parse_type(node.items.record))
    return pa.list_(pa.string()) if node.listed else pa.null()


def _scalar_type(column: ColumnState) -> pa.DataType:
    if column.type in TEXTUAL:
        return pa.string()
    if column.type == "binary" or (column.type == "decimal" and not column.declared):
        # the reader would take a text for a decimal as well, and knows no base 64
        raise Refused
    return values_type(column)


class _Frames:
    """Takes the reader's nested arrays apart into the frames of all tables."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self.done: dict[str, Frame] = {}

    def table(
        self,
        table: TableState,
        array: Any,
        rows: int,
        parents: Any = None,
        index: Any = None,
    ) -> None:
        if len(array) != rows:
            raise Refused
        columns: dict[str, Any] = {}
        self.done[table.name] = Frame(rows=rows, columns=columns, parents=parents, index=index)
        if table.parent is None:
            self._fields(table.record, array, columns)
        else:
            self._value(table.record, array, columns)

    def _fields(self, node: Node, array: Any, columns: dict[str, Any]) -> None:
        assert node.fields is not None
        for child, inner in zip(node.fields.values(), array.flatten(), strict=True):
            self._value(child, inner, columns)

    def _value(self, node: Node, array: Any, columns: dict[str, Any]) -> None:
        if node.main is not None:
            columns[node.main.name] = _settled(node.main, array)
        elif node.fields is not None:
            self._fields(node, array, columns)
        elif node.items is not None:
            self._list(node.items, array)
        elif node.listed and len(arrow.elements(array)):
            raise Refused

    def _list(self, table: TableState, array: Any) -> None:
        parents = arrow.call("list_parent_indices", array)
        elements = arrow.elements(array)
        first = arrow.cast(arrow.take(array.offsets, parents), pa.int64())
        index = arrow.call("subtract", arrow.count_up(len(elements)), first)
        self.table(table, elements, len(elements), parents, index)


def _settled(column: ColumnState, array: Any) -> Any:
    """The reader's array as the column's type, or a refusal where the exact lane might differ."""
    if column.type == "decimal":
        # the reader looks at the scale and not at the digits before it
        most = Decimal(f"{'9' * (column.precision or 0)}E-{column.scale or 0}")
        if not within(array, -most, most):
            raise Refused
    if column.type not in _LEAST_LENGTH:
        return array
    least = _least_length(array)
    if least is not None and least < _LEAST_LENGTH[column.type]:
        raise Refused
    values = _instants(column, array) if column.type == "timestamp" else from_text(array, column)
    if column.type in {"timestamp", "timestamp_ntz"}:
        if not within(arrow.cast(values, pa.int64()), _FIRST_INSTANT, _LAST_INSTANT):
            raise Refused
    elif column.type == "date" and not within(arrow.cast(values, pa.int32()), -719162, None):
        raise Refused
    return values


def _instants(column: ColumnState, array: Any) -> Any:
    try:
        return from_text(array, column)
    except pa.ArrowInvalid:
        pass  # without zones, perhaps: then they are in UTC
    if (_least_length(array) or 0) < _LEAST_LENGTH["timestamp_ntz"]:
        raise Refused
    instants = arrow.cast(array, pa.timestamp("us"))
    return arrow.cast(instants, pa.timestamp("us", "UTC"))


def _least_length(texts: Any) -> int | None:
    """Of the shortest of these texts, in bytes; None where all are null."""
    shortest = arrow.call("min", arrow.call("binary_length", texts))
    found: int | None = shortest.as_py()
    return found


def within(array: Any, least: float | Decimal | None, most: float | Decimal | None) -> bool:
    """Whether all values of `array` are in these bounds; nulls are."""
    ends = arrow.call("min_max", array)
    low, high = ends["min"].as_py(), ends["max"].as_py()
    if low is None:
        return True
    return (least is None or low >= least) and (most is None or high <= most)


def _add_extras(columns: Any, tree: Tree, segments: Sequence[Segment]) -> None:
    """Fill nulls of the root's columns with what the segments add to their records."""
    keys = dict.fromkeys(key for segment in segments for key, _ in segment.extras)
    for key in keys:
        column = _extra_column(tree, key)
        if column is not None:
            columns[column.name] = _filled(column, columns[column.name], key, segments)


def _extra_column(tree: Tree, key: str) -> ColumnState | None:
    fields = tree.root.record.fields or {}
    if key not in fields:
        raise Refused
    node = fields[key]
    if node.main is None:
        raise Refused
    return node.main


def _filled(column: ColumnState, array: Any, key: str, segments: Sequence[Segment]) -> Any:
    values = []
    for segment in segments:
        extra = dict(segment.extras).get(key)
        kept = None if extra is None else fits(column, extra)
        if extra is not None and kept is None:
            raise Refused
        values.append(kept)
    textual = column.type in TEXTUAL
    constants = arrow.array(values, pa.string() if textual else values_type(column))
    constants = from_text(constants, column) if textual else constants
    numbers = [n for n, segment in enumerate(segments) for _ in segment.records]
    said = arrow.take(constants, arrow.array(numbers, pa.int64()))
    return arrow.call("coalesce", array, said)
