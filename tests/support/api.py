"""APIs without sockets: a function from request to response, behind latency and faults."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import msgspec
from tests.support.clock import EPOCH, StuckError, VirtualClock, run

from penstock.engine.running import Options, make_asker
from penstock.errors import Error, TransportError
from penstock.events import Event
from penstock.plan.expr import Const, Expr, Ref, Scope
from penstock.plan.page import Headers, HttpRequest, HttpResponse, Position
from penstock.plan.request import Param, Request, Slot
from penstock.plan.source import Limits, Source, Stream
from penstock.read.context import Settings, StreamContext
from penstock.read.parts import PagePart, Part, SliceClosed, SliceLost, StreamClosed
from penstock.read.reader import Reader
from penstock.read.tally import Tally

BASE = "https://api.test"
Handler = Callable[["Asked"], "HttpResponse | Any"]
Row = dict[str, Any]


class Asked:
    """A request as a handler sees it."""

    def __init__(self, request: HttpRequest, at: float) -> None:
        parts = urlsplit(request.full_url)
        self.request = request
        self.at = at
        self.url = request.full_url
        self.method = request.method
        self.host = parts.hostname or ""
        self.path = parts.path
        self.query: dict[str, str] = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.headers = Headers(request.headers)
        self.body = request.body

    def number(self, name: str, default: int = 0) -> int:
        """A query value as a number."""
        return int(self.query.get(name, default))

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form body."""
        return {k: v[0] for k, v in parse_qs((self.body or b"").decode()).items()}

    def __repr__(self) -> str:
        return f"{self.method} {self.url} at {self.at:g}"


