"""`pipeline.dataset()` and `pipeline.sql_client()`: what was loaded, as a script asks for it.

Tables, columns and queries are those of the destination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from penstock.dialects.dlt.standin.base.exceptions import DatabaseUndefinedRelation
from penstock.dialects.dlt.standin.base.lacking import lacking
from penstock.dialects.dlt.standin.base.record import unfinished
from penstock.dialects.dlt.standin.resources.schemas import Schema
from penstock.dialects.document import Held

_OPERATORS = {"eq": "=", "ne": "<>", "gt": ">", "lt": "<", "gte": ">=", "lte": "<=",
              "in": "IN", "not_in": "NOT IN"}  # fmt: skip
_CHUNK = 10_000
# What a dataset of dlt's has besides its tables.
_NOT_HERE = {
    *("destination_client", "destination_dialect", "ibis", "is_same_dataset", "latest_load_id"),
    *("load_ids", "loads_table", "open_table_client", "schemas", "sql_client_class"),
    "sqlglot_schema",
}
# What drivers raise where a table or its schema is not there.
_UNDEFINED = {"CatalogException", "UndefinedTable", "InvalidSchemaName"}


def quoted(name: str) -> str:
    """An identifier as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def _all_of(table: str, columns: str = "*") -> str:
    """A query of all rows of a table."""
    return f"SELECT {columns} FROM {quoted(table)}"  # noqa: S608 (names are quoted)


class Relation:
    """The rows of a query, which is asked when they are wanted."""

    def __init__(self, loaded: Held, sql: str, params: Sequence[Any] = ()) -> None:
        self._loaded = loaded
        self._sql = sql
        self._params = list(params)

    def _over(self, columns: str, tail: str = "", params: Sequence[Any] = ()) -> Relation:
        """A query of this one's rows."""
        sql = f"SELECT {columns} FROM ({self._sql}) {tail}"  # noqa: S608 (the script's own query)
        return Relation(self._loaded, sql.strip(), [*self._params, *params])

    def _asked(self, take: Callable[[Any], Any]) -> Any:
        connection = self._loaded.look(writes=False)
        try:
            with relations_known():
                return take(connection.execute(self._sql, self._params))
        finally:
            connection.close()

    def to_sql(self, *_: Any, **__: Any) -> str:
        """The query."""
        return self._sql

    def fetchall(self) -> list[Any]:
        """All rows as tuples."""
        return list(self._asked(lambda cursor: cursor.fetchall()))

    def fetchone(self) -> Any:
        """The first row, or None."""
        return self._asked(lambda cursor: cursor.fetchone())

    def fetchmany(self, chunk_size: int) -> list[Any]:
        """The first rows."""
        return list(self._asked(lambda cursor: cursor.fetchmany(chunk_size)))

    def fetchscalar(self) -> Any:
        """The only value of the only row."""
        row = self.fetchone()
        return None if row is None else row[0]

    def df(self, *_: Any, **__: Any) -> Any:
        """A pandas frame of all rows."""
        return self._asked(lambda cursor: cursor.df())

    def arrow(self, *_: Any, **__: Any) -> Any:
        """An Arrow table of all rows."""
        connection = self._loaded.look(writes=False)
        try:
            with relations_known():
                return connection.sql(self._sql, params=self._params).to_arrow_table()
        finally:
            connection.close()

    def iter_fetch(self, chunk_size: int = _CHUNK) -> Iterator[list[Any]]:
        """All rows, so many at a time."""
        rows = self.fetchall()
        yield from (rows[at : at + chunk_size] for at in range(0, len(rows), chunk_size))

    def iter_df(self, chunk_size: int = _CHUNK) -> Iterator[Any]:
        """Frames of so many rows."""
        frame = self.df()
        yield from (frame[at : at + chunk_size] for at in range(0, len(frame), chunk_size))

    def iter_arrow(self, chunk_size: int = _CHUNK) -> Iterator[Any]:
        """Arrow tables of so many rows."""
        table = self.arrow()
        yield from (table.slice(at, chunk_size) for at in range(0, len(table), chunk_size))

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return [str(one[0]) for one in self._asked(lambda cursor: cursor.description)]

    def limit(self, limit: int) -> Relation:
        """The first rows."""
        return self._over("*", f"LIMIT {int(limit)}")

    def head(self, limit: int = 5) -> Relation:
        """The first rows."""
        return self.limit(limit)

    def select(self, *columns: str) -> Relation:
        """Some of the columns."""
        return self._over(", ".join(map(quoted, columns)))

    def __getitem__(self, columns: str | Sequence[str]) -> Relation:
        return self.select(*([columns] if isinstance(columns, str) else columns))

    def order_by(self, column_name: str, direction: str = "asc") -> Relation:
        """The rows in an order."""
        way = "DESC" if direction.lower() == "desc" else "ASC"
        return self._over("*", f"ORDER BY {quoted(column_name)} {way}")

    def where(self, column: str, operator: str | None = None, value: Any = None) -> Relation:
        """Rows of which a column is such, or for which an expression holds."""
        if operator is None:
            return self._over("*", f"WHERE {column}")
        several = operator in {"in", "not_in"}
        held = list(value) if several else [value]
        marks = ", ".join("?" * len(held))
        right = f"({marks})" if several else marks
        return self._over("*", f"WHERE {quoted(column)} {_OPERATORS[operator]} {right}", held)

    filter = where

    def max(self) -> Relation:
        """The greatest value of the only column."""
        return self._over(f"max({quoted(self.columns[0])})")

    def min(self) -> Relation:
        """The least value of the only column."""
        return self._over(f"min({quoted(self.columns[0])})")

    def __getattr__(self, name: str) -> Any:
        raise unfinished(f"relation.{name}", name)


