"""Messages of the protocol, each one line of JSON.

Secrets are masked in the texts that people read, never in the structure around them nor in what an
API gave: a secret that is the text `5` leaves every number and every record as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import msgspec

from penstock.errors import (
    AuthError,
    Diagnostic,
    Error,
    PlanError,
    ReadError,
    StatusError,
    TransportError,
    of_machine,
)
from penstock.plan.expr import JsonValue
from penstock.read.decode import RawRecord
from penstock.read.pool import RestTooLongError
from penstock.redact import Redactor

Level: TypeAlias = Literal["FATAL", "ERROR", "WARN", "INFO", "DEBUG"]
StreamStatus: TypeAlias = Literal["STARTED", "RUNNING", "COMPLETE", "INCOMPLETE"]
FailureKind: TypeAlias = Literal["system_error", "config_error", "transient_error"]

_CHUNK = 256 * 1024  # bytes that wait to be written together
_REFUSED = frozenset({401, 403})
_TOO_LARGE = frozenset({"page-size", "window-size"})  # for the API as it is now
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


class Messages:
    """Writes messages through `write`, which takes whole lines without the last line's end."""

    def __init__(
        self,
        write: Callable[[bytes], None],
        redactor: Redactor,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.redactor = redactor
        self._write = write
        self.unwritten: Error | None = None  # why no message gets through any more
        self._now = now
        self._waiting: list[bytes] = []
        self._size = 0

    def put(self, message: dict[str, JsonValue]) -> None:
        """A message."""
        self._line(msgspec.json.encode(message))
        self.flush()

    def log(self, level: Level, text: str) -> None:
        """A message for people."""
        said: dict[str, JsonValue] = {"level": level, "message": self.masked(text)}
        self.put({"type": "LOG", "log": said})

    def status(self, stream: str, status: StreamStatus) -> None:
        """How far a stream is."""
        told: dict[str, JsonValue] = {"stream_descriptor": {"name": stream}, "status": status}
        self.put(self._trace("STREAM_STATUS", "stream_status", told))

    def failure(
        self,
        error: Exception,
        stream: str | None = None,
        note: str = "",
        kind: FailureKind | None = None,
    ) -> None:
        """What ended a stream, or the call; `kind` where the error itself does not tell it."""
        told: dict[str, JsonValue] = {
            "message": self.masked(said(error)),
            "internal_message": self.masked(_detail(error, note)),
            "failure_type": kind or failure_kind(error),
        }
        if stream is not None:
            told["stream_descriptor"] = {"name": stream}
        self.put(self._trace("ERROR", "error", told))

    def state(self, stream: str, state: JsonValue, count: int) -> None:
        """Where a stream would go on, and how many records were given since the last such word."""
        told: dict[str, JsonValue] = {
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": stream}, "stream_state": state},
            "sourceStats": {"recordCount": float(count)},
        }
        self.put({"type": "STATE", "state": told})

    def config(self, values: JsonValue) -> None:
        """The user's values as they are to be kept from now on."""
        told: dict[str, JsonValue] = {
            "type": "CONNECTOR_CONFIG",
            "emitted_at": self._now() * 1000,
            "connectorConfig": {"config": values},
        }
        self.put({"type": "CONTROL", "control": told})

    def records(
        self,
        stream: str,
        records: Sequence[RawRecord],
        files: Sequence[JsonValue] | None = None,
    ) -> None:
        """Records, as the API spelled them; `files` say where the file of each is."""
        if not records:
            return
        name = msgspec.json.encode(stream)
        before = b'{"type":"RECORD","record":{"stream":' + name + b',"data":'
        after = b',"emitted_at":%d}}' % int(self._now() * 1000)
        if files is not None:
            told = b',"file_reference":%s' + after
            pairs = zip(records, map(msgspec.json.encode, files), strict=True)
            lines = b"\n".join(before + _one_line(one) + told % file for one, file in pairs)
        else:
            lines = self._plain(records, before, after)
        self._line(lines)
        if self._size >= _CHUNK:
            self.flush()

    @staticmethod
    def _plain(records: Sequence[RawRecord], before: bytes, after: bytes) -> bytes:
        lines = before + (after + b"\n" + before).join(records) + after
        if lines.count(b"\n") != len(records) - 1 or not _is_text(lines):
            # An indented answer, or one that is no text: seldom, and worth a second look.
            lines = b"\n".join(before + _one_line(record) + after for record in records)
        return lines

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            try:
                self._write(b"\n".join(self._waiting))
            except Error as exc:
                self.unwritten = exc
                raise
            finally:
                self._waiting, self._size = [], 0

    def _line(self, line: bytes) -> None:
        self._waiting.append(line)
        self._size += len(line)

    def _trace(self, kind: str, name: str, told: dict[str, JsonValue]) -> dict[str, JsonValue]:
        at = self._now() * 1000
        return {"type": "TRACE", "trace": {"type": kind, "emitted_at": at, name: told}}

    def masked(self, text: str) -> str:
        """The text without secrets, and without what UTF-8 cannot carry."""
        return self.redactor.text(text).encode("utf-8", "backslashreplace").decode()


def _is_text(line: bytes) -> bool:
    if line.isascii():
        return True
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _one_line(record: RawRecord) -> bytes:
    """A record without line ends, which JSON has only between its parts, in valid UTF-8."""
    text = bytes(record).replace(b"\r", b" ").replace(b"\n", b" ")
    return text.decode("utf-8", "replace").encode()


def said(error: Exception) -> str:
    """What an error means to the user."""
    if isinstance(error, PlanError):
        found = [_told(d) for d in error.diagnostics if d.severity == "error"]
        return "; ".join(found) or error.message
    known = error if isinstance(error, Error) else of_machine(error)
    if known is None:
        return f"{type(error).__name__}: {error}"
    return f"{known.place}: {known}" if known.place else str(known)


def _told(diagnostic: Diagnostic) -> str:
    where = f"{diagnostic.place}: " if diagnostic.place else ""
    hint = f" ({diagnostic.hint})" if diagnostic.hint else ""
    return f"{where}{diagnostic.message}{hint}"


def _detail(error: Exception, note: str) -> str:
    known = error if isinstance(error, Error) else of_machine(error)
    code = "bug" if known is None else known.code
    request = getattr(error, "request", None)
    return " ".join(part for part in (f"[{code}]", note, request or "") if part)


def failure_kind(error: Exception) -> FailureKind:
    """Whether the user, the API's mood or the program is to be looked at."""
    match error:
        case ReadError(blame="config" | "transient" | "system" as blame):
            kinds: dict[str, FailureKind] = {
                "config": "config_error",
                "transient": "transient_error",
                "system": "system_error",
            }
            return kinds[blame]
        case ReadError(code="parent-lost", __cause__=Exception() as cause):
            return failure_kind(cause)
        case PlanError() | AuthError():
            return "config_error"
        case StatusError(status=status) if status in _REFUSED:
            return "config_error"
        case StatusError(status=status) if status in _PASSING:
            return "transient_error"
        case ReadError(code=code) if code in _TOO_LARGE:
            return "transient_error"
        case TransportError() | RestTooLongError():
            return "transient_error"
        case _:
            return "system_error"
