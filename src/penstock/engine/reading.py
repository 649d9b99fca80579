"""Reading one stream without keeping anything."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Coroutine,
    Generator,
    Iterator,
    Mapping,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from penstock.engine.preparing import fitting, prepare
from penstock.engine.renewing import InFile, Renewing
from penstock.engine.rounds import READ
from penstock.engine.running import Options, make_asker, make_transport, selected
from penstock.errors import Error
from penstock.events import Event
from penstock.plan.expr import JsonValue
from penstock.plan.source import Source
from penstock.read.clock import SystemClock
from penstock.read.context import Settings
from penstock.read.parts import PagePart, SliceLost, whole
from penstock.read.reader import Reader
from penstock.read.schemas import completed
from penstock.read.transport import warm

_WAITING = 1_000  # records that wait for whoever reads them
_PAGES_WAITING = 4
_PATIENCE = 2.0  # seconds for a request under way, once nobody waits for its answer
_T = TypeVar("_T")


class _End:
    """Stands behind the last item."""


_END = _End()


def _nothing(event: Event) -> None:
    """What is done with events that nobody asked for."""
    del event


_PLAIN = Options()
State = Mapping[str, Mapping[str, str]]
_NO_STATE: State = {}


def _marks(entries: Mapping[str, str]) -> dict[str, str]:
    """The entries that say how far a stream is, without what a run left unfinished."""
    unfinished = ("open/", "done/")
    left = {"pass", READ}
    return {n: t for n, t in entries.items() if n not in left and not n.startswith(unfinished)}


async def pages(  # noqa: PLR0913 (the same words as the command line's)
    source: Source,
    values: Mapping[str, JsonValue],
    stream: str | tuple[str, ...],
    *,
    options: Options = _PLAIN,
    on_event: Callable[[Event], None] = _nothing,
    values_file: Path | None = None,
    state: State = _NO_STATE,
) -> AsyncGenerator[list[bytes], None]:
    """The records of a stream, or several, page by page, with the columns that slices add.

    Raises:
        PlanError: the source has no such stream.
        ReadError: a slice could not be read.
    """
    found = parts(
        *(source, values, stream),
        options=options,
        on_event=on_event,
        values_file=values_file,
        state=state,
    )
    async with aclosing(found) as taken:
        async for part in taken:
            yield [whole(record, part.slice) for record in part.records]


async def parts(  # noqa: PLR0913 (the same words as the command line's)
    source: Source,
    values: Mapping[str, JsonValue],
    stream: str | tuple[str, ...],
    *,
    options: Options = _PLAIN,
    on_event: Callable[[Event], None] = _nothing,
    values_file: Path | None = None,
    state: State = _NO_STATE,
) -> AsyncGenerator[PagePart, None]:
    """The pages of a stream, or several, as they come, each with its slice.

    What an API gives in the place of the user's values is written into `values_file`. With a
    `state` the streams go on from there, and not from passes that were not over.

    Raises:
        PlanError: the source has no such stream.
        ReadError: a slice could not be read.
    """
    names = (stream,) if isinstance(stream, str) else stream
    held = dict(fitting(source, prepare(source, values)))
    clock, transport = SystemClock(), make_transport(options)
    now = datetime.fromtimestamp(clock.now(), UTC)
    keep = Renewing(held, InFile(values_file, names[0], on_event))
    asker = make_asker(
        source, held, options, transport=transport, clock=clock, emit=on_event, keep=keep
    )
    reader: Reader | None = None
    try:
        source = await completed(source, held, asker, now)
        loaded = selected(source, names)
        begun = {name: _marks(entries) for name, entries in state.items()}
        settings = Settings(values=held, now=now, loaded=loaded, fresh=not any(begun.values()))
        reader = Reader(source, settings, asker, state=begun, emit=on_event)
        async for part in reader.parts():
            if isinstance(part, PagePart):
                yield part
            elif isinstance(part, SliceLost):
                raise part.error
        for context in reader.contexts:
            if context.lost:
                failure = context.tally.failures[0]
                raise Error(failure.message, code=failure.code, hint=failure.hint)
    finally:
        if reader is not None:
            reader.stop()
        await transport.close()


def read_stream(  # noqa: PLR0913 (the same words as the command line's)
    source: Source,
    values: Mapping[str, JsonValue],
    stream: str | tuple[str, ...],
    *,
    limit: int | None = None,
    base_url: str | None = None,
    deny_private: bool = False,
    on_event: Callable[[Event], None] = _nothing,
    values_file: Path | None = None,
    state: State = _NO_STATE,
) -> Iterator[bytes]:
    """The records of a stream, or several, each as JSON, read while they are taken.

    What an API gives in the place of the user's values is written into `values_file`.

    Raises:
        PlanError: the source has no such stream.
        ReadError: a slice could not be read.
    """
    if not source.discovered:
        selected(source, (stream,) if isinstance(stream, str) else stream)
    options = Options(base_url=base_url, deny_private=deny_private)
    found = pages(
        *(source, values, stream),
        options=options,
        on_event=on_event,
        values_file=values_file,
        state=state,
    )
    with closing(_in_thread(_one_by_one(found), _WAITING)) as taken:
        yield from islice(taken, limit)


def read_pages(
    source: Source,
    values: Mapping[str, JsonValue],
    stream: str,
    *,
    base_url: str | None = None,
    on_event: Callable[[Event], None] = _nothing,
) -> Iterator[list[bytes]]:
    """The pages of one stream, read while they are taken; each record is JSON.

    Raises:
        PlanError: the source has no such stream.
        ReadError: a slice could not be read.
    """
    if not source.discovered:
        selected(source, (stream,))
    options = Options(base_url=base_url)
    found = pages(source, values, stream, options=options, on_event=on_event)
    return _in_thread(found, _PAGES_WAITING)


async def _one_by_one(pages: AsyncIterator[list[bytes]]) -> AsyncIterator[bytes]:
    async for page in pages:
        for record in page:
            yield record


def _in_thread(items: AsyncIterator[_T], waiting: int) -> Generator[_T, None, None]:
    """What an asynchronous iterator gives, from a loop in a thread; `waiting` are read ahead."""
    out: queue.Queue[_T | BaseException | _End] = queue.Queue(waiting)
    gone = threading.Event()

    async def produce() -> None:
        async for item in items:
            if gone.is_set():
                return
            await asyncio.to_thread(out.put, item)

    def work() -> None:
        try:
            asyncio.run(produce())
            out.put(_END)
        except BaseException as exc:  # noqa: BLE001 (raised again where the items are taken)
            out.put(exc)

    warm()  # the client's library fails if it is first imported by a thread that ends
    thread = threading.Thread(target=work, name="read", daemon=True)
    thread.start()
    try:
        while not isinstance(item := out.get(), _End):
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        gone.set()
        while not out.empty():
            out.get_nowait()
        thread.join(_PATIENCE)


def finished(work: Coroutine[Any, Any, _T]) -> _T:
    """What some work gives, done in a loop of its own, also where one is running already."""
    warm()  # as above
    with ThreadPoolExecutor(1, "read") as pool:
        return pool.submit(asyncio.run, work).result()
