"""What must hold of any document and any answers: a plan, rows, or something said with a code."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import msgspec
from tests.fuzz.mutate import Chooser, pick
from tests.support.api import Api, Asked
from tests.support.clock import EPOCH, VirtualClock, run
from tests.support.patience import at_work

from penstock.cli import describe, diagnostics
from penstock.cli.plan import encoded
from penstock.codes import CODES
from penstock.destinations.base import Checkpoint, Committed
from penstock.dialects import compile_document
from penstock.dialects.compiled import Compiled
from penstock.dialects.document import Document
from penstock.dialects.loading import Code, read_text
from penstock.dialects.repairing.fixing import fix
from penstock.engine.lot import Sizes
from penstock.engine.preparing import fitting, prepare
from penstock.engine.running import Options, Run, make_asker, redactor_for
from penstock.errors import Diagnostic, Error, PlanError
from penstock.plan.page import HttpResponse
from penstock.plan.source import Source
from penstock.read.schemas import completed
from penstock.shape.schema import Schema

MOST_SECONDS = 20.0  # of this process's own time, which a busy machine does not use up
MOST_VIRTUAL = 1_000_000.0
MOST_REQUESTS = 120


def bounded() -> AbstractContextManager[None]:
    """What is done inside ends, in bounded time of the processor."""
    return at_work(MOST_SECONDS)


def said(found: Sequence[Diagnostic]) -> None:
    """Each has a code that is documented, words, and a form for people and machines."""
    for one in found:
        coded(one.code)
        assert one.message
        msgspec.json.encode(diagnostics.as_json(one))


def shown(source: Source) -> None:
    """A plan can be looked at: as JSON, and in words."""
    msgspec.json.encode(encoded(source))
    list(describe.inputs(source))
    list(describe.tree(source))
    describe.limits(source)


def compiled(document: Document, values: Mapping[str, Any] | None = None) -> Compiled:
    """What a document compiles to, checked."""
    found = compile_document(document, values)
    assert isinstance(found, Compiled)
    assert found.ok != any(d.severity == "error" for d in found.diagnostics)
    said(found.diagnostics)
    if found.source is not None:
        shown(found.source)
    return found


def of_object(value: Any, values: Mapping[str, Any] | None = None) -> Compiled:
    """The same of plain data."""
    return compiled(Document.from_object(value, "fuzzed"), values)


def of_text(text: str, suffix: str) -> Compiled | None:
    """The same of a text, which also is repaired; None where it cannot be read at all."""
    try:
        document = read_text(text, file=f"fuzzed{suffix}", suffix=suffix)
        found = compiled(document)
        fixed = fix(
            read_text(text, file=f"fuzzed{suffix}", suffix=suffix),
            compile_document,
            lambda changed: read_text(changed, file=f"fuzzed{suffix}", suffix=suffix, code=Code()),
        )
    except PlanError as exc:
        said(exc.diagnostics)
        return None
    said(fixed.compiled.diagnostics)
    said(fixed.repaired)
    return found


# Running what compiled.


class Enough(BaseException):
    """Whoever still asks has asked often enough."""


class Inline(Executor):
    """Does work at once."""

    def submit(self, fn: Any, /, *args: Any, **words: Any) -> Future[Any]:
        """The result, or what was raised."""
        done: Future[Any] = Future()
        try:
            done.set_result(fn(*args, **words))
        except Exception as exc:  # noqa: BLE001 (whatever it was belongs to the caller)
            done.set_exception(exc)
        return done


class Sink:
    """A destination that takes everything that fits together, and keeps states and schemas."""

    epoch = 1

    def __init__(self) -> None:
        self.rows = 0
        self._states: dict[str, dict[str, str]] = {}
        self.schemas: dict[str, Schema] = {}

    def state(self, stream: str) -> dict[str, str]:
        """The stream's state."""
        return dict(self._states.get(stream, {}))

    def states(self, streams: Iterable[str]) -> dict[str, dict[str, str]]:
        """The states of streams."""
        return {stream: self.state(stream) for stream in streams}

    def schema(self, stream: str) -> Schema | None:
        """The stream's tables."""
        return self.schemas.get(stream)

    def streams(self) -> tuple[str, ...]:
        """The names under which there are tables."""
        return tuple(self.schemas)

    def commit(self, checkpoint: Checkpoint) -> Committed:
        """Take a checkpoint whose rows fit its schema."""
        if checkpoint.schema is not None:
            self.schemas[checkpoint.stream] = checkpoint.schema
        schema = self.schemas.get(checkpoint.stream)
        known = {t.name: {c.name for c in t.columns} for t in schema.tables} if schema else {}
        for batch in checkpoint.batches:
            for name, table in batch.tables.items():
                assert set(table.column_names) <= known[name]
                self.rows += table.num_rows
        state = self._states.setdefault(checkpoint.stream, {})
        for name, text in checkpoint.state:
            if text is None:
                state.pop(name, None)
            else:
                msgspec.json.decode(text)
                state[name] = text
        return Committed(rows={})

    def reset(self, streams: Sequence[str]) -> None:
        """Forget states."""
        for stream in streams:
            self._states.pop(stream, None)

    def keep_receipts(
        self, receipts: Sequence[tuple[str, str]], over: Mapping[str, Sequence[str]]
    ) -> None:
        """Look at receipts."""
        for _, text in receipts:
            for failure in msgspec.json.decode(text).get("failures", ()):
                assert failure["code"] in CODES, failure
                assert failure["message"]

    def last_receipts(self) -> dict[str, str]:
        """None are kept."""
        return {}

    def close(self) -> None:
        """Nothing is open."""


def ran(source: Source, given: Mapping[str, Any], api: Api) -> Sink:
    """Load a source twice from an API into nothing; whatever goes wrong has a code."""
    sink = Sink()
    try:
        values = dict(fitting(source, prepare(source, given)))
        for _ in range(2):
            run(_once(source, values, api, sink))
    except PlanError as exc:
        said(exc.diagnostics)
    except Error as exc:
        coded(exc.code)
    except Enough:
        pass
    return sink


def coded(code: str) -> None:
    """A code is documented."""
    assert code in CODES, f"nobody documented {code!r}"


async def _once(source: Source, values: dict[str, Any], api: Api, sink: Sink) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    clock, options = VirtualClock(), Options(sizes=Sizes(block=200, checkpoint=400, idle=100))

    def heard(event: Any) -> None:
        if type(event).__name__ == "PageRead" and len(api.requests) > MOST_REQUESTS:
            raise Enough

    asker = make_asker(source, values, options, transport=api, clock=clock, emit=heard)
    now = datetime.fromtimestamp(EPOCH, UTC)
    async with asyncio.timeout(MOST_VIRTUAL):
        whole = await completed(source, values, asker, now)
        doing = Run(
            whole,
            values,
            options,
            sink,  # type: ignore[arg-type]  # it has what a run asks for
            run_id="fuzzed",
            emit=heard,
            redactor=redactor_for(whole, values),
            transport=api,
            clock=clock,
            workers=lambda _name: Inline(),
        )
        await doing.run()


class Answers:
    """An API that answers with something that may be right, until it was asked too often."""

    def __init__(self, choose: Chooser, bodies: Sequence[HttpResponse]) -> None:
        self._choose = choose
        self._bodies = bodies
        self.asked = 0

    def __call__(self, asked: Asked) -> HttpResponse:
        """An answer; nothing but the end of everything for who goes on."""
        self.asked += 1
        if self.asked > 2 * MOST_REQUESTS:
            raise Enough
        if self.asked > MOST_REQUESTS:
            return self._bodies[-1]
        return pick(self._choose, self._bodies)
