"""What a stream's state says, and what a slice adds to it.

Entries of one stream, each a JSON text in the destination::

    cursor              the newest value, and the records that had it
    cursor/<partition>  the same for one partition
    windows             the stretches of time that are complete; also windows/<partition>
    open/<slice>        loads of a slice that is not complete; written by the loader
    done/<slice>        a slice that is complete, while other slices of the same pass are not
    pass                the pass under way: when a slice of it was last completed (epoch seconds)
    read                when an appended stream without a cursor was read in full (epoch seconds),
                        until its run is over; written by the loader
    todo/<partition>    a partition that failed, kept because its parent will not be listed again
    behind              the cursor that dlt is told, which has one for all partitions; written by
                        the loader
    imported            the newest value of all partitions that another engine has read, for those
                        that have no cursor of their own yet
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import msgspec

from penstock.errors import BodyError, ExprError, did_you_mean
from penstock.plan import jsontext
from penstock.plan.expr import Frame, JsonValue, evaluate
from penstock.plan.hints import WriteMode
from penstock.plan.records import JsonPath, Keys
from penstock.plan.slices import (
    Cursor,
    Duration,
    Range,
    Slice,
    format_moment,
    parse_duration,
    parse_moment,
    windows,
)
from penstock.read import digests
from penstock.read.decode import FieldReader, Found, RawRecord
from penstock.read.lags import moved

PASS_SECONDS = 3600.0  # for which a merged stream's pass that was cut off is gone on with
MAX_BOUNDARY = 100_000
_PRUNE_FROM = 1_000
_TEXT = 2  # what is neither a number nor a time comes behind both
_LIST = 3
Key: TypeAlias = "tuple[int, float | str | tuple[Key, ...]]"


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """How far a cursor got: the newest value, and hashes of the records at or near it.

    `keyed` says that another engine told some of these apart by their keys alone. `keys` are hashes
    of their keys, where that is told to one that does. `path` is where the value stands, as the
    document writes it, for whoever asks without the document.
    """

    value: Any = None  # a scalar, or whatever a function of the document says
    boundary: tuple[str, ...] = ()
    keyed: bool | msgspec.UnsetType = msgspec.UNSET
    keys: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    path: str | msgspec.UnsetType = msgspec.UNSET


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time that is complete, both ends included, and the newest value seen in it.

    `boundary` are hashes of the records at that value, or near with a lag: they come again.
    """

    start: datetime
    end: datetime
    newest: datetime | None = None
    boundary: tuple[str, ...] = ()


def entry(kind: str, key: str) -> str:
    """The name of a state entry."""
    return f"{kind}/{key}" if key else kind


def state_key(piece: Slice, cursor: Cursor) -> str:
    """What names the slice's cursor in the state: its partition, unless one stands for all."""
    return "" if cursor.shared else piece.partition_key


def without_old_pass(entries: Mapping[str, str], write: WriteMode, now: float) -> dict[str, str]:
    """The entries without those of a pass that is too old to be gone on with.

    A pass that was cut off, or in which a slice failed, leaves `done` entries behind, and the next
    run reads only what is missing. Rows that are merged may be read again, so an old pass is given
    up: slices that never succeed shall not keep the others from being read. Rows that are appended
    may not, so such a pass is gone on with whatever its age.
    """
    got_on = entries.get("pass")
    if write != "merge" or (got_on and now - float(got_on) < PASS_SECONDS):
        return dict(entries)
    return {n: text for n, text in entries.items() if n != "pass" and not n.startswith("done/")}


def read_mark(text: str | None) -> Mark | None:
    """The mark an entry holds, or None."""
    return msgspec.json.decode(text, type=Mark) if text else None


def mark_of(entries: Mapping[str, str], key: str) -> Mark | None:
    """The mark of one partition; where it has none, the one that another engine left for all."""
    return read_mark(entries.get(entry("cursor", key)) or entries.get("imported"))


def read_stretches(text: str | None) -> tuple[Stretch, ...]:
    """The stretches an entry holds."""
    return msgspec.json.decode(text, type=tuple[Stretch, ...]) if text else ()


def write(value: Mark | tuple[Stretch, ...] | JsonValue) -> str:
    """A value as the JSON text of an entry."""
    return msgspec.json.encode(value).decode()


