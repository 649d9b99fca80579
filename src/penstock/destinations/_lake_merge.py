# ruff: noqa: S608 (identifiers go through quote(), paths through sql.text())
"""Rows merged into the files of a dataset: the parts they concern are found, read and rewritten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from penstock.destinations import _sql as sql
from penstock.destinations._duckdb_scratch import Scratch, parquet
from penstock.destinations._lake_draft import Draft
from penstock.destinations._lake_keys import Keys
from penstock.destinations._lake_log import File, Head
from penstock.destinations._lake_rework import Rework, changed_since
from penstock.destinations._lake_sieve import Sieve, suits
from penstock.destinations._lake_store import Store
from penstock.destinations._lake_system import SEEN, system_table
from penstock.destinations._merge import Merger, check_key
from penstock.destinations._versions import Versions
from penstock.destinations._write import columns_of, parts
from penstock.destinations.base import SYSTEM_PREFIX, Checkpoint, Merge
from penstock.shape.schema import (
    DELETED_AT,
    LOAD_ID,
    Schema,
    TableColumn,
)

if TYPE_CHECKING:
    import pyarrow as pa

FILENAME = f"{SYSTEM_PREFIX}file"


LOADS = system_table(sql.LOADS, load_id="text", stream="text", run_id="text")


class Merging:
    """Merges the rows of one checkpoint into the files in `draft`.

    Most merges need no SQL (`Sieve`). The others are those of every SQL destination; what is new
    here is which rows they see: those of the parts that have a row they may touch.
    """

    def __init__(
        self, engine: Scratch, store: Store, draft: Draft, schema: Schema, checkpoint: Checkpoint
    ) -> None:
        assert isinstance(checkpoint.write, Merge)
        self._engine = engine
        self._store = store
        self._draft = draft
        self._schema = schema
        self._checkpoint = checkpoint
        self._write = checkpoint.write
        self._versions = Versions(schema, checkpoint.write.validity)
        self._rework = Rework(engine, store, draft, schema)

    def run(self, head: Head, before: Schema | None) -> dict[str, int]:
        """Merge; count rows by table. `before` is the schema that the files were written by."""
        if suits(self._schema, self._write):
            known = self._has(before, self._write.key)
            sieve = Sieve(self._store, self._draft, self._schema, self._checkpoint, self._write)
            rows = sieve.run(known=known)
            if rows is not None:
                return rows
        self._rework.load(())
        self._begin(head)
        touched = self._touched(before)
        if touched:
            self._rework.load(touched)
            self._begin(head)
        marks = self._rework.fingerprints() if touched and self._may_leave() else None
        deferred = Deferred(self._engine)
        rows = Merger(deferred, self._schema, self._checkpoint, self._write).run()
        self._end(marks, deferred)
        self._keep_seen(head)
        return rows

    def _begin(self, head: Head) -> None:
        """Make the system tables that a merge asks."""
        stream, run_id = self._checkpoint.stream, self._checkpoint.run_id
        for table in (LOADS, SEEN):
            self._engine.create_table(table.name, table.columns)
        mine = [x.load_id for x in head.loads if (x.stream, x.run_id) == (stream, run_id)]
        self._engine.rows(
            f"INSERT INTO {self._engine.at(LOADS.name)} "
            f"SELECT {sql.TEXTS}, CAST(? AS VARCHAR), CAST(? AS VARCHAR)",
            [mine, stream, run_id],
        )
        seen = self._seen_files(head)
        if self._write.ends and seen:
            self._engine.rows(
                f"INSERT INTO {self._engine.at(SEEN.name)} BY NAME "
                f"SELECT * FROM {parquet([self._store.url(f.path) for f in seen])}"
            )

    def _seen_files(self, head: Head) -> list[File]:
        return [
            f
            for f in head.system.values()
            if f.table == SEEN.name and f.part == self._checkpoint.stream
        ]

    def _may_leave(self) -> bool:
        """Whether a part that was read may stay as it is."""
        write = self._write
        return write.strategy in {"insert-only", "scd2"} or write.sort is not None or write.ends

    def _end(self, marks: Mapping[str, Any] | None, deferred: Deferred) -> None:
        """Write what changed; rows that came last and are whole in themselves go as they are."""
        whole = self._write.strategy != "upsert"
        waiting = deferred.take() if whole else {}
        if not whole:
            deferred.flush()
        changed = None
        if marks is not None:
            changed = changed_since(marks, self._rework.fingerprints())
        self._rework.replace(changed)
        self._draft.append(self._schema, waiting, self._checkpoint.load_id)

    def _keep_seen(self, head: Head) -> None:
        """Keep which versions a reading met, until it ends."""
        if self._write.ends:
            self._draft.remove_system += [f.path for f in self._seen_files(head)]
            return
        query = f"SELECT * FROM {self._engine.at(SEEN.name)}"
        found = self._engine.reader(query, (), 1_000_000).read_all()
        if found.num_rows:
            stream, load_id = self._checkpoint.stream, self._checkpoint.load_id
            self._draft.system.append(
                self._draft.writer.write_rows(SEEN, [found], part=stream, load_id=load_id)
            )

    # Which parts are concerned.

    def _touched(self, before: Schema | None) -> list[str]:
        """The parts with a row that a row of this checkpoint meets, or the end of a reading."""
        if not self._has(before, ()):
            return []
        files = [f for f in self._draft.of(self._schema.root.name) if f.rows]
        found: set[str] = set()
        for columns in self._meetings():
            keys = self._keys(columns) if files else None
            if keys is not None and self._has(before, columns):
                found |= self._meeting(files, columns, keys)
        if self._write.ends and files:
            found |= self._ending(files)
        return sorted(found)

    def _has(self, before: Schema | None, columns: Sequence[str]) -> bool:
        """Whether the files were written with a root table that had these columns."""
        if before is None or before.root.name != self._schema.root.name:
            return False
        return set(columns) <= {c.name for c in before.root.columns}

    def _meetings(self) -> Iterator[tuple[str, ...]]:
        write = self._write
        versions = write.strategy == "scd2"
        told = (self._versions.column,) if versions else write.merge_key
        for columns in (told, write.key):
            if columns:
                yield columns

    def _meeting(self, files: Sequence[File], columns: tuple[str, ...], keys: pa.Table) -> set[str]:
        """The parts that have a row of which these columns are those of a new row."""
        came = Keys.of(self._schema.root, keys, columns)
        near = [f for f in files if came.may_be_in(f)]
        if not near:
            return set()
        with self._engine.source(keys, columns_of(self._schema.root)) as source:
            same = sql.same_keys("r", "s", columns)
            return self._such(near, columns, f"EXISTS (SELECT 1 FROM {source} AS s WHERE {same})")

    def _keys(self, columns: tuple[str, ...]) -> pa.Table | None:
        """The new rows by these columns, each value once."""
        import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

        found = []
        for batch in self._checkpoint.batches:
            for table, data in parts(self._schema, batch):
                if table.parent is None and data.num_rows:
                    check_key(table, data, columns)
                    found.append(data.select(list(columns)))
        if not found:
            return None
        return pa.concat_tables(found, promote_options="permissive").group_by(columns).aggregate([])

    def _ending(self, files: Sequence[File]) -> set[str]:
        """The parts with a row that this run did not bring, and that is not known to be gone."""
        mine = f"r.{sql.quote(LOAD_ID)} IN (SELECT load_id FROM {self._engine.at(LOADS.name)})"
        if self._write.strategy == "scd2":
            return self._retiring(files, mine)
        if not self._write.soft_delete:
            return set()
        such = f"r.{sql.quote(DELETED_AT)} IS NULL AND NOT {mine}"
        return self._such(files, [DELETED_AT, LOAD_ID], such)

    def _retiring(self, files: Sequence[File], mine: str) -> set[str]:
        """The parts with a valid version that this run did not meet.

        Where only sets are retired, also those with rows that tell which of them it brought.
        """
        versions = self._versions
        version = sql.quote(versions.column)
        run = sql.text(self._checkpoint.run_id)  # others may have met what is gone by now
        seen = f"SELECT version FROM {self._engine.at(SEEN.name)} WHERE run_id = {run}"
        valid = versions.valid("r")
        such = f"{valid} AND NOT {mine} AND CAST(r.{version} AS VARCHAR) NOT IN ({seen})"
        if self._write.merge_key:
            such = f"{valid} OR {mine}"
        return self._such(files, [versions.until, LOAD_ID, versions.column], such)

    def _such(self, files: Sequence[File], columns: Sequence[str], such: str) -> set[str]:
        """The parts that have a root row `r` for which `such` holds."""
        names = sql.names(columns)
        # The empty table gives columns that the files may lack.
        more = f", filename = '{FILENAME}'"
        rows = (
            f"SELECT {names}, NULL AS {FILENAME} FROM {self._engine.at(self._schema.root.name)} "
            f"UNION ALL BY NAME SELECT * FROM {self._rework.rows_of(files, more=more)}"
        )
        query = f"SELECT DISTINCT r.{FILENAME} FROM ({rows}) AS r WHERE {such}"
        part_of = {self._store.url(f.path): f.part for f in files}
        return {part_of[name] for (name,) in self._engine.rows(query)}


class Deferred(Scratch):
    """A scratch database that takes rows in only when a statement might see them."""

    def __init__(self, engine: Scratch) -> None:
        super().__init__(engine.connection, engine.db_schema)
        self._waiting: dict[str, list[pa.Table]] = {}
        self._columns: dict[str, Mapping[str, TableColumn]] = {}

    def insert(self, table: str, data: pa.Table, columns: Mapping[str, TableColumn]) -> None:
        """Keep the rows for later."""
        if data.num_rows:
            self._waiting.setdefault(table, []).append(data)
            self._columns[table] = columns

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement, after everything that came before it."""
        if "_waiting" in self.__dict__:
            self.flush()
        return super().rows(query, parameters)

    def flush(self) -> None:
        """Put the rows into their tables."""
        for table, found in self.take().items():
            for data in found:
                super().insert(table, data, self._columns[table])

    def take(self) -> dict[str, list[pa.Table]]:
        """Hand out the rows that are in no table yet."""
        taken, self._waiting = self._waiting, {}
        return taken
