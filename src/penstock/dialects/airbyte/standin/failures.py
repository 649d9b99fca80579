"""Error handlers and backoff strategies, as components name and subclass them."""

from __future__ import annotations

import random
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from datetime import timedelta
from enum import Enum
from typing import Any

from penstock.dialects.airbyte.standin.interpolation import (
    InterpolatedBoolean,
    InterpolatedString,
    rendered,
)
from penstock.dialects.airbyte.standin.values import AirbyteTracedException, Config, FailureType
from penstock.dialects.python import web
from penstock.errors import ExprError
from penstock.plan.page import Headers, HttpResponse
from penstock.plan.policy import told

RETRIES = 5
_PATIENCE = 600


class ResponseAction(Enum):
    """What to do with an answer."""

    SUCCESS = "SUCCESS"
    RETRY = "RETRY"
    FAIL = "FAIL"
    IGNORE = "IGNORE"
    RESET_PAGINATION = "RESET_PAGINATION"
    RATE_LIMITED = "RATE_LIMITED"
    REFRESH_TOKEN_THEN_RETRY = "REFRESH_TOKEN_THEN_RETRY"
    REDUCE_PAGE_SIZE = "REDUCE_PAGE_SIZE"
    SPLIT_REQUEST_WINDOW = "SPLIT_REQUEST_WINDOW"


@dataclass
class ErrorResolution:
    """What to do with an answer, whose fault it is, and what to say."""

    response_action: ResponseAction | None = None
    failure_type: FailureType | None = None
    error_message: str | None = None


SUCCESS_RESOLUTION = ErrorResolution(response_action=ResponseAction.SUCCESS)


def _mapped(action: ResponseAction, failure: FailureType, said: str) -> ErrorResolution:
    return ErrorResolution(response_action=action, failure_type=failure, error_message=said)


def _status(status: int, action: ResponseAction, failure: FailureType) -> ErrorResolution:
    return _mapped(action, failure, f"the API answered {status}")


DEFAULT_ERROR_MAPPING: Mapping[Any, ErrorResolution] = {
    web.InvalidSchema: _mapped(ResponseAction.FAIL, FailureType.config_error, "not an HTTP URL"),
    web.InvalidURL: _mapped(ResponseAction.RETRY, FailureType.transient_error, "not a valid URL"),
    web.RequestException: _mapped(ResponseAction.RETRY, FailureType.transient_error, "no answer"),
    **{s: _status(s, ResponseAction.FAIL, FailureType.system_error) for s in (400, 404, 405)},
    **{s: _status(s, ResponseAction.FAIL, FailureType.config_error) for s in (401, 403)},
    429: _status(429, ResponseAction.RATE_LIMITED, FailureType.transient_error),
    **{
        s: _status(s, ResponseAction.RETRY, FailureType.transient_error)
        for s in (408, 500, 502, 503, 504)
    },
}


def create_fallback_error_resolution(
    response_or_exception: web.Response | Exception | None,
) -> ErrorResolution:
    """What an answer means that nothing else knows: it is asked for again."""
    said = f"the API answered {response_or_exception!r}"
    return _mapped(ResponseAction.RETRY, FailureType.system_error, said)


class ErrorHandler(ABC):
    """Says what an answer means."""

    @property
    def max_retries(self) -> int | None:
        """How often to ask again."""
        return RETRIES

    @property
    def max_time(self) -> int | None:
        """How long to ask again, in seconds."""
        return _PATIENCE

    @abstractmethod
    def interpret_response(self, response: web.Response | Exception | None) -> ErrorResolution:
        """What an answer, or its absence, means."""
        raise NotImplementedError


class HttpStatusErrorHandler(ErrorHandler):
    """Says what an answer means by its status."""

    def __init__(
        self,
        logger: Any = None,
        error_mapping: Mapping[Any, ErrorResolution] | None = None,
        max_retries: int = RETRIES,
        max_time: timedelta = timedelta(seconds=_PATIENCE),
    ) -> None:
        self._logger = logger
        self._error_mapping = error_mapping or DEFAULT_ERROR_MAPPING
        self._max_retries = max_retries
        self._max_time = int(max_time.total_seconds())

    @property
    def max_retries(self) -> int | None:
        """How often to ask again."""
        return self._max_retries

    @property
    def max_time(self) -> int | None:
        """How long to ask again, in seconds."""
        return self._max_time

    def interpret_response(
        self, response_or_exception: web.Response | Exception | None = None
    ) -> ErrorResolution:
        """What an answer, or its absence, means."""
        if isinstance(response_or_exception, web.Response):
            if response_or_exception.ok:
                return SUCCESS_RESOLUTION
            known = self._error_mapping.get(response_or_exception.status_code)
        else:
            known = self._error_mapping.get(type(response_or_exception))
        return known or create_fallback_error_resolution(response_or_exception)


