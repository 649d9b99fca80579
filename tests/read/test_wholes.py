"""Streams made in Python: their pages, who is fed with them, and where reading ends early."""

from __future__ import annotations

import msgspec
import pytest
from tests.support.api import Api, answer, query, read_all, response, rows, source, stream

from penstock.errors import ReadError
from penstock.plan.expr import Const
from penstock.plan.pagination import NextToken, SinglePage
from penstock.plan.python import Retrieve
from penstock.plan.records import Call, Keys, Records
from penstock.plan.slices import Cursor, Parent
from penstock.plan.source import Most
from penstock.read import python
from penstock.read.memory import ENTRY
from penstock.read.state import read_mark

DATA = Records(path=Keys(path=("data",)))
WHOLE = Parent(stream="users", fields=(), whole=True)
TOKENS = NextToken(token=response("next"), into=query("cursor"))


@pytest.fixture(autouse=True)
def _in_the_loop(monkeypatch):
    """What would be called in a thread is called at once: a virtual clock sees no threads."""

    async def called(function, *args):
        return function(*args)

    monkeypatch.setattr(python, "called", called)


def made(name, give, **parts):
    """A stream of the rows that a function gives, which is shown the frame."""
    function = Retrieve(function=lambda _door, frame: iter(give(frame)), name=name)
    parts.setdefault("records", Records(path=Keys()))
    return stream(name, pagination=SinglePage(), retrieve=function, **parts)


def fed(frame):
    """What a stream below was given."""
    return [{"got": frame.slice["extra"]["item"]}]


def got(found, name="below"):
    return [record["got"] for record in found.rows(name)]


def paged(count):
    """Pages of two records each, by number."""

    def handle(asked):
        at = asked.number("cursor")
        return {"data": rows(2, 2 * at), "next": at + 1 if at + 1 < count else None}

    return handle


def test_pages_are_handed_on_whole():
    """A stream below is given each page of the API, and no page of one that a step emptied."""
    steps = (Call(does="filter", function=lambda r: r["id"] not in {2, 3}, name="some"),)
    top = stream("users", records=Records(path=DATA.path, steps=steps), pagination=TOKENS)
    below = made("below", fed, partition=Parent(stream="users", fields=(), whole=True))
    found = read_all(source(top, below), Api(paged(3)))
    assert sorted(got(found), key=str) == [[{"id": 0}, {"id": 1}], [{"id": 4}, {"id": 5}]]


def test_records_that_come_alone_are_handed_on_alone():
    """What a function yields is what the next one is given: rows as rows, lists as lists."""
    top = made(
        "top", lambda _: [{"n": 1}, [{"n": 2}, {"n": 3}], {"n": 4}, [], [{"n": 2}, {"n": 3}]]
    )
    below = made("below", fed, partition=Parent(stream="top", fields=(), whole=True))
    found = read_all(source(top, below), Api(lambda _: {}))
    assert sorted(got(found), key=str) == [
        [{"n": 2}, {"n": 3}], [{"n": 2}, {"n": 3}], {"n": 1}, {"n": 4},
    ]  # fmt: skip
    assert [r["n"] for r in found.rows("top")] == [1, 2, 3, 4, 2, 3]


def test_rows_for_nobody_else_come_in_batches():
    """Small pages are taken together where nothing stands below."""
    top = made("top", lambda _: ([{"n": n}] for n in range(1_200)))
    found = read_all(source(top), Api(lambda _: {}))
    assert found.tally("top").pages == 3
    assert len(found.rows("top")) == 1_200


@pytest.mark.parametrize(
    ("most", "pages"),
    [(Most(pages=2), 2), (Most(rows=3), 2), (Most(rows=2), 1), (Most(pages=9, seconds=60), 4)],
)
def test_reading_ends_early_where_a_stream_says_so(most, pages):
    """The page that reaches the limit is whole, and the slice is complete."""
    api = Api(paged(4))
    found = read_all(source(stream(records=DATA, pagination=TOKENS, most=most)), api)
    assert [r["id"] for r in found.rows()] == list(range(2 * pages))
    assert found.ended() == ({"limit": 1} if pages < 4 else {"no-next": 1})


def test_time_is_a_limit_too():
    """Seconds count from the first page on."""
    api = Api(paged(9), latency=10.0)
    found = read_all(source(stream(records=DATA, pagination=TOKENS, most=Most(seconds=15))), api)
    assert found.tally().pages == 3


