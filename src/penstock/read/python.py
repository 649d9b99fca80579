"""The document's own Python in worker threads: the door it asks through, and its pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, ParamSpec, Protocol, TypeAlias, TypeVar

import msgspec

from penstock.errors import ReadError
from penstock.plan import jsontext
from penstock.plan.auth import Auth
from penstock.plan.door import Door
from penstock.plan.expr import Frame, JsonValue
from penstock.plan.hints import Hints
from penstock.plan.page import Headers, HttpRequest, HttpResponse, Position, Stopped
from penstock.plan.policy import ErrorPolicy
from penstock.plan.python import ForTable, NextSource, Retrieve
from penstock.plan.slices import Slice
from penstock.plan.source import Source
from penstock.read.ask import Asker, Ignored, itself
from penstock.read.context import StreamContext
from penstock.read.memory import Memory
from penstock.read.order import Seat
from penstock.read.parts import (
    PagePart,
    Part,
    SliceClosed,
    SliceLost,
    StreamClosed,
    changed,
    whole,
)
from penstock.read.threads import called
from penstock.read.walked import Walked

P = ParamSpec("P")
T = TypeVar("T")
Made: TypeAlias = "JsonValue | ForTable"
Several: TypeAlias = "Callable[[int], list[JsonValue]]"
Records: TypeAlias = "Iterator[JsonValue | ForTable | NextSource]"
_ENDED = "the run has ended"
_NONE: Any = object()
_LOOK = 1.0  # seconds between looks at whether the run still goes on
BATCH = 500  # records of a class that come as one page


class Inner(Protocol):
    """What reads other streams of the source."""

    @property
    def contexts(self) -> list[StreamContext]:
        """These streams, and those above them."""
        ...

    def parts(self) -> AsyncGenerator[Part, None]:
        """Everything that they give."""
        ...


class Other(msgspec.Struct, frozen=True, kw_only=True):
    """Another source that a class reads, and the states of its streams."""

    source: Source
    values: Mapping[str, JsonValue]
    state: Mapping[str, Mapping[str, str]]


class Doorway:
    """The run as the classes of one stream see it; every method blocks its worker thread.

    `read` begins to read other streams of the source, by their names.
    """

    def __init__(
        self,
        asker: Asker,
        context: StreamContext,
        kept: dict[object, object],
        read: Callable[..., Inner],
    ) -> None:
        self.values: Mapping[str, JsonValue] = context.settings.values
        self.kept = kept
        self._asker = asker
        self._context = context
        self._read = read
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self) -> None:
        """The run begins, in this loop."""
        self._loop = asyncio.get_running_loop()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        loop = self._loop
        assert loop is not None, "the reader opens the door before anything is called"
        try:
            future: Future[T] = asyncio.run_coroutine_threadsafe(work, loop)
        except RuntimeError:
            work.close()
            raise ReadError(_ENDED) from None
        while not loop.is_closed():
            with suppress(TimeoutError):
                return future.result(_LOOK)
            if future.done():
                return future.result()
        raise ReadError(_ENDED)

    def send(self, request: HttpRequest) -> HttpResponse:
        """The answer to one request, whatever its status."""
        name, tally = self._context.name, self._context.tally
        return self._wait(self._asker.once(name, request, tally))

    def ask(
        self, request: HttpRequest, auth: Auth, policy: ErrorPolicy, frame: Frame
    ) -> HttpResponse:
        """The answer to a request, signed, and asked for as often as a policy allows."""
        return self._wait(self._asked(request, auth, policy, frame))

    async def _asked(
        self, request: HttpRequest, auth: Auth, policy: ErrorPolicy, frame: Frame
    ) -> HttpResponse:
        stream = msgspec.structs.replace(self._context.stream, auth=auth, policy=policy)
        try:
            return await self._asker.ask(
                stream, request, frame, self._context.tally, itself, door=self
            )
        except Ignored as exc:
            return HttpResponse(
                status=exc.status, url=request.full_url, headers=Headers(), body=b""
            )

    def records(self, *streams: str) -> Iterator[tuple[Slice, JsonValue]]:
        """The records of other streams of the source, read at once, each with its slice.

        What they ask and find is counted with what this stream does.
        """
        for part in self._parts(self._read(*streams)):
            if isinstance(part, PagePart):
                yield from ((part.slice, jsontext.decode(r)) for r in part.records)

    def read(
        self, source: Source, values: Mapping[str, JsonValue], *streams: str
    ) -> Iterator[JsonValue]:
        """The records of streams of another source, with what their slices add.

        Their cursors are remembered with what this stream remembers.
        """
        kept = self.remembered().read
        followed = {stream.name for stream in source.streams if stream.cursor is not None}
        state = {name: dict(kept.get(name, {})) for name in followed}
        inner = self._read(*streams, of=Other(source=source, values=values, state=dict(state)))
        for part in self._parts(inner):
            if isinstance(part, PagePart):
                yield from (jsontext.decode(whole(r, part.slice)) for r in part.records)
            elif isinstance(part, (SliceClosed, StreamClosed)) and part.stream in followed:
                state[part.stream] = changed(state[part.stream], part.state)
                if isinstance(part, StreamClosed) and part.complete:
                    kept[part.stream] = state[part.stream]

    def _parts(self, inner: Inner) -> Iterator[Part]:
        """What is read beside this stream; it is counted with what this one does."""
        parts = inner.parts()
        try:
            while (part := self._wait(_next(parts))) is not None:
                if isinstance(part, SliceLost):
                    raise part.error
                yield part
        finally:
            self._wait(parts.aclose())
            for context in inner.contexts:
                self._context.tally.take(context.tally, context.stream.records.path)

    def allows(self, url: str) -> bool:
        """Whether the document, or the user, names the origin of a URL."""
        return self._asker.origins.allows(url)

    def seconds(self) -> float:
        """Seconds on the run's clock."""
        return self._asker.clock.monotonic()

    def pause(self, seconds: float) -> None:
        """Wait, on the run's clock."""
        self._wait(self._asker.clock.sleep(seconds))

    def remembered(self) -> Memory:
        """What the stream remembers, to be read and changed."""
        if self._context.memory is None:
            raise ReadError("nothing is remembered here: this is no run that keeps its state")
        return self._context.memory

    def tell(self, code: str, message: str) -> None:
        """Say something of the stream, in its receipt too."""
        self._context.tally.note(code, message)