def order_key(value: JsonValue, cursor: Cursor) -> Key:
    """A value so that it compares as the cursor means it: numbers, times, lists, or else texts."""
    if isinstance(value, (bool, int, float)) and cursor.format is None:
        return (0, value)  # as it is: a float would make ids above 2**53 alike
    if isinstance(value, (list, tuple)) and cursor.format is None:
        return (_LIST, tuple(order_key(item, cursor) for item in value))
    text = str(value)
    if cursor.format is not None or text[:1].isdigit():
        try:
            return _moment_key(value, cursor)
        except ValueError:
            pass
    return (_TEXT, text)


def _bound(value: JsonValue, cursor: Cursor) -> Key:
    """The key of a range's start or end.

    Raises:
        ExprError: it is no time where the document says how times are written: every record would
            be on the same side of it.
    """
    key = order_key(value, cursor)
    if key[0] == _TEXT and cursor.format is not None:
        parse_moment(value, spellings(cursor))
    return key


def _moment_key(value: JsonValue, cursor: Cursor) -> Key:
    if cursor.format is None:
        moment = datetime.fromisoformat(str(value))
        return (1, _timestamp(moment))
    try:
        return (1, _timestamp(parse_moment(value, spellings(cursor))))
    except ExprError as exc:
        raise ValueError(str(exc)) from exc


def _timestamp(moment: datetime) -> float:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=_UTC)
    return moment.timestamp()


_UTC = parse_moment("1970-01-01T00:00:00Z", ()).tzinfo


def spellings(cursor: Cursor) -> tuple[str, ...]:
    """Every spelling of time that records may use."""
    return (*cursor.formats, *((cursor.format,) if cursor.format else ()))


def lagged(value: JsonValue, cursor: Cursor, initial: JsonValue = None) -> JsonValue:
    """The value a run starts from: the state's, moved back by the lag, yet not before `initial`."""
    if not cursor.lag or value is None:
        return value
    start = moved(value, cursor, initial)
    if initial is None:
        return start
    rising = cursor.pick == "max"
    before = order_key(start, cursor) < order_key(initial, cursor)
    return initial if before is rising else start


