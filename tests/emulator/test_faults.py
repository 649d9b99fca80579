"""Every fault of the emulator, met by plain clients."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import zlib
from contextlib import nullcontext
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import pytest
from tests.emulator.client import Plain

from penstock.emulator import EVERYDAY, FAULTS, EmulatorServer, Settings, parse_rule
from penstock.emulator.faults import Draw
from penstock.errors import PlanError

ROLES = "/v2/roles?limit=2"


def serve(rule, **settings):
    return EmulatorServer("messaging", Settings(records=200, rules=(rule,), **settings))


def body_of(kind, path=ROLES, **settings):
    with serve(f"{kind}@#1", **settings) as server:
        status, headers, body = Plain(server).raw(path)
    assert [seen.fault for seen in server.log] == [kind]
    return status, headers, body


STATUSES = ["400", "403", "404", "408", "500", "502", "503", "504"]


def status(kind):
    got, headers, body = body_of(kind)
    assert got == int(kind)
    assert headers["Content-Type"] == "application/json"
    assert json.loads(body)["message"]


def waits(header, holds):
    def check(kind):
        got, headers, _ = body_of(kind)
        assert got == 429
        assert holds(headers.get(header))

    return check


def is_date(text):
    return text.endswith("GMT") and parsedate_to_datetime(text).year >= 2024


def revoked(_kind):
    with EmulatorServer("chat", Settings(records=9, rules=("token-revoked@#2",))) as server:
        client = Plain(server)
        assert client.raw("/v1/messages")[0] == 401
        assert client.raw("/v1/messages")[0] == 401
        assert Plain(server).raw("/v1/messages")[0] == 200


def skewed_wait(kind):
    _, headers, _ = body_of(kind)
    until, now = (parsedate_to_datetime(headers[name]) for name in ("Retry-After", "Date"))
    assert (until - now).total_seconds() in {1, 2, 3}
    assert abs((now - datetime.now(UTC)).total_seconds() - 3600) < 60


def clock(ahead):
    def check(kind):
        got, headers, _ = body_of(kind)
        assert got == 200
        off = parsedate_to_datetime(headers["Date"]) - datetime.now(UTC)
        assert abs(off.total_seconds() - ahead) < 60

    return check


def fat_header(kind):
    with serve(f"{kind}@#1") as server, pytest.raises(http.client.LineTooLong):
        Plain(server).raw(ROLES)


def redirect_loop(_kind):
    with serve("redirect-loop@#1") as server:
        client, places, link = Plain(server), set(), ROLES
        for _ in range(12):
            got, headers, _ = client.raw(link)
            assert got == 302
            link = headers["Location"]
            places.add(link)
    assert len(places) == 12


def away(_kind):
    with serve("cross-origin-redirect@#1") as server:
        client = Plain(server)
        got, headers, _ = client.raw(ROLES)
        place = urlsplit(headers["Location"])
        port = urlsplit(server.url).port
        assert (got, place.hostname, place.port) == (302, "localhost", port)
        assert client.raw(headers["Location"])[0] == 200
        assert server.log[1].host == f"localhost:{port}"
        assert server.log[1].credential


def no_content(kind):
    assert body_of(kind)[::2] == (204, b"")


def breaks(*errors):
    def check(kind):
        with pytest.raises(errors):
            body_of(kind)

    return check


def overlong(kind):
    with serve(f"{kind}@#1") as server:
        where = urlsplit(server.url)
        with socket.create_connection((where.hostname, where.port)) as raw:
            raw.sendall(
                b"GET /v2/roles HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer demo-key\r\n\r\n"
            )
            got = b"".join(iter(lambda: raw.recv(65536), b""))
    head, _, body = got.partition(b"\r\n\r\n")
    promised = int(head.lower().partition(b"content-length: ")[2].split()[0])
    json.loads(body[:promised])
    assert len(body) > promised


def slow(kind):
    got, _, body = body_of(kind, "/v2/conversations/none", slow_s=0)
    assert (got, json.loads(body)["error"]) == (200, "not_found")


def hang(kind):
    with serve(f"{kind}@#1") as server:
        where = urlsplit(server.url)
        connection = http.client.HTTPConnection(where.netloc, timeout=0.2)
        connection.request("GET", ROLES)
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()


def bomb(wbits):
    def check(kind):
        _, headers, body = body_of(kind, bomb_mb=3)
        assert headers["Content-Encoding"] == kind.removesuffix("-bomb")
        plain = zlib.decompress(body, wbits)
        assert len(plain) > 3_000_000 > 100 * len(body)
        assert json.loads(plain) == []

    return check


def truncated(kind):
    _, headers, body = body_of(kind)
    assert int(headers["Content-Length"]) == len(body)
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


def plain(holds):
    def check(kind):
        got, _, body = body_of(kind)
        assert got == 200
        assert holds(body)

    return check


def packed(error):
    def check(kind):
        _, headers, body = body_of(kind)
        assert headers["Content-Encoding"] == "gzip"
        with pytest.raises(error):
            gzip.decompress(body)

    return check


def pages(holds):
    def check(kind):
        with serve(f"{kind}@#2") as server:
            client = Plain(server)
            right, wrong = (client.get("/v2/agents?limit=5&page=2") for _ in range(2))
            assert holds(server, right, wrong)

    return check


def same_page(kind):
    with serve(f"{kind}@#2+") as server:
        client = Plain(server)
        first = client.get("/v2/agents?limit=5&page=1")
        for number in (2, 3, 9):
            assert client.get(f"/v2/agents?limit=5&page={number}") == first


def shifted(back):
    """Give a check that pages after the first begin `back` records before their place."""

    def check(kind):
        with EmulatorServer("chat", Settings(records=40, rules=(f"{kind}@#2+",))) as server:
            client, right = Plain(server), list(server.truth("chat_messages"))
            for form in ({"offset": 10}, {"page": 2}):
                page = client.get("/v1/messages", limit=10, **form)["messages"]
                assert page == right[10 - back : 20 - back]
            assert client.get("/v1/messages", limit=10)["messages"] == right[:10]
        with serve(f"{kind}@1") as server:
            right = list(server.truth("agents"))
            found = Plain(server).linked("/v2/agents", "agents", limit=10)
        assert found == right[:10] + right[10 - back : 20 - back] + right[20 - back :]

    return check


def cycle(kind):
    with EmulatorServer("chat", Settings(records=99, rules=(f"{kind}@#3+",))) as server:
        client = Plain(server)
        cursor = client.get("/v1/events?limit=10")["next_cursor"]
        page = client.get(f"/v1/events?limit=10&cursor={cursor}")
        assert page["next_cursor"] == cursor
        assert client.get(page["links"]["next"]) == page
    pages(lambda _server, _right, wrong: "page=2&" in wrong["links"]["next_page"]["href"])(kind)


def foreign(server, right, wrong):
    link = wrong["links"]["next_page"]["href"]
    return link == right["links"]["next_page"]["href"].replace("127.0.0.1", "localhost") != ""


def odd(text):
    def holds(body):
        return body.startswith(b'{"roles":[{' + text)

    return plain(holds)


def odd_value(holds):
    return plain(lambda body: holds(json.loads(body)["roles"][0]["odd"]))


BROKEN = (OSError, http.client.HTTPException)
RESET = (ConnectionResetError, http.client.RemoteDisconnected)
CHECKS = {
    **dict.fromkeys(STATUSES, status),
    "429": waits("Retry-After", "1".__eq__),
    "429-date": waits("Retry-After", is_date),
    "429-zero": waits("Retry-After", "0".__eq__),
    "429-negative": waits("Retry-After", "-5".__eq__),
    "429-absurd": waits("Retry-After", lambda text: int(text) > 10**7),
    "429-bare": waits("Retry-After", lambda text: text is None),
    "429-ratelimit": waits("RateLimit-Reset", "1".__eq__),
    "429-vendor": waits("X-RateLimit-Reset", lambda text: int(text) > 10**9),
    "429-skewed": skewed_wait,
    "clock-ahead": clock(3600),
    "clock-behind": clock(-3600),
    "fat-header": fat_header,
    "token-revoked": revoked,
    "redirect-loop": redirect_loop,
    "cross-origin-redirect": away,
    "no-content": no_content,
    "reset": breaks(*RESET),
    "reset-midbody": breaks(*RESET, http.client.IncompleteRead),
    "wrong-length": breaks(http.client.IncompleteRead),
    "chunk-cut": breaks(http.client.IncompleteRead),
    "overlong": overlong,
    "slow": slow,
    "hang": hang,
    "gzip-bomb": bomb(zlib.MAX_WBITS | 16),
    "deflate-bomb": bomb(zlib.MAX_WBITS),
    "truncated": truncated,
    "html": plain(lambda body: body.startswith(b"<!doctype html>")),
    "empty-body": plain(lambda body: body == b""),
    "error-200": plain(lambda body: set(json.loads(body)) == {"error"}),
    "null-body": plain(lambda body: json.loads(body) is None),
    "bom": plain(lambda body: body.startswith(b"\xef\xbb\xbf{") and json.loads(body[3:])),
    "trailing-junk": plain(lambda body: body.endswith(b"-->") and b"]" in body),
    "gzip-broken": packed((OSError, EOFError, zlib.error)),
    "gzip-unsaid": packed(gzip.BadGzipFile),
    "empty-page": pages(lambda _, right, wrong: wrong == {**right, "agents": []} != right),
    "same-page": same_page,
    "shift-insert": shifted(1),
    "shift-delete": shifted(-1),
    "absent-path": pages(lambda _, right, wrong: wrong["renamed"] == right["agents"]),
    "scalars": pages(lambda _, __, wrong: wrong["agents"] == [1, 2.5, "three", None, True]),
    "json-text": pages(
        lambda _, right, wrong: json.loads(f"[{wrong['agents'][0]}]") == right["agents"]
    ),
    "wrong-total": pages(lambda _, __, wrong: wrong["pagination"]["total_items"] == 923),
    "link-cycle": cycle,
    "cross-origin-link": pages(foreign),
    "bad-utf8": odd(b'"odd":"caf\xe9 '),
    "nan": odd(b'"odd":NaN,"odder":-Infinity,'),
    "huge-int": odd(b'"odd":' + b"7" * 1000 + b","),
    "wide-int": odd_value((2**64 - 1).__eq__),
    "huge-float": odd(b'"odd":1e400,'),
    "deep": odd(b'"odd":' + b"[" * 10_000 + b"]" * 10_000 + b","),
    "duplicate-key": odd(b'"odd":"first","odd":"second",'),
    "long-key": odd(b'"' + b"k" * 100_000 + b'":1,'),
    "nul": odd_value("a\0b".__eq__),
    "surrogate": odd_value("a\ud83db".__eq__),
    "mixed-types": odd_value(lambda value: value["a"][2] == {"b": None}),
}


def fat(kind):
    _, _, body = body_of(kind, bomb_mb=2)
    assert len(json.loads(body)["roles"][0]["odd"]) == 2 << 20


CHECKS["fat-record"] = fat


@pytest.mark.parametrize("kind", FAULTS)
def test_each_kind_of_fault_can_be_seen(kind):
    """The client meets exactly what the kind's name says, once, on request."""
    CHECKS[kind](kind)


