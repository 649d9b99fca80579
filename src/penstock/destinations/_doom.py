# ruff: noqa: S608 (identifiers go through quote(), values are parameters)
"""Root rows deleted together with everything below them."""

from __future__ import annotations

from penstock.destinations import _sql as sql
from penstock.destinations._engine import Engine
from penstock.errors import DestinationError
from penstock.shape.schema import Schema, Table


class Doom:
    """Deletes rows of one stream's tables."""

    def __init__(self, engine: Engine, schema: Schema) -> None:
        self._engine = engine
        self._root = schema.root
        self._own = schema.own
        self._children = [table for table in schema.tables if table.parent is not None]

    def delete(self, source: str, such: str, *values: object, below: bool = False) -> None:
        """Delete root rows `r` that match a row `s` of `source` as `such` says, and all below.

        With `below`, only what is below them.
        """
        if self._children and not self._delete_children(source, such, values):
            return
        if not below:
            root = self._engine.at(self._root.name)
            self._engine.rows(f"DELETE FROM {root} AS r USING {source} AS s WHERE {such}", values)

    def _delete_children(self, source: str, such: str, values: tuple[object, ...]) -> bool:
        """Delete what hangs below the doomed root rows, deepest first; say if there are any.

        The ids are collected level by level before anything is deleted, for once a level is gone
        the one below it can no longer be found.
        """
        root = self._root.name
        exists = f"EXISTS (SELECT 1 FROM {source} AS s WHERE {such})"
        doomed = {root: self._collect(0, root, exists, values)}
        if not self._engine.rows(f"SELECT 1 FROM {doomed[root]} LIMIT 1"):
            return False
        parents = {table.parent for table in self._children}
        for level, table in enumerate(self._children, 1):
            self._engine.prepare_merge(table.name, [self._own.parent_id])
            if table.name in parents:
                parent_id, ids = sql.quote(self._own.parent_id), doomed[_parent(table)]
                above = f"r.{parent_id} IN (SELECT id FROM {ids})"
                doomed[table.name] = self._collect(level, table.name, above, ())
        for table in reversed(self._children):
            self._engine.rows(
                f"DELETE FROM {self._engine.at(table.name)} WHERE {sql.quote(self._own.parent_id)} "
                f"IN (SELECT id FROM {doomed[_parent(table)]})"
            )
        for name in doomed.values():
            self._engine.rows(f"DROP TABLE {name}")
        return True

    def _collect(self, level: int, table: str, such: str, values: tuple[object, ...]) -> str:
        ids = f"SELECT r.{sql.quote(self._own.row_id)} AS id FROM {self._engine.at(table)} AS r"
        return self._engine.collect(f"doomed_{level}", f"{ids} WHERE {such}", values)


def _parent(table: Table) -> str:
    if table.parent is None:
        raise DestinationError(f"table {table.name!r} stands among children but has no parent")
    return table.parent
