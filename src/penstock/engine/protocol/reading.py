"""Reading streams into messages: records as they come, state behind what it stands for."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from penstock.engine.protocol.messages import Messages
from penstock.engine.protocol.opening import Opened
from penstock.engine.running import Options, make_asker, make_transport
from penstock.errors import Error
from penstock.events import Event, Waiting, Warned
from penstock.plan.expr import JsonValue
from penstock.plan.source import Stream
from penstock.read import schemas
from penstock.read.airbyte_state import exported
from penstock.read.clock import SystemClock
from penstock.read.context import Settings, StreamContext
from penstock.read.parts import (
    PagePart,
    Part,
    SliceClosed,
    SliceLost,
    SliceRestarted,
    StateEntries,
    StreamClosed,
)
from penstock.read.reader import Reader

STATE_SECONDS = 600.0  # between two states of a stream with many partitions
LONG_WAIT = 5.0  # seconds: a shorter wait is not worth a message

Columns = Mapping[str, Mapping[str, JsonValue]]
Entries = dict[str, dict[str, str]]


def staging() -> Path:
    """Where a platform looks for the files of records, or where files of this machine go."""
    given = Path(os.environ.get("AIRBYTE_STAGING_DIRECTORY", "/staging/files"))
    return given if given.exists() else Path(tempfile.gettempdir()) / "airbyte-file-transfer"


@asynccontextmanager
async def reader_of(  # noqa: PLR0913, PLR0917 (the edges of a reader)
    opened: Opened,
    loaded: frozenset[str],
    states: Mapping[str, Mapping[str, str]],
    options: Options,
    emit: Callable[[Event], None],
    columns: Columns | None = None,
    files: Path | None = None,
) -> AsyncIterator[Reader]:
    """A reader of these streams, with what it needs around it; `files` is the folder for theirs."""
    source, values = opened.source, opened.values
    clock, transport = SystemClock(), make_transport(options)
    now = datetime.fromtimestamp(clock.now(), UTC)
    settings = Settings(
        values=values,
        now=now,
        loaded=loaded,
        columns=columns or {},
        files=files,
        files_apart=True,
    )
    try:
        asker = make_asker(
            *(source, values, options),
            transport=transport,
            clock=clock,
            emit=emit,
            keep=opened.keep,
        )
        reader = Reader(source, settings, asker, state=states, emit=emit)
        try:
            yield reader
        finally:
            reader.stop()
    finally:
        await transport.close()


async def completed(opened: Opened, options: Options, *, describe: bool = False) -> Opened:
    """The source with the streams that its API names among the others.

    With `describe` each stream also has its schema, else only those that cannot be read without.
    """
    if not describe and not schemas.incomplete(opened.source):
        return opened
    source, values = opened.source, opened.values
    clock, transport = SystemClock(), make_transport(options)
    try:
        asker = make_asker(
            *(source, values, options),
            transport=transport,
            clock=clock,
            emit=_unheard,
            keep=opened.keep,
        )
        now = datetime.fromtimestamp(clock.now(), UTC)
        source = await schemas.completed(source, values, asker, now)
        if describe:
            source = await schemas.described(source, values, asker, now)
        return replace(opened, source=source)
    finally:
        await transport.close()


class _Told(msgspec.Struct, kw_only=True):
    """What was already said of a stream."""

    running: bool = False
    since: int = 0  # records since the last state
    stated: float | None = None  # when the last state was given, in seconds
    failures: int = 0


class Telling:
    """Tells of streams, by the parts that a reader hands out. `failed` are those that went wrong.

    `states` are the entries the streams began with; they are kept up to date.
    """

    def __init__(self, messages: Messages, states: Entries, options: Options) -> None:
        self._messages = messages
        self._states = states
        self._options = options
        self._told: dict[str, _Told] = {}
        self._contexts: dict[str, StreamContext] = {}
        self.failed: dict[str, str] = {}

    async def read(self, opened: Opened, loaded: tuple[str, ...], columns: Columns) -> None:
        """Read the streams to their ends, and tell everything; `columns` are those chosen."""
        names = frozenset(loaded)
        for name in loaded:
            self._told[name] = _Told()
            self._messages.status(name, "STARTED")
        async with reader_of(
            opened, names, self._states, self._options, self._heard, columns, staging()
        ) as reader:
            self._contexts = {context.name: context for context in reader.contexts}
            async with aclosing(reader.parts()) as parts:
                async for part in parts:
                    self._take(part)

    def _take(self, part: Part) -> None:
        match part:
            case PagePart():
                self._records(part)
            case SliceClosed(stream=name, state=entries):
                self._add(name, entries)
                self._state_if_due(name)
            case SliceLost():
                self._add(part.stream, part.state)
                if part.stream in self._told:
                    self._failed(part.stream, part.error, _where(part))
            case StreamClosed(stream=name, state=entries):
                self._add(name, entries)
                if name in self._told:
                    self._closed(self._contexts[name])
            case SliceRestarted():
                return  # what was told stays told: a platform may be given a record twice

    def _records(self, part: PagePart) -> None:
        told = self._told.get(part.stream)
        if told is None or not part.records:
            return
        if not told.running:
            told.running = True
            self._messages.status(part.stream, "RUNNING")
        told.since += len(part.records)
        self._messages.records(part.stream, part.records, part.files)

    def _add(self, name: str, entries: StateEntries) -> None:
        held = self._states.setdefault(name, {})
        for key, text in entries:
            if text is None:
                held.pop(key, None)
            else:
                held[key] = text

    def _state_if_due(self, name: str) -> None:
        told = self._told.get(name)
        stream = self._contexts[name].stream
        if told is None or stream.cursor is None or stream.cursor.shared:
            return
        now = time.monotonic()
        recent = told.stated is not None and now - told.stated < STATE_SECONDS
        if stream.partition is None or not recent:
            told.stated = now
            self._state(stream, told)

    def _state(self, stream: Stream, told: _Told) -> None:
        state: JsonValue = exported(stream, self._states.get(stream.name, {}))
        self._messages.state(stream.name, state, told.since)
        told.since = 0

    def _closed(self, context: StreamContext) -> None:
        """The end of a stream: what its parents could not give is missing from it too."""
        for above in _ancestors(context):
            for failure in above.tally.failures if above.name not in self._told else ():
                error = Error(failure.message, code=failure.code, hint=failure.hint)
                self._failed(context.name, error, f"parent {above.name} {failure.slice}")
            if above.lost:
                self.failed.setdefault(context.name, f"its parent {above.name} failed")
        self._state(context.stream, self._told[context.name])
        lost = context.name in self.failed
        self._messages.status(context.name, "INCOMPLETE" if lost else "COMPLETE")

    def _failed(self, name: str, error: Error, where: str) -> None:
        self.failed.setdefault(name, error.message)
        self._messages.failure(error, name, where)

    def _heard(self, event: Event) -> None:
        match event:
            case Warned():
                self._messages.log("WARN", f"{event.stream}: {event.message} [{event.code}]")
            case Waiting(seconds=seconds) if seconds >= LONG_WAIT:
                text = f"{event.stream}: waits {seconds:.0f} s ({event.reason})"
                self._messages.log("INFO", text)
            case _:
                return


def _where(part: SliceLost) -> str:
    return f"slice {part.slice.key}" if part.slice.key else ""


def _ancestors(context: StreamContext) -> list[StreamContext]:
    found: dict[str, StreamContext] = {}
    pending = list(context.parents)
    while pending:
        above = pending.pop()
        if above.name not in found:
            found[above.name] = above
            pending += above.parents
    return list(found.values())


async def unavailable(opened: Opened, name: str, options: Options) -> Error | None:
    """Why a stream cannot be read: it has no slice, or the first record of one does not come."""
    options = replace(options, concurrency=1)
    async with (
        reader_of(opened, frozenset({name}), {}, options, _unheard) as reader,
        aclosing(reader.parts()) as parts,
    ):
        async for part in parts:
            match part:
                case PagePart(stream=stream, records=records) if stream == name and records:
                    return None
                case SliceClosed(stream=stream) if stream == name:
                    return None
                case SliceLost(error=error):
                    return error
                case StreamClosed(stream=stream) if stream == name:
                    return _why_none(reader, name)
                case _:
                    continue
    return Error(f"reading {name!r} ended early", code="interrupted")


def _why_none(reader: Reader, name: str) -> Error:
    for context in reader.contexts:
        for failure in context.tally.failures:
            return Error(failure.message, code=failure.code, hint=failure.hint)
    return Error(f"{name!r} has no slice to read", code="no-streams")


def _unheard(event: Event) -> None:
    """Events while a connection is tried are not told: its result is."""
    del event
