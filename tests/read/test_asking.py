"""Requests until they are answered: retries, waits, and what a policy makes of an answer."""

from __future__ import annotations

import asyncio
from email.utils import formatdate

import pytest
from tests.read.asking import after, many, plain
from tests.support.api import (
    BASE,
    answer,
    broken,
    query,
    response,
    rows,
    source,
)
from tests.support.clock import EPOCH, VirtualClock, run

from penstock.errors import StatusError, TransportError
from penstock.plan.expr import Const
from penstock.plan.page import Headers
from penstock.plan.pagination import Counter, PageSize, Stop
from penstock.plan.policy import (
    ConstantBackoff,
    ErrorPolicy,
    HeaderBackoff,
    Rule,
    retry_after,
    wait,
)
from penstock.plan.source import Limits
from penstock.read.limit import Governor


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_status_is_asked_again(status):
    """A request is asked four times at most, after 2, 4 and 8 seconds."""
    found = after(*[answer({}, status=status)] * 3)
    assert found.api.times() == pytest.approx([0, 2, 6, 14])
    assert (found.ids(), found.tally().retries) == ([0], 3)
    assert found.tally().waited == pytest.approx(14)


@pytest.mark.parametrize("spread", [-1.0, 0.5, 1.0])
def test_waits_are_spread_by_a_tenth(spread):
    """Jitter keeps clients apart."""
    found = after(answer({}, status=500), clock=VirtualClock(spread=spread))
    assert found.api.times()[1] == pytest.approx(2 * (1 + 0.1 * spread))


def test_a_status_that_stays_fails_the_slice():
    """After three retries the error names status and request."""
    found = after(*[answer({"why": "down"}, status=503)] * 4)
    error = found.error()
    assert isinstance(error, StatusError)
    assert (error.status, error.request) == (503, f"GET {BASE}/rows")
    assert "down" in str(error)
    assert len(found.api.requests) == 4


@pytest.mark.parametrize("status", [400, 403, 404, 405, 418])
def test_a_client_error_is_not_asked_again(status):
    """What the API refuses for good is asked once."""
    found = after(answer({}, status=status))
    assert (len(found.api.requests), found.error().code in {"status", "auth-refused"}) == (1, True)


@pytest.mark.parametrize(
    "fault",
    [
        broken(),
        answer(body=b'{"data": [{"id'),
        answer(body=b"<html><body>busy</body></html>"),
        answer(body=b""),
        answer(body=b"  "),
        answer(body=b'{"data": [\xff]}'),
    ],
    ids=["reset", "truncated", "html", "empty", "blank", "not-utf8"],
)
def test_a_body_that_is_none_is_asked_again(fault):
    """A cut connection or body is no page."""
    found = after(fault)
    assert (found.ids(), found.api.times()) == ([0], pytest.approx([0, 2]))


@pytest.mark.parametrize("cut", range(0, 30, 3))
def test_no_prefix_of_a_body_is_a_page(cut):
    """A body cut anywhere is an error in the end, never a success with fewer rows."""
    whole = b'{"data": [{"id": 0},{"id": 1}]}'
    found = after(handler=lambda _: answer(body=whole[:cut]))
    assert found.error().code == "undecodable"
    assert found.rows() == []


def test_a_connection_that_stays_broken_fails_the_slice():
    """The error says what happened to which request."""
    found = after(*[broken("reset by peer")] * 4)
    error = found.error()
    assert isinstance(error, TransportError)
    assert "reset by peer" in str(error)
    assert error.request == f"GET {BASE}/rows"


@pytest.mark.parametrize(
    ("text", "seconds"), [("7", 7), ("0", 2), ("-5", 2), ("1.5", 1.5), ("soon", 2)]
)
def test_retry_after_in_seconds_wins(text, seconds):
    """A usable number of seconds wins over the backoff, others leave it."""
    found = after(answer({}, status=429, headers={"Retry-After": text}))
    assert found.api.times() == pytest.approx([0, seconds])


@pytest.mark.parametrize("skew", [-3600, 0, 3600])
def test_retry_after_as_a_date_is_measured_by_the_servers_clock(skew):
    """A clock that is an hour off changes nothing."""
    headers = {
        "Retry-After": formatdate(EPOCH + 9, usegmt=True),
        "Date": formatdate(EPOCH, usegmt=True),
    }
    found = after(answer({}, status=429, headers=headers), clock=VirtualClock(skew=skew))
    assert found.api.times() == pytest.approx([0, 9])


def test_a_date_in_the_past_is_no_wait():
    """The backoff stands where the date is over."""
    headers = {"Retry-After": formatdate(EPOCH - 99, usegmt=True)}
    assert after(answer({}, status=503, headers=headers)).api.times() == pytest.approx([0, 2])


@pytest.mark.parametrize("text", ["86400", "inf", "1e400", "9" * 40])
def test_an_absurd_wait_is_an_error_that_names_the_time(text):
    """Nobody waits a day: the error says when to come back."""
    found = after(answer({}, status=429, headers={"Retry-After": text}))
    error = found.error()
    assert found.seconds == 0
    if text == "86400":
        assert "come back in 86400 s" in str(error)


