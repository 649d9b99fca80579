"""Error policy: what an answer means, how often to ask again, and how long to wait in between."""

from __future__ import annotations

import math
import re
from datetime import UTC
from typing import Literal, TypeAlias, assert_never

import msgspec

from penstock.errors import Blame
from penstock.plan import jsontext
from penstock.plan.expr import Expr, Frame, evaluate
from penstock.plan.page import Headers, HttpResponse
from penstock.plan.python import Amend, Judge

Action = Literal[
    "accept",  # the answer is a page
    "retry",  # ask again after the backoff
    "rate-limited",  # ask again, and slow down
    "ignore",  # no records, and the slice's pagination ends without an error
    "fail",  # the slice fails
    "refresh",  # obtain a new token, then ask again, once; a plain retry where there is none
    "lenient",  # a page where the status is below 400, else as "ignore"; no verdict is ever this
    "reset",  # begin the slice's pagination again
    "reduce",  # ask again for a smaller page
    "split",  # cut the slice's window into two and read both
]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Matches an answer by status, a text in its body, or a condition, and says what it means.

    With `every` the conditions that are given must all hold, else any one of them. With `said`,
    `contains` looks at the message in the answer's JSON instead of the whole body. `blame` is who
    can help with a failure.
    """

    action: Action
    statuses: tuple[int, ...] = ()
    contains: str | None = None
    when: Expr | None = None
    every: bool = True
    message: Expr | None = None
    said: bool = False
    blame: Blame | None = None


class ConstantBackoff(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The same wait each time, in seconds, and up to twice `spread` more."""

    seconds: float
    spread: float = 0.0
    margin: float = 0.0


