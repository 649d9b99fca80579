"""Asking: one request until it is answered, through auth, limits, redirects and error policy."""

from __future__ import annotations

import asyncio
import copy
import math
import re
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

import msgspec

from penstock.errors import AuthError, BodyError, OriginError, ReadError, StatusError
from penstock.events import Event, Waiting
from penstock.patterns import pattern
from penstock.plan import auth as auths
from penstock.plan import jsontext
from penstock.plan import policy as policies
from penstock.plan.auth import Auth, Grant, Kept, NoAuth, SessionToken
from penstock.plan.decoder import Decoder
from penstock.plan.door import Door
from penstock.plan.expr import Frame, JsonValue
from penstock.plan.page import Headers, HttpRequest, HttpResponse, link_header, origin
from penstock.plan.policy import ErrorPolicy, Verdict
from penstock.plan.pool import TokenPool
from penstock.plan.python import Sign
from penstock.plan.records import Keys
from penstock.plan.source import Limits, Stream
from penstock.read import spelling
from penstock.read.budget import Budgets
from penstock.read.clock import Clock
from penstock.read.decode import Wanted, decode
from penstock.read.limit import Governor
from penstock.read.origins import Origins, joined, leads
from penstock.read.pool import Pools, Turns
from penstock.read.recover import Recovering, provided
from penstock.read.spelling import Spellings
from penstock.read.tally import Tally
from penstock.read.threads import called
from penstock.read.transport import Transport

T = TypeVar("T")
# Keeps values of the user's that an endpoint has replaced.
Keep: TypeAlias = Callable[[Kept], Awaitable[None]]
PutBy: TypeAlias = "Callable[[str, HttpResponse, ReadError], None]"
MAX_HOPS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SEE_OTHER = 303
_UNAUTHORIZED = 401
_UNAVAILABLE = 503
# With a host: some readers of URLs take what stands behind three slashes for one.
_WEB = pattern(r"https?://[^/?#\\]", re.IGNORECASE)
_REFUSED = frozenset({400, 401, 403})
_AGAIN = frozenset({"retry", "rate-limited"})
_EXCERPT = 300
_OTHER_TOKEN = 1.1  # seconds before a request is asked again with another token
_MARGIN = 1.0  # seconds on top of what a class says, as its own engine waits


