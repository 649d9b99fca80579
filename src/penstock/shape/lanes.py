"""From a block to its batch: which records take which lane, and what the rows are called."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any, Literal

import msgspec

from penstock import arrow
from penstock.plan.hints import Hints
from penstock.shape import dlt_ids
from penstock.shape.assemble import assemble, ordinals
from penstock.shape.contract import Judge
from penstock.shape.exact import ExactLane
from penstock.shape.frame import Frame, Frames, concat
from penstock.shape.grow import named
from penstock.shape.keys import Keys, identities, keep_rows, last_rows, versions
from penstock.shape.main import MainLane, Refused, within
from penstock.shape.report import Tally
from penstock.shape.required import Required
from penstock.shape.schema import Batch, Block, Schema, Segment
from penstock.shape.tree import Tree
from penstock.shape.values import EXACT_INTEGER

Lane = Literal["auto", "main", "exact"]

# records that go to the exact lane first: they show the schema, and which fields are null or empty
_FIRST_LOOK = 256
_PIECE = 1024  # records that go to the exact lane together when a larger piece is refused
_PARTS = 8  # pieces that a refused piece falls into


class Lanes:
    """Sends pieces of blocks down the main lane, and what it refuses down the exact one."""

    def __init__(  # noqa: PLR0913, PLR0917 (all that a shaper is made of)
        self,
        tree: Tree,
        hints: Hints,
        known: Schema | None,
        tally: Tally,
        lane: Lane,
        numbered: dict[str, int],
    ) -> None:
        self._tree = tree
        self._hints = hints
        self._tally = tally
        nested = {n: one.contract for n, one in named(tree, hints) if one.contract}
        judge = Judge(hints.contract, known, nested)
        self._exact = ExactLane(tree, judge, tally)
        self._main = MainLane(tree)
        self._keys = Keys(tree, hints, tally)
        self._required = Required(tree, hints)
        self._lane = lane
        self._learned = False
        self._numbered = numbered

    def shape(self, block: Block) -> Batch:
        """The tables of a block's records.

        Raises:
            ShapeError: a record cannot be shaped, or has no key.
            ContractError: the contract forbids what a record brings.
        """
        segments = [segment for segment in block.segments if segment.records]
        pieces = [self._piece(piece) for piece in self._pieces(segments)]
        frames = concat(self._tree, pieces or [{}])
        left_out, self._exact.left_out = self._exact.left_out, []
        self._required.check(frames[self._tree.root.name], segments)
        beside = self._beside(segments, {id(record) for record, _ in left_out})
        frames, ids, beside = self._identify(frames, block.load_id, segments, beside)
        batch = assemble(
            self._tree, frames, block.load_id, ids, versions=beside.versions, above=beside.above
        )
        discarded = (*(why for _, why in left_out), *self._exact.dropped())
        return msgspec.structs.replace(batch, discarded=discarded) if discarded else batch

    def _beside(self, segments: list[Segment], out: Container[int]) -> _Beside:
        """What records that have a row say of it; `out` are those that have none."""
        rows = None
        if self._hints.versions and not self._hints.validity.version:
            rows = (dlt_ids.by_record if self._dlt else versions)(segments, out)
        if not self._dlt:
            return _Beside(versions=rows)
        given = rows if rows is not None else self._given(segments, out)
        return _Beside(versions=rows, given=given, above=dlt_ids.told("roots", segments, out))

    def _given(self, segments: list[Segment], out: Container[int]) -> Any:
        """The ids of rows where these are known: digests of a key, or drawn before."""
        digests = self.digests(segments, out)
        return dlt_ids.told("ids", segments, out) if digests is None else digests

    def digests(self, segments: Sequence[Segment], out: Container[int] = ()) -> Any:
        """The ids of rows where dlt's are digests of their key; None where they are not."""
        if not self._keys.wanted or self._hints.strategy not in {"upsert", "insert-only"}:
            return None
        return dlt_ids.by_key(segments, out, self._keys.paths())

    @property
    def _dlt(self) -> bool:
        return self._tree.system == "dlt"

    def _pieces(self, segments: list[Segment]) -> Iterator[list[Segment]]:
        """Pieces of a block, each tried on the main lane as a whole."""
        if self._lane == "auto" and not self._learned and segments:
            head, segments = split(segments, _FIRST_LOOK)
            yield head
        if segments:
            yield segments

    def _piece(self, segments: list[Segment]) -> Frames:
        if self._lane == "exact" or (self._lane == "auto" and not self._learned):
            self._learned = True
            return self._shape_exactly(segments)
        try:
            return self._shape_fast(segments)
        except Refused:
            if self._lane == "main":
                raise
        if count(segments) <= _PIECE:
            return self._shape_exactly(segments)
        # one odd record shall not cost the whole block its speed
        return concat(self._tree, [self._piece(part) for part in parts(segments)])

    def _shape_fast(self, segments: list[Segment]) -> dict[str, Frame]:
        frames = self._main.shape(segments)
        self._tally.add("main_blocks")
        self._tally.add("main_rows", frames[self._tree.root.name].rows)
        self._note_wide(frames)
        self._note_seen(frames)
        return frames

    def _shape_exactly(self, segments: list[Segment]) -> dict[str, Frame]:
        frames = self._exact.shape(segments)
        root = frames.get(self._tree.root.name)
        self._tally.add("exact_blocks")
        self._tally.add("exact_rows", root.rows if root else 0)
        self._note_wide(frames)
        self._note_seen(frames)
        return frames

    def _note_wide(self, frames: Frames) -> None:
        """Mark integer columns that can no longer become doubles without loss."""
        for table in self._tree.tables:
            frame = frames.get(table.name)
            for column in table.columns if frame else ():
                array = frame.columns.get(column.name) if frame else None
                if array is None or column.wide or column.type != "bigint":
                    continue
                if not within(array, -EXACT_INTEGER, EXACT_INTEGER):
                    column.wide = True
                    self._tree.version += 1

    def _note_seen(self, frames: Frames) -> None:
        """Take what holds a row or a value now off the list of what never did."""
        for table in self._tree.tables:
            frame = frames.get(table.name)
            if table.bare and frame is not None and frame.rows:
                table.bare = False
                self._tree.version += 1
            for name in list(table.unseen) if frame else ():
                array = frame.columns.get(name) if frame else None
                if array is not None and array.null_count < len(array):
                    table.unseen.pop(name).placed = True

    def _identify(
        self,
        frames: dict[str, Frame],
        load_id: str,
        segments: list[Segment],
        beside: _Beside,
    ) -> tuple[dict[str, Frame], Any, _Beside]:
        """The frames with one row a key, the ids of the root's rows, and what is said of them."""
        root = frames[self._tree.root.name]
        self._keys.check(root, segments)
        if not self._keys.wanted:
            ids = beside.versions if beside.versions is not None else self._keys.versions(root)
        else:
            key = self._keys.columns(root, segments)
            if not root.rows:
                return frames, ordinals(load_id, 0, 0), beside
            ids = identities(root, key)
        last = last_rows(ids, self._keys.order(root)) if ids is not None else None
        if last is not None:
            self._tally.add("duplicate_rows", root.rows - len(last))
            frames, ids = keep_rows(frames, self._tree, last), arrow.take(ids, last)
            beside = beside.take(last)
        rows = frames[self._tree.root.name].rows
        if self._dlt:
            given = beside.given
            return frames, dlt_ids.by_chance(rows) if given is None else given, beside
        if self._keys.wanted and not self._hints.versions:
            return frames, ids, beside
        # rows without a key, and versions of a row, are told apart by their place in the load
        return frames, self._ordinals(load_id, rows) if self._tree.with_ids else None, beside

    def _ordinals(self, load_id: str, rows: int) -> Any:
        # Loads are filled side by side: each goes on from where its last block ended.
        first = self._numbered.get(load_id, 0)
        self._numbered[load_id] = first + rows
        return ordinals(load_id, first, rows)


