"""How the conformance suite looks at a destination from outside: one `Place` for each kind.

A destination that is added to the registry without a place here fails the suite.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from tests.destinations.lake_places import DeltaPlace, ParquetPlace
from tests.destinations.postgres_server import drop_database, fresh_database

from penstock.destinations import open_destination
from penstock.destinations._postgres_engine import fit
from penstock.destinations.base import Destination, Fault, Owner, Session, Takeover, no_fault

SCHEMA = "shop"


class ReaderWaits(Exception):  # noqa: N818 (it is an answer)
    """A reader would have to wait now."""


class Place(Protocol):
    """One empty destination, and eyes and hands that do not go through Penstock."""

    kind: str
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

    kind = "duckdb"

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


class PostgresPlace:
    """Looks through connections of its own, into a database made for the one test."""

    kind = "postgres"

    def __init__(self, directory: Path) -> None:
        del directory  # a server keeps its own
        self.url = fresh_database()
        self._connection = None

    def rows(self, table):
        import psycopg  # noqa: PLC0415 (only the tests of this kind need the driver)

        with self._cursor(psycopg.rows.dict_row) as cursor:
            try:
                return cursor.execute(f"SELECT * FROM {self._name(table)}").fetchall()
            except psycopg.errors.LockNotAvailable as error:
                raise ReaderWaits(table) from error

    def tables(self):
        with self._cursor() as cursor:
            query = "SELECT tablename FROM pg_tables WHERE schemaname = $1"
            return {name for (name,) in cursor.execute(query, [SCHEMA]).fetchall()}

    def by_hand(self, statement, *tables):
        with self._cursor() as cursor:
            cursor.execute(statement.format(*map(self._name, tables)))

    def close(self):
        if self._connection is not None:
            self._connection.close()
        drop_database(self.url)

    def _cursor(self, row_factory=None):
        import psycopg  # noqa: PLC0415 (the same)

        if self._connection is None:
            self._connection = psycopg.connect(
                self.url,
                autocommit=True,
                options="-c TimeZone=UTC -c lock_timeout=200",
                prepare_threshold=None,  # a table may have other columns at the next look
            )
            # JSON is compared as it is spelled.
            psycopg.types.json.set_json_loads(lambda text: bytes(text).decode(), self._connection)
        return psycopg.RawCursor(
            self._connection, row_factory=row_factory or psycopg.rows.tuple_row
        )

    def _name(self, table):
        quoted = fit(table).replace('"', '""')
        return f'"{SCHEMA}"."{quoted}"'


PLACES: dict[str, Callable[[Path], Place]] = {
    "duckdb": DuckDBPlace,
    "postgres": PostgresPlace,
    "parquet": ParquetPlace,
    "delta": DeltaPlace,
}


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
