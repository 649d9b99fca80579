"""The rule by which Airbyte manifests read a rendered text as a value."""

from __future__ import annotations

import ast
import re
import warnings

from msgspec.structs import replace

from penstock.errors import ExprError
from penstock.patterns import pattern
from penstock.plan.expr import Expr, Frame, JsonValue, Literal, Ref, evaluate, lookup

# What a text must begin with to be a Python literal at all; most texts end here.
_BEGINS = pattern(
    r"""\s*(?:[-+\d.(\[{'"#]|True\b|False\b|None\b|set\b|[bBrRuU]{1,2}['"])""", re.ASCII
)
_WORDS: dict[str, object] = {"True": True, "False": False, "None": None}
_MAY_WARN = pattern(r"\\|\d[A-Za-z]", re.ASCII)
_PYTHON_TYPES: dict[str, type] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "list": list,
    "dict": dict,
    "tuple": tuple,
}
_FALSE_TEXTS = frozenset({"False", "false", "{}", "[]", "()", "", "0", "0.0"})


def literal(text: str, types: tuple[str, ...] = (), *, spelled: bool = False) -> JsonValue:
    """The value `text` is the Python literal of, if it is one and of one of `types`; else `text`.

    With `spelled` a number that would be written otherwise stays the text it was.
    """
    if not _BEGINS.match(text):
        return text
    try:
        value = _WORDS[text] if text in _WORDS else _evaluated(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
    if spelled and isinstance(value, (int, float)) and str(value) != text:
        return text
    if types and not isinstance(value, tuple(_PYTHON_TYPES[t] for t in types)):
        return text
    return value if _is_json(value) else text  # type: ignore[return-value]  # just checked


def _evaluated(text: str) -> object:
    if not _MAY_WARN.search(text):
        return ast.literal_eval(text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.literal_eval(text)


def _is_json(value: object) -> bool:
    if value is None or isinstance(value, (str, int, float)):
        return True
    if isinstance(value, (list, tuple)):
        return all(map(_is_json, value))
    if isinstance(value, dict):
        return all(isinstance(k, str) for k in value) and all(map(_is_json, value.values()))
    return False


def truth(value: JsonValue) -> bool:
    """Whether a condition that came out as `value` holds: most texts do, also `no`."""
    if isinstance(value, str):
        return value not in _FALSE_TEXTS
    return bool(value)


def empty(kind: str) -> JsonValue:
    """What a slot of `kind` takes from an empty text."""
    match kind:
        case "text":
            return ""
        case "truth":
            return False
        case _:
            return None


def _is_null(expr: Expr, frame: Frame) -> bool:
    """Whether a reference that gave null leads to one, and not to nothing at all."""
    if not isinstance(expr, Ref):
        return False
    try:
        lookup(replace(expr, optional=False), frame)
    except ExprError:
        return False
    return True


def read(expr: Literal, frame: Frame) -> JsonValue:
    """The value of a `Literal` in `frame`.

    Raises:
        ExprError: a value it needs is missing.
    """
    return read_value(expr, evaluate(expr.value, frame), frame)


def read_value(expr: Literal, value: JsonValue, frame: Frame) -> JsonValue:
    """The value of a `Literal` whose inner one is `value`.

    Raises:
        ExprError: a value it needs is missing.
    """
    if value == "" or (value is None and not _is_null(expr.value, frame)):
        return empty(expr.kind)
    if value is None:
        # Where only other types are taken, it is its own text.
        return False if expr.kind == "truth" else "None" if expr.types else None
    if isinstance(value, str):
        value = literal(value, expr.types, spelled=expr.spelled)
    elif expr.types and not isinstance(value, tuple(_PYTHON_TYPES[t] for t in expr.types)):
        value = str(value)
    return truth(value) if expr.kind == "truth" else value
