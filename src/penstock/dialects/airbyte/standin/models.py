"""The words of manifests, as components name them."""

from __future__ import annotations

from enum import Enum
from typing import Any

from penstock.dialects.airbyte import vocabulary
from penstock.plan.expr import JsonValue


class SchemaNormalization(Enum):
    """How values are cast."""

    None_ = "None"
    Default = "Default"


class _Model:
    """A component as it stands in a manifest; a field that is not given is None."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        known = vocabulary.fields(self.__dict__.get("type", type(self).__name__)) or frozenset()
        if name in known or name == "parameters":
            return None
        raise AttributeError(f"a {type(self).__name__} has no {name!r}")

    def dict(self) -> dict[str, Any]:
        """Its fields."""
        return dict(self.__dict__)


class CustomPartitionRouter(_Model):
    """A partition router as it stands in a manifest."""


class DatetimeBasedCursor(_Model):
    """A cursor as it stands in a manifest."""


class DeclarativeStream(_Model):
    """A stream as it stands in a manifest."""


class MinMaxDatetime(_Model):
    """A bound of a cursor as it stands in a manifest."""


class ParentStreamConfig(_Model):
    """A parent as it stands in a manifest."""


class SubstreamPartitionRouter(_Model):
    """A partition router as it stands in a manifest."""


class UnionPartitionRouter(_Model):
    """A partition router as it stands in a manifest."""


_MODELS: dict[str, type[_Model]] = {
    made.__name__: made
    for made in (
        *(CustomPartitionRouter, DatetimeBasedCursor, DeclarativeStream, MinMaxDatetime),
        *(ParentStreamConfig, SubstreamPartitionRouter, UnionPartitionRouter),
    )
}


def modelled(value: JsonValue) -> Any:
    """Components as the reference engine's models hold them: fields are attributes.

    What stands in a component that is a class stays a mapping, as it does there.
    """
    if isinstance(value, list):
        return [modelled(item) for item in value]
    if not isinstance(value, dict) or "type" not in value:
        return value
    kind, plain = str(value["type"]), str(value["type"]).startswith("Custom")
    fields = {name: item if plain else modelled(item) for name, item in value.items()}
    fields["parameters"] = fields.pop("$parameters", None)
    return _MODELS.get(kind, _Model)(**fields)
