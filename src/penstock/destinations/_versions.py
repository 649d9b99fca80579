"""Versions of a row: the columns that tell them apart, and that say when each was valid."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from penstock.destinations import _sql as sql
from penstock.destinations._arrow import with_constant
from penstock.plan.hints import Validity
from penstock.shape.schema import Schema

if TYPE_CHECKING:
    import pyarrow as pa


class Versions:
    """How versions of the rows of one root table are kept, with the names of its columns."""

    def __init__(self, schema: Schema, said: Validity) -> None:
        own = schema.own
        self.column = said.version or own.version
        self.since = said.since or own.valid_from
        self.until = said.until or own.valid_to
        self._forever = said.forever
        self.at = datetime.fromisoformat(said.at) if said.at else _now()
        """When what changes with a checkpoint became so."""

    def valid(self, row: str) -> str:
        """The condition that a row is the valid version.

        With a moment that stands for ever, versions from before it was said have none yet.
        """
        until = f"{row}.{sql.quote(self.until)}"
        if self._forever is None:
            return f"{until} IS NULL"
        return f"({until} IS NULL OR {until} = CAST({sql.text(self._forever)} AS TIMESTAMPTZ))"

    @property
    def ended(self) -> str:
        """The assignment by which a version ends, at a moment given as a value."""
        return f"{sql.quote(self.until)} = CAST(? AS TIMESTAMPTZ)"

    def dated(self, rows: pa.Table) -> pa.Table:
        """The rows as versions that are valid from now on."""
        since = with_constant(rows, self.since, self.at)
        if self._forever is None:
            return since
        return with_constant(since, self.until, datetime.fromisoformat(self._forever))


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)
