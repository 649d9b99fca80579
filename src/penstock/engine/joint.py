"""What streams have in common that load one table: the table, and when all of it is there.

Each has its own loader, state and checkpoints. The table is kept under the name of one of them, its
owner, as a checkpoint beside those of the others. What is built anew is shown, and what a run lacks
means something, only when all of them are complete: the last one that ends keeps what of the state
of the others waited for that.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from penstock.destinations.base import Checkpoint, DltLoad, Session
from penstock.engine.dlt import Dlt
from penstock.engine.shaping import Shapings, Shelf, TablesOf, is_beside
from penstock.errors import DestinationError
from penstock.plan import together
from penstock.plan.hints import Hints
from penstock.plan.source import Source, Stream
from penstock.read.behind import moves, nothing
from penstock.read.context import StreamContext
from penstock.shape.names import identifier

if TYPE_CHECKING:
    from penstock.engine.loader import StreamLoader
    from penstock.engine.lot import Lot


class Joint:
    """The streams of one table, of which most have one. `owner` is whose the table is.

    `others` are those of the run, on whose `shelf` all tables stand: two of them become one where
    records of both go to a table.
    """

    def __init__(
        self, owner: str, shelf: Shelf | None = None, others: list[Joint] | None = None
    ) -> None:
        self.owner = owner
        self.shelf = shelf or Shelf()
        self.loaders: list[StreamLoader] = []
        self.shown = False
        self._others = others if others is not None else []
        self._others.append(self)
        self._tables: Shapings | None = None

    def join(
        self,
        loader: StreamLoader,
        hints: Hints,
        tables_of: TablesOf,
        beside: Callable[[str], Sequence[str]],
    ) -> Shapings:
        """One more stream; gives the table."""
        self.loaders.append(loader)
        if self._tables is None:
            stream = loader.name if is_beside(self.owner) else self.owner
            if self.owner != loader.name:
                hints = msgspec.structs.replace(hints, table=hints.table or loader.name)
            self._tables = Shapings(
                *(stream, hints, tables_of, beside(stream)),
                shelf=self.shelf,
                owner=self.owner,
                split=loader.context.stream.table_of is not None,
            )
        return self._tables

    def meet(self) -> None:
        """Become one with those whose records go to the same tables, as far as these are open."""
        mine = {one.stream for tables in self.tables for _, one in tables}
        for other in [one for one in self._others if one is not self and not one.shown]:
            if any(one.stream in mine for tables in other.tables for _, one in tables):
                self._others.remove(other)
                self.loaders += other.loaders
                for loader in other.loaders:
                    loader.joint = self

    @property
    def tables(self) -> list[Shapings]:
        """The tables of each of the streams; those of which all are the same, once."""
        return list({id(one.tables): one.tables for one in self.loaders}.values())

    def mates(self, loader: StreamLoader) -> list[StreamLoader]:
        """Those that load the same own table, itself among them."""
        return [one for one in self.loaders if one.tables is loader.tables]

    def above(self, context: StreamContext) -> Iterator[StreamLoader]:
        """Those that load what leads to the records of one of them."""
        for parent in context.parents if len(self.loaders) > 1 else ():
            yield from self.above(parent)
            yield from (one for one in self.loaders if one.name == parent.name)

    def stream(self, name: str) -> Stream:
        """The stream of that name."""
        return next(one.context.stream for one in self.loaders if one.name == name)

    @property
    def complete(self) -> bool:
        """Whether all of them are over, and were read in full."""
        return all(one.complete and not one.broken for one in self.loaders)

    @property
    def reads_all(self) -> bool:
        """Whether what they bring is all there is."""
        return all(one.reads_all for one in self.loaders)

    @property
    def known(self) -> Mapping[str, str]:
        """The state of all of them."""
        return {name: text for one in self.loaders for name, text in one.known.items()}

    def waiting(self, last: StreamLoader) -> dict[str, dict[str, str | None]]:
        """What of the state of the others waited for the last one, and what is outdated then."""
        found = {one.name: one.waits for one in self.loaders if one is not last and one.waits}
        for one in self.loaders:
            found |= {name: dict.fromkeys(held) for name, held in one.outside.outdated.items()}
        return found

    def remember(self, loader: StreamLoader, lot: Lot) -> None:
        """Follow what a lot of one of them changes of the state."""
        changed = {**lot.others, loader.name: lot.state}
        for one in self.loaders:
            for name, text in changed.get(one.name, {}).items():
                one.known.pop(name, None)
                if text is not None:
                    one.known[name] = text

    def with_states(
        self, main: Checkpoint, states: Mapping[str, Mapping[str, str | None]], dlt: Dlt | None
    ) -> Checkpoint:
        """What is kept of the table with the state of streams: its owner's, others' beside it."""
        held = dict(states)
        for one in self.loaders:
            held |= one.outside.kept(states.get(one.name, {}))
        for name, state in held.items():
            if state or name == main.stream:
                main = main.with_state(name, state, self._moved(main, name, state, dlt))
        return main

    def _moved(
        self, main: Checkpoint, name: str, state: Mapping[str, str | None], dlt: Dlt | None
    ) -> DltLoad | None:
        """What dlt is told of where a stream's cursor is now."""
        said = (main.of(name) or main).dlt or main.dlt
        known = any(one.name == name for one in self.loaders)
        if dlt is None or said is None or not (state and known):
            return said
        said = msgspec.structs.replace(said, resource=name)
        return dlt.moved(self.stream(name), said, state)

    def end(self) -> None:
        """All are over: what was built and cannot be shown is a failure of all."""
        for one in self.loaders:
            if one.builds and one.complete and not one.broken and not self.shown:
                table = one.tables.main.root
                text = f"not all that {table!r} is made of could be read, so it stays as it was"
                hint = "run the same command again"
                one.give_up(DestinationError(text, code="table-lost", hint=hint))


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """What is below a stream and not in the run: how far it had been given what the stream lists.

    `before` are the entries that the run began with; `there` is what is kept by stand-in already.
    `older` are those of a stand-in whose child is below one that was behind itself.
    `outdated` is what was kept for the stream itself, if that is built anew.
    """

    before: Mapping[str, str] = {}
    there: Mapping[str, Mapping[str, str]] = {}
    older: Mapping[str, Mapping[str, str]] = {}
    outdated: Mapping[str, Mapping[str, str]] = {}

    def kept(self, state: Mapping[str, str | None]) -> dict[str, dict[str, str | None]]:
        """The entries to keep where these change the state."""
        found: dict[str, dict[str, str | None]] = {}
        for stand_in, entries in self.there.items():
            before = {**self.before, **self.older.get(stand_in, {})}
            for name in filter(moves, state):
                old = before.get(name)
                if old is None and name.startswith("cursor"):
                    old = before.get("imported")
                if name not in entries and state[name] != old:
                    found.setdefault(stand_in, {})[name] = old or nothing(name)
        return found


