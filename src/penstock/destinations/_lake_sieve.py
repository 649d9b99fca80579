"""Rows merged into the files of a dataset without a database: what a new row replaces is left out.

A merge by `delete-insert` or `insert-only` needs no more of a file than its key columns to know
what is to be done; only files that lose rows are read, some rows at a time, and written anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from penstock.destinations import _lake_rework as rework
from penstock.destinations._arrow import Parts, flagged, without
from penstock.destinations._lake_draft import Draft
from penstock.destinations._lake_files import aligned, all_loads, file_schema, new_part
from penstock.destinations._lake_keys import EXACT, Keys, places
from penstock.destinations._lake_log import File
from penstock.destinations._lake_store import Store
from penstock.destinations._merge import check_key
from penstock.destinations._write import parts
from penstock.destinations.base import Checkpoint, Merge
from penstock.shape.schema import Schema, Table

if TYPE_CHECKING:
    import pyarrow as pa


def suits(schema: Schema, write: Merge) -> bool:
    """Whether a merge is one of those that are done here."""
    columns = [schema.root.column(name) for name in write.key]
    return (
        write.strategy in {"delete-insert", "insert-only"}
        and bool(columns)
        and not write.merge_key
        and write.sort is None
        and not (write.ends and write.soft_delete)
        and all(column is not None and column.type in EXACT for column in columns)
    )


class Sieve:
    """Merges the rows of one checkpoint into the files in `draft`."""

    def __init__(
        self, store: Store, draft: Draft, schema: Schema, checkpoint: Checkpoint, write: Merge
    ) -> None:
        self._store = store
        self._draft = draft
        self._schema = schema
        self._checkpoint = checkpoint
        self._write = write
        self._rows: dict[str, int] = {}

    def run(self, *, known: bool) -> dict[str, int] | None:
        """Merge, and count rows by table; None, with nothing done, where files need more care.

        `known` says that there are files which have the columns of the key.
        """
        batches = [parts(self._schema, batch) for batch in self._checkpoint.batches]
        came = [keys for found in batches if (keys := self._keys(found))]
        met = self._meeting(Keys.together(came)) if known and came else []
        if self._write.strategy == "insert-only":
            kept = self._unknown(batches, [keys for part in met for keys in part.keys])
        elif all(part.plain for part in met):
            kept = self._last(batches)
            self._leave_out(met)
        else:
            return None
        rows: dict[str, list[pa.Table]] = {}
        for found in kept:
            for table, data in found:
                rows.setdefault(table.name, []).append(data)
        self._draft.append(self._schema, rows, self._checkpoint.load_id)
        return self._rows

    def _keys(self, found: Parts) -> Keys | None:
        for table, data in found:
            if table.parent is None and data.num_rows:
                check_key(table, data, self._write.key)
                return Keys.of(table, data, self._write.key)
        return None

    # What of the new rows is wanted.

    def _last(self, batches: Sequence[Parts]) -> list[Parts]:
        """The rows of each batch but those whose key comes in a later one."""
        kept: list[Parts] = []
        later: list[Keys] = []
        for found in reversed(batches):
            self._count(self._unflagged(found))
            kept.append(self._unflagged(self._without(found, later)))
            if keys := self._keys(found):
                later.append(keys)
        return kept[::-1]

    def _unknown(self, batches: Sequence[Parts], known: list[Keys]) -> list[Parts]:
        """The rows of each batch but those whose key is in a file, or in an earlier one."""
        kept: list[Parts] = []
        for found in batches:
            wanted = self._unflagged(self._without(found, known))
            self._count(wanted)
            kept.append(wanted)
            if keys := self._keys(wanted):
                known.append(keys)
        return kept

    def _without(self, found: Parts, others: Sequence[Keys]) -> Parts:
        keys = self._keys(found)
        return without(found, places(keys.among(one) for one in others)) if keys else found

    def _unflagged(self, found: Parts) -> Parts:
        name = self._write.hard_delete
        if name is None or not found or found[0][0].parent is not None:
            return found
        return without(found, flagged(found[0][1], name))

    def _count(self, found: Parts) -> None:
        for table, data in found:
            self._rows[table.name] = self._rows.get(table.name, 0) + data.num_rows

    # What of the old rows is left.

    def _meeting(self, came: Keys) -> list[Met]:
        """The parts with a root row of a key that comes."""
        root = self._schema.root
        near: dict[str, list[File]] = {}
        for file in self._draft.of(root.name):
            if file.rows and came.may_be_in(file):
                near.setdefault(file.part, []).append(file)
        found = []
        for name, files in near.items():
            part = Met(self._store, self._draft, self._schema, name)
            for file in files:
                part.look(file, self._write.key, came)
            if part.keys:
                found.append(part)
        return found

    def _leave_out(self, met: Sequence[Met]) -> None:
        """Write these parts anew without the rows that are met, several together."""
        for some in _together(met):
            part = new_part()
            for table in self._schema.tables:
                files = [file for one in some for file in one.files(table)]
                chunks = chain.from_iterable(one.rest(table) for one in some)
                first = next(chunks, None)
                if first is not None:
                    written = self._draft.writer.write(
                        table.name,
                        file_schema(table),
                        chain((first,), chunks),
                        part=part,
                        loads=all_loads(files),
                        keys=table.key,
                    )
                    self._draft.put(written)
                self._draft.drop([file.path for file in files])


def _together(met: Sequence[Met]) -> Iterator[list[Met]]:
    """Put parts together, as many as make a part that is not too large."""
    some: list[Met] = []
    rows = 0
    for part in met:
        if some and rows + part.left > rework.PART_ROWS:
            yield some
            some, rows = [], 0
        some.append(part)
        rows += part.left
    if some:
        yield some


class Met:
    """A part some of whose root rows are replaced; `keys` are those that its files have of them."""

    def __init__(self, store: Store, draft: Draft, schema: Schema, name: str) -> None:
        self._store = store
        self._schema = schema
        self._files = {t.name: draft.of(t.name, [name]) for t in schema.tables}
        self._kept: dict[str, Any] = {}
        self._gone: dict[str, Any] = {}
        self.keys: list[Keys] = []

    def look(self, file: File, key: Sequence[str], came: Keys) -> None:
        """Find the rows of a file whose key comes."""
        from penstock import arrow  # noqa: PLC0415 (start-up stays fast without pyarrow)

        keys = Keys.of(self._schema.root, self._columns(file, key), key)
        mask = keys.among(came)
        if arrow.call("any", mask).as_py():
            self.keys.append(keys.chosen(mask))
            self._kept[file.path] = arrow.call("invert", mask)

    @property
    def plain(self) -> bool:
        """Whether the files are of a size to be written as they are, and have only our columns."""
        rows = sum(file.rows for file in self.files(self._schema.root))
        return rows <= rework.PART_ROWS and all(
            set(self._open(file).schema_arrow.names) <= {column.name for column in table.columns}
            for table in self._schema.tables
            for file in self.files(table)
        )

    @property
    def left(self) -> int:
        """How many root rows are left."""
        files = self.files(self._schema.root)
        return sum(
            file.rows if (kept := self._kept.get(file.path)) is None else kept.true_count
            for file in files
        )

    def files(self, table: Table) -> list[File]:
        """The part's files of a table."""
        return self._files[table.name]

    def rest(self, table: Table) -> Iterator[pa.Table]:
        """The rows of a table that are left, in pieces."""
        schema = file_schema(table)
        for file in self.files(table) if self.left else ():
            start = 0
            opened = self._open(file)
            for group in range(opened.num_row_groups):
                data = aligned(opened.read_row_group(group), schema)
                kept = data.filter(self._wanted(table, file, data, start))
                start += data.num_rows
                if kept.num_rows:
                    yield kept

    def _wanted(self, table: Table, file: File, data: pa.Table, start: int) -> Any:
        """Which of the rows from the `start`-th are left."""
        import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

        from penstock import arrow  # noqa: PLC0415 (the same)

        if table.parent is not None:
            return self._has_parent(table, data)
        kept = self._kept.get(file.path)
        if kept is None:
            return arrow.repeat(True, pa.bool_(), data.num_rows)
        return kept.slice(start, data.num_rows)

    def _has_parent(self, table: Table, data: pa.Table) -> Any:
        from penstock import arrow  # noqa: PLC0415 (start-up stays fast without pyarrow)

        assert table.parent is not None
        gone = self._gone_of(table.parent)
        return arrow.call("invert", arrow.is_in(data.column(table.own.parent_id), gone))

    def _gone_of(self, name: str) -> Any:
        """The ids of the rows of a table that are not left."""
        import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

        from penstock import arrow  # noqa: PLC0415 (the same)

        if name not in self._gone:
            table = self._schema.table(name)
            assert table is not None
            found = [pa.chunked_array([], pa.string())]
            own = table.own
            for file in self.files(table):
                data = self._columns(file, (own.row_id, own.parent_id))
                wanted = self._wanted(table, file, data, 0)
                found.append(
                    data.column(own.row_id).cast(pa.string()).filter(arrow.call("invert", wanted))
                )
            self._gone[name] = pa.chunked_array(
                [c for one in found for c in one.chunks], pa.string()
            )
        return self._gone[name]

    def _columns(self, file: File, names: Sequence[str]) -> pa.Table:
        opened = self._open(file)
        there = set(opened.schema_arrow.names)
        return opened.read([name for name in names if name in there])

    def _open(self, file: File) -> Any:
        import pyarrow.parquet as pq  # noqa: PLC0415 (start-up stays fast without pyarrow)

        return pq.ParquetFile(self._store.url(file.path))
