"""Every kind of pagination, from its first request to the rule that ends it."""

from __future__ import annotations

import msgspec
import pytest
from tests.read.asking import many
from tests.support.api import (
    BASE,
    Api,
    answer,
    query,
    read_all,
    response,
    rows,
    source,
    stream,
)

from penstock.errors import BodyError, CycleError, ExprError, StatusError
from penstock.plan.expr import Const
from penstock.plan.law import Law
from penstock.plan.pagination import (
    Counter,
    Detect,
    NextLink,
    NextToken,
    PageSize,
    SinglePage,
    Stop,
)
from penstock.plan.records import Keys, Records

DATA = Records(path=Keys(path=("data",)))


def size(number=10, into=None):
    return PageSize(value=Const(value=number), into=query(into) if into else None)


def pages(**parts):
    parts.setdefault("stop", Stop(short="proven"))
    parts.setdefault("size", size())
    start = parts.pop("start", 1)
    return Counter(unit="page", into=query("page"), start=Const(value=start), **parts)


def offsets(**parts):
    parts.setdefault("stop", Stop(short="proven"))
    parts.setdefault("size", size(10, "limit"))
    return Counter(unit="offset", into=query("offset"), **parts)


def numbered(count, per_page=10, *, first=1, **more):
    """An API of numbered pages."""

    def handle(asked):
        start = (asked.number("page", first) - first) * per_page
        return {"data": rows(count)[start : start + per_page], **more}

    return handle


def sliced(count, cap=10_000, **more):
    """An API of offsets and limits that gives at most `cap` records."""

    def handle(asked):
        start = asked.number("offset")
        return {"data": rows(count)[start : start + min(cap, asked.number("limit"))], **more}

    return handle


def read(handler, pagination, **options):
    api = handler if isinstance(handler, Api) else Api(handler)
    return read_all(source(stream(pagination=pagination, records=DATA)), api, **options)


def test_a_single_page_is_asked_for_once():
    """A single page is one request, and ends as such."""
    found = read(lambda _: {"data": rows(3)}, SinglePage())
    assert (found.ids(), found.ended(), len(found.api.requests)) == (
        [0, 1, 2],
        {"single-page": 1},
        1,
    )


@pytest.mark.parametrize("link", ["/rows?page=2", "?page=2", f"{BASE}/rows?page=2"])
def test_a_next_link_is_followed_wherever_it_is_written_from(link):
    """A link may be absolute, relative to the host, or relative to its page."""
    found = read(
        lambda a: {"data": rows(2, 2)} if "page" in a.query else {"data": rows(2), "next": link},
        NextLink(link=response("next")),
    )
    assert found.ids() == [0, 1, 2, 3]
    assert found.api.urls() == ["/rows", "/rows?page=2"]
    assert found.ended() == {"no-next": 1}


def test_an_empty_page_in_the_middle_does_not_end_links():
    """A page without records but with a link goes on."""
    chain = {"1": ([], "/rows?p=2"), "2": ([5], "")}

    def handle(asked):
        ids, link = chain[asked.query.get("p", "1")]
        return {"data": [{"id": i} for i in ids], "next": link}

    assert read(handle, NextLink(link=response("next"))).ids() == [5]


def test_a_token_goes_into_its_slot_until_none_comes():
    """A token of an answer asks for the next page; a null one ends."""
    tokens = {None: "b", "b": "c", "c": None}

    def handle(asked):
        at = asked.query.get("cursor")
        return {"data": rows(1, "bc".find(at or "a") + 1), "next": tokens[at]}

    found = read(handle, NextToken(token=response("next"), into=query("cursor")))
    assert found.ids() == [0, 1, 2]
    assert found.api.urls() == ["/rows", "/rows?cursor=b", "/rows?cursor=c"]


@pytest.mark.parametrize("end", ["", False, 0, None])
def test_a_false_token_ends(end):
    """Empty text, false, zero and null are no tokens."""
    found = read(
        lambda _: {"data": rows(1), "next": end},
        NextToken(token=response("next"), into=query("cursor")),
    )
    assert (found.ended(), len(found.api.requests)) == ({"no-next": 1}, 1)


