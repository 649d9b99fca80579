"""The records of a page through the steps and the cursor, as far as they are wanted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial

import msgspec

from penstock.plan.expr import Frame, JsonValue
from penstock.plan.slices import Slice
from penstock.read.closing import AnyTracker, leading
from penstock.read.context import StreamContext
from penstock.read.contiguous import CountTracker, SpanTracker
from penstock.read.decode import RawRecord
from penstock.read.enough import Enough
from penstock.read.partitions import Gate
from penstock.read.threads import called
from penstock.read.turns import Turn
from penstock.read.walked import Admitted


class Going(msgspec.Struct, frozen=True, kw_only=True):
    """A slice being read: its place among others, its cursor, and what it led to.

    `enough` says how much of it is read, where that is not all.
    """

    piece: Slice
    turn: Turn
    tracker: AnyTracker | None
    own: Gate
    enough: Enough | None = None


class Admitting:
    """Takes pages of one stream; `warn` says something of it."""

    def __init__(
        self, context: StreamContext, going: Going, warn: Callable[[str, str], None]
    ) -> None:
        self._context = context
        self._going = going
        self._warn = warn

    async def admit(
        self, records: Sequence[RawRecord], token: JsonValue, *, loose: bool = False
    ) -> Admitted:
        """What a page leads to, and what of it is handed out; `loose` records came one by one."""
        context, going = self._context, self._going
        if going.turn.seat is not None and context.stream.retrieve is None:
            await going.turn.seat.turn()
        if context.carried:
            records = context.carried.put(records, context.frame(going.piece))
        frame = msgspec.structs.replace(context.frame(going.piece), page={"token": token})
        enough = going.enough
        if enough is None or not (loose or enough.singly):
            found = self._tracked(await self._shaped(records, frame, loose=loose), len(records))
            if enough is not None and (found.kept or not records):
                enough.count(len(found.kept))
            return found
        whole = _Whole()
        async for shaped in self._pieces(records, frame, enough, loose=loose):
            found = self._tracked(shaped, len(shaped))
            whole.take(found)
            if found.kept:
                enough.count(len(found.kept))
        return whole.made()

    async def _pieces(
        self, records: Sequence[RawRecord], frame: Frame, enough: Enough, *, loose: bool
    ) -> AsyncGenerator[Sequence[RawRecord]]:
        """What counts by itself, until that is enough: what is left of a record, or made of it."""
        for record in records:
            shaped = await self._shaped([record], frame, loose=loose)
            self._context.tally.filtered += not shaped
            for piece in [[one] for one in shaped] if enough.singly else [shaped]:
                if enough.is_full:
                    return
                yield piece

    async def _shaped(
        self, records: Sequence[RawRecord], frame: Frame, *, loose: bool
    ) -> Sequence[RawRecord]:
        """The records after all steps; those that may block are called from a worker thread."""
        steps = self._context.steps
        if not steps:
            return records
        step = partial(steps.apply, records, frame, self._context.door, loose=loose)
        return await called(step) if steps.blocks else step()

    def _tracked(self, shaped: Sequence[RawRecord], count: int) -> Admitted:
        """What the cursor lets through, of so many records before the steps."""
        context, tally, tracker = self._context, self._context.tally, self._going.tracker
        tally.filtered += max(0, count - len(shaped))
        kept = shaped
        if tracker is not None:
            before = tracker.repeated, tracker.dropped
            kept = tracker.admit(shaped)
            tally.duplicates += tracker.repeated - before[0]
            tally.filtered += tracker.dropped - before[1]
            if isinstance(tracker, (SpanTracker, CountTracker)) and tracker.unread:
                self._warn("cursor-unread", f"records have no time in {context.name!r}")
        # A feed drops what is too old behind pagination, which looks at the page as it came.
        seen = shaped if isinstance(tracker, SpanTracker) and tracker.feed else kept
        leads = leading(tracker, kept)
        return Admitted(kept=kept, leads=leads, last=seen[-1] if seen else None, count=len(seen))


class _Whole:
    """The pieces of a page as one."""

    def __init__(self) -> None:
        self._kept: list[RawRecord] = []
        self._leads: list[RawRecord] = []
        self._last: RawRecord | None = None
        self._count = 0

    def take(self, found: Admitted) -> None:
        """A piece more."""
        self._kept += found.kept
        self._leads += found.leads
        self._last = found.last or self._last
        self._count += found.count

    def made(self) -> Admitted:
        """All of them."""
        return Admitted(kept=self._kept, leads=self._leads, last=self._last, count=self._count)
