"""Load REST APIs into a warehouse: complete, exactly once, as fast as the API allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.api import Source, as_dlt_source, load, reshape, run
    from penstock.dialects import Compiled
    from penstock.engine import (
        Dataset,
        Options,
        Reshaped,
        Result,
        compile_source,
        dataset,
        execute,
        read_stream,
    )
    from penstock.errors import (
        DestinationError,
        Diagnostic,
        Error,
        Interrupted,
        PlanError,
        ReadError,
        ShapeError,
    )
    from penstock.events import Receipt

__version__ = "0.1.0"

__all__ = [
    "Compiled",
    "Dataset",
    "DestinationError",
    "Diagnostic",
    "Error",
    "Interrupted",
    "Options",
    "PlanError",
    "ReadError",
    "Receipt",
    "Reshaped",
    "Result",
    "ShapeError",
    "Source",
    "as_dlt_source",
    "compile_source",
    "dataset",
    "execute",
    "load",
    "read_stream",
    "reshape",
    "run",
]

_HOMES = {
    **dict.fromkeys(("Source", "as_dlt_source", "load", "reshape", "run"), "api"),
    "Compiled": "dialects",
    "Receipt": "events",
    **dict.fromkeys(("Dataset", "Options", "Reshaped", "Result", "compile_source"), "engine"),
    **dict.fromkeys(("dataset", "execute", "read_stream"), "engine"),
}


def __getattr__(name: str) -> object:
    """A public name, from the room that defines it, which is imported when first asked."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 (part of loading late)

    found: object = getattr(
        importlib.import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name
    )
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names, imported or not."""
    return sorted({*globals(), *__all__})
