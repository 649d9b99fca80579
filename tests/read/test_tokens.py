"""Tokens: one for all, renewed in time, and not asked for in vain."""

from __future__ import annotations

import msgspec
from tests.read.asking import TOKEN, Tokens, many, plain
from tests.support.api import (
    Api,
    answer,
    read_all,
    source,
)

from penstock.errors import AuthError


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
