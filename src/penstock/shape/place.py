"""Where a scalar goes: its column, widened if need be, or a variant column; record after record.

The decision depends on nothing but the values before it, so pages and blocks have no say in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from penstock.patterns import pattern
from penstock.plan.hints import MAX_DIGITS, ColumnType
from penstock.shape.contract import Judge
from penstock.shape.report import Tally
from penstock.shape.tree import ColumnState, Node, Tree
from penstock.shape.values import (
    EXACT_INTEGER,
    FRACTION_SCALE,
    MAX_BIGINT,
    MIN_BIGINT,
    Json,
    Number,
    classify,
    coerce,
    instant,
    is_local_timestamp,
    to_decimal,
)

Placed = tuple[ColumnState, Any]


class Placer:
    """Places scalars that do not simply go into their main column as they are."""

    def __init__(self, tree: Tree, judge: Judge, tally: Tally) -> None:
        self._tree = tree
        self._judge = judge
        self._tally = tally
        self._filled = frozenset(map(tree.called, _filled(tree)))

    def place(self, node: Node, value: Any) -> Placed:
        """The column for `value`, and the value as that column keeps it."""
        main = node.main
        if main is None:
            return self._first(node, value)
        kept = fits(main, value)
        if kept is None and (self._judge.keeps_types(node) or self._must_be_filled(main)):
            kept = spelled(main, value)
        if kept is None:
            kept = self._widen(main, value)
        if kept is not None:
            return main, kept
        return self._variant(node, value)

    def _must_be_filled(self, column: ColumnState) -> bool:
        """Whether each row has to have a value in a main column."""
        in_root = column.node.table is self._tree.root
        return column.required or (in_root and column.name in self._filled)

    def _first(self, node: Node, value: Any) -> Placed:
        kind = classify(value)
        kept = instant(value) if kind == "timestamp" else value
        scale = None
        if kind == "decimal":
            scale = _scale(value)
            kept = to_decimal(value, MAX_DIGITS, scale)
            if kept is None:
                return self._variant(node, value)
        self._judge.allow("columns", node, value)
        column = self._tree.column(node, kind)
        if scale is not None:
            column.precision, column.scale = MAX_DIGITS, scale
        table = node.table.home.name
        self._tally.changed("column", table, column.label, f"{table}: new column {column.label}")
        return column, kept

    def _widen(self, column: ColumnState, value: Any) -> Any:
        """`value` as `column` keeps it after it was widened without loss, or None."""
        if column.type != "bigint" or column.declared or type(value) not in _NUMBERS:
            return None
        if self._tree.system == "dlt":
            return None  # where dlt goes on, its columns keep their types
        if type(value) is float and not _is_wide(column):
            self._change(column, "double", None, value)
            return value
        scale = _scale(value)
        kept = to_decimal(value, MAX_DIGITS, scale)
        if kept is not None:
            self._change(column, "decimal", scale, value)
        return kept

    def _change(
        self, column: ColumnState, kind: ColumnType, scale: int | None, value: object
    ) -> None:
        self._judge.allow("data_type", column.node, value)
        table = column.node.table.home.name
        detail = f"{table}: column {column.label} was {column.type} and is {kind} now"
        self._tally.changed("type", table, column.label, detail)
        column.type = kind
        column.wide = False
        if scale is not None:
            column.precision, column.scale = MAX_DIGITS, scale
        column.node.settle()
        self._tree.version += 1

    def _variant(self, node: Node, value: Any) -> Placed:
        for kind, scale in _variant_kinds(value):
            column = node.variants.get(kind) or self._new_variant(node, kind, scale, value)
            kept = _to_decimal(column, value) if kind == "decimal" else value
            if kept is not None:
                self._tally.add("variant_values")
                return column, str(kept) if kind == "text" else kept
        raise AssertionError("text takes every number")

    def _new_variant(
        self, node: Node, kind: ColumnType, scale: int | None, value: Any
    ) -> ColumnState:
        self._judge.allow("data_type", node, value)
        column = self._tree.column(node, kind, variant=True)
        if scale is not None:
            column.precision, column.scale = MAX_DIGITS, scale
        table = node.table.home.name
        base = node.main.label if node.main else node.name
        detail = f"{table}: values of {base} that are {kind} are kept in {column.label}"
        self._tally.changed("variant", table, column.label, detail)
        return column


def _filled(tree: Tree) -> Iterator[str]:
    """The fields of the root's records that must have a value: those of its key, and declared ones.

    Of rows that are not merged dlt alone has no null in the key.
    """
    hints = tree.hints
    if hints.write == "merge" or tree.system == "dlt":
        yield from (*hints.primary_key, *hints.merge_key)
    yield from (column.name for column in hints.columns if not column.nullable)


def fits(column: ColumnState, value: Any) -> Any:
    """`value` as `column` keeps it, the column staying as it is, or None."""
    kept = None
    if column.declared:
        kept = coerce(value, column.type, column.precision, column.scale)
    return _keep(column, value) if kept is None else kept


def spelled(column: ColumnState, value: Any) -> Any:
    """`value` spelled in the type of `column`, or None where something would be lost by it.

    So it is kept where it cannot go into a variant column: a contract would leave it out, or the
    row would be without a value that it must have.
    """
    if column.type == "text" and type(value) is bool:
        return str(value)
    if column.type in {"double", "decimal"} and type(value) is str and _PADDED.match(value):
        return None
    return coerce(value, column.type, column.precision, column.scale)


def takes(column: ColumnState, value: Any) -> bool:
    """Whether a column that must have a value has this one, as it is or spelled in its type."""
    return fits(column, value) is not None or spelled(column, value) is not None


_PADDED = pattern(r"-?0\d|\+")
"""Begins texts whose digits say more than a number does, as those of an identifier."""


def _keep(column: ColumnState, value: Any) -> Any:
    match column.type:
        case "bigint":
            fits = type(value) is int and MIN_BIGINT <= value <= MAX_BIGINT
            return value if fits else None
        case "double":
            return _to_double(value)
        case "text":
            return value if type(value) is str else None
        case "timestamp":
            return instant(value) if type(value) is str else None
        case "timestamp_ntz":
            return value if type(value) is str and is_local_timestamp(value) else None
        case "bool":
            return value if type(value) is bool else None
        case "decimal":
            return _to_decimal(column, value)
        case "json":
            return value if type(value) is Json else None
        case _:
            return None


_NUMBERS = (int, float, Number)


def _variant_kinds(value: Any) -> list[tuple[ColumnType, int | None]]:
    """The variant columns `value` may go to, the best first."""
    match value:
        case bool():
            return [("bool", None)]
        case Json():
            return [("json", None)]
        case float():
            return [("double", None)]
        case Number():
            return _decimal_kinds(value)
        case str():
            return [("text", None)]
        case _:
            fits = MIN_BIGINT <= value <= MAX_BIGINT
            return [("bigint", None)] if fits else _decimal_kinds(value)


def _decimal_kinds(value: int | Number) -> list[tuple[ColumnType, int | None]]:
    scale = _scale(value)
    fits = to_decimal(value, MAX_DIGITS, scale) is not None
    return [*([("decimal", scale)] if fits else []), ("text", None)]  # type: ignore[list-item]  # the checker widens the words


def _scale(value: float | Number) -> int:
    """The scale of a decimal column made for `value`."""
    if type(value) is int:
        return 0
    whole = type(value) is Number and value.lstrip("-").isdigit()
    return 0 if whole else FRACTION_SCALE


def _to_double(value: Any) -> float | None:
    if type(value) is float:
        return value
    return float(value) if type(value) is int and abs(value) <= EXACT_INTEGER else None


def _to_decimal(column: ColumnState, value: Any) -> Decimal | None:
    if type(value) not in _NUMBERS:
        return None
    return to_decimal(value, column.precision or MAX_DIGITS, column.scale or 0)


def _is_wide(column: ColumnState) -> bool:
    """Whether the bigint column has held a value that no double represents exactly."""
    return column.wide or any(
        value is not None and abs(value) > EXACT_INTEGER for value in column.values
    )
