"""The user's values as a run sees them: changed as the document says, and checked."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from penstock.errors import Diagnostic, PlanError
from penstock.plan.expr import JsonValue
from penstock.plan.prepare import MustFit, prepared
from penstock.plan.source import Source


def prepare(source: Source, values: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """The values with the document's own changes made.

    Raises:
        PlanError: a value does not fit what the document demands of it.
    """
    changed = prepared(source.prepare, values) if source.prepare else values
    problems = [p for check in source.validate if (p := _problem(check, changed)) is not None]
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
    problems = [_misfit(name, part, values[name]) for name, part in told]
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


def _misfit(name: str, schema: JsonValue, value: JsonValue) -> Diagnostic | None:
    """What is wrong with one value, however it may be read."""
    problem = _unfit(name, schema, value)
    if problem is None or not isinstance(value, str):
        return problem
    try:
        spelled: JsonValue = msgspec.json.decode(value)
    except msgspec.DecodeError:
        return problem
    return _unfit(name, schema, spelled)


def _problem(check: MustFit, values: Mapping[str, JsonValue]) -> Diagnostic | None:
    """What is wrong with a value, in the words of its schema."""
    for value in check.values(values):
        passes = check.passes
        told = _unfit("", check.schema, value) if passes is None else _refused(passes(value))
        if told is not None:
            return told
    return None


def _unfit(name: str, schema: JsonValue, value: JsonValue) -> Diagnostic | None:
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
            hint="the document's spec says what each value must look like",
        )
    except fastjsonschema.JsonSchemaDefinitionException as exc:
        return Diagnostic(
            code="value-schema",
            severity="error",
            message=f"a schema of the document is no JSON Schema: {exc}",
        )
    return None
