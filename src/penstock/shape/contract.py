"""Schema contracts: whether a table, a column or a type that a record asks for may come to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from penstock.errors import ContractError
from penstock.plan.hints import Contract, ContractMode
from penstock.shape.schema import Schema
from penstock.shape.tree import Node, TableState

Entity = Literal["tables", "columns", "data_type"]

Modes: TypeAlias = "dict[Entity, ContractMode]"
_NEWS: dict[Entity, str] = {
    "tables": "a new table",
    "columns": "a new column",
    "data_type": "a value of another type",
}


class DiscardRow(Exception):  # noqa: N818 (it is not a fault: the contract asks for it)
    """The record at hand is left out; the message says why."""


class DiscardValue(Exception):  # noqa: N818 (the same)
    """The value at hand is left out."""


class Judge:
    """Applies a contract to what was there before the first block.

    A new table may get columns and tables freely, but each column has the type of its first value.
    One that was made for declared columns is new until rows come.

    `nested` are the contracts of child tables that have one of their own, by name.
    """

    def __init__(
        self, contract: Contract, known: Schema | None, nested: Mapping[str, Contract]
    ) -> None:
        self._modes = _modes(contract)
        self._nested = {name: _modes(one) for name, one in nested.items()}
        every = [self._modes, *self._nested.values()]
        self.discards = any("discard_row" in modes.values() for modes in every)
        tables = known.tables if known else ()
        self._bound = frozenset(table.name for table in tables if not table.bare)

    def keeps_types(self, node: Node) -> bool:
        """Whether the columns of a table have to stay of the types that they are."""
        return self._modes_of(node.table)["data_type"] != "evolve"

    def _modes_of(self, table: TableState) -> Modes:
        """The contract of a table: its own, or that of the nearest one above that has one."""
        while table.home.name not in self._nested and table.parent is not None:
            table = table.parent
        return self._nested.get(table.home.name, self._modes)

    def allow(self, entity: Entity, node: Node, value: object, *, table: str = "") -> None:
        """Return if `node` may change for `value`, or get a child table that is called `table`.

        Raises:
            ContractError: the contract is to freeze.
            DiscardRow: it is to leave out the record.
            DiscardValue: it is to leave out the value.
        """
        own = self._nested.get(table) if entity == "tables" else None
        mode = (own or self._modes_of(node.table))[entity]
        new = entity != "data_type" and node.table.home.name not in self._bound
        if mode == "evolve" or new:
            return
        if mode == "discard_value" or (mode == "discard_row" and entity == "tables"):
            raise DiscardValue  # rows of a table that must not come to be are all that goes
        where = (node.at if node.table.folded else ".".join(node.path)) or "value"
        what = f"{node.table.home.name}: {_NEWS[entity]} at {where!r}: {_excerpt(value)}"
        if mode == "discard_row":
            raise DiscardRow(what)
        raise ContractError(
            what,
            code=f"contract-{entity.replace('_', '-')}",
            hint=f"the contract freezes {entity} of this stream",
        )


def _modes(contract: Contract) -> Modes:
    return {
        "tables": contract.tables,
        "columns": contract.columns,
        "data_type": contract.data_type,
    }


def _excerpt(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"  # noqa: PLR2004 (a line of a terminal)
