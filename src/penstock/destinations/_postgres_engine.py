# ruff: noqa: S608 (identifiers go through quote(), values are parameters)
"""A Postgres connection as a session uses it: COPY from Arrow, temporary tables, and reconnecting.

The driver is not imported here: connections are made by a function that is handed in, and errors
are told apart by their SQLSTATE.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from penstock.destinations import _sql as sql
from penstock.destinations._engine import Engine
from penstock.destinations._evolve import Actual, Spelling, digits
from penstock.destinations._postgres_copy import chunks, with_nul
from penstock.destinations._postgres_errors import (
    explain,
    is_conflict,
    is_lost,
    is_nul,
    may_pass,
    nul,
)
from penstock.destinations.base import SYSTEM_PREFIX
from penstock.errors import DestinationError, Error
from penstock.patterns import pattern
from penstock.plan.hints import ColumnType
from penstock.shape.schema import TableColumn

if TYPE_CHECKING:
    import pyarrow as pa

MAX_NAME = 63  # bytes; the server cuts off what is longer
ATTEMPTS = 6
ANALYZED = 1000  # rows from which the planner should know how many there are

_TYPES: Mapping[ColumnType, str] = {
    "bool": "boolean",
    "bigint": "bigint",
    "double": "double precision",
    "text": "text",
    "timestamp": "timestamp with time zone",
    "timestamp_ntz": "timestamp without time zone",
    "date": "date",
    "time": "time without time zone",
    "json": "json",  # not jsonb: that would reorder keys and rewrite numbers
    "binary": "bytea",
}
_KINDS: Mapping[str, ColumnType] = {
    **{spelled: kind for kind, spelled in _TYPES.items()},
    "numeric": "decimal",
}
_VALUES = pattern(r'"(?:[^"]|"")*"|\?')


def spell(column: TableColumn) -> str:
    """Write a column's type as Postgres itself lists it."""
    if len(column.name.encode()) > MAX_NAME:
        raise DestinationError(
            f"the column name {column.name!r} is longer than the {MAX_NAME} bytes Postgres keeps"
        )
    if column.stored is not None:
        return column.stored
    match column.type:
        case "decimal":
            return "numeric({},{})".format(*digits(column))
        case "struct" | "list":
            raise DestinationError(
                f"Postgres has no type for the nested column {column.name!r}",
                code="nesting",
                hint="load with --nesting tables or json",
            )
        case kind:
            return _TYPES[kind]


def kind_of(spelled: str) -> ColumnType:
    """The type of a column that Postgres lists so; one that is none of Penstock's is text."""
    return _KINDS.get(spelled, "text")


def fit(name: str) -> str:
    """Shorten the name of a table to what Postgres keeps of it; always the same for a name."""
    text = name.encode()
    if len(text) <= MAX_NAME:
        return name
    tag = hashlib.sha256(text).hexdigest()[:12]
    return f"{text[: MAX_NAME - len(tag) - 1].decode('utf-8', 'ignore')}_{tag}"


@lru_cache(maxsize=512)
def numbered(query: str) -> str:
    """Write `?` outside quoted names as `$1`, `$2` and so on."""
    count = 0

    def number(found: re.Match[str]) -> str:
        nonlocal count
        if found[0] != "?":
            return found[0]
        count += 1
        return f"${count}"

    return _VALUES.sub(number, query)


class Link(msgspec.Struct, kw_only=True):
    """How to connect, and how to wait before that is tried again."""

    connect: Callable[[], Any]
    sleep: Callable[[float], None]


