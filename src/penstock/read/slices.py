"""Partitions and windows to slices, from state, from values, and from the pages of parents."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from penstock.errors import BodyError
from penstock.plan import jsontext
from penstock.plan.expr import JsonValue, as_text, evaluate
from penstock.plan.paths import at
from penstock.plan.slices import Field, Parent, Range, Slice
from penstock.read.context import StreamContext
from penstock.read.decode import FieldReader, Found, RawRecord, path_text
from penstock.read.memory import unmarked
from penstock.read.state import (
    Tracker,
    entry,
    lagged,
    mark_of,
    plan_windows,
    read_stretches,
    state_key,
    window_range,
)


class Lineage:
    """Makes the partitions of a child from its parent's records, each set of values once."""

    def __init__(self, parent: Parent, child: StreamContext) -> None:
        self._parent = parent
        self._child = child
        self._reader = FieldReader([f.path for f in (*parent.fields, *parent.extras)])
        self._seen: set[str] = set()
        self._pages: Counter[str] = Counter()
        self._versioned = child.depends_on_cursor
        self.skipped = 0

    def partitions(
        self,
        records: Sequence[RawRecord],
        above: Slice | None = None,
        tracker: object = None,
        *,
        loose: bool = False,
    ) -> Iterator[Slice]:
        """The partitions of these records, read in the slice `above`, that were not made before.

        `tracker` follows the cursor of these records, if there is one. `loose` says that they came
        one at a time, and are no page.

        Raises:
            BodyError: a record lacks a field, and the document does not say to skip it.
        """
        if self._parent.whole:
            yield from self._wholes(records, above, loose=loose)
            return
        for record, found in zip(records, self._reader.read(records), strict=True):
            values = self._values(record, found)
            if values is None:
                self.skipped += 1
                continue
            values = (*values, *self._within(above))
            piece = Slice(
                partition=values,
                seen=self._extras(record, found),
                first=self._first(record),
                version=self._version(record, above),
                unsure=self._unsure(record, above, tracker),
            )
            if self._parent.repeat or piece.partition_key not in self._seen:
                self._seen.add(piece.partition_key)
                yield piece

    def _wholes(
        self, records: Sequence[RawRecord], above: Slice | None, *, loose: bool
    ) -> Iterator[Slice]:
        """A partition for all of these records, or for each of them."""
        within = self._within(above)
        for held in ([record] for record in records) if loose else [records] if records else []:
            text = b",".join(held)
            digest = hashlib.sha256(text).hexdigest()[:32]
            self._pages[digest] += 1
            again = self._pages[digest]
            name = digest if again == 1 else f"{digest}-{again}"
            item = jsontext.decode(text if loose else b"[%b]" % text)
            yield Slice(partition=(("page", name), *within), seen=(("item", item),))

    def _version(self, record: RawRecord, above: Slice | None) -> str:
        """What tells whether the parent has changed since a run that was cut off read the child."""
        if not self._versioned:
            return ""
        before = above.version.encode() if above is not None else b""
        return hashlib.sha256(before + bytes(record)).hexdigest()[:16]

    def _unsure(
        self, record: RawRecord, above: Slice | None, tracker: object
    ) -> tuple[Callable[[], bool], ...]:
        """What tells whether a record is so new that others may come late that look like it."""
        before = above.unsure if above is not None else ()
        if not (self._versioned and isinstance(tracker, Tracker) and tracker.lags):
            return before
        return (*before, tracker.nearness(record))

    def _within(self, above: Slice | None) -> tuple[tuple[str, JsonValue], ...]:
        """The partition of the parent, where the child's holds it."""
        if not self._parent.within:
            return ()
        held: JsonValue = dict(above.partition) if above is not None else {}
        return (("parent_slice", held),)

    def _first(self, record: RawRecord) -> bytes | None:
        """The first page of the child, where the parent's record holds it and no state cuts it."""
        if not self._parent.lazy or self._child.state:
            return None
        return jsontext.encode(at(jsontext.decode(record), self._parent.lazy)[1] or [])

    def _values(
        self, record: RawRecord, found: Sequence[Found]
    ) -> tuple[tuple[str, JsonValue], ...] | None:
        values: list[tuple[str, JsonValue]] = []
        for field, value in zip(self._parent.fields, found, strict=False):
            absent = isinstance(value, msgspec.UnsetType)
            if absent or (value is None and not field.nullable):
                rule = self._parent.absent if absent else self._parent.null
                if rule == "skip":
                    return None
                raise self._lacking(field, record)
            values.append((field.name, value))  # type: ignore[arg-type]  # UNSET was ruled out
        return tuple(values)

    def _extras(
        self, record: RawRecord, found: Sequence[Found]
    ) -> tuple[tuple[str, JsonValue], ...]:
        """The values that partitions do not differ by; one that is absent is null, or an error."""
        extras: list[tuple[str, JsonValue]] = []
        for field, value in zip(
            self._parent.extras, found[len(self._parent.fields) :], strict=True
        ):
            absent = isinstance(value, msgspec.UnsetType)
            if absent and field.needed:
                raise self._lacking(field, record)
            extras.append((field.name, None if isinstance(value, msgspec.UnsetType) else value))
        return tuple(extras)

    def _lacking(self, field: Field, record: RawRecord) -> BodyError:
        whole = jsontext.decode(record)
        keys = ", ".join(whole) if isinstance(whole, Mapping) else type(whole).__name__
        path = path_text(field.path)
        return BodyError(
            f"a record of {self._parent.stream!r} has no value for {path!r}, "
            f"which {self._child.name!r} needs",
            code="parent-field",
            hint=f"its keys are: {keys}",
        )


def with_ranges(piece: Slice, context: StreamContext) -> list[Slice]:
    """The slices of a partition: its windows, or one from where its state stands."""
    cursor = context.stream.cursor
    if cursor is None:
        return [piece]
    frame = context.frame(piece)
    if context.follower is not None:
        return list(context.follower.windows(piece, frame))
    if cursor.window is not None:
        done = read_stretches(context.state.get(entry("windows", piece.partition_key)))
        return [
            msgspec.structs.replace(piece, range=window_range(cursor, bounds))
            for bounds in plan_windows(cursor, done, frame)
        ]
    initial = evaluate(cursor.start, frame) if cursor.start else None
    end = evaluate(cursor.end, frame) if cursor.end else None
    mark = mark_of(context.state, state_key(piece, cursor))
    last = mark.value if mark and end is None else None
    last = unmarked(last) if cursor.fold is not None else last
    start = initial if last is None else lagged(last, cursor, initial)
    marks = (("initial", initial), ("last", start))  # with the lag, as dlt names it
    return [msgspec.structs.replace(piece, range=Range(start=start, end=end), marks=marks)]


def with_extras(piece: Slice, context: StreamContext) -> Slice:
    """The slice with the columns its records carry."""
    if not context.carried:
        return piece
    return msgspec.structs.replace(piece, extras=context.carried.columns(context.frame(piece)))


def describe(piece: Slice) -> str:
    """A slice in words, for messages: its values and its window."""
    words = [f"{name}={as_text(value)}" for name, value in piece.partition]
    if piece.range is not None and piece.range.start is not None:
        end = "" if piece.range.end is None else as_text(piece.range.end)
        words.append(f"{as_text(piece.range.start)}..{end}")
    return ", ".join(words) or "all"
