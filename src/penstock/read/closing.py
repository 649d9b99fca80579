"""What a slice leaves: how far its cursor got, and what of the state changes when it closes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from penstock.errors import ReadError
from penstock.plan.pagination import NextToken
from penstock.plan.slices import Chain, Cursor, Parent, Partition, Slice, combined
from penstock.read import state as states
from penstock.read.context import StreamContext
from penstock.read.contiguous import CountTracker, SpanTracker
from penstock.read.decode import RawRecord
from penstock.read.dlt_state import cursor_path
from penstock.read.folding import FoldTracker
from penstock.read.parts import StateEntries
from penstock.read.state import Mark, Tracker, entry, state_key

_AGAIN = "run the same command again: all of it is read then"
_ABOVE = "mend what is said of it, then run the same command again"

AnyTracker: TypeAlias = "Tracker | SpanTracker | CountTracker"


def resumable(context: StreamContext) -> bool:
    """Whether a slice may be taken up at a kept position: only at a cursor the API made itself.

    A scroll says nothing of the place, numbers of pages and links may mean other records in another
    run, the children of pages that are not read again would be missed, and so would the newest
    cursor value on them.
    """
    kind = context.pagination
    return (
        isinstance(kind, NextToken)
        and kind.link == "never"
        and not kind.scrolls
        and not context.children
        and context.stream.cursor is None
    )


def make_tracker(context: StreamContext, piece: Slice) -> AnyTracker | None:
    """What follows the cursor through a slice; None where there is nothing to follow."""
    cursor = context.stream.cursor
    if context.follower is not None:
        return context.follower.follow(piece)
    if cursor is None or piece.range is None:
        return None
    if cursor.shared and context.tracker is not None:
        return context.tracker
    key = state_key(piece, cursor)
    mark: states.Mark | None = None
    if cursor.window is not None:
        text = context.state.get(entry("windows", key))
        mark = states.window_mark(text, cursor, piece.range)
    elif cursor.end is None:
        mark = states.mark_of(context.state, key)
    hints = context.stream.hints
    whole = hints.write == "merge"
    # in a lag, what is known is part of a set that what is new would take the place of
    sets = whole and bool(hints.merge_key and cursor.lag)
    if cursor.fold is not None:
        told = msgspec.structs.replace(cursor, boundary=()) if sets else cursor
        made: Tracker = FoldTracker(told, cursor.fold, mark, piece.range, whole=whole)
    else:
        initial = dict(piece.marks).get("initial")
        made = Tracker(cursor, mark, piece.range, whole=whole, initial=initial)
        keyed = mark is not None and mark.keyed is True
        if not cursor.lag and (keyed or context.name in context.settings.told):
            made.tell_by(cursor.boundary or (() if hints.key_of_columns else hints.primary_key))
        made.sets = sets
    context.tracker = made if cursor.shared else None
    return made


def leading(tracker: AnyTracker | None, kept: Sequence[RawRecord]) -> Sequence[RawRecord]:
    """The records of a page that lead to children, of which these are kept."""
    return tracker.leads if isinstance(tracker, Tracker) else kept


async def missing_above(context: StreamContext) -> list[ReadError]:
    """What a stream lacks because one of its parents was not read in full, once they are over."""
    found = []
    for above in context.parents:
        await above.over.wait()
        if not above.whole:
            text = f"{above.name!r} could not be read in full"
            found.append(ReadError(text, code="parent-lost", hint=_ABOVE))
            found[-1].__cause__ = above.cause
        elif above.tally.slices_skipped and context.stream.hints.write == "replace":
            text = f"{above.name!r} only went on with what an earlier run had left"
            found.append(ReadError(text, code="parent-lost", hint=_AGAIN))
    return found


def alone(partition: Partition | None) -> bool:
    """Whether what one parent lists makes a partition by itself."""
    match partition:
        case Parent():
            return True
        case Chain():
            return all(alone(member) for member in partition.members)
        case _:
            return False


def check_combined(context: StreamContext) -> None:
    """See that all was read that the records of a slice led to, with those of other parents.

    Raises:
        ReadError: it was not. The slice must not close: its records would not be listed again, and
            what they are combined with is known to nobody.
    """
    if context.contiguous or not (context.passes_over or context.depends_on_cursor):
        return
    for child in context.children:
        names = combined(child.stream.partition, context.name)
        lacking = [above.name for above in child.parents if above.name in names and above.lacks]
        if lacking:
            text = (
                f"{lacking[0]!r} could not be read in full, which {child.name!r} combines with it"
            )
            raise ReadError(text, code="parent-lost", hint=_ABOVE)
        if child.unmade:
            text = f"what {child.name!r} combines could not be read"
            raise ReadError(text, code="parent-lost", hint=_ABOVE)


def remembered(context: StreamContext, piece: Slice | None = None) -> StateEntries:
    """What functions of the document remember, with the stream's only slice or at its end.

    Of several slices each may have changed a part of it, so that it holds when all are complete.
    """
    sliced = context.stream.partition is not None
    if context.memory is None or context.lost or sliced == (piece is not None):
        return ()
    return context.memory.entries()


def ending_state(context: StreamContext) -> StateEntries:
    """What of the state changes at the end of a stream of which no slice was lost.

    Raises:
        ReadError: something is remembered that cannot be kept.
    """
    kept = remembered(context)
    cursor, tracker = context.stream.cursor, context.tracker
    if context.lost or cursor is None or cursor.end is not None or tracker is None:
        return kept
    mark = _told(tracker.mark(), cursor)
    return kept if mark.value is None else (("cursor", states.write(mark)), *kept)


def _told(mark: Mark, cursor: Cursor) -> Mark:
    """The mark of a stream's only cursor, with where its value stands."""
    return msgspec.structs.replace(mark, path=cursor_path(cursor))


