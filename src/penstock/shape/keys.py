"""The key of a merge: which columns it is, that every row has it, and rows that share it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from penstock.errors import ShapeError
from penstock.plan.hints import Hints
from penstock.shape import names
from penstock.shape.exact import excerpt
from penstock.shape.frame import Frame
from penstock.shape.place import fits
from penstock.shape.report import Tally
from penstock.shape.schema import Segment
from penstock.shape.tree import Tree
from penstock.shape.values import decode


class Keys:
    """The key of one stream, settled by its first rows and fixed from then on."""

    def __init__(self, tree: Tree, hints: Hints, tally: Tally) -> None:
        self._tree = tree
        self._hints = hints
        self._tally = tally
        self._settled = False
        # a stored key that stands for an inherited one outlives the run that chose it
        self._pinned = tree.key if hints.key_inherited else ()

    @property
    def wanted(self) -> bool:
        """Whether rows are told apart by key at all."""
        return self._hints.write == "merge" and bool(self._hints.primary_key)

    def columns(self, frame: Frame, segments: list[Segment]) -> list[str]:
        """The names of the key's columns, none of which is null in any row.

        Raises:
            ShapeError: a row has no key.
        """
        if not self._settled and frame.rows:
            self._settle(frame)
        for name in self._tree.key:
            array = frame.columns.get(name)
            if frame.rows and (array is None or array.null_count):
                self._complain(name, segments)
        return list(self._tree.key)

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
            name if name is not None else names.identifier(field)
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
        node = (self._tree.root.record.fields or {}).get(field)
        if node is not None and node.main is not None:
            return node.main.name
        wanted = names.identifier(field)
        columns = (column for column in self._tree.root.columns if not column.variant)
        return next((column.name for column in columns if column.name == wanted), None)

    def _complain(self, name: str, segments: list[Segment]) -> None:
        node = next((c.node for c in self._tree.root.columns if c.name == name), None)
        path = node.path if node is not None else (name,)
        for segment in segments:
            extras = dict(segment.extras)
            for record in segment.records:
                value = decode(record)
                found = _lookup(value, path)
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


def _lacks(frame: Frame, name: str | None) -> bool:
    array = frame.columns.get(name) if name is not None else None
    return array is None or bool(array.null_count)


def _lookup(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _fills(found: Any, name: str, tree: Tree) -> bool:
    """Whether `found` is a value of the key's column."""
    if found is None or isinstance(found, dict | list):
        return False
    column = next((c for c in tree.root.columns if c.name == name), None)
    return column is not None and fits(column, found) is not None


def identities(frame: Frame, key: list[str]) -> pa.Array:
    """One text a row that tells rows apart as the key does."""
    texts = [_plain(frame.columns[name]) for name in key]
    if len(texts) == 1:
        return texts[0]
    return pc.binary_join_element_wise(*(_escaped(text) for text in texts), "|")


def _plain(array: pa.Array) -> pa.Array:
    text = array.cast(pa.string())
    if pa.types.is_decimal(array.type) and array.type.scale:
        # the same number has one text, also where the column was an integer's before
        text = pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), ".")
    return text


def _escaped(text: pa.Array) -> pa.Array:
    return pc.replace_substring(pc.replace_substring(text, "\\", "\\\\"), "|", "\\|")


def last_rows(identity: pa.Array) -> pa.Array | None:
    """The rows that are the last with their identity, in order; None if that is every row."""
    rows = len(identity)
    if pc.count_distinct(identity).as_py() == rows:
        return None
    numbered = pa.table({"identity": identity, "row": pa.array(range(rows), pa.int64())})
    last = numbered.group_by("identity").aggregate([("row", "max")])
    return last["row_max"].combine_chunks().sort()


def keep_rows(frames: dict[str, Frame], tree: Tree, rows: pa.Array) -> dict[str, Frame]:
    """Only the given rows of the root, and only what hangs on them."""
    kept: dict[str, Frame] = {tree.root.name: _taken(frames[tree.root.name], rows, None)}
    chosen = {tree.root.name: rows}
    for table in tree.tables[1:]:
        assert table.parent is not None
        frame = frames[table.name]
        # a row's place among the kept parents; null where its parent is gone
        places = pc.index_in(frame.parents, value_set=chosen[table.parent.name])
        mine = pc.indices_nonzero(places.is_valid()).cast("int64")
        chosen[table.name] = mine
        kept[table.name] = _taken(frame, mine, places.take(mine).cast("int64"))
    return kept


def _taken(frame: Frame, rows: pa.Array, parents: Any) -> Frame:
    return Frame(
        rows=len(rows),
        columns={name: array.take(rows) for name, array in frame.columns.items()},
        parents=parents,
        index=None if frame.index is None else frame.index.take(rows),
    )
