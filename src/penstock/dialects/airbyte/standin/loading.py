"""Executes a components.py, and says in one sentence and one place what is wrong with it."""

from __future__ import annotations

import builtins
import hashlib
import inspect
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import msgspec

from penstock.dialects.airbyte.standin import modules
from penstock.dialects.airbyte.standin.running import entered
from penstock.dialects.airbyte.standin.values import AirbyteTracedException
from penstock.errors import Error, ReadError
from penstock.plan.door import Door

MAX_BYTES = 4_000_000
_LOCK = threading.Lock()
_LOADED: dict[str, ModuleType] = {}


class Fault(Exception):
    """What is wrong with a components.py, and in which line."""

    def __init__(self, code: str, message: str, line: int = 1, hint: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.line, self.hint = code, message, line, hint


class ComponentError(ReadError):
    """A component failed while a stream was read; the message names its line."""

    code = "component-failed"


class Components(msgspec.Struct, frozen=True, kw_only=True):
    """A components.py that was executed."""

    file: str
    module: ModuleType

    def named(self, name: str) -> type[Any]:
        """The class a manifest calls `….name`.

        Raises:
            Fault: there is none.
        """
        short = name.rpartition(".")[2]
        found = getattr(self.module, short, None)
        if isinstance(found, type):
            return found
        own = [n for n, v in vars(self.module).items() if isinstance(v, type)]
        raise Fault(
            "airbyte-component-class",
            f"{Path(self.file).name} has no class {short!r}",
            0,
            _near(short, own),
        )


def _near(word: str, words: list[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 (only where something is wrong)

    near = get_close_matches(word, words, n=1)
    return f"did you mean {near[0]!r}?" if near else None


def load(path: Path) -> Components:
    """Execute a file, once for as long as it stays what it is.

    Raises:
        Fault: it cannot be read, compiled or executed.
    """
    try:
        body = path.read_bytes()
    except OSError as exc:
        raise Fault("airbyte-components", f"{path} cannot be read: {exc.strerror or exc}") from exc
    if len(body) > MAX_BYTES:
        raise Fault("airbyte-components", f"{path} is larger than {MAX_BYTES // 1_000_000} MB")
    mark = hashlib.sha256(str(path.resolve()).encode() + b"\0" + body).hexdigest()[:16]
    with _LOCK:
        if mark not in _LOADED:
            _LOADED[mark] = _executed(str(path), body, f"penstock_components_{mark}")
    return Components(file=str(path), module=_LOADED[mark])


def _executed(file: str, body: bytes, name: str) -> ModuleType:
    made = ModuleType(name)
    made.__file__ = file
    made.__dict__["__builtins__"] = {**vars(builtins), "__import__": modules.importing}
    # Dataclasses and type hints look their module up by its name, which is nobody else's.
    sys.modules[name] = made
    try:
        exec(compile(body, file, "exec", dont_inherit=True), made.__dict__)  # noqa: S102 (the user's own file, with the user's say)
    except Exception as exc:
        del sys.modules[name]
        raise _fault(exc, file) from exc
    return made


def _fault(exc: Exception, file: str) -> Fault:
    """What failed while a file was executed, as one sentence."""
    line = line_of(exc, file)
    if isinstance(exc, SyntaxError):
        return Fault("airbyte-components", f"this is no Python: {exc.msg}", exc.lineno or 1)
    if isinstance(exc, (modules.Unknown, modules.UnknownAttribute)):
        return Fault("airbyte-component-import", str(exc), line, exc.hint)
    return Fault("airbyte-components", f"this fails when it is imported: {_said(exc)}", line)


def line_of(exc: BaseException, file: str) -> int:
    """The innermost line of a file that an exception came through; 1 where it did not."""
    line, trace = 1, exc.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _said(exc: BaseException) -> str:
    if isinstance(exc, AirbyteTracedException):
        return str(exc)
    return f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__


@contextmanager
def calling(door: Door, file: str, name: str) -> Iterator[None]:
    """Around a call of a component: its requests go through `door`, its failures name its line.

    Raises:
        ComponentError: the component failed.
    """
    with entered(door):
        try:
            yield
        except Error:
            raise
        except Exception as exc:
            where = f"{Path(file).name}:{line_of(exc, file)}"
            hint = getattr(exc, "hint", None)
            raise ComponentError(f"{where}: {name} failed: {_said(exc)}", hint=hint) from exc


def hints_of(made: type[Any]) -> dict[str, Any]:
    """The type hints of a class, those that cannot be told as they are written.

    Only what a class has hints for is given to its constructor.
    """
    try:
        return get_type_hints(made)
    except Exception:  # noqa: BLE001 (whatever a hint is evaluated to)
        found: dict[str, Any] = {}
        for base in reversed(made.__mro__):
            found.update(inspect.get_annotations(base))
        return found


def missing(made: type[Any], given: set[str]) -> list[str]:
    """What a constructor needs and is not given."""
    try:
        wanted = inspect.signature(made).parameters.values()
    except (TypeError, ValueError):
        return []
    single = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    needed = [p.name for p in wanted if p.kind in single and p.default is p.empty]
    return [name for name in needed if name not in given]


def line_of_class(made: type[Any]) -> int:
    """The line a class begins at."""
    try:
        return inspect.getsourcelines(made)[1]
    except (OSError, TypeError):
        return 1
