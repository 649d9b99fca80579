"""The key of a merge: which columns it is, that every row has it, and rows that share it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Sequence
from typing import Any

import pyarrow as pa

from penstock import arrow
from penstock.errors import ShapeError
from penstock.plan.hints import Hints
from penstock.shape import names
from penstock.shape.exact import excerpt
from penstock.shape.frame import Frame
from penstock.shape.place import takes
from penstock.shape.report import Tally
from penstock.shape.required import lookup
from penstock.shape.roles import Roles, column_of, roles
from penstock.shape.schema import Extra, Segment
from penstock.shape.tree import ColumnState, Tree
from penstock.shape.values import decode


class Keys:
    """The key of one stream, settled by its first rows and fixed from then on."""

    def __init__(self, tree: Tree, hints: Hints, tally: Tally) -> None:
        self._tree = tree
        self._hints = hints
        self._tally = tally
        self._settled = False
        self._told = False
        # a stored key that stands for an inherited one outlives the run that chose it
        self._pinned = tree.key if hints.key_inherited else ()

    @property
    def wanted(self) -> bool:
        """Whether rows are told apart by key at all."""
        return self._hints.write == "merge" and bool(self._hints.primary_key)

    def check(self, frame: Frame, segments: list[Segment]) -> None:
        """Make sure that rows to be merged have something to be merged by.

        Raises:
            ShapeError: the document names no key; the message names fields that could be one. Or
                rows are merged by a `merge_key` alone, and one has none: each run would add it. Or
                versions are kept by sets, and one belongs to none: it would be valid for ever.
        """
        hints = self._hints
        if hints.write == "merge" and (hints.versions or not hints.primary_key):
            self._whole(self.roles().merge_key, frame, segments)
        keyed = hints.primary_key or hints.merge_key or hints.versions
        unmerged = hints.write == "merge" and not keyed
        if not frame.rows or not (unmerged or hints.keyless) or self._told:
            return
        self._told = True
        if unmerged:
            raise ShapeError(
                f"{self._tree.stream}: rows are to be merged, and nothing says by which key",
                code="no-key",
                hint=f"give primary_key; {self._candidates(frame)}",
            )
        self._tally.warn(
            "merge-without-key",
            f"{self._tree.stream}: rows are appended, as nothing says by which key to merge them; "
            f"{self._candidates(frame)}",
            hint="give primary_key",
        )

    def _candidates(self, frame: Frame) -> str:
        """The fields that could be the key, as far as the first rows tell."""
        found = [c for c in self._tree.root.columns if _tells_apart(frame, c)]
        could = ", ".join(repr(".".join(c.node.path) or c.name) for c in found)
        these = f"these fields are all there and all different: {could}" if could else "none is one"
        shown = f"in the first {frame.rows} records" if frame.rows > 1 else "in the first record"
        return f"{shown}, {these}"

    def order(self, frame: Frame) -> Any:
        """Values of which the greatest decides which row of a key stays, or None for the last."""
        sort = self.roles().sort
        if sort is None or sort.column not in frame.columns:
            return None
        values = frame.columns[sort.column]
        order = "ascending" if sort.descending else "descending"
        ranks = arrow.cast(arrow.dense_rank(values, order), pa.int64())
        first = arrow.scalar(0, pa.int64())  # ranks begin at 1
        return arrow.call("if_else", arrow.call("is_null", values), first, ranks)

    def roles(self) -> Roles:
        """The columns that decide about a merge, as they are named now."""
        return roles(self._tree, self._hints)

    def columns(self, frame: Frame, segments: list[Segment]) -> list[str]:
        """The names of the key's columns, none of which is null in any row.

        Raises:
            ShapeError: a row has no key.
        """
        if not self._settled and frame.rows:
            self._settle(frame)
        self._whole(self._tree.key, frame, segments)
        return list(self._tree.key)

    def _whole(self, columns: Sequence[str], frame: Frame, segments: list[Segment]) -> None:
        for name in columns:
            array = frame.columns.get(name)
            if frame.rows and (array is None or array.null_count):
                self._complain(name, segments)

    def versions(self, frame: Frame) -> Any:
        """What tells versions of rows apart, where a column of the document's does."""
        column = self.roles().version
        return identities(frame, [column]) if column and column in frame.columns else None

    def paths(self) -> dict[str, tuple[str, ...]]:
        """The columns of the document's key, and where their values stand in a record."""
        found: dict[str, tuple[str, ...]] = {}
        for field in self._hints.primary_key:
            name = self._column_of(field) or self._tree.called(field)
            column = next((c for c in self._tree.root.columns if c.name == name), None)
            found[name] = column.node.path if column is not None else (field,)
        return found

    def _settle(self, frame: Frame) -> None:
        self._settled = True
        if self._pinned:
            self._tree.key = self._pinned
            return
        own = [self._column_of(field) for field in self._hints.primary_key]
        if self._hints.key_inherited and any(_lacks(frame, name) for name in own):
            other = self._fallback(frame)
            if other is not None:
                self._take_fallback(frame, own, other)
                return
        self._tree.key = tuple(
            name if name is not None else self._tree.called(field)
            for name, field in zip(own, self._hints.primary_key, strict=True)
        )

    def _take_fallback(self, frame: Frame, own: list[str | None], other: str) -> None:
        self._tree.key = (other,)
        arrays = (frame.columns.get(name) if name else None for name in own)
        absent = max(frame.rows if array is None else array.null_count for array in arrays)
        self._tally.add("rows_without_key", absent)
        missing = ", ".join(self._hints.primary_key)
        self._tally.warn(
            "key-fallback",
            f"{self._tree.stream}: {absent} records have no {missing}; {other} is the key instead",
            hint=f"name the key of {self._tree.stream} in the document",
        )

    def _fallback(self, frame: Frame) -> str | None:
        name = self._column_of(f"{names.singular(names.identifier(self._tree.stream))}_id")
        return None if _lacks(frame, name) else name

    def _column_of(self, field: str) -> str | None:
        """The main column of a record's field, named as records spell it or as the column is."""
        return column_of(self._tree, field)

    def _complain(self, name: str, segments: list[Segment]) -> None:
        node = next((c.node for c in self._tree.root.columns if c.name == name), None)
        path = node.path if node is not None else (name,)
        for segment in segments:
            extras = dict(segment.extras)
            for record in segment.records:
                value = decode(record)
                found = lookup(value, path)
                if found is None:
                    found = extras.get(path[0]) if len(path) == 1 else None
                if not _fills(found, name, self._tree):
                    raise self._missing(path, found, value, segment, bytes(record))
        raise AssertionError("a null in a key column comes from a record")

    def _missing(
        self, path: tuple[str, ...], found: Any, value: Any, segment: Segment, record: bytes
    ) -> ShapeError:
        field = ".".join(path)
        what = f"has no {field}" if found is None else f"has {found!r} as {field}, another type"
        keys = ", ".join(value) if isinstance(value, dict) else "none: it is not an object"
        where = f" ({segment.origin})" if segment.origin else ""
        return ShapeError(
            f"{self._tree.stream}: a record {what}, which is the key{where}; "
            f"its keys are: {keys}; record: {excerpt(record)}",
            code="key-missing",
            hint="name a key that every record has, or write with append or replace",
        )


