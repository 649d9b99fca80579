"""Rows that dlt does not come to, and columns that it gives what others say of theirs."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from tests.parity.dlt.chance.bound import chain
from tests.parity.dlt.chance.cells import Tables
from tests.parity.dlt.chance.told import Told
from tests.parity.dlt.data import Parts

from penstock.shape.names import identifier

ORDER = "`row_order`, and a record at the boundary that an earlier run has loaded"
FURTHER = "`row_order`, and a `yield_map` before the cursor"
NEWEST = "a record that is merged, and changed without its cursor, where that is the newest"
MIXED = "a column of the defaults, of which several resources say different things"

TWICE = "two records of one key in one load"

Row = dict[str, Any]


def behind_the_boundary(
    told: Told, resource: Parts, run: int, both: tuple[Tables, Tables], rows: set[str]
) -> None:
    """Give theirs what ours has of records behind one that an earlier run has loaded.

    An order ends the reading of dlt there, with the page.
    """
    cursor = told.cursor(resource)
    if run == 1 or cursor is None or "row_order" not in cursor:
        return
    late = {one for n in range(2, run + 1) for one in _late(told, resource, n, cursor)}
    _give(told, resource, both, late, rows, ORDER)


def goes_on(told: Told, resource: Parts) -> bool:
    """Whether dlt may look at pages behind the end of an order."""
    cursor, steps = told.cursor(resource), told.said(resource, "processing_steps") or ()
    return "row_order" in (cursor or {}) and any("yield_map" in step for step in steps)


def behind_the_end(
    told: Told, resource: Parts, both: tuple[Tables, Tables], rows: set[str]
) -> None:
    """Take rows of theirs out that ours lacks, where an order ends the reading behind a step."""
    their, our = both
    for name in [n for n in their if told.of(n) is resource and goes_on(told, resource)]:
        mine = our.get(name, {"rows": []})["rows"]
        further = _minus(their[name]["rows"], mine)
        if further:
            rows.add(FURTHER)
            their[name] = {**their[name], "rows": _minus(their[name]["rows"], further)}
        if name not in our and not their[name]["rows"]:
            del their[name]


def below_the_boundary(
    told: Told, resource: Parts, run: int, both: tuple[Tables, Tables], rows: set[str]
) -> None:
    """Give theirs what ours has below records with the newest value of earlier runs.

    dlt leaves these out by their key, whatever else of them has changed.
    """
    ids = {one for n in range(2, run + 1) for one in _below(told, resource, n)}
    _give(told, resource, both, ids, rows, NEWEST)


def _below(told: Told, resource: Parts, run: int) -> set[str]:
    """The ids of a run's records that are of such parents."""
    stem = told.stem(resource)
    if stem is None:
        return set()
    owner = told.apis[stem].get("owner", {}).get("field", "id")
    of: set[str] = set()
    for parent in told.parents(resource):
        cursor = told.cursor(parent)
        held = told.records(parent, [run]) if cursor else []
        newest = _newest(told, parent, run, cursor) if cursor else None
        of |= {str(_at(r, owner)) for r in held if cursor and _value(r, cursor) == newest}
    fresh = told.apis[stem].get("rounds", [[]])
    mine = fresh[min(run, len(fresh)) - 1]
    return {str(r.get("id")) for r in mine if isinstance(r, dict) and str(r.get("_of")) in of}


def _give(  # noqa: PLR0917 (what there is, and what it is for)
    told: Told,
    resource: Parts,
    both: tuple[Tables, Tables],
    ids: set[str],
    rows: set[str],
    row: str,
) -> None:
    """Give theirs the rows of records that ours alone has; what is merged takes their place."""
    their, our = both
    merged = "merge" in str(told.said(resource, "write_disposition"))
    for name in [n for n in our if ids and told.of(n) is resource]:
        old = their.get(name, {"columns": {}, "rows": []})
        more, gone = (_without(a["rows"], b["rows"], ids)
                      for a, b in ((our[name], old), (old, our[name])))  # fmt: skip
        if not more:
            continue
        rows.add(row)
        held = _minus(old["rows"], gone) if merged else old["rows"]
        fresh = {c: k for c, k in our[name]["columns"].items() if any(c in r for r in more)}
        their[name] = {"columns": {**fresh, **old["columns"]}, "rows": [*held, *more]}


