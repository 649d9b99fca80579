"""Calling Python of the user's own: through which run it asks, how it fails, what it gives."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from penstock.dialects.python.running import Entered
from penstock.errors import Error, ReadError, to_install
from penstock.plan.door import Door
from penstock.plan.expr import JsonValue

_OWN = Path(__file__).parents[2]


class ComponentError(ReadError):
    """A component failed while a stream was read; the message names its line."""

    code = "component-failed"


class Calling(Entered):
    """Around a call of a component: its requests go through `door`, its failures name its line.

    Raises:
        ComponentError: the component failed.
    """

    def __init__(self, door: Door, file: str, name: str) -> None:
        super().__init__(door)
        self._file, self._name = file, name

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: object
    ) -> None:
        super().__exit__(kind, exc, trace)
        if isinstance(exc, Exception) and not isinstance(exc, Error):
            where = _place(exc, self._file)
            hint = getattr(exc, "hint", None) or to_install(exc)
            error = ComponentError(f"{where}: {self._name} failed: {said(exc)}", hint=hint)
            error.blame = getattr(exc, "blame", None)
            raise error from exc


def line_of(exc: BaseException, file: str) -> int:
    """The innermost line of a file that an exception came through; 1 where it did not."""
    lines = [n for f, n in traceback.walk_tb(exc.__traceback__) if f.f_code.co_filename == file]
    return lines[-1] if lines else 1


def _place(exc: BaseException, file: str) -> str:
    """The innermost line of a component that an exception came through, in its file or beside it.

    Only the file's name where it came through none, as where a library makes what is read.
    """
    found, folder = Path(file).name, Path(file).parent
    for frame, line in traceback.walk_tb(exc.__traceback__):
        name = frame.f_code.co_filename
        if name == file or _is_beside(Path(name), folder):
            found = f"{Path(name).name}:{line}"
    return found


def _is_beside(file: Path, folder: Path) -> bool:
    """Whether a file is another of the component's, and not of what is installed below them."""
    if not file.is_relative_to(folder) or file.is_relative_to(_OWN):
        return False
    if file.name.startswith("<"):  # what Python has without a file, as <frozen os>
        return False
    return "site-packages" not in file.relative_to(folder).parts


def said(exc: BaseException) -> str:
    """An exception as part of a sentence; one that `is_sentence` stands as it is."""
    if getattr(exc, "is_sentence", False):
        return str(exc)
    return f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__


def plain(value: Any) -> JsonValue:
    """What a component gives as JSON: records and other mappings as objects, times as text."""
    if isinstance(value, dict) and type(value) is dict:
        return {_key(k): plain(v) for k, v in value.items()}
    if isinstance(value, Mapping):
        return {_key(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (str, int, float)):
        return value
    made: JsonValue = msgspec.to_builtins(value)
    return made


def _key(key: Any) -> str:
    return key if isinstance(key, str) else str(key)
