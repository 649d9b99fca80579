"""Partitions as they become known: from values at once, from parents while those are read.

A partition tree is walked as one stream of `Fed` slices. Parents hand their partitions over through
feeds; every slice holds the gates of the parent slices it came from, which stay shut until it is
over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import assert_never

import msgspec

from penstock.errors import ExprError
from penstock.plan.expr import JsonValue, evaluate
from penstock.plan.python import Compute
from penstock.plan.slices import (
    Chain,
    Grouped,
    Merged,
    Parent,
    Partition,
    Product,
    Slice,
    Values,
    leaves,
    parents_of,
)
from penstock.read.context import StreamContext
from penstock.read.slices import Lineage
from penstock.read.state import read_slice
from penstock.read.threads import called

FEED = 1_000  # partitions that wait between a parent and its child
FEED_WHOLE = 10  # those that are whole pages


class Gate:
    """Counts the slices that the records of one slice led to, and opens when they are over."""

    def __init__(self) -> None:
        self._left = 0
        self._open = asyncio.Event()
        self._open.set()

    @property
    def held(self) -> bool:
        """Whether there is any to wait for."""
        return self._left > 0

    def add(self) -> None:
        """One more slice to wait for."""
        self._left += 1
        self._open.clear()

    def done(self) -> None:
        """One of them is over."""
        self._left -= 1
        if self._left == 0:
            self._open.set()

    async def wait(self) -> None:
        """Until all are over."""
        await self._open.wait()


class Fed(msgspec.Struct, frozen=True, kw_only=True):
    """A partition, and the gates that wait for it."""

    piece: Slice
    gates: tuple[Gate, ...] = ()

    def hold(self) -> None:
        """Somebody works on it: its gates stay shut."""
        for gate in self.gates:
            gate.add()

    def release(self) -> None:
        """That work is over."""
        for gate in self.gates:
            gate.done()


class Feed:
    """The way from a parent's pages to one child's partitions."""

    def __init__(self, parent: Parent, child: StreamContext) -> None:
        self.parent = parent
        self.child = child
        self.lineage = Lineage(parent, child)
        # A child of several parents takes them in an order of its own: none may be held back
        # meanwhile, for another may be waiting for it.
        # The same goes for one that may have to wait for another stream of its group.
        # Those that take turns are waited for by whoever makes them.
        of = child.stream
        alone = len(parents_of(of.partition)) == 1 and of.group is None and of.order is None
        most = FEED_WHOLE if parent.whole else FEED
        self._queue: asyncio.Queue[Fed | None] = asyncio.Queue(most if alone else 0)
        self._over = False

    async def put(self, piece: Slice, *gates: Gate) -> None:
        """A partition made of a record of the slice whose gate this is, and one of its own."""
        fed = Fed(piece=piece, gates=gates)
        fed.hold()
        await self._queue.put(fed)

    async def close(self) -> None:
        """The parent has nothing more."""
        await self._queue.put(None)

    async def partitions(self) -> AsyncIterator[Fed]:
        """The partitions, each held until whoever takes it releases it."""
        while not self._over:
            fed = await self._queue.get()
            if fed is None:
                self._over = True
                return
            yield fed


def left_over(context: StreamContext) -> list[Fed]:
    """The partitions that an earlier run lost, and that their parent may not list again."""
    kept = (text for name, text in context.state.items() if name.startswith("todo/"))
    return [Fed(piece=read_slice(text)) for text in kept]


class Partitions:
    """Walks the partition tree of one stream."""

    def __init__(self, context: StreamContext, feeds: list[Feed]) -> None:
        self._context = context
        self._feeds = iter(feeds)

    async def walk(self) -> AsyncGenerator[Fed]:
        """The partitions of the stream; each comes held, as if one slice of it were under way.

        Raises:
            ExprError: what should be a list of values is none.
        """
        partition = self._context.stream.partition
        for leaf in leaves(partition):
            if isinstance(leaf, Values):
                self._items(leaf)  # an error shows before any partition is taken from a parent
        walk = _one(Fed(piece=Slice())) if partition is None else self._walk(partition)
        async for fed in walk:
            yield fed

    def _walk(self, partition: Partition) -> AsyncIterator[Fed]:
        match partition:
            case Values():
                return self._values(partition)
            case Parent():
                return next(self._feeds).partitions()
            case Product():
                return self._product([self._walk(member) for member in partition.members])
            case Chain():
                return _chain([self._walk(member) for member in partition.members])
            case Merged():
                walks = [self._walk(member) for member in partition.members]
                return _merged(_chain(walks), partition.name)
            case Grouped():
                return _grouped(self._walk(partition.of), partition)
            case Compute():
                return self._computed(partition)
            case _:
                assert_never(partition)

    async def _computed(self, compute: Compute) -> AsyncIterator[Fed]:
        """The partitions of a class, which may have to ask for them."""
        door = self._context.door
        assert door is not None, "the reader gives every stream its door"
        pieces = await called(lambda: iter(compute.function(door)))
        while (piece := await called(next, pieces, None)) is not None:
            yield Fed(piece=piece)

    def _items(self, values: Values) -> Sequence[JsonValue]:
        items = evaluate(values.values, self._context.frame(Slice()))
        if items == "":  # a value that the user left out: there is nothing to ask for
            return ()
        if not isinstance(items, (list, tuple)):
            raise ExprError(f"the values of partition {values.name!r} are {items!r}, not a list")
        return items

    async def _values(self, values: Values) -> AsyncIterator[Fed]:
        for item in self._items(values):
            yield Fed(piece=Slice(partition=((values.name, item),)))

    async def _product(self, walks: list[AsyncIterator[Fed]]) -> AsyncIterator[Fed]:
        """Each partition of the first member with every combination of the others'."""
        others: list[Fed] | None = None
        async for first in walks[0]:
            if others is None:
                others = await _combined(walks[1:])
            for other in others:
                fed = _joined(first, other)
                fed.hold()
                yield fed
            first.release()
        for other in others or ():
            other.release()


