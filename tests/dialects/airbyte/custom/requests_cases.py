"""Classes that sign, shape, page, judge and wait for requests."""

from __future__ import annotations

from typing import Any

from tests.dialects.airbyte.custom.pieces import (
    IMPORTS,
    Case,
    custom,
    option,
    pages,
    plain,
    requester,
    rows,
    stream,
)

_ALL_PAGES = {"items": [{"id": i, "name": f"n{i}"} for i in range(1, 6)]}
_TWO = {"items": [{"id": i, "name": f"n{i}"} for i in (1, 2)]}
_BASIC = {
    "type": "BasicHttpAuthenticator",
    "username": "{{ config['user'] }}",
    "password": "{{ config['word'] }}",
}


def _signed(header: str, value: str) -> Any:
    def route(asked: Any) -> Any:
        if asked.path == "/token":
            return {"access_token": "t1", "expires_in": 3600, "token": "t1"}
        right = asked.headers.get(header.lower()) == value
        return rows(1, 2) if right else (401, {}, {"error": "no"})

    return route


def _paged(strategy: dict[str, Any], **paginator: Any) -> dict[str, Any]:
    return {
        "paginator": {
            "type": "DefaultPaginator",
            "pagination_strategy": strategy,
            "page_token_option": option("page"),
            **paginator,
        }
    }


def _after(asked: Any) -> Any:
    after = int(asked.query.get("after", "0"))
    ids = list(range(after + 1, 6))[:2]
    return {"data": [{"id": i, "name": f"n{i}"} for i in ids], "more": bool(ids) and ids[-1] < 5}


def _linked(asked: Any) -> Any:
    page = int(asked.path.rpartition("/")[2]) if asked.path != "/items" else 1
    ids = range(page * 2 - 1, page * 2 + 1) if page < 3 else [5]
    return {**rows(*ids), "next": f"/items/{page + 1}" if page < 3 else None}


def _failing(status: int, times: int, body: Any, headers: dict[str, str] | None = None) -> Any:
    def route(asked: Any) -> Any:
        return rows(1, 2) if asked.nth > times else (status, headers or {}, body)

    return route


