"""The places of slices: among those of their stream, and in the order of their windows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from penstock.read.order import Seat
from penstock.read.partitions import Gate


class Lane(msgspec.Struct, kw_only=True):
    """What the slices of one stream share: room for them, and how many are still being read.

    `start` begins the reading of a slice beside the others.
    """

    start: Callable[[Coroutine[Any, Any, None]], object]
    room: asyncio.Semaphore
    reading: Gate


class Turn:
    """The place of a slice among those of its stream, and in the order of its partition's windows.

    Pages go out once those of the window in front are out, and a window closes once that one has:
    a window that only waits for its children holds no other back.
    """

    def __init__(self, lane: Lane, before: Turn | None = None) -> None:
        self._lane = lane
        self.out = asyncio.Event()
        self.over = asyncio.Event()
        self._before = (before.out, before.over) if before else None
        self.pages = 0
        self.seat: Seat | None = None  # among streams that take turns

    async def wait(self) -> None:
        """Until all pages of the window in front are out."""
        if self._before is not None:
            await self._before[0].wait()

    async def wait_over(self) -> None:
        """Until the window in front is over."""
        if self._before is not None:
            await self._before[1].wait()

    def leave(self) -> None:
        """All pages of the slice are out: another slice may take its room."""
        if not self.out.is_set():
            self.out.set()
            self._lane.room.release()
            self._lane.reading.done()

    def stand_up(self) -> None:
        """Nothing more is made: others in the ring have their turn."""
        if self.seat is not None:
            self.seat.leave()

    def finish(self) -> None:
        """Nothing more comes of the slice."""
        self.leave()
        self.over.set()
