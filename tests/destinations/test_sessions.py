"""Conformance of every destination: state, receipts, fencing, and all or nothing."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.destinations.conformance import never
from tests.destinations.orders import KEY, NESTED, STREAM, as_seen, checkpoint, order, seen
from tests.destinations.places import SCHEMA, ReaderWaits

from penstock.destinations import describe
from penstock.destinations.base import Append, Merge, Replace
from penstock.destinations.base import Session as SessionProtocol
from penstock.errors import DestinationError, FencedError, LockedError

WRITES = [Append(), Merge(key=KEY), Replace(generation="g", swap=True)]
EVERYWHERE = pytest.mark.parametrize(
    "place", [*(kind.name for kind in describe()), "s3"], indirect=True
)
"""For what each kind of place does by means of its own."""

IN_COMMIT = ["commit:begin", "commit:rows", "swap:renamed", "commit:state", "commit:before"]
FAILURES = [
    (write, point)
    for write in WRITES
    for point in IN_COMMIT
    if point != "swap:renamed" or isinstance(write, Replace)
]


class BrokenError(Exception):
    """What a test's fault raises."""


def breaks_at(point, after=0):
    """A fault hook that raises at `point`, once it was passed `after` times."""
    passed = []

    def fault(name):
        if name == point:
            passed.append(name)
            if len(passed) > after:
                raise BrokenError(name)

    return fault


def test_session_is_a_session(opened):
    """A session has everything that the seam asks for."""
    assert isinstance(opened(), SessionProtocol)


def test_state_entries_are_set_and_removed(opened):
    """A checkpoint sets and removes entries of its own stream and leaves the others."""
    session = opened()
    session.commit(checkpoint("a", schema=None, state=(("x", "1"), ("y", '{"z": [1.0]}'))))
    session.commit(checkpoint("b", schema=None, state=(("x", None), ("w", '"é"'), ("q", None))))
    assert session.state(STREAM) == {"y": '{"z": [1.0]}', "w": '"é"'}
    assert session.state("other") == {}
    session.close()
    assert opened("run2").state(STREAM) == {"y": '{"z": [1.0]}', "w": '"é"'}


def test_states_of_streams_are_read_together(opened):
    """Each as it is read alone, also of streams that have none; others do not come with them."""
    session = opened()
    session.commit(checkpoint("a", schema=None, state=(("x", "1"), ("y", "2"))))
    more = replace(checkpoint("b", schema=None, state=(("x", "3"),)), stream="more")
    session.commit(more)
    session.commit(replace(more, load_id="c", stream="others"))
    names = (STREAM, "none", "more")
    assert session.states(iter(names)) == {name: session.state(name) for name in names}
    assert session.states(names) == {STREAM: {"x": "1", "y": "2"}, "none": {}, "more": {"x": "3"}}
    assert session.states(()) == {}


def test_last_entry_of_a_name_counts(opened):
    """An entry that a checkpoint names twice has its last value."""
    session = opened()
    session.commit(checkpoint("a", schema=None, state=(("x", "1"), ("x", "2"))))
    assert session.state(STREAM) == {"x": "2"}


def test_many_state_entries(opened):
    """A stream with many partitions keeps an entry for each."""
    session = opened()
    many = {f"partition {n}": str(n) for n in range(3000)}
    session.commit(checkpoint("a", schema=None, state=tuple(many.items())))
    assert session.state(STREAM) == many


def test_reset_forgets_state_and_keeps_tables(opened, place):
    """Reset removes the state of the named streams; rows and schema stay."""
    session = opened()
    session.commit(checkpoint("a", [order(1)], state=(("x", "1"),)))
    session.reset(["other"])
    assert session.state(STREAM) == {"x": "1"}
    session.reset([STREAM, "other"])
    assert session.state(STREAM) == {}
    assert session.schema(STREAM) == NESTED
    assert seen(place) == as_seen([order(1)])


def test_reset_forgets_tables_and_columns_that_are_gone(opened, place):
    """After a reset, tables and columns that were dropped by hand are made again."""
    session = opened()
    session.commit(checkpoint("a", [order(1)]))
    place.by_hand("DROP TABLE {}", "orders__lines")
    place.by_hand("DROP TABLE {}", "orders__lines__notes")
    place.by_hand("ALTER TABLE {} DROP COLUMN note", "orders")
    session.reset([STREAM])
    session.commit(checkpoint("b", [order(1, "back")], write=Merge(key=KEY)))
    assert seen(place) == as_seen([order(1, "back")])


