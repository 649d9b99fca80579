"""What the emulated APIs are asked and what they answer, as values, and how that is sent."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec
from aiohttp import web


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request as an API sees it; `words` are the values of its path's placeholders.

    `skew` moves every page but the first by so many records, as if some had been added (below
    zero) or deleted (above zero) at the front since the first page was read.
    """

    method: str
    path: str
    origin: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    form: Mapping[str, str]
    words: Mapping[str, str] = {}
    skew: int = 0

    def skewed(self, offset: int) -> int:
        """Give the record that a page which should begin at `offset` begins at."""
        return max(0, offset + self.skew) if offset else 0

    def number(self, *names: str, default: int, least: int = 0) -> int:
        """Read the first of these query parameters that was sent, as a whole number.

        Raises:
            Refused: it is not a number, or too small.
        """
        name = next((name for name in names if name in self.query), None)
        if name is None:
            return default
        text = self.query[name]
        if not text.isdecimal() or int(text) < least:
            raise Refused(problem(400, "bad_request", f"{name} must be a number from {least} on"))
        return int(text)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer before it is sent, with the places that faults need to know.

    Attributes:
        status: the HTTP status.
        body: the whole body, unless `pieces` are given.
        headers: headers beside the content type and length.
        span: where in the body the records of a page stand, without their brackets.
        inside: where the fields of the first record begin.
        links: pairs of the text that leads to the next page and the same for this page.
        pieces: a body too large to be held, made when called.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}
    span: tuple[int, int] | None = None
    inside: int | None = None
    links: tuple[tuple[str, str], ...] = ()
    pieces: Callable[[], Iterator[bytes]] | None = None


class Refused(Exception):  # noqa: N818 (it carries an answer, it is not a failure)
    """A request that gets `answer` instead of what it asked for."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def problem(status: int, error: str, message: str, **headers: str) -> Answer:
    """Answer an error as JSON."""
    body = msgspec.json.encode({"error": error, "message": message})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, body=body, headers=named)


def page(
    key: str | None,
    records: Iterable[bytes],
    more: bytes = b"",
    links: tuple[tuple[str, str], ...] = (),
) -> Answer:
    """Answer a page: records under `key` (or as the whole body), then further fields."""
    inner = b",".join(records)
    head = b'{"%s":[' % key.encode() if key else b"["
    tail = b"]" if key is None else b"],%s}" % more if more else b"]}"
    span = (len(head), len(head) + len(inner))
    inside = len(head) + 1 if inner else None
    return Answer(body=head + inner + tail, span=span, inside=inside, links=links)


def thing(key: str, record: bytes) -> Answer:
    """Answer one record under a key."""
    head = b'{"%s":' % key.encode()
    return Answer(body=head + record + b"}", inside=len(head) + 1)


async def send(request: web.Request, answer: Answer, *, squeeze: bool) -> web.StreamResponse:
    """Send an answer, compressed if that is wanted and the client accepts it."""
    if answer.pieces is not None:
        return await _pour(request, answer, squeeze=squeeze)
    headers = dict(answer.headers)
    body = answer.body
    if squeeze and accepts_gzip(request) and body:
        body = gzip.compress(body, 1)
        headers["Content-Encoding"] = "gzip"
    headers.setdefault("Content-Type", "application/json")
    return web.Response(status=answer.status, body=body, headers=headers)


def accepts_gzip(request: web.Request) -> bool:
    """Say whether the client accepts gzip."""
    return "gzip" in request.headers.get("Accept-Encoding", "").lower()


async def _pour(request: web.Request, answer: Answer, *, squeeze: bool) -> web.StreamResponse:
    assert answer.pieces is not None
    response = web.StreamResponse(
        status=answer.status, headers={"Content-Type": "application/json", **answer.headers}
    )
    if squeeze and accepts_gzip(request):
        response.enable_compression(web.ContentCoding.gzip)
    await response.prepare(request)
    for piece in answer.pieces():
        await response.write(piece)
    await response.write_eof()
    return response
