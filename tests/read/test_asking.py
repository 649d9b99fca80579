"""Requests until they are answered: retries, waits, tokens, limits, and where they may go."""

from __future__ import annotations

import asyncio
from email.utils import formatdate

import msgspec
import pytest
from tests.support.api import (
    BASE,
    Api,
    answer,
    broken,
    partition,
    query,
    read_all,
    response,
    rows,
    source,
    stream,
)
from tests.support.clock import EPOCH, VirtualClock, run

from penstock.errors import AuthError, OriginError, StatusError, TransportError
from penstock.plan.auth import ApiKey, Bearer, client_credentials
from penstock.plan.expr import Concat, Const, JoinUrl
from penstock.plan.page import Headers
from penstock.plan.pagination import Counter, NextLink, PageSize, SinglePage, Stop
from penstock.plan.policy import (
    ConstantBackoff,
    ErrorPolicy,
    HeaderBackoff,
    Rule,
    retry_after,
    wait,
)
from penstock.plan.records import Keys, Records
from penstock.plan.request import Param, Slot
from penstock.plan.slices import Values
from penstock.plan.source import Limits, RateLimit
from penstock.read.limit import Governor, quota_pause
from penstock.run.engine import Options

DATA = Records(path=Keys(path=("data",)))
ONE = {"data": rows(1)}


def plain(**parts):
    parts.setdefault("pagination", SinglePage())
    return stream(records=DATA, **parts)


def many(count, **parts):
    values = Values(
        name="n",
        values=Const(value=list(range(count))),
        params=(Param(slot=query("n"), value=partition("n")),),
    )
    return plain(partition=values, **parts)


def after(*faults, plan=None, clock=None, latency=0.0, handler=lambda _: ONE, **options):
    api = Api(handler, faults=faults, latency=latency)
    return read_all(plan or source(plain()), api, clock=clock, **options)


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
            True,
        )
    else:
        assert found.error().code == "record-path"
        assert "items" in str(found.error())


# --- tokens ---


TOKEN = client_credentials(
    url=Const(value=f"{BASE}/token"),
    client_id=Const(value="me"),
    client_secret=Const(value="s3cret"),
)


class Tokens:
    """An API behind a token endpoint whose tokens can be revoked."""

    def __init__(self, lifetime=3600.0):
        self.given = 0
        self.lifetime = lifetime
        self.valid = set()
        self.broken = None

    def __call__(self, asked):
        if asked.path == "/token":
            if self.broken is not None:
                return self.broken
            self.given += 1
            self.valid.add(f"Bearer t{self.given}")
            return {"access_token": f"t{self.given}", "expires_in": self.lifetime}
        if asked.headers.get("authorization") not in self.valid:
            return answer({"error": "who are you"}, status=401)
        return {"data": [{"id": asked.number("n")}]}


def test_a_hundred_requests_share_one_token():
    """One token is asked for once, however many requests need it at the same time."""
    tokens = Tokens()
    found = read_all(source(many(100, auth=TOKEN), concurrency=100), tokens)
    assert (len(found.rows()), tokens.given) == (100, 1)


def test_two_streams_share_one_token():
    """The token belongs to the credentials, not to the stream."""
    tokens = Tokens()
    both = [msgspec.structs.replace(many(10, auth=TOKEN), name=name) for name in ("a", "b")]
    read_all(source(*both), tokens)
    assert tokens.given == 1


def test_a_token_is_renewed_before_it_expires():
    """No request is sent with a token that is about to expire."""
    tokens = Tokens(lifetime=100.0)
    api = Api(tokens, latency=1.0)
    read_all(source(many(150, auth=TOKEN), concurrency=1), api)
    asked = [a.at for a in api.requests if a.path == "/token"]
    assert len(asked) == 2
    assert asked[1] < 100


def test_a_revoked_token_is_renewed_once_for_all():
    """A hundred refusals of one token lead to one new one."""
    tokens = Tokens()
    api = Api(tokens, latency=lambda a: 0.1 if a.path == "/token" else 1.0)

    def revoking(asked):
        if asked.path != "/token" and api.requests[-1].at < 1 and tokens.given == 1:
            tokens.valid.clear()
        return tokens(asked)

    api._handler = revoking
    found = read_all(source(many(100, auth=TOKEN), concurrency=100), api)
    assert (len(found.rows()), tokens.given) == (100, 2)


def test_a_new_token_that_is_refused_too_is_an_error():
    """A second 401 is the credentials' fault."""

    def handle(asked):
        return {"access_token": "t"} if asked.path == "/token" else answer({}, status=401)

    found = read_all(source(plain(auth=TOKEN)), handle)
    assert isinstance(found.error(), AuthError)
    assert len(found.api.urls("/rows")) == 2


