# ruff: noqa: S608 (identifiers go through quote(), paths through sql.text())
"""What people see of the tables of a dataset, and what they may have changed by hand."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.destinations._duckdb_engine import fold
from penstock.destinations._duckdb_scratch import SPELLING, Scratch, parquet
from penstock.destinations._evolve import Actual
from penstock.destinations._lake_files import OURS, folder_of
from penstock.destinations._lake_log import Change, File, Head
from penstock.destinations._lake_store import BACK, Store
from penstock.errors import DestinationError
from penstock.shape.schema import Batch, Schema, Table


class Tables:
    """Looks at the files themselves: a file that is gone or has another size was changed."""

    sweeps = True

    def __init__(self, store: Store, engine: Scratch) -> None:
        self._store = store
        self._engine = engine
        self._described: dict[tuple[str, int], dict[str, str]] = {}

    def schema(self, schema: Schema | None) -> Schema | None:
        """The schema as it is written."""
        return schema

    def batch(self, schema: Schema, batch: Batch) -> Batch:  # noqa: ARG002 (files have all types)
        """The rows as they are written."""
        return batch

    def adopt(self, head: Head, stream: str) -> dict[str, File]:
        """The stream's files: nobody else writes any."""
        return head.held(stream).files

    def recover(self, head: Head) -> None:
        """Do nothing: what the log says is seen at once."""

    def publish(self, head: Head, change: Change) -> None:
        """Do nothing: what the log says is seen at once."""

    def taken(self, head: Head, wanted: Schema) -> dict[str, dict[str, str]]:
        """The tables of any stream, and the wanted ones whose folders hold files of others."""
        streams = head.streams.values()
        names = {f.table for held in streams for f in held.files.values()}
        names |= {t.name for t in wanted.tables if self._foreign(t.name)}
        return {fold(name): {} for name in names}

    def actual(self, head: Head, stored: Schema | None, wanted: Schema) -> Actual:
        """The tables that are there, and the columns of the stream's own.

        Raises:
            DestinationError: some of a table's files are gone.
        """
        found = self.taken(head, wanted)
        for table in stored.tables if stored else ():
            files = self._files(head, wanted.stream, table)
            there = self._store.files(folder_of(table.name))
            lost = lost_of(files, there)
            if files and len(lost) == len(files):
                found.pop(fold(table.name), None)
                continue
            if lost and wanted.table(table.name):
                raise vanished(table.name, lost)
            found[fold(table.name)] = self._columns(table, files, there)
        return found

    def lost(self, head: Head, stored: Schema) -> list[str]:
        """The files of a stream that somebody deleted."""
        return [
            path
            for table in stored.tables
            for path in lost_of(
                self._files(head, stored.stream, table), self._store.files(folder_of(table.name))
            )
        ]

    def remaining(self, head: Head, stored: Schema) -> dict[str, dict[str, str]]:
        """The tables of which at least one file is left, with the columns these have."""
        found: dict[str, dict[str, str]] = {}
        for table in stored.tables:
            there = self._store.files(folder_of(table.name))
            files = self._files(head, stored.stream, table)
            lost = set(lost_of(files, there))
            left = [f for f in files if f.path not in lost]
            if left:
                found[fold(table.name)] = self._columns(table, left, there)
        return found

    def _files(self, head: Head, stream: str, table: Table) -> list[File]:
        return [f for f in head.held(stream).files.values() if f.table == table.name]

    def _foreign(self, table: str) -> bool:
        names = self._store.files(folder_of(table))
        return any(not OURS.fullmatch(n) and not n.startswith((".", "_")) for n in names)

    def _columns(
        self, table: Table, files: Sequence[File], there: dict[str, int]
    ) -> dict[str, str]:
        """The columns, as the schema has them but for what files that were rewritten have."""
        columns = {fold(c.name): SPELLING.type(c) for c in table.columns}
        changed = [f for f in files if there.get(_name(f), f.size) != f.size]
        if not changed:
            return columns
        seen = {f.path: self._describe(f, there[_name(f)]) for f in files if _name(f) in there}
        there_still = {name for found in seen.values() for name in found}
        columns = {n: kind for n, kind in columns.items() if n in there_still}
        for file in changed:
            columns.update(seen.get(file.path, {}))
        return columns

    def _describe(self, file: File, size: int) -> dict[str, str]:
        key = (file.path, size)
        if key not in self._described:
            query = f"DESCRIBE SELECT * FROM {parquet([self._store.url(file.path)])}"
            rows = self._engine.read(query)
            self._described[key] = {fold(name): kind for name, kind, *_ in rows}
        return self._described[key]


def _name(file: File) -> str:
    return file.path.rpartition("/")[2]


def lost_of(files: Sequence[File], there: dict[str, int]) -> list[str]:
    """The paths of files that are not among the names that are there."""
    return [f.path for f in files if _name(f) not in there]


def vanished(table: str, lost: Sequence[str]) -> DestinationError:
    """Say which files of a table somebody removed."""
    more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
    return DestinationError(
        f"file {lost[0]!r}{more} of table {table!r} is gone, though rows were loaded into it",
        code="drift",
        hint=BACK,
    )
