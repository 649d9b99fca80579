"""What differs on purpose, as docs/parity.md tells it: taken out before engines are compared."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from tests.parity.dlt.data import Parts
from tests.parity.dlt.harness import Case, Outcome
from tests.parity.dlt.harness import differences as plain

from penstock.shape.names import identifier, shorten

MOST_LETTERS = 63
KINDS = ("text", "bigint", "double", "decimal", "bool", "timestamp", "date", "time", "json")
Tables = dict[str, Any]

CLASS = "a value of another class than its column's"
WIDER = "a fraction where integers were"
LONG = "names of more than 63 letters"
DECLARED = "declared columns of a resource without a record"
INSERTED = "`insert-only`, and a record that is there already comes with more items of a list"
LATE = "a cursor on children of several parents"
LAG = "records within the `lag` that did not change"
CLEAR = "documents dlt refuses, whose meaning is clear"
DIGITS = "a number with more digits than a double holds"
LEAKED = "a `start_param` or `end_param`, beside params that are defaults"
GONE = "a table that is replaced, of a resource with `max_table_nesting`, when nothing comes"
FIRST = "the first value of a field, of a resource below several parents"
SCALAR = "a scalar in a column that is declared `json`"
TRACE = "a row that a contract leaves out, and that has new fields"
KEYS = "`NOT NULL` of keys"
BELOW = "a contract of columns, in the load that makes a child table"
LEVELS = "`max_table_nesting` beside a contract of columns"
NULLS = "a contract of columns that leaves out rows, and nulls"
TOKEN = "a token that several resources need"
ORDER = "`row_order`, and a record at the boundary that an earlier run has loaded"
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
    "too large to fit in C integer": DIGITS,
    "too large to convert to C long": DIGITS,
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
    TOKEN,
    ORDER,
    AHEAD,
}


def differences(
    scenario: Parts, theirs: list[Outcome], ours: list[Outcome], first: int = 1
) -> tuple[list[str], frozenset[str]]:
    """What differs and is no row of the page, and the rows that were met; from run `first` on."""
    rows: set[str] = set()
    said: list[str] = []
    for nth, (their, our) in enumerate(zip(theirs, ours, strict=True), first):
        if their.error or our.error:
            excuse = next((row for said_, row in REFUSED.items() if said_ in their.error), None)
            if excuse and not our.error:
                rows.add(excuse)
            elif not their.error and "another type, which is the key" in our.error:
                rows.add(CLASS)
            elif bool(their.error) != bool(our.error):
                said.append(f"run {nth}: error: dlt {their.error!r}, penstock {our.error!r}")
            break
        case = Case(name="chance", config=lambda _base: {}, law=True)
        a, b = alike(scenario, their.tables, our.tables, rows)
        lines = plain(case, [_with(their, a)], [_with(our, b)])
        said += [line.replace("run 1", f"run {nth}", 1) for line in _needed(scenario, lines, rows)]
    return said, frozenset(rows)


def _needed(scenario: Parts, lines: list[str], rows: set[str]) -> list[str]:
    """The differences without pages of ours behind those that end the reading for dlt."""
    resources = [r for r in scenario["config"]["resources"] if '"row_order"' in json.dumps(r)]
    stems = {s for s in scenario["apis"] for r in resources if s in r["endpoint"]["path"]}
    more = [line for line in lines if "only penstock asks" in line and any(
        f"/{stem}" in line for stem in stems)]  # fmt: skip
    rows.update([ORDER, AHEAD] if more else [])
    told = [line for line in lines if "only dlt asks" in line and "'/token'" in line]
    rows.update([TOKEN] if told else [])
    late = [r["endpoint"]["path"] for r in _late(scenario["config"])]
    moved = [line for line in lines if "asks" in line and any(
        f"/{s}" in line for s in scenario["apis"] for path in late if s in path)]  # fmt: skip
    rows.update([LATE] if moved else [])
    leaked = [line for line in lines if "asks" in line and any(
        f"/{s}" in line for s in _leaked(scenario))]  # fmt: skip
    rows.update([LEAKED] if leaked else [])
    return [line for line in lines if line not in {*more, *told, *moved, *leaked}]


def _leaked(scenario: Parts) -> set[str]:
    """What resources without params of their own ask for, where defaults have some and grow."""
    config = scenario["config"]
    grow = any(f'"{name}_param"' in json.dumps(config["resources"]) for name in ("start", "end"))
    if not grow or "params" not in config.get("resource_defaults", {}).get("endpoint", {}):
        return set()
    bare = [r for r in config["resources"] if "params" not in r["endpoint"]]
    return {s for s in scenario["apis"] for r in bare if s in r["endpoint"]["path"]}


def _has_parent(resource: Parts) -> bool:
    text = json.dumps(resource["endpoint"], ensure_ascii=False)
    return "resources." in text or '"resolve"' in text


def _late(config: Parts) -> list[Parts]:
    """Resources with a cursor and a parent, and those below them: dlt has one cursor for all."""
    found: list[Parts] = []
    for resource in config["resources"]:
        text = json.dumps(resource["endpoint"], ensure_ascii=False)
        below = _has_parent(resource)
        above = any(f"resources.{one['name']}." in text or f'"{one["name"]}"' in text
                    for one in found)  # fmt: skip
        if above or (below and "incremental" in text):
            found.append(resource)
    return found


def _with(outcome: Outcome, tables: Tables) -> Outcome:
    return Outcome(heard=outcome.heard, tables=tables, error=outcome.error)


def alike(scenario: Parts, their: Tables, our: Tables, rows: set[str]) -> tuple[Tables, Tables]:
    """Both tables without what differs on purpose."""
    their, our = _reduced(their), _reduced(our)
    their = _renamed(their, our, rows)
    empty = [name for name in set(our) - set(their) if not our[name]["rows"]]
    if empty and '"columns"' in json.dumps(scenario["config"]):
        rows.add(DECLARED)
        our = {name: table for name, table in our.items() if name not in empty}
    forgotten, nulls = _forgotten(scenario["config"]), _nulls(scenario, their)
    late = {_table(r) for r in _late(scenario["config"])}
    gone = {name for name, limit in _said(scenario["config"], "max_table_nesting")
            if limit is not None and name in our and not our[name]["rows"]}  # fmt: skip
    left_out = ((LEVELS, forgotten), (NULLS, nulls), (LATE, late), (GONE, gone))
    rows.update(row for row, names in left_out if names & set(our))
    their, our = _without(forgotten | nulls | late | gone, their, our)
    children = {_table(r) for r in scenario["config"]["resources"] if _has_parent(r)}
    for name in set(their) & set(our):
        a, b = _columns(their[name], our[name], rows)
        if name in children or _below(name, children):
            a, b = _first(a, b, rows)
        their[name], our[name] = _classes(*_scalars(scenario["config"], name, a, b, rows), rows)
        their[name] = _traceless(scenario["config"], name, their[name], our[name], rows)
        if _spelled(scenario["config"], name) and _within(our[name], their[name], once=False):
            rows.update([CLASS] if our[name] != their[name] else [])
            their[name] = our[name]
    our = _allowed(scenario["config"], their, our, rows)
    grown = _grown(scenario["config"])
    lagged = _lagged(scenario["config"])
    for name in set(their) & set(our):
        if _below(name, grown):
            their[name] = _without_more(their[name], our[name], rows)
        if name in lagged or _below(name, lagged):
            their[name] = _once(their[name], our[name], rows)
    return their, our


def _said(config: Parts, key: str) -> list[tuple[str, Any]]:
    """What each resource says, or the defaults for it, with the name of its table."""
    default = config.get("resource_defaults", {}).get(key)
    return [(_table(r), r.get(key, default)) for r in config["resources"]]


def _table(resource: Parts) -> str:
    return identifier(resource.get("table_name", resource["name"]))


def _below(table: str, roots: Iterable[str]) -> bool:
    """Whether a table is a child of one of these, by its name, which may be a shortened one."""
    short = len(table) == MOST_LETTERS
    return any(
        table.startswith(f"{root}__") or (short and table[:20] == root[:20]) for root in roots
    )


def _bound(config: Parts) -> list[str]:
    """The tables whose columns a contract holds."""
    return [name for name, mode in _modes(config) if mode not in {None, "evolve"}]


def _modes(config: Parts, entity: str = "columns") -> list[tuple[str, Any]]:
    said = _said(config, "schema_contract")
    return [(n, one.get(entity) if isinstance(one, dict) else one) for n, one in said]


def _forgotten(config: Parts) -> set[str]:
    """The tables whose levels dlt forgets."""
    limited = {name for name, limit in _said(config, "max_table_nesting") if limit is not None}
    return limited & set(_bound(config))


def _without(gone: set[str], *both: Tables) -> list[Tables]:
    """Tables without these and those below them."""
    return [{n: t for n, t in tables.items() if n not in gone and not _below(n, gone)}
            for tables in both]  # fmt: skip


def _nulls(scenario: Parts, their: Tables) -> set[str]:
    """The tables that rows may lack because of nulls: another record has a value, and no column."""
    found = set()
    modes = dict(_modes(scenario["config"]))
    for resource in scenario["config"]["resources"]:
        name, path = _table(resource), resource["endpoint"]["path"]
        stem = next((s for s in scenario["apis"] if s in path), None)
        if modes[name] == "discard_row" and stem is not None and name in their:
            held = [dict(_flat(r)) for r in scenario["apis"][stem]["rounds"][-1]]
            fields = {k for r in held for k in r} - set(their[name]["columns"])
            if any({r[f] is None for r in held if f in r} == {True, False} for f in fields):
                found.add(name)
    return found


def _flat(record: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in record.items() if isinstance(record, dict) else ():
        name = f"{above}{identifier(key)}"
        if isinstance(value, dict):
            yield from _flat(value, f"{name}__")
        else:
            yield name, value


def _allowed(config: Parts, their: Tables, our: Tables, rows: set[str]) -> Tables:
    """Ours without what dlt kept out of child tables as they came to be, where it has no more."""
    bound, lagged, kept = _bound(config), _lagged(config), {}
    for name, table in our.items():
        other = their.get(name, {"columns": {}, "rows": []})
        once = _below(name, lagged)
        fewer = _below(name, bound) and _within(other, table, once=once)
        rows.update([BELOW] if fewer and other != table else [])
        if name in their or not fewer:
            kept[name] = other if fewer else table
    return kept


def _within(some: Any, whole: Any, *, once: bool) -> bool:
    """Whether a table has no rows but those of another, `once` or not, and no other values."""
    held = [set(_items(row)) for row in whole["rows"]]
    for row in some["rows"]:
        found = next((one for one in held if set(_items(row)) <= one), None)
        if found is None:
            return False
        if not once:
            held.remove(found)
    return set(some["columns"]) <= set(whole["columns"])


def _items(row: Parts) -> list[str]:
    return [repr(item) for item in row.items() if item[1] is not None]


def _lagged(config: Parts) -> tuple[str, ...]:
    """The tables into which dlt may append the records of a lag once more."""
    return tuple(_table(r) for r in config["resources"] if '"lag"' in json.dumps(r))


def _once(their: Any, our: Any, rows: set[str]) -> Any:
    """Their table without rows that come more than once, where ours has each of them."""
    a, b = ({repr(sorted(r.items(), key=str)): r for r in t["rows"]} for t in (their, our))
    if a.keys() != b.keys() or len(their["rows"]) == len(our["rows"]):
        return their
    rows.add(LAG)
    return {**their, "rows": our["rows"]}


def _grown(config: Parts) -> tuple[str, ...]:
    """The tables below which dlt adds items of rows that are there."""
    found = _said(config, "write_disposition")
    ways = [(name, way.get("strategy")) for name, way in found if isinstance(way, dict)]
    return tuple(name for name, strategy in ways if strategy == "insert-only")


def _without_more(their: Any, our: Any, rows: set[str]) -> Any:
    """Their table without the items that ours has not, where it has all others."""
    mine = [repr(sorted(row.items(), key=str)) for row in our["rows"]]
    kept = [row for row in their["rows"] if repr(sorted(row.items(), key=str)) in mine]
    if len(kept) == len(their["rows"]) or len(kept) != len(mine):
        return their
    rows.add(INSERTED)
    return {**their, "rows": kept}


def _reduced(tables: Tables) -> Tables:
    """The tables with parents that are told by id and place alone, whatever else they hold."""
    found = {}
    for name, table in tables.items():
        rows = [{**r, **({"(parent)": _brief(r["(parent)"])} if "(parent)" in r else {})}
                for r in table["rows"]]  # fmt: skip
        found[name] = {"columns": dict(table["columns"]), "rows": rows}
    return found


def _brief(parent: str) -> str:
    reader, at, found = json.JSONDecoder(), 0, []
    while parent.startswith("[", at):
        (own, index), at = reader.raw_decode(parent, at)
        told = sorted(value for key, value in own.items() if key == "id" or key[:6] == "id__v_")
        found.append((told[0] if told else None, index))
    return repr(found) or parent


# Names.


def _renamed(their: Tables, our: Tables, rows: set[str]) -> Tables:
    """The tables by the names that Penstock has for those that are too long for some databases."""
    return {_short(name, set(our) - set(their), rows): table for name, table in their.items()}


def _columns(their: Any, our: Any, rows: set[str]) -> tuple[Any, Any]:
    """Both by the names that Penstock has, variants as if no name were too long."""
    fresh = set(our["columns"]) - set(their["columns"])
    names = {c: _short(c, fresh, rows) for c in their["columns"] if "__v_" not in c}
    for column in set(their["columns"]) - set(names):
        base, _, kind = column.partition("__v_")
        names[column] = f"{names.get(base, base)}__v_{kind}"
    whole = {shorten(f"{base}__v_{kind}", f"{base}__v_{kind}"): f"{base}__v_{kind}"
             for base in {*our["columns"], *names.values()} for kind in KINDS}  # fmt: skip
    own = {c: whole.get(c, c) for c in our["columns"]}
    rows.update([LONG] if any(short != full for short, full in own.items()) else [])
    return _named(their, names), _named(our, own)


def _named(table: Any, names: dict[str, str]) -> Any:
    columns = {names[c]: kind for c, kind in table["columns"].items()}
    held = [{names.get(c, c): v for c, v in row.items()} for row in table["rows"]]
    return {"columns": columns, "rows": held}


def _short(name: str, fresh: set[str], rows: set[str]) -> str:
    if len(name) <= MOST_LETTERS:
        return name
    like = [
        n for n in fresh if len(n) == MOST_LETTERS and n[:20] == name[:20] and n[-20:] == name[-20:]
    ]
    if len(like) != 1:
        return name
    rows.add(LONG)
    return like[0]


# Values of several classes in one field.


def _spelled(config: Parts, name: str) -> bool:
    """Whether a contract may leave out of a table what dlt rewrites: 7 in a column of truths."""
    modes = _modes(config, "data_type")
    bound = [n for n, mode in modes if mode in {"discard_row", "discard_value"}]
    return name in bound or _below(name, bound)


def _traceless(config: Parts, name: str, their: Any, our: Any, rows: set[str]) -> Any:
    """Theirs without the columns of rows left out; ours where such a column has left out more."""
    bound = {n for entity in ("columns", "data_type") for n, mode in _modes(config, entity)
             if mode == "discard_row"}  # fmt: skip
    if name not in bound and not _below(name, bound):
        return their
    more = {c for c in set(their["columns"]) - set(our["columns"])
            if all(row.get(c) is None for row in their["rows"])}  # fmt: skip
    other = [c for c in set(their["columns"]) & set(our["columns"])
             if their["columns"][c] != our["columns"][c]]  # fmt: skip
    rows.update([TRACE] if more or other else [])
    if other:
        return our
    return {
        "columns": {c: kind for c, kind in their["columns"].items() if c not in more},
        "rows": [{c: v for c, v in row.items() if c not in more} for row in their["rows"]],
    }


def _first(their: Any, our: Any, rows: set[str]) -> tuple[Any, Any]:
    """Both with one cell for a field whose class depends on which parent's answer came first."""
    for base in {c for c in their["columns"] if "__v_" not in c and c in our["columns"]}:
        kinds = [str(t["columns"][base]) for t in (their, our)]
        if kinds[0] != kinds[1] and any("VARCHAR" in kind for kind in kinds):
            rows.add(FIRST)
            group = [c for c in {*their["columns"], *our["columns"]}
                     if c == base or c.startswith(f"{base}__v_")]  # fmt: skip
            their, our = (_merged(t, base, group, str(kinds)) for t in (their, our))
    return their, our


