"""One run: the reader's parts, taken by loaders, kept by a session; and how it is stopped."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from penstock.destinations import kind_of, open_destination
from penstock.destinations.base import Fault, Owner, Session, no_fault
from penstock.engine import rounds
from penstock.engine.badpages import BadPages
from penstock.engine.dlt import Dlt, taken_over, told_of
from penstock.engine.edges import Edges
from penstock.engine.found import tables_found
from penstock.engine.homes import Homes
from penstock.engine.joint import ending, joints
from penstock.engine.keeping import Keeping, settle
from penstock.engine.loader import StreamLoader
from penstock.engine.lot import Sizes
from penstock.engine.nesting import with_nesting
from penstock.engine.preparing import fitting, prepare
from penstock.engine.publishing import Publishing
from penstock.engine.receipts import decode_receipt, make_receipt
from penstock.engine.renewing import InState, Renewing, Store, Values, renew
from penstock.engine.shaping import those_beside
from penstock.engine.standing import current, keep_for_others, tell_of_gaps, with_stand_ins
from penstock.engine.stopping import Stopper
from penstock.errors import DestinationError, FencedError, Interrupted
from penstock.events import (
    Event,
    Receipt,
    RunEnded,
    RunStarted,
    SchemaChanged,
    SliceFailed,
    Status,
    StreamEnded,
    Waiting,
    Warned,
)
from penstock.plan.check import check_streams
from penstock.plan.expr import JsonValue
from penstock.plan.hints import Nesting
from penstock.plan.source import Source
from penstock.plan.together import completed, together
from penstock.read.ask import Asker, Keep, PutBy
from penstock.read.behind import stand_ins
from penstock.read.clock import Clock, SystemClock
from penstock.read.context import Settings, StreamContext
from penstock.read.origins import Origins
from penstock.read.parts import StreamClosed
from penstock.read.reader import Reader
from penstock.read.schemas import incomplete
from penstock.read.transport import MAX_BODY, Bounds, Http, Transport
from penstock.redact import Redactor
from penstock.shape import warm_up

Emit = Callable[[Event], None]
Workers = Callable[[str], Executor]


def threads(name: str) -> Executor:
    """A thread of its own, in which blocking work is done in the order in which it came."""
    return ThreadPoolExecutor(1, name)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a run may be told besides source, values and destination.

    `wait` is in seconds. `nesting` is that of all streams, whatever the document says of them.
    `publish` names the file that a copy of a DuckDB destination is put to, `keep_pages`
    the directory that pages are kept in.
    `alone` says that nothing else in this process opens the destination during the run, which a
    DuckDB file is then opened for: it is loaded faster.
    A `full_refresh` makes tables and their columns anew; with `keep_columns` these stay.
    With `dlt_columns` the engine's own columns and tables are those of dlt.
    `files` is the folder that files are fetched into, to which records of manifests lead.
    `since` is when the script began whose run it is: what it has read itself it may read again.
    `fault` is called at named points of shaping and of commits, for tests of crashes.
    """

    select: tuple[str, ...] = ()
    full_refresh: bool = False
    keep_columns: bool = False
    db_schema: str | None = None
    base_url: str | None = None
    takeover: bool = False
    wait: float = 0.0
    concurrency: int | None = None
    nesting: Nesting | None = None
    publish: str | None = None
    keep_pages: str | None = None
    allow_origins: tuple[str, ...] = ()
    alone: bool = False
    dlt_columns: bool = False
    deny_private: bool = False
    max_body: int | None = None  # bytes
    keep_bad_pages: Path | None = None
    files: Path | None = None
    since: float | None = None
    sizes: Sizes = Sizes()
    fault: Fault = no_fault


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How a run went; `destination` is where the rows are, with any password masked."""

    run_id: str
    source: str
    destination: str
    db_schema: str
    status: Status
    receipts: tuple[Receipt, ...]
    seconds: float


def selected(source: Source, select: tuple[str, ...]) -> frozenset[str]:
    """The names of the streams to load.

    Raises:
        PlanError: a name is no stream of the source.
    """
    if not select:
        return frozenset(s.name for s in source.streams if s.selected)
    check_streams(source, select)
    return frozenset(select)


def loading(source: Source, options: Options) -> frozenset[str]:
    """The names of the streams that a run loads."""
    chosen = selected(source, options.select)
    return completed(source, chosen, fresh=options.full_refresh)


def make_transport(options: Options) -> Http:
    """What talks to the network, within the bounds of the options."""
    bounds = Bounds(body=options.max_body or MAX_BODY)
    return Http(bounds, deny_private=options.deny_private)


def make_asker(  # noqa: PLR0913 (the edges of a run)
    source: Source,
    values: Mapping[str, JsonValue],
    options: Options,
    *,
    transport: Transport,
    clock: Clock,
    emit: Emit,
    obtained: Callable[[str], None] = lambda _token: None,
    keep: Keep | None = None,
    put_by: PutBy | None = None,
) -> Asker:
    """What sends a run's requests; `obtained` is told every token that an API hands out.

    `keep` keeps those that take the place of the user's own.
    `put_by` is handed the answers that cannot be read.
    """
    origins = Origins.of(source, values, moved_to=options.base_url, also=options.allow_origins)
    limits = source.limits
    if options.concurrency is not None:
        limits = msgspec.structs.replace(limits, concurrency=options.concurrency)
    return Asker(
        transport=transport,
        clock=clock,
        limits=limits,
        origins=origins,
        emit=emit,
        obtained=obtained,
        keep=keep,
        put_by=put_by,
    )


def redactor_for(source: Source, values: Mapping[str, JsonValue]) -> Redactor:
    """Masks the values that the document calls secret."""
    held = (values.get(i.name) for i in source.inputs if i.secret)
    return Redactor(str(value) for value in held if value not in (None, ""))


class Run:
    """One run of a source into a session."""

    def __init__(  # noqa: PLR0913 (the edges of a run)
        self,
        source: Source,
        values: Values,
        options: Options,
        session: Session,
        *,
        run_id: str,
        emit: Emit,
        redactor: Redactor,
        store: Store | None = None,
        transport: Transport | None = None,
        clock: Clock | None = None,
        workers: Workers = threads,
    ) -> None:
        self._source = source
        self._values = values
        self._options = options
        self._session = session
        self._run_id = run_id
        self._emit = emit
        self._transport = transport
        self._clock = clock or SystemClock()
        self._workers = workers
        self._redactor = redactor
        self._store = store
        self.nested = True  # whether the destination has structs
        self.publishing = Publishing(session, None)
        self.pages: Keeping | None = None
        self._loaders: dict[str, StreamLoader] = {}
        self._receipts: dict[str, Receipt] = {}
        self._resting: dict[str, dict[str, str]] = {}
        self._stopper = Stopper(emit)
        self._started = time.monotonic()

    def _rest(self, loaded: frozenset[str], stored: Mapping[str, dict[str, str]]) -> frozenset[str]:
        """The streams that are passed over, with their receipts."""
        if self._options.full_refresh:
            return frozenset()
        found = rounds.resting(self._source, loaded, stored, self._clock.now(), self._options.since)
        self._resting = {name: stored[name] for name in found}
        for name in sorted(found):
            self._told_of(rounds.receipt(name, stored[name], self._session))
        return found

    async def run(self) -> tuple[Status, tuple[Receipt, ...]]:
        """Load everything; gives the status and the receipts of the streams."""
        loaded = loading(self._source, self._options)
        self._source = together(self._source, loaded)
        names = [s.name for s in self._source.streams]
        dlt = Dlt.of(self._session, self._source, wanted=self._options.dlt_columns)
        homes = self._homes = Homes(self._source)
        stored = taken_over(self._source, self._session, dlt, self._run_id, homes)
        stored |= with_stand_ins(self._source, self._session, self._run_id, stored, homes)
        self._told = told_of(self._source, self._session, dlt)
        loaded -= self._rest(loaded, stored)
        if dlt is not None and self._told:
            dlt.begin()
        transport = self._transport or make_transport(self._options)
        with (
            self._workers("shape") as shaping,
            self._workers("keep") as keeping,
        ):
            edges = Edges(
                session=self._session,
                run_id=self._run_id,
                emit=self._emit,
                now=self._clock.now,
                monotonic=self._clock.monotonic,
                shaping=shaping,
                keeping=keeping,
                fault=self._options.fault,
                sizes=self._options.sizes,
                full_refresh=self._options.full_refresh,
                anew=self._options.full_refresh and not self._options.keep_columns,
                nested=self.nested,
                shown=self.publishing.committed,
                dlt=dlt,
                pages=self.pages,
                began=datetime.fromtimestamp(self._clock.now(), UTC).isoformat(),
                homes=homes,
            )
            if not any(stored[name] for name in loaded):
                # Rows are sure to come: what shapes them is loaded while the first answers do.
                shaping.submit(warm_up)
            try:
                reader = self._reader(loaded, stored, edges, transport)
                edges.idle = lambda: reader.idle
                with self._stopper.hears(reader.stop):
                    await self._load(reader, edges)
            finally:
                await transport.close()
        receipts = tuple(self._receipts[name] for name in names if name in self._receipts)
        self._keep(receipts)
        return self._status(), receipts

    def _keep(self, receipts: tuple[Receipt, ...]) -> None:
        """Store the receipts; a destination that failed a stream before needs not fail the run.

        Raises:
            DestinationError: they are all that cannot be kept.
        """
        read = {**self._resting, **{name: one.known for name, one in self._loaders.items()}}
        over = rounds.over(read) if self._status() == "done" else {}
        over = {
            name: tuple(self._homes.entries(name, dict.fromkeys(names)))
            for name, names in over.items()
        }
        texts = [(r.stream, msgspec.json.encode(r).decode()) for r in receipts]
        try:
            self._session.keep_receipts(texts, over)
        except FencedError:
            raise
        except DestinationError:
            if not any(loader.broken for loader in self._loaders.values()):
                raise

    def _reader(
        self,
        loaded: frozenset[str],
        stored: Mapping[str, dict[str, str]],
        edges: Edges,
        transport: Transport,
    ) -> Reader:
        settings = Settings(
            values=self._values,
            now=datetime.fromtimestamp(self._clock.now(), UTC),
            loaded=loaded,
            told=self._told,
            fresh=self._options.full_refresh,
            seconds=self._clock.monotonic,
            files=self._options.files,
            max_body=self._options.max_body or MAX_BODY,
            tables=tables_found(self._source, self._session, fresh=self._options.full_refresh),
        )
        asker = make_asker(
            self._source,
            self._values,
            self._options,
            transport=transport,
            clock=self._clock,
            emit=self._emit,
            obtained=self._redactor.add,
            keep=self._store and Renewing(self._values, self._store, edges.keeping),
            put_by=self._bad_pages(),
        )
        now = edges.now()
        states = current(self._source, stored, now)
        reader = Reader(self._source, settings, asker, state=states, emit=self._emit)
        joint = joints(self._source, loaded, self._session)
        for context in reader.contexts:
            if context.keeps_state:
                gone = [name for name in stored[context.name] if name not in states[context.name]]
                loader = StreamLoader(
                    context, stored[context.name], edges, gone, joint.get(context.name)
                )
                self._loaders[context.name] = loader
                reader.resume(loader.resumes())
        for context in reader.contexts:
            if context.name in self._loaders:
                self._loaders[context.name].children = self._below(context)
        fresh = self._options.full_refresh
        keep_for_others(self._source, reader.contexts, self._loaders, stored, fresh=fresh)
        tell_of_gaps(reader.contexts, self._emit)
        return reader

    def _bad_pages(self) -> PutBy | None:
        folder = self._options.keep_bad_pages
        return None if folder is None else BadPages(folder, self._redactor).keep

    def _below(self, context: StreamContext) -> list[StreamLoader]:
        """The nearest streams below that are loaded."""
        found: list[StreamLoader] = []
        for child in context.children:
            loader = self._loaders.get(child.name)
            found += [loader] if loader else self._below(child)
        return found

    async def _load(self, reader: Reader, edges: Edges) -> None:
        loop = asyncio.get_running_loop()
        # No request depends on them: they are looked up while the first ones are under way.
        previous = loop.run_in_executor(edges.keeping, self._session.last_receipts)
        left = {c.name: c for c in reader.contexts if c.keeps_state}
        ended: dict[str, StreamClosed] = {}
        async with aclosing(reader.parts()) as parts:
            async for part in parts:
                if not isinstance(part, StreamClosed):
                    await self._loaders[part.stream].take(part)
                    continue
                ended[part.stream] = part
                loaders = {name: self._loaders[name] for name in left}
                ready = ending(loaders, ended, fresh=self._options.full_refresh)
                for name in ready:
                    await self._loaders[name].take(ended[name])
                for name in ready:
                    self._loaders[name].joint.end()
                for name in ready:
                    self._end(left.pop(name), await previous)
                if part.stream in left:  # others are not over yet, and may take their time
                    await self._loaders[part.stream].settle()
        for name, context in reversed(left.items()):
            await self._loaders[name].flush()
            self._end(context, await previous, interrupted=True)

    def _end(
        self, context: StreamContext, previous: Mapping[str, str], *, interrupted: bool = False
    ) -> None:
        if not context.loaded:
            return
        last = decode_receipt(previous.get(context.name))
        seconds = time.monotonic() - self._started
        receipt = make_receipt(context, self._loaders.get(context.name), last, seconds)
        if interrupted:
            receipt = msgspec.structs.replace(receipt, status="interrupted")
        self._told_of(receipt)

    def _told_of(self, receipt: Receipt) -> None:
        receipt = self._masked(receipt)
        self._receipts[receipt.stream] = receipt
        self._emit(StreamEnded(stream=receipt.stream, status=receipt.status, receipt=receipt))

    def _masked(self, receipt: Receipt) -> Receipt:
        """The receipt without any secret: it is stored and shown."""
        masked: Receipt = msgspec.convert(
            self._redactor.data(msgspec.to_builtins(receipt)), type=Receipt
        )
        return masked

    def _status(self) -> Status:
        statuses = {receipt.status for receipt in self._receipts.values()}
        if "interrupted" in statuses:
            return "interrupted"
        if statuses <= {"done"}:
            return "done"
        return "failed" if statuses == {"failed"} else "partial"


def _masking(emit: Emit, redactor: Redactor) -> Emit:
    """The listener, hearing no secret: texts of errors and warnings may quote a request."""

    def masked(event: Event) -> None:
        if isinstance(event, Waiting | Warned | SliceFailed | SchemaChanged):
            words = redactor.data(msgspec.to_builtins(event))
            event = msgspec.convert(words, type=type(event))
        emit(event)

    return masked


def new_run_id() -> str:
    """A run's id: when it began, and something of its own."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.urandom(3).hex()}"


