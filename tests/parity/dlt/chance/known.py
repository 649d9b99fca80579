"""What differs on purpose, as docs/parity.md tells it: taken out before engines are compared.

Each rule takes out what its row says and nothing else: where a row tells why dlt has less, what
Penstock has more must be there, and be what the records of the API are.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.parity.dlt.chance import cells
from tests.parity.dlt.chance.bound import BELOW, DROPS, NULLS, SCALAR, TRACE, bound, chain
from tests.parity.dlt.chance.cells import CLASS, FIRST, LONG, WIDER, Tables
from tests.parity.dlt.chance.missed import (
    FURTHER,
    MIXED,
    NEWEST,
    ORDER,
    TWICE,
    behind_the_boundary,
    behind_the_end,
    below_the_boundary,
    goes_on,
    mixed_up,
    twice,
)
from tests.parity.dlt.chance.told import Told, below, leaves
from tests.parity.dlt.data import Parts
from tests.parity.dlt.harness import Case, Outcome
from tests.parity.dlt.harness import differences as plain

from penstock.shape.names import identifier

DECLARED = "declared columns of a resource without a record"
INSERTED = "`insert-only`, and a record that is there already comes with more items of a list"
LATE = "a cursor on children of several parents"
LAG = "records within the `lag` that did not change"
CLEAR = "documents dlt refuses, whose meaning is clear"
DIGITS = "a number with more digits than a double holds"
LEAKED = "a `start_param` or `end_param`, beside params that are defaults"
GONE = "a table that is replaced, of a resource with `max_table_nesting`, when nothing comes"
KEYS = "`NOT NULL` of keys"
LEVELS = "`max_table_nesting` beside a contract of columns"
DETECTED = "pages detected without being named"
ENDED = "`scd2` with a cursor, and without a `merge_key`"
NEXT = (
    "several resources of one table, and steps or the cursor of the first leave nothing of its "
    "first page"
)
CLOSED = "a contract that allows no table"
AGAIN = "an empty page that leads to a next one"
MOVED = "`offset` where a page holds fewer records than asked"
TOKEN = "a token that several resources need"
AHEAD = "pages asked for ahead where `row_order` may end the reading"
# What dlt says of a scenario that Penstock runs, and the row that tells why.
REFUSED = {
    "object has no attribute 'keys'": CLEAR,  # a record that a step of the parent made, or a list
    "did not receive any data": KEYS,
    "is declared non-nullable but contains nulls": KEYS,
    "'list' object has no attribute 'update'": CLEAR,  # a form as a list of pairs
    "object has no attribute 'items'": CLEAR,  # columns of nested hints as a list
    "Value too large for defined data type": CLASS,  # a number in a column of instants
    "Cannot coerce type": CLASS,  # into a variant column, which has a type of its own
    "does not fit into precision": DIGITS,
    "cannot be represented as decimal128": DIGITS,
    "too large to fit in C integer": DIGITS,
    "too large to convert to C long": DIGITS,
    "bigint out of range": DIGITS,
    "numeric field overflow": DIGITS,
    "violates not-null constraint": KEYS,
}
ROWS = {
    CLASS,
    WIDER,
    LONG,
    DECLARED,
    INSERTED,
    LATE,
    LAG,
    CLEAR,
    DIGITS,
    SCALAR,
    FIRST,
    GONE,
    LEAKED,
    TRACE,
    KEYS,
    BELOW,
    LEVELS,
    NULLS,
    DETECTED,
    ENDED,
    NEWEST,
    MOVED,
    AGAIN,
    NEXT,
    TOKEN,
    ORDER,
    FURTHER,
    AHEAD,
    MIXED,
    TWICE,
    CLOSED,
}


def differences(
    scenario: Parts, theirs: list[Outcome], ours: list[Outcome], first: int = 1
) -> tuple[list[str], frozenset[str]]:
    """What differs and is no row of the page, and the rows that were met; from run `first` on."""
    rows: set[str] = set()
    said: list[str] = []
    told = Told(scenario)
    for nth, (their, our) in enumerate(zip(theirs, ours, strict=True), first):
        if their.error or our.error:
            excuse = next((row for said_, row in REFUSED.items() if said_ in their.error), None)
            excuse = excuse or _frozen(told, nth, their.error) or _no_table(told, their.error)
            if excuse and not our.error:
                rows.add(excuse)
            elif not their.error and _unspelled(told, our.error):
                rows.add(CLASS)
            elif not their.error and _unkeyed(told, their, our.error):
                rows.add(KEYS)
            elif not their.error and our.error.startswith("undetected-pages:"):
                rows.add(DETECTED)
            elif bool(their.error) != bool(our.error):
                said.append(f"run {nth}: error: dlt {their.error!r}, penstock {our.error!r}")
            break
        case = Case(name="chance", config=lambda _base: {}, law=True)
        a, b = alike(told, nth, their.tables, our.tables, rows)
        lines = plain(case, [_with(their, a)], [_with(our, b)])
        said += [line.replace("run 1", f"run {nth}", 1) for line in _needed(told, nth, lines, rows)]
    return said, frozenset(rows)


def _unkeyed(told: Told, their: Outcome, error: str) -> bool:
    """Whether a record is refused for want of a key that dlt has no column for."""
    found = re.match(r"key-missing: (.+?): a record has no (\w+), which is the key", error)
    resource = next((r for r in told.resources if found and r["name"] == found[1]), None)
    if found is None or resource is None:
        return False
    tables = [t for t in told.tables(resource) if t in their.tables]
    return bool(tables) and all(found[2] not in their.tables[t]["columns"] for t in tables)


def _unspelled(told: Told, error: str) -> bool:
    """Whether a value of another class is refused as a key, or by a contract, as it is."""
    if "another type, which is the key" in error:
        return True
    found = re.match(r"contract-data-type: (.+?): .*?: a value of another type at ", error)
    resource = next((r for r in told.resources if found and r["name"] == found[1]), None)
    return resource is not None and told.contract(resource, "data_type") == "freeze"


def _no_table(told: Told, error: str) -> str | None:
    """The row of a load that fails in dlt for want of a table of a resource's own."""
    found = re.search(r"Can't add table `(\w+)` because `tables` are frozen", error)
    closed = found and any(found[1] in told.tables(r) for r in told.resources)
    return CLOSED if closed else None


