# ruff: noqa: S608 (identifiers go through quote(), values are parameters)
"""Rows and tables of one checkpoint, written inside the transaction that the session opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, assert_never

from penstock.destinations import _sql as sql
from penstock.destinations._arrow import fitted
from penstock.destinations._engine import Engine
from penstock.destinations._evolve import Add, Change, Create, Widen, changes, check_free
from penstock.destinations.base import Fault
from penstock.errors import DestinationError
from penstock.shape.schema import Batch, Schema, Table, TableColumn

if TYPE_CHECKING:
    import pyarrow as pa


class Writer:
    """Writes into the tables of one database schema; keeps nothing between checkpoints."""

    def __init__(self, engine: Engine, fault: Fault) -> None:
        self._engine = engine
        self._fault = fault

    def retract(self, schema: Schema | None, loads: Sequence[str]) -> None:
        """Remove the rows of `loads` from the tables of `schema`."""
        if not loads or schema is None:
            return
        actual = self._engine.actual()
        for table in reversed(schema.tables):
            if self._engine.spelling.fold(table.name) in actual:
                such = self._of_loads(schema, table)
                name = self._engine.at(table.name)
                self._engine.rows(f"DELETE FROM {name} WHERE {such}", [list(loads)])

    def _of_loads(self, schema: Schema, table: Table) -> str:
        """The condition on a row that it is of the loads that are given as a value.

        Where rows of child tables do not say of which load they are, their parents do.
        """
        own, above = table.own, schema.table(table.parent) if table.parent else None
        if above is None or own.child_loads:
            return f"{sql.quote(own.load_id)} IN (SELECT {sql.TEXTS})"
        such = self._of_loads(schema, above)
        ids = f"SELECT {sql.quote(own.row_id)} FROM {self._engine.at(above.name)} WHERE {such}"
        return f"{sql.quote(own.parent_id)} IN ({ids})"

    def evolve(
        self, stored: Schema | None, wanted: Schema, rows: Mapping[str, Sequence[pa.Table]]
    ) -> list[Change]:
        """Bring the tables to `wanted`, once it is sure that they are as they were left.

        `rows` are those that come next, by table.
        """
        found = changes(stored, wanted, self._engine.actual(), self._engine.spelling)
        for change in found:
            self._change(change, rows)
        return found

    def check_free(self, stored: Schema | None, wanted: Schema) -> None:
        """Make sure that no table of somebody else would be replaced."""
        check_free(stored, wanted, self._engine.actual(), self._engine.spelling)

    def grow_build(
        self,
        before: Schema | None,
        wanted: Schema,
        generation: str,
        rows: Mapping[str, Sequence[pa.Table]],
    ) -> list[str]:
        """Bring a generation's tables to `wanted`; return the names of those newly made.

        `rows` are those that come next, by the names that the tables will be shown by.
        """
        known = before and sql.as_build(before, generation)
        there = {sql.build_name(name, generation): pieces for name, pieces in rows.items()}
        found = self.evolve(known, sql.as_build(wanted, generation), there)
        return [change.table.name for change in found if isinstance(change, Create)]

    def append(
        self, schema: Schema, batches: Iterable[Batch], generation: str | None = None
    ) -> dict[str, int]:
        """Add the rows of `batches`, to the tables of `generation` if one is given."""
        rows: dict[str, int] = {}
        for table, data in together(schema, batches):
            name = sql.build_name(table.name, generation) if generation else table.name
            self._engine.insert(name, data, columns_of(table))
            rows[table.name] = rows.get(table.name, 0) + data.num_rows
        return rows

    def swap(self, schema: Schema, generation: str) -> None:
        """Show the generation's tables under their own names, in place of the old ones."""
        for table in schema.tables:
            self._engine.show(sql.build_name(table.name, generation), table.name)
        self._fault("swap:renamed")

    def _change(self, change: Change, rows: Mapping[str, Sequence[pa.Table]]) -> None:
        match change:
            case Create(table=table):
                first = rows.get(table.name, ())
                self._engine.create_table(table.name, table.columns, table.own.ids, first)
            case Add(table=name, column=column):
                kind = f"{sql.quote(column.name)} {self._engine.spelling.type(column)}"
                self._engine.rows(f"ALTER TABLE {self._engine.at(name)} ADD COLUMN {kind}")
            case Widen() as widen:
                self._widen(widen)
            case _ as unknown:
                assert_never(unknown)

    def _widen(self, change: Widen) -> None:
        table, column = self._engine.at(change.table), sql.quote(change.new.name)
        kind = self._engine.spelling.type(change.new)
        if (change.old.type, change.new.type) == ("bigint", "double"):
            self._check_exact(table, column, change)
        self._engine.rows(f"ALTER TABLE {table} ALTER COLUMN {column} SET DATA TYPE {kind}")

    def _check_exact(self, table: str, column: str, change: Widen) -> None:
        [(lost,)] = self._engine.rows(
            f"SELECT count(*) FROM {table} WHERE {self._engine.inexact(column)}"
        )
        if lost:
            raise DestinationError(
                f"column {change.new.name!r} of table {change.table!r} cannot become a double: "
                f"{lost} of its whole numbers would be rounded",
                code="narrowing",
                hint="declare the column as decimal",
            )


def parts(schema: Schema, batch: Batch) -> list[tuple[Table, pa.Table]]:
    """Pair the batch's rows with their tables, parents first, in types the tables take."""
    for name in batch.tables:
        if schema.table(name) is None:
            raise DestinationError(f"rows came for table {name!r}, which the schema does not have")
    tables: Mapping[str, pa.Table] = batch.tables
    return [(t, fitted(tables[t.name], t)) for t in schema.tables if t.name in tables]


def together(schema: Schema, batches: Iterable[Batch]) -> Iterator[tuple[Table, pa.Table]]:
    """The rows of all batches, parents first; those alike in one piece, as each insert costs."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    found: dict[str, list[pa.Table]] = {}
    for batch in batches:
        for table, data in parts(schema, batch):
            found.setdefault(table.name, []).append(data)
    for table in schema.tables:
        for _, alike in groupby(found.get(table.name, ()), key=lambda data: data.schema):
            yield table, pa.concat_tables(alike)


def by_table(batches: Iterable[Batch]) -> dict[str, list[pa.Table]]:
    """The rows of all batches as they are, by table."""
    found: dict[str, list[pa.Table]] = {}
    for batch in batches:
        for name, data in batch.tables.items():
            found.setdefault(name, []).append(data)
    return found


def columns_of(table: Table) -> dict[str, TableColumn]:
    """The columns of a table by name."""
    return {column.name: column for column in table.columns}
