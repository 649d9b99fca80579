"""Times as Airbyte manifests write them: the pseudo-formats, ISO texts, and calendar durations."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from penstock.errors import ExprError
from penstock.patterns import pattern
from penstock.plan.expr import Frame, TimeOf, evaluate_text
from penstock.plan.slices import EPOCH, Duration, add

_UNITS = {"%epoch_microseconds": 1, "%ms": 1_000}  # microseconds


def parse_datetime(value: str | float, spelled: str) -> datetime:
    """A time written in the format `spelled`; without a zone it is UTC.

    Raises:
        ValueError: it is not written so.
    """
    if spelled == "%s":
        return datetime.fromtimestamp(int(value), tz=UTC)
    if spelled == "%s_as_float":
        return datetime.fromtimestamp(float(value), tz=UTC)
    if spelled in _UNITS:
        return EPOCH + timedelta(microseconds=int(value) * _UNITS[spelled])
    moment = datetime.strptime(str(value), spelled.replace("%_ms", "%f"))  # noqa: DTZ007 (the zone is added below)
    return moment if moment.utcoffset() is not None else moment.replace(tzinfo=UTC)


def format_datetime(moment: datetime, spelled: str) -> str:
    """A time in the format `spelled`."""
    if spelled == "%s":
        return str(int(moment.timestamp()))
    if spelled == "%s_as_float":
        return str(moment.timestamp())
    if spelled == "%epoch_microseconds":
        return str(int(moment.timestamp() * 1_000_000))
    if spelled == "%ms":
        return str(int(moment.timestamp() * 1_000))
    if "%_ms" in spelled:
        return moment.strftime(spelled.replace("%_ms", f"{moment.microsecond // 1000:03d}"))
    return moment.strftime(spelled)


_DATES = (
    pattern(r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)", re.ASCII),
    pattern(r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)", re.ASCII),
    pattern(r"(?P<year>\d{4})(?P<dash>-?)W(?P<week>\d\d)(?:(?P=dash)(?P<weekday>\d))?", re.ASCII),
    pattern(r"(?P<year>\d{4})-?(?P<ordinal>\d{3})", re.ASCII),
    pattern(r"(?P<year>\d{4})-(?P<month>\d\d)", re.ASCII),
    pattern(r"(?P<year>\d{4})", re.ASCII),
)
_TIME = pattern(
    r"(?P<hour>\d\d)(?:(?P<colon>:?)(?P<minute>\d\d)(?:(?P=colon)(?P<second>\d\d)"
    r"(?:[.,](?P<fraction>\d+))?)?)?(?P<zone>[Zz]|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)


def parse_iso(text: str) -> datetime:
    """An ISO 8601 time in UTC, with any character between date and time.

    Raises:
        ValueError: it is none.
    """
    for form in _DATES:
        found = form.match(text)
        if found and _ends_date(text, found.end()):
            day = _day({k: v for k, v in found.groupdict().items() if v})
            return _at(day, text[found.end() + 1 :])
    raise ValueError(f"{text!r} is not an ISO 8601 time")


def moment_of(text: str) -> datetime | None:
    """A time that is written as ISO 8601 or as seconds since the epoch; None for anything else."""
    try:
        if text.strip().removeprefix("-").replace(".", "", 1).isdecimal():
            return datetime.fromtimestamp(float(text), UTC)
        return parse_iso(text)
    except (ValueError, OverflowError, OSError):
        return None


def _ends_date(text: str, end: int) -> bool:
    return end == len(text) or not (text[end].isdigit() or text[end] == "-")


def _day(parts: dict[str, str]) -> date:
    year = int(parts["year"])
    if "week" in parts:
        return date.fromisocalendar(year, int(parts["week"]), int(parts.get("weekday", "1")))
    if "ordinal" in parts:
        day = date(year, 1, 1) + timedelta(days=int(parts["ordinal"]) - 1)
        if day.year != year:
            raise ValueError(f"the year {year} has no day {parts['ordinal']}")
        return day
    return date(year, int(parts.get("month", "1")), int(parts.get("day", "1")))


def _at(day: date, clock: str) -> datetime:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if not clock:
        return midnight
    found = _TIME.fullmatch(clock)
    if not found:
        raise ValueError(f"{clock!r} is not an ISO 8601 time of day")
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    micro = int((found["fraction"] or "0").ljust(6, "0")[:6])
    next_day = hour == 24 and not (minute or second or micro)  # noqa: PLR2004 (midnight's other name)
    moment = datetime(
        day.year, day.month, day.day, 0 if next_day else hour, minute, second, micro,
        tzinfo=_zone(found["zone"]),
    )  # fmt: skip
    return (moment + timedelta(days=int(next_day))).astimezone(UTC)


def _zone(text: str | None) -> tzinfo:
    if text is None or text in "Zz":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[3:].lstrip(":") or 0)
    return timezone(timedelta(minutes=minutes if text[0] == "+" else -minutes))


_NUMBER = r"(\d+(?:[.,]\d+)?)"
_DURATION = pattern(
    rf"([+-])?P(?!\b)(?:{_NUMBER}Y)?(?:{_NUMBER}M)?(?:{_NUMBER}W)?(?:{_NUMBER}D)?"
    rf"(?:T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?",
    re.ASCII,
)


class CalendarDuration:
    """Years and months beside an exact length; added to a time as the calendar says."""

    def __init__(self, years: int, months: int, rest: timedelta) -> None:
        self.years = years
        self.months = months
        self.rest = rest

    @property
    def plan(self) -> Duration:
        """The same length for window arithmetic."""
        return Duration(months=self.years * 12 + self.months, seconds=self.rest.total_seconds())

    def __str__(self) -> str:
        words = [f"{self.years} years"] if self.years else []
        if self.months:
            words.append(f"{self.months} month{'s' if self.months > 1 else ''}")
        return ", ".join([*words, str(self.rest)])

    def __neg__(self) -> CalendarDuration:
        return CalendarDuration(-self.years, -self.months, -self.rest)

    def __add__(self, other: object) -> datetime | date | CalendarDuration:
        if isinstance(other, datetime):
            return add(other, Duration(months=self.plan.months)) + self.rest
        if isinstance(other, date):
            moved = add(datetime(other.year, other.month, other.day, tzinfo=UTC), self._months)
            return moved.date() + self.rest
        if isinstance(other, CalendarDuration):
            years, months = self.years + other.years, self.months + other.months
            return CalendarDuration(years, months, self.rest + other.rest)
        if isinstance(other, timedelta):
            return CalendarDuration(self.years, self.months, self.rest + other)
        return NotImplemented

    __radd__ = __add__

    def __rsub__(self, other: object) -> datetime | date | CalendarDuration:
        return (-self).__add__(other)

    def __sub__(self, other: object) -> datetime | date | CalendarDuration:
        if isinstance(other, (CalendarDuration, timedelta)):
            return self.__add__(-other)
        return NotImplemented

    @property
    def _months(self) -> Duration:
        return Duration(months=self.plan.months)


def parse_duration(text: str) -> timedelta | CalendarDuration:
    """An ISO 8601 duration: an exact length, or years and months beside one.

    Raises:
        ValueError: it is none.
    """
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not an ISO 8601 duration")
    sign = -1 if found[1] == "-" else 1
    years, months, weeks, days, hours, minutes, seconds = (
        float((group or "0").replace(",", ".")) for group in found.groups()[1:]
    )
    rest = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not years and not months:
        return sign * rest
    return CalendarDuration(sign * int(years), sign * int(months), sign * rest)


def time_of(expr: TimeOf, frame: Frame) -> str:
    """The time of a `TimeOf` in `frame`.

    Raises:
        ExprError: a value is no time in the format it should have.
    """
    moment = _written(evaluate_text(expr.value, frame), expr.format)
    earliest = evaluate_text(expr.minimum, frame) if expr.minimum else ""
    latest = evaluate_text(expr.maximum, frame) if expr.maximum else ""
    if earliest:
        moment = max(moment, _written(earliest, expr.format))
    if latest:
        moment = min(moment, _written(latest, expr.format))
    return moment.astimezone(UTC).isoformat()


def _written(text: str, spelled: str) -> datetime:
    try:
        return parse_datetime(text, spelled)
    except (ValueError, OverflowError) as exc:
        raise ExprError(
            f"{text!r} is not a time", hint=f"expected one written as {spelled!r}"
        ) from exc
