"""A run into an object store that is killed at an object: none lost, none doubled, nothing half.

By default a few objects; `PENSTOCK_CRASH=all python -m pytest tests/crash/test_s3_commit.py` kills
before and after each object that a run puts, whatever it holds: rows, commits, the fence.
"""

from __future__ import annotations

import os
import signal

import pytest
from tests.crash.commits import MODES, PUTS, Forge, check_after_kill, check_after_rerun
from tests.crash.readers import Reader
from tests.destinations.lake_places import S3Place
from tests.destinations.s3_server import environment

ALL = os.environ.get("PENSTOCK_CRASH") == "all"
OBJECTS = {"append": 26, "merge": 39, "upsert": 26, "insert-only": 26, "replace": 26}
"""How many objects a run puts: to try the store, the fence, files and commits, and its end."""

SOME = [
    ("append", "put:done", 9),  # the commit after three files
    ("merge", "put:done", 20),  # a file of several
    ("replace", "put:begin", 13),  # the commit that would show a generation
]


def trials():
    if not ALL:
        return SOME
    return [(mode, put, n) for mode in MODES for put in PUTS for n in range(1, OBJECTS[mode] + 1)]


@pytest.fixture(scope="module")
def forge():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        made = Forge()
        yield made
        made.close()


@pytest.mark.parametrize("trial", trials(), ids=lambda t: "-".join(map(str, t)))
def test_killed_at_an_object(forge, tmp_path, trial):
    """What is there is of one checkpoint, for readers too, and a second run completes it."""
    mode, point, count = trial
    place = S3Place(tmp_path)
    with Reader(place, mode):
        assert forge(place.url, mode, point=point, count=count) == -signal.SIGKILL
    check_after_kill(place, mode)
    check_after_rerun(place, mode)


@pytest.mark.parametrize("mode", MODES if ALL else ["replace"])
def test_every_object_is_tried(forge, tmp_path, mode):
    """A run puts as many objects as are tried, and no more."""
    for more, ended in ((0, -signal.SIGKILL), (1, 0)):
        place = S3Place(tmp_path)
        assert forge(place.url, mode, point="put:done", count=OBJECTS[mode] + more) == ended
