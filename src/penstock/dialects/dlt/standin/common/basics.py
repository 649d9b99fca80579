"""`dlt.common`: what scripts take from it that is not dlt's own, JSON above all."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any


def retry_load(*_: Any, **__: Any) -> Any:
    """Which failures of a run are worth another: none, as a run asks again by itself."""
    return lambda _exc: False


_encoders: list[Any] = []  # what the script says of types that nobody else knows


def set_custom_encoder(encoder: Any) -> None:
    """Write what JSON does not have, and dlt does not know, as a function of the script says."""
    _encoders[:] = [encoder]


def encoded(value: Any) -> Any:
    """What the script's own function makes of a value; the value itself where it has none."""
    try:
        return _encoders[0](value) if _encoders else value
    except TypeError:  # it does not know the type either
        return value


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
            made = encoded(value)
            return str(value) if made is value else made


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
    "set_custom_encoder": set_custom_encoder,
}
JSON["json"] = SimpleNamespace(**JSON)
LOGGER = logging.getLogger("dlt")


def logger() -> dict[str, Any]:
    """The names of `dlt.common.logger`: those of a logger, and the logger itself."""
    said = ("debug", "info", "warning", "error", "critical", "exception", "log")
    return {
        **{name: getattr(LOGGER, name) for name in said},
        "LOGGER": LOGGER,
        "is_logging": LOGGER.hasHandlers,
        "log_level": lambda: logging.getLevelName(LOGGER.getEffectiveLevel()),
    }