def _body(response: web.Response) -> Any:
    try:
        return response.json()
    except web.JSONDecodeError:
        return {}


class ErrorMessageParser(ABC):
    """Finds what an answer says went wrong."""

    @abstractmethod
    def parse_response_error_message(self, response: web.Response) -> str | None:
        """What it says."""


class JsonErrorMessageParser(ErrorMessageParser):
    """Finds it in JSON."""

    def parse_response_error_message(self, response: web.Response) -> str | None:
        """What it says."""
        plain = HttpResponse(
            status=response.status_code, url="", headers=Headers(), body=response.content
        )
        return told(plain) or None


@dataclass
class HttpResponseFilter:
    """Recognises an answer."""

    config: Config
    parameters: InitVar[Mapping[str, Any]]
    action: Any = None
    failure_type: Any = None
    http_codes: Any = None
    error_message_contains: str | None = None
    predicate: Any = ""
    error_message: Any = ""

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        if isinstance(self.action, str):
            self.action = ResponseAction[self.action]
        if isinstance(self.failure_type, str):
            self.failure_type = FailureType[self.failure_type]
        self.http_codes = {int(code) for code in self.http_codes or ()}
        if isinstance(self.predicate, str) and self.predicate:
            self.predicate = InterpolatedBoolean(self.predicate, parameters=parameters)

    def matches(
        self, response_or_exception: web.Response | Exception | None
    ) -> ErrorResolution | None:
        """What it means, if it is recognised."""
        if self.action is None or not isinstance(response_or_exception, web.Response):
            return None
        if not self._recognises(response_or_exception):
            return None
        known = DEFAULT_ERROR_MAPPING.get(response_or_exception.status_code)
        failure = known.failure_type if known else FailureType.system_error
        if self.failure_type and self.action == ResponseAction.FAIL:
            failure = self.failure_type
        said = self._said(response_or_exception) or (known.error_message if known else "")
        return ErrorResolution(self.action, failure, said)

    def _recognises(self, response: web.Response) -> bool:
        if response.status_code in self.http_codes:
            return True
        if self.predicate and self.predicate.eval(
            None, response=_body(response), headers=response.headers, request_url=response.url
        ):
            return True
        found = JsonErrorMessageParser().parse_response_error_message(response) or ""
        return bool(self.error_message_contains) and str(self.error_message_contains) in found

    def _said(self, response: web.Response) -> str:
        text = self.error_message
        text = text.string if isinstance(text, InterpolatedString) else str(text or "")
        seen = {
            "parameters": self._parameters, "response": _body(response),
            "headers": response.headers, "request_url": response.url,
        }  # fmt: skip
        return str(rendered(text, "text", self.config, seen)) if text else ""


class DefaultHttpResponseFilter(HttpResponseFilter):
    """Says what an answer means by its status alone."""

    def matches(
        self, response_or_exception: web.Response | Exception | None
    ) -> ErrorResolution | None:
        """What it means."""
        key: Any = type(response_or_exception)
        if isinstance(response_or_exception, web.Response):
            key = response_or_exception.status_code
        known = DEFAULT_ERROR_MAPPING.get(key)
        return known or create_fallback_error_resolution(response_or_exception)


@dataclass
class DefaultErrorHandler(ErrorHandler):
    """Says what an answer means by filters, then by its status."""

    parameters: InitVar[Mapping[str, Any]]
    config: Config
    response_filters: list[HttpResponseFilter] | None = None
    max_retries: Any = RETRIES
    max_time: int = _PATIENCE
    backoff_strategies: list[Any] | None = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        if not self.response_filters:
            self.response_filters = [HttpResponseFilter(config=self.config, parameters={})]
        if isinstance(self.max_retries, str):
            text = InterpolatedString(self.max_retries, parameters=parameters, default="5")
            self.max_retries = int(text.eval(self.config))

    def interpret_response(
        self, response_or_exception: web.Response | Exception | None
    ) -> ErrorResolution:
        """What an answer, or its absence, means."""
        for known in self.response_filters or ():
            found = known.matches(response_or_exception)
            if found is not None:
                return found
        if isinstance(response_or_exception, web.Response) and response_or_exception.ok:
            return SUCCESS_RESOLUTION
        last = DefaultHttpResponseFilter(parameters={}, config=self.config)
        return last.matches(response_or_exception) or SUCCESS_RESOLUTION

    def backoff_time(self, response_or_exception: Any, attempt_count: int = 0) -> float | None:
        """How long to wait, in seconds; None where no strategy says."""
        for strategy in self.backoff_strategies or ():
            found = strategy.backoff_time(
                response_or_exception=response_or_exception, attempt_count=attempt_count
            )
            if found:
                return float(found)
        return None