@contextmanager
def relations_known() -> Iterator[None]:
    """Tables that are not there are told as dlt tells it.

    Raises:
        DatabaseUndefinedRelation: one that is named is none.
    """
    try:
        yield
    except Exception as exc:
        if type(exc).__name__ not in _UNDEFINED or "does not exist" not in str(exc):
            raise
        raise DatabaseUndefinedRelation(str(exc)) from exc


class Dataset:
    """The tables of a dataset, each by its name."""

    def __init__(self, loaded: Held, schema: str = "") -> None:
        self._loaded = loaded
        self._schema = schema
        self.dataset_name = loaded.db_schema

    @property
    def schema(self) -> Schema:
        """The tables with their columns."""
        return Schema(self._schema, self._loaded)

    @property
    def tables(self) -> list[str]:
        """The names of the tables, without Penstock's own."""
        return list(self._loaded.columns())

    def table(self, table_name: str) -> Relation:
        """The rows of a table."""
        return Relation(self._loaded, _all_of(table_name))

    def query(self, query: str, *_: Any, **__: Any) -> Relation:
        """The rows of a query."""
        return Relation(self._loaded, str(query).strip().rstrip(";"))

    __call__ = query

    def row_counts(self, *, table_names: Sequence[str] | None = None, **_: Any) -> Relation:
        """How many rows each table has."""
        names = table_names if table_names is not None else self.tables
        counts = [_all_of(n, f"'{n}' AS table_name, count(*) AS row_count") for n in names]
        return Relation(self._loaded, " UNION ALL ".join(counts))

    @contextmanager
    def sql_client(self, *_: Any) -> Iterator[SqlClient]:
        """What runs SQL in the dataset."""
        with SqlClient(self._loaded) as client:
            yield client

    def __getitem__(self, table_name: str) -> Relation:
        if table_name not in self.tables:
            raise KeyError(f"there is no table {table_name!r}; there are: {', '.join(self.tables)}")
        return self.table(table_name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in _NOT_HERE:
            raise unfinished(f"dataset.{name}", name)
        if name in self.tables:
            return self.table(name)
        raise AttributeError(f"there is no table {name!r}; there are: {', '.join(self.tables)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is held."""


@lacking("is_dbapi_exception")
class SqlClient:
    """What runs SQL in a dataset; a connection of its own as long as a `with` lasts."""

    def __init__(self, loaded: Held) -> None:
        self._loaded = loaded
        self._connection: Any = None
        self.dataset_name = loaded.db_schema

    def __enter__(self) -> Self:
        self._connection = self._loaded.look(writes=True)
        return self

    def __exit__(self, *_: object) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    open_connection = __enter__

    def close_connection(self) -> None:
        """Let go of the connection."""
        self.__exit__()

    @property
    def native_connection(self) -> Any:
        """The connection of the driver."""
        if self._connection is None:
            self.__enter__()
        return self._connection

    @contextmanager
    def execute_query(self, query: str, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """The cursor of a query, with `fetchall`, `df` and the like."""
        mine = self._connection is None
        connection = self.native_connection
        given: Any = dict(kwargs) if kwargs else [*args]
        try:
            with relations_known():
                cursor = connection.execute(_with_marks(str(query), given), given)
            yield cursor
        finally:
            if mine:
                self.close_connection()

    def execute_sql(self, sql: str, *args: Any, **kwargs: Any) -> list[Any] | None:
        """The rows that a statement gives, or None."""
        with self.execute_query(sql, *args, **kwargs) as cursor:
            return list(cursor.fetchall()) if cursor.description else None

    def make_qualified_table_name(self, table_name: str, *_: Any, **__: Any) -> str:
        """The name of a table with that of its dataset."""
        return f"{quoted(self.dataset_name)}.{quoted(table_name)}"

    def fully_qualified_dataset_name(self, *_: Any, **__: Any) -> str:
        """The name of the dataset as SQL takes it."""
        return quoted(self.dataset_name)

    def has_dataset(self) -> bool:
        """Whether it is there: something was loaded."""
        return self._loaded.loaded_before()

    def create_dataset(self) -> None:
        """Make the schema of the tables, if there is none."""
        self.execute_sql(f"CREATE SCHEMA IF NOT EXISTS {quoted(self.dataset_name)}")

    def drop_tables(self, *tables: str) -> None:
        """Drop tables."""
        for table in tables:
            self.execute_sql(f"DROP TABLE IF EXISTS {self.make_qualified_table_name(table)}")

    def truncate_tables(self, *tables: str) -> None:
        """Empty tables."""
        for table in tables:
            self.execute_sql(f"DELETE FROM {self.make_qualified_table_name(table)}")  # noqa: S608 (quoted)

    def execute_many(
        self, statements: Sequence[str], *args: Any, **kwargs: Any
    ) -> list[Any] | None:
        """What the last of some statements gives."""
        found: list[Any] | None = None
        for statement in statements:
            found = self.execute_sql(statement, *args, **kwargs)
        return found

    def escape_column_name(self, column_name: str, *_: Any, **__: Any) -> str:
        """The name of a column as SQL takes it."""
        return quoted(column_name)

    @contextmanager
    def begin_transaction(self) -> Iterator[SqlClient]:
        """One transaction for what is executed meanwhile."""
        connection = self.native_connection
        connection.execute("BEGIN")
        try:
            yield self
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def __getattr__(self, name: str) -> Any:
        raise unfinished(f"sql_client.{name}", name)


def _with_marks(query: str, given: Any) -> str:
    """A query with DuckDB's marks for what it is given; scripts write those of other drivers."""
    if not given:
        return query
    if isinstance(given, dict):
        for name in given:
            query = query.replace(f"%({name})s", f"${name}")
        return query
    return query.replace("%s", "?")
