"""`RESTClient` and `paginate`: how functions of a script read an API themselves, page by page.

Requests go through the run that calls the function. What fails in passing is asked again.
"""

from __future__ import annotations

import copy
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urljoin

import msgspec

from penstock.dialects.dlt.paths import all_at
from penstock.dialects.dlt.standin.base import record
from penstock.dialects.dlt.standin.base.errors import Refusal
from penstock.dialects.dlt.standin.base.marks import caller
from penstock.dialects.dlt.standin.base.record import executing, refuse
from penstock.dialects.dlt.standin.rest_client.calling import IgnoreResponseException, live, real
from penstock.dialects.dlt.standin.rest_client.paginators import BasePaginator
from penstock.dialects.python import web
from penstock.dialects.python.running import Entered, NoRunError, current
from penstock.errors import OriginError, ReadError
from penstock.plan.detect import detect_pagination, detect_records
from penstock.plan.door import Door
from penstock.plan.expr import Frame
from penstock.plan.page import Headers, Position, link_header, origin
from penstock.plan.pagination import Facts
from penstock.plan.policy import ErrorPolicy, wait

_POLICY = ErrorPolicy()
_PASSING = (web.ConnectionError, web.Timeout, web.ChunkedEncodingError)


def door() -> Door:
    """The run that is calling; while the script is executed, what it asks through meanwhile.

    Raises:
        Refusal: there is none: the script is executed where nothing may be asked.
    """
    try:
        return current()
    except NoRunError:
        if not executing():
            raise
        outside = record.current().outside
        if outside is not None:
            return outside
        message = "an API is asked while the script is executed; Penstock reads when a run begins"
        hint = "put it into a function decorated with @dlt.resource"
        raise refuse(Refusal(message, hint, spot=caller())) from None


class PageData(list[Any]):
    """The records of a page, with what they came from."""

    def __init__(self, items: Any, request: Any, response: Any, paginator: Any, auth: Any) -> None:
        super().__init__(items)
        self.request, self.response = request, response
        self.paginator, self.auth = paginator, auth


class Asked:
    """A request of a client, as paginators and hooks may change it."""

    def __init__(self, method: str, url: str, **given: Any) -> None:
        self.method = method
        self.url = url
        self.headers: dict[str, Any] = given.get("headers") or {}
        self.params: Any = given.get("params")
        self.json: Any = given.get("json")
        self.data: Any = given.get("data")
        self.auth: Any = given.get("auth")
        self.cookies: Any = given.get("cookies")
        self.hooks: Mapping[str, Any] = given.get("hooks") or {}

    def ready(self, session: Any, run: Door) -> Any:
        """The request with the values of the run, ready to be sent."""
        values = run.values
        given = {
            "headers": {k: v for k, v in real(self.headers, values).items() if v is not None},
            "params": real(self.params, values),
            "json": real(self.json, values),
            "data": real(self.data, values),
            "auth": live(self.auth, run),
            "cookies": real(self.cookies, values),
        }
        kind = web.Request if isinstance(session, web.Session) else _library(session).Request
        with _signing(given["auth"], run):
            return session.prepare_request(kind(self.method, str(real(self.url, values)), **given))

    def text(self) -> str:
        """What tells it from the others of a walk."""
        held = [self.method, self.url, self.headers, self.params, self.json, self.data]
        return repr(held)


@contextmanager
def _signing(auth: Any, run: Door) -> Iterator[None]:
    """One request at a time is signed by an auth: others wait for the token that it asks for."""
    if not callable(auth):
        yield
        return
    lock: Any = run.kept.setdefault(("signing", id(auth)), threading.RLock())
    with lock:
        yield


def _library(session: Any) -> Any:
    """The library that a session of the script's own comes from, or that its class builds on."""
    homes = (cls.__module__.partition(".")[0] for cls in type(session).__mro__)
    return next(sys.modules[home] for home in homes if hasattr(sys.modules.get(home), "Request"))


