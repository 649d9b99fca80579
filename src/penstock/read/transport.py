"""The one file that talks to the network: a request goes in, an answer or an error comes out."""

from __future__ import annotations

import asyncio
import atexit
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from datetime import timedelta
from functools import cache
from itertools import chain
from threading import Thread
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import msgspec

from penstock.errors import CapError, ReadError, TransportError
from penstock.patterns import pattern
from penstock.plan.page import Headers, HttpRequest, HttpResponse
from penstock.read.addresses import public_address
from penstock.read.unpack import UNPACKERS, Unpacker, packing
from penstock.read.watch import Lost, Watch

MAX_BODY = 256 * 1024 * 1024  # bytes after decompression
LARGER = "ask for smaller pages, or take larger answers with --max-body"
MAX_RATIO = 200  # decompressed bytes per byte on the wire, beyond the first megabyte
MAX_HEADERS = 64 * 1024  # bytes
if TYPE_CHECKING:
    from pyreqwest.client import Client, ClientBuilder
    from pyreqwest.http import HeaderMap
    from typing_extensions import Buffer

_GRACE = 5.0  # seconds on top of those after which the client is to give up itself
_CHUNK = 1024 * 1024
_LAST_MOMENT = 0.05  # seconds
_PARTIAL = 206
# Units other than bytes count records: some APIs page so.
_RANGE = pattern(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.IGNORECASE)
_DIGITS = 20  # with so many it is no length
_UNREAD = "\ufffd"
_LEADING = frozenset({"link", "location"})  # where a value that cannot be read would end a stream
_LOST = "the HTTP client gives neither an answer nor an error"
_MEMORY = (
    "it loses a request where memory runs out: give the process more, "
    "or less to do at once (--concurrency); what was committed is intact, run again"
)
_TRUST = (
    "it needs certificates to trust: install those of the system (ca-certificates), or name a file "
    "of them in SSL_CERT_FILE"
)
# Where a document says nothing of them; `*/*` is what both reference tools send.
_DEFAULT_HEADERS = {"Accept": "*/*", "Accept-Encoding": "gzip, deflate"}
_PORTS: Mapping[str, int] = MappingProxyType({"http": 80, "https": 443})


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How long an answer may take, in seconds, and how large it may be, in bytes.

    A body that comes with less than `least_rate` bytes a second after `patience` is given up. A
    connection is used again if it lay idle for less than `idle`: many servers close one after five
    seconds, and what is sent just then is lost.
    """

    connect: float = 20.0
    idle: float = 4.0
    read: float = 60.0
    total: float = 600.0
    patience: float = 30.0
    least_rate: float = 20.0
    body: int = MAX_BODY


class Transport(Protocol):
    """Sends one request and reads the whole answer. It follows no redirect and tries once."""

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The answer, whatever its status.

        Raises:
            TransportError: no whole answer came.
            CapError: the answer is larger than a run can take.
        """
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


def warm() -> None:
    """Import the client's library here and now, in the thread that outlives all others."""
    import pyreqwest.client  # noqa: F401, PLC0415 (only a run needs it)


@cache
def _let_end() -> None:
    """At the process's end, give the client's own thread a moment to leave Python.

    It lets go of a request that failed, or was given up, a little after its error came. Where the
    interpreter is gone by then, the thread aborts the whole process, whatever its outcome was.
    """
    atexit.register(time.sleep, _LAST_MOMENT)


