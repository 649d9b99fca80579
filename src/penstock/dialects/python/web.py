"""What components know as `requests`: answers and sessions on Penstock's own transport."""

from __future__ import annotations

import base64
import json as jsons
import sys
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from datetime import timedelta
from functools import cache
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any, Self
from urllib.parse import urlencode

from penstock.dialects.python.running import current
from penstock.errors import AuthError, ReadError, TransportError
from penstock.plan.page import HttpRequest, HttpResponse, link_params

Params = Mapping[str, Any] | list[tuple[str, Any]] | str | bytes | None


class RequestException(OSError):
    """A request that failed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        response, request = kwargs.pop("response", None), kwargs.pop("request", None)
        super().__init__(*args)  # of the library's own class, it would forget both
        self.response = response
        self.request = request or getattr(response, "request", None)


class HTTPError(RequestException):
    """An answer that says that the request failed."""


class ConnectionError(RequestException):  # noqa: A001 (its name in requests)
    """No answer came."""


class Timeout(RequestException):
    """No answer came in time."""


class ConnectTimeout(ConnectionError, Timeout):
    """No connection came in time."""


class ReadTimeout(Timeout):
    """No answer came in time."""


class ChunkedEncodingError(RequestException):
    """An answer that ends too soon."""


class ContentDecodingError(RequestException):
    """An answer that cannot be unpacked."""


class TooManyRedirects(RequestException):
    """Redirects without an end."""


class InvalidURL(RequestException, ValueError):
    """A URL that is none."""


class MissingSchema(RequestException, ValueError):
    """A URL without a scheme."""


class InvalidSchema(RequestException, ValueError):
    """A URL of another protocol."""


class SSLError(ConnectionError):
    """A connection that is not safe."""


class RetryError(RequestException):
    """Too many retries."""


class JSONDecodeError(RequestException, jsons.JSONDecodeError):
    """A body that is no JSON."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        jsons.JSONDecodeError.__init__(self, *args)
        self.response = kwargs.get("response")
        self.request = None


InvalidJSONError = JSONDecodeError


def failure(kind: type[RequestException], *args: Any, **kwargs: Any) -> RequestException:
    """A failure, which the library's own class of that name catches too where it was imported."""
    library = getattr(sys.modules.get("requests"), "exceptions", None)
    theirs = getattr(library, kind.__name__, None)
    own: Any = kind
    if theirs is not None and not issubclass(kind, theirs):
        own = _both(own, theirs)
    made: RequestException = own(*args, **kwargs)
    return made


@cache
def _both(kind: Any, theirs: Any) -> Any:
    return type(kind.__name__, (kind, theirs), {"__module__": kind.__module__})


class CaseInsensitiveDict(MutableMapping[str, Any]):
    """Headers: names in any case, kept as they were written."""

    def __init__(self, data: Any = None, **kwargs: Any) -> None:
        self._store: dict[str, tuple[str, Any]] = {}
        self.update(data or {}, **kwargs)

    def __setitem__(self, key: str, value: Any) -> None:
        self._store[key.lower()] = (key, value)

    def __getitem__(self, key: str) -> Any:
        return self._store[key.lower()][1]

    def __delitem__(self, key: str) -> None:
        del self._store[key.lower()]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._store.values())

    def __len__(self) -> int:
        return len(self._store)

    def __repr__(self) -> str:
        return repr(dict(self.items()))

    def copy(self) -> CaseInsensitiveDict:
        """A copy."""
        return CaseInsensitiveDict(dict(self.items()))


class AuthBase:
    """What signs a request."""

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """The request, signed."""
        raise NotImplementedError("Auth hooks must be callable.")


class HTTPBasicAuth(AuthBase):
    """A name and a password."""

    def __init__(self, username: str, password: str) -> None:
        self.username, self.password = username, password

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """The request, signed."""
        pair = f"{self.username}:{self.password}".encode()
        r.headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return r


