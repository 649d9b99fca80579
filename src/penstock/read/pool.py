"""Pools of tokens in a run: which token signs the next request, and when all of them must rest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from penstock.errors import ReadError
from penstock.plan import jsontext
from penstock.plan.datetimes import moment_of
from penstock.plan.expr import Frame
from penstock.plan.page import Headers, HttpRequest, HttpResponse
from penstock.plan.pool import Left, Quota, TokenPool
from penstock.plan.request import build
from penstock.read.clock import Clock

LONGEST_DELAY = 10.0  # seconds between two calls of what is held back
SHORTEST_REST = 5.0  # seconds, where the API says that a quota is back already
SIGN_OF_LIFE = 60.0  # seconds: a longer rest is told more than once
_NOTED = 0.1  # seconds: a shorter delay is none
_SKEW = 60.0  # seconds by which headers and the status may disagree about one window

# The status of the quotas, asked for with one token.
Ask = Callable[[str], Awaitable[HttpResponse]]


class RestTooLongError(ReadError):
    """Every token is spent for longer than the document waits."""

    code = "tokens-spent"


class Turns:
    """The tokens of one pool, and what is left for each."""

    def __init__(self, pool: TokenPool, tokens: tuple[str, ...], clock: Clock) -> None:
        self.pool = pool
        self._tokens = tokens
        self._clock = clock
        self._left: dict[str, dict[str, Left]] = {}
        self._active = 0
        self._asking = asyncio.Lock()

    async def sign(
        self, request: HttpRequest, ask: Ask, rest: Callable[[float], Awaitable[None]]
    ) -> HttpRequest:
        """The request with a token that has quota left; waits with `rest` until there is one.

        Raises:
            RestTooLongError: there will be none for longer than the document waits.
            ReadError: the API does not tell what is left.
        """
        async with self._asking:
            if not self._left:
                await self._look(ask)
        quota = self.pool.quota(request)
        ends: float | None = None
        while (token := self._take(quota)) is None:
            now = self._clock.monotonic()
            ends = now + self.pool.patience if ends is None else ends
            left = self._until_reset(quota, ends - now)
            while left > 0:
                await rest(min(left, SIGN_OF_LIFE))
                left -= SIGN_OF_LIFE
            async with self._asking:
                if self._spent(quota):
                    await self._look(ask)
        delay = self._delay(quota, token)
        if delay >= _NOTED:
            await self._clock.sleep(delay)
        return self.pool.signed(request, token)

    def asking(self, token: str, frame: Frame) -> HttpRequest:
        """The request for what is left for a token."""
        return self.pool.signed(build(self.pool.status, (), frame), token)

    async def _look(self, ask: Ask) -> None:
        """Ask for each token what is left."""
        found: dict[str, dict[str, Left]] = {}
        for token in self._tokens:
            response = await ask(token)
            if response.status in self.pool.untracked:
                found[token] = {q.name: Left(tracked=False) for q in self.pool.quotas}
                continue
            found[token] = self.pool.read(jsontext.decode_or(response.body, None))
        self._left = found

    def _take(self, quota: Quota) -> str | None:
        """A token, with one call of the quota taken from it; None where all are spent."""
        for _ in self._tokens:
            token = self._tokens[self._active]
            left = self._left[token][quota.name]
            if not left.tracked:
                self._next()
                return token
            if left.remaining > 0:
                left.remaining -= 1
                return token
            self._next()
        return None

    def _next(self) -> None:
        self._active = (self._active + 1) % len(self._tokens)

    def _all(self, quota: Quota) -> list[Left]:
        return [held[quota.name] for held in self._left.values()]

    def _spent(self, quota: Quota) -> bool:
        return all(left.tracked and left.remaining <= 0 for left in self._all(quota))

    def _until_reset(self, quota: Quota, patience: float) -> float:
        soonest = min(left.resets_at for left in self._all(quota)) - self._clock.now()
        if patience <= 0 or soonest >= patience:
            raise RestTooLongError(
                f"every token is spent ({quota.name}), for {max(soonest, 0):.0f} s more",
                hint="give more tokens, or run again later",
                wait=max(soonest, 0.0),
            )
        return min(max(soonest, SHORTEST_REST), patience)

    def _delay(self, quota: Quota, token: str) -> float:
        """Seconds between calls while only what is held back is left."""
        lefts = self._all(quota)
        plenty = any(
            not left.tracked or left.remaining > self.pool.held_back(left) for left in lefts
        )
        total = sum(max(left.remaining, 0) for left in lefts)
        soon = self._left[token][quota.name].resets_at - self._clock.now()
        if plenty or total <= 0 or soon <= 0:
            return 0.0
        return min(soon / total, LONGEST_DELAY)

    def learn(self, request: HttpRequest, response: HttpResponse) -> None:
        """What an answer says of the quota of the token that signed its request."""
        quota, token = self.pool.quota(request), self._signer(request)
        if not quota.told_by_answers or token is None:
            return
        headers = response.headers
        remaining, limit = (
            _number(headers, name) for name in (quota.remaining_header, quota.limit_header)
        )
        spent = response.status in quota.spent
        if remaining is None and spent:
            remaining = 0
        resets_at = _time(headers, quota.reset_header)
        left = self._left[token][quota.name]
        if left.tracked:
            _settle(left, remaining, limit, resets_at, spent=spent)

    def others(self, request: HttpRequest) -> bool:
        """Whether the token of a request is spent, and another one is not."""
        quota, sender = self.pool.quota(request), self._signer(request)
        if sender is None:
            return False
        left = self._left[sender][quota.name]
        spent = left.tracked and left.remaining <= 0
        return spent and any(
            self._left[token][quota.name].remaining > 0 for token in self._tokens if token != sender
        )

    def _signer(self, request: HttpRequest) -> str | None:
        """The token a request was signed with."""
        wanted = self.pool.header.lower()
        held = next((v for n, v in request.headers if n.lower() == wanted), "")
        token = held.removeprefix(self.pool.scheme).strip()
        return token if token in self._left else None


def _settle(
    left: Left, remaining: int | None, limit: int | None, resets_at: float | None, *, spent: bool
) -> None:
    """Correct what is left by what an answer says; late answers of an older window change little.

    Answers overtake each other: within one window the count only ever falls.
    """
    if limit is not None and limit > 0 and (resets_at is None or resets_at >= left.resets_at):
        left.limit = limit
    if resets_at is not None and resets_at > left.resets_at:
        left.resets_at = resets_at
        left.remaining = left.limit if remaining is None else remaining
    elif remaining is not None:
        current = resets_at is None or resets_at >= left.resets_at - _SKEW
        if current or (spent and remaining <= 0):
            left.remaining = min(left.remaining, remaining)


def _number(headers: Headers, name: str | None) -> int | None:
    text = headers.get(name) if name else None
    return int(text) if text is not None and text.strip().isdecimal() else None


def _time(headers: Headers, name: str | None) -> float | None:
    text = headers.get(name) if name else None
    moment = moment_of(text) if text else None
    return None if moment is None else moment.timestamp()


class Pools:
    """The pools of a run; streams that say the same share one."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turns: list[tuple[TokenPool, tuple[str, ...], Turns]] = []

    def of(self, pool: TokenPool, tokens: tuple[str, ...]) -> Turns:
        """The turns of a pool."""
        for held, texts, turns in self._turns:
            if held == pool and texts == tokens:
                return turns
        made = Turns(pool, tokens, self._clock)
        self._turns.append((pool, tokens, made))
        return made