class Http:
    """HTTP/1.1 with connection reuse, TLS, and the proxies of the environment, by pyreqwest."""

    def __init__(
        self,
        bounds: Bounds | None = None,
        *,
        deny_private: bool = False,
        user_agent: str = "penstock",
    ) -> None:
        self._bounds = bounds or Bounds()
        self._deny_private = deny_private
        self._user_agent = user_agent
        self._building: Future[Client] = Future()
        warm()  # not in the thread: the next client of the process would crash once that has ended
        Thread(target=self._build, daemon=True).start()
        self._pinned: dict[tuple[str, int], Client] = {}
        self._watch = Watch(self._bounds.connect + self._bounds.read + _GRACE)

    def _build(self) -> None:
        """Make the client, in a thread: it reads every certificate that the machine trusts."""
        try:
            self._building.set_result(self._builder().build())
        except BaseException as error:  # noqa: BLE001 (raised where the client is needed)
            self._building.set_exception(error)

    def _built(self) -> Client:
        """The client, as soon as it is made.

        Raises:
            ReadError: it cannot be made on this machine.
        """
        try:
            return self._building.result()
        except Exception as exc:
            why = _said(exc)
            raise ReadError(
                f"the HTTP client cannot be set up: {why}", code="client", hint=_TRUST
            ) from exc

    def _builder(self) -> ClientBuilder:
        from pyreqwest.client import ClientBuilder  # noqa: PLC0415 (only a run needs it)

        bounds = self._bounds
        return (
            ClientBuilder()
            .follow_redirects(enable=False)
            .referer(enable=False)
            # Bodies are unpacked here, where both sizes are known: see `_Taking`.
            .gzip(enable=False)
            .deflate(enable=False)
            .brotli(enable=False)
            .zstd(enable=False)
            .user_agent(self._user_agent)
            .default_headers(_DEFAULT_HEADERS)
            .connect_timeout(timedelta(seconds=bounds.connect))
            .pool_idle_timeout(timedelta(seconds=bounds.idle))
            .read_timeout(timedelta(seconds=bounds.read))
            .timeout(timedelta(seconds=bounds.total))
        )

    async def _client_for(self, request: HttpRequest) -> Client:
        """The client; where private addresses are denied, one that asks just the address seen.

        A name that leads to another address when it is looked up again leads nowhere new.
        """
        client = self._built()
        if not self._deny_private:
            return client
        parts = urlsplit(request.url)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
        if (host, port) not in self._pinned:
            where = f"{request.method} {request.full_url}"
            address = await public_address(host, port, where)
            self._pinned[host, port] = self._builder().resolve(host, address, port).build()
        return self._pinned[host, port]

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The answer, whatever its status.

        Raises:
            TransportError: no whole answer came.
            CapError: the answer is larger than a run can take.
            ReadError: the request cannot be sent, or its answer be read; or it was lost.
        """
        from pyreqwest.exceptions import (  # noqa: PLC0415 (only a run needs it)
            BuilderError,
            PyreqwestError,
        )

        try:
            response = await self._watched(request)
        except (BuilderError, ValueError) as exc:
            where = f"{request.method} {request.full_url}"
            why = _said(exc) if isinstance(exc, BuilderError) else exc
            raise ReadError(
                f"not a URL that can be asked: {why}", code="url", request=where
            ) from exc
        except PyreqwestError as exc:
            where = f"{request.method} {request.full_url}"
            raise TransportError(_said(exc), request=where, code=_code(exc)) from exc
        except Lost:
            _heed_cancel()
            where = f"{request.method} {request.full_url}"
            raise ReadError(_LOST, code="request-lost", hint=_MEMORY, request=where) from None
        _heed_cancel()
        return response

    async def _watched(self, request: HttpRequest) -> HttpResponse:
        try:
            return await self._watch.over(self._send(request))
        except BaseException:
            _let_end()
            raise

    async def _send(self, request: HttpRequest) -> HttpResponse:
        client = await self._client_for(request)
        builder = client.request(request.method, request.full_url)
        for name, value in request.headers:
            try:
                builder = builder.header(name, value)
            except ValueError as exc:
                where = f"{request.method} {request.full_url}"
                message = f"the header {name!r} cannot be sent: {exc}"
                raise ReadError(message, code="header", request=where) from exc
        if request.body is not None:
            builder = builder.body_bytes(request.body)
        if request.read_timeout is not None:
            builder = builder.timeout(timedelta(seconds=request.read_timeout))
        # Nothing is read ahead: what comes too slowly is to be seen while it comes.
        async with builder.streamed_read_buffer_limit(0).build_streamed() as response:
            headers = self._headers(request, response.headers)
            taking = _Taking(request, headers, self._bounds)
            body = await taking.all(response.body_reader)
            if response.status == _PARTIAL:
                _check_whole(request, headers, taking.wire)
            return HttpResponse(
                status=response.status,
                url=request.full_url,
                headers=headers,
                body=body,
                wire_bytes=taking.wire,
            )

    def _headers(self, request: HttpRequest, held: HeaderMap) -> Headers:
        pairs = tuple(_readable(held))
        size = sum(map(len, chain.from_iterable(pairs)))
        if size > MAX_HEADERS:
            raise CapError(
                f"the answer has {size:,} bytes of headers, more than {MAX_HEADERS:,}",
                code="headers-too-large",
                request=f"{request.method} {request.full_url}",
            )
        for name, value in pairs:
            if value == _UNREAD and name in _LEADING:
                raise ReadError(
                    f"the answer's {name!r} header is not written in ASCII",
                    code="link",
                    request=f"{request.method} {request.full_url}",
                )
        return Headers(pairs)

    async def close(self) -> None:
        """Close the connections."""
        made = [self._building.result()] if self._building.exception() is None else []
        for client in (*made, *self._pinned.values()):
            with suppress(Lost):
                await Watch(_GRACE).over(client.close())


def _heed_cancel() -> None:
    """Be cancelled now, where that was asked for while an answer was being handed out.

    pyreqwest then gives the answer and drops the wish: a run that is being stopped would go on.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _readable(headers: HeaderMap) -> Iterator[tuple[str, str]]:
    """The headers; for a value that is not ASCII, which the client keeps to itself, U+FFFD."""
    pairs = iter(headers.items())
    for name in headers:
        try:
            yield next(pairs)
        except ValueError:
            yield name, _UNREAD


