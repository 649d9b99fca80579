"""Contiguous windows: what of a cursor's range is read, what is due, and what state is left.

A reading is known by its spans. Spans that touch are one; the state of a stream is the newest value
of the first unbroken stretch, so that a window that failed is read again in the next run.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import msgspec

from penstock.plan.slices import Clamp, Duration, add

_MILLISECOND = timedelta(milliseconds=1)


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch that was read, both ends included, and the newest value seen in it."""

    start: datetime
    end: datetime
    newest: datetime | None = None


class Ruler(msgspec.Struct, frozen=True, kw_only=True):
    """How a stream's range is cut: None for `step` reads it in one, `granularity` keeps ends apart.

    With `strict` a window without length is not asked for, even at the end.
    """

    step: Duration | None = None
    granularity: Duration | None = None
    lookback: Duration = Duration()
    clamp: Clamp | None = None
    strict: bool = False

    @property
    def gap(self) -> timedelta:
        """What lies between the end of one span and the start of the next."""
        if self.granularity is None:
            return _MILLISECOND
        return timedelta(seconds=self.granularity.seconds)


def begun(start: datetime, state: datetime | None) -> tuple[Span, ...]:
    """The spans a run begins with: all up to the state, which is never before the start."""
    upto = start if state is None or state < start else state
    return (Span(start=start, end=upto, newest=upto),)


def merged(spans: Iterable[Span], gap: timedelta) -> tuple[Span, ...]:
    """The spans in order, those that touch or overlap as one."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start, s.end)):
        if not found or found[-1].end + gap < span.start:
            found.append(span)
            continue
        last = found[-1]
        values = [v for v in (last.newest, span.newest) if v is not None]
        found[-1] = Span(
            start=last.start, end=max(last.end, span.end), newest=max(values, default=None)
        )
    return tuple(found)


def state(spans: Iterable[Span], gap: timedelta) -> datetime | None:
    """What a stream's state is once these spans are read."""
    first = next(iter(merged(spans, gap)), None)
    return None if first is None else first.newest or first.start


def last_end(ruler: Ruler, end: datetime) -> datetime:
    """Where a run ends: at `end`, or with the last whole day, week or month before it."""
    if ruler.clamp is None:
        return end
    default = timedelta(seconds=1) if ruler.clamp.to == "day" else timedelta(days=1)
    gap = ruler.gap if ruler.granularity is not None else default
    return clamped(ruler.clamp, end, up=False) - gap


def due(
    ruler: Ruler, spans: Iterable[Span], start: datetime | None, end: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """The windows to read, both ends inclusive: what lies before, between and behind the spans."""
    held = merged(spans, ruler.gap)
    if not held:
        return
    cut = _Cut(ruler=ruler, start=start, end=end)
    if start is not None and start < held[0].start:
        yield from cut.windows(start, held[0].start, at_end=False)
    apart = ruler.gap if ruler.granularity is not None else timedelta()
    for before, after in itertools.pairwise(held):
        yield from cut.windows(before.end + apart, after.start, at_end=False)
    yield from cut.windows(_back(held[-1].end, ruler.lookback), end, at_end=True)


def _back(moment: datetime, duration: Duration) -> datetime:
    return add(moment, Duration(months=-duration.months, seconds=-duration.seconds))


class _Cut(msgspec.Struct, frozen=True, kw_only=True):
    """Cuts what is due, for a run that reaches from `start` to `end`."""

    ruler: Ruler
    start: datetime | None
    end: datetime

    def windows(
        self, lower: datetime, upper: datetime, *, at_end: bool
    ) -> Iterator[tuple[datetime, datetime]]:
        """The windows from `lower` to `upper`; only `at_end` is `upper` itself in the last."""
        ruler, start = self.ruler, self.start
        whole = ruler.granularity is not None
        if lower > upper or (lower == upper and not whole):
            return
        if start is not None and upper < start:
            return
        lower = self._clamp(lower if start is None else max(lower, start))
        if lower > upper or (lower == upper and (ruler.strict or not at_end)):
            return
        if self._after(lower) >= upper:
            ended = upper if at_end and whole else self._clamp(upper)
            yield lower, ended - ruler.gap if whole and not at_end else ended
            return
        yield from self._steps(lower, upper, at_end=at_end)

    def _steps(
        self, lower: datetime, upper: datetime, *, at_end: bool
    ) -> Iterator[tuple[datetime, datetime]]:
        whole = self.ruler.granularity is not None
        while True:
            following = min(self._after(lower), upper)
            ended = following if following == upper else self._clamp(following)
            reached = following >= upper or ended == upper
            first = self._clamp(lower)
            if first >= ended:
                return
            open_end = not whole or (at_end and reached)
            yield first, ended if open_end else ended - self.ruler.gap
            if reached:
                return
            lower = ended

    def _after(self, moment: datetime) -> datetime:
        if self.ruler.step is None:
            return self.end
        try:
            return add(moment, self.ruler.step)
        except (OverflowError, ValueError):
            return self.end

    def _clamp(self, moment: datetime) -> datetime:
        clamp = self.ruler.clamp
        return moment if clamp is None else clamped(clamp, moment, up=True)


def clamped(clamp: Clamp, moment: datetime, *, up: bool) -> datetime:
    """The start of a day, week or month: the next one that is not before `moment`, or the last."""
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    match clamp.to:
        case "day":
            return day + timedelta(days=1) if up and day != moment else day
        case "week":
            ahead = (clamp.weekday - moment.weekday()) % 7
            return day + timedelta(days=ahead if up or not ahead else ahead - 7)
        case "month":
            first = day.replace(day=1)
            return first if moment.day == 1 or not up else add(first, Duration(months=1))


def halved(
    first: datetime, last: datetime, ruler: Ruler, minimum: timedelta | None
) -> tuple[tuple[datetime, datetime], tuple[datetime, datetime]] | None:
    """A window cut in two; None where it cannot be cut further."""
    if ruler.granularity is None or first >= last:
        return None
    length = last - first
    units = length // ruler.gap + 1
    if units <= 1 or (minimum is not None and length <= minimum):
        return None
    middle = first + (units // 2) * ruler.gap
    return (first, middle - ruler.gap), (middle, last)
