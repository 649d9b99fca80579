"""`dlt.common.time` and `dlt.common.pendulum`: moments as pendulum has them, in UTC as in dlt."""

from __future__ import annotations

import datetime as dt
import importlib
from types import ModuleType
from typing import Any

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def library() -> ModuleType:
    """The library pendulum; its local time is UTC, as dlt sets it."""
    found = importlib.import_module("pendulum")
    found.set_local_timezone(found.timezone("UTC"))
    return found


class Pendulum(ModuleType):
    """The library, which also has itself under its own name here."""

    timedelta = dt.timedelta

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return library() if name == "pendulum" else getattr(library(), name)


def _moment(value: Any) -> Any:
    """What a text, seconds since 1970, a day or a moment says, without a zone where it has none."""
    pendulum = library()
    match value:
        case dt.datetime():
            return value
        case dt.date():
            return dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 (it is in UTC)
        case int() | float():
            return pendulum.from_timestamp(value)
        case str():
            return _parsed(value)
        case _:
            raise TypeError(f"{value!r} is no moment")


def _parsed(text: str) -> Any:
    try:
        found = library().parse(str(text), exact=True, strict=False, tz="UTC")
    except ValueError:
        try:
            return library().from_timestamp(float(text))
        except ValueError:
            pass
        raise
    if isinstance(found, dt.time):
        message = f"{text!r} is a time of day, and no moment"
        raise ValueError(message)  # noqa: TRY004 (as dlt has it)
    return _moment(found)


def ensure_pendulum_datetime(value: Any, tz: Any = None) -> Any:
    """A moment as pendulum has it, in UTC."""
    made = library().instance(_moment(value), tz=tz or "UTC")
    return made.in_timezone(tz or "UTC")


def ensure_pendulum_date(value: Any, tz: Any = None) -> Any:
    """The day of a moment."""
    return ensure_pendulum_datetime(value, tz).date()


def ensure_pendulum_time(value: Any) -> Any:
    """A time of day.

    Raises:
        TypeError: it is none.
    """
    pendulum = library()
    if isinstance(value, dt.timedelta):
        return pendulum.time(0).add(seconds=value.seconds, microseconds=value.microseconds)
    held = dt.time.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(held, dt.time):
        raise TypeError(f"{value!r} is no time of day")
    if held.tzinfo is not None:
        day = dt.datetime.combine(_EPOCH.date(), held)
        held = day.astimezone(dt.UTC).time()
    return pendulum.time(held.hour, held.minute, held.second, held.microsecond)


def parse_iso_like_datetime(value: str) -> Any:
    """A moment, a day or a time of day that is written as one; without a zone it has none."""
    return library().parse(value, exact=True, strict=False, tz=None)


def to_py_datetime(value: Any) -> Any:
    """A moment without pendulum."""
    parts = (value.year, value.month, value.day, value.hour, value.minute, value.second)
    return dt.datetime(*parts, value.microsecond, value.tzinfo, fold=value.fold)  # noqa: DTZ001 (it has its own)


def to_py_date(value: Any) -> dt.date:
    """A day without pendulum."""
    return dt.date(value.year, value.month, value.day)


def _since(moment: dt.datetime) -> dt.timedelta:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
    since: dt.timedelta = to_py_datetime(aware) - _EPOCH
    return since


def datetime_to_timestamp(moment: dt.datetime) -> int:
    """Whole seconds since 1970."""
    return _since(moment) // dt.timedelta(seconds=1)


def datetime_to_timestamp_ms(moment: dt.datetime) -> int:
    """Whole milliseconds since 1970."""
    return _since(moment) // dt.timedelta(milliseconds=1)


def to_seconds(td: Any) -> Any:
    """A stretch of time as seconds."""
    return td.total_seconds() if isinstance(td, dt.timedelta) else td


def public() -> dict[str, Any]:
    """The names of `dlt.common.time`."""
    found = (ensure_pendulum_datetime, ensure_pendulum_date, ensure_pendulum_time,
             parse_iso_like_datetime, to_py_datetime, to_py_date, datetime_to_timestamp,
             datetime_to_timestamp_ms, to_seconds)  # fmt: skip
    return {
        **{one.__name__: one for one in found},
        "ensure_pendulum_datetime_utc": ensure_pendulum_datetime,
        "datetime": dt,
        "timedelta": dt.timedelta,
    }