class Tracker:
    """Follows the cursor through the records of one slice: what is in range, and how far it got."""

    def __init__(
        self,
        cursor: Cursor,
        mark: Mark | None,
        span: Range,
        *,
        whole: bool,
        initial: JsonValue = None,
    ) -> None:
        self._cursor = cursor
        self.sets = False
        """Whether what is known is written again, since it is part of a set."""
        self._again = False
        self._initial = initial
        self._reach: tuple[Key, Key] | None = None  # a newest value, and how far its lag goes
        self._fields = fields_of(cursor, whole=whole)
        self._key: tuple[Keys, ...] = ()  # what tells records apart for another engine
        self._by_key: set[str] = set()  # known by their keys alone, until they are seen
        self._keys: dict[str, tuple[str, ...]] = {}  # digests of the keys of those that are near
        self._telling = False
        self._reader = FieldReader((cursor.path, *(self._fields or ())))
        self._known = digests.Known(mark.boundary if mark else ())
        self._floor = None if span.start is None else _bound(span.start, cursor)
        self._ceiling = None if span.end is None else _bound(span.end, cursor)
        self._mark = mark
        self._best: JsonValue = mark.value if mark else None
        self._best_key = order_key(self._best, cursor) if self._best is not None else None
        self._near: list[tuple[Key, str]] = []
        self._prune_at = _PRUNE_FROM
        self.leads: list[RawRecord] = []  # of the last page
        self.dropped = 0
        self.repeated = 0
        self.out_of_range = False

    def tell_by(self, key: Sequence[str]) -> None:
        """Say what dlt tells records apart by: keys, also where they count as a whole here."""
        self._telling = True
        if self._fields is None and key:
            self._key = tuple(Keys(path=(name,)) for name in key)
            self._reader = FieldReader((self._cursor.path, *self._key))

    def admit(self, records: Sequence[RawRecord]) -> Sequence[RawRecord]:
        """The records that belong to this run: in range, and not kept by an earlier one.

        Raises:
            BodyError: a record has no cursor value, and the document does not say what then.
        """
        kept: list[RawRecord] = []
        self.leads = []
        for record, values in zip(records, self._reader.read(records), strict=True):
            repeated, self._again = self.repeated, False
            admitted = self.admits(record, values)
            if admitted:
                kept.append(record)
            again = self._again or self.repeated > repeated
            if (admitted and not again) or (self._cursor.lag and again):
                self.leads.append(record)
        return kept

    def admits(self, record: RawRecord, values: tuple[Found, ...]) -> bool:
        """Whether a record belongs to this run; `values` are what tells it, its cursor's first.

        Raises:
            BodyError: it has no cursor value, and the document does not say what then.
        """
        value = values[0]
        if value is None or isinstance(value, msgspec.UnsetType):
            return self.without_value(record)
        if isinstance(value, dict) and self._cursor.format is None:
            raise BodyError(
                f"the cursor value {_named(self._cursor)!r} of a record is an object, which comes "
                f"neither before nor behind another: {_excerpt(record)}",
                code="cursor-object",
                hint="let cursor_path lead to a field inside of it",
            )
        key = order_key(value, self._cursor)
        if key[0] == _TEXT and self._cursor.format is not None:
            return self.without_value(record)
        if not (self._in_range(key) or (key == self._floor and self._is_behind_first(value))):
            self.dropped += 1
            return False
        self._again = self._is_repeated(key, record, values)
        if self._again and not self.sets:
            self.repeated += 1
            return False
        return True

    def without_value(self, record: RawRecord) -> bool:
        """Whether a record without a cursor value belongs to this run; what is null never does.

        Raises:
            BodyError: the document does not say.
        """
        if bytes(record) == b"null":
            self.dropped += 1
            return False
        match self._cursor.missing:
            case "include":
                return True
            case "exclude":
                self.dropped += 1
                return False
            case _:
                raise BodyError(
                    f"a record has no cursor value {_named(self._cursor)!r}: {_excerpt(record)}",
                    code="cursor-missing",
                    hint=_instead(_named(self._cursor), record),
                )

    def _in_range(self, key: Key) -> bool:
        cursor = self._cursor
        rising = cursor.pick == "max"
        low, high = (self._floor, self._ceiling) if rising else (self._ceiling, self._floor)
        below = low is not None and (
            key < low or (key == low and not (cursor.closed_start if rising else cursor.closed_end))
        )
        above = high is not None and (
            key > high
            or (key == high and not (cursor.closed_end if rising else cursor.closed_start))
        )
        if cursor.order == ("desc" if rising else "asc") and below:
            self.out_of_range = True
        if cursor.order == ("asc" if rising else "desc") and above:
            self.out_of_range = True
        return not cursor.filter or not (below or above)

    def _is_behind_first(self, value: JsonValue) -> bool:
        """Whether a text of the moment that an open range begins with is another, and behind it.

        The tools that the documents are of compare the texts themselves.
        """
        cursor, first = self._cursor, self._initial
        opens = cursor.pick == "max" and not cursor.closed_start and cursor.format is None
        texts = isinstance(first, str) and isinstance(value, str) and self._mark is None
        return opens and texts and str(value) > str(first)

    def _is_repeated(self, key: Key, record: RawRecord, values: tuple[Found, ...]) -> bool:
        """Whether an earlier run kept this record; on the way, remembers how far this one got."""
        newer = self._best_key is None or (
            key > self._best_key if self._cursor.pick == "max" else key < self._best_key
        )
        if newer:
            self._best_key, self._best = key, _kept(values[0])
            self._forget_far()
        near = self._is_near(key)
        # a newer record may come before the one that the state knows
        if self._fields == () or not (near or (self._known.held and key == self._floor)):
            return False
        told = self._told(values)
        by_key = self._key and [plain_value(value) for value in values[1:]]
        if near:
            digest = digests.digest(record, told)
            self._near.append((key, digest))
            if by_key:
                self._keys[digest] = digests.told(record, by_key)
            elif self._telling and told:
                self._near += [(key, more) for more in digests.told(record, told)[1:]]
        at_floor = key == self._floor
        keyed = self._mark is not None and self._mark.keyed is True
        if by_key and keyed and at_floor and self._known.has(record, by_key):
            self._by_key |= {*digests.told(record, by_key)}  # the whole of it is known from now on
            return True
        # told by some fields, a newer record with these is another version of the one that is kept
        return (self._fields is None or at_floor) and self._known.has(record, told)

    def _told(self, values: Sequence[Found]) -> list[JsonValue] | None:
        """What tells a record apart from others at the same value; None for the whole of it."""
        return [plain_value(value) for value in values[1:]] if self._fields else None

    @property
    def lags(self) -> bool:
        """Whether records may come late."""
        return bool(self._cursor.lag)

    def nearness(self, record: RawRecord) -> Callable[[], bool]:
        """Whether a record is within the lag of the newest one that was seen when that is asked."""
        [(value, *_)] = self._reader.read([record])
        if value is None or isinstance(value, msgspec.UnsetType):
            return bool
        key = order_key(value, self._cursor)
        return lambda: self._is_near(key)

    def _is_near(self, key: Key) -> bool:
        if self._best_key is None or key == self._best_key:
            return True
        if not self._cursor.lag or max(key[0], self._best_key[0]) >= _TEXT:
            return False
        if self._reach is None or self._reach[0] != self._best_key:
            edge = moved(self._best, self._cursor, self._initial)
            self._reach = self._best_key, order_key(edge, self._cursor)
        first = self._reach[1]
        return first <= key if self._cursor.pick == "max" else key <= first

    def _forget_far(self) -> None:
        """Let go of what is not near the newest value any more; with a lag, only now and then."""
        if self._cursor.lag and len(self._near) < self._prune_at:
            return
        self._near = [item for item in self._near if self._is_near(item[0])]
        if self._keys:
            self._keys = {digest: self._keys[digest] for _, digest in self._near}
        self._prune_at = max(_PRUNE_FROM, 2 * len(self._near))

    def mark(self) -> Mark:
        """How far the cursor is after this slice."""
        same = self._mark is not None and self._best == self._mark.value
        known = self._known.held if same else frozenset[str]()
        near = {digest for key, digest in self._near if self._is_near(key)}
        hashes = sorted(near | (known - self._by_key))
        made = Mark(value=self._best, boundary=tuple(hashes[:MAX_BOUNDARY]))
        return self._with_keys(made, near, same=same) if self._key else made

    def _with_keys(self, made: Mark, near: set[str], *, same: bool) -> Mark:
        """A mark that also says what tells the records at it apart for another engine."""
        keys, keyed = {one for digest in near for one in self._keys[digest]}, False
        if same and self._mark is not None:
            keys |= set(self._mark.keys or ())
            keyed = self._mark.keyed is True
        kept = tuple(sorted(keys)[:MAX_BOUNDARY])
        return msgspec.structs.replace(made, keyed=keyed or msgspec.UNSET, keys=kept)


