"""A dataset of files, as a reader sees it: the tables of one commit, however many come later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.destinations._duckdb_scratch import parquet
from penstock.destinations._lake_files import aligned, file_schema, folder_of
from penstock.destinations._lake_log import Head, read_head
from penstock.destinations._lake_store import Store, explain, store_at
from penstock.destinations._lake_system import IN_FILES, IN_THE_LOG, arrow_rows, rows_in_the_log
from penstock.errors import DestinationError
from penstock.shape.schema import Table

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds

SCHEMES = ("parquet:", "delta:")


class Dataset:
    """The tables of a dataset after its commit number `commit`.

    Files that later commits no longer use stay for an hour, so a reader has so long; `refreshed`
    gives the dataset as it is now.
    """

    def __init__(self, store: Store, head: Head) -> None:
        self._store = store
        self._head = head

    def __repr__(self) -> str:
        return f"<penstock.Dataset {self._store.root}, commit {self.commit}: {self.tables}>"

    @property
    def commit(self) -> int:
        """The number of the commit that is looked at."""
        return self._head.number

    @property
    def tables(self) -> tuple[str, ...]:
        """The names of the tables, without Penstock's own."""
        streams = self._head.streams.values()
        return tuple(sorted({f.table for held in streams for f in held.files.values()}))

    def files(self, table: str) -> list[str]:
        """The paths of a table's files, for any reader; of an object store, those of local copies.

        Raises:
            KeyError: there is no such table.
        """
        return [self._store.url(path) for path in self._paths(table)]

    def sql(self, table: str) -> str:
        """What stands for a table in DuckDB's SQL: `SELECT … FROM {sql}`."""
        return parquet(self.files(table))

    def table(self, table: str) -> pa.Table:
        """All rows of a table; Penstock's own tables are there too, as `_penstock_loads`.

        Raises:
            KeyError: there is no such table.
        """
        import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)
        import pyarrow.parquet as pq  # noqa: PLC0415 (the same)

        if table in IN_THE_LOG:
            return arrow_rows(IN_THE_LOG[table], rows_in_the_log(self._head, table))
        paths = self.files(table)
        schema = self._schema(table, paths)
        found = [aligned(pq.ParquetFile(path).read(), schema) for path in paths]
        return pa.concat_tables(found) if found else schema.empty_table()

    def dataset(self, table: str) -> ds.Dataset:
        """A table as a pyarrow dataset, of which only what is asked for is read."""
        import pyarrow.dataset  # noqa: PLC0415 (start-up stays fast without pyarrow)

        paths = self.files(table)
        return pyarrow.dataset.dataset(paths, schema=self._schema(table, paths), format="parquet")

    def refreshed(self) -> Dataset:
        """The same dataset after its newest commit."""
        return Dataset(self._store, read_head(self._store))

    def _paths(self, table: str) -> list[str]:
        if table in IN_FILES:
            return sorted(p for p, f in self._head.system.items() if f.table == table)
        if table not in self.tables:
            raise KeyError(f"there is no table {table!r}; there are {', '.join(self.tables)}")
        streams = self._head.streams.values()
        return [p for held in streams for p, f in held.files.items() if f.table == table]

    def _schema(self, table: str, paths: list[str]) -> pa.Schema:
        """The declared columns, then those that only files have."""
        import pyarrow.parquet as pq  # noqa: PLC0415 (start-up stays fast without pyarrow)

        declared = self._declared(table)
        schema = file_schema(declared) if declared else pq.read_schema(paths[0])
        for path in paths:
            for field in pq.read_schema(path):
                if field.name not in schema.names:
                    schema = schema.append(field)
        return schema

    def _declared(self, table: str) -> Table | None:
        if table in IN_FILES:
            return IN_FILES[table]
        schemas = [h.schema for h in self._head.streams.values() if h.schema]
        return next((t for schema in schemas if (t := schema.table(table))), None)


def open_dataset(place: str, db_schema: str | None = None) -> Dataset:
    """Open what a path or URL names: a folder of one schema, or one that has folders of schemas."""
    for scheme in SCHEMES:
        place = place.removeprefix(scheme)
    if db_schema is not None:
        place = f"{place.rstrip('/')}/{folder_of(db_schema)}"
    store = store_at(place)
    try:
        head = read_head(store)
        if not head.number and db_schema is None:
            store = _only_schema(place, store)
            head = read_head(store)
    except OSError as error:
        raise explain(error, store.root) from error
    if not head.number:
        raise DestinationError(f"{place} holds no dataset", code="empty")
    return Dataset(store, head)


def _only_schema(place: str, store: Store) -> Store:
    names = store.folders()
    if len(names) > 1:
        raise DestinationError(
            f"{place} holds several schemas", hint=f"name one with db_schema: {', '.join(names)}"
        )
    return store_at(f"{place.rstrip('/')}/{names[0]}") if names else store
