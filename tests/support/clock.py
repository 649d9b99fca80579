"""An event loop whose time is a number: waiting for it costs nothing."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

# A run that asks more often than this without an end is one that never ends.
MOST_STEPS = 2_000_000
# How long a thread is waited for, and how often, while nothing else can be done.
LOOK, MOST_LOOKS = 0.05, 1_200
EPOCH = 1_767_225_600.0  # 2026-01-01T00:00:00Z


class StuckError(AssertionError):
    """Nothing will ever happen again, or far too much does."""


class _Jump(selectors.DefaultSelector):
    """Looks for what is ready without waiting; what a loop would have waited, its time jumps."""

    def __init__(self) -> None:
        super().__init__()
        self.passed = 0.0
        self.steps = 0
        self.working = 0  # calls in threads, which know nothing of virtual time
        self.looks = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        self.steps += 1
        if self.steps > MOST_STEPS:
            raise StuckError(f"no end after {MOST_STEPS} steps")
        # What a thread does next comes before anything else: a history would not be the same twice.
        ready = super().select(LOOK if self.working else 0)
        if ready or timeout == 0:
            self.looks = 0
            return ready
        if self.working:
            self.looks += 1
            if self.looks > MOST_LOOKS:
                raise StuckError("a thread does not come to an end")
            return ready
        if timeout is None:
            raise StuckError("every task waits for another one")
        self.passed += max(timeout, 0.0)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time; it fails where a real one would hang."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)
        self._clock_resolution = 1e-9
        self._from_thread = False
        self._own: ThreadPoolExecutor | None = None

    def time(self) -> float:
        """Virtual seconds since the loop began."""
        return self._jump.passed

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """Done in a thread; time stands still meanwhile."""
        if executor is None:
            self.set_default_executor(executor := self._own or ThreadPoolExecutor())
            self._own = executor
        elif not isinstance(executor, ThreadPoolExecutor):
            return super().run_in_executor(executor, func, *args)
        self._jump.working += 1
        found = executor.submit(func, *args)
        done = asyncio.wrap_future(found, loop=self)
        found.add_done_callback(self._over)  # behind what hands the result to the loop
        return done

    def _over(self, _done: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed by now
            super().call_soon_threadsafe(self._returned)

    def _returned(self) -> None:
        self._jump.working -= 1

    def call_soon_threadsafe(self, callback: Any, *args: Any, **words: Any) -> Any:
        """What a thread has the loop do."""

        def call() -> None:
            self._from_thread = True
            try:
                callback(*args)
            finally:
                self._from_thread = False

        return super().call_soon_threadsafe(call, **words)

    def create_task(self, coro: Any, **words: Any) -> Any:
        """A task; for one that a thread waits for, time goes on until it is done."""
        task = super().create_task(coro, **words)
        if self._from_thread and self._jump.working:
            self._jump.working -= 1
            task.add_done_callback(self._resumed)
        return task

    def _resumed(self, _done: Any) -> None:
        self._jump.working += 1


class VirtualClock:
    """A clock of a virtual loop. `skew` is how far its date is off; `spread` is every draw."""

    def __init__(self, *, start: float = EPOCH, skew: float = 0.0, spread: float = 0.0) -> None:
        self._start = start + skew
        self._spread = spread
        self.sleeps: list[float] = []

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._start + self.monotonic()

    def jump(self, seconds: float) -> None:
        """Somebody sets the clock, or the machine was asleep; waits know nothing of it."""
        self._start += seconds

    def monotonic(self) -> float:
        """Virtual seconds since the loop began."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait on the virtual loop."""
        self.sleeps.append(seconds)
        await asyncio.sleep(seconds)

    def spread(self) -> float:
        """The one number it was given."""
        return self._spread


def run(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work` on a loop of its own.

    Raises:
        StuckError: it would never have ended.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
