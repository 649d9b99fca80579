"""Which streams a run reads: what stands for others, and parents that must be read for one child.

A child reads all of a parent's records, whatever state the parent has where it is loaded itself;
with an incremental dependency it reads those behind the state that it keeps of the parent. Where
that is another reading than one that takes place already, the parent is read once more for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from penstock.plan.datetimes import parse_datetime
from penstock.plan.slices import (
    Chain,
    Duration,
    Grouped,
    Merged,
    Parent,
    Partition,
    Product,
    add,
    parents_of,
)
from penstock.plan.source import Source, Stream
from penstock.read import airbyte_state

States = Mapping[str, Mapping[str, str]]


def settled(
    source: Source, states: States, loaded: frozenset[str], now: datetime, *, fresh: bool
) -> tuple[Source, dict[str, Mapping[str, str]]]:
    """The streams as this run reads them, and the state that each of them begins with."""
    held = {} if fresh else dict(states.items())
    streams = [_standing(s, held, now) for s in source.streams]
    if any(s.later or (s.cursor is not None and s.cursor.contiguous) for s in source.streams):
        streams = _Apart(source.streams, streams, held, loaded).all()
    elif any(" for " in name and entries for name, entries in held.items()):
        from penstock.read.behind import apart  # noqa: PLC0415 (it needs this module)

        streams = apart(streams, held, loaded)
    return msgspec.structs.replace(source, streams=tuple(streams)), held


def _standing(stream: Stream, held: dict[str, Mapping[str, str]], now: datetime) -> Stream:
    """The stream, or the one that takes its place once it has state that is not too old."""
    if stream.later is None:
        return stream
    entries = held.get(stream.name)
    if entries and not _too_old(stream.later, entries, stream.retention, now):
        return msgspec.structs.replace(stream.later, hints=stream.hints, selected=stream.selected)
    held.pop(stream.name, None)
    return stream


def _too_old(
    stream: Stream, entries: Mapping[str, str], retention: Duration | None, now: datetime
) -> bool:
    cursor = stream.cursor
    if retention is None or cursor is None or cursor.format is None:
        return False
    text = entries.get("cursor") or entries.get("global")
    value = msgspec.json.decode(text).get("value") if text else None
    if value is None:
        return "complete" not in entries
    for spelled in (*cursor.formats, cursor.format):
        try:
            reached = parse_datetime(value, spelled)
        except ValueError:
            continue
        return reached < add(now, Duration(months=-retention.months, seconds=-retention.seconds))
    return True


class _Apart:
    """Gives each parent the state it is read with, and reads it twice where two are needed."""

    def __init__(
        self,
        whole: tuple[Stream, ...],
        streams: list[Stream],
        held: dict[str, Mapping[str, str]],
        loaded: frozenset[str],
    ) -> None:
        self._whole = {s.name: s for s in whole}
        self._streams = {s.name: s for s in streams}
        self._later = {s.name for s, own in zip(streams, whole, strict=True) if s is not own}
        self._held = held
        self._loaded = loaded
        self._told: set[str] = set()

    def all(self) -> list[Stream]:
        """The streams, those that are read once more before the children they are read for."""
        waiting = [name for name in self._streams if name in self._loaded]
        while waiting:
            name = waiting.pop(0)
            if name in self._told or name not in self._streams:
                continue  # a parent may be missing, for want of its class
            self._told.add(name)
            stream = self._streams[name]
            self._streams[name] = msgspec.structs.replace(
                stream, partition=with_parents(stream.partition, self._named(stream))
            )
            waiting += [p.stream for p in parents_of(self._streams[name].partition)]
        return _ordered(self._streams)

    def _named(self, child: Stream) -> Callable[[Parent], Parent]:
        def named(parent: Parent) -> Parent:
            stream = self._whole.get(parent.stream)
            cursor = stream.cursor if stream is not None else None
            follows = cursor is not None and cursor.contiguous
            if stream is None or not (follows or stream.later is not None):
                return parent
            return msgspec.structs.replace(parent, stream=self._reading(child, parent, stream))

        return named

    def _reading(self, child: Stream, parent: Parent, stream: Stream) -> str:
        """The name under which a parent is read for a child.

        One that another takes the place of is read as that if the child keeps a state of it.
        """
        wanted = self._wanted(child, parent, stream)
        name, later = stream.name, bool(wanted) and stream.later is not None
        stands = stream.later if later and stream.later is not None else stream
        fixed = name in self._loaded or name in self._told
        if not fixed:
            self._held[name] = wanted
            self._streams[name] = msgspec.structs.replace(
                stands, name=name, called=stream.called, selected=stream.selected
            )
            (self._later.add if later else self._later.discard)(name)
            return name
        if dict(self._held.get(name, {})) == wanted and later == (name in self._later):
            return name
        own = f"{name} for {child.name}"
        called = stream.called or name
        self._streams[own] = msgspec.structs.replace(
            stands, name=own, called=called, selected=False
        )
        self._held[own] = wanted
        return own

    def _wanted(self, child: Stream, parent: Parent, stream: Stream) -> dict[str, str]:
        text = self._held.get(child.name, {}).get("parents") if parent.incremental else None
        blob = msgspec.json.decode(text).get(stream.called or stream.name) if text else None
        return airbyte_state.entries(stream, blob) if isinstance(blob, dict) else {}


def with_parents(
    partition: Partition | None, named: Callable[[Parent], Parent]
) -> Partition | None:
    """The partition with other parents in it."""
    match partition:
        case Parent():
            return named(partition)
        case Product() | Chain() | Merged():
            members = tuple(with_parents(member, named) for member in partition.members)
            return msgspec.structs.replace(partition, members=members)
        case Grouped():
            return msgspec.structs.replace(partition, of=with_parents(partition.of, named))
        case _:
            return partition


def _ordered(streams: dict[str, Stream]) -> list[Stream]:
    return list(streams.values())