def closing_state(context: StreamContext, piece: Slice, tracker: AnyTracker | None) -> StateEntries:
    """The state entries that a closed slice changes."""
    return (*_closing(context, piece, tracker), *remembered(context, piece))


def _closing(context: StreamContext, piece: Slice, tracker: AnyTracker | None) -> StateEntries:
    if context.follower is not None and isinstance(tracker, (SpanTracker, CountTracker)):
        found = context.follower.close(piece, tracker.newest)
        context.keep(found)
        return tuple(found)
    entries: list[tuple[str, str | None]] = []
    cursor = context.stream.cursor
    key = piece.partition_key
    if entry("todo", key) in context.state:
        entries.append((entry("todo", key), None))
    if cursor is None or cursor.shared or not isinstance(tracker, Tracker):
        return (*entries, *_done(context, piece))
    if cursor.window is not None and piece.range is not None:
        name = entry("windows", key)
        text = states.with_window(context.state.get(name), cursor, piece.range, tracker.mark())
        context.state[name] = text
        entries.append((name, text))
    elif cursor.end is None:
        mark = tracker.mark() if key else _told(tracker.mark(), cursor)
        if mark.value is not None:
            entries.append((entry("cursor", key), states.write(mark)))
    else:  # a range with an end leaves no value to go on from
        entries += _done(context, piece)
    return tuple(entries)


def _done(context: StreamContext, piece: Slice) -> StateEntries:
    """Slices without a cursor are marked, so that a pass over several that is cut off can go on.

    The mark is of the version of the records above: those that have changed since then lead to a
    partition for the last time in a long while, and what it holds may have changed as well.
    """
    stream = context.stream
    if not (stream.partition or stream.together) or stream.hints.write == "replace":
        return ()
    if context.stream.hints.write == "merge" and any(unsure() for unsure in piece.unsure):
        return ()  # it is read again, which does no harm
    name, mark = f"done/{piece.key}", done_mark(piece)
    context.state[name] = mark
    return ((name, mark),)


def done_mark(piece: Slice) -> str:
    """What the state says of a slice that is complete."""
    return piece.version or "true"


def is_done(context: StreamContext, piece: Slice) -> bool:
    """Whether a run that was cut off has read a slice, so that this one passes it over.

    Not where all that is below it is needed again, if its own rows may come again.
    """
    if context.state.get(f"done/{piece.key}") != done_mark(piece):
        return False
    needed = context.feeds_replaced and context.stream.hints.write != "append"
    return not needed
