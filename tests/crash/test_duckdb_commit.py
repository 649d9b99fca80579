"""A DuckDB destination whose process is killed: at every fault point, and at random times."""

from __future__ import annotations

import random
import signal
import time

import pytest
from tests.crash.commits import (
    MODES,
    REPEATED,
    Forge,
    check_after_kill,
    check_after_rerun,
    trials,
)
from tests.destinations.places import DuckDBPlace

from penstock.destinations.duckdb import KIND


@pytest.fixture(scope="module")
def forge():
    made = Forge()
    yield made
    made.close()


def check(place: DuckDBPlace, mode: str) -> int:
    """Whatever was committed is there; a second run completes it and leaves one file."""
    done = check_after_kill(place, mode) if place.path.exists() else 0
    check_after_rerun(place, mode)
    assert [p.name for p in place.path.parent.iterdir()] == [place.path.name]
    return done


@pytest.mark.parametrize(("mode", "point", "count"), trials(KIND))
def test_killed_at_a_fault_point(forge, tmp_path, mode, point, count):
    """Killed at a named point, the work is whole up to a checkpoint and can be completed."""
    place = DuckDBPlace(tmp_path)
    assert forge(place.url, mode, point=point, count=count) == -signal.SIGKILL
    done = check(place, mode)
    if point in REPEATED:
        assert done == (count if point == "commit:after" else count - 1)


@pytest.mark.parametrize("mode", MODES)
def test_killed_at_random_times(forge, tmp_path, mode):
    """Killed at any time, the work is whole up to a checkpoint and can be completed."""
    started = time.monotonic()
    (tmp_path / "whole").mkdir()
    assert forge(DuckDBPlace(tmp_path / "whole").url, mode) == 0
    whole = time.monotonic() - started
    chance = random.Random(mode)
    ends = []
    for trial in range(8):
        directory = tmp_path / str(trial)
        directory.mkdir()
        place = DuckDBPlace(directory)
        ends.append(forge(place.url, mode, delay=chance.uniform(0, whole)))
        check(place, mode)
    assert ends.count(-signal.SIGKILL) >= 3