def test_reset_after_all_tables_were_dropped(opened, place):
    """A stream whose tables are all gone begins as a new one after a reset."""
    session = opened()
    session.commit(checkpoint("a", [order(1)]))
    for table in NESTED.tables:
        place.by_hand("DROP TABLE {}", table.name)
    session.reset([STREAM])
    assert session.schema(STREAM) is None
    session.commit(checkpoint("b", [order(2)]))
    assert seen(place) == as_seen([order(2)])


def test_newest_receipt_of_each_stream(opened):
    """The last receipt of a stream is found, of whichever run it is."""
    first = opened()
    assert first.last_receipts() == {}
    first.keep_receipts([("a", '{"n":1}'), ("b", '{"n": 1.10}')])
    first.close()
    second = opened("run2")
    second.keep_receipts([("a", '{"n":2}')])
    assert second.last_receipts() == {"a": '{"n":2}', "b": '{"n": 1.10}'}


@EVERYWHERE
def test_receipts_end_a_run_and_what_is_committed_after_them_goes_on(opened):
    """The fence is released with the receipts; a later commit takes it again, for this run."""
    session = opened("first")
    session.keep_receipts([("a", "{}")])
    session.commit(checkpoint("a", [order(1)]))
    with pytest.raises(LockedError, match="run first"):
        opened("second")
    session.keep_receipts([("a", '{"n":2}')])
    session.close()
    second = opened("second")
    assert second.last_receipts() == {"a": '{"n":2}'}
    assert second.streams() == (STREAM,)


@EVERYWHERE
def test_second_session_is_refused(opened):
    """While a session is open, another run is told who has it."""
    opened("first")
    with pytest.raises(LockedError, match=r"run first \(PID 4321 on somewhere\)"):
        opened("second")


@EVERYWHERE
def test_second_session_waits(opened):
    """A run that waits gets the destination when the other lets go of it."""
    first = opened("first")
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            first.close()

    destination = opened.destination()
    destination._sleep = sleep
    session = destination.open(owner=first._owner, db_schema=SCHEMA, wait=60)
    session.close()
    assert len(slept) == 3
    assert slept == sorted(slept)


@EVERYWHERE
def test_takeover_fences_the_other_session(opened, place):
    """A session that was taken over can commit nothing any more."""
    first = opened("first")
    first.commit(checkpoint("a", [order(1)], state=(("x", "1"),)))
    second = opened("second", takeover="always")
    for act in (
        lambda: first.commit(checkpoint("b", [order(2)], state=(("x", "2"),))),
        lambda: first.reset([STREAM]),
        lambda: first.keep_receipts([("a", "{}")]),
    ):
        with pytest.raises(FencedError, match=r"run second \(PID 4321 .*took the destination over"):
            act()
    first.close()
    with pytest.raises(LockedError, match="run second"):
        opened("third")
    second.commit(checkpoint("c", [order(3)]))
    assert seen(place) == as_seen([order(1), order(3)])
    assert second.state(STREAM) == {"x": "1"}


@EVERYWHERE
def test_takeover_in_mid_commit_has_one_winner(opened, place):
    """Where a commit and a takeover meet, both cannot succeed: here the commit does."""
    taken = []

    def fault(point):
        if point == "commit:rows":
            with pytest.raises(LockedError):
                destination.open(owner=first._owner, db_schema=SCHEMA, takeover="always")
            taken.append(point)

    destination = opened.destination()
    destination._sleep = lambda _: None
    times = iter(range(0, 100, 4))
    destination._clock = lambda: float(next(times))
    first = opened("first", fault=fault)
    first.commit(checkpoint("a", [order(1)]))
    assert taken
    assert seen(place) == as_seen([order(1)])


HOLDS = """
import sys
from penstock.destinations import open_destination
from penstock.destinations.base import Owner
from tests.destinations.orders import checkpoint, order

session = open_destination(sys.argv[1]).open(owner=Owner.here("first"), db_schema=sys.argv[2])
session.commit(checkpoint("a", [order(1)]))
print("open", flush=True)
sys.stdin.read()
"""


