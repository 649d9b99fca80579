"""Copies of a destination that others may read while the run goes on: when one is made."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from penstock.destinations.base import Publishes, Session
from penstock.errors import DestinationError

LEAST_PAUSE = 15.0
"""Seconds between two copies, at least."""

SHARE = 20
"""A copy is made when the last one is so many times as long ago as it took."""


class Publishing:
    """Publishes what is committed: now and then while a run goes on, and at its end.

    Raises:
        DestinationError: the destination is none that is published.
    """

    def __init__(
        self,
        session: Session,
        target: str | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session: Publishes | None = None
        self._target = Path(target).expanduser() if target else Path()
        self._clock = clock
        self._next = clock() + LEAST_PAUSE
        if target is not None:
            self._session = _publishes(session)
            if not self._target.exists():
                # a path that cannot be written to is better known before anything is loaded
                self._publish(self._session)

    def committed(self) -> None:
        """A checkpoint is kept: others shall see it, unless they saw one just now.

        What is in the way now is said at the end, if it still is: the run goes on.
        """
        if self._session is not None and self._clock() >= self._next:
            with suppress(DestinationError):
                self._publish(self._session)

    def end(self) -> None:
        """The run is over: what it loaded is shown.

        Raises:
            DestinationError: the copy cannot be made.
        """
        if self._session is not None:
            self._publish(self._session)

    def _publish(self, session: Publishes) -> None:
        began = self._clock()
        try:
            session.publish(self._target)
        finally:
            ended = self._clock()
            self._next = ended + max(LEAST_PAUSE, SHARE * (ended - began))


def _publishes(session: Session) -> Publishes:
    if not isinstance(session, Publishes):
        raise DestinationError(
            "only a DuckDB file is published: others can read this destination at any time",
            code="publish",
            hint="leave --publish out",
        )
    return session
