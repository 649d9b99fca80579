"""Running an emulated API: the application, and a server in a thread or in the foreground."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from functools import partial
from types import MappingProxyType, TracebackType
from typing import Any, Self

import msgspec
from aiohttp import web

from penstock.emulator.api import Api, Step
from penstock.emulator.chat import Chat
from penstock.emulator.dixa import Dixa
from penstock.emulator.faults import Draw
from penstock.emulator.faults_http import hop
from penstock.emulator.hits import FaultKind, Hit
from penstock.emulator.limits import Bucket, too_many
from penstock.emulator.messaging import Messaging
from penstock.emulator.replies import Answer, Ask, problem, send
from penstock.emulator.settings import Settings

EMULATORS: Mapping[str, type[Api]] = MappingProxyType(
    {api.name: api for api in (Messaging, Chat, Dixa)}
)
"""The emulated APIs, by the names of the connectors they stand in for."""

_CONTROL = "/__emulator__/"
_HOST = "127.0.0.1"
_LOG_SIZE = 200_000
_PIECE = 1000


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One request that was answered: what it asked, what it got, and whether it bore credentials.

    `at` is its arrival in seconds of the server's clock; `fault` names the fault that struck;
    the status is 0 where the answer was never finished.
    """

    method: str
    host: str
    path: str
    query: str
    status: int
    credential: bool
    fault: str | None
    at: float


class Desk:
    """Takes every request of one emulated API: limit, latency, fault or answer, log."""

    def __init__(self, api: Api, clock: Callable[[], float] = time.monotonic) -> None:
        settings = api.settings
        self.api = api
        self.log: deque[Seen] = deque(maxlen=_LOG_SIZE)
        self.peak = 0
        self._flying = 0
        self._clock = clock
        self._draw = Draw(settings.rules, settings.faults, settings.seed)
        self._bucket = Bucket(settings.rate, settings.burst, clock) if settings.rate else None
        self._first: dict[str, Answer] = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request of the API and log it."""
        self._flying += 1
        self.peak = max(self.peak, self._flying)
        arrived, status = self._clock(), 0
        wait = self._bucket.take() if self._bucket else 0.0
        kind = self._draw.next(request.path) if not wait else None
        try:
            response = await self._answer(request, wait, kind)
            status = response.status
        finally:
            self._flying -= 1
            fault = kind.name if kind else None
            self.log.append(_seen(request, status, fault, arrived))
        return response

    async def _answer(
        self, request: web.Request, wait: float, kind: FaultKind | None
    ) -> web.StreamResponse:
        settings = self.api.settings
        ask = await _ask(request)
        if settings.latency_ms:
            await asyncio.sleep(settings.latency_ms / 1000)
        if kind is not None:
            hit = Hit(request=request, ask=ask, api=self.api, first=self._first)
            return await kind.act(hit)
        answer = too_many(wait, settings.retry_after) if wait else self._respond(ask)
        answer = self._metered(answer)
        return await send(request, answer, squeeze=settings.gzip)

    def _respond(self, ask: Ask) -> Answer:
        if ask.query.get("hop", "").isdecimal():
            return hop(ask.path, int(ask.query["hop"]))
        answer = self.api.respond(ask)
        if answer.span is not None:
            self._first.setdefault(ask.path, answer)
        return answer

    def _metered(self, answer: Answer) -> Answer:
        if self._bucket is None:
            return answer
        meter = {
            "X-RateLimit-Limit": f"{self._bucket.rate:g}",
            "X-RateLimit-Remaining": str(self._bucket.left),
        }
        return msgspec.structs.replace(answer, headers={**answer.headers, **meter})

    def advance(self, count: int) -> Step:
        """Let the data change."""
        self._first.clear()
        return self.api.advance(count)

    def counts(self) -> dict[str, Any]:
        """Count what was asked and answered."""
        return {
            "requests": len(self.log),
            "peak": self.peak,
            "by_status": dict(Counter(str(seen.status) for seen in self.log)),
            "by_path": dict(Counter(f"{seen.method} {seen.path}" for seen in self.log)),
            "faults": dict(Counter(seen.fault for seen in self.log if seen.fault)),
        }


async def _ask(request: web.Request) -> Ask:
    form: dict[str, str] = {}
    if request.method == "POST":
        form = {name: str(value) for name, value in (await request.post()).items()}
    return Ask(
        method=request.method,
        path=request.path,
        origin=f"{request.scheme}://{request.host}",
        query=request.query,
        headers=request.headers,
        form=form,
    )


def _seen(request: web.Request, status: int, fault: str | None, at: float) -> Seen:
    return Seen(
        method=request.method,
        host=request.host,
        path=request.path,
        query=request.query_string,
        status=status,
        credential="Authorization" in request.headers,
        fault=fault,
        at=at,
    )


class Control:
    """The emulator's own endpoints: truth, log and advance, which no fault or limit touches."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request under `/__emulator__/`."""
        match request.method, request.path.removeprefix(_CONTROL).split("/"):
            case "GET", ["log"]:
                return web.json_response(self._desk.counts())
            case "GET", ["truth", stream] if stream in self._desk.api.streams:
                return await self._truth(request, stream)
            case "POST", ["advance"]:
                return await self._advance(request)
            case _:
                answer = problem(404, "not_found", "the emulator has log, truth/<stream>, advance")
                return await send(request, answer, squeeze=False)

    async def _advance(self, request: web.Request) -> web.StreamResponse:
        text = request.query.get("n", "10")
        if not text.isdecimal():
            answer = problem(400, "bad_request", "n must be a whole number")
        else:
            answer = Answer(body=msgspec.json.encode(self._desk.advance(int(text))))
        return await send(request, answer, squeeze=False)

    async def _truth(self, request: web.Request, stream: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        lines: list[bytes] = []
        for record in self._desk.api.truth(stream):
            lines.append(record + b"\n")
            if len(lines) == _PIECE:
                await response.write(b"".join(lines))
                lines.clear()
        await response.write(b"".join(lines))
        await response.write_eof()
        return response


DESK = web.AppKey("desk", Desk)


def build_app(name: str, settings: Settings) -> web.Application:
    """Build the application that serves one emulated API.

    Raises:
        KeyError: no emulator has this name.
        PlanError: a fault rule cannot be read.
    """
    desk = Desk(EMULATORS[name](settings))
    control = Control(desk)
    app = web.Application(client_max_size=1 << 20)
    app[DESK] = desk
    app.router.add_route("*", _CONTROL + "{rest:.*}", control.handle)
    app.router.add_route("*", "/{rest:.*}", desk.handle)
    return app


async def _listen(app: web.Application, port: int) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, _HOST, port, backlog=1024).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner, f"http://{_HOST}:{runner.addresses[0][1]}"


