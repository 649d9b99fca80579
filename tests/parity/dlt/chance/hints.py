"""What resources say of their tables, by chance: dispositions, keys, columns, contracts."""

from __future__ import annotations

import random
from typing import Any

from tests.parity.dlt.data import Parts

TYPES = ("text", "bigint", "double", "timestamp", "date", "time", "decimal", "json")
FITTING = {"int": ("bigint", "double", "text", "decimal"), "long": ("bigint", "text", "decimal"),
           "float": ("double", "text"), "text": ("text",), "odd": ("text",), "bool": ("bool",),
           "instant": ("timestamp", "text"), "local": ("timestamp", "text"),
           "date": ("date", "text", "timestamp"), "time": ("time", "text"), "uuid": ("text",),
           "number text": ("text", "double"), "object": ("json",), "scalars": ("json",),
           "objects": ("json",), "lists": ("json",), "mixed": ("json",),
           "hollow": ("json",)}  # fmt: skip
MODES = ("evolve", "discard_row", "discard_value", "freeze")


def written(rng: random.Random) -> Parts:
    """A disposition with the keys that it needs, or has all the same."""
    way = rng.choice(["none", "append", "append", "replace", "merge", "merge", "merge", "strategy"])
    said: Parts = {} if way == "none" else {"write_disposition": way}
    if way == "strategy":
        strategy = rng.choice(["delete-insert", "scd2", "upsert", "insert-only"])
        said["write_disposition"] = {"disposition": "merge", "strategy": strategy}
        if strategy == "scd2":
            return said
    keys = rng.choice(
        ["id", "id", "id", ["id"], ["id", "group"], None if way != "strategy" else "id"]
    )
    if keys and (way in {"merge", "strategy"} or rng.random() < 0.2):
        said["primary_key"] = keys
    plain = way == "merge" or said.get("write_disposition", {}) == {
        "disposition": "merge", "strategy": "delete-insert"}  # fmt: skip
    if plain and rng.random() < 0.25:
        said["merge_key"] = rng.choice(["group", ["group"], ["group", "name"]])
    return said


def _typed(rng: random.Random, fields: list[Parts]) -> dict[str, Parts]:
    """A type for some of the fields, mostly one that suits them."""
    found: dict[str, Parts] = {}
    for field in rng.sample(fields, min(len(fields), rng.randint(1, 2))):
        suits = rng.random() < 0.8
        kind = rng.choice(FITTING[field["kind"]] if suits else TYPES)
        hint: Parts = {"data_type": kind}
        if kind == "decimal" and rng.random() < 0.5:
            hint |= {"precision": 20, "scale": 4}
        if kind == "timestamp" and rng.random() < 0.25:
            hint |= {"timezone": False}
        if rng.random() < 0.1:
            hint |= rng.choice([{"nullable": True}, {"description": "said"}, {"x-own": 1}])
        found[field["key"]] = hint
    if rng.random() < 0.15:
        found["never"] = {"data_type": rng.choice(TYPES)}
    return found


def columns(rng: random.Random, fields: list[Parts]) -> Any:
    """Declared columns, as a mapping or as a list."""
    found = _typed(rng, fields)
    if rng.random() < 0.1:
        found["id"] = {"nullable": False}
    if rng.random() < 0.3:
        return [{"name": name, **hint} for name, hint in found.items()]
    return found


def contract(rng: random.Random) -> Any:
    """A contract for all, or for some."""
    if rng.random() < 0.1:
        return "evolve"
    entities = rng.sample(["columns", "data_type", "tables"], rng.randint(1, 2))
    return {e: rng.choice(MODES[:3] if e != "tables" else MODES[:1]) for e in entities}


def of_table(rng: random.Random, fields: list[Parts]) -> Parts:
    """What a resource says of its tables besides how rows are written."""
    said: Parts = {}
    if rng.random() < 0.2:
        said["columns"] = columns(rng, fields)
    if rng.random() < 0.12:
        said["schema_contract"] = contract(rng)
    if rng.random() < 0.15:
        said["max_table_nesting"] = rng.choice([0, 1, 2, 3])
    if rng.random() < 0.1:
        name = rng.choice(["OtherThings", "some table", "Räume", "t" * 50])
        said["table_name"] = f"{name}{rng.randint(0, 9999)}"  # two resources have two tables
    lists = [f for f in fields if f["kind"] in {"objects", "scalars"}]
    if lists and rng.random() < 0.2:
        held = rng.choice(lists)
        inside = held["fields"] or [{"key": "value", "kind": held["of"]}]
        named = {n: {"name": n, **hint} for n, hint in _typed(rng, inside).items()}
        said["nested_hints"] = {held["key"]: {"columns": named}}
    return said
