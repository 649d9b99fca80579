"""The tables that records of one stream go to: its own, and others that rows or functions name.

Each of these is shaped and kept like a stream of its own, under a name made of both; what they
bring is committed together. A table that several streams have rows for is one for all of them,
under the name of the stream that made it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from penstock.destinations.base import Append, Merge, Replace, Sort, Write
from penstock.engine.carving import Carver, Way, below, ways
from penstock.errors import ShapeError
from penstock.plan.hints import Contract, Hints, Validity
from penstock.shape import Batch, Block, Roles, Schema, Shaper, Style
from penstock.shape.names import identifier, join
from penstock.shape.report import SchemaChange, Statistics
from penstock.shape.schema import SystemStyle, Within

MAIN = ""
"""Stands for the stream's own table among the names of tables."""

_BETWEEN = " => "


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What there is of a stream: its tables, and how further ones are made.

    `anew` says that the rows of the run are to make the tables, whatever they were.
    """

    schema: Schema | None = None
    style: Style = Style()
    anew: bool = False


TablesOf = Callable[[str, str], Stored]
"""What there is of a stream, given its name and what its table is called."""


def beside(stream: str, table: str) -> str:
    """The name under which a further table of a stream is kept."""
    return f"{stream}{_BETWEEN}{table}"


def is_beside(name: str) -> bool:
    """Whether a further table of a stream is kept under that name."""
    return _BETWEEN in name


def made_by(name: str) -> str:
    """The stream that made the table which is kept under a name."""
    return name.partition(_BETWEEN)[0]


def those_beside(stream: str, names: Sequence[str]) -> tuple[str, ...]:
    """The names of further tables of a stream."""
    return tuple(name for name in names if name.startswith(stream + _BETWEEN))


class Shaping:
    """One table and its children: what was said of it, and what shapes its rows.

    `held` is what it was, where that counts no more as soon as there is a row.
    """

    def __init__(
        self,
        stream: str,
        hints: Hints,
        tables_of: TablesOf,
        *,
        within: Within | None = None,
    ) -> None:
        self.stream = stream
        self.within = within
        self.told = 0, 0  # changes and warnings that were said
        self.begun = False  # whether a row has come
        self.wrote: bool | None = None  # where rows are on their way: whether they replace others
        self.learned = False  # whether rows have made what was known otherwise before
        self._plant(tables_of(stream, hints.table or stream), hints)

    def _plant(self, stored: Stored, hints: Hints, after: Shaper | None = None) -> None:
        self.hints = hints
        self.stored = stored
        self.bare = stored.schema is None  # neither a table nor a row for one
        self.held = stored.schema if stored.anew and _may_be_learned(hints) else None
        self.shaper = Shaper(
            self.stream,
            hints,
            stored.schema if self.held is None else None,
            style=stored.style,
            after=after,
            within=self.within,
        )

    def plant_again(self, hints: Hints) -> None:
        """Go on with other hints, from what the table is by now."""
        before, stored = self.shaper, self.stored
        if not (self.bare or stored.anew):
            stored = msgspec.structs.replace(stored, schema=before.schema)
        if self.within is not None:
            self.within = msgspec.structs.replace(self.within, rooted=before.rooted)
        self.told = 0, 0
        self._plant(stored, hints, before)

    def came(self) -> None:
        """A row has come: there is a table, and what was there before is known or gone."""
        self.bare = False
        self.learned = self.learned or self.held is not None
        self.held = None
        if self.stored.anew:
            self.stored = msgspec.structs.replace(self.stored, anew=False)

    @property
    def empty(self) -> bool:
        """Whether there is no row that makes a table."""
        return self.bare or self.held is not None

    @property
    def schema(self) -> Schema:
        """The tables, as the rows have made them."""
        return self.held or self.shaper.schema

    @property
    def system(self) -> SystemStyle:
        """Whose names the engine's own columns have."""
        return self.stored.style.system

    @property
    def root(self) -> str:
        """The table's name."""
        return self.shaper.schema.root.name

    @property
    def parts(self) -> Way:
        """What the names of tables below it are made of."""
        return (self.root,) if self.within is None else self.within.parts

    @property
    def keeps(self) -> bool:
        """Whether rows that are gone are kept, so that nothing is ever built anew."""
        return self.hints.keeps_gone

    def ends(self, *, whole: bool) -> bool:
        """Whether the end of a reading says what is gone; `whole` says that it brings all rows.

        Of sets it always does: each that comes is whole.
        """
        return self.keeps and (whole or (self.hints.versions and bool(self.hints.merge_key)))

    def replaces(self, *, fresh: bool) -> bool:
        """Whether the table is built anew, as it also is in a `fresh` run."""
        return self.hints.write == "replace" or (fresh and not self.keeps)

    def write(self, *, fresh: bool, generation: str, last: bool, at: str | None = None) -> Write:
        """How rows are written in a run that began `at`; `last` says that these are the last."""
        roles = self.shaper.roles
        keyed = roles.key or roles.merge_key or self.hints.versions
        if self.replaces(fresh=fresh):
            merges = self.hints.write == "merge" and keyed and self.held is None
            merge = merging(self.hints, roles, ends=False, at=at) if merges else None
            return Replace(generation=generation, swap=last, merge=merge, anew=self.learned)
        if self.hints.write == "append" or not keyed:
            return Append()
        return merging(self.hints, roles, ends=last, at=at)


