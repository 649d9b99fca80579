"""A DuckDB in memory in which rows of files are changed by SQL, to be written as files again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from penstock.destinations import _sql as sql
from penstock.destinations._duckdb_engine import DuckDBEngine, fold, spell
from penstock.destinations._evolve import Spelling
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


SPELLING = Spelling(type=spell_in_file, fold=fold)


class Scratch(DuckDBEngine):
    """A database in memory, whose tables last until `clear`."""

    spelling: ClassVar[Spelling] = SPELLING

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
    """Open a database in memory."""
    import duckdb  # noqa: PLC0415 (the driver is loaded when something is opened)

    connection = duckdb.connect(":memory:")
    for name, value in SETTINGS.items():
        connection.execute(f"SET {name} = '{value}'")
    engine = Scratch(connection, SCHEMA)
    engine.clear()
    return engine


def text(value: str) -> str:
    """Quote a text."""
    return "'" + value.replace("'", "''") + "'"


def parquet(urls: Sequence[str], *, more: str = "") -> str:
    """Name the rows of files as SQL does; columns may differ."""
    listed = ", ".join(text(url) for url in urls)
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
