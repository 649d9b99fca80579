"""Whoever looks at a destination while a run works there, and dies."""

from __future__ import annotations

import threading

from tests.crash import commits, history
from tests.crash.commits import expected
from tests.destinations.conformance import never
from tests.destinations.orders import as_seen, seen
from tests.destinations.places import ReaderWaits


class Reader:
    """Looks at a destination again and again; what it sees is what some checkpoint left."""

    def __init__(self, place, mode):
        self._place = place
        self._mode = mode
        self._over = threading.Event()
        self.looks = 0
        self.wrong = []
        if mode in history.HINTS:
            rounds = range(history.CHECKPOINTS + 1)
            self._right = [history.expected(mode, n) for n in rounds]
        else:
            self._right = [as_seen(expected(mode, n)) for n in range(commits.ROUNDS + 1)]
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self):
        if not never(self._place, "readers at any moment, from any process"):
            self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(30)
        assert self.wrong == []

    def _look(self):
        while not self._over.wait(0.03):
            before = self._place.number()
            try:
                found = self._see()
            except ReaderWaits:
                continue
            except (AssertionError, FileNotFoundError) as error:
                found = repr(error)
            if self._place.number() != before:
                continue  # two looks, at two checkpoints
            self.looks += 1
            if found not in self._right:
                self.wrong.append(found)
                return

    def _see(self):
        tables = self._place.tables()
        if self._mode in history.HINTS:
            return history.found(self._place, self._mode) if "orders" in tables else []
        # the first round has no children yet
        return seen(self._place) if {"orders__lines__notes", "orders"} <= tables else []
