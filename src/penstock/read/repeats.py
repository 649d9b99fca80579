"""Pages that came before: the signs of a pagination that goes round, or shifts while it is read."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.read.decode import RawRecord

_MOST = 100  # pages alike in a row, where their records cannot be told apart


class Known:
    """The pages of one slice by their records."""

    def __init__(self) -> None:
        self._pages: set[int] = set()
        self._alike = 0

    def fresh(self, records: Sequence[RawRecord]) -> bool:
        """Whether a page is a new one; it is known from now on.

        Records without anything of their own may rightly fill many pages alike: where a page holds
        one twice, only a long row of such pages is taken for a cycle.
        """
        if not records:
            return True
        text = hash(b"\n".join(records))
        if text not in self._pages:
            self._pages.add(text)
            self._alike = 0
            return True
        self._alike += 1
        return not _distinct(records) and self._alike < _MOST


def overlapping(tail: Sequence[RawRecord], head: Sequence[RawRecord]) -> int:
    """How many records `head` begins with are those that `tail` ends with.

    None are, where records within a page are alike: two of them may be two records.
    """
    for size in range(min(len(tail), len(head)), 0, -1):
        if head[0] == tail[-size] and list(head[:size]) == list(tail[-size:]):
            return size if _distinct(tail) and _distinct(head) else 0
    return 0


def _distinct(records: Sequence[RawRecord]) -> bool:
    return len(set(map(bytes, records))) == len(records)
