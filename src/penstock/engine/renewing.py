"""Values of the user's that an API replaces while it is read: kept before they are used.

A refresh token that is good for one use leaves the user's own copy worthless. Its successor is
kept beside the data, and the next run goes on from there for as long as the user's value is the one
that the first of them came from.
"""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from hashlib import sha256
from pathlib import Path as File

import msgspec

from penstock.destinations.base import Append, Checkpoint, Session
from penstock.errors import ExprError
from penstock.events import Event, Warned
from penstock.plan.auth import Auth, Choose, Kept, OAuth2, Rotation
from penstock.plan.expr import JsonValue
from penstock.plan.jobs import Call
from penstock.plan.paths import Path, at, put
from penstock.plan.source import Source

# What the state calls the values: no stream can have this name beside it.
STREAM = "_penstock_values"

Values = dict[str, JsonValue]
Store = Callable[[Kept], None]


class Renewed(msgspec.Struct, frozen=True, kw_only=True):
    """An entry: the values that took the place of one with this digest."""

    of: str
    values: tuple[tuple[tuple[str, ...], str], ...]


class Renewing:
    """Puts values where the run looks for them, once `store` has them for good.

    It is what an asker is given to keep them with. `executor` is where `store` may block; without
    one it is called where it stands.
    """

    def __init__(self, values: Values, store: Store, executor: Executor | None = None) -> None:
        self._values = values
        self._store = store
        self._executor = executor

    async def __call__(self, kept: Kept) -> None:
        """Keep the values, then use them."""
        if self._executor is None:
            self._store(kept)
        else:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._executor, self._store, kept)
        renew(self._values, kept)


def renew(values: Values, kept: Kept) -> None:
    """Put values where they belong."""
    for path, text in kept:
        put(values, path, text)


class InState:
    """Keeps values in the state of a destination."""

    def __init__(self, session: Session, run_id: str, source: Source, values: Values) -> None:
        self._session = session
        self._run_id = run_id
        self._count = 0
        self._begun = {r.refresh: _digest(values, r.refresh) for r in rotations(source)}

    def found(self) -> Kept:
        """What an earlier run kept, as far as it goes on from the values that the user gave."""
        if not self._begun:
            return ()
        held = self._session.state(STREAM)
        return tuple(pair for path in self._begun for pair in self._held(path, held))

    def _held(self, path: Path, held: Mapping[str, str]) -> Kept:
        text = held.get(_name(path))
        entry = msgspec.json.decode(text, type=Renewed) if text else None
        return entry.values if entry is not None and entry.of == self._begun[path] else ()

    def __call__(self, kept: Kept) -> None:
        """Keep values for good."""
        paths = {path for path, _ in kept}
        entries = [
            (_name(path), msgspec.json.encode(Renewed(of=begun, values=kept)).decode())
            for path, begun in self._begun.items()
            if path in paths
        ]
        self._count += 1
        self._session.commit(
            Checkpoint(
                load_id=f"{self._run_id}.values{self._count}",
                run_id=self._run_id,
                stream=STREAM,
                write=Append(),
                schema=None,
                state=tuple(entries),
            )
        )


class InFile:
    """Keeps values in the file that the user's came from; says so where there is none."""

    def __init__(self, file: File | None, stream: str, emit: Callable[[Event], None]) -> None:
        self._file = file
        self._stream = stream
        self._emit = emit

    def __call__(self, kept: Kept) -> None:
        """Keep values for good."""
        if self._file is None:
            self._say("give the values with --config FILE.json, and they are written there")
            return
        try:
            values: Values = msgspec.json.decode(self._file.read_bytes())
            renew(values, kept)
            rewrite(self._file, values)
        except (OSError, msgspec.DecodeError, ExprError) as exc:
            self._say(f"{self._file} cannot be written: {exc}")

    def _say(self, why: str) -> None:
        message = f"the API replaced the user's tokens, and nothing keeps the new ones: {why}"
        self._emit(Warned(stream=self._stream, code="token-not-kept", message=message))


def rewrite(file: File, values: Mapping[str, JsonValue]) -> None:
    """Put values in the place of those in a file, all at once, for the same readers as before."""
    beside = file.with_name(f".{file.name}.new")
    beside.touch(mode=0o600)
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(values), indent=2) + b"\n")
    beside.chmod(stat.S_IMODE(file.stat().st_mode))
    beside.replace(file)


def _name(path: Path) -> str:
    return msgspec.json.encode(path).decode()


def _digest(values: Mapping[str, JsonValue], path: Path) -> str:
    return sha256(msgspec.json.encode(at(dict(values), path)[1])).hexdigest()


def rotations(source: Source) -> Iterator[Rotation]:
    """Where the document has values written back to, each once."""
    found: dict[Rotation, None] = {}
    helpers = (d.source for d in source.discovered)
    streams = [*source.streams, *helpers]
    streams += [s.later for s in streams if s.later is not None]
    for stream in streams:
        calls = [] if stream.job is None else list(_calls(stream.job))
        for auth in (stream.auth, *(call.auth for call in calls)):
            found.update(dict.fromkeys(_in_auth(auth)))
    yield from found


def _calls(job: msgspec.Struct) -> Iterator[Call]:
    parts = (getattr(job, name) for name in job.__struct_fields__)
    yield from (part for part in parts if isinstance(part, Call))


def _in_auth(auth: Auth) -> Iterator[Rotation]:
    if isinstance(auth, Choose):
        for _, option in auth.options:
            yield from _in_auth(option)
    elif isinstance(auth, OAuth2) and auth.rotation is not None:
        yield auth.rotation
