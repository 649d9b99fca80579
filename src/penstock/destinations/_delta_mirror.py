"""Delta tables that follow the log of a dataset: one Delta commit a table, for each of its commits.

The log decides. What it says is then shown table by table; a run that dies in between leaves tables
that lag, and the next one shows the rest before it does anything else. Each Delta commit carries
the number of the log's commit as its app transaction, so that nothing is shown twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from penstock.destinations._duckdb_engine import fold
from penstock.destinations._duckdb_scratch import spell_arrow
from penstock.destinations._evolve import RULE, Actual
from penstock.destinations._lake_files import file_schema, folder_of, new_part
from penstock.destinations._lake_log import Change, File, Head, read_change
from penstock.destinations._lake_store import LocalStore
from penstock.destinations._lake_tables import lost_of, vanished
from penstock.destinations.base import Fault
from penstock.errors import DestinationError
from penstock.shape.schema import Batch, Schema, Table

if TYPE_CHECKING:
    import pyarrow as pa

APP = "penstock"
"""The id of the app transactions; one dataset writes to a table."""

TRIES = 5
_CONSTRAINT = "delta.constraints."
_UNREAD = {"deletionVectors", "columnMapping"}


class DeltaMirror:
    """The Delta tables of one dataset."""

    sweeps = False  # Delta's own VACUUM removes what no version of a table uses

    def __init__(self, store: LocalStore, fault: Fault) -> None:
        self._store = store
        self._fault = fault
        self._known: dict[str, int] = {}

    # Types that Delta does not have.

    def schema(self, schema: Schema | None) -> Schema | None:
        """The schema as it is written: Delta has no time of day, which becomes text."""
        if schema is None:
            return None
        tables = tuple(
            msgspec.structs.replace(
                table,
                columns=tuple(
                    msgspec.structs.replace(c, type="text") if c.type == "time" else c
                    for c in table.columns
                ),
            )
            for table in schema.tables
        )
        return msgspec.structs.replace(schema, tables=tables)

    def batch(self, schema: Schema, batch: Batch) -> Batch:
        """The rows as they are written."""
        times = {
            table.name: [c.name for c in table.columns if c.type == "time"]
            for table in schema.tables
        }
        tables = {
            name: _with_text(data, times.get(name, ())) for name, data in batch.tables.items()
        }
        return msgspec.structs.replace(batch, tables=tables)

    # What is there.

    def adopt(self, head: Head, stream: str) -> dict[str, File]:
        """The stream's files as its Delta tables have them now.

        Files that somebody else wrote, compacting for instance, make one part with what is left of
        the parts whose files they took the place of.
        """
        files = dict(head.held(stream).files)
        broken: set[str] = set()
        found: list[File] = []
        for table in sorted({f.table for f in files.values()}):
            delta = self._open(table)
            if delta is None or self._known.get(table) == delta.version():
                continue
            _check_readable(table, delta)
            active = _active(delta)
            ours = {f.path for f in files.values() if f.table == table}
            theirs = {f"{folder_of(table)}/{name}": a for name, a in active.items()}
            broken |= {files.pop(path).part for path in ours - set(theirs)}
            found += [_foreign(table, path, theirs[path]) for path in sorted(set(theirs) - ours)]
            self._known[table] = delta.version()
        if found or broken:
            part = new_part()
            for path, file in files.items():
                if file.part in broken:
                    files[path] = msgspec.structs.replace(file, part=part)
            files.update({f.path: msgspec.structs.replace(f, part=part) for f in found})
        return files

    def taken(self, head: Head, wanted: Schema) -> dict[str, dict[str, str]]:
        """The tables of any stream, and the wanted ones that others made."""
        return _taken(head, self._opened(wanted), wanted)

    def actual(self, head: Head, stored: Schema | None, wanted: Schema) -> Actual:
        """The tables that are there; of the stream's own, their columns."""
        there = self._opened(wanted, *([stored] if stored else ()))
        found = _taken(head, there, wanted)
        for table in stored.tables if stored else ():
            found.pop(fold(table.name), None)
            delta = there[table.name]
            if wanted.table(table.name) and delta is not None:
                self._check_files(head, wanted.stream, table, delta)
        return {**found, **(_remaining(stored, there) if stored else {})}

    def _opened(self, *schemas: Schema) -> dict[str, Any]:
        """The tables of schemas, each opened once; None for those that are not there."""
        names = dict.fromkeys(table.name for schema in schemas for table in schema.tables)
        return {name: self._open(name) for name in names}

    def _check_files(self, head: Head, stream: str, table: Table, delta: Any) -> None:
        """Make sure that a table's files are there, and that it takes rows as Penstock writes them.

        Raises:
            DestinationError: somebody removed files, or put a rule on the table.
        """
        files = [f for f in head.held(stream).files.values() if f.table == table.name]
        lost = lost_of(files, self._store.files(folder_of(table.name)))
        if lost:
            active = _active(delta)
            lost = [path for path in lost if _name(path) in active]
        if lost:
            raise vanished(table.name, lost)
        rule = next((f.name for f in delta.schema().fields if not f.nullable), None)
        if rule is not None:
            raise _ruled(table.name, rule, RULE)

    def remaining(self, head: Head, stored: Schema) -> dict[str, dict[str, str]]:  # noqa: ARG002 (Delta says it)
        """The tables of a schema that are there, with their columns."""
        return _remaining(stored, self._opened(stored))

    def lost(self, head: Head, stored: Schema) -> list[str]:
        """The files of tables that somebody removed."""
        gone = {t.name for t in stored.tables if self._open(t.name) is None}
        files = head.held(stored.stream).files
        return [path for path, f in files.items() if f.table in gone]

    # Showing what was decided.

    def recover(self, head: Head) -> None:
        """Show what was committed and is not shown yet."""
        for held in head.streams.values():
            for table, number in held.shown.items():
                if not (first := self._first_unshown(held.files, table)):
                    continue
                for missing in range(first if first > 0 else number, number + 1):
                    change = read_change(self._store, missing)
                    for part in change.whole if change is not None else ():
                        if table in _tables(part, head):
                            self._publish(head, part, table)

    def _first_unshown(self, files: Mapping[str, File], table: str) -> int:
        """The commit of the log after the one that a table shows; 0 for a table somebody removed.

        -1 stands for a table that was never shown.
        """
        delta = self._open(table)
        if delta is not None:
            return int(delta.transaction_version(APP) or 0) + 1
        there = self._store.files(folder_of(table))
        return -1 if all(_name(p) in there for p, f in files.items() if f.table == table) else 0

    def publish(self, head: Head, change: Change) -> None:
        """Show a commit, table by table."""
        self._fault("commit:said")
        for part in change.whole:
            for table in _tables(part, head):
                self._publish(head, part, table)
                self._fault("commit:shown")

    def _publish(self, head: Head, change: Change, table: str) -> None:
        from deltalake.exceptions import (  # noqa: PLC0415 (the driver is loaded late)
            CommitFailedError,
        )

        attempt = 0
        while True:
            try:
                self._commit(head, change, table)
            except CommitFailedError:
                attempt += 1  # somebody else was faster: look again
                if attempt == TRIES:
                    raise
            else:
                return

    def _commit(self, head: Head, change: Change, table: str) -> None:
        from deltalake import DeltaTable, Schema as DeltaSchema  # noqa: PLC0415, I001 (the driver is loaded late)
        from deltalake.transaction import (  # noqa: PLC0415 (the same)
            create_table_with_add_actions,
        )

        held = head.held(change.stream)
        inner = self.schema(held.schema)
        assert inner is not None
        described = inner.table(table)
        assert described is not None
        uri = str(self._store.path / folder_of(table))
        schema = DeltaSchema.from_arrow(file_schema(described))
        delta = self._open(table)
        if delta is None:
            adds = [f for f in held.files.values() if f.table == table]
            create_table_with_add_actions(
                uri, schema, [_add(f) for f in adds], commit_properties=_properties(change)
            )
        elif (delta.transaction_version(APP) or 0) < change.number:
            self._follow(delta, schema, held.files, change, table)
        self._known[table] = DeltaTable(uri).version()

    def _follow(
        self, delta: Any, schema: Any, files: Mapping[str, File], change: Change, table: str
    ) -> None:
        """Bring a Delta table to where the log is, in one commit of it."""
        from deltalake import Schema as DeltaSchema  # noqa: PLC0415 (the driver is loaded late)

        before = {f.name: f.type for f in delta.schema().fields}
        wanted = {f.name: f for f in schema.fields}
        active = _active(delta)
        changed = any(name in before and before[name] != f.type for name, f in wanted.items())
        if change.show is not None or changed:
            adds = [_add(f) for f in files.values() if f.table == table]
            delta = self._able(delta, table, wanted.values())
            delta.create_write_transaction(
                adds, "overwrite", schema, commit_properties=_properties(change)
            )
            return
        new = [f for name, f in wanted.items() if name not in before]
        if new:
            delta.alter.add_columns(new)
        actions: list[Any] = [
            _add(f) for f in change.add if f.table == table and _name(f.path) not in active
        ]
        prefix = f"{folder_of(table)}/"
        actions += [
            _remove(_name(path), active[_name(path)])
            for path in change.remove
            if path.startswith(prefix) and _name(path) in active
        ]
        now = DeltaSchema([*delta.schema().fields])
        delta.create_write_transaction(
            actions, "append", now, commit_properties=_properties(change)
        )

    def _able(self, delta: Any, table: str, columns: Iterable[Any]) -> Any:
        """Let a table hold timestamps without a zone, which not every table may."""
        from deltalake import TableFeatures  # noqa: PLC0415 (the driver is loaded late)

        needed = any("timestamp_ntz" in str(c.type) for c in columns)
        if not needed or "timestampNtz" in (delta.protocol().reader_features or ()):
            return delta
        delta.alter.add_feature(
            TableFeatures.TimestampWithoutTimezone, allow_protocol_versions_increase=True
        )
        return self._open(table)

    def _open(self, table: str) -> Any:
        from deltalake import DeltaTable  # noqa: PLC0415 (the driver is loaded late)

        path = self._store.path / folder_of(table)
        if not (path / "_delta_log").is_dir() or not DeltaTable.is_deltatable(str(path)):
            return None
        return DeltaTable(str(path))


