"""Waiting for the HTTP client's own code without being held by it.

A coroutine of a compiled library may never come back, nor heed that it is cancelled: where not a
byte of memory is left, the word that wakes it is lost. A task that awaits it hangs then, and so
does whoever ends the loop. Here the waiting is the run's own: one look at all that is awaited,
now and then, finds what stands still.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from contextlib import suppress
from typing import TypeAlias, TypeVar

import msgspec

T = TypeVar("T")
Step: TypeAlias = "asyncio.Future[object] | None"
_LOOKS = 4  # at a step before it is given up
_CLOSES = 3  # how often a coroutine may wait on though it is closed


class Lost(Exception):  # noqa: N818 (a signal to the transport, which knows the request)
    """What was awaited stands still: neither its end came nor an error."""


class _Wait(msgspec.Struct, eq=False):
    """A coroutine that is awaited: the step it stands at, and how many looks it stood at one."""

    step: Step = None
    before: Step = None
    looks: int = 0
    lost: bool = False


class Watch:
    """Gives up a coroutine whose one step takes more than `most` seconds, or a quarter more."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._waits: set[_Wait] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    @types.coroutine
    def over(self, work: Coroutine[Step, None, T]) -> Generator[Step, None, T]:
        """What the coroutine returns. Who is cancelled is done, whether or not it heeds that.

        Raises:
            Lost: it stands still.
        """
        wait = _Wait()
        self._waits.add(wait)
        if self._loop is None or self._loop.is_closed():
            self._look_later()
        try:
            while True:
                wait.step = work.send(None)
                try:
                    yield wait.step
                except asyncio.CancelledError as wish:
                    if not wait.lost:
                        work.throw(wish)
                    _close(work)
                    if wait.lost:
                        raise Lost from None
                    raise
        except StopIteration as done:
            value: T = done.value
            return value
        finally:
            self._waits.discard(wait)

    def _look_later(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.call_later(self._most / _LOOKS, self._look)

    def _look(self) -> None:
        """Wake up whoever stands where it stood for too many looks."""
        for wait in self._waits:
            wait.looks = wait.looks + 1 if wait.step is wait.before else 0
            wait.before = wait.step
            if wait.step is not None and wait.looks >= _LOOKS:
                wait.lost = wait.step.cancel()
        self._loop = None
        if self._waits:
            self._look_later()


def _close(work: Coroutine[Step, None, T]) -> None:
    """End a coroutine that is awaited no more, so that nothing is said of it later."""
    for _ in range(_CLOSES):
        with suppress(Exception, asyncio.CancelledError):
            work.close()
            return
