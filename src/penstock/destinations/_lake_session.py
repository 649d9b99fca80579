"""A run's hold on a dataset: commits checkpoints, each by one file that is made exclusively."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, assert_never

import msgspec

from penstock.destinations import _sql as sql
from penstock.destinations._duckdb_engine import fold
from penstock.destinations._duckdb_scratch import SPELLING, Scratch
from penstock.destinations._evolve import Actual, Widen, changes, check_free, renewed, union
from penstock.destinations._lake_draft import Draft
from penstock.destinations._lake_files import OURS, Files
from penstock.destinations._lake_log import (
    Change,
    File,
    Head,
    Held,
    Load,
    append,
    follow_whole,
    now,
    read_head,
)
from penstock.destinations._lake_merge import Merging
from penstock.destinations._lake_rework import Rework
from penstock.destinations._lake_store import Store, explain
from penstock.destinations._lake_system import discarded_rows, receipt_rows
from penstock.destinations._session import check_rows, generation_over
from penstock.destinations._write import parts
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
from penstock.errors import DestinationError, Error, FencedError
from penstock.shape.schema import Batch, Schema

if TYPE_CHECKING:
    import pyarrow as pa

GRACE = 3600.0
"""Seconds for which files that went out of use stay, for whoever reads them."""


class Mirror(Protocol):
    """How people see the tables of a dataset: as its files, or as tables that follow its log."""

    sweeps: bool

    def schema(self, schema: Schema | None) -> Schema | None:
        """The schema as it is written."""
        ...

    def batch(self, schema: Schema, batch: Batch) -> Batch:
        """The rows as they are written."""
        ...

    def adopt(self, head: Head, stream: str) -> dict[str, File]:
        """The stream's files as they are now, whoever wrote them."""
        ...

    def taken(self, head: Head, wanted: Schema) -> Actual:
        """The names that a new table cannot have."""
        ...

    def actual(self, head: Head, stored: Schema | None, wanted: Schema) -> Actual:
        """The tables that are there, and the columns of the stream's own."""
        ...

    def remaining(self, head: Head, stored: Schema) -> Actual:
        """The tables of which something is left."""
        ...

    def lost(self, head: Head, stored: Schema) -> list[str]:
        """The files that somebody deleted."""
        ...

    def recover(self, head: Head) -> None:
        """Show what was committed and is not shown yet."""
        ...

    def publish(self, head: Head, change: Change) -> None:
        """Show what was just committed."""
        ...


