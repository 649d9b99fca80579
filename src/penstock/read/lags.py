"""A cursor's value moved back by a lag, so that what came late is found.

A lag counts days where the cursor is a date, and seconds where it is a time; the document's first
value says which, and where there is none, the value itself. With windows it always counts seconds.
Numbers are moved as they are.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from penstock.patterns import pattern
from penstock.plan.expr import JsonValue
from penstock.plan.slices import Cursor, format_moment, parse_moment

_DATE: Final = pattern(r"\d{4}(-?)\d\d\1\d\d", re.ASCII)
_TIME: Final = pattern(
    r"\d{4}-\d\d-\d\dT\d\d(?P<minute>:\d\d)?(?P<second>:\d\d)?(?P<part>\.\d+)?"
    r"(?P<zone>Z|[+-]\d\d(?P<colon>:?)\d\d)?",
    re.ASCII,
)


def moved(value: JsonValue, cursor: Cursor, initial: JsonValue = None) -> JsonValue:
    """The value moved back by the lag, spelled as it was.

    Raises:
        ExprError: it is neither a number nor a time.
    """
    lag = cursor.lag if cursor.pick == "max" else -cursor.lag
    if cursor.format is not None:
        formats = (*cursor.formats, cursor.format)
        return format_moment(parse_moment(value, formats) - timedelta(seconds=lag), cursor.format)
    if isinstance(value, (int, float)):
        whole = isinstance(value, int) and lag.is_integer()
        return value - (int(lag) if whole else lag)
    text = str(value)
    is_date = _DATE.fullmatch(text) is not None
    said = initial if isinstance(initial, str) else text
    by_days = cursor.window is None and _DATE.fullmatch(said) is not None
    moment = parse_moment(value, cursor.formats)
    if not by_days:
        return _spelled(_back(moment, timedelta(seconds=lag)), text)
    day = _back(moment, timedelta(days=int(lag))).date()
    if is_date:
        return _as_date(day, text)
    edge = time.min if cursor.pick == "max" else time.max
    return _spelled(datetime.combine(day, edge, tzinfo=UTC), text)


def _back(moment: datetime, lag: timedelta) -> datetime:
    try:
        return moment - lag
    except OverflowError:
        return (
            datetime.min.replace(tzinfo=UTC)
            if lag > timedelta()
            else datetime.max.replace(tzinfo=UTC)
        )


def _spelled(moment: datetime, text: str) -> str:
    """A point in time, spelled as `text` is."""
    if _DATE.fullmatch(text):
        return _as_date(moment.date(), text)
    form = _TIME.fullmatch(text)
    if form is None:
        return format_moment(moment, None)
    zone = form["zone"]
    if zone is not None and zone != "Z":
        moment = moment.astimezone(datetime.strptime(zone, "%z").tzinfo)
    parts = ("%H", form["minute"] and ":%M", form["second"] and ":%S", form["part"] and ".%f")
    plain = moment.strftime(f"%Y-%m-%dT{''.join(part or '' for part in parts)}")
    if zone is None or zone == "Z":
        return plain + (zone or "")
    offset = moment.strftime("%z")
    return plain + f"{offset[:3]}{form['colon']}{offset[3:]}"


def _as_date(day: date, text: str) -> str:
    return day.isoformat() if "-" in text else day.strftime("%Y%m%d")