def _frozen(told: Told, run: int, error: str) -> str | None:
    """The row of a load that fails in dlt alone, for a column under a contract that freezes."""
    found = re.search(r"In Table: `(\w+)` Column: `(\w+)`.*? Contract on `(\w+)`", error, re.DOTALL)
    table, column, entity = found.groups() if found else ("", "", "")
    resource = told.of(table)
    if resource is None:
        return None
    if entity == "columns" and table not in told.tables(resource):
        return BELOW  # one of a child table, which the first item lacks
    name = column.rpartition("__v_")[0] or column
    records = told.records(resource, range(1, run + 1))
    nested = {isinstance(v, (dict, list)) for r in records for root in told.tables(resource)
              for *at, v in leaves(r, root) if at == [table, name] and v is not None}  # fmt: skip
    if entity == "columns":  # one that has been a table while nobody kept to the levels
        limited = told.said(resource, "max_table_nesting") is not None
        return LEVELS if run > 1 and limited and True in nested else None
    return SCALAR if (table, name, "json") in told.declared(resource) and False in nested else None


def _with(outcome: Outcome, tables: Tables) -> Outcome:
    return Outcome(heard=outcome.heard, tables=tables, error=outcome.error)


# Requests.


def _needed(told: Told, run: int, lines: list[str], rows: set[str]) -> list[str]:
    """The differences without requests that a row tells of."""
    further = told.stems(r for r in told.resources if goes_on(told, r))
    rules: dict[str, Callable[[str], bool]] = {
        ORDER: lambda line: run > 1 and _ours(line, _ordered(told)),
        AHEAD: lambda line: _ours(line, {s for s in _ordered(told) if _counted(told, s)}),
        FURTHER: lambda line: "only dlt asks" in line and _of(line, further),
        TOKEN: lambda line: "only dlt asks" in line and "'/token'" in line,
        MOVED: lambda line: "asks" in line and _of(line, _gappy(told, counted=True)),
        AGAIN: lambda line: _ours(line, _gappy(told, counted=False)),
        NEWEST: lambda line: NEWEST in rows and _ours(line, _below_changing(told)),
        LATE: lambda line: "asks" in line and _of(line, _moved(told, run)),
        LEAKED: lambda line: "asks" in line and _of(line, _leaked(told)),
    }
    left = []
    for line in lines:
        row = next((name for name, rule in rules.items() if rule(line)), None)
        rows.update([row] if row else [])
        left += [] if row else [line]
    return left


