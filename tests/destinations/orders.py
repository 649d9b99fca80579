"""A small stream for the destination tests: orders, their lines, and the lines' notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from penstock.destinations.base import Append, Checkpoint, Write
from penstock.plan.hints import ColumnType
from penstock.shape.schema import (
    LIST_INDEX,
    LOAD_ID,
    PARENT_ID,
    ROW_ID,
    Batch,
    Schema,
    Table,
    TableColumn,
)

STREAM = "orders"
KEY = ("id",)

_ARROW = {"bigint": pa.int64(), "double": pa.float64(), "text": pa.string(), "json": pa.string()}


def column(name: str, kind: ColumnType = "text", **more: Any) -> TableColumn:
    return TableColumn(name=name, type=kind, path=(name,), **more)


def _own(*names: str) -> tuple[TableColumn, ...]:
    kinds: dict[str, ColumnType] = {LIST_INDEX: "bigint"}
    return tuple(
        TableColumn(name=n, type=kinds.get(n, "text"), nullable=n != ROW_ID) for n in names
    )


def root_table(*more: TableColumn, name: str = "orders") -> Table:
    columns = (column("id", "bigint"), column("note"), *more, *_own(LOAD_ID, ROW_ID))
    return Table(name=name, columns=columns, key=KEY)


def child_table(name: str, parent: str, path: tuple[str, ...]) -> Table:
    columns = (column("value"), *_own(LOAD_ID, ROW_ID, PARENT_ID, LIST_INDEX))
    return Table(name=name, parent=parent, path=path, columns=columns)


LINES = child_table("orders__lines", "orders", ("lines",))
NOTES = child_table("orders__lines__notes", "orders__lines", ("notes",))
FLAT = Schema(stream=STREAM, tables=(root_table(),))
NESTED = Schema(stream=STREAM, tables=(root_table(), LINES, NOTES))

Order = tuple[int, str, Sequence[tuple[str, Sequence[str]]]]


def order(number: int, note: str = "", lines: int = 2) -> Order:
    """An order with lines, each with one note."""
    return number, note, [(f"{number}.{i}", [f"{number}.{i}!"]) for i in range(lines)]


def batch(load_id: str, orders: Iterable[Order], schema: Schema = NESTED) -> Batch:
    """Shape orders as the schema's tables have them; ids are stable for a load."""
    rows: dict[str, list[dict[str, Any]]] = {t.name: [] for t in schema.tables}
    for number, note, lines in orders:
        mark = f"{load_id}/{number}{note}"
        rows["orders"].append({"id": number, "note": note, LOAD_ID: load_id, ROW_ID: mark})
        for i, (value, notes) in enumerate(lines):
            row = _child(value, load_id, f"{mark}/{i}", mark, i)
            rows.get("orders__lines", []).append(row)
            rows.get("orders__lines__notes", []).extend(
                _child(text, load_id, f"{mark}/{i}/{n}", f"{mark}/{i}", n)
                for n, text in enumerate(notes)
            )
    return Batch(tables={t.name: arrow(t, rows[t.name]) for t in schema.tables})


def _child(value: str, load_id: str, row_id: str, parent: str, index: int) -> dict[str, Any]:
    return {
        "value": value,
        LOAD_ID: load_id,
        ROW_ID: row_id,
        PARENT_ID: parent,
        LIST_INDEX: index,
    }


def arrow(table: Table, rows: list[dict[str, Any]]) -> pa.Table:
    schema = pa.schema([(c.name, _ARROW[c.type]) for c in table.columns])
    return pa.Table.from_pylist(rows, schema=schema)


def checkpoint(
    load_id: str,
    *batches: Iterable[Order],
    write: Write | None = None,
    schema: Schema | None = NESTED,
    **more: Any,
) -> Checkpoint:
    """Make a checkpoint of orders, one batch for each list of them."""
    made = [batch(load_id, orders, schema) for orders in batches] if schema else []
    return Checkpoint(
        load_id=load_id,
        run_id="run1",
        stream=STREAM,
        write=write or Append(),
        schema=schema,
        batches=made,
        **more,
    )


def seen(place: Any) -> list[tuple[int, str, list[str], list[str]]]:
    """Put the orders together again from the tables, and fail on a row without a parent."""
    lines, notes = _below(place, "orders__lines"), _below(place, "orders__lines__notes")
    found = []
    for row in place.rows("orders"):
        own = lines.pop(row[ROW_ID], [])
        texts = [note["value"] for line in own for note in notes.pop(line[ROW_ID], [])]
        values = sorted(line["value"] for line in own)
        found.append((row["id"], row["note"], values, sorted(texts)))
    assert not lines
    assert not notes
    return sorted(found)


def _below(place: Any, table: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in place.rows(table):
        found.setdefault(row[PARENT_ID], []).append(row)
    return found


def as_seen(orders: Iterable[Order]) -> list[tuple[int, str, list[str], list[str]]]:
    """Say what `seen` must find when exactly these orders are kept."""
    return sorted(
        (n, note, sorted(v for v, _ in lines), sorted(t for _, texts in lines for t in texts))
        for n, note, lines in orders
    )
