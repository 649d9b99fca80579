"""Providers of a script's own: dicts of values, for what nothing else says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class CustomLoaderDocProvider:
    """The values of a dict that a function gives, tables in it by dotted names."""

    def __init__(
        self, name: str, loader: Callable[[], Mapping[str, Any]], *_: Any, **__: Any
    ) -> None:
        self.name = name
        self._loader = loader

    def values(self) -> dict[str, Any]:
        """Every value by its name; a table is one too."""
        return dict(_named("", self._loader() or {}))


def _named(above: str, held: Mapping[str, Any]) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in held.items():
        found.append((f"{above}{key}", value))
        if isinstance(value, Mapping):
            found += _named(f"{above}{key}.", value)
    return found


def public() -> dict[str, Any]:
    """The names of the module."""
    return {"CustomLoaderDocProvider": CustomLoaderDocProvider}
