"""How a stream is cut: into partitions, by values or by parent records, and into windows of time.

A slice is one partition in one window: the unit that succeeds or fails by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Literal, assert_never

import msgspec

from penstock.errors import ExprError
from penstock.patterns import pattern
from penstock.plan.expr import Expr, JsonValue
from penstock.plan.python import Compute
from penstock.plan.records import Glob, JsonPath, Keys
from penstock.plan.request import Param


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A value of each parent record: found at `path`, known to the child as `name`.

    A null is a value where it is `nullable`. Of extras, those that are `needed` may not be absent.
    """

    name: str
    path: Keys | JsonPath | Glob
    nullable: bool = False
    needed: bool = False


class Values(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A partition for each value of a list."""

    name: str
    values: Expr
    params: tuple[Param, ...] = ()


class Parent(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A partition for each record of another stream, once for each set of `fields` values.

    `null` says what a record does whose first field is null: it is skipped, or an error. `absent`
    says the same for a field that is not there at all. `extras` are values that partitions
    do not differ by. With `repeat` the same values come as often as there are parents.
    `incremental` reads only the parents that changed. `lazy` leads to the child's first page inside
    the parent's record. With `within` a partition also holds that of its parent, as `parent_slice`.
    With `whole` there is a partition for each page instead, or for each record that came on its
    own: what came is seen as the extra value `item`, and its digest, called `page`, names the
    partition.
    """

    stream: str
    fields: tuple[Field, ...]
    params: tuple[Param, ...] = ()
    null: Literal["skip", "error"] = "skip"
    absent: Literal["skip", "error"] = "error"
    extras: tuple[Field, ...] = ()
    repeat: bool = False
    incremental: bool = False
    lazy: tuple[str, ...] = ()
    within: bool = False
    whole: bool = False


class Product(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Every combination of the members' partitions; the last member varies fastest."""

    members: tuple[Partition, ...]


class Chain(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The members' partitions, one member after the other."""

    members: tuple[Partition, ...]


class Merged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The members' partitions, one for each value of `name`; their other values are extras."""

    members: tuple[Partition, ...]
    name: str


class Grouped(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Partitions of up to `size` partitions of `of`, each value a list; no state by partition.

    With `distinct`, a partition that came before is left out.
    """

    of: Partition
    size: int
    distinct: bool = True


Partition = (
    Values | Parent | Product | Chain | Merged | Grouped | Compute
)  # stands after its members, so that annotations resolve on every Python


def leaves(partition: Partition | None) -> list[Values | Parent]:
    """The lists of values and the parents in a partition tree, in its order."""
    match partition:
        case None | Compute():
            return []
        case Values() | Parent():
            return [partition]
        case Grouped():
            return leaves(partition.of)
        case Product() | Chain() | Merged():
            return [leaf for member in partition.members for leaf in leaves(member)]
        case _:
            assert_never(partition)


def combined(partition: Partition | None, name: str) -> set[str]:
    """The parents in a partition tree whose records are combined with those of `name`."""
    found: set[str] = set()
    match partition:
        case Grouped():
            found |= combined(partition.of, name)
        case Product() | Chain() | Merged():
            sides = [{p.stream for p in parents_of(member)} for member in partition.members]
            for at, member in enumerate(partition.members):
                found |= combined(member, name)
                if isinstance(partition, Product) and name in sides[at]:
                    found.update(*sides[:at], *sides[at + 1 :])
        case _:
            pass
    return found


def computed(partition: Partition | None) -> list[Compute]:
    """The classes that make partitions in a partition tree, in its order."""
    match partition:
        case None | Values() | Parent():
            return []
        case Compute():
            return [partition]
        case Grouped():
            return computed(partition.of)
        case Product() | Chain() | Merged():
            return [leaf for member in partition.members for leaf in computed(member)]
        case _:
            assert_never(partition)


def parents_of(partition: Partition | None) -> list[Parent]:
    """The parents in a partition tree, in its order."""
    return [leaf for leaf in leaves(partition) if isinstance(leaf, Parent)]


class Duration(msgspec.Struct, frozen=True, kw_only=True):
    """A length of time: calendar months, and seconds."""

    months: int = 0
    seconds: float = 0.0


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Cuts a cursor's range into windows of length `step`, an ISO 8601 duration when evaluated.

    `granularity` is the gap that keeps the end of one window apart from the start of the next.
    """

    step: Expr
    granularity: Duration = Duration(seconds=1e-3)


class Clamp(msgspec.Struct, frozen=True, kw_only=True):
    """Windows of whole days, weeks or months; `weekday` counts from Monday, 0."""

    to: Literal["day", "week", "month"]
    weekday: int = 0


class Fold(msgspec.Struct, frozen=True, kw_only=True):
    """A function of the document's that says how far a cursor is.

    It is given the value of a record and, unless there is none yet, how far the cursor was before.
    """

    function: Callable[[tuple[JsonValue, ...]], JsonValue]
    name: str = ""


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """The field that says how new a record is, and how a run asks for what is new.

    `format` is how requests and state spell a time: a strftime pattern or one of `%s` (seconds),
    `%ms` (milliseconds), `%s_as_float`, `%epoch_microseconds`; None leaves values as they are.
    `formats` are further spellings that records may use. `start` and `end` bound the first run;
    with a window and no `end`, the end is the start of the run. `lag` is how far behind the state
    a run starts again, in seconds, or in the cursor's own unit where `format` is None.
    `closed_start` and `closed_end` say whether the bounds themselves are in range; `missing` what
    to do with a record without the field. `filter` drops records outside the range. With `order`
    reading stops where records leave the range. `boundary` names the fields by which a record at
    the state's own value is recognised in the next run: None stands for the whole record, an empty
    tuple switches that off. `lookback` is a `lag` to evaluate, an ISO 8601 duration. `contiguous`
    cuts windows and keeps state as `windowed` says: bounds are exact and inclusive, state is the
    newest value of the first unbroken stretch; `strict` and `clamp` bear on those windows. With
    `shared` one state stands for all partitions, and moves on when none of them failed. `names` are
    the window's bounds in templates. `chosen` says that a platform may name another field for
    `path`. With `fold` that function says which values are in the range, and `pick` nothing.
    `said` is how the document writes `path` where that is not its names with dots between: dlt's
    state has it so.
    """

    path: Keys | JsonPath
    format: str | None = None
    formats: tuple[str, ...] = ()
    start: Expr | None = None
    end: Expr | None = None
    params: tuple[Param, ...] = ()
    lag: float = 0.0
    pick: Literal["max", "min"] = "max"
    fold: Fold | None = None
    order: Literal["asc", "desc"] | None = None
    filter: bool = True
    missing: Literal["error", "include", "exclude"] = "error"
    closed_start: bool = True
    closed_end: bool = False
    boundary: tuple[str, ...] | None = None
    window: Window | None = None
    lookback: Expr | None = None
    strict: bool = False
    clamp: Clamp | None = None
    shared: bool = False
    contiguous: bool = False
    names: tuple[str, str] = ("start_time", "end_time")
    chosen: bool = False
    said: str = ""


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a cursor, in the spelling of requests; None is open."""

    start: JsonValue = None
    end: JsonValue = None


class Slice(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One partition in one window. `key` names it for state: the same in every run.

    `partition` holds its values by name; `extras` are columns its records carry; `marks` are
    further values of the cursor by name (`initial`, `last`), and `seen` are further values of the
    partition; neither names the slice, templates only see them. `first` is its first page, where
    that is known already. `version` is a digest of the records above that led here, where they
    lead here again only once they have changed; `unsure` say whether, as far as is known when they
    are asked, something may still come late here without changing those.
    """

    partition: tuple[tuple[str, JsonValue], ...] = ()
    range: Range | None = None
    marks: tuple[tuple[str, JsonValue], ...] = ()
    seen: tuple[tuple[str, JsonValue], ...] = ()
    extras: tuple[tuple[str, str | int | float | bool | None], ...] = ()
    first: bytes | None = None
    version: str = ""
    unsure: tuple[Callable[[], bool], ...] = ()

    @cached_property
    def partition_key(self) -> str:
        """The partition as canonical JSON; empty for a stream without partitions."""
        if not self.partition:
            return ""
        return msgspec.json.encode(dict(self.partition), order="sorted").decode()

    @cached_property
    def key(self) -> str:
        """Partition and window as one text."""
        if self.range is None:
            return self.partition_key
        bounds = msgspec.json.encode([self.range.start, self.range.end]).decode()
        return f"{self.partition_key}{bounds}"


_ISO_DURATION = pattern(
    r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?"
    r"(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?"
)


def parse_duration(text: str) -> Duration:
    """An ISO 8601 duration.

    Raises:
        ExprError: it is none.
    """
    found = _ISO_DURATION.fullmatch(text)
    if not found or text.endswith(("P", "T")):
        raise ExprError(f"{text!r} is not a duration", hint="write it as P1D, PT1H, P1M …")
    years, months, weeks, days, hours, minutes = (int(g or 0) for g in found.groups()[:6])
    seconds = float(found.group(7) or 0)
    seconds += ((weeks * 7 + days) * 24 + hours) * 3600 + minutes * 60
    return Duration(months=years * 12 + months, seconds=seconds)


_DECEMBER = 12  # the month whose next may be beyond the last year there is


def _days(year: int, month: int) -> int:
    """How many days a month has. `calendar` tells too, and brings the machine's language along."""
    return 31 if month == _DECEMBER else (date(year, month + 1, 1) - date(year, month, 1)).days


def add(moment: datetime, duration: Duration) -> datetime:
    """`moment` plus a duration; a day that a month does not have becomes its last."""
    if duration.months:
        month = moment.month - 1 + duration.months
        first = moment.replace(year=moment.year + month // 12, month=month % 12 + 1, day=1)
        moment = first.replace(day=min(moment.day, _days(first.year, first.month)))
    return moment + timedelta(seconds=duration.seconds)


def windows(
    lower: datetime, upper: datetime, step: Duration, granularity: Duration
) -> Iterator[tuple[datetime, datetime]]:
    """Windows from `lower` to `upper`, both ends inclusive, one granularity apart.

    The last window ends at `upper` itself and begins as soon as a whole step would reach it.

    Raises:
        ExprError: the step does not move.
    """
    if step.months <= 0 and step.seconds <= 0:
        raise ExprError("a window's step must be longer than nothing")
    gap = timedelta(seconds=granularity.seconds)
    start = lower
    while (following := add(start, step)) < upper:
        yield start, following - gap
        start = following
    if start <= upper:
        yield start, upper


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"%s": 1, "%ms": 1_000, "%epoch_microseconds": 1_000_000}


def parse_moment(value: JsonValue, formats: tuple[str, ...]) -> datetime:
    """A point in time, in UTC; text without a zone is UTC. `formats` are tried in order.

    Raises:
        ExprError: it is none.
    """
    for spelled in formats:
        moment = _parse_as(value, spelled)
        if moment is not None:
            return moment
    moment = _parse_iso(value)
    if moment is None:
        expected = " or ".join(formats) or "ISO 8601"
        raise ExprError(f"{value!r} is not a point in time", hint=f"expected {expected}")
    return moment


def _parse_as(value: JsonValue, spelled: str) -> datetime | None:
    try:
        if spelled in _UNITS:
            return EPOCH + timedelta(microseconds=int(str(value)) * (1_000_000 // _UNITS[spelled]))
        if spelled == "%s_as_float":
            return EPOCH + timedelta(seconds=float(str(value)))
        moment = datetime.strptime(str(value), spelled.replace("%_ms", "%f"))  # noqa: DTZ007 (the zone is added below)
    except (ValueError, OverflowError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _parse_iso(value: JsonValue) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def format_moment(moment: datetime, spelled: str | None) -> str:
    """A point in time as requests and state spell it; ISO 8601 where nothing else is said."""
    if spelled is None:
        return moment.isoformat().replace("+00:00", "Z")
    if spelled in _UNITS:
        return str((moment - EPOCH) // timedelta(microseconds=1_000_000 // _UNITS[spelled]))
    if spelled == "%s_as_float":
        return str((moment - EPOCH).total_seconds())
    if "%_ms" in spelled:
        spelled = spelled.replace("%_ms", f"{moment.microsecond // 1000:03d}")
    return moment.strftime(spelled)