def _ours(line: str, stems: set[str]) -> bool:
    return "only penstock asks" in line and _of(line, stems)


def _of(line: str, stems: set[str]) -> bool:
    return any(f"/{stem}" in line for stem in stems)


def _ordered(told: Told) -> set[str]:
    return told.stems(r for r in told.resources if '"row_order"' in json.dumps(r["endpoint"]))


def _counted(told: Told, stem: str) -> bool:
    """Whether an API counts its pages, so that some can be asked for ahead."""
    return told.apis[stem].get("pages", {}).get("kind") in {"offset", "page"}


def _gappy(told: Told, *, counted: bool) -> set[str]:
    """What leaves records out of its pages: what is counted by offsets, or what answers tell."""
    held = {stem: api.get("pages", {}) for stem, api in told.apis.items()}
    return {stem for stem, pages in held.items()
            if pages.get("gaps") and pages["kind"] != "page"
            and (pages["kind"] == "offset") is counted}  # fmt: skip


def _below_changing(told: Told) -> set[str]:
    """What is asked for below resources whose records may be changed without their cursor."""
    return told.stems(r for r in told.resources if any(_changes(told, p) for p in told.above(r)))


def _leaked(told: Told) -> set[str]:
    """What resources without params of their own ask for, where defaults have some and grow."""
    text = json.dumps(told.config["resources"])
    grow = any(f'"{name}_param"' in text for name in ("start", "end"))
    if not grow or "params" not in told.defaults.get("endpoint", {}):
        return set()
    return told.stems(r for r in told.resources if "params" not in r["endpoint"])


def _moved(told: Told, run: int) -> set[str]:
    """What resources with a late cursor ask for, and those below them."""
    return told.stems(_late(told, run))


def _late(told: Told, run: int) -> list[Parts]:
    """Resources with a cursor below several parents, in a run in which dlt's has moved."""
    late = [r for r in told.resources if told.late(r) and (run > 1 or _paged_above(told, r))]
    return [r for r in told.resources if r in late or any(p in late for p in told.above(r))]


def _paged_above(told: Told, resource: Parts) -> bool:
    """Whether parents come on several pages: dlt's cursor moves with each; or an order ends it."""
    ordered = "row_order" in json.dumps(resource["endpoint"])
    stems = told.stems(told.above(resource))
    return ordered or any(
        told.apis[s].get("pages", {"kind": "none"})["kind"] != "none" for s in stems
    )


# Tables.


def alike(
    told: Told, run: int, their: Tables, our: Tables, rows: set[str]
) -> tuple[Tables, Tables]:
    """Both tables without what differs on purpose."""
    their, our = cells.reduced(their), cells.reduced(our)
    their = cells.renamed(their, our, rows)
    our = _undeclared(told, their, our, rows)
    their, our = _levels(told, run, their, our, rows)
    our = _closed(told, run, their, our, rows)
    their, our = _of_the_next(told, their, our, rows)
    their, our = mixed_up(told, their, our, rows)
    several = told.named(r for r in told.resources if told.has_parent(r) or told.shares(r))
    for name in set(their) & set(our):
        a, b = cells.columns_alike(their[name], our[name], rows)
        if name in several or below(name, several):
            a, b = cells.first(a, b, rows)
        their[name], our[name] = cells.classes(a, b, rows)
    for resource in told.resources:
        bound(told, resource, run, (their, our), rows)
        if run > 1 and any(_changes(told, p) for p in told.parents(resource)):
            below_the_boundary(told, resource, run, (their, our), rows)
        twice(told, resource, (their, our), rows)
        behind_the_boundary(told, resource, run, (their, our), rows)
        behind_the_end(told, resource, (their, our), rows)
        _gone(told, resource, run, (their, our), rows)
        _ended(told, resource, (their, our), rows)
        if run > 1 and _changes(told, resource):
            _newest(told, resource, run, (their, our), rows)
    for resource in _late(told, run):
        _behind(told, resource, run, (their, our), rows)
    return _again(told, their, our, rows), our


