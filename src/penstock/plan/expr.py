"""Expressions: values that a document leaves open until the run, and the scope each one needs.

An expression is compiled once from whatever the document says (a dlt placeholder, a Jinja template,
a literal) and evaluated in a `Frame`. Its scope says how early that can be done.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import IntEnum
from typing import TypeAlias, assert_never
from urllib.parse import quote, unquote, urljoin

import msgspec

from penstock.errors import ExprError, to_install
from penstock.patterns import pattern

JsonValue: TypeAlias = (
    "bool | int | float | str | list[JsonValue] | tuple[JsonValue, ...]"
    " | dict[str, JsonValue] | None"
)
Step: TypeAlias = "str | int"


class Scope(IntEnum):
    """How late an expression must wait: a wider scope has a smaller number."""

    SOURCE = 0
    SLICE = 1
    PAGE = 2
    RECORD = 3


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """The values expressions may see, by scope.

    `source` holds the values the user gave; `slice` holds `partition`, `cursor` and what dialects
    add; `page` holds `response`, `headers`, `token` and the like; `record` is one record. With
    `unquoted`, slashes of data in a path are slashes of the path.
    """

    source: Mapping[str, JsonValue] = msgspec.field(default_factory=dict)
    slice: Mapping[str, JsonValue] = msgspec.field(default_factory=dict)
    page: Mapping[str, JsonValue] = msgspec.field(default_factory=dict)
    record: JsonValue = None
    now: datetime | None = None
    unquoted: bool = False


class Const(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A value written in the document."""

    value: JsonValue

    @property
    def scope(self) -> Scope:
        """Known from the start."""
        return Scope.SOURCE


