"""Cursors whose state is one value: windows without gaps, and what is kept of each partition.

The state entries of such a stream::

    cursor              the value up to which nothing is missing
    cursor/<partition>  the same for one partition
    spans, spans/…      stretches that an imported state says are read
    others, others/…    what else an imported state says, to be told back
    global              the newest value of all partitions, once all of them were read
    parents             the states that the streams above had when all partitions were read

A partition that the state does not know begins at the newest value of all, moved back by as long as
the run took that found it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from penstock.errors import ExprError
from penstock.plan.datetimes import format_datetime, parse_datetime
from penstock.plan.expr import Frame, JsonValue, evaluate
from penstock.plan.slices import (
    Cursor,
    Duration,
    Grouped,
    Parent,
    Partition,
    Range,
    Slice,
    add,
    parse_duration,
)
from penstock.plan.windowed import Ruler, Span, begun, due, last_end, merged, state
from penstock.read.decode import FieldReader, Found, RawRecord

MOST_PARTITIONS = 10_000  # that are followed one by one; beyond, one state stands for all
Entries = Mapping[str, str]


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """The `global` entry: `only` says whether no partition has a state of its own."""

    value: str | None = None
    lookback: int = 0  # seconds
    only: bool | None = None  # where nothing says so, the stream's own wish counts


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of a `spans` entry, as texts in the cursor's format."""

    start: str
    end: str
    most_recent_cursor_value: str | None = None


class Progress(msgspec.Struct, kw_only=True):
    """How far one partition is: what was read of it, and what this run is to read."""

    ruler: Ruler
    start: datetime | None
    end: datetime
    spans: tuple[Span, ...]
    left: int = 0  # slices that are not closed

    @property
    def reached(self) -> datetime | None:
        """Where its state stands."""
        return state(self.spans, self.ruler.gap)


