"""Reading one stream without keeping anything."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from penstock.errors import Error
from penstock.events import Event
from penstock.plan.expr import JsonValue
from penstock.plan.source import Source
from penstock.read.clock import SystemClock
from penstock.read.context import Settings
from penstock.read.parts import PagePart, SliceLost
from penstock.read.reader import Reader
from penstock.read.transport import Http
from penstock.run.engine import Options, make_asker, selected
from penstock.run.preparing import prepare

_WAITING = 1_000  # records that wait for whoever reads them


async def pages(
    source: Source,
    values: Mapping[str, JsonValue],
    stream: str,
    *,
    base_url: str | None = None,
    on_event: Callable[[Event], None] = lambda _event: None,
) -> AsyncIterator[list[bytes]]:
    """The records of one stream, page by page, each as JSON with the columns its slice adds.

    Raises:
        PlanError: the source has no such stream.
        ReadError: a slice could not be read.
    """
    loaded = selected(source, (stream,))
    values = prepare(source, values)
    clock, transport = SystemClock(), Http()
    settings = Settings(
        values=values, now=datetime.fromtimestamp(clock.now(), UTC), loaded=loaded, fresh=True
    )
    options = Options(base_url=base_url)
    asker = make_asker(source, values, options, transport=transport, clock=clock, emit=on_event)
    reader = Reader(source, settings, asker, state={}, emit=on_event)
    try:
        async for part in reader.parts():
            if isinstance(part, PagePart):
                yield [_with_extras(bytes(record), part) for record in part.records]
            elif isinstance(part, SliceLost):
                raise part.error
        for context in reader.contexts:
            if context.lost:
                failure = context.tally.failures[0]
                raise Error(failure.message, code=failure.code, hint=failure.hint)
    finally:
        reader.stop()
        await transport.close()


def _with_extras(record: bytes, part: PagePart) -> bytes:
    if not part.slice.extras:
        return record
    whole = msgspec.json.decode(record)
    if not isinstance(whole, dict):
        return record
    for name, value in part.slice.extras:
        if whole.get(name) is None:
            whole[name] = value
    return msgspec.json.encode(whole)


def read_stream(  # noqa: PLR0913 (the same words as the command line's)
    source: Source,
    values: Mapping[str, JsonValue],
    stream: str,
    *,
    limit: int | None = None,
    base_url: str | None = None,
    on_event: Callable[[Event], None] = lambda _event: None,
) -> Iterator[bytes]:
    """The records of one stream, each as JSON, read while they are taken.

    Raises:
        PlanError: the source has no such stream.
        ReadError: a slice could not be read.
    """
    selected(source, (stream,))
    out: queue.Queue[bytes | BaseException | None] = queue.Queue(_WAITING)
    gone = threading.Event()

    async def produce() -> None:
        async for page in pages(source, values, stream, base_url=base_url, on_event=on_event):
            for record in page:
                if gone.is_set():
                    return
                await asyncio.to_thread(out.put, record)

    def work() -> None:
        try:
            asyncio.run(produce())
            out.put(None)
        except BaseException as exc:  # noqa: BLE001 (raised again where the records are taken)
            out.put(exc)

    thread = threading.Thread(target=work, name="read", daemon=True)
    thread.start()
    try:
        yield from _taken(out, limit)
    finally:
        gone.set()
        while not out.empty():
            out.get_nowait()


def _taken(out: queue.Queue[bytes | BaseException | None], limit: int | None) -> Iterator[bytes]:
    count = 0
    while limit is None or count < limit:
        item = out.get()
        if item is None:
            return
        if isinstance(item, BaseException):
            raise item
        count += 1
        yield item
