"""What the reader knows of one stream while it reads it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Protocol

import msgspec

from penstock.errors import Error, ExprError, did_you_mean
from penstock.plan.door import Door, Tables
from penstock.plan.expr import Frame, JsonValue, Scope, refs
from penstock.plan.hints import Hints
from penstock.plan.law import Law
from penstock.plan.page import HttpResponse
from penstock.plan.pagination import (
    Decided,
    Detect,
    SinglePage,
    asked_size,
    kind_name,
)
from penstock.plan.records import Carry, DetectRecords, Keys, RecordPath, Spread, Step
from penstock.plan.slices import Slice, parents_of
from penstock.plan.source import Places, Source, Stream
from penstock.read.carried import Carried
from penstock.read.contiguous import MOST_PARTITIONS, Follower
from penstock.read.decode import FieldReader, Wanted, find_values, wanted
from penstock.read.enough import Enough, Enoughs
from penstock.read.memory import Memory
from penstock.read.state import Tracker
from penstock.read.steps import Steps
from penstock.read.tally import Tally
from penstock.read.transport import MAX_BODY


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a run reads: the values the user gave, and what it was asked to do.

    `loaded` names the streams whose records are handed out; others are read only for their
    children. `told` are those whose cursors another engine is told of. With `fresh` no state is
    used. `columns` are those that a platform has chosen, by stream. `seconds` counts for how long
    the run goes on. `files` is the folder for files that records lead to, which are not fetched
    without one; where they are is told in the records, or with `files_apart` beside them. An answer
    may unpack to `max_body` bytes. `tables` are those that the run found; a first one has none.
    """

    values: Mapping[str, JsonValue]
    now: datetime
    loaded: frozenset[str]
    told: frozenset[str] = frozenset()
    fresh: bool = False
    most_partitions: int = MOST_PARTITIONS  # whose cursors are followed one by one
    columns: Mapping[str, Mapping[str, JsonValue]] = {}
    seconds: Callable[[], float] = time.monotonic
    files: Path | None = None
    files_apart: bool = False
    max_body: int = MAX_BODY
    tables: Tables | None = None


class Leaving(Protocol):
    """What follows a cursor, and sees when records have left its range."""

    @property
    def out_of_range(self) -> bool:
        """Whether they have."""
        ...


