"""JSON texts as objects and back, with the numbers in them that no double holds kept as written."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import date, time
from typing import NoReturn, Self

import msgspec

from penstock.plan.expr import JsonValue

_LONGEST = 4300  # digits of an integer that Python reads


class Beyond(float):
    """A number that no double holds: endless to those who compare it, as written to all others."""

    __slots__ = ("text",)

    text: str

    def __new__(cls, text: str) -> Self:
        """A number as it is written."""
        made = super().__new__(cls, text)
        made.text = text
        return made

    def __getnewargs__(self) -> tuple[str]:  # type: ignore[override]  # what a copy is made of
        return (self.text,)

    def __repr__(self) -> str:
        return self.text

    __str__ = __repr__


def decode(text: bytes | msgspec.Raw, beyond: Callable[[str], JsonValue] = Beyond) -> JsonValue:
    """A JSON text as objects; `beyond` makes the value of a number that no double holds.

    Raises:
        msgspec.DecodeError: it is not JSON, or nested too deeply to be read.
    """
    value: JsonValue
    try:
        value = msgspec.json.decode(text)
    except msgspec.ValidationError:
        return _lenient(bytes(text), beyond)
    except UnicodeDecodeError as exc:
        raise msgspec.DecodeError(str(exc)) from exc
    except RecursionError:
        raise msgspec.DecodeError("it is nested too deeply to be read") from None
    return value


def decode_or(text: bytes, default: JsonValue) -> JsonValue:
    """A JSON text as objects, or `default` for a text that is none."""
    try:
        return decode(text)
    except msgspec.DecodeError:
        return default


def encode(value: object) -> bytes:
    """Objects as a JSON text."""
    return _encoder.encode(value)


def beginning(text: bytes, most: int) -> str:
    """The first bytes of a text, for a message.

    Where it is cut stands `…`, by which a secret is known of which only the beginning is left.
    """
    if len(text) <= most:
        return text.decode("utf-8", "replace")
    return text[:most].decode("utf-8", "replace").rstrip("\ufffd") + "…"


def _lenient(text: bytes, beyond: Callable[[str], JsonValue]) -> JsonValue:
    def fraction(digits: str) -> JsonValue:
        value = float(digits)
        return value if math.isfinite(value) else beyond(digits)

    def integer(digits: str) -> JsonValue:
        return int(digits) if len(digits) <= _LONGEST else beyond(digits)

    try:
        value: JsonValue = json.loads(
            text, parse_float=fraction, parse_int=integer, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as exc:
        raise msgspec.DecodeError(str(exc)) from exc
    return value


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _as_written(value: object) -> msgspec.Raw | str | int | float:
    if isinstance(value, Beyond):
        return msgspec.Raw(value.text.encode())
    match value:  # of a class of its own
        case str():
            return str.__str__(value)
        case int():
            return int(value)
        case float():
            return float(value)
        case date() | time():  # moments too, as those of pendulum are
            return value.isoformat()
        case _:
            raise NotImplementedError(f"a {type(value).__name__} is no JSON")


_encoder = msgspec.json.Encoder(enc_hook=_as_written)
