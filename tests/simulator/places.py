"""The destinations themselves in the place of the one in memory, also with dlt's tables."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tests.destinations.places import PLACES, SCHEMA
from tests.simulator.store import Hold, Kill, Row, Store, visible

from penstock.destinations import open_destination
from penstock.destinations.base import NOTHING, Checkpoint, Committed, DltSession, Owner, Session
from penstock.plan.expr import JsonValue
from penstock.plan.hints import ColumnType
from penstock.shape.schema import Schema

MEMORY = "memory"
DLT = "dlt-"  # before the kind of a destination: its tables have dlt's columns
NAMES = (MEMORY, *PLACES, *(f"{DLT}{name}" for name in ("duckdb", "postgres")))


class Place(Protocol):
    """Where a history loads to."""

    def open(self, run_id: str, at: Callable[[str], None]) -> Hold | Held:
        """Take the fence; whoever had it can keep nothing more."""

    def state(self, stream: str) -> dict[str, str]:
        """The state of a stream."""

    def rows(self, table: str) -> list[Row]:
        """The rows of a table, with those below it."""

    def epochs(self) -> list[tuple[str, int]]:
        """The runs that kept something, by stream, in the order in which they did."""

    def swaps(self, stream: str) -> int:
        """How often a table was replaced."""

    def close(self) -> None:
        """Nothing more is loaded or looked at."""


class Memory:
    """The destination in memory."""

    dlt = False

    def __init__(self) -> None:
        self._store = Store()

    def open(self, run_id: str, at: Callable[[str], None]) -> Hold:
        """Take the fence."""
        del run_id
        return self._store.open(at)

    def state(self, stream: str) -> dict[str, str]:
        """The state of a stream."""
        return self._store.states.get(stream, {})

    def rows(self, table: str) -> list[Row]:
        """The rows of a table."""
        return visible(self._store.tables, table)

    def epochs(self) -> list[tuple[str, int]]:
        """The runs that kept something."""
        ledger = sorted(self._store.ledger, key=lambda entry: entry.stream)
        return [(entry.stream, entry.epoch) for entry in ledger]

    def swaps(self, stream: str) -> int:
        """How often a table was replaced."""
        return sum(entry.shown and entry.stream == stream for entry in self._store.ledger)

    def close(self) -> None:
        """Nothing is open."""


class Real:
    """One of the destinations, which is made for one history."""

    def __init__(self, name: str) -> None:
        self.dlt = name.startswith(DLT)
        self._folder = Path(tempfile.mkdtemp(prefix="penstock-simulator-"))
        self._place = PLACES[name.removeprefix(DLT)](self._folder)
        self._held: list[Held] = []

    def open(self, run_id: str, at: Callable[[str], None]) -> Held:
        """Take the fence, also from a session that was killed and is open for all that."""
        made: list[Held] = []

        def fault(point: str) -> None:
            if made:
                made[0].reach(point)

        place = open_destination(self._place.url, fault=fault)
        owner = Owner.here(run_id)
        session = place.open(owner=owner, db_schema=SCHEMA, takeover="always")
        made.append(DltHeld(session, at) if isinstance(session, DltSession) else Held(session, at))
        self._held += made
        return made[0]

    def state(self, stream: str) -> dict[str, str]:
        """The state of a stream."""
        peek = open_destination(self._place.url).peek(SCHEMA)
        return dict(peek.state.get(stream, {})) if peek else {}

    def rows(self, table: str) -> list[Row]:
        """The rows of a table."""
        there = self._place.tables()
        builds = self._place.rows("_penstock_builds") if "_penstock_builds" in there else []
        there -= {row["table_name"] for row in builds}
        names = [name for name in there if name == table or name.startswith(f"{table}__")]
        tables = {name: self._place.rows(name) for name in names}
        if self.dlt:
            self._check_loads(tables)
        return visible(tables, table, "_dlt" if self.dlt else "_penstock")

    def _check_loads(self, tables: dict[str, list[Row]]) -> None:
        """Each load is told once in dlt's table of them, and no row is of another."""
        if not tables:
            return
        told = Counter(row["load_id"] for row in self._place.rows("_dlt_loads"))
        assert set(told.values()) <= {1}, f"loads are told more than once: {told}"
        rows = [row for held in tables.values() for row in held if "_dlt_load_id" in row]
        strange = {row["_dlt_load_id"] for row in rows} - set(told)
        assert not strange, f"rows are of loads that nothing is told of: {strange}"

    def epochs(self) -> list[tuple[str, int]]:
        """The runs that kept something."""
        loads = sorted(self._loads(), key=lambda row: (row["stream"], row["sequence"]))
        return [(row["stream"], row["epoch"]) for row in loads]

    def swaps(self, stream: str) -> int:
        """How often a table was replaced."""
        return sum(bool(row["swapped"]) and row["stream"] == stream for row in self._loads())

    def _loads(self) -> list[dict[str, Any]]:
        there = self._held and "_penstock_loads" in self._place.tables()
        return self._place.rows("_penstock_loads") if there else []

    def close(self) -> None:
        """Close what is open, and remove what was loaded."""
        for held in self._held:
            held.session.close()
        self._place.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class Held:
    """A session that a run can die in: nothing is kept of it from there on."""

    def __init__(self, session: Session, at: Callable[[str], None]) -> None:
        self.session = session
        self.dead = False
        self._at = at

    def reach(self, point: str) -> None:
        """Something is about to happen, where the run may die."""
        if self.dead:
            return  # a session that is closed for a run that died
        try:
            self._at(point)
        except Kill:
            self.dead = True
            raise

    def _living(self) -> Session:
        if self.dead:
            raise Kill
        return self.session

    def state(self, stream: str) -> dict[str, str]:
        """The stream's state."""
        return self._living().state(stream)

    def states(self, streams: Iterable[str]) -> dict[str, dict[str, str]]:
        """The states of streams."""
        return {stream: self.state(stream) for stream in streams}

    def schema(self, stream: str) -> Schema | None:
        """The stream's tables."""
        return self._living().schema(stream)

    def streams(self) -> tuple[str, ...]:
        """The names under which there are tables."""
        return self._living().streams()

    def knows(self, load_id: str) -> bool:
        """Whether the ledger has it."""
        return self._living().knows(load_id)

    def commit(self, checkpoint: Checkpoint) -> Committed:
        """Keep the checkpoint."""
        return self._living().commit(checkpoint)

    def reset(self, streams: Sequence[str]) -> None:
        """Forget states."""
        self._living().reset(streams)

    def keep_receipts(
        self, receipts: Sequence[tuple[str, str]], over: Mapping[str, Sequence[str]] = NOTHING
    ) -> None:
        """Keep receipts."""
        self.reach("receipts")
        self._living().keep_receipts(receipts, over)

    def last_receipts(self) -> dict[str, str]:
        """The receipts."""
        return self._living().last_receipts()

    def close(self) -> None:
        """A run that died closes nothing."""
        if not self.dead:
            self.session.close()


class DltHeld(Held):
    """A session of a database, which may have dlt's tables."""

    @property
    def longest(self) -> int:
        """The bytes that a name may have."""
        return self._dlt().longest

    @property
    def types(self) -> Mapping[ColumnType, str]:
        """The types of dlt's columns."""
        return self._dlt().types

    def adopt(self, stream: str, root: str) -> Schema | None:
        """Take over what dlt made."""
        return self._dlt().adopt(stream, root)

    def states_of_dlt(self) -> list[dict[str, JsonValue]]:
        """What dlt itself wrote."""
        return self._dlt().states_of_dlt()

    def last_dlt_load(self) -> str | None:
        """The greatest of dlt's load ids."""
        return self._dlt().last_dlt_load()

    def _dlt(self) -> DltSession:
        session = self._living()
        assert isinstance(session, DltSession), "it was asked for one"
        return session


def place(name: str) -> Memory | Real:
    """The place of that name, empty."""
    return Memory() if name == MEMORY else Real(name)
