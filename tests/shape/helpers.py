"""What the tests of shaping share: blocks, shaping, and records rebuilt from tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from penstock.plan.hints import Hints
from penstock.shape import Batch, Block, Schema, Segment, Shaper
from penstock.shape.schema import (
    LIST_INDEX,
    PARENT_ID,
    ROW_ID,
    SYSTEM_COLUMNS,
    Table,
    TableColumn,
    grown,
)

EVOLVE = Hints()


def texts(records: Sequence[Any]) -> list[bytes]:
    """JSON texts of records; one that is bytes already stays as it is."""
    return [
        r if isinstance(r, bytes) else json.dumps(r, ensure_ascii=False).encode() for r in records
    ]


def block(*records: Any, load_id: str = "load", **segment: Any) -> Block:
    """A block of one segment."""
    return Block(load_id=load_id, segments=[Segment(records=texts(records), **segment)])


def shape(
    *records: Any,
    hints: Hints = EVOLVE,
    lane: str = "auto",
    known: Schema | None = None,
    **segment: Any,
) -> tuple[Shaper, Batch]:
    """A fresh shaper for `things` and the batch of these records."""
    shaper = Shaper("things", hints, known, lane=lane)
    return shaper, shaper.shape(block(*records, **segment))


def rows(batch: Batch, table: str = "things") -> list[dict[str, Any]]:
    """A table's rows without Penstock's own columns and without nulls."""
    return [
        {k: v for k, v in row.items() if k not in SYSTEM_COLUMNS and v is not None}
        for row in batch.tables[table].to_pylist()
    ]


def types(shaper: Shaper, table: str = "things") -> dict[str, str]:
    """The types of a table's columns, without Penstock's own."""
    found = shaper.schema.table(table)
    assert found is not None
    return {c.name: c.type for c in found.columns if c.name not in SYSTEM_COLUMNS}


def same(one: Batch, other: Batch) -> None:
    """Assert that two batches are equal, bit for bit."""
    assert list(one.tables) == list(other.tables)
    for name, table in one.tables.items():
        assert table.schema == other.tables[name].schema, name
        left, right = table.combine_chunks(), other.tables[name].combine_chunks()
        # a negative zero equals zero, so the printed forms are compared as well
        assert left.equals(right), (name, left.to_pylist(), right.to_pylist())
        assert repr(left.to_pylist()) == repr(right.to_pylist()), name


def joined(batches: Sequence[Batch], schema: Schema) -> dict[str, pa.Table]:
    """The tables of all batches below one another, in the columns of the final schema."""
    whole: dict[str, pa.Table] = {}
    for table in schema.tables:
        parts = [b.tables[table.name] for b in batches if table.name in b.tables]
        final = parts[-1].schema
        whole[table.name] = pa.concat_tables([_widened(part, final) for part in parts])
    return whole


def _widened(table: pa.Table, final: pa.Schema) -> pa.Table:
    arrays = [
        grown(table.column(field.name).combine_chunks(), field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in final
    ]
    return pa.table(arrays, schema=final)


def rebuild(tables: Mapping[str, pa.Table], schema: Schema) -> list[Any]:
    """The records that the tables hold: nulls, empty lists and empty objects are not in them."""
    return [value for _, value in sorted(_rebuilt(tables, schema, schema.root).items())]


def _rebuilt(tables: Mapping[str, pa.Table], schema: Schema, table: Table) -> dict[Any, Any]:
    """Values of the table's rows by row number (root) or by (parent id, index)."""
    lists = [
        (child.path, _lists(_rebuilt(tables, schema, child)))
        for child in schema.tables
        if child.parent == table.name
    ]
    found: dict[Any, Any] = {}
    for number, row in enumerate(tables[table.name].to_pylist()):
        value: dict[tuple[str, ...], Any] = {}
        for column in table.columns:
            cell = row[column.name]
            if column.name not in SYSTEM_COLUMNS and cell is not None:
                cell = _cell(column, cell)
                value[column.path] = _merged(value.get(column.path), cell)
        for path, by_parent in lists:
            if row[ROW_ID] in by_parent:
                assert path not in value, "a list beside a scalar"
                value[path] = by_parent[row[ROW_ID]]
        place = number if table.parent is None else (row[PARENT_ID], row[LIST_INDEX])
        assert place not in found, "a row's id is not unique"
        found[place] = _nested(value)
    return found


def _cell(column: TableColumn, cell: Any) -> Any:
    """What a column holds: of a struct the object, of a list its elements."""
    if cell is None or column.type not in {"struct", "list"}:
        return cell
    if column.type == "list":
        return [_cell(column.fields[0], element) for element in cell]
    value: dict[tuple[str, ...], Any] = {}
    for field in column.fields:
        if cell[field.name] is not None:
            path = field.path[len(column.path) :]
            value[path] = _merged(value.get(path), _cell(field, cell[field.name]))
    return _nested(value)


def _merged(one: Any, other: Any) -> Any:
    """Two columns of one path: lists side by side, of which one has each element."""
    if one is None or other is None:
        return other if one is None else one
    assert isinstance(one, list), "two columns hold one value"
    assert len(one) == len(other), "lists of one path are of one length"
    return [_merged(a, b) for a, b in zip(one, other, strict=True)]


def _lists(elements: dict[Any, Any]) -> dict[str, list[Any]]:
    by_parent: dict[str, list[Any]] = {}
    for (parent, index), value in sorted(elements.items()):
        own = by_parent.setdefault(parent, [])
        assert index == len(own), "a list has a hole"
        own.append(value)
    return by_parent


def _nested(value: dict[tuple[str, ...], Any]) -> Any:
    if () in value:
        assert len(value) == 1, "a scalar beside fields"
        return value[()]
    record: dict[str, Any] = {}
    for path, cell in value.items():
        inner = record
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = cell
    return record
