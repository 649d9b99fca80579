"""Stopping on the user's wish: at a checkpoint first, and at once if asked again."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from penstock.events import Event, Stopping


class Stopper:
    """Hears Ctrl-C and a polite kill while a run is on; `asked` once there was one."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self.asked = False

    @contextmanager
    def hears(self, stop: Callable[[], None]) -> Iterator[None]:
        """Listen, where this is the main thread: no other may.

        The first signal calls `stop`. The second cancels the task that listens; whoever called the
        run lives on, and decides whether the process does.
        """
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def heard() -> None:
            self._emit(Stopping(at_once=self.asked))
            if not self.asked:
                self.asked = True
                stop()
            elif task is not None:
                task.cancel()

        taken: list[signal.Signals] = []
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, heard)
                taken.append(number)
            except (ValueError, RuntimeError, NotImplementedError):
                break  # another thread, or another platform: whoever called decides
        try:
            yield
        finally:
            for number in taken:
                loop.remove_signal_handler(number)
