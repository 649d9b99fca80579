"""What the loaders of a run share: the session, the workers, how much at once, and ids of loads."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor

import msgspec

from penstock.destinations.base import Checkpoint, Fault, Session
from penstock.destinations.base import Committed as Kept
from penstock.engine.dlt import Dlt
from penstock.engine.homes import Homes
from penstock.engine.keeping import Keeping, confirm
from penstock.engine.lot import Sizes
from penstock.engine.nesting import without_structs
from penstock.engine.shaping import those_beside
from penstock.events import Event, Warned
from penstock.plan.hints import Hints
from penstock.read.context import StreamContext
from penstock.shape.schema import SystemStyle


class Edges(msgspec.Struct, kw_only=True):
    """What the loaders of a run share.

    `fault` is called before and after a block is shaped; `idle` says whether nothing waits to be
    loaded, so that a smaller block costs no time; `nested` whether the destination has structs.
    `shown` is called after each commit, in its thread. `pages` keeps what the rows came from.
    In a `full_refresh` tables are built anew, with `anew` their columns too.
    `began` is when the run did. `now` tells when something was; how long it took is told by
    `monotonic`, which never jumps. `homes` tell whose the entries of a state are.
    """

    session: Session
    run_id: str
    emit: Callable[[Event], None]
    now: Callable[[], float]
    shaping: Executor
    keeping: Executor
    fault: Fault
    sizes: Sizes = Sizes()
    idle: Callable[[], bool] = bool
    full_refresh: bool = False
    anew: bool = False
    nested: bool = True
    shown: Callable[[], None] = lambda: None
    pages: Keeping | None = None
    loads: int = 0
    dlt: Dlt | None = None
    monotonic: Callable[[], float] = time.monotonic
    tables: tuple[str, ...] | None = None
    began: str | None = None
    homes: Homes | None = None

    def honoured(self, context: StreamContext) -> Hints:
        """A stream's hints as the destination can honour them."""
        hints = context.stream.hints
        plain = hints if self.nested else without_structs(hints)
        if plain != hints:
            message = f"{context.name}: the destination has no structs; nested values are JSON"
            if context.tally.note("nesting-json", message):
                self.emit(Warned(stream=context.name, code="nesting-json", message=message))
        return plain

    def beside(self, stream: str) -> tuple[str, ...]:
        """The names under which the destination has further tables of a stream."""
        if self.tables is None:
            self.tables = self.session.streams()
        return those_beside(stream, self.tables)

    def commit(
        self,
        checkpoint: Checkpoint,
        hints: Mapping[str, Hints],
        packed: Sequence[bytes],
        *,
        whole: bool,
    ) -> Kept:
        """Have the destination keep a checkpoint, its pages before; show it where that is asked."""
        path = self.pages.write(checkpoint, hints, packed, whole=whole) if self.pages else None
        homes = self.homes
        kept = self.session.commit(homes.kept(checkpoint) if homes is not None else checkpoint)
        if path is not None:
            confirm(path)
        self.shown()
        return kept

    def next_load(self, system: SystemStyle = "penstock") -> str:
        """A load id, unique for good; in tables with dlt's columns one such as dlt's."""
        if system == "dlt" and self.dlt is not None:
            return self.dlt.next_load(self.now())
        self.loads += 1
        return f"{self.run_id}.{self.loads}"
