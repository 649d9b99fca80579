"""The classes of a manifest: where they are found, and what is said when one of them fails."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any, get_type_hints

from penstock.dialects.airbyte.standin.package import Fault, Package
from penstock.errors import did_you_mean

__all__ = [
    "Components",
    "Fault",
    "file_of",
    "hints_of",
    "line_of_class",
    "missing",
]


class Components:
    """The Python of a manifest; `main` is its components.py, `folder` where the manifest is."""

    def __init__(self, main: Path | None = None, folder: Path | None = None) -> None:
        self._package = Package(main, folder)

    def holds(self, name: str) -> bool:
        """Whether there is a file in which the class a manifest calls `name` may be."""
        return self._package.file(name.rpartition(".")[0]) is not None

    def named(self, name: str) -> type[Any]:
        """The class a manifest calls `name`.

        Raises:
            Fault: there is none, or its file cannot be executed.
        """
        module, _, short = name.rpartition(".")
        file = self._package.file(module)
        if file is None:
            raise Fault("airbyte-component-class", f"there is no file with the class {name}", 0)
        held = self._package.module(module)
        found = getattr(held, short, None)
        if isinstance(found, type):
            return found
        own = [n for n, v in vars(held).items() if isinstance(v, type)]
        message = f"{file.name} has no class {short!r}"
        raise Fault("airbyte-component-class", message, 0, did_you_mean(short, own))


def file_of(made: type[Any]) -> str:
    """The file that a class was defined in."""
    return str(getattr(sys.modules.get(made.__module__), "__file__", "") or "")


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
