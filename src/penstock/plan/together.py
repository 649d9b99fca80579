"""Streams that load one table, as one stream that reads all of them.

A table belongs to one stream, which keeps its schema and its state. Where a document has several
resources for it, as a list and the details of what it lists, they are read only, and one stream
more loads what they give.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from penstock.plan.door import Door
from penstock.plan.expr import Const, Frame, JsonValue
from penstock.plan.hints import Column, Hints
from penstock.plan.pagination import SinglePage
from penstock.plan.python import ForTable, NextSource, Retrieve
from penstock.plan.records import Keys, Records
from penstock.plan.request import Request
from penstock.plan.source import Source, Stream


def together(source: Source) -> Source:
    """The source, with a stream for each table that several streams load and can load together."""
    groups: dict[str, list[Stream]] = {}
    for stream in source.streams:
        if stream.selected and stream.table_of is None:
            groups.setdefault(stream.table, []).append(stream)
    joint = {table: held for table, held in groups.items() if len(held) > 1 and _can(held)}
    if not joint:
        return source
    members = {stream.name for held in joint.values() for stream in held}
    kept = [
        msgspec.structs.replace(stream, selected=False) if stream.name in members else stream
        for stream in source.streams
    ]
    made = (_whole(table, held) for table, held in joint.items())
    return msgspec.structs.replace(source, streams=(*kept, *made))


def _can(streams: Sequence[Stream]) -> bool:
    """Whether the streams can be read only, and written alike.

    A cursor is kept by the stream that has it, which is none that is only read. Functions of the
    document are called by the one that loads, where no steps of their own stand behind them.
    """
    alike = len({_written(stream.hints) for stream in streams}) == 1
    return alike and not any(
        stream.cursor is not None
        or (stream.retrieve is not None and bool(stream.partition or stream.records.steps))
        for stream in streams
    )


def _written(hints: Hints) -> tuple[object, ...]:
    keys = hints.primary_key, hints.merge_key
    return hints.write, hints.strategy, keys, hints.soft_delete, hints.validity


def _whole(table: str, streams: Sequence[Stream]) -> Stream:
    first = streams[0].hints
    columns = {column.name: column for column in _columns(streams)}
    return Stream(
        name="+".join(stream.name for stream in streams),
        request=Request(url=Const(value="")),
        records=Records(path=Keys()),
        pagination=SinglePage(),
        hints=msgspec.structs.replace(first, table=table, columns=tuple(columns.values())),
        retrieve=_rows(streams),
    )


def _columns(streams: Iterable[Stream]) -> Iterator[Column]:
    for stream in reversed(list(streams)):  # what the first one says counts
        yield from stream.hints.columns


def _rows(streams: Sequence[Stream]) -> Retrieve:
    made_here = [stream.retrieve for stream in streams if stream.retrieve is not None]
    read = [stream.name for stream in streams if stream.retrieve is None]

    def made(door: Door, frame: Frame) -> Iterator[JsonValue | ForTable | NextSource]:
        if read:
            yield from (record for _slice, record in door.records(*read))
        for one in made_here:
            yield from one.function(door, frame)

    names = [stream.name for stream in streams]
    said = [stream.retrieve.said if stream.retrieve else stream.name for stream in streams]
    parts = tuple(one.parts for one in made_here)
    return Retrieve(function=made, name="+".join(names), said=", ".join(said), parts=parts)
