"""Pages that are asked for before their turn: fast, in order, and not many for nothing."""

from __future__ import annotations

import msgspec
import pytest
from tests.support.api import Api, answer, query, read_all, response, rows, source, stream

from penstock.errors import BodyError
from penstock.plan.expr import Const
from penstock.plan.hints import Hints
from penstock.plan.pagination import Counter, NextLink, PageSize, Stop
from penstock.plan.records import Keys, Records
from penstock.plan.slices import Cursor

DATA = Records(path=Keys(path=("data",)))
SIZE = PageSize(value=Const(value=100), into=query("limit"))


def counter(unit="page", **stop):
    stop.setdefault("short", "proven")
    start = Const(value=1 if unit == "page" else 0)
    return Counter(unit=unit, into=query("at"), start=start, size=SIZE, stop=Stop(**stop))


def api(count, *, unit="page", latency=0.05, **more):
    def handle(asked):
        at = asked.number("at")
        start = (at - 1) * 100 if unit == "page" else at
        return {"data": rows(min(100, max(0, count - start)), start), **more}

    return Api(handle, latency=latency)


def _page_of(held, asked):
    first = (asked.number("at") - 1) * 100
    return held[first : first + 100]


def read(transport, pagination, **options):
    plan = source(stream(pagination=pagination, records=DATA), concurrency=20)
    return read_all(plan, transport, **options)


@pytest.mark.parametrize("unit", ["page", "offset"])
def test_a_known_total_is_read_in_ideal_time(unit):
    """400 pages of 50 ms with 20 at once take one round alone and 20 together."""
    found = read(api(40_000, unit=unit, total=40_000), counter(unit, total=response("total")))
    assert found.ids() == list(range(40_000))
    assert found.seconds == pytest.approx(1.05)
    assert (len(found.api.requests), found.api.peak) == (400, 20)
    assert found.tally().prefetch_wasted == 0


@pytest.mark.parametrize("unit", ["page", "offset"])
def test_without_a_total_the_window_grows(unit):
    """Full pages widen the window until the concurrency is used."""
    found = read(api(40_000, unit=unit), counter(unit))
    assert found.ids() == list(range(40_000))
    assert found.seconds < 1.5
    assert found.api.peak == 20


def test_a_sign_for_more_lets_the_window_grow():
    """A boolean in each answer is no reason to ask for one page at a time."""

    def handle(asked):
        at = asked.number("at")
        return {"data": rows(100, (at - 1) * 100), "more": at < 100}

    found = read(Api(handle), counter(more=response("more")))
    assert len(found.rows()) == 10_000
    assert found.seconds < 1.0


@pytest.mark.parametrize("order", [None, "asc", "desc"])
def test_where_an_order_may_end_the_reading_little_is_asked_for_ahead(order):
    """A total says how many pages there are, and not how many are needed."""
    cursor = Cursor(path=Keys(path=("at",)), start=Const(value=900), order=order)
    handle = [{"id": n, "at": n} for n in range(1_000, 0, -1)]
    served = Api(lambda asked: {"data": _page_of(handle, asked), "total": 1_000}, latency=0.05)
    plan = stream(pagination=counter(total=response("total")), records=DATA, cursor=cursor)
    found = read_all(source(plan, concurrency=20), served)
    assert len(found.rows()) == 101
    assert len(found.api.requests) == (2 if order == "desc" else 10)


