"""An API in memory that gives the same records in five ways, and goes wrong as the emulator does.

The wrong answers are the emulator's own; what it does on the socket is here what the transport
makes of that: an error, or the body as it was promised.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import msgspec
from tests.support.api import BASE, Asked, answer

from penstock.emulator import FAULTS
from penstock.emulator.hits import FaultKind, Hit
from penstock.emulator.limits import http_date
from penstock.emulator.replies import Answer, Ask, page, problem
from penstock.errors import CapError, TransportError
from penstock.plan.page import HttpResponse

PAGINATORS = ("page", "offset", "cursor", "link", "single")
DIALECTS = MappingProxyType({"dlt": "five.yaml", "airbyte": "five-manifest.yaml"})
RECORDS = 23
SIZE = 5
VALUES: Mapping[str, Any] = {"client_id": "me", "client_secret": "s3cret-of-mine"}
TIMEOUT = 60.0

Make = Callable[[Hit], "Answer | Exception"]


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """A fault as the transport sees it; `takes` is how long it takes, in seconds."""

    name: str
    about: str
    make: Make
    takes: float = 0.0


def _broken(code: str, why: str) -> Make:
    return lambda _hit: TransportError(why, code=code)


def _bomb(_hit: Hit) -> Exception:
    return CapError("the answer unpacks to more than 200 times its size", code="body-ratio")


def _fat(_hit: Hit) -> Exception:
    return CapError("the answer has 100,158 bytes of headers", code="headers-too-large")


# What becomes of the faults below the answer, as tests over sockets show.
_SOCKET: dict[str, tuple[Make, float]] = {
    "reset": (_broken("transport", "the connection was reset"), 0),
    "reset-midbody": (_broken("transport", "the body was cut"), 0),
    "wrong-length": (_broken("transport", "the body is shorter than it was promised to be"), 0),
    "overlong": (lambda hit: hit.answer(), 0),
    "chunk-cut": (_broken("transport", "the last chunk is missing"), 0),
    "slow": (_broken("timeout", "no whole answer came in 600 s"), 600.0),
    "hang": (_broken("timeout", "no answer came in 60 s"), TIMEOUT),
    "gzip-broken": (_broken("transport", "the gzip stream is damaged"), 0),
    "gzip-unsaid": (_broken("transport", "the gzip stream is damaged"), 0),
    "fat-header": (_fat, 0),
    "gzip-bomb": (_bomb, 0),
    "deflate-bomb": (_bomb, 0),
}


def _status(status: int) -> Make:
    return lambda _hit: problem(status, "no", "not now")


def _retry(text: str, status: int = 429) -> Make:
    return lambda _hit: problem(status, "slow", "slow down", Retry_After=text)


def _body(body: bytes, **headers: str) -> Make:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _hit: Answer(body=body, headers=named)


def _changed(old: bytes, new: bytes) -> Make:
    """The right answer with other bytes in some place."""

    def make(hit: Hit) -> Answer:
        right = hit.answer()
        return msgspec.structs.replace(right, body=right.body.replace(old, new))

    return make


def _cut(share: float) -> Make:
    def make(hit: Hit) -> Answer:
        right = hit.answer()
        return msgspec.structs.replace(right, body=right.body[: int(len(right.body) * share)])

    return make


def _utf16(hit: Hit) -> Answer:
    right = hit.answer()
    return Answer(body=right.body.decode().encode("utf-16"))


def _moved(location: str) -> Make:
    return lambda _hit: Answer(status=302, headers={"Location": location})


_OWN: dict[str, tuple[str, Make]] = {
    "dns": ("the name of the host is not known", _broken("connection", "no such host")),
    "tls": ("the certificate is not valid", _broken("connection", "invalid certificate")),
    "refused": ("the connection is refused", _broken("connection", "connection refused")),
    "401": ("answers 401", _status(401)),
    "410": ("answers 410", _status(410)),
    "418": ("answers a status that nobody expects", _status(418)),
    "501": ("answers 501", _status(501)),
    "599": ("answers 599", _status(599)),
    "503-seconds": ("answers 503 with Retry-After: 7", _retry("7", 503)),
    "503-absurd": ("answers 503 and asks for a wait of a year", _retry("31536000", 503)),
    "429-words": ("answers 429 with a Retry-After that is none", _retry("in a while")),
    "429-infinite": ("answers 429 with Retry-After: inf", _retry("inf")),
    "429-nan": ("answers 429 with Retry-After: nan", _retry("nan")),
    "429-long": ("answers 429 with Retry-After: 300", _retry("300")),
    "cut-10": ("cuts the body after a tenth", _cut(0.1)),
    "cut-99": ("cuts the last bytes of the body", _cut(0.99)),
    "utf-16": ("gives the body in UTF-16", _utf16),
    "spaces": ("answers 200 with blanks", _body(b"   \n ")),
    "text": ("answers 200 with plain text", _body(b"OK", Content_Type="text/plain")),
    "number": ("answers 200 with a number", _body(b"42")),
    "string": ("answers 200 with a JSON text", _body(b'"try again"')),
    "empty-object": ("answers 200 with an empty object", _body(b"{}")),
    "empty-list": ("answers 200 with an empty list", _body(b"[]")),
    "two-values": ("answers 200 with two JSON values", _body(b'{"data":[]}{"data":[]}')),
    "records-null": ("gives null in place of records", _body(b'{"data":null}')),
    "records-text": ("gives a text in place of records", _body(b'{"data":"none"}')),
    "total-zero": ("claims a total of zero", _changed(b'"total":23,', b'"total":0,')),
    "total-less": ("claims fewer records than there are", _changed(b'"total":23,', b'"total":7,')),
    "total-more": ("claims one record too many", _changed(b'"total":23,', b'"total":24,')),
    "total-text": ("claims a total in words", _changed(b'"total":23,', b'"total":"many",')),
    "total-null": ("claims no total any more", _changed(b'"total":23,', b'"total":null,')),
    "next-empty": ("gives an empty text as the next link", _changed(b"/link?", b"//\\?")),
    "next-script": ("gives a link of another scheme", _changed(b"https://api", b"javascript://x")),
    "next-number": ("gives a number as the next cursor", _changed(b':"c', b':"9')),
    "moved-nowhere": ("redirects to a link of another scheme", _moved("ftp://api.test/page")),
    "moved-empty": ("redirects without saying whereto", _moved("")),
    "moved-link-local": ("redirects to a link-local address", _moved("http://169.254.169.254/")),
}  # fmt: skip


def _emulated(kind: FaultKind) -> Kind:
    if kind.name in _SOCKET:
        make, takes = _SOCKET[kind.name]
        return Kind(name=kind.name, about=kind.about, make=make, takes=takes)
    assert kind.answer is not None, f"nothing says what {kind.name} is to a transport"
    return Kind(name=kind.name, about=kind.about, make=kind.answer)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {name: _emulated(kind) for name, kind in FAULTS.items()}
    | {name: Kind(name=name, about=about, make=make) for name, (about, make) in _OWN.items()}
)


class World:
    """The API. A kind of fault strikes the data requests of `strikes`, counted from 1."""

    def __init__(
        self, kind: Kind | None = None, strikes: Callable[[int], bool] = lambda _number: False
    ) -> None:
        self.kind = kind
        self.strikes = strikes
        self.settings = SimpleNamespace(bomb_mb=1)
        self.tokens: set[str] = set()
        self.given = 0
        self.asked = 0
        self.foreign: list[Asked] = []
        self.first: dict[str, Answer] = {}

    def __call__(self, asked: Asked) -> HttpResponse | Exception:
        """What a request is answered with."""
        if asked.path == "/token":
            return self._token()
        if not asked.url.startswith(BASE):
            self.foreign.append(asked)
        if asked.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return _sent(problem(401, "unauthorized", "no valid token"))
        self.asked += 1
        made = self._made(asked)
        return made if isinstance(made, Exception) else _sent(made)

    def latency(self, asked: Asked) -> float:
        """How long the next answer takes."""
        hit = self.kind and asked.path != "/token" and self.strikes(self.asked + 1)
        return 0.01 + (self.kind.takes if hit and self.kind else 0.0)

    def revoke(self) -> None:
        """No token is valid any more."""
        self.tokens.clear()

    def respond(self, ask: Ask) -> Answer:
        """The right answer."""
        return _page(ask)

    def _token(self) -> HttpResponse:
        self.given += 1
        self.tokens.add(f"token-{self.given}")
        return answer({"access_token": f"token-{self.given}", "expires_in": 3600})

    def _made(self, asked: Asked) -> Answer | Exception:
        ask = Ask(
            method=asked.method,
            path=asked.path,
            origin=BASE,
            query=asked.query,
            headers={},
            form={},
        )
        if self.kind is None or not self.strikes(self.asked):
            right = self.respond(ask)
            self.first.setdefault(asked.path, right)
            return right
        request = SimpleNamespace(path_qs=asked.url.removeprefix(BASE))
        hit = _Hit(ask, self, request)
        return self.kind.make(cast("Hit", hit))


class _Hit:
    """What a fault is told, as the emulator tells it."""

    def __init__(self, ask: Ask, world: World, request: SimpleNamespace) -> None:
        self.ask, self.api, self.request, self.first = ask, world, request, world.first

    def answer(self, skew: int = 0) -> Answer:
        return self.api.respond(msgspec.structs.replace(self.ask, skew=skew))

    def elsewhere(self) -> str:
        return "https://elsewhere.test"


def _sent(made: Answer) -> HttpResponse:
    headers = {"Date": http_date(0), "Content-Type": "application/json", **made.headers}
    return answer(status=made.status, body=made.body, headers=headers)


def record(number: int) -> dict[str, Any]:
    """A record."""
    return {"id": number, "name": f"n{number}", "tags": [number % 3], "in": {"a": number / 4}}


def _page(ask: Ask) -> Answer:
    """A page, by the way its path asks for pages; `skew` moves those that are counted."""
    name = ask.path.strip("/")
    if name not in PAGINATORS:
        return problem(404, "not_found", "there is no such path")
    size = RECORDS if name == "single" else ask.number("size", default=SIZE)
    match name:
        case "page":
            start = ask.skewed((ask.number("page", default=1) - 1) * size)
        case "cursor":
            start = int(ask.query.get("cursor", "c0").strip("c9") or 0)
        case _:
            start = ask.skewed(ask.number("offset", "at", default=0))
    texts = [msgspec.json.encode(record(n)) for n in range(start, min(RECORDS, start + size))]
    after = start + size
    onward = {"cursor": f"c{after}", "link": f"{BASE}/link?size={size}&at={after}"}.get(name)
    here = {"cursor": f"c{start}", "link": f"{BASE}/link?size={size}&at={start}"}.get(name, "")
    if after >= RECORDS:
        onward = None
    more = {
        "total": RECORDS,
        "total_pages": -(-RECORDS // size),
        "next": onward if name == "link" else None,
        "next_cursor": onward if name == "cursor" else None,
    }
    links = ((onward, here),) if onward else ()
    return page("data", texts, msgspec.json.encode(more)[1:-1], links)


def now() -> float:
    """The time that the emulator's dates speak of."""
    return float(int(time.time()))