class Shelf:
    """The tables of a run by name, of which each is one, whichever streams have rows for it.

    `kept` gives the name under which earlier runs have kept a table, if they have. `shown` are the
    names of those that this run has built anew, and shown: what comes for them now is added.
    """

    def __init__(self) -> None:
        self.kept: Callable[[str], str | None] = lambda _table: None
        self._made: dict[str, Shaping] = {}
        self.shown: set[str] = set()

    def find(self, table: str, within: Within | None = None) -> Shaping | None:
        """The table of that name, unless rows are made for it in another way."""
        found = self._made.get(table)
        return found if found is not None and (found.within is None) == (within is None) else None

    def name(self, table: str, wanted: str) -> str:
        """The name to keep a table under: the one it has, or the one that is wanted."""
        return self.kept(table) or wanted

    def put(self, table: str, made: Shaping) -> None:
        """A table that there was none of in this run."""
        self._made.setdefault(table, made)

    @property
    def streams(self) -> set[str]:
        """The names under which the tables are kept."""
        return {one.stream for one in self._made.values()}


class Shapings:
    """All tables of one stream. `known` names those that earlier runs made beside its own.

    `owner` is the name under which its own table is kept, where that is another one's. With `split`
    its records go to others alone, as functions name them, unless its own is named.
    """

    def __init__(  # noqa: PLR0913 (what a stream's tables are made of)
        self,
        stream: str,
        hints: Hints,
        tables_of: TablesOf,
        known: Sequence[str] = (),
        *,
        shelf: Shelf | None = None,
        owner: str | None = None,
        split: bool = False,
    ) -> None:
        self.stream = stream
        self._split = split
        self._tables_of = tables_of
        self._shelf = shelf or Shelf()
        self.known = known
        self.others: dict[str, Shaping] = {}
        self._carvers: dict[str, Carver] = {}
        self._divided: dict[str, Shaper] = {}
        self._waiting: dict[str, Hints] = {}  # what is said of tables before they have rows
        self.met: set[str] = set()  # those that others had rows for before
        self.main = Shaping(owner or stream, hints, tables_of)
        if not split:
            self._shelf.put(self.main.root, self.main)
            self.main = self._shelf.find(self.main.root) or self.main
        self._hints = hints
        self._divide(MAIN, self.main)

    def __iter__(self) -> Iterator[tuple[str, Shaping]]:
        yield MAIN, self.main
        yield from self.others.items()

    @property
    def unseen(self) -> tuple[str, ...]:
        """The names under which earlier runs made tables that this one has no row for."""
        seen = self._shelf.streams
        return tuple(name for name in self.known if name not in seen)

    def owns(self, stream: str) -> bool:
        """Whether a table that is kept under that name is of this stream, or its own one."""
        return stream == self.main.stream or bool(those_beside(self.stream, (stream,)))

    def at(self, name: str) -> Shaping:
        """The table of that name."""
        return self.main if name == MAIN else self.others[name]

    def names(self, tables: Sequence[str] | None) -> list[str] | None:
        """The tables that are said of records, as they are known here."""
        if tables is None:
            return None
        spelled = {table: self._spelled(table) for table in set(tables)}
        return [spelled[table] for table in tables]

    def _spelled(self, table: str) -> str:
        longest = self.main.stored.style.longest
        main = self._hints.table or self.stream
        name = identifier(table, longest)
        return MAIN if name == identifier(main, longest) and self._is_free(name) else name

    def _is_free(self, table: str) -> bool:
        """Whether nobody else has the stream's own table."""
        found = self._shelf.find(table)
        if found is None and self._split and self._shelf.name(table, self.stream) == self.stream:
            self._shelf.put(table, found := self.main)
        return found is self.main

    def said(self, hints: Mapping[str, Hints] | None) -> dict[str, Hints]:
        """What is said of tables, by the names that these have here."""
        spelled = ((self._spelled(table), said) for table, said in (hints or {}).items())
        return {name: self._own(name, said) for name, said in spelled}

    def changed(self, said: Mapping[str, Hints]) -> bool:
        """Whether one of the tables has rows, and was not said to be so before."""
        return any(self._has(name) and self.at(name).hints != said[name] for name in said)

    @property
    def hints(self) -> dict[str, Hints]:
        """What is said of each of the tables."""
        return {name: one.hints for name, one in self}

    def _has(self, name: str) -> bool:
        return name == MAIN or name in self.others

    def begin(self, names: Sequence[str], said: Mapping[str, Hints]) -> bool:
        """Make ready for rows of these tables; those of which nothing is said are as the main.

        What is said of a table whose rows have all been left out holds for the rows to come. Of
        one that several have rows for, what counts is what the first of them says, as in dlt.
        Gives whether one of them is new here, and there because of others.

        Raises:
            ShapeError: one is to be written in another way than rows that are on their way.
        """
        self._waiting.update(said)
        self._hints = said.get(MAIN, self._hints)
        met = False
        for name in dict.fromkeys((*names, *(name for name in said if self._has(name)))):
            own = said.get(name) or self._waiting.get(name) or self._own(name, self._hints)
            if not self._has(name):
                met = self._add(name, own) or met
            one = self.at(name)
            if one.hints != own and (name in said or not one.begun):
                _check_write(one, own)
                one.plant_again(own)
            one.begun = one.begun or name in names
            self._divide(name, one)
        return met

    def _add(self, name: str, hints: Hints, within: Within | None = None) -> bool:
        one = self._shelf.find(name, within)
        if one is not None:
            self.met.add(name)
        else:
            stream = beside(self.stream, name)
            if stream not in self.known:
                stream = self._shelf.name(name, stream)
            one = Shaping(stream, hints, self._tables_of, within=within)
            self._shelf.put(name, one)
        self.others[name] = one
        self._divide(name, one)
        return name in self.met

    def _divide(self, name: str, one: Shaping) -> None:
        """Make ready the tables that lists in the records of a table go to on their own."""
        if self._divided.get(name) is one.shaper:
            return
        self._divided[name] = one.shaper
        targets: dict[Way, str] = {}
        longest = one.stored.style.longest
        for way, said in ways(one.hints, longest).items():
            parts = (*one.parts, *way)
            table = join(*parts, longest=longest)
            targets[way] = table
            if table not in self.others:
                own, rooted = self._own(table, said), one.shaper.descends
                self._add(table, own, Within(parts=parts, rooted=rooted))
        if targets:
            rooted = any(self.others[table].shaper.rooted for table in targets.values())
            self._carvers[name] = Carver(
                targets, rooted=rooted, versions=one.hints.versions, longest=longest
            )

    def _own(self, name: str, hints: Hints) -> Hints:
        main = self._hints
        return msgspec.structs.replace(
            hints,
            table=main.table if name == MAIN else name,
            nesting=main.nesting,
            nesting_at=main.nesting_at,
        )

    def shape(self, blocks: Mapping[str, Block]) -> dict[str, Batch]:
        """The tables of blocks of records, by the name of the table they are for.

        Raises:
            ShapeError: a record cannot be shaped, or two of the tables come to one name.
        """
        whole = self._carved(blocks) if self._carvers else blocks
        made: dict[str, Batch] = {}
        names: dict[str, str] = {}
        for name, block in whole.items():  # those that lists were taken out of come first
            one = self.at(name)
            made[name] = one.shaper.shape(below(block, names) if names else block)
            names |= one.shaper.renamed(block) if name in self._carvers else {}
            one.came()
        if self.others:
            self._check_names()
        return made

    def _carved(self, blocks: Mapping[str, Block]) -> dict[str, Block]:
        """The blocks, with lists that go to tables of their own in blocks of these."""
        found: dict[str, Block] = {}
        left = list(blocks.items())
        while left:
            name, block = left.pop(0)
            carver = self._carvers.get(name)
            if carver is not None:
                block, more = carver.carve(block)
                left += more.items()
            if name in found:
                segments = (*found[name].segments, *block.segments)
                block = msgspec.structs.replace(block, segments=segments)
            found[name] = block
        return found

    def _check_names(self) -> None:
        seen: dict[str, str] = {}
        for _, one in self:
            for table in one.shaper.schema.tables if not one.bare else ():
                first = seen.setdefault(table.name, one.root)
                if first != one.root:
                    raise ShapeError(
                        f"the tables {first!r} and {one.root!r} both come to {table.name!r}",
                        code="shared-table",
                        hint="name the tables otherwise",
                    )

    def news(self) -> Iterator[tuple[SchemaChange | None, tuple[str, str] | None]]:
        """What shaping changed and found since the last time: changes, and codes of warnings."""
        for _, one in self:
            seen = one.shaper.statistics()
            changes, warned = one.told
            yield from ((change, None) for change in seen.changes[changes:])
            yield from ((None, (w.code, w.message)) for w in seen.warnings[warned:])
            one.told = len(seen.changes), len(seen.warnings)

    def statistics(self) -> Statistics:
        """What has been done so far, for all tables together that others have not begun."""
        if not self.others:
            return self.main.shaper.statistics()
        found = [one.shaper.statistics() for name, one in self if name not in self.met]
        total = {
            field: sum((getattr(one, field) for one in found), start=type(value)())
            for field, value in msgspec.structs.asdict(found[0]).items()
        }
        return Statistics(**total)


