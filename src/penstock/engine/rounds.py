"""Streams that a run passes over, since one before it that was not over has read them in full.

What is appended of a stream without a cursor comes again with every run. A run may be killed, or
one of its streams fail, when others of them are complete: their rows are there for good, and were
there twice if the run that goes on read them again. So the state of such a stream says that it was
read, from its last rows on until the run is over, with all of its streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from penstock.destinations.base import Session
from penstock.events import Note, Receipt
from penstock.plan.source import Source, Stream
from penstock.read.context import StreamContext
from penstock.shape.names import identifier

READ = "read"
# For so long: who runs the same command every day, whatever fails, gets all rows every day.
SECONDS = 12 * 3600.0

Stored = Mapping[str, Mapping[str, str]]


def comes_again(context: StreamContext) -> bool:
    """Whether each run reads all records of a stream, for want of a cursor here or above."""
    cursor = context.stream.cursor
    moves = cursor is not None and (
        cursor.end is None or cursor.window is not None or cursor.contiguous
    )
    if moves and context.keeps_state:
        return False
    return all(comes_again(above) for above in context.parents)


def resting(
    source: Source, loaded: Iterable[str], stored: Stored, now: float, since: float | None = None
) -> frozenset[str]:
    """The streams, of those to be loaded, that are passed over: none that was read `since` then.

    Streams that take turns share what their functions change: if one is read, all are.
    """
    names = set(loaded)
    there = {stream.name: stream for stream in source.streams if stream.name in names}
    found = {name for name, stream in there.items() if _rests(stream, stored[name], now, since)}
    rings = {_ring(stream) for name, stream in there.items() if name not in found} - {None}
    return frozenset(name for name in found if _ring(there[name]) not in rings)


def _rests(stream: Stream, entries: Mapping[str, str], now: float, since: float | None) -> bool:
    read = entries.get(READ)
    if read is None or (since is not None and float(read) >= since):
        return False
    if stream.hints.write == "replace" or stream.hints.needs_all:
        return False
    return now - float(read) < SECONDS  # also where a clock was ahead


def _ring(stream: Stream) -> int | None:
    return stream.order.ring if stream.order is not None else None


def receipt(name: str, entries: Mapping[str, str], session: Session) -> Receipt:
    """What a run says of a stream that it passes over."""
    at = datetime.fromtimestamp(float(entries[READ]), UTC)
    message = (
        f"read in full at {at:%Y-%m-%d %H:%M} UTC, by a run that was not over: its rows are there, "
        "and are not appended once more; the run after this one reads it"
    )
    schema = session.schema(name)
    table = schema.root.name if schema is not None and schema.tables else identifier(name)
    note = Note(code="read-before", message=message)
    return Receipt(stream=name, table=table, status="done", warnings=(note,))


def over(stored: Stored) -> dict[str, tuple[str, ...]]:
    """The entries that go when a run is over, by stream: of what it appended, and of its pass."""
    return {
        name: tuple(n for n in entries if n in {READ, "pass"} or n.startswith("done/"))
        for name, entries in stored.items()
        if READ in entries
    }
