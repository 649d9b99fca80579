"""The run that calls a component: where its requests go, and whose values it sees."""

from __future__ import annotations

from contextvars import ContextVar

from penstock.plan.door import Door

_DOOR: ContextVar[Door | None] = ContextVar("penstock_components_door", default=None)
_entered: list[Door] = []  # the runs that are calling something, the latest last


class NoRunError(RuntimeError):
    """A component asked an API while no run was calling it."""


class Entered:
    """Requests of components go through `door` meanwhile.

    It is entered for each row: as a generator it would take three times as long.
    """

    def __init__(self, door: Door) -> None:
        self._door = door

    def __enter__(self) -> None:
        self._token = _DOOR.set(self._door)
        _entered.append(self._door)

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: object
    ) -> None:
        _DOOR.reset(self._token)
        _entered.remove(self._door)


def current() -> Door:
    """The run that is calling; in a thread that a component starts itself, the latest that is.

    Raises:
        NoRunError: none is: the component asks an API when it is imported.
    """
    door = _DOOR.get() or next(iter(_entered[-1:]), None)
    if door is None:
        raise NoRunError("an API cannot be asked here: no stream is being read")
    return door