@EVERYWHERE
def test_a_run_of_another_process(opened, place):
    """While it lives it is named to who comes second; once it is killed, nothing is in the way."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, place.url, SCHEMA],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])},
    ) as other:
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(LockedError, match=rf"PID {other.pid}\b"):
            opened("second")
        other.kill()
    opened("third").commit(checkpoint("b", [order(2)]))
    assert seen(place) == as_seen([order(1), order(2)])


def test_session_that_was_not_closed_is_dead_once_collected(opened):
    """A session that nobody holds any more does not lock the destination."""
    session = opened("first")
    opened._open.clear()
    del session
    gc.collect()
    assert opened("second").state(STREAM) == {}


def test_close_twice(opened):
    """Closing again does nothing."""
    session = opened()
    session.close()
    session.close()


@pytest.mark.parametrize(("write", "point"), FAILURES, ids=repr)
def test_failure_in_a_commit_leaves_nothing(opened, place, write, point):
    """A commit that fails leaves rows, schema and state as they were; a second try succeeds."""
    session = opened(fault=breaks_at(point, 0 if point == "swap:renamed" else 1))
    session.commit(checkpoint("a", [order(1)], state=(("x", "1"),)))
    schema = session.schema(STREAM)
    failing = checkpoint("b", [order(1, "new"), order(2)], write=write, state=(("x", "2"),))
    with pytest.raises(DestinationError, match=r"commit:|swap:"):
        session.commit(failing)
    assert seen(place) == as_seen([order(1)])
    assert session.state(STREAM) == {"x": "1"}
    assert session.schema(STREAM) == schema
    session.close()
    second = opened("run2")
    assert not second.commit(failing).already
    kept = [order(1, "new"), order(2)]
    assert seen(place) == as_seen([order(1), *kept] if isinstance(write, Append) else kept)


@pytest.mark.parametrize("write", WRITES, ids=repr)
def test_lost_answer_is_looked_up(opened, place, write):
    """A commit that succeeded without the run learning of it is found in the ledger."""
    session = opened(fault=breaks_at("commit:after"))
    one = checkpoint("a", [order(1)], write=write)
    with pytest.raises(BrokenError):
        session.commit(one)
    assert session.commit(one).already
    assert seen(place) == as_seen([order(1)])


@pytest.mark.parametrize("write", WRITES, ids=repr)
def test_readers_see_all_or_nothing(opened, place, write):
    """At every point inside a commit, a reader sees what the last checkpoint left."""
    views = {}

    def look(point):
        apart = never(place, "readers see all tables of a checkpoint at one instant")
        if apart and point in {"commit:said", "commit:shown"}:
            return
        if place.tables() >= {t.name for t in NESTED.tables}:
            try:
                views.setdefault(point, []).append(seen(place))
            except ReaderWaits:
                assert never(place, "readers never wait")

    session = opened(fault=look)
    session.commit(checkpoint("a", [order(1)]))
    views.clear()
    session.commit(checkpoint("b", [order(1, "new"), order(2)], write=write))
    inside = [view for point in IN_COMMIT for view in views.pop(point, [])]
    assert len(inside) >= (3 if never(place, "readers never wait") else 4)
    assert all(view == as_seen([order(1)]) for view in inside)
    kept = [order(1, "new"), order(2)]
    after = as_seen([order(1), *kept] if isinstance(write, Append) else kept)
    assert views == {"commit:after": [after]}


def test_peek_sees_state_and_owner(opened):
    """Looking does not need the fence and does not take it."""
    destination = opened.destination()
    assert destination.peek(SCHEMA) is None
    session = opened("first")
    session.commit(checkpoint("a", schema=None, state=(("x", "1"),)))
    session.commit(checkpoint("b", schema=None, state=(("y", "2"),)))
    peek = destination.peek(SCHEMA)
    assert (peek.epoch, peek.owner.run_id, peek.released) == (1, "first", False)
    assert peek.sequences == {STREAM: 2}
    assert peek.state == {STREAM: {"x": "1", "y": "2"}}
    session.commit(checkpoint("c", schema=None))
    session.close()
    assert destination.peek(SCHEMA).released
    assert destination.peek("elsewhere") is None


def test_a_session_knows_what_was_committed(opened):
    """The ledger is asked by load ids, also for a generation that is not shown yet."""
    session = opened()
    session.commit(checkpoint("a", [order(1)]))
    session.commit(checkpoint("b", [order(2)], write=Replace(generation="g")))
    session.close()
    again = opened("run2")
    assert [again.knows(load_id) for load_id in ("a", "b", "c")] == [True, True, False]