class Ignored(Exception):  # noqa: N818 (a signal between two rooms of the reader, not a fault)
    """The error policy says that this answer is to be passed over: no records, no further page."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status} is ignored")
        self.status = status


class _Holder(msgspec.Struct, kw_only=True):
    """A token shared by everything that signs with the same auth.

    `error` is why the last attempt gave none, `failures` how many there were; it is `final` where
    the endpoint refused the credentials themselves.
    """

    auth: Auth
    lock: asyncio.Lock
    grant: Grant | None = None
    error: ReadError | None = None
    failures: int = 0
    final: bool = False
    refused: str | None = None  # the last token that the API did not take


class _Failed(msgspec.Struct, kw_only=True):
    """A request that is asked again: what was made of it, and what came back, if anything did.

    `own` is the wait that a class of the document's own says, in seconds.
    """

    verdict: Verdict
    headers: Headers | None
    error: ReadError
    own: float | None = None
    frame: Frame | None = None


class Asker:
    """Sends the requests of a run. Governors and tokens are shared by all its streams."""

    def __init__(  # noqa: PLR0913 (the edges of the reader, injected)
        self,
        *,
        transport: Transport,
        clock: Clock,
        limits: Limits,
        origins: Origins,
        emit: Callable[[Event], None],
        obtained: Callable[[str], None] = lambda _token: None,
        keep: Keep | None = None,
        put_by: PutBy | None = None,
    ) -> None:
        self._put_by = put_by
        self._obtained = obtained
        self._keep = keep
        self._transport = transport
        self.clock = clock
        self._limits = limits
        self._origins = origins
        self._emit = emit
        self._governors: dict[str, Governor] = {}
        self._budgets = Budgets(limits.budget, clock)
        self._holders: list[_Holder] = []
        self._pools = Pools(clock)
        self._spellings = Spellings()

    def beside(self, origins: Origins) -> Asker:
        """What asks with the same limits, tokens and waits, and where other origins are named."""
        made = copy.copy(self)
        made._origins = origins  # noqa: SLF001 (its own kind)
        return made

    @property
    def origins(self) -> Origins:
        """Where requests may go."""
        return self._origins

    async def ask(  # noqa: PLR0913 (a request, and all that bears on it)
        self,
        stream: Stream,
        request: HttpRequest,
        frame: Frame,
        tally: Tally,
        read: Callable[[HttpResponse], Awaitable[T]],
        *,
        sent: Callable[[], None] | None = None,
        door: Door | None = None,
    ) -> T:
        """What `read` makes of the answer, asked for as often as the stream's policy allows.

        `read` may raise a retriable error, which counts like an answer that never came. `sent` is
        called when the request leaves. Classes of the document's own ask through `door`.

        Raises:
            ReadError: the policy gave up, or the error is not worth asking again.
            Ignored: the policy passes the answer over.
        """
        auth = auths.chosen(stream.auth, frame)
        request = self._ready(self._spellings.settled(stream.name, request), auth, stream, frame)
        attempt, renewed, turns = 0, False, self._turns(auth, frame)
        while True:
            grant = await self._grant(stream, auth, frame, tally)
            response: HttpResponse | None = None
            try:
                if turns is None:
                    signed = await _sign(auth, request, frame, grant, door)
                else:
                    signed = await self._in_turn(turns, stream, request, frame, tally)
                response = await self._send(stream.name, signed, tally, sent, turns)
                if spelling.unknown(request, response.status):
                    request = self._ready(spelling.unquoted(request), auth, stream, frame)
                    continue
                response, verdict = await self._judged(stream.policy, response, frame, door)
                if verdict.action == "accept":
                    self._spellings.learn(stream.name, request, tally)
                    return await read(response)
                wished = verdict.action == "refresh"
                if not renewed and (wished or (grant and response.status == _UNAUTHORIZED)):
                    renewed = await self._renewed(auth, grant, door, request, signed)
                    if not wished:
                        continue
                    verdict = msgspec.structs.replace(verdict, action="retry")
                error: ReadError = _refused(verdict, response, request)
                _recover(stream, verdict, error)
            except ReadError as exc:
                exc.request = exc.request or f"{request.method} {request.full_url}"
                if not exc.retriable:
                    raise self._aside(stream, response, exc) from exc.__cause__
                verdict, error = Verdict(action="retry"), exc
            attempt += 1
            if verdict.action not in _AGAIN or attempt > await _retries(stream.policy, door):
                raise self._aside(stream, response, error)
            tally.retries += 1
            own = await _own_wait(stream.policy, door, response, attempt)
            own = _OTHER_TOKEN if _others(turns, verdict, signed) else own
            await self._pause(stream, attempt, _failed(verdict, response, error, own, frame), tally)

    def _aside(self, stream: Stream, response: HttpResponse | None, error: ReadError) -> ReadError:
        """The error, with the answer kept that could not be read."""
        if self._put_by is not None and response is not None and isinstance(error, BodyError):
            self._put_by(stream.name, response, error)
        return error

    async def rest(self, stream: str, seconds: float, reason: str) -> None:
        """Wait before something is asked for in another way."""
        self._emit(Waiting(stream=stream, seconds=seconds, reason=reason))
        await self.clock.sleep(seconds)

    async def once(self, name: str, request: HttpRequest, tally: Tally) -> HttpResponse:
        """The answer to a request that a class of the document's makes itself, whatever it is."""
        return await self._send(name, self._placed(request), tally)

    def _placed(self, request: HttpRequest) -> HttpRequest:
        """The request at the origin that its own is moved to, if it is.

        Raises:
            ReadError: it is not for the web, or says no host.
        """
        if not _WEB.match(request.url):
            raise ReadError(
                f"{request.url!r} is no URL of the web",
                code="url",
                request=f"{request.method} {request.full_url}",
            )
        url = self._origins.place(request.url)
        return request if url == request.url else msgspec.structs.replace(request, url=url)

    def _ready(self, request: HttpRequest, auth: Auth, stream: Stream, frame: Frame) -> HttpRequest:
        """The request where it goes, if it may: a URL may hold data of the API.

        Raises:
            OriginError: something of the user's would go where the document does not lead.
        """
        request = self._placed(request)
        carries = bool(request.headers) or not isinstance(auth, NoAuth)
        if not carries or self._origins.allows(request.url):
            return request
        if not leads(stream.request.url, request.url, frame):
            raise OriginError(
                f"the request leads to {origin(request.url)}, "
                f"but the document names {self._origins.named()}",
                code="origin-not-allowed",
                hint=f"if that is right, allow it with --allow-origin {origin(request.url)}",
                request=f"{request.method} {request.full_url}",
            )
        return request

    async def _judged(
        self, policy: ErrorPolicy, response: HttpResponse, frame: Frame, door: Door | None
    ) -> tuple[HttpResponse, Verdict]:
        """The answer as the document's own functions leave it, and what it means then."""
        response = await _amended(policy, response, door)
        return response, await self._verdict(policy, response, frame, door)

    async def _verdict(
        self, policy: ErrorPolicy, response: HttpResponse, frame: Frame, door: Door | None
    ) -> Verdict:
        judge = policy.judge
        if judge is None or judge.verdict is None or door is None:
            return self._judge(policy, response, frame)
        return await called(judge.verdict, door, response)

    def _judge(self, policy: ErrorPolicy, response: HttpResponse, frame: Frame) -> Verdict:
        rules = (*policy.rules, *(rule for earlier in policy.earlier for rule in earlier))
        if any(rule.when or rule.message for rule in rules):
            frame = _answered(response, frame)
        return policies.judge(policy, response, frame)

    async def _pause(self, stream: Stream, attempt: int, failed: _Failed, tally: Tally) -> None:
        policy, verdict, error = stream.policy, failed.verdict, failed.error
        seconds = failed.own or policies.wait(
            policy, attempt, failed.headers, self.clock.now(), self.clock.spread(), failed.frame
        )
        if seconds > policy.max_wait:
            error.wait = seconds
            if math.isfinite(seconds):
                error.hint = f"the API asks to come back in {seconds:.0f} s: run again then"
            raise error
        tally.waited += seconds
        reason = "rate limit" if verdict.action == "rate-limited" else f"retry: {error.message}"
        self._emit(Waiting(stream=stream.name, seconds=seconds, reason=reason))
        limited = verdict.action == "rate-limited"
        busy = isinstance(error, StatusError) and error.status == _UNAVAILABLE
        named = "retry-after" in (failed.headers or ())
        if (limited or busy) and error.request:
            host = self._governor(error.request.partition(" ")[2])
            host.pushed_back(seconds if limited or named else 0.0)
        if not limited:
            await self.clock.sleep(seconds)

    async def _send(
        self,
        stream: str,
        request: HttpRequest,
        tally: Tally,
        sent: Callable[[], None] | None = None,
        turns: Turns | None = None,
    ) -> HttpResponse:
        """One request and the redirects that follow, each with a slot of its host's governor."""
        for _hop in range(MAX_HOPS + 1):
            governor = self._governor(request.url)
            tally.waited += await self._budgets.take(request)
            await governor.enter(stream)
            try:
                tally.requests += 1
                if sent is not None:
                    sent()
                response = await self._transport.send(request)
            finally:
                governor.leave()
            self._budgets.learn(request, response)
            if turns is not None:
                turns.learn(request, response)
            tally.bytes += response.wire_bytes
            location = response.headers.get("location")
            if response.status not in _REDIRECTS or not location:
                if response.ok:
                    governor.succeeded(response.headers)
                return response
            request = self._redirected(request, response, location)
        raise ReadError(
            f"more than {MAX_HOPS} redirects",
            code="redirects",
            request=f"{request.method} {request.full_url}",
        )

    def _redirected(
        self, request: HttpRequest, response: HttpResponse, location: str
    ) -> HttpRequest:
        """The request a redirect asks for; to another origin it goes without any credential."""
        url = self._origins.place(joined(response.url, location))
        keeps = request.method in {"GET", "HEAD"} or response.status in {307, 308}
        method, body = (request.method, request.body) if keeps else ("GET", None)
        headers = request.headers
        if origin(url) != origin(response.url) and not self._origins.allows(url):
            headers, body = (), None
        return msgspec.structs.replace(
            request, method=method, url=url, query=(), headers=headers, body=body
        )

    def _governor(self, url: str) -> Governor:
        host = origin(url)
        if host not in self._governors:
            self._governors[host] = Governor(self._limits, self.clock)
        return self._governors[host]

    async def _grant(self, stream: Stream, auth: Auth, frame: Frame, tally: Tally) -> Grant | None:
        """A fresh token for `auth`, obtained by whoever comes first and shared with the others."""
        if not auths.needs_grant(auth):
            return None
        holder = self._holder(auth)
        failures = holder.failures
        async with holder.lock:
            if holder.grant is not None and auths.fresh(holder.grant, self.clock.now()):
                return holder.grant
            # Whoever waited while the endpoint failed does not ask it once more, one by one; and
            # credentials that were refused are not tried again: that may lock an account.
            if holder.error and (holder.failures > failures or holder.final):
                raise holder.error.with_traceback(None)
            try:
                grant = await self._obtain(stream, holder, frame, tally)
                for secret in (grant.value, *(text for _, text in grant.kept)):
                    self._obtained(secret)
                if grant.kept and self._keep is not None:
                    await self._keep(grant.kept)
                holder.grant = grant
            except ReadError as exc:
                holder.error, holder.failures = exc, holder.failures + 1
                raise
            return holder.grant

    def _turns(self, auth: Auth, frame: Frame) -> Turns | None:
        """The tokens that take turns, where several do."""
        if not isinstance(auth, TokenPool):
            return None
        tokens = auth.texts(frame)
        for token in tokens:
            self._obtained(token)
        return self._pools.of(auth, tokens)

    async def _in_turn(
        self, turns: Turns, stream: Stream, request: HttpRequest, frame: Frame, tally: Tally
    ) -> HttpRequest:
        """A request signed with the token whose turn it is."""

        async def look(token: str) -> HttpResponse:
            status = turns.asking(token, frame)
            response = await self._exchange(stream, status, tally)
            if not response.ok and response.status not in turns.pool.untracked:
                raise _refused(Verdict(action="fail"), response, status)
            return response

        async def rest(seconds: float) -> None:
            tally.waited += seconds
            await self.rest(stream.name, seconds, "every token is spent")

        return await turns.sign(request, look, rest)

    def _holder(self, auth: Auth) -> _Holder:
        for holder in self._holders:
            if holder.auth == auth:
                return holder
        self._holders.append(_Holder(auth=auth, lock=asyncio.Lock()))
        return self._holders[-1]

    def _forget(self, auth: Auth, grant: Grant | None) -> None:
        """Drop a token that was refused, unless another request has renewed it already."""
        holder = self._holder(auth)
        if holder.grant is grant:
            holder.grant = None
            holder.refused = grant.value if grant is not None else None

    async def _renewed(
        self,
        auth: Auth,
        grant: Grant | None,
        door: Door | None,
        request: HttpRequest,
        signed: HttpRequest,
    ) -> bool:
        """Whether there is another token for the next attempt: not all that signs has one."""
        if isinstance(auth, Sign) and auth.renew is not None and door is not None:
            return await called(auth.renew, door, request, signed)
        if grant is not None:
            self._forget(auth, grant)
        return grant is not None

    async def _obtain(self, stream: Stream, holder: _Holder, frame: Frame, tally: Tally) -> Grant:
        flow = auths.obtain(holder.auth, frame, self.clock.now(), holder.refused)
        response: HttpResponse | None = None
        while True:
            try:
                request = flow.send(response)  # type: ignore[arg-type]  # None begins a flow
            except StopIteration as done:
                grant: Grant = done.value
                return grant
            response = _readable(holder.auth, await self._exchange(stream, request, tally))
            holder.final = response.status in _REFUSED

    async def _exchange(self, stream: Stream, request: HttpRequest, tally: Tally) -> HttpResponse:
        """A request of an auth flow: retried like any other; its answer is the flow's to read."""
        request = self._placed(request)
        policy = stream.policy
        for attempt in range(1, policy.retries + 2):
            headers: Headers | None = None
            try:
                response = await self._send(stream.name, request, tally)
                if response.status not in policy.retry_statuses or attempt > policy.retries:
                    return response
                headers = response.headers
                verdict = policies.judge(ErrorPolicy(), response, Frame())
                error: ReadError = _refused(verdict, response, request)
            except ReadError as exc:
                if not exc.retriable or attempt > policy.retries:
                    raise
                verdict, error = Verdict(action="retry"), exc
            tally.retries += 1
            failed = _Failed(verdict=verdict, headers=headers, error=error)
            await self._pause(stream, attempt, failed, tally)
        raise AssertionError("the last attempt returns or raises")


