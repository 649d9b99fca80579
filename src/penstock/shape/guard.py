"""Numbers the main lane's parser rounds: found by what it made of them, and in the raw block."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa

from penstock import arrow
from penstock.patterns import pattern
from penstock.shape.values import Number, fraction

# A fraction of 16 digits and more (some of 12 and more, told apart below), an exponent, a negative
# zero without a fraction, NaN and Infinity; after a character that can stand before a number.
_BEFORE: Final = r"[\[:,][ \t\r\n]*"
_SUSPECT: Final = (
    r"(?:-?(?:[0-9]\.[0-9]{15}|[0-9]{2,4}\.[0-9]{12}|[0-9]{5,8}\.[0-9]{8}"
    r"|[0-9]{9,}\.|[0-9.]+[eE]|[NI])|-0[,\]} \t\r\n])"
)
_NUMBER: Final = r"(-?[0-9.]+(?:[eE][+-]?[0-9]+)?|-?[NI])"
_TOKEN: Final = pattern(f"{_BEFORE}(?={_SUSPECT}){_NUMBER}".encode())
_NEGATIVE_ZERO: Final = -(2**63)  # its bits, as an integer's
# Of doubles below 10^8, what each that is suspect has in it. These begin with one letter of their
# own, which is sought many times as fast as a class of them.
_LONG: Final = arrow.scalar(1e8, pa.float64())
_SIGNS: Final = (r"\.[0-9]{8}", r"e-[0-9]+[,\]} \t\r\n]", r"E-[0-9]+[,\]} \t\r\n]")
_MAX: Final = 2**31 - 1


def rounds(text: bytes, doubles: Sequence[Any]) -> bool:
    """Whether one of `doubles`, arrays that were read from `text`, is not what it is there.

    Integers are not looked at: the caller sees from a double column's values whether one of them
    could have been an integer too long for it.
    """
    if len(text) > _MAX:
        return True
    offsets = pa.py_buffer(struct.pack("=ii", 0, len(text)))
    whole = pa.Array.from_buffers(pa.binary(), 1, [None, offsets, pa.py_buffer(text)])
    if all(map(_is_short, doubles)) and not any(_has(whole, sign) for sign in _SIGNS):
        return False
    if not _has(whole, _BEFORE + _SUSPECT):
        return False
    return any(_is_bad(match[1]) for match in _TOKEN.finditer(text))


def _is_short(array: Any) -> bool:
    """Whether all values have at most eight digits before the point, and none is `-0`."""
    if arrow.call("min", array.view("int64")).as_py() == _NEGATIVE_ZERO:
        return False
    # no number is less than anything, and what is null counts for nothing
    return arrow.all_true(arrow.call("less", arrow.call("abs", array), _LONG))


def _has(whole: Any, regex: str) -> bool:
    return bool(arrow.count_matches(whole, regex)[0].as_py())


def _is_bad(token: bytes) -> bool:
    if token == b"-0" or token[-1:] in b"NI":
        return True
    if token.isdigit() or token[1:].isdigit():
        return False
    try:
        return isinstance(fraction(token.decode("ascii")), Number)
    except ValueError:  # it stands inside a text, as in "v:1.2.3"
        return False
