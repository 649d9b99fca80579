"""Progress: a live table on a terminal, plain lines in a pipe, only what is wrong if quiet."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self

from penstock.cli.board import Board, Line
from penstock.cli.console import Console, Style, clean, colours, is_terminal
from penstock.cli.diagnostics import show_place
from penstock.errors import Place
from penstock.events import (
    Event,
    RunStarted,
    SliceFailed,
    Status,
    Stopping,
    StreamEnded,
    StreamStarted,
    Waiting,
    Warned,
)

if TYPE_CHECKING:
    from rich.console import Console as RichConsole
    from rich.table import Table

HEARTBEAT = 10.0  # seconds between lines while nothing else is said
REFRESH = 5.0  # redraws a second: more cost the run CPU and the reader nothing gained
MOST_FAILED = 20  # lines of one stream's slices while it is read; its receipt has them all
LONG_WAIT = 5.0  # seconds: a shorter wait is not worth a line

STATUS_STYLES: dict[str, Style] = {
    "done": "green",
    "partial": "yellow",
    "interrupted": "yellow",
    "failed": "red",
    "running": "blue",
    "queued": "dim",
    "skipped": "dim",
}


class Progress(Protocol):
    """Shows a run while it goes on; takes the run's events, from any thread."""

    def __enter__(self) -> Self:
        """Start to show."""

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Stop, and leave the terminal as it was."""

    def on_event(self, event: Event) -> None:
        """Take an event."""

    @property
    def told(self) -> set[tuple[str, str]]:
        """The stream and text of what was already said aloud."""


def progress(console: Console, *, quiet: bool) -> Progress:
    """What suits where stderr goes."""
    if quiet:
        return Quiet(console)
    return Live(console) if is_terminal(sys.stderr) else Plain(console)


class Quiet:
    """Says only what is wrong."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.told: set[tuple[str, str]] = set()
        self._failed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        return None

    def on_event(self, event: Event) -> None:
        """Say warnings and failures."""
        match event:
            case Warned():
                self.tell(event.stream, "warning", event.code, event.message)
            case SliceFailed():
                self._tell_failed(event)
            case Stopping():
                self.console.say("stopping at a checkpoint; press Ctrl-C again to stop at once")
            case _:
                self.other(event)

    def _tell_failed(self, event: SliceFailed) -> None:
        """Say what failed; of a stream of which much does, only the first."""
        with self._lock:
            self._failed[event.stream] += 1
            count = self._failed[event.stream]
        if count <= MOST_FAILED:
            said = f"{event.slice}: {event.error}".lstrip(": ")
            self.tell(event.stream, "failed", "", said, event.place)
        elif count == MOST_FAILED + 1:
            self.console.say(f"{clean(event.stream)}: more of it fails; the end counts it")

    def other(self, event: Event) -> None:
        """Events that are no warning: nothing is said of them."""

    def tell(
        self, stream: str, what: str, code: str, message: str, place: Place | None = None
    ) -> None:
        """Say that something is wrong with a stream, once, and where in the document."""
        with self._lock:
            if (stream, message) in self.told:
                return
            self.told.add((stream, message))
        style: Style = "yellow" if what == "warning" else "red"
        head = self.console.style(f"{what}[{code}]" if code else what, "bold", style)
        self.console.say(f"{head} {clean(stream)}: {clean(message)}")
        if place is not None:
            show_place(self.console, place, style)


