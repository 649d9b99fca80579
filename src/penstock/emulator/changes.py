"""Records that are numbered, not held: which there are, when each came to be, and what changed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Literal

import msgspec

from penstock.emulator.chance import mix, salt
from penstock.emulator.settings import Settings
from penstock.emulator.times import DAY_MS, Timeline

HOUR_MS = 3_600_000
FOREVER_MS = 1 << 62
_LATE_MS = 600_000


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """How often a record changed since the start, and when it last did."""

    revision: int
    at: int


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of the records a request asks for, in order, as ranges."""

    ranges: tuple[range, ...]

    def __len__(self) -> int:
        return sum(len(part) for part in self.ranges)

    def __iter__(self) -> Iterator[int]:
        for part in self.ranges:
            yield from part

    def cut(self, offset: int, limit: int) -> list[int]:
        """Give at most `limit` numbers from the `offset`-th on."""
        found: list[int] = []
        for part in self.ranges:
            if offset >= len(part):
                offset -= len(part)
                continue
            found += part[offset : offset + limit - len(found)]
            offset = 0
            if len(found) >= limit:
                break
        return found


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """What one advance did to a collection: the numbers of added, late and changed records."""

    added: range
    late: tuple[int, ...]
    changed: tuple[int, ...]


class Collection:
    """The records 0 to size-1 of one stream: a start that is computed and changes that are kept.

    Only what `advance` added or changed takes memory; the start may be any size.
    """

    def __init__(self, name: str, size: int, settings: Settings) -> None:
        self.seed = salt(settings.seed, name)
        self.base = size
        self.now = settings.now_ms
        span = settings.days * DAY_MS
        start = settings.now_ms - span
        self._timeline = Timeline(start=start, span=span, size=max(size, 1))
        self._added: list[int] = []
        self._changes: dict[int, Change] = {}
        self._newest = self._timeline.at(size - 1) if size else start
        self._changed = self._newest

    @property
    def size(self) -> int:
        """How many records there are now."""
        return self.base + len(self._added)

    def created(self, index: int) -> int:
        """When a record came to be."""
        if index < self.base:
            return self._timeline.at(index)
        return self._added[index - self.base]

    def updated(self, index: int) -> int:
        """When a record was last changed."""
        change = self._changes.get(index)
        return change.at if change else self.created(index)

    def revision(self, index: int) -> int:
        """How often a record changed."""
        change = self._changes.get(index)
        return change.revision if change else 0

    def touch(self, index: int, at: int) -> None:
        """Change a record at a moment, which never lies before its last change."""
        at = max(at, self.updated(index))
        self._changes[index] = Change(revision=self.revision(index) + 1, at=at)
        self._changed = max(self._changed, at)

    def all(self) -> Selection:
        """Every record."""
        return Selection(ranges=(range(self.size),))

    def between(self, low: int, high: int, by: Literal["created", "updated"]) -> Selection:
        """The records created or updated in [low, high], in the order of their numbers."""
        when = self.created if by == "created" else self.updated
        first = bisect_left(range(self.base), low, key=self._timeline.at)
        last = bisect_right(range(self.base), high, key=self._timeline.at)
        moved = sorted(i for i in self._changes if i < self.base) if by == "updated" else []
        odd = [i for i in moved if low <= when(i) <= high]
        odd += [i for i in range(self.base, self.size) if low <= when(i) <= high]
        parts = [*_without(range(first, max(first, last)), moved), *(range(i, i + 1) for i in odd)]
        return Selection(ranges=tuple(sorted(parts, key=lambda part: part.start)))

    def advance(self, count: int, changed: int) -> Growth:
        """Let an hour pass: add `count` records, some late, and change `changed` older ones.

        Of five new records one bears the newest moment seen so far, of creation or of change (a
        boundary row), and one a moment up to ten minutes behind the newest creation (a late row).
        """
        before, self.now = self.now, self.now + HOUR_MS
        first, picks = self.size, self._picks(changed)
        usual = (before + (nth + 1) * HOUR_MS // (count + 1) for nth in range(count))
        fresh = [self._moment(nth, at) for nth, at in enumerate(usual)]
        self._added += fresh
        self._newest = max([self._newest, *fresh])
        self._changed = max(self._changed, self._newest)
        for nth, index in enumerate(picks):
            self.touch(index, before + (nth + 1) * HOUR_MS // (len(picks) + 1))
        late = tuple(range(first + 4, self.size, 5))
        return Growth(added=range(first, self.size), late=late, changed=tuple(picks))

    def _moment(self, nth: int, usual: int) -> int:
        match nth % 10:
            case 3:
                return self._newest
            case 8:
                return self._changed
            case 4 | 9:
                return self._newest - 1 - mix(self.seed ^ self.now, nth) % _LATE_MS
            case _:
                return usual

    def _picks(self, count: int) -> list[int]:
        size = self.size
        if not size:
            return []
        return sorted({mix(self.seed ^ self.now, nth) % size for nth in range(count)})


def _without(whole: range, holes: list[int]) -> Iterator[range]:
    start = whole.start
    for hole in holes:
        if start <= hole < whole.stop:
            yield range(start, hole)
            start = hole + 1
    yield range(start, whole.stop)
