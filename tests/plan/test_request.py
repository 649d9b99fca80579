"""Requests: params in slots, merged by one function, percent-encoded at one place."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urljoin, urlsplit

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import ExprError, ReadError
from penstock.plan.expr import (
    Concat,
    Const,
    Frame,
    JoinUrl,
    Quoted,
    Ref,
    Scope,
    evaluate_text,
)
from penstock.plan.page import HttpRequest, link_header, origin
from penstock.plan.request import FormBody, JsonBody, Param, Request, Slot, build

FRAME = Frame(slice={"partition": {"id": "a/b?c#d"}})
ID = Ref(at=Scope.SLICE, path=("partition", "id"))


def slot(place, *path):
    return Slot(place=place, path=path)


def made(*extra, params=(), body=None):
    request = Request(url=Const(value="https://api.test/x"), params=params, body=body)
    return build(request, extra, FRAME)


def test_a_later_value_replaces_an_earlier_one_in_its_slot():
    """Pagination wins over what the document writes into the same slot."""
    fixed = Param(slot=slot("query", "page"), value=Const(value=1))
    assert made((slot("query", "page"), 7), params=(fixed,)).query == (("page", "7"),)


def test_a_list_in_the_query_gives_the_name_several_times():
    """Null items are left out."""
    assert made((slot("query", "id"), [1, None, 2])).query == (("id", "1"), ("id", "2"))


@pytest.mark.parametrize(("omit", "kept"), [("null", 2), ("empty", 1), ("never", 3)])
def test_what_leaves_a_param_out(omit, kept):
    """Null, empty or nothing leaves a param out, as the document says."""
    values = (None, "", "x")
    params = tuple(
        Param(slot=slot("query", str(n)), value=Const(value=v), omit=omit)
        for n, v in enumerate(values)
    )
    assert len(made(params=params).query) == kept


def test_values_are_placed_into_a_body_without_changing_it():
    """A path of the body is set; the document's own value stays as it was."""
    body = JsonBody(value=Const(value={"filter": {"a": 1}}))
    first = made((slot("json", "filter", "page"), 2), body=body)
    again = made(body=body)
    assert msgspec.json.decode(first.body) == {"filter": {"a": 1, "page": 2}}
    assert msgspec.json.decode(again.body) == {"filter": {"a": 1}}
    assert ("Content-Type", "application/json") in first.headers


def test_a_form_takes_values_beside_its_own():
    """Form fields of pagination join those of the document."""
    body = FormBody(value=Const(value={"a": "x y"}))
    assert made((slot("form", "page"), 2), body=body).body == b"a=x+y&page=2"


def test_cookies_share_one_header():
    """Two cookies are one header."""
    headers = made((slot("cookie", "a"), 1), (slot("cookie", "b"), 2)).headers
    assert headers == (("Cookie", "a=1; b=2"),)


HOSTILE = [
    "../admin?x=1#",
    "a/b",
    "?x",
    "#f",
    "%2e%2e",
    "é",
    "\r\nX: 1",
    "a b",
    "\\",
    "\x00",
    "//evil",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_in_a_path_stays_one_segment(value):
    """Data of an API cannot leave its place in a path."""
    url = Concat(
        parts=(Const(value="https://api.test/users/"), Quoted(value=ID), Const(value="/x"))
    )
    text = evaluate_text(url, Frame(slice={"partition": {"id": value}}))
    parts = urlsplit(HttpRequest(method="GET", url=text).full_url)
    assert (parts.netloc, parts.query, parts.fragment) == ("api.test", "", "")
    assert parts.path.count("/") == 3


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("https://api.test/x[1]/y?q[a]=1", "https://api.test/x%5B1%5D/y?q%5Ba%5D=1"),
        ("http://[::1]:80/a[b]", "http://[::1]:80/a%5Bb%5D"),
        ("http://[::1]", "http://[::1]"),
    ],
)
def test_brackets_stand_in_hosts_alone(url, asked):
    """They are written as `requests` writes them; the number of a host keeps its own."""
    assert HttpRequest(method="GET", url=url).full_url == asked


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_value_that_is_another_path_is_an_error(value):
    """Dots and nothing would address something else."""
    with pytest.raises(ExprError):
        evaluate_text(Quoted(value=ID), Frame(slice={"partition": {"id": value}}))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@settings(deadline=None)
@given(st.lists(st.tuples(TEXT.filter(bool), TEXT), max_size=5))
def test_any_query_arrives_as_it_was(pairs):
    """Names and values survive the encoding."""
    clean = [
        (k.encode("utf-8", "ignore").decode(), v.encode("utf-8", "ignore").decode())
        for k, v in pairs
    ]
    clean = [(k, v) for k, v in clean if k]
    request = HttpRequest(method="GET", url="https://api.test/x?a=1", query=tuple(clean))
    query = urlsplit(request.full_url).query
    assert parse_qsl(query, keep_blank_values=True) == [("a", "1"), *pairs]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://API.test/x", "https://api.test:443"),
        ("http://api.test:8080", "http://api.test:8080"),
        ("https://u:p@api.test/", "https://api.test:443"),
        ("http://[::1]:1/", "http://[::1]:1"),
    ],
)
def test_an_origin_is_scheme_host_and_port(url, expected):
    """Case, user and default port do not tell origins apart; an origin is one of itself."""
    assert origin(url) == expected
    assert origin(expected) == expected


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_link_header_is_read_without_an_error(text):
    """A header that is nonsense has no links."""
    assert isinstance(link_header(text), dict)


def test_links_are_found_by_relation():
    """Several links, quoted or not, in any order of their params."""
    text = '<https://a.test/?p=2>; rel="next", </x>; title="a, b"; rel=last'
    assert link_header(text) == {"next": "https://a.test/?p=2", "last": "/x"}


@settings(deadline=None)
@given(
    st.sampled_from(["http://h", "https://h.test:8080", "HTTP://H", "ftp://h", "https://u@h", ""]),
    st.text("ab0./-_%~:?#;@ ", max_size=10),
    st.text("ab0./-_%~:?#;= é", max_size=10),
)
def test_a_path_is_joined_as_a_reference_is_resolved(host, below, path):
    """The short way that plain paths take gives what the rules of RFC 3986 give.

    A name with a colon, as in `v1:search`, is no scheme, as if `./` stood before it.
    """
    base = host + below
    folder = base if base.endswith("/") else base + "/"
    relative = path.lstrip("/")
    colon = re.match(r"[a-z][a-z0-9._-]*:", relative)
    if colon and not relative.startswith("//", colon.end()):
        relative = "./" + relative
    url = JoinUrl(base=Const(value=base), path=Const(value=path))
    try:
        wanted = urljoin(folder, relative) if path else base
    except ValueError as error:
        with pytest.raises(ValueError, match=re.escape(str(error))):
            evaluate_text(url, FRAME)
    else:
        assert evaluate_text(url, FRAME) == wanted


@settings(deadline=None)
@given(
    st.sampled_from(["http://", "HTTPS://", "ftp://", "//", ""]),
    st.text("aZ0.-_:@[]\\%é\t ", max_size=8),
    st.text("ab/?#:@\n", max_size=6),
)
def test_an_origin_is_that_of_the_whole_url(scheme, authority, rest):
    """What stands behind the authority has no say in it, however it looks."""
    url = scheme + authority + rest
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        with pytest.raises(ReadError, match=r"is no URL that can be asked: ."):
            origin(url)
    else:
        host = (parts.hostname or "").lower()
        host = f"[{host}]" if ":" in host else host
        assert origin(url) == f"{parts.scheme}://{host}:{port}"