class Plain(Quiet):
    """A line for each start and end, and one now and then in between."""

    def __init__(
        self,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
        interval: float = HEARTBEAT,
    ) -> None:
        super().__init__(console)
        self.board = Board(clock=clock)
        self._interval = interval
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beats, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def on_event(self, event: Event) -> None:
        """Note the event, and say what is worth a line."""
        self.board.take(event)
        super().on_event(event)

    def other(self, event: Event) -> None:
        """Say starts, ends and long waits."""
        match event:
            case RunStarted():
                streams = _plural(len(event.streams), "stream")
                self.console.say(f"{event.source} → {event.destination}: {streams}")
            case StreamStarted():
                self.console.say(f"{clean(event.stream)}: started")
            case Waiting(seconds=seconds) if seconds >= LONG_WAIT:
                text = f"waits {seconds:.0f} s ({clean(event.reason)})"
                self.console.say(f"{clean(event.stream)}: {text}")
            case StreamEnded():
                self.console.say(_ended(event))
            case _:
                return

    def beat(self) -> None:
        """Say how far the run is."""
        now = self.board.clock()
        over, total = self.board.counts()
        running = [_running(x, now) for x in list(self.board.lines.values()) if _goes_on(x)]
        head = f"… {self.board.rows():,} rows, {over} of {_plural(total, 'stream')} ended"
        self.console.say("; ".join([head, *running]))

    def _beats(self) -> None:
        while not self._over.wait(self._interval):
            self.beat()


class Live(Quiet):
    """A table that is redrawn in place while the run goes on; what is wrong is said afterwards."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(console)
        from rich.live import Live as RichLive  # noqa: PLC0415 (only a terminal needs it)

        self.board = Board(clock=clock)
        self._rich = rich_console()
        self._live = RichLive(
            console=self._rich,
            get_renderable=self._table,
            refresh_per_second=REFRESH,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="ellipsis",
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._live.stop()

    def on_event(self, event: Event) -> None:
        """Note the event; the next redraw shows it."""
        self.board.take(event)

    def _table(self) -> Table:
        from rich.table import Table  # noqa: PLC0415 (the same)
        from rich.text import Text  # noqa: PLC0415 (only a terminal needs it)

        now = self.board.clock()
        table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
        table.add_column("stream", no_wrap=True)
        table.add_column("status", no_wrap=True)
        for name in ("rows", "pages", "rows/s"):
            table.add_column(name, justify="right", no_wrap=True)
        table.add_column("waits", style="yellow", no_wrap=True, overflow="ellipsis")
        for line in _in_view(list(self.board.lines.values()), self._rich.height - 3):
            cells = [Text(self._masked(c)) for c in _cells(line, now)]
            cells[1].stylize(STATUS_STYLES.get(line.status, "dim"))
            table.add_row(*cells)
        return table

    def _masked(self, text: str) -> str:
        return clean(self.console.redactor.text(text))


def rich_console() -> RichConsole:
    """A rich console on stderr that colours where the rest of the command line does."""
    from rich.console import Console as RichConsole  # noqa: PLC0415 (only a terminal needs it)

    system: Literal["auto"] | None = "auto" if colours(sys.stderr) else None
    return RichConsole(file=sys.stderr, color_system=system, highlight=False)


def _in_view(lines: list[Line], height: int) -> list[Line]:
    """As many lines as fit; those that go on come before those that ended or wait their turn."""
    if len(lines) <= max(height, 1):
        return lines
    order = {"running": 0, "queued": 2}
    return sorted(lines, key=lambda x: order.get(x.status, 1))[: max(height, 1)]


def _cells(line: Line, now: float) -> list[str]:
    rate = line.rate(now)
    return [
        line.stream,
        line.status,
        f"{line.rows:,}",
        line.progress(),
        f"{rate:,.0f}" if rate is not None else "",
        line.waiting(now),
    ]


def _goes_on(line: Line) -> bool:
    return line.status == "running"


def _running(line: Line, now: float) -> str:
    wait = line.waiting(now)
    text = f"{clean(line.stream)} {line.rows:,} rows, page {line.progress()}"
    return f"{text}, waits {clean(wait)}" if wait else text


def _ended(event: StreamEnded) -> str:
    receipt = event.receipt
    parts = [
        _plural(receipt.rows, "row"),
        _plural(receipt.requests, "request"),
        f"{receipt.seconds:.1f} s",
    ]
    return f"{clean(event.stream)}: {event.status}, {', '.join(parts)}"


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def status_style(status: Status) -> Style:
    """The colour of a status."""
    return STATUS_STYLES[status]
