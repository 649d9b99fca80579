"""The columns of a stream's root table that decide how its rows are merged."""

from __future__ import annotations

import msgspec

from penstock.plan.hints import Hints
from penstock.shape.tree import Tree


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Which of several rows of one key stays: the one with the greatest value, or the least."""

    column: str
    descending: bool


class Roles(msgspec.Struct, frozen=True, kw_only=True):
    """Names of columns, by what they decide."""

    key: tuple[str, ...] = ()
    merge_key: tuple[str, ...] = ()
    sort: Order | None = None
    hard_delete: str | None = None
    version: str | None = None


def column_of(tree: Tree, field: str) -> str | None:
    """The main column of a record's field, named as records spell it or as the column is."""
    node = (tree.root.record.fields or {}).get(field)
    if node is not None and node.main is not None:
        return node.main.name
    wanted = tree.called(field)
    columns = (column for column in tree.root.columns if not column.variant)
    return next((column.name for column in columns if column.name == wanted), None)


def roles(tree: Tree, hints: Hints) -> Roles:
    """The roles of columns; one that no record has shown yet has the name it would get."""
    if hints.write != "merge":
        return Roles(key=tree.key)
    deciding = next((c for c in hints.columns if c.dedup_sort), None)
    deleting = next((c.name for c in hints.columns if c.hard_delete), None)
    sort = column_of(tree, deciding.name) if deciding else None
    return Roles(
        key=tree.key,
        merge_key=tuple(column_of(tree, f) or tree.called(f) for f in hints.merge_key),
        sort=Order(column=sort, descending=deciding.dedup_sort == "desc")
        if deciding and sort
        else None,
        hard_delete=column_of(tree, deleting) if deleting else None,
        version=_version(tree, hints),
    )


def _version(tree: Tree, hints: Hints) -> str | None:
    """The column that tells versions of a row apart, where the document names one."""
    named = hints.validity.version if hints.versions else None
    return named and (column_of(tree, named) or tree.called(named))
