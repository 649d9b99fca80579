"""A destination as a script sees it that asks for what it has loaded: a connection of DuckDB's."""

from __future__ import annotations

from typing import cast

from penstock.destinations import _sql as sql
from penstock.destinations import duckdb as database
from penstock.destinations import kind_of
from penstock.destinations._duckdb_driver import whole
from penstock.destinations._duckdb_engine import Connection
from penstock.destinations._lake_dataset import open_dataset
from penstock.errors import DestinationError


def connection(destination: str, db_schema: str, *, writes: bool) -> Connection:
    """A connection in whose default schema the tables stand; whoever asks for it closes it.

    Files are tables that can only be read. With `writes` a database may be changed.

    Raises:
        DestinationError: the destination is none that DuckDB reads, or cannot be opened.
    """
    kind = kind_of(destination).name
    if kind == "duckdb":
        return database.looked_at(destination, db_schema, writes=writes)
    if kind not in {"parquet", "delta"}:
        raise DestinationError(
            f"a script cannot be answered from {kind} while it is executed",
            code="unsupported",
            hint=f"connect to it in the script, or load into DuckDB: {database.KIND.urls[0]}",
        )
    return _of_files(destination, db_schema)


def _of_files(destination: str, db_schema: str) -> Connection:
    held = open_dataset(destination, db_schema)
    made = cast("Connection", whole().connect(":memory:"))
    made.execute(f"CREATE SCHEMA {sql.quote(db_schema)}")
    made.execute(f"USE {sql.quote(db_schema)}")
    for table in held.tables:
        made.execute(f"CREATE VIEW {sql.quote(table)} AS FROM {held.sql(table)}")
    return made
