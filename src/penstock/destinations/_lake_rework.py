# ruff: noqa: S608 (identifiers go through quote(), paths through sql.text())
"""Parts of a dataset, changed by SQL: read into a scratch database, and written as files again.

Only parts in which something may change are read. A part holds everything below its root rows, so
that nothing outside of it is concerned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from penstock.destinations import _sql as sql
from penstock.destinations._duckdb_scratch import Scratch, parquet
from penstock.destinations._evolve import Widen
from penstock.destinations._lake_draft import Draft
from penstock.destinations._lake_files import MOST_LOADS, aligned, file_schema, new_part
from penstock.destinations._lake_log import File
from penstock.destinations._lake_store import Store
from penstock.destinations.base import SYSTEM_PREFIX
from penstock.errors import DestinationError
from penstock.shape.schema import LOAD_ID, PARENT_ID, ROW_ID, Schema, Table, TableColumn

if TYPE_CHECKING:
    import pyarrow as pa

PART = f"{SYSTEM_PREFIX}part"
PART_ROWS = 250_000
"""Root rows of a part that is written anew; more of them are spread over several, by key."""

CHUNK_ROWS = 64 * 1024


class Rework:
    """Changes parts of the files in `draft`, whose tables are `schema`'s."""

    def __init__(self, engine: Scratch, store: Store, draft: Draft, schema: Schema) -> None:
        self._engine = engine
        self._store = store
        self._draft = draft
        self._schema = schema
        self._loaded: list[str] = []

    def load(self, parts: Collection[str], tables: Sequence[Table] | None = None) -> None:
        """Make the tables, and fill them with the rows of `parts`."""
        self._loaded = sorted(parts)
        self._engine.clear()
        part = TableColumn(name=PART, type="text")
        for table in tables or self._schema.tables:
            self._engine.create_table(table.name, (*table.columns, part))
            files = self._draft.of(table.name, parts)
            if files:
                self._add_foreign(table, files)
            for file in files:
                self._engine.rows(
                    f"INSERT INTO {self._engine.at(table.name)} BY NAME SELECT *, "
                    f"{sql.text(file.part)} AS {sql.quote(PART)} FROM {self.rows_of([file])}"
                )

    def rows_of(self, files: Iterable[File], *, more: str = "") -> str:
        """Name the rows of files in SQL."""
        return parquet([self._store.url(f.path) for f in files], more=more)

    def _add_foreign(self, table: Table, files: Sequence[File]) -> None:
        """Keep columns that somebody added to the files."""
        fold = self._engine.spelling.fold
        known = {fold(c.name) for c in table.columns}
        for name, kind, *_ in self._engine.rows(f"DESCRIBE SELECT * FROM {self.rows_of(files)}"):
            if fold(name) not in known:
                at = self._engine.at(table.name)
                self._engine.rows(f"ALTER TABLE {at} ADD COLUMN {sql.quote(name)} {kind}")

    def fingerprints(self) -> dict[str, Any]:
        """What tells of each part whether anything in it changed."""
        found: dict[str, list[Any]] = {}
        part = sql.quote(PART)
        for table in self._schema.tables:
            query = (
                f"SELECT t.{part}, count(*), bit_xor(hash(t)) FROM {self._engine.at(table.name)} "
                f"AS t WHERE t.{part} IS NOT NULL GROUP BY 1"
            )
            for name, *marks in self._engine.rows(query):
                found.setdefault(name, []).append((table.name, *marks))
        return found

    def replace(self, changed: Collection[str] | None = None) -> None:
        """Write the changed parts (all, if none are named) and new rows as parts of their own."""
        gone = self._loaded if changed is None else sorted(changed)
        self._draft.drop([p for p, f in self._draft.now.items() if f.part in set(gone)])
        part = sql.quote(PART)
        such = f"({part} IS NULL OR list_contains(CAST(? AS VARCHAR[]), {part}))"
        root = self._schema.root
        [(rows,)] = self._engine.rows(
            f"SELECT count(*) FROM {self._engine.at(root.name)} WHERE {such}", [gone]
        )
        if rows > PART_ROWS:
            self._spread(such, gone, -(-int(rows) // PART_ROWS))
            return
        name = new_part()
        for table in self._schema.tables:
            self._export(table, name, f"FROM {self._engine.at(table.name)} WHERE {such}", [gone])

    def _spread(self, such: str, gone: list[str], buckets: int) -> None:
        """Write root rows in order of their key, some to each part, with all below them."""
        root = self._schema.root
        parts = [new_part() for _ in range(buckets)]
        order = sql.names(root.key) or "rowid"
        numbered = (
            f"SELECT rowid AS row, {{id}} AS id, (row_number() OVER (ORDER BY {order}) - 1) "
            f"// {PART_ROWS} AS bucket FROM {self._engine.at(root.name)} WHERE {such}"
        )
        with_ids = root.column(ROW_ID) is not None
        query = numbered.format(id=sql.quote(ROW_ID) if with_ids else "NULL")
        where = {root.name: self._engine.collect("buckets_0", query, [gone])}
        for level, table in enumerate(self._schema.tables[1:], 1):
            assert table.parent is not None
            own = f"t.{sql.quote(ROW_ID)}" if table.column(ROW_ID) else "NULL"
            query = (
                f"SELECT t.rowid AS row, {own} AS id, coalesce(b.bucket, 0) AS bucket "
                f"FROM (SELECT *, rowid FROM {self._engine.at(table.name)} WHERE {such}) AS t "
                f"LEFT JOIN {where[table.parent]} AS b ON b.id = t.{sql.quote(PARENT_ID)}"
            )
            where[table.name] = self._engine.collect(f"buckets_{level}", query, [gone])
        for number, part in enumerate(parts):
            for table in self._schema.tables:
                self._export(
                    table,
                    part,
                    f"FROM {self._engine.at(table.name)} WHERE rowid IN (SELECT row FROM "
                    f"{where[table.name]} WHERE bucket = ?)",
                    [number],
                )

    def _export(self, table: Table, part: str, query: str, values: Sequence[object]) -> None:
        """Write what a query gives as the file of a part, if it gives anything."""
        loads = self._loads(table, query, values)
        names = f"SELECT * EXCLUDE ({sql.quote(PART)}) {query}"
        reader = self._engine.reader(names, values, CHUNK_ROWS)
        schema = _with_foreign(file_schema(table), reader.schema)
        chunks = _chunks(reader, schema)
        first = next(chunks, None)
        if first is not None:
            self._draft.put(
                self._draft.writer.write(
                    table.name,
                    schema,
                    chain((first,), chunks),
                    part=part,
                    loads=loads,
                    keys=table.key,
                )
            )

    def _loads(self, table: Table, query: str, values: Sequence[object]) -> tuple[str, ...] | None:
        if table.column(LOAD_ID) is None:
            return None
        rows = self._engine.rows(
            f"SELECT DISTINCT {sql.quote(LOAD_ID)} {query} LIMIT {MOST_LOADS + 1}", values
        )
        known = tuple(sorted(str(load) for (load,) in rows))
        return known if len(known) <= MOST_LOADS else None

    def widen(self, change: Widen) -> None:
        """Give a column its new type in every file of its table that has rows."""
        table = self._schema.table(change.table)
        assert table is not None
        files = self._draft.of(change.table)
        if (change.old.type, change.new.type) == ("bigint", "double"):
            self._check_exact(change, files)
        for file in files:
            self.load([file.part], [table])
            self._draft.drop([file.path])
            self._export(table, file.part, f"FROM {self._engine.at(table.name)}", [])

    def _check_exact(self, change: Widen, files: Sequence[File]) -> None:
        column = sql.quote(change.new.name)
        having = [f for f in files if f.rows and self._has(f, change.new.name)]
        if not having:
            return
        [(lost,)] = self._engine.rows(
            f"SELECT count(*) FROM {self.rows_of(having)} WHERE {self._engine.inexact(column)}"
        )
        if lost:
            raise DestinationError(
                f"column {change.new.name!r} of table {change.table!r} cannot become a double: "
                f"{lost} of its whole numbers would be rounded",
                code="narrowing",
                hint="declare the column as decimal",
            )

    def _has(self, file: File, column: str) -> bool:
        fold = self._engine.spelling.fold
        described = self._engine.rows(f"DESCRIBE SELECT * FROM {self.rows_of([file])}")
        return fold(column) in {fold(name) for name, *_ in described}

    def retract(self, loads: Sequence[str]) -> None:
        """Remove the rows of loads: whole parts where nothing else is in them."""
        gone = set(loads)
        parts: dict[str, list[File]] = {}
        for file in self._draft.now.values():
            parts.setdefault(file.part, []).append(file)
        mixed = []
        for part, files in parts.items():
            known = [f.loads for f in files if f.rows]
            if known and all(k is not None and set(k) <= gone for k in known):
                self._draft.drop([f.path for f in files])
            elif any(k is None or gone & set(k) for k in known):
                mixed.append(part)
        if not mixed:
            return
        self.load(mixed)
        before = self.fingerprints()
        for table in self._schema.tables:
            self._engine.rows(
                f"DELETE FROM {self._engine.at(table.name)} "
                f"WHERE {sql.quote(LOAD_ID)} IN (SELECT {sql.TEXTS})",
                [list(loads)],
            )
        self.replace(changed_since(before, self.fingerprints()))


def changed_since(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The parts that are not as they were."""
    return [part for part, marks in before.items() if after.get(part) != marks]


def _with_foreign(ours: pa.Schema, found: pa.Schema) -> pa.Schema:
    names = set(ours.names)
    for field in found:
        if field.name not in names:
            ours = ours.append(field)
    return ours


def _chunks(reader: Any, schema: pa.Schema) -> Iterator[pa.Table]:
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    for batch in reader:
        if batch.num_rows:
            yield aligned(pa.Table.from_batches([batch]), schema)
