"""The kinds of streams that histories are about, and the documents that say them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from penstock.engine import compile_source
from penstock.plan.source import Source, Stream

DOCUMENTS = Path(__file__).parent / "documents"
MANIFEST, SEVERAL = "world-manifest.yaml", "world-several.yaml"


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What is loaded, and what is promised of it.

    `once` has nothing to say what is new: a run after one that was complete appends all again.
    `above` are the streams above it, `called` is its table. A `pass` over them that was cut off is
    gone on with: what is new meanwhile in a partition that was read already is for the pass after
    it. What asks for rows that are newer than the newest one misses those of its moment that come
    after it, so where such a thing is read nothing `grows` while it is, nor where the newest rows
    come first and move all others. Dispositions may take `turns` from run to run.
    What is loaded `alone` passes over parents that are read in full then, whatever their cursor.
    With a `history` versions of rows are kept, and what is gone is retired.
    Of a table that several streams load, `other` is the second: that of the odd rows.
    """

    stream: str
    write: str
    document: str = "world.yaml"
    once: bool = False
    above: tuple[str, ...] = ()
    passes: bool = False
    alone: bool = False
    grows: bool = True
    called: str = ""
    turns: tuple[str, ...] = ()
    history: bool = False
    other: str = ""

    @property
    def members(self) -> tuple[str, ...]:
        """The streams that load its table: of even rows, and of odd ones, or of all."""
        return (self.stream, self.other) if self.other else (self.stream,)

    @property
    def table(self) -> str:
        """The name of its table."""
        return self.called or self.stream


# Whose disposition changes: of what stands alone or below streams that are read in full; and of
# what is below a cursor, where a table that is replaced would hold only what that lists.
_ANY = ("append_since", "append_windows", "merge_since", "merge_windows", "kids_append")
_BELOW = ("recent_append", "deep_append", "recent_pairs_append", "windows_below", "carrying_append")
_TURNS = {
    **dict.fromkeys((*_ANY, "pairs_append", "even_since"), ("append", "merge", "replace")),
    **dict.fromkeys((*_BELOW, "even_below"), ("append", "merge")),
}
_GROUPS = ("manifest_groups",)
_RECENT = ("manifest_recent",)
_ALL = (
    Kind(stream="append_page", write="append", once=True),
    Kind(stream="append_newest", write="append", once=True, grows=False),
    Kind(stream="append_cursor", write="append", once=True),
    Kind(stream="append_since", write="append"),
    Kind(stream="append_windows", write="append"),
    Kind(stream="merge_offset", write="merge"),
    Kind(stream="versions_offset", write="merge", grows=False, history=True),
    Kind(stream="merge_since", write="merge"),
    Kind(stream="merge_windows", write="merge"),
    Kind(stream="replace_page", write="replace"),
    Kind(stream="replace_link", write="replace"),
    Kind(stream="kids_append", write="append", above=("groups",)),
    Kind(stream="kids_merge", write="merge", above=("groups",), passes=True),
    Kind(stream="kids_replace", write="replace", above=("groups",)),
    Kind(stream="recent_merge", write="merge", above=("recent",), alone=True),
    Kind(stream="recent_append", write="append", above=("recent",)),
    Kind(stream="deep_merge", write="merge", above=("recent", "middle"), alone=True),
    Kind(stream="deep_append", write="append", above=("recent", "middle")),
    Kind(stream="deep_replace", write="replace", above=("groups", "middle_groups")),
    Kind(stream="manifest_merge", write="merge", document=MANIFEST),
    *(
        Kind(stream=f"manifest_{name}", write=write, document=MANIFEST, above=above, grows=grows)
        for name, write, above, grows in (
            ("kids", "merge", _GROUPS, True),
            ("full", "replace", (), True),
            ("full_kids", "replace", _GROUPS, True),
            ("full_deep", "replace", (*_GROUPS, "manifest_middle_groups"), True),
            ("append", "append", (), False),
            ("append_kids", "append", _GROUPS, False),
            ("global_kids", "merge", _GROUPS, True),
            ("recent_kids", "merge", _RECENT, True),
            ("recent_append", "append", _RECENT, False),
            ("deep", "merge", (*_RECENT, "manifest_middle"), True),
            ("list_kids", "merge", _GROUPS, True),
            ("list_append", "append", _RECENT, False),
        )
    ),
    *(
        Kind(
            stream=name,
            write=write,
            document=SEVERAL,
            above=above,
            passes=passes,
            alone=name == "recent_pairs_merge",
        )
        for name, write, above, passes in (
            ("pairs_merge", "merge", ("groups", "parities"), True),
            ("pairs_append", "append", ("groups", "parities"), False),
            ("pairs_replace", "replace", ("groups", "parities"), False),
            ("recent_pairs_merge", "merge", ("recent", "parities"), False),
            ("recent_pairs_append", "append", ("recent", "parities"), False),
            ("windows_below", "append", ("recent",), False),
            ("carrying_merge", "merge", ("groups",), True),
            ("carrying_append", "append", ("recent",), False),
            ("carrying_replace", "replace", ("groups",), False),
        )
    ),
    *(
        Kind(
            stream=f"even_{name}",
            other=f"odd_{name}",
            write=write,
            document=SEVERAL,
            above=above,
            once=name == "append",
            passes=name in {"merge", "append"},
            alone=name == "merged",
            called=f"halves_{name}",
        )
        for name, write, above in (
            ("merge", "merge", ("groups",)),
            ("append", "append", ()),
            ("replace", "replace", ("groups",)),
            ("since", "append", ()),
            ("mixed", "merge", ()),
            ("below", "append", ("recent",)),
            ("merged", "merge", ("recent",)),
        )
    ),
)
KINDS = tuple(
    msgspec.structs.replace(kind, turns=_TURNS.get(kind.stream, (kind.write,))) for kind in _ALL
)


@cache
def _source(document: str) -> Source:
    return compile_source(str(DOCUMENTS / document)).need()


@cache
def plan(kind: Kind, concurrency: int, write: str) -> Source:
    """The plan of one kind, its parents' stream included, written so."""
    source = _source(kind.document)
    names = {*kind.members, *kind.above}
    streams = tuple(
        _written(s, write) if s.name in kind.members and write != kind.write else s
        for s in source.streams
        if s.name in names
    )
    limits = msgspec.structs.replace(source.limits, concurrency=concurrency)
    return msgspec.structs.replace(source, streams=streams, limits=limits)


def _written(stream: Stream, write: str) -> Stream:
    hints = msgspec.structs.replace(stream.hints, write=write)
    return msgspec.structs.replace(stream, hints=hints)
