"""`dlt.common`: what scripts take from it that is not dlt's own, dates and JSON above all."""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from types import ModuleType
from typing import Any

from penstock.dialects.dlt.standin.record import unknown


class Pendulum(ModuleType):
    """The library pendulum, which also has itself under its own name here."""

    def __getattr__(self, name: str) -> Any:
        found = importlib.import_module("pendulum")
        return found if name == "pendulum" else getattr(found, name)


def ensure_pendulum_datetime(value: Any) -> Any:
    """A moment as pendulum has it: of a text, of seconds since 1970, of a day or a moment."""
    pendulum = importlib.import_module("pendulum")
    match value:
        case datetime():
            return pendulum.instance(value)
        case date():
            return pendulum.datetime(value.year, value.month, value.day)
        case int() | float():
            return pendulum.from_timestamp(value)
        case _:
            return pendulum.parse(str(value), strict=False, tz="UTC")


def retry_load(*_: Any, **__: Any) -> Any:
    """Which failures of a run are worth another: none, as a run asks again by itself."""
    return lambda _exc: False


def send_slack_message(*_: Any, **__: Any) -> None:
    """Refused: nobody is told anything while the script is executed."""
    raise unknown("send_slack_message", "send it from what calls penstock, by its exit code")


def _plain(value: Any) -> Any:
    """A value that JSON does not have, as dlt writes it."""
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return str(value)
        case Mapping():
            return dict(value)
        case bytes():
            return value.decode("utf-8", "replace")
        case _:
            return str(value)


def dumps(obj: Any, sort_keys: bool = False, pretty: bool = False) -> str:  # noqa: FBT001, FBT002 (as dlt has it)
    """A value as JSON text."""
    return json.dumps(
        obj, sort_keys=sort_keys, ensure_ascii=False, default=_plain,
        indent=2 if pretty else None, separators=None if pretty else (",", ":"),
    )  # fmt: skip


def dumpb(obj: Any, sort_keys: bool = False, pretty: bool = False) -> bytes:  # noqa: FBT001, FBT002 (as dlt has it)
    """A value as JSON bytes."""
    return dumps(obj, sort_keys, pretty).encode()


def dump(obj: Any, fp: Any, sort_keys: bool = False, pretty: bool = False) -> None:  # noqa: FBT001, FBT002 (as dlt has it)
    """Write a value as JSON into a file of bytes."""
    fp.write(dumpb(obj, sort_keys, pretty))


JSON: dict[str, Any] = {
    "dumps": dumps,
    "dumpb": dumpb,
    "dump": dump,
    "loads": json.loads,
    "loadb": json.loads,
    "load": json.load,
}
LOGGER = logging.getLogger("dlt")
