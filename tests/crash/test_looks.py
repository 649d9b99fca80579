"""A second connection that looks at every step of every commit: it sees checkpoints, whole.

What a step has written and not committed is nobody's business; where readers have to wait, as for
a table that is being exchanged, they see nothing rather than a part.
"""

from __future__ import annotations

import os

import pytest
from tests.crash.commits import MODES, ROUNDS, SWAPS, expected, run
from tests.destinations.orders import as_seen, seen
from tests.destinations.places import PLACES, ReaderWaits

TRIED = MODES if os.environ.get("PENSTOCK_CRASH") == "all" else ("append", "merge", "replace")


@pytest.mark.parametrize("mode", TRIED)
@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_a_second_connection_sees_only_what_is_committed(kind, mode, tmp_path):
    """At every point of a run, in and between its transactions, exactly the last checkpoint."""
    place = PLACES[kind](tmp_path)
    done = looks = waits = 0

    def look(point):
        nonlocal done, looks, waits
        if point.startswith("open:"):
            return
        done += point == "commit:after"
        shown = done - done % SWAPS if mode == "replace" else done
        try:
            if shown < 2:  # the first checkpoint has no children yet
                there = place.rows("orders") if "orders" in place.tables() else []
                found, wanted = [r["id"] for r in there], [o[0] for o in expected(mode, done)]
                assert sorted(found) == sorted(wanted), (point, done)
            else:
                assert seen(place) == as_seen(expected(mode, done)), (point, done)
            looks += 1
        except ReaderWaits:
            waits += 1

    run(place.url, mode, "first", look)
    assert done == ROUNDS
    assert looks >= 4 * ROUNDS
    assert waits <= looks // 4
    place.close()
