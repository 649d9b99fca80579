"""What becomes of nested values, where the call or the destination has a say in it."""

from __future__ import annotations

import msgspec

from penstock.plan.hints import Hints, Nesting
from penstock.plan.source import Source, Stream


def with_nesting(source: Source, nesting: Nesting | None) -> Source:
    """The source with every stream nested as the call says; what is said of paths stays."""
    if nesting is None:
        return source
    streams = tuple(_nested(stream, nesting) for stream in source.streams)
    return msgspec.structs.replace(source, streams=streams)


def _nested(stream: Stream, nesting: Nesting) -> Stream:
    hints = msgspec.structs.replace(stream.hints, nesting=nesting)
    if stream.hints.nesting == "json" != nesting:
        # JSON is what objects and lists were declared as only because all of them were to be that
        columns = tuple(column for column in hints.columns if column.type != "json")
        hints = msgspec.structs.replace(hints, columns=columns)
    return msgspec.structs.replace(stream, hints=hints)


def without_structs(hints: Hints) -> Hints:
    """The hints for a destination that has no nested types: JSON in their place."""
    at = tuple((path, _plain(nesting)) for path, nesting in hints.nesting_at)
    return msgspec.structs.replace(hints, nesting=_plain(hints.nesting), nesting_at=at)


def _plain(nesting: Nesting) -> Nesting:
    return "json" if nesting == "struct" else nesting
