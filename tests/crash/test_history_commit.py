"""Destinations whose process is killed while versions are retired and rows marked as deleted."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest
from tests.crash.commits import REPEATED, Forge, run
from tests.crash.history import CHECKPOINTS, HINTS, expected, found
from tests.destinations.orders import STREAM
from tests.destinations.places import PLACES, SCHEMA

from penstock.destinations import open_destination

# all of them with PENSTOCK_CRASH=all
ALL = os.environ.get("PENSTOCK_CRASH") == "all"
COUNTS = range(1, CHECKPOINTS + 1) if ALL else (8,)
POINTS = REPEATED if ALL else ("commit:rows", "commit:before", "commit:after")
KINDS = ("duckdb", "postgres")


@pytest.fixture(scope="module")
def forge():
    made = Forge()
    yield made
    made.close()


@pytest.fixture(params=KINDS)
def place(request, tmp_path):
    made = PLACES[request.param](tmp_path)
    yield made
    made.close()


def check(place, mode: str) -> int:
    """Rows and state are of one checkpoint; a second run completes them."""
    done = 0
    peek = open_destination(place.url).peek(SCHEMA)
    if peek is not None:
        done = int(peek.state.get(STREAM, {}).get("done", "0"))
        assert peek.sequences.get(STREAM, 0) == done
        assert ("orders" in place.tables()) == (done > 0)
    if done:
        assert found(place, mode) == expected(mode, done)
    run(place.url, mode, "second", lambda _: None)
    assert found(place, mode) == expected(mode, CHECKPOINTS)
    assert len(place.rows("_penstock_loads")) == CHECKPOINTS
    return done


@pytest.mark.parametrize("mode", HINTS)
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_fault_point(forge, place, mode, point, count):
    """Killed at a named point, a reading's rows and marks are whole up to a checkpoint."""
    assert forge(place.url, mode, point=point, count=count) == -signal.SIGKILL
    assert check(place, mode) == (count if point == "commit:after" else count - 1)


@pytest.mark.parametrize("mode", HINTS)
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_random_times(forge, tmp_path, mode, kind):
    """Killed at any time, the work is whole up to a checkpoint and can be completed."""
    chance = random.Random(mode + kind)
    (tmp_path / "whole").mkdir()
    whole = PLACES[kind](tmp_path / "whole")
    started = time.monotonic()
    assert forge(whole.url, mode) == 0
    seconds = time.monotonic() - started
    assert check(whole, mode) == CHECKPOINTS
    whole.close()
    for trial in range(8 if ALL else 1):
        directory = tmp_path / str(trial)
        directory.mkdir()
        place = PLACES[kind](directory)
        forge(place.url, mode, delay=chance.uniform(0, seconds))
        check(place, mode)
        place.close()


def test_the_expectation_has_everything_in_it():
    """Versions are closed, rows go and come, in what the trials compare with."""
    versions = expected("scd2", CHECKPOINTS)
    assert {valid for _, _, valid in versions} == {True, False}
    assert len({i for i, _, _ in versions}) < len(versions)
    marked = expected("soft-delete", CHECKPOINTS)
    assert len({i for i, _, _ in marked}) == len(marked)
    assert [i for i, _, valid in marked if not valid] == [1, 2, 3, 4]
