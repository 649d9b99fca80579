"""The page loop, once: build, send, judge, select, next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from typing import Any, TypeAlias

import msgspec

from penstock.errors import BodyError, CycleError, ReadError, StatusError
from penstock.plan.door import Door
from penstock.plan.expr import JsonValue, evaluate
from penstock.plan.page import HttpResponse, Position, Stopped
from penstock.plan.pagination import (
    Counter,
    Decided,
    Facts,
    Law,
    SinglePage,
    Told,
    as_int,
    size_values,
)
from penstock.plan.python import Extract, LastPage, Send
from penstock.plan.request import Param, Value, build, values
from penstock.plan.slices import Slice, computed, leaves
from penstock.read.ask import Asker, Ignored, page_values
from penstock.read.context import StreamContext
from penstock.read.decode import Decoded, RawRecord, decode, has_rows, path_text, whole_json
from penstock.read.prefetch import Lookahead, after_page, at_start, positions
from penstock.read.repeats import Known, overlapping
from penstock.read.threads import called

_NO_CONTENT = 204
_GONE = frozenset({404, 416})
_AHEAD_BYTES = 8 * 1024 * 1024  # of pages that wait for their turn, in one slice

Spawn: TypeAlias = "Callable[[Coroutine[Any, Any, Answer]], asyncio.Task[Answer]]"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, taken apart; `nothing` where its status says that there is no content.

    `elsewhere` says that an answer without the record path has rows at another.
    """

    decoded: Decoded
    page: dict[str, JsonValue]
    url: str
    size: int
    nothing: bool = False
    elsewhere: bool = False
    response: HttpResponse | None = None


class Ahead(msgspec.Struct, kw_only=True):
    """A page that was asked for before its turn; `sent` once its request has left."""

    task: asyncio.Task[Answer] | None = None
    sent: bool = False

    def leave(self) -> None:
        """The request leaves."""
        self.sent = True


