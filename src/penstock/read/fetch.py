"""One page: its request built, its answer taken apart."""

from __future__ import annotations

from collections import Counter as Counted
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import parse_qsl, urlsplit

import msgspec

from penstock.errors import BodyError
from penstock.plan import jsontext
from penstock.plan.auth import ApiKey, chosen, slots
from penstock.plan.decoder import Decoder
from penstock.plan.door import Door
from penstock.plan.expr import Const, Frame, JoinUrl, JsonValue, evaluate, evaluate_text
from penstock.plan.page import Headers, HttpRequest, HttpResponse, Position, Token
from penstock.plan.pagination import Counter, Decided, Led, NextLink, Pagination, Told, size_values
from penstock.plan.properties import Properties, merged
from penstock.plan.python import Extract, Send, Turn
from penstock.plan.records import Glob, Keys, Spread
from penstock.plan.request import Slot, Value, build, values
from penstock.plan.slices import Product, Slice, computed, leaves
from penstock.read import mend
from penstock.read.ask import Asker, Ignored, itself, page_values
from penstock.read.context import StreamContext
from penstock.read.decode import (
    Decoded,
    RawRecord,
    decode,
    is_object,
    object_records,
    path_text,
    rows_at,
    spread_out,
    takes_long,
    whole_json,
)
from penstock.read.threads import called

