"""What is told of an endpoint from its first answer."""

import pytest

from penstock.errors import BodyError
from penstock.plan.detect import detect_pagination, detect_records
from penstock.plan.expr import Const, Frame
from penstock.plan.page import Position
from penstock.plan.pagination import Counter, Facts, NextLink, NextToken, SinglePage, Stop

URL = "https://api.test/things"

RECORDS = [
    ([{"a": 1}], ()),
    ({"data": [{"a": 1}]}, ("data",)),
    ({"errors": [], "users": [{"a": 1}]}, ("users",)),
    ({"errors": [], "users": []}, ("users",)),
    ({"warnings": [{"text": "slow"}], "users": [{"a": 1}]}, ("users",)),
    ({"_embedded": {"items": [{"a": 1}]}}, ("_embedded", "items")),
    ({"tags": ["a"], "things": [{"a": 1}]}, ("things",)),
    ({"sidebar": [{"a": 1}], "results": [{"a": 1}]}, ("results",)),
    ({"messages": [{"a": 1}], "total": 1}, ("messages",)),
    ({"links": [{"id": 1, "url": "u"}], "total": 1}, ("links",)),
    ({"links": [{"rel": "self", "href": "/1"}], "users": [{"a": 1}]}, ("users",)),
    ({"response": {"inner": [{"a": 1}]}, "outer": [{"a": 1}]}, ("outer",)),
    ({"id": 1, "name": "x"}, ()),
    ({"id": 1, "tags": ["a", "b"]}, ()),
    ({"meta": {"pages": [1, 2]}, "name": "x"}, ()),
    ("text", ()),
    (None, ()),
]


@pytest.mark.parametrize(("body", "path"), RECORDS)
def test_records_are_found(body, path):
    """The list that holds the records wins over lists beside it."""
    assert detect_records(body).path == path


LINKS = [
    ({"next": "https://api.test/things?page=2", "data": [{}]}, ("next",)),
    ({"links": {"next": "/things?page=2"}, "data": [{}]}, ("links", "next")),
    ({"_links": {"next": {"href": "/things?page=2"}}}, ("_links", "next", "href")),
    ({"@odata.nextLink": "https://api.test/things?$skip=2", "value": [{}]}, ("@odata.nextLink",)),
    ({"paging": {"nextPageUrl": "/things?p=2"}}, ("paging", "nextPageUrl")),
    ({"next": None, "previous": None, "count": 1, "results": [{}]}, ("next",)),
    ({"links": {"next": None}, "data": []}, ("links", "next")),
]


@pytest.mark.parametrize(("body", "path"), LINKS)
def test_links_are_followed(body, path):
    """A link to the next page is found, and so is the null that stands for the last one."""
    found, reason = detect_pagination(URL, {}, body)
    assert isinstance(found, NextLink)
    assert found.link.path == ("response", *path)
    assert ".".join(path) in reason


def test_a_link_header_wins():
    """A Link header with rel=next is followed before anything in the body."""
    headers = {"link": '<https://api.test/things?page=2>; rel="next"'}
    found, reason = detect_pagination(URL, headers, {"total_pages": 3})
    assert isinstance(found, NextLink)
    assert found.link.path == ("links", "next")
    assert reason == "a Link header with rel=next"


TOKENS = [
    ({"next_cursor": "abc", "has_more": True}, ("next_cursor",), "cursor", True),
    ({"next_cursor": None, "has_more": False}, ("next_cursor",), "cursor", True),
    ({"nextPageToken": "abc"}, ("nextPageToken",), "pageToken", False),
    ({"meta": {"next_page_token": "abc"}}, ("meta", "next_page_token"), "page_token", False),
    ({"continuation_token": "abc"}, ("continuation_token",), "continuation_token", False),
    ({"next_page": 2}, ("next_page",), "page", False),
    ({"info": {"endCursor": "x", "hasNextPage": True}}, ("info", "endCursor"), "after", True),
]


