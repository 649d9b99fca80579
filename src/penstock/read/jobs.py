"""Jobs: an API is told to prepare an export, asked until it is ready, and then gives it out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import TypeAlias

import msgspec

from penstock.errors import ReadError
from penstock.plan import jsontext
from penstock.plan.decoder import Decoder
from penstock.plan.expr import Frame, JsonValue, evaluate
from penstock.plan.jobs import Call, Job, JobStatus
from penstock.plan.page import HttpRequest, HttpResponse, Position, Stopped
from penstock.plan.python import Extract
from penstock.plan.records import RecordPath
from penstock.plan.request import build
from penstock.plan.slices import Slice
from penstock.plan.source import Source
from penstock.read.ask import Asker, Ignored, itself
from penstock.read.context import Settings, StreamContext
from penstock.read.decode import Wanted, decode
from penstock.read.fetch import seeing
from penstock.read.python import needed
from penstock.read.threads import called
from penstock.read.walk import Walk
from penstock.read.walked import Walked

Page: TypeAlias = "dict[str, JsonValue]"
MakeWalk: TypeAlias = "Callable[[StreamContext, Mapping[str, JsonValue]], Walk]"


class _Polled(msgspec.Struct, frozen=True, kw_only=True):
    """How a job ended, and what its requests may see then."""

    status: JobStatus
    page: Page
    response: HttpResponse | None = None


class JobWalk:
    """The pages of one slice that is prepared by a job; `room` is for jobs under way at once."""

    def __init__(
        self,
        context: StreamContext,
        piece: Slice,
        asker: Asker,
        room: asyncio.Semaphore,
        walk: MakeWalk,
    ) -> None:
        assert context.stream.job is not None, "only a stream with a job is read so"
        self._context = context
        self._job: Job = context.stream.job
        self._frame = context.frame(piece)
        self._asker = asker
        self._room = room
        self._walk = walk
        self.stop_asked = False

    async def pages(self) -> AsyncGenerator[Walked]:
        """The pages of everything the job gives.

        Raises:
            ReadError: the job fails for good, or a request of it does.
        """
        async with self._room:
            done = await self._attempts()
        if done.status == "completed":
            for target in await self._targets(done):
                page = {**done.page, "download_target": target}
                walk = self._walk(_downloading(self._context), page)
                async for walked in walk.pages():
                    yield msgspec.structs.replace(walked, following=None)
                    if self.stop_asked:
                        return
            await self._quietly(self._job.delete, done.page)
        yield Walked(
            position=Position(), records=(), url="", size=0, following=None,
            stopped=Stopped(reason=f"job-{done.status}"),
        )  # fmt: skip

    async def _attempts(self) -> _Polled:
        """The job once it is over, begun again as often as it may."""
        for attempt in range(1, self._job.attempts + 1):
            done = await self._run()
            if done.status in {"completed", "skipped"}:
                return done
            if done.status == "timeout":
                await self._quietly(self._job.abort, done.page)
            if attempt < self._job.attempts and self._job.retry_wait and done.status == "failed":
                await self._asker.rest(self._context.name, self._job.retry_wait, "the job failed")
        raise ReadError(
            f"the API's job ended as {done.status}, {self._job.attempts} times",
            code="job-failed",
            hint="run again later: the API could not prepare the data",
        )

    async def _run(self) -> _Polled:
        job = self._job
        page: Page = {"creation_response": _seen(*await self._exchange(job.create, {}))}
        patience, waited = job.patience(self._frame), 0.0
        while True:
            asked, polled = await self._exchange(job.poll, page)
            status = await self._judged(polled)
            if status != "running":
                page["polling_response"] = _seen(asked, polled)
                return _Polled(status=status, page=page, response=polled)
            if waited >= patience:
                return _Polled(status="timeout", page=page)
            await self._asker.rest(self._context.name, job.interval, "the API prepares the data")
            waited += job.interval

    async def _judged(self, polled: HttpResponse) -> JobStatus:
        word = next(iter(await self._found(polled, self._job.status)), None)
        status = self._job.judged(word)
        if status is None:
            known = ", ".join(text for text, _ in self._job.statuses)
            raise ReadError(
                f"a job cannot be {word!r}", code="job-status", hint=f"the document knows: {known}"
            )
        return status

    async def _targets(self, done: _Polled) -> list[JsonValue]:
        """What to download; one thing without a name where the document says no more."""
        job, response = self._job, done.response
        if job.targets is None or response is None:
            return [None]
        if job.resolve is not None:
            response = await self._ask(job.resolve, done.page)
        return await self._found(response, job.targets)

    async def _found(self, response: HttpResponse, path: RecordPath) -> list[JsonValue]:
        """The values at a path of an answer, or those a class takes; of a list one by one."""
        return await found(self._context, response, path, self._job.poll_decoder, self._frame)

    async def _ask(self, call: Call, page: Page) -> HttpResponse:
        return (await self._exchange(call, page))[1]

    async def _exchange(self, call: Call, page: Page) -> tuple[HttpRequest | None, HttpResponse]:
        return await exchange(self._context, self._asker, call, seeing(self._frame, page))

    async def _quietly(self, call: Call | None, page: Page) -> None:
        if call is not None:
            try:
                await self._ask(call, page)
            except Ignored:
                return


def at_once(source: Source, settings: Settings) -> int:
    """How many jobs an API may be given at once."""
    told = [s.job.concurrent for s in source.streams if s.job and s.job.concurrent]
    most = evaluate(told[0], Frame(source=settings.values)) if told else None
    return max(1, int(most)) if isinstance(most, (int, float, str)) and most else 1


async def found(
    context: StreamContext,
    response: HttpResponse,
    path: RecordPath,
    decoder: Decoder,
    frame: Frame,
) -> list[JsonValue]:
    """The values at a path of an answer, or those a class takes; of a list one by one."""
    if isinstance(path, Extract):
        taken = await called(path.function, needed(context.door), response, frame)
        return list(taken.records)
    decoded = decode(response.body, decoder, Wanted(records=path, whole=True))
    return [jsontext.decode(record) for record in decoded.records]


async def exchange(
    context: StreamContext, asker: Asker, call: Call, frame: Frame
) -> tuple[HttpRequest | None, HttpResponse]:
    """A request, unsigned, and its answer; one that a class sends is not known.

    Raises:
        ReadError: there is no answer, or one that is refused.
    """
    stream = msgspec.structs.replace(
        context.stream, auth=call.auth, policy=call.policy, recovery=None
    )
    if call.request.send is not None:
        door = needed(context.door)
        return None, await called(call.request.send.function, door, frame, None, [])
    request = build(call.request, (), frame)
    return request, await asker.ask(
        stream, request, frame, context.tally, itself, door=context.door
    )


def _downloading(context: StreamContext) -> StreamContext:
    """The stream as it asks for what a job made."""
    job = context.stream.job
    assert job is not None, "only a stream with a job is read so"
    stream = msgspec.structs.replace(
        context.stream,
        request=job.download.request,
        auth=job.download.auth,
        policy=job.download.policy,
        pagination=job.pagination,
        partition=None,
        cursor=None,
        job=None,
    )
    made = StreamContext(stream, context.settings, {}, [])
    made.tally, made.door = context.tally, context.door
    return made


def _seen(request: HttpRequest | None, response: HttpResponse) -> JsonValue:
    """An answer as the templates of later requests see it, with what asked for it.

    A credential is no part of the request here: it is added where the request is sent.
    """
    body = jsontext.decode_or(response.body, {})
    held = dict(body) if isinstance(body, dict) else {}
    held.setdefault("headers", dict(response.headers))
    if request is not None:
        seen: JsonValue = {
            "method": request.method,
            "url": request.full_url,
            "headers": dict(request.headers),
            "body": (request.body or b"").decode("utf-8", "replace"),
        }
        held.setdefault("request", seen)
    return held
