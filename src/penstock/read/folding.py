"""A cursor that a function of the document moves: which records are in range, and how far it is.

The function is called as dlt calls it: with the value of each record and the one that it gave last.
"""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

import msgspec

from penstock.errors import ReadError
from penstock.plan import jsontext
from penstock.plan.expr import JsonValue
from penstock.plan.slices import Cursor, Fold, Range
from penstock.read import digests
from penstock.read.decode import Found, RawRecord
from penstock.read.memory import marked, unmarked
from penstock.read.state import MAX_BOUNDARY, Mark, Tracker, plain_value

_MOMENTS = (datetime, date, time)


class FoldTracker(Tracker):
    """Follows such a cursor through the records of one slice."""

    def __init__(
        self, cursor: Cursor, fold: Fold, mark: Mark | None, span: Range, *, whole: bool
    ) -> None:
        super().__init__(cursor, mark, Range(), whole=whole)
        self._fold = fold
        self._start = self._last = span.start
        self._end = span.end
        self._at_last: set[str] = set()  # digests of the records that moved it there

    def admits(self, record: RawRecord, values: tuple[Found, ...]) -> bool:
        """Whether a record belongs to this run; `values` are what tells it, its cursor's first."""
        value = plain_value(values[0])
        if value is None:
            return self.without_value(record)
        if self._end is not None and self._behind(value):
            self.out_of_range = self.out_of_range or self._cursor.order == "asc"
            self.dropped += 1
            return False
        last = self._last
        moved = self._of(value) if last is None else self._of(value, last)
        told = self._told(values)
        if moved != last:
            self._last = moved
            self._at_last = {digests.digest(record, told)} if self._fields != () else set()
            return True
        alone = self._of(value)
        if self._start is not None and not self._is_new(value, alone, record, told):
            return False
        if alone == last and self._fields != ():
            self._at_last.add(digests.digest(record, told))
        return True

    def _behind(self, value: JsonValue) -> bool:
        """Whether a value is at or behind the end of the range."""
        if self._of(value, self._end) != self._end:
            return True
        return not self._cursor.closed_end and self._of(value) == self._end

    def _is_new(
        self, value: JsonValue, alone: JsonValue, record: RawRecord, told: list[JsonValue] | None
    ) -> bool:
        """Whether a value that does not move the cursor lies behind the start of the range."""
        at_start = alone == self._start
        opens = at_start and not self._cursor.closed_start
        if not opens and self._of(value, self._start) != self._start:
            return True
        if opens or not at_start:
            self.out_of_range = self.out_of_range or self._cursor.order == "desc"
            self.dropped += 1
            return False
        known = self._fields != () and self._known.has(record, told)
        self.repeated += known
        return not known

    def _of(self, *values: JsonValue) -> Any:
        """What the function says of values.

        Raises:
            ReadError: it failed.
        """
        try:
            return self._fold.function(values)
        except Exception as exc:
            text = jsontext.beginning(msgspec.json.encode(values, enc_hook=repr), 200)
            raise ReadError(
                f"last_value_func {self._fold.name} failed on {text}: {exc!r}", code="step-failed"
            ) from exc

    def mark(self) -> Mark:
        """How far the cursor is after this slice."""
        same = self._mark is not None and self._last == unmarked(self._mark.value)
        known = self._known.held if same else frozenset[str]()
        hashes = sorted(self._at_last | known)
        value = msgspec.to_builtins(self._last, builtin_types=_MOMENTS, enc_hook=self._plain)
        # inside of others a moment is told apart from a text; alone it is sent as one
        many = isinstance(value, (dict, list))
        kept = marked(value) if many else msgspec.to_builtins(value)
        return Mark(value=kept, boundary=tuple(hashes[:MAX_BOUNDARY]))

    def _plain(self, value: object) -> date | time:
        """A value of Python's as a state holds it: moments of other libraries as the standard's.

        Raises:
            ReadError: a state cannot hold it.
        """
        for moment in _MOMENTS:
            if isinstance(value, moment):
                return moment.fromisoformat(value.isoformat())
        kind = type(value).__name__
        raise ReadError(
            f"last_value_func {self._fold.name} gives a {kind!r}, which no state can hold",
            code="step-failed",
            hint="give texts, numbers, moments, or lists and dicts of them",
        )