def test_wrong_credentials_are_tried_once():
    """A token endpoint that refuses is not asked again by every slice."""
    tokens = Tokens()
    tokens.broken = answer({"error": "invalid_client"}, status=401)
    found = read_all(source(many(50, auth=TOKEN)), tokens)
    assert len(found.lost()) == 50
    assert found.api.urls() == ["/token"]
    assert "invalid_client" in str(found.lost()[0].error)
    assert "s3cret" not in str(found.lost()[0].error)


def test_a_token_endpoint_that_is_down_is_waited_for_together():
    """Its failure is shared by everyone who waited; its recovery too."""
    tokens = Tokens()
    tokens.broken = answer({}, status=503)
    found = read_all(source(many(20, auth=TOKEN), concurrency=20), tokens)
    assert len(found.api.requests) == 4
    assert len(found.lost()) == 20


# --- limits ---


def test_a_rate_is_kept_in_any_stretch_of_time():
    """At most five requests in any second."""
    plan = source(many(50), rates=(RateLimit(calls=5, seconds=1.0),))
    times = after(plan=plan).api.times()
    assert all(late - early >= 1.0 - 1e-9 for early, late in zip(times, times[5:], strict=False))


def test_concurrency_is_never_passed():
    """No more requests are under way than the plan allows."""
    assert after(plan=source(many(50), concurrency=3), latency=0.1).api.peak == 3


def test_a_used_up_quota_is_waited_for():
    """A quota that the headers say is used up is left alone until its reset."""
    used = answer(ONE, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "12"})
    found = after(used, plan=source(many(3), concurrency=1))
    assert found.api.times() == pytest.approx([0, 12, 12])


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [("5", 5), (str(EPOCH + 5), 5), (str((EPOCH + 5) * 1000), 5), ("-3", 0), ("nan", 0), ("x", 0)],
)
def test_a_reset_is_read_in_any_unit(reset, seconds):
    """Seconds to wait, epoch seconds and epoch milliseconds are told apart."""
    headers = Headers((("RateLimit-Remaining", "0"), ("RateLimit-Reset", reset)))
    assert quota_pause(headers, EPOCH) == pytest.approx(seconds)


def test_a_quota_that_is_a_day_away_is_not_waited_for():
    """The API refuses by itself, with a time, if it means it."""
    used = answer(ONE, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "86400"})
    assert after(used, plan=source(many(3), concurrency=1)).seconds < 1


def test_streams_get_fair_shares_of_a_host():
    """A stream of a thousand requests does not keep one of ten waiting."""
    large, small = many(1_000), msgspec.structs.replace(many(10), name="small")
    found = read_all(source(large, small, concurrency=2), Api(lambda _: ONE, latency=0.1))
    last = max(i for i, part in enumerate(found.parts) if part.stream == "small")
    assert last < 60


def test_a_request_that_is_given_up_hands_its_slot_on():
    """Cancelling at any time leaves no slot taken."""

    async def cancelled():
        governor = Governor(Limits(concurrency=2), VirtualClock())

        async def one(delay):
            async with governor.slot("s"):
                await asyncio.sleep(delay)

        tasks = [asyncio.ensure_future(one(1.0)) for _ in range(20)]
        for number, task in enumerate(tasks):
            await asyncio.sleep(0.07)
            if number % 2:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with governor.slot("s"):
            pass
        return governor.statistics()

    found = run(cancelled())
    assert (found.running, found.waiting) == (0, 0)


# --- origins ---

KEYS = [
    Bearer(token=Const(value="s3cret")),
    ApiKey(slot=Slot(place="header", path=("X-Key",)), value=Const(value="s3cret")),
    ApiKey(slot=Slot(place="query", path=("key",)), value=Const(value="s3cret")),
    ApiKey(slot=Slot(place="cookie", path=("key",)), value=Const(value="s3cret")),
]
ELSEWHERE = [
    "https://evil.test/rows",
    "https://api.test:8443/rows",
    "https://api.test.evil.test/rows",
    "https://api.test@evil.test/rows",
    "//evil.test/rows",
    "http://api.test:81/rows",
    "https://127.0.0.1/rows",
]


def leaked(api):
    return [
        a
        for a in api.requests
        if a.host != "api.test" and "s3cret" in f"{a.url} {dict(a.headers)} {a.body!r}"
    ]


