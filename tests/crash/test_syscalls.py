"""A DuckDB destination of which a write, a sync or a rename fails, or is the process's last act.

`PENSTOCK_SYSCALLS` says how many trials are run; 3,000 break every call of every kind of write.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pytest
from tests.crash.commits import MODES, check_after_kill, check_after_rerun
from tests.crash.syscalls import CALLS, EFFECTS, Tracer, Trial, missing
from tests.destinations.places import DuckDBPlace

TRIALS = int(os.environ.get("PENSTOCK_SYSCALLS", "8"))
TRIED = MODES if TRIALS >= 100 else ("append", "replace")

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "it can")


@pytest.fixture(scope="module")
def tracer() -> Iterator[Tracer]:
    """The process that forks trials."""
    made = Tracer()
    yield made
    made.close()


def trials(tracer: Tracer, folder: Path, mode: str) -> Iterator[Trial]:
    """Every call of a mode, broken in every way, in an order that mixes them."""
    home = folder / "whole"
    home.mkdir()
    counts = tracer.counts(DuckDBPlace(home).url, mode, folder / "trace")
    places = [(call, nth) for call in CALLS for nth in range(1, counts[call] + 1)]
    random.Random(mode).shuffle(places)
    for turn in count():
        for number, (call, nth) in enumerate(places):
            effect = EFFECTS[(number + turn) % len(EFFECTS)]
            yield Trial(mode=mode, call=call, effect=effect, nth=nth)


@pytest.mark.parametrize("mode", TRIED)
def test_a_call_that_fails_loses_nothing(tracer: Tracer, mode: str, tmp_path: Path) -> None:
    """What was committed is whole, whatever the system said; the next run completes it."""
    ends: list[int] = []
    wrong: list[str] = []
    tried = islice(trials(tracer, tmp_path, mode), TRIALS // len(TRIED))
    for number, trial in enumerate(tried):
        folder = tmp_path / str(number)
        folder.mkdir()
        place = DuckDBPlace(folder)
        ends.append(tracer(place.url, tmp_path / "trace", trial))
        try:
            if place.path.exists():
                check_after_kill(place, mode)
            check_after_rerun(place, mode)
            assert [p.name for p in folder.iterdir()] == [place.path.name]
        except Exception as exc:  # noqa: BLE001 (every trial is told of)
            wrong.append(f"{trial} ended {ends[-1]}: {exc!r}"[:600])

    assert wrong == []
    assert set(ends) <= {0, 1, -signal.SIGKILL}
    assert -signal.SIGKILL in ends
