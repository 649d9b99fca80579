"""Schemas that a document does not hold: asked of the API, or of a class of the document's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import msgspec

from penstock.errors import ReadError
from penstock.plan.expr import Expr, Frame, JsonValue, as_text, evaluate
from penstock.plan.paths import Path, at
from penstock.plan.python import Schema
from penstock.plan.records import Step

# What each word for a type means.
TYPES: Mapping[str, dict[str, JsonValue]] = {
    "string": {"type": ["null", "string"]},
    "boolean": {"type": ["null", "boolean"]},
    "date": {"type": ["null", "string"], "format": "date"},
    "timestamp_without_timezone": {
        "type": ["null", "string"],
        "format": "date-time",
        "airbyte_type": "timestamp_without_timezone",
    },
    "timestamp_with_timezone": {"type": ["null", "string"], "format": "date-time"},
    "time_without_timezone": {
        "type": ["null", "string"],
        "format": "time",
        "airbyte_type": "time_without_timezone",
    },
    "time_with_timezone": {
        "type": ["null", "string"],
        "format": "time",
        "airbyte_type": "time_with_timezone",
    },
    "integer": {"type": ["null", "integer"]},
    "number": {"type": ["null", "number"]},
    "array": {"type": ["null", "array"]},
    "object": {"type": ["null", "object"]},
}


class Declared(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A schema that the document holds."""

    schema: JsonValue


class Nested(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A type of values that hold others of a type."""

    kind: str
    items: str | Nested | None = None


class TypeRule(msgspec.Struct, frozen=True, kw_only=True):
    """A type as the API calls it, and what it is; `when` sees the field as `raw_schema`.

    Two words mean that either of the two types may come.
    """

    current: JsonValue
    target: str | tuple[str, ...] | Nested
    when: Expr | None = None


class AskedSchema(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A schema in the first record of the helper stream `source`.

    At `at` it holds the fields; each has its name at `key` and its type at `kind`, which `rules`
    read. `keep` are asked about one field at a time, `changes` alter all of them together.
    """

    source: str
    at: Path = ()
    key: Path
    kind: Path = ()
    rules: tuple[TypeRule, ...] = ()
    keep: tuple[Step, ...] = ()
    changes: tuple[Step, ...] = ()

    def fields(self, record: JsonValue, frame: Frame) -> dict[str, JsonValue]:
        """The fields that a record tells of.

        Raises:
            ReadError: it does not tell of them as the document says.
        """
        listed = at(record, self.at)[1]
        found = listed if isinstance(listed, (list, tuple)) else ()
        return {self._name(field): self._type(field, frame) for field in found}

    def _name(self, field: JsonValue) -> str:
        name = at(field, self.key)[1]
        if not isinstance(name, str):
            raise _unlike(f"a field has the name {as_text(name)!r}, which is no text")
        return name

    def _type(self, field: JsonValue, frame: Frame) -> JsonValue:
        found, told = at(field, self.kind) if self.kind else (False, None)
        word: JsonValue = told if found else "string"
        page = {**frame.page, "raw_schema": field}
        scope = msgspec.structs.replace(frame, page=page)
        for rule in self.rules:
            if rule.current == word and (rule.when is None or evaluate(rule.when, scope)):
                return _meant(rule.target)
        if isinstance(word, (list, tuple)):
            return _meant(tuple(map(as_text, word)))
        return _of(word)


def _meant(target: str | tuple[str, ...] | Nested) -> JsonValue:
    match target:
        case Nested():
            items = target.items
            inner = {} if items is None else {"items": _meant(items)}
            return {**_of(target.kind), **inner}
        case (first, second):
            return {"oneOf": [_of(first), _of(second)]}
        case str():
            return _of(target)
        case _:
            raise _unlike(f"{', '.join(target)} is no type")


def _of(word: JsonValue) -> dict[str, JsonValue]:
    if not isinstance(word, str) or word not in TYPES:
        raise _unlike(f"there is no type {as_text(word)!r}")
    return dict(TYPES[word])


def _unlike(why: str) -> ReadError:
    message = f"the schema cannot be made of what the API gives: {why}"
    return ReadError(message, code="schema-asked", hint=f"types are: {', '.join(TYPES)}")


SchemaPart: TypeAlias = Declared | AskedSchema | Schema

_WHOLE: dict[str, JsonValue] = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": ["null", "object"],
}


def asked_schema(properties: JsonValue) -> JsonValue:
    """The schema of fields that were asked for."""
    return {
        "$schema": "https://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": True,
        "properties": properties,
    }


def combined(schemas: list[JsonValue]) -> JsonValue:
    """Several schemas as one: what an earlier one says of a field counts."""
    whole: dict[str, JsonValue] = {}
    for one in schemas:
        held = one.get("properties") if isinstance(one, Mapping) else None
        whole = {**held, **whole} if isinstance(held, Mapping) else whole
    return {**_WHOLE, "properties": whole}