def _readable(auth: Auth, response: HttpResponse) -> HttpResponse:
    """The answer of a login as JSON, however it is spelled."""
    if not isinstance(auth, SessionToken) or auth.decoder == Decoder() or not response.ok:
        return response
    records = decode(response.body, auth.decoder, Wanted(records=Keys(), whole=True)).records
    return msgspec.structs.replace(response, body=bytes(records[0]) if records else b"{}")


async def _sign(
    auth: Auth, request: HttpRequest, frame: Frame, grant: Grant | None, door: Door | None
) -> HttpRequest:
    if isinstance(auth, Sign) and door is not None:
        return await called(auth.function, door, request)
    return auths.sign(auth, request, frame, grant)


async def _retries(policy: ErrorPolicy, door: Door | None) -> int:
    judge = policy.judge
    if judge is None or judge.retries is None or door is None:
        return policy.retries
    return await called(judge.retries, door)


def _failed(
    verdict: Verdict,
    response: HttpResponse | None,
    error: ReadError,
    own: float | None,
    frame: Frame,
) -> _Failed:
    if response is None:
        return _Failed(verdict=verdict, headers=None, error=error, own=own)
    answered = _answered(response, frame)
    return _Failed(verdict=verdict, headers=response.headers, error=error, own=own, frame=answered)


