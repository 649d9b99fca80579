"""A test that hangs fails, and lets the others be run."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import threading
import time
from collections.abc import Callable

import pytest
from tests.conftest import LONGER, LONGEST
from tests.support.patience import HangError, HungError, at_work, in_all

SHORT = 0.05


def _stubborn() -> None:
    try:
        time.sleep(60)
    finally:
        time.sleep(60)


def _busy() -> None:
    while True:
        pass


HANGS: dict[str, Callable[[], object]] = {
    "asleep": lambda: time.sleep(60),
    "a lock that nobody lets go": threading.Semaphore(0).acquire,
    "an event that nobody sets": lambda: threading.Event().wait(),
    "a loop": lambda: asyncio.run(asyncio.sleep(60)),
    "what cleans up": _stubborn,
    "a process": lambda: subprocess.run(["sleep", "60"], check=False),
}


@pytest.mark.parametrize("how", HANGS)
def test_what_hangs_is_ended(how: str):
    """However it waits, and whatever it does with what it is told."""
    began = time.monotonic()
    with pytest.raises(HungError), in_all(SHORT, again=SHORT):
        HANGS[how]()
    assert time.monotonic() - began < 30


def test_what_works_without_an_end_is_ended():
    """Only its own time counts."""
    with pytest.raises(HangError), at_work(SHORT):
        _busy()


def test_every_test_has_an_end():
    """The timer runs here and now, unless more is played than usual."""
    left, again = signal.getitimer(signal.ITIMER_REAL)
    assert LONGER or (0 < left <= LONGEST and again > 0)