def fields_of(cursor: Cursor, *, whole: bool) -> tuple[Keys | JsonPath, ...] | None:
    """The fields that tell records at the boundary apart; None for the whole record.

    None at all are told apart where the document says so, also by `whole` records.
    """
    if cursor.boundary is None or (whole and cursor.boundary):
        return None
    return tuple(Keys(path=(name,)) for name in cursor.boundary)


def _named(cursor: Cursor) -> str:
    return ".".join(cursor.path.path) if isinstance(cursor.path, Keys) else cursor.path.text


def _instead(path: str, record: RawRecord) -> str:
    """What to do about a cursor that a record lacks: maybe it is called otherwise there."""
    held = jsontext.decode_or(bytes(record), None)
    near = None
    if isinstance(held, dict) and path.partition(".")[0] not in held:
        names = [path, path.rpartition(".")[2]]
        near = next(filter(None, (did_you_mean(name, held) for name in names)), None)
    what = "set on_cursor_value_missing to include or exclude such records"
    return f"{near} Else {what}" if near else what


def _kept(value: Found) -> JsonValue:
    """A cursor's value as state keeps it."""
    return value if isinstance(value, (str, int, float, list)) else str(value)


def plain_value(value: Found) -> JsonValue:
    """A value of a record, null where there is none."""
    return None if isinstance(value, msgspec.UnsetType) else value


def _excerpt(record: RawRecord) -> str:
    text = bytes(record).decode("utf-8", "replace")
    return text if len(text) <= 200 else text[:200] + "…"  # noqa: PLR2004 (a line of an error)


