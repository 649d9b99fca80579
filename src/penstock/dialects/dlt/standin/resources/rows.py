"""Resources whose rows a function of the script makes, and transformers, which make them of others.

The function is not called before the run asks for the rows.
"""

from __future__ import annotations

import dis
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.dialects.dlt.standin.base.marks import Spot, caller
from penstock.dialects.dlt.standin.base.references import Reference, Sections, Unnamed
from penstock.dialects.dlt.standin.rest_client.parts import Incremental
from penstock.dialects.dlt.standin.values.specs import filled_in, hints_of, injected
from penstock.plan.variants import content

if TYPE_CHECKING:
    from penstock.dialects.dlt.standin.resources.sources import DltResource

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_BUILDERS = {"rest_api_resources", "rest_api_source", "rest_api"}
_MARKS = frozenset({"with_table_name", "with_hints"})
_STATES = frozenset({"resource_state", "source_state"})
_DEPTH = 4


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """How much is read: so many pages or yields, with `by_rows` so many rows, so many seconds."""

    most: int | None = None
    seconds: float | None = None
    by_rows: bool = False


class Rows:
    """A function that makes rows, with its arguments; a transformer takes items of its parent.

    `cursor` is the parameter that is given the incremental while rows are made. `resource` is the
    one that a run calls them for, and `file` is where they are made, if that is not where the
    function stands; both are beside the rest, by which rows are told apart.
    """

    __slots__ = ("__dict__", "file", "resource")

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], named: Mapping[str, Any]
    ) -> None:
        self.function = function
        self.args = args
        self.named = dict(named)
        self.takes_items = False
        self.cursor: str | None = None
        self.more: tuple[Rows, ...] = ()  # of further resources that are called the same
        self.nth = 0  # the number of its source, where it is one of these
        self.name = str(getattr(function, "__name__", "rows"))
        self.resource: DltResource | None = None
        self.file = ""

    def joins(self, other: Rows) -> bool:
        """Whether rows of another resource can simply follow these."""
        return not any(r.takes_items or r.cursor for r in (self, other))

    @property
    def incremental(self) -> Incremental | None:
        """The incremental that the function is given."""
        held = self.named.get(self.cursor) if self.cursor is not None else None
        return held if isinstance(held, Incremental) else None

    @property
    def followed(self) -> Incremental | None:
        """The incremental that the function is given, or that the script says of the resource."""
        held = self.incremental or getattr(self.resource, "incremental", None)
        return held if isinstance(held, Incremental) else None


def handed(data: Any, name: str) -> Rows:
    """Rows that a script has, or that a library makes, which it hands over where it calls."""
    rows, where = Rows(lambda: data, (), {}), caller()
    rows.name, rows.file = name, where.file if where is not None else ""
    return rows


def bound(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    named: Mapping[str, Any],
    sections: Sections,
    *,
    skip: int = 0,
) -> Rows:
    """The rows of a function, with the parameters that dlt fills in as references.

    The first `skip` parameters are filled in for each call.
    """
    filled = dict(named)
    parameters = list(inspect.signature(function).parameters.items())[skip:]
    places = sum(p.kind in _POSITIONAL for _, p in parameters)
    given_by_place = zip(args, parameters, strict=False)
    follows = any(Incremental in {type(arg), type(p.default)} for arg, (_, p) in given_by_place)
    if follows and len(args) <= places:
        filled.update(zip((name for name, _ in parameters), args, strict=False))
        args = ()
    cursor: str | None = None
    hints = hints_of(function)
    for name, parameter in parameters[len(args) :]:
        annotation = hints.get(name, parameter.annotation)
        given = filled.get(name, parameter.default)
        if isinstance(parameter.default, Incremental) and given is not parameter.default:
            given = parameter.default.with_given(given)
        if isinstance(given, Incremental):
            cursor = name
            filled[name] = given
        elif isinstance(given, Unnamed):
            filled[name] = injected(name, given, annotation, sections)
        elif isinstance(given, Reference):
            filled[name] = given
        elif name == "meta" and skip and given is parameter.empty:
            filled[name] = None  # what dlt knows of items beside them, which is mostly nothing
        elif name not in filled and parameter.default is not parameter.empty:
            made = filled_in(name, parameter, annotation, sections)
            if made is not parameter.default:
                filled[name] = made
    rows = Rows(function, args, filled)
    rows.cursor = cursor
    return rows


