"""Call budgets of a document: requests wait until the policy that counts them has room."""

from __future__ import annotations

from collections import deque

import msgspec

from penstock.plan.budget import Budget, Policy, Rate
from penstock.plan.page import HttpRequest, HttpResponse
from penstock.read.clock import Clock
from penstock.read.limit import header_number, reset_pause


class _Window(msgspec.Struct, kw_only=True):
    """What was taken of one rate: when, and how much."""

    rate: Rate
    taken: deque[tuple[float, int]]

    def wait(self, now: float, weight: int) -> float:
        """Seconds until `weight` more may be taken; one that never fits is let through alone."""
        while self.taken and self.taken[0][0] + self.rate.seconds <= now:
            self.taken.popleft()
        held = sum(taken for _, taken in self.taken)
        if not self.taken or held + weight <= self.rate.calls:
            return 0.0
        return self.taken[0][0] + self.rate.seconds - now


class Budgets:
    """Keeps the budget of a run. Answers correct it: they may say that nothing is left."""

    def __init__(self, budget: Budget | None, clock: Clock) -> None:
        self._budget = budget or Budget()
        self._clock = clock
        self._windows: dict[int, list[_Window]] = {}
        self._spent_until: dict[int, float] = {}

    async def take(self, request: HttpRequest) -> float:
        """Wait until the request fits into its policy, and count it; gives the seconds waited."""
        found = self._budget.policy(request) if self._budget.policies else None
        if found is None:
            return 0.0
        policy, weight = found
        waited = 0.0
        while (wait := self._wait(policy, weight)) > 0:
            waited += wait
            await self._clock.sleep(wait)
        now = self._clock.monotonic()
        for window in self._of(policy):
            window.taken.append((now, weight))
        return waited

    def learn(self, request: HttpRequest, response: HttpResponse) -> None:
        """What an answer says of the budget its request was counted in."""
        found = self._budget.policy(request) if self._budget.policies else None
        if found is None:
            return
        remaining = header_number(response.headers, self._budget.remaining_header)
        if response.status in self._budget.spent or (remaining is not None and remaining <= 0):
            now = self._clock.now()
            seconds = reset_pause(response.headers, now, self._budget.reset_header)
            self._spent_until[id(found[0])] = self._clock.monotonic() + seconds

    def _wait(self, policy: Policy, weight: int) -> float:
        now = self._clock.monotonic()
        waits = [window.wait(now, weight) for window in self._of(policy)]
        return max(0.0, self._spent_until.get(id(policy), 0.0) - now, *waits)

    def _of(self, policy: Policy) -> list[_Window]:
        key = id(policy)
        if key not in self._windows:
            self._windows[key] = [_Window(rate=rate, taken=deque()) for rate in policy.rates]
        return self._windows[key]
