"""From parts to checkpoints: what is shaped together, what is committed together, and when.

Rows of an `append` stream become part of the table for good, so a checkpoint of such a stream holds
either whole slices or a part of one slice, whose loads are kept in its state until it is complete:
a slice that starts anew takes the rows of those loads back. For `merge` and `replace` rows can be
written as they come: the key, or the generation, makes writing them again harmless.

What a stream's state says must be true of the streams below it too: a parent that moves on does not
list their slices again. So before a checkpoint with state, what its children hold is committed.

Streams that load one table have a loader each, and the table in common: see `joint`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

import msgspec

from penstock.destinations.base import Checkpoint
from penstock.destinations.base import Committed as Kept
from penstock.engine.dlt import Behind, tables_of
from penstock.engine.edges import Edges
from penstock.engine.joint import Joint, Outside
from penstock.engine.lot import Lot, Open
from penstock.engine.pieces import WHOLE, elsewhere, note_parts, parts_of
from penstock.engine.rounds import READ, comes_again
from penstock.engine.shaping import MAIN
from penstock.errors import DestinationError, Error, FencedError, ShapeError
from penstock.events import Committed, Failure, SchemaChanged, SliceFailed, Warned
from penstock.plan.page import Position
from penstock.plan.slices import Slice
from penstock.plan.source import scatters
from penstock.read.context import StreamContext
from penstock.read.parts import (
    PagePart,
    Part,
    SliceClosed,
    SliceLost,
    SliceRestarted,
    StreamClosed,
)
from penstock.shape import Shaper

RESUME_SECONDS = 3600.0  # for which a kept position is taken up again


class StreamLoader:
    """Loads one stream: takes its parts in order, and keeps them.

    `state` is what the destination has; `forgotten` names entries of it that no longer hold.
    `joint` is what the stream has in common with others that load its table.
    """

    def __init__(
        self,
        context: StreamContext,
        state: Mapping[str, str],
        edges: Edges,
        forgotten: Sequence[str] = (),
        joint: Joint | None = None,
    ) -> None:
        self.context = context
        self.edges = edges
        self.known = dict(state)
        hints = edges.honoured(context)
        self.joint = joint or Joint(context.name)
        self.tables = self.joint.join(
            self,
            hints,
            partial(tables_of, session=edges.session, dlt=edges.dlt, anew=edges.anew),
            edges.beside,
        )
        self._system = self.tables.main.system
        self._determine()
        self._appends = False
        self._begun = False
        self._track()
        self.reads_all = edges.full_refresh or context.stream.cursor is None
        self.children: list[StreamLoader] = []
        self.broken = False
        self.complete: bool | None = None  # what was read, once the stream is over
        self._read_at: str | None = None  # when all was: its last slice and its end say the same
        self._lot = Lot(self._next_load())
        self._open: dict[str, Lot] = {}
        self._opened = self._positions()
        self.held: dict[str, str | None] = {}
        self._behind = Behind(context) if self._system == "dlt" else None
        self._since = edges.monotonic()
        self._keeping: tuple[str, asyncio.Future[Kept]] | None = None
        self.rows: dict[str, int] = {}
        self.outside = Outside()
        self._lot.state.update(dict.fromkeys(forgotten))
        self._take_back()

    def _determine(self) -> None:
        """Say how rows are written: the first that has rows for the table says what it is."""
        main, fresh = self.tables.main, self.edges.full_refresh
        # A stream that is read only for its children has no table to replace; one that keeps what
        # is gone is read from the start and merged.
        self.replaces = self.context.loaded and main.replaces(fresh=fresh)
        # What a run lacks means something, so its state is true only when it has brought all.
        self._holds = self.replaces or main.hints.needs_all

    @property
    def shaper(self) -> Shaper:
        """What shapes the rows of the stream's own table."""
        return self.tables.main.shaper

    @property
    def roots(self) -> tuple[str, ...]:
        """The tables that records of the stream went to, its own first unless it had none."""
        found = [one.root for name, one in self.tables if name != MAIN or not one.bare]
        return tuple(found) or (self.tables.main.root,)

    def _next_load(self) -> str:
        return self.edges.next_load(self._system)

    def _positions(self) -> dict[str, Open]:
        """The open slices of earlier runs that may be taken up where they stopped."""
        if self.replaces:
            return {}
        found = {
            name.removeprefix("open/"): msgspec.json.decode(text, type=Open)
            for name, text in self.known.items()
            if name.startswith("open/")
        }
        now = self.edges.now()
        return {
            key: kept
            for key, kept in found.items()
            if kept.position is not None and now - kept.at < RESUME_SECONDS
        }

    def _take_back(self, *, shown: bool = False) -> None:
        """Retract the rows of open slices that start anew: whether under the same key or not.

        The last window of a run that was cut off ends at another moment in the next one. Rows of a
        table that is built anew are there, and told of, until that is shown.
        """
        for name in [name for name in self.known if name.startswith("open/")]:
            waits = self.replaces and shown == (name == WHOLE)
            if name.removeprefix("open/") not in self._opened and not waits:
                self._retract(name)

    def _retract(self, name: str) -> None:
        """Take the rows of an open slice back, with the next checkpoint."""
        kept = msgspec.json.decode(self.known.pop(name), type=Open)
        self._lot.retract += kept.loads
        self._lot.elsewhere += kept.tables
        self._lot.freed.append(name)
        self._lot.state[name] = None

    def resumes(self) -> dict[tuple[str, str], Position]:
        """The positions at which open slices may be taken up; others of them start anew."""
        return {
            (self.context.name, key): kept.position
            for key, kept in self._opened.items()
            if kept.position is not None
        }

    async def take(self, part: Part) -> None:
        """A part of the stream. Where it cannot be kept, the stream is given up, not the run.

        Raises:
            FencedError: another run took the destination over.
        """
        if self.broken:
            return
        try:
            await self._take(part)
        except FencedError:
            raise
        except (ShapeError, DestinationError) as exc:
            self.give_up(exc)

    async def _take(self, part: Part) -> None:
        if not isinstance(part, PagePart):
            self._begin()
        match part:
            case PagePart():
                await self._page(part)
            case SliceClosed():
                await self._slice_closed(part)
            case SliceRestarted():
                await self._slice_restarted(part)
            case SliceLost():
                await self._slice_lost(part)
            case StreamClosed():
                await self._stream_closed(part)

    def give_up(self, error: Error) -> None:
        """Nothing more of this stream can be kept: its parents' state must not move past it."""
        self.broken = True
        context = self.context
        context.lost += 1
        failure = Failure(
            slice="all", code=error.code, message=error.message, hint=error.hint or ""
        )
        context.tally.failures.append(failure)
        self.edges.emit(SliceFailed(stream=context.name, slice="all", error=str(error)))

    async def _page(self, part: PagePart) -> None:
        names = await self._prepared(part)
        lot = self._slice_lot(part.slice) if self._appends else self._lot
        lot.add(part, self.edges.now(), names)
        await self._shape_if_due(lot)
        if not self._appends:
            await self._keep_if_due()
        elif self._is_full(lot):
            await self._keep_open(part.slice.key, lot)
        elif sum(held.bytes for held in self._open.values()) > self.edges.sizes.open:
            await self._keep_open(*max(self._open.items(), key=lambda held: held[1].bytes))

    async def _prepared(self, part: PagePart) -> list[str] | None:
        """The tables of a page's records, which are made ready."""
        names = self.tables.names(part.tables)
        told = tuple(dict.fromkeys(names)) if names is not None else (MAIN,)
        said = self.tables.said(part.hints)
        changed = self.tables.changed(said)
        for loader in self.joint.loaders if changed else ():
            await loader.shape_all()
        if self.tables.begin(told, said):
            self.joint.meet()
        self._begin()
        for loader in self.joint.loaders if changed else (self,):
            await loader.follow(changed=changed)
        return names

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._determine()

    async def follow(self, *, changed: bool) -> None:
        """How rows are written from now on, where what is said of a table may have changed."""
        if changed and not self.replaces:
            self._determine()
        self._track()
        if self._open and not self._appends:
            # they are part of what is built, whatever becomes of their slices
            lots, self._open = [*self._open.values()], {}
            for lot in lots:
                await self._keep(lot)

    def _track(self) -> None:
        """Keep track of slices where one of the tables is appended to."""
        self._appends = not self.replaces and self._adds

    @property
    def _adds(self) -> bool:
        """Whether rows of one of the tables come again with each run that builds nothing anew."""
        return any(one.hints.write == "append" for _, one in self.tables)

    def _slice_lot(self, piece: Slice) -> Lot:
        """The lot of a slice of an appended stream."""
        if piece.key not in self._open:
            lot = self._open[piece.key] = Lot(self._next_load())
            lot.slices.append(piece.key)
        return self._open[piece.key]

    async def _keep_open(self, key: str, lot: Lot) -> None:
        """Commit a part of a slice, and note that it is one, and where the slice goes on."""
        del self._open[key]
        part = lot.last
        position = part.following if part is not None and part.resumable else None
        before = self._opened.get(key) or Open()
        await self._shape(lot)
        kept = Open(
            loads=(*before.loads, lot.load_id),
            position=position,
            at=self.edges.now(),
            tables=elsewhere(self, lot, before),
        )
        self._opened[key] = kept
        lot.state[f"open/{key}"] = msgspec.json.encode(kept).decode()
        await self._keep_after_others(lot)

    async def _slice_closed(self, part: SliceClosed) -> None:
        """A slice is complete: its state goes with its last rows."""
        state = self._closing(part)
        if not self._appends:
            self._add_state(self._lot, state)
            await self._keep_if_due()
            return
        key = part.slice.key
        lot = self._slice_lot(part.slice)
        del self._open[key]
        if self._opened.pop(key, None):
            state[f"open/{key}"] = None
        if lot.batches:
            self._add_state(lot, state)
            await self._keep_after_others(lot)
            return
        self._lot.take(lot)
        self._add_state(self._lot, state)
        await self._shape_if_due(self._lot)
        await self._keep_if_due()

    def _closing(self, part: SliceClosed) -> dict[str, str | None]:
        """The entries of a closed slice, and when its pass last got on."""
        state = dict(part.state)
        if self._behind is not None:
            self._behind.closed(part)
        if any(name.startswith("done/") for name in state):
            state["pass"] = str(round(self.edges.now()))
        if not (self.context.stream.partition or self.context.stream.together):
            state.update(self._read())  # it has no other slice
        return state

    def _read(self) -> dict[str, str]:
        """What says that the stream was read in full, where its rows would come again."""
        if not (self.context.loaded and self._adds and comes_again(self.context)):
            return {}
        self._read_at = self._read_at or str(self.edges.now())
        return {READ: self._read_at}

    async def _slice_restarted(self, part: SliceRestarted) -> None:
        """What came of a slice does not count: it is read from its start."""
        self._open.pop(part.slice.key, None)
        if self._opened.pop(part.slice.key, None):
            await self._kept()
            self._retract(f"open/{part.slice.key}")

    async def _slice_lost(self, part: SliceLost) -> None:
        """A slice is not complete: what it adds to the state is kept, its waiting rows are not."""
        self._add_state(self._lot, dict(part.state))
        self._open.pop(part.slice.key, None)
        await self._keep_if_due()

    async def _stream_closed(self, part: StreamClosed) -> None:
        """The stream is over: keep what is left, and show a replacement if it is complete.

        The last one of those that load a table does so, and keeps with it what of the state of the
        others waited for that.
        """
        if part.complete and self.edges.full_refresh:
            self._check_below()
        if part.complete and not self.replaces:
            # Slices of earlier runs that are not listed any more cannot be completed.
            for key in list(self._opened):
                self._retract(f"open/{key}")
        ending = self._ending(part)
        if len(self.joint.mates(self)) > 1 and self._appends:  # the pass is over when all are
            self.held = {n: ending.pop(n) for n in list(ending) if n == "pass" or n[:5] == "done/"}
        self._add_state(self._lot, ending)
        self.complete = part.complete
        if whole := self.joint.complete:
            if self.replaces:
                self._take_back(shown=True)
            self._lot.state.update(self.held)
            self._lot.others = self.joint.waiting(self)
        if part.complete or not self.replaces:
            await self._keep(self._lot, last=whole)
        await self._kept()
        self.joint.shown = whole

    def _check_below(self) -> None:
        """See that a stream which has a cursor is not shown anew before all below it is.

        Raises:
            DestinationError: something below was not read in full. Its old state stays, and with a
                newer one above it what it lacks would not be listed again.
        """
        cursor = self.context.stream.cursor
        if cursor is not None and not cursor.contiguous and not all(c.whole for c in self.children):
            text = (
                f"what is below {self.context.name!r} was not read in full, so it stays as it was"
            )
            raise DestinationError(text, code="child-lost", hint="run the same command again")

    @property
    def whole(self) -> bool:
        """Whether this stream and all below it were read, and kept, in full."""
        kept = bool(self.complete) and (self.joint.shown or not self._holds)
        return kept and all(child.whole for child in self.children)

    @property
    def builds(self) -> bool:
        """Whether one of its tables is built anew, and shown when all is there."""
        fresh = self.edges.full_refresh
        return self.context.loaded and any(one.replaces(fresh=fresh) for _, one in self.tables)

    @property
    def scatters(self) -> bool:
        """Whether its records may go to tables of which nobody knows before they come."""
        return scatters(self.context.stream)

    @property
    def swapped(self) -> bool:
        """Whether what was built is shown."""
        return self.replaces and self.joint.shown

    @property
    def waits(self) -> dict[str, str | None]:
        """What of the state waits for the table to be shown, or read in full."""
        gone = [n for n in self.known if n.startswith("open/")] if self.replaces else []
        return {**self.held, **dict.fromkeys(gone)}

    def _ending(self, part: StreamClosed) -> dict[str, str | None]:
        """The stream's last state entries: those of the pass go, and of any slice left open."""
        state = dict(part.state)
        if self._behind is not None:
            state.update(self._behind.entries(complete=part.complete))
        if part.complete and self.edges.full_refresh:
            state.update(dict.fromkeys(set(self.known) - set(self.held)))
        if part.complete:
            state.update(self._read())
        return state

    async def flush(self) -> None:
        """The run was stopped: keep what is whole, and of what is open what can be gone on with."""
        if self.replaces or self.broken:
            return
        try:
            for key, lot in list(self._open.items()):
                if lot.last is not None and lot.last.resumable and lot.last.following:
                    await self._keep_open(key, lot)
            await self._keep(self._lot)
            await self._kept()
        except FencedError:
            raise
        except (ShapeError, DestinationError) as exc:
            self.give_up(exc)

    async def settle(self) -> bool:
        """Commit what belongs to closed slices; says whether that is kept, here and below."""
        if not self.broken:
            try:
                await self._keep(self._lot)
                await self._kept()
            except FencedError:
                raise
            except (ShapeError, DestinationError) as exc:
                self.give_up(exc)
        return self.sound

    @property
    def sound(self) -> bool:
        """Whether neither this stream nor one below it was given up."""
        return not self.broken and all(child.sound for child in self.children)

    def _add_state(self, lot: Lot, entries: Mapping[str, str | None]) -> None:
        """Entries that differ from what is kept; those of a replacement wait for its end."""
        for name, text in entries.items():
            if self._holds:
                self.held[name] = text
            elif self.known.get(name) != text or name in lot.state:
                lot.state[name] = text

    async def _keep_if_due(self) -> None:
        due = self.edges.monotonic() - self._since >= self.edges.sizes.seconds
        if due or self._is_full(self._lot):
            await self._keep(self._lot)

    def _is_full(self, lot: Lot) -> bool:
        """Whether a lot is to be committed for its size."""
        sizes = self.edges.sizes
        spare = self.edges.idle() and self._keeping is None
        return lot.bytes >= (min(sizes.block, sizes.checkpoint) if spare else sizes.checkpoint)

    async def _shape_if_due(self, lot: Lot) -> None:
        sizes = self.edges.sizes
        if lot.waiting >= (min(sizes.idle, sizes.block) if self.edges.idle() else sizes.block):
            await self._shape(lot)

    async def _shape(self, lot: Lot) -> None:
        """The lot's segments to a batch, in the worker thread."""
        if not lot.segments:
            return
        loop = asyncio.get_running_loop()
        self.edges.fault("shape:begin")
        if self.edges.pages is not None:
            pack = self.edges.pages.packed
            lot.packed.append(await loop.run_in_executor(self.edges.shaping, pack, lot.pages))
        made = await loop.run_in_executor(self.edges.shaping, self.tables.shape, lot.seal())
        self.edges.fault("shape:end")
        for name, batch in made.items():
            lot.batches.setdefault(name, []).append(batch)
        self.report()

    async def shape_all(self) -> None:
        """What waits, to batches."""
        for lot in (self._lot, *self._open.values()):
            await self._shape(lot)

    def report(self) -> None:
        """Say what shaping changed and found since the last time."""
        name, emit = self.context.name, self.edges.emit
        for change, warning in self.tables.news():
            if change is not None:
                emit(SchemaChanged(stream=name, change=str(change)))
            if warning is not None and self.context.tally.note(*warning):
                emit(Warned(stream=name, code=warning[0], message=warning[1]))

    async def _keep_after_others(self, lot: Lot) -> None:
        """Commit a slice's own lot, behind those that closed before it: states build on theirs."""
        await self._keep(self._lot)
        await self._keep(lot)

    async def _keep(self, lot: Lot, *, last: bool = False) -> None:
        """Commit all of the lot, in the keeper thread, while the next one is being filled."""
        await self._shape(lot)
        if lot.batches and self._takes_turns:
            for mate in self.joint.above(self.context):
                await mate.keep_rows()
        if lot is self._lot:
            self._lot = Lot(self._next_load())
            self._since = self.edges.monotonic()
        if lot.batches and lot.state and self._takes_turns:
            rest = lot.parted(self._next_load())
            await self._commit(lot)
            lot = rest
        moves = lot.others or lot.state.keys() - {READ}  # that it was read holds for it alone
        if moves and not await self._settled_below(lot):
            self._hold_back(lot)
        await self._commit(lot, last=last)

    @property
    def _takes_turns(self) -> bool:
        """Whether rows of others in the table may have the same keys: details come after a list."""
        return len(self.joint.loaders) > 1 and not (self._appends or self.replaces)

    async def keep_rows(self) -> None:
        """Commit the rows that wait, and nothing of the state."""
        if self.broken or not self._takes_turns:
            return
        try:
            await self._shape(self._lot)
            if self._lot.batches:
                lot, self._lot = self._lot, self._lot.parted(self._next_load())
                await self._commit(lot)
        except FencedError:
            raise
        except (ShapeError, DestinationError) as exc:
            self.give_up(exc)

    async def _commit(self, lot: Lot, *, last: bool = False) -> None:
        """Commit all of a lot that is shaped, once what was committed before it is kept."""
        note_parts(self, lot, last=last)
        if not (lot.state or lot.others or lot.retract or lot.batches or last):
            return
        await self._kept()
        # Not before: what others bring to the table may be on its way, and changes its schema.
        parts = parts_of(self, lot, last=last)
        if not (lot.state or lot.others or lot.retract or any(part.schema for part in parts)):
            return
        self.joint.remember(self, lot)
        loop = asyncio.get_running_loop()
        checkpoint, hints = self._checkpoint(lot, parts), self.tables.hints
        whole = last and self.context.loaded
        commit = partial(self.edges.commit, checkpoint, hints, lot.packed, whole=whole)
        future = loop.run_in_executor(self.edges.keeping, commit)
        self._keeping = (lot.load_id, future)

    async def _settled_below(self, lot: Lot) -> bool:
        """Whether all is kept that is below the streams whose state a lot has."""
        mates = [one for one in self.joint.loaders if one is self or one.name in lot.others]
        settled = [await child.settle() for one in mates for child in one.children]
        return all(settled)

    @property
    def name(self) -> str:
        """The stream's name."""
        return self.context.name

    def _hold_back(self, lot: Lot) -> None:
        """Rows of the streams below are missing: the state stays, so that they are read again.

        Rows that would then be read and appended again stay out with it.
        """
        if self._appends:
            lot.batches, lot.packed = {}, []
        lot.state, lot.others = dict.fromkeys(lot.freed), {}

    def _checkpoint(self, lot: Lot, parts: Sequence[Checkpoint]) -> Checkpoint:
        """What a lot brings, with the stream's state, and that of others which waited for it."""
        main = msgspec.structs.replace(
            parts[0], slices=", ".join(dict.fromkeys(lot.slices))[:1000], beside=tuple(parts[1:])
        )
        return self.joint.with_states(main, {self.name: lot.state, **lot.others}, self.edges.dlt)

    async def _kept(self) -> None:
        """Wait for the checkpoint under way, and say that it is kept."""
        if self._keeping is None:
            return
        (load_id, keeping), self._keeping = self._keeping, None
        kept = await keeping
        for table, rows in kept.rows.items():
            self.rows[table] = self.rows.get(table, 0) + rows
        rows = sum(kept.rows.get(root, 0) for root in self.roots)
        self.edges.emit(Committed(stream=self.context.name, load_id=load_id, rows=rows))
