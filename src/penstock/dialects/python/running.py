"""The run that calls a component: where its requests go, and whose values it sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from penstock.plan.door import Door

_DOOR: ContextVar[Door | None] = ContextVar("penstock_components_door", default=None)
_entered: list[Door] = []  # the runs that are calling something, the latest last


class NoRunError(RuntimeError):
    """A component asked an API while no run was calling it."""


@contextmanager
def entered(door: Door) -> Iterator[None]:
    """Requests of components go through `door` meanwhile."""
    token = _DOOR.set(door)
    _entered.append(door)
    try:
        yield
    finally:
        _DOOR.reset(token)
        _entered.remove(door)


def current() -> Door:
    """The run that is calling; in a thread that a component starts itself, the latest that is.

    Raises:
        NoRunError: none is: the component asks an API when it is imported.
    """
    door = _DOOR.get() or next(iter(_entered[-1:]), None)
    if door is None:
        raise NoRunError("an API cannot be asked here: no stream is being read")
    return door
