"""Pages that came before: the signs of a pagination that goes round, or shifts while it is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from penstock.patterns import pattern
from penstock.read.decode import FieldReader, Found, RawRecord

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
# Keys that JSON writes in one way only.
_PLAIN = pattern(rb"-?[0-9]+|\"[\w .:@+-]*\"")
_MOST = 100  # pages alike in a row, where their records cannot be told apart
_MOST_KEYED = 1000  # pages with the keys of the page before, and other fields


class Known:
    """The pages of one slice by their records."""

    def __init__(self) -> None:
        self._pages: set[int] = set()
        self._last: int | None = None
        self.text = b""
        """That of the page known last: a copy of it, for whoever looks for something in it."""
        self._alike = 0
        self._keyed = 0

    def fresh(self, records: Sequence[RawRecord], slides: int = 0) -> bool:
        """Whether a page is a new one; it is known from now on.

        The page before may come again less than `slides` times: its records are known, and it is
        not taken for a cycle. Records without anything of their own may rightly fill many pages
        alike: where a page holds one twice, only a long row of such pages is taken for a cycle.
        """
        if not records:
            return True
        self.text = b"\n".join(records)
        text = hash(self.text)
        if text not in self._pages:
            self._pages.add(text)
            self._alike, self._last = 0, text
            return True
        self._alike += 1
        if text == self._last and self._alike < slides:
            return True
        return not _distinct(records) and self._alike < _MOST

    def again(self, before: Sequence[RawRecord], now: Sequence[RawRecord]) -> bool:
        """Whether a page with all the keys of the one before it is that page once more.

        It is, where one field at most has changed, as the time of the answer. A key that is none,
        of a report for example, may rightly come on each page with the figures of another day.
        """
        self._keyed += 1
        return self._keyed > _MOST_KEYED or len(_changed(before, now)) <= 1


def _changed(before: Sequence[RawRecord], now: Sequence[RawRecord]) -> set[str]:
    """The fields in which records of two pages differ, each from the one at its place."""
    names: set[str] = set()
    for one, other in zip(before, now, strict=True):
        old, new = _FIELDS.decode(one), _FIELDS.decode(other)
        names.update(k for k in old.keys() | new.keys() if _text(old, k) != _text(new, k))
    return names


def _text(fields: Mapping[str, msgspec.Raw], name: str) -> bytes | None:
    return bytes(fields[name]) if name in fields else None


def overlapping(tail: Sequence[RawRecord], head: Sequence[RawRecord]) -> int:
    """How many records `head` begins with are those that `tail` ends with.

    None are, where records within a page are alike: two of them may be two records.
    """
    at = max(len(tail) - len(head), 0)
    while head:
        try:
            at = tail.index(head[0], at)
        except ValueError:
            return 0
        if list(head[: len(tail) - at]) == list(tail[at:]):
            return len(tail) - at if _distinct(tail) and _distinct(head) else 0
        at += 1
    return 0


def overlapping_keys(
    tail: Sequence[RawRecord], head: Sequence[RawRecord], keys: FieldReader, text: bytes
) -> int:
    """How many records `head` begins with are, by their keys, those that `tail` ends with.

    So a record is known again that has changed in between. None are, where a key is missing, or
    is none: there twice within a page. `text` is that of the records of `tail`.
    """
    first = keys.read(head[:1])
    if not first or not tail or not _told(first[0]):
        return 0
    texts = [msgspec.json.encode(value) for value in first[0]]
    if any(_PLAIN.fullmatch(one) and one not in text for one in texts):
        return 0  # pages that do not overlap, nearly all, cost no reading
    before, now = keys.read(tail), keys.read(head)
    if not all(map(_told, (*before, *now))) or len({*before}) < len(before):
        return 0
    sizes = range(min(len(before), len(now)), 0, -1)
    size = next((size for size in sizes if before[-size:] == now[:size]), 0)
    return size if len({*now}) == len(now) else 0


def _told(key: tuple[Found, ...]) -> bool:
    """Whether a key tells its record apart: all of its values are there, and plain."""
    return all(isinstance(value, (str, int, float)) for value in key)


def _distinct(records: Sequence[RawRecord]) -> bool:
    return len(set(map(bytes, records))) == len(records)