def execute(
    source: Source,
    values: Mapping[str, JsonValue],
    destination: str,
    options: Options,
    on_event: Emit,
) -> Result:
    """Load `source` into `destination`; blocks until it is done or stopped.

    Raises:
        PlanError: a selected stream does not exist, or a value does not fit the document.
        DestinationError: the destination cannot be opened, or keeps nothing more.
        Interrupted: a second signal stopped it at once; it stops at a checkpoint for the first.
    """
    held = dict(fitting(source, prepare(source, values)))
    if not source.discovered:
        selected(source, options.select)
    started, run_id = time.monotonic(), new_run_id()
    db_schema = options.db_schema or source.name
    transport = make_transport(options)  # it gets ready while the destination is opened
    session = _session(destination, db_schema, options, run_id)
    redactor = redactor_for(source, held)
    emit, shown = _masking(on_event, redactor), redactor.text(destination)
    try:
        publishing = Publishing(session, options.publish)
        store = InState(session, run_id, source, held)
        renewed = store.found()
        renew(held, renewed)
        redactor.add(*(text for _, text in renewed))
        if incomplete(source):
            keep = Renewing(held, store)
            source = asyncio.run(_completed(source, held, options, on_event, keep))
        loaded = loading(source, options)
        names = tuple(s.name for s in source.streams if s.name in loaded)
        on_event(RunStarted(run_id=run_id, source=source.name, destination=shown, streams=names))
        given = (with_nesting(source, options.nesting), held, options, session)
        run = Run(
            *given, run_id=run_id, emit=emit, redactor=redactor, store=store, transport=transport
        )
        run.nested = kind_of(destination).nested
        run.publishing = publishing
        run.pages = _keeping(options, session, db_schema, run_id, redactor)
        status, receipts = _finished(run)
        publishing.end()
    finally:
        session.close()
    seconds = time.monotonic() - started
    on_event(RunEnded(status=status, seconds=seconds))
    return Result(
        run_id=run_id,
        source=source.name,
        destination=shown,
        db_schema=db_schema,
        status=status,
        receipts=receipts,
        seconds=seconds,
    )


