"""Streams that an API names: what names them is read in full before anything else."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from datetime import datetime

import msgspec

from penstock.errors import Diagnostic, PlanError
from penstock.events import Event
from penstock.plan import jsontext
from penstock.plan.expr import JsonValue
from penstock.plan.source import Source, Stream
from penstock.read.ask import Asker
from penstock.read.context import Settings
from penstock.read.parts import PagePart, SliceLost
from penstock.read.reader import Reader


async def discovered(
    source: Source, values: Mapping[str, JsonValue], asker: Asker, now: datetime
) -> Source:
    """The source with the streams that its API names.

    Raises:
        ReadError: what names them cannot be read.
        PlanError: two streams have one name.
    """
    streams = list(source.streams)
    for found in source.discovered:
        settings = Settings(values=values, now=now, loaded=frozenset({found.source.name}))
        placed = await all_records(source, found.source, settings, asker)
        records, partitions = [record for record, _ in placed], [held for _, held in placed]
        made = found.expand(records, partitions)
        streams += (msgspec.structs.replace(s, made_by=found.name) for s in made)
    _check(streams)
    return msgspec.structs.replace(source, streams=tuple(streams), discovered=())


def _check(streams: list[Stream]) -> None:
    names = [stream.name for stream in streams]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"the API names several streams {', '.join(map(repr, twice))}"
        raise PlanError([Diagnostic(code="duplicate-name", severity="error", message=message)])


async def all_records(
    source: Source, stream: Stream, settings: Settings, asker: Asker
) -> list[tuple[JsonValue, dict[str, JsonValue]]]:
    """Every record of one stream, with the values of its partition.

    Raises:
        ReadError: a slice of it cannot be read.
    """
    kept = tuple(s for s in source.streams if s.name != stream.name)
    whole = msgspec.structs.replace(
        source, streams=(*kept, msgspec.structs.replace(stream, selected=True))
    )
    reader = Reader(whole, settings, asker, state={}, emit=quiet)
    records: list[tuple[JsonValue, dict[str, JsonValue]]] = []
    async for part in reader.parts():
        if isinstance(part, PagePart):
            held = dict(part.slice.partition)
            records += [(jsontext.decode(record), held) for record in part.records]
        elif isinstance(part, SliceLost):
            reader.stop()
            raise part.error
    return records


async def first_record(source: Source, name: str, settings: Settings, asker: Asker) -> JsonValue:
    """The first record of a helper stream; None where it has none.

    Raises:
        ReadError: it cannot be read.
    """
    streams = tuple(
        msgspec.structs.replace(s, selected=True) if s.name == name else s for s in source.streams
    )
    whole = msgspec.structs.replace(source, streams=streams)
    settings = msgspec.structs.replace(settings, loaded=frozenset({name}))
    reader = Reader(whole, settings, asker, state={}, emit=quiet)
    async with aclosing(reader.parts()) as parts:
        async for part in parts:
            if isinstance(part, SliceLost):
                raise part.error
            if isinstance(part, PagePart) and part.records:
                record: JsonValue = jsontext.decode(part.records[0])
                return record
    return None


def quiet(event: Event) -> None:
    """What reading a helper says is not told: its stream is none of the user's."""
    del event