def _tables(told: Told, resource: Parts, *both: Tables) -> list[str]:
    """The tables of a resource that both engines have, and those below."""
    names = set(both[0]).intersection(*both[1:])
    return [n for n in names if told.of(n) is resource]


def _undeclared(told: Told, their: Tables, our: Tables, rows: set[str]) -> Tables:
    """Ours without tables of declared columns alone."""
    empty = [n for n in set(our) - set(their) if not our[n]["rows"] and _declares(told, n)]
    rows.update([DECLARED] if empty else [])
    return {name: table for name, table in our.items() if name not in empty}


def _closed(told: Told, run: int, their: Tables, our: Tables, rows: set[str]) -> Tables:
    """Ours without tables of resources whose contract allows none, where dlt drops every row."""
    held = [r for r in told.resources if run > 1 and r["name"] in told.later]
    gone = {t for r in held if not set(told.tables(r)) & set(their)
            for t in our if told.of(t) is r}  # fmt: skip
    rows.update([CLOSED] if gone else [])
    return {name: table for name, table in our.items() if name not in gone}


def _declares(told: Told, name: str) -> bool:
    resource = told.of(name)
    if resource is None:
        return False
    root = name in told.tables(resource)
    return any(kind for table, _, kind in told.declared(resource) if table == name or not root)


def _of_the_next(told: Told, their: Tables, our: Tables, rows: set[str]) -> tuple[Tables, Tables]:
    """Both without the columns of shared tables that the first and others declare unlike.

    Only where the first may leave out all that it begins with, and what became of them differs.
    """
    for first, *others in _shared(told):
        (name,) = told.tables(first)
        own, those = ({(c, kind) for one in held for _, c, kind in told.declared(one) if kind}
                      for held in ([first], others))  # fmt: skip
        more = {column for column, _ in own ^ those}
        may = "incremental" in json.dumps(first["endpoint"]) or told.said(first, "processing_steps")
        if not may or name not in their or name not in our:
            continue
        parts = tuple(f"{c}__" for c in more)
        kinds = [{c: kind for c, kind in t[name]["columns"].items()
                  if c in more or c.startswith(parts)} for t in (their, our)]  # fmt: skip
        if kinds[0] == kinds[1]:
            continue
        rows.add(NEXT)
        gone = {*kinds[0], *kinds[1]}
        below_ = tuple(f"{name}__{c}" for c in more)
        their, our = (_less(t, name, gone, below_) for t in (their, our))
    return their, our


def _shared(told: Told) -> list[list[Parts]]:
    """The resources of each table that several load."""
    found: dict[str, list[Parts]] = {}
    for resource in told.resources:
        if told.shares(resource):
            found.setdefault(told.tables(resource)[0], []).append(resource)
    return list(found.values())


def _less(tables: Tables, name: str, gone: set[str], below_: tuple[str, ...]) -> Tables:
    """The tables without columns of one, and without some below it."""
    held = tables[name]
    less = {
        "columns": {c: kind for c, kind in held["columns"].items() if c not in gone},
        "rows": [{c: v for c, v in row.items() if c not in gone} for row in held["rows"]],
    }
    return {n: less if n == name else t for n, t in tables.items() if not n.startswith(below_)}


def _gone(
    told: Told, resource: Parts, run: int, both: tuple[Tables, Tables], rows: set[str]
) -> None:
    """Take rows out that dlt keeps in a table for which nothing comes any more."""
    their, our = both
    limited = told.said(resource, "max_table_nesting") is not None
    replaced = told.said(resource, "write_disposition") == "replace"
    # below a parent nothing may come though there are records
    nothing = told.has_parent(resource) or not told.records(resource, [run])
    if run == 1 or not (limited and replaced and nothing):
        return
    for name in _tables(told, resource, their, our):
        if their[name]["rows"] and not our[name]["rows"]:
            rows.add(GONE)
            their[name] = our[name]