def test_every_kind_has_a_line_about_it():
    """Names match their entries, and each says in one line what the client meets."""
    for name, kind in FAULTS.items():
        assert kind.name == name
        assert 10 < len(kind.about) < 90
        assert "\n" not in kind.about
    assert set(EVERYDAY) <= set(FAULTS)


@pytest.mark.parametrize(
    "kind", sorted(set(FAULTS) - {"hang", "slow", "fat-record", "token-revoked"})
)
def test_the_request_after_a_fault_is_answered_right(kind):
    """A fault hits its request and no other, so that a retry succeeds."""
    with serve(f"{kind}@#1", bomb_mb=1) as server:
        client = Plain(server)
        broken = kind in {"reset", "reset-midbody", "wrong-length", "chunk-cut", "fat-header"}
        with pytest.raises(BROKEN) if broken else nullcontext():
            client.raw(ROLES)
        assert client.get("/v2/roles")["roles"] == list(server.truth("roles"))


def test_a_body_fault_leaves_an_answer_without_records_alone():
    """A 404 has no record to spoil."""
    with serve("nan@1") as server:
        assert json.loads(Plain(server).raw("/v2/nothing")[2])["error"] == "not_found"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("500@#3", [3]), ("500@#3+", [3, 4, 5]), ("500@1", [1, 2, 3, 4, 5]), ("500@0", [])],
)
def test_a_rule_says_which_requests_are_hit(text, numbers):
    """Rates name one request, all from one on, or a share of them."""
    draw = Draw([text], 0, 1)
    assert [n for n in range(1, 6) if draw.next("/x")] == numbers