def _finished(run: Run) -> tuple[Status, tuple[Receipt, ...]]:
    try:
        return asyncio.run(run.run())
    except asyncio.CancelledError:
        hint = "what was committed is intact, run again"
        raise Interrupted("the run was stopped at once", hint=hint) from None


def _keeping(
    options: Options, session: Session, db_schema: str, run_id: str, redactor: Redactor
) -> Keeping | None:
    """What keeps the pages of a run, if they are to be kept."""
    if options.keep_pages is None:
        return None
    folder = Path(options.keep_pages).expanduser()
    settle(folder, session)
    return Keeping(folder, db_schema, run_id, redactor.data)


def _session(destination: str, db_schema: str, options: Options, run_id: str) -> Session:
    """This run's hold on the destination."""
    return open_destination(destination, fault=options.fault).open(
        owner=Owner.here(run_id, alone=options.alone),
        db_schema=db_schema,
        takeover="always" if options.takeover else "dead",
        wait=options.wait,
    )


async def _completed(
    source: Source, values: Mapping[str, JsonValue], options: Options, emit: Emit, keep: Keep
) -> Source:
    """The source with what has to be asked for before its streams can be read."""
    from penstock.read.schemas import completed  # noqa: PLC0415 (few sources need it)

    transport, clock = make_transport(options), SystemClock()
    asker = make_asker(
        source, values, options, transport=transport, clock=clock, emit=emit, keep=keep
    )
    try:
        return await completed(source, values, asker, datetime.fromtimestamp(clock.now(), UTC))
    finally:
        await transport.close()


