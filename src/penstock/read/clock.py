"""Time, injected: whatever waits or measures goes through here, so that tests need not wait."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Protocol


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
        self._random = random.Random(seed)  # noqa: S311 (it spreads waits, it guards nothing)

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(seconds)

    def spread(self) -> float:
        """A number from -1 to 1."""
        return self._random.uniform(-1, 1)
