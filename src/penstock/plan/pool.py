"""Pools of tokens: several that are as good as each other, each with quotas of its own."""

from __future__ import annotations

import msgspec

from penstock.errors import AuthError, ReadError
from penstock.plan.budget import Matcher
from penstock.plan.datetimes import moment_of
from penstock.plan.expr import Expr, Frame, JsonValue, as_text, evaluate_text
from penstock.plan.page import HttpRequest
from penstock.plan.paths import Path, at
from penstock.plan.request import Request


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What an API allows each token of one kind of requests.

    It counts the requests that a matcher fits; one without matchers counts those that no other
    does. `remaining`, `reset` and `limit` are where the status says what is left, until when, and
    of how much; answers may say so in headers. A status among `spent` says that nothing is left.
    """

    name: str
    remaining: Path
    reset: Path
    limit: Path | None = None
    matchers: tuple[Matcher, ...] = ()
    remaining_header: str | None = None
    reset_header: str | None = None
    limit_header: str | None = None
    spent: tuple[int, ...] = ()

    @property
    def told_by_answers(self) -> bool:
        """Whether answers say anything of it."""
        return bool(self.remaining_header or self.reset_header or self.limit_header or self.spent)


class Left(msgspec.Struct, kw_only=True):
    """What is left of a quota for one token; where it is not `tracked`, nobody knows."""

    remaining: int = 0
    resets_at: float = 0.0
    limit: int = 0
    tracked: bool = True


class TokenPool(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Tokens that take turns: whoever has quota left signs.

    `status` is asked once for each token for what is left; one of the statuses `untracked` says
    that the API counts nothing. When all tokens are spent, requests wait for the first quota to
    come back, `patience` seconds at most. Below the larger of `reserve` calls and `share` of the
    limit what is left is spread over the time until then. With a `delimiter` the text of the only
    token holds all of them.
    """

    tokens: tuple[Expr, ...]
    delimiter: str | None = None
    scheme: str = "Bearer"
    header: str = "Authorization"
    status: Request
    untracked: tuple[int, ...] = ()
    quotas: tuple[Quota, ...]
    patience: float = 7_200.0
    share: float = 0.1
    reserve: int = 50

    def texts(self, frame: Frame) -> tuple[str, ...]:
        """The tokens.

        Raises:
            AuthError: there are none.
        """
        found = [evaluate_text(token, frame) for token in self.tokens]
        if self.delimiter is not None:
            found = [part for text in found for part in text.split(self.delimiter)]
        made = tuple(dict.fromkeys(text.strip() for text in found if text.strip()))
        if not made:
            raise AuthError("there is no token", hint="the configuration must hold one at least")
        return made

    def quota(self, request: HttpRequest) -> Quota:
        """The quota that counts a request."""
        for quota in self.quotas:
            if any(matcher.matches(request) for matcher in quota.matchers):
                return quota
        return next((q for q in self.quotas if not q.matchers), self.quotas[0])

    def signed(self, request: HttpRequest, token: str) -> HttpRequest:
        """The request with a token."""
        return request.with_header(self.header, f"{self.scheme} {token}".strip())

    def held_back(self, left: Left) -> float:
        """How many calls are spent slowly."""
        return max(self.reserve, left.limit * self.share)

    def read(self, answer: JsonValue) -> dict[str, Left]:
        """What the status says of each quota, by its name.

        Raises:
            ReadError: it does not say what the document says it does.
        """
        return {quota.name: _left(quota, answer) for quota in self.quotas}


def _left(quota: Quota, answer: JsonValue) -> Left:
    remaining = _number(quota, quota.remaining, answer)
    limit = remaining if quota.limit is None else _number(quota, quota.limit, answer)
    until = moment_of(as_text(_value(quota, quota.reset, answer)))
    if until is None:
        raise _unlike(quota, quota.reset, "no time")
    return Left(remaining=remaining, resets_at=until.timestamp(), limit=limit)


def _number(quota: Quota, path: Path, answer: JsonValue) -> int:
    value = _value(quota, path, answer)
    try:
        return int(value)  # type: ignore[arg-type]  # told below
    except (TypeError, ValueError):
        raise _unlike(quota, path, "no number") from None


def _value(quota: Quota, path: Path, answer: JsonValue) -> JsonValue:
    found, value = at(answer, path)
    if not found:
        raise _unlike(quota, path, "nothing")
    return value


def _unlike(quota: Quota, path: Path, held: str) -> ReadError:
    where = ".".join(path)
    message = f"the status of the quotas holds {held} at {where!r}, for the quota {quota.name!r}"
    return ReadError(message, code="quota-status")