async def itself(response: HttpResponse) -> HttpResponse:
    """The answer as it is, for whoever reads it later."""
    return response


async def _amended(policy: ErrorPolicy, response: HttpResponse, door: Door | None) -> HttpResponse:
    """The answer as the document's own functions leave it.

    Raises:
        Ignored: they pass it over.
    """
    if policy.amend is None or door is None:
        return response
    amended = await called(policy.amend.function, door, response)
    if amended is None:
        raise Ignored(response.status)
    return amended


async def _own_wait(
    policy: ErrorPolicy, door: Door | None, response: HttpResponse | None, attempt: int
) -> float | None:
    judge = policy.judge
    if judge is None or judge.wait is None or door is None:
        return None
    seconds = await called(judge.wait, door, response, attempt)
    return seconds + _MARGIN if seconds else None


def _recover(stream: Stream, verdict: Verdict, error: ReadError) -> None:
    """Give an answer to whoever goes on in another way, where the document provides for it.

    Raises:
        Recovering: it does.
    """
    if provided(stream.recovery, verdict.action):
        raise Recovering(verdict.action, error)


def _others(turns: Turns | None, verdict: Verdict, signed: HttpRequest) -> bool:
    """Whether a request that came too early can be asked again with another token."""
    return turns is not None and verdict.action == "rate-limited" and turns.others(signed)


