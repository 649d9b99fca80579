"""The functions and filters that Airbyte manifests may use in templates."""

from __future__ import annotations

import base64
import builtins
import hashlib
import hmac as hashed
import json
import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from urllib.parse import quote_plus
from zoneinfo import ZoneInfo

from penstock.plan.datetimes import (
    CalendarDuration,
    format_datetime,
    parse_datetime,
    parse_duration,
    parse_iso,
)

# The start of the run, set around each rendering: every template of a run sees the same time.
CLOCK: ContextVar[datetime | None] = ContextVar("penstock_clock", default=None)


def now_utc() -> datetime:
    """The time of the run, in UTC."""
    return CLOCK.get() or datetime.now(UTC)


def today_utc() -> date:
    """The day of the run, in UTC."""
    return now_utc().date()


def today_with_timezone(timezone: str) -> date:
    """The day of the run in a named time zone."""
    return now_utc().astimezone(ZoneInfo(timezone)).date()


def timestamp(dt: float | str) -> float:
    """A number cut to a whole one; an ISO text as seconds since 1970."""
    if isinstance(dt, (int, float)):
        return int(dt)
    return parse_iso(_text(dt)).timestamp()


def str_to_datetime(s: str) -> datetime:
    """An ISO text as a time in UTC."""
    return parse_iso(_text(s))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def maximum(*args: object) -> object:
    """The largest."""
    largest: Callable[..., object] = builtins.max
    return largest(*args)


def minimum(*args: object) -> object:
    """The smallest."""
    smallest: Callable[..., object] = builtins.min
    return smallest(*args)


def day_delta(num_days: int, format: str = "%Y-%m-%dT%H:%M:%S.%f%z") -> str:  # noqa: A002 (its name in manifests)
    """The time of the run moved by days."""
    return (now_utc() + timedelta(days=num_days)).strftime(format)


def duration(datestring: str) -> timedelta | CalendarDuration:
    """An ISO 8601 duration."""
    return parse_duration(_text(datestring))


def reformat_datetime(
    dt: str | datetime | int,
    format: str,  # noqa: A002 (its name in manifests)
    input_format: str | None = None,
) -> str:
    """A time in another format; a whole number is in seconds unless `input_format` says more."""
    if isinstance(dt, datetime):
        return dt.strftime(format)
    if isinstance(dt, int):
        moment = parse_datetime(dt, input_format or "%s")
    elif input_format:
        moment = datetime.strptime(_text(dt), input_format)  # noqa: DTZ007 (a zone is added below)
    else:
        moment = parse_iso(_text(dt))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return format_datetime(moment, format)


def sanitize_url(value: str) -> str:
    """A value percent-encoded for a query, blanks as plus signs."""
    return quote_plus(value)


def camel_case_to_snake_case(value: str) -> str:
    """CamelCase as camel_case."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", value).lower()


def generate_uuid() -> str:
    """A new random UUID."""
    return str(uuid.uuid4())


FUNCTIONS: dict[str, Callable[..., object]] = {
    "now_utc": now_utc,
    "today_utc": today_utc,
    "today_with_timezone": today_with_timezone,
    "timestamp": timestamp,
    "str_to_datetime": str_to_datetime,
    "max": maximum,
    "min": minimum,
    "day_delta": day_delta,
    "duration": duration,
    "format_datetime": reformat_datetime,
    "sanitize_url": sanitize_url,
    "camel_case_to_snake_case": camel_case_to_snake_case,
    "generate_uuid": generate_uuid,
    "json_loads": json.loads,  # the reference engine has it for signed tokens only
}

_HASHES = frozenset(hashlib.algorithms_guaranteed) - {"shake_128", "shake_256"}


def hash_value(value: object, hash_type: str = "md5", salt: str | None = None) -> str:
    """The hex digest of a value's text, and of the salt's behind it."""
    if hash_type not in _HASHES:
        raise AttributeError(f"there is no hash called {hash_type}")
    digest = hashlib.new(hash_type, usedforsecurity=False)
    digest.update(str(value).encode())
    if salt:
        digest.update(str(salt).encode())
    return digest.hexdigest()


def hmac_value(value: object, key: str, hash_type: str = "sha256") -> str:
    """The hex HMAC of a value's text; only SHA-256 is offered."""
    if hash_type != "sha256":
        raise ValueError(f"an HMAC with {hash_type} is not offered, only sha256")
    return hashed.new(str(key).encode(), str(value).encode(), "sha256").hexdigest()


def base64encode(value: str) -> str:
    """The Base64 of a text."""
    return base64.b64encode(value.encode()).decode()


def base64decode(value: str) -> str:
    """The text in a Base64."""
    return base64.b64decode(value.encode()).decode()


def base64_ascii(value: str) -> str:
    """The Base64 of an ASCII text: the filter encodes, whatever its name in manifests says."""
    return base64.standard_b64encode(value.encode("ascii")).decode("ascii")


def as_string(value: object) -> str:
    """A text as it is; anything else as JSON in quotes that keep it a text."""
    return value if isinstance(value, str) else f'"""{json.dumps(value)}"""'


def regex_search(value: str, regex: str) -> str:
    """What the first group of the first match holds, else the empty text."""
    found = re.search(regex, value)
    return found.group(1) if found and found.groups() else ""


def regex_replace(value: str, regex: str, replacement: str) -> str:
    """The text with each match replaced."""
    return re.sub(regex, replacement, value)


FILTERS: dict[str, Callable[..., object]] = {
    "hash": hash_value,
    "hmac": hmac_value,
    "base64encode": base64encode,
    "base64decode": base64decode,
    "base64binascii_decode": base64_ascii,
    "string": as_string,
    "regex_search": regex_search,
    "regex_replace": regex_replace,
}