def _taken(head: Head, there: dict[str, Any], wanted: Schema) -> dict[str, dict[str, str]]:
    names = {f.table for held in head.streams.values() for f in held.files.values()}
    for table in wanted.tables:
        delta = there[table.name]
        _check_rules(table.name, delta)
        names |= {table.name} if delta is not None else set()
    return {fold(name): {} for name in names}


def _remaining(stored: Schema, there: dict[str, Any]) -> dict[str, dict[str, str]]:
    return {
        fold(table.name): {fold(f.name): spell_arrow(f.type) for f in _columns(delta)}
        for table in stored.tables
        if (delta := there[table.name]) is not None
    }


def _tables(change: Change, head: Head) -> list[str]:
    """The tables that a commit changes, roots first."""
    if change.build is not None or not change.stream:
        return []
    schema = head.held(change.stream).schema
    if schema is None:
        return []
    folders = {p.partition("/")[0] for p in (*change.remove, *(f.path for f in change.add))}
    everything = change.show is not None or change.schema is not None
    return [t.name for t in schema.tables if everything or folder_of(t.name) in folders]


def _properties(change: Change) -> Any:
    from deltalake import CommitProperties, Transaction  # noqa: PLC0415 (the driver is loaded late)

    load = change.load
    said = {"commit": change.number, "epoch": change.epoch, "stream": change.stream}
    if load is not None:
        said |= {"load_id": load.load_id, "sequence": load.sequence, "run_id": load.run_id}
    return CommitProperties(
        custom_metadata={APP: said},
        max_commit_retries=0,
        app_transactions=[Transaction(APP, change.number)],
    )


