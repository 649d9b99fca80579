"""Rows that a script sends to tables of their own, and what it says of those tables."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from penstock.dialects.dlt.context import Context
from penstock.dialects.dlt.hints import hints
from penstock.dialects.dlt.resources import overlaid_columns
from penstock.dialects.dlt.standin.resources.nodes import Reader
from penstock.dialects.document import Document, Node
from penstock.plan.expr import JsonValue
from penstock.plan.hints import Hints

if TYPE_CHECKING:
    from penstock.dialects.dlt.fitting import Fit

_LEFT_OUT = {"table_name", "parent_table_name", "table_format", "file_format", "references",
             "additional_table_hints"}  # fmt: skip


_HINTS = {*_LEFT_OUT, "write_disposition", "columns", "primary_key", "merge_key",
          "schema_contract", "nested_hints", "incremental"}  # fmt: skip


class Tagged:
    """Rows as `dlt.mark` hands them on: for a table, or with hints for it."""

    def __init__(self, data: Any, table: str | None, said: Mapping[str, Any] | None = None) -> None:
        self.data = data
        self.table = table
        self.said = said
        self.variant = False
        self.line = sys._getframe(2).f_lineno  # noqa: SLF001 (where the script calls)

    def over(self, data: Any) -> Tagged:
        """The same of other rows."""
        made = copy.copy(self) if data is not self.data else self
        made.data = data
        return made

    def __copy__(self) -> Tagged:
        made = Tagged.__new__(Tagged)
        vars(made).update(vars(self))
        return made

    def __reduce__(self) -> Any:
        raise TypeError("rows of dlt.mark are yielded one by one, not in a list")


def no_rows() -> list[Any]:
    """`dlt.mark.materialize_table_schema`: no rows, as declared columns are there without any."""
    return []


def with_table_name(item: Any, table_name: str) -> Tagged:
    """Rows for the table of that name."""
    return Tagged(item, table_name)


def with_hints(item: Any, hints: Mapping[str, Any], create_table_variant: bool = False) -> Tagged:  # noqa: FBT001, FBT002 (as dlt has it)
    """Rows with what is said of all rows from now on, or of those of a table of their own."""
    table = hints.get("table_name")
    if create_table_variant and not isinstance(table, str):
        raise ValueError("a variant of a table needs hints with its table_name, a text")
    made = Tagged(item, table, hints)
    made.variant = create_table_variant
    return made


def make_hints(table_name: Any = None, **hints: Any) -> dict[str, Any]:
    """What is said of a table; what is null says nothing."""
    wrong = [key for key in hints if key not in _HINTS]
    if wrong:
        raise TypeError(f"make_hints() has no argument {wrong[0]!r}")
    named = {"table_name": table_name, **hints}
    return {key: value for key, value in named.items() if value is not None}


class WrongHintsError(ValueError):
    """What is said of a table cannot be."""

    def __init__(self, message: str, hint: str | None) -> None:
        super().__init__(message)
        self.hint = hint


class Saying:
    """What a resource says of its tables, and a table beside it: compiled when a run knows it.

    `resource` is the merged node of the resource. With `types` values of Python's own types tell
    those of columns, where nothing changes the rows behind the function. With `fit` these are as a
    model has them.
    """

    def __init__(
        self, resource: Node, name: str, *, types: bool = False, fit: Fit | None = None
    ) -> None:
        self._resource = resource
        self.stream = name
        self.types = types
        self._fit = fit
        table = resource.mapping.get("table_name")
        self.table = table.value if table is not None and isinstance(table.value, str) else name
        self.named = table is None or isinstance(table.value, str)  # and not by a function
        self._made: dict[int, tuple[object, Hints]] = {}

    def fitting(self, made: Iterator[Any]) -> Iterator[Any]:
        """The rows that fit, and lists of these."""
        for one in made:
            if self._fit is None or (isinstance(one, list) and not one):
                yield one
                continue
            held = one.data if isinstance(one, Tagged) else one
            kept = self._fit.of(held)
            if kept is None or kept == []:
                continue
            if isinstance(one, Tagged):
                one.data = kept
            yield one if isinstance(one, Tagged) else kept

    def of(self, said: Mapping[str, Any]) -> Hints:
        """The hints of the resource with these over them.

        Raises:
            WrongHintsError: they say what cannot be.
        """
        known = self._made.get(id(said))
        if known is None or known[0] is not said:
            known = self._made[id(said)] = (said, self._compiled(said))
        return known[1]

    def _compiled(self, said: Mapping[str, Any]) -> Hints:
        document = Document(file="", kind="object", text="")
        given = Reader(document, "").root(
            {k: v for k, v in said.items() if k not in _LEFT_OUT}, None
        )
        entries = {k: v for k, v in self._resource.mapping.items() if k not in _LEFT_OUT}
        entries |= given.mapping
        if "columns" in self._resource.mapping and "columns" in given.mapping:
            below = self._resource.mapping["columns"]
            entries["columns"] = overlaid_columns(below, given.mapping["columns"])
        ctx = Context(document, {})
        compiled = hints(ctx, Node(entries, document), inherited=False)
        for problem in document.diagnostics:
            if problem.severity == "error":
                raise WrongHintsError(problem.message, problem.hint)
        return compiled


def deciding(said: Mapping[str, Callable[[Any], Any]], saying: Saying) -> Callable[[Any], Hints]:
    """What is said of a table by functions of its first row."""

    def hints_for(record: JsonValue) -> Hints:
        return saying.of({key: function(record) for key, function in said.items()})

    return hints_for
