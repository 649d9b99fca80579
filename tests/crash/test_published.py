"""A reader in a process of its own that looks at a published copy all through a run."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from tests.crash.commits import MODES, ROUNDS, work
from tests.crash.published import BROKEN, Looker
from tests.destinations.places import SCHEMA, DuckDBPlace

from penstock.destinations import open_destination
from penstock.destinations.base import Owner

PATIENCE = 60.0  # seconds until the reader has seen a checkpoint, on a busy machine


@pytest.fixture(scope="module")
def looker() -> Iterator[Looker]:
    """The process that looks."""
    made = Looker()
    yield made
    made.close()


class Poll:
    """Looks again and again, and keeps what it saw."""

    def __init__(self, looker: Looker, directory: Path, mode: str) -> None:
        self.saw: list[int] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, args=(looker, directory, mode))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self, looker: Looker, directory: Path, mode: str) -> None:
        while not self._over.is_set():
            self.saw.append(looker(directory, mode))


@pytest.mark.parametrize("mode", MODES)
def test_a_reader_of_a_copy_sees_only_checkpoints(looker: Looker, mode: str, tmp_path: Path):
    """Whenever it looks, it sees rows and state of one checkpoint, and never an older one again."""
    place = DuckDBPlace(tmp_path / "own")
    place.path.parent.mkdir()
    shown = tmp_path / "shown"
    shown.mkdir()
    copy = shown / place.path.name
    session = open_destination(place.url).open(owner=Owner.here("first"), db_schema=SCHEMA)
    with Poll(looker, shown, mode) as poll:
        for number, one in enumerate(work(session, mode, "first"), 1):
            session.commit(one)
            late = time.monotonic() + PATIENCE
            while number not in poll.saw and time.monotonic() < late:
                session.publish(copy)
        session.close()
    assert BROKEN not in poll.saw
    assert poll.saw == sorted(poll.saw)
    assert {*range(1, ROUNDS + 1)} <= {*poll.saw}
