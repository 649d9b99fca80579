"""What the destinations whose fence is a row have in common: how they are opened."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from penstock.destinations.base import Fault, Owner, Session, Takeover, no_fault
from penstock.errors import LockedError

BUSY = 1.0
"""Seconds to wait for a session that is committing while it is taken over."""


class Place(ABC):
    """A place that one run at a time writes to. `clock` and `sleep` are given by tests."""

    def __init__(
        self,
        url: str,
        *,
        fault: Fault = no_fault,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url
        self._fault = fault
        self._clock = clock
        self._sleep = sleep

    def open(
        self,
        *,
        owner: Owner,
        db_schema: str,
        takeover: Takeover = "dead",
        wait: float = 0.0,
    ) -> Session:
        """Take the fence, waiting up to `wait` seconds for another run to let go of it.

        Raises:
            LockedError: another run still has it.
            DestinationError: the place cannot be made, reached or opened.
        """
        patience = max(wait, BUSY) if takeover == "always" else wait
        return self._patiently(lambda: self._open(owner, db_schema, takeover), patience)

    @abstractmethod
    def _open(self, owner: Owner, db_schema: str, takeover: Takeover) -> Session:
        """Take the fence, or raise a LockedError at once."""

    def _patiently(self, attempt: Callable[[], Session], wait: float) -> Session:
        deadline = self._clock() + wait
        pause = 0.02
        while True:
            try:
                return attempt()
            except LockedError:
                left = deadline - self._clock()
                if left <= 0:
                    raise
                self._sleep(min(pause, left))
                pause = min(pause * 2, 1.0)
