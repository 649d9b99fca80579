"""A destination in memory: what a database keeps of checkpoints, and where a run may die at one.

It holds what the destinations promise: a checkpoint is kept whole or not at all, once, and only
for the run that has the fence. So what is lost or doubled behind it was lost by whoever calls it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from penstock.destinations._evolve import union
from penstock.destinations.base import NOTHING, Append, Checkpoint, Committed, Merge, Replace
from penstock.errors import FencedError
from penstock.shape.schema import LOAD_ID, PARENT_ID, ROW_ID, VALID_TO, VERSION, Schema

Row = dict[str, Any]
Tables = dict[str, list[Row]]


class Kill(BaseException):
    """The process dies here."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the ledger."""

    stream: str
    load_id: str
    epoch: int
    shown: bool


class Store:
    """What is kept. It outlives the runs."""

    def __init__(self) -> None:
        self.epoch = 0
        self.tables: Tables = {}
        self.states: dict[str, dict[str, str]] = {}
        self.schemas: dict[str, Schema] = {}
        self.builds: dict[tuple[str, str], Tables] = {}
        self.ledger: list[Entry] = []
        self.receipts: dict[str, str] = {}
        self.met: dict[tuple[str, str], set[str]] = {}

    def open(self, at: Callable[[str], None] = lambda _point: None) -> Hold:
        """Take the fence; whoever had it can keep nothing more."""
        self.epoch += 1
        return Hold(self, self.epoch, at)

    def keep(self, checkpoint: Checkpoint, epoch: int) -> Committed:
        """Apply a checkpoint, whole."""
        if any(entry.load_id == checkpoint.load_id for entry in self.ledger):
            return Committed(rows={}, already=True)
        rows: Counter[str] = Counter()
        for part in checkpoint.whole:
            rows.update(self._keep(part, epoch))
        return Committed(rows=rows)

    def _keep(self, checkpoint: Checkpoint, epoch: int) -> dict[str, int]:
        stream, write = checkpoint.stream, checkpoint.write
        shown = isinstance(write, Replace) and write.swap
        if checkpoint.schema is not None:
            self.schemas[stream] = union(self.schemas.get(stream), checkpoint.schema)
        self._retract(checkpoint)
        match write:
            case Append():
                rows = _add(self.tables, checkpoint)
            case Merge(strategy="scd2", key=key, ends=ends):
                rows = self._versions(checkpoint, key)
                if ends:
                    self._retire(checkpoint)
            case Merge(key=key):
                rows = self._merge(checkpoint, key, self.tables)
            case Replace(generation=generation, merge=merge):
                for other in [k for k in self.builds if k[0] == stream and k[1] != generation]:
                    del self.builds[other]
                build = self.builds.setdefault((stream, generation), {})
                if merge is None:
                    rows = _add(build, checkpoint)
                else:
                    rows = self._merge(checkpoint, merge.key, build)
                if shown:
                    names = self._names(stream)
                    self.tables |= {name: build.get(name, []) for name in names}
                    del self.builds[stream, generation]
        state = self.states.setdefault(stream, {})
        for name, text in checkpoint.state:
            if text is None:
                state.pop(name, None)
            else:
                state[name] = text
        self.ledger.append(
            Entry(
                stream=stream,
                load_id=checkpoint.load_id,
                epoch=epoch,
                shown=shown,
            )
        )
        return rows

    def _names(self, stream: str) -> list[str]:
        schema = self.schemas.get(stream)
        return [table.name for table in schema.tables] if schema else []

    def _retract(self, checkpoint: Checkpoint) -> None:
        gone = set(checkpoint.retract)
        for name in self._names(checkpoint.stream) if gone else ():
            rows = self.tables.get(name, [])
            self.tables[name] = [row for row in rows if row[LOAD_ID] not in gone]

    def _merge(
        self, checkpoint: Checkpoint, key: tuple[str, ...], tables: Tables
    ) -> dict[str, int]:
        """Rows take the place of those with their key, children that of their children."""
        schema = checkpoint.schema
        rows: dict[str, int] = {}
        if schema is None:
            return rows
        root = schema.tables[0].name
        for batch in checkpoint.batches:
            fresh = {name: table.to_pylist() for name, table in batch.tables.items()}
            keys = {tuple(row[k] for k in key) for row in fresh.get(root, [])}
            old = tables.get(root, [])
            gone = {r.get("_penstock_id") for r in old if tuple(r[k] for k in key) in keys}
            tables[root] = [r for r in old if tuple(r[k] for k in key) not in keys]
            for table in schema.tables[1:]:
                held = tables.get(table.name, [])
                below = [r for r in held if r["_penstock_parent_id"] in gone]
                gone |= {r["_penstock_id"] for r in below}
                tables[table.name] = [r for r in held if r not in below]
            for name, found in fresh.items():
                tables.setdefault(name, []).extend(found)
                rows[name] = rows.get(name, 0) + len(found)
        return rows

    def _versions(self, checkpoint: Checkpoint, key: tuple[str, ...]) -> dict[str, int]:
        """A row that changed ends the version of its key; one as before is left out."""
        schema = checkpoint.schema
        rows: dict[str, int] = {}
        if schema is None:
            return rows
        root = schema.tables[0].name
        met = self.met.setdefault((checkpoint.stream, checkpoint.run_id), set())
        for batch in checkpoint.batches:
            fresh = {name: table.to_pylist() for name, table in batch.tables.items()}
            out: set[str] = set()
            for row in fresh.get(root, []):
                met.add(row[VERSION])
                for old in self._valid(root):
                    same = old[VERSION] == row[VERSION]
                    if same:
                        out.add(row[ROW_ID])
                    elif all(old[k] == row[k] for k in key):
                        old[VALID_TO] = checkpoint.load_id
            for table in schema.tables:
                of = ROW_ID if table.parent is None else PARENT_ID
                found = [row for row in fresh.get(table.name, []) if row[of] not in out]
                out |= {row[ROW_ID] for row in fresh.get(table.name, []) if row[of] in out}
                self.tables.setdefault(table.name, []).extend(found)
                rows[table.name] = rows.get(table.name, 0) + len(found)
        return rows

    def _retire(self, checkpoint: Checkpoint) -> None:
        """What a run did not meet is gone, unless it met nothing."""
        met = self.met.pop((checkpoint.stream, checkpoint.run_id), set())
        for row in self._valid(self._names(checkpoint.stream)[0]) if met else ():
            if row[VERSION] not in met:
                row[VALID_TO] = checkpoint.load_id

    def _valid(self, table: str) -> list[Row]:
        return [row for row in self.tables.get(table, []) if row.get(VALID_TO) is None]


