"""Origins: credentials go where the document leads, and nowhere else."""

from __future__ import annotations

import pytest
from tests.read.asking import DATA, ONE, TOKEN, Tokens, after, plain
from tests.support.api import (
    BASE,
    answer,
    partition,
    response,
    rows,
    source,
    stream,
)

from penstock.engine.running import Options
from penstock.errors import Error, OriginError
from penstock.plan.auth import ApiKey, Bearer
from penstock.plan.expr import Concat, Const, JoinUrl
from penstock.plan.pagination import NextLink, SinglePage
from penstock.plan.request import Slot
from penstock.plan.slices import Values

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


@pytest.mark.parametrize("base", ["https://", "https:", "http:///", "file://", "ftp://api.test"])
def test_a_url_without_a_host_is_asked_nowhere(base):
    """A host that a value was to give is not taken from the path: a key would go to it."""
    url = JoinUrl(base=Const(value=f"{base}/admin"), path=Const(value="rows"))
    found = after(plan=source(plain(auth=KEYS[0], path=url)), handler=lambda _: {"data": rows(1)})
    assert found.error().code == "url"
    assert found.api.requests == []


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


@pytest.mark.parametrize("value", ["evil.test/", "evil.test#", "evil.test?", "a@evil.test/", "a\\"])
def test_data_cannot_lead_out_of_a_host_that_the_document_makes_of_it(value):
    """Where the host itself is made of a partition's value, what is said around it must stand."""
    values = Values(name="shop", values=Const(value=[value]))
    base = Concat(parts=(Const(value="https://"), partition("shop"), Const(value=".shops.test")))
    url = JoinUrl(base=base, path=Const(value="rows"))
    plan = source(
        stream(path=url, partition=values, auth=KEYS[0], pagination=SinglePage(), records=DATA)
    )
    found = after(plan=plan)
    assert isinstance(found.error(), Error)
    assert found.api.requests == []
