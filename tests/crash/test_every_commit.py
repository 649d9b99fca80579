"""Every destination in every write mode, killed everywhere; by default a bounded share of it.

`PENSTOCK_CRASH=all python -m pytest tests/crash/test_every_commit.py` kills each destination at 40
places and more in each mode: at every point of every round, and at random times. While a run works
and dies, a reader looks again and again.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time

import pytest
from tests.crash import commits, history
from tests.crash.commits import MODES, REPEATED, Forge, run
from tests.crash.readers import Reader
from tests.destinations.lake_places import DeltaPlace, ParquetPlace
from tests.destinations.orders import STREAM
from tests.destinations.places import PLACES, SCHEMA

from penstock.destinations import describe, open_destination

EVERY_MODE = (*MODES, *history.HINTS)
ALL = os.environ.get("PENSTOCK_CRASH") == "all"
AT_RANDOM = 10 if ALL else 1
LAKES = {"delta", "parquet"}
"""Destinations whose points are killed nowhere else."""

IN_HISTORY = [(point, 8) for point in ("commit:rows", "commit:before", "commit:after")]
"""Where the others are killed by default while they keep history, which is done nowhere else."""


class CarefulDelta(DeltaPlace):
    """Reads Delta tables as `penstock.dataset` does: by the log, which is never half."""

    def rows(self, table):
        return ParquetPlace.rows(self, table)

    def tables(self):
        return ParquetPlace.tables(self)

    def _read(self, paths):
        return ParquetPlace._read(self, paths)


CAREFUL = {**PLACES, "delta": CarefulDelta}


def points(kind, mode):
    """The points of a destination, and how often each is passed before the kill."""
    rounds = history.CHECKPOINTS if mode in history.HINTS else commits.ROUNDS
    for point in kind.faults:
        if point in REPEATED or point in {"commit:said", "commit:shown"}:
            times = range(1, rounds + 1)
        else:
            times = (1, 2) if "swap" in point else (1,)
        yield from ((point, n) for n in times)


def trials():
    for number, kind in enumerate(describe()):
        for m, mode in enumerate(EVERY_MODE):
            found = [p for p in points(kind, mode) if "swap" not in p[0] or mode == "replace"]
            if not ALL and kind.name in LAKES:
                found = [found[(5 * m + 3 * number) % len(found)]]
            elif not ALL:
                found = IN_HISTORY if mode in history.HINTS else []
            for point, count in found:
                yield kind.name, mode, point, count


@pytest.fixture(scope="module")
def forge():
    made = Forge()
    yield made
    made.close()


@pytest.mark.parametrize("trial", list(trials()), ids=lambda t: "-".join(map(str, t)))
def test_killed_at_a_point(forge, tmp_path, trial):
    """Killed at a point, the work is whole up to a checkpoint, and a second run completes it."""
    kind, mode, point, count = trial
    place = CAREFUL[kind](tmp_path)
    try:
        with looking(place, mode):
            assert forge(place.url, mode, point=point, count=count) == -signal.SIGKILL
        done = check_after_kill(place, mode)
        if point in REPEATED:
            assert done == (count if point == "commit:after" else count - 1)
        complete(place, mode, tmp_path)
    finally:
        place.close()


def check_after_kill(place, mode):
    """What was committed is there, rows and state of one checkpoint; how many those were."""
    if mode not in history.HINTS:
        return commits.check_after_kill(place, mode)
    peek = open_destination(place.url).peek(SCHEMA)
    if peek is None:
        return 0
    done = int(peek.state.get(STREAM, {}).get("done", "0"))
    assert peek.sequences.get(STREAM, 0) == done
    assert ("orders" in place.tables()) == (done > 0)
    if done:
        assert history.found(place, mode) == history.expected(mode, done)
    return done


def check_after_rerun(place, mode):
    """A second run ends with everything once."""
    if mode not in history.HINTS:
        commits.check_after_rerun(place, mode)
        return
    run(place.url, mode, "second", lambda _: None)
    assert history.found(place, mode) == history.expected(mode, history.CHECKPOINTS)
    ledger = place.rows("_penstock_loads")
    assert sorted(r["sequence"] for r in ledger) == list(range(1, history.CHECKPOINTS + 1))


def looking(place, mode):
    """A reader, where its looks can be told apart."""
    return Reader(place, mode) if hasattr(place, "number") else threading.Lock()


def complete(place, mode, tmp_path):
    """A second run ends with everything once; what the Delta tables show is the same."""
    check_after_rerun(place, mode)
    if place.kind == "delta":
        check_after_rerun(DeltaPlace(tmp_path), mode)


def at_random():
    for kind in describe():
        some = ("replace", "scd2") if kind.name in LAKES else history.HINTS
        for mode in EVERY_MODE if ALL else some:
            yield kind.name, mode


@pytest.mark.parametrize(("kind", "mode"), list(at_random()))
def test_killed_at_random_times(forge, tmp_path, kind, mode):
    """Killed at any time, the work is whole up to a checkpoint and can be completed."""
    folder = tmp_path / "whole"
    folder.mkdir()
    started = time.monotonic()
    whole = CAREFUL[kind](folder)
    assert forge(whole.url, mode) == 0
    whole.close()
    seconds = time.monotonic() - started
    chance = random.Random(f"{kind} {mode}")
    for trial in range(AT_RANDOM):
        folder = tmp_path / str(trial)
        folder.mkdir()
        place = CAREFUL[kind](folder)
        try:
            with looking(place, mode):
                ended = forge(place.url, mode, delay=chance.uniform(0.02, seconds))
            assert ended in {0, -signal.SIGKILL}
            if kind != "duckdb" or place.path.exists():
                check_after_kill(place, mode)
            complete(place, mode, folder)
        finally:
            place.close()


def test_the_expectation_has_everything_in_it():
    """Versions are closed, rows go and come, in what the trials of history compare with."""
    versions = history.expected("scd2", history.CHECKPOINTS)
    assert {valid for _, _, valid in versions} == {True, False}
    assert len({i for i, _, _ in versions}) < len(versions)
    marked = history.expected("soft-delete", history.CHECKPOINTS)
    assert len({i for i, _, _ in marked}) == len(marked)
    assert [i for i, _, valid in marked if not valid] == [1, 2, 3, 4]
