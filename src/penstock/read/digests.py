"""By what a record is known again at the value of a cursor: digests of it, as dlt makes them.

So that the state of a dlt pipeline can be taken over, and dlt can go on from Penstock's.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec

from penstock.read.decode import RawRecord

_BYTES: Final = 9
_BEFORE_1_29: Final = 15  # bytes of digests that older versions of dlt left behind
_LENGTHS: Final = {_BYTES * 4 // 3, _BEFORE_1_29 * 4 // 3}
_HEX: Final = 16  # letters of digests that Penstock itself made at first


def digest(record: RawRecord, values: Sequence[Any] | None) -> str:
    """The digest of a record, or of the `values` that tell it apart."""
    return _shaken(_text(record, values), _BYTES)


def told(record: RawRecord, values: Sequence[Any]) -> tuple[str, ...]:
    """The digests by which dlt may look for the `values`: it tells a key from a list of one."""
    alone = digest(record, values)
    return (alone, _shaken(_listed(values), _BYTES)) if len(values) == 1 else (alone,)


class Known:
    """Records that an earlier run had at the newest value, by digests, whoever made them."""

    def __init__(self, held: Collection[str]) -> None:
        self.held = frozenset(held)
        lengths = {len(one) for one in self.held}
        self._sizes = [length * 3 // 4 for length in lengths & _LENGTHS]
        self._hexed = _HEX in lengths

    def has(self, record: RawRecord, values: Sequence[Any] | None) -> bool:
        """Whether a record is one of them; `values` are those that tell it apart."""
        if not self.held:
            return False
        texts = [_text(record, values)]
        if values is not None and len(values) == 1:
            texts.append(_listed(values))
        found = {_shaken(text, size) for text in texts for size in self._sizes}
        if self._hexed:
            found.add(_hashed(record, values))
        return not found.isdisjoint(self.held)


def _text(record: RawRecord, values: Sequence[Any] | None) -> bytes:
    """What is digested: the record, its keys in order, or the value of its key."""
    if values is not None:
        return msgspec.json.encode(values[0] if len(values) == 1 else values, order="sorted")
    try:
        return msgspec.json.encode(msgspec.json.decode(record), order="sorted")
    except (msgspec.MsgspecError, UnicodeError, OverflowError):
        return bytes(record)  # JSON that only the exact lane reads


def _listed(values: Sequence[Any]) -> bytes:
    """The key of a record where the document writes it as a list."""
    return msgspec.json.encode(list(values), order="sorted")


def _shaken(text: bytes, size: int) -> str:
    return base64.b64encode(hashlib.shake_128(text).digest(size)).decode("ascii")


def _hashed(record: RawRecord, values: Sequence[Any] | None) -> str:
    text = bytes(record) if values is None else msgspec.json.encode(values)
    return hashlib.blake2b(text, digest_size=8).hexdigest()
