"""How tables follow a schema: pure decisions, the same for every SQL destination.

A stored schema never shrinks by itself: a column or table that newer records lack is kept. Only
lossless widenings change a type. What people changed by hand is found before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from penstock.errors import DestinationError
from penstock.plan.hints import ColumnType, decimal_size
from penstock.shape.schema import Schema, Table, TableColumn

Actual = Mapping[str, Mapping[str, str]]
"""Tables the destination really has: folded name → folded column name → type as it spells it."""

BIGINT_DIGITS = 19


class Create(msgspec.Struct, frozen=True, kw_only=True):
    """Make a table."""

    table: Table


class Add(msgspec.Struct, frozen=True, kw_only=True):
    """Add a column; it is null in the rows that are there."""

    table: str
    column: TableColumn


class Widen(msgspec.Struct, frozen=True, kw_only=True):
    """Give a column a type that holds every value of the old one."""

    table: str
    old: TableColumn
    new: TableColumn


Change = Create | Add | Widen


class Spelling(msgspec.Struct, frozen=True, kw_only=True):
    """How a destination writes a column's type, and which names it takes for the same.

    `longest` is how many bytes dlt lets a name have there, and `of_dlt` are the types that its
    columns have, where they are others.
    """

    type: Callable[[TableColumn], str]
    fold: Callable[[str], str]
    longest: int
    of_dlt: Mapping[ColumnType, str] = {}


def digits(column: TableColumn) -> tuple[int, int]:
    """Precision and scale of a decimal column, with the defaults filled in."""
    return decimal_size(column.precision, column.scale)


def union(stored: Schema | None, wanted: Schema) -> Schema:
    """Join both: what is wanted, in its order, then what only the stored schema knows.

    A stream whose root table got another name starts anew: its old tables are left to people.
    """
    if stored is None or stored.root.name != wanted.root.name:
        return wanted
    tables = tuple(_joined(stored.table(t.name), t) for t in wanted.tables)
    return renewed(stored, msgspec.structs.replace(wanted, tables=tables))


def renewed(stored: Schema | None, wanted: Schema) -> Schema:
    """What is wanted, and the tables that only the stored schema knows."""
    if stored is None or stored.root.name != wanted.root.name:
        return wanted
    more = tuple(t for t in stored.tables if wanted.table(t.name) is None)
    return msgspec.structs.replace(wanted, tables=(*wanted.tables, *more))


def _joined(stored: Table | None, wanted: Table) -> Table:
    if stored is None:
        return wanted
    kept = [c for c in stored.columns if wanted.column(c.name) is None]
    nullable = [msgspec.structs.replace(c, nullable=True) for c in kept]
    return msgspec.structs.replace(wanted, columns=(*wanted.columns, *nullable))


def changes(
    stored: Schema | None, wanted: Schema, actual: Actual, spelling: Spelling
) -> list[Change]:
    """List what must be done so that the tables hold rows of `wanted`.

    Raises:
        DestinationError: the tables are not as they were left, or a change would lose values.
    """
    found: list[Change] = []
    for table in wanted.tables:
        known = stored.table(table.name) if stored else None
        columns = actual.get(spelling.fold(table.name))
        found += _table_changes(known, table, columns, spelling)
    return found


def check_system(names: Iterable[str], actual: Actual, spelling: Spelling) -> None:
    """Make sure that Penstock's own tables are there.

    Raises:
        DestinationError: somebody dropped one.
    """
    for name in names:
        if spelling.fold(name) not in actual:
            raise _drift(
                f"table {name!r} is gone, in which is kept what the next run must know",
                "bring it back, or load all streams again with --full-refresh",
            )


def check_free(stored: Schema | None, wanted: Schema, actual: Actual, spelling: Spelling) -> None:
    """Make sure that no wanted table's name is taken by a table that is not the stream's own.

    Raises:
        DestinationError: a name is taken.
    """
    for table in wanted.tables:
        ours = stored is not None and stored.table(table.name) is not None
        if not ours and spelling.fold(table.name) in actual:
            raise _taken(table.name)


def _table_changes(
    known: Table | None, wanted: Table, actual: Mapping[str, str] | None, spelling: Spelling
) -> Iterable[Change]:
    if known is None and actual is None:
        return [Create(table=wanted)]
    if known is None:
        raise _taken(wanted.name)
    if actual is None:
        raise _drift(
            f"table {wanted.name!r} is gone, though rows were loaded into it",
            "bring it back, or load the stream again from the start with --full-refresh",
        )
    columns = (_column_change(known, wanted.name, c, actual, spelling) for c in wanted.columns)
    return [c for c in columns if c is not None]


def _column_change(
    known: Table, table: str, wanted: TableColumn, actual: Mapping[str, str], spelling: Spelling
) -> Change | None:
    before = known.column(wanted.name)
    there = actual.get(spelling.fold(wanted.name))
    if before is None and there is None:
        return Add(table=table, column=wanted)
    expected = spelling.type(before or wanted)
    if there is None:
        raise _drift(
            f"column {wanted.name!r} of table {table!r} is gone, though values were loaded into it",
            f"add it back (its type is {expected}), or load the stream again with --full-refresh",
        )
    if _unquoted(there) != _unquoted(expected):
        raise _drift(
            f"column {wanted.name!r} of table {table!r} is {there}, where {expected} is expected",
            "change it back or rename it, or load the stream again with --full-refresh",
        )
    if before is None or spelling.type(before) == spelling.type(wanted):
        return None
    return _widening(table, before, wanted, spelling)


def _unquoted(kind: str) -> str:
    """A type without the quotes of its fields' names: a database leaves out those it can."""
    return kind.replace('"', "")


def _widening(table: str, old: TableColumn, new: TableColumn, spelling: Spelling) -> Widen:
    if not widens(old, new):
        raise DestinationError(
            f"column {new.name!r} of table {table!r} holds {spelling.type(old)} and cannot become "
            f"{spelling.type(new)} without losing values",
            code="narrowing",
            hint="load the stream again with --full-refresh to rebuild the table",
        )
    return Widen(table=table, old=old, new=new)


def widens(old: TableColumn, new: TableColumn) -> bool:
    """Whether every value of `old` has an equal value in `new`.

    A bigint may become a double: the destination checks the stored values before it does that.
    """
    if old.type == new.type and old.type in {"struct", "list"}:
        return all(_has_wider(new.fields, field) for field in old.fields)
    match (old.type, new.type):
        case ("bigint", "double") | ("date", "timestamp_ntz"):
            return True
        case ("bigint", "decimal"):
            precision, scale = digits(new)
            return precision - scale >= BIGINT_DIGITS
        case ("decimal", "decimal"):
            (p0, s0), (p1, s1) = digits(old), digits(new)
            return s1 >= s0 and p1 - s1 >= p0 - s0
        case _:
            return False


def _has_wider(fields: Iterable[TableColumn], old: TableColumn) -> bool:
    """Whether the field `old` is among these, the same or widened."""
    new = next((field for field in fields if field.name == old.name), None)
    if new is None:
        return False
    same = (old.type, old.precision, old.scale) == (new.type, new.precision, new.scale)
    return (same and not old.fields) or widens(old, new)


RULE = "take back the rule that somebody put on the table, or load again with --full-refresh"
"""What to do where a constraint refuses rows: Penstock makes none."""


def _taken(table: str) -> DestinationError:
    return _drift(
        f"table {table!r} exists already and was not made by this stream",
        "rename one of them, or load into another schema with --db-schema",
    )


def _drift(message: str, hint: str) -> DestinationError:
    return DestinationError(message, code="drift", hint=hint)
