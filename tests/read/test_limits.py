"""Limits: rates, quotas, and fair shares of a host."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from tests.read.asking import ONE, after, many
from tests.support.api import (
    Api,
    answer,
    read_all,
    source,
)
from tests.support.clock import EPOCH, VirtualClock, run

from penstock.plan.page import Headers
from penstock.plan.source import Limits, RateLimit
from penstock.read.limit import Governor, quota_pause


def test_a_rate_is_kept_in_any_stretch_of_time():
    """At most five requests in any second."""
    plan = source(many(50), rates=(RateLimit(calls=5, seconds=1.0),))
    times = after(plan=plan).api.times()
    assert all(late - early >= 1.0 - 1e-9 for early, late in zip(times, times[5:], strict=False))


def test_concurrency_is_never_passed():
    """No more requests are under way than the plan allows."""
    assert after(plan=source(many(50), concurrency=3), latency=0.1).api.peak == 3


def test_a_used_up_quota_is_waited_for():
    """A quota that the headers say is used up is left alone until its reset."""
    used = answer(ONE, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "12"})
    found = after(used, plan=source(many(3), concurrency=1))
    assert found.api.times() == pytest.approx([0, 12, 12])


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [("5", 5), (str(EPOCH + 5), 5), (str((EPOCH + 5) * 1000), 5), ("-3", 0), ("nan", 0), ("x", 0)],
)
def test_a_reset_is_read_in_any_unit(reset, seconds):
    """Seconds to wait, epoch seconds and epoch milliseconds are told apart."""
    headers = Headers((("RateLimit-Remaining", "0"), ("RateLimit-Reset", reset)))
    assert quota_pause(headers, EPOCH) == pytest.approx(seconds)


def test_a_quota_that_is_a_day_away_is_not_waited_for():
    """The API refuses by itself, with a time, if it means it."""
    used = answer(ONE, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "86400"})
    assert after(used, plan=source(many(3), concurrency=1)).seconds < 1


def test_streams_get_fair_shares_of_a_host():
    """A stream of a thousand requests does not keep one of ten waiting."""
    large, small = many(1_000), msgspec.structs.replace(many(10), name="small")
    found = read_all(source(large, small, concurrency=2), Api(lambda _: ONE, latency=0.1))
    last = max(i for i, part in enumerate(found.parts) if part.stream == "small")
    assert last < 60


def test_a_request_that_is_given_up_hands_its_slot_on():
    """Cancelling at any time leaves no slot taken."""

    async def cancelled():
        governor = Governor(Limits(concurrency=2), VirtualClock())

        async def one(delay):
            await governor.enter("s")
            try:
                await asyncio.sleep(delay)
            finally:
                governor.leave()

        tasks = [asyncio.ensure_future(one(1.0)) for _ in range(20)]
        for number, task in enumerate(tasks):
            await asyncio.sleep(0.07)
            if number % 2:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await governor.enter("s")
        governor.leave()
        return governor.statistics()

    found = run(cancelled())
    assert (found.running, found.waiting) == (0, 0)