@pytest.mark.parametrize("auth", KEYS)
@pytest.mark.parametrize("link", ELSEWHERE)
def test_a_next_link_elsewhere_is_an_error_that_names_both_origins(auth, link):
    """Credentials stay at the origins of the document."""
    plan = source(plain(auth=auth, pagination=NextLink(link=response("next"))))
    found = after(plan=plan, handler=lambda _: {"data": rows(1), "next": link})
    error = found.error()
    assert isinstance(error, OriginError)
    assert "https://api.test:443" in error.message
    assert len(found.api.requests) == 1


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.test\\@api.test/x",
        "http://[",
        "https://api.test:99999999/",
        "ftp://api.test/x",
        "javascript:1",
    ],
)
def test_a_link_that_is_no_url_fails_its_slice_only(link):
    """Whatever an API writes where a link should be is at worst an error."""
    plan = source(plain(auth=KEYS[0], pagination=NextLink(link=response("next"))))
    found = after(plan=plan, handler=lambda _: {"data": rows(1), "next": link})
    assert found.error().code in {"link", "origin-not-allowed"}


@pytest.mark.parametrize("auth", KEYS)
@pytest.mark.parametrize("target", ELSEWHERE)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_elsewhere_carries_no_credential(auth, target, status):
    """What is asked for elsewhere is asked without anything of the user's."""
    found = after(
        plan=source(plain(auth=auth)),
        handler=lambda a: (
            ONE
            if a.url.split("?")[0] != f"{BASE}/rows"
            else answer(status=status, headers={"Location": target})
        ),
    )
    assert leaked(found.api) == []
    assert len(found.api.requests) == 2


def test_a_redirect_at_home_keeps_the_credential():
    """Within the origins of the document a redirect is followed as it is."""
    found = after(
        plan=source(plain(auth=KEYS[0])),
        handler=lambda a: (
            ONE if a.path == "/there" else answer(status=302, headers={"Location": "/there"})
        ),
    )
    assert found.api.requests[1].headers["authorization"] == "Bearer s3cret"


@pytest.mark.parametrize("hops", [5, 6])
def test_five_redirects_are_followed_and_no_sixth(hops):
    """A chain of redirects is bounded, and not asked again."""
    found = after(
        handler=lambda a: (
            ONE
            if a.number("hop") == hops
            else answer(status=302, headers={"Location": f"/rows?hop={a.number('hop') + 1}"})
        )
    )
    assert len(found.api.requests) == 6
    assert bool(found.lost()) == (hops == 6)


def test_a_link_that_drops_tls_keeps_it():
    """A link to the same host without TLS is asked for with TLS."""
    found = after(
        plan=source(plain(pagination=NextLink(link=response("next")))),
        handler=lambda a: {
            "data": rows(1, len(a.query)),
            "next": None if a.query else "http://api.test/rows?p=2",
        },
    )
    assert found.api.urls() == ["/rows", "/rows?p=2"]


def test_a_moved_base_moves_every_url_of_its_origin():
    """Links, redirects and the token endpoint go where the base URL goes."""
    tokens = Tokens()

    def handle(asked):
        path = asked.path.removeprefix("/stub")
        if path == "/token":
            asked.path = path
            return tokens(asked)
        return {
            "data": rows(1, len(asked.query)),
            "next": None if asked.query else f"{BASE}/rows?p=2",
        }

    found = after(
        plan=source(plain(auth=TOKEN, pagination=NextLink(link=response("next")))),
        handler=handle,
        options=Options(base_url="http://127.0.0.1:8000/stub"),
    )
    assert [a.url for a in found.api.requests] == [
        "http://127.0.0.1:8000/stub/token",
        "http://127.0.0.1:8000/stub/rows",
        "http://127.0.0.1:8000/stub/rows?p=2",
    ]


def test_an_allowed_origin_gets_the_credential():
    """What the user allows is one of the document's origins."""
    found = after(
        plan=source(plain(auth=KEYS[0], pagination=NextLink(link=response("next")))),
        handler=lambda a: {
            "data": rows(1, len(a.query)),
            "next": None if a.query else "https://cdn.test/rows?p=2",
        },
        options=Options(allow_origins=("https://cdn.test",)),
    )
    assert found.api.requests[1].headers["authorization"] == "Bearer s3cret"


def test_data_of_the_api_cannot_lead_a_request_elsewhere():
    """A URL made of a partition's value goes to the document's origins or nowhere."""
    values = Values(name="path", values=Const(value=["https://evil.test/x"]))
    url = JoinUrl(base=Const(value=BASE), path=Concat(parts=(partition("path"),)))
    plan = source(
        stream(path=url, partition=values, auth=KEYS[0], pagination=SinglePage(), records=DATA)
    )
    found = after(plan=plan)
    assert isinstance(found.error(), OriginError)
    assert found.api.requests == []
