"""What the document does to each record, before it is shaped: drop, change, make several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import assert_never

import msgspec

from penstock.errors import ReadError
from penstock.plan import transforms
from penstock.plan.door import Door
from penstock.plan.expr import Frame, JsonValue, evaluate
from penstock.plan.python import Batch
from penstock.plan.records import Call, Carry, Change, Keep, Spread, Step
from penstock.read.decode import RawRecord


def block(steps: Sequence[Step]) -> bool:
    """Whether a step may block, and has to be called from a worker thread."""
    return any(isinstance(step, Batch) for step in steps)


def apply(
    steps: Sequence[Step],
    records: Sequence[RawRecord],
    frame: Frame,
    door: Door | None = None,
) -> Sequence[RawRecord]:
    """The records after all steps that look at records.

    A record that no step changes stays the slice of the answer that it was. Steps that are classes
    of the document's own ask through `door`.

    Raises:
        ReadError: a function of the document failed; the record it failed on is named.
    """
    steps = tuple(step for step in steps if not isinstance(step, Carry))
    if not steps:
        return records
    if door is not None and block(steps):
        return _batches(steps, records, frame, door)
    kept: list[RawRecord] = []
    for record in records:
        original: JsonValue = msgspec.json.decode(record)
        changed = any(map(_changes, steps))
        values = _through(steps, original, frame)
        kept.extend(map(msgspec.json.encode, values) if changed else [record] * len(values))
    return kept


def _batches(
    steps: Sequence[Step], records: Sequence[RawRecord], frame: Frame, door: Door
) -> Sequence[RawRecord]:
    """The records after steps of which some look at a whole page."""
    values: list[JsonValue] = [msgspec.json.decode(record) for record in records]
    for step in steps:
        if isinstance(step, Batch):
            values = list(step.function(door, values, frame))
        else:
            values = [after for one in values for after in _step(step, one, frame)]
    return [msgspec.Raw(msgspec.json.encode(value)) for value in values]


def _changes(step: Step) -> bool:
    """Whether a step may give other records than it was given."""
    return not (isinstance(step, Keep) or (isinstance(step, Call) and step.does == "filter"))


def _through(steps: Sequence[Step], value: JsonValue, frame: Frame) -> list[JsonValue]:
    values = [value]
    for step in steps:
        values = [after for one in values for after in _step(step, one, frame)]
    return values


def _step(step: Step, value: JsonValue, frame: Frame) -> Iterable[JsonValue]:
    match step:
        case Keep():
            scope = msgspec.structs.replace(frame, record=value)
            return (value,) if evaluate(step.when, scope) else ()
        case Call():
            return _called(step, value)
        case Change():
            return (_altered(step, value, frame),)
        case Spread():
            return transforms.expand(step.expand, value)
        case Carry():
            return (value,)
        case Batch():
            raise AssertionError("a whole page goes through it at once")
        case _:
            assert_never(step)


def _altered(step: Change, value: JsonValue, frame: Frame) -> JsonValue:
    """The record after a change; what is not an object has no fields to change."""
    if not isinstance(value, dict):
        return value
    scope = msgspec.structs.replace(frame, record=value)
    return transforms.apply(step.transform, value, scope)


def _called(step: Call, value: JsonValue) -> Iterable[JsonValue]:
    function: Callable[..., JsonValue | Iterable[JsonValue]] = step.function
    try:
        match step.does:
            case "filter":
                return (value,) if function(value) else ()
            case "map":
                return (function(value),)  # type: ignore[return-value]  # what the document gives
            case "expand":
                return list(function(value))  # type: ignore[arg-type]  # what the document gives
            case _:
                assert_never(step.does)
    except Exception as exc:
        text = msgspec.json.encode(value)[:200].decode("utf-8", "replace")
        raise ReadError(
            f"the {step.does} step {step.name or function!r} failed on {text}: {exc!r}",
            code="step-failed",
        ) from exc
