"""Templates inside components, rendered as those of the manifest are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from typing import Any

from penstock.dialects.airbyte.standin.values import Config, StreamSlice
from penstock.errors import ExprError
from penstock.plan.expr import Const, Frame, Jinja
from penstock.plan.literals import empty, literal, truth

_SLICES = ("stream_slice", "stream_interval", "stream_partition")
NestedMapping = dict[str, Any] | str


def rendered(
    text: str,
    kind: str,
    config: Config | None,
    seen: Mapping[str, Any],
    types: tuple[str, ...] = (),
    *,
    spelled: bool = False,
) -> Any:
    """A text with its templates filled in, read as the value it spells."""
    if "{{" not in text and "{%" not in text and "{#" not in text:
        value = literal(text, types, spelled=spelled) if text else empty(kind)
        return truth(value) if kind == "truth" else value
    from penstock.plan.jinja import render  # noqa: PLC0415 (start-up stays fast)

    names = {"config": config, **{k: v for k, v in seen.items() if "." not in k}}
    if "stream_slice" in names:
        names.update(dict.fromkeys(_SLICES, names["stream_slice"]))
    bound = tuple((name, Const(value=_seen(name, value))) for name, value in names.items())
    made = Jinja(source=text, names=bound, literal=True, kind=kind, types=types, spelled=spelled)
    return render(made, Frame())


def _seen(name: str, value: Any) -> Any:
    """A variable in the shape that the templates of a plan take."""
    if name in _SLICES:
        if isinstance(value, StreamSlice):
            return {"partition": dict(value), "cursor": {}, "extra": dict(value.extra_fields)}
        return {"partition": dict(value or {})}
    if name == "next_page_token" and isinstance(value, Mapping):
        return value.get("next_page_token")
    return value


@dataclass
class InterpolatedString:
    """A text with templates."""

    string: str
    parameters: InitVar[Mapping[str, Any]]
    default: str | None = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self.default = self.default or self.string
        self._parameters = parameters

    def eval(self, config: Config, **kwargs: Any) -> Any:
        """The value it has for a configuration and further variables."""
        seen = {"parameters": self._parameters, **kwargs}
        value = rendered(self.string, "text", config, seen)
        if value == "" and self.default != self.string:
            return rendered(str(self.default), "text", config, seen)
        return value

    def as_written(self, config: Config, **kwargs: Any) -> str:
        """The same as a text in which no number is spelled otherwise."""
        seen = {"parameters": self._parameters, **kwargs}
        return str(rendered(self.string, "text", config, seen, spelled=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InterpolatedString) and (self.string, self.default) == (
            other.string,
            other.default,
        )

    __hash__ = None  # type: ignore[assignment]  # compared by value, kept in no set

    @classmethod
    def create(
        cls, string_or_interpolated: InterpolatedString | str, *, parameters: Mapping[str, Any]
    ) -> InterpolatedString:
        """A text as one of these, unless it is one already."""
        if isinstance(string_or_interpolated, str):
            return InterpolatedString(string=string_or_interpolated, parameters=parameters)
        return string_or_interpolated


@dataclass
class InterpolatedBoolean:
    """A condition."""

    condition: Any
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._default = "False"
        self._parameters = parameters

    def eval(self, config: Config | None, **additional_parameters: Any) -> bool:
        """Whether it holds."""
        if isinstance(self.condition, bool):
            return self.condition
        seen = {"parameters": self._parameters, **additional_parameters}
        return bool(rendered(self.condition, "truth", config, seen))


def _value(text: str, config: Config, seen: Mapping[str, Any], types: tuple[str, ...]) -> Any:
    try:
        return rendered(text, "value", config, seen, types)
    except ExprError:
        return None


_TYPES: dict[type, str] = {
    str: "str",
    int: "int",
    float: "float",
    bool: "bool",
    list: "list",
    dict: "dict",
    tuple: "tuple",
}


def _named(types: tuple[type, ...] | None) -> tuple[str, ...]:
    return tuple(_TYPES[t] for t in types or () if t in _TYPES)


@dataclass
class InterpolatedMapping:
    """A mapping whose keys and values are templates."""

    mapping: Mapping[str, Any]
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def eval(
        self,
        config: Config,
        valid_key_types: tuple[type, ...] | None = None,
        valid_value_types: tuple[type, ...] | None = None,
        **additional_parameters: Any,
    ) -> dict[str, Any]:
        """The mapping it is for a configuration and further variables."""
        seen = {"parameters": self._parameters, **additional_parameters}
        keys, values = _named(valid_key_types), _named(valid_value_types)
        return {
            _value(key, config, seen, keys): _value(value, config, seen, values)
            if isinstance(value, str)
            else value
            for key, value in self.mapping.items()
        }


@dataclass
class InterpolatedNestedMapping:
    """Nested mappings and lists whose texts are templates."""

    mapping: NestedMapping
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def eval(self, config: Config, **additional_parameters: Any) -> Any:
        """The value it is for a configuration and further variables."""
        return self._deep(
            self.mapping, config, {"parameters": self._parameters, **additional_parameters}
        )

    def _deep(self, value: Any, config: Config, seen: Mapping[str, Any]) -> Any:
        if isinstance(value, str):
            return _value(value, config, seen, ())
        if isinstance(value, list):
            return [self._deep(item, config, seen) for item in value]
        if isinstance(value, dict):
            made = {
                _value(k, config, seen, ()): self._deep(v, config, seen) for k, v in value.items()
            }
            return {k: v for k, v in made.items() if v is not None}
        return value


class JinjaInterpolation:
    """Renders texts."""

    def eval(
        self,
        input_str: Any,
        config: Config,
        default: str | None = None,
        valid_types: tuple[type, ...] | None = None,
        **additional_context: Any,
    ) -> Any:
        """The value of a text, or of the default where the text is empty."""
        if not isinstance(input_str, str):
            return input_str
        value = rendered(input_str, "value", config, additional_context, _named(valid_types))
        if value is None and default is not None:
            return rendered(default, "value", config, additional_context, _named(valid_types))
        return value
