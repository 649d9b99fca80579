"""A DuckDB connection as the session uses it: names, transactions, Arrow sources, errors.

The driver is not imported here: a connection is handed in, and its errors are told by their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol

from penstock.destinations import _sql as sql
from penstock.destinations._evolve import Actual, Spelling, digits
from penstock.destinations.base import SYSTEM_PREFIX
from penstock.errors import DestinationError, Error, LockedError
from penstock.plan.hints import ColumnType
from penstock.shape.schema import TableColumn

if TYPE_CHECKING:
    import pyarrow as pa

_TYPES: Mapping[ColumnType, str] = {
    "bool": "BOOLEAN",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "text": "VARCHAR",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "timestamp_ntz": "TIMESTAMP",
    "date": "DATE",
    "time": "TIME",
    "json": "JSON",
    "binary": "BLOB",
}

_HINTS = (
    (r"no space left|disk full|file too large|disk quota|could not write", "free disk space"),
    (r"permission denied|read-only", "make the file and its directory writable"),
    (r"out of memory|failed to allocate", "give the process more memory"),
    (r"conflict", "another connection of this process changes the same tables; let it end"),
    (r"conversion error|could not convert|malformed json", "a value does not fit its column"),
    (r"depend", "drop what depends on the table, then load again"),
    (r"not a valid duckdb|corrupt|checksum|serializ", "the file is damaged: restore or move it"),
    (r"fatal|invalidated", "the database must be opened again"),
)


class Connection(Protocol):
    """What is used of a `duckdb.DuckDBPyConnection`, in every major version of it."""

    def execute(self, query: str, parameters: object = ..., /) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def register(self, view_name: str, python_object: object) -> Any: ...
    def unregister(self, view_name: str) -> Any: ...
    def close(self) -> None: ...


def spell(column: TableColumn) -> str:
    """Write a column's type as DuckDB itself lists it."""
    if column.type == "decimal":
        return "DECIMAL({},{})".format(*digits(column))
    return _TYPES[column.type]


def fold(name: str) -> str:
    """Fold a name as DuckDB compares names: ASCII letters only, quoted or not."""
    return "".join(c.lower() if c.isascii() else c for c in name)


SPELLING = Spelling(type=spell, fold=fold)


def explain(error: Exception) -> Error:
    """Say what a failure means and what to do about it."""
    if isinstance(error, Error):
        return error
    text = str(error).strip().split("\n\n")[0]
    if holder := re.search(r"(?i)conflicting lock is held.*?\(PID (\d+)\)", text):
        return LockedError(
            f"the database is in use by another process (PID {holder[1]})",
            hint="wait for it to end, or stop it",
        )
    hint = next((h for pattern, h in _HINTS if re.search(pattern, text, re.IGNORECASE)), None)
    advice = f"{hint}; what was committed is intact, run again" if hint else None
    return DestinationError(f"DuckDB: {text}", hint=advice)


def is_conflict(error: BaseException | None) -> bool:
    """Whether a statement failed because another transaction wrote the same."""
    return type(error).__name__ == "TransactionException"


class Engine:
    """One connection bound to one schema of one database file."""

    def __init__(self, connection: Connection, db_schema: str) -> None:
        self.connection = connection
        self.db_schema = db_schema
        self.uncertain = False
        [(catalog,)] = self.rows("SELECT current_database()")
        # Three parts: with two, a schema named like its file would be ambiguous.
        self._prefix = f"{sql.quote(catalog)}.{sql.quote(db_schema)}"

    def at(self, table: str) -> str:
        """Name a table in full."""
        return f"{self._prefix}.{sql.quote(table)}"

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and fetch all it gives."""
        return list(self.connection.execute(query, list(parameters)).fetchall())

    def read(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a query outside a transaction; a failure comes out explained."""
        try:
            return self.rows(query, parameters)
        except Exception as error:
            raise explain(error) from error

    def changed(self, query: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement that changes rows, and count them."""
        return int(self.rows(query, parameters)[0][0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does, or nothing of it; failures come out explained."""
        if self.uncertain:
            raise DestinationError(
                "an earlier commit ended without a clear answer, so this session takes no more",
                hint="run again: the ledger knows what was kept",
            )
        try:
            self.rows("BEGIN TRANSACTION")
            yield
        except BaseException as error:
            self._roll_back()
            if isinstance(error, Exception):
                raise explain(error) from error
            raise
        self._commit()

    def _commit(self) -> None:
        try:
            self.rows("COMMIT")
        except BaseException as error:
            self.uncertain = True
            self._roll_back()
            if isinstance(error, Exception):
                raise explain(error) from error
            raise

    def _roll_back(self) -> None:
        # Fails where there is no transaction any more: then there is nothing to undo.
        with suppress(Exception):
            self.rows("ROLLBACK")

    @contextmanager
    def source(self, data: pa.Table) -> Iterator[str]:
        """Make an Arrow table readable in SQL under the name given."""
        name = f"{SYSTEM_PREFIX}batch"
        self.connection.register(name, data)
        try:
            yield sql.quote(name)
        finally:
            self.connection.unregister(name)

    def create_system(self) -> None:
        """Make the schema and the system tables, where they are not there."""
        self.rows(f"CREATE SCHEMA IF NOT EXISTS {self._prefix}")
        for name, columns in sql.SYSTEM_TABLES.items():
            self.rows(f"CREATE TABLE IF NOT EXISTS {self.at(name)} ({columns})")

    def has_system(self) -> bool:
        """Whether anything was ever loaded into this schema."""
        return fold(sql.FENCE) in self.actual()

    def actual(self) -> Actual:
        """List the tables and views the schema has now."""
        found: dict[str, dict[str, str]] = {}
        query = (
            "SELECT table_name, column_name, data_type FROM duckdb_columns() "
            "WHERE database_name = current_database() AND lower(schema_name) = lower(?)"
        )
        for table, column, kind in self.rows(query, [self.db_schema]):
            found.setdefault(fold(table), {})[fold(column)] = kind
        return found

    def create_table(self, name: str, columns: Sequence[TableColumn]) -> None:
        """Make a table."""
        body = ", ".join(f"{sql.quote(c.name)} {spell(c)}" for c in columns)
        self.rows(f"CREATE TABLE {self.at(name)} ({body})")