def _ended(told: Told, resource: Parts, both: tuple[Tables, Tables], rows: set[str]) -> None:
    """Let versions be valid that dlt ends, as a load with a cursor did not bring them again."""
    their, our = both
    way = told.said(resource, "write_disposition")
    versions = isinstance(way, dict) and way.get("strategy") == "scd2"
    cursor = "incremental" in json.dumps(resource["endpoint"])
    if not (versions and cursor) or told.said(resource, "merge_key"):
        return
    for name in set(told.tables(resource)) & set(their) & set(our):
        valid = Counter(_spelled(r) for r in our[name]["rows"] if r.get("(until)") is None)
        held = []
        for row in their[name]["rows"]:
            open_ = {c: v for c, v in row.items() if c != "(until)"}
            ended = row.get("(until)") is not None and valid[_spelled(open_)] > 0
            valid[_spelled(open_)] -= ended
            rows.update([ENDED] if ended else [])
            held.append(open_ if ended else row)
        their[name] = {**their[name], "rows": held}


def _changes(told: Told, resource: Parts) -> bool:
    """Whether a record is merged that is changed, and its cursor is not."""
    merged = "merge" in str(told.said(resource, "write_disposition"))
    return merged and "incremental" in json.dumps(resource["endpoint"])


def _newest(
    told: Told, resource: Parts, run: int, both: tuple[Tables, Tables], rows: set[str]
) -> None:
    """Take records as they are now for theirs, where dlt leaves them out for their cursor.

    Ours must be what the API has in this run, with the cursor's value that theirs has.
    """
    their, our = both
    fresh = {str(r.get("id")): r for r in told.records(resource, [run])}
    said = told.cursor(resource) or {"cursor_path": ""}
    cursor = said["cursor_path"].removeprefix("$.").replace(".", "__")
    changed: set[str | None] = set()
    for name in set(told.tables(resource)) & set(their) & set(our):
        lines = [{_spelled(r) for r in t[name]["rows"]} for t in (their, our)]
        mine = {str(r.get("id")): r for r in our[name]["rows"] if _spelled(r) not in lines[0]}
        held = []
        for row in their[name]["rows"]:
            key = str(row.get("id"))
            now = mine.get(key, row) if key in fresh and _spelled(row) not in lines[1] else row
            same = now.get(cursor) == row.get(cursor) and _is(now, fresh.get(key, {}), our, name)
            held.append(now if same else row)
            changed |= {key} if same and now is not row else set()
        their[name] = {**their[name], "rows": held}
    rows.update([NEWEST] if changed else [])
    for name in [n for n in our if changed and told.of(n) is resource]:
        own = [r for r in our[name]["rows"] if _root(r) in changed]
        old = their.get(name, {"columns": {}, "rows": []})
        rest = [r for r in old["rows"] if _root(r) not in changed]
        more = {c: k for c, k in our[name]["columns"].items() if any(c in r for r in own)}
        their[name] = {"columns": {**more, **old["columns"]}, "rows": [*rest, *own]}


def _root(row: Parts) -> str | None:
    """The id of the record that a row is of, or of which it is a part."""
    return next(iter(chain(row)), None) if "(parent)" in row else str(row.get("id"))


def _is(row: Parts, record: Parts, tables: Tables, name: str) -> bool:
    """Whether a row holds the scalars of a record."""
    for table, column, value in leaves(record, name):
        if table != name or value is None or isinstance(value, (dict, list)):
            continue
        kind = str(tables[name]["columns"].get(column))
        held = [v for c, v in row.items() if c.partition("__v_")[0] == column and v is not None]
        if not any(cells.loose(v, kind) == cells.loose(value, kind) for v in held):
            return False
    return True