@pytest.mark.parametrize(("body", "path", "param", "more"), TOKENS)
def test_tokens_are_sent(body, path, param, more):
    """A token goes to the param its name calls for, and a sign for more ends it."""
    found, _ = detect_pagination(URL, {}, body)
    assert isinstance(found, NextToken)
    assert found.token.path == ("response", *path)
    assert found.into.name == param
    assert (found.stop.more is not None) == more


# The query, the answer; then the unit, the param, the first number and what the total counts.
COUNTERS = [
    ("", {"page": 1, "total_pages": 3}, "page", "page", 1, "pages"),
    ("", {"page": 0, "total_pages": 3}, "page", "page", 0, "pages"),
    ("", {"total_pages": 3}, "page", "page", 1, "pages"),
    ("?p=1", {"total_pages": 3}, "page", "page", 1, "pages"),
    ("?pageNo=1", {"totalPages": 3}, "page", "pageNo", 1, "pages"),
    ("", {"page": 1, "per_page": 2, "total": 5, "items": [{}, {}]}, "page", "page", 1, "records"),
    ("", {"offset": 0, "limit": 2, "total": 5, "items": [{}]}, "offset", "offset", 0, "records"),
    ("", {"limit": 2, "total": 5, "items": [{}, {}]}, "offset", "offset", 0, "records"),
    ("", {"startAt": 0, "maxResults": 2, "total": 5}, "offset", "startAt", 0, "records"),
    ("?skip=10", {"total": 50, "items": [{}]}, "offset", "skip", 10, "records"),
    ("", {"page": 1, "has_more": True}, "page", "page", 1, "records"),
]


@pytest.mark.parametrize("case", COUNTERS)
def test_counts_are_told(case):
    """Pages are counted from the one that the answer or the URL says it is, else from 1."""
    query, body, unit, param, start, total = case
    found, _ = detect_pagination(URL + query, {}, body)
    assert isinstance(found, Counter)
    assert (found.unit, found.into.name, found.start) == (unit, param, Const(value=start))
    assert found.stop.total_unit == total
    assert found.stop.total is not None or found.stop.more is not None


@pytest.mark.parametrize(("place", "unit"), [("offset=0", "offset"), ("page=1", "page")])
def test_a_full_page_is_not_the_last(place, unit):
    """A request that names its place and a size goes on while its pages are full."""
    rows = [{"id": 1}, {"id": 2}]
    found, reason = detect_pagination(f"{URL}?{place}&limit=2", {}, rows)
    assert isinstance(found, Counter)
    assert (found.unit, found.stop) == (unit, Stop())
    assert reason == f"a full page of 2, asked for by {unit}"
    assert detect_pagination(f"{URL}?{place}&limit=3", {}, rows)[0] == SinglePage()


SINGLES = [
    ([{"a": 1}], "nothing in the answer speaks of further pages"),
    ({"next_billing_date": "2024-01-01", "id": 1}, "nothing in the answer speaks of further pages"),
    ({"total": 9, "rows": [{}, {}]}, "total claims 9, of which 2 came"),
    ({"has_more": False, "rows": [{}]}, "nothing in the answer speaks of further pages"),
]


@pytest.mark.parametrize(("body", "reason"), SINGLES)
def test_one_page_is_told(body, reason):
    """An answer without signs of others is the only page, whatever its fields begin with."""
    assert detect_pagination(URL, {}, body) == (SinglePage(), reason)


def test_more_without_a_way_is_an_error():
    """An answer that says there is more, and not how to ask for it, is never taken for all."""
    with pytest.raises(BodyError, match="has_more says that there are more pages") as caught:
        detect_pagination(URL, {}, {"has_more": True, "data": [{"id": 1}]})
    assert caught.value.code == "undetected-pages"
    assert caught.value.hint == "give the endpoint a paginator"


def test_a_detected_counter_goes_on_from_the_page_it_was_told_by():
    """The first page was asked for without a number; the next one is the number after its own."""
    found, _ = detect_pagination(URL, {}, {"page": 1, "total_pages": 3, "data": [{}, {}]})
    answer = {"response": {"total_pages": 3}}
    facts = Facts(count=2, frame=Frame(page=answer))
    assert found.next(Position(), facts) == Position(index=1, token=2)
    assert found.remaining(Position(), facts) == 2