class RESTClient:
    """A client of one API: its base URL, and what all of its requests have."""

    def __init__(  # noqa: PLR0913, PLR0917 (as dlt has it)
        self,
        base_url: str,
        headers: dict[str, Any] | None = None,
        auth: Any = None,
        paginator: Any = None,
        data_selector: str | None = None,
        session: Any = None,
        paginator_factory: Any = None,
        config: Any = None,
    ) -> None:
        del paginator_factory, config
        self.base_url = base_url
        self.headers = headers
        self.auth = auth
        self.paginator = paginator
        self.data_selector = data_selector
        self.session = session if session is not None else _patient_session()

    def request(self, path: str = "", method: str = "GET", **kwargs: Any) -> Any:
        """The answer to one request, whatever its status."""
        run = door()
        asked = self._asked(run, path, method, **kwargs)
        with Entered(run):
            return _hooked(self._sent(asked, run, kwargs), asked.hooks)

    def get(self, path: str, params: Any = None, **kwargs: Any) -> Any:
        """The answer to a GET."""
        return self.request(path, "GET", params=params, **kwargs)

    def post(self, path: str, json: Any = None, *, data: Any = None, **kwargs: Any) -> Any:
        """The answer to a POST."""
        return self.request(path, "POST", json=json, data=data, **kwargs)

    def paginate(  # noqa: PLR0913, PLR0917 (as dlt has it)
        self,
        path: str = "",
        method: str = "GET",
        params: Any = None,
        json: Any = None,
        auth: Any = None,
        paginator: Any = None,
        data_selector: str | None = None,
        hooks: Any = None,
        headers: Any = None,
        *,
        data: Any = None,
        **kwargs: Any,
    ) -> Iterator[PageData]:
        """The pages of an endpoint.

        Raises:
            HTTPError: an answer says that the request failed.
            ReadError: the pages go round in circles, or lead to another origin.
        """
        run = door()
        pages = paginator if paginator is not None else copy.deepcopy(self.paginator)
        pages = live(pages, run)
        asked = self._asked(
            run, path, method, params=params, json=json, auth=auth, headers=headers, data=data,
            hooks={"response": [_refuse_failed], **(hooks or {})},
        )  # fmt: skip
        selector = data_selector or self.data_selector
        if pages is not None:
            pages.init_request(asked)
        guard = _Guard(str(real(asked.url, run.values)), run)
        while True:
            guard.check(asked)
            try:
                with Entered(run):
                    response = _hooked(self._sent(asked, run, kwargs), asked.hooks)
            except IgnoreResponseException:
                return
            body = response.json()
            selector = selector or ".".join(detect_records(body).path) or "$"
            records = _selected(body, selector)
            pages = _detected(response) if pages is None else pages
            pages.update_state(response, records)
            pages.update_request(asked)
            yield PageData(records, asked, response, pages, asked.auth)
            if not pages.has_next_page:
                return

    def _asked(self, run: Door, path: str, method: str, **given: Any) -> Asked:
        if given.get("json") and given.get("data"):
            raise ValueError("a request has a body of json or of data, not of both")
        given["headers"] = {**(self.headers or {}), **(given.get("headers") or {})}
        given["auth"] = given.get("auth") or self.auth
        for name in ("params", "json"):  # paginators write into these
            given[name] = copy.copy(given.get(name))
        url = real(joined(self.base_url, path), run.values)  # relative links are joined to it
        return Asked(method.upper(), str(url), **given)

    def _sent(self, asked: Asked, run: Door, settings: Mapping[str, Any]) -> Any:
        prepared = asked.ready(self.session, run)
        kept = {k: v for k, v in settings.items() if k in {"timeout", "verify", "allow_redirects"}}
        if isinstance(self.session, web.Session):
            return patient(lambda: self.session.send(prepared, **kept), run)
        return self.session.send(prepared, **kept)


