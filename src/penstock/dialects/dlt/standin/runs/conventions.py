"""Naming conventions of dlt that Penstock does not have: who asks for one is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from penstock.dialects.dlt.standin.base.record import remark
from penstock.dialects.dlt.standin.base.references import ABSENT, Known, Reference

if TYPE_CHECKING:
    from penstock.dialects.dlt.standin.runs.pipeline import Destination

_OURS = "snake_case"


def tell(schemas: Iterable[str], destination: Destination | None) -> bool:
    """Warn where tables and columns would be called otherwise in dlt; whether they would."""
    named = _said(schemas, destination)
    if named is None or named == _OURS:
        return False
    remark(
        f"tables and columns are named as {_OURS} names them, and not as {named!r} does",
        "take the convention out, or load what depends on such names with dlt",
    )
    return True


def _said(schemas: Iterable[str], destination: Destination | None) -> str | None:
    """The convention that the script, the environment or a file of values asks for."""
    names = [f"sources.{schema}.schema.naming" for schema in schemas]
    names += ["sources.schema.naming", "schema.naming"]
    if destination is not None:
        if destination.naming is not None:
            return _name(destination.naming)
        names.append(f"destination.{destination.destination_name}.naming_convention")
    for name in names:
        for found in (Known.own(name), Known.lookup(name)):
            if found is not ABSENT and found is not None:
                return _name(found)
    return None


def _name(convention: Any) -> str:
    """What a convention is called: it may be a module that has it, or a class."""
    if isinstance(convention, Reference):
        convention = convention.known()
    text = convention if isinstance(convention, str) else type(convention).__name__
    return str(text).rpartition(".")[2]