def unfit(rows: Rows) -> str | None:
    """What is wrong with the arguments of a function, as Python says it; null where they fit.

    What wraps a function may give it more; there only the call tells.
    """
    if hasattr(rows.function, "__wrapped__"):
        return None
    items = [None] * rows.takes_items
    try:
        inspect.signature(rows.function).bind(*items, *rows.args, **rows.named)
    except TypeError as exc:
        return str(exc)
    except ValueError:  # a function of a library that does not tell what it takes
        return None
    return None


def makes_resources(function: Callable[..., Any]) -> bool:
    """Whether a function, or one that it calls, names what makes resources of a configuration."""
    return _names(inspect.unwrap(function), _DEPTH)


def _names(function: Any, depth: int) -> bool:
    code = getattr(function, "__code__", None)
    if code is None or depth == 0:
        return code is None
    found = names_in(code)
    if found & _BUILDERS:
        return True
    known = getattr(function, "__globals__", {})
    cells = zip(code.co_freevars, getattr(function, "__closure__", None) or (), strict=False)
    held = {**{name: known.get(name) for name in found}, **{n: content(c) for n, c in cells}}
    return any(_names_of(one, depth) for one in held.values())


def _names_of(value: Any, depth: int) -> bool:
    """Whether a value makes resources; rows that a function makes may be read by another one."""
    if not getattr(type(value), "makes_resources", False):
        return isinstance(value, types.FunctionType) and _names(value, depth - 1)
    makes_rows = getattr(type(value), "makes_rows", None) and value.makes_rows
    return makes_rows is None or _names(inspect.unwrap(makes_rows), depth - 1)


def spot_of(function: Callable[..., Any]) -> Spot | None:
    """Where a function is defined."""
    found = inspect.unwrap(function)
    code = getattr(found, "__code__", None)
    if code is None or str(getattr(found, "__module__", "")).startswith(f"{__package__}."):
        return caller()
    return Spot(code.co_filename, code.co_firstlineno, 1)


def held_by(function: Callable[..., Any]) -> Iterator[object]:
    """What a function finds outside of itself: globals and closures, its own helpers' included."""
    seen: set[int] = set()
    yield from _held(inspect.unwrap(function), seen, _DEPTH)


def _held(function: Any, seen: set[int], depth: int) -> Iterator[object]:
    code = getattr(function, "__code__", None)
    if code is None or depth == 0 or id(function) in seen:
        return
    seen.add(id(function))
    yield from _asked(code)
    known = getattr(function, "__globals__", {})
    found = [known[name] for name in names_in(code) if name in known]
    cells = getattr(function, "__closure__", None) or ()
    for value in (*found, *(content(cell) for cell in cells)):
        if isinstance(value, types.FunctionType):
            yield from _held(value, seen, depth - 1)
        else:
            yield value


def marks_tables(function: Callable[..., Any]) -> bool:
    """Whether a function, or one that it calls, names what sends rows to other tables."""
    return _says(inspect.unwrap(function), _MARKS, set(), _DEPTH)


def remembers(function: Callable[..., Any]) -> bool:
    """Whether a function, or one that it calls, names the state of its resource or source."""
    return _says(inspect.unwrap(function), _STATES, set(), _DEPTH)


def _says(function: Any, wanted: frozenset[str], seen: set[int], depth: int) -> bool:
    if isinstance(function, types.GeneratorType):
        return not wanted.isdisjoint(names_in(function.gi_code))
    code = getattr(function, "__code__", None)
    if code is None or depth == 0 or id(function) in seen:
        return False
    seen.add(id(function))
    found = names_in(code)
    if not wanted.isdisjoint(found):
        return True
    known = getattr(function, "__globals__", {})
    cells = getattr(function, "__closure__", None) or ()
    held = [*(known[name] for name in found if name in known), *map(content, cells)]
    functions = (one for one in held if isinstance(one, (types.FunctionType, types.GeneratorType)))
    return any(_says(one, wanted, seen, depth - 1) for one in functions)


def _asked(code: types.CodeType) -> Iterator[Reference]:
    """The values that code takes by name, as `dlt.secrets["name"]`."""
    steps = list(dis.get_instructions(code))
    for kind, name, taken in zip(steps, steps[1:], steps[2:], strict=False):
        of = kind.argval if kind.opname == "LOAD_ATTR" else None
        subscript = taken.opname.startswith(("BINARY_SUBSCR", "BINARY_OP"))
        if of in {"secrets", "config"} and isinstance(name.argval, str) and subscript:
            yield Reference(name.argval, secret=of == "secrets")
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _asked(inner)


def names_in(code: types.CodeType) -> set[str]:
    """The names that code, and code in it, finds outside of itself, and those of attributes."""
    inner = (names_in(c) for c in code.co_consts if isinstance(c, types.CodeType))
    return set(code.co_names).union(*inner)
