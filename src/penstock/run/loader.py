"""From parts to checkpoints: what is shaped together, what is committed together, and when.

Rows of an `append` stream become part of the table for good, so a checkpoint of such a stream holds
either whole slices or a part of one slice, whose loads are kept in its state until it is complete:
a slice that starts anew takes the rows of those loads back. For `merge` and `replace` rows can be
written as they come: the key, or the generation, makes writing them again harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import msgspec

from penstock.destinations.base import Append, Checkpoint, Merge, Replace, Session, Write
from penstock.destinations.base import Committed as Kept
from penstock.events import Committed, Event, SchemaChanged, Warned
from penstock.plan.page import Position
from penstock.plan.slices import Slice
from penstock.read.context import StreamContext
from penstock.read.parts import PagePart, SliceClosed, SliceLost, StreamClosed
from penstock.shape import Batch, Block, Segment, Shaper

BLOCK_BYTES = 8 * 1024 * 1024  # of JSON text that are shaped together
CHECKPOINT_BYTES = 32 * 1024 * 1024  # of JSON text that are committed together
CHECKPOINT_SECONDS = 10.0  # after which what is ready is committed, however little it is
RESUME_SECONDS = 3600.0  # for which a kept position is taken up again


class Open(msgspec.Struct, kw_only=True):
    """The state entry of a slice that is not complete: its loads, and where it goes on."""

    loads: tuple[str, ...] = ()
    position: Position | None = None
    at: float = 0.0  # epoch seconds


class Lot:
    """What will be committed together: segments not shaped yet, batches, and state entries."""

    def __init__(self, load_id: str) -> None:
        self.load_id = load_id
        self.segments: list[Segment] = []
        self.waiting = 0  # bytes in segments
        self.bytes = 0  # bytes in all
        self.batches: list[Batch] = []
        self.state: dict[str, str | None] = {}
        self.slices: list[str] = []
        self.retract: tuple[str, ...] = ()

    def add(self, part: PagePart) -> None:
        """A page."""
        if part.records:
            self.segments.append(
                Segment(records=part.records, extras=part.slice.extras, origin=part.origin)
            )
        self.waiting += part.size
        self.bytes += part.size

    def take(self, other: Lot) -> None:
        """Everything of another lot that was not shaped yet."""
        self.segments += other.segments
        self.waiting += other.waiting
        self.bytes += other.waiting
        self.retract += other.retract
        self.slices += other.slices

    def seal(self) -> Block:
        """The segments as a block to shape."""
        block = Block(load_id=self.load_id, segments=tuple(self.segments))
        self.segments, self.waiting = [], 0
        return block


class Edges(msgspec.Struct, kw_only=True):
    """What the loaders of a run share."""

    session: Session
    run_id: str
    emit: Callable[[Event], None]
    now: Callable[[], float]
    shaping: ThreadPoolExecutor
    keeping: ThreadPoolExecutor
    full_refresh: bool = False
    loads: int = 0

    def next_load(self) -> str:
        """A load id, unique for good."""
        self.loads += 1
        return f"{self.run_id}.{self.loads}"


class StreamLoader:
    """Loads one stream: takes its parts in order, and keeps them."""

    def __init__(self, context: StreamContext, state: Mapping[str, str], edges: Edges) -> None:
        self._context = context
        self._edges = edges
        self._known = dict(state)
        hints = context.stream.hints
        known = edges.session.schema(context.name)
        self.shaper = Shaper(context.name, hints, known)
        self.replaces = edges.full_refresh or hints.write == "replace"
        self._appends = hints.write == "append" and not self.replaces
        self._lot = Lot(edges.next_load())
        self._open: dict[str, Lot] = {}
        self._opened: dict[str, Open] = {}
        self._held: dict[str, str | None] = {}
        self._since = edges.now()
        self._keeping: asyncio.Future[Kept] | None = None
        self._changes = 0
        self._warned = 0
        self.rows: dict[str, int] = {}
        self.swapped = False

    def resumes(self) -> dict[tuple[str, str], Position]:
        """The positions at which open slices may be taken up; others of them start anew."""
        found: dict[tuple[str, str], Position] = {}
        for name, text in self._known.items():
            if not name.startswith("open/") or self.replaces:
                continue
            kept = msgspec.json.decode(text, type=Open)
            key = name.removeprefix("open/")
            fresh = self._edges.now() - kept.at < RESUME_SECONDS
            if kept.position is not None and fresh:
                found[self._context.name, key] = kept.position
                self._opened[key] = kept
        return found

    async def page(self, part: PagePart) -> None:
        """Rows of a slice."""
        if not self._appends:
            self._lot.add(part)
            await self._shape_and_keep(self._lot)
            return
        lot = self._slice_lot(part.slice)
        lot.add(part)
        if lot.waiting >= BLOCK_BYTES:
            await self._shape(lot)
        if lot.bytes >= CHECKPOINT_BYTES:
            self._stay_open(part.slice.key, lot, part)
            await self._keep(lot)
            self._open[part.slice.key] = Lot(self._edges.next_load())

    def _slice_lot(self, piece: Slice) -> Lot:
        """The lot of a slice of an appended stream; rows of its earlier attempt are taken back."""
        if piece.key not in self._open:
            lot = self._open[piece.key] = Lot(self._edges.next_load())
            lot.slices.append(piece.key)
            if piece.key not in self._opened:
                self._retract(piece.key, lot)
        return self._open[piece.key]

    def _retract(self, key: str, lot: Lot) -> None:
        text = self._known.get(f"open/{key}")
        if text:
            lot.retract = msgspec.json.decode(text, type=Open).loads

    def _stay_open(self, key: str, lot: Lot, part: PagePart) -> None:
        """Note in the lot's state that the slice is not complete, and where it goes on."""
        kept = self._opened.get(key) or Open()
        position = part.following if part.resumable else None
        kept = Open(loads=(*kept.loads, lot.load_id), position=position, at=self._edges.now())
        self._opened[key] = kept
        lot.state[f"open/{key}"] = msgspec.json.encode(kept).decode()

    async def slice_closed(self, part: SliceClosed) -> None:
        """A slice is complete: its state goes with its last rows."""
        state = dict(part.state)
        key = part.slice.key
        if not self._appends:
            self._add_state(self._lot, state)
            await self._keep_if_due()
            return
        lot = self._slice_lot(part.slice)
        del self._open[key]
        if f"open/{key}" in self._known or key in self._opened:
            state[f"open/{key}"] = None
        if lot.batches:
            self._add_state(lot, state)
            await self._keep(lot)
        else:
            self._lot.take(lot)
            self._add_state(self._lot, state)
            await self._shape_and_keep(self._lot)

    async def slice_lost(self, part: SliceLost) -> None:
        """A slice is not complete: what it adds to the state is kept, its waiting rows are not."""
        self._add_state(self._lot, dict(part.state))
        self._open.pop(part.slice.key, None)
        await self._keep_if_due()

    async def stream_closed(self, part: StreamClosed) -> None:
        """The stream is over: keep what is left, and show a replacement if it is complete."""
        self._add_state(self._lot, self._ending(part))
        if self.replaces:
            await self._finish_replacing(complete=part.complete)
        else:
            await self._shape(self._lot)
            await self._keep(self._lot)
        await self._kept()

    def _ending(self, part: StreamClosed) -> dict[str, str | None]:
        """The stream's last state entries: those of the pass go, and of any slice left open."""
        state = dict(part.state)
        if part.complete and self._edges.full_refresh:
            state.update(dict.fromkeys(set(self._known) - set(self._held), None))
        return state

    async def _finish_replacing(self, *, complete: bool) -> None:
        if not complete:
            return
        self._lot.state.update(self._held)
        await self._keep(self._lot, swap=True)
        self.swapped = True

    async def flush(self) -> None:
        """The run was stopped: keep what is whole, and what is open as far as it may be kept."""
        if self.replaces:
            return
        for key, lot in list(self._open.items()):
            if lot.batches:
                kept = self._opened.get(key) or Open()
                loads = (*kept.loads, lot.load_id)
                lot.segments, lot.waiting = [], 0
                lot.state[f"open/{key}"] = msgspec.json.encode(Open(loads=loads)).decode()
                await self._keep(lot)
        await self._keep(self._lot)
        await self._kept()

    def _add_state(self, lot: Lot, entries: Mapping[str, str | None]) -> None:
        """Entries that differ from what is kept; those of a replacement wait for its end."""
        for name, text in entries.items():
            if self.replaces:
                self._held[name] = text
            elif self._known.get(name) != text or name in lot.state:
                lot.state[name] = text

    async def _shape_and_keep(self, lot: Lot) -> None:
        if lot.waiting >= BLOCK_BYTES:
            await self._shape(lot)
        await self._keep_if_due()

    async def _keep_if_due(self) -> None:
        lot = self._lot
        due = self._edges.now() - self._since >= CHECKPOINT_SECONDS
        if lot.bytes >= CHECKPOINT_BYTES or due:
            await self._keep(lot)

    async def _shape(self, lot: Lot) -> None:
        """The lot's segments to a batch, in the worker thread."""
        if not lot.segments:
            return
        loop = asyncio.get_running_loop()
        batch = await loop.run_in_executor(self._edges.shaping, self.shaper.shape, lot.seal())
        lot.batches.append(batch)
        self._report()

    def _report(self) -> None:
        """Say what shaping changed and found since the last time."""
        seen = self.shaper.statistics()
        name, emit = self._context.name, self._edges.emit
        for change in seen.changes[self._changes :]:
            emit(SchemaChanged(stream=name, change=str(change)))
        for warning in seen.warnings[self._warned :]:
            if self._context.tally.note(warning.code, warning.message):
                emit(Warned(stream=name, code=warning.code, message=warning.message))
        self._changes, self._warned = len(seen.changes), len(seen.warnings)

    async def _keep(self, lot: Lot, *, swap: bool = False) -> None:
        """Commit all of the lot, in the keeper thread, while the next one is being filled."""
        await self._shape(lot)
        if lot is self._lot:
            self._lot = Lot(self._edges.next_load())
            self._since = self._edges.now()
        if not (lot.batches or lot.state or lot.retract or swap):
            return
        await self._kept()
        checkpoint = Checkpoint(
            load_id=lot.load_id,
            run_id=self._edges.run_id,
            stream=self._context.name,
            write=self._write(swap=swap),
            schema=self.shaper.schema if lot.batches or swap else None,
            batches=lot.batches,
            retract=lot.retract,
            state=tuple(lot.state.items()),
            slices=", ".join(dict.fromkeys(lot.slices))[:1000],
        )
        self._remember(lot.state)
        loop = asyncio.get_running_loop()
        self._keeping = loop.run_in_executor(
            self._edges.keeping, self._edges.session.commit, checkpoint
        )

    def _remember(self, state: Mapping[str, str | None]) -> None:
        for name, text in state.items():
            if text is None:
                self._known.pop(name, None)
            else:
                self._known[name] = text

    async def _kept(self) -> None:
        """Wait for the checkpoint under way, and say that it is kept."""
        if self._keeping is None:
            return
        keeping, self._keeping = self._keeping, None
        kept = await keeping
        for table, rows in kept.rows.items():
            self.rows[table] = self.rows.get(table, 0) + rows
        root = self.shaper.schema.root.name
        self._edges.emit(
            Committed(stream=self._context.name, load_id="", rows=kept.rows.get(root, 0))
        )

    def _write(self, *, swap: bool) -> Write:
        if self.replaces:
            return Replace(generation=self._edges.run_id, swap=swap)
        key = self.shaper.schema.root.key
        if self._context.stream.hints.write == "merge" and key:
            return Merge(key=key)
        return Append()
