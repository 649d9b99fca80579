"""What can go wrong, for whom, and how it is said.

The tree::

    Error                        anything Penstock raises on purpose
    ├── PlanError                the document or the call is wrong (exit code 2)
    ├── ReadError                the API did not give what the plan asked for
    │   ├── TransportError       no usable answer: connection, timeout, cut body (worth a retry)
    │   ├── StatusError          an answer with a status the error policy does not accept
    │   ├── AuthError            credentials were refused or a token could not be obtained
    │   ├── BodyError            an answer that cannot be decoded, or does not hold its records
    │   ├── ExprError            a value or template cannot be evaluated
    │   ├── CycleError           pagination repeats itself
    │   ├── OriginError          credentials would have left the origins of the document
    │   └── CapError             a size, depth or time limit was passed
    ├── ShapeError               a record does not fit the tables it must go into
    │   └── ContractError        a schema contract forbids it
    ├── DestinationError         the destination cannot take or keep the data
    │   ├── LockedError          another run owns the destination
    │   └── FencedError          another run took the destination over while this one was paused
    └── Interrupted              the user stopped the run at a checkpoint (exit code 130)
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

Severity = Literal["error", "warning", "info"]
# Who can help: the user, time, or whoever wrote the document.
Blame = Literal["config", "transient", "system"]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A spot in a document: `line` and `column` count from 1; `text` is that line as written.

    Line 0 stands for a document without lines; `file` then holds the path of keys.
    """

    file: str
    line: int
    column: int
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Diagnostic(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to say about a document: a stable `code`, what is wrong, where, and what to do."""

    code: str
    severity: Severity
    message: str
    place: Place | None = None
    hint: str | None = None

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.severity}[{self.code}]: {self.message}{hint}"


class Error(Exception):
    """Anything Penstock raises on purpose: a stable, documented `code`; `hint` says what to do."""

    code = "error"
    place: Place | None = None  # in the document, where that is known

    def __init__(self, message: str, *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class PlanError(Error):
    """The document or the call is wrong; every problem found is in `diagnostics`."""

    code = "plan"

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        first = next((d for d in self.diagnostics if d.severity == "error"), None)
        more = sum(d.severity == "error" for d in self.diagnostics) - 1
        message = str(first) if first else "the document is not usable"
        super().__init__(message + (f" (and {more} more)" if more > 0 else ""))


class ReadError(Error):
    """The API did not give what the plan asked for.

    `request` names the request (method and URL, secrets masked by whoever prints it), `retriable`
    says that asking again may help, `wait` is the pause in seconds the API asked for, if any.
    `blame` is who can help, where the document says it.
    """

    code = "read"
    retriable = False
    blame: Blame | None = None

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        request: str | None = None,
        wait: float | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.request = request
        self.wait = wait


class TransportError(ReadError):
    """No usable answer came: the connection failed, timed out, or cut the body short."""

    code = "transport"
    retriable = True


class StatusError(ReadError):
    """The API answered with a status that the error policy does not accept."""

    code = "status"

    def __init__(  # noqa: PLR0913 (what an error knows of its request)
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        hint: str | None = None,
        request: str | None = None,
        wait: float | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint, request=request, wait=wait)
        self.status = status


class AuthError(ReadError):
    """The credentials were refused, or a token could not be obtained with them."""

    code = "auth"


class BodyError(ReadError):
    """The answer cannot be decoded, or does not hold records where the document says."""

    code = "body"


class ExprError(ReadError):
    """A value that the document refers to is missing, or a template cannot be rendered.

    `source` is the template, or the reference in it, where it came from one; `lacks` is the name
    that is missing, and `known` are those that are there.
    """

    code = "expr"
    source = ""
    lacks = ""
    known: tuple[str, ...] = ()


class CycleError(ReadError):
    """Pagination came back to a position or a body it had already given."""

    code = "cycle"


class OriginError(ReadError):
    """A request would have carried credentials to an origin the document does not name."""

    code = "origin"


class CapError(ReadError):
    """An answer passed a limit on size, depth, ratio or time."""

    code = "cap"


class ShapeError(Error):
    """A record does not fit the tables it must go into."""

    code = "shape"


class ContractError(ShapeError):
    """A schema contract forbids what a record brings."""

    code = "contract"


class DestinationError(Error):
    """The destination cannot take or keep the data."""

    code = "destination"


class LockedError(DestinationError):
    """Another run owns the destination."""

    code = "locked"


class FencedError(DestinationError):
    """Another run took the destination over while this one was paused."""

    code = "fenced"


class Interrupted(Error):  # noqa: N818 (it is not a fault)
    """The user stopped the run; everything up to the last checkpoint is kept."""

    code = "interrupted"


_AGAIN = "what was committed is intact, run again"
_MEMORY = f"give the process more memory, or less to do at once (--concurrency); {_AGAIN}"
_ADVICE: dict[int, str] = {
    errno.ENOSPC: f"free disk space; {_AGAIN}",
    errno.EDQUOT: f"free disk space; {_AGAIN}",
    errno.EFBIG: f"free disk space, or allow larger files (ulimit -f); {_AGAIN}",
    errno.EMFILE: f"allow more open files (ulimit -n), or less at once (--concurrency); {_AGAIN}",
    errno.ENFILE: f"let other programs close files; {_AGAIN}",
    errno.EACCES: "make the file and its directory accessible",
    errno.EPERM: "make the file and its directory accessible",
    errno.EROFS: "name a place that can be written to",
    errno.EIO: f"look at the disk, or what it is connected by; {_AGAIN}",
}
# What libraries say where the machine had too little: they have no type of their own for it.
_TOO_LITTLE = (
    *("can't start new thread", "failed to spawn", "failed to map segment"),
    *("cannot allocate memory", "can't allocate", "out of memory"),
)
_SAID = {"too many open files": errno.EMFILE, "no space left": errno.ENOSPC}
_SAID |= {"file too large": errno.EFBIG, "disk quota exceeded": errno.EDQUOT}


def closest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The word most like a wrong one; None where none is near.

    `cutoff`, from 0 to 1, is how like the two must be, as `difflib` measures it.
    """
    from difflib import get_close_matches  # noqa: PLC0415 (only where something is wrong)

    return next(iter(get_close_matches(word, list(known), n=1, cutoff=cutoff)), None)


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """A question that names the word most like a wrong one; see `closest`."""
    near = closest(word, known, cutoff)
    return f"did you mean {near!r}?" if near else None


def closest_or_all(word: str, known: Sequence[str]) -> str:
    """A hint for a wrong word: the one most like it, else all that there are."""
    return did_you_mean(word, known) or f"there are: {', '.join(known)}"


def to_install(exc: BaseException) -> str | None:
    """What to do where an exception says that a module is missing; None where it says another."""
    if not isinstance(exc, ModuleNotFoundError) or not exc.name:
        return None
    return f"install it beside Penstock: pip install {exc.name.partition('.')[0]}"


def of_machine(error: BaseException) -> Error | None:
    """What an error means that is the machine's, not Penstock's; None where it is another."""
    text = str(error)
    number = error.errno if isinstance(error, OSError) else None
    told = [found for words, found in _SAID.items() if words in text.lower()]
    if number != errno.ENOMEM and (told or isinstance(error, OSError)):
        return Error(text, code="os", hint=_ADVICE.get(number or (told or [0])[0]))
    if isinstance(error, MemoryError) or any(words in text.lower() for words in _TOO_LITTLE):
        said = f"the machine gives too little: {text}" if text else "there is not enough memory"
        return Error(said, code="memory", hint=_MEMORY)
    return None
