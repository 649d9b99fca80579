"""Values as records spell them: decoded without loss, classed, and fitted into a column's type."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn

import msgspec

from penstock.errors import ShapeError
from penstock.patterns import pattern
from penstock.plan.hints import MAX_DIGITS, ColumnType, decimal_size

FRACTION_SCALE: Final = 18
EXACT_INTEGER: Final = 2**53
_FIRST_YEAR: Final = 365 * 86_400  # seconds of 1970
MIN_BIGINT: Final = -(2**63)
MAX_BIGINT: Final = 2**63 - 1

_SAFE_LENGTH: Final = 16  # a fraction of at most 15 digits and its point is what its double prints
_ZONED: Final = pattern(
    r"\d{4}-\d\d-\d\d[ T]\d\d(?::\d\d(?::\d\d(?:\.\d{1,6})?)?)?(?:Z|[+-]\d\d(?::?\d\d)?)",
    re.ASCII,
)
_LOCAL: Final = pattern(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?", re.ASCII)
_DATE: Final = pattern(r"\d{4}-\d\d-\d\d", re.ASCII)
_MIDNIGHT: Final = pattern(r"[ T]00:00(?::00(?:\.0{1,6})?)?(?:Z|[+-]00(?::?00)?)?", re.ASCII)
_TIME: Final = pattern(r"\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?", re.ASCII)
_DECIMAL: Final = pattern(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_HEX: Final = pattern(r"0x(?:[0-9a-fA-F]{2})*", re.ASCII)
_INTEGER: Final = pattern(r"-?(?:0|[1-9]\d{0,18})", re.ASCII)


class Number(str):
    """A number that no double and no bigint holds exactly, as the record spells it."""

    __slots__ = ()


class Json(str):
    """A JSON text, verbatim."""

    __slots__ = ()


def fraction(text: str) -> float | Number:
    """The number `text`, which has a fraction or exponent: a double only if it is exact."""
    number = float(text)
    if len(text) <= _SAFE_LENGTH and "e" not in text and "E" not in text:
        return number
    printed = repr(number)
    if printed == text:
        return number
    try:
        same = Decimal(printed) == Decimal(text)
    except InvalidOperation:
        same = False
    return number if same else Number(text)


_decoder = msgspec.json.Decoder(float_hook=fraction)


def decode(record: bytes | msgspec.Raw) -> Any:
    """The record as Python objects, every number exact.

    Raises:
        ShapeError: it is not JSON, or nested too deeply to be read.
    """
    try:
        return _decoder.decode(record)
    except RecursionError:
        raise ShapeError("a record is nested too deeply to be read", code="depth") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _decode_odd(bytes(record))


def _decode_odd(record: bytes) -> Any:
    """What msgspec refuses and JSON allows: lone surrogates and integers of any length."""
    try:
        odd = json.loads(
            record,
            parse_float=fraction,
            parse_int=_integer,
            parse_constant=_no_constant,
            object_pairs_hook=_object,
        )
        return _spelled(odd)
    except RecursionError:
        raise ShapeError("a record is nested too deeply to be read", code="depth") from None
    except ValueError as error:
        raise ShapeError(f"a record is not valid JSON: {error}", code="not-json") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if any(_has_half(key) for key, _ in pairs):
        raise ValueError("a key holds half of a surrogate pair")
    return dict(pairs)


def _spelled(value: Any) -> Any:
    """The value with texts that UTF-8 cannot hold replaced by their JSON spelling."""
    match value:
        case dict():
            return {key: _spelled(inner) for key, inner in value.items()}
        case list():
            return [_spelled(inner) for inner in value]
        case str() if not isinstance(value, Number) and _has_half(value):
            return Json(json.dumps(value))
        case _:
            return value


def _has_half(text: str) -> bool:
    """Whether `text` holds half of a surrogate pair, which UTF-8 cannot spell."""
    return not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)


def _integer(text: str) -> int | Number:
    return int(text) if len(text) <= MAX_DIGITS + 1 else Number(text)


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def classify(value: Any) -> ColumnType:
    """The column type that is the class of a scalar; text is looked at for timestamps."""
    match value:
        case bool():
            return "bool"
        case int():
            return "bigint" if MIN_BIGINT <= value <= MAX_BIGINT else "decimal"
        case float():
            return "double"
        case Number():
            return "decimal"
        case Json():
            return "json"
        case _:
            return text_class(value)


def text_class(text: str) -> ColumnType:
    """What a text is taken for: a timestamp, in UTC where it names no zone, or plain text."""
    if len(text) < len("2024-01-01T10Z") or text[4] != "-":
        return "text"
    return "timestamp" if is_timestamp(text) or is_local_timestamp(text) else "text"


def is_timestamp(text: str) -> bool:
    """Whether `text` is a date-time with a zone that a microsecond instant holds exactly."""
    if _ZONED.fullmatch(text) is None:
        return False
    try:
        moment = datetime.fromisoformat(text)
        return _has_utc(moment)
    except ValueError:
        return False


def _has_utc(moment: datetime) -> bool:
    """Whether the instant has a date in UTC, which those at the ends of the calendar have not."""
    if 1 < moment.year < 9999:  # noqa: PLR2004 (the calendar's ends)
        return True
    try:
        moment.astimezone(UTC)
    except OverflowError:
        return False
    return True


def is_local_timestamp(text: str) -> bool:
    """Whether `text` is a date-time without a zone, to the microsecond at most."""
    return _LOCAL.fullmatch(text) is not None and _parses(datetime.fromisoformat, text)


def instant(text: str) -> str | None:
    """`text` as an instant, in UTC where it names no zone, as dlt has it; None if it is none."""
    if is_timestamp(text):
        return text
    return f"{text}Z" if is_local_timestamp(text) else None


def _in_utc(text: str) -> str | None:
    """The wall clock of UTC at an instant, or None if `text` is none."""
    if not is_timestamp(text):
        return None
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None).isoformat()


def _is_date(text: str) -> bool:
    return _DATE.fullmatch(text) is not None and _parses(date.fromisoformat, text)


def _day(text: str) -> str | None:
    """`text` as a date: it may name the midnight that begins it, of no other zone than UTC."""
    if not _is_date(text[:10]):
        return None
    return text[:10] if len(text) == len("2024-01-01") or _MIDNIGHT.fullmatch(text[10:]) else None


def _parses(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def to_decimal(value: float | Number | str, precision: int, scale: int) -> Decimal | None:
    """`value` as a decimal of that size, or None if it does not fit exactly."""
    text = repr(value) if isinstance(value, int | float) else str(value)
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite():
        return None
    return number if _fits(number, precision, scale) else None


def _fits(number: Decimal, precision: int, scale: int) -> bool:
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if not number:
        return True
    spare = 0  # zeros at the end, which a smaller scale can do without
    while digits[len(digits) - 1 - spare] == 0:
        spare += 1
    return -(exponent + spare) <= scale and len(digits) + exponent <= precision - scale


def coerce(value: Any, kind: ColumnType, precision: int | None, scale: int | None) -> Any:
    """`value` as a *declared* column of `kind` keeps it, or None if that would change it."""
    if isinstance(value, Json):
        return None
    if isinstance(value, Number):
        if kind == "text":
            return str(value)
        return to_decimal(value, *decimal_size(precision, scale)) if kind == "decimal" else None
    if isinstance(value, str):
        return _coerce_text(value, kind, precision, scale)
    return _coerce_number(value, kind, precision, scale)


def _coerce_number(value: Any, kind: ColumnType, precision: int | None, scale: int | None) -> Any:
    if isinstance(value, bool):
        return value if kind == "bool" else None
    if kind == "decimal":
        return to_decimal(value, *decimal_size(precision, scale))
    if kind == "text":
        return repr(value)
    if kind in {"timestamp", "timestamp_ntz"}:
        return _since_epoch(value, zoned=kind == "timestamp")
    if isinstance(value, float):
        return value if kind == "double" else None
    if kind == "bigint":
        return value if MIN_BIGINT <= value <= MAX_BIGINT else None
    if kind == "double":
        return float(value) if abs(value) <= EXACT_INTEGER else None
    return None


def _since_epoch(seconds: float, *, zoned: bool) -> str | None:
    """The instant so many seconds after the beginning of 1970, to the microsecond, or None.

    A number that would lead into 1970 itself is none: it is a count, a flag or an empty value.
    """
    micros = Decimal(repr(seconds)) * 1_000_000
    if 0 <= seconds < _FIRST_YEAR or micros != micros.to_integral_value():
        return None
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=int(micros))
    except OverflowError:
        return None
    return moment.isoformat() if zoned else moment.replace(tzinfo=None).isoformat()


def _coerce_text(text: str, kind: ColumnType, precision: int | None, scale: int | None) -> Any:
    match kind:
        case "text":
            return text
        case "timestamp":
            return f"{text}T00:00:00Z" if _is_date(text) else instant(text)
        case "timestamp_ntz":
            return text if is_local_timestamp(text) else _in_utc(text)
        case "date":
            return _day(text)
        case "time":
            return text if _TIME.fullmatch(text) and _parses(time.fromisoformat, text) else None
        case "binary":
            return _bytes(text)
        case _:
            return _numeric_text(text, kind, precision, scale)


def _numeric_text(text: str, kind: ColumnType, precision: int | None, scale: int | None) -> Any:
    if kind == "decimal" and _DECIMAL.fullmatch(text):
        return to_decimal(text, *decimal_size(precision, scale))
    if kind == "bigint" and _INTEGER.fullmatch(text) and text != "-0":
        return _coerce_number(int(text), kind, precision, scale)
    if kind == "double" and _DECIMAL.fullmatch(text):
        number = fraction(text)
        return None if isinstance(number, Number) else number
    return None


def _bytes(text: str) -> bytes | None:
    """What a text of base 64 stands for, or one of hexadecimal digits, which begins with 0x."""
    if text.startswith("0x"):
        return bytes.fromhex(text[2:]) if _HEX.fullmatch(text) else None
    try:
        plain = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return plain if base64.b64encode(plain).decode("ascii") == text else None
