"""Answers that are almost JSON: what is odd in them is replaced, and counted, so that rows land.

Bytes that are no UTF-8 and halves of surrogate pairs become U+FFFD, numbers that are none (NaN,
Infinity) null, and a value that is nested too deeply its JSON text. Nothing else is touched.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator, Mapping

import msgspec

from penstock.patterns import pattern

MAX_DEPTH = 256
_TEXT = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_CONSTANT = pattern(_TEXT + rb"|-?\bInfinity\b|\bNaN\b", re.DOTALL)
_BRACKET = pattern(_TEXT + rb"|[\[\]{}]", re.DOTALL)
# A pair, half of one, or any other escape, so that what follows `\\` is not taken for one.
_ESCAPE = pattern(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)
_PIECE = 64 * 1024
# Byte order marks, the longer ones first: one begins with another.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Which of the first four bytes are not zero, where JSON begins with ASCII (RFC 4627 section 3).
_WIDE: Mapping[tuple[bool, ...], str] = {
    (False, False, False, True): "utf-32-be",
    (True, False, False, False): "utf-32-le",
    (False, True, False, True): "utf-16-be",
    (True, False, True, False): "utf-16-le",
}
_CHARSET = pattern(r";\s*charset\s*=\s*\"?([\w.:+-]+)", re.IGNORECASE)
# The encodings of old texts, by Python's names; others of its codecs are slow, or are none of text.
_ENCODING = pattern(r"iso8859-\d+|cp\d+|koi8-\w|mac-\w+|shift_jis\w*|euc_\w+|gb\w+|big5\w*")


class Mended(msgspec.Struct, frozen=True, kw_only=True):
    """A body that can be read, and how often what was replaced in it, by code."""

    body: bytes
    counts: Counter[str]


def text(body: bytes) -> Mended:
    """The body as UTF-8 without a byte order mark."""
    body = body.removeprefix(codecs.BOM_UTF8)
    counts: Counter[str] = Counter()
    wide = _wide(body)
    if wide is not None:
        read = body.decode(wide, "replace")
    elif body.isascii() or _is_utf8(body):
        return Mended(body=body, counts=counts)
    else:
        read = body.decode("utf-8", "replace")
    made = read.encode()
    broken = made.count(b"\xef\xbf\xbd") - body.count(b"\xef\xbf\xbd")
    if broken > 0:
        counts["bad-text"] = broken
    return Mended(body=made, counts=counts)


def _wide(body: bytes) -> str | None:
    for mark, name in _MARKS:
        if body.startswith(mark):
            return name
    head = body[:4]
    return _WIDE.get(tuple(map(bool, head))) if b"\0" in head else None


def declared(body: bytes, content_type: str) -> bytes:
    """The body as UTF-8, where it is none and is what its type says; else as it is.

    UTF-8 is taken for that whatever is said: JSON has no other encoding (RFC 8259 section 8.1).
    """
    named = _CHARSET.search(content_type)
    if named is None and not content_type.lower().startswith("text/"):
        return body
    try:
        encoding = codecs.lookup(named[1]).name if named else "iso8859-1"  # RFC 2616 section 3.7.1
        if not _ENCODING.fullmatch(encoding) or body.isascii() or _is_utf8(body):
            return body
        return body.decode(encoding).encode()
    except (LookupError, UnicodeDecodeError):
        return body


def _is_utf8(body: bytes) -> bool:
    """Whether a body is UTF-8, read in pieces: a text of the whole would not stay in the cache."""
    view, end, at = memoryview(body), len(body), 0
    try:
        while at < end:
            stop = at + _PIECE
            at += codecs.utf_8_decode(view[at:stop], "strict", stop >= end)[1]
    except UnicodeDecodeError:
        return False
    return True


def values(body: bytes, level: int) -> Mended:
    """The body without what no reader of JSON takes.

    Values that nest too deeply are made texts at `level` brackets from the top: where the fields of
    records stand.
    """
    counts: Counter[str] = Counter()

    def number(match: re.Match[bytes]) -> bytes:
        if match[0][:1] == b'"':
            return match[0]
        counts["no-number"] += 1
        return b"null"

    def half(match: re.Match[bytes]) -> bytes:
        if match[1] is None:
            return match[0]
        counts["bad-text"] += 1
        return rb"\ufffd"

    body = _ESCAPE.sub(half, body)
    body = _CONSTANT.sub(number, body)
    deep = list(_too_deep(body, level))
    for start, end in reversed(deep):
        body = body[:start] + msgspec.json.encode(body[start:end].decode()) + body[end:]
    if deep:
        counts["too-deep"] = len(deep)
    return Mended(body=body, counts=counts)


def _too_deep(body: bytes, level: int) -> Iterator[tuple[int, int]]:
    """Where values at `level` stand that nest deeper than is read."""
    depth = deepest = start = 0
    for match in _BRACKET.finditer(body):
        mark = match[0]
        if mark in b"[{":
            depth += 1
            if depth == level:
                start, deepest = match.start(), depth
            deepest = max(deepest, depth)
        elif mark in b"]}":
            if depth == level and deepest - level > MAX_DEPTH:
                yield start, match.end()
            depth -= 1
