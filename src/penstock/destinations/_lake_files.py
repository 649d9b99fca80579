"""Rows written as Parquet files of one part, and what is said of such a file."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from penstock.destinations._lake_log import Bound, File
from penstock.destinations._lake_store import Store
from penstock.patterns import pattern
from penstock.shape.schema import LOAD_ID, Table, arrow_type, grown

if TYPE_CHECKING:
    import pyarrow as pa

OURS = pattern(r"(?P<epoch>\d+)-[0-9a-f]{12}\.parquet")
"""The name of a file that Penstock wrote; `epoch` says in which run."""

GROUP_ROWS = 128 * 1024
GROUP_BYTES = 64 * 1024 * 1024
MOST_LOADS = 8
MOST_NAME = 120
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")


def folder_of(table: str) -> str:
    """Name the folder of a table: letters and digits as they are, of the rest the hex digits."""
    name = "".join(c if c in _PLAIN else "".join(f"~{b:02x}" for b in c.encode()) for c in table)
    if name.startswith("."):
        name = f"~2e{name[1:]}"
    if len(name) <= MOST_NAME:
        return name
    return f"{name[:MOST_NAME]}~{sha256(table.encode()).hexdigest()[:12]}"


def new_part() -> str:
    """Name a part."""
    return secrets.token_hex(6)


def file_schema(table: Table) -> pa.Schema:
    """The columns of a table, as its files have them."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    return pa.schema([(c.name, arrow_type(c)) for c in table.columns])


def aligned(data: pa.Table, schema: pa.Schema) -> pa.Table:
    """Give rows the columns of `schema`, in its order and types; what they lack is null."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    if data.schema.equals(schema):
        return data
    there = set(data.column_names)
    columns = [
        _as(data.column(field.name), field.type)
        if field.name in there
        else pa.nulls(data.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _as(values: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    if values.type == kind:
        return values
    if pa.types.is_nested(kind):
        return pa.chunked_array([grown(values.combine_chunks(), kind)])
    return values.cast(kind)


class Files:
    """Writes data files; those of a commit that fails are removed again."""

    def __init__(self, store: Store, epoch: int) -> None:
        self._store = store
        self._epoch = epoch
        self._staged: list[str] = []

    def write(  # noqa: PLR0913 (what is to be known of a file)
        self,
        table: str,
        schema: pa.Schema,
        chunks: Iterable[pa.Table],
        *,
        part: str,
        loads: tuple[str, ...] | None,
        keys: Sequence[str] = (),
    ) -> File:
        """Write one file; `keys` are the columns whose ranges are noted."""
        import pyarrow.parquet as pq  # noqa: PLC0415 (start-up stays fast without pyarrow)

        path = f"{folder_of(table)}/{self._epoch}-{secrets.token_hex(6)}.parquet"
        self._staged.append(path)
        found: list[Any] = []
        with self._store.output(path) as sink:
            with pq.ParquetWriter(sink, schema, metadata_collector=found) as writer:
                for chunk in _groups(chunks):
                    writer.write_table(chunk, row_group_size=GROUP_ROWS)
            size = sink.tell()
        return File(
            path=path,
            table=table,
            part=part,
            rows=found[0].num_rows,
            size=size,
            loads=loads,
            ranges=_ranges(found[0], schema, keys),
        )

    def write_rows(
        self, table: Table, rows: Sequence[pa.Table], *, part: str, load_id: str
    ) -> File:
        """Write rows that one load brought."""
        schema = file_schema(table)
        loads = (load_id,) if table.column(LOAD_ID) else None
        chunks = (aligned(r, schema) for r in rows)
        return self.write(table.name, schema, chunks, part=part, loads=loads, keys=table.key)

    def settle(self) -> None:
        """Make the names of what was written durable."""
        self._store.settle(path.rpartition("/")[0] for path in self._staged)

    def keep(self, paths: Iterable[str]) -> None:
        """Forget what was written: `paths` are in use, the rest is removed."""
        kept = set(paths)
        for path in self._staged:
            if path not in kept:
                with suppress(Exception):  # it is swept by a later run
                    self._store.delete(path)
        self._staged.clear()


def all_loads(files: Sequence[File]) -> tuple[str, ...] | None:
    """The loads whose rows are in one of the files, or None if there are too many to list."""
    known: set[str] = set()
    for file in files:
        if file.loads is None:
            return None
        known.update(file.loads)
    return tuple(sorted(known)) if len(known) <= MOST_LOADS else None


def _groups(chunks: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Put rows together until they are worth a group of their own in a file."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    held: list[pa.Table] = []
    rows = size = 0
    for chunk in chunks:
        held.append(chunk)
        rows += chunk.num_rows
        size += chunk.nbytes
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            yield pa.concat_tables(held)
            held, rows, size = [], 0, 0
    if held:
        yield pa.concat_tables(held)


def _ranges(
    metadata: Any, schema: pa.Schema, keys: Sequence[str]
) -> Mapping[str, tuple[Bound, Bound]]:
    """The least and greatest value of the key columns, as far as the file itself says them."""
    found: dict[str, tuple[Bound, Bound]] = {}
    if not metadata.num_row_groups:
        return found
    first = metadata.row_group(0)
    places = {first.column(i).path_in_schema: i for i in range(first.num_columns)}
    for key in keys:
        if key not in schema.names or key not in places:
            continue
        position = places[key]
        groups = [
            metadata.row_group(g).column(position).statistics
            for g in range(metadata.num_row_groups)
        ]
        bounds = [(s.min, s.max) for s in groups if s is not None and s.has_min_max]
        plain = all(type(low) in {int, str} for low, _ in bounds)
        if bounds and plain and len(bounds) == len(groups):
            found[key] = (min(low for low, _ in bounds), max(high for _, high in bounds))
    return found