async def _next(parts: AsyncGenerator[Part, None]) -> Part | None:
    return await anext(parts, None)


class Retrieval:
    """The pages of a slice that a class reads; like those of a walk, but in a worker thread.

    A list is a page; records that come one at a time are taken together, as are small pages, unless
    they are to be kept apart for the streams that are fed with them.
    """

    def __init__(
        self,
        context: StreamContext,
        retrieve: Retrieve,
        door: Door,
        piece: Slice,
        seat: Seat | None = None,
    ) -> None:
        self._seat = seat
        self._holding = False
        self._retrieve = retrieve
        self._door = door
        self._frame = context.frame(piece)
        self._apart = bool(context.children or context.steps)  # either takes rows as they come
        self._singly = context.stream.most is not None  # nothing is made that is not wanted
        # Where a page may be the last that is wanted, rows keep their order across tables.
        self._in_order = context.stream.cursor is not None or context.stream.most is not None
        self._ahead: list[Page] = []  # what was taken and belongs to the next page
        self.stop_asked = False

    async def pages(self) -> AsyncGenerator[Walked]:
        """The pages in order.

        Raises:
            ReadError: the class failed.
        """
        records = await self._begun()
        index = 0
        while True:
            batch, ended = await self._next(records)
            for number, page in enumerate(batch, 1):
                last = ended and number == len(batch)
                yield Walked(
                    position=Position(index=index),
                    records=page.records,
                    url=self._retrieve.name,
                    size=page.size,
                    following=None if last else Position(index=index + 1),
                    stopped=Stopped(reason="read-by-class") if last else None,
                    loose=page.loose,
                    table=page.table,
                    hints=page.hints,
                )
                index += 1
                if self.stop_asked:
                    return
            if ended:
                return

    async def _begun(self) -> Records:
        """What the class is going to make; a function that makes all at once is called now."""
        seat = self._seat
        if seat is None or not seat.calls:
            return await called(self._begin)
        await seat.turn()
        records = await called(self._begin)
        seat.over()
        return records

    async def _next(self, records: Records) -> tuple[list[Page], bool]:
        """The next pages, one of each table, and whether they are the last.

        Where streams take turns, each turn is for one thing that is made.
        """
        batch, seat = Batch(self._apart, self._in_order, self._ahead), self._seat
        batch.singly = self._singly
        if seat is None:
            await called(batch.fill, records)
        else:
            await self._in_turns(batch, records, seat)
        self._ahead = batch.ahead
        return batch.made(), batch.ended

    async def _in_turns(self, batch: Batch, records: Records, seat: Seat) -> None:
        if self._holding:
            seat.over()  # what was made in the turn before is handed out
        self._holding = seat.order.holds

        def step() -> bool:
            batch.take(records)
            return not batch.goes_on or batch.source is not None or self._holding

        while batch.goes_on:
            await seat.work(step)
            if batch.source is not None:
                seat.wait_for(batch.source)
                batch.source = None
            elif self._holding:
                return
            elif batch.ended:
                seat.leave()
            else:
                seat.over()

    def _begin(self) -> Records:
        return iter(self._retrieve.function(self._door, self._frame))


