"""Numbers the main lane's parser would round: found by one scan over the raw block."""

from __future__ import annotations

import struct
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

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
_MAX: Final = 2**31 - 1


def rounds(text: bytes) -> bool:
    """Whether `text` may hold a number that a double would hold as another one.

    Integers are not looked at: the caller sees from a double column's values whether one of them
    could have been an integer too long for it.
    """
    if len(text) > _MAX:
        return True
    offsets = pa.py_buffer(struct.pack("=ii", 0, len(text)))
    whole = pa.Array.from_buffers(pa.binary(), 1, [None, offsets, pa.py_buffer(text)])
    if not pc.count_substring_regex(whole, _BEFORE + _SUSPECT)[0].as_py():
        return False
    return any(_is_bad(match[1]) for match in _TOKEN.finditer(text))


def _is_bad(token: bytes) -> bool:
    if token == b"-0" or token[-1:] in b"NI":
        return True
    if token.isdigit() or token[1:].isdigit():
        return False
    try:
        return isinstance(fraction(token.decode("ascii")), Number)
    except ValueError:  # it stands inside a text, as in "v:1.2.3"
        return False