class PreparedRequest:
    """A request ready to be sent."""

    def __init__(self) -> None:
        self.method: str | None = None
        self.url: str | None = None
        self.headers = CaseInsensitiveDict()
        self.body: Any = None

    def prepare(
        self,
        method: str = "GET",
        url: str = "",
        headers: Mapping[str, Any] | None = None,
        files: Any = None,
        data: Any = None,
        params: Params = None,
        auth: Any = None,
        cookies: Mapping[str, str] | None = None,
        hooks: Any = None,
        json: Any = None,
    ) -> None:
        """Fill it in."""
        del files, hooks
        self.method = method.upper()
        self.headers = CaseInsensitiveDict(headers or {})
        self.prepare_url(url, params)
        self.prepare_body(data, None, json)
        if cookies:
            self.headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in cookies.items())
        self.prepare_auth(auth)

    def prepare_url(self, url: str, params: Params) -> None:
        """Its URL, with a query."""
        query = _encoded(params)
        base, mark, fragment = url.partition("#")
        joint = "&" if "?" in base else "?"
        self.url = f"{base}{joint}{query}{mark}{fragment}" if query else url

    def prepare_body(self, data: Any, files: Any, json: Any = None) -> None:
        """Its body, and what that is."""
        del files
        kind = None
        if not data and json is not None:
            self.body, kind = jsons.dumps(json).encode(), "application/json"
        elif data:
            raw = isinstance(data, (str, bytes)) or hasattr(data, "read")
            self.body = data if raw else _encoded(data)
            kind = None if raw else "application/x-www-form-urlencoded"
        if self.body is not None:
            self.headers["Content-Length"] = str(len(_as_bytes(self.body) or b""))
        if kind and "Content-Type" not in self.headers:
            self.headers["Content-Type"] = kind

    def prepare_headers(self, headers: Mapping[str, Any] | None) -> None:
        """Its headers."""
        self.headers = CaseInsensitiveDict(headers or {})

    def prepare_auth(self, auth: Any, url: str = "") -> None:
        """Its credentials."""
        del url
        if isinstance(auth, tuple):
            auth = HTTPBasicAuth(*auth)
        if auth:
            self.__dict__.update(auth(self).__dict__)

    @property
    def path_url(self) -> str:
        """Path and query."""
        return "/" + (self.url or "").partition("://")[2].partition("/")[2]

    def copy(self) -> PreparedRequest:
        """A copy."""
        made = PreparedRequest()
        made.method, made.url, made.body = self.method, self.url, self.body
        made.headers = self.headers.copy()
        return made


class Request:
    """A request that is still to be prepared."""

    def __init__(self, method: str = "GET", url: str = "", **kwargs: Any) -> None:
        self.method, self.url, self.given = method, url, kwargs

    def prepare(self) -> PreparedRequest:
        """The request, ready to be sent."""
        made = PreparedRequest()
        made.prepare(method=self.method, url=self.url, **self.given)
        return made


def _encoded(params: Params) -> str:
    if not params:
        return ""
    if isinstance(params, (str, bytes)):
        return params if isinstance(params, str) else params.decode()
    pairs = params.items() if isinstance(params, Mapping) else params
    spread = [
        (k, item)
        for k, v in pairs
        if v is not None
        for item in (v if isinstance(v, (list, tuple, set)) else [v])
        if item is not None
    ]
    return urlencode(spread, doseq=True)