def _patient_session() -> web.Session:
    """A session as dlt gives to clients: it asks again, and raises nothing for a status."""
    from penstock.dialects.dlt.standin.rest_client.requesting import Session  # noqa: PLC0415 (it needs `patient`)

    return Session(raise_for_status=False)


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How often a request is asked again, and for which answers beside those of `policy`."""

    policy: ErrorPolicy = _POLICY
    conditions: tuple[Callable[..., Any], ...] = ()

    def wants(self, response: web.Response | None, failure: BaseException | None) -> bool:
        """Whether an answer, or that none came, is reason to ask again."""
        if response is not None and response.status_code in self.policy.retry_statuses:
            return True
        passing = isinstance(failure, _PASSING)
        return passing or any(condition(response, failure) for condition in self.conditions)


def patient(
    ask: Callable[[], web.Response], run: Door, patience: Patience | None = None
) -> web.Response:
    """An answer, asked for again where it failed in passing."""
    held, attempt = patience or Patience(), 0
    policy = held.policy
    while True:
        attempt += 1
        headers: Headers | None = None
        try:
            response = ask()
        except web.RequestException as exc:
            if attempt > policy.retries or not held.wants(None, exc):
                raise
        else:
            headers = Headers(tuple((str(k), str(v)) for k, v in response.headers.items()))
            if attempt > policy.retries or not held.wants(response, None):
                return response
        seconds = wait(policy, attempt, headers, time.time(), 0.0)
        if seconds > _POLICY.max_wait:
            raise ReadError(f"the API asks to wait for {seconds:.0f} s")
        run.pause(seconds)


def paginate(
    url: str, method: str = "GET", headers: Any = None, *args: Any, **kwargs: Any
) -> Iterator[PageData]:
    """The pages of an endpoint, without a client of one's own."""
    names = ("params", "json", "auth", "paginator", "data_selector", "hooks")
    given = dict(zip(names, args, strict=False)) | kwargs
    return RESTClient(url, headers).paginate("", method, **given)


def joined(base: str, path: str) -> str:
    """The URL of a path below a base."""
    if path.startswith(("http://", "https://")) or str.__str__(base) == "":
        return path
    return f"{str.__str__(base).rstrip('/')}/{path.lstrip('/')}" if path else base


def _selected(body: Any, selector: str) -> list[Any]:
    """The records at a path: the items of a list, or the one thing there."""
    found: Any = all_at(str(selector), body)
    found = found[0] if len(found) == 1 else found
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


def _hooked(response: Any, hooks: Mapping[str, Any]) -> Any:
    """The answer as the hooks leave it."""
    held = hooks.get("response") or []
    for hook in held if isinstance(held, (list, tuple)) else [held]:
        made = hook(response)
        response = made if made is not None else response
    return response


def _refuse_failed(response: Any, *_: Any, **__: Any) -> None:
    response.raise_for_status()


class _Guard:
    """Looks at each request of a walk before it is sent."""

    def __init__(self, first: str, run: Door) -> None:
        self._first = first
        self._run = run
        self._seen: set[str] = set()

    def check(self, asked: Asked) -> None:
        """Refuse a request that came before, and one that takes credentials elsewhere."""
        text = asked.text()
        if text in self._seen:
            message = f"{asked.method} {asked.url} was asked for before: the pages go in a circle"
            raise ReadError(message, code="cycle")
        self._seen.add(text)
        url = str(real(asked.url, self._run.values))
        if origin(url) == origin(self._first) or self._run.allows(url):
            return
        raise OriginError(
            f"the next page is at {origin(url)}, but the client names {origin(self._first)}",
            code="origin-not-allowed",
            hint=f"if that is right, allow it with --allow-origin {origin(url)}",
            request=f"{asked.method} {url}",
        )


# Pages that nobody names.


class _Detected:
    """The pagination that the first answer shows, called as a paginator is."""

    def __init__(self, found: Any) -> None:
        self._found = found
        self._position = Position()
        self.has_next_page = True

    def init_request(self, request: Any) -> None:
        """Nothing: the first page has been asked for."""

    def update_state(self, response: Any, data: Any = None) -> None:
        """Learn which page is next."""
        page: Any = {
            "response": response.json(),
            "links": link_header(response.headers.get("link", "")),
        }
        facts = Facts(count=len(data or []), frame=Frame(page=page))
        following = self._found.next(self._position, facts)
        self.has_next_page = isinstance(following, Position)
        if isinstance(following, Position):
            self._position = following

    def update_request(self, request: Any) -> None:
        """Ask for it."""
        if not self.has_next_page:
            return
        if self._position.link:
            request.url = urljoin(request.url, str(self._position.token))
            request.params = None
            return
        for slot, value in self._found.values(self._position):
            request.params = {**(request.params or {}), slot.path[-1]: value}


def _detected(response: Any) -> BasePaginator | _Detected:
    headers = {str(k).lower(): str(v) for k, v in response.headers.items()}
    body = msgspec.json.decode(response.content)
    found, _why = detect_pagination(str(response.url), headers, body)
    return _Detected(found)
