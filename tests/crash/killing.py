"""Runs that are killed: a warm process, started as a script, forks one for each trial.

A trial is a JSON line: the document, the server, the file, and where to die. `point` is a fault
point or the name of an event, `count` how often it is passed before, `delay` a time in seconds.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tests.e2e.loads import SCHEMA, given, plan
from tests.support import warm

from penstock.engine import Options, execute
from penstock.engine.lot import Sizes
from penstock.events import Event

SMALL = Sizes(block=4_000, checkpoint=12_000, seconds=1e9)


class Fuse:
    """Kills this process, without a word, when a point is passed for the nth time."""

    def __init__(self, point: str, count: int) -> None:
        self._point = point
        self._left = count

    def __call__(self, point: str) -> None:
        """A point is passed."""
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def event(self, event: Event) -> None:
        """An event is a point too, by its name."""
        self(type(event).__name__)


def die_after(seconds: float) -> None:
    """Kill this process after a while."""

    def wait() -> None:
        time.sleep(seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def work(trial: dict[str, Any]) -> None:
    """Run the document, up to the point of the trial."""
    fuse = Fuse(trial["point"], trial["count"])
    source = plan(trial["document"])
    if trial["delay"] is not None:
        die_after(trial["delay"])
    options = Options(
        base_url=trial["url"],
        db_schema=SCHEMA,
        sizes=SMALL,
        fault=fuse,
        full_refresh=trial["full_refresh"],
    )
    execute(source, given(source, trial["values"]), trial["path"], options, fuse.event)


def serve() -> None:
    """Fork a run for each trial that is told, and say how it ended."""
    for trial in warm.told(*warm.DESTINATIONS):
        warm.say(warm.ended(warm.forked(partial(work, trial))))


class Forge(warm.Warm):
    """The warm process, as the tests talk to it."""

    def __init__(self) -> None:
        super().__init__(__file__)

    def __call__(
        self,
        document: str,
        url: str,
        path: Path,
        *,
        point: str = "",
        count: int = 1,
        delay: float | None = None,
        full_refresh: bool = False,
        values: Mapping[str, Any] | None = None,
    ) -> int:
        """Run one trial; gives how it ended: 0, or minus the signal."""
        return self.ask(
            document=document,
            url=url,
            path=str(path),
            point=point,
            count=count,
            delay=delay,
            full_refresh=full_refresh,
            values=dict(values or {}),
        )


if __name__ == "__main__":
    serve()
