"""Rows of a script as JSON, and the columns whose values are of types that JSON does not have."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, cast

import msgspec

from penstock.dialects.dlt.standin.base.references import Composed, Reference
from penstock.dialects.dlt.standin.common.basics import encoded
from penstock.dialects.python.calling import plain
from penstock.plan.expr import JsonValue
from penstock.plan.hints import Column, ColumnType, Hints, Nested

_Way = tuple[str, ...]
_OF_JSON = frozenset((str, int, float, bool, type(None)))
_TEXT = frozenset((str,))


class CellDict(dict[str, Any]):
    """A dict in a cell of a frame, which is one value: JSON."""


class CellList(list[Any]):
    """The same of a list."""


def in_cells(rows: list[Any]) -> list[Any]:
    """Rows of a frame, in which dicts and lists are values of their columns."""
    for row in rows:
        for name, value in row.items() if isinstance(row, dict) else ():
            if isinstance(value, dict):
                row[name] = CellDict(value)
            elif isinstance(value, list):
                row[name] = CellList(value)
    return rows


class Kinds:
    """Types of the columns of a table and its child tables that values showed so far.

    `found` is by the way to a child table, and the way to a column in it.
    """

    def __init__(self) -> None:
        self.found: dict[tuple[_Way, _Way], ColumnType] = {}
        self._made: dict[int, tuple[Hints, int, Hints]] = {}

    def see(self, table: _Way, column: _Way, kind: ColumnType) -> None:
        """A value of a type that only Python knows."""
        self.found.setdefault((table, column), kind)

    def over(self, hints: Hints) -> Hints:
        """The hints, with columns of these types where they do not say more."""
        known = self._made.get(id(hints))
        if known is None or known[0] is not hints or known[1] != len(self.found):
            made = self._with(hints)
            known = self._made[id(hints)] = hints, len(self.found), made
        return known[2]

    def _with(self, hints: Hints) -> Hints:
        tables: dict[_Way, list[Column]] = {}
        for (table, way), kind in self.found.items():
            column = Column(name="__".join(way) or "value", type=kind, shown=True)
            tables.setdefault(table, []).append(column)
        own = tables.pop((), [])
        nested = (Nested(path=way, columns=tuple(found)) for way, found in tables.items())
        typed = {column.name for column in hints.columns if column.type is not None}
        more = tuple(column for column in own if column.name not in typed)
        names = {column.name for column in more}
        kept = tuple(
            msgspec.structs.replace(c, type=_type_of(c.name, more)) if c.name in names else c
            for c in hints.columns
        )
        told = {column.name for column in kept}
        return msgspec.structs.replace(
            hints,
            columns=(*kept, *(column for column in more if column.name not in told)),
            nested=(*hints.nested, *nested),
        )


def _type_of(name: str, columns: tuple[Column, ...]) -> ColumnType | None:
    return next(column.type for column in columns if column.name == name)


def plain_record(row: Any, kinds: Kinds) -> JsonValue:
    """A row as JSON; one that is a list itself makes a child table `value`, as in dlt."""
    listed = isinstance(row, (list, tuple))
    return plain_row(row, kinds, (), ("value",)) if listed else plain_row(row, kinds)


def plain_row(value: Any, kinds: Kinds, table: _Way = (), column: _Way = ()) -> JsonValue:
    """A value as JSON: times as texts, exact decimals as they are, models as what they hold."""
    kind = type(value)  # nearly all are of JSON's own classes, and asked for nothing more
    if kind in _OF_JSON:
        return cast("JsonValue", value)
    if kind is dict and _TEXT.issuperset(map(type, value)):
        made: dict[str, JsonValue] = value.copy()
        if not _OF_JSON.issuperset(map(type, value.values())):
            for name, one in value.items():
                if type(one) not in _OF_JSON:
                    made[name] = plain_row(one, kinds, table, (*column, name))
        return made
    if kind is list:
        below = (*table, *column)
        return [v if type(v) in _OF_JSON else plain_row(v, kinds, below, _within(v)) for v in value]
    if isinstance(value, (CellDict, CellList)):
        kinds.see(table, column, "json")
        return plain_row(dict(value) if isinstance(value, dict) else list(value), Kinds())
    if isinstance(value, Mapping):
        return {str(k): plain_row(v, kinds, table, (*column, str(k))) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        below = (*table, *column)
        return [plain_row(one, kinds, below, _within(one)) for one in value]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    return _typed(value, kinds, table, column)


def _within(item: Any) -> _Way:
    """The way to an item of a list: a list in it makes a table of its own."""
    return ("list",) if isinstance(item, (list, tuple)) else ()


def _text(value: str) -> JsonValue:
    """A text of a class of its own; one that stands for a value is that value."""
    if isinstance(value, (Reference, Composed)):
        found: JsonValue = value.resolved()
        return found
    return str.__str__(value)


def _typed(value: Any, kinds: Kinds, table: _Way, column: _Way) -> JsonValue:
    """A value of a type that JSON does not have."""
    match value:
        case date():
            kinds.see(table, column, "date")
            return value.isoformat()
        case time():
            kinds.see(table, column, "time")
            return value.isoformat()
        case Decimal():
            kinds.see(table, column, "decimal")
            exact: Any = msgspec.Raw(str(value).encode()) if value.is_finite() else None
            return cast("JsonValue", exact)
        case bytes() | bytearray() | memoryview():
            kinds.see(table, column, "binary")
            return base64.b64encode(value).decode("ascii")
        case _:
            dumped = getattr(value, "model_dump", None)  # of pydantic
            if dumped is None:
                return plain(encoded(value))
            return plain_row(dumped(by_alias=True), kinds, table, column)
