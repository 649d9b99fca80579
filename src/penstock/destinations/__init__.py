"""Keeping it: one file a destination. The folder is the registry.

Every module here that is neither `base` nor private has a `KIND` (what it is called and which URLs
it answers to) and a function `destination(url, fault=…)`. Modules import their driver only when
something is opened, so that looking one up stays cheap.
"""

from __future__ import annotations

import importlib
import importlib.util
from contextlib import AbstractContextManager, suppress
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Protocol, cast

from penstock.destinations._spool import GONE, ROOT_ID, Spool
from penstock.destinations.base import Destination, Fault, Kind, no_fault
from penstock.errors import DestinationError, did_you_mean
from penstock.patterns import pattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.destinations._lake_dataset import Dataset
    from penstock.plan.hints import ColumnType

__all__ = [
    "GONE",
    "ROOT_ID",
    "Dataset",
    "Spool",
    "columns_in",
    "describe",
    "kind_of",
    "look_into",
    "open_dataset",
    "open_destination",
    "prepare",
    "scratch",
]

_SCHEME = pattern(r"([A-Za-z][A-Za-z0-9+.-]+):")


class _Module(Protocol):
    KIND: Kind

    def destination(self, url: str, *, fault: Fault) -> Destination: ...


def open_destination(url_or_path: str, *, fault: Fault = no_fault) -> Destination:
    """Find the destination a URL or a path names; nothing is opened yet.

    Raises:
        DestinationError: no destination answers to it; the message lists those that exist.
    """
    return _module(url_or_path).destination(url_or_path, fault=fault)


def prepare(url_or_path: str) -> None:
    """Begin, in the background, what opening a destination of this kind takes in any case.

    Nothing is opened, and nothing is said of a destination that there is not: opening it does.
    """
    with suppress(DestinationError):
        begin = getattr(_module(url_or_path), "prepare", None)
        if begin is not None:
            begin()


def kind_of(url_or_path: str) -> Kind:
    """What kind of destination a URL or a path names.

    Raises:
        DestinationError: no destination answers to it; the message lists those that exist.
    """
    return _module(url_or_path).KIND


def _module(url_or_path: str) -> _Module:
    scheme = _SCHEME.match(url_or_path)
    word = scheme[1].lower() if scheme else PurePath(url_or_path).suffix.lower()
    for module in _modules(first=word.removeprefix(".")):
        if word in (module.KIND.schemes if scheme else module.KIND.extensions):
            return module
    raise _unknown(word, is_scheme=scheme is not None)


def open_dataset(place: str, db_schema: str | None = None) -> Dataset:
    """Open a dataset of files for reading.

    Raises:
        DestinationError: there is none at `place`, or several schemas and none named.
    """
    from penstock.destinations import _lake_dataset  # noqa: PLC0415 (loaded when it is used)

    return _lake_dataset.open_dataset(place, db_schema)


def look_into(destination: str, db_schema: str, *, writes: bool) -> Any:
    """A connection to what a run has loaded, DuckDB's or like it; whoever asks for it closes it.

    Raises:
        DestinationError: the destination cannot be opened.
    """
    from penstock.destinations import _looking  # noqa: PLC0415 (loaded when it is used)

    return _looking.connection(destination, db_schema, writes=writes)


def columns_in(destination: str, db_schema: str) -> dict[str, dict[str, tuple[ColumnType, bool]]]:
    """The columns of each table of the user's, with their types and whether they may be null.

    Raises:
        DestinationError: the destination cannot be opened.
    """
    from penstock.destinations import _looking  # noqa: PLC0415 (loaded when it is used)

    return _looking.columns(destination, db_schema)


def scratch() -> AbstractContextManager[Path]:
    """A temporary folder for as long as it is needed.

    Raises:
        OSError: it cannot be made.
    """
    from penstock.destinations import _temporary  # noqa: PLC0415 (loaded when it is used)

    return _temporary.scratch()


def __getattr__(name: str) -> object:
    """The reader's class is loaded when it is used."""
    if name != "Dataset":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}._lake_dataset").Dataset


def describe() -> tuple[Kind, ...]:
    """Every destination there is, by name: for documentation and error messages."""
    return tuple(module.KIND for module in _modules())


def _modules(first: str = "") -> Iterator[_Module]:
    """Load the modules one by one; what is called like the word that is looked for comes first."""
    if _is_kind(first) and importlib.util.find_spec(f"{__name__}.{first}") is not None:
        yield _loaded(first)
    import pkgutil  # noqa: PLC0415 (the folder is seldom looked through)

    for name in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        if _is_kind(name) and name != first:
            yield _loaded(name)


def _is_kind(name: str) -> bool:
    return name.isidentifier() and name != "base" and not name.startswith("_")


def _loaded(name: str) -> _Module:
    return cast("_Module", importlib.import_module(f"{__name__}.{name}"))


def _unknown(word: str, *, is_scheme: bool) -> DestinationError:
    """Say what is known. The URL itself is left out: it may hold a password."""
    kinds = describe()
    known = [w for k in kinds for w in (k.schemes if is_scheme else k.extensions)]
    what = f"the scheme {word!r}" if is_scheme else f"a path that ends in {word!r}"
    if not word:
        what = "a path without an extension"
    forms = "; ".join(f"{k.name}: {', '.join(k.urls)}" for k in kinds)
    near = did_you_mean(word, known)
    hint = f"{near} " if near else ""
    return DestinationError(
        f"no destination answers to {what}", code="url", hint=f"{hint}known are {forms}"
    )
