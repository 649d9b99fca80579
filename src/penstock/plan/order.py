"""The order in which functions are called that share something, where the document's tool has one.

Functions that share nothing are called beside one another. Those of which one changes what another
finds (a state, a list, a variable) take turns in a ring, each up to what it gives next.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
    places = _places(source)
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


def _places(source: Source) -> dict[str, int]:
    """Where each stream stands: a parent stands where the last one stands that it is read for."""
    places = {s.name: nth for nth, s in enumerate(source.streams) if s.selected}
    for nth, stream in enumerate(source.streams):
        for name in _above(stream, source) if stream.selected else ():
            places[name] = max(nth, places.get(name, nth))
    return places


def _above(stream: Stream, source: Source) -> Iterable[str]:
    waiting, seen = [stream], set[str]()
    while waiting:
        for parent in parents_of(waiting.pop().partition):
            found = source.stream(parent.stream)
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
