"""What the SQL destinations have in common: one connection bound to one schema.

Statements are written once, with `?` for values, in words that every engine here understands; what
they say differently is a method.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from threading import RLock
from typing import TYPE_CHECKING, Any, ClassVar

from penstock.destinations import _sql as sql
from penstock.destinations._evolve import Actual, Spelling
from penstock.errors import DestinationError, Error
from penstock.shape.schema import TableColumn

if TYPE_CHECKING:
    import pyarrow as pa


class Engine(ABC):
    """One connection bound to one schema: threads wait for one another with each transaction."""

    spelling: ClassVar[Spelling]
    row_order: ClassVar[str]
    """What tells rows apart that were stored at the same time, in the order they came."""

    def __init__(self, db_schema: str) -> None:
        self.db_schema = db_schema
        self.uncertain = False
        self._turn = RLock()

    @abstractmethod
    def at(self, table: str) -> str:
        """Name a table in full."""

    @abstractmethod
    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and fetch all it gives."""

    @abstractmethod
    def changed(self, query: str, parameters: Sequence[object] = ()) -> int:
        """Run a statement that changes rows, and count them."""

    @abstractmethod
    def explain(self, error: Exception) -> Error:
        """Say what a failure means and what to do about it."""

    @abstractmethod
    def is_conflict(self, error: BaseException | None) -> bool:
        """Whether a statement failed because another transaction wrote the same."""

    @abstractmethod
    def recover(self, error: BaseException, attempt: int) -> bool:
        """Whether what failed is worth the next attempt, which has been made possible."""

    @abstractmethod
    def actual(self) -> Actual:
        """List the tables and views the schema has now."""

    @abstractmethod
    def insert(self, table: str, data: pa.Table, columns: Mapping[str, TableColumn]) -> None:
        """Add rows to a table; columns that they lack are null."""

    @abstractmethod
    def source(
        self, data: pa.Table, columns: Mapping[str, TableColumn]
    ) -> AbstractContextManager[str]:
        """Make rows readable in SQL under the name given."""

    @abstractmethod
    def collect(self, name: str, query: str, parameters: Sequence[object] = ()) -> str:
        """Keep what a query gives until the transaction ends, under the full name returned."""

    @abstractmethod
    def show(self, build: str, table: str) -> None:
        """Put the table `build` in the place of `table`."""

    @abstractmethod
    def inexact(self, column: str) -> str:
        """Write the condition that a double does not hold the whole number in `column`."""

    @abstractmethod
    def prepare_merge(self, table: str, columns: Sequence[str]) -> None:
        """Make rows of `table` quick to find by `columns`, where that is not their nature."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the connection."""

    def read(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a query outside a transaction; a failure comes out explained."""
        attempt = 0
        while True:
            try:
                with self._turn:
                    return self.rows(query, parameters)
            except Exception as error:
                attempt += 1
                if not self.recover(error, attempt):
                    raise self.explain(error) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block does, or nothing of it; failures come out explained."""
        if self.uncertain:
            raise DestinationError(
                "an earlier commit ended without a clear answer, so this session takes no more",
                hint="run again: the ledger knows what was kept",
            )
        with self._turn:
            try:
                self.rows("BEGIN TRANSACTION")
                yield
            except BaseException as error:
                self._roll_back()
                if isinstance(error, Exception) and not isinstance(error, Error):
                    raise self.explain(error) from error
                raise
            self._commit()

    def _commit(self) -> None:
        try:
            self.rows("COMMIT")
        except BaseException as error:
            self.uncertain = True
            self._roll_back()
            if isinstance(error, Exception) and not isinstance(error, Error):
                raise self.explain(error) from error
            raise

    def _roll_back(self) -> None:
        # Fails where there is no transaction any more: then there is nothing to undo.
        with suppress(Exception):
            self.rows("ROLLBACK")

    @abstractmethod
    def create_schema(self) -> None:
        """Make the schema, where it is not there."""

    def create_system(self) -> None:
        """Make the schema and the system tables, where they are not there."""
        there = self.actual()
        if not there:
            self.create_schema()
        for name, columns in sql.SYSTEM_TABLES.items():
            if self.spelling.fold(name) not in there:
                self.rows(f"CREATE TABLE IF NOT EXISTS {self.at(name)} ({columns})")

    def has_system(self) -> bool:
        """Whether anything was ever loaded into this schema."""
        return self.spelling.fold(sql.FENCE) in self.actual()

    def create_table(
        self,
        name: str,
        columns: Sequence[TableColumn],
        ids: Iterable[str] = (),
        rows: Sequence[pa.Table] = (),
    ) -> None:
        """Make a table; `ids` names its columns of ids, and `rows` are the first to come."""
        unlike = {*ids, *self.unlike(rows)}
        body = ", ".join(self.definition(c, unlike=c.name in unlike) for c in columns)
        self.rows(f"CREATE TABLE {self.at(name)} ({body})")

    def unlike(self, rows: Sequence[pa.Table]) -> Iterable[str]:
        """Name the columns, beside ids, to be stored as suits texts of which few are alike."""
        del rows
        return ()

    def definition(self, column: TableColumn, *, unlike: bool) -> str:
        """Write a column of a new table, maybe one of texts of which few are alike."""
        del unlike
        return f"{sql.quote(column.name)} {self.spelling.type(column)}"