_OK = 200
_NO_CONTENT = 204


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, taken apart; `nothing` where its status says that there is no content.

    `elsewhere` are the places of rows in an answer without the record path.
    """

    decoded: Decoded
    page: dict[str, JsonValue]
    url: str
    size: int
    nothing: bool = False
    elsewhere: tuple[str, ...] = ()
    response: HttpResponse | None = None


class Fetcher:
    """Asks for the pages of one slice. `size` is what a page holds where less is asked for."""

    def __init__(
        self,
        context: StreamContext,
        piece: Slice,
        asker: Asker,
        page: Mapping[str, JsonValue],
    ) -> None:
        self.context = context
        self._seen = page
        self.pagination: Decided | None = context.pagination
        self.size: int | None = None
        self.turn: Turn | None = None
        self._asker = asker
        self.aim(piece)

    def aim(self, piece: Slice) -> None:
        """Ask for this slice from now on."""
        self.piece = piece
        self.frame = seeing(self.context.frame(piece), self._seen)
        self._fixed = _slice_values(self.context, self.frame)

    async def fetch(self, position: Position, sent: Callable[[], None] | None = None) -> Answer:
        """The answer to the request of one page.

        Raises:
            ReadError: it could not be had.
        """
        if self.piece.first is not None and position.index == 0:
            return await self._given(self.piece.first)
        properties = self.context.stream.properties
        if properties is None:
            return await self._page(position, self.frame, sent)
        return await self._chunks(properties, position)

    async def _given(self, body: bytes) -> Answer:
        """The first page, which the parent's record held."""
        url = evaluate_text(self.context.stream.request.url, self.frame)
        return await self._read(
            HttpResponse(status=200, url=url, headers=Headers(), body=body), Position()
        )

    async def _chunks(self, properties: Properties, position: Position) -> Answer:
        """A page whose properties are asked for in several requests, its records as one."""
        chunks = properties.chunks(self.context.names)
        answers = [await self._page(position, self._asking(names)) for names in chunks]
        if properties.limit is None or not properties.key:
            records: Sequence[RawRecord] = [r for a in answers for r in a.decoded.records]
        else:
            records = _merged(answers, properties.key)
        decoded = msgspec.structs.replace(answers[-1].decoded, records=records)
        return msgspec.structs.replace(answers[-1], decoded=decoded)

    def _asking(self, names: Sequence[str]) -> Frame:
        """The frame in which templates see the properties to ask for."""
        extra = self.frame.slice.get("extra")
        held = {**(extra if isinstance(extra, dict) else {}), "query_properties": list(names)}
        return msgspec.structs.replace(
            self.frame,
            slice={**self.frame.slice, "extra": held},
            page={**self.frame.page, "query_properties": ",".join(names)},
        )

    async def _page(
        self, position: Position, frame: Frame, sent: Callable[[], None] | None = None
    ) -> Answer:
        context = self.context
        page = {**frame.page, "token": self._token(position)}
        frame = msgspec.structs.replace(frame, page=page)
        send = context.stream.request.send
        if send is not None and not position.link:
            return await self._sent(send, position, await self._extra(position))
        made = await self._request(position, frame)

        async def read(response: HttpResponse) -> Answer:
            return await self._read(response, position)

        if not self._calls:
            return await self._asker.ask(
                context.stream, made, frame, context.tally, read, sent=sent, door=context.door
            )
        response = await self._asker.ask(
            context.stream, made, frame, context.tally, itself, sent=sent, door=context.door
        )
        return await self._taken(response, position)

    def _token(self, position: Position) -> JsonValue:
        """The token as templates see it: none where the request does not carry it."""
        unsent = isinstance(self.pagination, Counter) and not self.pagination.send_first
        return None if unsent and position.index == 0 else position.value

    async def _request(self, position: Position, frame: Frame) -> HttpRequest:
        request = self.context.stream.request
        pagination = self._kind
        if isinstance(pagination, Led):
            made = (await self._led(pagination, position, frame)).request
        elif position.link:
            along = isinstance(pagination, NextLink) and pagination.params
            # A link is whole: what shapes the first request is in it already, or not wanted.
            made = build(request, await self._extra(position) if along else (), frame)
            query = made.query if along else ()
            made = msgspec.structs.replace(
                made, url=str(position.token), query=query, unquoted=None
            )
        else:
            made = build(request, await self._extra(position), frame, self._signed())
        return _without_doubles(made) if self.context.itemwise else made

    async def _led(self, pagination: Led, position: Position, frame: Frame) -> Turn:
        """The request of a page as the document's own class makes it."""
        if position.index == 0:
            made = build(self.context.stream.request, await self._extra(position), frame)
            self.turn = await called(pagination.lead.begin, self.door, made)
        assert self.turn is not None, "pages are asked for in their order"
        return self.turn

    async def lead(self, pagination: Led, answer: Answer) -> Token:
        """Make the request of the next page; gives it as text, or nothing at the end."""
        assert self.turn is not None, "there was a page"
        assert answer.response is not None, "its answer is kept for the class"
        records = [jsontext.decode(record) for record in answer.decoded.records]
        function = pagination.lead.following
        following = await called(function, self.door, self.turn, answer.response, records)
        if following is None:
            return None
        self.turn = following
        asked = following.request
        return f"{asked.method} {asked.full_url} {(asked.body or b'').decode('utf-8', 'replace')}"

    async def _extra(self, position: Position) -> list[Value]:
        """What pagination, partition and cursor send with a page, in the document's order."""
        pagination = self._kind
        sizes = size_values(pagination, self.frame)
        if self.size is not None:
            sizes = [(slot, self.size) for slot, _ in sizes]
        tokens = [self._placed(value) for value in pagination.values(position)]
        once = self.context.stream.slicing == "first-page" and self._token(position) is not None
        fixed = [] if once else self._fixed
        own = await self._own_values(position)
        if self.context.itemwise:
            return [*self._credential(), *tokens, *sizes, *fixed, *own]
        return [*fixed, *sizes, *tokens, *own]

    def _signed(self) -> tuple[Slot, ...] | None:
        """The slots of credentials, where nothing else may go into them."""
        if not self.context.itemwise:
            return None
        return slots(chosen(self.context.stream.auth, self.frame))

    def _credential(self) -> list[Value]:
        """The place of a key in the query, which stands behind the requester's own params."""
        auth = chosen(self.context.stream.auth, self.frame)
        keyed = isinstance(auth, ApiKey) and auth.slot.place == "query"
        return [(auth.slot, "")] if keyed and isinstance(auth, ApiKey) else []

    @property
    def _kind(self) -> Pagination:
        return self.pagination or self.context.stream.pagination

    def _placed(self, value: Value) -> Value:
        """A value that stands for the path of the URL, below the base of the request."""
        slot, item = value
        if slot.place != "url":
            return value
        url = self.context.stream.request.url
        base = url.base if isinstance(url, JoinUrl) else url
        path = Const(value=str(item))
        return slot, evaluate(JoinUrl(base=base, path=path), self.frame)

    @property
    def door(self) -> Door:
        """What classes of the document's own ask through."""
        door = self.context.door
        assert door is not None, "the reader gives every stream its door"
        return door

    @property
    def _calls(self) -> bool:
        """Whether a class of the document's own is handed the answers."""
        stream = self.context.stream
        return isinstance(stream.records.path, Extract) or isinstance(
            stream.pagination, (Told, Led)
        )

    async def _own_values(self, position: Position) -> list[Value]:
        """What classes of the document's own send with a page."""
        stream = self.context.stream
        found: list[Value] = []
        for compute in computed(stream.partition):
            ask = compute.values
            found += await called(ask, self.door, self.frame, position.value)
        if isinstance(stream.pagination, Told) and stream.pagination.size_into is not None:
            size = await called(stream.pagination.pages.size, self.door)
            found += [(stream.pagination.size_into, size)] if size else []
        return found

    async def _sent(self, send: Send, position: Position, extra: list[Value]) -> Answer:
        """The answer to the request of a requester of the document's own."""
        response = await called(send.function, self.door, self.frame, position.value, extra)
        if not response.ok:
            raise Ignored(response.status)
        return await self._taken(response, position)

    async def _taken(self, response: HttpResponse, position: Position) -> Answer:
        """An answer that a class of the document's own looks at."""
        path = self.context.stream.records.path
        if not isinstance(path, Extract) or response.status == _NO_CONTENT:
            answer = await self._read(response, position)
            return msgspec.structs.replace(answer, response=response)
        taken = await called(path.function, self.door, response, self.frame)
        records = tuple(msgspec.Raw(jsontext.encode(record)) for record in taken.records)
        return Answer(
            decoded=Decoded(records=records, envelope=taken.answer),
            page=self._scope(response, taken.answer, position),
            url=response.url,
            size=len(response.body),
            response=response,
        )

    async def _read(self, response: HttpResponse, position: Position) -> Answer:
        """An answer taken apart; a body that is not what it should be is worth asking again.

        A large one is taken apart in a thread: all other streams would have to wait for it.
        """
        try:
            if takes_long(self.context.stream.decoder, len(response.body)):
                answer = await called(self._taken_apart, response, position)
            else:
                answer = self._taken_apart(response, position)
        except BodyError as exc:
            if response.status != _OK:
                exc.message = f"status {response.status}: {exc.message}"
            raise
        self.context.tally.mended.update(answer.decoded.mended)
        return answer

    def _taken_apart(self, response: HttpResponse, position: Position) -> Answer:
        context = self.context
        response = _as_declared(response, context.stream.decoder)
        body: JsonValue = None
        if response.status == _NO_CONTENT:
            empty = Decoded(records=(), envelope={})
            return Answer(decoded=empty, page={}, url=response.url, size=0, nothing=True)
        if self.pagination is None or not context.knows_answers:
            body = whole_json(response.body)
        if self.pagination is None:
            self.pagination = context.detect(response, body)
        want = context.wanted(self.pagination, body)
        if context.itemwise:
            decoded = self._itemwise(response.body)
        else:
            decoded = decode(response.body, context.stream.decoder, want)
        elsewhere = () if decoded.present else self._elsewhere(response.body)
        return Answer(
            decoded=decoded,
            page=self._scope(response, decoded.envelope, position),
            url=response.url,
            size=len(response.body),
            elsewhere=elsewhere,
        )

    def _itemwise(self, body: bytes) -> Decoded:
        """An answer whose items, where it is a list, are answers of their own."""
        context = self.context
        assert self.pagination is not None, "this dialect tells its pagination"
        want = context.wanted(self.pagination, None)
        path = want.records
        listed = isinstance(path, Keys) and path.path and body.lstrip()[:1] == b"["
        if listed and isinstance(path, Keys):
            want = msgspec.structs.replace(want, records=Glob(path=path.path))
        decoded = decode(body, context.stream.decoder, want)
        if isinstance(path, Keys) and not path.path and not decoded.single:
            decoded = msgspec.structs.replace(decoded, records=_opened(decoded.records))
        records = object_records(decoded)
        if context.spreads:
            steps = context.stream.records.steps[: context.spreads]
            records = spread_out([s.expand for s in steps if isinstance(s, Spread)], records)
        return Decoded(
            records=records,
            envelope=_first(decoded),
            present=decoded.present,
            mended=decoded.mended,
        )

    def _scope(
        self, response: HttpResponse, envelope: JsonValue, position: Position
    ) -> dict[str, JsonValue]:
        """What expressions see of a page."""
        page = page_values(response, envelope)
        page["token"] = self._token(position)
        if self.context.itemwise:
            page["page_size"] = self.size or self.context.size(self.frame)
        return page

    def _elsewhere(self, body: bytes) -> tuple[str, ...]:
        """Where an answer without the record path has rows; it may be an error."""
        records, tally = self.context.stream.records, self.context.tally
        if records.absent == "empty":
            return ()
        if records.absent == "error" or tally.path_found:
            whole = whole_json(body)
            keys = ", ".join(whole) if isinstance(whole, dict) else type(whole).__name__
            error = BodyError(
                f"there is no {path_text(records.path)!r} in the answer",
                code="record-path",
                hint=f"it holds: {keys}",
            )
            error.retriable = True
            raise error
        return tuple(rows_at(whole_json(body)))


