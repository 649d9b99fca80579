"""Reading a source: the only file that starts tasks.

One task a stream, one a slice, one a page that is asked for ahead. Slices of a stream run at the
same time; each hands its pages out in order, and windows of one partition wait for their turn, so
that what comes out of the reader can be committed as it comes.

A slice whose records lead to slices of other streams (a parent's) closes when those are over: its
state must not move past records whose children are missing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping
from contextlib import aclosing, nullcontext, suppress
from functools import partial
from typing import Any, TypeVar

import msgspec

from penstock.errors import Error, ReadError, StatusError
from penstock.events import Event, PageRead, SliceFailed, StreamStarted, Warned
from penstock.plan import jsontext
from penstock.plan.door import Door
from penstock.plan.expr import JsonValue
from penstock.plan.page import Position
from penstock.plan.records import Glob, Keys
from penstock.plan.slices import Product, Slice, computed, parents_of
from penstock.plan.source import Source
from penstock.read import state as states
from penstock.read.admitting import Admitting, Going
from penstock.read.airbyte_state import exported
from penstock.read.ask import Asker
from penstock.read.channel import Channel
from penstock.read.closing import (
    alone,
    check_combined,
    closing_state,
    ending_state,
    is_done,
    make_tracker,
    missing_above,
)
from penstock.read.context import Settings, StreamContext, contexts
from penstock.read.contiguous import SpanTracker
from penstock.read.decode import walked
from penstock.read.files import with_files
from penstock.read.jobs import JobWalk, at_once
from penstock.read.memory import ENTRY, Memory, Shared
from penstock.read.order import Rings, Seat
from penstock.read.partitions import Fed, Feed, Gate, Partitions, left_over
from penstock.read.parts import (
    PagePart,
    Part,
    SliceClosed,
    SliceLost,
    SliceRestarted,
    StateEntries,
    StreamClosed,
)
from penstock.read.python import Doorway, Other, Retrieval, refuse_without_classes
from penstock.read.recover import Recovering, cut
from penstock.read.slices import describe, with_extras, with_ranges
from penstock.read.state import entry
from penstock.read.tables import handed_out
from penstock.read.tally import failure
from penstock.read.turns import Lane, Turn
from penstock.read.walk import AHEAD_BYTES, Walk
from penstock.read.walked import Admitted, Walked

CHANNEL_BYTES = 8 * 1024 * 1024
T = TypeVar("T")
_AHEAD_IN_ALL = 8 * AHEAD_BYTES  # of pages that wait for their turn, in all slices

# Answers to a kept position that say it is not known any more.
_FORGOTTEN = frozenset({400, 404, 410, 416, 422})


class Reader:
    """Reads the streams of a source; `parts` hands out what they give."""

    def __init__(
        self,
        source: Source,
        settings: Settings,
        asker: Asker,
        *,
        state: Mapping[str, Mapping[str, str]],
        emit: Callable[[Event], None],
    ) -> None:
        self._asker = asker
        self._emit = emit
        self._concurrency = source.limits.concurrency
        self._contexts = contexts(source, settings, state)
        self._nest = Nest(source=source, settings=settings)
        kept: dict[object, object] = {}
        self._doors = [Doorway(asker, c, kept, self._others) for c in self._contexts]
        for context, door in zip(self._contexts, self._doors, strict=True):
            context.door = door
        began = int(settings.now.timestamp() * 1000)
        shared = Shared({} if settings.fresh else state, began, settings.tables)
        for context in self._contexts:
            text = None if settings.fresh else state.get(context.name, {}).get(ENTRY)
            anew = context.stream.hints.write == "replace"
            context.memory = Memory(source.name, context.name, text, shared, anew=anew)
            context.memory.own.follows = context.stream.cursor is not None
        self._jobs = asyncio.Semaphore(at_once(source, settings))
        self._groups = {s.group: asyncio.Lock() for s in source.streams if s.group is not None}
        self._resumes: dict[tuple[str, str], Position] = {}
        self._feeds: dict[str, list[Feed]] = {}
        self._rings = Rings(self._contexts)
        self._out = Channel(CHANNEL_BYTES)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._main: asyncio.Task[None] | None = None
        self._reading = False
        self._fault: BaseException | None = None
        self._stopped = False
        self._walks = 0

    @property
    def contexts(self) -> list[StreamContext]:
        """The streams that are read, parents before children."""
        return self._contexts

    def resume(self, positions: Mapping[tuple[str, str], Position]) -> None:
        """Take slices, by stream and key, up at these positions."""
        self._resumes.update(positions)

    async def parts(self) -> AsyncGenerator[Part, None]:
        """Everything the streams give, in an order in which it may be committed."""
        if self._stopped:
            return
        self._main = asyncio.create_task(self._read())
        try:
            while (part := await self._out.get()) is not None:
                yield part
        finally:
            await self._shut()
        if self._fault is not None:
            raise self._fault

    @property
    def idle(self) -> bool:
        """Whether everything that was read has been taken."""
        return self._out.empty

    def door(self, stream: str) -> Door:
        """The run as the classes of a stream see it, without a stream being read."""
        found = next(
            d for d, c in zip(self._doors, self._contexts, strict=True) if c.name == stream
        )
        found.open()
        return found

    def _others(self, *streams: str, of: Other | None = None) -> Reader:
        """What reads other streams, for a class of the document's own."""
        settings = msgspec.structs.replace(
            self._nest.settings, loaded=frozenset(streams), fresh=of is None
        )
        if of is None:
            return Reader(self._nest.source, settings, self._asker, state={}, emit=_unheard)
        settings = msgspec.structs.replace(settings, values=of.values, told=frozenset())
        asker = self._asker.beside(self._asker.origins.beside(of.source, of.values))
        return Reader(of.source, settings, asker, state=of.state, emit=_unheard)

    def stop(self) -> None:
        """Ask nothing more; what was handed out stays, and `parts` ends."""
        self._stopped = True
        if self._main is not None and self._reading:
            self._main.cancel()

    async def _shut(self) -> None:
        assert self._main is not None, "parts() starts the main task"
        self._main.cancel()
        with suppress(asyncio.CancelledError):
            await self._main
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self) -> None:
        for door in self._doors:
            door.open()
        self._reading = True  # a task that is cancelled before it begins could not close anything
        try:
            async with asyncio.TaskGroup() as group:
                names = {context.name for context in self._contexts}
                for context in self._contexts:
                    parents = parents_of(context.stream.partition)
                    self._feeds[context.name] = feeds = [Feed(p, context) for p in parents]
                    for feed in feeds:
                        if feed.parent.stream not in names:
                            await feed.close()  # nobody else would: it would be waited for forever
                for context in self._contexts if not self._stopped else ():
                    group.create_task(self._stream(context))
        except asyncio.CancelledError:
            pass  # stopped: the channel is closed, and its reader sees the end
        except BaseExceptionGroup as exc:
            self._fault = _first(exc)
        finally:
            self._out.close()

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """A task whose result may never be asked for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # taken, so that the loop does not report it as lost

    async def _stream(self, context: StreamContext) -> None:
        """All slices of a stream, then its end; two streams of one group take turns."""
        async with self._groups.get(context.stream.group or "", nullcontext()):
            await self._slices(context)
        await self._close(context)

    async def _slices(self, context: StreamContext) -> None:
        # Those that take turns are all begun: each may be waited for by any other.
        order = context.stream.order
        room = asyncio.Semaphore(2 * self._concurrency if order is None else sys.maxsize)
        async with asyncio.TaskGroup() as group:
            lane = Lane(start=group.create_task, room=room, reading=Gate())
            await self._partitions(context, lane)
            await lane.reading.wait()
            # Children hear that no page comes any more before this stream's slices close: those
            # wait for the children.
            for feed in self._feeds_from(context):
                await feed.close()

    async def _partitions(self, context: StreamContext, lane: Lane) -> None:
        """Start the slices of every partition, first of those that an earlier run lost."""
        feeds = self._feeds[context.name]
        again: set[str] = set()
        try:
            refuse_without_classes(context)
            await self._names(context)
            for fed in left_over(context):
                again.add(fed.piece.partition_key)
                await self._open(context, fed, lane)
            async with aclosing(Partitions(context, feeds).walk()) as walk:
                async for fed in walk:
                    if again and fed.piece.partition_key in again:
                        fed.release()
                    else:
                        await self._open(context, fed, lane)
        except ReadError as exc:
            # What cuts the stream into slices failed: the rest of it cannot be read.
            await self._lose(context, Slice(), exc)
            context.unmade = not alone(context.stream.partition)
            for feed in feeds:
                async for fed in feed.partitions():
                    if context.depends_on_cursor and not context.unmade:
                        await self._lose(context, fed.piece, exc)
                    fed.release()
        finally:
            self._rings.all_came(context)
        for feed in feeds:
            async for fed in feed.partitions():
                fed.release()

    async def _names(self, context: StreamContext) -> None:
        """Learn the names of the properties that a stream asks for."""
        properties = context.stream.properties
        if properties is None:
            return
        names = list(properties.names)
        if properties.source is not None:
            names = [name async for name in self._told(properties.source, properties.path)]
        chosen, frame = context.settings.columns.get(context.name), context.frame(Slice())
        context.names = properties.kept(tuple(names), chosen, frame)

    async def _told(self, stream: str, path: Keys | Glob | None) -> AsyncIterator[str]:
        """The names that a helper stream gives."""
        async with aclosing(self._others(stream).parts()) as parts:
            async for part in parts:
                if isinstance(part, SliceLost):
                    raise part.error
                for record in part.records if isinstance(part, PagePart) else ():
                    found = walked(bytes(record), path or Keys())
                    for raw in found.records:
                        yield str(jsontext.decode(raw))

    def _feeds_from(self, context: StreamContext) -> list[Feed]:
        """The ways from a parent to its children."""
        feeds = (feed for child in context.children for feed in self._feeds[child.name])
        return [feed for feed in feeds if feed.parent.stream == context.name]

    async def _open(self, context: StreamContext, fed: Fed, lane: Lane) -> None:
        """Start the slices of a partition, as far as there is room for them."""
        turn: Turn | None = None
        try:
            for piece in with_ranges(fed.piece, context):
                if is_done(context, piece):
                    context.tally.slices_skipped += 1
                    continue
                await lane.room.acquire()
                lane.reading.add()
                fed.hold()
                turn = Turn(lane, turn)
                turn.seat = self._rings.seat(context, fed)
                lane.start(self._slice(context, piece, fed, turn))
        except ReadError as exc:
            await self._lose(context, fed.piece, exc)
        fed.release()

    async def _slice(self, context: StreamContext, piece: Slice, fed: Fed, turn: Turn) -> None:
        """One slice, from its first page to its end, whatever that is."""
        if context.tally.slices == 0:
            self._emit(StreamStarted(stream=context.name))
        context.tally.slices += 1
        try:
            piece = with_extras(piece, context)
            await self._read_slice(context, piece, turn)
        except Error as exc:
            context.partial = True
            turn.leave()
            await turn.wait_over()
            await self._lose(context, piece, exc)
        # Not where the run breaks off here: the stream above would close as if all had come.
        turn.finish()
        fed.release()

    async def _read_slice(self, context: StreamContext, piece: Slice, turn: Turn) -> None:
        start = self._resumes.pop((context.name, piece.key), None)
        try:
            await self._walk(context, piece, turn, start)
        except StatusError as exc:
            if start is None or turn.pages or exc.status not in _FORGOTTEN:
                raise
            # The API no longer knows the position: the slice is read from its beginning.
            self._warn(
                context, "resume-refused", "a kept position was refused; read from the start"
            )
            await turn.wait()
            await self._out.put(SliceRestarted(stream=context.name, slice=piece))
            await self._walk(context, piece, turn, None)

    async def _walk(
        self, context: StreamContext, piece: Slice, turn: Turn, start: Position | None
    ) -> None:
        tracker = make_tracker(context, piece)
        enough = context.enough.of(piece)
        going = Going(piece=piece, turn=turn, tracker=tracker, own=Gate(), enough=enough)
        try:
            reason = await self._pages(context, piece, going, start)
        finally:
            turn.stand_up()
        await turn.wait()
        turn.leave()
        await going.own.wait()
        await turn.wait_over()
        check_combined(context)
        context.tally.ended[reason] += 1
        closed = closing_state(context, piece, tracker)
        if context.keeps_state:
            await self._out.put(
                SliceClosed(stream=context.name, slice=piece, reason=reason, state=closed)
            )

    async def _pages(
        self,
        context: StreamContext,
        part: Slice,
        going: Going,
        start: Position | None,
        depth: int = 0,
    ) -> str:
        """The pages of a slice, or of a part of it; gives the reason why there are no more."""
        walk = self._walking(context, part, going, start)
        tracker, reason = going.tracker, "stopped"
        self._walks += 1
        try:
            async with aclosing(walk.pages()) as pages:
                async for page in pages:
                    await going.turn.wait()
                    going.turn.pages += 1
                    await self._take(context, page, going)
                    if going.turn.seat is not None and not isinstance(walk, Retrieval):
                        going.turn.seat.over()
                    reason = page.stopped.reason if page.stopped else reason
                    early = context.ends_early(tracker, going.enough, self._asker.clock.monotonic())
                    if early is not None and not page.stopped:
                        reason, walk.stop_asked = early, True
                        context.tally.claimed = None
        except Recovering as exc:
            for half in cut(context, part, exc, depth):
                reason = await self._pages(context, half, going, None, depth + 1)
        finally:
            self._walks -= 1
        return reason

    def _ahead_bytes(self) -> int:
        """The share of one slice in what may wait for its turn."""
        return min(AHEAD_BYTES, _AHEAD_IN_ALL // max(1, self._walks))

    def _walking(
        self, context: StreamContext, part: Slice, going: Going, start: Position | None
    ) -> Walk | Retrieval | JobWalk:
        """What asks for the pages of a slice."""
        if context.stream.retrieve is not None and context.door is not None:
            return Retrieval(context, context.stream.retrieve, context.door, part, going.turn.seat)

        def newest() -> str | None:
            found = going.tracker.newest if isinstance(going.tracker, SpanTracker) else None
            follower = context.follower
            return None if found is None or follower is None else follower.spelled(found)

        def walk(of: StreamContext, page: Mapping[str, JsonValue]) -> Walk:
            return Walk(
                of, part, self._asker, self._spawn,
                width=width, start=start, admit=self._admitting(context, going).admit,
                newest=newest, page=page,
                ahead_bytes=self._ahead_bytes,
            )  # fmt: skip

        width = 2 * self._concurrency if context.stream.partition is None else self._concurrency
        if context.stream.job is not None:
            return JobWalk(context, part, self._asker, self._jobs, walk)
        return walk(context, {})

    def _admitting(self, context: StreamContext, going: Going) -> Admitting:
        return Admitting(context, going, partial(self._warn, context))

    async def _take(self, context: StreamContext, page: Walked, going: Going) -> None:
        """A page: its records through the steps and the cursor, out, and on to the children."""
        tally = context.tally
        tally.pages += 1
        tally.rows_read += len(page.records)
        admitted = page.admitted
        if admitted is None:
            admit = self._admitting(context, going).admit
            admitted = await admit(page.records, page.token, loose=page.loose)
        records = admitted.kept
        self._emit(
            PageRead(stream=context.name, rows=len(records), bytes=page.size, pages_left=page.left)
        )
        if context.loaded:
            part = handed_out(context, going.piece, page, records)
            await self._out.put(await with_files(context, self._asker, self._spawn, part))
        await self._feed(context, page, admitted, going)

    async def _feed(
        self, context: StreamContext, page: Walked, admitted: Admitted, going: Going
    ) -> None:
        """What the records of a page lead to, on to the streams below."""
        seats: list[Seat] = []
        loose = page.loose or context.steps.loosen
        for feed in self._feeds_from(context):
            skipped, order = feed.lineage.skipped, feed.child.stream.order
            listed = (admitted.leads, going.piece, going.tracker)
            for made in feed.lineage.partitions(*listed, loose=loose):
                seats += [] if order is None else [self._rings.below(feed.child, order)]
                await feed.put(made, going.own, *(seats[-1:] if order is not None else ()))
            if feed.lineage.skipped > skipped:
                message = f"records of {context.name!r} without a key value were skipped"
                self._warn(feed.child, "parent-null", message)
        self._rings.put(context, seats)

    async def _lose(self, context: StreamContext, piece: Slice, error: Error) -> None:
        """A slice that cannot be completed: said, counted, and kept for the next run."""
        context.lost += 1
        context.cause = context.cause or error
        context.locate(error)
        where = describe(piece)
        context.tally.failures.append(failure(error, where))
        self._emit(
            SliceFailed(stream=context.name, slice=where, error=str(error), place=error.place)
        )
        kept: StateEntries = ()
        if context.depends_on_cursor and piece.partition:
            partition = Slice(partition=piece.partition, seen=piece.seen)
            kept = ((entry("todo", piece.partition_key), states.write_slice(partition)),)
        if context.keeps_state:
            await self._out.put(
                SliceLost(stream=context.name, slice=piece, error=error, state=kept)
            )

    async def _close(self, context: StreamContext) -> None:
        for lacking in await missing_above(context):
            await self._lose(context, Slice(), lacking)
        ended = await self._ended(context)
        try:
            ended = (*ended, *ending_state(context))
        except ReadError as exc:  # what cannot be kept
            await self._lose(context, Slice(), exc)
        context.over.set()
        if not context.keeps_state:
            return
        if context.whole:
            gone = [name for name in context.state if name.startswith("done/")]
            ended = (*ended, *((name, None) for name in [*gone, "pass"]))
        await self._out.put(StreamClosed(stream=context.name, complete=context.whole, state=ended))

    async def _ended(self, context: StreamContext) -> StateEntries:
        """The entries of a contiguous stream at its end, those of its parents among them."""
        follower = context.follower
        if follower is None:
            if context.stream.later is None or context.lost:
                return ()
            # What the other stream kept does not hold any more.
            gone = (("complete", "true"), ("cursor", None), ("global", None))
            context.keep(gone)
            return gone
        found = follower.ended(complete=not context.lost)
        if follower.partitioned:
            parents = self._parents_state(context)
            if parents is not None:
                found.append(("parents", msgspec.json.encode(parents).decode()))
        context.keep(found)
        return tuple(found)

    def _parents_state(self, context: StreamContext) -> JsonValue:
        """The states that the parents had, those a stream depends on; None where nothing is new."""
        parents = parents_of(context.stream.partition)
        depends = any(parent.incremental for parent in parents)
        told = any(router.below for router in computed(context.stream.partition))
        if not (parents or told) or isinstance(context.stream.partition, Product):
            return None
        if context.lost and depends:
            return None
        found: dict[str, JsonValue] = {}
        for parent in parents:
            above = next((c for c in context.parents if c.name == parent.stream), None)
            if parent.incremental and above is not None:
                found[above.stream.called or above.name] = exported(above.stream, above.state)
        return found

    def _warn(self, context: StreamContext, code: str, message: str) -> None:
        if context.tally.note(code, message):
            self._emit(Warned(stream=context.name, code=code, message=message))


class Nest(msgspec.Struct, frozen=True, kw_only=True):
    """What another stream of the source is read with."""

    source: Source
    settings: Settings


def _unheard(event: Event) -> None:
    """What becomes of the events of a stream that only a class reads."""
    del event


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group, however deep the group is."""
    one = errors.exceptions[0]
    return _first(one) if isinstance(one, BaseExceptionGroup) else one
