"""Answers as they come over a socket, byte by byte as a server may write them."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from typing import Any

import pytest

from penstock.errors import Error, ReadError, TransportError
from penstock.plan.page import HttpRequest, HttpResponse
from penstock.read.transport import Bounds, Http

BODY = b'{"data":[{"id":1}]}'
PACKED = gzip.compress(BODY)
BOUNDS = Bounds(connect=5, read=5, total=10)


def whole(body: bytes = BODY, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    """An answer with the length of its body."""
    head = (b"HTTP/1.1 " + status, *lines, b"Content-Length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def chunked(body: bytes = BODY, *, size: bytes = b"", behind: bytes = b"") -> bytes:
    """An answer of one chunk, `behind` which trailers may stand."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + (size or b"%x" % len(body)) + b"\r\n" + body + b"\r\n0\r\n" + behind + b"\r\n"


def asked(answer: bytes, *, host: str = "127.0.0.1", url: str = "", **more: Any) -> HttpResponse:
    """What the client makes of these bytes, behind which the server closes the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async def ask() -> HttpResponse:
        server = await asyncio.start_server(serve, host.strip("[]"), 0)
        port = server.sockets[0].getsockname()[1]
        http = Http(BOUNDS)
        try:
            where = url or f"http://{host}:{port}/x"
            return await http.send(HttpRequest(method="GET", url=where, **more))
        finally:
            await http.close()
            server.close()

    return asyncio.run(ask())


RIGHT = {
    "a trailer": chunked(behind=b"X-Sum: 1\r\nContent-Length: 3\r\n"),
    "an extension of a chunk": chunked(size=b'0013;a=b;c="d"'),
    "an interim answer": b"HTTP/1.1 100 Continue\r\n\r\n" + whole(),
    "hints in advance": b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=next\r\n\r\n" + whole(),
    "no reason": whole(status=b"200"),
    "HTTP/1.0 without a length": b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
    "a length twice": whole(BODY, b"Content-Length: 19"),
    "a length with many zeros": whole(BODY, b"Content-Length: %s19" % (b"0" * 5000)).replace(
        b"Content-Length: 19\r\n", b""
    ),
    "a second answer behind the first": whole() + whole(b'{"data":[{"id":666}]}'),
    "GZIP in capitals": whole(PACKED, b"Content-Encoding: GZIP"),
    "gzip, padded with zeros": whole(PACKED + bytes(20), b"Content-Encoding: gzip"),
    "gzip beside identity": whole(PACKED, b"Content-Encoding: identity, gzip"),
    "deflate without its header": whole(zlib.compress(BODY)[2:-4], b"Content-Encoding: deflate"),
    "a coding that is an encoding": whole(BODY, b"Content-Encoding: UTF-8"),
    "a coding that is none": whole(BODY, b"Content-Encoding: none"),
    "a header in latin-1": whole(BODY, b"X-User: caf\xe9"),
    "a header in UTF-8": whole(BODY, "X-User: caf\u00e9 \u2603".encode()),
    "a part that is the whole": whole(
        BODY, b"Content-Range: bytes 0-18/19", status=b"206 Partial Content"
    ),
    "a page that calls its records bytes": whole(
        BODY, b"Content-Range: bytes 0-0/9", status=b"206 Partial Content"
    ),
    "a part of a list": whole(BODY, b"Content-Range: items 0-0/9", status=b"206 Partial Content"),
}


@pytest.mark.parametrize("what", RIGHT)
def test_what_servers_may_do_is_taken(what: str) -> None:
    """The body is the one that was meant, and nothing else."""
    assert asked(RIGHT[what]).body == BODY


WRONG = {
    "a trailer without an end": (chunked(behind=b"X: " + b"a" * 1_000_000), "transport"),
    "a size of a chunk below zero": (chunked(size=b"-5"), "transport"),
    "a size of a chunk without an end": (chunked(size=b"f" * 21), "transport"),
    "two lengths": (whole(BODY, b"Content-Length: 5"), "transport"),
    "a length below zero": (whole().replace(b": 19", b": -1"), "transport"),
    "a length that nothing has": (whole().replace(b": 19", b": " + b"9" * 18), "body-too-large"),
    "headers of a megabyte": (whole(BODY, b"X: " + b"a" * 1_000_000), "transport"),
    "a cookie of 70,000 bytes": (whole(BODY, b"Set-Cookie: a=" + b"b" * 70_000), None),
    "a zero in a header": (whole(BODY, b"X: a\0b"), "transport"),
    "a status of four digits": (whole(status=b"1000 X"), "transport"),
    "HTTP/0.9": (BODY, "transport"),
    "no answer": (b"", "connection"),
    "headers without an end": (b"HTTP/1.1 200 OK\r\nX: ", "connection"),
    "brotli, which was not asked for": (
        whole(BODY, b"Content-Encoding: br"),
        "content-encoding",
    ),
    "gzip in gzip": (whole(PACKED, b"Content-Encoding: gzip, gzip"), "content-encoding"),
    "a part of a body": (
        whole(BODY[:10], b"Content-Range: bytes 0-9/19", status=b"206 Partial Content"),
        "transport",
    ),
    "the end of a body": (
        whole(BODY[10:], b"Content-Range: bytes 10-18/19", status=b"206 Partial Content"),
        "transport",
    ),
    "a link in UTF-8": (whole(BODY, "Link: </é>; rel=next".encode()), "link"),
    "a place in UTF-8": (whole(b"", "Location: /é".encode(), status=b"302 Found"), "link"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_no_server_may_do_is_one_error(what: str) -> None:
    """Whatever it is, it has a code and names the request."""
    answer, code = WRONG[what]
    with pytest.raises(Error) as caught:
        asked(answer)
    assert caught.value.code == (code or "headers-too-large")
    assert isinstance(caught.value, ReadError | TransportError)
    assert caught.value.request.startswith("GET http://127.0.0.1:")


def test_a_header_that_is_not_ascii_hides_no_other() -> None:
    """Where a value cannot be read, the ones beside it can, in the order they came."""
    lines = (b"X-A: caf\xe9", b"X-A: two", b"X-B: \xe2\x98\x83", b"X-C: c")
    headers = asked(whole(BODY, *lines)).headers
    assert (headers["x-a"], headers["x-b"], headers["x-c"]) == ("\ufffd, two", "\ufffd", "c")


def test_a_host_may_be_an_address_of_the_new_kind() -> None:
    """Such an address stands in brackets."""
    assert asked(whole(), host="[::1]").body == BODY


@pytest.mark.parametrize("header", [("X-\u00dc", "a"), ("", "a"), ("X-A", "a\nb"), ("X-A", "\0")])
def test_a_header_that_cannot_be_sent_is_named(header: tuple[str, str]) -> None:
    """It is the header that is wrong, not the URL."""
    with pytest.raises(ReadError, match="cannot be sent") as caught:
        asked(whole(), headers=(header,))
    assert caught.value.code == "header"
    assert not caught.value.retriable


@pytest.mark.parametrize("url", ["http://127.0.0.1/" + "a" * 100_000, "http://a b/"])
def test_what_is_no_url_is_not_asked_again(url: str) -> None:
    """Asking once more would change nothing."""
    with pytest.raises(ReadError, match="not a URL that can be asked") as caught:
        asked(whole(), url=url)
    assert caught.value.code == "url"
    assert not caught.value.retriable
