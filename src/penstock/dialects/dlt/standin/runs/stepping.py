"""Processing steps that ask the run: for values, a state, an API, or rows of another resource."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import MethodType, ModuleType
from typing import Any

from penstock.dialects.dlt.standin.base.references import Reference
from penstock.dialects.dlt.standin.resources.rows import held_by
from penstock.dialects.dlt.standin.rest_client import client, requesting
from penstock.dialects.dlt.standin.rest_client.calling import references_in
from penstock.dialects.dlt.standin.runs import current
from penstock.dialects.dlt.standin.values import settings
from penstock.dialects.document import SecretRef
from penstock.dialects.python.running import Entered
from penstock.plan.door import Door

_ASKING = frozenset(one.__name__ for one in (client, current, requesting, settings))


def around(step: Any) -> Callable[[Door], AbstractContextManager[None]] | None:
    """What a step is called in that asks the run; nothing where it does not."""
    return Entered if any(map(_asks, _held(step))) else None


def values_of(step: Any) -> Iterator[SecretRef]:
    """The values of the user's that a step takes by name, or finds outside of itself."""
    for value in _held(step):
        yield from references_in(value)


def _held(step: Any) -> Iterator[object]:
    """What a function finds outside of itself; also one with arguments, a method or an object."""
    if isinstance(step, functools.partial):
        yield from (*step.args, *step.keywords.values(), *_held(step.func))
    elif isinstance(step, MethodType):
        yield from (*_inside(step.__self__), *held_by(step.__func__))
    elif isinstance(step, type) or hasattr(step, "__code__") or hasattr(step, "__wrapped__"):
        yield from held_by(step)
    else:
        yield from (*_inside(step), *held_by(type(step).__call__))


def _inside(thing: object) -> list[object]:
    return list(getattr(thing, "__dict__", {}).values())


def _asks(value: object) -> bool:
    if isinstance(value, Reference) or getattr(type(value), "makes_resources", False):
        return True
    if isinstance(value, ModuleType):
        return value.__name__ == "dlt" or value.__name__.startswith(("dlt.current", "dlt.sources"))
    home = getattr(value, "__module__", None)
    return home in _ASKING or type(value).__module__ in _ASKING