class Follower:
    """Follows the cursor of one stream through a run, in all of its partitions."""

    def __init__(
        self,
        cursor: Cursor,
        entries: Entries,
        partition: Partition | None,
        seconds: Callable[[], float],
        most: int = MOST_PARTITIONS,
    ) -> None:
        self.cursor = cursor
        self.partitioned = partition is not None
        self._entries = entries
        text = entries.get("global")
        self.held = msgspec.json.decode(text, type=Held) if text else Held()
        wanted = cursor.shared or isinstance(partition, Grouped)
        only = wanted if self.held.only is None else self.held.only
        self.shared = self.partitioned and only
        self.newest: str | None = self.held.value
        self.saw_value = False
        self._open: dict[str, Progress] = {}
        self._counts: dict[str, int] = {}
        self._most = most
        # A parent's partitions come once; those that are combined may come again.
        self._taken: set[str] | None = None if isinstance(partition, Parent) else set()
        self._known = sum(name.startswith(("cursor/", "spans/")) for name in entries)
        self._seconds = seconds
        self._began = seconds()

    def windows(self, piece: Slice, frame: Frame) -> Iterator[Slice]:
        """The slices of a partition that this run reads; it is followed from now on."""
        key = piece.partition_key
        if self.cursor.format is None:
            yield self._from_count(piece, frame)
            return
        if self.partitioned:
            if self._comes_again(key):
                return
            self._count(key)
        progress = self._begun(key, frame)
        self._open[key] = progress
        end = last_end(progress.ruler, progress.end)
        for first, last in due(progress.ruler, progress.spans, progress.start, end):
            bounds = Range(start=self.spelled(first), end=self.spelled(last))
            progress.left += 1
            yield msgspec.structs.replace(piece, range=bounds)
        if not progress.left and self.shared:
            del self._open[key]

    def _comes_again(self, key: str) -> bool:
        """Whether this run has the partition already: its records would come twice."""
        if self._taken is None:
            return False
        if key in self._taken:
            return True
        self._taken.add(key)
        return False

    def _count(self, key: str) -> None:
        """One more partition is to be followed: beyond the most, one state stands for all."""
        self.shared = self.shared or self._known > self._most
        self._known += not any(_name(kind, key) in self._entries for kind in ("cursor", "spans"))

    def _from_count(self, piece: Slice, frame: Frame) -> Slice:
        text = self._entries.get("cursor")
        held = msgspec.json.decode(text)["value"] if text else None
        start = evaluate(self.cursor.start, frame) if self.cursor.start and held is None else held
        self._counts[""] = _number(start)
        return msgspec.structs.replace(piece, range=Range(start=start))

    def _begun(self, key: str, frame: Frame) -> Progress:
        known = self._entries.get(_name("cursor", key))
        value = msgspec.json.decode(known)["value"] if known else None
        reached = None if value is None else self.parsed(value)
        if reached is None and self.partitioned and self.held.value is not None:
            back = self.parsed(self.held.value) - timedelta(seconds=self.held.lookback)
            reached = self.parsed(self.spelled(back))  # as fine as its format
        start = _moment(evaluate(self.cursor.start, frame)) if self.cursor.start else None
        end = _moment(evaluate(self.cursor.end, frame) if self.cursor.end else None) or frame.now
        assert end is not None, "a run has a start"
        ruler = self._ruler(frame)
        spans = self._imported(key)
        if not spans:
            first = start or reached
            spans = () if first is None else begun(first, reached)
        return Progress(ruler=ruler, start=start, end=end, spans=spans)

    def _ruler(self, frame: Frame) -> Ruler:
        cursor = self.cursor
        text = evaluate(cursor.lookback, frame) if cursor.lookback else None
        back = parse_duration(str(text)) if text else Duration()
        window = cursor.window
        return Ruler(
            step=parse_duration(str(evaluate(window.step, frame))) if window else None,
            granularity=window.granularity if window else None,
            lookback=back,
            clamp=cursor.clamp,
            strict=cursor.strict,
        )

    def _imported(self, key: str) -> tuple[Span, ...]:
        text = self._entries.get(_name("spans", key))
        if not text:
            return ()
        return tuple(
            Span(
                start=self.parsed(s.start),
                end=self.parsed(s.end),
                newest=self.parsed(s.most_recent_cursor_value or s.end),
            )
            for s in msgspec.json.decode(text, type=tuple[Stretch, ...])
        )

    def parsed(self, value: JsonValue) -> datetime:
        """A cursor's value as a time.

        Raises:
            ExprError: it is none in any of the cursor's formats.
        """
        found = self.read(value)
        if found is None:
            raise ExprError(
                f"{value!r} is not a time", hint=f"expected one written as {self.cursor.format!r}"
            )
        return found

    def read(self, value: object) -> datetime | None:
        """A cursor's value as a time, or None."""
        for spelled in (*self.cursor.formats, self.cursor.format):
            try:
                return parse_datetime(value, spelled or "%s")  # type: ignore[arg-type]  # told below
            except (ValueError, TypeError, OverflowError, OSError):
                continue
        return None

    def spelled(self, moment: datetime) -> str:
        """A time as requests and state spell it."""
        return format_datetime(moment, self.cursor.format or "%s")

    def progress(self, piece: Slice) -> Progress:
        """How far the partition of a slice is."""
        return self._open[piece.partition_key]

    def follow(self, piece: Slice) -> SpanTracker | CountTracker:
        """What follows the cursor through the records of one slice."""
        if self.cursor.format is None:
            return CountTracker(self, self._counts[""])
        return SpanTracker(self, self.progress(piece))

    def saw(self, newest: datetime) -> None:
        """A record had this value; the run is known to have data then."""
        self.saw_value = True
        self._publish(self.spelled(newest))

    def _publish(self, text: str) -> None:
        if self.newest is None or self.newest < text:
            self.newest = text

    def close(self, piece: Slice, newest: datetime | int | None) -> list[tuple[str, str | None]]:
        """The entries that a slice changes once it was read."""
        key = piece.partition_key
        if not isinstance(newest, datetime) and self.cursor.format is None:
            self._counts[""] = max(self._counts[""], newest or 0)
            return [("cursor", _value(self._counts[""]))]
        progress = self.progress(piece)
        assert piece.range is not None, "a window has bounds"
        span = Span(
            start=self.parsed(piece.range.start),
            end=self.parsed(piece.range.end),
            newest=newest if isinstance(newest, datetime) else None,
        )
        progress.spans = merged((*progress.spans, span), progress.ruler.gap)
        progress.left -= 1
        found = self.entries_of(key)
        if not progress.left and self.partitioned:
            del self._open[key]  # what is to be known of it stands in the state
        return found

    def entries_of(self, key: str) -> list[tuple[str, str | None]]:
        """The entries that say how far a partition is."""
        reached = self._open[key].reached
        if self.shared or reached is None:
            return []
        text = self.spelled(reached)
        if self.partitioned:
            self._publish(text)
        found: list[tuple[str, str | None]] = [(_name("cursor", key), _value(text))]
        if _name("spans", key) in self._entries:
            found.append((_name("spans", key), None))
        return found

    def ended(self, *, complete: bool) -> list[tuple[str, str | None]]:
        """The entries at the end of the stream, some of whose slices may be lost."""
        if self.cursor.format is None:
            return [("cursor", _value(self._counts[""]))] if self._counts else []
        found = [pair for key in self._open for pair in self.entries_of(key)]
        if not self.partitioned:
            return found
        if self.shared:
            kinds = ("cursor/", "spans/", "others/")
            gone = [name for name in self._entries if name.startswith(kinds)]
            found = [(name, None) for name in gone]
        held = Held(value=self.held.value, lookback=self.held.lookback, only=self.shared)
        if complete and self.saw_value:
            took = math.ceil(self._seconds() - self._began)
            held = Held(value=self.newest, lookback=took, only=self.shared)
        return [*found, ("global", msgspec.json.encode(held).decode())]


