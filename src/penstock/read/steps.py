"""What the document does to each record, before it is shaped: drop, change, make several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import TypeAlias, assert_never

import msgspec

from penstock.errors import ReadError
from penstock.plan import jsontext, transforms
from penstock.plan.door import Door
from penstock.plan.expr import Frame, JsonValue, evaluate_text
from penstock.plan.functions import function
from penstock.plan.python import Batch
from penstock.plan.records import Call, Carry, Change, Keep, Spread, Step
from penstock.read.decode import RawRecord


def _encoded(value: JsonValue) -> RawRecord:
    try:
        return jsontext.encode(value)
    except NotImplementedError as exc:
        message = f"a step makes what no record can hold: {exc}"
        raise ReadError(message, code="component-failed", hint="make texts and numbers") from exc


class Steps:
    """The steps of one stream, prepared once for all of its records.

    `loosen` says that a function makes several records of each, which then go on one at a time.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(step for step in steps if not isinstance(step, Carry))
        self._by_page = any(isinstance(step, Batch) for step in steps)
        around = (step.around for step in steps if isinstance(step, Call))
        self._around = next((one for one in around if one is not None), None)
        self.blocks = self._by_page or self._around is not None
        self._changes = any(map(_changes, self._steps))
        self._single = not any(map(_makes_several, self._steps))
        self.loosen = any(isinstance(s, Call) and s.does == "expand" for s in self._steps)

    def __bool__(self) -> bool:
        """Whether there is a step that looks at records."""
        return bool(self._steps)

    @cached_property
    def _work(self) -> list[Work]:
        # Templates take a while to import, which a run with nothing new shall not wait for.
        return [_work(step) for step in self._steps]

    def apply(
        self,
        records: Sequence[RawRecord],
        frame: Frame,
        door: Door | None = None,
        *,
        loose: bool = False,
    ) -> Sequence[RawRecord]:
        """The records after all steps that look at records; `loose` ones came one at a time.

        A record that no step changes stays the slice of the answer that it was. Steps that are
        classes of the document's own ask through `door`; where they may, they `block`, and the
        steps have to be called from a worker thread.

        Raises:
            ReadError: a function of the document failed; the record it failed on is named.
        """
        if not self._steps:
            return records
        if not self.blocks:
            return self._through(records, frame, loose=loose)
        assert door is not None, "the reader gives every stream its door"
        with nullcontext() if self._around is None else self._around(door):
            if self._by_page:
                return _batches(self._steps, records, frame, door)
            return self._through(records, frame, loose=loose)

    def _through(
        self, records: Sequence[RawRecord], frame: Frame, *, loose: bool
    ) -> Sequence[RawRecord]:
        """The records one by one through all steps."""
        kept: list[RawRecord] = []
        for record in records:
            value = jsontext.decode(record)
            if self._single and not loose:
                values = self._one(value, frame)
            else:
                values = self._several(value, frame, loose=loose)
            if values:
                kept += map(_encoded, values) if self._changes else [record] * len(values)
        return kept

    def _one(self, value: JsonValue, frame: Frame) -> Sequence[JsonValue]:
        """The record after steps that give one record of one, or none."""
        scope = msgspec.structs.replace(frame, record=value)
        for work in self._work:
            after = work(value, scope)
            if not after:
                return ()
            if after[0] is not value:
                value = after[0]
                scope = msgspec.structs.replace(frame, record=value)
        return (value,)

    def _several(self, value: JsonValue, frame: Frame, *, loose: bool) -> Sequence[JsonValue]:
        """What the steps make of a record, which may be several.

        What a function makes of a record that goes alone is what goes on, as in dlt: nothing where
        it is null, and a list as so many records, which do not go alone. In a page it is a record.
        """
        values = [(value, loose)]
        for step, work in zip(self._steps, self._work, strict=True):
            given, values = values, []
            for one, alone in given:
                made = work(one, msgspec.structs.replace(frame, record=one))
                if not isinstance(step, Call) or step.does in {"filter", "fit"}:
                    values += [(after, alone) for after in made]
                elif alone or step.does == "expand":
                    values += [pair for after in made for pair in _going_on(after)]
                else:
                    values += [(after, False) for after in made]
        return [one for one, _ in values]


def _going_on(made: JsonValue) -> Sequence[tuple[JsonValue, bool]]:
    """What goes on of what a function made of a record that goes alone, and whether it does so."""
    if made is None:
        return ()
    return [(one, False) for one in made] if isinstance(made, list) else [(made, True)]


Work: TypeAlias = Callable[[JsonValue, Frame], Sequence[JsonValue]]


def _batches(
    steps: Sequence[Step], records: Sequence[RawRecord], frame: Frame, door: Door
) -> Sequence[RawRecord]:
    """The records after steps of which some look at a whole page."""
    values: list[JsonValue] = [jsontext.decode(record) for record in records]
    for step in steps:
        if isinstance(step, Batch):
            values = list(step.function(door, values, frame))
            continue
        work = _work(step)
        scopes = [(one, msgspec.structs.replace(frame, record=one)) for one in values]
        values = [after for one, scope in scopes for after in work(one, scope)]
    return [msgspec.Raw(jsontext.encode(value)) for value in values]


def _changes(step: Step) -> bool:
    """Whether a step may give other records than it was given; a function may change them."""
    return not isinstance(step, Keep)


def _makes_several(step: Step) -> bool:
    return isinstance(step, Spread) or (isinstance(step, Call) and step.does in {"expand", "fit"})


def _work(step: Step) -> Work:
    """What a step makes of a record, whose frame is given with it."""
    match step:
        case Keep():
            when = function(step.when)
            return lambda value, scope: (value,) if when(scope) else ()
        case Call():
            return _calling(step)
        case Change():
            return _altering(step)
        case Spread():
            return lambda value, _scope: list(transforms.expand(step.expand, value))
        case Carry():
            return lambda value, _scope: (value,)
        case Batch():
            raise AssertionError("a whole page goes through it at once")
        case _:
            assert_never(step)


def _calling(step: Call) -> Work:
    by, options = step.by, dict(step.options)
    if by is None:
        return lambda value, _scope: _called(step, step.function, value)
    return lambda value, scope: _called(step, options[evaluate_text(by, scope)], value)


def _altering(step: Change) -> Work:
    change = transforms.prepared(step.transform)

    def alter(value: JsonValue, scope: Frame) -> Sequence[JsonValue]:
        # What is not an object has no fields to change.
        return (change(value, scope),) if isinstance(value, dict) else (value,)

    return alter


def _called(
    step: Call, function: Callable[[JsonValue], JsonValue | Iterable[JsonValue]], value: JsonValue
) -> Sequence[JsonValue]:
    try:
        match step.does:
            case "filter":
                return (value,) if function(value) else ()
            case "map":
                return (function(value),)  # type: ignore[return-value]  # what the document gives
            case "expand" | "fit":
                return list(function(value))  # type: ignore[arg-type]  # what the document gives
            case _:
                assert_never(step.does)
    except ReadError:
        raise
    except Exception as exc:
        text = jsontext.beginning(jsontext.encode(value), 200)
        why = str(exc) if getattr(exc, "is_sentence", False) else repr(exc)
        raise ReadError(
            f"the {step.does} step {step.name or function!r} failed on {text}: {why}",
            code="step-failed",
            hint=getattr(exc, "hint", None),
        ) from exc
