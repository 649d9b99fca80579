"""The log of a dataset: one small file for each commit, and a snapshot now and then.

A commit is what changed: files that came and went, the schema, state entries, the ledger's row, the
owner. Its file `_penstock/commits/N.json` is made exclusively, so that of two who would be the
N-th exactly one is. What a dataset holds is the newest snapshot with the commits after it applied.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TypeVar

import msgspec

from penstock.destinations._lake_store import Store
from penstock.destinations.base import Owner
from penstock.errors import DestinationError
from penstock.shape.schema import Schema

FORMAT = 1
EVERY = 50
"""Commits after which a snapshot is written; as many commits before it are kept."""

COMMITS, SNAPSHOTS = "_penstock/commits", "_penstock/snapshots"
_TRIES = 5

Bound = int | str
_T = TypeVar("_T")


class File(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A data file: rows of one table.

    `part` names the files that belong together: everything below a root row of one of them is in
    the others. `loads` are the loads whose rows it has, None if there are too many to list.
    `ranges` are the least and the greatest value of columns that rows are found by.
    """

    path: str
    table: str
    part: str
    rows: int
    size: int
    loads: tuple[str, ...] | None = ()
    ranges: Mapping[str, tuple[Bound, Bound]] = {}


class Load(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row of the ledger."""

    load_id: str
    stream: str
    sequence: int
    run_id: str
    epoch: int
    write: str
    generation: str | None = None
    swapped: bool = False
    rows: Mapping[str, int] = {}
    slices: str = ""
    committed_at: float = 0.0


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One commit.

    `owner` takes the fence, for a dataset of this `kind`, and gives up all builds; `released` lets
    go of it. Everything else is of `stream`: with `build`, `add` and `schema` are a generation's
    that is not shown; `show` puts that generation in the place of what was there. `forget` empties
    the state of streams first, `schemas` is what their tables still are, `lost` the files somebody
    deleted. `system` are files of Penstock's own tables. `beside` says the same of other streams,
    as part of this commit.
    """

    format: int = FORMAT
    kind: str = ""
    number: int
    token: str
    epoch: int
    at: float
    owner: Owner | None = None
    released: bool = False
    stream: str = ""
    beside: tuple[Change, ...] = ()
    add: tuple[File, ...] = ()
    remove: tuple[str, ...] = ()
    schema: Schema | None = None
    state: Mapping[str, str | None] = {}
    load: Load | None = None
    build: str | None = None
    show: str | None = None
    forget: tuple[str, ...] = ()
    schemas: Mapping[str, Schema | None] = {}
    lost: tuple[str, ...] = ()
    receipts: Mapping[str, str] = {}
    system: tuple[File, ...] = ()
    remove_system: tuple[str, ...] = ()
    swept: tuple[str, ...] = ()

    @property
    def whole(self) -> tuple[Change, ...]:
        """What the commit says of one stream, and of those beside it."""
        return (self, *self.beside)


class Build(msgspec.Struct, kw_only=True):
    """A generation that is not shown yet."""

    generation: str
    schema: Schema
    files: dict[str, File] = {}


class Held(msgspec.Struct, kw_only=True):
    """What the dataset holds of one stream; `shown` says which commit last changed a table."""

    schema: Schema | None = None
    shown: dict[str, int] = {}
    state: dict[str, str] = {}
    files: dict[str, File] = {}
    sequence: int = 0
    build: Build | None = None


class Head(msgspec.Struct, kw_only=True):
    """What a dataset holds after commit `number`; `retired` says when files went out of use."""

    format: int = FORMAT
    kind: str = ""
    number: int = 0
    epoch: int = 0
    owner: Owner | None = None
    released: bool = False
    streams: dict[str, Held] = {}
    loads: list[Load] = []
    receipts: dict[str, str] = {}
    system: dict[str, File] = {}
    retired: dict[str, float] = {}

    def held(self, stream: str) -> Held:
        """What there is of a stream; an empty one where there is nothing."""
        return self.streams.get(stream) or Held()

    def apply(self, change: Change) -> None:
        """Follow a commit."""
        self.number = change.number
        if change.owner is not None:
            self.epoch, self.owner, self.released = change.epoch, change.owner, False
            self.kind = change.kind
            for held in self.streams.values():
                self._give_up(held, change.at)
        self.released = self.released or change.released
        self._forget(change)
        self.receipts.update(change.receipts)
        for path in change.swept:
            self.retired.pop(path, None)
        for part in change.whole:
            self._exchange(self.system, part.system, part.remove_system, part.at)
            if part.stream:
                self._apply_to(self.streams.setdefault(part.stream, Held()), part)

    def _forget(self, change: Change) -> None:
        for stream in change.forget:
            if stream in self.streams:
                self.streams[stream].state = {}
        for stream, schema in change.schemas.items():
            self.streams.setdefault(stream, Held()).schema = schema
        for held in self.streams.values() if change.lost else ():
            for path in change.lost:
                held.files.pop(path, None)

    def _apply_to(self, held: Held, change: Change) -> None:
        self._apply_files(held, change)
        for name, value in change.state.items():
            held.state.pop(name, None)
            if value is not None:
                held.state[name] = value
        if change.load is not None:
            held.sequence = change.load.sequence
            self.loads.append(change.load)

    def _apply_files(self, held: Held, change: Change) -> None:
        if change.build is not None:
            if held.build is None or held.build.generation != change.build:
                self._give_up(held, change.at)
                assert change.schema is not None
                held.build = Build(generation=change.build, schema=change.schema)
            held.build.schema = change.schema or held.build.schema
            self._exchange(held.build.files, change.add, change.remove, change.at)
            return
        if change.show is not None:
            if held.build is not None and held.build.generation == change.show:
                held.files.update(held.build.files)
                held.build = None
            self._give_up(held, change.at)
        held.schema = change.schema or held.schema
        for path in change.remove:
            if path in held.files:
                held.shown[held.files[path].table] = change.number
        for file in change.add:
            held.shown[file.table] = change.number
        if change.show is not None or change.schema is not None:
            tables = held.schema.tables if held.schema else ()
            held.shown.update((t.name, change.number) for t in tables)
        self._exchange(held.files, change.add, change.remove, change.at)

    def _exchange(
        self,
        files: dict[str, File],
        add: Iterable[File],
        remove: Iterable[str],
        at: float,
    ) -> None:
        for path in remove:
            if files.pop(path, None) is not None:
                self.retired[path] = at
        files.update({file.path: file for file in add})

    def _give_up(self, held: Held, at: float) -> None:
        if held.build is not None:
            self.retired.update(dict.fromkeys(held.build.files, at))
            held.build = None


_CHANGE = msgspec.json.Decoder(Change)
_HEAD = msgspec.json.Decoder(Head)


class _Format(msgspec.Struct):
    format: int = FORMAT


def read_head(store: Store) -> Head:
    """What the dataset holds now; `number` is 0 where there is nothing.

    Raises:
        DestinationError: commits are missing, or a newer Penstock wrote here.
    """
    for _ in range(_TRIES):
        # A snapshot may come, and commits before it go, between the two looks.
        head = _snapshot(store)
        if follow(store, head):
            return head
    raise _missing(store, head.number + 1)


def follow(store: Store, head: Head) -> bool:
    """Apply the commits that came after `head`; False if one of them is missing."""
    return _follow(store, head, _numbers(store, COMMITS))


def follow_whole(store: Store, head: Head) -> None:
    """Apply the commits that came after `head`, and make sure that those before it are there.

    Raises:
        DestinationError: one of them is missing: what is added after it, nobody would read.
    """
    numbers = set(_numbers(store, COMMITS))
    first = max(1, head.number - head.number % EVERY)
    for number in range(first, head.number + 1):
        if number not in numbers:
            raise _missing(store, number)
    if not _follow(store, head, numbers):
        raise _missing(store, head.number + 1)


def _missing(store: Store, number: int) -> DestinationError:
    return DestinationError(
        f"{store.root}: commit {number} is missing",
        code="damaged",
        hint="bring the file back into _penstock/commits, or load into another place",
    )


def _follow(store: Store, head: Head, numbers: Iterable[int]) -> bool:
    for number in sorted(n for n in numbers if n > head.number):
        data = store.read(f"{COMMITS}/{number}.json") if number == head.number + 1 else None
        if data is None:
            return False
        head.apply(_decoded(_CHANGE, data, store))
    return True


def read_change(store: Store, number: int) -> Change | None:
    """A commit of the log, or None where it is not kept any more."""
    data = store.read(f"{COMMITS}/{number}.json")
    return None if data is None else _decoded(_CHANGE, data, store)


def _snapshot(store: Store) -> Head:
    for number in sorted(_numbers(store, SNAPSHOTS), reverse=True):
        data = store.read(f"{SNAPSHOTS}/{number}.json")
        if data is not None:
            return _decoded(_HEAD, data, store)
    return Head()


def _numbers(store: Store, folder: str) -> list[int]:
    stems = (name.removesuffix(".json") for name in store.files(folder) if name.endswith(".json"))
    return [int(stem) for stem in stems if stem.isdecimal()]


def _decoded(decoder: msgspec.json.Decoder[_T], data: bytes, store: Store) -> _T:
    try:
        version = msgspec.json.decode(data, type=_Format).format
        if version <= FORMAT:
            return decoder.decode(data)
    except msgspec.DecodeError as error:
        raise DestinationError(
            f"{store.root}: a file of its log cannot be read: {error}",
            code="damaged",
            hint="bring the file back, or load into another place",
        ) from error
    raise DestinationError(
        f"{store.root} was written by a newer Penstock (format {version})", hint="upgrade Penstock"
    )


def append(store: Store, head: Head, change: Change) -> bool:
    """Make `change` the next commit; False if another one is, which `head` then has."""
    if not store.create(f"{COMMITS}/{change.number}.json", msgspec.json.encode(change)):
        follow(store, head)
        return False
    head.apply(change)
    if change.number % EVERY == 0:
        # The commits say all that a snapshot does: nothing is lost where it cannot be written.
        with suppress(Exception):
            _fold(store, head)
    return True


def _fold(store: Store, head: Head) -> None:
    """Write a snapshot, and drop commits and snapshots that nobody reads any more."""
    store.create(f"{SNAPSHOTS}/{head.number}.json", msgspec.json.encode(head))
    for folder in (COMMITS, SNAPSHOTS):
        for number in _numbers(store, folder):
            if number <= head.number - 2 * EVERY:
                store.delete(f"{folder}/{number}.json")


def now() -> float:
    """The time as the log has it: when something happened, never in which order."""
    return time.time()
