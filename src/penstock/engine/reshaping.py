"""Tables built again from kept pages: nested, typed or bound otherwise, without a request.

Checkpoints are replayed as they were committed, under the same load ids and with the same state, so
the ledger of the destination makes each happen once: what is there already is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec

from penstock.destinations import kind_of, open_destination
from penstock.destinations.base import Append, Checkpoint, Owner, Replace, Session, Write
from penstock.engine.joint import Names
from penstock.engine.keeping import Head, kept, read_segments
from penstock.engine.lot import split
from penstock.engine.nesting import without_structs
from penstock.engine.pieces import ADDED
from penstock.engine.running import new_run_id
from penstock.engine.shaping import Shaping, Shapings, Shelf, Stored, those_beside
from penstock.errors import Error
from penstock.events import Committed, Event
from penstock.plan.check import check_streams
from penstock.plan.hints import Hints, Nesting
from penstock.plan.source import Source
from penstock.plan.together import together
from penstock.shape import Batch, Block, Segment
from penstock.shape.names import identifier

Kept = tuple[Path, Head]


class Reshaped(msgspec.Struct, frozen=True, kw_only=True):
    """What was built: rows by table; `again` are checkpoints that were there already.

    `unsure` are those of which nobody knows whether they were committed: they are left out.
    """

    destination: str
    db_schema: str
    rows: dict[str, int]
    checkpoints: int
    again: int
    unsure: int


def reshape(  # noqa: PLR0913 (the words of the command line)
    folder: Path,
    destination: str,
    *,
    db_schema: str | None = None,
    source: Source | None = None,
    nesting: Nesting | None = None,
    select: tuple[str, ...] = (),
    takeover: bool = False,
    on_event: Callable[[Event], None] = lambda _event: None,
) -> Reshaped:
    """Build the tables of kept pages in `destination`; blocks until it is done.

    Nesting, columns and contracts are as the document of `source` says now, if one is given, and as
    they were when the pages came if not; `nesting` is that of all streams.

    Raises:
        Error: the folder holds no pages, or pages of several schemas.
        DestinationError: the destination cannot be opened, or keeps nothing more.
        ShapeError: a record cannot be shaped as it is asked for now.
    """
    found, unsure = _found(folder)
    wanted = _selected(found, select)
    schema = db_schema or _schema(found)
    run_id = new_run_id()
    session = open_destination(destination).open(
        owner=Owner.here(run_id),
        db_schema=schema,
        takeover="always" if takeover else "dead",
    )
    if source is not None:
        source = together(source, frozenset(s.name for s in source.streams if s.selected))
    hints = partial(_hints, source, nesting, nested=kind_of(destination).nested)
    replay = _Replay(session, run_id, hints, [one for one in found if one[1].stream in wanted])
    try:
        replay.run(on_event)
    finally:
        session.close()
    return Reshaped(
        destination=destination,
        db_schema=schema,
        rows=replay.rows,
        checkpoints=len(found),
        again=replay.again,
        unsure=unsure,
    )


def _found(folder: Path) -> tuple[list[Kept], int]:
    found, unsure = kept(folder)
    if not found:
        raise Error(
            f"{str(folder)!r} holds no kept pages",
            code="no-pages",
            hint="keep some with: penstock run SOURCE --keep-pages DIR",
        )
    return found, unsure


def _selected(found: Sequence[Kept], select: tuple[str, ...]) -> list[str]:
    names = list(dict.fromkeys(head.stream for _, head in found))
    check_streams(names, select)
    return [name for name in names if not select or name in select]


def _schema(found: Sequence[Kept]) -> str:
    names = sorted({head.db_schema for _, head in found})
    if len(names) > 1:
        raise Error(
            f"the pages are of several schemas: {', '.join(names)}",
            code="no-pages",
            hint="say with --db-schema which one the tables go to",
        )
    return names[0]


class _Replay:
    """Replays checkpoints, in the order in which they were committed."""

    def __init__(
        self, session: Session, run_id: str, hints: Callable[[Head], Hints], found: Sequence[Kept]
    ) -> None:
        self._session = session
        self._found = found
        self._shown = {one for _, head in found for one in _shown(head)}
        self._shelf = Shelf()
        self._shelf.kept = Names(session).of
        self._made = partial(_Stream, session, run_id, hints, self._shelf)
        self._streams: dict[str, _Stream] = {}
        self.rows: dict[str, int] = {}
        self.again = 0

    def run(self, on_event: Callable[[Event], None]) -> None:
        """Commit them; those that were there already are counted."""
        knows = self._session.knows
        there = {one for _, h in self._found for one in _shown(h) if knows(h.load_id)}
        for path, head in self._found:
            build = (head.stream, head.generation)
            if head.generation is not None and build not in self._shown:
                continue  # a replacement that was never complete
            if build in there or knows(head.load_id):
                self.again += 1
                continue
            stream = self._streams.setdefault(head.stream, self._made())
            done = stream.commit(path, head, [self._streams[n] for n in self._others(head)])
            for table, count in done.items():
                self.rows[table] = self.rows.get(table, 0) + count
            rows = sum(done.get(root, 0) for root in stream.roots)
            load_id = stream.named(head)
            on_event(Committed(stream=head.stream, load_id=load_id, rows=rows))

    def _others(self, head: Head) -> list[str]:
        """The streams whose tables are shown with those of another one."""
        return [name for name in head.shows if name in self._streams and name != head.stream]


def _shown(head: Head) -> set[tuple[str, str | None]]:
    """The generations that are shown with a checkpoint, by the name of what they are of."""
    own = {(head.stream, head.generation)} if head.generation and head.last else set()
    return own | {(name, head.run_id) for name in head.shows}


class _Stream:
    """Builds the tables of one stream."""

    def __init__(
        self, session: Session, run_id: str, hints: Callable[[Head], Hints], shelf: Shelf
    ) -> None:
        self._session = session
        self._run_id = run_id
        self._hints = hints
        self._shelf = shelf
        self._tables: Shapings | None = None
        self._head: Head | None = None

    def named(self, head: Head) -> str:
        """The load id of a checkpoint."""
        if head.generation is not None and not head.last:
            # an attempt that died left its rows nowhere, and its load ids in the ledger
            return f"{head.load_id}.{self._run_id}"
        return head.load_id

    @property
    def roots(self) -> list[str]:
        """The tables that there are."""
        return [one.root for _, one in self._tables or ()]

    def commit(self, path: Path, head: Head, others: Sequence[_Stream]) -> Mapping[str, int]:
        """Commit what a file holds, and show what others have built with it; gives the rows."""
        tables = self._tables = self._tables or self._begun(head)
        self._head, load_id = head, self.named(head)
        made = tables.shape(self._blocks(path, head, load_id))
        main, *more = (self._part(head, one, load_id, made.get(name)) for name, one in tables)
        beside = [part for part in more if part.schema or part.retract]
        ends = head.generation is not None and head.last
        added = {name for name, _ in head.state} if ends else set()
        unseen = tables.unseen if ends or head.retract else ()
        beside += [self._said(head, n, load_id) for n in unseen if f"{ADDED}{n}" not in added]
        there = {main.stream, *(part.stream for part in beside)}
        beside += [p for one in others for p in one.ending(head) if p.stream not in there]
        main = msgspec.structs.replace(main, slices=head.slices, beside=tuple(beside))
        for name, state in ((head.stream, head.state), *head.states.items()):
            main = main.with_state(name, dict(state))
        return self._session.commit(main).rows

    def _begun(self, head: Head) -> Shapings:
        """The tables as they are there, under whichever name."""
        hints = self._hints(head)
        there = self._session.schema(head.stream) is not None
        table = hints.table or head.stream
        owner = None if there else self._shelf.kept(identifier(table))
        if owner is not None:
            hints = msgspec.structs.replace(hints, table=table)
        return Shapings(
            *(head.stream, hints, self._known, self._beside(head.stream)),
            shelf=self._shelf,
            owner=owner,
        )

    def ending(self, last: Head) -> list[Checkpoint]:
        """What shows the tables, with the last checkpoint of another stream."""
        assert self._head is not None, "only of one that has some"
        ends = {"load_id": last.load_id, "last": True, "shows": last.shows, "retract": ()}
        head = msgspec.structs.replace(self._head, **ends)
        parts = [self._part(head, one, last.load_id, None) for _, one in self._tables or ()]
        return [part for part in parts if part.schema]

    def _known(self, stream: str, _table: str) -> Stored:
        return Stored(schema=self._session.schema(stream))

    def _beside(self, stream: str) -> tuple[str, ...]:
        return those_beside(stream, self._session.streams())

    def _blocks(self, path: Path, head: Head, load_id: str) -> dict[str, Block]:
        """The records of a file, by the table that they go to."""
        assert self._tables is not None, "there is one as soon as there is a file"
        found: dict[str, list[Segment]] = {}
        for segment, tables in read_segments(path):
            names = self._tables.names(tables)
            for name, part in split(segment, names):
                found.setdefault(name, []).append(part)
        said = {
            name: self._hints(msgspec.structs.replace(head, hints=head.others[name]))
            for name in found
            if name in head.others
        }
        self._tables.begin(list(found), self._tables.said(said))
        return {n: Block(load_id=load_id, segments=tuple(parts)) for n, parts in found.items()}

    def _part(self, head: Head, one: Shaping, load_id: str, batch: Batch | None) -> Checkpoint:
        part = self._said(head, one.stream, load_id, one)
        divided = one.bare and self._tables is not None and bool(self._tables.others)
        # declared columns are there, typed, where no value came for them, as after a run
        settles = head.whole and one.shaper.settle()
        tells = head.last and (head.generation is not None or one.hints.needs_all)
        tells = tells or (head.whole and one.bare and one.shaper.declares)
        tells = tells or one.stream in head.shows
        if batch is None and not settles and (divided or not tells):
            return msgspec.structs.replace(part, write=Append()) if one.bare else part
        batches = [batch] if batch is not None else []
        return msgspec.structs.replace(part, schema=one.shaper.schema, batches=batches)

    def _said(
        self, head: Head, stream: str, load_id: str, one: Shaping | None = None
    ) -> Checkpoint:
        """A checkpoint without rows."""
        replaces, generation = head.generation is not None, f"{head.run_id}.{self._run_id}"
        write: Write = Replace(generation=generation, swap=head.last) if replaces else Append()
        if one is not None:
            fresh = replaces and head.hints.write != "replace"
            last = head.last or one.stream in head.shows
            write = one.write(fresh=fresh, generation=generation, last=last)
        return Checkpoint(
            load_id=load_id,
            run_id=head.run_id,
            stream=stream,
            write=write,
            schema=None,
            retract=head.retract,
        )


def _hints(source: Source | None, nesting: Nesting | None, head: Head, *, nested: bool) -> Hints:
    """What was said of a stream's tables then, with what shall be otherwise now."""
    hints = head.hints
    now = source and source.stream(head.stream)
    if now:
        hints = msgspec.structs.replace(
            hints,
            nesting=now.hints.nesting,
            nesting_at=now.hints.nesting_at,
            max_nesting=now.hints.max_nesting,
            columns=now.hints.columns,
            nested=now.hints.nested,
            contract=now.hints.contract,
        )
    if nesting:
        hints = msgspec.structs.replace(hints, nesting=nesting)
    return hints if nested else without_structs(hints)
