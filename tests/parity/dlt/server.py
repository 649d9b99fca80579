"""A socket server on loopback that answers as a scenario says and keeps what it was asked."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request as a scenario sees it; `round` is 1 in the first run and 2 in the second."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    round: int
    base: str

    @property
    def path(self) -> str:
        """The path as it was sent, without the query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> list[tuple[str, str]]:
        """The decoded query, in its order."""
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def json(self) -> Any:
        """The body as JSON; None where there is none."""
        return json.loads(self.body) if self.body else None

    def param(self, name: str, default: str = "") -> str:
        """The last value of a query param."""
        return dict(self.query).get(name, default)

    def number(self, name: str, default: int = 0) -> int:
        """A query param as a number."""
        return int(self.param(name, str(default)))


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer; `empty` marks one that a client may ask for or not: it holds no record."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = {}
    empty: bool = False

    def encoded(self) -> bytes:
        """The body as bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


Api = Callable[[Ask], Any]


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """One request and whether its answer was empty."""

    ask: Ask
    empty: bool


class Stage:
    """A server that plays one scenario after the other."""

    def __init__(self) -> None:
        self.api: Api = lambda _ask: Reply(status=404)
        self.round = 1
        self.heard: list[Heard] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def base(self) -> str:
        """The origin it serves at."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def play(self, api: Api, which: int) -> None:
        """Answer as `api` does from now on; forget what was asked before."""
        self.api, self.round, self.heard = api, which, []

    def answer(self, ask: Ask) -> Reply:
        """The scenario's answer, remembered."""
        found = self.api(ask)
        reply = found if isinstance(found, Reply) else Reply(body=found)
        with self._lock:
            self.heard.append(Heard(ask=ask, empty=reply.empty))
        return reply

    @contextmanager
    def open(self) -> Iterator[Stage]:
        """Serve until the block ends."""
        self._thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


def _handler(stage: Stage) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            ask = Ask(
                method=self.command,
                target=self.path,
                headers={k.lower(): v for k, v in self.headers.items()},
                body=self.rfile.read(length),
                round=stage.round,
                base=stage.base,
            )
            try:
                reply = stage.answer(ask)
            except Exception as exc:  # noqa: BLE001 (a scenario that fails is told to the client)
                reply = Reply(status=418, body={"scenario": repr(exc)})
            self.wfile.write(_wire(reply))  # in one piece, or each answer waits for an ACK

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 (the handler's names)

    return Handler


def _wire(reply: Reply) -> bytes:
    body = b"" if reply.status == 204 else reply.encoded()
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    lines = [f"HTTP/1.1 {reply.status} Said"]
    lines += [f"{name}: {value}" for name, value in {**headers, **reply.headers}.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def same_path(path: str) -> str:
    """A path with its percent-encoding in one spelling."""
    return re.sub(r"%[0-9a-f]{2}", lambda m: m[0].upper(), path)