class StreamContext:
    """One stream in one run: the plan of it, its state, its tally, and what its pages showed."""

    places: Places | None = None  # where the document says what it says
    memory: Memory | None = None  # of functions of the document
    tracker: Tracker | None = None  # of a cursor that stands for all slices
    partial = False  # whether a slice is about to be lost
    counts_from_one = False  # whether its API has shown where pages begin
    unmade = False  # whether its slices could not be made of what its parents list

    def __init__(
        self,
        stream: Stream,
        settings: Settings,
        state: Mapping[str, str],
        parents: list[StreamContext],
    ) -> None:
        self.stream = stream
        self.settings = settings
        # Whether a list answer stands for its items: the first of them is what templates see.
        self.itemwise = stream.records.absent == "empty"
        self.loaded = stream.name in settings.loaded
        # A stream that is read only for its children is read in full: its state belongs to runs
        # that load it.
        self.contiguous = stream.cursor is not None and stream.cursor.contiguous
        own = self.loaded or not stream.selected or self.contiguous
        self.state = dict(state) if own else {}
        # What replaces a table is the whole of it.
        if settings.fresh or (stream.hints.write == "replace" and not self.contiguous):
            self.state = {}
        # The children of a contiguous stream keep its state with their own.
        self.keeps_state = self.loaded or not (stream.selected or self.itemwise)
        self.follower: Follower | None = None
        if stream.cursor is not None and stream.cursor.contiguous:
            self.follower = Follower(
                stream.cursor,
                self.state,
                stream.partition,
                settings.seconds,
                settings.most_partitions,
            )
        self.over = asyncio.Event()  # nothing more comes of the stream
        self.names: tuple[str, ...] = ()  # of the properties that its requests ask for
        self.parents = parents
        self.children: list[StreamContext] = []
        self.tally = Tally()
        self.lost = 0
        self.cause: Error | None = None  # why a slice is lost, of the first one
        self.door: Door | None = None
        steps = stream.records.steps
        self.spreads = _spreads(steps)
        self.steps = Steps(steps[self.spreads :])
        self.enough = Enoughs(stream.most, singly=self.steps.loosen)
        seen = bool(self.steps) or stream.cursor is not None
        self.carried = Carried([step for step in steps if isinstance(step, Carry)], seen=seen)
        self.keys = _key_reader(stream.hints.primary_key)
        self._laws: dict[int | None, Law] = {}
        turned = stream.pagination
        self._pagination: Decided | None = None if isinstance(turned, Detect) else turned
        self._want: Wanted | None = None

    @cached_property
    def tables(self) -> dict[str, Hints]:
        """What functions of the document said of each of the tables so far."""
        return {}

    @property
    def name(self) -> str:
        """The stream's name."""
        return self.stream.name

    @property
    def whole(self) -> bool:
        """Whether all that was asked for was read, so far as can be told."""
        return not (self.lost or self.tally.misread)

    @property
    def lacks(self) -> bool:
        """Whether something is known by now to be missing, here or above."""
        return self.partial or not self.whole or any(above.lacks for above in self.parents)

    @property
    def depends_on_cursor(self) -> bool:
        """Whether a parent is read incrementally: it will not list a lost partition again."""
        return any(above.passes_over or above.depends_on_cursor for above in self.parents)

    @property
    def passes_over(self) -> bool:
        """Whether a run leaves records out that an earlier one kept."""
        stream = self.stream
        marks = stream.partition is not None or stream.cursor is not None or stream.together
        kept = self.keeps_state and stream.hints.write != "replace"
        return kept and marks and not self.itemwise

    @property
    def feeds_replaced(self) -> bool:
        """Whether a table is replaced by what is below it, which so has to be all there is."""
        return any(
            (child.loaded and child.stream.hints.write == "replace") or child.feeds_replaced
            for child in self.children
        )

    def ends_early(self, tracker: Leaving | None, enough: Enough | None, now: float) -> str | None:
        """The reason why a slice is over though its pages are not, if there is one."""
        reason: str | None = None
        if tracker is not None and tracker.out_of_range and tracker is not self.tracker:
            reason = "out-of-range"
        elif enough is not None and enough.is_over(now):
            reason = "limit"
        return reason

    def keep(self, entries: Iterable[tuple[str, str | None]]) -> None:
        """The state changes."""
        for name, text in entries:
            self.state.pop(name, None)
            if text is not None:
                self.state[name] = text

    def locate(self, error: Error) -> None:
        """Say where in the document a template stands that failed, and the nearest word."""
        if not isinstance(error, ExprError) or error.place is not None:
            return
        if error.source and self.places is not None:
            error.place = self.places.template(self.name, error.source)
        if error.lacks and (meant := did_you_mean(error.lacks, sorted(set(error.known)))):
            error.hint = f"{meant} {error.hint}" if error.hint else meant

    def frame(self, piece: Slice) -> Frame:
        """The scopes of a slice."""
        cursor: dict[str, JsonValue] = {}
        if piece.range is not None:
            cursor = {"start": piece.range.start, "end": piece.range.end}
        cursor.update(dict(piece.marks))
        partition: dict[str, JsonValue] = dict(piece.partition)
        return Frame(
            source=self.settings.values,
            slice={"partition": partition, "cursor": cursor, "extra": dict(piece.seen)},
            now=self.settings.now,
        )

    @property
    def pagination(self) -> Decided | None:
        """The pagination, once it is known for the whole stream."""
        return self._pagination

    def detect(self, response: HttpResponse, body: JsonValue) -> Decided:
        """The pagination that the first answer of a slice shows.

        An answer that shows none may be its slice's only page: the next slice is looked at again.
        """
        from penstock.plan.detect import detect_pagination  # noqa: PLC0415 (rarely needed)

        found, reason = detect_pagination(response.url, response.headers, body)
        found = msgspec.structs.replace(found, size=self.stream.pagination.size)
        self.tally.detected[f"pagination: {kind_name(found)} ({reason})"] = None
        if not isinstance(found, SinglePage):
            self._pagination = found
        return found

    def wanted(self, pagination: Decided, body: JsonValue) -> Wanted:
        """What to take from an answer; kept once it cannot be told better by another."""
        if self._want is not None:
            return self._want
        path = self._record_path(body)
        reads = [ref for e in pagination.reads() for ref in refs(e, Scope.PAGE)]
        want = wanted(path, reads, self.settings.max_body)
        detected = isinstance(self.stream.records.path, DetectRecords)
        sure = not detected or (isinstance(path, Keys) and any(find_values(path, body)))
        if self._pagination is not None and sure:
            self._want = want
        return want

    @property
    def knows_answers(self) -> bool:
        """Whether an answer can be read without looking at the whole of it first."""
        detects = isinstance(self.stream.records.path, DetectRecords)
        return self._pagination is not None and (self._want is not None or not detects)

    def _record_path(self, body: JsonValue) -> RecordPath:
        path = self.stream.records.path
        if not isinstance(path, DetectRecords):
            return path
        from penstock.plan.detect import detect_records  # noqa: PLC0415 (rarely needed)

        found = detect_records(body)
        self.tally.detected[f"records: {'.'.join(found.path) or 'the whole answer'}"] = None
        return found

    def size(self, frame: Frame) -> int | None:
        """How many records a page of a slice is asked to hold."""
        return asked_size(self._pagination or self.stream.pagination, frame) or None

    def law(self, size: int | None) -> Law:
        """What pages of an asked size have shown."""
        return self._laws.get(size) or Law(size=size)

    def learn(self, size: int | None, count: int, before: int | None, index: int) -> Law:
        """The law after one more page."""
        law = self._laws[size] = self.law(size).learn(count, before, index)
        return law


