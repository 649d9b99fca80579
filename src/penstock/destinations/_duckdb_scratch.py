"""A DuckDB in memory in which rows of files are changed by SQL, to be written as files again."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

import msgspec

from penstock.destinations import _sql as sql
from penstock.destinations._duckdb_driver import whole
from penstock.destinations._duckdb_engine import LONGEST, Connection, DuckDBEngine, fold, spell
from penstock.destinations._evolve import Spelling
from penstock.destinations._lake_store import unreadable
from penstock.errors import Error
from penstock.shape.schema import TableColumn

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = "scratch"
MEMORY = "512MB"  # at first; what does not fit goes to disk, and `recover` gives more
SETTINGS = {
    "threads": "1",
    "memory_limit": MEMORY,
    "enable_progress_bar": "false",
    "TimeZone": "UTC",
    "preserve_insertion_order": "true",
}


def spell_in_file(column: TableColumn) -> str:
    """Write a column's type as a Parquet file of it is listed: JSON is text there."""
    return spell(_without_json(column))


def _without_json(column: TableColumn) -> TableColumn:
    fields = tuple(_without_json(field) for field in column.fields)
    kind = "text" if column.type == "json" else column.type
    return msgspec.structs.replace(column, type=kind, fields=fields)


SPELLING = Spelling(type=spell_in_file, fold=fold, longest=LONGEST)


class LateConnection:
    """A database in memory that is opened when something is first asked of it."""

    @cached_property
    def _opened(self) -> Connection:
        connection = cast("Connection", whole().connect(":memory:"))
        for name, value in SETTINGS.items():
            connection.execute(f"SET {name} = '{value}'")
        connection.execute(f"CREATE SCHEMA {sql.quote(SCHEMA)}")
        return connection

    def execute(self, query: str, parameters: object = (), /) -> Any:
        """Run a statement."""
        return self._opened.execute(query, parameters)

    def fetchall(self) -> list[Any]:
        """The rows of the statement that ran last."""
        return self._opened.fetchall()

    def sql(self, query: str, /, *, params: object = None) -> Any:
        """A query as a relation."""
        return self._opened.sql(query, params=params)

    def register(self, view_name: str, python_object: object) -> Any:
        """Make an object readable under a name."""
        return self._opened.register(view_name, python_object)

    def unregister(self, view_name: str) -> Any:
        """Forget a name."""
        return self._opened.unregister(view_name)

    def close(self) -> None:
        """Close the database, if it was opened."""
        if "_opened" in self.__dict__:
            self._opened.close()


class Scratch(DuckDBEngine):
    """A database in memory, whose tables last until `clear`."""

    spelling: ClassVar[Spelling] = SPELLING
    catalog: ClassVar[str | None] = "memory"

    def explain(self, error: Exception) -> Error:
        """Say what a failure means and what to do about it."""
        return unreadable(error) or super().explain(error)

    def reader(self, query: str, parameters: Sequence[object], rows: int) -> Any:
        """Run a query, and give its rows as Arrow batches of so many rows."""
        found = self.connection.sql(query, params=list(parameters))
        make = getattr(found, "to_arrow_reader", None) or found.fetch_arrow_reader
        return make(rows)

    def clear(self) -> None:
        """Drop everything, and begin with no tables."""
        self.rows(f"DROP SCHEMA IF EXISTS {sql.quote(SCHEMA)} CASCADE")
        self.create_schema()


def scratch() -> Scratch:
    """A database in memory, for what cannot be done without one."""
    return Scratch(LateConnection(), SCHEMA)


def parquet(urls: Sequence[str], *, more: str = "") -> str:
    """Name the rows of files as SQL does; columns may differ."""
    listed = ", ".join(sql.text(url) for url in urls)
    return f"read_parquet([{listed}], union_by_name = true{more})"


_ARROW = {
    "bool": "BOOLEAN",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "string": "VARCHAR",
    "date32[day]": "DATE",
    "binary": "BLOB",
    "timestamp[us]": "TIMESTAMP",
    "timestamp[us, tz=UTC]": "TIMESTAMP WITH TIME ZONE",
}


def spell_arrow(kind: pa.DataType) -> str:
    """Write an Arrow type as DuckDB lists it."""
    import pyarrow.types as t  # noqa: PLC0415 (start-up stays fast without pyarrow)

    if t.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if t.is_list(kind) or t.is_large_list(kind):
        return f"{spell_arrow(kind.value_type)}[]"
    if t.is_struct(kind):
        fields = (f"{sql.quote(field.name)} {spell_arrow(field.type)}" for field in kind)
        return f"STRUCT({', '.join(fields)})"
    return _ARROW.get(str(kind), str(kind).upper())