_FINAL = {
    ResponseAction.SUCCESS,
    ResponseAction.RETRY,
    ResponseAction.IGNORE,
    ResponseAction.RESET_PAGINATION,
    ResponseAction.REDUCE_PAGE_SIZE,
    ResponseAction.SPLIT_REQUEST_WINDOW,
}


@dataclass
class CompositeErrorHandler(ErrorHandler):
    """Several handlers, the first that does more than fail."""

    error_handlers: list[Any]
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        del parameters
        if not self.error_handlers:
            raise ValueError("CompositeErrorHandler expects at least 1 underlying error handler")

    @property
    def max_retries(self) -> int | None:
        """How often to ask again."""
        found: int | None = self.error_handlers[0].max_retries
        return found

    @property
    def max_time(self) -> int | None:
        """How long to ask again, in seconds."""
        return max((h.max_time or 0 for h in self.error_handlers), default=_PATIENCE)

    @property
    def backoff_strategies(self) -> list[Any] | None:
        """The strategies of all of them."""
        kept = [
            s for h in self.error_handlers for s in getattr(h, "backoff_strategies", None) or ()
        ]
        return kept or None

    def interpret_response(
        self, response_or_exception: web.Response | Exception | None
    ) -> ErrorResolution:
        """What an answer, or its absence, means."""
        found = None
        for handler in self.error_handlers:
            found = handler.interpret_response(response_or_exception)
            if found is not None and found.response_action in _FINAL:
                return found  # type: ignore[no-any-return]  # what a handler gives
        return found or create_fallback_error_resolution(response_or_exception)


class BackoffStrategy(ABC):
    """Says how long to wait."""

    @abstractmethod
    def backoff_time(self, response_or_exception: Any, attempt_count: int) -> float | None:
        """How long to wait, in seconds; None where it does not say."""


def _jittered(seconds: float, spread: float | None) -> float:
    return seconds if spread is None else random.uniform(seconds, seconds + spread * 2)  # noqa: S311 (a wait is no secret)


def _number(given: Any, config: Config, parameters: Mapping[str, Any]) -> float:
    text = given.string if isinstance(given, InterpolatedString) else str(given)
    return float(rendered(text, "text", config, {"parameters": parameters}))


@dataclass
class ConstantBackoffStrategy(BackoffStrategy):
    """The same wait each time."""

    backoff_time_in_seconds: Any
    parameters: InitVar[Mapping[str, Any]]
    config: Config
    jitter_range_in_seconds: float | None = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def backoff_time(self, response_or_exception: Any, attempt_count: int) -> float | None:
        """How long to wait, in seconds."""
        del response_or_exception, attempt_count
        seconds = _number(self.backoff_time_in_seconds, self.config, self._parameters)
        return _jittered(seconds, self.jitter_range_in_seconds)


@dataclass
class ExponentialBackoffStrategy(BackoffStrategy):
    """A wait that doubles."""

    parameters: InitVar[Mapping[str, Any]]
    config: Config
    factor: Any = 5
    jitter_range_in_seconds: float | None = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def backoff_time(self, response_or_exception: Any, attempt_count: int) -> float | None:
        """How long to wait, in seconds."""
        del response_or_exception
        factor = _number(self.factor, self.config, self._parameters)
        return _jittered(factor * 2**attempt_count, self.jitter_range_in_seconds)


def get_numeric_value_from_header(
    response: web.Response, header: str, regex: re.Pattern[str] | None
) -> float | None:
    """The number in a header."""
    text = str(response.headers.get(header, ""))
    found = regex.match(text) if regex else None
    try:
        return float(found.group() if found else text)
    except ValueError:
        return None