class Ref(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The value at `path` of one scope. A missing one is null if `optional`, else an error.

    With `leaf`, only the last step of an optional path may be missing. A null that is there is
    `null`. With `read` a text is what it spells.
    """

    at: Scope
    path: tuple[Step, ...]
    optional: bool = False
    leaf: bool = False
    null: str | None = None
    read: bool = False

    @property
    def scope(self) -> Scope:
        """The scope it reads."""
        return self.at


class Now(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The start of the run, as an ISO 8601 text in UTC."""

    @property
    def scope(self) -> Scope:
        """Known when the run starts."""
        return Scope.SOURCE


class Concat(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The parts as text, one after the other."""

    parts: tuple[Expr, ...]

    @property
    def scope(self) -> Scope:
        """The narrowest scope of its parts."""
        return widest(self.parts)


class Formatted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The value through Python's `str.format`: `conversion` is "", "r", "s" or "a"."""

    value: Expr
    conversion: str = ""
    spec: str = ""

    @property
    def scope(self) -> Scope:
        """The scope of its value."""
        return self.value.scope


class Converted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The value through a function of the document's own; null stays null."""

    value: Expr
    function: Callable[[JsonValue], JsonValue]
    name: str = ""

    @property
    def scope(self) -> Scope:
        """The scope of the value."""
        return self.value.scope


class Quoted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The value as one segment of a URL path: percent-encoded, never `.` or `..`."""

    value: Expr

    @property
    def scope(self) -> Scope:
        """The scope of its value."""
        return self.value.scope


class JoinUrl(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`path` joined to `base` as RFC 3986 resolves a reference, below `base` as a folder."""

    base: Expr
    path: Expr

    @property
    def scope(self) -> Scope:
        """The narrower scope of the two."""
        return widest((self.base, self.path))


class Object(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A mapping whose keys and values are expressions; with `drop_null`, nulls are left out."""

    items: tuple[tuple[Expr, Expr], ...]
    drop_null: bool = False

    @property
    def scope(self) -> Scope:
        """The narrowest scope of its keys and values."""
        return widest(tuple(e for item in self.items for e in item))


class Array(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A list of expressions."""

    items: tuple[Expr, ...]

    @property
    def scope(self) -> Scope:
        """The narrowest scope of its items."""
        return widest(self.items)


class Case(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The one of several expressions that `by`, as text, names."""

    by: Expr
    options: tuple[tuple[str, Expr], ...]

    @property
    def scope(self) -> Scope:
        """The narrowest scope of all of them."""
        return widest((self.by, *(option for _, option in self.options)))


class TimeOf(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A time written as `format`, as an ISO 8601 text in UTC, not outside `minimum` and `maximum`.

    Both bounds are written as `format` too; an empty one bounds nothing.
    """

    value: Expr
    format: str
    minimum: Expr | None = None
    maximum: Expr | None = None

    @property
    def scope(self) -> Scope:
        """The narrowest scope of the three."""
        return widest(tuple(e for e in (self.value, self.minimum, self.maximum) if e is not None))


class Literal(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The value, read by the Airbyte rule that a text which is a Python literal is that literal.

    `types`, `spelled` and `kind` are those of `Jinja`.
    """

    value: Expr
    types: tuple[str, ...] = ()
    spelled: bool = False
    kind: str = "text"

    @property
    def scope(self) -> Scope:
        """The scope of its value."""
        return self.value.scope


class Jinja(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A template that nothing simpler can say.

    `names` binds each variable of the template. `literal` applies the Airbyte rule that a rendered
    text which reads as a Python literal becomes that value, if it is of one of `types` (none: of
    any); with `spelled` a number that would be written otherwise stays the text it was. `kind` is
    what the slot takes: `text` (undefined is ""), `value` (undefined is null), `truth` (a boolean).
    `bounds` are the names under which templates see the start and end of a slice's window.
    """

    source: str
    names: tuple[tuple[str, Expr], ...] = ()
    literal: bool = False
    kind: str = "text"
    types: tuple[str, ...] = ()
    spelled: bool = False
    bounds: tuple[str, str] = ("start_time", "end_time")

    @property
    def scope(self) -> Scope:
        """The narrowest scope of its variables."""
        return widest(tuple(value for _, value in self.names))


Expr = (
    Const
    | Ref
    | Now
    | Concat
    | Formatted
    | Converted
    | Quoted
    | JoinUrl
    | Object
    | Array
    | Case
    | TimeOf
    | Literal
    | Jinja
)  # the union stands after its members, so that annotations resolve on every Python


def widest(parts: tuple[Expr, ...]) -> Scope:
    """The scope that suffices for all of `parts`."""
    return max((p.scope for p in parts), default=Scope.SOURCE)


def evaluate(expr: Expr, frame: Frame) -> JsonValue:
    """The value of `expr` in `frame`.

    Raises:
        ExprError: a value it needs is missing, or its template cannot be rendered.
    """
    match expr:
        case Const():
            return expr.value
        case Ref():
            return lookup(expr, frame)
        case Now():
            return frame.now.isoformat() if frame.now else None
        case Concat():
            return "".join(as_text(evaluate(p, frame)) for p in expr.parts)
        case Formatted():
            return _formatted(expr, evaluate(expr.value, frame))
        case Converted():
            return _converted(expr, evaluate(expr.value, frame))
        case Quoted():
            text = as_text(evaluate(expr.value, frame))
            return _unquoted(text) if frame.unquoted else path_segment(text)
        case JoinUrl():
            return _joined(as_text(evaluate(expr.base, frame)), as_text(evaluate(expr.path, frame)))
        case Object():
            made = {as_text(evaluate(k, frame)): evaluate(v, frame) for k, v in expr.items}
            return {k: v for k, v in made.items() if v is not None} if expr.drop_null else made
        case Array():
            return [evaluate(item, frame) for item in expr.items]
        case Case():
            return evaluate(option_of(expr, frame), frame)
        case TimeOf():
            from penstock.plan import datetimes  # noqa: PLC0415 (few documents need it)

            return datetimes.time_of(expr, frame)
        case Literal():
            from penstock.plan import literals  # noqa: PLC0415 (few documents need it)

            return literals.read(expr, frame)
        case Jinja():
            from penstock.plan import jinja  # noqa: PLC0415 (few documents need templates)

            return jinja.render(expr, frame)
        case _:
            assert_never(expr)


def option_of(case: Case, frame: Frame) -> Expr:
    """The expression that is named.

    Raises:
        ExprError: none is.
    """
    name = as_text(evaluate(case.by, frame))
    options = dict(case.options)
    if name not in options:
        raise ExprError(f"there is nothing for {name!r}", hint=f"there are: {', '.join(options)}")
    return options[name]


def evaluate_text(expr: Expr, frame: Frame) -> str:
    """The value of `expr` as text; null is the empty text."""
    return as_text(evaluate(expr, frame))


def as_text(value: JsonValue) -> str:
    """A value as it stands inside a text: null is empty, everything else as Python writes it."""
    if isinstance(value, str):
        return value
    return "" if value is None else str(value)


def lookup(ref: Ref, frame: Frame) -> JsonValue:
    """The value `ref` points to.

    Raises:
        ExprError: there is none, and the reference is not optional; the keys there are, are named.
    """
    value: object = _root(ref.at, frame)
    for depth, step in enumerate(ref.path):
        found, value = _enter(value, step)
        if not found:
            if ref.optional and not (ref.leaf and depth < len(ref.path) - 1):
                return None
            raise _missing(ref, depth, value)
    if value is None:
        return ref.null
    if ref.read and isinstance(value, str):
        return spelled(value)
    return value  # type: ignore[return-value]  # walked through JSON values only


def spelled(text: str) -> JsonValue:
    """What a text spells, as dlt reads it: a truth, a number, a list, an object; else the text.

    A number that would be written otherwise stays the text it was: it may be a key, or a name.
    """
    truth = {"true": True, "false": False}.get(text.lower())
    if truth is not None:
        return truth
    for kind in (int, float):
        try:
            number = kind(text)
        except ValueError:
            continue
        if str(number) == text and math.isfinite(number):
            return number
    try:
        held = json.loads(text) if text[:1] in {"[", "{"} else None
    except ValueError:
        held = None
    return held if isinstance(held, (list, dict)) else text


def _root(scope: Scope, frame: Frame) -> object:
    match scope:
        case Scope.SOURCE:
            return frame.source
        case Scope.SLICE:
            return frame.slice
        case Scope.PAGE:
            return frame.page
        case Scope.RECORD:
            return frame.record
        case _:
            assert_never(scope)


def _enter(value: object, step: Step) -> tuple[bool, object]:
    """One step into `value`: whether it is there, and what is there (else `value` itself)."""
    if isinstance(value, (dict, Mapping)):  # a dict first: it is told at once
        return (True, value[step]) if step in value else (False, value)
    if isinstance(value, (list, tuple)) and isinstance(step, int):
        return (True, value[step]) if -len(value) <= step < len(value) else (False, value)
    return False, value


def _missing(ref: Ref, depth: int, container: object) -> ExprError:
    path = ".".join(map(str, ref.path))
    step = ref.path[depth]
    keys = ", ".join(map(str, container)) if isinstance(container, Mapping) else ""
    there = f"there are: {keys}" if keys else f"there is a {type(container).__name__}"
    if isinstance(container, Mapping) and not keys:
        there = "there is nothing at all"
    error = ExprError(f"no value for {path!r}: {step!r} is not there", hint=there)
    error.source, error.lacks = _spelled(ref), str(step)
    error.known = tuple(map(str, container)) if isinstance(container, Mapping) else ()
    return error


def _spelled(ref: Ref) -> str:
    """A reference as templates spell it, as far as all of them do."""
    steps = [str(step) for step in ref.path]
    match ref.at:
        case Scope.SOURCE:
            return ".".join(["config", *steps])
        case Scope.RECORD:
            return ".".join(["record", *steps])
        case Scope.SLICE:
            return f".{steps[-1]}"
        case _:
            return ".".join(steps)


_CONVERSIONS: dict[str, Callable[[JsonValue], JsonValue]] = {
    "": lambda value: value,
    "r": repr,
    "s": str,
    "a": ascii,
}


def _formatted(expr: Formatted, value: JsonValue) -> str:
    try:
        return format(_CONVERSIONS[expr.conversion](value), expr.spec)
    except (TypeError, ValueError) as exc:
        raise ExprError(f"{value!r} does not take the format {expr.spec!r}: {exc}") from exc


def _converted(expr: Converted, value: JsonValue) -> JsonValue:
    if value is None:
        return None
    try:
        found: object = expr.function(value)
    except ExprError:
        raise
    except Exception as exc:
        message = f"{expr.name} failed on {value!r}: {exc!r}"
        raise ExprError(message, hint=to_install(exc)) from exc
    plain = isinstance(found, (str, int, float, list, tuple, dict)) or found is None
    return found if plain else str(found)  # type: ignore[return-value]  # a value of JSON


def path_segment(text: str) -> str:
    """`text` percent-encoded as one path segment.

    Raises:
        ExprError: `text` is empty, `.` or `..`, and would address another path.
    """
    if text in {"", ".", ".."}:
        raise ExprError(f"{text!r} cannot stand as a segment of a URL path")
    return quote(text, safe="-._~!$'()*,;:@")


def _unquoted(text: str) -> str:
    """`text` as several segments, or as one that is percent-encoded already.

    It never leads out of where it stands: else it is the one segment that `path_segment` makes.
    """
    segments = text.split("/")
    if any(unquote(segment) in {"", ".", ".."} for segment in segments):
        return path_segment(text)
    return "/".join(s if _ENCODED.fullmatch(s) else path_segment(s) for s in segments)


_ENCODED = pattern(r"(?:[A-Za-z0-9._~!$'()*,;:@+-]|%[0-9A-Fa-f]{2})+")
_PLAIN_BASE = pattern(r"https?://[A-Za-z0-9._-]+(?::\d+)?(?:/[A-Za-z0-9_~-]+)*/")
_PLAIN_PATH = pattern(r"[A-Za-z0-9_~%-]+(?:/[A-Za-z0-9_~%-]+)*/?")
_COLON = pattern(r"(?!https?:)[A-Za-z][\w+.\-]*:(?!//)")


def _joined(base: str, path: str) -> str:
    if not path:
        return base
    folder = base if base.endswith("/") else base + "/"
    relative = path.lstrip("/")
    if _PLAIN_PATH.fullmatch(relative) and _PLAIN_BASE.fullmatch(folder):
        return folder + relative  # what the reference would be resolved to, for a tenth of the time
    # `v1:search` begins with no scheme: a custom method is called so.
    relative = "./" + relative if _COLON.match(relative) else relative
    try:
        return urljoin(folder, relative)
    except ValueError as exc:
        message = f"{path!r} below {base!r} is no URL: {exc}"
        raise ExprError(message, code="url") from exc


def walk(expr: Expr) -> Iterator[Expr]:
    """`expr` and every expression inside it."""
    yield expr
    match expr:
        case Concat():
            children: tuple[Expr, ...] = expr.parts
        case Formatted() | Converted() | Quoted() | Literal():
            children = (expr.value,)
        case JoinUrl():
            children = (expr.base, expr.path)
        case Object():
            children = tuple(e for item in expr.items for e in item)
        case Array():
            children = expr.items
        case Case():
            children = (expr.by, *(option for _, option in expr.options))
        case TimeOf():
            bounds = (expr.value, expr.minimum, expr.maximum)
            children = tuple(e for e in bounds if e is not None)
        case Jinja():
            children = tuple(value for _, value in expr.names)
        case Const() | Ref() | Now():
            children = ()
        case _:
            assert_never(expr)
    for child in children:
        yield from walk(child)


def refs(expr: Expr, scope: Scope) -> tuple[Ref, ...]:
    """Every reference inside `expr` that reads `scope`."""
    return tuple(e for e in walk(expr) if isinstance(e, Ref) and e.at == scope)
