"""Any API at all: its rows come whole and in order, or an error or the receipt says why not."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.api import Api, answer, broken, query, read_all, response, rows, source, stream

from penstock.plan.expr import Const
from penstock.plan.pagination import Counter, NextLink, NextToken, PageSize, Stop
from penstock.plan.records import Keys, Records

DATA = Records(path=Keys(path=("data",)))
MOST = 3_000  # requests; an endless run would pass it

totals = st.integers(0, 120)
asked_sizes = st.integers(1, 25)
caps = st.none() | st.integers(1, 25)
latencies = st.lists(st.floats(0.001, 2.0), min_size=1, max_size=7)
faults = st.lists(st.sampled_from([None, None, None, "reset", "html", 500, 429]), max_size=12)


def fault(kind):
    if kind is None:
        return None
    if kind == "reset":
        return broken()
    return answer(body=b"<html>") if kind == "html" else answer({}, status=kind)


def run(handler, pagination, latency=(0.05,), broken_by=()):
    slow = list(latency)
    api = Api(
        handler,
        latency=lambda a: slow[hash(a.url) % len(slow)],
        faults=[fault(kind) for kind in broken_by],
        most=MOST,
    )
    return read_all(source(stream(pagination=pagination, records=DATA), concurrency=5), api)


def counter(unit, size, **stop):
    stop.setdefault("short", "proven")
    return Counter(
        unit=unit,
        into=query("at"),
        size=PageSize(value=Const(value=size), into=query("limit")),
        stop=Stop(**stop),
    )


def cut(asked, everything, unit, cap):
    """A page of a server that gives at most `cap` records."""
    limit = min(asked.number("limit"), cap or 10_000)
    start = asked.number("at") * (limit if unit == "page" else 1)
    return everything[start : start + limit]


def explained(found, expected):
    """Whether a run is complete, or says that and why it is not."""
    if found.lost():
        return True
    return found.ids() == expected


servers = st.tuples(totals, caps, st.sampled_from(["page", "offset"]))


@given(servers, asked_sizes, st.booleans(), latencies, faults)
@settings(deadline=None)
def test_counted_pages_are_complete_and_in_order(server, size, told, latency, broken_by):
    """Page sizes, caps, totals, latencies and passing faults change nothing of the rows."""
    total, cap, unit = server

    def handle(asked):
        return {"data": cut(asked, rows(total), unit, cap), "total": total}

    stop = {"total": response("total")} if told else {}
    found = run(handle, counter(unit, size, **stop), latency, broken_by)
    if sum(kind is not None for kind in broken_by) <= 3:
        assert found.lost() == []
    assert explained(found, list(range(total)))
    assert found.ids() == list(range(len(found.ids())))


@given(st.lists(st.integers(0, 10), min_size=1, max_size=15), st.booleans(), latencies)
@settings(deadline=None)
def test_short_pages_in_the_middle_are_read_over_or_the_receipt_names_the_rule(
    sizes, told, latency
):
    """Where a short page was followed by others, the run is complete or ended by a named rule."""
    starts = [sum(sizes[:i]) for i in range(len(sizes) + 1)]

    def handle(asked):
        at = asked.number("at")
        data = rows(sizes[at], starts[at]) if at < len(sizes) else []
        return {"data": data, "total": starts[-1]}

    stop = {"total": response("total")} if told else {}
    found = run(handle, counter("page", 10, **stop), latency)
    ids = found.ids()
    assert ids == list(range(len(ids)))
    if len(ids) < starts[-1]:
        # Only an empty page, or a short one that the endpoint's own pages vouch for, may end early.
        assert found.lost() or set(found.ended()) <= {"empty-page", "short-page"}
        assert found.lost() or 0 in sizes or "short-page" in found.ended()
    if told and 0 not in sizes:
        assert len(ids) == starts[-1]


@given(
    st.integers(1, 60),
    asked_sizes,
    st.lists(st.tuples(st.integers(0, 8), st.sampled_from(["insert", "delete"])), max_size=4),
    st.sampled_from(["page", "offset"]),
)
@settings(deadline=None)
def test_pages_that_shift_while_read_give_rows_once_and_in_order(total, size, changes, unit):
    """Records that come and go at the front neither repeat a row nor turn the order."""
    everything = rows(total)
    due = dict(changes)
    count = 0

    def handle(asked):
        nonlocal count
        change = due.get(count)
        count += 1
        if change == "insert":
            everything.insert(0, {"id": -count})
        elif change == "delete" and everything:
            everything.pop(0)
        return {"data": cut(asked, list(everything), unit, None)}

    found = run(handle, counter(unit, size))
    kept = [i for i in found.ids() if i >= 0]
    if size > 1 and not found.lost() and sum(k == "insert" for _, k in changes) <= 1:
        assert len(set(kept)) == len(kept)
        assert kept == sorted(kept)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=10), st.booleans())
@settings(deadline=None)
def test_links_in_any_graph_end(graph, fresh):
    """Links that lead round and round end in an error, at most once round."""

    def handle(asked):
        at = asked.number("p") % len(graph)
        count = asked.number("n") + 1
        link = f"/rows?p={graph[at]}" + (f"&n={count}" if fresh else "")
        return {"data": rows(3, 3 * at), "next": link}

    found = run(handle, NextLink(link=response("next")))
    assert found.error().code in {"cycle", "same-page"}
    assert len(found.api.requests) <= len(graph) + 2


@given(st.integers(1, 6), st.integers(1, 5))
@settings(deadline=None)
def test_tokens_without_an_end_end(period, size):
    """An API that gives token after token for the same records is found out."""

    def handle(asked):
        at = asked.number("at")
        return {"data": rows(size, size * (at % period)), "next": at + 1}

    found = run(handle, NextToken(token=response("next"), into=query("at")))
    assert found.error().code == "same-page"
    assert len(found.api.requests) == period + 1


@given(st.lists(st.integers(0, 5), max_size=12), faults)
@settings(deadline=None)
def test_tokens_are_followed_to_the_last(sizes, broken_by):
    """Any sizes of pages, empty ones among them, come whole and in order."""
    starts = [sum(sizes[:i]) for i in range(len(sizes) + 1)]

    def handle(asked):
        at = asked.number("at")
        data = rows(sizes[at], starts[at]) if at < len(sizes) else []
        return {"data": data, "next": at + 1 if at + 1 < len(sizes) else None}

    found = run(handle, NextToken(token=response("next"), into=query("at")), broken_by=broken_by)
    assert explained(found, list(range(starts[-1])))