class Walked(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a slice, in order: its records, and what is behind it or why nothing is."""

    position: Position
    records: Sequence[RawRecord]
    url: str
    size: int
    following: Position | None
    stopped: Stopped | None
    left: int | None = None


class Walk:
    """The pages of one slice. `width` is how many may be under way ahead of the one waited for."""

    def __init__(  # noqa: PLR0913 (a slice, and the edges it is read through)
        self,
        context: StreamContext,
        piece: Slice,
        asker: Asker,
        spawn: Spawn,
        *,
        width: int,
        start: Position | None = None,
    ) -> None:
        self._context = context
        self._frame = context.frame(piece)
        self._asker = asker
        self._spawn = spawn
        self._ahead: dict[object, Ahead] = {}
        self._fixed = values(_slice_params(context), self._frame)
        self._width = width
        self._seen_at = ""
        self._start = start
        self._count: int | None = None
        self._tail: Sequence[RawRecord] = ()
        self._rows = 0
        self._tokens: set[object] = set()
        self._known = Known()
        self._size: int | None = None
        self._pagination: Decided | None = context.pagination
        self.stop_asked = False

    async def pages(self) -> AsyncGenerator[Walked]:
        """The pages in order.

        Raises:
            ReadError: a page could not be had, or pagination repeats itself.
        """
        self._size = self._context.size(self._frame)
        position = self._start or await self._first()
        self._tokens.add(position.token)
        look = self._first_look(position)
        try:
            while True:
                try:
                    answer = await self._answer(position)
                except Ignored as exc:
                    yield self._end(position, f"status-{exc.status}-ignored")
                    return
                except StatusError as exc:
                    if not self._is_past_end(exc, position):
                        raise
                    yield self._end(position, "refused-past-end")
                    return
                if answer.nothing:
                    yield self._end(position, "no-content")
                    return
                assert self._pagination is not None, "an answer decides what is to be detected"
                page, look = await self._page(self._pagination, position, answer, look)
                yield page
                if page.following is None or self.stop_asked:
                    return
                position = page.following
        finally:
            self._drop_ahead()

    async def _first(self) -> Position:
        """The position a slice begins at."""
        pagination = self._context.stream.pagination
        position = pagination.first(self._frame)
        if not isinstance(pagination, Told):
            return position
        token = await called(pagination.pages.first, self._door)
        return msgspec.structs.replace(position, token=token)

    @property
    def _door(self) -> Door:
        """What classes of the document's own ask through."""
        door = self._context.door
        assert door is not None, "the reader gives every stream its door"
        return door

    def _first_look(self, position: Position) -> Lookahead:
        """What may be asked for beside the first page; that much is asked for."""
        pagination = self._pagination
        if not isinstance(pagination, Counter):
            return Lookahead()
        look = at_start(pagination, self._law, self._width)
        self._ask_ahead(positions(pagination, position, self._law, asked=0, width=look.width))
        return look

    @property
    def _law(self) -> Law:
        return self._context.law(self._size)

    async def _page(
        self, pagination: Decided, position: Position, answer: Answer, look: Lookahead
    ) -> tuple[Walked, Lookahead]:
        """One page, judged: its records, what follows, and what may be asked for ahead."""
        answer = await self._present(position, answer)
        facts = await self._told(pagination, position, answer, self._facts(position, answer))
        outcome = pagination.next(position, facts)
        if isinstance(outcome, Stopped) and outcome.reason == "empty-before-total":
            answer = await self._fetch(position)
            facts = self._facts(position, answer)
            outcome = pagination.next(position, facts)
            if isinstance(outcome, Stopped) and outcome.reason == "empty-before-total":
                raise self._empty_before_total(outcome)
        outcome = await self._second_thought(pagination, position, facts, outcome)
        self._context.tally.path_found |= answer.decoded.present and facts.count > 0
        records = self._new_records(pagination, answer.decoded.records)
        if len(records) < facts.count:
            look = self._one_at_a_time()
        following = None if isinstance(outcome, Stopped) else self._followed(outcome)
        left = None
        if isinstance(pagination, Counter):
            left = pagination.remaining(position, facts)
            if following is not None:
                fits = max(1, _AHEAD_BYTES // max(answer.size, 1))
                look = msgspec.structs.replace(look, most=min(look.most, fits))
                look = self._look_ahead(look, pagination, facts, following, left)
        self._claim(pagination, position, facts)
        self._count, self._tail = facts.count, answer.decoded.records
        self._rows += facts.count
        return (
            Walked(
                position=position,
                records=records,
                url=answer.url,
                size=answer.size,
                following=following,
                stopped=outcome if isinstance(outcome, Stopped) else None,
                left=left,
            ),
            look,
        )

    def _facts(self, position: Position, answer: Answer) -> Facts:
        count = len(answer.decoded.records)
        law = self._context.learn(self._size, count, self._count, position.index)
        frame = msgspec.structs.replace(self._frame, page=answer.page)
        return Facts(count=count, frame=frame, law=law, seen=self._rows + count)

    async def _told(
        self, pagination: Decided, position: Position, answer: Answer, facts: Facts
    ) -> Facts:
        """The facts, with the next token where a class of the document's own tells it."""
        if not isinstance(pagination, Told) or answer.response is None:
            return facts
        records = answer.decoded.records
        last = LastPage(
            response=answer.response,
            count=facts.count,
            last_record=msgspec.json.decode(records[-1]) if records else None,
            token=position.token,
            frame=facts.frame,
        )
        told = await called(pagination.pages.following, self._door, last)
        return msgspec.structs.replace(facts, told=told)

    async def _present(self, position: Position, answer: Answer) -> Answer:
        """The answer, unless it lacks the records that pages before it had."""
        tally = self._context.tally
        if answer.decoded.present or self._context.stream.records.absent == "empty":
            return answer
        if tally.path_found:
            # It was read before its turn, when nothing was known yet: a second time it is an error.
            return await self._fetch(position)
        tally.path_missed += 1
        tally.rows_elsewhere |= answer.elsewhere
        return answer

    async def _second_thought(
        self,
        pagination: Decided,
        position: Position,
        facts: Facts,
        outcome: Position | Stopped,
    ) -> Position | Stopped:
        """A short page taken for the end is not, if the page behind it is here and has records."""
        if not isinstance(outcome, Stopped) or outcome.reason != "short-page":
            return outcome
        assert isinstance(pagination, Counter), "only counted pages can be short"
        if pagination.stop.short != "proven":
            return outcome
        behind = pagination.after(position, facts)
        guessed = pagination.ahead(position, 1, facts.law)
        tokens = {behind.token, guessed.token if guessed else None}
        for token in tokens & self._ahead.keys():
            task = self._ahead[token].task
            assert task is not None, "what is asked for ahead has a task"
            try:
                answer = await asyncio.shield(task)
            except (ReadError, Ignored):
                continue
            if answer.decoded.records:
                return behind
        return outcome

    def _new_records(
        self, pagination: Decided, records: Sequence[RawRecord]
    ) -> Sequence[RawRecord]:
        """The page's records without those that the page before ended with.

        Raises:
            CycleError: it is a page that came before.
        """
        if not self._known.fresh(records):
            raise CycleError(
                "this page has the same records as one before it",
                code="same-page",
                hint="the API seems to ignore how the page is asked for",
                request=f"{self._context.stream.request.method} {self._seen_at}",
            )
        if not isinstance(pagination, Counter):
            return records
        overlap = overlapping(self._tail, records)
        self._context.tally.duplicates += overlap
        return records[overlap:]

    def _followed(self, position: Position) -> Position:
        """The next position, checked: never one that was asked for before."""
        if position.link:
            url = self._asker.origins.follow(str(position.token), self._seen_at)
            position = msgspec.structs.replace(position, token=url)
            self._context.tally.detected.setdefault("next pages are followed as links", None)
        if position.token in self._tokens:
            raise CycleError(
                f"pagination came back to {position.token!r}",
                code="cycle",
                hint="the API gives a position that it gave before",
                request=f"{self._context.stream.request.method} {self._seen_at}",
            )
        self._tokens.add(position.token)
        return position

    def _look_ahead(
        self,
        look: Lookahead,
        pagination: Counter,
        facts: Facts,
        following: Position,
        left: int | None,
    ) -> Lookahead:
        """The pages behind the following one are asked for, as many as the law allows."""
        if look.most == 0:
            return look
        look, width = after_page(look, pagination, facts, left)
        if not self._ahead:
            guessed = pagination.ahead(following, 1, facts.law)
            if guessed is None or facts.count != (facts.law.page or facts.count):
                return look
        elif following.token not in self._ahead:
            return self._one_at_a_time()
        asked = len(self._ahead) - (following.token in self._ahead)
        first = [] if following.token in self._ahead or not width else [following]
        more = positions(pagination, following, facts.law, asked=asked, width=width - 1)
        self._ask_ahead([*first, *more])
        return look

    def _one_at_a_time(self) -> Lookahead:
        """Pages do not stand where the law says: those asked for ahead may hold other records."""
        self._drop_ahead()
        self._context.tally.detected.setdefault("pages shift: read one at a time", None)
        return Lookahead()

    def _ask_ahead(self, wanted: Sequence[Position]) -> None:
        for position in wanted:
            if position.token not in self._ahead:
                ahead = self._ahead[position.token] = Ahead()
                ahead.task = self._spawn(self._fetch(position, ahead.leave))

    def _drop_ahead(self) -> None:
        for ahead in self._ahead.values():
            self._context.tally.prefetch_wasted += ahead.sent
            if ahead.task is not None:
                ahead.task.cancel()
        self._ahead.clear()

    async def _answer(self, position: Position) -> Answer:
        ahead = self._ahead.pop(position.token, None) if position.index else None
        task = ahead.task if ahead else None
        answer = await (self._fetch(position) if task is None else task)
        self._seen_at = answer.url
        if position.index == 0:
            self._tokens.add(answer.url)
        return answer

    async def _fetch(self, position: Position, sent: Callable[[], None] | None = None) -> Answer:
        context = self._context
        request = context.stream.request
        pagination = self._pagination or context.stream.pagination
        if position.link:
            # A link is whole: what shapes the first request is in it already, or not wanted.
            whole = build(request, (), self._frame)
            made = msgspec.structs.replace(whole, url=str(position.token), query=())
        else:
            extra: list[Value] = [*self._fixed, *size_values(pagination, self._frame)]
            extra += pagination.values(position)
            extra += await self._own_values(position)
            if request.send is not None:
                return await self._sent(request.send, position, extra)
            made = build(request, extra, self._frame)
        if not self._calls:
            return await self._asker.ask(
                context.stream, made, self._frame, context.tally, self._read, sent=sent,
                door=context.door,
            )  # fmt: skip
        response = await self._asker.ask(
            context.stream, made, self._frame, context.tally, _itself, sent=sent, door=context.door
        )
        return await self._taken(response)

    @property
    def _calls(self) -> bool:
        """Whether a class of the document's own is handed the answers."""
        stream = self._context.stream
        return isinstance(stream.records.path, Extract) or isinstance(stream.pagination, Told)

    async def _own_values(self, position: Position) -> list[Value]:
        """What classes of the document's own send with a page."""
        stream = self._context.stream
        found: list[Value] = []
        for compute in computed(stream.partition):
            ask = compute.values
            found += await called(ask, self._door, self._frame, position.token)
        if isinstance(stream.pagination, Told) and stream.pagination.size_into is not None:
            size = await called(stream.pagination.pages.size, self._door)
            found += [(stream.pagination.size_into, size)] if size else []
        return found

    async def _sent(self, send: Send, position: Position, extra: list[Value]) -> Answer:
        """The answer to the request of a requester of the document's own."""
        response = await called(
            send.function, self._door, self._frame, position.token, extra
        )
        if not response.ok:
            raise Ignored(response.status)
        return await self._taken(response)

    async def _taken(self, response: HttpResponse) -> Answer:
        """An answer that a class of the document's own looks at."""
        path = self._context.stream.records.path
        if not isinstance(path, Extract) or response.status == _NO_CONTENT:
            return msgspec.structs.replace(self._read(response), response=response)
        taken = await called(path.function, self._door, response, self._frame)
        records = tuple(msgspec.Raw(msgspec.json.encode(record)) for record in taken.records)
        return Answer(
            decoded=Decoded(records=records, envelope=taken.answer),
            page=page_values(response, taken.answer),
            url=response.url,
            size=len(response.body),
            response=response,
        )

    def _read(self, response: HttpResponse) -> Answer:
        """An answer taken apart; a body that is not what it should be is worth asking again."""
        context = self._context
        body: JsonValue = None
        if response.status == _NO_CONTENT:
            empty = Decoded(records=(), envelope={})
            return Answer(decoded=empty, page={}, url=response.url, size=0, nothing=True)
        if self._pagination is None or not context.knows_answers:
            body = whole_json(response.body)
        if self._pagination is None:
            self._pagination = context.detect(response, body)
        want = context.wanted(self._pagination, body)
        decoded = decode(response.body, context.stream.decoder, want)
        elsewhere = False if decoded.present else self._elsewhere(response.body)
        return Answer(
            decoded=decoded,
            page=page_values(response, decoded.envelope),
            url=response.url,
            size=len(response.body),
            elsewhere=elsewhere,
        )

    def _elsewhere(self, body: bytes) -> bool:
        """Whether an answer without the record path has rows elsewhere; it may be an error."""
        records, tally = self._context.stream.records, self._context.tally
        if records.absent == "empty":
            return False
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
        return has_rows(whole_json(body))

    def _is_past_end(self, exc: StatusError, position: Position) -> bool:
        """Whether an API refuses the page behind its last one, after one that was not full."""
        full = self._law.page is not None and self._count == self._law.page
        counted = isinstance(self._pagination, Counter)
        return counted and position.index > 0 and exc.status in _GONE and not full

    def _end(self, position: Position, reason: str) -> Walked:
        return Walked(
            position=position,
            records=(),
            url=self._seen_at,
            size=0,
            following=None,
            stopped=Stopped(reason=reason),
        )

    def _empty_before_total(self, outcome: Stopped) -> BodyError:
        return BodyError(
            f"a page came back empty before the total of {outcome.detail} was reached",
            code="empty-before-total",
            request=f"{self._context.stream.request.method} {self._seen_at}",
        )

    def _claim(self, pagination: Decided, position: Position, facts: Facts) -> None:
        """Keep the total that the first page claims, to compare it with what came."""
        if position.index or isinstance(pagination, SinglePage):
            return
        stop = pagination.stop
        if stop.total is None or stop.total_unit != "records":
            return
        total = evaluate(stop.total, facts.frame)
        if total is not None:
            tally = self._context.tally
            tally.claimed = (tally.claimed or 0) + as_int(total, "the total")


def _itself(response: HttpResponse) -> HttpResponse:
    return response


def _slice_params(context: StreamContext) -> list[Param]:
    """The params that the slice's partition and window send with every page."""
    stream = context.stream
    found: list[Param] = list(stream.cursor.params) if stream.cursor else []
    for leaf in leaves(stream.partition):
        found.extend(leaf.params)
    return found