_NO_KEY = frozenset({"json", "double", "bool", "binary"})


def _tells_apart(frame: Frame, column: ColumnState) -> bool:
    array = frame.columns.get(column.name)
    if array is None or array.null_count or column.variant or column.type in _NO_KEY:
        return False
    return arrow.count_distinct(array) == frame.rows


def _lacks(frame: Frame, name: str | None) -> bool:
    array = frame.columns.get(name) if name is not None else None
    return array is None or bool(array.null_count)


def _fills(found: Any, name: str, tree: Tree) -> bool:
    """Whether `found` is a value of the key's column."""
    if found is None or isinstance(found, dict | list):
        return False
    column = next((c for c in tree.root.columns if c.name == name), None)
    return column is not None and takes(column, found)


def identities(frame: Frame, key: list[str]) -> pa.Array:
    """One text a row that tells rows apart as the key does."""
    texts = [_plain(frame.columns[name]) for name in key]
    if len(texts) == 1:
        return texts[0]
    return arrow.joined("|", *(_escaped(text) for text in texts))


def _plain(array: pa.Array) -> pa.Array:
    text = arrow.cast(array, pa.string())
    if pa.types.is_decimal(array.type) and array.type.scale:
        # the same number has one text, also where the column was an integer's before
        text = arrow.trimmed(arrow.trimmed(text, "0"), ".")
    return text


def _escaped(text: pa.Array) -> pa.Array:
    return arrow.replaced(arrow.replaced(text, "\\", "\\\\"), "|", "\\|")


def last_rows(identity: pa.Array, order: pa.Array | None = None) -> pa.Array | None:
    """The rows that are the last with their identity, in order; None if that is every row.

    With `order`, those with the greatest value of it, and of several the last.
    """
    rows = len(identity)
    if arrow.count_distinct(identity) == rows:
        return None
    place = arrow.count_up(rows)
    rank = place
    if order is not None:
        weight = arrow.scalar(rows, pa.int64())
        rank = arrow.call("add", arrow.call("multiply", order, weight), place)
    numbered = pa.table({"identity": identity, "rank": rank})
    last = numbered.group_by("identity").aggregate([("rank", "max")])
    found = arrow.index_in(last["rank_max"].combine_chunks(), rank)
    return arrow.cast(found, pa.int64()).sort()


def versions(segments: Sequence[Segment], left_out: Container[int]) -> pa.Array:
    """A digest of each record, the same however its keys are ordered and its text is spaced."""
    return arrow.array(
        [
            _digest(decode(record), segment.extras)
            for segment in segments
            for record in segment.left(left_out)
        ],
        pa.string(),
    )


def _digest(value: Any, extras: Sequence[tuple[str, Extra]]) -> str:
    text = json.dumps([value, dict(extras)], sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def keep_rows(frames: dict[str, Frame], tree: Tree, rows: pa.Array) -> dict[str, Frame]:
    """Only the given rows of the root, and only what hangs on them."""
    kept: dict[str, Frame] = {tree.root.name: _taken(frames[tree.root.name], rows, None)}
    chosen = {tree.root.name: rows}
    for table in tree.tables[1:]:
        assert table.parent is not None
        frame = frames[table.name]
        # a row's place among the kept parents; null where its parent is gone
        places = arrow.index_in(frame.parents, chosen[table.parent.name])
        valid = arrow.call("is_valid", places)
        mine = arrow.cast(arrow.call("indices_nonzero", valid), pa.int64())
        chosen[table.name] = mine
        kept[table.name] = _taken(frame, mine, arrow.cast(arrow.take(places, mine), pa.int64()))
    return kept


def _taken(frame: Frame, rows: pa.Array, parents: Any) -> Frame:
    return Frame(
        rows=len(rows),
        columns={name: arrow.take(array, rows) for name, array in frame.columns.items()},
        parents=parents,
        index=None if frame.index is None else arrow.take(frame.index, rows),
    )
