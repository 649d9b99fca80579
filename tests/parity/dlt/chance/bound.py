"""What contracts leave out in one engine and not in the other: row by row, cell by cell.

Rows that are the same in both are set aside first. What is left is put in pairs whose cells differ
for a reason that docs/parity.md tells; rows that only one engine has need such a reason themselves.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from datetime import datetime
from typing import Any

from tests.parity.dlt.chance.cells import CLASS, Tables, loose
from tests.parity.dlt.chance.told import Told, leaves
from tests.parity.dlt.data import Parts, Record

SCALAR = "a scalar in a column that is declared `json`"
TRACE = "a row that a contract leaves out, and that has new fields"
BELOW = "a contract of columns, in the load that makes a child table"
NULLS = "a contract of columns that leaves out rows, and nulls"
DROPS = {"discard_row", "discard_value"}
EMPTY: Any = {"columns": {}, "rows": []}
Row = Parts


def bound(
    told: Told, resource: Parts, rounds: int, both: tuple[Tables, Tables], rows: set[str]
) -> None:
    """Take out of both what the contract of a resource explains, table by table."""
    modes = [told.contract(resource, entity) for entity in ("columns", "data_type")]
    if not set(modes) & DROPS:
        return
    their, our = both
    mine = set(told.tables(resource))
    of = [r for r in told.resources if mine & set(told.tables(r))]  # what one table is made of
    records = [record for r in of for record in told.records(r, range(1, rounds + 1))]
    named = {name for name in {*their, *our} if told.of(name) is resource}
    made = _Bound(told, resource, modes, records, rows)
    for name in sorted(named, key=len):  # those above first
        a, b = their.get(name), our.get(name)
        kept = made.table(name, a or EMPTY, b or EMPTY)
        for tables, held, table in ((their, a, kept[0]), (our, b, kept[1])):
            if held is not None:
                tables[name] = table
        if a is None and not kept[1]["rows"] and name not in told.tables(resource):
            our.pop(name, None)
        if b is None and not kept[0]["rows"] and name not in told.tables(resource):
            their.pop(name, None)


class _Bound:
    """The contract of one resource, and what it is held against."""

    def __init__(
        self, told: Told, resource: Parts, modes: list[Any], records: list[Record], rows: set[str]
    ) -> None:
        self.columns, self.types = modes
        self.resource, self.records, self.rows = resource, records, rows
        self.roots = told.tables(resource)
        self.merged = "merge" in str(told.said(resource, "write_disposition"))
        self.declared = str(told.said(resource, "columns")) + str(resource.get("nested_hints"))
        self.raw: dict[tuple[str, str], list[Any]] = {}
        for root in self.roots:
            for record in records:
                for table, column, value in leaves(record, root):
                    self.raw.setdefault((table, column), []).append(value)
        self.chains: set[str] = set()  # rows that only one engine has, and why is told

    def table(self, name: str, their: Any, our: Any) -> tuple[Any, Any]:
        """Both tables without what is explained."""
        same = _counted(their) & _counted(our)
        a, b = _without(their["rows"], same), _without(our["rows"], same)
        shared = [list(t["rows"]) for t in (their, our)]
        gone: list[list[Row]] = [[], []]
        for mine in list(b):
            found = self._pair(name, mine, a, their, our)
            if found is not None:
                a.remove(found)
                b.remove(mine)
                gone[0].append(found)
                gone[1].append(mine)
        for nth, (left, one, other) in enumerate(((a, their, our), (b, our, their))):
            for row in list(left):
                why = self._alone(name, row, one, other, ours=nth == 1)
                if why:
                    self._met(why, row)
                    left.remove(row)
                    gone[nth].append(row)
        for nth, left in enumerate((a, b)):  # what the ones above are other versions of
            others = gone[1 - nth]
            for row in list(left):
                if self.merged and any(_versions(row, o, self.resource) for o in others):
                    left.remove(row)
                    gone[nth].append(row)
        if not any(gone):
            return their, our
        rest = [_minus(shared[n], gone[n]) for n in (0, 1)]
        return self._fitted(their, our, rest[0], rest[1])

    def _fitted(self, their: Any, our: Any, a: list[Row], b: list[Row]) -> tuple[Any, Any]:
        """Both without the columns that the rows which are left do not need."""
        made = []
        for one, other, rows in ((their, our, a), (our, their, b)):
            kept = {c: kind for c, kind in one["columns"].items() if c in other["columns"]
                    or any(r.get(c) is not None for r in rows)}  # fmt: skip
            made.append({"columns": kept, "rows": rows})
        shared = set(made[0]["columns"]) & set(made[1]["columns"])
        for column in shared:
            if not any(r.get(column) is not None for r in (*a, *b)):
                made[0]["columns"][column] = made[1]["columns"][column]
        return made[0], made[1]

    def _pair(self, name: str, mine: Row, left: list[Row], their: Any, our: Any) -> Row | None:
        best: tuple[int, Row, set[str]] | None = None
        for row in left:
            whys = [self._cell((name, c), (row.get(c), mine.get(c)), their, our)
                    for c in {*row, *mine} if row.get(c) != mine.get(c)]  # fmt: skip
            if all(whys) and (best is None or len(whys) < best[0]):
                best = len(whys), row, {why for why in whys if why}
        if best is None:
            return None
        self.rows |= best[2]
        return best[1]

    def _cell(self, at: tuple[str, str], cells: tuple[Any, Any], their: Any, our: Any) -> str:
        """Why a cell is another one, or nothing."""
        (name, column), (a, b) = at, cells
        kind = str([t["columns"].get(column) for t in (our, their)])
        if b is None and self.types in DROPS and self._alien(name, column, a, kind):
            return CLASS
        if a is None and self.types in DROPS and self._json_scalar(name, column, b, their):
            return SCALAR
        if a is None and self.columns in DROPS and name not in self.roots:
            return BELOW if all(row.get(column) is None for row in their["rows"]) else ""
        return CLASS if a is not None and b is not None and loose(a, kind) == loose(b, kind) else ""

    def _alone(self, name: str, row: Row, one: Any, other: Any, *, ours: bool) -> str:
        """Why only one engine has a row, or nothing."""
        if _above(row) & self.chains:
            return "(above)"
        if "discard_row" not in {self.columns, self.types}:
            return ""
        if not ours:
            aliens = self.types == "discard_row" and any(
                self._alien(name, c, v, str([other["columns"].get(c), one["columns"].get(c)]))
                for c, v in row.items() if v is not None)  # fmt: skip
            return CLASS if aliens else ""
        held = {c for c, v in row.items() if v is not None and c in one["columns"]}
        if any(c in other["columns"] and _kind(one, c) != _kind(other, c) for c in held):
            return TRACE
        if any(self._json_scalar(name, c, row[c], other) for c in held):
            return SCALAR
        if name not in self.roots and held - set(other["columns"]):
            return BELOW
        return NULLS if self._null(name, row, other) else ""

    def _met(self, why: str, row: Row) -> None:
        self.rows.update([why] if why != "(above)" else [])
        told = row.get("id")
        self.chains.add(repr([*chain(row), None if told is None else str(told)]))

    def _alien(self, name: str, column: str, value: Any, kind: str) -> bool:
        """Whether a value is of a class that its column is not of, as some record has it."""
        found = self.raw.get((name, column), [])
        return any(not _fits(v, kind) and _alike(v, value, kind) for v in found)

    def _json_scalar(self, name: str, column: str, value: Any, their: Any) -> bool:
        """Whether a value stands by itself in a column that is declared JSON."""
        if "json" not in self.declared or "JSON" not in str(their["columns"].get(column)):
            return False
        raw = self.raw.get((name, column), [])
        kind = str(their["columns"].get(column))
        return any(not isinstance(v, (dict, list)) and v is not None and _alike(v, value, kind)
                   for v in raw)  # fmt: skip

    def _null(self, name: str, row: Row, their: Any) -> bool:
        """Whether a record has a null where others were left out for a field that is new."""
        if name not in self.roots:
            return False
        for record in self.records:
            if str(record.get("id")) != str(row.get("id")):
                continue
            for table, column, value in leaves(record, name):
                if table == name and value is None and column not in their["columns"]:
                    return True
        return False


def _kind(table: Any, column: str) -> str:
    kind = table["columns"][column][0]
    return kind if kind != "HUGEINT" else "DECIMAL(38,0)"


def _counted(table: Any) -> Counter[str]:
    return Counter(_key(r) for r in table["rows"])


def _key(row: Row) -> str:
    return repr(sorted((c, v) for c, v in row.items() if v is not None))


def _without(rows: list[Row], same: Counter[str]) -> list[Row]:
    left, found = Counter(same), []
    for row in rows:
        key = _key(row)
        if left[key]:
            left[key] -= 1
        else:
            found.append(row)
    return found


def _minus(rows: list[Row], gone: list[Row]) -> list[Row]:
    return _without(rows, Counter(_key(r) for r in gone))


def chain(row: Row) -> list[str | None]:
    """The ids of the rows above one, from the root on."""
    text = row.get("(parent)", "[]")
    found = ast.literal_eval(text) if text.startswith("[(") else []
    return [None if one is None else str(one) for one, _ in found]


def _above(row: Row) -> set[str]:
    found = chain(row)
    return {repr(found[:n]) for n in range(1, len(found) + 1)}


def _versions(row: Row, other: Row, resource: Parts) -> bool:
    """Whether two rows are of one record, or of one set that is replaced as a whole."""
    if "(parent)" in row:
        mine, theirs = chain(row), chain(other)
        return bool(mine) and mine[:1] == theirs[:1] and mine[0] is not None
    sets = resource.get("merge_key") or []
    keys = [["id"], [sets] if isinstance(sets, str) else list(sets)]
    return any(names and all(row.get(n) is not None and str(row.get(n)) == str(other.get(n))
                             for n in names) for names in keys)  # fmt: skip


def _alike(raw: Any, cell: Any, kind: str) -> bool:
    if isinstance(raw, (dict, list)) or cell is None:
        return False
    said = {loose(raw, kind), loose(("json", json.dumps(raw)), kind)}
    return loose(cell, kind) in said or cell in said


def _fits(value: Any, kind: str) -> bool:
    """Whether a column holds a value as it is."""
    if isinstance(value, str) and ("TIME" in kind or "DATE" in kind) and "VARCHAR" not in kind:
        try:
            datetime.fromisoformat(value if "-" in value else f"2000-01-01T{value}")
        except ValueError:
            return False
        return True
    held = {
        bool: ("BOOLEAN",), int: ("BIGINT", "HUGEINT", "DECIMAL", "DOUBLE"), str: ("VARCHAR",),
        float: ("DOUBLE", "DECIMAL"), dict: ("JSON",), list: ("JSON",),
    }  # fmt: skip
    return any(name in kind for name in held.get(type(value), ()))
