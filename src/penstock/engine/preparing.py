"""The user's values as a run sees them: changed as the document says, and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from penstock.errors import Diagnostic, Place, PlanError, did_you_mean
from penstock.plan.expr import JsonValue, Ref, Scope
from penstock.plan.prepare import MustFit, prepared
from penstock.plan.source import Source


def prepare(source: Source, values: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """The values with the document's own changes made.

    Raises:
        PlanError: a value does not fit what the document demands of it.
    """
    changed = prepared(source.prepare, values) if source.prepare else values
    where = source.places.value if source.places is not None else _nowhere
    found = (_problem(check, changed, where) for check in source.validate)
    problems = [problem for problem in found if problem is not None]
    if problems:
        raise PlanError(problems)
    return changed


def _refused(said: str | None) -> Diagnostic | None:
    """What a check of the document's own says is wrong."""
    if said is None:
        return None
    return Diagnostic(
        code="value-invalid", severity="error", message=f"a value does not fit: {said}"
    )


def fitting(source: Source, values: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """The values, each of which fits what the document's spec says of it.

    A text is also taken for the number or truth it spells: that is how a command line gives them.

    Raises:
        PlanError: with every value that does not.
    """
    schema = source.spec.schema if source.spec is not None else None
    parts = schema.get("properties") if isinstance(schema, Mapping) else None
    wanted = parts.items() if isinstance(parts, Mapping) else ()
    told = [(name, part) for name, part in wanted if values.get(name) is not None]
    where = source.places.value if source.places is not None else _nowhere
    problems = [_misfit(name, part, values[name], where) for name, part in told]
    problems += [_unsendable(name, value) for name, value in values.items()]
    found = [problem for problem in problems if problem is not None]
    if found:
        raise PlanError(found)
    return values


def _unsendable(name: str, value: JsonValue) -> Diagnostic | None:
    """What is wrong with a value that no request can hold."""
    try:
        msgspec.json.encode(value, enc_hook=repr)
    except UnicodeEncodeError:
        return Diagnostic(
            code="value-invalid",
            severity="error",
            message=f"{name} does not fit: it holds half of a surrogate pair, no character",
        )
    return None


Find: TypeAlias = "Callable[[tuple[str, ...]], Place | None]"


def _nowhere(path: tuple[str, ...]) -> Place | None:
    """Documents that do not say where their rules stand."""
    del path
    return None


def _misfit(name: str, schema: JsonValue, value: JsonValue, find: Find) -> Diagnostic | None:
    """What is wrong with one value, however it may be read."""
    problem = _unfit(name, schema, value, find)
    if problem is None or not isinstance(value, str):
        return problem
    try:
        spelled: JsonValue = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return problem
    return _unfit(name, schema, spelled, find)


_WHOLE = Ref(at=Scope.SOURCE, path=())  # what a document's own spec is the schema of


def _problem(check: MustFit, values: Mapping[str, JsonValue], find: Find) -> Diagnostic | None:
    """What is wrong with a value, in the words of its schema."""
    find = find if check.value == _WHOLE else _nowhere
    for value in check.values(values):
        passes = check.passes
        told = _unfit("", check.schema, value, find) if passes is None else _refused(passes(value))
        if told is not None:
            return told
    return None


def _nearest(rule: object, wanted: object, value: object) -> str:
    """What a value may be instead: the nearest of the words there are."""
    if rule == "enum" and isinstance(wanted, list):
        words = list(map(str, wanted))
        listed = f"it may be: {', '.join(words)}"
        return " ".join(filter(None, (did_you_mean(str(value), words), listed)))
    return "the document's spec says what each value must look like"


def _unfit(
    name: str, schema: JsonValue, value: JsonValue, find: Find = _nowhere
) -> Diagnostic | None:
    if not isinstance(schema, dict):
        return None
    import fastjsonschema  # noqa: PLC0415 (few documents check their values)

    try:
        fastjsonschema.compile(schema, use_default=False, use_formats=False)(value)
    except fastjsonschema.JsonSchemaValueException as exc:
        # The value itself may be secret: only the rule it breaks is told.
        steps = [name] if name else []
        place = ".".join([*steps, *map(str, exc.path[1:])]) or "the configuration"
        rule = f"{exc.rule} {exc.rule_definition!r}" if exc.rule else "its schema"
        return Diagnostic(
            code="value-invalid",
            severity="error",
            message=f"{place} does not fit: it breaks {rule}",
            place=find((*steps, *map(str, exc.path[1:]), str(exc.rule))),
            hint=_nearest(exc.rule, exc.rule_definition, exc.value),
        )
    except fastjsonschema.JsonSchemaDefinitionException as exc:
        return Diagnostic(
            code="value-schema",
            severity="error",
            message=f"a schema of the document is no JSON Schema: {exc}",
        )
    return None
