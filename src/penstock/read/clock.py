"""Time, injected: whatever waits or measures goes through here, so that tests need not wait."""

from __future__ import annotations

import asyncio
import time
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from random import Random


class Clock(Protocol):
    """The time, and waiting."""

    def now(self) -> float:
        """Seconds since the epoch: for what other machines' clocks are compared with."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back: for waits and rates."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def spread(self) -> float:
        """A number from -1 to 1, by which waits are spread out."""
        ...


class SystemClock:
    """The machine's own time."""

    def __init__(self, seed: int | None = None) -> None:
        self._seed = seed

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(seconds)

    @cached_property
    def _random(self) -> Random:
        from random import Random  # noqa: PLC0415 (only a run that waits needs it)

        return Random(self._seed)  # noqa: S311 (it spreads waits, it guards nothing)

    def spread(self) -> float:
        """A number from -1 to 1."""
        return self._random.uniform(-1, 1)