class SpanTracker:
    """Follows a cursor of times through one slice."""

    repeated = 0

    def __init__(self, follower: Follower, progress: Progress) -> None:
        cursor = follower.cursor
        self._follower = follower
        self._filters = cursor.filter
        self.feed = cursor.order == "desc"
        self._reader = FieldReader((cursor.path,))
        self._low, self._high = floor(progress), progress.end
        self._last: tuple[Found, datetime | None] = (None, None)
        self.newest: datetime | None = None
        self.unread = 0
        self.dropped = 0
        self.out_of_range = False

    def admit(self, records: Sequence[RawRecord]) -> Sequence[RawRecord]:
        """The records that belong to this run."""
        kept: list[RawRecord] = []
        here = True
        for record, (value,) in zip(records, self._reader.read(records), strict=True):
            moment = self._moment(value)
            here = moment is None or self._low <= moment <= self._high
            if here or not self._filters:
                kept.append(record)
                self._saw(moment)
        self.dropped += len(records) - len(kept)
        if self.feed and records:
            self.out_of_range = not here
        return kept

    def _moment(self, value: Found) -> datetime | None:
        if value is None or isinstance(value, msgspec.UnsetType):
            self.unread += 1
            return None
        if value != self._last[0] or type(value) is not type(self._last[0]):
            self._last = (value, self._follower.read(value))
        self.unread += self._last[1] is None
        return self._last[1]

    def _saw(self, moment: datetime | None) -> None:
        if moment is not None and (self.newest is None or self.newest < moment):
            self.newest = moment
            self._follower.saw(moment)


class CountTracker:
    """Follows a cursor of whole numbers."""

    repeated = 0
    dropped = 0
    out_of_range = False
    feed = False

    def __init__(self, follower: Follower, start: int) -> None:
        self._reader = FieldReader((follower.cursor.path,))
        self.newest: int | None = start
        self.unread = 0

    def admit(self, records: Sequence[RawRecord]) -> Sequence[RawRecord]:
        """All records."""
        for (value,) in self._reader.read(records):
            if isinstance(value, (int, float, str)):
                try:
                    self.newest = max(self.newest or 0, int(value))
                except ValueError:
                    self.unread += 1
            else:
                self.unread += 1
        return records


def floor(progress: Progress) -> datetime:
    """The oldest value that this run takes, where it drops older ones."""
    reached = progress.reached
    assert reached is not None, "a run begins somewhere"
    back = progress.ruler.lookback
    low = add(reached, Duration(months=-back.months, seconds=-back.seconds))
    if progress.start is None:
        return low
    return max(low, min(reached, progress.start))


def narrowed(piece: Slice, first: str) -> Slice:
    """The slice from `first` on."""
    assert piece.range is not None, "a window has bounds"
    return msgspec.structs.replace(piece, range=Range(start=first, end=piece.range.end))


def halves(piece: Slice, follower: Follower, minimum: Duration | None) -> list[Slice] | None:
    """A slice's window cut in two; None where it cannot be cut."""
    from penstock.plan.windowed import halved  # noqa: PLC0415 (few streams split)

    if piece.range is None or follower.cursor.format is None:
        return None
    least = None if minimum is None else timedelta(seconds=minimum.seconds)
    first, last = follower.parsed(piece.range.start), follower.parsed(piece.range.end)
    found = halved(first, last, follower.progress(piece).ruler, least)
    return found and [
        msgspec.structs.replace(
            piece, range=Range(start=follower.spelled(a), end=follower.spelled(b))
        )
        for a, b in found
    ]


def _name(kind: str, key: str) -> str:
    return f"{kind}/{key}" if key else kind


def _value(value: JsonValue) -> str:
    return msgspec.json.encode({"value": value}).decode()


def _moment(value: JsonValue) -> datetime | None:
    return None if value is None else datetime.fromisoformat(str(value))


def _number(value: JsonValue) -> int:
    try:
        return int(str(value or 0))
    except ValueError as exc:
        raise ExprError(f"{value!r} is not a whole number to count from") from exc
