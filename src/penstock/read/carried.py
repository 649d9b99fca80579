"""Fields of the parent that a stream's records carry: as columns of a slice, or in each record."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from penstock.plan import jsontext
from penstock.plan.expr import Frame, JsonValue, evaluate
from penstock.plan.records import Carry
from penstock.read.decode import RawRecord

Scalar = str | int | float | bool | None


class Carried:
    """What the records of one stream carry.

    A plain value is the same for all records of a slice, and becomes a column at once. It has to
    stand in each record where something looks at it there: a step, a stream below, or a cursor that
    tells records apart by all they hold. Objects and lists stand there too, and become what others
    of a record do.
    """

    def __init__(self, carries: Sequence[Carry], *, seen: bool) -> None:
        self._carries = tuple(carries)
        self._seen = seen
        self._marks = {c.name: jsontext.encode(c.name) for c in carries if not c.keep}

    def show(self) -> None:
        """A stream below looks for it in the records."""
        self._seen = True

    def __bool__(self) -> bool:
        """Whether records carry anything."""
        return bool(self._carries)

    def columns(self, frame: Frame) -> tuple[tuple[str, Scalar], ...]:
        """The values that are columns of a slice."""
        if self._seen:
            return ()
        values = ((c.name, evaluate(c.value, frame)) for c in self._carries)
        return tuple((n, v) for n, v in values if not isinstance(v, (list, tuple, dict)))

    def put(self, records: Sequence[RawRecord], frame: Frame) -> Sequence[RawRecord]:
        """The records with what stands in each; those without anything stay what they were."""
        every: dict[str, JsonValue] = {}
        over: dict[str, JsonValue] = {}
        kept: dict[str, JsonValue] = {}
        for carry in self._carries:
            value = evaluate(carry.value, frame)
            inside = self._seen or isinstance(value, (list, tuple, dict))
            if inside:
                (kept if carry.keep else every)[carry.name] = value
            elif not carry.keep:
                over[carry.name] = value
        if not (every or over or kept):
            return records
        return [self._with(record, every, over, kept) for record in records]

    def _with(
        self,
        record: RawRecord,
        every: dict[str, JsonValue],
        over: dict[str, JsonValue],
        kept: dict[str, JsonValue],
    ) -> RawRecord:
        text = bytes(record)
        owns = [n for n, mark in self._marks.items() if mark in text]
        if not (every or kept or owns):
            return record
        value = jsontext.decode(text)
        if not isinstance(value, dict):
            return record
        said = {**every, **{n: over[n] for n in owns if n in over and n in value}}
        return msgspec.Raw(jsontext.encode({**kept, **value, **said}))
