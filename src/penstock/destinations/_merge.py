# ruff: noqa: S608 (identifiers go through quote(), values are parameters)
"""Rows of a checkpoint merged into tables that have others already, by every strategy.

What must be known of rows that are there is asked in SQL, by the few columns that tell rows apart;
which of the new rows are wanted is then decided in Arrow, children with their roots.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.destinations import _sql as sql
from penstock.destinations._arrow import (
    POSITION,
    Parts,
    distinct,
    flagged,
    numbered,
    taken,
    without,
)
from penstock.destinations._doom import Doom
from penstock.destinations._engine import Engine
from penstock.destinations._versions import Versions
from penstock.destinations._write import columns_of, parts, together
from penstock.destinations.base import Checkpoint, Merge
from penstock.errors import DestinationError
from penstock.shape.schema import Schema, Table

if TYPE_CHECKING:
    import pyarrow as pa


class Merger:
    """Merges the batches of one checkpoint, inside the transaction that the session opened."""

    def __init__(
        self, engine: Engine, schema: Schema, checkpoint: Checkpoint, write: Merge
    ) -> None:
        self._engine = engine
        self._schema = schema
        self._checkpoint = checkpoint
        self._write = write
        self._root = engine.at(schema.root.name)
        self._own = schema.own
        self._columns = columns_of(schema.root)
        self._doom = Doom(engine, schema)
        self._versions = Versions(schema, write.validity)
        self._at = self._versions.at
        self._mine = self._own_loads()
        self._rows: dict[str, int] = {}

    def run(self) -> dict[str, int]:
        """Merge all batches, and if they are the last, what no batch had; count rows by table."""
        self._check()
        key = self._write.key or self._write.merge_key
        if all(map(self._schema.root.column, key)):  # before the first record it may lack one
            self._engine.prepare_merge(self._schema.root.name, key)
        for piece in self._pieces():
            self._batch(piece)
        if self._write.ends:
            self._end()
        return self._rows

    def _pieces(self) -> list[Parts]:
        """The batches; in one piece where no key comes twice, so that their order says nothing."""
        batches = self._checkpoint.batches
        if len(batches) > 1 and self._write.strategy != "scd2":
            whole = list(together(self._schema, batches))
            alike = len({table.name for table, _ in whole}) == len(whole)
            if whole and alike and distinct(whole[0][1], self._write.key):
                return [whole]
        return [parts(self._schema, batch) for batch in batches]

    def _own_loads(self) -> list[str]:
        """The loads of this run, whose rows are all of the same reading."""
        found = self._engine.rows(
            f"SELECT load_id FROM {self._engine.at(sql.LOADS)} WHERE stream = ? AND run_id = ?",
            [self._checkpoint.stream, self._checkpoint.run_id],
        )
        return [self._checkpoint.load_id, *(load for (load,) in found)]

    def _check(self) -> None:
        write = self._write
        if write.strategy != "scd2" and not (write.key or write.merge_key):
            raise DestinationError(
                f"stream {self._checkpoint.stream!r} is merged without a key",
                code="no-key",
                hint="name the columns that tell its rows apart, or append",
            )

    def _batch(self, found: Parts) -> None:
        for table, data in found:
            self._rows[table.name] = self._rows.get(table.name, 0)
            if table.parent is None and data.num_rows and self._any():
                found = self._against(found)
            elif table.parent is None and data.num_rows and self._write.strategy == "scd2":
                # one tells that the run brought something: all of these rows are of its loads
                self._note_seen(data.slice(0, 1))
            elif table.parent is None and self._write.hard_delete:
                found = without(found, flagged(data, self._write.hard_delete))
        self._insert(found)

    def _any(self) -> bool:
        return bool(self._engine.rows(f"SELECT 1 FROM {self._root} LIMIT 1"))

    def _against(self, found: Parts) -> Parts:
        """Make room among the rows that are there; return what is still to be inserted."""
        if self._write.sort is not None and self._write.key:
            found = without(found, self._losers(found[0][1]))
        match self._write.strategy:
            case "delete-insert":
                self._delete(found[0][1])
            case "insert-only":
                found = without(found, self._known(found[0][1], self._write.key))
            case "upsert":
                return self._upsert(found)
            case "scd2":
                found = self._version(found)
        return self._unflagged(found)

    def _unflagged(self, found: Parts) -> Parts:
        name = self._write.hard_delete
        return without(found, flagged(found[0][1], name)) if name else found

    def _insert(self, found: Parts) -> None:
        for table, data in found:
            rows = data
            if self._write.strategy == "scd2":
                rows = (
                    self._versions.dated(rows)
                    if table.parent is None
                    else self._unknown(table, rows)
                )
            self._engine.insert(table.name, rows, columns_of(table))
            self._rows[table.name] += rows.num_rows

    def _unknown(self, table: Table, rows: pa.Table) -> pa.Table:
        """Those of a child table's rows that it has not: a version that comes back has its old id.

        Only dlt's ids are so, and there what is below such a version is there already.
        """
        own = self._own
        if self._versions.column != own.row_id or not rows.num_rows:
            return rows
        name = sql.quote(own.row_id)
        ids = numbered(rows.select([own.row_id]))
        with self._engine.source(ids, columns_of(table)) as source:
            found = self._engine.rows(
                f"SELECT s.{sql.quote(POSITION)} FROM {source} AS s WHERE NOT EXISTS "
                f"(SELECT 1 FROM {self._engine.at(table.name)} AS r WHERE r.{name} = s.{name})"
            )
        return taken(rows, sorted(int(position) for (position,) in found))

    def _told_apart(self, data: pa.Table, columns: Sequence[str]) -> pa.Table:
        """The rows by some of their columns, each with its position."""
        check_key(self._schema.root, data, columns)
        return numbered(data.select(list(dict.fromkeys(columns))))

    def _positions(
        self, data: pa.Table, columns: Sequence[str], such: str, *more: object
    ) -> list[int]:
        """The positions of new rows `s` for which there is a row `r` as `such` says."""
        with self._engine.source(self._told_apart(data, columns), self._columns) as source:
            query = (
                f"SELECT s.{sql.quote(POSITION)} FROM {source} AS s "
                f"WHERE EXISTS (SELECT 1 FROM {self._root} AS r WHERE {such})"
            )
            return [int(position) for (position,) in self._engine.rows(query, more)]

    def _known(self, data: pa.Table, key: tuple[str, ...]) -> list[int]:
        return self._positions(data, key, sql.same_keys("r", "s", key))

    def _losers(self, data: pa.Table) -> list[int]:
        """The rows that an earlier one of this run stays in place of."""
        sort = self._write.sort
        assert sort is not None
        old, new = (f"{row}.{sql.quote(sort.column)}" for row in "rs")
        than = ">" if sort.descending else "<"
        such = (
            f"{sql.same_keys('r', 's', self._write.key)} AND r.{sql.quote(self._own.load_id)} "
            f"IN (SELECT {sql.TEXTS}) AND ({old} {than} {new} OR "
            f"({new} IS NULL AND {old} IS NOT NULL))"
        )
        return self._positions(data, (*self._write.key, sort.column), such, self._mine)

    def _delete(self, data: pa.Table) -> None:
        """Delete the rows in whose place others come, and everything below them."""
        write = self._write
        keys = self._told_apart(data, (*write.key, *write.merge_key))
        with self._engine.source(keys, self._columns) as source:
            if write.key:
                self._doom.delete(source, sql.same_keys("r", "s", write.key))
            if write.merge_key:
                such = sql.same_keys("r", "s", write.merge_key)
                others = f"r.{sql.quote(self._own.load_id)} NOT IN (SELECT {sql.TEXTS})"
                self._doom.delete(source, f"{such} AND {others}", self._mine)

    def _upsert(self, found: Parts) -> Parts:
        """Update the rows that are there; what is left to insert is new, or is below a root."""
        table, data = found[0]
        name, key = self._write.hard_delete, self._write.key
        if name:
            gone = flagged(data, name)
            self._delete(taken(data, gone))
            found = without(found, gone)
            data = found[0][1]
        known = self._known(data, key)
        values = [c for c in data.column_names if c not in key]
        with self._engine.source(numbered(data), self._columns) as source:
            same = sql.same_keys("r", "s", key)
            self._doom.delete(source, same, below=True)
            sets = ", ".join(f"{sql.quote(c)} = s.{sql.quote(c)}" for c in values)
            self._engine.rows(
                f"UPDATE {self._root} AS r SET {sets} FROM {source} AS s WHERE {same}"
            )
        self._rows[table.name] += len(known)
        return [(table, without([(table, data)], known)[0][1]), *found[1:]]

    def _version(self, found: Parts) -> Parts:
        """End the validity of older versions; rows that are valid as they are need no other."""
        data, key, versions = found[0][1], self._write.key, self._versions
        version = sql.quote(versions.column)
        same = f"r.{version} = s.{version} AND {versions.valid('r')}"
        known = self._positions(data, (versions.column,), same)
        self._note_seen(data)
        if key:
            told = self._told_apart(data, (*key, versions.column))
            with self._engine.source(told, self._columns) as source:
                self._engine.rows(
                    f"UPDATE {self._root} AS r SET {versions.ended} "
                    f"FROM {source} AS s WHERE {sql.same_keys('r', 's', key)} AND "
                    f"{versions.valid('r')} AND r.{version} IS DISTINCT FROM s.{version}",
                    [self._at.isoformat()],
                )
        return without(found, known)

    def _note_seen(self, data: pa.Table) -> None:
        """Keep which versions the run met, until it ends."""
        column = self._versions.column
        with self._engine.source(self._told_apart(data, [column]), self._columns) as source:
            self._engine.rows(
                f"INSERT INTO {self._engine.at(sql.SEEN)} SELECT CAST(? AS VARCHAR), "
                f"CAST(? AS VARCHAR), CAST(s.{sql.quote(column)} AS VARCHAR) FROM {source} AS s",
                [self._checkpoint.stream, self._checkpoint.run_id],
            )

    def _end(self) -> None:
        """Say of rows that the run did not bring that they are no more."""
        if self._write.strategy == "scd2":
            self._retire()
        elif self._write.soft_delete:
            deleted = sql.quote(self._own.deleted_at)
            self._engine.rows(
                f"UPDATE {self._root} SET {deleted} = CAST(? AS TIMESTAMPTZ) WHERE {deleted} IS "
                f"NULL AND {sql.quote(self._own.load_id)} NOT IN (SELECT {sql.TEXTS})",
                [self._at.isoformat(), self._mine],
            )

    def _retire(self) -> None:
        """End the validity of versions that this run neither saw nor brought.

        With a `merge_key`, only of those of the sets that it brought. As with dlt, a run without a
        record says nothing of what there is.
        """
        seen, stream = self._engine.at(sql.SEEN), self._checkpoint.stream
        run: list[object] = [stream, self._checkpoint.run_id]
        if self._engine.rows(f"SELECT 1 FROM {seen} WHERE stream = ? AND run_id = ? LIMIT 1", run):
            mine, told = self._met("r")
            such = f"{self._versions.valid('r')} AND NOT {mine} AND NOT {told}"
            values: list[object] = [self._at.isoformat(), self._mine, *run]
            if self._write.merge_key:
                mine, told = self._met("p")
                such += (
                    f" AND EXISTS (SELECT 1 FROM {self._root} AS p WHERE "
                    f"{sql.same_keys('p', 'r', self._write.merge_key)} AND "
                    f"({mine} OR ({self._versions.valid('p')} AND {told})))"
                )
                values += [self._mine, *run]
            self._engine.rows(
                f"UPDATE {self._root} AS r SET {self._versions.ended} WHERE {such}", values
            )
        self._engine.rows(f"DELETE FROM {seen} WHERE stream = ?", [stream])

    def _met(self, row: str) -> tuple[str, str]:
        """The conditions that a row came with this run, and that this run met its version."""
        version = f"CAST({row}.{sql.quote(self._versions.column)} AS VARCHAR)"
        told = (
            f"EXISTS (SELECT 1 FROM {self._engine.at(sql.SEEN)} AS s WHERE s.stream = ? AND "
            f"s.run_id = ? AND s.version = {version})"
        )
        return f"{row}.{sql.quote(self._own.load_id)} IN (SELECT {sql.TEXTS})", told


def check_key(table: Table, data: pa.Table, columns: Sequence[str]) -> None:
    """Make sure that rows have the columns they are merged by."""
    missing = [c for c in columns if c not in data.column_names]
    if missing:
        raise DestinationError(
            f"rows of {table.name!r} lack {', '.join(missing)}, by which they are merged",
            code="key-missing",
        )
