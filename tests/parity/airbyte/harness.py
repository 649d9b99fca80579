"""Runs a manifest through the reference engine and through Penstock, and tells the differences.

Both ask the same scripted server, at the same moment of a clock that stands still; what either
would wait is written down.
"""

from __future__ import annotations

import asyncio
import json
import re
import select
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import msgspec

from penstock.dialects import compile_document
from penstock.dialects.loading import read_text
from penstock.engine.preparing import prepare
from penstock.engine.protocol.messages import failure_kind
from penstock.engine.running import Options, make_asker
from penstock.errors import Error
from penstock.plan.page import HttpRequest, HttpResponse
from penstock.plan.source import Source
from penstock.read.airbyte_state import exported, imported
from penstock.read.context import Settings
from penstock.read.contiguous import MOST_PARTITIONS
from penstock.read.parts import PagePart, SliceClosed, SliceLost, StreamClosed
from penstock.read.reader import Reader
from penstock.read.schemas import completed
from penstock.read.transport import Http

NOW = "2024-06-15T12:30:45+00:00"
EPOCH = datetime.fromisoformat(NOW).timestamp()
LONG = 0.5
PATIENCE = 300.0  # seconds after which the reference engine hangs; no case is ended by time
MOST = 400  # requests of a case: whoever asks more would never end, and finds nothing from then on
BASE = "https://api.test"
_HEADERS = {"accept", "authorization", "content-type", "cookie"}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request as the server sees it; `nth` counts those that were alike before it."""

    method: str
    origin: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    body: str
    nth: int = 0

    @property
    def params(self) -> dict[str, str]:
        """The query, the last of each name."""
        return dict(self.query)

    @property
    def json(self) -> Any:
        """The body as JSON, or an empty object."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: JSON, unless the body is bytes or text; `cut` closes the connection instead."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = {}
    cut: bool = False


Api: TypeAlias = Callable[[Asked], Any]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """What a path answers, in turn; the last reply stays. `query` must be part of what is asked."""

    path: str
    replies: tuple[Any, ...]
    method: str | None = None
    query: Mapping[str, str] = {}


def routed(routes: Sequence[Route]) -> Callable[[], Api]:
    """An API of routes; what none of them fits is not found."""

    def fresh() -> Api:
        hits: Counter[int] = Counter()

        def answer(asked: Asked) -> Any:
            for index, route in enumerate(routes):
                fits = route.path == asked.path and route.method in {None, asked.method}
                if fits and set(route.query.items()) <= set(asked.query):
                    hits[index] += 1
                    return route.replies[min(hits[index], len(route.replies)) - 1]
            return Reply(status=404, body={"error": "no route"})

        return answer

    return fresh


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A manifest, what it is run with, and the API it meets."""

    name: str
    manifest: dict[str, Any]
    api: Callable[[], Api]
    config: dict[str, Any] = {}
    state: tuple[dict[str, Any], ...] = ()
    streams: tuple[str, ...] = ()
    twice: bool = False
    waits: bool = True
    headers: tuple[str, ...] = ()
    alike: bool = False  # whether equal requests count once: parents may be asked for again
    shared: tuple[str, ...] = ()  # paths of parents, which either engine may ask for once or more
    kinds: bool = True  # whether the same failure has to be told
    unlike: tuple[str, ...] = ()  # headers, params and fields whose values never are the same twice
    most: int = MOST_PARTITIONS  # partitions whose cursors are followed one by one
    now: str = NOW
    plan: Source | None = None  # where the manifest was compiled before
    file: tuple[str, str] | None = None  # a manifest's file, and the stream of it that is meant
    classes: tuple[str, tuple[str, ...]] = (
        "",
        (),
    )  # a file of Python, and the modules it stands for


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine did."""

    asked: tuple[Asked, ...]
    records: dict[str, Counter[str]]
    states: dict[str, Any]
    failed: frozenset[str]
    waits: Counter[float]
    errors: tuple[str, ...] = ()
    spare: int = 0
    kinds: frozenset[str] = frozenset()  # who can help with what failed
    endless: bool = False