@pytest.mark.parametrize(
    "text", ["", "nan", "Mon, 99 Foo 2026", "1, 2", "\x00", "1" * 400, "Tue, 1 Jan"]
)
def test_any_text_of_retry_after_is_taken_calmly(text):
    """A header that is nonsense is no wait and no crash."""
    found = retry_after(Headers((("Retry-After", text),)), EPOCH)
    assert found is None or found >= 0


def test_all_of_a_host_waits_when_it_limits_requests():
    """After a 429 no request is sent before its time, by any slice."""
    found = after(
        None,
        answer({}, status=429, headers={"Retry-After": "30"}),
        plan=source(many(100), concurrency=5),
        latency=0.1,
    )
    assert len(found.rows()) == 100
    gap = [t for t in found.api.times() if 0.25 < t < 30]
    assert gap == []


def test_requests_refused_together_halve_the_limit_once():
    """Twenty refusals of one round are one sign, and the limit grows back."""

    async def pushed():
        governor = Governor(Limits(concurrency=20), VirtualClock())
        for _ in range(20):
            governor.pushed_back(1.0)
        first = governor.statistics().limit
        await asyncio.sleep(1.5)
        governor.pushed_back(1.0)
        second = governor.statistics().limit
        for _ in range(200):
            governor.succeeded(Headers())
        return first, second, governor.statistics().limit

    assert run(pushed()) == (10, 5, 20)


def test_a_wait_of_the_document_is_taken_from_its_header():
    """A policy may name a header, as seconds or as a time."""
    policy = ErrorPolicy(
        backoff=(HeaderBackoff(header="X-Wait", until=True), ConstantBackoff(seconds=3))
    )
    headers = Headers((("X-Wait", str(EPOCH + 4)),))
    assert wait(policy, 1, headers, EPOCH, 0.0) == pytest.approx(4)
    assert wait(policy, 1, Headers(), EPOCH, 0.0) == pytest.approx(3)


def test_rules_of_the_document_come_before_statuses():
    """A rule may fail, retry, ignore or accept."""
    rules = (
        Rule(action="ignore", statuses=(404,)),
        Rule(action="retry", contains="try later"),
        Rule(action="fail", when=response("error"), message=response("error")),
    )
    plan = source(plain(policy=ErrorPolicy(rules=rules)))
    ignored = after(answer({}, status=404), plan=plan)
    assert (ignored.ended(), ignored.lost()) == ({"status-404-ignored": 1}, [])
    assert after(answer("try later"), plan=plan).ids() == [0]
    assert "no such plan" in str(after(answer({"error": "no such plan"}), plan=plan).error())


def test_an_ignored_page_ahead_ends_the_slice():
    """A page that is passed over ends pagination, also when it was asked for ahead."""
    counter = Counter(
        unit="page",
        into=query("page"),
        size=PageSize(value=Const(value=10)),
        stop=Stop(short="proven"),
    )
    policy = ErrorPolicy(rules=(Rule(action="ignore", statuses=(404,)),))
    found = after(
        plan=source(plain(pagination=counter, policy=policy)),
        handler=lambda a: (
            {"data": rows(10, 10 * a.number("page"))}
            if a.number("page") < 3
            else answer({}, status=404)
        ),
    )
    assert (len(found.rows()), found.ended()) == (30, {"status-404-ignored": 1})


def test_an_ignored_page_behind_a_short_one_is_no_fault():
    """A trusted short page stays the end where the page behind it is passed over."""
    counter = Counter(
        unit="page",
        into=query("page"),
        size=PageSize(value=Const(value=10)),
        stop=Stop(short="proven"),
    )
    policy = ErrorPolicy(rules=(Rule(action="ignore", statuses=(404,)),))
    counts = {0: 10, 1: 10, 2: 4}
    found = after(
        plan=source(plain(pagination=counter, policy=policy)),
        handler=lambda a: (
            {"data": rows(counts[a.number("page")], 10 * a.number("page"))}
            if a.number("page") in counts
            else answer({}, status=404)
        ),
    )
    assert (len(found.rows()), found.ended()) == (24, {"short-page": 1})


@pytest.mark.parametrize("position", [0, 1, 3])
def test_a_record_path_that_goes_missing_is_an_error(position):
    """Absent everywhere it is an empty page and a note; absent later, an error."""
    counter = Counter(unit="page", into=query("page"), stop=Stop())

    def handle(asked):
        if asked.number("page") >= position:
            return {"items": rows(1)}
        return {"data": rows(5, 5 * asked.number("page"))}

    found = after(plan=source(plain(pagination=counter)), handler=handle)
    if position == 0:
        assert (found.rows(), found.tally().path_missed, found.tally().rows_elsewhere) == (
            [],
            1,
            {"items": None},
        )
    else:
        assert found.error().code == "record-path"
        assert "items" in str(found.error())
