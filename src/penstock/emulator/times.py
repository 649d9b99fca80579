"""Moments: milliseconds since 1970, as the emulated APIs write and read them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import msgspec

DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = _EPOCH.toordinal()


@lru_cache(maxsize=4096)
def _day(number: int) -> bytes:
    return date.fromordinal(_EPOCH_ORDINAL + number).isoformat().encode()


def iso(ms: int) -> bytes:
    """Write a moment in ISO 8601 with milliseconds and `Z`."""
    day, rest = divmod(ms, DAY_MS)
    second, milli = divmod(rest, 1000)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    return b"%sT%02d:%02d:%02d.%03dZ" % (_day(day), hour, minute, second, milli)


def parse(text: str) -> int:
    """Read a moment: digits are milliseconds since 1970, anything else is ISO 8601.

    Raises:
        ValueError: the text is neither.
    """
    if text.lstrip("-").isdigit():
        return int(text)
    # An unescaped "+" of an offset arrives as a space.
    moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """When each of `size` records came to be: in order, evenly over a span, with ties.

    Every seventh record shares its moment with the one before it, so that an incremental load
    meets boundary rows.
    """

    start: int
    span: int
    size: int

    def at(self, index: int) -> int:
        """Give the moment of one record."""
        place = index - (index % 7 == 6)  # noqa: PLR2004 (every seventh)
        return self.start + self.span * place // self.size