def _as_bytes(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else bytes(body.read())


class Response:
    """An answer."""

    def __init__(self) -> None:
        self.status_code: Any = None
        self.headers = CaseInsensitiveDict()
        self.url: Any = None
        self.request: Any = None
        self.encoding: str | None = "utf-8"
        self.reason: str | None = None
        self.history: list[Any] = []
        self.cookies: dict[str, str] = {}
        self.elapsed = timedelta()
        self._content: bytes = b""

    @classmethod
    def of(cls, answer: HttpResponse, request: PreparedRequest | None = None) -> Response:
        """The answer that Penstock got."""
        made = cls()
        made.status_code, made.url = answer.status, answer.url
        made.headers = CaseInsensitiveDict(
            {"-".join(w.capitalize() for w in k.split("-")): v for k, v in answer.headers.items()}
        )
        made._content = answer.body
        made.reason = _reason(answer.status)
        if request is None:
            request = PreparedRequest()
            request.method, request.url = "GET", answer.url
        made.request = request
        return made

    @property
    def content(self) -> bytes:
        """The body."""
        return self._content

    @property
    def text(self) -> str:
        """The body as text."""
        return self._content.decode(self.encoding or "utf-8", "replace")

    @property
    def raw(self) -> Any:
        """The body as a file."""
        import io  # noqa: PLC0415 (rarely asked for)

        return io.BytesIO(self._content)

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return bool(self.status_code is not None and self.status_code < HTTPStatus.BAD_REQUEST)

    @property
    def is_redirect(self) -> bool:
        """Whether it leads elsewhere."""
        return "location" in self.headers and self.status_code in {301, 302, 303, 307, 308}

    @property
    def links(self) -> dict[str, dict[str, str]]:
        """The links of its header, by relation."""
        return link_params(self.headers.get("link", ""))

    @property
    def apparent_encoding(self) -> str:
        """What the body seems to be written in."""
        return "utf-8"

    def json(self, **kwargs: Any) -> Any:
        """The body as JSON."""
        try:
            return jsons.loads(self._content, **kwargs)
        except UnicodeDecodeError as exc:
            raise failure(JSONDecodeError, str(exc), self.text, 0) from exc
        except jsons.JSONDecodeError as exc:
            raise failure(JSONDecodeError, exc.msg, exc.doc, exc.pos) from exc

    def iter_lines(
        self,
        chunk_size: int = 512,
        decode_unicode: bool = False,
        delimiter: Any = None,
    ) -> Iterator[Any]:
        """The lines of the body."""
        del chunk_size
        lines = self._content.split(delimiter) if delimiter else self._content.splitlines()
        return iter(
            [line.decode(self.encoding or "utf-8") for line in lines] if decode_unicode else lines
        )

    def iter_content(
        self, chunk_size: int | None = 1, decode_unicode: bool = False
    ) -> Iterator[Any]:
        """The body in pieces."""
        size = chunk_size or len(self._content) or 1
        for start in range(0, len(self._content), size):
            piece = self._content[start : start + size]
            yield piece.decode(self.encoding or "utf-8", "replace") if decode_unicode else piece

    def raise_for_status(self) -> None:
        """Refuse an answer that says that the request failed."""
        if self.ok:
            return
        whose = "Client" if self.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else "Server"
        message = f"{self.status_code} {whose} Error: {self.reason} for url: {self.url}"
        raise failure(HTTPError, message, response=self)

    def close(self) -> None:
        """Nothing is open."""

    def __bool__(self) -> bool:
        return self.ok

    def __iter__(self) -> Iterator[bytes]:
        return self.iter_content(128)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def as_plan(request: PreparedRequest) -> HttpRequest:
    """A prepared request as the plan's."""
    headers = tuple(
        (name, value.decode("latin-1") if isinstance(value, bytes) else str(value))
        for name, value in request.headers.items()
        if name.lower() != "content-length" and value is not None
    )
    return HttpRequest(
        method=request.method or "GET",
        url=request.url or "",
        headers=headers,
        body=_as_bytes(request.body),
    )


def from_plan(request: HttpRequest) -> PreparedRequest:
    """A request of the plan as a prepared one."""
    made = PreparedRequest()
    made.method, made.url, made.body = request.method, request.full_url, request.body
    made.headers = CaseInsensitiveDict(dict(request.headers))
    return made


def sent(request: PreparedRequest) -> Response:
    """The answer to a request, over the transport of the run.

    Raises:
        RequestException: none came.
    """
    url = request.url or ""
    if "://" not in url:
        raise failure(MissingSchema, f"Invalid URL {url!r}: No scheme supplied", request=request)
    if not url.startswith(("http://", "https://")):
        message = f"No connection adapters were found for {url!r}"
        raise failure(InvalidSchema, message, request=request)
    began = current().seconds()
    try:
        answer = Response.of(current().send(as_plan(request)), request)
    except TransportError as exc:
        kind = Timeout if exc.code == "timeout" else ConnectionError
        raise failure(kind, exc.message, request=request) from exc
    except AuthError:
        raise
    except ReadError as exc:
        raise failure(RequestException, exc.message, request=request) from exc
    answer.elapsed = timedelta(seconds=current().seconds() - began)
    return answer


class Session:
    """Requests that share headers, a query and credentials."""

    def __init__(self) -> None:
        self.headers = CaseInsensitiveDict()
        self.params: dict[str, Any] = {}
        self.auth: Any = None
        self.cookies: dict[str, str] = {}
        self.verify: Any = True
        self.hooks: dict[str, Any] = {}
        self.adapters: dict[str, Any] = {}

    def prepare_request(self, request: Request) -> PreparedRequest:
        """The request with what the session shares."""
        given = dict(request.given)
        given["headers"] = {**self.headers, **(given.get("headers") or {})}
        params = given.get("params")
        given["params"] = (
            {**self.params, **params} if isinstance(params, Mapping) else params or self.params
        )
        given["auth"] = given.get("auth") or self.auth
        given["cookies"] = {**self.cookies, **(given.get("cookies") or {})}
        return Request(request.method, request.url, **given).prepare()

    def request(self, method: str, url: str, **kwargs: Any) -> Response:
        """The answer to a request."""
        known = {"params", "data", "headers", "json", "auth", "cookies", "files"}
        given = {k: v for k, v in kwargs.items() if k in known}
        return self.send(self.prepare_request(Request(method, url, **given)))

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """The answer to a prepared request."""
        del kwargs
        return sent(request)

    def get(self, url: str, **kwargs: Any) -> Response:
        """The answer to a GET."""
        return self.request("GET", url, **kwargs)

    def post(self, url: str, data: Any = None, json: Any = None, **kwargs: Any) -> Response:
        """The answer to a POST."""
        return self.request("POST", url, data=data, json=json, **kwargs)

    def put(self, url: str, data: Any = None, **kwargs: Any) -> Response:
        """The answer to a PUT."""
        return self.request("PUT", url, data=data, **kwargs)

    def patch(self, url: str, data: Any = None, **kwargs: Any) -> Response:
        """The answer to a PATCH."""
        return self.request("PATCH", url, data=data, **kwargs)

    def delete(self, url: str, **kwargs: Any) -> Response:
        """The answer to a DELETE."""
        return self.request("DELETE", url, **kwargs)

    def head(self, url: str, **kwargs: Any) -> Response:
        """The answer to a HEAD."""
        return self.request("HEAD", url, **kwargs)

    def mount(self, prefix: str, adapter: Any) -> None:
        """Nothing but kept: connections are the run's."""
        self.adapters[prefix] = adapter

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class HTTPAdapter:
    """How connections would be made; the run makes its own."""

    def __init__(self, **kwargs: Any) -> None:
        self.given = kwargs


def request(method: str, url: str, **kwargs: Any) -> Response:
    """The answer to a request."""
    return Session().request(method, url, **kwargs)


def get(url: str, params: Params = None, **kwargs: Any) -> Response:
    """The answer to a GET."""
    return request("GET", url, params=params, **kwargs)


def post(url: str, data: Any = None, json: Any = None, **kwargs: Any) -> Response:
    """The answer to a POST."""
    return request("POST", url, data=data, json=json, **kwargs)


def put(url: str, data: Any = None, **kwargs: Any) -> Response:
    """The answer to a PUT."""
    return request("PUT", url, data=data, **kwargs)


def patch(url: str, data: Any = None, **kwargs: Any) -> Response:
    """The answer to a PATCH."""
    return request("PATCH", url, data=data, **kwargs)


def delete(url: str, **kwargs: Any) -> Response:
    """The answer to a DELETE."""
    return request("DELETE", url, **kwargs)


def head(url: str, **kwargs: Any) -> Response:
    """The answer to a HEAD."""
    return request("HEAD", url, **kwargs)


def session() -> Session:
    """A session."""
    return Session()


class _Codes(SimpleNamespace):
    """Statuses by name."""

    def __getitem__(self, name: str) -> int:
        return int(getattr(self, name))


codes = _Codes(
    **{status.name.lower(): status.value for status in HTTPStatus},
    **{status.name: status.value for status in HTTPStatus},
)


def lines(response: Response) -> Iterable[bytes]:
    """The lines of an answer that are not blank."""
    return (line for line in response.iter_lines() if line.strip())
