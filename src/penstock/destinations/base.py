"""What a destination is: a session that commits checkpoints, each exactly once.

A **checkpoint** is rows of all tables of one stream (children included), the schema those rows
need, and the stream's state, kept in one destination transaction or not at all.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol, runtime_checkable

import msgspec

from penstock.plan.expr import JsonValue
from penstock.plan.hints import ColumnType, MergeStrategy, Validity
from penstock.shape.schema import Batch, Schema

SYSTEM_PREFIX = "_penstock_"
NOTHING: Mapping[str, Sequence[str]] = MappingProxyType({})

Fault = Callable[[str], None]


def no_fault(point: str) -> None:
    """Do nothing at `point`: the hook of every destination that is not under a crash test."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What a destination's file says of itself: the module's `KIND`, read without its driver.

    `schemes` and `extensions` are the URLs and file names it answers to; `urls` shows them to
    people. `nested` says that structs and lists are types there. `faults` names the points at
    which a session calls its fault hook, in no order.
    """

    name: str
    summary: str
    schemes: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    nested: bool = False
    faults: tuple[str, ...] = ()


class Append(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Add the rows."""


class Sort(msgspec.Struct, frozen=True, kw_only=True):
    """Which of several rows of one key stays: the one with the greatest `column`, or the least."""

    column: str
    descending: bool = True


