"""The page loop, once: build, send, judge, select, next."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

import msgspec

from penstock.errors import BodyError, CycleError, ReadError, StatusError
from penstock.plan import jsontext
from penstock.plan.door import Door
from penstock.plan.expr import Frame, JsonValue, evaluate
from penstock.plan.law import Law
from penstock.plan.page import Position, Stopped
from penstock.plan.pagination import (
    Counter,
    Decided,
    Facts,
    Led,
    NextToken,
    SinglePage,
    Told,
    as_int,
)
from penstock.plan.python import LastPage
from penstock.plan.slices import Slice
from penstock.read.ask import Asker, Ignored
from penstock.read.context import StreamContext
from penstock.read.contiguous import narrowed
from penstock.read.decode import RawRecord, misplaced
from penstock.read.earlier import earlier
from penstock.read.fetch import Answer, Fetcher
from penstock.read.last import looks_back, with_last
from penstock.read.prefetch import Lookahead, after_page, at_start, positions
from penstock.read.recover import Recovering, Restarting, Shrinking
from penstock.read.repeats import Known, overlapping, overlapping_keys
from penstock.read.threads import called
from penstock.read.walked import Admit, Admitted, Ahead, Spawn, Walked

_SURE = 3  # records that prove a page to be the one before
_GONE = frozenset({404, 416})
AHEAD_BYTES = 8 * 1024 * 1024  # of pages that wait for their turn, in one slice


class Walk:
    """The pages of one slice. `width` is how many may be under way ahead of the one waited for.

    `admit` hands records out, `newest` is the cursor's newest value among them. `ahead_bytes` is
    how much the pages may hold that wait for their turn.
    """

    def __init__(  # noqa: PLR0913 (a slice, and the edges it is read through)
        self,
        context: StreamContext,
        piece: Slice,
        asker: Asker,
        spawn: Spawn,
        *,
        width: int,
        start: Position | None = None,
        admit: Admit | None = None,
        newest: Callable[[], str | None] = lambda: None,
        page: Mapping[str, JsonValue] | None = None,
        ahead_bytes: Callable[[], int] = lambda: AHEAD_BYTES,
    ) -> None:
        self._context = context
        self._fetcher = Fetcher(context, piece, asker, page or {})
        self._asker = asker
        self._admit = admit
        self._newest = newest
        self._spawn = spawn
        self._ahead: dict[object, Ahead] = {}
        self._width = width
        self._ahead_bytes = ahead_bytes
        self._seen_at = ""
        self._start = start
        self._count: int | None = None
        self._left: int | None = None
        self._asked_again = False
        self._tail: Sequence[RawRecord] = ()
        self._rows = 0
        self._tokens: set[object] = set()
        self._known = Known()
        self._size: int | None = None
        self._looks_back = admit is not None and looks_back(context)
        recovery = context.stream.recovery
        self._shrinking: Shrinking | None = None
        self._restarting: Restarting | None = None
        if recovery is not None and recovery.restart is not None:
            self._restarting = Restarting(restart=recovery.restart)
        self._error: ReadError | None = None
        self.stop_asked = False

    @property
    def _frame(self) -> Frame:
        return self._fetcher.frame

    @property
    def _pagination(self) -> Decided | None:
        return self._fetcher.pagination

    async def pages(self) -> AsyncGenerator[Walked]:
        """The pages in order.

        Raises:
            ReadError: a page could not be had, or pagination repeats itself.
        """
        self._size = self._context.size(self._frame)
        recovery = self._context.stream.recovery
        if recovery is not None and recovery.shrink is not None:
            self._shrinking = Shrinking(recovery.shrink, self._size)
        position = self._start or await self._first()
        self._tokens.add(position.token)
        look = self._first_look(position)
        try:
            while True:
                try:
                    answer = await self._answer(position)
                    position, answer = await self._begun(position, answer)
                except Ignored as exc:
                    yield self._end(position, f"status-{exc.status}-ignored")
                    return
                except StatusError as exc:
                    if not self._is_past_end(exc, position):
                        raise
                    self._context.learn(self._size, 0, self._count, position.index)
                    yield self._end(position, "refused-past-end")
                    return
                except Recovering as exc:
                    position = await self._recovered(exc, position)
                    continue
                except BodyError as exc:
                    exc.message = f"page {position.index + 1}: {exc.message}"
                    raise
                if answer.nothing:
                    self._check_nothing(position)
                    yield self._end(position, "no-content")
                    return
                assert self._pagination is not None, "an answer decides what is to be detected"
                try:
                    page, look = await self._page(self._pagination, position, answer, look)
                except ReadError as exc:
                    method = self._context.stream.request.method
                    exc.request = exc.request or f"{method} {self._seen_at}"
                    raise
                if self._restarting is not None and self._restarting.due:
                    again = await self._restart(self._restarting)
                    page = msgspec.structs.replace(page, following=again, stopped=None)
                yield page
                if self._error is not None:
                    raise self._error
                if page.following is None or self.stop_asked:
                    return
                position = page.following
        finally:
            self._drop_ahead()

    async def _recovered(self, exc: Recovering, position: Position) -> Position:
        """The position that is asked for next, where a page is to be had in another way.

        Raises:
            Recovering: the slice is to be cut.
            ReadError: there is no other way left.
        """
        if exc.action == "reduce" and self._shrinking is not None:
            seconds = self._shrinking.reduce(exc.error)
            self._resize(self._shrinking.size)
            await self._asker.rest(self._context.name, seconds, "smaller pages")
            return position
        if exc.action == "reset" and self._restarting is not None:
            return await self._restart(self._restarting)
        raise exc

    def _resize(self, size: int | None) -> None:
        self._fetcher.size = size
        self._size = size or self._context.size(self._frame)

    async def _restart(self, restarting: Restarting) -> Position:
        """The first position, of the rest of the slice where that can be told."""
        newest = self._newest() if restarting.restart.split else None
        held = self._fetcher.piece
        piece = held if newest is None or held.range is None else narrowed(held, newest)
        restarting.begin(moved=piece != held)
        self._fetcher.aim(piece)
        self._tokens.clear()
        self._known = Known()
        self._drop_ahead()
        return await self._first()

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
        most = min(self._width, self._context.enough.behind(self._fetcher.piece, 0))
        look = at_start(pagination, self._law, most, leaves=self._leaves)
        self._ask_ahead(positions(pagination, position, self._law, asked=0, width=look.width))
        return look

    @property
    def _leaves(self) -> bool:
        """Whether reading may stop before the last page: where records leave the cursor's range."""
        cursor, bounds = self._context.stream.cursor, self._fetcher.piece.range
        if cursor is None or cursor.order is None or bounds is None:
            return False
        falls = cursor.order == ("desc" if cursor.pick == "max" else "asc")
        return (bounds.start if falls else bounds.end) is not None

    @property
    def _law(self) -> Law:
        return self._context.law(self._size)

    async def _page(
        self, pagination: Decided, position: Position, answer: Answer, look: Lookahead
    ) -> tuple[Walked, Lookahead]:
        """One page, judged: its records, what follows, and what may be asked for ahead."""
        answer = await self._present(position, answer)
        facts = self._facts(pagination, position, answer)
        facts = await self._told(pagination, position, answer, facts)
        admitted: Admitted | None = None
        if self._looks_back and self._admit is not None:
            admitted = await self._admit(answer.decoded.records, answer.page.get("token"))
            facts = with_last(facts, admitted)
        facts, answer = await self._thinned(pagination, position, facts, answer)
        try:
            outcome = pagination.next(position, facts)
        except ReadError as exc:
            if not self._context.itemwise:
                raise
            # The records of a page are there, whether or not the next page can be told.
            outcome, self._error = Stopped(reason="failed"), exc
        if isinstance(outcome, Stopped) and outcome.reason == "empty-before-total":
            answer = await self._fetch(position)
            facts = self._facts(pagination, position, answer)
            outcome = pagination.next(position, facts)
            if isinstance(outcome, Stopped) and outcome.reason == "empty-before-total":
                raise self._empty_before_total(outcome)
        outcome = await self._second_thought(pagination, position, facts, outcome)
        self._context.tally.path_found |= answer.decoded.present and facts.count > 0
        records = self._new_records(pagination, answer.decoded.records)
        if len(records) < facts.count:
            look = self._one_at_a_time()
        following = None if isinstance(outcome, Stopped) else self._followed(outcome)
        counter = pagination if isinstance(pagination, Counter) else None
        left = self._left = counter.remaining(position, facts) if counter else None
        if counter and following is not None:
            look = self._look_ahead(look, counter, facts, following, (left, answer.size))
        self._claim(pagination, position, facts, answer)
        self._past(facts, answer, admitted)
        return (
            Walked(
                position=position,
                records=records,
                url=answer.url,
                size=answer.size,
                following=following,
                stopped=outcome if isinstance(outcome, Stopped) else None,
                left=left,
                admitted=admitted,
                token=answer.page.get("token"),
            ),
            look,
        )

    def _past(self, facts: Facts, answer: Answer, admitted: Admitted | None) -> None:
        """Remember of a page what the pages behind it depend on."""
        if self._shrinking is not None:
            self._shrinking.succeeded()
            self._resize(self._shrinking.size)
        if self._restarting is not None and admitted is not None:
            self._restarting.count += admitted.count
        self._count, self._tail = facts.count, answer.decoded.records
        self._rows += facts.count

    def _facts(self, pagination: Decided, position: Position, answer: Answer) -> Facts:
        count = len(answer.decoded.records)
        if answer.decoded.single and isinstance(pagination, Counter) and pagination.wholes:
            count *= self._size or 1
        law = self._context.learn(self._size, count, self._count, position.index)
        frame = msgspec.structs.replace(self._frame, page=answer.page)
        return Facts(count=count, frame=frame, law=law, seen=self._rows + count)

    async def _told(
        self, pagination: Decided, position: Position, answer: Answer, facts: Facts
    ) -> Facts:
        """The facts, with the next token where a class of the document's own tells it."""
        if isinstance(pagination, Led):
            told = await self._fetcher.lead(pagination, answer)
            return msgspec.structs.replace(facts, told=told)
        if not isinstance(pagination, Told) or answer.response is None:
            return facts
        records = answer.decoded.records
        last = LastPage(
            response=answer.response,
            count=facts.count,
            last_record=jsontext.decode(records[-1]) if records else None,
            token=position.token,
            frame=facts.frame,
        )
        told = await called(pagination.pages.following, self._door, last)
        return msgspec.structs.replace(facts, told=told)

    async def _present(self, position: Position, answer: Answer) -> Answer:
        """The answer, unless it lacks the records that pages before it had."""
        tally = self._context.tally
        if answer.decoded.present:
            return answer
        if self._context.stream.records.absent == "empty":
            return await self._empty(position, answer)
        if tally.path_found:
            # It was read before its turn, when nothing was known yet: a second time it is an error.
            return await self._fetch(position)
        tally.path_missed += 1
        tally.rows_elsewhere |= dict.fromkeys(answer.elsewhere)
        return answer

    async def _empty(self, position: Position, answer: Answer) -> Answer:
        """An answer without records, where the document takes that for an empty page.

        It may be an error that calls itself a success: after pages with records it is asked for
        once more, and said if it stays.
        """
        tally = self._context.tally
        if tally.path_found and position.index:
            answer = await self._fetch(position)
            if not answer.decoded.present:
                text = "an answer behind others with records has no place for them"
                tally.note("record-path-gone", text)
            return answer
        tally.path_missed += 1
        return answer

    async def _thinned(
        self, pagination: Decided, position: Position, facts: Facts, answer: Answer
    ) -> tuple[Facts, Answer]:
        """The page and its facts; an empty one that leads on is asked for again, once a slice."""
        leads = facts.count == 0 and bool(self._count) and not isinstance(pagination, Counter)
        if not leads or isinstance(pagination.next(position, facts), Stopped):
            return facts, answer
        if not self._asked_again:
            self._asked_again = True
            answer = await self._fetch(position)
            facts = self._facts(pagination, position, answer)
        if not facts.count:
            self._context.tally.note("empty-page", "a page came empty and leads to a next one")
        return facts, answer

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
        before = self._known.text
        slides = (
            pagination.slides(len(records), self._law) if isinstance(pagination, Counter) else 0
        )
        if not self._known.fresh(records, slides):
            raise self._same_page()
        overlap = self._overlap(pagination, records, before)
        self._context.tally.duplicates += overlap
        return records[overlap:]

    def _overlap(self, pagination: Decided, records: Sequence[RawRecord], before: bytes) -> int:
        """How many records the page before, whose text is given, had already: the pages moved.

        Raises:
            CycleError: it had all of them, though a field may change with each answer.
        """
        keys, context = self._context.keys, self._context
        merged = context.stream.hints.write == "merge"
        counted = isinstance(pagination, Counter) and not context.itemwise
        keyed = context.itemwise and keys is not None and not merged and not self._looks_back
        same = overlapping(self._tail, records) if counted or keyed else 0
        if same or keys is None:
            return same
        found = overlapping_keys(self._tail, records, keys, before)
        if _SURE <= found == len(records) == len(self._tail):
            if self._known.again(self._tail, records):
                raise self._same_page()
            return 0
        # A merge takes the newer of two rows by itself; an item is what the answer says it is.
        return 0 if context.itemwise or merged else found

    def _same_page(self) -> CycleError:
        return CycleError(
            "this page has the same records as one before it",
            code="same-page",
            hint="the API seems to ignore how the page is asked for",
            request=f"{self._context.stream.request.method} {self._seen_at}",
        )

    def _followed(self, position: Position) -> Position:
        """The next position, checked: never one that was asked for before, if it is no scroll."""
        if position.link:
            url = self._asker.origins.follow(str(position.token), self._seen_at)
            position = msgspec.structs.replace(position, token=url)
            self._context.tally.detected.setdefault("next pages are followed as links", None)
        if position.token in self._tokens and not self._scrolls():
            raise CycleError(
                f"pagination came back to {position.token!r}",
                code="cycle",
                hint="the API gives a position that it gave before",
                request=f"{self._context.stream.request.method} {self._seen_at}",
            )
        self._tokens.add(position.token)
        return position

    def _scrolls(self) -> bool:
        return isinstance(self._pagination, NextToken) and self._pagination.scrolls

    def _look_ahead(
        self,
        look: Lookahead,
        pagination: Counter,
        facts: Facts,
        following: Position,
        weight: tuple[int | None, int],
    ) -> Lookahead:
        """The pages behind the following one are asked for, as many as the law allows.

        `weight` is how many pages are left, where that is known, and the bytes of one: no more are
        asked for than may wait in memory.
        """
        if look.most == 0:
            return look
        look, width = after_page(look, pagination, facts, weight[0], leaves=self._leaves)
        width = min(width, max(1, self._ahead_bytes() // max(weight[1], 1)),
                    self._context.enough.behind(self._fetcher.piece, facts.count))  # fmt: skip
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
        try:
            answer = await (self._fetch(position) if task is None else task)
        except StatusError as exc:
            if not self._is_past_end(exc, position):
                raise
            answer = await self._fetch(position)  # one refusal may be chance, where pages are short
        self._seen_at = answer.url
        if position.index == 0:
            self._tokens.add(answer.url)
        return answer

    async def _begun(self, position: Position, answer: Answer) -> tuple[Position, Answer]:
        """The page to begin with: one before the first that was asked for, if there is any."""
        pagination = self._pagination
        if not isinstance(pagination, Counter) or pagination.doubt is None:
            return position, answer
        frame = msgspec.structs.replace(self._frame, page=answer.page)
        before = pagination.before(position, frame)
        found = before and await earlier(self._context, before, answer, self._fetch)
        if not before or not found:
            return position, answer
        self._tokens.discard(position.token)
        held = self._ahead[position.token] = Ahead(sent=True)
        held.task = self._spawn(asyncio.sleep(0, answer))
        return before, found

    async def _fetch(self, position: Position, sent: Callable[[], None] | None = None) -> Answer:
        return await self._fetcher.fetch(position, sent)

    def _is_past_end(self, exc: StatusError, position: Position) -> bool:
        """Whether an API refuses the page behind its last one, after one that was not full."""
        full = self._law.page is not None and self._count == self._law.page
        counted = isinstance(self._pagination, Counter) and not self._context.itemwise
        return counted and position.index > 0 and exc.status in _GONE and not (full or self._left)

    def _end(self, position: Position, reason: str) -> Walked:
        return Walked(
            position=position,
            records=(),
            url=self._seen_at,
            size=0,
            following=None,
            stopped=Stopped(reason=reason),
        )

    def _check_nothing(self, position: Position) -> None:
        """An answer that there is nothing is the end, unless the API told otherwise.

        Raises:
            BodyError: pages are left.
        """
        if position.index == 0:
            return
        if self._left:
            raise BodyError(
                "an answer says that there is nothing, and pages are left",
                code="empty-before-total",
                request=f"{self._context.stream.request.method} {self._seen_at}",
            )
        if not isinstance(self._pagination, Counter):
            text = "a page that another one leads to says that there is nothing"
            self._context.tally.note("empty-page", text)

    def _empty_before_total(self, outcome: Stopped) -> BodyError:
        tally, stream = self._context.tally, self._context.stream
        request = f"{stream.request.method} {self._seen_at}"
        if tally.rows_elsewhere and not tally.path_found:
            text = misplaced(stream.records.path, tally.rows_elsewhere)
            hint = "correct the record path in the document"
            return BodyError(text, code="record-path", hint=hint, request=request)
        text = f"a page came back empty before the total of {outcome.detail} was reached"
        return BodyError(text, code="empty-before-total", request=request)

    def _claim(self, pagination: Decided, position: Position, facts: Facts, answer: Answer) -> None:
        """Keep the total that the first page claims, to compare it with what came."""
        if position.index or isinstance(pagination, SinglePage):
            return
        if facts.count != len(answer.decoded.records):  # the total counts other things
            return
        stop = pagination.stop
        if stop.total is None or stop.total_unit != "records":
            return
        total = evaluate(stop.total, facts.frame)
        if total is not None:
            tally = self._context.tally
            tally.claimed = (tally.claimed or 0) + as_int(total, "the total")