def _answered(response: HttpResponse, frame: Frame) -> Frame:
    """The frame in which an answer that may be none is judged."""
    page = page_values(response, jsontext.decode_or(response.body, {}))
    page["request_url"] = response.url
    return msgspec.structs.replace(frame, page={**frame.page, **page})


def page_values(response: HttpResponse, envelope: JsonValue) -> dict[str, JsonValue]:
    """The page scope of an answer."""
    headers: JsonValue = response.headers  # type: ignore[assignment]  # a mapping in any case
    links: dict[str, JsonValue] = dict(link_header(response.headers.get("link", "")))
    return {"response": envelope, "headers": headers, "links": links}


def _refused(verdict: Verdict, response: HttpResponse, request: HttpRequest) -> StatusError:
    if verdict.action == "ignore":
        raise Ignored(response.status)
    excerpt = " ".join(jsontext.beginning(response.body, _EXCERPT).split())
    said = verdict.message or excerpt
    message = f"the API answered {response.status}" + (f": {said}" if said else "")
    kind = AuthStatusError if response.status in {401, 403} else StatusError
    error = kind(
        message,
        status=response.status,
        request=f"{request.method} {request.full_url}",
        hint=_HINTS.get(response.status),
    )
    error.blame = verdict.blame
    return error


class AuthStatusError(StatusError, AuthError):
    """The API answered 401 or 403: the credentials were refused."""

    code = "auth-refused"


_HINTS = {
    401: "check the credentials: the API does not accept them",
    403: "the credentials are known, but may not read this",
    404: "check the path and the base URL",
    429: "the API limits requests: lower the concurrency or set a rate limit",
}
