"""Waiting for coroutines that never come back, as those of a compiled library may not."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from tests.support import clock

from penstock.errors import ReadError
from penstock.plan.page import HttpRequest, HttpResponse
from penstock.read.transport import Bounds, Http
from penstock.read.watch import Lost, Watch


class Native(Coroutine[Any, None, str]):
    """A coroutine that waits `steps` times a second and then returns; None is without an end.

    It goes on waiting when it is cancelled, and when it is closed.
    """

    def __init__(self, steps: int | None = None) -> None:
        self._left = steps
        self.closed = 0

    def __await__(self) -> Any:
        return self

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, _value: None) -> Any:
        """Wait on."""
        if self._left == 0:
            raise StopIteration("here it is")
        future = asyncio.get_running_loop().create_future()
        if self._left is not None:
            self._left -= 1
            asyncio.get_running_loop().call_later(1, future.set_result, None)
        # A future that is awaited gives itself, marked as waited for.
        return future.__await__().send(None)

    def throw(self, *_error: Any) -> Any:
        """Whatever is told it, it waits on."""
        return self.send(None)

    def close(self) -> None:
        """It takes no notice."""
        self.closed += 1
        raise RuntimeError("coroutine ignored GeneratorExit")


class Deaf(Http):
    """A client whose requests are lost."""

    async def _send(self, _request: HttpRequest) -> HttpResponse:
        await Native()
        raise AssertionError("it never comes back")


ASKED = HttpRequest(method="GET", url="https://api.test/items")


def test_what_comes_is_given() -> None:
    """However many steps it takes, each may take its time."""

    async def given() -> str:
        return await Watch(1.5).over(Native(100))

    assert clock.run(given()) == "here it is"


def test_what_stands_still_is_given_up() -> None:
    """It is found in time, and closed."""

    async def given_up() -> float:
        native = Native()
        with pytest.raises(Lost):
            await Watch(85).over(native)
        assert native.closed
        return asyncio.get_running_loop().time()

    assert 85 <= clock.run(given_up()) <= 1.25 * 85


def test_who_waits_later_is_looked_at_too() -> None:
    """A look that finds nothing is followed by others as soon as something is awaited."""

    async def given_up() -> None:
        watch = Watch(10)
        assert await watch.over(Native(1)) == "here it is"
        await asyncio.sleep(100)
        with pytest.raises(Lost):
            await watch.over(Native())
        assert asyncio.get_running_loop().time() <= 101 + 1.25 * 10

    clock.run(given_up())


def test_who_is_cancelled_is_done() -> None:
    """A coroutine that does not heed it is left behind, at once."""

    async def cancelled() -> float:
        task = asyncio.create_task(Deaf().send(ASKED))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return asyncio.get_running_loop().time()

    assert clock.run(cancelled()) == 1


def test_a_loop_ends_though_a_request_does_not() -> None:
    """What cancels whatever still runs when a loop ends is not held up."""

    async def left_behind() -> None:
        task = asyncio.create_task(Deaf().send(ASKED))
        await asyncio.sleep(1)
        assert not task.done()

    clock.run(left_behind())


def test_a_lost_request_is_an_error_that_names_it() -> None:
    """It says what to do, and is not tried again: memory that is gone stays gone."""

    async def lost() -> float:
        await Deaf(Bounds(connect=20, read=60)).send(ASKED)
        return 0.0

    with pytest.raises(ReadError, match="neither an answer nor an error") as caught:
        clock.run(lost())
    assert caught.value.code == "request-lost"
    assert caught.value.request == "GET https://api.test/items"
    assert "more" in str(caught.value.hint)
    assert "run again" in str(caught.value.hint)
    assert not caught.value.retriable
