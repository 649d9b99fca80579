"""The way out of the reader: parts in order, held back while more waits than a run may hold.

Where it is full, the streams wait in turn, so that one of a thousand slices does not keep one of a
single slice waiting.
"""

from __future__ import annotations

import asyncio
from collections import deque

from penstock.read.parts import PagePart, Part

LEAST = 2048  # bytes that any part takes, however little it holds


class _Waiting:
    """A part that there is no room for yet."""

    def __init__(self, part: Part, size: int) -> None:
        self.part = part
        self.size = size
        self.taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Channel:
    """A queue bounded by the bytes of the parts in it. Closing ends the iteration."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._parts: deque[tuple[Part, int]] = deque()
        self._queues: dict[str, deque[_Waiting]] = {}
        self._held = 0
        self._closed = False
        self._arrived = asyncio.Event()

    async def put(self, part: Part) -> None:
        """Hand a part out; waits while the channel is full."""
        size = max(LEAST, part.size) if isinstance(part, PagePart) else LEAST
        if self._fits(size) and not self._queues:
            self._add(part, size)
            return
        waiting = _Waiting(part, size)
        self._queues.setdefault(part.stream, deque()).append(waiting)
        await waiting.taken

    async def get(self) -> Part | None:
        """The next part; None when the channel is closed and empty."""
        while not self._parts:
            if self._closed:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        part, size = self._parts.popleft()
        self._held -= size
        self._let_in()
        return part

    @property
    def empty(self) -> bool:
        """Whether nothing waits to be taken."""
        return not self._parts

    def close(self) -> None:
        """No more parts will come."""
        self._closed = True
        self._arrived.set()

    def _fits(self, size: int) -> bool:
        return self._held == 0 or self._held + size <= self._most

    def _add(self, part: Part, size: int) -> None:
        self._parts.append((part, size))
        self._held += size
        self._arrived.set()

    def _let_in(self) -> None:
        """Take parts that wait, of one stream after the other, as long as the next one fits.

        One that does not fit keeps its place: smaller ones do not pass it for ever.
        """
        while self._queues:
            stream, queue = next(iter(self._queues.items()))
            while queue and queue[0].taken.done():  # given up
                queue.popleft()
            if queue and not self._fits(queue[0].size):
                return
            del self._queues[stream]
            if queue:
                waiting = queue.popleft()
                self._add(waiting.part, waiting.size)
                waiting.taken.set_result(None)
            if queue:
                self._queues[stream] = queue
