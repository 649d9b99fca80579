"""One governor per host: how many requests at once, how many in a time, and when to pause.

Concurrency grows by one for each round of answers and is halved when the API pushes back. Slots go
to the waiting streams in turn, so that no stream starves another.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque

import msgspec

from penstock.plan.page import Headers
from penstock.plan.policy import http_date
from penstock.plan.source import Limits, RateLimit
from penstock.read.clock import Clock

# A number of seconds since the epoch is larger than this, a number of seconds to wait is not; one
# of milliseconds since the epoch is larger than the second.
_EPOCH_FROM = 1_000_000_000.0
_EPOCH_MS_FROM = 100_000_000_000.0
# A quota that is further away is not waited for: the API says itself when it refuses a request.
_LONGEST_PAUSE = 600.0  # seconds
_ROUND = 1.0  # seconds in which refusals are taken for one


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a governor: `limit` slots now, `running` of them taken, `waiting` for one."""

    limit: int
    running: int
    waiting: int
    paused: float


class Governor:
    """Lets requests to one host through. The only mutable state is what `statistics` shows."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        self._clock = clock
        self._most = max(1, limits.concurrency)
        self._limit = float(self._most)
        self._running = 0
        self._queues: dict[str, deque[asyncio.Future[None]]] = {}
        self._rates = [_Rate(rate) for rate in limits.rates]
        self._paused_until = 0.0
        self._calm_until = 0.0  # until then a refusal belongs to the last halving

    def statistics(self) -> Statistics:
        """What it looks like now."""
        return Statistics(
            limit=int(self._limit),
            running=self._running,
            waiting=sum(map(len, self._queues.values())),
            paused=max(0.0, self._paused_until - self._clock.monotonic()),
        )

    async def enter(self, stream: str) -> None:
        """Take a slot for one request of `stream`, when the limits allow it; `leave` gives it back.

        A pair of calls, not a context manager: this stands in the way of every request.
        """
        await self._take_slot(stream)
        try:
            await self._wait_turn()
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Give the slot of a request back."""
        self._running -= 1
        self._hand_out()

    def succeeded(self, headers: Headers) -> None:
        """An answer came: allow a little more, unless it says that the quota is used up."""
        self._limit = min(self._most, self._limit + 1 / self._limit)
        self._hand_out()
        used_up = quota_pause(headers, self._clock.now())
        if 0 < used_up <= _LONGEST_PAUSE:
            self._pause(used_up)

    def pushed_back(self, seconds: float) -> None:
        """The API asked for less: halve, and ask nothing for `seconds`.

        Requests that were under way together are refused together: that counts once.
        """
        now = self._clock.monotonic()
        if now >= self._calm_until:
            self._limit = max(1.0, self._limit / 2)
            self._calm_until = now + max(seconds, _ROUND)
        self._pause(seconds)

    def _pause(self, seconds: float) -> None:
        self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)

    async def _take_slot(self, stream: str) -> None:
        if self._running < int(self._limit) and not any(self._queues.values()):
            self._running += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(stream, deque()).append(turn)
        self._hand_out()  # whoever queues in front may have given up
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._running -= 1
                self._hand_out()
            raise

    def _hand_out(self) -> None:
        """Give free slots to the streams in turn: the first stream with a waiter goes last next."""
        while self._running < int(self._limit):
            turn = self._next_turn()
            if turn is None:
                return
            self._running += 1
            turn.set_result(None)

    def _next_turn(self) -> asyncio.Future[None] | None:
        for stream in list(self._queues):
            queue = self._queues.pop(stream)
            while queue and queue[0].done():
                queue.popleft()
            if queue:
                turn = queue.popleft()
                self._queues[stream] = queue
                return turn
        return None

    async def _wait_turn(self) -> None:
        while True:
            now = self._clock.monotonic()
            wait = max([self._paused_until - now, *(r.wait(now) for r in self._rates)])
            if wait <= 0:
                break
            await self._clock.sleep(wait)
        for rate in self._rates:
            rate.take(now)


class _Rate:
    """A moving window: at most `calls` in any `seconds`."""

    def __init__(self, rate: RateLimit) -> None:
        self._rate = rate
        self._taken: deque[float] = deque(maxlen=rate.calls)

    def wait(self, now: float) -> float:
        if len(self._taken) < self._rate.calls:
            return 0.0
        return self._taken[0] + self._rate.seconds - now

    def take(self, now: float) -> None:
        self._taken.append(now)


_REMAINING = ("ratelimit-remaining", "x-ratelimit-remaining", "x-rate-limit-remaining")
_RESET = ("ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset")


def quota_pause(headers: Headers, now: float) -> float:
    """Seconds until a used-up quota is reset, from `RateLimit-*` headers; 0 where none is."""
    remaining = header_number(headers, *_REMAINING)
    if remaining is None or remaining > 0:
        return 0.0
    return reset_pause(headers, now, *_RESET)


def reset_pause(headers: Headers, now: float, *names: str) -> float:
    """Seconds until the reset that the first of these headers tells; 0 where there is none.

    A number above a billion is read as epoch seconds or milliseconds, measured against the answer's
    own `Date` where it has one, else as seconds to wait.
    """
    reset = header_number(headers, *names)
    if reset is None:
        return 0.0
    if reset > _EPOCH_MS_FROM:
        reset /= 1000
    if reset > _EPOCH_FROM:
        sent = http_date(headers.get("date", ""))
        reset -= now if sent is None else sent
    return max(0.0, reset)


def header_number(headers: Headers, *names: str) -> float | None:
    """The number in the first of these headers that is there, or None."""
    for name in names:
        text = headers.get(name)
        if text is None:
            continue
        try:
            number = float(text.split(",")[0].split(";")[0])
        except ValueError:
            return None
        return number if math.isfinite(number) else None
    return None
