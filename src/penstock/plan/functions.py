"""Expressions as functions: for those that are evaluated once for every record.

A function gives what `evaluate` gives, and raises what it raises; what does not depend on the
values is decided once, when it is made.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from penstock.plan.expr import (
    Concat,
    Const,
    Expr,
    Frame,
    Jinja,
    JsonValue,
    Literal,
    Ref,
    Scope,
    as_text,
    evaluate,
    lookup,
)

Function: TypeAlias = Callable[[Frame], JsonValue]


def function(expr: Expr) -> Function:
    """`evaluate` for one expression."""
    match expr:
        case Const():
            value = expr.value
            return lambda _frame: value
        case Ref():
            return _reference(expr)
        case Concat():
            return _concat(expr)
        case Literal():
            return _literal(expr)
        case Jinja():
            return _template(expr)
        case _:
            return partial(evaluate, expr)


def _reference(ref: Ref) -> Function:
    if ref.at is not Scope.RECORD or len(ref.path) > 1 or ref.null is not None:
        return partial(lookup, ref)
    if not ref.path:
        return lambda frame: frame.record
    step = ref.path[0]

    def field(frame: Frame) -> JsonValue:
        record = frame.record
        if type(record) is dict and step in record:
            return record[step]
        return lookup(ref, frame)

    return field


def _concat(expr: Concat) -> Function:
    parts = [function(part) for part in expr.parts]

    def join(frame: Frame) -> JsonValue:
        values = [part(frame) for part in parts]
        return "".join([v if type(v) is str else as_text(v) for v in values])

    return join


def _literal(expr: Literal) -> Function:
    from penstock.plan.literals import read_value  # noqa: PLC0415 (few documents need it)

    value = function(expr.value)
    return lambda frame: read_value(expr, value(frame), frame)


def _template(expr: Jinja) -> Function:
    from penstock.plan.jinja import rendered, shaped  # noqa: PLC0415 (few documents need templates)

    names = [(name, function(value)) for name, value in expr.names]

    def render(frame: Frame) -> JsonValue:
        values = {name: shaped(name, value(frame), expr, frame) for name, value in names}
        return rendered(expr, values, frame)

    return render