def _add(file: File) -> Any:
    from deltalake.transaction import AddAction  # noqa: PLC0415 (the driver is loaded late)

    stats: dict[str, Any] = {"numRecords": file.rows}
    if file.ranges:
        stats["minValues"] = {name: low for name, (low, _) in file.ranges.items()}
        stats["maxValues"] = {name: high for name, (_, high) in file.ranges.items()}
    return AddAction(
        path=_name(file.path),
        size=file.size,
        partition_values={},
        modification_time=_millis(),
        data_change=True,
        stats=msgspec.json.encode(stats).decode(),
    )


def _remove(name: str, size: tuple[int, int]) -> Any:
    from deltalake.transaction import RemoveAction  # noqa: PLC0415 (the driver is loaded late)

    return RemoveAction(
        path=name, data_change=True, deletion_timestamp=_millis(), size=size[0], partition_values={}
    )


def _active(delta: Any) -> dict[str, tuple[int, int]]:
    """The files of a table by name, with their bytes and rows."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    columns = pa.table(delta.get_add_actions())
    rows = columns.select(["path", "size_bytes", "num_records"]).to_pylist()
    return {r["path"]: (int(r["size_bytes"]), int(r["num_records"] or 1)) for r in rows}


def _foreign(table: str, path: str, found: tuple[int, int]) -> File:
    size, rows = found
    return File(path=path, table=table, part="", rows=rows, size=size, loads=None)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _millis() -> int:
    return int(time.time() * 1000)


def _columns(delta: Any) -> pa.Schema:
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    return pa.schema(delta.schema().to_arrow())


def _check_readable(table: str, delta: Any) -> None:
    """Make sure that the files alone say what the rows are."""
    features = set(delta.protocol().reader_features or ()) & _UNREAD
    if features:
        raise DestinationError(
            f"the Delta table {table!r} uses {', '.join(sorted(features))}, which Penstock does "
            "not read",
            hint="rewrite the table without it, or load the stream again with --full-refresh",
        )


def _check_rules(table: str, delta: Any) -> None:
    """Make sure that no rule is broken unseen: files are added to a table as they are."""
    known = delta.metadata().configuration if delta is not None else ()
    for key in known:
        if key.startswith(_CONSTRAINT):
            raise _ruled(table, key.removeprefix(_CONSTRAINT), "drop it, then run again")


def _ruled(table: str, rule: str, hint: str) -> DestinationError:
    return DestinationError(
        f"the Delta table {table!r} has the rule {rule!r}, which Penstock did not make and does "
        "not check",
        code="drift",
        hint=hint,
    )


def _with_text(data: pa.Table, columns: Iterable[str]) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    for name in columns:
        position = data.schema.get_field_index(name)
        if position >= 0 and pa.types.is_time(data.schema.field(position).type):
            text = data.column(position).cast(pa.time64("us")).cast(pa.string())
            data = data.set_column(position, name, text)
    return data