def test_a_rule_with_a_path_counts_only_its_requests():
    """The nth request is counted among those whose path begins as the rule says."""
    draw = Draw(["500@#2@/v2/users"], 0, 1)
    paths = ["/v2/roles", "/v2/users", "/v2/roles", "/v2/users/7", "/v2/users"]
    assert [bool(draw.next(path)) for path in paths] == [False, False, False, True, False]


def test_rules_count_apart_and_the_first_that_strikes_wins():
    """Each rule has its own count, which goes on while another rule strikes."""
    draw = Draw(["500@#2", "html@#2@/v2/users", "502@#3+"], 0, 1)
    paths = ["/v2/users", "/v2/users", "/v2/roles", "/v2/users"]
    struck = [draw.next(path) for path in paths]
    assert [kind and kind.name for kind in struck] == [None, "500", "502", "502"]
    draw = Draw(["500@#3", "html@#2@/v2/users"], 0, 1)
    struck = [draw.next(path) for path in ["/v2/roles", "/v2/users", "/", "/v2/users"]]
    assert [kind and kind.name for kind in struck] == [None, None, "500", "html"]


def test_faults_by_chance_repeat_with_the_seed():
    """The same seed strikes the same requests with the same kinds; another seed differs."""

    def drawn(seed):
        draw = Draw(["html@0.1"], 0.2, seed)
        struck = [draw.next("/") for _ in range(2000)]
        return [kind.name if kind else None for kind in struck]

    assert drawn(7) == drawn(7) != drawn(8)
    names = drawn(7)
    assert 140 < names.count("html") < 260
    assert set(names) == {None, "html", *EVERYDAY}
    assert 440 < 2000 - names.count(None) < 680


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tuncated@0.1", "did you mean 'truncated'?"),
        ("500", "not a rate"),
        ("500@#0", "KIND@#3"),
        ("500@2", "'2' is not a rate for the fault 500"),
        ("500@often", "KIND@0.05"),
        ("@1", "no kind of fault called ''"),
    ],
)
def test_a_rule_that_cannot_be_read_is_explained(text, words):
    """The error names what is wrong and what to write instead."""
    with pytest.raises(PlanError, match="fault-rule") as caught:
        parse_rule(text)
    assert words in str(caught.value)
