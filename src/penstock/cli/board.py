"""What is known of a run while it goes on: one line a stream, kept by the run's events."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import assert_never

import msgspec

from penstock.events import (
    Committed,
    Event,
    PageRead,
    Receipt,
    RunEnded,
    RunStarted,
    SchemaChanged,
    SliceFailed,
    Stopping,
    StreamEnded,
    StreamStarted,
    Waiting,
    Warned,
)


class Line(msgspec.Struct, kw_only=True):
    """One stream: how far it is. Changes as events come, unlike everything in the plan."""

    stream: str
    status: str = "queued"
    rows: int = 0
    pages: int = 0
    left: int | None = None
    kept: int = 0
    failed: int = 0
    wait: str = ""
    wait_until: float = 0.0
    started: float = 0.0
    ended: float | None = None
    receipt: Receipt | None = None

    def rate(self, now: float) -> float | None:
        """Rows a second, once there is enough to tell."""
        seconds = (self.ended or now) - self.started
        return self.rows / seconds if self.rows and seconds > 0 else None

    def progress(self) -> str:
        """Pages read, and how many there are where the API told."""
        if self.left is None or self.status != "running":
            return f"{self.pages:,}"
        return f"{self.pages:,} / {self.pages + self.left:,}"

    def waiting(self, now: float) -> str:
        """What it waits for, while it does."""
        return f"{self.wait_until - now:.0f} s: {self.wait}" if now < self.wait_until else ""


class Board(msgspec.Struct, kw_only=True):
    """All streams of a run. `clock` gives seconds."""

    clock: Callable[[], float] = time.monotonic
    lines: dict[str, Line] = {}

    def take(self, event: Event) -> Line | None:
        """Note an event; gives the stream's line."""
        if isinstance(event, RunStarted):
            for name in event.streams:
                self.lines.setdefault(name, Line(stream=name))
            return None
        if isinstance(event, (RunEnded, Stopping)):
            return None
        line = self.lines.setdefault(event.stream, Line(stream=event.stream))
        self._note(line, event)
        return line

    def _note(self, line: Line, event: Event) -> None:
        match event:
            case StreamStarted():
                line.status, line.started = "running", self.clock()
            case PageRead():
                line.rows += event.rows
                line.pages += 1
                line.left = event.pages_left
                line.wait_until = 0.0
            case Waiting():
                line.wait, line.wait_until = event.reason, self.clock() + event.seconds
            case Committed():
                line.kept += event.rows
            case SliceFailed():
                line.failed += 1
            case StreamEnded():
                line.status, line.receipt = event.status, event.receipt
                line.rows, line.pages = event.receipt.rows_read, event.receipt.pages
                line.ended, line.wait_until = self.clock(), 0.0
            case SchemaChanged() | Warned() | RunStarted() | Stopping() | RunEnded():
                return
            case _:
                assert_never(event)

    def rows(self) -> int:
        """Records read so far, of all streams."""
        return sum(line.rows for line in list(self.lines.values()))

    def counts(self) -> tuple[int, int]:
        """How many streams are over, and how many there are."""
        lines = list(self.lines.values())
        return sum(line.receipt is not None for line in lines), len(lines)
