"""Pagination strategies and paginators, as components name and subclass them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import InitVar, dataclass, field
from inspect import Parameter, signature
from typing import Any

from penstock.dialects.airbyte.standin.decoders import (
    Decoder,
    JsonDecoder,
    PaginationDecoderDecorator,
)
from penstock.dialects.airbyte.standin.extractors import COUNT, RecordExtractor
from penstock.dialects.airbyte.standin.interpolation import InterpolatedBoolean, InterpolatedString
from penstock.dialects.airbyte.standin.request_options import (
    RequestOption,
    RequestOptionsProvider,
    RequestOptionType,
    RequestPath,
)
from penstock.dialects.airbyte.standin.values import Config, Record, StreamSlice, StreamState
from penstock.dialects.python.web import Response


def _json_pages() -> PaginationDecoderDecorator:
    return PaginationDecoderDecorator(decoder=JsonDecoder(parameters={}))


@dataclass
class PaginationStrategy:
    """Says which page comes next."""

    @property
    @abstractmethod
    def initial_token(self) -> Any:
        """The token of the first page."""
        return None

    @abstractmethod
    def next_page_token(
        self,
        response: Response,
        last_page_size: int,
        last_record: Record | None,
        last_page_token_value: Any = None,
    ) -> Any:
        """The token of the next page; None at the end."""
        raise NotImplementedError

    @abstractmethod
    def get_page_size(self) -> int | None:
        """How many records a page is asked to hold."""
        return None


def _whole(given: Any, config: Config, parameters: Mapping[str, Any]) -> int | None:
    if given is None or isinstance(given, int):
        return given
    found = InterpolatedString.create(given, parameters=parameters).eval(config)
    if not isinstance(found, int):
        raise Exception(f"{found} is of type {type(found)}. Expected {int}")  # noqa: TRY002, TRY004 (what is raised there)
    return found


def accepted(function: Any, **kwargs: Any) -> dict[str, Any]:
    """Those arguments that a function takes."""
    known = signature(function).parameters
    if any(p.kind is Parameter.VAR_KEYWORD for p in known.values()):
        return kwargs
    return {name: value for name, value in kwargs.items() if name in known}


class _Counted(PaginationStrategy):
    """Counts the records of a page."""

    extractor: RecordExtractor | None

    def _count(self, response: Response, last_page_size: int) -> int:
        if self.extractor is not None:
            return len(list(self.extractor.extract_records(response)))
        return int(getattr(response, COUNT, last_page_size))


@dataclass
class PageIncrement(_Counted):
    """Page numbers."""

    config: Config
    page_size: Any
    parameters: InitVar[Mapping[str, Any]]
    start_from_page: int = 0
    inject_on_first_request: bool = False
    extractor: RecordExtractor | None = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._page_size = _whole(self.page_size, self.config, parameters)

    @property
    def initial_token(self) -> Any:
        """The first page's number, if it is sent."""
        return self.start_from_page if self.inject_on_first_request else None

    def next_page_token(
        self,
        response: Response,
        last_page_size: int,
        last_record: Record | None,
        last_page_token_value: Any = None,
        page_size_override: int | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> Any:
        """The next page's number; None behind a short page."""
        del last_record, page_size_override, stream_slice
        count = self._count(response, last_page_size)
        if (self._page_size and count < self._page_size) or count == 0:
            return None
        if last_page_token_value is None:
            return self.start_from_page + 1
        if not isinstance(last_page_token_value, int):
            raise ValueError(f"the last page {last_page_token_value!r} is no number")  # noqa: TRY004 (what is raised there)
        return last_page_token_value + 1

    def get_page_size(self) -> int | None:
        """How many records a page is asked to hold."""
        return self._page_size


@dataclass
class OffsetIncrement(_Counted):
    """Offsets."""

    config: Config
    page_size: Any
    parameters: InitVar[Mapping[str, Any]]
    extractor: RecordExtractor | None = None
    decoder: Decoder = field(default_factory=_json_pages)
    inject_on_first_request: bool = False

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        text = None if self.page_size is None else str(self.page_size)
        self._page_size = InterpolatedString(text, parameters=parameters) if text else None

    @property
    def initial_token(self) -> Any:
        """Nought, if it is sent."""
        return 0 if self.inject_on_first_request else None

    def next_page_token(
        self,
        response: Response,
        last_page_size: int,
        last_record: Record | None,
        last_page_token_value: Any = None,
        page_size_override: int | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> Any:
        """The next page's offset; None behind a short page."""
        del last_record, stream_slice
        count = self._count(response, last_page_size)
        asked = page_size_override
        if asked is None and self._page_size is not None:
            asked = self._page_size.eval(self.config, response=next(self.decoder.decode(response)))
        if (asked and count < asked) or count == 0:
            return None
        if last_page_token_value is None:
            return count
        if not isinstance(last_page_token_value, int):
            raise ValueError(f"the last offset {last_page_token_value!r} is no number")  # noqa: TRY004 (what is raised there)
        return last_page_token_value + count

    def get_page_size(self) -> int | None:
        """How many records a page is asked to hold."""
        return None if self._page_size is None else int(self._page_size.eval(self.config))


@dataclass
class CursorPaginationStrategy(PaginationStrategy):
    """Tokens that the answer gives."""

    cursor_value: Any
    config: Config
    parameters: InitVar[Mapping[str, Any]]
    page_size: Any = None
    stop_condition: Any = None
    decoder: Decoder = field(default_factory=_json_pages)

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._cursor_value = InterpolatedString.create(self.cursor_value, parameters=parameters)
        self._stop_condition = self.stop_condition
        if isinstance(self.stop_condition, str):
            self._stop_condition = InterpolatedBoolean(self.stop_condition, parameters=parameters)
        self._page_size = _whole(self.page_size, self.config, parameters)

    @property
    def initial_token(self) -> Any:
        """None: the first answer gives the first token."""
        return None

    def next_page_token(
        self,
        response: Response,
        last_page_size: int,
        last_record: Record | None,
        last_page_token_value: Any = None,
        page_size_override: int | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> Any:
        """The next page's token; None at the end."""
        del last_page_token_value
        asked = self._page_size if page_size_override is None else page_size_override
        seen = {
            "response": next(self.decoder.decode(response)),
            "headers": {**response.headers, "link": response.links},
            "last_record": last_record, "last_page_size": last_page_size,
            "page_size": asked, "stream_slice": stream_slice,
        }  # fmt: skip
        if self._stop_condition and self._stop_condition.eval(self.config, **seen):
            return None
        return self._cursor_value.eval(self.config, **seen) or None

    def get_page_size(self) -> int | None:
        """How many records a page is asked to hold."""
        return self._page_size


@dataclass
class StopConditionPaginationStrategyDecorator(PaginationStrategy):
    """Another strategy, stopped by a condition on the last record."""

    _delegate: PaginationStrategy
    _stop_condition: Any

    @property
    def initial_token(self) -> Any:
        """The other's."""
        return self._delegate.initial_token

    def next_page_token(
        self,
        response: Response,
        last_page_size: int,
        last_record: Record | None,
        last_page_token_value: Any = None,
    ) -> Any:
        """The other's, unless the condition is met."""
        if last_record and self._stop_condition.is_met(last_record):
            return None
        return self._delegate.next_page_token(
            response, last_page_size, last_record, last_page_token_value
        )

    def get_page_size(self) -> int | None:
        """The other's."""
        return self._delegate.get_page_size()


@dataclass
class Paginator(RequestOptionsProvider):
    """Asks for pages."""

    @abstractmethod
    def get_initial_token(self) -> Any:
        """The token of the first page."""
        return None

    @abstractmethod
    def next_page_token(
        self,
        response: Response,
        last_page_size: int,
        last_record: Record | None,
        last_page_token_value: Any = None,
    ) -> Mapping[str, Any] | None:
        """The token of the next page; None at the end."""
        raise NotImplementedError

    def get_page_size(self) -> int | None:
        """How many records a page is asked to hold."""
        return None

    def path(
        self,
        next_page_token: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> str | None:
        """The path of a page, where that is what its token is."""
        del next_page_token, stream_state, stream_slice
        return None


@dataclass
class NoPagination(Paginator):
    """One page."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        del parameters

    def get_initial_token(self) -> Any:
        """None."""
        return None

    def next_page_token(
        self,
        response: Response,
        last_page_size: int,
        last_record: Record | None,
        last_page_token_value: Any = None,
    ) -> Mapping[str, Any] | None:
        """The end."""
        del response, last_page_size, last_record, last_page_token_value
        return None


@dataclass
class DefaultPaginator(Paginator):
    """Puts the tokens of a strategy into requests."""

    pagination_strategy: PaginationStrategy
    config: Config
    url_base: Any
    parameters: InitVar[Mapping[str, Any]]
    decoder: Decoder = field(default_factory=_json_pages)
    page_size_option: RequestOption | None = None
    page_token_option: Any = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        if isinstance(self.url_base, str):
            self.url_base = InterpolatedString(self.url_base, parameters=parameters)

    def get_initial_token(self) -> Any:
        """The token of the first page."""
        return self.pagination_strategy.initial_token

    def get_page_size(self) -> int | None:
        """How many records a page is asked to hold."""
        return self.pagination_strategy.get_page_size()

    def next_page_token(
        self,
        response: Response,
        last_page_size: int,
        last_record: Record | None,
        last_page_token_value: Any = None,
        stream_slice: StreamSlice | None = None,
    ) -> Mapping[str, Any] | None:
        """The token of the next page; None at the end."""
        ask = self.pagination_strategy.next_page_token
        token = ask(
            response=response, last_page_size=last_page_size, last_record=last_record,
            **accepted(ask, last_page_token_value=last_page_token_value, stream_slice=stream_slice),
        )  # fmt: skip
        return {"next_page_token": token} if token else None

    def path(
        self,
        next_page_token: Mapping[str, Any] | None = None,
        stream_state: Mapping[str, Any] | None = None,
        stream_slice: StreamSlice | None = None,
    ) -> str | None:
        """The path of a page, where that is what its token is."""
        del stream_state, stream_slice
        token = (next_page_token or {}).get("next_page_token")
        return str(token) if token and isinstance(self.page_token_option, RequestPath) else None

    def _options(
        self, place: RequestOptionType, next_page_token: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        options: dict[str, Any] = {}
        token = (next_page_token or {}).get("next_page_token")
        into = self.page_token_option
        if isinstance(into, RequestOption) and token is not None and into.inject_into == place:
            into.inject_into_request(options, token, self.config)
        size = self.page_size_option
        if size is not None and size.inject_into == place and self.get_page_size():
            size.inject_into_request(options, self.get_page_size(), self.config)
        return options

    def get_request_params(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """What goes into the query."""
        del stream_state, stream_slice
        return self._options(RequestOptionType.request_parameter, next_page_token)

    def get_request_headers(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, str]:
        """What goes into the headers."""
        del stream_state, stream_slice
        return self._options(RequestOptionType.header, next_page_token)

    def get_request_body_data(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """What goes into the form."""
        del stream_state, stream_slice
        return self._options(RequestOptionType.body_data, next_page_token)

    def get_request_body_json(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """What goes into the JSON body."""
        del stream_state, stream_slice
        return self._options(RequestOptionType.body_json, next_page_token)
