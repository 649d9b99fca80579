"""What the command line writes: the one place all output passes through, with secrets masked."""

from __future__ import annotations

import os
import sys
from typing import IO, Literal, TypeAlias

import msgspec

from penstock.errors import Error
from penstock.patterns import pattern
from penstock.plan.expr import JsonValue
from penstock.redact import Redactor

Style: TypeAlias = Literal["red", "yellow", "green", "blue", "bold", "dim"]

_CODES: dict[Style, str] = {
    "red": "31",
    "yellow": "33",
    "green": "32",
    "blue": "34",
    "bold": "1",
    "dim": "2",
}
_CONTROL = pattern(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_ELSEWHERE = "make room where it leads, or let it lead elsewhere"


class Console:
    """Writes data to stdout and words to stderr, both through the redactor.

    `closed` turns true once whoever read stdout has gone: nothing more is worth writing to it.
    """

    def __init__(self) -> None:
        self.redactor = Redactor()
        self.closed = False

    def data(self, text: str) -> None:
        """A line of data for stdout, in UTF-8 whatever the locale."""
        self.raw(self.redactor.text(text).encode("utf-8", "backslashreplace"))

    def json(self, value: JsonValue) -> None:
        """One JSON value for stdout."""
        # Undecodable file names come as lone surrogates, which JSON cannot carry.
        plain = msgspec.to_builtins(self.redactor.data(value), enc_hook=str)
        try:
            text = msgspec.json.encode(plain)
        except UnicodeEncodeError:
            text = msgspec.json.encode(_encodable(plain))
        self.raw(msgspec.json.format(text, indent=2))

    def raw(self, line: bytes) -> None:
        """A line of records for stdout, verbatim: what an API gave is not ours to change.

        Raises:
            Error: stdout leads to where nothing can be written; said once.
        """
        if self.closed:
            return
        try:
            sys.stdout.flush()
            sys.stdout.buffer.write(line + b"\n")
            sys.stdout.buffer.flush()
        except OSError as exc:
            self.closed = True
            _discard(sys.stdout)
            if isinstance(exc, BrokenPipeError):
                return
            reason = f"stdout cannot be written to: {exc.strerror or exc}"
            raise Error(reason, code="os", hint=_ELSEWHERE) from exc

    def say(self, text: str = "") -> None:
        """A line for people, on stderr."""
        stream = sys.stderr
        line = self.redactor.text(text) + "\n"
        encoding = getattr(stream, "encoding", None) or "utf-8"
        line = line.encode(encoding, "backslashreplace").decode(encoding)
        try:
            stream.write(line)
            stream.flush()
        except OSError:  # nobody listens any more, or a full disk: no reason to fail
            _discard(stream)

    def style(self, text: str, *styles: Style) -> str:
        """The text in these styles, where stderr shows colours."""
        if not styles or not colours(sys.stderr):
            return text
        return f"\x1b[{';'.join(_CODES[s] for s in styles)}m{text}\x1b[0m"


def _discard(stream: IO[str]) -> None:
    """Let what is still written to a stream that nobody reads go nowhere, without an error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _encodable(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {str(_encodable(k)): _encodable(v) for k, v in value.items()}
    return [_encodable(v) for v in value] if isinstance(value, (list, tuple)) else value


def is_terminal(stream: IO[str]) -> bool:
    """Whether a person looks at the stream on a terminal that can redraw a line."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def colours(stream: IO[str]) -> bool:
    """Whether to colour: a terminal, and `NO_COLOR` empty or not set."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")


def clean(text: str) -> str:
    """The text without control characters, which could redraw the terminal it is shown on."""
    return _CONTROL.sub(lambda m: ascii(m[0])[1:-1], text)


def columns() -> int:
    """How wide the terminal is."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