def _handler(outer: Server) -> type[BaseHTTPRequestHandler]:
    """What answers for a server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_: Any) -> None:
            pass

        def answer(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(size).decode("utf-8", "replace") if size else ""
            if self.path == "/__mark":
                outer.asked = [asked for asked in outer.asked if asked.path in outer.shared]
                self._send(Reply(body={}))
                return
            parts = urlsplit(self.path)
            pairs = tuple((k.lower(), v) for k, v in self.headers.items())
            asked = Asked(
                method=self.command,
                origin=dict(pairs).get("x-asked-url", ""),
                path=parts.path,
                query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
                headers=pairs,
                body=body,
            )
            self._send(outer.reply(asked))

        def _send(self, reply: Reply) -> None:
            if reply.cut:
                self.close_connection = True
                self.connection.close()
                return
            data = reply.body
            if not isinstance(data, (bytes, str)):
                data = json.dumps(data)
            data = data.encode() if isinstance(data, str) else data
            self.send_response(reply.status)
            for name, value in {"content-type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = answer  # noqa: N815 (the names the server looks for)
        do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 (the same)

    return Handler


class _Sockets(ThreadingHTTPServer):
    """The sockets of a server; who hangs up on it is nothing to tell."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Server:
    """The server both engines ask: its API is changed from case to case."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self.api: Api = lambda _asked: Reply(status=404)
        self.asked: list[Asked] = []
        self.shared: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._seen: Counter[Any] = Counter()
        self._server = _Sockets(("127.0.0.1", 0), _handler(self))
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def reply(self, asked: Asked) -> Reply:
        """The answer of the case's API."""
        with self._lock:
            key = (asked.method, asked.path, asked.query, asked.body)
            asked = msgspec.structs.replace(asked, nth=self._seen[key])
            self._seen[key] += 1
            self.asked.append(asked)
            if self.endless:
                return Reply(status=404, body={})
            try:
                made = self.api(asked)
            except (ValueError, KeyError, TypeError) as exc:
                made = Reply(status=404, body={"error": repr(exc)})
        return made if isinstance(made, Reply) else Reply(body=made)

    @property
    def endless(self) -> bool:
        """Whether more was asked for than any case needs."""
        return len(self.asked) > self._most

    def begin(self, case: Case) -> None:
        """Serve the API of a case, nothing asked for yet."""
        with self._lock:
            self.api = case.api()
            self.shared = case.shared
            self.asked = []
            self._seen = Counter()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class Reference:
    """The reference engine in a process of its own."""

    def __init__(self, python: str, server: Server, *, patience: float = PATIENCE) -> None:
        self._server = server
        self._patience = patience
        self._python = python
        self._begin()

    def _begin(self) -> None:
        server, python = self._server, self._python
        worker = Path(__file__).with_name("worker.py")
        self._process = subprocess.Popen(
            [python, str(worker)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._tell({"port": server.port, "now": NOW})

    def _tell(self, job: object) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], self._patience)[0]:
            self._begin_again()
            raise TimeoutError("the reference engine hangs")
        line = self._process.stdout.readline()
        if not line:
            self._begin_again()
            raise RuntimeError("the reference engine's process ended")
        return line

    def _begin_again(self) -> None:
        self._process.kill()
        self._end()
        self._begin()

    def _end(self) -> None:
        """Wait for the process, and leave none of its pipes open."""
        with self._process:  # closes the pipes and waits
            pass

    def run(self, case: Case, state: Sequence[dict[str, Any]]) -> Seen:
        """What the reference engine makes of a case."""
        self._server.begin(case)
        job = {
            "manifest": case.manifest,
            "config": case.config,
            "state": list(state),
            "streams": list(case.streams),
            "now": case.now,
            "most": case.most,
            "file": case.file,
            "classes": case.classes,
        }
        done = json.loads(self._tell(job))
        status: dict[str, str] = done["status"]
        failed = {name for name, word in status.items() if word != "COMPLETE"}
        if "raised" in done and not failed:
            failed = {"*"}
        errors = [str(e) for e in (*done["errors"], done.get("raised"), done.get("trace")) if e]
        return Seen(
            asked=tuple(self._server.asked),
            records={n: Counter(map(_text, rows)) for n, rows in done["records"].items()},
            states=done["states"],
            failed=frozenset(failed),
            waits=Counter(done["sleeps"]),
            errors=tuple(errors),
            endless=self._server.endless,
            kinds=frozenset(kind for kind, *_ in done["errors"] if kind),
        )

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._end()


