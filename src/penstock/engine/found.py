"""The tables that a run finds, for functions of a script that ask which there are."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.destinations.base import Session
from penstock.plan.door import Tables
from penstock.plan.source import Source
from penstock.shape.schema import PENSTOCK, Table


def tables_found(source: Source, session: Session, *, fresh: bool) -> Tables | None:
    """The tables with their columns; None where nothing was loaded there before.

    They are looked up only where a function makes rows. A run that begins `fresh` finds none.
    """
    if all(stream.retrieve is None for stream in source.streams):
        return None
    names = session.streams()
    if not names or fresh:
        return {} if names else None
    schemas = [session.schema(name) for name in names]
    tables = [table for schema in schemas if schema is not None for table in schema.tables]
    return {table.name: dict(_columns(table)) for table in tables if not table.bare}


def _columns(table: Table) -> Iterator[tuple[str, tuple[str, bool]]]:
    """The columns but for those of Penstock's own."""
    for column in table.columns:
        if table.own is not PENSTOCK or column.name not in PENSTOCK.all:
            kind = "json" if column.type in {"struct", "list"} else column.type
            yield column.name, (kind, column.nullable)