def show_state(
    source: Source, destination: str, db_schema: str | None, streams: tuple[str, ...]
) -> dict[str, dict[str, JsonValue]]:
    """What the next run starts from: by stream, the entries of its state."""
    loaded = selected(source, streams)
    peek = open_destination(destination).peek(db_schema or source.name)
    if peek is None:
        return {}
    return {
        name: {key: msgspec.json.decode(text) for key, text in entries.items()}
        for name, entries in peek.state.items()
        if name in loaded
    }


def reset_state(
    source: Source,
    destination: str,
    db_schema: str | None,
    streams: tuple[str, ...],
    *,
    takeover: bool,
) -> tuple[str, ...]:
    """Forget what the next run would start from; gives the streams it was forgotten for.

    Raises:
        DestinationError: there is no such destination yet, or another run holds it.
    """
    names = tuple(sorted(selected(source, streams)))
    place = open_destination(destination)
    if place.peek(db_schema or source.name) is None:
        raise DestinationError(f"{destination} holds nothing of {source.name!r}", code="empty")
    session = place.open(
        owner=Owner.here(new_run_id()),
        db_schema=db_schema or source.name,
        takeover="always" if takeover else "dead",
    )
    try:
        there = session.streams()
        beside = [one for name in names for one in those_beside(name, there)]
        # all of such a parent is listed again, to whatever was left out below it too
        stood = [one for one, (of, _) in stand_ins(source).items() if of.name in names]
        session.reset((*names, *beside, *stood))
    finally:
        session.close()
    return names