async def _combined(walks: list[AsyncIterator[Fed]]) -> list[Fed]:
    """Every combination of the members, the last varying fastest."""
    combined = [Fed(piece=Slice())]
    for walk in walks:
        members, before = [fed async for fed in walk], combined
        combined = [_joined(one, member) for one in before for member in members]
        # Each combination holds the gates of its parts, which nobody else has to hold any more.
        for fed in combined:
            fed.hold()
        for part in (*before, *members):
            part.release()
    return combined


def _joined(one: Fed, other: Fed) -> Fed:
    """Two partitions as one; where both have a name, the first one's value stands."""
    names = {name for name, _ in one.piece.partition}
    more = tuple(pair for pair in other.piece.partition if pair[0] not in names)
    piece = msgspec.structs.replace(
        one.piece,
        partition=(*one.piece.partition, *more),
        seen=(*one.piece.seen, *other.piece.seen),
        version=one.piece.version + other.piece.version,
        unsure=(*one.piece.unsure, *other.piece.unsure),
    )
    return Fed(piece=piece, gates=(*one.gates, *other.gates))


async def _one(fed: Fed) -> AsyncIterator[Fed]:
    yield fed


async def _chain(walks: list[AsyncIterator[Fed]]) -> AsyncIterator[Fed]:
    for walk in walks:
        async for fed in walk:
            yield fed


async def _merged(walk: AsyncIterator[Fed], name: str) -> AsyncIterator[Fed]:
    """One partition for each value of `name`; the other values are only seen by templates."""
    known: set[str] = set()
    async for fed in walk:
        kept = tuple(pair for pair in fed.piece.partition if pair[0] == name)
        others = tuple(pair for pair in fed.piece.partition if pair[0] != name)
        piece = msgspec.structs.replace(fed.piece, partition=kept, seen=(*fed.piece.seen, *others))
        if piece.partition_key in known:
            fed.release()
            continue
        known.add(piece.partition_key)
        yield Fed(piece=piece, gates=fed.gates)


async def _grouped(walk: AsyncIterator[Fed], group: Grouped) -> AsyncIterator[Fed]:
    """Partitions whose values are lists of up to `size` values."""
    known: set[str] = set()
    held: list[Fed] = []
    async for fed in walk:
        key = fed.piece.partition_key
        if group.distinct and key in known:
            fed.release()
            continue
        known.add(key)
        held.append(fed)
        if len(held) == group.size:
            yield _as_group(held)
            held = []
    if held:
        yield _as_group(held)


def _as_group(held: list[Fed]) -> Fed:
    """One partition whose values are the lists of theirs; it keeps their holds as they are."""
    values: dict[str, list[JsonValue]] = {}
    seen: dict[str, list[JsonValue]] = {}
    for fed in held:
        for name, value in fed.piece.partition:
            values.setdefault(name, []).append(value)
        for name, value in fed.piece.seen:
            seen.setdefault(name, []).append(value)
    version = "".join(fed.piece.version for fed in held)
    unsure = tuple(one for fed in held for one in fed.piece.unsure)
    piece = Slice(
        partition=tuple(values.items()), seen=tuple(seen.items()), version=version, unsure=unsure
    )
    return Fed(piece=piece, gates=tuple(gate for fed in held for gate in fed.gates))
