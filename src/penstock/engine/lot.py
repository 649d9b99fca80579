"""What is committed together: records that are not shaped yet, batches, and state entries."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from penstock.engine.keeping import Timed
from penstock.engine.shaping import MAIN
from penstock.plan.page import Position
from penstock.read.parts import PagePart
from penstock.shape import Batch, Block, Segment


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How much is done at once: bytes of JSON text that are shaped, and committed, together.

    While the reader waits for the API, less is taken: `idle` bytes are shaped, and a block's worth
    is committed. After `seconds` what is ready is committed, however little it is. Slices of an
    appended stream that are not complete may hold `open` bytes together: above that the largest of
    them is committed as far as it came.
    """

    block: int = 4 * 1024 * 1024
    checkpoint: int = 48 * 1024 * 1024
    idle: int = 1024 * 1024
    open: int = 128 * 1024 * 1024
    seconds: float = 10.0


class Open(msgspec.Struct, kw_only=True):
    """The state entry of a slice that is not complete: its loads, and where it goes on.

    `tables` are the names of those tables of others that it has rows in.
    """

    loads: tuple[str, ...] = ()
    position: Position | None = None
    at: float = 0.0  # epoch seconds
    tables: tuple[str, ...] = ()


class Lot:
    """What will be committed together; `segments` and `batches` by the table that they are for."""

    def __init__(self, load_id: str) -> None:
        self.load_id = load_id
        self.segments: dict[str, list[Segment]] = {}
        self.waiting = 0  # bytes in segments
        self.bytes = 0  # bytes in all
        self.batches: dict[str, list[Batch]] = {}
        self.state: dict[str, str | None] = {}
        self.others: dict[str, dict[str, str | None]] = {}  # the same of other streams
        self.slices: list[str] = []
        self.retract: tuple[str, ...] = ()
        self.elsewhere: tuple[str, ...] = ()  # tables of others that it is retracted from, too
        self.freed: list[str] = []  # state entries that go with what is retracted
        self.last: PagePart | None = None
        self.pages: list[Timed] = []  # what the segments came from
        self.packed: list[bytes] = []  # and the batches, where pages are kept

    def add(self, part: PagePart, at: float, names: list[str] | None = None) -> None:
        """A page, and when it came; `names` are the tables of its records, where said."""
        self.pages.append((part, at))
        whole = Segment(records=part.records, extras=part.slice.extras, origin=part.origin)
        for name, segment in split(whole, names):
            self.segments.setdefault(name, []).append(segment)
        self.waiting += part.size
        self.bytes += part.size
        self.last = part

    def take(self, other: Lot) -> None:
        """Everything of another lot that was not shaped yet."""
        for name, found in other.segments.items():
            self.segments.setdefault(name, []).extend(found)
        self.pages += other.pages
        self.waiting += other.waiting
        self.bytes += other.waiting
        self.slices += other.slices

    def parted(self, load_id: str) -> Lot:
        """A lot of what this one would change of the state, which goes into it no more.

        What this one takes back it does take back, and says so.
        """
        rest = Lot(load_id)
        rest.state = {n: text for n, text in self.state.items() if n not in self.freed}
        self.state = {n: text for n, text in self.state.items() if n in self.freed}
        rest.others, self.others = self.others, {}
        return rest

    def seal(self) -> dict[str, Block]:
        """The segments as blocks to shape."""
        blocks = {
            name: Block(load_id=self.load_id, segments=tuple(found))
            for name, found in self.segments.items()
        }
        self.segments, self.pages, self.waiting = {}, [], 0
        return blocks


def split(segment: Segment, names: list[str] | None) -> Iterator[tuple[str, Segment]]:
    """Records by the table that they go to; `names` are those of the records, where said."""
    if names is None and segment.records:
        yield MAIN, segment
    for name in dict.fromkeys(names or ()):
        records = [r for r, own in zip(segment.records, names or (), strict=True) if own == name]
        yield name, msgspec.structs.replace(segment, records=records)
