"""Masking: by value in every spelling, by name, and without harm to what is no secret."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from penstock.redact import Redactor, is_sensitive

ODD = 'p@ss "w/rd\\ü+=%'


@pytest.mark.parametrize(
    "spell",
    [
        str,
        quote,
        quote_plus,
        lambda s: quote(s, safe=""),
        lambda s: re.sub("%..", lambda m: m[0].lower(), quote(s, safe="")),
        json.dumps,
        lambda s: json.dumps(s, ensure_ascii=False),
        lambda s: json.dumps(json.dumps(s)),
        repr,
        lambda s: repr({"x": s}),
    ],
)
def test_a_secret_is_masked_in_every_spelling(spell):
    """URL-encoded, escaped for JSON once or twice, and as Python shows it."""
    masked = Redactor([ODD]).text(f"before {spell(ODD)} behind")
    assert "***" in masked
    assert "w/rd" not in masked
    assert "w%2" not in masked
    assert masked.startswith("before ")
    assert masked.endswith(" behind")


@given(
    st.binary(max_size=7), st.text("abcXYZ089!ü", min_size=8, max_size=20), st.binary(max_size=7)
)
@example(b"user:", "hunter2hunter2", b"")
def test_a_secret_is_masked_inside_base64(before, secret, behind):
    """Whatever stands around it, and in both alphabets, no certain character of it is left."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(before + secret.encode() + behind).decode()
        masked = Redactor([secret]).text(f"Basic <{text}>")
        core = encode(secret.encode()).decode()[: len(secret) // 3 * 4]
        assert "***" in masked
        assert core not in masked


@given(st.text(min_size=1, max_size=12), st.text(max_size=20), st.text(max_size=20))
def test_no_secret_survives_a_text(secret, before, behind):
    """Any secret of four characters or more is gone from any text."""
    masked = Redactor([secret]).text(f"{before}{secret}{behind}")
    if len(secret.strip()) >= 4 and not secret.isdecimal() and "*" not in secret:
        assert secret not in masked


def test_a_short_secret_is_masked_only_where_it_stands_alone():
    """`abc` does not tear `abcd` apart."""
    text = "abc (abc) x=abc abcd dabc a_abc"
    assert Redactor(["abc"]).text(text) == "*** (***) x=*** abcd dabc a_abc"


def test_a_number_is_masked_only_as_a_whole_number():
    """A numeric secret does not tear a longer number apart."""
    assert Redactor(["123456"]).text("n=123456 1234567 id123456x") == "n=*** 1234567 id***x"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("d.yaml:5:3: error: line 5", "d.yaml:5:3: error: line 5"),
        ("5 rows, 5 requests in 1.5 s, 5/10", "5 rows, 5 requests in 1.5 s, 5/10"),
        ("the API's 5 pages aren't 5", "the API's 5 pages aren't 5"),
        ("the key '5' and \"no 5 there\"", "the key '***' and \"no *** there\""),
        ("GET https://a.test/5/x?k=5&n=15", "GET https://a.test/***/x?k=***&n=15"),
        ("GET /v1/5 failed, key=5", "GET /v1/*** failed, key=***"),
        ("X-Key: 5", "X-Key: ***"),
        ("Authorization: Bearer 5", "Authorization: ***"),
        ("postgres://me:5@host/db", "postgres://me:***@host/db"),
    ],
)
def test_a_secret_of_one_digit_is_masked_where_texts_are_cited(text, masked):
    """Numbers of Penstock's own stay; in quotes, URLs and behind names it may be the secret."""
    assert Redactor(["5"]).text(text) == masked


def test_a_text_from_outside_is_masked_whole():
    """There any number may be the secret; in data a text that is nothing else is it."""
    redactor = Redactor(["5"])
    assert redactor.foreign("row 5 of 15") == "row *** of 15"
    assert redactor.data({"a": "5", "b": 5, "c": "5 rows"}) == {"a": "***", "b": 5, "c": "5 rows"}


def test_whitespace_around_a_secret_does_not_hide_it():
    """A key pasted with its line break is masked without it too."""
    assert Redactor(["abcd1234\n"]).text("key abcd1234.") == "key ***."


