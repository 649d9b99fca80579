"""Schemas that the document does not hold: asked of the API, or of its own classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from penstock.plan import jsontext
from penstock.plan.door import Door
from penstock.plan.expr import Frame, JsonValue
from penstock.plan.records import Change, Step
from penstock.plan.schemas import AskedSchema, Declared, SchemaPart, asked_schema, combined
from penstock.plan.source import Source, Stream
from penstock.plan.transforms import Normalize
from penstock.read.ask import Asker
from penstock.read.context import Settings
from penstock.read.discover import discovered, first_record, quiet
from penstock.read.reader import Reader
from penstock.read.steps import Steps
from penstock.read.threads import called


def waits_for_schema(stream: Stream) -> bool:
    """Whether a stream cannot be read before its schema is known."""
    return any(map(_unfilled, stream.records.steps))


def _unfilled(step: object) -> bool:
    return (
        isinstance(step, Change)
        and isinstance(step.transform, Normalize)
        and step.transform.schema is None
    )


def incomplete(source: Source) -> bool:
    """Whether something has to be asked for before the streams can be read."""
    return bool(source.discovered) or any(map(waits_for_schema, source.streams))


async def completed(
    source: Source, values: Mapping[str, JsonValue], asker: Asker, now: datetime
) -> Source:
    """The source with the streams that its API names, and the schemas that reading needs.

    Raises:
        ReadError: what names or describes them cannot be read.
        PlanError: two streams have one name.
    """
    whole = await discovered(source, values, asker, now)
    waiting = [stream for stream in whole.streams if waits_for_schema(stream)]
    return await described(whole, values, asker, now, waiting)


async def described(
    source: Source,
    values: Mapping[str, JsonValue],
    asker: Asker,
    now: datetime,
    only: Iterable[Stream] | None = None,
) -> Source:
    """The source with the schemas of its streams, or of some of them.

    Raises:
        ReadError: a schema cannot be asked for, or is not told as the document says.
    """
    wanted = source.streams if only is None else tuple(only)
    names = {s.name for s in wanted if s.schemas and (s.selected or only is not None)}
    streams = [
        _filled(s, await _schema(source, s, values, asker, now)) if s.name in names else s
        for s in source.streams
    ]
    return msgspec.structs.replace(source, streams=tuple(streams))


def _filled(stream: Stream, schema: JsonValue) -> Stream:
    """The stream with its schema, also where its records are made to fit it."""
    steps = tuple(
        Change(transform=Normalize(schema=schema)) if _unfilled(step) else step
        for step in stream.records.steps
    )
    records = msgspec.structs.replace(stream.records, steps=steps)
    return msgspec.structs.replace(stream, schema=schema, records=records, schemas=())


async def _schema(
    source: Source,
    stream: Stream,
    values: Mapping[str, JsonValue],
    asker: Asker,
    now: datetime,
) -> JsonValue:
    parts = stream.schemas if stream.combines else stream.schemas[:1]
    found = [await _part(source, stream, part, values, asker, now) for part in parts]
    return combined(found) if stream.combines else found[0]


async def _part(  # noqa: PLR0913, PLR0917 (a part, and the run it is asked in)
    source: Source,
    stream: Stream,
    part: SchemaPart,
    values: Mapping[str, JsonValue],
    asker: Asker,
    now: datetime,
) -> JsonValue:
    if isinstance(part, Declared):
        return part.schema
    settings = Settings(values=values, now=now, loaded=frozenset({stream.name}), fresh=True)
    reader = Reader(source, settings, asker, state={}, emit=quiet)
    door = reader.door(stream.name)
    try:
        if not isinstance(part, AskedSchema):
            return await called(part.function, door)
        record = await first_record(source, part.source, settings, asker)
        return await called(_asked, part, record, Frame(source=values, now=now), door)
    finally:
        reader.stop()


def _asked(part: AskedSchema, record: JsonValue, frame: Frame, door: Door) -> JsonValue:
    """The schema in a record; classes of the document's own may have a say in it."""
    fields = {} if record is None else part.fields(record, frame)
    if part.keep:
        single: list[JsonValue] = [{name: kind} for name, kind in fields.items()]
        fields = _joined(_applied(part.keep, single, frame, door))
    if part.changes:
        fields = _joined(_applied(part.changes, [dict(fields)], frame, door))
    return asked_schema(fields)


def _applied(
    steps: tuple[Step, ...], values: list[JsonValue], frame: Frame, door: Door
) -> list[JsonValue]:
    raw = [msgspec.Raw(jsontext.encode(value)) for value in values]
    return [jsontext.decode(bytes(one)) for one in Steps(steps).apply(raw, frame, door)]


def _joined(parts: list[JsonValue]) -> dict[str, JsonValue]:
    joined: dict[str, JsonValue] = {}
    for part in parts:
        joined |= part if isinstance(part, dict) else {}
    return joined