@pytest.mark.parametrize("count", [100, 1_000, 1_050, 5_000, 40_000])
def test_waste_is_bounded_and_counted(count):
    """Requests that were sent for nothing are one, or a third of the others, and are told."""
    found = read(api(count), counter())
    needed = count // 100 + 1
    assert len(found.api.requests) - needed <= min(40, 1 + needed // 3)
    assert found.tally().prefetch_wasted == len(found.api.requests) - len(found.pages())


@pytest.mark.parametrize("pages", [1, 2, 3])
def test_a_short_listing_is_asked_for_no_page_too_many(pages):
    """Where a short page ends a listing for certain, a few pages are asked for one by one."""
    found = read(api(pages * 100 - 30), counter(short="always"))
    assert len(found.api.requests) == pages


def test_pages_that_overtake_are_still_handed_out_in_order():
    """A slow page holds back those behind it."""
    transport = api(2_000, latency=lambda asked: 1.0 if asked.number("at") % 7 == 3 else 0.01)
    found = read(transport, counter())
    assert found.ids() == list(range(2_000))


def test_one_page_more_is_asked_for_at_the_same_time_as_the_first():
    """The page that proves the end costs no wait."""
    found = read(api(50), counter())
    assert found.ids() == list(range(50))
    assert found.seconds == pytest.approx(0.05)
    assert found.ended() == {"empty-page": 1}


def test_an_offset_behind_a_short_page_is_not_guessed():
    """A server that gives less than asked is asked from where it stopped."""

    def handle(asked):
        return {"data": rows(500)[asked.number("at") :][:30]}

    found = read(Api(handle), counter("offset"))
    assert found.ids() == list(range(500))


@pytest.mark.parametrize("gap", [3, 8, 15])
@pytest.mark.parametrize("unit", ["page", "offset"])
def test_a_short_page_in_the_middle_is_contradicted_by_the_page_behind_it(unit, gap):
    """A page that is here already shows that the short one before it was not the last."""

    def handle(asked):
        at = asked.number("at")
        if unit == "page":
            return {"data": [] if at > 20 else rows(60 if at == gap else 100, at * 100)}
        everything = rows(2_000)
        return {"data": everything[at : at + (60 if at == (gap - 1) * 100 else 100)]}

    found = read(Api(handle), counter(unit))
    expected = 1_960 if unit == "page" else 2_000
    assert len(found.rows()) == expected
    assert len(set(found.ids())) == expected


def test_an_offset_that_shifts_makes_the_slice_sequential():
    """A short page moves the offset, and what was asked for ahead is dropped."""

    def handle(asked):
        at = asked.number("at")
        return {"data": rows(2_000)[at : at + (60 if at == 300 else 100)]}

    found = read(Api(handle), counter("offset"))
    assert found.ids() == list(range(2_000))
    assert "pages shift: read one at a time" in found.tally().detected


@pytest.mark.parametrize("unit", ["page", "offset"])
def test_a_record_inserted_while_reading_is_not_doubled(unit):
    """A record that moved from one page to the next is dropped there."""
    shown = []

    def handle(asked):
        at = asked.number("at")
        start = (at - 1) * 100 if unit == "page" else at
        shown.append(start)
        everything = rows(1_000)
        if start:
            everything = [{"id": -1}, *everything]
        return {"data": everything[start : start + 100]}

    found = read(Api(handle), counter(unit))
    assert found.ids() == list(range(1_000))
    assert found.tally().duplicates == 1


APPENDED = Hints(primary_key=("id", "kind"), write="append")


def changing(count, insert=1, start=lambda asked: asked.number("at"), **more):
    """An API that adds records at the front, and changes every record, with each answer."""
    answers = []

    def handle(asked):
        at = start(asked)
        answers.append(at)
        new = insert * (len(answers) - 1)
        everything = [*({"id": -1 - i} for i in range(new)), *rows(count)]
        page = everything[at : at + 100]
        return {"data": [{**row, "kind": "ä", "v": len(answers)} for row in page], **more}

    return Api(handle)


@pytest.mark.parametrize("write", ["append", "replace"])
@pytest.mark.parametrize("insert", [1, 7, 99])
def test_a_record_that_moved_and_changed_is_known_by_its_key(write, insert):
    """Where rows are not merged, a key tells that a page begins with rows of the one before."""
    hints = msgspec.structs.replace(APPENDED, write=write)
    plan = source(stream(pagination=counter("offset"), records=DATA, hints=hints), concurrency=1)
    found = read_all(plan, changing(550, insert))
    assert found.ids() == list(range(550))
    assert found.tally().duplicates > 0


@pytest.mark.parametrize("write", ["append", "merge"])
def test_pages_with_the_same_keys_are_a_cycle_whatever_else_changes(write):
    """An API that ignores the page, and says the time in each record, gives no new page ever."""
    hints = msgspec.structs.replace(APPENDED, write=write)
    plan = source(stream(pagination=counter(), records=DATA, hints=hints))
    found = read_all(plan, changing(550, 0, lambda _asked: 0))
    (lost,) = found.lost()
    assert lost.error.code == "same-page"
    assert found.ids() == list(range(100))


@pytest.mark.parametrize("write", ["append", "replace"])
def test_pages_of_other_days_may_have_the_same_keys(write):
    """A key that is none, as the country of a report, makes no page of another day the same one."""
    countries = [f"c{n}" for n in range(100)]

    def handle(asked):
        day = asked.number("at")
        fields = [{"id": c, "day": day, "visits": 7 * day + n} for n, c in enumerate(countries)]
        return {"data": fields if day <= 30 else []}

    hints = msgspec.structs.replace(APPENDED, write=write)
    found = read_all(source(stream(pagination=counter(), records=DATA, hints=hints)), Api(handle))
    assert (len(found.rows()), found.lost(), found.tally().duplicates) == (3000, [], 0)


def test_linked_pages_that_shift_give_no_row_twice_either():
    """A next link that counts is as good as a number."""

    def handle(asked):
        at = asked.number("at")
        everything = [{"id": -1}] * (at > 0) + rows(250)
        page = [{**row, "kind": 1, "v": at} for row in everything[at : at + 100]]
        return {"data": page, "next": f"/rows?at={at + 100}" if at < 200 else None}

    links = NextLink(link=response("next"))
    found = read_all(source(stream(pagination=links, records=DATA, hints=APPENDED)), Api(handle))
    assert found.ids() == list(range(250))
    assert found.tally().duplicates == 1


@pytest.mark.parametrize(
    "keys",
    [
        *(Hints(primary_key=("id",), write="merge"), Hints()),
        *(Hints(primary_key=("id", "nowhere")), Hints(primary_key=("v",))),
    ],
)
def test_without_a_key_that_tells_rows_apart_none_is_dropped(keys):
    """A merge takes the newer row by itself; and what is no key proves nothing."""
    plan = source(stream(pagination=counter("offset"), records=DATA, hints=keys), concurrency=1)
    found = read_all(plan, changing(250))
    assert len(found.rows()) == 250 + 2  # one for each page that begins with the last of another
    assert found.tally().duplicates == 0


def test_records_that_are_alike_are_not_taken_for_an_overlap():
    """Where records cannot be told apart, none is dropped."""

    def handle(asked):
        at = asked.number("at")
        return {"data": [{"v": i // 3 % 7} for i in range(950)][at : at + 100]}

    found = read(Api(handle), counter("offset"))
    assert len(found.rows()) == 950


def test_a_failing_page_ahead_is_the_failure_of_its_turn():
    """A page that fails ahead of its turn lets those before it out first."""
    transport = Api(
        lambda a: (
            answer({}, status=400)
            if a.number("at") == 5
            else {"data": rows(100, a.number("at") * 100), "total": 1_000}
        )
    )
    found = read(transport, counter(total=response("total")))
    assert len(found.rows()) == 400
    assert len(found.lost()) == 1


def test_nothing_is_asked_for_after_a_slice_failed():
    """A slice that fails takes its pages ahead along."""
    transport = Api(
        lambda a: (
            answer(body=b"<html>", headers={"content-type": "text/html"})
            if a.number("at") == 1
            else {"data": rows(100, a.number("at") * 100)}
        )
    )
    found = read(transport, counter())
    assert isinstance(found.error(), BodyError)
    assert transport.in_flight == 0
    assert found.seconds < 20


def test_large_pages_are_not_asked_for_in_numbers():
    """The memory of a slice bounds how far ahead it reads."""

    def handle(asked):
        at = asked.number("at")
        text = "x" * 40_000_000 if at <= 6 else ""
        return answer(
            body=b'{"data":['
            + (b'{"id":%d,"t":"%s"}' % (at, text.encode()) if text else b"")
            + b"]}"
        )

    found = read(Api(handle), counter())
    assert [page.records and 1 for page in found.pages()][:6] == [1] * 6
    assert found.api.peak <= 3