def _check_write(one: Shaping, hints: Hints) -> None:
    replaces, before = hints.write == "replace", one.hints.write == "replace"
    if one.wrote not in {None, replaces} and replaces != before:
        raise ShapeError(
            f"rows of table {one.root!r} say the disposition {hints.write!r}, and others of the "
            f"run are written by {one.hints.write!r} already",
            code="late-disposition",
            hint="say write_disposition on the resource, or mark the first row with it",
        )


def _may_be_learned(hints: Hints) -> bool:
    """Whether tables are what their rows make of them: no row is kept, and no contract holds."""
    told = (hints.contract, *(nested.contract for nested in hints.nested if nested.contract))
    return not hints.keeps_gone and all(contract == Contract() for contract in told)


def merging(hints: Hints, roles: Roles, *, ends: bool, at: str | None = None) -> Merge:
    """How the rows of a stream are merged, in a run that began `at`."""
    by = roles.sort
    return Merge(
        key=roles.key,
        strategy=hints.strategy,
        merge_key=roles.merge_key,
        sort=Sort(column=by.column, descending=by.descending) if by else None,
        hard_delete=roles.hard_delete,
        soft_delete=hints.marks_deleted,
        ends=ends,
        validity=_validity(hints.validity, roles, at),
    )


def _validity(said: Validity, roles: Roles, at: str | None) -> Validity:
    """What is said of versions, with the names that columns have."""
    return Validity(
        since=said.since and identifier(said.since),
        until=said.until and identifier(said.until),
        version=roles.version,
        forever=said.forever,
        at=said.at or at,
    )