def _scalars(config: Parts, name: str, their: Any, our: Any, rows: set[str]) -> tuple[Any, Any]:
    """Both without columns of JSON, where dlt lets a contract drop scalars from them."""
    bound = {n for n, mode in _modes(config, "data_type") if mode not in {None, "evolve"}}
    gone = {c for c, kind in their["columns"].items() if "JSON" in str(kind)}
    held = name in bound or _below(name, bound)
    if not held or not gone or '"columns"' not in json.dumps(config):
        return their, our
    rows.add(SCALAR)
    both = [{"columns": {c: k for c, k in t["columns"].items() if c not in gone},
             "rows": [{c: v for c, v in row.items() if c not in gone} for row in t["rows"]]}
            for t in (their, our)]  # fmt: skip
    return both[0], both[1]


def _classes(their: Any, our: Any, rows: set[str]) -> tuple[Any, Any]:
    """Both tables with one cell for a field and its variants, where these are not the same."""
    both = {*their["columns"], *our["columns"]}
    bases = {c.partition("__v_")[0] for c in both if "__v_" in c}
    bases |= {c for c in both if "JSON" in str(their["columns"].get(c))}
    bases |= {c for c in both if "DATE" in str(their["columns"].get(c))}
    for base in bases:
        group = sorted(c for c in both if c == base or c.startswith(f"{base}__v_"))
        if all(c in their["columns"] and c in our["columns"] for c in group):
            kinds = [(their["columns"][c][0], our["columns"][c][0]) for c in group]
            if all(a == b for a, b in kinds) and _cells(their, group) == _cells(our, group):
                continue
        rows.add(CLASS if "DOUBLE" not in str(our["columns"].get(base)) else WIDER)
        kind = str([t["columns"].get(base) for t in (our, their)])
        their, our = (_merged(t, base, group, kind) for t in (their, our))
    return their, our