def answer(
    value: Any = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> HttpResponse:
    """A response; `value` is its JSON, unless `body` has the bytes."""
    content = msgspec.json.encode(value) if body is None else body
    pairs = tuple((headers or {}).items())
    return HttpResponse(
        status=status, url="", headers=Headers(pairs), body=content, wire_bytes=len(content)
    )


class Api:
    """A transport that asks `handler`. Faults are taken, one a request, from `faults`.

    `latency` is in virtual seconds, or a function of the request. A fault is a response, an error
    to raise, or None for none.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        latency: float | Callable[[Asked], float] = 0.05,
        faults: Iterable[HttpResponse | Exception | None] = (),
        most: int = 20_000,
    ) -> None:
        self._handler = handler
        self._latency = latency
        self._faults = deque(faults)
        self._most = most
        self.requests: list[Asked] = []
        self.in_flight = 0
        self.peak = 0
        self.closed = False

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The handler's answer, after the latency."""
        asked = Asked(request, asyncio.get_running_loop().time())
        self.requests.append(asked)
        if len(self.requests) > self._most:
            raise StuckError(f"more than {self._most} requests")
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            wait = self._latency(asked) if callable(self._latency) else self._latency
            if wait:
                await asyncio.sleep(wait)
            given = self._faults.popleft() if self._faults else None
            if isinstance(given, Exception):
                raise given
            made = self._handler(asked) if given is None else given
        finally:
            self.in_flight -= 1
        if isinstance(made, Exception):
            raise made
        response = made if isinstance(made, HttpResponse) else answer(made)
        return msgspec.structs.replace(response, url=response.url or request.full_url)

    async def close(self) -> None:
        """Nothing is open."""
        self.closed = True

    def urls(self, path: str | None = None) -> list[str]:
        """The URLs asked for, in order, below the base."""
        return [r.url.removeprefix(BASE) for r in self.requests if path is None or r.path == path]

    def times(self) -> list[float]:
        """When each request was sent."""
        return [r.at for r in self.requests]


def broken(why: str = "the connection was reset") -> TransportError:
    """A connection that broke."""
    return TransportError(why)


class Read:
    """What reading a source gave."""

    def __init__(self, api: Api, clock: VirtualClock) -> None:
        self.api = api
        self.clock = clock
        self.parts: list[Part] = []
        self.events: list[Event] = []
        self.contexts: dict[str, StreamContext] = {}
        self.seconds = 0.0

    def rows(self, stream: str | None = None) -> list[Any]:
        """The records handed out, in order, without those of lost slices told apart."""
        name = stream or self.only
        return [msgspec.json.decode(record) for part in self.pages(name) for record in part.records]

    def ids(self, stream: str | None = None) -> list[Any]:
        """The `id` of each record handed out."""
        return [row["id"] for row in self.rows(stream)]

    @property
    def only(self) -> str:
        """The name of the first stream."""
        return next(iter(self.contexts))

    def pages(self, stream: str | None = None) -> list[PagePart]:
        """The pages handed out of a stream."""
        name = stream or self.only
        return [p for p in self.parts if isinstance(p, PagePart) and p.stream == name]

    def closed(self, stream: str | None = None) -> list[SliceClosed]:
        """The slices that are complete."""
        name = stream or self.only
        return [p for p in self.parts if isinstance(p, SliceClosed) and p.stream == name]

    def lost(self, stream: str | None = None) -> list[SliceLost]:
        """The slices that are not."""
        return [
            p
            for p in self.parts
            if isinstance(p, SliceLost) and (stream is None or p.stream == stream)
        ]

    def error(self) -> Error:
        """The error of the only lost slice."""
        (lost,) = self.lost()
        return lost.error

    def tally(self, stream: str | None = None) -> Tally:
        """What was counted of a stream."""
        return self.contexts[stream or self.only].tally

    def ended(self, stream: str | None = None) -> dict[str, int]:
        """How slices ended, by reason."""
        return dict(self.tally(stream).ended)

    def notes(self, stream: str | None = None) -> set[str]:
        """The codes of the warnings."""
        return {note.code for note in self.tally(stream).notes.values()}

    def state(
        self, before: Mapping[str, Mapping[str, str]] | None = None
    ) -> dict[str, dict[str, str]]:
        """The state that a destination would hold after the run, on top of `before`."""
        held = {name: dict(entries) for name, entries in (before or {}).items()}
        for part in self.parts:
            if isinstance(part, (SliceClosed, SliceLost, StreamClosed)):
                entries = held.setdefault(part.stream, {})
                for name, text in part.state:
                    if text is None:
                        entries.pop(name, None)
                    else:
                        entries[name] = text
        return held

    @property
    def order(self) -> list[str]:
        """The kinds of parts with their streams, in order."""
        return [f"{type(p).__name__} {p.stream}" for p in self.parts]

    def counts(self) -> Counter[str]:
        """How often each URL was asked for."""
        return Counter(self.api.urls())


async def reading(
    source: Source,
    api: Api,
    *,
    values: Mapping[str, Any] | None = None,
    state: Mapping[str, Mapping[str, str]] | None = None,
    resume: Mapping[tuple[str, str], Position] | None = None,
    loaded: Sequence[str] | None = None,
    options: Options | None = None,
    clock: VirtualClock | None = None,
    slowly: float = 0.0,
    stop_after: int | None = None,
    fresh: bool = False,
    parts: list[Part] | None = None,
) -> Read:
    """Everything `Reader` gives of a source. `slowly` seconds are taken over each part.

    `parts` is the list that they come into, for whoever wants them of a run that breaks off.
    """
    from datetime import UTC, datetime  # noqa: PLC0415 (needed here only)

    clock = clock or VirtualClock()
    found = Read(api, clock)
    found.parts = parts if parts is not None else found.parts
    names = loaded if loaded is not None else [s.name for s in source.streams if s.selected]
    settings = Settings(
        values=values or {},
        now=datetime.fromtimestamp(EPOCH, UTC),
        loaded=frozenset(names),
        fresh=fresh,
    )
    asker = make_asker(
        source,
        values or {},
        options or Options(),
        transport=api,
        clock=clock,
        emit=found.events.append,
    )
    reader = Reader(source, settings, asker, state=state or {}, emit=found.events.append)
    if resume:
        reader.resume(resume)
    found.contexts = {c.name: c for c in reader.contexts}
    began = clock.monotonic()
    async for part in reader.parts():
        found.parts.append(part)
        if slowly:
            await asyncio.sleep(slowly)
        if stop_after is not None and len(found.parts) >= stop_after:
            reader.stop()
    found.seconds = clock.monotonic() - began
    return found


def read_all(source: Source, api: Api | Handler, **options: Any) -> Read:
    """Reads a source to its end on virtual time; see `reading` for the options."""
    transport = api if isinstance(api, Api) else Api(api)
    return run(reading(source, transport, **options))


def stream(name: str = "rows", path: str | None = None, **parts: Any) -> Stream:
    """A stream at `/name`, or at `path`, an expression or a text."""
    params: tuple[Param, ...] = parts.pop("params", ())
    where: Expr | str = path if path is not None else f"/{name}"
    url = Const(value=BASE + where) if isinstance(where, str) else where
    return Stream(name=name, request=Request(url=url, params=params), **parts)


def source(*streams: Stream, concurrency: int = 20, **limits: Any) -> Source:
    """A source of these streams."""
    return Source(
        name="test",
        base_url=Const(value=BASE),
        streams=streams,
        limits=Limits(concurrency=concurrency, **limits),
    )


def query(name: str) -> Slot:
    """A slot in the query."""
    return Slot(place="query", path=(name,))


def response(*path: str | int, optional: bool = True) -> Ref:
    """A reference into the answer."""
    return Ref(at=Scope.PAGE, path=("response", *path), optional=optional)


def partition(name: str) -> Ref:
    """A reference to a value of the slice's partition."""
    return Ref(at=Scope.SLICE, path=("partition", name))


def cursor(name: str) -> Ref:
    """A reference to a value of the slice's cursor."""
    return Ref(at=Scope.SLICE, path=("cursor", name), optional=True)


def rows(count: int, start: int = 0) -> list[Row]:
    """Records with an `id` each."""
    return [{"id": number} for number in range(start, start + count)]