class PostgresEngine(Engine):
    """One connection bound to one schema of a database; a lost connection is made anew."""

    spelling: ClassVar[Spelling] = Spelling(
        type=spell,
        fold=fit,
        longest=MAX_NAME,
        of_dlt={"text": "character varying", "json": "jsonb"},
    )
    row_order: ClassVar[str] = "ctid"

    def __init__(self, link: Link, db_schema: str) -> None:
        super().__init__(fit(db_schema))
        self._link = link
        self._connection = link.connect()
        self._epoch = 0
        self._indexed: set[str] = set()

    def at(self, table: str) -> str:
        """Name a table in full."""
        return f"{sql.quote(self.db_schema)}.{sql.quote(fit(table))}"

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and fetch all it gives."""
        cursor = self._run(query, parameters)
        return list(cursor.fetchall()) if cursor.description else []

    def changed(self, query: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement that changes rows, and count them."""
        return int(self._run(query, parameters).rowcount)

    def _run(self, query: str, parameters: Sequence[object]) -> Any:
        return self._connection.execute(numbered(query), list(parameters) or None)

    def explain(self, error: Exception) -> Error:
        """Say what a failure means and what to do about it."""
        return explain(error)

    def is_conflict(self, error: BaseException | None) -> bool:
        """Whether a statement had to wait too long for another transaction."""
        return is_conflict(error)

    def recover(self, error: BaseException, attempt: int) -> bool:
        """Wait a little after what may pass; make a lost connection anew."""
        if attempt >= ATTEMPTS or not may_pass(error):
            return False
        self._link.sleep(min(0.1 * 2**attempt, 5.0))
        if is_lost(error) or self._connection.closed:
            return self._reconnect()
        return True

    def _reconnect(self) -> bool:
        before = self._connection.info.backend_pid
        with suppress(Exception):
            self._connection.close()
        for attempt in range(ATTEMPTS):
            try:
                self._connection = self._link.connect()
                break
            except DestinationError:
                self._link.sleep(min(0.1 * 2**attempt, 5.0))
        else:
            return False
        self._end(before)
        if self._epoch:
            self.hold(self._epoch)
        # Whether the last commit came through is asked of the ledger.
        self.uncertain = False
        return True

    def _end(self, backend: int) -> None:
        """End the server process of the lost connection, which may not know that it is lost."""
        with suppress(Exception):
            self.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ? "
                "AND pid <> pg_backend_pid() AND application_name = "
                "current_setting('application_name') AND usename = current_user",
                [backend],
            )

    def lock_out(self) -> None:
        """Keep others from opening the schema until the transaction ends."""
        self.rows("SELECT pg_advisory_xact_lock(?, 0)", [self._mark()])

    def hold(self, epoch: int) -> None:
        """Show that the owner of this epoch is alive, for as long as the connection is."""
        self._epoch = epoch
        self.rows("SELECT pg_try_advisory_lock(?, ?)", [self._mark(), epoch])

    def let_go(self) -> None:
        """Show that the owner of the epoch is gone, before the connection is."""
        self.rows("SELECT pg_advisory_unlock_all()")

    def is_held(self, epoch: int) -> bool:
        """Whether the owner of an epoch has a connection."""
        query = "SELECT pg_try_advisory_xact_lock(?, ?)"
        # A server takes a moment to see that a killed client is gone.
        for _ in range(8):
            if self.rows(query, [self._mark(), epoch])[0][0]:
                return False
            self._link.sleep(0.05)
        return True

    def _mark(self) -> int:
        digest = hashlib.sha256(f"penstock {self.db_schema}".encode()).digest()
        return int.from_bytes(digest[:4], "big", signed=True)

    def create_schema(self) -> None:
        """Make the schema, where it is not there; asking needs fewer rights than making."""
        found = self.rows("SELECT 1 FROM pg_namespace WHERE nspname = ?", [self.db_schema])
        if not found:
            self.rows(f"CREATE SCHEMA {sql.quote(self.db_schema)}")

    def actual(self) -> Actual:
        """List the tables and views the schema has now."""
        found: dict[str, dict[str, str]] = {}
        query = (
            "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace "
            "JOIN pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = ? "
            "AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped"
        )
        for table, column, kind in self.rows(query, [self.db_schema]):
            found.setdefault(table, {})[column] = kind
        return found

    def insert(self, table: str, data: pa.Table, columns: Mapping[str, TableColumn]) -> None:
        """Add rows to a table; columns that they lack are null."""
        try:
            self._copy(self.at(table), data, columns)
        except Exception as error:
            column = with_nul(data) if is_nul(error) else None
            if column is None:
                raise
            raise nul(table, column) from error

    def _copy(self, table: str, data: pa.Table, columns: Mapping[str, TableColumn]) -> None:
        if not data.num_rows:
            return
        into = f"COPY {table} ({sql.names(data.column_names)}) FROM STDIN (FORMAT csv)"
        with self._connection.cursor() as cursor, cursor.copy(into) as copy:
            for chunk in chunks(data, columns):
                copy.write(chunk)

    @contextmanager
    def source(self, data: pa.Table, columns: Mapping[str, TableColumn]) -> Iterator[str]:
        """Make rows readable in SQL under the name given: in a table of this transaction."""
        name = f"pg_temp.{sql.quote(f'{SYSTEM_PREFIX}batch')}"
        body = ", ".join(
            f"{sql.quote(c)} {spell(columns[c]) if c in columns else 'bigint'}"
            for c in data.column_names
        )
        self.rows(f"CREATE TEMP TABLE {name} ({body}) ON COMMIT DROP")
        self._copy(name, data, columns)
        self._analyze(name, data.num_rows)
        yield name
        # After a failure the transaction is over, and the table with it.
        self.rows(f"DROP TABLE {name}")

    def _analyze(self, name: str, rows: int) -> None:
        if rows >= ANALYZED:
            self.rows(f"ANALYZE {name}")

    def collect(self, name: str, query: str, parameters: Sequence[object] = ()) -> str:
        """Keep what a query gives until the transaction ends."""
        full = f"pg_temp.{sql.quote(SYSTEM_PREFIX + name)}"
        self.rows(f"DROP TABLE IF EXISTS {full}")
        rows = self.changed(f"CREATE TEMP TABLE {full} ON COMMIT DROP AS {query}", parameters)
        self._analyze(full, rows)
        return full

    def prepare_merge(self, table: str, columns: Sequence[str]) -> None:
        """Index the columns that rows are found by, once, as a merge would else read all rows."""
        if not columns or table in self._indexed:
            return
        tag = hashlib.sha256("\0".join((table, *columns)).encode()).hexdigest()[:16]
        self.rows(
            f"CREATE INDEX IF NOT EXISTS {sql.quote(f'{SYSTEM_PREFIX}key_{tag}')} "
            f"ON {self.at(table)} ({sql.names(columns)})"
        )
        self._indexed.add(table)

    def show(self, build: str, table: str) -> None:
        """Put the table `build` in the place of `table`, and keep what people tied to that one."""
        self._indexed.discard(table)
        if self._tied(table):
            self._refill(build, table)
            return
        self.rows(f"DROP TABLE IF EXISTS {self.at(table)}")
        self.rows(f"ALTER TABLE {self.at(build)} RENAME TO {sql.quote(fit(table))}")

    def _tied(self, table: str) -> bool:
        """Whether a view reads the table, or rights on it were given to somebody."""
        found = self.rows(
            "SELECT c.relacl IS NOT NULL OR EXISTS (SELECT 1 FROM pg_depend d JOIN pg_rewrite w "
            "ON w.oid = d.objid WHERE d.classid = 'pg_rewrite'::regclass "
            "AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid "
            "AND w.ev_class <> c.oid) FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ? AND c.relname = ?",
            [self.db_schema, fit(table)],
        )
        return bool(found and found[0][0])

    def _refill(self, build: str, table: str) -> None:
        """Fill the table itself anew: dearer, but views and rights stay."""
        actual = self.actual()
        old, new = actual[fit(table)], actual[fit(build)]
        changed = [c for c, kind in new.items() if old.get(c, kind) != kind]
        if changed:
            raise DestinationError(
                f"column {changed[0]!r} of table {table!r} gets another type, and a view or a "
                "grant is tied to the table",
                hint="drop the view or the table, then load again",
            )
        for column in new.keys() - old.keys():
            self.rows(f"ALTER TABLE {self.at(table)} ADD COLUMN {sql.quote(column)} {new[column]}")
        columns = sql.names(new)
        self.rows(f"DELETE FROM {self.at(table)}")
        self.rows(
            f"INSERT INTO {self.at(table)} ({columns}) SELECT {columns} FROM {self.at(build)}"
        )
        self.rows(f"DROP TABLE {self.at(build)}")

    def inexact(self, column: str) -> str:
        """Write the condition that a double does not hold the whole number in `column`."""
        double = f"CAST({column} AS double precision)"
        return (
            f"CASE WHEN {double} >= 9223372036854775808 THEN true "
            f"ELSE CAST({double} AS bigint) <> {column} END"
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()
