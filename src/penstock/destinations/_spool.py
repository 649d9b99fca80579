"""Checkpoints kept in files of a directory, for a tool that loads the rows itself.

It is a session like a destination's, but for one stream and one reading: rows wait on disk until
the reading is complete, so that what was taken back, or came again under its key, is not handed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.destinations._arrow import Parts, fitted, without
from penstock.destinations.base import NOTHING, Checkpoint, Committed, Merge, Write
from penstock.shape.schema import (
    PARENT_ID,
    ROW_ID,
    Batch,
    Schema,
    Table,
)

if TYPE_CHECKING:
    import pyarrow as pa

ROOT_ID = "_penstock_root_id"
GONE = "_penstock_gone"


class Spool:
    """Keeps what a run commits in `folder`; `states` and `schemas` are where it starts from."""

    def __init__(
        self, folder: Path, states: Mapping[str, Mapping[str, str]], schemas: Mapping[str, Schema]
    ) -> None:
        self._folder = folder
        self._count = 0
        self._loads: dict[str, list[tuple[str, dict[str, Path]]]] = {}
        self.writes: dict[str, Write] = {}
        self.held = {stream: dict(entries) for stream, entries in states.items()}
        self.schemas = dict(schemas)

    def state(self, stream: str) -> dict[str, str]:
        """The stream's entries."""
        return dict(self.held.get(stream, {}))

    def states(self, streams: Iterable[str]) -> dict[str, dict[str, str]]:
        """The entries of streams."""
        return {stream: self.state(stream) for stream in streams}

    def schema(self, stream: str) -> Schema | None:
        """The stream's tables, as they are now."""
        return self.schemas.get(stream)

    def streams(self) -> tuple[str, ...]:
        """The names under which there are tables."""
        return tuple(self.schemas)

    def commit(self, checkpoint: Checkpoint) -> Committed:
        """Keep rows and state."""
        kept = [self._keep(part).rows for part in checkpoint.whole]
        return Committed(rows={name: n for rows in kept for name, n in rows.items()})

    def _keep(self, checkpoint: Checkpoint) -> Committed:
        loads = self._loads.setdefault(checkpoint.stream, [])
        loads[:] = [one for one in loads if one[0] not in checkpoint.retract]
        if checkpoint.schema is not None:
            self.schemas[checkpoint.stream] = checkpoint.schema
            self.writes[checkpoint.stream] = checkpoint.write
        rows: dict[str, int] = {}
        for batch in checkpoint.batches:
            loads.append((checkpoint.load_id, self._written(batch)))
            for name, table in batch.tables.items():
                rows[name] = rows.get(name, 0) + table.num_rows
        self._put(checkpoint.stream, checkpoint.state)
        return Committed(rows=rows)

    def knows(self, load_id: str) -> bool:
        """Whether the rows of that load are kept."""
        return any(load_id == load for loads in self._loads.values() for load, _ in loads)

    def reset(self, streams: Sequence[str]) -> None:
        """Forget the state of `streams`."""
        for stream in streams:
            self.held.pop(stream, None)

    def keep_receipts(
        self, receipts: Sequence[tuple[str, str]], over: Mapping[str, Sequence[str]] = NOTHING
    ) -> None:
        """Receipts are not kept: whoever loads the rows has its own."""
        del receipts
        for stream, names in over.items():
            self._put(stream, [(name, None) for name in names])

    def last_receipts(self) -> dict[str, str]:
        """No receipts of earlier runs."""
        return {}

    def close(self) -> None:
        """Nothing is held; the directory belongs to whoever gave it."""

    def parts(self, stream: str) -> Iterator[tuple[Table, pa.Table]]:
        """What is to be loaded of a stream, table by table, the newest of each key alone.

        Rows of child tables that are merged say in `ROOT_ID` whose they are, and for each root
        there is a row with a true `GONE`, by which the rows below it from before are found.
        """
        schema, loads = self.schemas.get(stream), self._loads.get(stream, [])
        if schema is None:
            return
        write = self.writes.get(stream)
        key, seen = write.key if isinstance(write, Merge) else (), set[tuple[Any, ...]]()
        for _, paths in reversed(loads) if key else loads:
            found = [(t, _read(paths[t.name], t)) for t in schema.tables if t.name in paths]
            yield from _newest(schema, found, key, seen) if key else found

    def _written(self, batch: Batch) -> dict[str, Path]:
        """The batch's tables as files of Arrow's own."""
        import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

        paths = {}
        for name, table in batch.tables.items():
            self._count += 1
            path = paths[name] = self._folder / f"{self._count}.arrow"
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as out:
                out.write_table(table)
        return paths

    def _put(self, stream: str, state: Sequence[tuple[str, str | None]]) -> None:
        entries = self.held.setdefault(stream, {})
        for name, value in state:
            if value is None:
                entries.pop(name, None)
            else:
                entries[name] = value


def _read(path: Path, table: Table) -> pa.Table:
    """A file's rows, in the types that the table has in the end."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    with pa.memory_map(str(path)) as file:
        return fitted(pa.ipc.open_file(file).read_all(), table)


def _newest(
    schema: Schema, found: Parts, key: tuple[str, ...], seen: set[tuple[Any, ...]]
) -> Iterator[tuple[Table, pa.Table]]:
    """What `seen` has no newer row of, with what tells in child tables whose rows are replaced."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    from penstock import arrow  # noqa: PLC0415 (the same)

    rows = list(zip(*(found[0][1].column(name).to_pylist() for name in key), strict=True))
    found = without(found, [n for n, row in enumerate(rows) if row in seen])
    seen.update(rows)
    root = found[0][1]
    yield found[0]
    if ROW_ID not in root.column_names:
        return
    own = root.column(ROW_ID).combine_chunks()
    ids = {schema.root.name: (own, own)}
    for table, data in found[1:]:
        parents, roots = ids[table.parent or ""]
        places = arrow.index_in(data.column(PARENT_ID).combine_chunks(), parents)
        whose = roots.take(places)
        ids[table.name] = (data.column(ROW_ID).combine_chunks(), whose)
        yield table, data.append_column(ROOT_ID, whose)
    gone = pa.table({ROOT_ID: own, GONE: arrow.repeat(True, pa.bool_(), len(own))})
    yield from ((table, gone) for table in schema.tables[1:])
