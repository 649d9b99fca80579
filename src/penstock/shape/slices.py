"""Verbatim slices of a record: the text of what stands at a path in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from penstock.patterns import pattern

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])
_TOKEN: Final = pattern(r'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.DOTALL)
_KEY: Final = pattern(r'\s*("(?:[^"\\]|\\.)*")\s*:', re.DOTALL)


class Slices:
    """The members of one record, cut out when the first of them is asked for."""

    def __init__(self, record: bytes | msgspec.Raw) -> None:
        self._record = record
        self._members: dict[str, str | msgspec.Raw] | None = None

    def text(self, path: Sequence[str | int]) -> str | None:
        """The text at `path`, or None if the record has nothing there."""
        if not path:
            return _plain(self._record)
        if self._members is None:
            self._members = _members(self._record)
        found = self._members.get(str(path[0]))
        if found is None:
            return None
        for step in path[1:]:
            found = _elements(found)[step] if isinstance(step, int) else _members(found)[step]
        return _plain(found)


def _plain(text: str | bytes | msgspec.Raw) -> str:
    return text if isinstance(text, str) else bytes(text).decode()


def _members(text: str | bytes | msgspec.Raw) -> dict[str, str | msgspec.Raw]:
    try:
        return dict(_object.decode(text))
    except msgspec.MsgspecError:
        return dict(map(_member, _parts(_plain(text))))


def _elements(text: str | msgspec.Raw) -> Sequence[str | msgspec.Raw]:
    try:
        return _list.decode(text)
    except msgspec.MsgspecError:
        return list(_parts(_plain(text)))


def _member(text: str) -> tuple[str, str]:
    key = _KEY.match(text)
    assert key is not None, "the record was decoded before"
    return json.loads(key[1]), text[key.end() :].strip()


def _parts(text: str) -> Iterator[str]:
    """What stands between the commas of an object or list that is valid JSON.

    msgspec takes no text with half of a surrogate pair, not even to skip it.
    """
    depth = 0
    start = 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in "[{":
            depth += 1
            start = token.end() if depth == 1 else start
        elif mark in "]}":
            depth -= 1
        if depth == (1 if mark == "," else 0) and mark in ",]}":
            if text[start : token.start()].strip():
                yield text[start : token.start()].strip()
            start = token.end()
