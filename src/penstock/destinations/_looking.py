"""A destination as a script sees it that asks for what it has loaded: a connection, and columns.

The connection is DuckDB's, or answers as DuckDB's does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from penstock.destinations import _duckdb_engine as in_duckdb
from penstock.destinations import _postgres_engine as in_postgres
from penstock.destinations import _sql as sql
from penstock.destinations import duckdb as database
from penstock.destinations import kind_of, postgres
from penstock.destinations._duckdb_driver import whole
from penstock.destinations._duckdb_engine import Connection
from penstock.destinations._lake_dataset import open_dataset
from penstock.destinations._postgres_looking import Looked
from penstock.errors import DestinationError
from penstock.plan.hints import ColumnType

Columns = dict[str, dict[str, tuple[ColumnType, bool]]]
"""Tables, their columns, and of each its type and whether it may be null."""

_LISTED: Final = (
    "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns "
    "WHERE table_schema = ? ORDER BY table_name, ordinal_position"
)
_OWN: Final = ("_penstock_", "_dlt_")


def connection(destination: str, db_schema: str, *, writes: bool) -> Connection | Looked:
    """A connection in whose default schema the tables stand; whoever asks for it closes it.

    Files are tables that can only be read. With `writes` a database may be changed.

    Raises:
        DestinationError: the destination cannot be opened.
    """
    match kind_of(destination).name:
        case "duckdb":
            return database.looked_at(destination, db_schema, writes=writes)
        case "postgres":
            return postgres.looked_at(destination, db_schema, writes=writes)
        case _:
            return _of_files(destination, db_schema)


def columns(destination: str, db_schema: str) -> Columns:
    """The columns of each table that is the user's.

    Raises:
        DestinationError: the destination cannot be opened.
    """
    of_postgres = kind_of(destination).name == "postgres"
    kind: Callable[[str], ColumnType] = in_postgres.kind_of if of_postgres else in_duckdb.kind_of
    held = connection(destination, db_schema, writes=False)
    try:
        rows = held.execute(_LISTED, [in_postgres.fit(db_schema) if of_postgres else db_schema])
        found: Columns = {}
        for table, column, spelled, null in rows.fetchall():
            if not table.startswith(_OWN):
                found.setdefault(table, {})[column] = (kind(spelled), null == "YES")
    finally:
        held.close()
    return found


def _of_files(destination: str, db_schema: str) -> Connection:
    made = cast("Any", whole().connect(":memory:"))
    try:
        held = open_dataset(destination, db_schema)
    except DestinationError as exc:
        if exc.code != "empty":
            raise
        return cast("Connection", made)
    made.execute(f"CREATE SCHEMA {sql.quote(db_schema)}")
    made.execute(f"USE {sql.quote(db_schema)}")
    for table in held.tables:
        made.execute(f"CREATE VIEW {sql.quote(table)} AS FROM {held.sql(table)}")
    return cast("Connection", made)
