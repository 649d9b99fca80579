"""JSONPath as dlt takes it: plain keys become keys, anything more stays a JSONPath."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from penstock.dialects.dlt.context import Context
from penstock.dialects.document import Node
from penstock.errors import ExprError
from penstock.patterns import pattern
from penstock.plan.expr import JsonValue, Step
from penstock.plan.records import JsonPath, Keys

_STEP = pattern(
    r"""
    \.?(?P<name>[A-Za-z_@\#][\w@\#\-]*)         # a.b
    |\.?(?P<quoted>'[^'\\]*'|"[^"\\]*")         # 'a b'."c"
    |\.?\[\s*(?P<bracket>'[^'\\]*'|"[^"\\]*")\s*\]  # ['a b']
    |\[\s*(?P<index>-?\d+)\s*\]                 # [0]
    """,
    re.VERBOSE,
)


def steps(text: str) -> tuple[Step, ...] | None:
    """The steps of a path that is only keys and indices; None if it says more."""
    rest = text.strip()
    if rest.startswith("$"):
        rest = rest[1:]
        if rest and rest[0] not in ".[":
            return None
    elif rest.startswith("."):
        return None
    found: list[Step] = []
    at = 0
    while at < len(rest):
        match = _STEP.match(rest, at)
        if not match or (found and match["name"] and rest[at] != "."):
            return None
        at = match.end()
        found.append(_step(match))
    return tuple(found)


def _step(match: re.Match[str]) -> Step:
    if match["index"] is not None:
        return int(match["index"])
    name = match["name"]
    return name if name is not None else (match["quoted"] or match["bracket"])[1:-1]


def check_jsonpath(text: str) -> str | None:
    """What is wrong with a JSONPath, or None."""
    from jsonpath_ng.ext.parser import parse  # noqa: PLC0415 (slow to import, seldom needed)

    try:
        parse(text)
    except Exception as exc:  # noqa: BLE001 (the parser raises whatever its generator does)
        return str(exc) or type(exc).__name__
    return None


@lru_cache(maxsize=256)
def _finder(text: str) -> Callable[[Any], list[Any]]:
    from jsonpath_ng.ext.parser import parse  # noqa: PLC0415 (slow to import, seldom needed)

    expression = parse(text)
    return lambda value: [match.value for match in expression.find(value)]


def found_at(text: str, value: Any) -> Any:
    """The first value at a JSONPath of a decoded answer, or None."""
    return next(iter(all_at(text, value)), None)


class First(msgspec.Struct, frozen=True, kw_only=True):
    """The first value at a JSONPath of an answer; one that is `needed` has to be there."""

    text: str
    needed: bool = False

    def __call__(self, value: JsonValue) -> JsonValue:
        """The value."""
        found = all_at(self.text, value)
        if self.needed and not found:
            raise ExprError(f"no value for {self.text!r}: nothing in the answer is there")
        first: JsonValue = next(iter(found), None)
        return first


def all_at(text: str, value: Any) -> list[Any]:
    """All values at a JSONPath of a decoded answer."""
    if steps(text) is None:
        return _finder(text)(value)
    absent = object()
    found = _followed(value, text, absent)
    return [] if found is absent else [found]


def _followed(value: Any, text: str, absent: object) -> Any:
    """What stands at a path of plain steps."""
    for key in steps(text) or ():
        held = isinstance(value, list) if isinstance(key, int) else isinstance(value, dict)
        if not held:
            return absent
        try:
            value = value[key]
        except (KeyError, IndexError):
            return absent
    return value


def record_path(ctx: Context, node: Node) -> Keys | JsonPath | None:
    """The path of a text node; None, with a diagnostic, if it is none."""
    text = ctx.text(node)
    if text is None:
        return None
    each = text.endswith("[*]")
    found = steps(text.removesuffix("[*]") if text not in {"[*]", "$[*]"} else "$")
    if found is not None and all(isinstance(step, str) for step in found):
        return Keys(path=tuple(str(step) for step in found), each=each)
    problem = None if found is not None else check_jsonpath(text)
    if problem is not None:
        ctx.error("bad-jsonpath", f"{text!r} is not a JSONPath: {problem}", node)
        return None
    return JsonPath(text=text)


def field_path(ctx: Context, text: str, node: Node) -> Keys | JsonPath:
    """The path of a field inside a record."""
    found = steps(text)
    if found and all(isinstance(step, str) for step in found):
        return Keys(path=tuple(str(step) for step in found))
    problem = None if found else check_jsonpath(text)
    if problem is not None:
        ctx.error("bad-jsonpath", f"{text!r} is not a JSONPath: {problem}", node)
    return JsonPath(text=text)
