"""`dlt.secrets` and `dlt.config`: values by name, as references, and as parameters of functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from penstock.dialects.dlt.standin.base.record import executing
from penstock.dialects.dlt.standin.base.references import (
    ABSENT,
    Known,
    Reference,
    Sections,
    Unnamed,
    as_declared,
    declared,
)
from penstock.dialects.dlt.standin.rest_client.calling import live, run_values, running
from penstock.dialects.dlt.standin.values.specs import (
    BaseConfiguration,
    filled_in,
    hints_of,
    injected,
    is_spec,
    of_value,
    sections_of,
)
from penstock.plan.expr import spelled


class Accessor:
    """Values of one kind; what a script sets itself is what it gets."""

    def __init__(self, *, secret: bool) -> None:
        self._secret = secret
        self._set = Known.said
        self._provided = Known.provided
        self._lookup = Known.lookup
        self.value = Unnamed(secret=secret)

    def __getitem__(self, name: str) -> Any:
        own = self._own(name)
        if own is not ABSENT:
            return own
        reference = Reference(name, secret=self._secret, read=True)
        return reference if executing() or run_values() is None else self._value(reference)

    def _own(self, name: str) -> Any:
        """What the script itself says, or a provider of its own where nothing else does."""
        if name in self._set:
            return self._set[name]
        there = name in self._provided and self._lookup(name) is ABSENT
        return self._provided[name] if there else ABSENT

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
        return self._own(name) is not ABSENT or self._lookup(name) is not ABSENT

    @contextmanager
    def values(self, values: Mapping[str, Any]) -> Iterator[None]:
        """Say these values for a while."""
        before = dict(self._set)
        self._set.update(values)
        try:
            yield
        finally:
            self._set.clear()
            self._set.update(before)

    def register_provider(self, provider: Any) -> None:
        """Take values from a provider of the script's own, where nothing else says them."""
        for name, value in provider.values().items():
            self._provided.setdefault(name, value)

    def get(self, name: str, expected_type: Any = None) -> Any:
        """The value; like dlt, the second argument is a type. A default is taken as such too."""
        own = self._own(name)
        if is_spec(expected_type):
            return self._made(expected_type, name, own)
        if own is not ABSENT:
            return declared(own, expected_type, name)
        plain = isinstance(expected_type, (str, int, float))
        default = expected_type if plain else None
        values = None if executing() else run_values()
        if values is not None:
            found = values.get(name, self._lookup(name))
            found = default if found is ABSENT else found
            return found if expected_type is None or plain else declared(found, expected_type, name)
        made = Reference(name, secret=self._secret, default=default, optional=default is None)
        return made if expected_type is None or plain else as_declared(made, expected_type)

    def _made(self, kind: type[BaseConfiguration], name: str, own: Any) -> Any:
        """Values that belong together: of a table, or one text; None where nobody says them."""
        found = own if own is not ABSENT else (run_values() or {}).get(name, self._lookup(name))
        found = spelled(found) if isinstance(found, str) else found
        if isinstance(found, Mapping) and own is ABSENT and executing():
            found = {field: Reference(name, secret=self._secret)[field] for field in found}
        return None if found is ABSENT else of_value(kind, found)


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