def _cells(table: Any, group: list[str]) -> Counter[str]:
    return Counter(repr([row.get(c) for c in group]) for row in table["rows"])


def _merged(table: Any, base: str, group: list[str], kind: str) -> Any:
    columns = {c: k for c, k in table["columns"].items() if c not in group}
    columns[base] = (kind, "YES")
    rows = []
    for row in table["rows"]:
        value = next((row[c] for c in group if row.get(c) is not None), None)
        rest = {c: v for c, v in row.items() if c not in group}
        rows.append({**rest, base: None if value is None else _loose(value, kind)})
    return {"columns": columns, "rows": rows}


def _loose(value: Any, kind: str) -> str:
    """A value as what dlt may have made of it: truths and texts of numbers are numbers."""
    if isinstance(value, tuple):
        value = json.loads(value[1])
    if isinstance(value, (dict, list)):
        value = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    text = str(value).strip().lower()
    text = {"true": "1", "t": "1", "yes": "1", "false": "0", "f": "0", "no": "0"}.get(text, text)
    try:
        number = float(int(text, 16) if text.startswith("0x") else text)
        number -= number % 86_400 if "'DATE'" in kind else 0
        number = round(number, 6) if "TIMESTAMP" in kind else number
        return f"n {float(number != 0) if 'BOOLEAN' in kind else number!r}"
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return text
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = zoned.timestamp()
    seconds -= seconds % 86_400 if "'DATE'" in kind else 0
    return f"n {seconds!r}"
