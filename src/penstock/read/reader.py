"""Reading a source: the only file that starts tasks.

One task a stream, one a slice, one a page that is asked for ahead. Slices of a stream run at the
same time; each hands its pages out in order, and windows of one partition wait for their turn, so
that what comes out of the reader can be committed as it comes.

A slice whose records lead to slices of other streams (a parent's) closes when those are over: its
state must not move past records whose children are missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from penstock.errors import Error, ReadError, StatusError
from penstock.events import Event, Failure, PageRead, SliceFailed, StreamStarted, Warned
from penstock.plan.page import Position
from penstock.plan.pagination import NextToken
from penstock.plan.slices import Slice, parents_of
from penstock.plan.source import Source
from penstock.read import state as states
from penstock.read import steps
from penstock.read.ask import Asker
from penstock.read.channel import Channel
from penstock.read.context import Settings, StreamContext, contexts
from penstock.read.partitions import Fed, Feed, Gate, Partitions
from penstock.read.parts import PagePart, Part, SliceClosed, SliceLost, StateEntries, StreamClosed
from penstock.read.slices import describe, with_extras, with_ranges
from penstock.read.state import Tracker, entry
from penstock.read.walk import Answer, Walk, Walked

CHANNEL_BYTES = 16 * 1024 * 1024


class Turn:
    """The place of a slice in the order of its partition's windows."""

    def __init__(self, before: Turn | None = None) -> None:
        self.over = asyncio.Event()
        self._before = before.over if before else None

    async def wait(self) -> None:
        """Until the slice in front is over."""
        if self._before is not None:
            await self._before.wait()


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
        self._resumes: dict[tuple[str, str], Position] = {}
        self._feeds: dict[str, list[Feed]] = {}
        self._out = Channel(CHANNEL_BYTES)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._main: asyncio.Task[None] | None = None
        self._fault: BaseException | None = None

    @property
    def contexts(self) -> list[StreamContext]:
        """The streams that are read, parents before children."""
        return self._contexts

    def resume(self, positions: Mapping[tuple[str, str], Position]) -> None:
        """Take slices, by stream and key, up at these positions."""
        self._resumes.update(positions)

    async def parts(self) -> AsyncIterator[Part]:
        """Everything the streams give, in an order in which it may be committed."""
        self._main = asyncio.create_task(self._read())
        try:
            while (part := await self._out.get()) is not None:
                yield part
        finally:
            await self._shut()
        if self._fault is not None:
            raise self._fault

    def stop(self) -> None:
        """Ask nothing more; what was handed out stays, and `parts` ends."""
        if self._main is not None:
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
        try:
            async with asyncio.TaskGroup() as group:
                for context in self._contexts:
                    parents = parents_of(context.stream.partition)
                    self._feeds[context.name] = [Feed(p, context) for p in parents]
                for context in self._contexts:
                    group.create_task(self._stream(context))
        except asyncio.CancelledError:
            pass  # stopped: the channel is closed, and its reader sees the end
        except BaseExceptionGroup as exc:
            self._fault = exc.exceptions[0]
        finally:
            await self._out.close()

    def _spawn(self, work: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
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
        """All slices of a stream, then its end."""
        room = asyncio.Semaphore(max(2, self._concurrency))
        try:
            async with asyncio.TaskGroup() as group:
                for fed in _left_over(context):
                    await self._open(context, fed, room, group)
                async for fed in Partitions(context, self._feeds[context.name]).walk():
                    await self._open(context, fed, room, group)
        except* ReadError as errors:
            # What cuts the stream into slices failed: nothing of it can be read.
            await self._lose(context, Slice(), _first(errors))
        for feed in self._feeds_from(context):
            await feed.close()
        await self._close(context)

    def _feeds_from(self, context: StreamContext) -> list[Feed]:
        """The ways from a parent to its children."""
        feeds = (feed for child in context.children for feed in self._feeds[child.name])
        return [feed for feed in feeds if feed.parent.stream == context.name]

    async def _open(
        self, context: StreamContext, fed: Fed, room: asyncio.Semaphore, group: asyncio.TaskGroup
    ) -> None:
        """Start the slices of a partition, as far as there is room for them."""
        turn: Turn | None = None
        try:
            for cut in with_ranges(fed.piece, context):
                if entry("done", cut.key) in context.state:
                    context.tally.slices_skipped += 1
                    continue
                await room.acquire()
                fed.hold()
                turn = Turn(turn)
                group.create_task(self._slice(context, cut, fed, turn, room))
        except ReadError as exc:
            await self._lose(context, fed.piece, exc)
        finally:
            fed.release()

    async def _slice(
        self,
        context: StreamContext,
        piece: Slice,
        fed: Fed,
        turn: Turn,
        room: asyncio.Semaphore,
    ) -> None:
        """One slice, from its first page to its end, whatever that is."""
        if context.tally.slices == 0:
            self._emit(StreamStarted(stream=context.name))
        context.tally.slices += 1
        piece = with_extras(piece, context, context.frame(piece))
        try:
            await self._read_slice(context, piece, turn)
        except Error as exc:
            await turn.wait()
            await self._lose(context, piece, exc)
        finally:
            turn.over.set()
            room.release()
            fed.release()

    async def _read_slice(self, context: StreamContext, piece: Slice, turn: Turn) -> None:
        start = self._resumes.pop((context.name, piece.key), None)
        try:
            await self._walk(context, piece, turn, start)
        except StatusError:
            if start is None:
                raise
            # The API no longer knows the position: the slice is read from its beginning.
            context.tally.note("resume-refused", "a kept position was refused; read from the start")
            await self._walk(context, piece, turn, None)

    async def _walk(
        self, context: StreamContext, piece: Slice, turn: Turn, start: Position | None
    ) -> None:
        tracker = _tracker(context, piece)
        own = Gate()
        width = 2 * self._concurrency if context.stream.partition is None else self._concurrency
        walk = Walk(context, piece, self._asker, self._spawn, width=width, start=start)
        reason = "stopped"
        async for page in walk.pages():
            await turn.wait()
            await self._take(context, piece, page, tracker, own)
            reason = page.stopped.reason if page.stopped else reason
            if tracker is not None and tracker.out_of_range and not page.stopped:
                reason, walk.stop_asked = "out-of-range", True
        await turn.wait()
        await own.wait()
        context.tally.ended[reason] += 1
        closed = _closing_state(context, piece, tracker)
        if context.keeps_state:
            await self._out.put(
                SliceClosed(stream=context.name, slice=piece, reason=reason, state=closed)
            )

    async def _take(
        self,
        context: StreamContext,
        piece: Slice,
        page: Walked,
        tracker: Tracker | None,
        own: Gate,
    ) -> None:
        """A page: its records through the steps and the cursor, out, and on to the children."""
        tally = context.tally
        tally.pages += 1
        tally.rows_read += len(page.records)
        records = steps.apply(context.stream.records.steps, page.records, context.frame(piece))
        tally.filtered += max(0, len(page.records) - len(records))
        if tracker is not None:
            before = tracker.repeated, tracker.dropped
            records = tracker.admit(records)
            tally.duplicates += tracker.repeated - before[0]
            tally.filtered += tracker.dropped - before[1]
        self._emit(
            PageRead(stream=context.name, rows=len(records), bytes=page.size, pages_left=page.left)
        )
        if context.loaded:
            await self._out.put(
                PagePart(
                    stream=context.name,
                    slice=piece,
                    records=records,
                    origin=f"{context.stream.request.method} {page.url}",
                    size=page.size,
                    following=page.following,
                    resumable=_resumable(context),
                )
            )
        for feed in self._feeds_from(context):
            skipped = feed.lineage.skipped
            for made in feed.lineage.partitions(records):
                await feed.put(made, own)
            if feed.lineage.skipped > skipped:
                message = f"records of {context.name!r} without a key value were skipped"
                self._warn(feed.child, "parent-null", message)

    async def _lose(self, context: StreamContext, piece: Slice, error: Error) -> None:
        """A slice that cannot be completed: said, counted, and kept for the next run."""
        context.lost += 1
        request = error.request if isinstance(error, ReadError) else None
        where = describe(piece)
        context.tally.failures.append(
            Failure(
                slice=where,
                code=error.code,
                message=error.message,
                request=request or "",
                hint=error.hint or "",
            )
        )
        self._emit(SliceFailed(stream=context.name, slice=where, error=str(error)))
        kept: StateEntries = ()
        if context.depends_on_cursor and piece.partition:
            partition = Slice(partition=piece.partition, seen=piece.seen)
            kept = ((entry("todo", piece.partition_key), states.write_slice(partition)),)
        if context.keeps_state:
            await self._out.put(
                SliceLost(stream=context.name, slice=piece, error=error, state=kept)
            )

    async def _close(self, context: StreamContext) -> None:
        if not context.keeps_state:
            return
        ended: StateEntries = ()
        if not context.lost:
            gone = [name for name in context.state if name.startswith("done/")]
            ended = tuple((name, None) for name in [*gone, "pass"])
        await self._out.put(
            StreamClosed(stream=context.name, complete=not context.lost, state=ended)
        )

    def _warn(self, context: StreamContext, code: str, message: str) -> None:
        if context.tally.note(code, message):
            self._emit(Warned(stream=context.name, code=code, message=message))


def _left_over(context: StreamContext) -> list[Fed]:
    """The partitions that an earlier run lost, and that their parent may not list again."""
    kept = (text for name, text in context.state.items() if name.startswith("todo/"))
    return [Fed(piece=states.read_slice(text)) for text in kept]


def _first(errors: BaseExceptionGroup[ReadError]) -> ReadError:
    """The first error of a group, however deep the group is."""
    one = errors.exceptions[0]
    return _first(one) if isinstance(one, BaseExceptionGroup) else one


def _resumable(context: StreamContext) -> bool:
    """Whether a slice may be taken up at a kept position: only at a cursor the API made itself.

    Numbers of pages and links may mean other records in another run, and the children of pages
    that are not read again would be missed.
    """
    kind = context.pagination()
    return isinstance(kind, NextToken) and kind.link == "never" and not context.children


def _tracker(context: StreamContext, piece: Slice) -> Tracker | None:
    cursor = context.stream.cursor
    if cursor is None or piece.range is None:
        return None
    text = context.state.get(entry("cursor", piece.partition_key))
    mark = states.read_mark(text) if cursor.window is None and cursor.end is None else None
    whole = context.stream.hints.write == "merge"
    return Tracker(cursor, mark, piece.range, whole=whole)


def _closing_state(context: StreamContext, piece: Slice, tracker: Tracker | None) -> StateEntries:
    """The state entries that a closed slice changes."""
    entries: list[tuple[str, str | None]] = []
    cursor = context.stream.cursor
    key = piece.partition_key
    if entry("todo", key) in context.state:
        entries.append((entry("todo", key), None))
    if cursor is None or tracker is None:
        return (*entries, *_done(context, piece))
    if cursor.window is not None and piece.range is not None:
        name = entry("windows", key)
        text = states.with_window(context.state.get(name), cursor, piece.range, tracker.best)
        context.state[name] = text
        entries.append((name, text))
    elif cursor.end is None:
        mark = tracker.mark()
        if mark.value is not None:
            entries.append((entry("cursor", key), states.write(mark)))
    return tuple(entries)


def _done(context: StreamContext, piece: Slice) -> StateEntries:
    """Partitions without a cursor are marked, so that a pass that is cut off can go on."""
    partition = context.stream.partition
    if partition is None or context.stream.hints.write == "replace":
        return ()
    name = entry("done", piece.key)
    context.state[name] = "true"
    return ((name, "true"),)
