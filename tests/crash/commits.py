"""A destination whose process is killed: the work it does, and what must hold afterwards.

Each trial forks from one warm process (started below, as a script) a run that is killed with
SIGKILL. What it left must be exactly the checkpoints it had committed, rows and state of the same
one; a second run of the same work then completes it, none lost and none doubled.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from tests.crash.history import HINTS, history
from tests.destinations.orders import (
    FLAT,
    KEY,
    NESTED,
    STREAM,
    Order,
    as_seen,
    checkpoint,
    order,
    seen,
)
from tests.destinations.places import SCHEMA, Place
from tests.support import warm

from penstock.destinations import open_destination
from penstock.destinations._lake_store import RemoteStore
from penstock.destinations.base import Append, Checkpoint, Kind, Merge, Owner, Replace, Session

ROUNDS = 6
PER_ROUND = 20
SWAPS = 3  # a replace shows a generation every so many rounds
MODES = ("append", "merge", "upsert", "insert-only", "replace")
MERGES = {"merge": "delete-insert", "upsert": "upsert", "insert-only": "insert-only"}


def orders_of(mode: str, n: int) -> list[Order]:
    """Say which orders round `n` (from 1) brings; in a merge, half of them replace older ones."""
    first = n * PER_ROUND // 2 if mode in MERGES else n * PER_ROUND
    lines = 0 if n == 1 else 2
    return [order(i, f"round {n}", lines) for i in range(first, first + PER_ROUND)]


def expected(mode: str, rounds: int) -> list[Order]:
    """Say which orders are to be seen after so many rounds."""
    if mode == "replace":
        last = rounds - rounds % SWAPS
        return [o for n in range(max(last - SWAPS, 0) + 1, last + 1) for o in orders_of(mode, n)]
    came = [o for n in range(1, rounds + 1) for o in orders_of(mode, n)]
    kept = {o[0]: o for o in (reversed(came) if mode == "insert-only" else came)}
    if mode == "append" and rounds >= 4:  # round 4 retracts round 3
        kept = {k: o for k, o in kept.items() if o[1] != "round 3"}
    return list(kept.values())


def work(session: Session, mode: str, run_id: str) -> Iterator[Checkpoint]:
    """Yield the checkpoints of the work that are to be tried, the first ones known perhaps."""
    if mode in HINTS:
        yield from history(session, mode)
        return
    done = int(session.state(STREAM).get("done", "0"))
    # A generation dies with its run; appends and merges are offered again from the start.
    start = done - done % SWAPS if mode == "replace" else 0
    for n in range(start + 1, ROUNDS + 1):
        load_id, write, retract = f"load{n}", Append(), ()
        if mode == "replace":
            load_id = f"{run_id} {n}"
            generation = f"{run_id}.{(n - 1) // SWAPS}"
            write = Replace(generation=generation, swap=n % SWAPS == 0)
        elif mode in MERGES:
            write = Merge(key=KEY, strategy=MERGES[mode])
        elif n == 4:
            retract = ("load3",)
        yield checkpoint(
            load_id,
            orders_of(mode, n)[: PER_ROUND // 2],
            orders_of(mode, n)[PER_ROUND // 2 :],
            write=write,
            schema=FLAT if n == 1 else NESTED,
            state=(("done", str(n)), (f"round {n}", "true")),
            retract=retract,
        )


def run(url: str, mode: str, run_id: str, fault) -> None:
    """Do all of the work in one session."""
    owner = Owner.here(run_id)
    session = open_destination(url, fault=fault).open(owner=owner, db_schema=SCHEMA)
    for one in work(session, mode, run_id):
        session.commit(one)
    session.close()


def serve() -> None:
    """Fork a run for each trial that is told, see it end, and say how it ended."""
    for trial in warm.told(*warm.DESTINATIONS):
        child = warm.forked(partial(run_and_die, trial))
        if trial["delay"] is not None:
            time.sleep(trial["delay"])
            os.kill(child, signal.SIGKILL)
        warm.say(warm.ended(child))


def run_and_die(trial: dict) -> None:
    """Work until the fault point is passed as often as the trial says, then be killed there."""
    left = trial["count"]

    def fault(point: str) -> None:
        nonlocal left
        if point == trial["point"]:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    if trial["point"] in PUTS:
        tell_puts(fault)
    run(trial["url"], trial["mode"], "first", fault)


PUTS = ("put:begin", "put:done")


def tell_puts(fault) -> None:
    """Make points of the objects that are put into an object store, in the order they come."""
    output, create = RemoteStore.output, RemoteStore.create

    @contextmanager
    def put(store, path):
        with output(store, path) as sink:
            yield sink
            fault("put:begin")
        fault("put:done")

    def made(store, path, data):
        fault("put:begin")
        done = create(store, path, data)
        fault("put:done")
        return done

    RemoteStore.output, RemoteStore.create = put, made


class Forge(warm.Warm):
    """The warm process, as the tests talk to it."""

    def __init__(self) -> None:
        super().__init__(__file__)

    def __call__(self, url, mode, *, point="", count=1, delay=None) -> int:
        return self.ask(url=url, mode=mode, point=point, count=count, delay=delay)


def check_after_kill(place: Place, mode: str) -> int:
    """Whatever was committed is there, of one checkpoint; return how many rounds that is."""
    peek = open_destination(place.url).peek(SCHEMA)
    if peek is None:
        return 0
    state = peek.state.get(STREAM, {})
    done = int(state.get("done", "0"))
    assert peek.sequences.get(STREAM, 0) == done
    assert {k for k in state if k != "done"} == {f"round {n}" for n in range(1, done + 1)}
    shown = done if mode != "replace" else done - done % SWAPS
    tables = place.tables()
    assert ("orders" in tables) == (shown > 0)
    if shown >= 2:
        assert seen(place) == as_seen(expected(mode, done))
    elif shown == 1:
        found = sorted(r["id"] for r in place.rows("orders"))
        assert found == sorted(o[0] for o in expected(mode, 1))
    return done


def check_after_rerun(place: Place, mode: str) -> None:
    """A second run ends with all rows once, a dense ledger, and nothing left over."""
    run(place.url, mode, "second", lambda _: None)
    assert seen(place) == as_seen(expected(mode, ROUNDS))
    peek = open_destination(place.url).peek(SCHEMA)
    assert peek.state[STREAM]["done"] == str(ROUNDS)
    assert peek.released
    ledger = place.rows("_penstock_loads")
    assert sorted(r["sequence"] for r in ledger) == list(range(1, len(ledger) + 1))
    assert len({r["load_id"] for r in ledger}) == len(ledger)
    assert not [t for t in place.tables() if "__penstock_" in t]
    assert place.rows("_penstock_builds") == []


REPEATED = ("commit:begin", "commit:rows", "commit:state", "commit:before", "commit:after")


def trials(kind: Kind) -> list[tuple[str, str, int]]:
    """Say in which mode to kill at which point, and when it is passed for which time."""
    return [
        (mode, point, count)
        for mode in MODES
        for point in kind.faults
        for count in ((1, 4) if point in REPEATED else (1, 2) if "swap" in point else (1,))
        if "swap" not in point or mode == "replace"
    ]


if __name__ == "__main__":
    serve()