def test_an_empty_secret_masks_nothing():
    """An empty value, and one of blanks, is no secret."""
    assert Redactor(["", "  "]).text("a  b c") == "a  b c"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("GET /u?token=abc&page=2", "GET /u?token=***&page=2"),
        ("GET /u?a=1&api_key=x%20y)", "GET /u?a=1&api_key=***)"),
        ("GET /u?page_token=abc&cursor=x", "GET /u?page_token=abc&cursor=x"),
        ("Authorization: Bearer ey.j-z", "Authorization: ***"),
        ("authorization: Basic dXNlcg==, x", "authorization: ***, x"),
        ("X-Api-Key: abc", "X-Api-Key: ***"),
        ("sent Bearer eyJ0.abc1.xyz", "sent Bearer ***"),
        ('{"access_token": "abc", "n": 1}', '{"access_token": "***", "n": 1}'),
        ("{'client_secret': 'a\\'b'}", "{'client_secret': '***'}"),
        ("postgres://me:pw@host/db", "postgres://me:***@host/db"),
        ("https://tok@host/x", "https://tok@host/x"),
        ("s3://key1:pw@bucket", "s3://key1:***@bucket"),
        ("2026-01-02T03:04:05+01:00", "2026-01-02T03:04:05+01:00"),
        ('"token": dlt.secrets["api_key"]', '"token": dlt.secrets["api_key"]'),
        ("no value for token: it must be text", "no value for token: it must be text"),
        ("a bearer of news", "a bearer of news"),
    ],
)
def test_values_are_masked_by_name(text, masked):
    """What stands under a name such as token is masked, and prose about tokens is not."""
    assert Redactor().text(text) == masked


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ('  "token": "sk_live_1", "x": 1', '  "token": "*********", "x": 1'),
        ("api_key: sk_live # key", "api_key: ******* # key"),
        ("- client_secret: 'a b'", "- client_secret: '***'"),
        ('token = "abc"', 'token = "***"'),
        ('"token": dlt.secrets["api_key"]', '"token": dlt.secrets["api_key"]'),
        ("api_token: \"{{ config['api_token'] }}\"", "api_token: \"{{ config['api_token'] }}\""),
        ("token_url: https://x/y", "token_url: https://x/y"),
        ("password: null", "password: null"),
        ("x: value-0815", "x: **********"),
    ],
)
def test_a_source_line_keeps_its_columns(line, masked):
    """In a line of a document a secret becomes as many stars, so that marks below it still fit."""
    assert Redactor(["value-0815"]).line(line) == masked
    assert len(masked) == len(line)


def test_data_is_masked_and_keeps_its_shape():
    """Texts anywhere, long secrets in keys, scalars under sensitive names; counts stay numbers."""
    redactor = Redactor(["hunter22hunter", "12", "87654321"])
    assert redactor.data(
        {
            "token": {"type": "Ref", "path": ["api_key"]},
            "client_secret": "x",
            "secret": True,
            "password": None,
            "page_token": "p",
            "rows": 12,
            "account": 87654321,
            "hunter22hunter": ["a hunter22hunter b", ("x", 1.5)],
        }
    ) == {
        "token": {"type": "Ref", "path": ["api_key"]},
        "client_secret": "***",
        "secret": True,
        "password": None,
        "page_token": "p",
        "rows": 12,
        "account": "***",
        "***": ["a *** b", ["x", 1.5]],
    }


def test_secrets_can_be_added_later():
    """What becomes known during a run is masked from then on."""
    redactor = Redactor()
    assert redactor.text("tok_1234") == "tok_1234"
    redactor.add("tok_1234")
    assert redactor.text("tok_1234") == "***"


@pytest.mark.parametrize(
    ("name", "sensitive"),
    [
        ("token", True),
        ("Authorization", True),
        ("x-api-key", True),
        ("hub_api_key", True),
        ("apiKey", True),
        ("accessToken", True),
        ("client_secret", True),
        ("token_url", False),
        ("next_page_token", False),
        ("primary_key", False),
        ("name", False),
    ],
)
def test_names_that_are_sensitive(name, sensitive):
    """A name counts by its last word; page tokens open nothing."""
    assert is_sensitive(name) is sensitive


@pytest.mark.parametrize(
    "spelled", ["c4nary/9f31b7-zz", "c4nary%2F9f31b7-zz", "YzRuYXJ5LzlmMzFiNy16eg"]
)
def test_a_secret_of_which_the_end_is_cut_away_is_masked(spelled):
    """Where a message cites the beginning of a text, it may end inside a secret."""
    redactor = Redactor(["c4nary/9f31b7-zz"])
    for size in range(4, len(spelled)):
        assert redactor.text(f"the API answered 403: key {spelled[:size]}… (page 2)") == (
            "the API answered 403: key ***… (page 2)"
        )
    assert redactor.text(f"key {spelled[:3]}…") == f"key {spelled[:3]}…"
    assert redactor.text("nothing of it… is here") == "nothing of it… is here"