def _check_whole(request: HttpRequest, headers: Headers, size: int) -> None:
    """A part of a body, which nobody asked for, is no body; of other units some APIs make pages.

    Raises:
        TransportError: bytes are missing.
    """
    found = _RANGE.fullmatch(headers.get("content-range", ""))
    if found is None:
        return
    first, last, length = map(int, found.groups())
    if last - first + 1 == size < length:
        raise TransportError(
            f"the answer is only a part of a body: {found[0]}",
            code="transport",
            request=f"{request.method} {request.full_url}",
        )


class _Taking:
    """Takes one body: unpacked piece by piece, within its bounds of size, ratio and time."""

    def __init__(self, request: HttpRequest, headers: Headers, bounds: Bounds) -> None:
        self._where = f"{request.method} {request.full_url}"
        self._packing = packing(headers.get("content-encoding", ""))
        self._length = _length(headers)
        self._bounds = bounds
        self.wire = 0

    async def all(self, reader: _Reader) -> bytes:
        """The whole body.

        Raises:
            CapError: it is too large, or unpacks to too much.
            TransportError: it cannot be unpacked, or comes too slowly.
        """
        unpacker = self._unpacker()
        pieces: list[bytes] = []
        size, began = 0, time.monotonic()
        while self.wire != self._length and (read := await reader.read_chunk()) is not None:
            packed = bytes(read)
            self.wire += len(packed)
            self._check_rate(time.monotonic() - began)
            for piece in unpacker.pieces(packed):
                size += len(piece)
                self._check_size(size)
                pieces.append(piece)
        unpacker.end()
        return b"".join(pieces)

    def _unpacker(self) -> Unpacker:
        if self._length is not None:
            self._check_size(self._length if not self._packing else 0)
        if self._packing not in UNPACKERS:
            raise TransportError(
                f"the answer is packed in {self._packing!r}, which was not asked for",
                code="content-encoding",
                request=self._where,
            )
        return UNPACKERS[self._packing](self._where)

    def _check_size(self, size: int) -> None:
        if size > self._bounds.body:
            raise CapError(
                f"the answer is larger than {self._bounds.body:,} bytes",
                code="body-too-large",
                hint=LARGER,
                request=self._where,
            )
        if self._packing and size > _CHUNK and size > self.wire * MAX_RATIO:
            raise CapError(
                f"the answer unpacks to more than {MAX_RATIO} times its size",
                code="body-ratio",
                request=self._where,
            )

    def _check_rate(self, seconds: float) -> None:
        if seconds > self._bounds.patience and self.wire < seconds * self._bounds.least_rate:
            raise TransportError(
                f"the answer comes too slowly: {self.wire:,} bytes in {seconds:.0f} s",
                code="timeout",
                request=self._where,
            )


class _Reader(Protocol):
    """What is used of pyreqwest's body reader."""

    async def read_chunk(self) -> Buffer | None: ...


def _length(headers: Headers) -> int | None:
    text = headers.get("content-length", "").lstrip("0")
    return int(text) if text.isdigit() and len(text) < _DIGITS else None


def _said(exc: Exception) -> str:
    """The error in one line: what failed, and its innermost cause, which a user can act on."""
    details = exc.args[1] if len(exc.args) > 1 and isinstance(exc.args[1], dict) else {}
    causes = [str(cause.get("message", "")) for cause in details.get("causes") or ()]
    words = [str(exc.args[0]) if exc.args else type(exc).__name__, *causes[-1:]]
    return ": ".join(dict.fromkeys(word for word in words if word))


def _code(exc: Exception) -> str:
    name = type(exc).__name__.lower()
    if "timeout" in name:
        return "timeout"
    return "connection" if "connect" in name else "transport"
