"""Faults of statuses, redirects and sockets."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
import zlib
from collections.abc import Iterator

import msgspec
from aiohttp import web

from penstock.emulator.hits import Hit, Table, whole
from penstock.emulator.limits import http_date
from penstock.emulator.replies import Answer, problem

HTTP_FAULTS = Table()
_PAUSE = 0.05
_ABSURD = "31536000"
_MEGABYTE = 1 << 20
_HOUR = 3600

_STATUSES = {
    400: "bad request",
    403: "forbidden",
    404: "not found",
    408: "request timeout",
    500: "internal error",
    502: "bad gateway",
    503: "service unavailable",
    504: "gateway timeout",
}


def _status(status: int, words: str) -> None:
    @HTTP_FAULTS.instead(str(status), f"answers {status} with a JSON error")
    def make(_hit: Hit) -> Answer:
        return problem(status, words.replace(" ", "_"), f"{words}, as asked of the emulator")


for _number, _words in _STATUSES.items():
    _status(_number, _words)


def _too_many(**headers: str) -> Answer:
    return problem(429, "too_many_requests", "slow down", **headers)


@HTTP_FAULTS.instead("429", "answers 429 with Retry-After: 1")
def _seconds(_hit: Hit) -> Answer:
    return _too_many(Retry_After="1")


@HTTP_FAULTS.instead("429-date", "answers 429 with Retry-After as an HTTP date, 2 s ahead")
def _date(_hit: Hit) -> Answer:
    return _too_many(Retry_After=http_date(2))


@HTTP_FAULTS.instead("429-zero", "answers 429 with Retry-After: 0")
def _zero(_hit: Hit) -> Answer:
    return _too_many(Retry_After="0")


@HTTP_FAULTS.instead("429-negative", "answers 429 with Retry-After: -5")
def _negative(_hit: Hit) -> Answer:
    return _too_many(Retry_After="-5")


@HTTP_FAULTS.instead("429-absurd", "answers 429 and asks for a wait of a year")
def _absurd(_hit: Hit) -> Answer:
    return _too_many(Retry_After=_ABSURD)


@HTTP_FAULTS.instead("429-bare", "answers 429 and does not say how long to wait")
def _bare(_hit: Hit) -> Answer:
    return _too_many()


@HTTP_FAULTS.instead("429-ratelimit", "answers 429 with RateLimit-Remaining: 0 and -Reset: 1")
def _standard(_hit: Hit) -> Answer:
    return _too_many(RateLimit_Limit="10", RateLimit_Remaining="0", RateLimit_Reset="1")


@HTTP_FAULTS.instead("429-vendor", "answers 429 with X-RateLimit-Reset as a moment, 1 s ahead")
def _vendor(_hit: Hit) -> Answer:
    reset = str(int(time.time()) + 1)
    return _too_many(X_RateLimit_Remaining="0", X_RateLimit_Reset=reset)


@HTTP_FAULTS.instead("429-skewed", "asks by date to wait 2 s, on a clock that is an hour ahead")
def _skewed(_hit: Hit) -> Answer:
    return _too_many(Retry_After=http_date(_HOUR + 2), Date=http_date(_HOUR))


@HTTP_FAULTS.altered("clock-ahead", "answers right, with a Date an hour ahead")
def _ahead(_hit: Hit, answer: Answer) -> Answer:
    return _headed(answer, "Date", http_date(_HOUR))


@HTTP_FAULTS.altered("clock-behind", "answers right, with a Date an hour behind")
def _behind(_hit: Hit, answer: Answer) -> Answer:
    return _headed(answer, "Date", http_date(-_HOUR))


@HTTP_FAULTS.altered("fat-header", "answers right, with a header of 100,000 bytes")
def _fat_header(_hit: Hit, answer: Answer) -> Answer:
    return _headed(answer, "X-Odd", "x" * 100_000)


def _headed(answer: Answer, name: str, value: str) -> Answer:
    return msgspec.structs.replace(answer, headers={**answer.headers, name: value})


@HTTP_FAULTS.instead("token-revoked", "revokes every access token and answers 401")
def _revoked(hit: Hit) -> Answer:
    hit.api.revoke()
    challenge = 'Bearer error="invalid_token"'
    return problem(401, "invalid_token", "the token was revoked", WWW_Authenticate=challenge)


@HTTP_FAULTS.instead("redirect-loop", "redirects to itself without end")
def _loop(hit: Hit) -> Answer:
    return hop(hit.ask.path, int(hit.ask.query.get("hop", "0")))


def hop(path: str, number: int) -> Answer:
    """Redirect from one hop of an endless chain to the next."""
    return Answer(status=302, headers={"Location": f"{path}?hop={number + 1}"})


@HTTP_FAULTS.instead("cross-origin-redirect", "redirects to another origin of this same server")
def _away(hit: Hit) -> Answer:
    return Answer(status=302, headers={"Location": hit.elsewhere() + hit.request.path_qs})


@HTTP_FAULTS.instead("no-content", "answers 204, without a body")
def _nothing(_hit: Hit) -> Answer:
    return Answer(status=204)


# Below the status line: these answer on the socket.


def _reset(request: web.Request) -> None:
    """Break the connection so that the client gets a reset, not an end."""
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def _begin(hit: Hit, length: int | None, **headers: str) -> web.StreamResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    named.setdefault("Content-Type", "application/json")
    response = web.StreamResponse(headers=named)
    response.content_length = length
    await response.prepare(hit.request)
    return response


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()


@HTTP_FAULTS.acting("reset", "resets the connection before any answer")
async def _reset_before(hit: Hit) -> web.StreamResponse:
    _reset(hit.request)
    return web.Response()


@HTTP_FAULTS.acting("reset-midbody", "resets the connection in the middle of the body")
async def _reset_inside(hit: Hit) -> web.StreamResponse:
    body = whole(hit.answer()).body
    response = await _begin(hit, len(body))
    await response.write(body[: len(body) // 2])
    await asyncio.sleep(_PAUSE)
    _reset(hit.request)
    return response


@HTTP_FAULTS.acting("wrong-length", "promises more bytes than it sends, then closes")
async def _too_long(hit: Hit) -> web.StreamResponse:
    body = whole(hit.answer()).body
    response = await _begin(hit, len(body) + 100)
    await response.write(body)
    _close(hit.request)
    return response


@HTTP_FAULTS.acting("overlong", "sends more bytes than it promised")
async def _too_short(hit: Hit) -> web.StreamResponse:
    body = whole(hit.answer()).body
    response = await _begin(hit, len(body))
    await response.write(body)
    if hit.request.transport is not None:
        hit.request.transport.write(b"]}" * 50)
    _close(hit.request)
    return response


@HTTP_FAULTS.acting("chunk-cut", "sends a chunked body and closes before its last chunk")
async def _cut_chunks(hit: Hit) -> web.StreamResponse:
    body = whole(hit.answer()).body
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.enable_chunked_encoding()
    await response.prepare(hit.request)
    await response.write(body)
    _close(hit.request)
    return response


@HTTP_FAULTS.acting("slow", "sends the right body one byte at a time")
async def _trickle(hit: Hit) -> web.StreamResponse:
    body = whole(hit.answer()).body
    response = await _begin(hit, len(body))
    for place in range(len(body)):
        if _gone(hit.request):
            break
        await response.write(body[place : place + 1])
        await asyncio.sleep(hit.api.settings.slow_s)
    return response


@HTTP_FAULTS.acting("hang", "takes the request and never answers")
async def _silent(hit: Hit) -> web.StreamResponse:
    while not _gone(hit.request):  # noqa: ASYNC110 (no event tells that a client left)
        await asyncio.sleep(_PAUSE)
    return web.Response()


def _gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


@HTTP_FAULTS.acting("gzip-bomb", "sends a small gzip body that unfolds to `bomb_mb` megabytes")
async def _gzip_bomb(hit: Hit) -> web.StreamResponse:
    return await _bomb(hit, "gzip", zlib.MAX_WBITS | 16)


@HTTP_FAULTS.acting("deflate-bomb", "the same with deflate")
async def _deflate_bomb(hit: Hit) -> web.StreamResponse:
    return await _bomb(hit, "deflate", zlib.MAX_WBITS)


async def _bomb(hit: Hit, coding: str, wbits: int) -> web.StreamResponse:
    response = await _begin(hit, None, Content_Encoding=coding)
    for piece in _folded(hit.api.settings.bomb_mb, wbits):
        if _gone(hit.request):
            break
        await response.write(piece)
        await asyncio.sleep(0)
    return response


def _folded(megabytes: int, wbits: int) -> Iterator[bytes]:
    """Compress an empty JSON array that stands behind a great many blanks."""
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    blanks = b" " * _MEGABYTE
    for _ in range(megabytes):
        yield packer.compress(blanks)
    yield packer.compress(b"[]") + packer.flush()