def seeing(frame: Frame, page: Mapping[str, JsonValue]) -> Frame:
    """The frame with further values, as of the page and as extras of the slice."""
    if not page:
        return frame
    extra = frame.slice.get("extra")
    held = {**(extra if isinstance(extra, dict) else {}), **page}
    return msgspec.structs.replace(
        frame, slice={**frame.slice, "extra": held}, page={**frame.page, **page}
    )


def _opened(records: Sequence[RawRecord]) -> Sequence[RawRecord]:
    """Answers that are records, or lists of records; those of nothing are none."""
    if all(map(is_object, records)):
        return records
    opened: list[RawRecord] = []
    for one in records:
        inner = jsontext.decode(one)
        if isinstance(inner, list):
            opened += map(jsontext.encode, inner)
        elif inner:
            opened.append(one)
    return opened


def _first(decoded: Decoded) -> JsonValue:
    """What stands for an answer: the first item of a list, or the answer itself."""
    whole = decoded.envelope
    if not isinstance(whole, list):
        return whole
    if whole:
        return whole[0]
    return jsontext.decode(decoded.records[0]) if decoded.records else {}


def _merged(answers: Sequence[Answer], key: tuple[str, ...]) -> Sequence[RawRecord]:
    """The records of several answers, those of one key as one, behind those that lack it."""
    whole: dict[str, dict[str, JsonValue]] = {}
    alone: list[RawRecord] = []
    for answer in answers:
        for raw in answer.decoded.records:
            record = jsontext.decode(raw)
            values = [record.get(name) for name in key] if isinstance(record, dict) else [None]
            if not isinstance(record, dict) or None in values:
                alone.append(raw)
                continue
            name = jsontext.encode(values).decode()
            whole[name] = merged(whole.get(name, {}), record)
    return [*alone, *map(jsontext.encode, whole.values())]


