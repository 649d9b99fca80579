"""What the reader hands out, in the order in which it may be committed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from penstock.errors import Error
from penstock.plan import jsontext
from penstock.plan.expr import JsonValue
from penstock.plan.hints import Hints
from penstock.plan.page import Position
from penstock.plan.slices import Slice
from penstock.read.decode import RawRecord

StateEntries: TypeAlias = tuple[tuple[str, str | None], ...]


class PagePart(msgspec.Struct, frozen=True, kw_only=True):
    """Records of one page of a slice. `following` is where the slice goes on after it, if it does.

    `resumable` says that the position can be kept and the slice taken up there by another run.
    `tables` names the table of each record where they go to several, `hints` are those of tables
    that have some of their own. `files` say of each record where its file is.
    """

    stream: str
    slice: Slice
    records: Sequence[RawRecord]
    origin: str
    size: int  # bytes of JSON text
    following: Position | None = None
    resumable: bool = False
    tables: Sequence[str] | None = None
    hints: Mapping[str, Hints] | None = None
    files: Sequence[JsonValue] | None = None


class SliceClosed(msgspec.Struct, frozen=True, kw_only=True):
    """Every record of a slice, and of the slices its records led to, has been handed out."""

    stream: str
    slice: Slice
    reason: str
    state: StateEntries = ()


class SliceRestarted(msgspec.Struct, frozen=True, kw_only=True):
    """What was handed out of a slice does not count: it comes again, from its start."""

    stream: str
    slice: Slice


class SliceLost(msgspec.Struct, frozen=True, kw_only=True):
    """A slice cannot be completed in this run."""

    stream: str
    slice: Slice
    error: Error
    state: StateEntries = ()


class StreamClosed(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing more comes of a stream; `complete` if all of it was read."""

    stream: str
    complete: bool
    state: StateEntries = ()


def whole(record: RawRecord, piece: Slice) -> bytes:
    """A record with the columns that its slice adds, unless it has a value there itself."""
    if not piece.extras:
        return bytes(record)
    held = jsontext.decode(record)
    if not isinstance(held, dict):
        return bytes(record)
    for name, value in piece.extras:
        if held.get(name) is None:
            held[name] = value
    return jsontext.encode(held)


def changed(state: Mapping[str, str], entries: StateEntries) -> dict[str, str]:
    """The state of a stream after entries; null takes one out."""
    found = {**state, **dict(entries)}
    return {name: text for name, text in found.items() if text is not None}


Part: TypeAlias = PagePart | SliceClosed | SliceRestarted | SliceLost | StreamClosed
