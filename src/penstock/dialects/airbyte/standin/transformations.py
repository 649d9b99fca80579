"""Changes to records and configurations, as components name and subclass them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping
from dataclasses import InitVar, dataclass, field
from typing import Any

from penstock.dialects.airbyte.standin.interpolation import (
    InterpolatedBoolean,
    InterpolatedString,
    rendered,
)
from penstock.dialects.airbyte.standin.values import Config, FieldPointer, StreamSlice, StreamState
from penstock.plan import paths
from penstock.plan import transforms as plan
from penstock.plan.expr import Const, Frame


@dataclass
class RecordTransformation:
    """Changes a record where it stands."""

    @abstractmethod
    def transform(
        self,
        record: dict[str, Any],
        config: Config | None = None,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> None:
        """Change it."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return other.__dict__ == self.__dict__

    __hash__ = None  # type: ignore[assignment]  # compared by value, kept in no set


@dataclass(frozen=True)
class AddedFieldDefinition:
    """A field to add: a path, and a template."""

    path: FieldPointer
    value: Any
    value_type: Any
    parameters: InitVar[Mapping[str, Any]]


@dataclass(frozen=True)
class ParsedAddFieldDefinition:
    """A field to add, its template read."""

    path: FieldPointer
    value: Any
    value_type: Any
    parameters: InitVar[Mapping[str, Any]]


_TYPES = {"string": "str", "number": "float", "integer": "int", "boolean": "bool"}
_NAMES: dict[Any, str] = {str: "str", int: "int", float: "float", bool: "bool"}


@dataclass
class AddFields(RecordTransformation):
    """Sets fields."""

    fields: list[AddedFieldDefinition]
    parameters: InitVar[Mapping[str, Any]]
    condition: str = ""
    _parsed_fields: list[Any] = field(init=False, repr=False, default_factory=list)

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        self._filter_interpolator = InterpolatedBoolean(self.condition, parameters=parameters)

    def transform(
        self,
        record: dict[str, Any],
        config: Config | None = None,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> None:
        """Set them."""
        del stream_state
        seen = {"record": record, "stream_slice": stream_slice, "parameters": self._parameters}
        for added in self.fields:
            value = added.value
            if isinstance(value, InterpolatedString):
                value = value.string
            if isinstance(value, str):
                kind = _TYPES.get(added.value_type) or _NAMES.get(added.value_type)
                value = rendered(value, "text", config, seen, (kind,) if kind else ())
            there = {**seen, "value": value, "path": added.path}
            if not self.condition or self._filter_interpolator.eval(config, **there):
                paths.put(record, tuple(map(str, added.path)), value)


@dataclass
class RemoveFields(RecordTransformation):
    """Removes fields."""

    field_pointers: list[Any]
    parameters: InitVar[Mapping[str, Any]]
    condition: str = ""

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._filter_interpolator = InterpolatedBoolean(self.condition, parameters=parameters)

    def transform(
        self,
        record: dict[str, Any],
        config: Config | None = None,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> None:
        """Remove them."""
        del stream_state, stream_slice
        when = self._filter_interpolator
        for pointer in self.field_pointers:
            path = (pointer,) if isinstance(pointer, str) else tuple(map(str, pointer))
            if self.condition:
                paths.drop(record, path, lambda value: when.eval(config or {}, property=value))
            else:
                paths.drop(record, path)


class _Planned(RecordTransformation):
    """Changes records as a transformation of the plan does."""

    def _plan(self, config: Config) -> plan.Transform:
        raise NotImplementedError

    def transform(
        self,
        record: dict[str, Any],
        config: Config | None = None,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> None:
        """Change it."""
        del stream_state, stream_slice
        made = plan.apply(self._plan(config or {}), dict(record), Frame(source=config or {}))
        record.clear()
        record.update(made)


@dataclass
class KeysToLowerTransformation(_Planned):
    """Keys in lower case."""

    def _plan(self, config: Config) -> plan.Transform:
        del config
        return plan.KeysToLower()


@dataclass
class KeysToSnakeCaseTransformation(_Planned):
    """Keys in snake_case."""

    def _plan(self, config: Config) -> plan.Transform:
        del config
        return plan.KeysToSnakeCase()


@dataclass
class KeysReplaceTransformation(_Planned):
    """A text replaced in all keys."""

    old: str
    new: str
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def _plan(self, config: Config) -> plan.Transform:
        seen = {"parameters": self._parameters}
        old, new = (str(rendered(t, "text", config, seen)) for t in (self.old, self.new))
        return plan.KeysReplace(old=Const(value=old), new=Const(value=new))


@dataclass
class FlattenFields(_Planned):
    """Leaves as fields of their own."""

    flatten_lists: bool = True

    def _plan(self, config: Config) -> plan.Transform:
        del config
        return plan.Flatten(lists=self.flatten_lists)

    def flatten_record(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The flat record."""
        return dict(plan.apply(self._plan({}), dict(record), Frame()))


@dataclass
class DpathFlattenFields(_Planned):
    """The fields of an inner object as fields of the record."""

    config: Config
    field_path: list[Any]
    parameters: InitVar[Mapping[str, Any]]
    delete_origin_value: bool = False
    replace_record: bool = False
    key_transformation: Any = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def _plan(self, config: Config) -> plan.Transform:
        seen = {"parameters": self._parameters}
        keys = (rendered(str(k), "text", config or self.config, seen) for k in self.field_path)
        return plan.FlattenAt(
            path=tuple(Const(value=str(key)) for key in keys),
            delete=self.delete_origin_value,
            replace=self.replace_record,
        )


class ConfigTransformation(ABC):
    """Changes a configuration where it stands."""

    @abstractmethod
    def transform(self, config: MutableMapping[str, Any]) -> None:
        """Change it."""


class ValidationStrategy(ABC):
    """Checks a value."""

    @abstractmethod
    def validate(self, value: Any) -> None:
        """Refuse it, if it is wrong, by raising a ValueError."""


class Validator(ABC):
    """Checks a configuration."""

    @abstractmethod
    def validate(self, input_data: Any) -> None:
        """Refuse it, if it is wrong, by raising a ValueError."""
