"""Checks of a whole plan, the same for every dialect."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Literal

import msgspec

from penstock.errors import Diagnostic, PlanError, closest_or_all
from penstock.patterns import pattern
from penstock.plan import pagination, together
from penstock.plan.request import Request
from penstock.plan.slices import Parent, Partition
from penstock.plan.source import Source, Stream

_ORDER = pattern(r"sort|\border\b|order_?(by|ing|dir)", re.IGNORECASE)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a plan, and with which stream of it."""

    code: str
    severity: Literal["error", "warning"]
    message: str
    stream: str = ""
    hint: str | None = None


def parents(partition: Partition | None) -> tuple[Parent, ...]:
    """The parents a partition names, also inside its members."""
    if partition is None:
        return ()
    if isinstance(partition, Parent):
        return (partition,)
    inner: tuple[Partition, ...] = getattr(partition, "members", ())
    held: Partition | None = getattr(partition, "of", None)
    found = (*inner, held) if held is not None else inner
    return tuple(parent for one in found for parent in parents(one))


def streams_there(source: Source) -> Iterator[Finding]:
    """A source has streams."""
    if not source.streams:
        yield Finding(code="no-streams", severity="error", message="there are no streams")


def names_are_unique(source: Source) -> Iterator[Finding]:
    """No two streams have one name."""
    counts = Counter(stream.name for stream in source.streams)
    for name, count in counts.items():
        if count > 1:
            message = f"there are {count} streams called {name!r}"
            yield Finding(code="duplicate-name", severity="error", message=message, stream=name)


def names_can_be_kept(source: Source) -> Iterator[Finding]:
    """Every stream has a name, and one that a ledger can hold."""
    hint = "give the stream a name of letters that can be seen"
    for stream in source.streams:
        holds = "\0" in stream.name
        if not holds and stream.name.strip():
            continue
        yield Finding(
            code="bad-name",
            severity="error" if holds else "warning",
            message=f"the name {stream.name!r} holds U+0000" if holds else "a stream has no name",
            stream=stream.name,
            hint=hint,
        )


def parents_exist(source: Source) -> Iterator[Finding]:
    """Every parent is a stream of the source."""
    names = [stream.name for stream in source.streams]
    for stream in source.streams:
        for parent in parents(stream.partition):
            if parent.stream not in names:
                yield Finding(
                    code="unknown-parent",
                    severity="error",
                    message=f"there is no stream {parent.stream!r} to be the parent",
                    stream=stream.name,
                    hint=closest_or_all(parent.stream, names),
                )


def parents_do_not_circle(source: Source) -> Iterator[Finding]:
    """No stream is its own ancestor."""
    graph = {s.name: {p.stream for p in parents(s.partition)} for s in source.streams}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as exc:
        ring = list(exc.args[1])
        message = f"these streams are each other's parents: {' → '.join(reversed(ring))}"
        yield Finding(code="parent-cycle", severity="error", message=message, stream=ring[0])


def merges_have_keys(source: Source) -> Iterator[Finding]:
    """A merge has a key to merge by."""
    for stream in source.streams:
        if _merges_blindly(stream):
            yield Finding(
                code="merge-without-key",
                severity="warning",
                message="a merge without a key ends at its first record",
                stream=stream.name,
                hint="give primary_key or merge_key",
            )


def _merges_blindly(stream: Stream) -> bool:
    hints = stream.hints
    keyed = hints.primary_key or hints.merge_key or hints.strategy == "scd2"
    return hints.write == "merge" and not keyed and stream.selected


def tables_are_said_alike(source: Source) -> Iterator[Finding]:
    """Streams that load one table say the same of it."""
    loaded = [stream for stream in source.streams if stream.selected]
    names = {stream.name for stream in loaded}
    for table, held in together.tables(loaded).items():
        first = together.deciding(held, source.streams, names)
        for stream in held:
            unlike = dict.fromkeys(
                word for field, word in _OF_TABLES.items() if _differ(stream, first, field)
            )
            if unlike:
                yield Finding(
                    code="shared-hints",
                    severity="warning",
                    message=(
                        f"{stream.name!r} loads the table {table!r} with another "
                        f"{' and '.join(unlike)} than {first.name!r}, which counts"
                    ),
                    stream=stream.name,
                    hint="say the same of both, or give one of them another table name",
                )


_OF_TABLES = {
    "write": "disposition",
    "strategy": "disposition",
    "primary_key": "primary key",
    "merge_key": "merge key",
    "soft_delete": "soft_delete",
    "validity": "validity of versions",
    "contract": "contract",
    "nested": "nested hints",
    "max_nesting": "depth of nesting",
    "nesting": "nesting",
    "nesting_at": "nesting",
    "columns": "set of columns",
}


def _differ(one: Stream, other: Stream, field: str) -> bool:
    if field == "columns":  # of those that one lacks nothing goes unheard
        return any(column not in other.hints.columns for column in one.hints.columns)
    return bool(getattr(one.hints, field) != getattr(other.hints, field))


def pages_hold_still(source: Source) -> Iterator[Finding]:
    """Where only what is new is read and appended, counted pages have an order, or rows a key.

    A row that slips from a page that is to come to one that was read is never asked for again.
    """
    for stream in source.streams:
        if _shifts_unseen(stream):
            yield Finding(
                code="pages-may-shift",
                severity="warning",
                message=(
                    "pages are counted in no order that is said, and new rows appended without a "
                    "key: where rows come or go meanwhile, one may be missed for good, or doubled"
                ),
                stream=stream.name,
                hint="give a param that sorts the oldest first, or a primary_key",
            )


def _shifts_unseen(stream: Stream) -> bool:
    hints, cursor = stream.hints, stream.cursor
    if cursor is None or cursor.order == "asc" or hints.write != "append" or not stream.selected:
        return False
    counted = isinstance(stream.pagination, pagination.Counter)
    keyed = hints.primary_key or hints.merge_key
    return counted and not keyed and not _sorted(stream.request)


def _sorted(request: Request) -> bool:
    """Whether a request names an order, in whatever words: in params, a query or a body."""
    query = repr(request.url).partition("?")[2]
    names = " ".join(param.slot.name for param in request.params)
    return _ORDER.search(f"{names} {query} {request.body!r}") is not None


CHECKS: tuple[Callable[[Source], Iterator[Finding]], ...] = (
    streams_there,
    names_are_unique,
    names_can_be_kept,
    parents_exist,
    parents_do_not_circle,
    merges_have_keys,
    tables_are_said_alike,
    pages_hold_still,
)


def check(source: Source) -> tuple[Finding, ...]:
    """Everything that is wrong with a plan as a whole."""
    return tuple(finding for one in CHECKS for finding in one(source))


def check_streams(source: Source | Sequence[str], wanted: Iterable[str]) -> None:
    """Refuse names that no stream of a source, or none of these, has.

    Raises:
        PlanError: with one diagnostic for each.
    """
    known = [s.name for s in source.streams] if isinstance(source, Source) else list(source)
    unknown = [_unknown(name, known) for name in wanted if name not in known]
    if unknown:
        raise PlanError(unknown)


def _unknown(name: str, known: list[str]) -> Diagnostic:
    return Diagnostic(
        code="stream-unknown",
        severity="error",
        message=f"no stream is called {name!r}",
        hint=closest_or_all(name, known),
    )
