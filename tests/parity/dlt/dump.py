"""What a DuckDB file holds, said alike for both engines: tables, columns, types and rows.

Imported by the worker too, so it needs nothing but duckdb.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

_DLT = {"_dlt_id": "id", "_dlt_parent_id": "parent", "_dlt_list_idx": "index"}
_OWN = {"_penstock_id": "id", "_penstock_parent_id": "parent", "_penstock_list_idx": "index"}
_SYSTEM = ("_dlt_", "_penstock_")
_VALID = {
    "_dlt_valid_from": "(since)",
    "_dlt_valid_to": "(until)",
    "_penstock_valid_from": "(since)",
    "_penstock_valid_to": "(until)",
}
_INSTANT = "TIMESTAMP WITH TIME ZONE"
_RECENT = timedelta(hours=1)  # what is younger was not said by an API
Find = Callable[[str, dict[str, Any]], Any]


def tables(file: str, schema: str) -> dict[str, Any]:
    """Every table of a schema that is not the engine's own: its columns and its rows."""
    import duckdb  # noqa: PLC0415 (the worker imports it late)

    with duckdb.connect(file, read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        columns = con.execute(
            "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns"
            " WHERE table_schema = ? ORDER BY table_name, ordinal_position",
            [schema],
        ).fetchall()
        found: dict[str, list[tuple[str, str, str]]] = {}
        for table, column, kind, nullable in columns:
            found.setdefault(table, []).append((column, kind, nullable))
        named = {t: c for t, c in found.items() if not t.startswith(_SYSTEM)}
        raw = {t: _rows(con, schema, t, c) for t, c in named.items()}
        above = _above(con, schema) if "_penstock_columns" in found else {}
    _number(named, raw)
    return _linked(named, raw, above)


def _number(named: dict[str, Any], raw: dict[str, list[dict[str, Any]]]) -> None:
    """Put numbers in the place of the moments of runs, of which no two engines have the same."""
    since = (datetime.now(UTC) - _RECENT).isoformat(" ")
    far = (datetime.now(UTC) + _RECENT).isoformat(" ")
    held = [
        (row, column)
        for table, columns in named.items()
        for row in raw[table]
        for column, kind, _ in columns
        if kind == _INSTANT and row[column] is not None and since < row[column] < far
    ]
    order = {moment: n for n, moment in enumerate(sorted({row[c] for row, c in held}), 1)}
    for row, column in held:
        row[column] = f"moment {order[row[column]]}"


def _above(con: Any, schema: str) -> dict[str, str]:
    """The parent of each table that Penstock made."""
    told = f'SELECT DISTINCT table_name, parent FROM "{schema}"._penstock_columns'
    return {table: parent for table, parent in con.execute(told).fetchall() if parent is not None}


def _rows(con: Any, schema: str, table: str, columns: list[tuple[str, str, str]]) -> list[Any]:
    listed = ", ".join(
        f'"{c}"::VARCHAR' if kind.startswith("TIME") or kind == "DATE" else f'"{c}"'
        for c, kind, _ in columns
    )
    names = [c for c, _, _ in columns]
    rows = con.execute(f'SELECT {listed} FROM "{schema}"."{table}"').fetchall()
    return [dict(zip(names, row, strict=True)) for row in rows]


def _linked(
    named: dict[str, Any], raw: dict[str, list[dict[str, Any]]], parents: dict[str, str]
) -> dict[str, Any]:
    """The tables without system columns; a child's rows say which row is their parent."""
    owner: dict[Any, tuple[str, dict[str, Any]]] = {}
    for table, rows in raw.items():
        for row in rows:
            held = _system(row)
            if "id" in held:
                owner[table, held["id"]] = (table, row)
    find = partial(_owner, owner, parents)
    found = {}
    for table, columns in named.items():
        types = {c: (kind, nullable) for c, kind, nullable in columns if not c.startswith(_SYSTEM)}
        rows = [_plain(table, row, types, find) for row in raw[table]]
        found[table] = {"columns": types, "rows": rows}
    return found


def _owner(owner: dict[Any, Any], parents: dict[str, str], table: str, held: dict[str, Any]) -> Any:
    """The row above one of `table`: ids are its parent table's, whose name its own begins with."""
    if table in parents:
        return owner.get((parents[table], held["parent"]))
    for end in range(len(table), 0, -1):  # a part of a name may begin with an underline itself
        above = table[:end]
        if table.startswith("__", end) and (above, held["parent"]) in owner:
            return owner[above, held["parent"]]
    # A shortened name does not begin with its parent's.
    named = [found for (_, row_id), found in owner.items() if row_id == held["parent"]]
    return named[0] if len(named) == 1 else None


def _system(row: dict[str, Any]) -> dict[str, Any]:
    names = {**_DLT, **_OWN}
    return {names[c]: value for c, value in row.items() if c in names and value is not None}


def _plain(table: str, row: dict[str, Any], types: dict[str, Any], find: Find) -> dict[str, Any]:
    held = _system(row)
    plain = {c: _value(row[c], types[c][0]) for c in types}
    plain |= {_VALID[c]: value for c, value in row.items() if c in _VALID}
    if "parent" in held:
        plain["(index)"] = held["index"]
        plain["(parent)"] = _path(find(table, held), find)
    return plain


def _path(found: Any, find: Find) -> str:
    """A row that others refer to, as text: its values, and those of its own parent."""
    if found is None:
        return "(lost)"
    table, row = found
    held = _system(row)
    own = {c: _spelled(v) for c, v in row.items() if not c.startswith(_SYSTEM) and v is not None}
    above = _path(find(table, held), find) if "parent" in held else ""
    return above + json.dumps([own, held.get("index")], sort_keys=True)


def _spelled(value: Any) -> str:
    """A value as text, without the spaces that JSON may have or not."""
    text = str(value)
    return text.replace(" ", "") if text[:1] in {"{", "["} else text


def _value(value: Any, kind: str) -> Any:
    if kind == "JSON" and isinstance(value, str):
        return ("json", json.dumps(json.loads(value), sort_keys=True))
    if isinstance(value, float):
        return repr(value)
    return value