CASES = [
    Case(
        name="authenticator-with-a-header",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.auth.declarative_authenticator import DeclarativeAuthenticator


@dataclass
class Key(DeclarativeAuthenticator):
    config: Mapping[str, Any]

    @property
    def auth_header(self) -> str:
        return "X-Key"

    @property
    def token(self) -> str:
        return f"key {self.config['key']}"
""",
        streams=[stream(requester={"authenticator": custom("Authenticator", "Key")})],
        route=_signed("X-Key", "key k1"),
        expected=_TWO,
        config={"key": "k1"},
    ),
    Case(
        name="authenticator-that-logs-in",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.auth.declarative_authenticator import DeclarativeAuthenticator
from airbyte_cdk.sources.declarative.interpolation.interpolated_string import InterpolatedString
from requests import HTTPError


@dataclass
class ShortLived(DeclarativeAuthenticator):
    client_id: Union[InterpolatedString, str]
    url: Union[InterpolatedString, str]
    config: Config
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._client_id = InterpolatedString.create(self.client_id, parameters=parameters)
        self._url = InterpolatedString.create(self.url, parameters=parameters)
        self._token = None
        self._session = requests.Session()

    @property
    def auth_header(self) -> str:
        return "Authorization"

    @property
    def token(self) -> str:
        if self._token is None:
            try:
                response = self._session.get(
                    self._url.eval(self.config),
                    headers={"Accept": "application/json"},
                    params={"client_id": self._client_id.eval(self.config)},
                )
                response.raise_for_status()
                self._token = response.json().get("access_token")
            except HTTPError as exc:
                raise Exception("no token") from exc
        return f"Bearer {self._token}"
""",
        streams=[
            stream(
                requester={
                    "authenticator": custom(
                        "Authenticator",
                        "ShortLived",
                        client_id="{{ config['id'] }}",
                        url="{{ config['base'] }}/token",
                    )
                }
            )
        ],
        route=_signed("Authorization", "Bearer t1"),
        expected=_TWO,
        config={"id": "c1"},
    ),
    Case(
        name="authenticator-by-oauth",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.auth.oauth import DeclarativeOauth2Authenticator


@dataclass
class Signed(DeclarativeOauth2Authenticator):
    def build_refresh_request_body(self) -> Mapping[str, Any]:
        body = dict(super().build_refresh_request_body())
        body["audience"] = self.config["audience"]
        return body

    def get_auth_header(self) -> Mapping[str, Any]:
        return {"X-Signed": self.get_access_token()}
""",
        streams=[
            stream(
                requester={
                    "authenticator": custom(
                        "Authenticator",
                        "Signed",
                        token_refresh_endpoint="{{ config['base'] }}/token",
                        client_id="{{ config['id'] }}",
                        client_secret="s1",
                        refresh_token="r1",
                    )
                }
            )
        ],
        route=_signed("X-Signed", "t1"),
        expected=_TWO,
        config={"id": "c1", "audience": "a1"},
    ),
    Case(
        name="authenticator-that-chooses",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.auth.declarative_authenticator import DeclarativeAuthenticator
from airbyte_cdk.sources.declarative.auth.token import BasicHttpAuthenticator, BearerAuthenticator


@dataclass
class Chosen(DeclarativeAuthenticator):
    config: Mapping[str, Any]
    basic: BasicHttpAuthenticator
    bearer: BearerAuthenticator

    def __new__(cls, basic, bearer, config, *args, **kwargs):
        return bearer if config["how"] == "bearer" else basic
""",
        streams=[
            stream(
                requester={
                    "authenticator": custom(
                        "Authenticator",
                        "Chosen",
                        basic=_BASIC,
                        bearer={"type": "BearerAuthenticator", "api_token": "{{ config['word'] }}"},
                    )
                }
            )
        ],
        route=_signed("Authorization", "Basic dTp3"),
        expected=_TWO,
        config={"user": "u", "word": "w", "how": "basic"},
    ),
    Case(
        name="authenticator-as-a-function-of-the-request",
        code=IMPORTS
        + """
import hashlib
from urllib.parse import urlsplit

from requests.auth import AuthBase


class Hashed(AuthBase):
    def __init__(self, config: Mapping[str, Any]):
        self.config = config

    config: Mapping[str, Any]

    def __call__(self, request):
        text = f"{request.method}{urlsplit(request.url).query}{self.config['key']}"
        request.headers["X-Hash"] = hashlib.sha256(text.encode()).hexdigest()[:8]
        return request

    def get_auth_header(self):
        return {}

    def get_request_params(self):
        return {}

    def get_request_body_data(self):
        return {}

    def get_request_body_json(self):
        return {}
""",
        streams=[
            stream(
                requester={
                    "authenticator": custom("Authenticator", "Hashed"),
                    "request_parameters": {"a": "b"},
                }
            )
        ],
        route=plain,
        expected=_TWO,
        config={"key": "k"},
    ),
    Case(
        name="pagination-by-an-answer",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.requesters.paginators.strategies.page_increment import (
    PageIncrement,
)


@dataclass
class Told(PageIncrement):
    def next_page_token(self, response, last_page_size, last_record, last_page_token_value=None):
        body = response.json()
        return body["page"] + 1 if body["page"] < body["pages"] else None
""",
        streams=[
            stream(
                retriever=_paged(
                    custom("PaginationStrategy", "Told", page_size=2, start_from_page=1),
                    page_size_option=option("limit"),
                )
            )
        ],
        route=pages,
        expected=_ALL_PAGES,
    ),
    Case(
        name="pagination-by-the-last-record",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.requesters.paginators.strategies.pagination_strategy import (
    PaginationStrategy,
)


@dataclass
class After(PaginationStrategy):
    config: Config
    page_size: int
    parameters: InitVar[Mapping[str, Any]]

    @property
    def initial_token(self):
        return 0

    def next_page_token(
        self, response: requests.Response, last_page_size: int, last_record,
        last_page_token_value: Optional[Any] = None,
    ) -> Optional[Any]:
        if not response.json()["more"] or last_page_size < self.page_size:
            return None
        return last_record["id"]

    def get_page_size(self):
        return self.page_size
""",
        streams=[
            stream(
                retriever=_paged(
                    custom("PaginationStrategy", "After", page_size=2),
                    page_token_option=option("after"),
                    page_size_option=option("n", "header"),
                )
            )
        ],
        route=_after,
        expected=_ALL_PAGES,
    ),
    Case(
        name="pagination-by-links",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.requesters.paginators.strategies import (
    cursor_pagination_strategy as strategies,
)


@dataclass
class Linked(strategies.CursorPaginationStrategy):
    def next_page_token(self, response, last_page_size, last_record, last_page_token_value):
        given = (response, last_page_size, last_record, last_page_token_value)
        found = super().next_page_token(*given)
        return found.lstrip("/") if found else None
""",
        streams=[
            stream(
                retriever=_paged(
                    custom("PaginationStrategy", "Linked", cursor_value="{{ response['next'] }}"),
                    page_token_option={"type": "RequestPath"},
                )
            )
        ],
        route=_linked,
        expected=_ALL_PAGES,
    ),
    Case(
        name="requester-with-a-query-of-its-own",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.requesters.http_requester import HttpRequester


@dataclass
class Fields(HttpRequester):
    request_parameters: Optional[Mapping[str, Any]] = None

    def get_request_params(
        self, *, stream_state=None, stream_slice=None, next_page_token=None
    ) -> MutableMapping[str, Any]:
        page = (next_page_token or {}).get("next_page_token", 1)
        return {"fields": ",".join(self.config["fields"]), "seen": page}

    def get_request_headers(self, *, stream_state=None, stream_slice=None, next_page_token=None):
        return {"X-Name": self.name}
""",
        streams=[
            stream(
                requester={**requester(), **custom("Requester", "Fields")},
                retriever=_paged(
                    {"type": "PageIncrement", "page_size": 2, "start_from_page": 1},
                    page_size_option=option("limit"),
                ),
            )
        ],
        route=pages,
        expected=_ALL_PAGES,
        config={"fields": ["id", "name"]},
    ),
    Case(
        name="requester-with-a-body-and-a-path-of-its-own",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.requesters.http_requester import HttpRequester


@dataclass
class Query(HttpRequester):
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        super().__post_init__(parameters)
        self._name = parameters.get("name", "")

    def get_path(self, *, stream_state=None, stream_slice=None, next_page_token=None) -> str:
        return f"query/{self._name}"

    def get_request_body_json(self, *, stream_state=None, stream_slice=None, next_page_token=None):
        return {"query": "{ %s { id name } }" % self._name, "of": stream_slice["kind"]}
""",
        streams=[
            stream(
                requester={
                    **requester(http_method="POST"),
                    **custom("Requester", "Query"),
                    "authenticator": _BASIC,
                    "$parameters": {"name": "rows"},
                },
                retriever={
                    "partition_router": {
                        "type": "ListPartitionRouter",
                        "cursor_field": "kind",
                        "values": ["x", "y"],
                    }
                },
            )
        ],
        route=lambda asked: {"data": [{"id": asked.json["of"], "path": asked.path}]},
        expected={"items": [{"id": i, "path": "/query/rows"} for i in ("x", "y")]},
        config={"user": "u", "word": "w"},
    ),
    Case(
        name="error-handler-by-a-body",
        code=IMPORTS
        + """
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.requesters.error_handlers import DefaultErrorHandler
from airbyte_cdk.sources.streams.http.error_handlers.response_models import (
    ErrorResolution,
    ResponseAction,
)


@dataclass
class Busy(DefaultErrorHandler):
    def interpret_response(self, response_or_exception):
        if isinstance(response_or_exception, requests.Response):
            if "busy" in response_or_exception.text:
                return ErrorResolution(ResponseAction.RETRY, FailureType.transient_error, "busy")
        return super().interpret_response(response_or_exception)
""",
        streams=[
            stream(
                requester={
                    "error_handler": custom(
                        "ErrorHandler",
                        "Busy",
                        backoff_strategies=[
                            {"type": "ConstantBackoffStrategy", "backoff_time_in_seconds": 0.01}
                        ],
                    )
                }
            )
        ],
        route=_failing(400, 1, {"error": "busy"}),
        expected=_TWO,
    ),
    Case(
        name="error-handler-among-others",
        code=IMPORTS
        + """
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.declarative.requesters.error_handlers.error_handler import ErrorHandler
from airbyte_cdk.sources.streams.http.error_handlers.response_models import (
    ErrorResolution,
    ResponseAction,
)


@dataclass
class Teapot(ErrorHandler):
    parameters: InitVar[Mapping[str, Any]]

    @property
    def max_retries(self):
        return 3

    @property
    def max_time(self):
        return 60

    def interpret_response(self, response_or_exception):
        if getattr(response_or_exception, "status_code", None) == 418:
            return ErrorResolution(ResponseAction.IGNORE, None, "a teapot")
        return ErrorResolution(ResponseAction.FAIL, FailureType.system_error, "not mine")
""",
        streams=[
            stream(
                requester={
                    "path": "items/{{ stream_partition['k'] }}",
                    "error_handler": {
                        "type": "CompositeErrorHandler",
                        "error_handlers": [
                            custom("ErrorHandler", "Teapot"),
                            {
                                "type": "DefaultErrorHandler",
                                "response_filters": [
                                    {
                                        "type": "HttpResponseFilter",
                                        "http_codes": [403],
                                        "action": "IGNORE",
                                    }
                                ],
                            },
                        ],
                    },
                },
                retriever={
                    "partition_router": {
                        "type": "ListPartitionRouter",
                        "cursor_field": "k",
                        "values": ["a", "b", "c"],
                    }
                },
            )
        ],
        route=lambda asked: {"/items/a": (418, {}, {}), "/items/b": (403, {}, {})}.get(
            asked.path, rows(1, 2)
        ),
        expected=_TWO,
    ),
    Case(
        name="error-handler-that-passes-over",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.requesters.error_handlers.default_error_handler import (
    DefaultErrorHandler,
)
from airbyte_cdk.sources.streams.http.error_handlers import ErrorResolution, ResponseAction


class Gone(DefaultErrorHandler):
    def interpret_response(self, response_or_exception):
        if getattr(response_or_exception, "status_code", None) == 404:
            return ErrorResolution(response_action=ResponseAction.IGNORE, error_message="gone")
        return super().interpret_response(response_or_exception)
""",
        streams=[
            stream(
                requester={
                    "path": "items/{{ stream_partition['k'] }}",
                    "error_handler": custom("ErrorHandler", "Gone"),
                },
                retriever={
                    "partition_router": {
                        "type": "ListPartitionRouter",
                        "cursor_field": "k",
                        "values": ["a", "b"],
                    }
                },
            )
        ],
        route=lambda asked: (404, {}, {}) if asked.path.endswith("a") else rows(1, 2),
        expected=_TWO,
    ),
    Case(
        name="backoff-strategy",
        code=IMPORTS
        + """
from airbyte_cdk.sources.declarative.requesters.error_handlers.backoff_strategy import (
    BackoffStrategy,
)


@dataclass
class Soon(BackoffStrategy):
    parameters: InitVar[Mapping[str, Any]]

    def backoff_time(self, response_or_exception, attempt_count: int) -> Optional[float]:
        if isinstance(response_or_exception, requests.Response):
            return float(response_or_exception.headers["X-Wait"]) * attempt_count
        return None
""",
        streams=[
            stream(
                requester={
                    "error_handler": {
                        "type": "DefaultErrorHandler",
                        "backoff_strategies": [custom("BackoffStrategy", "Soon")],
                    }
                }
            )
        ],
        route=_failing(503, 1, {}, {"X-Wait": "0.01"}),
        expected=_TWO,
    ),
]
