"""A rate limit: a bucket of permits that refills with time."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal

from penstock.emulator.replies import Answer, problem


class Bucket:
    """Lets `rate` requests a second pass, and `burst` at once."""

    def __init__(self, rate: float, burst: int | None, clock: Callable[[], float]) -> None:
        self.rate = rate
        self.burst = float(burst or max(1, math.floor(rate)))
        self._clock = clock
        self._left = self.burst
        self._seen = clock()

    @property
    def left(self) -> int:
        """How many requests would pass now."""
        return int(self._left)

    def take(self) -> float:
        """Take a permit and give 0, or give the seconds until there is one."""
        now = self._clock()
        self._left = min(self.burst, self._left + (now - self._seen) * self.rate)
        self._seen = now
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) / self.rate


def http_date(seconds: float) -> str:
    """Give the HTTP date some seconds from now."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def too_many(wait: float, form: Literal["seconds", "date"]) -> Answer:
    """Answer 429 and say how long to wait, rounded up to whole seconds."""
    seconds = max(1, math.ceil(wait))
    text = str(seconds) if form == "seconds" else http_date(seconds)
    return problem(429, "too_many_requests", "slow down", Retry_After=text)
