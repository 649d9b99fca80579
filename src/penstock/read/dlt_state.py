"""State that dlt left, as Penstock's own entries: the cursors of its incremental resources.

What functions of a script kept themselves is taken over too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, TypeAlias

import msgspec

from penstock.errors import ExprError
from penstock.plan.expr import JsonValue
from penstock.plan.records import Call, Keys
from penstock.plan.slices import Cursor, parse_moment
from penstock.plan.source import Source, Stream
from penstock.read.memory import taken_over
from penstock.read.state import Mark, Stretch, spellings, write

# dlt marks what is no JSON value with a character before its text.
_FIRST_MARK: Final = 0xF026
_LAST_MARK: Final = 0xF02D


def is_state(given: JsonValue) -> bool:
    """Whether it is the state of a dlt pipeline."""
    return isinstance(given, dict) and "_state_version" in given


def cursors_of(source: Source, state: Mapping[str, JsonValue]) -> dict[str, dict[str, str]]:
    """The state entries of each stream whose cursor the state knows."""
    found: dict[str, dict[str, str]] = {}
    homes = dict(source.homes)
    for stream in source.streams:
        own = homes.get(stream.name, "").partition("/")[2]
        for resources, shared in _sources(state, own):
            held = resources.get(stream.name)
            held = held if isinstance(held, dict) else {}
            entries = {**(_entries(stream, held) or {}), **_remembered(stream, held, shared)}
            if entries:
                found.setdefault(stream.name, entries)
    return found


_State: TypeAlias = "Mapping[str, JsonValue]"


def _sources(state: _State, own: str) -> Iterator[tuple[_State, _State]]:
    """What each source kept of its resources, and beside these; the `own` one alone if it did."""
    said = state.get("sources")
    sources = said if isinstance(said, dict) else {}
    for held in [sources[own]] if own in sources else sources.values():
        resources = held.get("resources") if isinstance(held, dict) else None
        if isinstance(held, dict) and isinstance(resources, dict):
            yield resources, {key: value for key, value in held.items() if key != "resources"}


def _remembered(stream: Stream, held: _State, shared: _State) -> dict[str, str]:
    """What functions of a script kept, where the stream's rows are made by one, or steps ask."""
    own = {key: value for key, value in held.items() if key != "incremental"}
    asks = (isinstance(s, Call) and s.around is not None for s in stream.records.steps)
    if stream.retrieve is None:
        return taken_over(own, shared) if any(asks) else {}
    cursors = held.get("incremental")
    known = list(cursors.values()) if isinstance(cursors, dict) else []
    mine = known[0] if len(known) == 1 else None
    return taken_over(own, shared, mine.get("last_value") if isinstance(mine, dict) else None)


def _entries(stream: Stream, held: Mapping[str, JsonValue]) -> dict[str, str] | None:
    cursor = stream.cursor
    known = held.get("incremental")
    if cursor is None or not isinstance(known, dict):
        return None
    mine = known.get(cursor_path(cursor), next(iter(known.values())) if len(known) == 1 else None)
    if not isinstance(mine, dict) or mine.get("last_value") is None:
        return None
    if cursor.window is not None:
        return _windows(cursor, mine)
    hashes = mine.get("unique_hashes")
    boundary = tuple(str(h) for h in hashes) if isinstance(hashes, list) else ()
    mark = Mark(value=_scalar(mine["last_value"]), boundary=boundary)
    if stream.hints.write == "merge":  # there a record counts as a whole, and for dlt its key
        mark = msgspec.structs.replace(mark, keyed=True, keys=boundary)
    # dlt has one value for the children of all parents
    return {"cursor" if stream.partition is None or cursor.shared else "imported": write(mark)}


def _windows(cursor: Cursor, held: Mapping[str, JsonValue]) -> dict[str, str] | None:
    """The stretch from the first value to the last: it is complete."""
    last = _moment(cursor, held["last_value"])
    first = _moment(cursor, held.get("initial_value")) or last
    if last is None or first is None:
        return None
    stretch = Stretch(start=min(first, last), end=last, newest=last)
    return {"windows": write((stretch,))}


def _moment(cursor: Cursor, value: JsonValue) -> datetime | None:
    try:
        return parse_moment(_scalar(value), spellings(cursor)) if value is not None else None
    except ExprError:
        return None


def cursor_path(cursor: Cursor) -> str:
    """Where the values of a cursor stand, as dlt writes it: as the document does."""
    if cursor.said:
        return cursor.said
    return ".".join(cursor.path.path) if isinstance(cursor.path, Keys) else cursor.path.text


def _scalar(value: JsonValue) -> JsonValue:
    """A value of dlt's state without the mark that says what it was."""
    if isinstance(value, (dict, list)):  # of a function that says how far the cursor is
        return value
    if isinstance(value, str):
        return value[1:] if value and _FIRST_MARK <= ord(value[0]) <= _LAST_MARK else value
    return value if isinstance(value, (int, float)) else str(value)