class LakeSession:
    """The session of a dataset of files; see `base.Session`."""

    def __init__(  # noqa: PLR0913 (what it holds on to)
        self,
        store: Store,
        head: Head,
        engine: Scratch,
        *,
        owner: Owner,
        fault: Fault,
        hold: Any,
        mirror: Mirror,
    ) -> None:
        self._store = store
        self._head = head
        self._engine = engine
        self._epoch = head.epoch
        self._owner = owner
        self._fault = fault
        self._hold = hold
        self._files = Files(store, self._epoch)
        self._tables = mirror
        self._behind = True
        self._closed = False
        self.committing = False

    @property
    def closed(self) -> bool:
        """Whether the session let go."""
        return self._closed

    def state(self, stream: str) -> dict[str, str]:
        """Read the stream's committed state entries."""
        return dict(sorted(self._head.held(stream).state.items()))

    def states(self, streams: Iterable[str]) -> dict[str, dict[str, str]]:
        """Read the committed state entries of streams."""
        return {stream: self.state(stream) for stream in streams}

    def schema(self, stream: str) -> Schema | None:
        """Read the stream's tables as last committed."""
        return self._head.held(stream).schema

    def streams(self) -> tuple[str, ...]:
        """The names under which there are tables."""
        return tuple(name for name, held in self._head.streams.items() if held.schema)

    def commit(self, checkpoint: Checkpoint) -> Committed:
        """Keep the checkpoint by one commit, unless the ledger has it already."""
        for part in checkpoint.whole:
            check_rows(part)
        attempt = 0
        while True:
            try:
                done = self._commit(checkpoint)
            except DestinationError as error:
                attempt += 1
                if not self._engine.recover(error, attempt):
                    raise
            else:
                break
        if not done.already:
            self._fault("commit:after")
        return done

    def _commit(self, checkpoint: Checkpoint) -> Committed:
        with self._working():
            self._fault("commit:begin")
            self._stay()
            if any(self._already(part) for part in checkpoint.whole):
                return Committed(rows={}, already=True)
            kept, *beside = (
                msgspec.structs.replace(self._keep(part), state=dict(part.state))
                for part in checkpoint.whole
            )
            self._fault("commit:rows")
            change = msgspec.structs.replace(kept, beside=tuple(beside))
            self._fault("commit:state")
            if any(part.show is not None for part in change.whole):
                self._fault("swap:renamed")
            self._files.settle()
            self._fault("commit:before")
            self._say(change)
            self._files.keep(f.path for part in change.whole for f in (*part.add, *part.system))
            self._behind = True
            self._tables.publish(self._head, change)
            self._behind = False
        loads = [part.load for part in change.whole if part.load is not None]
        return Committed(rows={name: n for load in loads for name, n in load.rows.items()})

    def knows(self, load_id: str) -> bool:
        """Say whether the checkpoint of that name is committed."""
        return any(load.load_id == load_id for load in self._head.loads)

    def reset(self, streams: Sequence[str]) -> None:
        """Forget the streams' state, and what the schema says of tables that are gone."""
        with self._working():
            self._stay()
            schemas: dict[str, Schema | None] = {}
            lost: list[str] = []
            for stream in streams:
                stored = self.schema(stream)
                if stored is not None:
                    left = self._tables.remaining(self._head, stored)
                    schemas[stream] = _restricted(stored, left)
                    lost += self._tables.lost(self._head, stored)
            known = tuple(s for s in streams if s in self._head.streams)
            self._say(self._change(forget=known, schemas=schemas, lost=tuple(lost)))

    def keep_receipts(
        self, receipts: Sequence[tuple[str, str]], over: Mapping[str, Sequence[str]] = NOTHING
    ) -> None:
        """Store the run's receipts."""
        with self._working():
            self._stay()
            table, rows = receipt_rows(self._owner.run_id, receipts, now())
            file = self._files.write_rows(table, [rows], part="", load_id="")
            self._files.settle()
            gone = (
                self._change(stream=stream, state=dict.fromkeys(names))
                for stream, names in over.items()
            )
            change = self._change(receipts=dict(receipts), system=(file,), beside=tuple(gone))
            self._say(change)
            self._files.keep([file.path])

    def last_receipts(self) -> dict[str, str]:
        """Read the newest receipt of each stream."""
        return dict(self._head.receipts)

    def close(self) -> None:
        """Release the fence, and let go of the dataset."""
        if self._closed:
            return
        self._closed = True
        # What was committed is there; a run that cannot say that it ended is found dead.
        with suppress(Exception):
            self._follow()
            self._say(self._change(released=True))
            self._fault("close:released")
        self._hold.release()
        self._engine.close()

    def recover(self) -> None:
        """Show what an earlier run committed and could not show any more."""
        with self._working():
            self._stay()

    def sweep(self) -> None:
        """Remove files that nobody uses: of runs that died, and what went out of use long ago."""
        if not self._tables.sweeps:
            return
        used = {f.path for held in self._head.streams.values() for f in held.files.values()}
        used |= set(self._head.system) | set(self._head.retired)
        for folder in self._store.folders():
            for name in () if folder == "_penstock" else self._store.files(folder):
                mark = OURS.fullmatch(name)
                path = f"{folder}/{name}"
                if mark and int(mark["epoch"]) < self._epoch and path not in used:
                    self._store.delete(path)
        old = [p for p, at in self._head.retired.items() if at < now() - GRACE]
        for path in old:
            self._store.delete(path)
        if old:
            self._say(self._change(swept=tuple(old)))

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Do what the block does or leave nothing of it; failures come out explained."""
        self.committing = True
        try:
            yield
        except BaseException as error:
            self._files.keep(())
            if isinstance(error, Error) or not isinstance(error, Exception):
                raise
            if "duckdb" in type(error).__module__:
                raise self._engine.explain(error) from error
            raise explain(error, self._store.root) from error
        finally:
            self.committing = False

    def _change(self, **more: Any) -> Change:
        return Change(
            number=self._head.number + 1,
            token=secrets.token_hex(6),
            epoch=self._epoch,
            at=now(),
            **more,
        )

    def _say(self, change: Change) -> None:
        """Make the commit, unless another run made one of its number."""
        if not append(self._store, self._head, change):
            self._check_epoch()
            raise DestinationError(
                "an earlier commit of this run came through after all",
                hint="run again: the ledger knows what was kept",
            )

    def _stay(self) -> None:
        """See what was committed since, and make sure that it was not by another run."""
        self._follow()
        if self._behind:
            self._tables.recover(self._head)
            self._behind = False

    def _follow(self) -> None:
        try:
            follow_whole(self._store, self._head)
        except DestinationError:
            # Who took the dataset over may have folded the commits meanwhile that are missed here.
            newest = read_head(self._store)
            if newest.epoch <= self._epoch:
                raise
            self._head = newest
        self._check_epoch()

    def _check_epoch(self) -> None:
        owner = self._head.owner
        if self._head.epoch == self._epoch or owner is None:
            return
        raise FencedError(
            f"run {owner.run_id} (PID {owner.pid} on {owner.host}) took the destination over",
            hint="this run ends here; what it committed before is kept",
        )

    def _already(self, checkpoint: Checkpoint) -> bool:
        """Look the checkpoint up; a generation that was given up cannot go on."""
        write = checkpoint.write
        generation = write.generation if isinstance(write, Replace) else None
        found = [
            load
            for load in self._head.loads
            if load.stream == checkpoint.stream
            and (
                load.load_id == checkpoint.load_id
                or (generation is not None and load.generation == generation)
            )
        ]
        known = any(load.load_id == checkpoint.load_id for load in found)
        build = self._head.held(checkpoint.stream).build
        if generation is None or not found or (build and build.generation == generation):
            return known
        swapped = any(load.swapped for load in found)
        if known and swapped:
            return True
        raise generation_over(generation, shown=swapped)

    def _keep(self, checkpoint: Checkpoint) -> Change:
        match checkpoint.write:
            case Append() | Merge():
                return self._keep_rows(checkpoint)
            case Replace() as write:
                return self._keep_build(checkpoint, write)
            case _ as unknown:
                assert_never(unknown)

    def _keep_rows(self, checkpoint: Checkpoint) -> Change:
        held = self._head.held(checkpoint.stream)
        stored, wanted = self._tables.schema(held.schema), self._written(checkpoint)
        draft = Draft(held.files, self._files, self._tables.adopt(self._head, checkpoint.stream))
        schema, rows = stored, {}
        if wanted.schema is not None:
            actual = self._tables.actual(self._head, stored, wanted.schema)
            schema = self._evolve(draft, stored, wanted.schema, actual)
        self._retract(draft, schema, checkpoint)
        if schema is not None and wanted.schema is not None:
            rows = self._put(draft, schema, wanted, stored)
        if schema is not None:
            draft.complete(schema)
        grown = union(held.schema, checkpoint.schema) if checkpoint.schema else held.schema
        more = {} if grown == held.schema else {"schema": grown}
        return self._drafted(checkpoint, draft, rows, **more)

    def _keep_build(self, checkpoint: Checkpoint, write: Replace) -> Change:
        held = self._head.held(checkpoint.stream)
        build = held.build
        if build is not None and build.generation != write.generation:
            build = None
        known = build.schema if build else None if write.anew else held.schema
        draft = Draft(build.files if build else {}, self._files)
        whole = union(known, checkpoint.schema) if checkpoint.schema else known
        if whole is None:
            self._retract(draft, None, checkpoint)
            return self._drafted(checkpoint, draft, {})
        if write.swap:
            whole = renewed(held.schema, whole)
        schema, rows = self._tables.schema(whole), {}
        assert schema is not None
        if checkpoint.schema is not None:
            stored = self._tables.schema(held.schema)
            check_free(stored, schema, self._tables.taken(self._head, schema), SPELLING)
            before = self._tables.schema(build.schema) if build else None
            self._evolve(draft, before, schema, _as_it_says(before))
        self._retract(draft, schema, checkpoint)
        if checkpoint.schema is not None:
            way = write.merge or Append()
            wanted = msgspec.structs.replace(self._written(checkpoint), write=way)
            rows = self._put(draft, schema, wanted, before)
        if not write.swap:
            return self._drafted(checkpoint, draft, rows, schema=whole, build=write.generation)
        draft.complete(schema)
        return self._shown(checkpoint, draft, rows, whole, held, write.generation)

    def _put(
        self, draft: Draft, schema: Schema, wanted: Checkpoint, before: Schema | None
    ) -> dict[str, int]:
        """Append the rows, or merge them into those that were written by the schema `before`."""
        if isinstance(wanted.write, Append):
            return self._append(draft, schema, wanted)
        merging = Merging(self._engine, self._store, draft, schema, wanted)
        return merging.run(self._head, before)

    def _written(self, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint in types that files of this dataset have."""
        schema = self._tables.schema(checkpoint.schema)
        if checkpoint.schema is None or schema == checkpoint.schema:
            return checkpoint
        batches = tuple(self._tables.batch(checkpoint.schema, b) for b in checkpoint.batches)
        return msgspec.structs.replace(checkpoint, schema=schema, batches=batches)

    def _shown(  # noqa: PLR0913, PLR0917 (what a swap is made of)
        self,
        checkpoint: Checkpoint,
        draft: Draft,
        rows: dict[str, int],
        schema: Schema,
        held: Held,
        generation: str,
    ) -> Change:
        """Put the files of the generation in the place of those of its tables."""
        ours = {t.name for t in schema.tables}
        old = tuple(p for p, f in held.files.items() if f.table in ours)
        change = self._drafted(checkpoint, draft, rows, schema=schema, show=generation)
        return msgspec.structs.replace(change, remove=(*change.remove, *old))

    def _drafted(
        self, checkpoint: Checkpoint, draft: Draft, rows: dict[str, int], **more: Any
    ) -> Change:
        found = [one for batch in checkpoint.batches for one in batch.discarded]
        if found:
            table, data = discarded_rows(checkpoint.stream, checkpoint.load_id, found, now())
            draft.system.append(
                self._files.write_rows(table, [data], part="", load_id=checkpoint.load_id)
            )
        return self._change(
            stream=checkpoint.stream,
            add=draft.added(),
            remove=draft.removed(),
            system=tuple(draft.system),
            remove_system=tuple(draft.remove_system),
            load=self._load(checkpoint, rows),
            **more,
        )

    def _load(self, checkpoint: Checkpoint, rows: dict[str, int]) -> Load:
        write = checkpoint.write
        replace = write if isinstance(write, Replace) else None
        return Load(
            load_id=checkpoint.load_id,
            stream=checkpoint.stream,
            sequence=self._head.held(checkpoint.stream).sequence + 1,
            run_id=checkpoint.run_id,
            epoch=self._epoch,
            write=type(write).__name__.lower(),
            generation=replace.generation if replace else None,
            swapped=replace is not None and replace.swap,
            rows=rows,
            slices=checkpoint.slices,
            committed_at=now(),
        )

    def _evolve(
        self, draft: Draft, stored: Schema | None, wanted: Schema, actual: Actual
    ) -> Schema:
        """Bring the files to `wanted`, once it is sure that they are as they were left."""
        found = changes(stored, wanted, actual, SPELLING)
        schema = union(stored, wanted)
        widened = [change for change in found if isinstance(change, Widen)]
        if widened:
            rework = Rework(self._engine, self._store, draft, schema)
            for change in widened:
                rework.widen(change)
        return schema

    def _retract(self, draft: Draft, schema: Schema | None, checkpoint: Checkpoint) -> None:
        if not checkpoint.retract:
            return
        if schema is not None:
            Rework(self._engine, self._store, draft, schema).retract(checkpoint.retract)
        gone = set(checkpoint.retract)
        draft.remove_system += [
            f.path
            for f in self._head.system.values()
            if f.table == sql.DISCARDED and f.loads and set(f.loads) <= gone
        ]

    def _append(self, draft: Draft, schema: Schema, checkpoint: Checkpoint) -> dict[str, int]:
        found: dict[str, list[pa.Table]] = {}
        rows: dict[str, int] = {}
        for batch in checkpoint.batches:
            for table, data in parts(schema, batch):
                found.setdefault(table.name, []).append(data)
                rows[table.name] = rows.get(table.name, 0) + data.num_rows
        draft.append(schema, found, checkpoint.load_id)
        return rows


def _as_it_says(schema: Schema | None) -> Actual:
    """The tables of a build: nobody but their run knows them."""
    return {
        fold(t.name): {fold(c.name): SPELLING.type(c) for c in t.columns}
        for t in (schema.tables if schema else ())
    }


def _restricted(stored: Schema, actual: Actual) -> Schema | None:
    """What is left of a schema's tables and columns."""
    tables = []
    for table in stored.tables:
        there = actual.get(fold(table.name), {})
        columns = tuple(c for c in table.columns if fold(c.name) in there)
        if columns:
            tables.append(msgspec.structs.replace(table, columns=columns))
    return msgspec.structs.replace(stored, tables=tuple(tables)) if tables else None
