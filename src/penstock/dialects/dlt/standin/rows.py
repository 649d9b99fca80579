"""Resources whose rows a function of the script makes, and transformers, which make them of others.

The function is not called before the run asks for the rows.
"""

from __future__ import annotations

import dis
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from penstock.dialects.dlt.standin.errors import Refusal
from penstock.dialects.dlt.standin.marks import Spot
from penstock.dialects.dlt.standin.parts import Incremental
from penstock.dialects.dlt.standin.record import refuse
from penstock.dialects.dlt.standin.references import Reference, Unnamed, injected

# The key of a resource under which a configuration holds its rows; nobody writes it by hand.
ROWS = "rows made by a function"
_BUILDERS = {"rest_api_resources", "rest_api_source", "rest_api"}
_CLIENTS = {"RESTClient", "paginate"}  # of dlt; each asks APIs by itself
_DEPTH = 4


class Rows:
    """A function that makes rows, with its arguments; a transformer takes items of its parent."""

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], named: Mapping[str, Any]
    ) -> None:
        self.function = function
        self.args = args
        self.named = dict(named)
        self.takes_items = False
        self.name = str(getattr(function, "__name__", "rows"))


def bound(
    function: Callable[..., Any], args: tuple[Any, ...], named: Mapping[str, Any], *, skip: int = 0
) -> Rows:
    """The rows of a function, with the parameters that dlt fills in as references.

    The first `skip` parameters are filled in for each call.
    """
    _refuse_clients(inspect.unwrap(function), _DEPTH)
    filled = dict(named)
    parameters = list(inspect.signature(function).parameters.items())[skip + len(args) :]
    for name, parameter in parameters:
        given = filled.get(name, parameter.default)
        if isinstance(given, Incremental):
            message = f"{name} is an incremental of rows that are made in Python"
            hint = "describe the resource in the configuration, with an incremental of its endpoint"
            raise refuse(Refusal(message, hint))
        if isinstance(given, Unnamed):
            filled[name] = injected(name, given, parameter.annotation)
        elif isinstance(given, Reference):
            filled[name] = given
    return Rows(function, args, filled)


def makes_resources(function: Callable[..., Any]) -> bool:
    """Whether a function, or one that it calls, names what makes resources of a configuration."""
    return _names(inspect.unwrap(function), _DEPTH)


def _names(function: Any, depth: int) -> bool:
    code = getattr(function, "__code__", None)
    if code is None or depth == 0:
        return code is None
    found = _in(code)
    if found & _BUILDERS:
        return True
    known = getattr(function, "__globals__", {})
    held = [known.get(name) for name in found]
    return any(
        hasattr(one, "listed") or hasattr(one, "settings") or _names_of(one, depth) for one in held
    )


def _names_of(value: Any, depth: int) -> bool:
    return isinstance(value, types.FunctionType) and _names(value, depth - 1)


def spot_of(function: Callable[..., Any]) -> Spot | None:
    """Where a function is defined."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return Spot(code.co_filename, code.co_firstlineno, 1) if code is not None else None


def _refuse_clients(function: Any, depth: int) -> None:
    """Refuse a function that reads an API with a client of dlt's own, before it is called."""
    code = getattr(function, "__code__", None)
    if code is None or depth == 0:
        return
    known = getattr(function, "__globals__", {})
    for name, line in _loaded(code):
        held = known.get(name)
        home = getattr(held, "__module__", "") or ""
        if name in _CLIENTS and home.startswith("penstock.dialects.dlt.standin"):
            message = f"Penstock has no dlt.sources.helpers.rest_client.{name}"
            hint = "describe what it reads as a resource of rest_api_source"
            raise refuse(Refusal(message, hint, spot=Spot(code.co_filename, line, 1)))
        if isinstance(held, types.FunctionType):
            _refuse_clients(held, depth - 1)


def _loaded(code: types.CodeType) -> Iterator[tuple[str, int]]:
    """The global names that code takes, and the line of each."""
    for step in dis.get_instructions(code):
        line = step.positions.lineno if step.positions is not None else None
        if step.opname in {"LOAD_GLOBAL", "LOAD_NAME"}:
            yield str(step.argval), line or code.co_firstlineno
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _loaded(inner)


def _in(code: types.CodeType) -> set[str]:
    inner = (_in(c) for c in code.co_consts if isinstance(c, types.CodeType))
    return set(code.co_names).union(*inner)
