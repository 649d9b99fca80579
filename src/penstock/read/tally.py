"""What a stream's reading amounts to, counted while it happens; the receipt is made of it."""

from __future__ import annotations

from collections import Counter

import msgspec

from penstock.errors import Error
from penstock.events import Failure, Note
from penstock.plan.records import RecordPath
from penstock.read.decode import misplaced


def failure(error: Error, where: str) -> Failure:
    """What a receipt says of a slice that could not be completed."""
    return Failure(
        slice=where,
        code=error.code,
        message=error.message,
        request=getattr(error, "request", None) or "",
        hint=error.hint or "",
        place=str(error.place or ""),
    )


class Tally(msgspec.Struct, kw_only=True):
    """The counters of one stream in one run."""

    requests: int = 0
    pages: int = 0
    rows_read: int = 0
    bytes: int = 0
    slices: int = 0
    slices_skipped: int = 0
    claimed: int | None = None
    duplicates: int = 0
    filtered: int = 0
    retries: int = 0
    waited: float = 0.0  # seconds
    prefetch_wasted: int = 0
    path_found: bool = False
    path_missed: int = 0
    rows_elsewhere: dict[str, None] = msgspec.field(default_factory=dict)
    ended: Counter[str] = msgspec.field(default_factory=Counter)
    mended: Counter[str] = msgspec.field(default_factory=Counter)
    notes: dict[str, Note] = msgspec.field(default_factory=dict)
    detected: dict[str, None] = msgspec.field(default_factory=dict)
    failures: list[Failure] = msgspec.field(default_factory=list)
    misread_inside: bool = False  # a stream that was read for this one

    @property
    def path_absent(self) -> bool:
        """Whether the record path was in no answer."""
        return self.path_missed > 0 and not self.path_found

    @property
    def misread(self) -> bool:
        """Whether rows stood in answers, and the record path in none of them."""
        return self.misread_inside or (self.path_absent and bool(self.rows_elsewhere))

    def take(self, inner: Tally, path: RecordPath) -> None:
        """Count what a stream did that was read for this one; its records are at `path`."""
        self.requests += inner.requests
        self.bytes += inner.bytes
        self.retries += inner.retries
        self.waited += inner.waited
        self.prefetch_wasted += inner.prefetch_wasted
        self.mended += inner.mended
        self.detected |= inner.detected
        self.notes |= inner.notes
        self.misread_inside |= inner.misread
        if inner.path_absent:
            text = f"{misplaced(path, inner.rows_elsewhere)}: no row of it was loaded"
            self.note("record-path-empty", text)

    def note(self, code: str, message: str) -> bool:
        """Keep a warning, once for each code and message; says whether it is new."""
        key = f"{code} {message}"
        if key in self.notes:
            return False
        self.notes[key] = Note(code=code, message=message)
        return True