def plan_windows(
    cursor: Cursor, done: Sequence[Stretch], frame: Frame
) -> list[tuple[datetime, datetime]]:
    """The windows still to ask for: the gaps of what is complete, and what lies behind it.

    The stretch behind the last complete one begins at the newest value seen there, or at its start
    where nothing was seen, moved back by the lag, but not before the start of the document.

    Raises:
        ExprError: a bound or the step is not what it should be.
    """
    window = cursor.window
    assert window is not None, "only a cursor with a window is cut"
    formats = spellings(cursor)
    lower = parse_moment(evaluate(cursor.start, frame) if cursor.start else None, formats)
    end = evaluate(cursor.end, frame) if cursor.end else None
    upper = parse_moment(end, formats) if end is not None else _now(frame)
    step = parse_duration(str(evaluate(window.step, frame)))
    found: list[tuple[datetime, datetime]] = []
    gap = timedelta(seconds=window.granularity.seconds)
    begin = lower
    for stretch in done[:-1]:
        if begin < stretch.start:
            found.extend(windows(begin, stretch.start - gap, step, window.granularity))
        begin = max(begin, stretch.end + gap)
    if done:
        last = done[-1]
        if begin < last.start:
            found.extend(windows(begin, last.start - gap, step, window.granularity))
        begin = max(lower, (last.newest or last.start) - timedelta(seconds=cursor.lag))
    found.extend(windows(begin, upper, step, window.granularity))
    return found


def _now(frame: Frame) -> datetime:
    assert frame.now is not None, "the run has a start"
    return frame.now


def merge_stretches(
    done: Iterable[Stretch], new: Stretch, granularity: Duration, lag: float = 0.0
) -> tuple[Stretch, ...]:
    """The complete stretches with `new` among them; those that touch become one."""
    gap = timedelta(seconds=granularity.seconds)
    merged: list[Stretch] = []
    for stretch in sorted((*done, new), key=lambda s: (s.start, s.end)):
        last = merged[-1] if merged else None
        if last is None or last.end + gap < stretch.start:
            merged.append(stretch)
            continue
        newest, boundary = _newest(last, stretch, timedelta(seconds=lag))
        end = max(last.end, stretch.end)
        merged[-1] = Stretch(start=last.start, end=end, newest=newest, boundary=boundary)
    return tuple(merged)


def _newest(
    one: Stretch, other: Stretch, lag: timedelta
) -> tuple[datetime | None, tuple[str, ...]]:
    """The newest value of two stretches, and the records at it, or near it in either."""
    if one.newest is None or other.newest is None:
        found = other if one.newest is None else one
        return found.newest, found.boundary
    # What lies within the lag of the newest value may reach over into the other stretch.
    if one.newest > other.newest:
        late, early, near = one, other, one.newest - other.newest <= lag
    else:
        late, early, near = other, one, other.newest - lag <= other.start
    near = near or late.newest == early.newest
    hashes = {*late.boundary, *early.boundary} if near else set(late.boundary)
    return late.newest, tuple(sorted(hashes)[:MAX_BOUNDARY])


def window_mark(text: str | None, cursor: Cursor, span: Range) -> Mark | None:
    """The mark for a window that reaches back to the newest value of the last complete stretch."""
    done = read_stretches(text)
    newest = done[-1].newest if done else None
    if newest is None or parse_moment(span.start, spellings(cursor)) > newest:
        return None
    return Mark(value=format_moment(newest, cursor.format), boundary=done[-1].boundary)


def with_window(text: str | None, cursor: Cursor, span: Range, mark: Mark) -> str:
    """The entry of complete stretches with one more window in it."""
    assert cursor.window is not None, "only a cursor with a window is cut"
    formats = spellings(cursor)
    end = parse_moment(span.end, formats)
    # A record may be newer than its window; the next run still begins inside what was read.
    newest = None if mark.value is None else min(end, parse_moment(mark.value, formats))
    start = parse_moment(span.start, formats)
    new = Stretch(start=start, end=end, newest=newest, boundary=mark.boundary)
    done = read_stretches(text)
    merged = merge_stretches(done, new, cursor.window.granularity, cursor.lag)
    return msgspec.json.encode(merged).decode()


def write_slice(piece: Slice) -> str:
    """A slice's partition as the JSON text of an entry."""
    return msgspec.json.encode([piece.partition, piece.seen]).decode()


def read_slice(text: str) -> Slice:
    """The slice of an entry."""
    partition, seen = msgspec.json.decode(text)
    return Slice(
        partition=tuple((name, value) for name, value in partition),
        seen=tuple((name, value) for name, value in seen),
    )


def window_range(cursor: Cursor, bounds: tuple[datetime, datetime]) -> Range:
    """A window's bounds as requests spell them."""
    start, end = (format_moment(moment, cursor.format) for moment in bounds)
    return Range(start=start, end=end)
