# ruff: noqa: S608 (identifiers go through quote(), values are parameters)
"""A run's hold on an SQL destination: commits checkpoints, each in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, assert_never

import msgspec

from penstock.destinations import _sql as sql
from penstock.destinations._dlt import DltDataset
from penstock.destinations._engine import Engine
from penstock.destinations._evolve import Actual, changes, check_system, renewed, union
from penstock.destinations._merge import Merger
from penstock.destinations._write import Writer, by_table
from penstock.destinations.base import (
    NOTHING,
    Append,
    Checkpoint,
    Committed,
    Fault,
    Merge,
    Owner,
    Replace,
)
from penstock.errors import DestinationError, FencedError
from penstock.plan.expr import JsonValue
from penstock.plan.hints import ColumnType
from penstock.shape.schema import Schema


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """A generation that is being built: its tables, under the names they will be shown by."""

    generation: str
    schema: Schema


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a checkpoint leaves once it is committed; `show` is a schema whose build is shown."""

    rows: dict[str, int]
    schema: Schema | None
    build: Build | None = None
    show: Schema | None = None


class SqlSession:
    """The session of an SQL destination; see `base.Session`."""

    def __init__(self, engine: Engine, *, epoch: int, owner: Owner, fault: Fault) -> None:
        self._engine = engine
        self._epoch = epoch
        self._owner = owner
        self._fault = fault
        self._last: list[Callable[[], None]] = []
        self._write = Writer(engine, fault)
        self._dlt = DltDataset(engine)
        self._adopted: set[str] = set()
        self._schemas: dict[str, Schema | None] = {}
        self._stored: dict[str, list[tuple[str, str]]] | None = None
        self._builds: dict[str, Build] = {}
        self._unsure: tuple[str, Sequence[Kept]] | None = None
        self._released = False
        self._closed = False

    def state(self, stream: str) -> dict[str, str]:
        """Read the stream's committed state entries."""
        return self.states((stream,))[stream]

    def states(self, streams: Iterable[str]) -> dict[str, dict[str, str]]:
        """Read the committed state entries of streams, all in one query."""
        found: dict[str, dict[str, str]] = {stream: {} for stream in streams}
        query = (
            f"SELECT stream, name, value FROM {self._at(sql.STATE)} "
            f"WHERE stream IN (SELECT {sql.TEXTS}) ORDER BY stream, name"
        )
        for stream, name, value in self._engine.read(query, [list(found)]) if found else ():
            found[stream][name] = value
        return found

    def schema(self, stream: str) -> Schema | None:
        """Read the stream's tables as last committed."""
        if stream not in self._schemas:
            rows = self._definitions().get(stream, [])
            self._schemas[stream] = sql.schema_from_rows(stream, rows)
        return self._schemas[stream]

    def streams(self) -> tuple[str, ...]:
        """Read the names under which there are tables."""
        found = self._definitions()
        there = {name for name, held in self._schemas.items() if held and held.tables}
        gone = self._schemas.keys() - there
        return tuple(sorted({*found, *(there - self._adopted)} - gone))

    def _definitions(self) -> dict[str, list[tuple[str, str]]]:
        """The tables of every stream as this session found them: asked for once."""
        if self._stored is None:
            query = (
                f"SELECT stream, {sql.DEFINITIONS} FROM {self._at(sql.COLUMNS)} "
                "ORDER BY stream, table_position, column_position"
            )
            self._stored = {}
            for stream, table, column in self._engine.read(query):
                self._stored.setdefault(stream, []).append((table, column))
        return self._stored

    @property
    def longest(self) -> int:
        """Tell the bytes that dlt lets a name have here."""
        return self._engine.spelling.longest

    @property
    def types(self) -> Mapping[ColumnType, str]:
        """Tell the types that columns of dlt's tables have here, where they are others."""
        return self._engine.spelling.of_dlt

    def adopt(self, stream: str, root: str) -> Schema | None:
        """Take over what dlt made for a stream, to be kept with its next checkpoint."""
        stored = self.schema(stream)
        with self._engine.transaction():
            found = self._dlt.adopt(stream, root, stored)
        if found != stored:
            self._schemas[stream] = found
            self._adopted.add(stream)
        return found

    def states_of_dlt(self) -> list[dict[str, JsonValue]]:
        """Read the newest states that dlt itself wrote."""
        with self._engine.transaction():
            return self._dlt.states_of_dlt()

    def last_dlt_load(self) -> str | None:
        """Read the greatest of dlt's load ids.

        Those of a generation that was never shown are only in the ledger, which would take another
        checkpoint of such a name for one that it has.
        """
        query = f"SELECT max(load_id) FROM {self._at(sql.LOADS)} WHERE load_id NOT LIKE '%-%'"
        with self._engine.transaction():
            found = (self._dlt.last_load(), *(text for (text,) in self._engine.rows(query)))
        return max((text for text in found if text is not None), default=None)

    def commit(self, checkpoint: Checkpoint) -> Committed:
        """Keep the checkpoint in one transaction, unless the ledger has it already.

        What fails in a way that may pass is tried again: nothing of it was kept, or the ledger
        says that all of it was.
        """
        for part in checkpoint.whole:
            check_rows(part)
        attempt = 0
        while True:
            try:
                return self._commit(checkpoint)
            except DestinationError as error:
                attempt += 1
                if not self._engine.recover(error, attempt):
                    self._blame(checkpoint, error)
                    raise

    def _commit(self, checkpoint: Checkpoint) -> Committed:
        stored = [self.schema(part.stream) for part in checkpoint.whole]
        with self._engine.transaction():
            self._fault("commit:begin")
            self._hold()
            if any(self._already(part) for part in checkpoint.whole):
                return self._found(checkpoint)
            kept = list(map(self._keep, checkpoint.whole, stored))
            self._fault("commit:rows")
            for part in checkpoint.whole:
                self._put_state(part.stream, part.state)
            self._fault("commit:state")
            for part, done in zip(checkpoint.whole, kept, strict=True):
                self._log(part, done.rows)
            if checkpoint.dlt is not None:
                self._dlt.keep(checkpoint, [done.schema for done in kept])
            for part, done in zip(checkpoint.whole, kept, strict=True):
                self._show(part, done)
            self._fault("commit:before")
            self._unsure = (checkpoint.load_id, kept)
        committed = self._done(checkpoint, kept)
        self._fault("commit:after")
        return committed

    def _done(self, checkpoint: Checkpoint, kept: Sequence[Kept]) -> Committed:
        """Remember what is committed, and say how many rows that are."""
        for part, done in zip(checkpoint.whole, kept, strict=True):
            self._remember(part.stream, done)
        return Committed(rows={name: n for done in kept for name, n in done.rows.items()})

    def _blame(self, checkpoint: Checkpoint, error: DestinationError) -> None:
        """Say it where a commit failed because somebody changed tables: no driver tells it well.

        Raises:
            DestinationError: tables or columns are not as they were left.
        """
        if error.code != "destination":
            return  # it says already what happened
        try:
            with self._engine.transaction():
                actual = self._engine.actual()
        except DestinationError:
            return  # it cannot even be looked at
        try:
            check_system(sql.SYSTEM_TABLES, actual, self._engine.spelling)
            if checkpoint.schema is not None and not isinstance(checkpoint.write, Replace):
                stored = self.schema(checkpoint.stream)
                changes(stored, checkpoint.schema, actual, self._engine.spelling)
        except DestinationError as found:
            raise found from error

    def _found(self, checkpoint: Checkpoint) -> Committed:
        """Say of a checkpoint that the ledger knows whether this session had tried to commit it."""
        if self._unsure is None or self._unsure[0] != checkpoint.load_id:
            return Committed(rows={}, already=True)
        return self._done(checkpoint, self._unsure[1])

    def _show(self, checkpoint: Checkpoint, kept: Kept) -> None:
        """Show a finished generation last: from here to the commit, readers may have to wait."""
        write = checkpoint.write
        if kept.show is not None and isinstance(write, Replace):
            self._write.swap(kept.show, write.generation)

    def knows(self, load_id: str) -> bool:
        """Say whether the checkpoint of that name is committed."""
        query = f"SELECT 1 FROM {self._at(sql.LOADS)} WHERE load_id = ? LIMIT 1"
        return bool(self._engine.read(query, [load_id]))

    def reset(self, streams: Sequence[str]) -> None:
        """Forget the streams' state, and what the schema says of tables that are gone."""
        with self._engine.transaction():
            self._hold()
            actual = self._engine.actual()
            for stream in streams:
                query = f"DELETE FROM {self._at(sql.STATE)} WHERE stream = ?"
                self._engine.rows(query, [stream])
                self._forget_missing(stream, actual)
        self._stored = None
        for stream in streams:
            self._schemas.pop(stream, None)

    def keep_receipts(
        self, receipts: Sequence[tuple[str, str]], over: Mapping[str, Sequence[str]] = NOTHING
    ) -> None:
        """Store the run's receipts, which end it: the fence is released with them."""
        with self._engine.transaction():
            self._hold(last=True)
            for stream, names in over.items():
                self._put_state(stream, [(name, None) for name in names])
            for stream, text in receipts:
                self._engine.rows(
                    f"INSERT INTO {self._at(sql.RECEIPTS)} VALUES (?, ?, ?, now())",
                    [self._owner.run_id, stream, text],
                )
        self._released = True

    def last_receipts(self) -> dict[str, str]:
        """Read the newest receipt of each stream."""
        query = (
            "SELECT DISTINCT ON (stream) stream, CAST(receipt AS VARCHAR) "
            f"FROM {self._at(sql.RECEIPTS)} "
            f"ORDER BY stream, stored_at DESC, {self._engine.row_order} DESC"
        )
        return dict(self._engine.read(query))

    def on_close(self, action: Callable[[], None]) -> None:
        """Have `action` done before the connection is closed."""
        self._last.append(action)

    def close(self) -> None:
        """Release the fence, and let go of the destination."""
        if self._closed:
            return
        self._closed = True
        # Nothing is lost where this fails (disk full, a reader that keeps a checkpoint from being
        # written): what was committed is in the log, and the next run reads it from there.
        with suppress(Exception):
            if not self._released:
                self._release()
            self._fault("close:released")
        for action in self._last:
            with suppress(Exception):
                action()
        self._engine.close()

    @property
    def closed(self) -> bool:
        """Whether the session let go."""
        return self._closed

    def _at(self, table: str) -> str:
        return self._engine.at(table)

    def _release(self) -> None:
        with self._engine.transaction():
            self._hold(last=True)

    def _hold(self, *, last: bool = False) -> None:
        """Make sure that this session still has the fence, until the transaction ends.

        With the `last` transaction of a run it is released.
        """
        released = "now()" if last else "NULL"
        query = (
            f"UPDATE {self._at(sql.FENCE)} SET turn = turn + 1, released_at = {released} "
            "WHERE epoch = ?"
        )
        self._released = False
        try:
            held = self._engine.changed(query, [self._epoch])
        except Exception as error:
            if not self._engine.is_conflict(error):
                raise
            raise FencedError("another run is taking the destination over") from error
        if not held:
            raise self._fenced()

    def _fenced(self) -> FencedError:
        found = self._engine.rows(f"SELECT run_id, pid, host FROM {self._at(sql.FENCE)}")
        who = "run {} (PID {} on {})".format(*found[0]) if found else "another run"
        return FencedError(
            f"{who} took the destination over",
            hint="this run ends here; what it committed before is kept",
        )

    def _already(self, checkpoint: Checkpoint) -> bool:
        """Look the checkpoint up; a generation that was given up cannot go on."""
        query = (
            f"SELECT load_id = ?, swapped FROM {self._at(sql.LOADS)} "
            "WHERE stream = ? AND (load_id = ? OR generation = ?)"
        )
        write = checkpoint.write
        generation = write.generation if isinstance(write, Replace) else None
        found = self._engine.rows(
            query, [checkpoint.load_id, checkpoint.stream, checkpoint.load_id, generation]
        )
        known = any(same for same, _ in found)
        if known and self._unsure is not None and self._unsure[0] == checkpoint.load_id:
            return True
        if generation is None or not found or self._building(checkpoint.stream, generation):
            return known
        if known and any(swapped for _, swapped in found):
            return True
        raise generation_over(generation, shown=any(swapped for _, swapped in found))

    def _building(self, stream: str, generation: str) -> Build | None:
        build = self._builds.get(stream)
        return build if build and build.generation == generation else None

    def _keep(self, checkpoint: Checkpoint, stored: Schema | None) -> Kept:
        match checkpoint.write:
            case Append() | Merge() as write:
                return self._keep_rows(checkpoint, write, stored)
            case Replace() as write:
                return self._keep_build(checkpoint, write, stored)
            case _ as unknown:
                assert_never(unknown)

    def _keep_rows(
        self, checkpoint: Checkpoint, write: Append | Merge, stored: Schema | None
    ) -> Kept:
        self._retract(checkpoint, stored)
        self._keep_discarded(checkpoint)
        if checkpoint.schema is None:
            return Kept(rows={}, schema=stored)
        self._write.evolve(stored, checkpoint.schema, by_table(checkpoint.batches))
        schema = union(stored, checkpoint.schema)
        self._put_schema(schema, stored)
        if isinstance(write, Append):
            rows = self._write.append(checkpoint.schema, checkpoint.batches)
        else:
            rows = Merger(self._engine, schema, checkpoint, write).run()
        return Kept(rows=rows, schema=schema)

    def _retract(self, checkpoint: Checkpoint, schema: Schema | None) -> None:
        loads = checkpoint.retract
        if loads:
            self._write.retract(schema, loads)
            self._engine.rows(
                f"DELETE FROM {self._at(sql.DISCARDED)} WHERE load_id IN (SELECT {sql.TEXTS})",
                [list(loads)],
            )

    def _keep_discarded(self, checkpoint: Checkpoint) -> None:
        found = [one for batch in checkpoint.batches for one in batch.discarded]
        if found:
            self._engine.rows(
                f"INSERT INTO {self._at(sql.DISCARDED)} SELECT CAST(? AS VARCHAR), "
                f"CAST(? AS VARCHAR), {sql.TEXTS}, {sql.TEXTS}, {sql.TEXTS}, now()",
                [
                    *(checkpoint.stream, checkpoint.load_id),
                    [one.reason for one in found],
                    [one.origin for one in found],
                    [one.record for one in found],
                ],
            )

    def _keep_build(self, checkpoint: Checkpoint, write: Replace, stored: Schema | None) -> Kept:
        stream, generation = checkpoint.stream, write.generation
        build = self._building(stream, generation)
        if build is None:
            self._give_up_builds(stream)
        before = build.schema if build else None
        self._retract(checkpoint, before and sql.as_build(before, generation))
        self._keep_discarded(checkpoint)
        known = before or (None if write.anew else stored)
        schema = union(known, checkpoint.schema) if checkpoint.schema else known
        if schema is None:
            return Kept(rows={}, schema=stored)
        if write.swap:
            schema = renewed(stored, schema)
        self._write.check_free(stored, schema)
        rows = by_table(checkpoint.batches)
        made = self._write.grow_build(before, schema, generation, rows)
        self._note_build(stream, generation, made)
        if write.merge is None or checkpoint.schema is None:
            added = self._write.append(schema, checkpoint.batches, generation)
        else:
            added = self._merge_build(checkpoint, generation, write.merge, schema)
        if not write.swap:
            now = Build(generation=generation, schema=schema)
            return Kept(rows=added, schema=stored, build=now)
        self._note_build(stream, None, ())
        self._put_schema(schema, stored)
        return Kept(rows=added, schema=schema, show=schema)

    def _merge_build(
        self, checkpoint: Checkpoint, generation: str, merge: Merge, schema: Schema
    ) -> dict[str, int]:
        """Merge rows among those of their generation; count them by table."""
        shown = {sql.build_name(table.name, generation): table.name for table in schema.tables}
        built = sql.in_build(checkpoint, generation)
        rows = Merger(self._engine, sql.as_build(schema, generation), built, merge).run()
        return {shown[name]: count for name, count in rows.items()}

    def _give_up_builds(self, stream: str) -> None:
        query = f"SELECT table_name FROM {self._at(sql.BUILDS)} WHERE stream = ?"
        for (table,) in self._engine.rows(query, [stream]):
            self._engine.rows(f"DROP TABLE IF EXISTS {self._at(table)}")
        self._note_build(stream, None, ())

    def _note_build(self, stream: str, generation: str | None, tables: Sequence[str]) -> None:
        """Write down which tables are a build's, so that they are found when the run dies."""
        if generation is None:
            self._engine.rows(f"DELETE FROM {self._at(sql.BUILDS)} WHERE stream = ?", [stream])
        for table in tables:
            self._engine.rows(
                f"INSERT INTO {self._at(sql.BUILDS)} VALUES (?, ?, ?)",
                [stream, generation, table],
            )

    def _put_schema(self, schema: Schema, stored: Schema | None) -> None:
        if schema == stored and schema.stream not in self._adopted:
            return
        columns = self._at(sql.COLUMNS)
        self._engine.rows(f"DELETE FROM {columns} WHERE stream = ?", [schema.stream])
        if not schema.tables:
            return
        fields = list(zip(*sql.schema_rows(schema), strict=True))
        lists = ", ".join(_LISTS.get(name, sql.TEXTS) for name in sql.COLUMN_FIELDS.split(", "))
        self._engine.rows(
            f"INSERT INTO {columns} (stream, {sql.COLUMN_FIELDS}) "
            f"SELECT CAST(? AS VARCHAR), {lists}",
            [schema.stream, *(list(f) for f in fields)],
        )

    def _put_state(self, stream: str, state: Sequence[tuple[str, str | None]]) -> None:
        if not state:
            return
        table = self._at(sql.STATE)
        last = dict(state)
        self._engine.rows(
            f"DELETE FROM {table} WHERE stream = ? AND name IN (SELECT {sql.TEXTS})",
            [stream, list(last)],
        )
        kept = {name: value for name, value in last.items() if value is not None}
        if kept:
            self._engine.rows(
                f"INSERT INTO {table} SELECT CAST(? AS VARCHAR), {sql.TEXTS}, {sql.TEXTS}",
                [stream, list(kept), list(kept.values())],
            )

    def _log(self, checkpoint: Checkpoint, rows: dict[str, int]) -> None:
        write = checkpoint.write
        replace = write if isinstance(write, Replace) else None
        loads = self._at(sql.LOADS)
        values: list[Any] = [
            *(checkpoint.load_id, checkpoint.stream, checkpoint.stream, checkpoint.run_id),
            *(self._epoch, type(write).__name__.lower(), replace and replace.generation),
            *(replace is not None and replace.swap, msgspec.json.encode(rows).decode()),
            checkpoint.slices,
        ]
        self._engine.rows(
            f"INSERT INTO {loads} VALUES (?, ?, (SELECT coalesce(max(sequence), 0) + 1 "
            f"FROM {loads} WHERE stream = ?), ?, ?, ?, ?, ?, ?, ?, now())",
            values,
        )

    def _remember(self, stream: str, kept: Kept) -> None:
        self._unsure = None
        self._adopted.discard(stream)
        self._schemas[stream] = kept.schema
        if kept.build:
            self._builds[stream] = kept.build
        else:
            self._builds.pop(stream, None)

    def _forget_missing(self, stream: str, actual: Actual) -> None:
        stored = self.schema(stream)
        if stored is None:
            return
        tables = []
        for table in stored.tables:
            there = actual.get(self._engine.spelling.fold(table.name), {})
            columns = tuple(c for c in table.columns if self._engine.spelling.fold(c.name) in there)
            if columns:
                tables.append(msgspec.structs.replace(table, columns=columns))
        self._put_schema(msgspec.structs.replace(stored, tables=tuple(tables)), stored)


_LISTS = {
    "table_position": "unnest(CAST(? AS BIGINT[]))",
    "column_position": "unnest(CAST(? AS BIGINT[]))",
    "table_definition": f"CAST({sql.TEXTS} AS JSON)",
    "column_definition": f"CAST({sql.TEXTS} AS JSON)",
}


def check_rows(checkpoint: Checkpoint) -> None:
    """Make sure that rows come with what describes them."""
    if checkpoint.schema is None and any(b.rows for b in checkpoint.batches):
        raise DestinationError(f"checkpoint {checkpoint.load_id!r} has rows but no schema")


def generation_over(generation: str, *, shown: bool) -> DestinationError:
    """Say why a generation takes no more rows."""
    what = "is shown already" if shown else "was given up when the run that built it ended"
    return DestinationError(
        f"generation {generation!r} {what}, so no rows can be added to it",
        code="generation",
        hint="read the stream from its start, as a new generation",
    )