class Merge(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Bring rows in by the columns `key` of the root table, children with them.

    By strategy: `delete-insert` replaces rows of the same key, `upsert` updates them in place (so
    that columns somebody added keep their values), `insert-only` leaves them as they are, and
    `scd2` ends the validity of rows that changed and adds their new version.

    `merge_key` names columns by whose values earlier runs' rows are removed, whatever their key;
    with `scd2` only rows that share these with one of the run are retired. `sort` decides among
    rows that one run brings of one key. Rows with a true (or, if it is no bool, any) value in
    `hard_delete` are removed. `ends` says that with this checkpoint the run has brought all rows
    there are: others are retired (`scd2`) or marked as deleted (`soft_delete`). `validity` names
    columns of the root table, and moments.
    """

    key: tuple[str, ...] = ()
    strategy: MergeStrategy = "delete-insert"
    merge_key: tuple[str, ...] = ()
    sort: Sort | None = None
    hard_delete: str | None = None
    soft_delete: bool = False
    ends: bool = False
    validity: Validity = Validity()


class Replace(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Build generation `generation` beside the old tables; the checkpoint with `swap` shows it.

    With `merge` its rows are merged among themselves: a key may come in several checkpoints.
    `anew` says that the rows make the columns too: those that were there and do not come any more
    go. Tables for which none comes stay as they are, without rows.
    """

    generation: str
    swap: bool = False
    merge: Merge | None = None
    anew: bool = False


Write = Append | Merge | Replace


class DltLoad(msgspec.Struct, frozen=True, kw_only=True):
    """What dlt's own tables are to say of a checkpoint, so that dlt can go on after it.

    `source` and `pipeline` are dlt's names where the dataset has none, `resource` is what the rows
    come from. `cursor` is the path of the stream's cursor where the checkpoint moves it to `last`;
    `hashes` are those by which dlt recognises the records there. `columns` are hints of columns, by
    the names of table and column. `own` and `shared` are what functions keep, for the resource
    and for all of its source.
    """

    source: str
    write: str
    resource: str
    pipeline: str = ""
    strategy: str | None = None
    cursor: str | None = None
    last: JsonValue = None
    hashes: tuple[str, ...] = ()
    columns: Mapping[str, Mapping[str, Mapping[str, JsonValue]]] = {}
    own: Mapping[str, JsonValue] = {}
    shared: Mapping[str, JsonValue] = {}


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that becomes visible at once.

    `load_id` names the checkpoint for good: one already in the ledger is not applied again.
    `retract` lists load ids whose rows (of this stream's tables) are removed first, because the
    slice they came from is being read anew. `state` holds the stream's state entries that change:
    a JSON text, or None to remove the entry. `slices` says for the ledger what the checkpoint
    covers. `schema` is None where no rows come. `dlt` is there where dlt's own tables are kept.
    `beside` are checkpoints of the same load id that are kept in the same transaction: where the
    records of a stream go to several tables, each of these is one, under a name of its own for
    `stream`; where several streams load one table, so is the state of those that do not own it.
    They have nothing beside them.
    """

    load_id: str
    run_id: str
    stream: str
    write: Write
    schema: Schema | None
    batches: Sequence[Batch] = ()
    retract: tuple[str, ...] = ()
    state: tuple[tuple[str, str | None], ...] = ()
    slices: str = ""
    dlt: DltLoad | None = None
    beside: tuple[Checkpoint, ...] = ()

    @property
    def whole(self) -> tuple[Checkpoint, ...]:
        """The checkpoint and those beside it."""
        return (self, *self.beside)

    def of(self, stream: str) -> Checkpoint | None:
        """What is kept under that name."""
        return next((part for part in self.whole if part.stream == stream), None)

    def with_state(
        self, stream: str, state: Mapping[str, str | None], dlt: DltLoad | None = None
    ) -> Checkpoint:
        """The checkpoint with a stream's entries that change: kept with its tables, or beside.

        A name is there once: what a session remembers of it is what its part says.
        """
        held = self.of(stream) or Checkpoint(
            load_id=self.load_id, run_id=self.run_id, stream=stream, write=Append(), schema=None
        )
        said = msgspec.structs.replace(held, state=tuple(state.items()), dlt=dlt or held.dlt)
        if stream == self.stream:
            return said
        beside = {part.stream: part for part in self.beside} | {stream: said}
        return msgspec.structs.replace(self, beside=tuple(beside.values()))


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit did: rows by table; `already` when the ledger knew the checkpoint."""

    rows: Mapping[str, int]
    already: bool = False


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who runs: stored with the fence, and named to whoever else wants the destination.

    `alone` says that nothing else in its process looks at the destination while it is open.
    """

    run_id: str
    pid: int
    host: str
    alone: bool = False

    @classmethod
    def here(cls, run_id: str, *, alone: bool = False) -> Owner:
        """This process, in a run."""
        return cls(run_id=run_id, pid=os.getpid(), host=socket.gethostname(), alone=alone)


class Peek(msgspec.Struct, frozen=True, kw_only=True):
    """What a destination holds, seen without taking its fence.

    `owner` is the run that holds the fence or held it last, `released` whether it let go.
    `sequences` is the number of checkpoints by stream, `state` the entries by stream and name.
    """

    epoch: int
    owner: Owner
    released: bool
    sequences: Mapping[str, int]
    state: Mapping[str, Mapping[str, str]]


@runtime_checkable
class Session(Protocol):
    """One run's hold on a destination. Not safe for use by two threads at once."""

    def state(self, stream: str) -> dict[str, str]:
        """The stream's committed state entries: name → JSON text."""
        ...

    def states(self, streams: Iterable[str]) -> dict[str, dict[str, str]]:
        """The committed state entries of streams, each as `state` gives them."""
        ...

    def schema(self, stream: str) -> Schema | None:
        """The stream's tables as last committed, or None before the first checkpoint."""
        ...

    def streams(self) -> tuple[str, ...]:
        """The names under which there are tables."""
        ...

    def commit(self, checkpoint: Checkpoint) -> Committed:
        """Keep the checkpoint, all of it or nothing.

        Raises:
            FencedError: another run took the destination over.
            DestinationError: it could not be kept; the last checkpoint is intact.
        """
        ...

    def knows(self, load_id: str) -> bool:
        """Whether the ledger has the checkpoint of that name."""
        ...

    def reset(self, streams: Sequence[str]) -> None:
        """Forget the state of `streams`, in one transaction; their tables stay."""
        ...

    def keep_receipts(
        self, receipts: Sequence[tuple[str, str]], over: Mapping[str, Sequence[str]] = NOTHING
    ) -> None:
        """Store the run's receipts: (stream, JSON text).

        The state entries that end with the run, `over` by stream, go in the same step.
        """
        ...

    def last_receipts(self) -> dict[str, str]:
        """The newest stored receipt of each stream, as JSON text."""
        ...

    def close(self) -> None:
        """Let go of the destination: release the fence, flush, close."""
        ...


@runtime_checkable
class DltSession(Protocol):
    """A session of a destination that dlt loads into as well.

    `longest` is how many bytes a name may have there, and `types` are those of dlt's columns that
    are none of Penstock's.
    """

    @property
    def longest(self) -> int:
        """The bytes that a name may have in dlt's tables."""
        ...

    @property
    def types(self) -> Mapping[ColumnType, str]:
        """The types that columns have in dlt's tables, where they are others."""
        ...

    def adopt(self, stream: str, root: str) -> Schema | None:
        """Take over what dlt made for a stream, whose own table is called `root`.

        Gives the stream's tables, as `schema` does from now on.

        Raises:
            DestinationError: dlt's tables cannot be gone on with.
        """
        ...

    def states_of_dlt(self) -> list[dict[str, JsonValue]]:
        """The newest state of each of dlt's pipelines, if dlt itself wrote it; newest first."""
        ...

    def last_dlt_load(self) -> str | None:
        """The greatest of dlt's load ids."""
        ...


@runtime_checkable
class DltPlace(Protocol):
    """A destination that dlt loads into as well."""

    def dlt_states(self, db_schema: str) -> list[dict[str, JsonValue]]:
        """The newest state of each of dlt's pipelines in a dataset, the newest first.

        Raises:
            DestinationError: the dataset cannot be read.
        """
        ...


@runtime_checkable
class Publishes(Protocol):
    """What a session can do besides where others cannot read while it writes."""

    def publish(self, target: Path) -> None:
        """Put a copy of all that is committed in the place of the file `target`, in one step.

        Raises:
            DestinationError: it cannot be made; what `target` was before is as it was.
        """
        ...


Takeover = Literal["dead", "always"]


class Destination(Protocol):
    """A place tables are kept in, named by a URL or a path; one file of this folder each."""

    url: str

    def open(
        self,
        *,
        owner: Owner,
        db_schema: str,
        takeover: Takeover = "dead",
        wait: float = 0.0,
    ) -> Session:
        """Take the fence and return the session.

        `wait` is how many seconds to wait for another run to end; `takeover="always"` takes the
        fence from an owner that cannot be shown to be dead.

        Raises:
            LockedError: another run holds the destination; the message names it.
        """
        ...

    def peek(self, db_schema: str) -> Peek | None:
        """Look at state and fence without taking it; None where nothing was ever loaded.

        Raises:
            LockedError: another process holds the destination, so that it cannot even be read.
        """
        ...
