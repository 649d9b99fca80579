"""How much of a stream is read where its document says that a part is enough."""

from __future__ import annotations

import sys

from penstock.plan.slices import Slice
from penstock.plan.source import Most
from penstock.plan.variants import PARTITION


class Enough:
    """What has come so far of what is enough.

    As in dlt what counts is behind the steps and the cursor: pages of which something is left, or,
    where records go one by one, each of these. `singly` says that they do.
    """

    def __init__(self, most: Most, *, singly: bool) -> None:
        self.singly = singly
        self._most = most
        self._pages = self._rows = 0
        self._began: float | None = None  # the first page, on the run's clock

    def count(self, rows: int) -> None:
        """A page has come, or a record alone."""
        self._pages += 1
        self._rows += rows

    @property
    def is_full(self) -> bool:
        """Whether what has come is enough, whatever the time."""
        return self._most.reached(self._pages, self._rows, 0)

    def is_over(self, now: float) -> bool:
        """Whether the reading ends here."""
        self._began = now if self._began is None else self._began
        return self._most.reached(self._pages, self._rows, now - self._began)

    def left(self, count: int) -> int:
        """How many pages may be wanted behind one with so many records that is not counted yet."""
        return (
            0 if self.singly else self._most.left(self._pages + 1, self._rows + count, size=count)
        )


class Enoughs:
    """The same for each source that a stream is read for; null where nothing is said."""

    def __init__(self, most: Most | None, *, singly: bool) -> None:
        self._most = most
        self._singly = singly
        self._made: dict[object, Enough] = {}

    def of(self, piece: Slice) -> Enough | None:
        """That of a slice."""
        if self._most is None:
            return None
        label = dict(piece.partition).get(PARTITION)
        key = label if isinstance(label, str) else None
        return self._made.setdefault(key, Enough(self._most, singly=self._singly))

    def behind(self, piece: Slice, count: int) -> int:
        """How many pages are left behind one with so many records that is not counted yet."""
        enough = self.of(piece)
        return sys.maxsize if enough is None else enough.left(count)
