"""`dlt.sources.helpers.requests`: requests that raise where they fail, and are asked again before.

Inside a run they go through it. While the script is executed they are sent at once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from penstock.dialects.dlt.standin import record
from penstock.dialects.dlt.standin.calling import live, real, running
from penstock.dialects.dlt.standin.client import patient
from penstock.dialects.python import web
from penstock.dialects.python.running import entered

_METHODS = ("get", "post", "put", "patch", "delete", "options", "head")
_ERRORS = (
    *("RequestException", "HTTPError", "ConnectionError", "ConnectTimeout", "ReadTimeout"),
    *("Timeout", "TooManyRedirects", "ChunkedEncodingError", "RetryError"),
)


# What dlt asks again for; what a run asks again for the document says.
_RETRIES: dict[str, Any] = {
    "DEFAULT_RETRY_STATUS": (429, *range(500, 600)),
    "DEFAULT_RETRY_EXCEPTIONS": (web.ConnectionError, web.Timeout, web.ChunkedEncodingError),
    "DEFAULT_TIMEOUT": 60,
}


class Session(web.Session):
    """A session whose failures are raised, unless that is switched off."""

    def __init__(self, *_: Any, raise_for_status: bool = True, **__: Any) -> None:
        super().__init__()
        self.raise_for_status = raise_for_status

    def request(self, method: str, url: str, **kwargs: Any) -> Any:
        """The answer to a request."""
        run = running() or record.current().outside
        if run is None:
            shared = {**self.headers, **(kwargs.pop("headers", None) or {})}
            made = _library().request(method, url, headers=shared, **kwargs)
            if self.raise_for_status:
                made.raise_for_status()
            return made
        values = run.values
        kept = {k: real(v, values) for k, v in kwargs.items() if k != "auth"}
        kept["auth"] = live(kwargs.get("auth") or self.auth, run)
        address = str(real(url, values))
        with entered(run):
            answer = patient(lambda: super(Session, self).request(method, address, **kept), run)
        if self.raise_for_status:
            answer.raise_for_status()
        return answer


class Client:
    """What makes sessions that ask again; how often and how long the run decides."""

    def __init__(self, *_: Any, raise_for_status: bool = True, **__: Any) -> None:
        self.session = Session(raise_for_status=raise_for_status)

    def request(self, method: str, url: str, **kwargs: Any) -> Any:
        """The answer to a request."""
        return self.session.request(method, url, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name not in _METHODS:
            raise AttributeError(name)
        return _method(self.session, name)


def _method(session: Session, name: str) -> Callable[..., Any]:
    def asked(url: str, *args: Any, **kwargs: Any) -> Any:
        positional = ("data", "json") if name in {"post", "put", "patch"} else ("params",)
        return session.request(
            name.upper(), url, **dict(zip(positional, args, strict=False)), **kwargs
        )

    asked.__name__ = name
    return asked


def _library() -> ModuleType:
    return importlib.import_module("requests")


def public() -> dict[str, Any]:
    """The names of the module."""
    client = Client()
    return {
        **{name: getattr(client, name) for name in _METHODS},
        **{name: getattr(web, name) for name in _ERRORS},
        "request": client.request,
        "client": client,
        "Client": Client,
        "Session": Session,
        "Request": web.Request,
        "Response": web.Response,
        "exceptions": web,
        **_RETRIES,
        "codes": web.codes,
    }