def _add(tables: Tables, checkpoint: Checkpoint) -> dict[str, int]:
    rows: dict[str, int] = {}
    for batch in checkpoint.batches:
        for name, table in batch.tables.items():
            tables.setdefault(name, []).extend(table.to_pylist())
            rows[name] = rows.get(name, 0) + table.num_rows
    return rows


class Hold:
    """One run's session; `at` is told what is about to happen, and may end the run there."""

    def __init__(self, store: Store, epoch: int, at: Callable[[str], None]) -> None:
        self.store = store
        self.epoch = epoch
        self.dead = False
        self._at = at

    def state(self, stream: str) -> dict[str, str]:
        """The stream's state."""
        return dict(self.store.states.get(stream, {}))

    def states(self, streams: Iterable[str]) -> dict[str, dict[str, str]]:
        """The states of streams."""
        return {stream: self.state(stream) for stream in streams}

    def schema(self, stream: str) -> Schema | None:
        """The stream's tables."""
        return self.store.schemas.get(stream)

    def streams(self) -> tuple[str, ...]:
        """The names under which there are tables."""
        return tuple(self.store.schemas)

    def commit(self, checkpoint: Checkpoint) -> Committed:
        """Keep the checkpoint."""
        self._point("commit:before")
        self._hold()
        kept = self.store.keep(checkpoint, self.epoch)
        self._point("commit:after")
        return kept

    def reset(self, streams: Sequence[str]) -> None:
        """Forget states."""
        for stream in streams:
            self.store.states.pop(stream, None)

    def keep_receipts(
        self, receipts: Sequence[tuple[str, str]], over: Mapping[str, Sequence[str]] = NOTHING
    ) -> None:
        """Keep receipts."""
        self._point("receipts")
        self._hold()
        self.store.receipts |= dict(receipts)
        for stream, names in over.items():
            for name in names:
                self.store.states.get(stream, {}).pop(name, None)

    def last_receipts(self) -> dict[str, str]:
        """The receipts."""
        return dict(self.store.receipts)

    def close(self) -> None:
        """Nothing is open."""

    def _point(self, name: str) -> None:
        try:
            self._at(name)
        except Kill:
            self.dead = True
            raise

    def _hold(self) -> None:
        if self.dead:
            raise Kill
        if self.epoch != self.store.epoch:
            raise FencedError("another run took the destination over")


def visible(tables: Mapping[str, list[Row]], name: str, own: str = "_penstock") -> list[Row]:
    """The rows of a table and those below it, as records again, without columns of its `own`.

    Of versions, those that are valid; one that came back may have its id, and what is below it.
    """
    children = sorted(n for n in tables if n.startswith(f"{name}__"))
    lists: dict[str, dict[str, list[tuple[int, Any]]]] = {}
    for child in children:
        field = child.removeprefix(f"{name}__")
        for row in tables[child]:
            parent = lists.setdefault(row[f"{own}_parent_id"], {})
            item = _without(row, own)
            parent.setdefault(field, []).append((row[f"{own}_list_idx"], item.get("value", item)))
    found: list[Row] = []
    known: set[Any] = set()
    for row in tables.get(name, []):
        below = lists.get(row[f"{own}_id"], {}) if f"{own}_id" in row else {}
        known.add(row.get(f"{own}_id"))
        if row.get(f"{own}_valid_to") is not None:
            continue
        values = {f: [v for _, v in sorted(items, key=_place)] for f, items in below.items()}
        found.append(_without(row, own) | values)
    lost = set(lists) - known
    assert not lost, f"children of {name} without their parents: {lost}"
    return found


def _place(item: tuple[int, Any]) -> int:
    return item[0]


def _without(row: Row, own: str) -> Row:
    """What a row says of the record: not the columns of its own, nor what is null."""
    return {k: v for k, v in row.items() if not k.startswith(own) and v is not None}
