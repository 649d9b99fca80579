"""Values in place of references, in what the functions find that a run will call.

While a script is executed a value is a reference, so that the plan knows it by its name. A function
that makes rows, or changes them, hands on what it finds outside of itself, also to libraries that
know no references: there the values themselves must stand, where somebody has said them.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from penstock.dialects.dlt.standin.base.record import Record
from penstock.dialects.dlt.standin.base.references import ABSENT, Composed, Reference, Resolved
from penstock.dialects.dlt.standin.resources.rows import Rows, names_in
from penstock.dialects.dlt.standin.resources.sources import DltResource
from penstock.dialects.dlt.standin.rest_client.calling import handed_back
from penstock.dialects.dlt.standin.rest_client.client import RESTClient
from penstock.dialects.dlt.standin.rest_client.parts import Part

_DEPTH = 8  # to which objects, and helpers of functions, are looked into
_OURS = "penstock."
_CALLED = (types.FunctionType, types.MethodType, functools.partial)


def settle(record: Record) -> None:
    """Put the values that are known where functions of a script's resources find references.

    What objects learned while the script used them itself is known to them, too.
    """
    if record.outside is not None:
        handed_back(record.outside)
    sources = [*record.sources, *(source for run in record.runs for source in run.sources)]
    settler = _Settler()
    for source in sources:
        for resource in source.own_resources:
            for function in functions_of(resource):
                settler.function(function)


def functions_of(resource: DltResource) -> Iterator[Callable[..., Any]]:
    """The functions that stand in a resource, and in what feeds it."""
    held = (resource.item, resource.steps, resource.hints, resource.incremental)
    config = resource.config if isinstance(resource.config, Mapping) else {}
    shared = [value for key, value in config.items() if key != "resources"]
    yield from _functions([*held, *shared], _DEPTH)
    if resource.parent is not None:
        yield from functions_of(resource.parent)


def _functions(value: Any, depth: int) -> Iterator[Callable[..., Any]]:
    """The functions that stand in a configuration, those of objects in it included."""
    if depth == 0 or isinstance(value, str):
        return
    if isinstance(value, Rows):
        yield value.function
        for one in value.more:
            yield from _functions(one, depth - 1)
    elif isinstance(value, Part):
        yield from (f for f in vars(type(value)).values() if isinstance(f, types.FunctionType))
        yield from _functions(list(vars(value).values()), depth - 1)
    elif isinstance(value, Mapping):
        yield from _functions(list(value.values()), depth - 1)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _functions(one, depth - 1)
    elif callable(value) and not isinstance(value, type):
        yield value


class _Settler:
    """Looks into functions and what they find, each once."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._kept: list[object] = []  # so that no other object is given the id of one seen

    def function(self, function: Any, depth: int = _DEPTH) -> None:
        """Settle what a function, a method or a partial finds outside of itself."""
        if isinstance(function, functools.partial):
            self.function(function.func, depth)
            self.value([function.args, function.keywords], depth)
            return
        if isinstance(function, types.MethodType):
            self.value(function.__self__, depth)
            function = function.__func__
        function = inspect.unwrap(function)
        if not isinstance(function, types.FunctionType):
            self.value(function, depth)
            return
        if depth == 0 or self._known(function):
            return
        for cell in function.__closure__ or ():
            self._cell(cell, depth)
        if _is_ours(function):  # what hands over rows that a script has made
            return
        found = function.__globals__
        for name in names_in(function.__code__) & found.keys():
            made = self.value(found[name], depth - 1)
            if made is not found[name]:
                found[name] = made
        if function.__defaults__:
            function.__defaults__ = tuple(self.value(d, depth - 1) for d in function.__defaults__)

    def _cell(self, cell: types.CellType, depth: int) -> None:
        try:
            held = cell.cell_contents
        except ValueError:  # not filled yet
            return
        made = self.value(held, depth - 1)
        if made is not held:
            cell.cell_contents = made

    def value(self, value: Any, depth: int) -> Any:
        """A value with what is known; lists, dicts and objects are changed themselves."""
        if isinstance(value, str):
            return _said(value)
        if depth <= 0 or value is None or isinstance(value, (int, float, bytes, type)):
            return value
        if isinstance(value, tuple) and type(value) is tuple:
            made = tuple(self.value(one, depth - 1) for one in value)
            return made if any(a is not b for a, b in zip(made, value, strict=True)) else value
        if isinstance(value, _CALLED):
            self.function(value, depth - 1)
        elif not self._known(value):
            self._inside(value, depth)
        return value

    def _inside(self, value: Any, depth: int) -> None:
        """Settle what a list, a dict or an object holds."""
        if isinstance(value, list):
            value[:] = [self.value(one, depth - 1) for one in value]
        elif isinstance(value, dict):
            self._dict(value, depth)
        elif isinstance(value, types.GeneratorType):
            held = value.gi_frame.f_locals if value.gi_frame is not None else {}
            self.value(list(held.values()), depth)
        elif isinstance(value, RESTClient):  # its texts are references to the run
            self.value([value.auth, value.session], depth)
        elif not _is_ours(value) and not isinstance(value, types.ModuleType):
            self._dict(getattr(value, "__dict__", None), depth)

    def _dict(self, held: Any, depth: int) -> None:
        if not isinstance(held, dict):
            return
        for key, one in list(held.items()):
            made = self.value(one, depth - 1)
            if made is not one:
                dict.__setitem__(held, key, made)

    def _known(self, value: object) -> bool:
        known = id(value) in self._seen
        self._seen.add(id(value))
        self._kept.append(value)
        return known


def _is_ours(value: object) -> bool:
    """Whether it is of the stand-in, which puts values in the place of references itself."""
    home = getattr(value, "__module__", None)
    home = home if isinstance(home, str) else type(value).__module__
    return home.startswith(_OURS) or isinstance(value, Part)


def _said(text: str) -> Any:
    """What a reference, or a text with references in it, stands for, if all of it is known."""
    if isinstance(text, Reference):
        found = text.known()
        if not isinstance(found, str):
            return text if found is ABSENT else found
        return Resolved(found, str.__str__(text))
    if not isinstance(text, Composed):
        return text
    found = text.known()
    return text if found is None else Resolved(found, str.__str__(text))
