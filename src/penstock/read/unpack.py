"""Unpacking a body as it comes, so that a bomb is met before it fills the memory."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Protocol

from penstock.errors import TransportError

_PIECE = 1024 * 1024  # bytes that are unpacked at once
_TELLING = 2  # bytes


class Unpacker(Protocol):
    """Takes what comes over the wire, and gives what it means."""

    def pieces(self, packed: bytes) -> Iterator[bytes]:
        """What these bytes unpack to, a bounded piece at a time.

        Raises:
            TransportError: they are damaged.
        """
        ...

    def end(self) -> None:
        """Nothing more comes.

        Raises:
            TransportError: the end is missing.
        """
        ...


class _Plain:
    """Nothing is packed."""

    def __init__(self, where: str) -> None:
        """`where` is the request, for errors."""

    def pieces(self, packed: bytes) -> Iterator[bytes]:
        """The bytes as they are."""
        yield packed

    def end(self) -> None:
        """The transport itself sees whether something is missing."""


class _Zlib:
    """gzip (one member or several) and deflate (with zlib's header, or bare as some send it)."""

    def __init__(self, where: str, name: str, *windows: int) -> None:
        self._where = where
        self._name = name
        self._windows = list(windows)
        self._stream = zlib.decompressobj(self._windows.pop(0))
        self._begun = False
        self._held = b""  # a first byte alone does not tell which deflate it is

    def pieces(self, packed: bytes) -> Iterator[bytes]:
        """The unpacked bytes."""
        packed, self._held = self._held + packed, b""
        if not self._begun and len(packed) < _TELLING:
            self._held, packed = packed, b""
        while packed:
            if self._stream.eof and not (packed := self._again(packed)):
                return
            try:
                piece = self._stream.decompress(packed, _PIECE)
            except zlib.error as exc:
                if self._begun or not self._windows:
                    raise self._damaged(str(exc)) from exc
                self._stream = zlib.decompressobj(self._windows.pop(0))
                continue
            self._begun = True
            if piece:
                yield piece
            packed = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail

    def end(self) -> None:
        """The checksum at the end was there, and was right."""
        if self._held or (self._begun and not self._stream.eof):
            raise self._damaged("its end is missing")

    def _again(self, packed: bytes) -> bytes:
        """What another member begins with; zeros pad, anything else behind the end is damage."""
        rest = packed.lstrip(b"\0") if self._name == "gzip" else packed
        if not rest:
            return rest
        if self._name != "gzip" or not rest.startswith(b"\x1f\x8b"[: len(rest)]):
            raise self._damaged("something comes behind its end")
        self._stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        return rest

    def _damaged(self, why: str) -> TransportError:
        return TransportError(
            f"the {self._name} body is damaged: {why}", code="transport", request=self._where
        )


def _gzip(where: str) -> Unpacker:
    return _Zlib(where, "gzip", zlib.MAX_WBITS | 16)


def _deflate(where: str) -> Unpacker:
    return _Zlib(where, "deflate", zlib.MAX_WBITS, -zlib.MAX_WBITS)


UNPACKERS: Mapping[str, Callable[[str], Unpacker]] = MappingProxyType(
    {"": _Plain, "gzip": _gzip, "x-gzip": _gzip, "deflate": _deflate}
)
"""By content coding: what unpacks it, told the request for its errors."""
_OTHERS = frozenset({"br", "compress", "x-compress", "zstd"})


def packing(coding: str) -> str:
    """How a body of this content coding is packed; several ways are one that nobody unpacks.

    `identity` packs nothing, and neither do words that are no coding, as `utf-8` or `none`.
    """
    words = [word.strip() for word in coding.lower().split(",")]
    return ", ".join(word for word in words if word in UNPACKERS or word in _OTHERS)