class EmulatorServer:
    """An emulated API on a port of this machine, served by a thread of its own.

    Used as a context manager: the server listens inside the `with` block and `url` is its origin.
    """

    def __init__(self, name: str, settings: Settings | None = None, *, port: int = 0) -> None:
        self.settings = settings or Settings()
        self.name = name
        self.url = ""
        self._port = port
        self._app = build_app(name, self.settings)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Start to listen."""
        ready: Future[str] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(ready,), name=f"emulator-{self.name}", daemon=True
        )
        self._thread.start()
        self.url = ready.result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, and wait until the thread has ended."""
        assert self._loop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self, ready: Future[str]) -> None:
        asyncio.run(self._serve(ready))

    async def _serve(self, ready: Future[str]) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            runner, url = await _listen(self._app, self._port)
        except OSError as error:
            ready.set_exception(error)
            return
        ready.set_result(url)
        await self._stop.wait()
        await runner.cleanup()

    @property
    def api(self) -> Api:
        """The API behind the server."""
        return self._app[DESK].api

    @property
    def log(self) -> list[Seen]:
        """The requests answered so far (the last 200,000)."""
        return list(self._app[DESK].log)

    @property
    def peak(self) -> int:
        """The most requests that were in flight at once."""
        return self._app[DESK].peak

    def forget(self) -> None:
        """Empty the log."""
        self._app[DESK].log.clear()

    def truth(self, stream: str) -> Iterator[dict[str, Any]]:
        """Give every record that a complete load of a stream holds now, with its parent's id.

        Raises:
            KeyError: the API has no such stream.
        """
        return map(msgspec.json.decode, self.api.truth(stream))

    def advance(self, count: int = 10) -> Step:
        """Let the data change: new records, some of them late, and older ones updated."""
        return self._in_loop(partial(self._app[DESK].advance, count))

    def _in_loop(self, call: Callable[[], Step]) -> Step:
        if self._loop is None:
            return call()
        done: Future[Step] = Future()
        self._loop.call_soon_threadsafe(lambda: done.set_result(call()))
        return done.result()


def serve_forever(
    name: str, settings: Settings, port: int, on_ready: Callable[[str], None]
) -> None:
    """Serve an emulated API until interrupted; `on_ready` is called with its origin.

    Raises:
        OSError: the port cannot be had.
    """

    async def serve() -> None:
        runner, url = await _listen(build_app(name, settings), port)
        try:
            on_ready(url)
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())