def _levels(
    told: Told, run: int, their: Tables, our: Tables, rows: set[str]
) -> tuple[Tables, Tables]:
    """Both without tables of whose levels dlt forgets how many there may be.

    Ours keep to it, and have all rows that dlt has; in the first run no others.
    """
    for resource in told.resources:
        limit = told.said(resource, "max_table_nesting")
        if limit is None or told.contract(resource, "columns") not in {*DROPS, "freeze"}:
            continue
        mine = [n for n in our if told.of(n) is resource]
        counts = {n: (len(our[n]["rows"]), len(their.get(n, {"rows": []})["rows"])) for n in mine}
        roots = [counts[n] for n in told.tables(resource) if n in counts]
        fair = all(a >= b and (run > 1 or a == b) for a, b in roots)
        shapes = [{(n, c) for n, t in x.items() if told.of(n) is resource for c in t["columns"]}
                  for x in (their, our)]  # fmt: skip
        if fair and shapes[0] != shapes[1]:
            rows.add(LEVELS)
            their, our = ({n: t for n, t in x.items() if told.of(n) is not resource}
                          for x in (their, our))  # fmt: skip
    return their, our


def _behind(
    told: Told, resource: Parts, run: int, both: tuple[Tables, Tables], rows: set[str]
) -> None:
    """Take a late resource out of both, where ours has every record that dlt has.

    Rows of a set are gone where ours has brought others of it, of this run, that dlt has not.
    """
    their, our = both
    sets = [identifier(name) for name in told.sets(resource)]
    fresh = {str(r.get("id")) for r in told.records(resource, [run])}
    moved = _moved_on(told, resource, run)
    for name in told.tables(resource):
        if name not in our:
            continue
        mine, other = (t.get(name, {"rows": []})["rows"] for t in (our, their))
        there = {_spelled(r) for r in other}
        brought = {_set(r, sets) for r in mine
                   if _spelled(r) not in there and str(r.get("id")) in fresh}  # fmt: skip
        again = {_set(r, sets) for r in mine if str(r.get("id")) in fresh}
        held = {str(r.get("id")) for r in mine}
        lost = [r for r in other if str(r.get("id")) not in held]
        if any(not sets or _set(r, sets) not in (again if str(r.get("id")) in moved else brought)
               for r in lost):  # fmt: skip
            return
    rows.add(LATE)
    for tables in both:
        for name in [n for n in tables if told.of(n) is resource]:
            del tables[name]


def _moved_on(told: Told, resource: Parts, run: int) -> set[str]:
    """The ids of records that have another parent in a run than they had before, or none."""
    stem = told.stem(resource)
    rounds = told.apis[stem].get("rounds", []) if stem else []
    owners = [{str(r.get("id")): r.get("_of") for r in held if isinstance(r, dict)}
              for held in rounds[:run]]  # fmt: skip
    before = {(one, of) for held in owners[:-1] for one, of in held.items()}
    return {one for one, of in before if owners[-1].get(one, ...) != of}


def _set(row: Parts, names: list[str]) -> str:
    return repr([row.get(name) for name in names])


def _again(told: Told, their: Tables, our: Tables, rows: set[str]) -> Tables:
    """Theirs without items added to old rows, and without records of a lag that come again."""
    for resource in told.resources:
        way = told.said(resource, "write_disposition")
        grown = isinstance(way, dict) and way.get("strategy") == "insert-only"
        own = set(told.tables(resource))
        lagged = any('"lag"' in json.dumps(r["endpoint"]) and own & set(told.tables(r))
                     for r in told.resources)  # fmt: skip
        for name in _tables(told, resource, their, our):
            if grown and name not in told.tables(resource):
                their[name] = _without_more(their[name], our[name], rows)
            if lagged:
                their[name] = _once(their[name], our[name], rows)
    return their


def _once(their: Any, our: Any, rows: set[str]) -> Any:
    """Their table without rows that come more often than in ours, where ours has each of them."""
    a, b = (Counter(_spelled(r) for r in t["rows"]) for t in (their, our))
    if a == b or a.keys() != b.keys() or any(b[row] > count for row, count in a.items()):
        return their
    rows.add(LAG)
    return {**their, "rows": our["rows"]}


def _without_more(their: Any, our: Any, rows: set[str]) -> Any:
    """Their table without the items that ours has not, where it has all others."""
    mine = [_spelled(row) for row in our["rows"]]
    kept = [row for row in their["rows"] if _spelled(row) in mine]
    if len(kept) == len(their["rows"]) or len(kept) != len(mine):
        return their
    rows.add(INSERTED)
    return {**their, "rows": kept}


def _spelled(row: Parts) -> str:
    return repr(sorted(((c, v) for c, v in row.items() if v is not None), key=str))
