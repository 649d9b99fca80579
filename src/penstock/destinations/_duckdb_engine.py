# ruff: noqa: S608 (identifiers go through quote(), values are parameters)
"""A DuckDB connection as the session uses it: names, transactions, Arrow sources, errors.

The driver is not imported here: a connection is handed in, and its errors are told by their names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

from penstock.destinations import _sql as sql
from penstock.destinations._duckdb_driver import is_first_series, whole
from penstock.destinations._engine import Engine
from penstock.destinations._evolve import RULE, Actual, Spelling, digits
from penstock.destinations._unlike import unlike
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

_KINDS: Mapping[str, ColumnType] = {
    **{spelled: kind for kind, spelled in _TYPES.items()},
    "DECIMAL": "decimal",
    "HUGEINT": "decimal",
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


SHARED = "Unique file handle conflict"
"""What DuckDB says of a file that this process has open in another way."""


class Connection(Protocol):
    """What is used of a `duckdb.DuckDBPyConnection`, in every major version of it."""

    def execute(self, query: str, parameters: object = ..., /) -> Any: ...
    def fetchall(self) -> list[Any]: ...
    def sql(self, query: str, /, *, params: object = ...) -> Any: ...
    def register(self, view_name: str, python_object: object) -> Any: ...
    def unregister(self, view_name: str) -> Any: ...
    def close(self) -> None: ...


def spell(column: TableColumn) -> str:
    """Write a column's type as DuckDB itself lists it."""
    if column.stored is not None:
        return column.stored
    match column.type:
        case "decimal":
            return "DECIMAL({},{})".format(*digits(column))
        case "list":
            return f"{spell(column.fields[0])}[]"
        case "struct":
            fields = (f"{sql.quote(field.name)} {spell(field)}" for field in column.fields)
            return f"STRUCT({', '.join(fields)})"
        case kind:
            return _TYPES[kind]


def kind_of(spelled: str) -> ColumnType:
    """The type of a column that DuckDB lists so; what is nested is JSON to whoever has no word."""
    return _KINDS.get(spelled.partition("(")[0], "json")


def fold(name: str) -> str:
    """Fold a name as DuckDB compares names: ASCII letters only, quoted or not."""
    if name.isascii():
        return name.lower()
    return "".join(c.lower() if c.isascii() else c for c in name)


LONGEST: Final = 65536
"""Bytes of a name, as dlt has it: DuckDB itself sets no limit."""

SPELLING = Spelling(type=spell, fold=fold, longest=LONGEST)


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
    if SHARED in text:
        return LockedError(
            "the database is open for a run of this process", hint="wait for that run to end"
        )
    if type(error).__name__ == "ConstraintException":
        return DestinationError(f"DuckDB: {text}", code="drift", hint=RULE)
    hint = next((h for pattern, h in _HINTS if re.search(pattern, text, re.IGNORECASE)), None)
    advice = f"{hint}; what was committed is intact, run again" if hint else None
    return DestinationError(f"DuckDB: {text}", hint=advice)


def is_conflict(error: BaseException | None) -> bool:
    """Whether a statement failed because another transaction wrote the same."""
    return type(error).__name__ == "TransactionException"


GROUP_ROWS = 122_880
"""Rows that DuckDB keeps together; a smaller table is written anew as a whole anyway."""

GROWTH = 4
"""How many times the memory a commit gets anew that did not get by with what it had."""


