"""Tables said alike: names of one length, parents by id and place, one cell for all classes."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from tests.parity.dlt.chance.told import MOST_LETTERS

from penstock.shape.names import shorten

Tables = dict[str, Any]
KINDS = ("text", "bigint", "double", "decimal", "bool", "timestamp", "date", "time", "json")
CLASS = "a value of another class than its column's"
WIDER = "a fraction where integers were"
LONG = "names of more than 63 letters"
FIRST = "the first value of a field, of a resource below several parents, or of several in a table"


def reduced(tables: Tables) -> Tables:
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


def renamed(their: Tables, our: Tables, rows: set[str]) -> Tables:
    """The tables by the names that Penstock has for those that are too long for some databases."""
    return {_short(name, set(our) - set(their), rows): table for name, table in their.items()}


def columns_alike(their: Any, our: Any, rows: set[str]) -> tuple[Any, Any]:
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
    ends = [next(k for k in range(MOST_LETTERS, 0, -1) if name.endswith(n[-k:])) for n in like]
    if not like or ends.count(max(ends)) > 1:
        return name
    rows.add(LONG)
    return like[ends.index(max(ends))]


def first(their: Any, our: Any, rows: set[str]) -> tuple[Any, Any]:
    """Both with one cell for a field whose class depends on which parent's answer came first."""
    for base in {c for c in their["columns"] if "__v_" not in c and c in our["columns"]}:
        kinds = [str(t["columns"][base]) for t in (their, our)]
        if kinds[0] != kinds[1] and any("VARCHAR" in kind for kind in kinds):
            rows.add(FIRST)
            group = [c for c in {*their["columns"], *our["columns"]}
                     if c == base or c.startswith(f"{base}__v_")]  # fmt: skip
            their, our = (_merged(t, base, group, str(kinds)) for t in (their, our))
    return their, our


def classes(their: Any, our: Any, rows: set[str]) -> tuple[Any, Any]:
    """Both tables with one cell for a field and its variants, where these are not the same."""
    both = {*their["columns"], *our["columns"]}
    bases = {c.partition("__v_")[0] for c in both if "__v_" in c}
    bases |= {c for c in both if "JSON" in str(their["columns"].get(c))}
    bases |= {c for c in both if "BIGINT" in str(their["columns"].get(c))
              and "DOUBLE" in str(our["columns"].get(c))}  # fmt: skip
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
        rows.append({**rest, base: None if value is None else loose(value, kind)})
    return {"columns": columns, "rows": rows}


def loose(value: Any, kind: str) -> str:
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