def test_a_token_that_is_a_link_is_followed_where_the_plan_says_so():
    """A cursor whose value is a link is a link."""
    found = read(
        lambda a: {"data": rows(1, 1)} if a.query else {"data": rows(1), "next": "/rows?after=x"},
        NextToken(token=response("next"), into=query("cursor"), link="detect"),
    )
    assert found.api.urls() == ["/rows", "/rows?after=x"]
    assert "next pages are followed as links" in found.tally().detected


def test_a_token_that_is_an_object_is_an_error():
    """What cannot be sent is not a token."""
    found = read(
        lambda _: {"data": rows(1), "next": {"after": 1}},
        NextToken(token=response("next"), into=query("cursor")),
    )
    assert isinstance(found.error(), BodyError)


def test_the_first_token_is_sent_where_the_document_gives_one():
    """A document may give the token of the first page."""
    pagination = NextToken(
        token=response("next"), into=query("cursor"), first_token=Const(value="start")
    )
    assert read(lambda _: {"data": rows(1)}, pagination).api.urls() == ["/rows?cursor=start"]


@pytest.mark.parametrize("total", [0, 1, 9, 10, 11, 20, 25, 100])
def test_numbered_pages_are_complete_without_a_total(total):
    """Whatever the number of records, they come in order and once."""
    assert read(numbered(total), pages()).ids() == list(range(total))


@pytest.mark.parametrize("total", [0, 1, 9, 10, 11, 20, 25, 100])
def test_offsets_are_complete_without_a_total(total):
    """Whatever the number of records, they come in order and once."""
    assert read(sliced(total), offsets()).ids() == list(range(total))


@pytest.mark.parametrize("cap", [1, 3, 7, 10])
@pytest.mark.parametrize("unit", ["page", "offset"])
def test_a_server_that_caps_pages_loses_nothing(cap, unit):
    """Pages shorter than asked are no end where the server caps them."""
    found = read(numbered(40, cap), pages()) if unit == "page" else read(sliced(40, cap), offsets())
    assert found.ids() == list(range(40))


def test_a_page_number_is_not_sent_first_where_the_document_says_so():
    """The first request may go without the number."""
    found = read(numbered(5), pages(send_first=False))
    assert found.api.urls()[0] == "/rows"


def test_a_maximum_is_not_asked_for():
    """Pagination ends before its maximum, and says so."""
    found = read(numbered(1000), pages(stop=Stop(maximum=4)))
    assert (found.ids(), found.ended()) == (list(range(30)), {"maximum": 1})
    assert max(a.number("page") for a in found.api.requests) == 3


def test_a_boolean_in_the_answer_ends():
    """A sign for more pages is believed when it says no."""

    def handle(asked):
        page = asked.number("page", 1)
        return {"data": rows(10, (page - 1) * 10), "more": page < 3}

    found = read(handle, pages(stop=Stop(more=response("more"))))
    assert (found.ids(), found.ended()) == (list(range(30)), {"no-more": 1})


def test_a_sign_for_more_that_is_no_boolean_is_an_error():
    """A sign that cannot be read is not taken for an end."""
    found = read(
        lambda _: {"data": rows(1), "more": "perhaps"}, pages(stop=Stop(more=response("more")))
    )
    assert isinstance(found.error(), ExprError)


def test_a_condition_ends():
    """A condition of the document ends pagination when it holds."""
    found = read(
        lambda a: {"data": rows(10, (a.number("page") - 1) * 10), "last": a.number("page") == 2},
        pages(stop=Stop(when=response("last"))),
    )
    assert (found.ids(), found.ended()) == (list(range(20)), {"stop-condition": 1})


def test_a_total_of_records_ends_without_another_request():
    """A known total needs no page to prove the end."""
    found = read(numbered(25, total=25), pages(stop=Stop(total=response("total"))))
    assert (found.ids(), found.ended()) == (list(range(25)), {"total": 1})
    assert len(found.api.requests) == 3
    assert found.tally().claimed == 25


