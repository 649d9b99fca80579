"""Loading with the columns and tables of dlt: which are so, load ids, and what dlt is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from penstock.destinations.base import DltLoad, DltSession, Session
from penstock.engine.entries import put_entries
from penstock.engine.homes import Homes
from penstock.engine.shaping import Shaping, Stored
from penstock.errors import DestinationError
from penstock.plan.expr import JsonValue
from penstock.plan.hints import Column, Hints
from penstock.plan.source import Source, Stream
from penstock.plan.target import Pipeline
from penstock.read.context import StreamContext
from penstock.read.dlt_state import cursor_path, cursors_of
from penstock.read.memory import ENTRY, told
from penstock.read.parts import SliceClosed
from penstock.read.state import Mark, entry, order_key, read_mark, write
from penstock.shape import Style
from penstock.shape.names import identifier, join

BEHIND: Final = "behind"
_MICRO = 1_000_000


class Behind:
    """The cursor of the partition that is furthest behind: dlt has one for all of a stream.

    From there on dlt finds everything that is not loaded. It is known when a run has been through
    all partitions, and each has a value: a parent that was not listed may be further behind, and
    so may one without a record below it so far.
    """

    def __init__(self, context: StreamContext) -> None:
        stream, cursor = context.stream, context.stream.cursor
        self._cursor = cursor
        own = cursor is not None and not (
            cursor.shared or cursor.window or cursor.end or cursor.fold
        )
        self._known = own and stream.partition is not None and not context.depends_on_cursor
        self._mark: Mark | None = None

    def closed(self, part: SliceClosed) -> None:
        """A partition is complete: its cursor is among the part's entries if it has a value."""
        cursor, name = self._cursor, entry("cursor", part.slice.partition_key)
        mark = read_mark(dict(part.state).get(name))
        self._known = self._known and mark is not None
        if cursor is None or mark is None:
            return
        least = self._mark
        here = order_key(mark.value, cursor)
        there = here if least is None else order_key(least.value, cursor)
        if least is None or (here < there if cursor.pick == "max" else here > there):
            self._mark = mark
        elif here == there:
            both = tuple(sorted({*least.boundary, *mark.boundary}))
            keys = tuple(sorted({*(least.keys or ()), *(mark.keys or ())}))
            self._mark = msgspec.structs.replace(least, boundary=both, keys=keys)

    def entries(self, *, complete: bool) -> dict[str, str]:
        """What is kept of it when the stream is over."""
        return {BEHIND: write(self._mark)} if complete and self._known and self._mark else {}


class Dlt:
    """What loaders of one run share where tables are as dlt's.

    Load ids are the time, as dlt's are, so that models that take the newest ones go on to work.
    """

    def __init__(self, source: Source, session: DltSession, *, wanted: bool) -> None:
        name = identifier(source.name)
        self._names = source.pipeline or Pipeline(name=name, schema=name)
        self.wanted = wanted
        self._session = session
        self._last = 0

    @classmethod
    def of(cls, session: Session, source: Source, *, wanted: bool) -> Dlt | None:
        """For this session, or None where the destination cannot have such tables.

        Raises:
            DestinationError: they are wanted there.
        """
        if isinstance(session, DltSession):
            return cls(source, session, wanted=wanted)
        if wanted:
            raise DestinationError(
                "files cannot have dlt's columns: dlt takes all that lie in a folder for rows",
                code="dlt-columns",
                hint="load into DuckDB or Postgres, or leave --dlt-columns out",
            )
        return None

    def begin(self) -> None:
        """Look up the last load of the dataset, while nothing else asks the database."""
        self._last = _micros(self._session.last_dlt_load())

    def next_load(self, now: float) -> str:
        """A load id behind all others of the dataset."""
        self._last = max(round(now * _MICRO), self._last + 1)
        whole, rest = divmod(self._last, _MICRO)
        return f"{whole}.{rest:06d}"

    def said(self, resource: str, one: Shaping, *, replaces: bool) -> DltLoad:
        """What dlt is told of the rows of a checkpoint for a table."""
        hints, longest = one.hints, self._session.longest
        write = "replace" if replaces else hints.write
        odd = write == "merge" and hints.strategy != "delete-insert"
        strategy = hints.strategy if odd else None
        return DltLoad(
            source=self._names.schema,
            pipeline=self._names.name,
            resource=resource,
            write=write,
            strategy=strategy,
            columns={
                one.root: _hinted(hints, longest),
                **{
                    join(*one.parts, *nested.path, longest=longest): _columns(
                        nested.columns, longest
                    )
                    for nested in hints.nested
                    if nested.own is None
                },
            },
        )

    def moved(self, stream: Stream, known: DltLoad, state: Mapping[str, str | None]) -> DltLoad:
        """The same of a checkpoint that changes these entries of the stream's state."""
        own, shared = told(state.get(ENTRY))
        known = msgspec.structs.replace(known, own=own, shared=shared)
        cursor, mark = stream.cursor, read_mark(state.get("cursor") or state.get(BEHIND))
        if cursor is None or cursor.window is not None or mark is None:
            return known
        path = cursor_path(cursor)
        merged = known.write == "merge" and mark.keys
        hashes = () if cursor.lag else mark.keys if merged else mark.boundary
        return msgspec.structs.replace(known, cursor=path, last=mark.value, hashes=hashes)