def _late(told: Told, resource: Parts, run: int, cursor: Parts) -> set[str]:
    """The ids of a run's records that stand behind one with the newest value of earlier runs."""
    held, newest = told.records(resource, [run]), _newest(told, resource, run, cursor)
    here = [n for n, r in enumerate(held) if newest is not None and _value(r, cursor) == newest]
    return {str(r.get("id")) for r in held[here[0] + 1 :]} if here else set()


def _newest(told: Told, resource: Parts, run: int, cursor: Parts) -> Any:
    """The newest value of earlier runs."""
    values = [_value(r, cursor) for r in told.records(resource, range(1, run))]
    pick = min if cursor.get("last_value_func") == "min" else max
    return pick([v for v in values if v is not None], default=None)


def _value(record: Any, cursor: Parts) -> Any:
    return _at(record, cursor["cursor_path"].removeprefix("$."))


def _at(record: Any, path: str) -> Any:
    """What stands at a path of keys and places."""
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(record, list):
            record = record[int(step)] if len(record) > int(step) else None
        else:
            record = record.get(step) if isinstance(record, dict) else None
    return record


def _without(some: list[Row], others: list[Row], ids: set[str]) -> list[Row]:
    """The rows of these records that the others do not have as often."""
    return [r for r in _minus(some, others) if _root(r) in ids]


def _minus(some: list[Row], others: list[Row]) -> list[Row]:
    left, found = Counter(map(_spelled, others)), []
    for row in some:
        text = _spelled(row)
        if left[text]:
            left[text] -= 1
        else:
            found.append(row)
    return found


def _root(row: Row) -> str | None:
    return next(iter(chain(row)), None) if "(parent)" in row else str(row.get("id"))


def _spelled(row: Row) -> str:
    return repr(sorted(((c, v) for c, v in row.items() if v is not None), key=str))


def twice(told: Told, resource: Parts, both: tuple[Tables, Tables], rows: set[str]) -> None:
    """Take rows of theirs out that share a key with another, in nested tables with keys."""
    their, our = both
    for nested, hint in (resource.get("nested_hints") or {}).items():
        key, way = hint.get("primary_key"), hint.get("write_disposition")
        names = [f"{root}__{identifier(nested)}" for root in told.tables(resource)]
        if key is None or not isinstance(way, dict):
            continue
        for name in set(names) & set(their) & set(our):
            held, mine = (_by_key(t[name]["rows"], identifier(key)) for t in (their, our))
            several = {k for k, some in held.items() if len(some) > 1
                       and 0 < len(mine.get(k, ())) <= len(some)
                       and _spelled(mine[k][-1]) in map(_spelled, some)}  # fmt: skip
            rows.update([TWICE] if several else [])
            for tables, found in ((their, held), (our, mine)):
                left = [r for k, some in found.items()
                        for r in (mine[k][-1:] if k in several else some)]  # fmt: skip
                tables[name] = {**tables[name], "rows": left}


def _by_key(rows: list[Row], key: str) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(str(row.get(key)), []).append(row)
    return found


def mixed_up(told: Told, their: Tables, our: Tables, rows: set[str]) -> tuple[Tables, Tables]:
    """Both without the columns of defaults that resources say unlike, where types differ.

    dlt has one hint for all of them, into which it writes what each of them says.
    """
    unlike = _unlike(told)
    for name in told.named(told.resources) & set(their) & set(our):
        gone = {c for t in (their, our) for c in t[name]["columns"]
                if c.partition("__v_")[0] in unlike}  # fmt: skip
        kinds = [{c: t[name]["columns"].get(c) for c in gone} for t in (their, our)]
        if kinds[0] == kinds[1]:
            continue
        rows.add(MIXED)
        for tables in (their, our):
            tables[name] = {part: _less(tables[name][part], gone) for part in ("columns", "rows")}
    return their, our


def _unlike(told: Told) -> set[str]:
    """The columns of the defaults of which a resource says something else."""
    named = dict(told.hints(told.defaults))
    own = [pair for r in told.resources for pair in told.hints(r)]
    return {identifier(name) for name, hint in own if name in named and hint != named[name]}


def _less(held: Any, gone: set[str]) -> Any:
    if isinstance(held, list):
        return [_less(row, gone) for row in held]
    return {c: v for c, v in held.items() if c not in gone}
