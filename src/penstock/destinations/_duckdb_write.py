# ruff: noqa: S608 (identifiers go through quote(), values are parameters)
"""Rows and tables of one checkpoint, written inside the transaction that the session opened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, assert_never

from penstock.destinations import _sql as sql
from penstock.destinations._arrow import fitted
from penstock.destinations._duckdb_engine import SPELLING, Engine, fold, spell
from penstock.destinations._evolve import Add, Change, Create, Widen, changes, check_free
from penstock.destinations.base import SYSTEM_PREFIX, Fault
from penstock.errors import DestinationError
from penstock.shape.schema import LOAD_ID, PARENT_ID, ROW_ID, Batch, Schema, Table

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
        for table in schema.tables:
            if fold(table.name) in actual:
                self._engine.rows(
                    f"DELETE FROM {self._engine.at(table.name)} "
                    f"WHERE {sql.quote(LOAD_ID)} IN (SELECT unnest(?))",
                    [list(loads)],
                )

    def evolve(self, stored: Schema | None, wanted: Schema) -> list[Change]:
        """Bring the tables to `wanted`, once it is sure that they are as they were left."""
        found = changes(stored, wanted, self._engine.actual(), SPELLING)
        for change in found:
            self._change(change)
        return found

    def check_free(self, stored: Schema | None, wanted: Schema) -> None:
        """Make sure that no table of somebody else would be replaced."""
        check_free(stored, wanted, self._engine.actual(), SPELLING)

    def grow_build(self, before: Schema | None, wanted: Schema, generation: str) -> list[str]:
        """Bring a generation's tables to `wanted`; return the names of those newly made."""
        known = before and sql.as_build(before, generation)
        found = self.evolve(known, sql.as_build(wanted, generation))
        return [change.table.name for change in found if isinstance(change, Create)]

    def append(
        self, schema: Schema, batches: Iterable[Batch], generation: str | None = None
    ) -> dict[str, int]:
        """Add the rows of `batches`, to the tables of `generation` if one is given."""
        rows: dict[str, int] = {}
        for batch in batches:
            for table, data in _parts(schema, batch):
                name = sql.build_name(table.name, generation) if generation else table.name
                with self._engine.source(data) as source:
                    self._insert(name, source)
                rows[table.name] = rows.get(table.name, 0) + data.num_rows
        return rows

    def merge(
        self, schema: Schema, key: tuple[str, ...], batches: Iterable[Batch]
    ) -> dict[str, int]:
        """Put the rows of each batch in place of those with the same keys."""
        rows: dict[str, int] = {}
        for batch in batches:
            for table, data in _parts(schema, batch):
                with self._engine.source(data) as source:
                    if table.parent is None and self._any(table.name):
                        self._delete(schema, key, source)
                    self._insert(table.name, source)
                rows[table.name] = rows.get(table.name, 0) + data.num_rows
        return rows

    def swap(self, schema: Schema, generation: str) -> None:
        """Show the generation's tables under their own names, in place of the old ones."""
        for table in schema.tables:
            build = self._engine.at(sql.build_name(table.name, generation))
            self._engine.rows(f"DROP TABLE IF EXISTS {self._engine.at(table.name)}")
            self._engine.rows(f"ALTER TABLE {build} RENAME TO {sql.quote(table.name)}")
        self._fault("swap:renamed")

    def _insert(self, table: str, source: str) -> None:
        self._engine.rows(f"INSERT INTO {self._engine.at(table)} BY NAME SELECT * FROM {source}")

    def _any(self, table: str) -> bool:
        return bool(self._engine.rows(f"SELECT 1 FROM {self._engine.at(table)} LIMIT 1"))

    def _delete(self, schema: Schema, key: tuple[str, ...], source: str) -> None:
        """Delete the root rows whose keys `source` has, and everything below them."""
        root = self._engine.at(schema.root.name)
        children = [t for t in schema.tables if t.parent is not None]
        if children and not self._delete_children(schema, children, key, source):
            return
        self._engine.rows(
            f"DELETE FROM {root} AS r USING {source} AS s WHERE {sql.same_keys('r', 's', key)}"
        )

    def _delete_children(
        self, schema: Schema, children: Sequence[Table], key: tuple[str, ...], source: str
    ) -> bool:
        """Delete what hangs below the doomed root rows, deepest first; say if there are any.

        The ids are collected level by level before anything is deleted, for once a level is gone
        the one below it can no longer be found.
        """
        root = schema.root.name
        doomed = {root: self._doom(0, root, f"r SEMI JOIN {source} s ON ", key)}
        if not self._engine.rows(f"SELECT 1 FROM {doomed[root]} LIMIT 1"):
            return False
        parents = {t.parent for t in children}
        for level, table in enumerate(children, 1):
            if table.name in parents:
                above = doomed[_parent(table)]
                doomed[table.name] = self._doom_below(level, table.name, above)
        for table in reversed(children):
            child = self._engine.at(table.name)
            self._engine.rows(sql.child_delete(child, doomed[_parent(table)]))
        for name in doomed.values():
            self._engine.rows(f"DROP TABLE {name}")
        return True

    def _doom(self, level: int, table: str, join: str, key: tuple[str, ...]) -> str:
        ids = f"SELECT {sql.quote(ROW_ID)} FROM {self._engine.at(table)} {join}"
        return self._collect(level, ids + sql.same_keys("r", "s", key))

    def _doom_below(self, level: int, table: str, above: str) -> str:
        return self._collect(
            level,
            f"SELECT {sql.quote(ROW_ID)} FROM {self._engine.at(table)} "
            f"WHERE {sql.quote(PARENT_ID)} IN (SELECT {sql.quote(ROW_ID)} FROM {above})",
        )

    def _collect(self, level: int, ids: str) -> str:
        name = f"temp.{sql.quote(f'{SYSTEM_PREFIX}doomed_{level}')}"
        self._engine.rows(f"CREATE OR REPLACE TEMP TABLE {name} AS {ids}")
        return name

    def _change(self, change: Change) -> None:
        match change:
            case Create(table=table):
                self._engine.create_table(table.name, table.columns)
            case Add(table=name, column=column):
                kind = f"{sql.quote(column.name)} {spell(column)}"
                self._engine.rows(f"ALTER TABLE {self._engine.at(name)} ADD COLUMN {kind}")
            case Widen() as widen:
                self._widen(widen)
            case _ as unknown:
                assert_never(unknown)

    def _widen(self, change: Widen) -> None:
        table, column = self._engine.at(change.table), sql.quote(change.new.name)
        if (change.old.type, change.new.type) == ("bigint", "double"):
            self._check_exact(table, column, change)
        self._engine.rows(
            f"ALTER TABLE {table} ALTER COLUMN {column} SET DATA TYPE {spell(change.new)}"
        )

    def _check_exact(self, table: str, column: str, change: Widen) -> None:
        [(lost,)] = self._engine.rows(
            f"SELECT count(*) FROM {table} "
            f"WHERE CAST(CAST({column} AS DOUBLE) AS HUGEINT) <> {column}"
        )
        if lost:
            raise DestinationError(
                f"column {change.new.name!r} of table {change.table!r} cannot become a double: "
                f"{lost} of its whole numbers would be rounded",
                code="narrowing",
                hint="declare the column as decimal",
            )


def _parts(schema: Schema, batch: Batch) -> list[tuple[Table, pa.Table]]:
    """Pair the batch's rows with their tables, parents first, in types the tables take."""
    for name in batch.tables:
        if schema.table(name) is None:
            raise DestinationError(f"rows came for table {name!r}, which the schema does not have")
    tables: Mapping[str, pa.Table] = batch.tables
    return [(t, fitted(tables[t.name], t)) for t in schema.tables if t.name in tables]


def _parent(table: Table) -> str:
    if table.parent is None:
        raise DestinationError(f"table {table.name!r} stands among children but has no parent")
    return table.parent
