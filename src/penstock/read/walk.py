"""The page loop, once: build, send, judge, select, next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, TypeAlias

import msgspec

from penstock.errors import BodyError, CycleError, StatusError
from penstock.plan.expr import JsonValue, evaluate
from penstock.plan.page import HttpResponse, Position, Stopped
from penstock.plan.pagination import Counter, Decided, Facts, SinglePage, as_int, size_values
from penstock.plan.request import Param, Value, build, values
from penstock.plan.slices import Slice, leaves
from penstock.read.ask import Asker, Ignored, page_values
from penstock.read.context import StreamContext
from penstock.read.decode import Decoded, RawRecord, decode, has_rows, path_text, whole_json
from penstock.read.prefetch import Lookahead, after_page, at_start

_NO_CONTENT = 204
_GONE = frozenset({404, 416})
_AHEAD_BYTES = 16 * 1024 * 1024  # of pages that wait for their turn, in one slice

Spawn: TypeAlias = "Callable[[Coroutine[Any, Any, Answer]], asyncio.Task[Answer]]"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, taken apart."""

    decoded: Decoded
    page: dict[str, JsonValue]
    url: str
    size: int


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
        self._ahead: dict[object, asyncio.Task[Answer]] = {}
        self._fixed = values(_slice_params(context), self._frame)
        self._width = width
        self._seen_at = ""
        self._start = start
        self._count: int | None = None
        self._tail: Sequence[RawRecord] = ()
        self._tokens: set[object] = set()
        self._law = context.law
        self.stop_asked = False

    async def pages(self) -> AsyncIterator[Walked]:
        """The pages in order.

        Raises:
            ReadError: a page could not be had, or pagination repeats itself.
        """
        context = self._context
        context.set_size(self._frame)
        self._law = context.law
        position = self._start or context.stream.pagination.first(self._frame)
        look = Lookahead(width=0, most=0)
        known = context.pagination()
        if known is not None:
            look = at_start(known, self._law, self._width)
            if isinstance(known, Counter) and look.width:
                self._ask_ahead([p for p in [known.ahead(position, 1, self._law)] if p])
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
                pagination = context.pagination()
                assert pagination is not None, "an answer decides what is to be detected"
                page, look = await self._page(pagination, position, answer, look)
                yield page
                if page.following is None or self.stop_asked:
                    return
                position = page.following
        finally:
            self._drop_ahead()

    async def _page(
        self, pagination: Decided, position: Position, answer: Answer, look: Lookahead
    ) -> tuple[Walked, Lookahead]:
        """One page, judged: its records, what follows, and what may be asked for ahead."""
        facts = self._facts(position, answer)
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
        following = None if isinstance(outcome, Stopped) else self._followed(outcome)
        left = None
        if isinstance(pagination, Counter):
            left = pagination.remaining(position, facts)
            if following is not None:
                look = self._look_ahead(look, pagination, position, facts, following, answer.size)
        self._claim(pagination, position, facts)
        self._count, self._tail = facts.count, answer.decoded.records
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
        self._law = self._law.learn(count, self._count, position.index)
        self._context.law = self._context.law.learn(count, self._count, position.index)
        frame = msgspec.structs.replace(self._frame, page=answer.page)
        return Facts(count=count, frame=frame, law=self._law)

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
        behind = pagination.after(position, facts)
        task = self._ahead.get(behind.token)
        if task is None:
            return outcome
        try:
            answer = await asyncio.shield(task)
        except (StatusError, BodyError):
            return outcome
        return behind if answer.decoded.records else outcome

    def _new_records(
        self, pagination: Decided, records: Sequence[RawRecord]
    ) -> Sequence[RawRecord]:
        """The page's records without those that the page before ended with.

        Raises:
            CycleError: it is the same page again.
        """
        if not records or not self._tail:
            return records
        if len(records) == len(self._tail) and list(records) == list(self._tail):
            raise CycleError(
                "this page has the same records as the page before",
                code="same-page",
                hint="the API seems to ignore how the page is asked for",
                request=f"{self._context.stream.request.method} {self._seen_at}",
            )
        if not isinstance(pagination, Counter) or pagination.unit != "offset":
            return records
        overlap = _overlap(self._tail, records)
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

    def _look_ahead(  # noqa: PLR0913, PLR0917 (all that the law looks at)
        self,
        look: Lookahead,
        pagination: Counter,
        position: Position,
        facts: Facts,
        following: Position,
        size: int,
    ) -> Lookahead:
        if look.most == 0:
            return look
        fits = max(1, _AHEAD_BYTES // max(size, 1))
        look = msgspec.structs.replace(look, most=min(look.most, fits))
        look, wanted = after_page(look, pagination, position, facts)
        if self._ahead and following.token not in self._ahead:
            self._drop_ahead()
            self._context.tally.detected.setdefault("pages shift: read one at a time", None)
            return look.stopped()
        if wanted and wanted[0].token != following.token:
            return look
        self._ask_ahead(wanted)
        return look

    def _ask_ahead(self, wanted: Sequence[Position]) -> None:
        for position in wanted:
            if position.token not in self._ahead:
                self._ahead[position.token] = self._spawn(self._fetch(position))

    def _drop_ahead(self) -> None:
        for task in self._ahead.values():
            self._context.tally.prefetch_wasted += 1
            task.cancel()
        self._ahead.clear()

    async def _answer(self, position: Position) -> Answer:
        task = self._ahead.pop(position.token, None) if position.index else None
        answer = await (task if task is not None else self._fetch(position))
        self._seen_at = answer.url
        return answer

    async def _fetch(self, position: Position) -> Answer:
        context = self._context
        request = context.stream.request
        pagination = context.pagination() or context.stream.pagination
        if position.link:
            # A link is whole: what shapes the first request is in it already, or not wanted.
            whole = build(request, (), self._frame)
            made = msgspec.structs.replace(whole, url=str(position.token), query=())
        else:
            extra: list[Value] = [*self._fixed, *size_values(pagination, self._frame)]
            extra += pagination.values(position)
            made = build(request, extra, self._frame)
        return await self._asker.ask(context.stream, made, self._frame, context.tally, self._read)

    def _read(self, response: HttpResponse) -> Answer:
        """An answer taken apart; a body that is not what it should be is worth asking again."""
        context = self._context
        body: JsonValue = None
        if response.status == _NO_CONTENT:
            empty = Decoded(records=(), envelope={})
            context.pagination(response, {})
            return Answer(decoded=empty, page=page_values(response, {}), url=response.url, size=0)
        if not context.knows_answers:
            body = whole_json(response.body)
            context.pagination(response, body)
        want = context.wanted(body)
        decoded = decode(response.body, context.stream.decoder, want)
        if not decoded.present:
            self._absent(response.body)
        return Answer(
            decoded=decoded,
            page=page_values(response, decoded.envelope),
            url=response.url,
            size=len(response.body),
        )

    def _absent(self, body: bytes) -> None:
        """The record path is not in an answer: an error, or a page without records."""
        records, tally = self._context.stream.records, self._context.tally
        if records.absent == "empty":
            return
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
        tally.path_missed += 1
        tally.rows_elsewhere |= has_rows(whole_json(body))

    def _is_past_end(self, exc: StatusError, position: Position) -> bool:
        """Whether an API refuses the page behind its last one, after one that was not full."""
        full = self._law.page is not None and self._count == self._law.page
        counted = isinstance(self._context.pagination(), Counter)
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


def _overlap(tail: Sequence[RawRecord], head: Sequence[RawRecord]) -> int:
    """How many records `head` begins with are those that `tail` ends with."""
    for size in range(min(len(tail), len(head)), 0, -1):
        if head[0] == tail[-size] and list(head[:size]) == list(tail[-size:]):
            return size
    return 0


def _slice_params(context: StreamContext) -> list[Param]:
    """The params that the slice's partition and window send with every page."""
    stream = context.stream
    found: list[Param] = list(stream.cursor.params) if stream.cursor else []
    for leaf in leaves(stream.partition):
        found.extend(leaf.params)
    return found
