"""Streams that load one table, as a list and the details of what it lists.

Each is read for itself and keeps a state of its own. What is said of the table, declared columns
too, is what the one says whose rows come first.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

import msgspec

from penstock.plan.hints import Hints
from penstock.plan.order import first_rows
from penstock.plan.source import Source, Stream


def tables(streams: Iterable[Stream]) -> dict[str, tuple[Stream, ...]]:
    """The tables that several of these streams load, each with the streams that do."""
    groups: dict[str, list[Stream]] = {}
    for stream in streams:
        if stream.table_of is None:
            groups.setdefault(stream.table, []).append(stream)
    return {
        table: tuple(held)
        for table, held in groups.items()
        if len({stream.name for stream in held}) > 1
    }


def completed(source: Source, loaded: frozenset[str], *, fresh: bool) -> frozenset[str]:
    """The streams to load, with all that load a table which is built anew, or holds all there is.

    Without them their rows would be gone, and their state would say that they are there.
    """
    there = [s for s in source.streams if s.selected or s.name in loaded]
    more: set[str] = set()
    for held in tables(there).values():
        chosen = [stream for stream in held if stream.name in loaded]
        hints = deciding(chosen, source.streams, loaded).hints if chosen else Hints()
        if chosen and (fresh or hints.write == "replace" or hints.keeps_gone):
            more.update(stream.name for stream in held)
    return loaded | more


def together(source: Source, loaded: frozenset[str]) -> Source:
    """The source, in which streams that load one table say the same of it."""
    found = tables(stream for stream in source.streams if stream.name in loaded)
    said = {
        one.name: _said(held, source.streams, loaded) for held in found.values() for one in held
    }
    streams = tuple(
        msgspec.structs.replace(stream, hints=hints, together=hints.write == "append")
        if (hints := said.get(stream.name))
        else stream
        for stream in source.streams
    )
    return msgspec.structs.replace(source, streams=streams) if said else source


def deciding(held: Sequence[Stream], streams: Sequence[Stream], loaded: Container[str]) -> Stream:
    """The one of those that load a table whose rows come first, of all that are loaded."""
    names = {stream.name: stream for stream in held}
    first = (names[name] for name in first_rows(streams, loaded) if name in names)
    return next(first, held[0])


def _said(held: Sequence[Stream], streams: Sequence[Stream], loaded: Container[str]) -> Hints:
    hints = deciding(held, streams, loaded).hints
    return msgspec.structs.replace(hints, table=held[0].table)
