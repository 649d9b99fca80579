"""The order in which functions are called that share something, where the document's tool has one.

Functions that share nothing are called beside one another. Those of which one changes what another
finds (a state, a list, a variable) take turns in a ring, each up to what it gives next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

import msgspec

from penstock.plan.slices import Parent, leaves, parents_of
from penstock.plan.source import Source, Stream, scatters
from penstock.plan.turns import Order


class Touched(msgspec.Struct, frozen=True, kw_only=True):
    """What the functions of a stream find outside of themselves, and what of it they change."""

    seen: frozenset[object] = frozenset()
    changed: frozenset[object] = frozenset()


def ordered(source: Source, touched: Mapping[str, Touched]) -> Source:
    """The source, with the order of the streams that share something; others have none.

    Those above them are in the ring, too: what they give decides when the ones below are called.
    """
    by_name = {stream.name: stream for stream in source.streams}
    rings = _Rings(by_name)
    rings.join(name for name in _meeting(source) if name in touched)
    changed = {thing for one in touched.values() for thing in one.changed}
    for thing in sorted(changed, key=repr):
        names = [name for name, one in touched.items() if thing in one.seen | one.changed]
        changing = [name for name in names if thing in touched[name].changed]
        if len(names) > 1 or any(_is_repeated(by_name[name]) for name in changing):
            rings.join(names)
    if not rings.numbers:
        return source
    names = [stream.name for stream in source.streams if stream.selected]
    places = _places(source.streams, names)
    streams = [
        msgspec.structs.replace(stream, order=_order(stream, rings, places, by_name))
        if stream.name in rings.numbers
        else stream
        for stream in source.streams
    ]
    return msgspec.structs.replace(source, streams=tuple(streams))


def _meeting(source: Source) -> list[str]:
    """The streams of which several may have rows for one table, and say different things of it.

    The first that has some says what the table is.
    """
    there = [stream for stream in source.streams if stream.selected]
    said = {stream.name: msgspec.structs.replace(stream.hints, table=None) for stream in there}
    meet = [s.name for s in there if scatters(s) and any(h != said[s.name] for h in said.values())]
    return list(said) if meet else []


def _is_repeated(stream: Stream) -> bool:
    """Whether the functions of a stream are called several times in a run."""
    return stream.partition is not None


class _Rings:
    """Which streams take turns with which: the number of the ring of each."""

    def __init__(self, by_name: Mapping[str, Stream]) -> None:
        self._by_name = by_name
        self.numbers: dict[str, int] = {}

    def join(self, names: Iterable[str]) -> None:
        """Put these streams, and those above them, into one ring."""
        members = dict.fromkeys(one for name in names for one in self._line(name))
        known = {self.numbers[name] for name in members if name in self.numbers}
        number = min(known, default=len(set(self.numbers.values())))
        for name, of in self.numbers.items():
            if of in known:
                self.numbers[name] = number
        self.numbers.update(dict.fromkeys(members, number))

    def _line(self, name: str) -> Iterable[str]:
        """A stream and those above it, as far as each has one parent alone."""
        while name in self._by_name:
            yield name
            partition = self._by_name[name].partition
            above = parents_of(partition)
            if len(above) != 1 or not any(isinstance(one, Parent) for one in leaves(partition)):
                return
            name = above[0].stream


def first_rows(streams: Sequence[Stream], loaded: Container[str]) -> Iterator[str]:
    """The names of loaded streams in the order in which their first rows come, if each has some.

    All take turns, each up to what it gives next. What one gives that others are read below comes
    to these first, and what they give behind whoever is left.
    """
    streams = _parents_first({stream.name: stream for stream in streams}.values())
    places = _places(streams, loaded)
    below: dict[str, list[str]] = {}
    roots: list[str] = []
    for stream in streams:
        above = [parent.stream for parent in parents_of(stream.partition)][:1]
        if stream.name in places:
            (below.setdefault(above[0], []) if above else roots).append(stream.name)
    turns = [deque([("page", name)]) for name in _last_first(roots, places)]
    at = 0
    while turns:
        at = (at - 1) % len(turns)
        if not turns[at]:
            del turns[at]
            continue
        kind, name = turns[at].popleft()
        fed = _last_first(below.get(name, ()), places)
        if kind == "call":
            turns.append(deque([("page", name)]))
        elif kind == "page" and fed:
            given = [("call", one) for one in fed]
            given[1:1] = [("rows", name)]
            turns.append(deque(given))
        elif name in loaded:
            yield name


def _parents_first(streams: Collection[Stream]) -> list[Stream]:
    """The streams, those of requests with parents before what is below them, level by level."""
    asked = {stream.name: stream for stream in streams if stream.retrieve is None}
    above = {n: [p.stream for p in parents_of(one.partition)] for n, one in asked.items()}
    try:
        listed = iter([n for n in TopologicalSorter(above).static_order() if n in asked])
    except CycleError:  # which is told elsewhere
        return list(streams)
    return [asked[next(listed)] if one.name in asked else one for one in streams]


def _last_first(names: Iterable[str], places: Mapping[str, int]) -> list[str]:
    return sorted(names, key=lambda name: -places[name])


def _places(streams: Sequence[Stream], loaded: Container[str]) -> dict[str, int]:
    """Where each stream stands: a parent stands where the last one stands that it is read for."""
    places = {s.name: nth for nth, s in enumerate(streams) if s.name in loaded}
    for nth, stream in enumerate(streams):
        for name in _above(stream, streams) if stream.name in loaded else ():
            places[name] = max(nth, places.get(name, nth))
    return places


def _above(stream: Stream, streams: Sequence[Stream]) -> Iterable[str]:
    by_name = {one.name: one for one in streams}
    waiting, seen = [stream], set[str]()
    while waiting:
        for parent in parents_of(waiting.pop().partition):
            found = by_name.get(parent.stream)
            if found is not None and found.name not in seen:
                seen.add(found.name)
                waiting.append(found)
                yield found.name


def _order(
    stream: Stream, rings: _Rings, places: Mapping[str, int], by_name: Mapping[str, Stream]
) -> Order:
    number, retrieve = rings.numbers[stream.name], stream.retrieve
    below = (
        child
        for child in by_name.values()
        if rings.numbers.get(child.name) == number
        and any(parent.stream == stream.name for parent in parents_of(child.partition))
    )
    return Order(
        ring=number,
        at=places.get(stream.name, len(places)),
        calls=retrieve is not None and retrieve.calls,
        sources=retrieve.sources if retrieve is not None else (("", 0),),
        holds=bool(stream.records.steps) or any(below),
    )
