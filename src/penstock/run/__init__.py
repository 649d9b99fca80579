"""The one room that knows all rooms: load, read, shape, write, commit, receipt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.dialects import Compiled
    from penstock.plan.expr import JsonValue
    from penstock.run.engine import Options, Result, execute, reset_state, show_state
    from penstock.run.reading import read_stream

__all__ = [
    "Options",
    "Result",
    "compile_source",
    "execute",
    "read_stream",
    "reset_state",
    "show_state",
]

_HOMES = {
    "Options": "engine",
    "Result": "engine",
    "execute": "engine",
    "read_stream": "reading",
    "reset_state": "engine",
    "show_state": "engine",
}


def __getattr__(name: str) -> object:
    """The rooms are loaded when they are needed: `check` must not wait for the destination's."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 (part of loading late)

    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    return getattr(module, name)


def compile_source(spec: str, values: Mapping[str, JsonValue] | None = None) -> Compiled:
    """Find and compile a document: a file, `module:attribute`, or a bundled connector's name.

    Raises:
        PlanError: there is no such document, or it cannot be read at all.
    """
    from penstock.dialects import compile_document, load  # noqa: PLC0415 (part of loading late)

    return compile_document(load(spec), values)