@pytest.mark.parametrize("first", [0, 1, 5])
def test_a_total_of_pages_counts_from_the_first(first):
    """A total of pages is a count, whatever number they begin at."""
    stop = Stop(total=response("pages"), total_unit="pages")
    found = read(numbered(25, first=first, pages=3), pages(start=first, stop=stop))
    assert (found.ids(), len(found.api.requests)) == (list(range(25)), 3)


def test_a_total_counts_what_came_where_the_server_gives_less_than_asked():
    """Pages of any size are read until the records of the total are there."""
    sizes = [4, 7, 10, 2, 7]
    starts = [sum(sizes[:i]) for i in range(6)]

    def handle(asked):
        page = asked.number("page") - 1
        return {"data": rows(sizes[page], starts[page]) if page < 5 else [], "total": 30}

    found = read(handle, pages(stop=Stop(total=response("total"), short="proven")))
    assert found.ids() == list(range(30))


def test_an_empty_page_before_the_total_is_asked_again():
    """An empty page that the total contradicts may be a hiccup."""
    api = Api(sliced(20, total=20), faults=[None, answer({"data": [], "total": 20})])
    found = read(api, offsets(stop=Stop(total=response("total"))))
    assert (found.ids(), len(api.requests)) == (list(range(20)), 3)


def test_a_page_that_stays_empty_before_the_total_is_an_error():
    """A total that is not reached is not taken for an end."""
    found = read(
        lambda a: {"data": rows(20)[a.number("offset") :][:10], "total": 30},
        offsets(stop=Stop(total=response("total"))),
    )
    assert found.error().code == "empty-before-total"


GAPS = {"empty": False, "short": "proven"}


@pytest.mark.parametrize(
    "stop",
    [
        Stop(**GAPS, more=response("more")),
        Stop(short="proven", more=response("more")),
        Stop(**GAPS, maximum=60),
        Stop(**GAPS, total=response("total")),
    ],
    ids=["more", "more, or an empty page", "maximum", "total"],
)
def test_pages_may_be_short_where_the_document_says_what_ends_them(stop):
    """A short page behind a full one is no end, nor is an empty one unless it is to be."""
    middle = range(13, 50, 3) if stop.empty else ()
    shown = [*range(13), *middle, *range(50, 56)]

    def handle(asked):
        start = asked.number("offset")
        held = [{"id": n} for n in shown if start <= n < start + 10]
        return {"data": held, "more": start + 10 < 60, "total": 60}

    assert read(handle, offsets(stop=stop)).ids() == shown


def test_a_short_page_that_slides_over_the_same_records_is_no_cycle():
    """Offsets move by what came: a page may show the same record, until it is past it."""
    stop = Stop(**GAPS, total=response("total"))

    def handle(asked):
        start = asked.number("offset")
        held = [{"id": n} for n in (*range(10), 18, 27, 39) if start <= n < start + 10]
        return {"data": held, "total": 40}

    assert read(handle, offsets(stop=stop)).ids() == [*range(10), 18, 27, 39]


def test_an_api_that_ignores_offsets_is_an_error_where_pages_may_be_short():
    """A page of the asked size or less that comes again and again is a cycle after so many."""
    stop = Stop(**GAPS, more=response("more"))
    api = Api(lambda _: {"data": rows(3), "more": True})
    found = read(api, offsets(stop=stop))
    assert isinstance(found.error(), CycleError)
    assert len(api.requests) <= 12


def test_a_total_of_records_that_are_elsewhere_is_a_wrong_path():
    """Where no page has the record path, the total is not what is wrong."""
    elsewhere = Records(path=Keys(path=("result", "row")))
    found = read_all(
        source(stream(pagination=offsets(stop=Stop(total=response("total"))), records=elsewhere)),
        Api(lambda _: {"result": {"rows": rows(10), "more": [1]}, "total": 30}),
    )
    assert found.error().code == "record-path"
    assert found.error().message == (
        "the record path 'result.row' is in none of the answers, but there are records at "
        "'result.rows'"
    )


