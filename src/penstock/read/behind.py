"""Streams whose parents went on without them, and what of these they have been given.

A run may load a parent and leave out what is below it. The parent's cursor moves all the same, and
the next run would not list again what the child has not seen. So with the first such move the old
entry is kept as state of a stand-in, called `parent for child`. Once the child is loaded again it
is read below stand-ins of all that is above it, each of which goes on where the child stopped; when
they have caught up with the parents, they are let go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from penstock.plan.slices import parents_of
from penstock.plan.source import Source, Stream
from penstock.read.ancestry import with_parents
from penstock.read.context import StreamContext
from penstock.read.state import Mark, write

States = Mapping[str, Mapping[str, str]]
_NOTHING = {"cursor": write(Mark()), "windows": "[]"}  # what is kept where there was no entry


def standing(parent: str, child: str) -> str:
    """What a parent is called that is read for a child which is behind."""
    return f"{parent} for {child}"


def moves(name: str) -> bool:
    """Whether an entry says how far a cursor is."""
    return name.partition("/")[0] in _NOTHING


def nothing(name: str) -> str:
    """What an entry is where there is none."""
    return _NOTHING[name.partition("/")[0]]


def above(child: Stream, streams: Mapping[str, Stream]) -> dict[str, Stream]:
    """The streams above one, the nearest first."""
    found: dict[str, Stream] = {}
    waiting = [child]
    while waiting:
        for parent in parents_of(waiting.pop(0).partition):
            stream = streams.get(parent.stream)
            if stream is not None and stream.name not in found:
                found[stream.name] = stream
                waiting.append(stream)
    return found


def stand_ins(source: Source) -> dict[str, tuple[Stream, Stream]]:
    """Every stand-in that there may be: whose it is, and for which child."""
    streams = {stream.name: stream for stream in source.streams}
    if not any(map(_can_move, source.streams)):
        return {}
    found: dict[str, tuple[Stream, Stream]] = {}
    for child in source.streams:
        over = above(child, streams)
        if any(map(_can_move, over.values())) and child.hints.write != "replace":
            found |= {standing(name, child.name): (one, child) for name, one in over.items()}
    return found


def _can_move(stream: Stream) -> bool:
    cursor = stream.cursor
    return cursor is not None and not cursor.contiguous and cursor.end is None


def caught_up(source: Source, states: States) -> list[str]:
    """The stand-ins that are as far as those they stand for, with all others of their child."""
    held: dict[str, list[tuple[str, Stream]]] = {}
    for name, (stream, child) in stand_ins(source).items():
        if states.get(name):
            held.setdefault(child.name, []).append((name, stream))
    return [
        name
        for found in held.values()
        if all(_as_far(states[name], states.get(of.name, {})) for name, of in found)
        for name, _ in found
    ]


def _as_far(entries: Mapping[str, str], own: Mapping[str, str]) -> bool:
    return all(moves(name) and own.get(name) == text for name, text in entries.items())


def apart(
    streams: Sequence[Stream], held: dict[str, Mapping[str, str]], loaded: frozenset[str]
) -> list[Stream]:
    """The streams, and before those that are behind the stand-ins that they are read below.

    A parent that this run reads in full, as it does not load it, needs none.
    """
    known = {stream.name: stream for stream in streams}
    found: list[Stream] = []
    for stream in streams:
        goes_on = stream.name in loaded and stream.hints.write != "replace"
        over = above(stream, known) if goes_on else {}
        marks = {name: held.get(standing(name, stream.name), {}) for name in over}
        behind = [name for name, entries in marks.items() if any(map(moves, entries))]
        if all(over[name].selected and name not in loaded for name in behind):
            found.append(stream)
            continue
        for name, one in over.items():
            own = {n: text for n, text in held.get(name, {}).items() if moves(n) or n == "imported"}
            held[standing(name, stream.name)] = {**own, **marks[name]}
            found.append(_stand_in(one, stream.name))
        found.append(_below(stream, stream.name))
    return found


def _stand_in(stream: Stream, child: str) -> Stream:
    return msgspec.structs.replace(
        _below(stream, child),
        name=standing(stream.name, child),
        called=stream.called or stream.name,
        hints=msgspec.structs.replace(stream.hints, table=None),
        selected=False,
        order=None,
    )


def _below(stream: Stream, child: str) -> Stream:
    """The stream below stand-ins."""
    named = with_parents(
        stream.partition,
        lambda parent: msgspec.structs.replace(parent, stream=standing(parent.stream, child)),
    )
    return msgspec.structs.replace(stream, partition=named)


def left_out(source: Source, contexts: Iterable[StreamContext]) -> dict[str, tuple[str, ...]]:
    """The stand-ins to keep the old entries for, by the stream in the run whose cursor moves.

    They are for those that the run leaves out, and whose parents it reads.
    """
    found: dict[str, dict[str, None]] = {}
    there = {context.name: context for context in contexts if not context.stream.called}
    for child in source.streams:
        if child.name in there or child.hints.write == "replace":
            continue
        for parent in parents_of(child.partition):
            for context in _moving(there.get(parent.stream)):
                name = standing(context.stream.called or context.name, child.name)
                found.setdefault(context.name, {})[name] = None
    return {name: tuple(names) for name, names in found.items()}


def left_between(contexts: Iterable[StreamContext]) -> Iterator[tuple[StreamContext, str]]:
    """The streams that are read for others and not loaded, each with one above that moves on."""
    for context in contexts:
        if context.loaded or not context.stream.selected or context.stream.called:
            continue
        for parent in context.parents:
            for moving in _moving(parent):
                if moving.loaded:
                    yield moving, context.name


def _moving(context: StreamContext | None) -> Iterator[StreamContext]:
    """The stream and those above it whose cursors move in this run."""
    if context is None:
        return
    if (
        context.keeps_state
        and _can_move(context.stream)
        and context.stream.hints.write != "replace"
    ):
        yield context
    for parent in context.parents:
        yield from _moving(parent)