class _Clock:
    """A clock that stands still, and moves by what is slept."""

    def __init__(self, now: float) -> None:
        self.slept: list[float] = []
        self._passed = 0.0
        self._now = now

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._passed

    async def sleep(self, seconds: float) -> None:
        if seconds >= LONG:
            self.slept.append(round(seconds, 3))
        self._passed += seconds
        await asyncio.sleep(0)

    def spread(self) -> float:
        return 0.0


class _Moved:
    """A transport that asks the test's server in place of every other."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._http = Http()

    async def send(self, request: HttpRequest) -> HttpResponse:
        """The answer."""
        url = request.full_url
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        moved = msgspec.structs.replace(
            request,
            url=f"http://127.0.0.1:{self._port}{parts.path or '/'}{query}",
            query=(),
            headers=(*request.headers, ("X-Asked-Url", f"{parts.scheme}://{parts.netloc}")),
        )
        response = await self._http.send(moved)
        return msgspec.structs.replace(response, url=url)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


def compiled(case: Case) -> Source:
    """The plan of a case."""
    document = read_text(json.dumps(case.manifest), file="manifest.json", suffix=".json")
    return compile_document(document, case.config).need()


async def _read(case: Case, state: Sequence[dict[str, Any]], port: int) -> dict[str, Any]:
    source = case.plan or compiled(case)
    values = prepare(source, case.config)
    now = datetime.fromisoformat(case.now)
    clock, transport = _Clock(now.timestamp()), _Moved(port)
    asker = make_asker(
        source, values, Options(), transport=transport, clock=clock, emit=lambda _: None
    )
    source = await completed(source, values, asker, now)
    loaded = [s.name for s in source.streams if s.selected]
    loaded = [n for n in loaded if not case.streams or n in case.streams]
    states = imported(source, state, values)
    settings = Settings(values=values, now=now, loaded=frozenset(loaded), most_partitions=case.most)
    reader = Reader(source, settings, asker, state=states, emit=lambda _: None)
    out: dict[str, Any] = {
        "records": {},
        "errors": [],
        "clock": clock,
        "failed": set(),
        "spare": 0,
        "kinds": set(),
    }
    held = {name: dict(entries) for name, entries in states.items()}
    async for part in reader.parts():
        if isinstance(part, PagePart):
            rows = out["records"].setdefault(part.stream, [])
            rows += [msgspec.json.decode(record) for record in part.records]
        elif isinstance(part, SliceLost):
            out["failed"].add(part.stream)
            out["errors"].append(f"{part.stream}: {part.error.code}: {part.error}")
            out["kinds"].add(failure_kind(part.error))
        if isinstance(part, (SliceClosed, SliceLost, StreamClosed)):
            for name, text in part.state:
                entries = held.setdefault(part.stream, {})
                entries.pop(name, None)
                if text is not None:
                    entries[name] = text
    for context in reader.contexts:
        if context.lost and context.loaded:
            out["failed"].add(context.name)
        out["spare"] += context.tally.prefetch_wasted
    out["states"] = {
        context.name: exported(context.stream, held.get(context.name, {}))
        for context in reader.contexts
        if context.loaded
    }
    await transport.close()
    return out


def ours(case: Case, state: Sequence[dict[str, Any]], server: Server) -> Seen:
    """What Penstock makes of a case."""
    server.begin(case)
    try:
        done = asyncio.run(_read(case, state, server.port))
    except Error as exc:
        return Seen(
            asked=tuple(server.asked),
            records={},
            states={},
            failed=frozenset({"*"}),
            waits=Counter(),
            errors=(f"{type(exc).__name__}: {exc}",),
        )
    return Seen(
        asked=tuple(server.asked),
        records={n: Counter(map(_text, rows)) for n, rows in done["records"].items() if rows},
        states=done["states"],
        failed=frozenset(done["failed"]),
        waits=Counter(done["clock"].slept),
        errors=tuple(done["errors"]),
        spare=done["spare"],
        kinds=frozenset(done["kinds"]),
        endless=server.endless,
    )


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _requests(asked: Sequence[Asked], case: Case) -> Counter[str]:
    found = Counter(_described(one, case) for one in asked)
    if case.alike:
        return Counter(dict.fromkeys(found, 1))
    for text in list(found):
        path = urlsplit(text.split(" ")[1]).path
        if path in case.shared:
            found[text] = 1
    return found


def _described(asked: Asked, case: Case) -> str:
    query = "&".join(f"{k}={v if k not in case.unlike else '…'}" for k, v in asked.query)
    wanted = _HEADERS | {name.lower() for name in case.headers}
    wanted = {name for name in wanted if name not in case.unlike}
    headers = [f"{k}: {v}" for k, v in sorted(asked.headers) if k in wanted or k.startswith("x-")]
    headers = [h for h in headers if not h.startswith("x-asked-url")]
    body = asked.body
    if any(h.startswith("content-type:") and "json" in h for h in headers):
        body = _text(asked.json)
    for name in case.unlike:
        body = re.sub(rf"\b{name}=[^&]*", f"{name}=…", body)
    where = asked.origin.lower() + asked.path + (f"?{query}" if query else "")
    return f"{asked.method} {where} {headers or ''} {body}".rstrip()


def differences(theirs: Seen, mine: Seen, case: Case) -> list[str]:
    """Everything the two did differently, in lines for people; none where they agree."""
    told = [f"{who} never ends" for who, s in (("theirs", theirs), ("ours", mine)) if s.endless]
    told += list(_told("request", *(_requests(seen.asked, case) for seen in (theirs, mine))))
    for name in sorted({*theirs.records, *mine.records}):
        theirs_, mine_ = theirs.records.get(name, Counter()), mine.records.get(name, Counter())
        told += _told(f"record of {name}", theirs_, mine_)
    for name in sorted({*theirs.states, *mine.states}):
        one, other = (_plain_state(s.states.get(name)) for s in (theirs, mine))
        if one != other:
            told.append(f"state of {name}: theirs {_text(one)}, ours {_text(other)}")
    if bool(theirs.failed) != bool(mine.failed) or (
        "*" not in theirs.failed | mine.failed and theirs.failed != mine.failed
    ):
        told.append(f"failed: theirs {sorted(theirs.failed)}, ours {sorted(mine.failed)}")
    if case.kinds and theirs.kinds and mine.kinds and theirs.kinds != mine.kinds:
        told.append(f"failure type: theirs {sorted(theirs.kinds)}, ours {sorted(mine.kinds)}")
    if case.waits:
        told += _told("wait", theirs.waits, mine.waits)
    if told:
        told += [f"  theirs said: {e[:300]}" for e in theirs.errors[:3]]
        told += [f"  ours said: {e[:300]}" for e in mine.errors[:3]]
    return told


def _told(what: str, theirs: Counter[Any], mine: Counter[Any]) -> list[str]:
    lines = [f"{what} only theirs ({n}x): {x}" for x, n in sorted((theirs - mine).items())]
    lines += [f"{what} only ours ({n}x): {x}" for x, n in sorted((mine - theirs).items())]
    return [line[:600] for line in lines[:12]]


def _plain_state(state: Any) -> Any:
    """A state without what depends on how long the run took; partitions in order."""
    if not isinstance(state, dict):
        return state
    state = {k: v for k, v in state.items() if k != "lookback_window"}
    if "states" in state:
        state["states"] = sorted(state["states"], key=_text)
    if "parent_state" in state:
        state["parent_state"] = {k: _plain_state(v) for k, v in state["parent_state"].items()}
    return state


def as_messages(states: Mapping[str, Any]) -> list[dict[str, Any]]:
    """States by stream as a state file holds them."""
    return [
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": n}, "stream_state": state}}
        for n, state in states.items()
    ]


def compare(case: Case, reference: Reference, server: Server) -> list[str]:
    """How the engines differ on a case; a second run of `twice` begins at the first one's state."""
    theirs = reference.run(case, case.state)
    mine = ours(case, case.state, server)
    told = differences(theirs, mine, case)
    if not case.twice or told:
        return told
    after = as_messages(theirs.states)
    again, own = reference.run(case, after), ours(case, after, server)
    return [f"second run: {line}" for line in differences(again, own, case)]
