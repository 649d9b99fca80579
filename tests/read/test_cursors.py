"""Cursors and windows: what is new, once, from where the last run got to."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.api import Api, answer, cursor, query, read_all, response, source, stream

from penstock.plan.expr import Const
from penstock.plan.page import Position
from penstock.plan.pagination import Counter, NextToken, PageSize, SinglePage, Stop
from penstock.plan.records import Keys, Records
from penstock.plan.request import Param
from penstock.plan.slices import Cursor, Duration, Field, Fold, Parent, Window, windows
from penstock.read.lags import moved
from penstock.read.parts import SliceRestarted
from penstock.read.state import read_mark

DATA = Records(path=Keys(path=("data",)))
SINCE = (Param(slot=query("since"), value=cursor("start")),)
BOTH = (*SINCE, Param(slot=query("until"), value=cursor("end")))
START = datetime(2025, 12, 1, tzinfo=UTC)


def at(**parts):
    parts.setdefault("params", SINCE)
    return Cursor(path=Keys(path=("at",)), **parts)


def plan(kind, **parts):
    parts.setdefault("pagination", SinglePage())
    return source(stream(cursor=kind, records=DATA, **parts))


def records(*values):
    return [{"id": number, "at": value} for number, value in enumerate(values)]


def given_rows(rows):
    return lambda _: {"data": rows}


def mark(found):
    return read_mark(found.state()["rows"].get("cursor"))


@pytest.mark.parametrize(
    "values",
    [
        [1, 5, 3],
        [1.5, 2.5, 2.25],
        ["2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-02T00:00:00+00:00"],
        ["2026-01-01", "2026-01-03", "2026-01-02"],
        ["a", "c", "b"],
        [2**60, 2**60 + 2, 2**60 + 1],
    ],
)
def test_the_newest_value_is_kept_whatever_its_kind(values):
    """Numbers, times and texts compare as what they are."""
    assert mark(read_all(plan(at()), given_rows(records(*values)))).value == values[1]


def test_times_of_other_zones_compare_as_times():
    """The later moment is newer, however it is written."""
    values = ["2026-01-01T10:00:00+09:00", "2026-01-01T03:00:00Z"]
    assert mark(read_all(plan(at()), given_rows(records(*values)))).value == values[1]


@pytest.mark.parametrize(
    ("spelled", "values"),
    [("%s", ["9", "10"]), ("%ms", [999, 1000]), ("%Y-%m-%d", ["2025-12-31", "2026-01-01"])],
)
def test_a_format_says_how_values_compare(spelled, values):
    """Epochs as texts are numbers, and dates are dates."""
    assert mark(read_all(plan(at(format=spelled)), given_rows(records(*values)))).value == values[1]


def test_a_second_run_asks_from_the_newest_value_and_doubles_nothing():
    """Rows at the boundary come again and are dropped; new ones there are kept."""
    rows = records(1, 2, 2)
    first = read_all(plan(at()), given_rows(rows))
    rows.append({"id": 9, "at": 2})
    second = read_all(plan(at()), given_rows(rows[1:]), state=first.state())
    assert second.api.urls() == ["/rows?since=2"]
    assert second.ids() == [9]
    third = read_all(plan(at()), given_rows(rows[1:]), state=second.state(first.state()))
    assert third.ids() == []


def test_a_run_without_news_keeps_the_state():
    """Nothing new leaves the mark where it was."""
    first = read_all(plan(at()), given_rows(records(1, 2)))
    second = read_all(plan(at()), given_rows([]), state=first.state())
    assert mark(first) == read_mark(second.state(first.state())["rows"]["cursor"])


@given(st.lists(st.integers(0, 6), max_size=12), st.integers(0, 12), st.integers(0, 3))
def test_any_split_into_runs_gives_each_row_once(values, split, lag):
    """Late rows within the lag and rows at the boundary are neither lost nor doubled."""
    ordered = sorted(values)
    rows = records(*ordered)
    kind = at(lag=float(lag))
    first = read_all(plan(kind), given_rows(rows[:split]))

    def handle(asked):
        return {"data": [r for r in rows if r["at"] >= float(asked.query.get("since", -1))]}

    second = read_all(plan(kind), handle, state=first.state())
    assert sorted(first.ids() + second.ids()) == list(range(len(rows)))


def test_a_lag_finds_late_rows_once():
    """A row that came late behind the state is found, those known are dropped."""
    kind = at(lag=3.0)
    first = read_all(plan(kind), given_rows(records(8, 9, 10)))
    late = [{"id": 7, "at": 7.5}, *records(8, 9, 10)]
    second = read_all(plan(kind), given_rows(late), state=first.state())
    assert second.api.urls() == ["/rows?since=7"]
    assert second.ids() == [7]


@pytest.mark.parametrize(
    ("value", "initial", "lag", "pick", "expected"),
    [
        ("2026-03-01", None, 1.0, "max", "2026-02-28"),
        ("2026-02-28", "2026-01-01", 1.0, "min", "2026-03-01"),
        ("20260301", "20260101", 2.0, "max", "20260227"),
        ("2026-03-01T10:00:00Z", "2026-01-01", 1.0, "max", "2026-02-28T00:00:00Z"),
        ("2026-03-01T01:00:00+02:00", "2026-01-01", 1.0, "max", "2026-02-27T02:00:00+02:00"),
        ("2026-03-01T10:00:00", "2026-01-01", 1.0, "min", "2026-03-02T23:59:59"),
        ("2026-03-01", "2026-01-01T00:00:00Z", 60.0, "max", "2026-02-28"),
        ("2026-03-01T00:00:30-0530", None, 60.0, "max", "2026-02-28T23:59:30-0530"),
        ("2026-03-01T00:00:30.5Z", None, 31.0, "max", "2026-02-28T23:59:59.500000Z"),
        ("2026-03-01", None, 1e6, "max", "0001-01-01"),
        ("2026-03-01 10:00:00Z", None, 60.0, "max", "2026-03-01T09:59:00Z"),
    ],
)
def test_a_lag_counts_days_of_dates_and_keeps_the_spelling(value, initial, lag, pick, expected):
    """The first value says what a lag counts, and the newest how its result is spelled."""
    assert moved(value, at(lag=lag, pick=pick), initial) == expected


def test_a_lag_of_days_finds_late_rows_once():
    """Which records are near the newest is told in days too."""
    kind = at(lag=2.0)
    days = [f"2026-03-{day:02d}" for day in (5, 7, 8, 9)]
    first = read_all(plan(kind), given_rows(records(*days)))
    rows = [*records(*days), {"id": 9, "at": "2026-03-07"}, {"id": 10, "at": "2026-03-06"}]
    second = read_all(plan(kind), given_rows(rows), state=first.state())
    assert second.api.urls() == ["/rows?since=2026-03-07"]
    assert second.ids() == [9]


def test_a_lag_of_many_rows_is_no_work_without_an_end():
    """A hundred thousand rising values within the lag are followed in linear time."""
    rows = records(*range(50_000))
    found = read_all(plan(at(lag=1e9)), given_rows(rows))
    assert len(mark(found).boundary) == 50_000


@pytest.mark.parametrize(
    ("missing", "ids"), [("include", [0, 1]), ("exclude", [0]), ("error", None)]
)
@pytest.mark.parametrize("record", [{"id": 1}, {"id": 1, "at": None}])
def test_a_record_without_the_field_is_what_the_document_says(missing, ids, record):
    """Absent and null alike are kept, dropped, or an error that shows the record."""
    found = read_all(plan(at(missing=missing)), given_rows([{"id": 0, "at": 1}, record]))
    if ids is None:
        assert (found.error().code, '"id":1' in str(found.error())) == ("cursor-missing", True)
    else:
        assert found.ids() == ids


@pytest.mark.parametrize(
    ("path", "record", "near"),
    [
        (("updatedAt",), {"id": 1, "updated_at": 2}, "did you mean 'updated_at'? Else set "),
        (("fields", "updated"), {"id": 1, "updated": 2}, "did you mean 'updated'? Else set "),
        (("updated_at",), {"id": 1, "updated_at": None}, "set "),
        (("fields", "at"), {"id": 1, "fields": None}, "set "),
        (("when",), {"id": 1}, "set "),
    ],
)
def test_a_field_that_records_call_otherwise_is_named(path, record, near):
    """One that is there and null is no mistake in writing."""
    cursor = msgspec.structs.replace(at(missing="error"), path=Keys(path=path))
    found = read_all(plan(cursor), given_rows([record]))
    assert found.error().hint == f"{near}on_cursor_value_missing to include or exclude such records"


def test_a_value_that_is_no_time_does_not_become_the_state():
    """A format is a promise: what breaks it is no newest value."""
    kind = at(format="%Y-%m-%d", missing="include")
    found = read_all(plan(kind), given_rows(records("2026-01-01", "unknown")))
    assert (found.ids(), mark(found).value) == ([0, 1], "2026-01-01")


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [
        ({}, [2, 3, 4]),
        ({"closed_start": False}, [3, 4]),
        ({"closed_end": True}, [2, 3, 4, 5]),
        ({"filter": False}, [1, 2, 3, 4, 5, 6]),
    ],
)
def test_records_outside_the_range_are_dropped(bounds, kept):
    """Bounds are open or closed as the document says."""
    kind = at(start=Const(value=2), end=Const(value=5), **bounds)
    found = read_all(plan(kind), given_rows([{"id": n, "at": n} for n in range(1, 7)]))
    assert found.ids() == kept


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_reading_stops_where_sorted_records_leave_the_range(order):
    """Behind the last record in range nothing is asked for."""
    pages = Counter(
        unit="page",
        into=query("page"),
        size=PageSize(value=Const(value=10)),
        stop=Stop(short="always"),
    )
    kind = at(order=order, start=Const(value=50), end=Const(value=80))

    def handle(asked):
        page = asked.number("page")
        values = (
            range(page * 10, page * 10 + 10)
            if order == "asc"
            else range(199 - page * 10, 189 - page * 10, -1)
        )
        return {"data": [{"id": v, "at": v} for v in values]}

    found = read_all(plan(kind, pagination=pages), Api(handle, most=200))
    assert sorted(found.ids()) == list(range(50, 80))
    assert found.ended() == {"out-of-range": 1}


# --- windows ---


def windowed(**parts):
    parts.setdefault("params", BOTH)
    return at(
        start=Const(value="2025-12-01T00:00:00Z"),
        window=Window(step=Const(value="P5D"), granularity=Duration(seconds=1)),
        format="%Y-%m-%dT%H:%M:%SZ",
        closed_end=True,
        **parts,
    )


def moments(asked):
    return asked.query["since"], asked.query["until"]


def hourly(asked):
    """A record for every six hours of December."""
    since, until = moments(asked)
    every = (START + timedelta(hours=6 * n) for n in range(4 * 31))
    texts = [m.strftime("%Y-%m-%dT%H:%M:%SZ") for m in every]
    return {"data": [{"id": t, "at": t} for t in texts if since <= t <= until]}


def test_windows_cover_the_range_and_close_in_order():
    """Windows run at the same time and are handed out one after the other."""
    api = Api(hourly, latency=lambda a: 5.0 if a.query["since"] < "2025-12-06" else 0.1)
    found = read_all(plan(windowed()), api)
    assert found.ids() == sorted(found.ids())
    assert len(found.rows()) == 4 * 31
    closed = [c.slice.range.start for c in found.closed()]
    assert closed == sorted(closed)
    assert api.peak > 1


def test_a_window_that_fails_is_the_only_one_asked_for_again():
    """The others are kept; the gap is closed by the next run."""

    def failing(asked):
        return (
            answer({}, status=404)
            if asked.query["since"].startswith("2025-12-11")
            else hourly(asked)
        )

    first = read_all(plan(windowed()), failing)
    assert len(first.lost()) == 1
    state = first.state()
    second = read_all(plan(windowed()), hourly, state=state)
    since = [moments(a)[0] for a in second.api.requests]
    assert since[0] == "2025-12-11T00:00:00Z"
    assert all(s >= "2025-12-31" for s in since[1:])
    everything = {r["id"] for r in first.rows()} | {r["id"] for r in second.rows()}
    assert len(everything) == 4 * 31
    third = read_all(plan(windowed()), hourly, state=second.state(state))
    assert all(moments(a)[0] >= "2025-12-31" for a in third.api.requests)


def test_a_record_newer_than_its_window_leaves_no_gap():
    """The next run begins inside what was read, however new a record was."""
    kind = windowed(filter=False)
    future = {"id": "f", "at": "2027-01-01T00:00:00Z"}
    first = read_all(plan(kind), lambda a: {"data": [*hourly(a)["data"], future]})
    second = read_all(plan(kind), hourly, state=first.state())
    assert moments(second.api.requests[0])[0] <= "2026-01-01T00:00:00Z"


@given(st.integers(1, 40), st.integers(1, 100), st.integers(0, 3))
def test_windows_leave_no_gap_and_no_overlap(step, length, granularity):
    """The end of a window and the start of the next are one granularity apart."""
    gap = timedelta(seconds=granularity)
    end = START + timedelta(hours=length)
    found = list(windows(START, end, Duration(seconds=3600 * step), Duration(seconds=granularity)))
    assert (found[0][0], found[-1][1]) == (START, end)
    assert all(b[0] - a[1] == gap for a, b in itertools.pairwise(found))


# --- resuming ---

TOKENS = NextToken(token=response("next"), into=query("cursor"))


def tokens(asked):
    page = asked.number("cursor")
    return {"data": [{"id": page}], "next": page + 1 if page < 5 else None}


def test_a_slice_is_taken_up_at_a_kept_position():
    """A cursor of the API is a position that another run may go on from."""
    found = read_all(
        source(stream(pagination=TOKENS, records=DATA)),
        tokens,
        resume={("rows", ""): Position(index=3, token="3")},
    )
    assert found.ids() == [3, 4, 5]
    assert all(page.resumable for page in found.pages())


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_position_that_is_refused_starts_the_slice_again(status):
    """What was kept of the slice is taken back, and it is read from its start."""
    found = read_all(
        source(stream(pagination=TOKENS, records=DATA)),
        lambda a: answer({}, status=status) if a.query.get("cursor") == "old" else tokens(a),
        resume={("rows", ""): Position(index=3, token="old")},
    )
    assert isinstance(found.parts[0], SliceRestarted)
    assert found.ids() == [0, 1, 2, 3, 4, 5]
    assert "resume-refused" in found.notes()


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_failure_of_another_kind_does_not_start_the_slice_again(status):
    """An API that is down has not forgotten the position."""
    found = read_all(
        source(stream(pagination=TOKENS, records=DATA)),
        lambda _: answer({}, status=status),
        resume={("rows", ""): Position(index=3, token="3")},
    )
    assert len(found.lost()) == 1
    assert {a.query.get("cursor") for a in found.api.requests} == {"3"}


def test_state_is_plain_json():
    """Every entry of the state can be read by anyone."""
    found = read_all(plan(at()), given_rows(records(1, 2)))
    for entries in found.state().values():
        for text in entries.values():
            msgspec.json.decode(text)


def longest(values):
    """The longer of two texts, the one before if they are as long."""
    return max(reversed(values), key=len)


FOLD = Fold(function=longest, name="longest")


def test_a_function_moves_the_cursor():
    """What moves it no further is left out by the next run, and so is what was there before."""
    kind = at(fold=FOLD)
    first = read_all(plan(kind), given_rows(records("aa", "a", "bbb")))
    assert first.ids() == [0, 1, 2]
    assert mark(first).value == "bbb"
    second = read_all(
        plan(kind), given_rows(records("aa", "bbb", "ccc", "dddd", "bbb")), state=first.state()
    )
    assert second.api.urls() == ["/rows?since=bbb"]
    assert second.ids() == [1, 3, 4]  # others at the start were not there before
    assert mark(second).value == "dddd"


def test_a_function_moves_a_cursor_for_each_partition():
    """Each parent has its own, as with the greatest value."""
    parent = stream("users", records=DATA, pagination=SinglePage())
    below = stream(
        partition=Parent(stream="users", fields=(Field(name="user", path=Keys(path=("id",))),)),
        records=DATA, pagination=SinglePage(), cursor=at(fold=FOLD),
    )  # fmt: skip

    def handle(asked):
        return {"data": records("a", "bb") if asked.path == "/rows" else [{"id": 1}, {"id": 2}]}

    state = read_all(source(parent, below), handle).state()["rows"]
    marks = [read_mark(text).value for name, text in state.items() if name.startswith("cursor/")]
    assert marks == ["bb", "bb"]


@pytest.mark.parametrize(("values", "wrong"), [((1,), "TypeError"), (("a", 2), "TypeError")])
def test_a_function_that_fails_names_the_values(values, wrong):
    """The slice fails, and the message shows what it was given."""
    found = read_all(plan(at(fold=FOLD)), given_rows(records(*values)))
    assert found.error().code == "step-failed"
    assert "last_value_func longest failed on [" in str(found.error())
    assert wrong in str(found.error())


class Moment(datetime):
    """A moment of a library's own, such as pendulum's."""


def test_a_function_may_give_moments_of_a_library():
    """They come back as the standard's are; what no state can hold fails the stream, as said."""
    given: list[Any] = []

    def held(value, state=None):
        fold = Fold(name="latest", function=lambda values: (given.append(values), {"at": value})[1])
        return read_all(plan(at(fold=fold)), given_rows(records("a")), state=state)

    moment = Moment(2024, 1, 2, tzinfo=UTC)
    first = held(moment)
    held(moment, first.state())
    back = given[-1][-1]["at"]
    assert (back, type(back)) == (moment, datetime)
    failed = held(object()).error()
    assert failed.code == "step-failed"
    assert "latest gives a 'object', which no state can hold" in str(failed)
