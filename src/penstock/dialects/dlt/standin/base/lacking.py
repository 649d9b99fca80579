"""Names that a class of dlt has and its stand-in has not, asked of the class itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from penstock.dialects.dlt.standin.base.errors import UnknownName

_Class = TypeVar("_Class", bound=type[Any])


class _Lacking:
    """One such name."""

    def __init__(self, label: str) -> None:
        self._label = label

    def __get__(self, instance: object, owner: object) -> NoReturn:
        raise UnknownName(f"Penstock has no {self._label}", "take out what needs more of dlt")


def lacking(*names: str) -> Callable[[_Class], _Class]:
    """A class that refuses these names, as its instances refuse what they do not have."""

    def with_names(kind: _Class) -> _Class:
        for name in names:
            setattr(kind, name, _Lacking(f"{kind.__name__}.{name}"))
        return kind

    return with_names