class DuckDBEngine(Engine):
    """One connection bound to one schema of one database file."""

    spelling: ClassVar[Spelling] = SPELLING
    row_order: ClassVar[str] = "rowid"
    catalog: ClassVar[str | None] = None
    """The name of the database, where it is known without asking."""

    def __init__(self, connection: Connection, db_schema: str) -> None:
        super().__init__(db_schema)
        self.connection = connection
        catalog = self.catalog or self.rows("SELECT current_database()")[0][0]
        # Three parts: with two, a schema named like its file would be ambiguous.
        self._prefix = f"{sql.quote(catalog)}.{sql.quote(db_schema)}"

    def at(self, table: str) -> str:
        """Name a table in full."""
        return f"{self._prefix}.{sql.quote(table)}"

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and fetch all it gives."""
        return list(self.connection.execute(query, list(parameters)).fetchall())

    def changed(self, query: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement that changes rows, and count them."""
        return int(self.rows(query, parameters)[0][0])

    def explain(self, error: Exception) -> Error:
        """Say what a failure means and what to do about it."""
        return explain(error)

    def is_conflict(self, error: BaseException | None) -> bool:
        """Whether a statement failed because another transaction wrote the same."""
        return is_conflict(error)

    def recover(self, error: BaseException, attempt: int) -> bool:  # noqa: ARG002 (memory ends it)
        """Give DuckDB more memory where it had too little, up to half of the machine's.

        The little that it gets at first is enough for nearly all tables and keeps a run small; a
        very wide table or a large batch needs more, and that is seen only when it fails.
        """
        if not is_out_of_memory(error):
            return False
        now = self._memory()
        most = max(now, _machine_memory() // 2)
        if now >= most:
            return False
        self.rows(f"SET memory_limit = '{min(now * GROWTH, most) // 1024}KiB'")
        # What failed was rolled back, and the ledger says so to the next attempt.
        self.uncertain = False
        return True

    def _memory(self) -> int:
        [(text,)] = self.rows("SELECT current_setting('memory_limit')")
        number, unit = str(text).split()
        return int(float(number) * _UNITS[unit])

    @contextmanager
    def source(
        self,
        data: pa.Table,
        columns: Mapping[str, TableColumn],  # noqa: ARG002 (Arrow has types of its own)
    ) -> Iterator[str]:
        """Make an Arrow table readable in SQL under the name given."""
        whole()
        name = f"{SYSTEM_PREFIX}batch"
        self.connection.register(name, data)
        try:
            yield sql.quote(name)
        except BaseException:
            # The transaction may be one that takes no statement but its end; what failed is said.
            with suppress(Exception):
                self.connection.unregister(name)
            raise
        self.connection.unregister(name)

    def insert(self, table: str, data: pa.Table, columns: Mapping[str, TableColumn]) -> None:
        """Add rows to a table; columns that they lack are null."""
        with self.source(data, columns) as source:
            self.rows(f"INSERT INTO {self.at(table)} BY NAME SELECT * FROM {source}")

    def unlike(self, rows: Sequence[pa.Table]) -> Iterable[str]:
        """Name the columns, beside ids, to be stored as suits texts of which few are alike."""
        return () if is_first_series() else unlike(rows)

    def definition(self, column: TableColumn, *, unlike: bool) -> str:
        """Write a column of a new table, maybe one of texts of which few are alike.

        What DuckDB does by itself with these, a table of pieces that they share, takes twice the
        time of all else in an insert, and twice the space. DuckDB 1 takes the word too, and then
        does not compress such a column at all.
        """
        plain = super().definition(column, unlike=unlike)
        return f"{plain} USING COMPRESSION zstd" if unlike and not is_first_series() else plain

    def collect(self, name: str, query: str, parameters: Sequence[object] = ()) -> str:
        """Keep what a query gives, until something else is kept under that name."""
        full = f"temp.{sql.quote(SYSTEM_PREFIX + name)}"
        self.rows(f"CREATE OR REPLACE TEMP TABLE {full} AS {query}", parameters)
        return full

    def show(self, build: str, table: str) -> None:
        """Put the table `build` in the place of `table`."""
        self.rows(f"DROP TABLE IF EXISTS {self.at(table)}")
        self.rows(f"ALTER TABLE {self.at(build)} RENAME TO {sql.quote(table)}")

    def inexact(self, column: str) -> str:
        """Write the condition that a double does not hold the whole number in `column`."""
        return f"CAST(CAST({column} AS DOUBLE) AS HUGEINT) <> {column}"

    def prepare_merge(self, table: str, columns: Sequence[str]) -> None:
        """Do nothing: a join scans columns fast, and an index makes loading dearer."""

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

    def create_schema(self) -> None:
        """Make the schema, where it is not there."""
        self.rows(f"CREATE SCHEMA IF NOT EXISTS {self._prefix}")

    def flush(self) -> None:
        """Write the log into the file."""
        self.rows("CHECKPOINT")

    def has_gaps(self) -> bool:
        """Whether a third of the rows that some table takes room for were deleted."""
        sizes = self.rows(
            "SELECT table_name, estimated_size FROM duckdb_tables() "
            "WHERE database_name = current_database() AND lower(schema_name) = lower(?)",
            [self.db_schema],
        )
        for table, size in sizes:
            if size > GROUP_ROWS:
                [(rows,)] = self.rows(f"SELECT count(*) FROM {self.at(table)}")
                if (size - rows) * 3 > size:
                    return True
        return False

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()


_UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether a statement failed because DuckDB had used up its memory."""
    while error is not None:
        if type(error).__name__ == "OutOfMemoryException":
            return True
        error = error.__cause__
    return False


def _machine_memory() -> int:
    """Bytes of memory the machine has; where it does not tell, what any has today."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return 4 * 2**30