def test_numbers_that_no_double_holds_are_passed_on_as_written():
    """What a function makes of a page, and what is made of that, keeps a number's digits."""

    def body(_asked):
        return answer(body=b'{"data": [{"id": 1, "much": 1e400}]}')

    top = stream("users", records=DATA)
    passed = made("passed", lambda f: f.slice["extra"]["item"], partition=WHOLE)
    below = made("below", fed, partition=Parent(stream="passed", fields=(), whole=True))
    found = read_all(source(top, passed, below), Api(body))

    [passed_on], [last] = found.pages("passed"), found.pages("below")
    assert bytes(passed_on.records[0]) == b'{"id":1,"much":1e400}'
    assert bytes(last.records[0]) == b'{"got":{"id":1,"much":1e400}}'


def given(_asked):
    """What no stream here asks for."""
    raise AssertionError("everything is made in Python")


def followed(name, give, **parts):
    """A stream below with one cursor for all of its slices."""
    held = Cursor(path=Keys(path=("at",)), start=Const(value=0), shared=True,
                  boundary=("at",))  # fmt: skip
    return made(name, give, partition=Parent(stream="users", fields=(), whole=True), cursor=held,
                **parts)  # fmt: skip


def times(frame):
    """Two rows for each record: of its own time, and of one before."""
    at = frame.slice["extra"]["item"]["id"]
    if at == 9:
        raise ReadError("this one fails")
    since = frame.slice["cursor"]["start"]
    return [{"at": at, "since": since}, {"at": at - 1, "since": since}]


def test_one_cursor_stands_for_all_slices():
    """Each slice begins at the same value, and the newest one of all is kept at the end."""
    give = [{"id": 5}, {"id": 2}]
    top = made("users", lambda _: [*give])
    first = read_all(source(top, followed("below", times)), given)
    assert [row["at"] for row in first.rows("below")] == [5, 4, 2, 1]
    assert read_mark(first.state()["below"]["cursor"]).value == 5
    assert not [name for name in first.state()["below"] if name != "cursor"]
    give = [{"id": 7}, {"id": 5}, {"id": 3}]
    again = read_all(source(top, followed("below", times)), given, state=first.state())
    assert [(row["at"], row["since"]) for row in again.rows("below")] == [(7, 5), (6, 5)]
    assert read_mark(again.state()["below"]["cursor"]).value == 7


def test_a_cursor_of_all_slices_stays_where_one_failed():
    """What the failed slice would have given may be older than what others gave."""
    top = made("users", lambda _: [{"id": 5}, {"id": 9}])
    found = read_all(source(top, followed("below", times)), given)
    assert [row["at"] for row in found.rows("below")] == [5, 4]
    assert "cursor" not in found.state()["below"]


def remembering(*ids, state=None):
    """What a stream and one below it remember, where each record is noted."""

    def noted(door, frame):
        item = frame.slice["extra"].get("item")
        kept = door.remembered()
        for one in [item] if item else [{"id": n} for n in ids]:
            if one["id"] == 9 and item:
                raise ReadError("this one fails")
            kept.own.setdefault("ids", []).append(one["id"])
            yield one

    top = stream("users", pagination=SinglePage(), records=Records(path=Keys()),
                 retrieve=Retrieve(function=noted))  # fmt: skip
    below = Parent(stream="users", fields=(), whole=True)
    under = stream("below", pagination=SinglePage(), records=Records(path=Keys()), partition=below,
                   retrieve=Retrieve(function=noted))  # fmt: skip
    found = read_all(source(top, under), given, state=state or {})
    held = {name: entries.get(ENTRY) for name, entries in found.state().items()}
    return found, {n: msgspec.json.decode(text)["own"] for n, text in held.items() if text}


def test_what_functions_remember_is_kept_with_what_is_complete():
    """The state of a stream of several slices is kept when none of them failed."""
    found, kept = remembering(1, 2)
    assert kept == {"users": {"ids": [1, 2]}, "below": {"ids": [1, 2]}}
    _, kept = remembering(3, state=found.state())
    assert kept == {"users": {"ids": [1, 2, 3]}, "below": {"ids": [1, 2, 3]}}
    _, kept = remembering(4, 9, state=found.state())
    assert set(kept) == {"users"}
