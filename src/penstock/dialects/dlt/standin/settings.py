"""`dlt.secrets` and `dlt.config`: values by name, as references, and as parameters of functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from penstock.dialects.dlt.standin.calling import live, run_values, running
from penstock.dialects.dlt.standin.record import executing
from penstock.dialects.dlt.standin.references import (
    ABSENT,
    Known,
    Reference,
    Sections,
    Unnamed,
    as_declared,
    declared,
)
from penstock.dialects.dlt.standin.specs import (
    BaseConfiguration,
    filled_in,
    hints_of,
    injected,
    sections_of,
)
from penstock.plan.expr import spelled


class Accessor:
    """Values of one kind; what a script sets itself is what it gets."""

    def __init__(self, *, secret: bool) -> None:
        self._secret = secret
        self._set: dict[str, Any] = {}
        self._lookup = Known.lookup
        self.value = Unnamed(secret=secret)

    def __getitem__(self, name: str) -> Any:
        if name in self._set:
            return self._set[name]
        reference = Reference(name, secret=self._secret, read=True)
        return reference if executing() or run_values() is None else self._value(reference)

    def _value(self, reference: Reference) -> Any:
        """What a reference stands for, for a function that a run calls."""
        values = run_values() or {}
        found = values.get(reference.name, self._lookup(reference.name))
        if found is ABSENT:
            return reference.resolved()
        return spelled(found) if isinstance(found, str) else found

    def __setitem__(self, name: str, value: Any) -> None:
        self._set[name] = value

    def __contains__(self, name: str) -> bool:
        return name in self._set or Known.lookup(name) is not ABSENT

    def get(self, name: str, expected_type: Any = None) -> Any:
        """The value; like dlt, the second argument is a type. A default is taken as such too."""
        if name in self._set:
            return self._set[name]
        plain = isinstance(expected_type, (str, int, float))
        default = expected_type if plain else None
        values = None if executing() else run_values()
        if values is not None:
            found = values.get(name, self._lookup(name))
            found = default if found is ABSENT else found
            return found if expected_type is None or plain else declared(found, expected_type)
        made = Reference(name, secret=self._secret, default=default, optional=default is None)
        return made if expected_type is None or plain else as_declared(made, expected_type)


def filled(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    named: dict[str, Any],
    sections: Sections,
) -> Any:
    """What a function gives, with the parameters that dlt fills in as references.

    Raises:
        TypeError: a parameter without default is not given.
    """
    bound = _bound(function, args, named, sections)
    return function(*bound.args, **bound.kwargs)


def called(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    named: dict[str, Any],
    sections: Sections | None = None,
) -> Any:
    """The same, also where a run calls it: then with the values themselves."""
    bound = _bound(function, args, named, sections or sections_of(function, function.__name__))
    run = None if executing() else running()
    if run is not None:
        for name, value in bound.arguments.items():
            bound.arguments[name] = live(value, run) if _is_filled(value) else value
    return function(*bound.args, **bound.kwargs)


def _is_filled(value: object) -> bool:
    return isinstance(value, (Reference, BaseConfiguration))


def _bound(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    named: dict[str, Any],
    sections: Sections,
) -> inspect.BoundArguments:
    signature = inspect.signature(function)
    hints = hints_of(function)
    bound = signature.bind_partial(*args, **named)
    for name, parameter in signature.parameters.items():
        annotation = hints.get(name, parameter.annotation)
        given = bound.arguments.get(name, parameter.empty)
        if isinstance(given, Unnamed):
            bound.arguments[name] = injected(name, given, annotation, sections)
        elif name not in bound.arguments and parameter.default is not parameter.empty:
            made = filled_in(name, parameter, annotation, sections)
            if made is not parameter.default:
                bound.arguments[name] = made
    return bound
