"""Frames made into the tables a destination takes: ids, links to parents, columns in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from penstock import arrow
from penstock.shape import dlt_ids
from penstock.shape.fold import folded
from penstock.shape.frame import Frame
from penstock.shape.schema import Batch
from penstock.shape.tree import TableState, Tree


def assemble(  # noqa: PLR0913 (all that rows are made of)
    tree: Tree,
    frames: Mapping[str, Frame],
    load_id: str,
    root_ids: Any,
    *,
    versions: Any = None,
    above: Any = None,
) -> Batch:
    """The batch of these frames.

    `root_ids` are the ids of the root's rows, where rows have ids, and `versions` what tells the
    versions of a row apart, where they are kept. `above` are the ids of the rows that those of a
    nested table name.
    """
    ids: dict[str, Any] = {tree.root.name: root_ids}
    roots: dict[str, Any] = {tree.root.name: root_ids}
    names = tree.own
    tables = {}
    for table in tree.tables:
        if table.folded:
            continue
        frame = frames[table.name]
        own = {names.load_id: arrow.repeat(load_id, pa.string(), frame.rows)}
        if table.parent is not None:
            parent_ids = arrow.take(ids[table.parent.name], frame.parents)
            ids[table.name] = _child_ids(tree, table, parent_ids, frame.index)
            own |= {names.parent_id: parent_ids, names.list_index: frame.index}
            if table.rooted and names.root_id:
                own[names.root_id] = roots[table.name] = roots[table.parent.name].take(
                    frame.parents
                )
        else:
            own |= _history(tree, frame.rows, versions)
            if table.rooted and names.root_id:
                own[names.root_id] = pa.nulls(frame.rows, pa.string()) if above is None else above
        own[names.row_id] = ids[table.name]
        tables[table.name] = _table(tree, table, frames, own)
    return Batch(tables=tables)


def _table(
    tree: Tree, table: TableState, frames: Mapping[str, Frame], own: Mapping[str, Any]
) -> pa.Table:
    arrays = {name: own[name] for name in tree.system_columns(table)}
    for piece in table.layout.pieces:
        arrays[piece.name] = folded(piece, table, frames)
    return pa.table(arrays)


def _history(tree: Tree, rows: int, versions: Any) -> dict[str, Any]:
    """The root's columns of instants, which the destination fills, and of versions."""
    instants = {
        name: pa.nulls(rows, pa.timestamp("us", "UTC"))
        for name in tree.system_columns(tree.root)
        if name in tree.own.instants
    }
    return instants if versions is None else {**instants, tree.own.version: versions}


def _child_ids(tree: Tree, table: TableState, parent_ids: pa.Array, index: pa.Array) -> pa.Array:
    """A parent's id and the place in its list: unique in the table, as a row has one list there."""
    if tree.system == "dlt":
        return dlt_ids.by_place(parent_ids.to_pylist(), table.name, index.to_pylist())
    return arrow.joined("/", parent_ids, arrow.cast(index, pa.string()))


def ordinals(load_id: str, first: int, rows: int) -> pa.Array:
    """Ids for rows without a key: their place in the load."""
    texts = arrow.cast(arrow.plus(arrow.count_up(rows), first), pa.string())
    return arrow.joined("-", arrow.scalar(load_id, pa.string()), texts)