def _key_reader(names: tuple[str, ...]) -> FieldReader | None:
    """What reads the values that tell records apart, where some do."""
    return FieldReader([Keys(path=(name,)) for name in names]) if names else None


def _spreads(steps: Sequence[Step]) -> int:
    """How many of the first steps make several records of each, before they are counted."""
    return next((i for i, step in enumerate(steps) if not isinstance(step, Spread)), len(steps))


def contexts(
    source: Source, settings: Settings, states: Mapping[str, Mapping[str, str]]
) -> list[StreamContext]:
    """The streams to read, parents before children: those loaded, and the parents they need."""
    from penstock.read.ancestry import settled  # noqa: PLC0415 (it needs this module's neighbours)

    source, states = settled(source, states, settings.loaded, settings.now, fresh=settings.fresh)
    needed = _needed(source, settings.loaded)
    made: dict[str, StreamContext] = {}

    def make(stream: Stream) -> StreamContext:
        if stream.name not in made:
            names = dict.fromkeys(p.stream for p in parents_of(stream.partition))
            above = [make(found) for name in names if (found := source.stream(name))]
            context = StreamContext(stream, settings, states.get(stream.name, {}), above)
            context.places = source.places
            made[stream.name] = context
            for parent in above:
                parent.children.append(context)
                parent.carried.show()
        return made[stream.name]

    for stream in source.streams:
        if stream.name in needed:
            make(stream)
    return list(made.values())


def _needed(source: Source, loaded: frozenset[str]) -> set[str]:
    needed: set[str] = set()
    pending = [s for s in source.streams if s.name in loaded]
    while pending:
        stream = pending.pop()
        if stream.name in needed:
            continue
        needed.add(stream.name)
        for parent in parents_of(stream.partition):
            above = source.stream(parent.stream)
            if above is not None:
                pending.append(above)
    return needed
