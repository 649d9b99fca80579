"""Calling Python of the user's own: through which run it asks, how it fails, what it gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from penstock.dialects.python.running import entered
from penstock.errors import Error, ReadError
from penstock.plan.door import Door
from penstock.plan.expr import JsonValue


class ComponentError(ReadError):
    """A component failed while a stream was read; the message names its line."""

    code = "component-failed"


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
            error = ComponentError(f"{where}: {name} failed: {said(exc)}", hint=hint)
            error.blame = getattr(exc, "blame", None)
            raise error from exc


def line_of(exc: BaseException, file: str) -> int:
    """The innermost line of a file that an exception came through; 1 where it did not."""
    line, trace = 1, exc.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


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
