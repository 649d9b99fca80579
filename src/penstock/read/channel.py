"""The way out of the reader: parts in order, held back when more bytes wait than a run may hold."""

from __future__ import annotations

import asyncio
from collections import deque

from penstock.read.parts import PagePart, Part


class Channel:
    """A queue bounded by the bytes of the pages in it. Closing ends the iteration."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._parts: deque[Part] = deque()
        self._held = 0
        self._closed = False
        self._changed = asyncio.Condition()

    async def put(self, part: Part) -> None:
        """Hand a part out; waits while the channel is full, but never for an empty one."""
        size = part.size if isinstance(part, PagePart) else 0
        async with self._changed:
            if size:
                await self._changed.wait_for(
                    lambda: self._held == 0 or self._held + size <= self._most
                )
            self._held += size
            self._parts.append(part)
            self._changed.notify_all()

    async def get(self) -> Part | None:
        """The next part; None when the channel is closed and empty."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._parts or self._closed)
            if not self._parts:
                return None
            part = self._parts.popleft()
            if isinstance(part, PagePart):
                self._held -= part.size
                self._changed.notify_all()
            return part

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be taken."""
        return not self._parts

    async def close(self) -> None:
        """No more parts will come."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()
