"""Ids of rows as dlt makes them: by chance, by key, by record, or by the place in a list.

Where dlt's are a digest these are the same, so that a row keeps its id whichever of the two loads
it.
"""

from __future__ import annotations

import base64
import hashlib
import math
import os
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
import pyarrow as pa

from penstock import arrow
from penstock.shape.schema import Extra, Segment
from penstock.shape.values import decode

_BYTES: Final = 10  # of which an id's 14 characters are made
_LENGTH: Final = 14

Paths = Mapping[str, tuple[str, ...]]
"""The columns of a key, and where their values stand in a record."""


def by_chance(rows: int) -> pa.Array:
    """Ids that nothing else has."""
    drawn = os.urandom(_BYTES * rows)
    texts = [_text(drawn[at : at + _BYTES]) for at in range(0, len(drawn), _BYTES)]
    return arrow.array(texts, pa.string())


def by_place(parents: Sequence[str], table: str, index: Sequence[int]) -> pa.Array:
    """Ids of rows of a child table: of the parent's id, the table, and the place in the list."""
    middle = f"_{table}_"
    texts = [
        _digest(f"{parent}{middle}{place}".encode())
        for parent, place in zip(parents, index, strict=True)
    ]
    return arrow.array(texts, pa.string())


def by_key(segments: Sequence[Segment], left_out: Container[int], key: Paths) -> pa.Array:
    """Ids of rows that are told apart by a key: a digest of its values as records spell them."""

    def subset(record: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _at(record, path) for name, path in key.items()}

    texts = [_digest(_spelled(subset(record))) for record in _records(segments, left_out)]
    return arrow.array(texts, pa.string())


def by_record(segments: Sequence[Segment], left_out: Container[int]) -> pa.Array:
    """Ids of rows of which versions are kept: a digest of the whole record."""

    def own(record: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in record.items() if not name.startswith("_dlt_")}

    texts = [_digest(_spelled(own(record))) for record in _records(segments, left_out)]
    return arrow.array(texts, pa.string())


def told(which: Literal["ids", "roots"], segments: Sequence[Segment], out: Container[int]) -> Any:
    """What segments say of their records that have a row, or None where they say nothing."""
    found: list[str] = []
    for segment in segments:
        said = getattr(segment, which)
        found += [one for one, r in zip(said, segment.records, strict=False) if id(r) not in out]
    return arrow.array(found, pa.string()) if found else None


def _records(segments: Sequence[Segment], left_out: Container[int]) -> Iterator[Mapping[str, Any]]:
    """The records that have a row, with what their slices add to them."""
    for segment in segments:
        for record in segment.left(left_out):
            yield _whole(record, segment.extras)


def _whole(record: bytes | msgspec.Raw, extras: Sequence[tuple[str, Extra]]) -> Mapping[str, Any]:
    value = _plain(record)
    if not isinstance(value, dict):
        value = {"value": value}
    added = {name: extra for name, extra in extras if value.get(name) is None}
    return {**value, **added}


_SPELLED_OUT: Final = 1e16
"""Doubles below it are written without an exponent."""


def _double(text: str) -> float | msgspec.Raw:
    """A number with a fraction or an exponent; a great one as dlt writes it, with a plus."""
    number = float(text)
    great = _SPELLED_OUT <= abs(number) < math.inf
    return msgspec.Raw(repr(number).encode()) if great else number


_decoder = msgspec.json.Decoder(float_hook=_double)


def _plain(record: bytes | msgspec.Raw) -> Any:
    """The record as dlt's parser has it, numbers with a fraction as doubles."""
    try:
        return _decoder.decode(record)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return decode(record)


def _spelled(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value, order="sorted")
    except (OverflowError, UnicodeEncodeError):
        return repr(value).encode("utf-8", "surrogatepass")


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _digest(text: bytes) -> str:
    return _text(hashlib.shake_128(text).digest(_BYTES))


def _text(plain: bytes) -> str:
    return base64.b64encode(plain).decode("ascii")[:_LENGTH]
