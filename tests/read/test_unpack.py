"""Packed bodies: whatever pieces they come in, they unpack whole, or are damaged."""

from __future__ import annotations

import gzip
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import TransportError
from penstock.read.unpack import UNPACKERS

TEXT = b'{"data": [' + b", ".join(b'{"id": %d}' % n for n in range(300)) + b"]}"
RAW = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
PACKED = {
    "gzip": gzip.compress(TEXT),
    "gzip, padded": gzip.compress(TEXT[:99]) + bytes(9) + gzip.compress(TEXT[99:]) + bytes(700),
    "x-gzip": gzip.compress(TEXT[:99]) + gzip.compress(TEXT[99:]),
    "deflate": zlib.compress(TEXT),
    "": TEXT,
}
BARE = RAW.compress(TEXT) + RAW.flush()


def unpacked(coding: str, packed: bytes, size: int) -> bytes:
    """A body that comes in pieces of `size` bytes."""
    unpacker = UNPACKERS[coding.partition(",")[0]]("GET https://api.test/")
    pieces = [packed[start : start + size] for start in range(0, len(packed), size)]
    found = b"".join(out for piece in pieces for out in unpacker.pieces(piece))
    unpacker.end()
    return found


@given(st.sampled_from(sorted(PACKED)), st.integers(1, 3000))
def test_any_pieces_give_the_whole(coding: str, size: int) -> None:
    """How a body was cut on its way changes nothing."""
    assert unpacked(coding, PACKED[coding], size) == TEXT


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_bare_deflate_is_taken_too(size: int) -> None:
    """Some servers leave out what deflate begins with."""
    assert unpacked("deflate", BARE, size) == TEXT


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_what_is_cut_is_damaged(coding: str) -> None:
    """No end of a body can be missing."""
    for cut in range(1, len(PACKED[coding])):
        with pytest.raises(TransportError, match="damaged"):
            unpacked(coding, PACKED[coding][:cut], 50)


@pytest.mark.parametrize("behind", [b"x", b"\x1f\x8c", TEXT])
def test_what_stands_behind_the_end_is_damage(behind: bytes) -> None:
    """Only another member may follow."""
    with pytest.raises(TransportError, match="damaged"):
        unpacked("gzip", PACKED["gzip"] + behind, 40)


@given(st.binary(min_size=1, max_size=80), st.sampled_from(["gzip", "deflate"]))
def test_any_bytes_are_a_body_or_damaged(body: bytes, coding: str) -> None:
    """No other error comes of them."""
    with suppress(TransportError):
        unpacked(coding, body, 9)