class ExponentialBackoff(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """`factor * base ** (attempt - 1)` seconds, attempt from 1, at most `cap`.

    Up to twice `spread` seconds come on top, and `margin` always.
    """

    factor: float = 2.0
    base: float = 2.0
    cap: float = 300.0
    spread: float = 0.0
    margin: float = 0.0


class HeaderBackoff(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The wait a response header gives, in seconds, or `until` a time in epoch seconds.

    A wait of `cap` seconds or more fails instead.
    """

    header: str
    until: bool = False
    pattern: str | None = None
    minimum: float = 0.0
    cap: float | None = None
    margin: float = 0.0


class AnswerBackoff(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The wait in seconds that an expression over the answer gives; none where it gives none.

    A wait of `cap` seconds or more fails instead.
    """

    seconds: Expr
    cap: float | None = None
    margin: float = 0.0


Backoff: TypeAlias = ConstantBackoff | ExponentialBackoff | HeaderBackoff | AnswerBackoff


class ErrorPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How a stream takes answers that are not pages.

    `rules` are tried in order; where none matches, a status below 400 is accepted, one of
    `retry_statuses` is asked again, any other fails. `retries` counts requests after the first.
    `jitter` is the share of a wait by which it is varied. `retry_after` says that the header of
    that name wins over the backoff. A wait longer than `max_wait` seconds fails instead. `earlier`
    are rules of handlers that are asked first: a handler's answer stands unless it is a failure, a
    rate limit or a refresh; then the next is asked, and `rules` are the last. `otherwise` is what a
    status of 400 and above means that is neither in `retry_statuses` nor `fatal`. `judge` is asked
    before all of that, and what it is shown is what `amend` made of the answer.
    """

    rules: tuple[Rule, ...] = ()
    retry_statuses: tuple[int, ...] = (429, 500, 502, 503, 504)
    retries: int = 3
    backoff: tuple[Backoff, ...] = (ExponentialBackoff(),)
    jitter: float = 0.1
    retry_after: bool = True
    max_wait: float = 600.0
    earlier: tuple[tuple[Rule, ...], ...] = ()
    otherwise: Literal["fail", "retry"] = "fail"
    fatal: tuple[int, ...] = ()
    judge: Judge | None = None
    amend: Amend | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with an answer; `message` is what the document says about it."""

    action: Action
    message: str = ""
    blame: Blame | None = None


TOO_MANY = 429


def judge(policy: ErrorPolicy, response: HttpResponse, frame: Frame) -> Verdict:
    """The first rule that matches, else what the status means."""
    for rules in policy.earlier:
        verdict = _ruled(rules, response, frame) or _by_status(policy, response)
        if verdict.action not in {"fail", "rate-limited", "refresh"}:
            return verdict
    return _ruled(policy.rules, response, frame) or _by_status(policy, response)


def _ruled(rules: tuple[Rule, ...], response: HttpResponse, frame: Frame) -> Verdict | None:
    for rule in rules:
        if _matches(rule, response, frame):
            said = evaluate(rule.message, frame) if rule.message else ""
            action = _decided(rule.action, response)
            return Verdict(action=action, message=str(said or ""), blame=rule.blame)
    return None


def _decided(action: Action, response: HttpResponse) -> Action:
    if action == "lenient":
        return "accept" if response.ok else "ignore"
    return action


def _by_status(policy: ErrorPolicy, response: HttpResponse) -> Verdict:
    if response.ok:
        return Verdict(action="accept")
    if response.status in policy.retry_statuses:
        return Verdict(action="rate-limited" if response.status == TOO_MANY else "retry")
    fatal = response.status in policy.fatal
    return Verdict(action="fail" if fatal else policy.otherwise)


_MESSAGE_KEYS = (
    "message",
    "messages",
    "error",
    "errors",
    "failures",
    "failure",
    "detail",
    "err",
    "error_message",
    "msg",
    "reason",
    "status_message",
)


def told(response: HttpResponse) -> str:
    """What an answer says went wrong: the message in its JSON, or the text it is."""
    try:
        body = jsontext.decode(response.body)
    except msgspec.DecodeError:
        return response.body.decode("utf-8", "replace")
    return _message(body) or ""


def _message(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ", ".join(found for item in value if (found := _message(item)) is not None)
    if isinstance(value, dict):
        return _message(next((value[k] for k in _MESSAGE_KEYS if value.get(k)), None))
    return None


def _matches(rule: Rule, response: HttpResponse, frame: Frame) -> bool:
    tests: list[bool] = []
    if rule.statuses:
        tests.append(response.status in rule.statuses)
    if rule.contains is not None:
        text = told(response) if rule.said else response.body.decode("utf-8", "replace")
        tests.append(rule.contains in text)
    if rule.when is not None:
        tests.append(bool(evaluate(rule.when, frame)))
    return bool(tests) and (all(tests) if rule.every else any(tests))


def wait(  # noqa: PLR0913, PLR0917 (what a wait may depend on)
    policy: ErrorPolicy,
    attempt: int,
    headers: Headers | None,
    now: float,
    spread: float,
    frame: Frame | None = None,
) -> float:
    """Seconds to wait before asking again after the `attempt`-th failure, from 1.

    `now` is in epoch seconds; `spread`, drawn by the caller from -1 to 1, places the jitter.
    `frame` is that of the answer, where there is one. An infinite wait is one that may not be.
    """
    if policy.retry_after and headers is not None:
        asked = retry_after(headers, now)
        if asked is not None and asked > 0:
            return asked
    for backoff in policy.backoff:
        seconds = _seconds(backoff, attempt, headers or Headers(), now, frame)
        if seconds:
            varied = seconds * (1 + policy.jitter * spread) + _extra(backoff) * (1 + spread)
            return max(0.0, varied + backoff.margin)
    return 0.0


def _extra(backoff: Backoff) -> float:
    return backoff.spread if isinstance(backoff, (ConstantBackoff, ExponentialBackoff)) else 0.0


def _seconds(
    backoff: Backoff, attempt: int, headers: Headers, now: float, frame: Frame | None
) -> float | None:
    match backoff:
        case ConstantBackoff():
            return backoff.seconds
        case ExponentialBackoff():
            return min(backoff.cap, backoff.factor * backoff.base ** min(attempt - 1, 64))
        case HeaderBackoff():
            return _capped(_from_header(backoff, headers, now), backoff.cap)
        case AnswerBackoff():
            found = evaluate(backoff.seconds, frame) if frame is not None else None
            number = found if isinstance(found, (int, float)) else None
            return _capped(number, backoff.cap)
        case _:
            assert_never(backoff)


def _capped(seconds: float | None, cap: float | None) -> float | None:
    if seconds is not None and cap is not None and seconds >= cap:
        return math.inf
    return seconds


def _from_header(backoff: HeaderBackoff, headers: Headers, now: float) -> float | None:
    text = headers.get(backoff.header, "")
    if backoff.pattern is not None:
        found = re.match(backoff.pattern, text)
        text = found.group() if found else ""
    try:
        value = float(text)
    except ValueError:
        return None
    return max(backoff.minimum, value - now if backoff.until else value)


def retry_after(headers: Headers, now: float) -> float | None:
    """Seconds that `Retry-After` asks for (RFC 9110 section 10.2.3), or None.

    A date is measured against the answer's own `Date` header where there is one, so that a clock
    that is wrong on either side changes nothing.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    until = http_date(text)
    if until is None:
        return None
    sent = http_date(headers.get("date", ""))
    return max(0.0, until - (now if sent is None else sent))


def http_date(text: str) -> float | None:
    """The date of a header in epoch seconds, or None; without a zone it is UTC."""
    try:
        from email.utils import parsedate_to_datetime  # noqa: PLC0415 (start-up stays fast)

        moment = parsedate_to_datetime(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