def test_detection_finds_a_link():
    """A link in the first answer is followed where the document does not say."""
    found = read(
        lambda a: (
            {"data": rows(1, 1), "next": None}
            if a.query
            else {"data": rows(1), "next": f"{BASE}/rows?p=2"}
        ),
        Detect(),
    )
    assert found.ids() == [0, 1]
    assert any("next link" in text for text in found.tally().detected)


def test_a_repeated_link_is_a_cycle():
    """A link to a page that was asked for is an error, at the first repeat."""
    found = read(
        lambda a: {"data": rows(1, a.number("p", 1)), "next": "/rows?p=2"},
        NextLink(link=response("next")),
    )
    assert isinstance(found.error(), CycleError)
    assert len(found.api.requests) == 2


def test_a_link_back_to_the_first_page_is_a_cycle():
    """The first page is known by its own URL."""
    found = read(
        lambda a: {"data": rows(1, len(a.query)), "next": "/rows" if a.query else "/rows?p=2"},
        NextLink(link=response("next")),
    )
    assert isinstance(found.error(), CycleError)
    assert len(found.api.requests) == 2


def scrolled(pages, into="scroll_id"):
    """An API that keeps the place of who reads, under one token."""
    left = iter(pages)
    api = Api(lambda _: {"data": next(left, []), "next": "same"})
    return read(api, NextToken(token=response("next"), into=query(into)))


def test_the_token_of_a_scroll_stays_while_its_pages_go_on():
    """What a document calls a scroll is asked for again until a page is empty."""
    found = scrolled([rows(5, 5 * n) for n in range(4)])
    assert (found.ids(), found.ended()) == (list(range(20)), {"empty-page": 1})
    assert not any(page.resumable for page in found.pages())


def test_a_scroll_that_does_not_move_is_an_error():
    """A scroll that gives the same page again ends there."""
    assert scrolled([rows(5)] * 9).error().code == "same-page"


def test_another_token_that_stays_is_a_cycle():
    """What is not called a scroll says where the page is: the same token is the same page."""
    assert scrolled([rows(5, 5 * n) for n in range(4)], "cursor").error().code == "cycle"


@pytest.mark.parametrize("period", [1, 2, 3])
def test_new_tokens_with_the_same_records_are_a_cycle(period):
    """Ever new tokens do not hide that the records come round."""

    def handle(asked):
        at = asked.number("cursor")
        return {"data": rows(5, at % period * 5), "next": at + 1}

    found = read(handle, NextToken(token=response("next"), into=query("cursor")))
    assert found.error().code == "same-page"
    assert len(found.api.requests) == period + 1


def test_an_api_that_ignores_the_page_number_is_an_error():
    """The same page for every number ends at its second coming."""
    found = read(lambda _: {"data": rows(10)}, pages())
    assert found.error().code == "same-page"
    assert found.ids() == list(range(10))


def test_records_without_identity_may_fill_many_pages_alike():
    """Pages of records that are all alike are no cycle, as long as they end."""

    def handle(asked):
        return {"data": [{"v": 0}] * (10 if asked.number("offset") < 300 else 0)}

    found = read(handle, offsets())
    assert (len(found.rows()), found.lost()) == (300, [])


def test_pages_alike_for_ever_end_in_an_error():
    """Even records without identity do not make an endless run."""
    found = read(lambda _: {"data": [{"v": 0}] * 10}, offsets())
    assert found.error().code == "same-page"
    assert len(found.api.requests) < 200


@pytest.mark.parametrize("status", [404, 416])
def test_a_page_behind_a_short_one_may_be_refused(status):
    """An API that refuses the page behind its last one has ended."""

    def handle(asked):
        start = (asked.number("page") - 1) * 10
        return {"data": rows(25)[start:][:10]} if start < 25 else answer({}, status=status)

    found = read(handle, pages(stop=Stop()))
    assert (found.ids(), found.ended()) == (list(range(25)), {"refused-past-end": 1})


