"""Points in time, as components read and write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Self

from penstock.errors import ExprError
from penstock.plan.datetimes import format_datetime, parse_datetime
from penstock.plan.slices import parse_moment


class AirbyteDateTime(datetime):
    """A point in time that always has a zone."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """The time; in UTC where nothing else is said."""
        made = super().__new__(cls, *args, **kwargs)
        return made if made.tzinfo else made.replace(tzinfo=UTC)

    @classmethod
    def from_datetime(cls, dt: datetime) -> AirbyteDateTime:
        """Another point in time as one of these."""
        zone = dt.tzinfo or UTC
        return cls(
            dt.year, dt.month, dt.day, dt.hour, dt.minute, dt.second, dt.microsecond, zone,
            fold=dt.fold,
        )  # fmt: skip

    def to_datetime(self) -> datetime:
        """A plain one."""
        return datetime.fromtimestamp(self.timestamp(), self.tzinfo)

    def __str__(self) -> str:
        return ab_datetime_format(self)

    def __add__(self, other: timedelta) -> AirbyteDateTime:
        return AirbyteDateTime.from_datetime(super().__add__(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        made = super().__sub__(other)
        return AirbyteDateTime.from_datetime(made) if isinstance(made, datetime) else made

    def add(self, delta: timedelta) -> AirbyteDateTime:
        """The time moved on."""
        return self + delta

    def subtract(self, delta: timedelta) -> AirbyteDateTime:
        """The time moved back."""
        moved: AirbyteDateTime = self - delta
        return moved

    def to_epoch_millis(self) -> int:
        """Milliseconds since 1970."""
        return int(self.timestamp() * 1000)

    @classmethod
    def from_epoch_millis(cls, milliseconds: int) -> AirbyteDateTime:
        """The time that is so many milliseconds after 1970."""
        return cls.from_datetime(datetime.fromtimestamp(milliseconds / 1000, UTC))

    @classmethod
    def from_str(cls, dt_str: str) -> AirbyteDateTime:
        """The time a text spells."""
        return ab_datetime_parse(dt_str)


def ab_datetime_now() -> AirbyteDateTime:
    """Now, in UTC."""
    return AirbyteDateTime.from_datetime(datetime.now(UTC))


def ab_datetime_parse(dt_str: str | int) -> AirbyteDateTime:
    """The time a text spells, or a number of seconds since 1970.

    Raises:
        ValueError: it spells none.
    """
    text = str(dt_str)
    try:
        if isinstance(dt_str, int) or text.isdigit():
            return AirbyteDateTime.from_datetime(datetime.fromtimestamp(int(text), UTC))
        return AirbyteDateTime.from_datetime(parse_moment(text, ()))
    except (ExprError, OverflowError) as exc:
        raise ValueError(f"Could not parse datetime string: {dt_str}") from exc


def ab_datetime_try_parse(dt_str: str) -> AirbyteDateTime | None:
    """The time a text spells, or None."""
    try:
        return ab_datetime_parse(dt_str)
    except ValueError:
        return None


def ab_datetime_format(dt: datetime, format: str | None = None) -> str:  # noqa: A002 (the signature that is called)
    """A point in time as ISO 8601, or as a format says."""
    moment = dt if dt.tzinfo else dt.replace(tzinfo=UTC)
    if format:
        return moment.strftime(format)
    spelled = "milliseconds" if moment.microsecond and not moment.microsecond % 1000 else "auto"
    return datetime.isoformat(moment, timespec=spelled)


class DatetimeParser:
    """Reads and writes points in time in the formats of manifests."""

    def parse(self, date: str | int, format: str) -> datetime:  # noqa: A002 (the signature that is called)
        """The time a text spells."""
        moment = parse_datetime(date, format)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def format(self, dt: datetime, format: str) -> str:  # noqa: A002 (the signature that is called)
        """The text of a time."""
        return format_datetime(dt, format)