@dataclass
class WaitTimeFromHeaderBackoffStrategy(BackoffStrategy):
    """The wait that a header says."""

    header: Any
    parameters: InitVar[Mapping[str, Any]]
    config: Config
    regex: Any = None
    max_waiting_time_in_seconds: Any = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        self.header = InterpolatedString.create(self.header, parameters=parameters)

    def _told(self, response: Any) -> float | None:
        if not isinstance(response, web.Response):
            return None
        text = None
        if self.regex:
            text = InterpolatedString.create(self.regex, parameters=self._parameters)
        regex = re.compile(str(text.eval(self.config))) if text else None
        return get_numeric_value_from_header(response, str(self.header.eval(self.config)), regex)

    def backoff_time(self, response_or_exception: Any, attempt_count: int) -> float | None:
        """How long to wait, in seconds; None where the header does not say."""
        del attempt_count
        seconds = self._told(response_or_exception)
        most = self.max_waiting_time_in_seconds
        if seconds and most is not None and seconds >= _number(most, self.config, self._parameters):
            raise AirbyteTracedException(
                message="The rate limit wait time is longer than the connector is allowed to wait.",
                failure_type=FailureType.transient_error,
            )
        return seconds


@dataclass
class WaitUntilTimeFromHeaderBackoffStrategy(WaitTimeFromHeaderBackoffStrategy):
    """The wait until a time that a header says."""

    min_wait: Any = None

    def backoff_time(self, response_or_exception: Any, attempt_count: int) -> float | None:
        """How long to wait, in seconds; None where the header does not say."""
        del attempt_count
        least = _number(self.min_wait, self.config, self._parameters) if self.min_wait else None
        until = self._told(response_or_exception)
        if not until:
            return least
        return max(until - time.time(), least or 0.0) if least or until > time.time() else None


@dataclass
class WaitTimeFromResponseBackoffStrategy(BackoffStrategy):
    """The wait that an answer says."""

    wait_time_in_seconds: Any
    parameters: InitVar[Mapping[str, Any]]
    config: Config
    max_waiting_time_in_seconds: Any = None

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def backoff_time(self, response_or_exception: Any, attempt_count: int) -> float | None:
        """How long to wait, in seconds; None where the answer does not say."""
        del attempt_count
        if not isinstance(response_or_exception, web.Response):
            return None
        body, headers = _body(response_or_exception), response_or_exception.headers
        seen = {"parameters": self._parameters, "response": body, "headers": headers}
        given = self.wait_time_in_seconds
        text = given.string if isinstance(given, InterpolatedString) else str(given)
        try:
            return float(rendered(text, "value", self.config, seen))
        except (ExprError, TypeError, ValueError):
            return None


class DefaultBackoffStrategy(BackoffStrategy):
    """Says nothing: the run waits as it does."""

    def backoff_time(self, response_or_exception: Any, attempt_count: int) -> float | None:
        """None."""
        del response_or_exception, attempt_count
        return None


class BaseBackoffException(web.HTTPError):
    """An answer to ask for again."""

    def __init__(self, request: Any = None, response: Any = None, error_message: str = "") -> None:
        super().__init__(error_message, request=request, response=response)


class UserDefinedBackoffException(BaseBackoffException):
    """An answer to ask for again after a wait."""

    def __init__(
        self, backoff: float, request: Any = None, response: Any = None, error_message: str = ""
    ) -> None:
        super().__init__(request, response, error_message)
        self.backoff = backoff


class DefaultBackoffException(BaseBackoffException):
    """An answer to ask for again after the usual wait."""


class RateLimitBackoffException(BaseBackoffException):
    """An answer to ask for again more slowly."""


class RequestWindowSplitRequiredException(AirbyteTracedException):
    """A window of time that is too large, which a retriever reads in halves."""

    def __init__(
        self,
        stream_name: str | None = None,
        error_message: str | None = None,
        failure_type: FailureType | None = None,
    ) -> None:
        of = f" of stream {stream_name}" if stream_name else ""
        detail = f": {error_message}" if error_message else "."
        super().__init__(
            message=f"The API rejected the current request window{of} and requires a smaller "
            f"one{detail}",
            failure_type=failure_type or FailureType.config_error,
        )
        self.error_message = error_message


class RequestWindowSplitNotSupportedException(AirbyteTracedException):
    """A window that is too large, of a stream that cannot cut it."""

    def __init__(self, stream_name: str | None = None) -> None:
        super().__init__(
            message=f"The windows of {stream_name or 'a stream'} are too large for the API; its "
            "retriever has no request_window_splitting, or its cursor no granularity",
            failure_type=FailureType.config_error,
        )


class RequestBodyException(Exception):
    """A request with two bodies."""
