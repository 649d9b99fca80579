"""The one file that talks to the network: a request goes in, an answer or an error comes out."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from penstock.errors import CapError, ReadError, TransportError
from penstock.plan.page import Headers, HttpRequest, HttpResponse

MAX_BODY = 256 * 1024 * 1024  # bytes after decompression
MAX_RATIO = 200  # decompressed bytes per byte on the wire, beyond the first megabyte
if TYPE_CHECKING:
    from typing_extensions import Buffer

_CHUNK = 1024 * 1024
_ACCEPT = "*/*"  # where a document says nothing: what both reference tools send


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


class Http:
    """HTTP/1.1 with connection reuse, TLS, and the proxies of the environment, by pyreqwest."""

    def __init__(
        self,
        *,
        connect_timeout: float = 20.0,
        read_timeout: float = 60.0,
        total_timeout: float = 600.0,
        max_body: int = MAX_BODY,
        user_agent: str = "penstock",
    ) -> None:
        from pyreqwest.client import ClientBuilder  # noqa: PLC0415 (only a run needs it)

        self._max_body = max_body
        self._client = (
            ClientBuilder()
            .follow_redirects(enable=False)
            .referer(enable=False)
            .user_agent(user_agent)
            .connect_timeout(timedelta(seconds=connect_timeout))
            .read_timeout(timedelta(seconds=read_timeout))
            .timeout(timedelta(seconds=total_timeout))
            .build()
        )

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The answer, whatever its status.

        Raises:
            TransportError: no whole answer came.
            CapError: the answer is larger than a run can take.
        """
        from pyreqwest.exceptions import PyreqwestError  # noqa: PLC0415 (only a run needs it)

        started = time.perf_counter()
        try:
            response = await self._send(request, started)
        except PyreqwestError as exc:
            where = f"{request.method} {request.full_url}"
            raise TransportError(_said(exc), request=where, code=_code(exc)) from exc
        except ValueError as exc:
            where = f"{request.method} {request.full_url}"
            raise ReadError(
                f"not a URL that can be asked: {exc}", code="url", request=where
            ) from exc
        _heed_cancel()
        return response

    async def _send(self, request: HttpRequest, started: float) -> HttpResponse:
        builder = self._client.request(request.method, request.full_url)
        names = {name.lower() for name, _ in request.headers}
        if "accept" not in names:
            builder = builder.header("Accept", _ACCEPT)
        for name, value in request.headers:
            builder = builder.header(name, value)
        if request.body is not None:
            builder = builder.body_bytes(request.body)
        if request.read_timeout is not None:
            builder = builder.timeout(timedelta(seconds=request.read_timeout))
        async with builder.build_streamed() as response:
            headers = Headers(tuple((str(k), str(v)) for k, v in response.headers.items()))
            body = await self._body(request, response.body_reader, headers)
            return HttpResponse(
                status=response.status,
                url=request.full_url,
                headers=headers,
                body=body,
                wire_bytes=_length(headers) or len(body),
                elapsed=time.perf_counter() - started,
            )

    async def _body(self, request: HttpRequest, reader: _Reader, headers: Headers) -> bytes:
        """The whole body, read in pieces so that a bomb is stopped before it fills the memory."""
        length = _length(headers)
        packed = "content-encoding" in headers
        if length is not None and not packed:
            self._check(request, length, None)
            return bytes(await reader.bytes())
        pieces: list[bytes] = []
        size = 0
        while (read := await reader.read(_CHUNK)) is not None:
            piece = bytes(read)
            if not piece:
                break
            size += len(piece)
            self._check(request, size, length if packed else None)
            pieces.append(piece)
        return b"".join(pieces)

    def _check(self, request: HttpRequest, size: int, wire: int | None) -> None:
        where = f"{request.method} {request.full_url}"
        if size > self._max_body:
            raise CapError(
                f"the answer is larger than {self._max_body:,} bytes",
                code="body-too-large",
                hint="ask for smaller pages",
                request=where,
            )
        if wire is not None and size > _CHUNK and size > wire * MAX_RATIO:
            raise CapError(
                f"the answer unpacks to more than {MAX_RATIO} times its size",
                code="body-ratio",
                request=where,
            )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _heed_cancel() -> None:
    """Be cancelled now, where that was asked for while an answer was being handed out.

    pyreqwest then gives the answer and drops the wish: a run that is being stopped would go on.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


class _Reader(Protocol):
    """What is used of pyreqwest's body reader."""

    async def bytes(self) -> Buffer: ...
    async def read(self, amount: int) -> Buffer | None: ...


def _length(headers: Headers) -> int | None:
    text = headers.get("content-length", "")
    return int(text) if text.isdigit() else None


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