class Batch:
    """What is made for the next pages; `ahead` is what was taken and belongs behind them.

    `singly` says that each thing is a page.
    """

    def __init__(self, apart: bool, in_order: bool, ahead: list[Page]) -> None:  # noqa: FBT001 (said once)
        self._apart = apart
        self._in_order = in_order
        self._pages: dict[str | None, Page] = {}
        self._count = 0
        self.ahead: list[Page] = []
        self.full = self.ended = self.singly = False
        self.source: int | None = None  # the next one, where one has ended
        for one in ahead:
            self._add(one)

    @property
    def goes_on(self) -> bool:
        """Whether more belongs here."""
        return not (self.full or self.ended)

    def fill(self, records: Records) -> None:
        """Take what fits."""
        several: Several | None = None if self.singly else getattr(records, "several", None)
        while self.goes_on:
            rows = several(BATCH - self._count) if several is not None else ()
            if rows:
                self._add(_written(rows, loose=True))
            else:
                self.take(records)

    def take(self, records: Records) -> None:
        """Take the next thing that is made."""
        one = next(records, _NONE)
        if one is _NONE:
            self.ended = True
        elif isinstance(one, NextSource):
            self.source = one.number
        else:
            self._add(_page(one))

    def made(self) -> list[Page]:
        """The pages; one without records where there are none and none will come."""
        return list(self._pages.values()) or ([Page()] if self.ended else [])

    def _add(self, made: Page) -> None:
        if self._pages and not self._fits(made):
            self.ahead, self.full = [made], True
            return
        page = self._pages.setdefault(made.table, made)
        if page is not made:
            page.records += made.records
            page.size += made.size
        self._count += len(made.records)
        self.full = self.singly or self._count >= BATCH or (self._apart and not made.loose)

    def _fits(self, made: Page) -> bool:
        """Whether rows can be handed out together with those that were made before."""
        pages = self._pages
        if (self._apart and not made.loose) or (made.table is None) != (None in pages):
            return False
        page = pages.get(made.table)
        return page.hints is made.hints if page is not None else not self._in_order


class Page(msgspec.Struct, kw_only=True):
    """Records that go to one table, and their bytes; `loose`: they came one at a time."""

    records: list[msgspec.Raw] = []
    size: int = 0
    loose: bool = True
    table: str | None = None
    hints: Hints | None = None


def _page(one: Made) -> Page:
    """What a class made at once: a page is a list, and a tuple a record that is a list itself."""
    if isinstance(one, ForTable):
        page = _written(one.rows, loose=not one.many)
        page.table, page.hints = one.table, one.hints
        return page
    return _written(one, loose=False) if isinstance(one, list) else _written((one,), loose=True)


def _written(rows: Sequence[JsonValue], *, loose: bool) -> Page:
    texts = list(map(jsontext.encode, rows))
    return Page(records=list(map(msgspec.Raw, texts)), size=sum(map(len, texts)), loose=loose)


def needed(door: Door | None) -> Door:
    """The door of a stream that a class takes part in.

    Raises:
        ReadError: there is none: nothing that reads the stream can call Python.
    """
    if door is None:
        raise ReadError("a class of the document cannot be called here")
    return door


def refuse_without_classes(context: StreamContext) -> None:
    """Without the classes that a document names, a stream would give other rows than it means.

    Raises:
        ReadError: one of them is not there.
    """
    if context.stream.needs:
        raise ReadError(
            f"{context.name!r} needs classes that are not there: {', '.join(context.stream.needs)}",
            code="class-missing",
            hint="give the file that has them with --components",
        )
