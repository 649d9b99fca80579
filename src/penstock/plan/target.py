"""Where a document's own run would put its rows, for documents that say so: scripts."""

from __future__ import annotations

import msgspec


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """What dlt calls the pipeline that a script's run is of, and the schema of its tables."""

    name: str
    schema: str


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A destination as `--to` takes it, a schema, and whether each run loads everything anew.

    With `keep_columns` tables keep the columns that they have.
    """

    destination: str | None = None
    db_schema: str | None = None
    full_refresh: bool = False
    keep_columns: bool = False
