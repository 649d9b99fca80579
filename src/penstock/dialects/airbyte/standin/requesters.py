"""Requesters: they shape requests, and Penstock sends them under its own limits and retries."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import InitVar, dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit, urlunsplit

import msgspec

from penstock.dialects.airbyte.standin.auth import DeclarativeAuthenticator, NoAuth
from penstock.dialects.airbyte.standin.decoders import Decoder, JsonDecoder
from penstock.dialects.airbyte.standin.failures import ErrorHandler
from penstock.dialects.airbyte.standin.interpolation import InterpolatedString
from penstock.dialects.airbyte.standin.request_options import (
    InterpolatedRequestOptionsProvider,
    RequestOptionsProvider,
)
from penstock.dialects.airbyte.standin.values import (
    Config,
    EmptyString,
    StreamSlice,
    StreamState,
    combine_mappings,
    get_interpolation_context,
)
from penstock.dialects.python import web
from penstock.dialects.python.running import current
from penstock.errors import TransportError
from penstock.plan.auth import Auth
from penstock.plan.auth import NoAuth as NoPlanAuth
from penstock.plan.expr import Frame
from penstock.plan.page import HttpResponse
from penstock.plan.policy import ErrorPolicy

Options = Mapping[str, Any] | str | None
BODY_REQUEST_METHODS = ("GET", "POST", "PUT", "PATCH")


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """How the plan sends the requests of a requester: signed, and asked again."""

    auth: Auth = NoPlanAuth()
    policy: ErrorPolicy = ErrorPolicy()


class HttpMethod(Enum):
    """The methods of requests."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class Requester(RequestOptionsProvider):
    """Shapes requests, and gets their answers."""

    @abstractmethod
    def get_authenticator(self) -> DeclarativeAuthenticator:
        """What signs them."""
        raise NotImplementedError

    @abstractmethod
    def get_url_base(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> str:
        """What URLs begin with."""
        raise NotImplementedError

    @abstractmethod
    def get_path(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> str:
        """What URLs go on with."""
        raise NotImplementedError

    @abstractmethod
    def get_method(self) -> HttpMethod:
        """Their method."""
        return HttpMethod.GET

    @abstractmethod
    def send_request(self, *args: Any, **kwargs: Any) -> web.Response | None:
        """The answer to one."""
        raise NotImplementedError


class HttpClient:
    """Sends requests through the run."""

    def __init__(
        self,
        name: str = "",
        logger: logging.Logger | None = None,
        error_handler: ErrorHandler | None = None,
        api_budget: Any = None,
        session: web.Session | None = None,
        authenticator: Any = None,
        use_cache: bool = False,
        backoff_strategy: Any = None,
        **kwargs: Any,
    ) -> None:
        self._name, self._logger = name, logger or logging.getLogger("airbyte")
        self._session = session or web.Session()
        self._session.auth = authenticator or self._session.auth
        self._error_handler, self._backoff = error_handler, backoff_strategy
        self._budget = api_budget
        self._given = {"use_cache": use_cache, **kwargs}
        self.route: Route | None = None

    def send_request(
        self,
        http_method: str,
        url: str,
        request_kwargs: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
        data: Options = None,
        dedupe_query_params: bool = False,
        log_formatter: Any = None,
        exit_on_rate_limit: bool = False,
    ) -> tuple[web.PreparedRequest, web.Response]:
        """The request as it is sent, and its answer."""
        del request_kwargs, log_formatter, exit_on_rate_limit
        made = self._create_prepared_request(
            http_method=http_method,
            url=url,
            dedupe_query_params=dedupe_query_params,
            headers=headers,
            params=params,
            json=json,
            data=data,
        )
        if self._budget is not None:
            self._budget.acquire_call(made)
        answer = web.Response.of(self._sent(made), made)
        if self._budget is not None:
            self._budget.update_from_response(made, answer)
        return made, answer

    def _create_prepared_request(
        self,
        http_method: str,
        url: str,
        dedupe_query_params: bool = False,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        json: Mapping[str, Any] | None = None,
        data: Options = None,
    ) -> web.PreparedRequest:
        """The request, not signed yet; a subclass may shape it otherwise."""
        if dedupe_query_params:
            params = self._dedupe_query_params(url, params)
        made = web.Request(
            http_method, url, headers=headers, params=params, json=json, data=data
        ).prepare()
        if json is not None and not data:
            made.body = msgspec.json.encode(json)
        return made

    def _dedupe_query_params(self, url: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
        """The parameters that the URL does not have already."""
        held = set(parse_qsl(urlsplit(url).query))
        return {k: v for k, v in (params or {}).items() if (k, str(v)) not in held}

    def _sent(self, made: web.PreparedRequest) -> HttpResponse:
        route = self.route or Route()
        if self._session.auth and not isinstance(self._session.auth, (NoAuth, tuple)):
            made.prepare_auth(self._session.auth)
            route = Route(policy=route.policy)
        request = web.as_plan(made)
        url, query = _parted(request.url)
        parted = msgspec.structs.replace(request, url=url, query=query)
        # A subclass may have encoded the query in a way of its own, which is then sent as it is.
        request = parted if parted.full_url == request.full_url else request
        frame = Frame(source=current().values)
        try:
            return current().ask(request, route.auth, route.policy, frame)
        except TransportError as exc:
            if exc.code != TransportError.code:
                raise
            raise Cut(exc.message, request=exc.request) from exc


class Cut(TransportError, web.ChunkedEncodingError):
    """An answer that ends too soon, however often it was asked for: a class may know a way."""


def _parted(url: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The URL without its query, and that."""
    parts = urlsplit(url)
    query = tuple(parse_qsl(parts.query, keep_blank_values=True))
    return urlunsplit(parts._replace(query="")), query


@dataclass
class HttpRequester(Requester):
    """Shapes requests by templates, and gets their answers."""

    name: str
    config: Config
    parameters: InitVar[Mapping[str, Any]]
    url: Any = None
    url_base: Any = None
    path: Any = None
    authenticator: DeclarativeAuthenticator | None = None
    http_method: Any = HttpMethod.GET
    request_options_provider: Any = None
    error_handler: Any = None
    api_budget: Any = None
    disable_retries: bool = False
    message_repository: Any = None
    use_cache: bool = False
    connect_timeout_in_seconds: float | None = None
    read_timeout_in_seconds: float | None = None
    use_tcp_keepalive: bool = False
    _exit_on_rate_limit: bool = False
    stream_response: bool = False
    decoder: Decoder = field(default_factory=lambda: JsonDecoder(parameters={}))

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        self._url = InterpolatedString.create(self.url or EmptyString, parameters=parameters)
        self._url_base = InterpolatedString.create(
            self.url_base or EmptyString, parameters=parameters
        )
        self._path = InterpolatedString.create(self.path or EmptyString, parameters=parameters)
        given = self.request_options_provider
        if given is None or isinstance(given, dict):
            given = InterpolatedRequestOptionsProvider(
                **{"parameters": parameters, **(given or {}), "config": self.config}
            )
        self._request_options_provider = given
        self._authenticator = self.authenticator or NoAuth(parameters=parameters)
        method = self.http_method
        self._http_method = HttpMethod[method] if isinstance(method, str) else method
        self._http_client = HttpClient(
            self.name, self.logger, self.error_handler, authenticator=self._authenticator
        )

    def route_through(self, route: Route) -> None:
        """Send requests as the plan does, and sign them so as long as nobody else does."""
        self._http_client.route = route
        if not isinstance(route.auth, NoPlanAuth):
            self._http_client._session.auth = None  # noqa: SLF001 (its own part)

    @property
    def logger(self) -> logging.Logger:
        """Its log."""
        return logging.getLogger(f"airbyte.HttpRequester.{self.name}")

    @property
    def exit_on_rate_limit(self) -> bool:
        """Whether a rate limit ends it."""
        return self._exit_on_rate_limit

    @exit_on_rate_limit.setter
    def exit_on_rate_limit(self, value: bool) -> None:
        """Say whether a rate limit ends it."""
        self._exit_on_rate_limit = value

    def get_authenticator(self) -> DeclarativeAuthenticator:
        """What signs requests."""
        return self._authenticator

    def get_url(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> str:
        """The URL, where it is written as one."""
        seen = get_interpolation_context(stream_state, stream_slice, next_page_token)
        return str(self._url.eval(self.config, **seen))

    def get_url_base(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> str:
        """What URLs begin with."""
        seen = get_interpolation_context(stream_state, stream_slice, next_page_token)
        return str(self._url_base.eval(self.config, **seen))

    def get_path(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> str:
        """What URLs go on with."""
        seen = get_interpolation_context(stream_state, stream_slice, next_page_token)
        return str(self._path.eval(self.config, **seen)).lstrip("/")

    def get_method(self) -> HttpMethod:
        """The method of requests."""
        return self._http_method

    def get_request_params(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> MutableMapping[str, Any]:
        """The query."""
        return self._request_options_provider.get_request_params(  # type: ignore[no-any-return]  # a provider's mapping
            stream_state=stream_state, stream_slice=stream_slice, next_page_token=next_page_token
        )

    def get_request_headers(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """The headers."""
        return self._request_options_provider.get_request_headers(  # type: ignore[no-any-return]  # a provider's mapping
            stream_state=stream_state, stream_slice=stream_slice, next_page_token=next_page_token
        )

    def get_request_body_data(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any] | str:
        """The form, or the body itself."""
        found = self._request_options_provider.get_request_body_data(
            stream_state=stream_state, stream_slice=stream_slice, next_page_token=next_page_token
        )
        return found or {}

    def get_request_body_json(
        self,
        *,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        """The JSON body."""
        return self._request_options_provider.get_request_body_json(  # type: ignore[no-any-return]  # a provider's mapping
            stream_state=stream_state, stream_slice=stream_slice, next_page_token=next_page_token
        )

    def _get_url(
        self,
        *,
        path: str | None = None,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
    ) -> str:
        where: Any = {
            "stream_state": stream_state,
            "stream_slice": stream_slice,
            "next_page_token": next_page_token,
        }
        base = self.get_url_base(**where) or self.get_url(**where)
        return self._join_url(base, path or self.get_path(**where))

    @classmethod
    def _join_url(cls, url_base: str, path: str | None = None) -> str:
        if not path:
            return url_base
        return urljoin(url_base if url_base.endswith("/") else f"{url_base}/", path)

    def _get_request_options(
        self,
        stream_state: StreamState | None,
        stream_slice: StreamSlice | None,
        next_page_token: Mapping[str, Any] | None,
        requester_method: Callable[..., Options],
        auth_options_method: Callable[..., Options],
        extra_options: Options = None,
    ) -> Mapping[str, Any] | str:
        own = requester_method(
            stream_state=stream_state, stream_slice=stream_slice, next_page_token=next_page_token
        )
        same = requester_method.__name__ == "get_request_body_json"
        return combine_mappings([own, auth_options_method(), extra_options], same)

    def _request_headers(
        self,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
        extra_headers: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        made = self._get_request_options(
            stream_state, stream_slice, next_page_token, self.get_request_headers,
            dict, extra_headers,
        )  # fmt: skip
        if isinstance(made, str):
            raise ValueError("Request headers cannot be a string")  # noqa: TRY004 (what is raised there)
        return {str(k): str(v) for k, v in made.items()}

    def _auth_options(self, name: str) -> Callable[..., Options]:
        """What the authenticator adds: nothing where the plan signs."""
        signs = self._http_client._session.auth is not None  # noqa: SLF001 (its own part)
        found: Callable[..., Options] = getattr(self.get_authenticator(), name, dict)
        return found if signs else dict

    def _request_params(
        self,
        stream_state: StreamState | None,
        stream_slice: StreamSlice | None,
        next_page_token: Mapping[str, Any] | None,
        extra_params: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any]:
        made = self._get_request_options(
            stream_state, stream_slice, next_page_token, self.get_request_params,
            self._auth_options("get_request_params"), extra_params,
        )  # fmt: skip
        if isinstance(made, str):
            raise ValueError("Request params cannot be a string")  # noqa: TRY004 (what is raised there)
        return made

    def _request_body_data(
        self,
        stream_state: StreamState | None,
        stream_slice: StreamSlice | None,
        next_page_token: Mapping[str, Any] | None,
        extra_body_data: Options = None,
    ) -> Options:
        return self._get_request_options(
            stream_state, stream_slice, next_page_token, self.get_request_body_data,
            self._auth_options("get_request_body_data"), extra_body_data,
        )  # fmt: skip

    def _request_body_json(
        self,
        stream_state: StreamState | None,
        stream_slice: StreamSlice | None,
        next_page_token: Mapping[str, Any] | None,
        extra_body_json: Mapping[str, Any] | None = None,
    ) -> Mapping[str, Any] | None:
        made = self._get_request_options(
            stream_state, stream_slice, next_page_token, self.get_request_body_json,
            self._auth_options("get_request_body_json"), extra_body_json,
        )  # fmt: skip
        if isinstance(made, str):
            raise ValueError("Request body json cannot be a string")  # noqa: TRY004 (what is raised there)
        return made

    def send_request(
        self,
        stream_state: StreamState | None = None,
        stream_slice: StreamSlice | None = None,
        next_page_token: Mapping[str, Any] | None = None,
        path: str | None = None,
        request_headers: Mapping[str, Any] | None = None,
        request_params: Mapping[str, Any] | None = None,
        request_body_data: Options = None,
        request_body_json: Mapping[str, Any] | None = None,
        log_formatter: Any = None,
    ) -> web.Response | None:
        """The answer to one."""
        where = (stream_state, stream_slice, next_page_token)
        json = self._request_body_json(*where, request_body_json)
        _, response = self._http_client.send_request(
            http_method=self.get_method().value,
            url=self._get_url(
                path=path, stream_state=stream_state, stream_slice=stream_slice,
                next_page_token=next_page_token,
            ),
            headers=self._request_headers(*where, request_headers),
            params=self._request_params(*where, request_params),
            json=json or None,
            data=self._request_body_data(*where, request_body_data) or None,
            dedupe_query_params=True,
            log_formatter=log_formatter,
        )  # fmt: skip
        return response
