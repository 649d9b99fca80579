"""What a destination promises beyond the least, and what each will never do, with the reason.

The tests ask `never` where destinations differ, and hold each to both answers; the table in
`docs/destinations.md` is made from the same words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FEATURES = (
    "append, exactly once",
    "replace, swapped in one transaction",
    "merge by delete-insert, upsert, insert-only and scd2",
    "merge_key, dedup_sort, hard_delete, soft_delete",
    "child tables merged with their roots",
    "rows and state in one transaction",
    "a second run is refused, a paused one fenced",
    "bool, bigint, double, text",
    "decimal of up to 38 digits",
    "timestamp, timestamp without zone, date, to the microsecond",
    "time of day, to the microsecond",
    "JSON to the letter",
    "binary",
    "structs and lists, as they are nested",
    "text with U+0000",
    "column names of more than 63 bytes",
    "readers at any moment, from any process",
    "readers never wait",
    "readers see all tables of a checkpoint at one instant",
)

NEVER: Mapping[tuple[str, str], str] = {
    ("postgres", "text with U+0000"): (
        "no text of Postgres can hold it: the record is refused; a column declared `json` keeps it"
    ),
    ("postgres", "column names of more than 63 bytes"): (
        "Postgres cuts them off; Penstock makes none, and refuses them in schemas given to it"
    ),
    ("postgres", "structs and lists, as they are nested"): (
        "Postgres has no such types that can grow: nested values are kept as JSON, with a warning"
    ),
    ("postgres", "readers never wait"): (
        "a table is renamed or gets a column under a lock: readers wait until the commit ends"
    ),
    ("delta", "time of day, to the microsecond"): (
        "Delta has no such type: it is kept as text, `23:59:59.999999`"
    ),
    ("delta", "readers see all tables of a checkpoint at one instant"): (
        "Delta commits table by table: for some milliseconds, or until the next run where one "
        "dies there, a child table may lag behind its root; `penstock.dataset` never sees that"
    ),
    ("duckdb", "readers at any moment, from any process"): (
        "DuckDB locks a file that is being written: other processes read between runs, or a copy "
        "that `--publish` makes"
    ),
}


def never(place: Any, feature: str) -> str | None:
    """The reason for which a place's destination does not do what `feature` names, or None."""
    assert feature in FEATURES
    return NEVER.get((place.kind, feature))