def _hinted(hints: Hints, longest: int) -> dict[str, dict[str, JsonValue]]:
    """What dlt's schema says of columns besides their types, and that it takes for their types.

    Under a contract that keeps the types dlt's next load would fail for what is missing.
    """
    found = _columns(hints.columns, longest)
    for role, fields in (("primary_key", hints.primary_key), ("merge_key", hints.merge_key)):
        for field in fields:
            found.setdefault(identifier(field, longest), {}).update({"nullable": False, role: True})
    return found


def _columns(columns: Sequence[Column], longest: int) -> dict[str, dict[str, JsonValue]]:
    """What is said of declared columns, by their names."""
    found: dict[str, dict[str, JsonValue]] = {}
    for column in columns:
        said = found.setdefault(identifier(column.name, longest), {})
        if not column.nullable:
            said["nullable"] = False
        if column.wei:
            said["data_type"] = "wei"
        if column.zoned:
            said["timezone"] = True
        if column.precision is not None and column.type != "decimal":
            said["precision"] = column.precision
    return found


def tables_of(
    stream: str, table: str, *, session: Session, dlt: Dlt | None, anew: bool = False
) -> Stored:
    """The tables that a stream has, or takes over from dlt, and whose columns they have.

    `table` is what its own one is called. With `anew` their rows make them, unless dlt knows them.

    Raises:
        DestinationError: dlt's columns are wanted, and the tables have Penstock's, or dlt's cannot
            be gone on with.
    """
    stored = session.schema(stream)
    wanted = dlt is not None and dlt.wanted
    if stored is not None and wanted and stored.root.system != "dlt":
        raise DestinationError(
            f"table {stored.root.name!r} was made with Penstock's own columns",
            code="dlt-columns",
            hint="load into another schema with --db-schema, or leave --dlt-columns out",
        )
    if not wanted and (stored is None or stored.root.system != "dlt"):
        return Stored(schema=stored, anew=anew)
    assert isinstance(session, DltSession), "only such a session has these tables"
    found = session.adopt(stream, identifier(table, session.longest))
    style = Style(system="dlt", longest=session.longest, types=session.types)
    return Stored(schema=found, style=style)


def taken_over(
    source: Source, session: Session, dlt: Dlt | None, run_id: str, homes: Homes
) -> dict[str, dict[str, str]]:
    """The state of each stream; that of dlt where dlt was the last to load the stream's tables.

    What is dlt's is kept before anything is loaded: once a stream has moved on, the newest state of
    dlt is Penstock's own, and what it says of the other streams counts as known.
    """
    held = homes.seen(session.states(stream.name for stream in source.streams))
    found = _carried(source, session, dlt, held)
    for number, (name, entries) in enumerate(found.items()):
        if entries != held[name]:
            put_entries(session, f"{run_id}.taken{number}", run_id, name, entries, homes=homes)
    return found


def told_of(source: Source, session: Session, dlt: Dlt | None) -> frozenset[str]:
    """The streams whose tables are dlt's, or will be: dlt is told of their cursors."""
    if dlt is None or not isinstance(session, DltSession):
        return frozenset()
    schemas = {stream.name: session.schema(stream.name) for stream in source.streams}
    mine = {n for n, schema in schemas.items() if schema is None or schema.root.system == "dlt"}
    known = dlt.wanted or any(schemas[name] is not None for name in mine)
    return frozenset(mine) if known else frozenset()


def _carried(
    source: Source, session: Session, dlt: Dlt | None, stored: Mapping[str, dict[str, str]]
) -> dict[str, dict[str, str]]:
    mine = told_of(source, session, dlt)
    if not mine:
        return dict(stored)
    assert isinstance(session, DltSession), "only there are such"
    found: dict[str, dict[str, str]] = {}
    for state in session.states_of_dlt():
        for name, entries in cursors_of(source, state).items():
            found.setdefault(name, entries)
    return {
        name: _with(entries, found[name]) if name in mine and name in found else entries
        for name, entries in stored.items()
    }


def _with(entries: Mapping[str, str], found: Mapping[str, str]) -> dict[str, str]:
    """Entries with those of dlt, which is to be told anew who is furthest behind."""
    return {**{name: text for name, text in entries.items() if name != BEHIND}, **found}


def _micros(load_id: str | None) -> int:
    """The time that a load id says, in microseconds; 0 for one that says none."""
    try:
        return round(float(load_id or 0) * _MICRO)
    except ValueError:
        return 0