def count(segments: Sequence[Segment]) -> int:
    """Records in all segments."""
    return sum(len(segment.records) for segment in segments)


def split(segments: Sequence[Segment], records: int) -> tuple[list[Segment], list[Segment]]:
    """The segments of the first `records` records, and those of the rest."""
    head: list[Segment] = []
    for number, segment in enumerate(segments):
        size = len(segment.records)
        if records <= size:
            tail = segment.part(records, size)
            rest = [*([tail] if tail.records else []), *segments[number + 1 :]]
            return [*head, segment.part(0, records)], rest
        head.append(segment)
        records -= size
    return head, []


def parts(segments: list[Segment]) -> Iterator[list[Segment]]:
    """The segments in parts that are worth a try of their own."""
    size = max(_PIECE, -(-count(segments) // _PARTS))
    while segments:
        part, segments = split(segments, size)
        yield part


class _Beside(msgspec.Struct, frozen=True, kw_only=True):
    """What the records say of their rows beside the columns: each an array, or None.

    `versions` tells versions of a row apart, `given` are ids, and `above` those of the rows that a
    nested table's are from.
    """

    versions: Any = None
    given: Any = None
    above: Any = None

    def take(self, rows: Any) -> _Beside:
        """The same of some of the rows."""
        fields = msgspec.structs.asdict(self).items()
        return _Beside(
            **{name: arrow.take(held, rows) for name, held in fields if held is not None}
        )
