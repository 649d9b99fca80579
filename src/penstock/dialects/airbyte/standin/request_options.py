"""Where values go in a request, and what gives them."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import InitVar, dataclass, field
from enum import Enum
from typing import Any

from penstock.dialects.airbyte.standin.interpolation import (
    InterpolatedMapping,
    InterpolatedNestedMapping,
    InterpolatedString,
)
from penstock.dialects.airbyte.standin.values import (
    Config,
    StreamSlice,
    StreamState,
    get_interpolation_context,
)

RequestInput = str | Mapping[str, str]


class RequestOptionType(Enum):
    """The places of a request."""

    request_parameter = "request_parameter"
    header = "header"
    body_data = "body_data"
    body_json = "body_json"


@dataclass
class RequestOption:
    """A place for one value."""

    inject_into: RequestOptionType
    parameters: InitVar[Mapping[str, Any]]
    field_name: Any = None
    field_path: Any = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        if (self.field_name is None) == (self.field_path is None):
            raise ValueError("RequestOption requires either a field_name or field_path")
        if self.field_name is not None:
            self.field_name = InterpolatedString.create(self.field_name, parameters=parameters)
        else:
            self.field_path = [
                InterpolatedString.create(segment, parameters=parameters)
                for segment in self.field_path
            ]

    def inject_into_request(
        self, target: MutableMapping[str, Any], value: Any, config: Config
    ) -> None:
        """Put a value into what is there already."""
        segments = self.field_path or [self.field_name]
        *path, last = [str(segment.eval(config)) for segment in segments]
        for key in path:
            target = target.setdefault(key, {})
        target[last] = value


@dataclass
class RequestPath:
    """The place of a value that replaces the path."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        del parameters


@dataclass
class RequestOptionsProvider:
    """Gives the values of a request."""

    def get_request_params(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """The query."""
        return {}

    def get_request_headers(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """The headers."""
        return {}

    def get_request_body_data(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any] | str:
        """The form, or the body itself."""
        return {}

    def get_request_body_json(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """The JSON body."""
        return {}


@dataclass
class DefaultRequestOptionsProvider(RequestOptionsProvider):
    """Gives nothing."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        del parameters


class Placed(RequestOptionsProvider):
    """Gives what `_get_request_option` finds for each place."""

    def _get_request_option(
        self, request_option_type: RequestOptionType, stream_slice: StreamSlice | None
    ) -> Mapping[str, Any]:
        del request_option_type, stream_slice
        return {}

    def get_request_params(
        self,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """The query."""
        del stream_state, next_page_token
        return self._get_request_option(RequestOptionType.request_parameter, stream_slice)

    def get_request_headers(
        self,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """The headers."""
        del stream_state, next_page_token
        return self._get_request_option(RequestOptionType.header, stream_slice)

    def get_request_body_data(
        self,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """The form."""
        del stream_state, next_page_token
        return self._get_request_option(RequestOptionType.body_data, stream_slice)

    def get_request_body_json(
        self,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """The JSON body."""
        del stream_state, next_page_token
        return self._get_request_option(RequestOptionType.body_json, stream_slice)


@dataclass
class InterpolatedRequestInputProvider:
    """A text or a mapping of templates."""

    parameters: InitVar[Mapping[str, Any]]
    request_inputs: RequestInput | None = field(default=None)
    config: Config = field(default_factory=dict)

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        made = self.request_inputs or {}
        self._interpolator: Any = (
            InterpolatedString(made, parameters=parameters, default="")
            if isinstance(made, str)
            else InterpolatedMapping(made, parameters=parameters)
        )

    def eval_request_inputs(
        self,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
        valid_key_types: tuple[type, ...] | None = None,
        valid_value_types: tuple[type, ...] | None = None,
    ) -> Any:
        """What it is in a slice and a page."""
        seen = get_interpolation_context(None, stream_slice, next_page_token)
        if isinstance(self._interpolator, InterpolatedString):
            return self._interpolator.eval(self.config, **seen)
        made = self._interpolator.eval(self.config, valid_key_types, valid_value_types, **seen)
        return {k: v for k, v in made.items() if v not in ("", [], {}, None)}


@dataclass
class InterpolatedRequestOptionsProvider(RequestOptionsProvider):
    """Gives what templates say."""

    parameters: InitVar[Mapping[str, Any]]
    config: Config = field(default_factory=dict)
    request_parameters: Any = None
    request_headers: Any = None
    request_body: Any = None
    request_body_data: Any = None
    request_body_json: Any = None
    query_properties_key: str | None = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        if self.request_body_json and self.request_body_data:
            raise ValueError("request_body_data and request_body_json cannot both be set")
        body = self.request_body or {}
        kind = body.get("type") if isinstance(body, Mapping) else None
        if kind == "RequestBodyJsonObject":
            self.request_body_json = body["value"]
        elif kind == "RequestBodyGraphQL":
            self.request_body_json = {k: v for k, v in body["value"].items() if k != "type"}
        elif kind:
            self.request_body_data = body["value"]
        self._parameters = parameters

    def _input(self, given: Any) -> InterpolatedRequestInputProvider:
        return InterpolatedRequestInputProvider(
            parameters=self._parameters, request_inputs=given, config=self.config
        )

    def get_request_params(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> MutableMapping[str, Any]:
        """The query."""
        del stream_state
        made = self._input(self.request_parameters).eval_request_inputs(
            stream_slice, next_page_token, (str,), (str, list)
        )
        return made if isinstance(made, dict) else {}

    def get_request_headers(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """The headers."""
        del stream_state
        made = self._input(self.request_headers).eval_request_inputs(stream_slice, next_page_token)
        return made if isinstance(made, dict) else {}

    def get_request_body_data(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any] | str:
        """The form, or the body itself."""
        del stream_state
        made = self._input(self.request_body_data).eval_request_inputs(
            stream_slice, next_page_token, (str,), (str, list)
        )
        return made if isinstance(made, (dict, str)) else str(made)

    def get_request_body_json(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """The JSON body."""
        del stream_state
        seen = get_interpolation_context(None, stream_slice, next_page_token)
        nested = InterpolatedNestedMapping(
            self.request_body_json or {}, parameters=self._parameters
        )
        made = nested.eval(self.config, **seen)
        return made if isinstance(made, dict) else {}