def joints(source: Source, loaded: frozenset[str], session: Session) -> dict[str, Joint]:
    """What streams of one table have in common, by the name of each that is loaded."""
    kept, shelf, others = Names(session), Shelf(), list[Joint]()
    shelf.kept = kept.of
    there = [stream for stream in source.streams if stream.selected or stream.name in loaded]
    held = {one.name: group for group in together.tables(there).values() for one in group}
    found: dict[str, Joint] = {}
    for stream in there:
        group = [one.name for one in held.get(stream.name, (stream,))]
        if stream.name not in loaded or stream.name in found:
            continue
        owner = stream.name
        if stream.table_of is None:
            owner = _owner(stream.table, group, session, kept)
        joint = Joint(owner, shelf, others)
        found |= {name: joint for name in group if name in loaded}
    return found


class Names:
    """The names under which a destination has tables; looked up once, where one is asked for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._names: dict[str, str] | None = None

    def of(self, table: str) -> str | None:
        """The name under which a table is kept, or None where there is none of it."""
        if self._names is None:
            schemas = ((name, self._session.schema(name)) for name in self._session.streams())
            self._names = {one.root.name: name for name, one in schemas if one and one.tables}
        return self._names.get(table)


def _owner(table: str, names: Sequence[str], session: Session, kept: Names) -> str:
    """The one under whose name the table is kept: who made it, or the first of them."""
    root = identifier(table)
    for name in names:
        schema = session.schema(name)
        if schema is not None and schema.tables and schema.root.name == root:
            return name
    return kept.of(root) or names[0]


def ending(left: dict[str, StreamLoader], ended: Container[str], *, fresh: bool) -> list[str]:
    """The streams whose end may be kept, of those that are `left`, in the order to do so.

    Streams of one table end together. In a `fresh` run one with state is shown after what is below
    it: otherwise a run that is cut off between the two would leave the streams below incomplete,
    and the state of the one above would say that they need nothing.
    """
    found: list[str] = []
    ready = [
        name
        for name, loader in reversed(left.items())
        if all(one in ended for one in _with(loader, left, fresh=fresh))
    ]
    while ready:
        first = next((n for n in ready if not _below(left[n]) & set(ready)), ready[0])
        found.append(first)
        ready.remove(first)
    return found


def _with(loader: StreamLoader, left: Mapping[str, StreamLoader], *, fresh: bool) -> set[str]:
    """The streams, of those that are left, that end before one or with it."""
    found: set[str] = set()
    waiting = [loader]
    while waiting:
        one = waiting.pop()
        if one.name in left and one.name not in found:
            found.add(one.name)
            waiting += [*one.joint.loaders, *(one.children if fresh else ())]
            # they may have rows for what is built anew, as long as they are not over
            waiting += (other for other in left.values() if other.scatters and one.builds)
    return found


def _below(loader: StreamLoader) -> set[str]:
    """The streams below one, and those of the same tables, its own apart."""
    mates = {one.name for child in loader.children for one in child.joint.loaders}
    return (mates | {child.name for child in loader.children}) - (
        {one.name for one in loader.joint.loaders} - {child.name for child in loader.children}
    )
