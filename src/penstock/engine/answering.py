"""Scripts that ask for what they have loaded: their runs are done while they are executed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from penstock.dialects import Compiled, compile_document
from penstock.plan.expr import JsonValue

if TYPE_CHECKING:
    from penstock.dialects.document import Document
    from penstock.engine.running import Result

Load: TypeAlias = "Callable[[Compiled], tuple[Result, str]]"
"""Loads a plan; gives how it went, and the destination as it is named, its password included."""


class Answer:
    """What a run has loaded, for the script that waits for it; see `dialects.document.Loaded`."""

    def __init__(self, result: Result, destination: str) -> None:
        self._place = destination
        self.run_id = result.run_id
        self.status: str = result.status
        self.destination = result.destination
        self.db_schema = result.db_schema
        self.seconds = result.seconds
        rows: Counter[str] = Counter()
        for receipt in result.receipts:
            rows.update(receipt.rows_by_table or {receipt.table: receipt.rows})
        self.rows: Mapping[str, int] = rows

    def look(self, *, writes: bool) -> Any:
        """A connection to the tables, DuckDB's or like it; whoever asks for it closes it."""
        from penstock.destinations import look_into  # noqa: PLC0415 (few scripts ask)

        return look_into(self._place, self.db_schema, writes=writes)

    def columns(self) -> Mapping[str, Mapping[str, tuple[str, bool]]]:
        """The columns of each table, with their types and whether they may be null."""
        from penstock.destinations import columns_in  # noqa: PLC0415 (few scripts ask)

        return columns_in(self._place, self.db_schema)


def loader(load: Load, values: Mapping[str, JsonValue] | None) -> Callable[[Document], Answer]:
    """What a script's documents are loaded by."""

    def loaded(document: Document) -> Answer:
        return Answer(*load(compile_document(document, values)))

    return loaded
