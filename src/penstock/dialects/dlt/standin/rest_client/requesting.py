"""`dlt.sources.helpers.requests`: requests that raise where they fail, and are asked again before.

Inside a run they go through it. While the script is executed they are sent at once.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import msgspec

from penstock.dialects.dlt.standin.base import record
from penstock.dialects.dlt.standin.rest_client.calling import live, real, running
from penstock.dialects.dlt.standin.rest_client.client import Patience, patient
from penstock.dialects.python import web
from penstock.dialects.python.running import Entered
from penstock.plan.policy import ExponentialBackoff

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

    def __init__(
        self,
        *_: Any,
        raise_for_status: bool = True,
        patience: Patience | None = None,
        **__: Any,
    ) -> None:
        super().__init__()
        self.raise_for_status = raise_for_status
        self.patience = patience

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
        with Entered(run):
            asked = partial(super().request, method, address, **kept)
            answer = patient(asked, run, self.patience)
        if self.raise_for_status:
            answer.raise_for_status()
        return answer


class Client:
    """What makes sessions that ask again: as the run does, unless it is told how often and why.

    How long an answer is waited for, and by how many connections, the run decides.
    """

    def __init__(  # noqa: PLR0913 (as dlt has it)
        self,
        *_: Any,
        raise_for_status: bool = True,
        status_codes: Sequence[int] | None = None,
        request_max_attempts: int | None = None,
        request_backoff_factor: float | None = None,
        retry_condition: Any = None,
        session_attrs: Mapping[str, Any] | None = None,
        **__: Any,
    ) -> None:
        said: dict[str, Any] = {}
        if status_codes is not None:
            said["retry_statuses"] = tuple(status_codes)
        if request_max_attempts is not None:
            said["retries"] = max(0, request_max_attempts - 1)
        if request_backoff_factor is not None:
            said["backoff"] = (ExponentialBackoff(factor=request_backoff_factor),)
        conditions = (retry_condition,) if callable(retry_condition) else retry_condition or ()
        policy = msgspec.structs.replace(Patience().policy, **said)
        patience = Patience(policy=policy, conditions=tuple(conditions))
        self.session = Session(raise_for_status=raise_for_status, patience=patience)
        for name, value in (session_attrs or {}).items():
            own = getattr(self.session, name, None)
            if isinstance(own, MutableMapping):
                own.update(value)
            else:
                setattr(self.session, name, value)

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