def test_one_refusal_behind_a_short_page_is_no_end():
    """Where an API gives fewer records than it is asked for, every page is short."""
    refused = []

    def handle(asked):
        start = (asked.number("page") - 1) * 4
        if start and not refused:
            refused.append(start)
            return answer({}, status=404)
        return {"data": rows(25)[start:][:4]} if start < 25 else answer({}, status=404)

    found = read(handle, pages(stop=Stop()))
    assert refused
    assert (found.ids(), found.lost()) == (list(range(25)), [])


def test_refusals_behind_short_pages_are_learned_from():
    """Once an API has refused the pages behind several short ones, a short one is the last."""

    def handle(asked):
        return {"data": rows(3)} if asked.number("page") == 1 else answer({}, status=404)

    api = Api(handle)
    found = read_all(source(many(8, pagination=pages()), concurrency=1), api)
    refused = found.ended()["refused-past-end"]
    assert 3 <= refused < 8  # a slice may be under way while another one is learned from
    assert found.ended()["short-page"] == 8 - refused
    assert len(api.requests) == 3 * refused + 8 - refused


def test_a_page_behind_a_full_one_may_not_be_refused():
    """A refusal behind a full page is an error: there may be more."""
    found = read(
        lambda a: {"data": rows(10)} if a.number("page") == 1 else answer({}, status=404), pages()
    )
    assert isinstance(found.error(), StatusError)


@pytest.mark.parametrize(
    "pagination", [SinglePage(), Detect(), pages(), NextLink(link=response("next"))]
)
def test_no_content_is_no_page(pagination):
    """Status 204 ends a slice without records and without an error."""
    found = read(lambda _: answer(status=204, body=b""), pagination)
    assert (found.rows(), found.ended(), found.lost()) == ([], {"no-content": 1}, [])


@pytest.mark.parametrize(
    ("counts", "proven", "cap"),
    [
        ([10, 3], True, None),
        ([3, 0], False, None),
        ([5, 5, 5], True, 5),
        ([5, 5, 2], True, 5),
        ([5, 3, 5], False, None),
        ([5, 7], False, None),
        ([10, 4, 10], False, None),
        ([10, 4, 0], True, None),
    ],
)
def test_what_an_endpoint_shows_of_its_pages(counts, proven, cap):
    """A full page or pages of one cap prove what a short one means; a gap disproves it."""
    law = Law(size=10)
    before = None
    for index, count in enumerate(counts):
        law = law.learn(count, before, index)
        before = count
    assert (law.proven, law.cap) == (proven, cap)


def test_three_short_pages_that_an_empty_one_follows_prove_the_end():
    """The fourth slice of an endpoint trusts its short page."""
    law = Law(size=10)
    for number in range(3):
        assert not law.proven, number
        law = law.learn(4, None, 0).learn(0, 4, 1)
    assert law.proven


def test_a_plan_without_a_page_size_ends_at_an_empty_page():
    """Without a size no page is short."""
    found = read(numbered(25), pages(size=None))
    assert (found.ids(), found.ended()) == (list(range(25)), {"empty-page": 1})


def test_a_server_that_gives_more_than_asked_is_read_whole():
    """Pages larger than asked move an offset by what they hold."""

    def handle(asked):
        return {"data": rows(100)[asked.number("offset") :][:30]}

    assert read(handle, offsets()).ids() == list(range(100))


def test_always_trusts_the_first_short_page():
    """A dialect that ends at any short page sends no request to prove it."""
    found = read(numbered(15), pages(stop=Stop(short="always")))
    assert (found.ids(), found.ended()) == (list(range(15)), {"short-page": 1})
    one = read(numbered(5), pages(stop=Stop(short="always")))
    assert len(one.api.requests) == 1


def test_the_position_of_a_page_is_not_changed_by_reading():
    """A kind of pagination is a value: two reads of it give the same."""
    kind = pages()
    before = msgspec.json.encode(kind)
    assert read(numbered(30), kind).ids() == read(numbered(30), kind).ids()
    assert msgspec.json.encode(kind) == before
