"""An end for what does not come to one by itself."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

AGAIN = 10.0  # seconds after which what cleans up, and hangs too, is told once more


class HangError(AssertionError):
    """Something took far longer than it may."""


class HungError(BaseException):
    """The same, for what would take an `Exception` for one of its own and go on."""


@contextmanager
def at_work(seconds: float) -> Iterator[None]:
    """What is done inside ends, in so much time of the processor.

    Raises:
        HangError: it did not.
    """

    def late(_number: int, _frame: object) -> None:
        raise HangError(f"no end after {seconds:g} seconds of work")

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def in_all(seconds: float, again: float = AGAIN) -> Iterator[None]:
    """What is done inside by the main thread ends, waits included, in so many seconds.

    Raises:
        HungError: it did not; and what hangs while that is heeded is told again.
    """

    def late(_number: int, _frame: object) -> None:
        raise HungError(f"no end after {seconds:g} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds, again)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