def _without_doubles(request: HttpRequest) -> HttpRequest:
    """The request without the pairs of its query that its URL holds already."""
    if not request.query or "?" not in request.url:
        return request
    held = dict(reversed(parse_qsl(urlsplit(request.url).query)))
    sent = Counted(name for name, _ in request.query)
    kept = tuple(
        (name, value) for name, value in request.query if held.get(name) != value or sent[name] > 1
    )
    return msgspec.structs.replace(request, query=kept)


def _as_declared(response: HttpResponse, decoder: Decoder) -> HttpResponse:
    """An answer of JSON in UTF-8, where its type names another encoding."""
    if decoder.format != "json" or decoder.gzip or decoder.zip:
        return response
    body = mend.declared(response.body, response.headers.get("content-type", ""))
    return response if body is response.body else msgspec.structs.replace(response, body=body)


def _slice_values(context: StreamContext, frame: Frame) -> list[Value]:
    """What the slice's partition and window send with every page."""
    stream = context.stream
    cursor = values(stream.cursor.params, frame) if stream.cursor else []
    partition = stream.partition
    if context.itemwise and isinstance(partition, Product):
        partition = Product(members=partition.members[::-1])  # as this dialect's engine merges them
    params = [param for leaf in leaves(partition) for param in leaf.params]
    sent = values(params, frame)
    if not context.itemwise:
        return [*cursor, *sent]
    return [*((slot, value) for slot, value in sent if value), *cursor]
