"""How the conformance suite looks at a destination from outside: one `Place` for each kind.

A destination that is added to the registry without a place here fails the suite.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from penstock.destinations import open_destination
from penstock.destinations.base import Destination, Fault, Owner, Session, Takeover, no_fault

SCHEMA = "shop"


class Place(Protocol):
    """One empty destination, and eyes and hands that do not go through Penstock."""

    url: str

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows, in any order, as a reader sees them now."""

    def tables(self) -> set[str]:
        """The tables that are there, Penstock's own included."""

    def by_hand(self, statement: str, *tables: str) -> None:
        """Run a statement; each `{}` stands for the full name of one of `tables`."""

    def close(self) -> None:
        """Stop looking."""


def _in_utc(value: Any) -> Any:
    zoned = isinstance(value, dt.datetime) and value.tzinfo is not None
    return value.astimezone(dt.UTC) if zoned else value


class DuckDBPlace:
    """Looks through a second connection of the same process."""

    def __init__(self, directory: Path) -> None:
        # The file is called as the schema: the default of a run, and ambiguous to DuckDB.
        self.path = directory / f"{SCHEMA}.duckdb"
        self.url = str(self.path)

    def rows(self, table):
        with self._connect() as connection:
            found = connection.sql(f"SELECT * FROM {self._name(table)}").to_arrow_table()
            return [{k: _in_utc(v) for k, v in row.items()} for row in found.to_pylist()]

    def tables(self):
        with self._connect() as connection:
            query = "SELECT table_name FROM duckdb_tables() WHERE schema_name = ?"
            return {name for (name,) in connection.execute(query, [SCHEMA]).fetchall()}

    def by_hand(self, statement, *tables):
        with self._connect() as connection:
            connection.execute(statement.format(*map(self._name, tables)))

    def close(self):
        """Nothing is kept open."""

    def _connect(self):
        import duckdb  # noqa: PLC0415 (only the tests of this kind need the driver)

        return duckdb.connect(self.url)

    def _name(self, table):
        quoted = table.replace('"', '""')
        return f'"{SCHEMA}"."{SCHEMA}"."{quoted}"'


PLACES: dict[str, Callable[[Path], Place]] = {"duckdb": DuckDBPlace}


class Opener:
    """Opens sessions on a place and closes what a test leaves open."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._open: list[Session] = []

    def destination(self, fault: Fault = no_fault) -> Destination:
        return open_destination(self.place.url, fault=fault)

    def __call__(
        self,
        run_id: str = "run1",
        *,
        fault: Fault = no_fault,
        takeover: Takeover = "dead",
        wait: float = 0.0,
    ) -> Session:
        owner = Owner(run_id=run_id, pid=4321, host="somewhere")
        session = self.destination(fault).open(
            owner=owner, db_schema=SCHEMA, takeover=takeover, wait=wait
        )
        self._open.append(session)
        return session

    def close(self) -> None:
        for session in self._open:
            session.close()
        self.place.close()
