"""Schema contracts: whether a table, a column or a type that a record asks for may come to be."""

from __future__ import annotations

from typing import Literal

from penstock.errors import ContractError
from penstock.plan.hints import Contract, ContractMode
from penstock.shape.schema import Schema
from penstock.shape.tree import Node

Entity = Literal["tables", "columns", "data_type"]

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
    """Applies a contract to what was there before the first block; a new table may grow freely."""

    def __init__(self, contract: Contract, known: Schema | None) -> None:
        self._modes: dict[Entity, ContractMode] = {
            "tables": contract.tables,
            "columns": contract.columns,
            "data_type": contract.data_type,
        }
        self._bound = frozenset(table.name for table in known.tables) if known else frozenset()

    def allow(self, entity: Entity, node: Node, value: object) -> None:
        """Return if `node` may change for `value`.

        Raises:
            ContractError: the contract is to freeze.
            DiscardRow: it is to leave out the record.
            DiscardValue: it is to leave out the value.
        """
        mode = self._modes[entity]
        if mode == "evolve" or node.table.home.name not in self._bound:
            return
        if mode == "discard_value":
            raise DiscardValue
        where = (node.at if node.table.folded else ".".join(node.path)) or "value"
        what = f"{node.table.home.name}: {_NEWS[entity]} at {where!r}: {_excerpt(value)}"
        if mode == "discard_row":
            raise DiscardRow(what)
        raise ContractError(
            what,
            code=f"contract-{entity.replace('_', '-')}",
            hint=f"the contract freezes {entity} of this stream",
        )


def _excerpt(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"  # noqa: PLR2004 (a line of a terminal)
