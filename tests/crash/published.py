"""A process that looks at the published copy of a DuckDB file, and says which checkpoint it is.

Run as a script it is the warm process that the tests ask, again and again.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import duckdb
from tests.crash.commits import SWAPS, expected
from tests.destinations.orders import as_seen, seen
from tests.destinations.places import DuckDBPlace
from tests.support import warm

NOTHING, BROKEN = -1, -2


class Copy(DuckDBPlace):
    """A copy, all of which is seen through one connection that only reads."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._held = duckdb.connect(self.url, read_only=True)

    def close(self):
        """Look no more."""
        self._held.close()

    @contextmanager
    def _connect(self):
        yield self._held


def look(directory: Path, mode: str) -> int:
    """The number of checkpoints that a copy holds, `NOTHING`, or `BROKEN` where it is none."""
    if not DuckDBPlace(directory).path.exists():
        return NOTHING
    copy = Copy(directory)
    try:
        return _done(copy, mode)
    except AssertionError:
        return BROKEN
    finally:
        copy.close()


def _done(copy: Copy, mode: str) -> int:
    tables = copy.tables()
    states = copy.rows("_penstock_state") if "_penstock_state" in tables else []
    done = next((int(json.loads(r["value"])) for r in states if r["name"] == "done"), 0)
    shown = done - done % SWAPS if mode == "replace" else done
    assert ("orders" in tables) == (shown > 0)
    if shown == 1:  # there are no children yet
        ids = sorted(row["id"] for row in copy.rows("orders"))
        assert ids == sorted(order[0] for order in expected(mode, 1))
    elif shown:
        assert seen(copy) == as_seen(expected(mode, done))
    return done


class Looker(warm.Warm):
    """The warm process, as the tests talk to it."""

    def __init__(self) -> None:
        super().__init__(__file__)

    def __call__(self, directory: Path, mode: str) -> int:
        """What it sees of a copy now."""
        return self.ask(directory=str(directory), mode=mode)


if __name__ == "__main__":
    for told in warm.told(*warm.DESTINATIONS):
        warm.say(look(Path(told["directory"]), told["mode"]))
