"""What the rest never says: other spellings, other places, and hints that few documents have.

It has a chance of its own, as `more` has, so that seeds stay what they were without it.
"""

from __future__ import annotations

import copy
import json
import random
import re
from typing import Any

from tests.parity.dlt.chance.changing import Change, changed
from tests.parity.dlt.data import Parts

DAY = re.compile(r"\d{4}-\d\d-\d\d$")
BASE = "http://api"


def widened(seed: int, scenario: Parts) -> Parts:
    """The scenario, in half of the seeds with some changes of those below."""
    rng = random.Random(f"wider than {seed}")
    return changed(rng, scenario, CHANGES, untouched=0.5, sizes=[2, 3, 4])


def _resources(scenario: Parts) -> list[Parts]:
    return [r for r in scenario["config"]["resources"] if isinstance(r, dict)]


def _stem(scenario: Parts, resource: Parts) -> str:
    return next(s for s in scenario["apis"] if s in resource["endpoint"]["path"])


def _cursors(scenario: Parts) -> list[Parts]:
    """What says a cursor, on an endpoint or as a param."""
    found = []
    for resource in _resources(scenario):
        endpoint = resource["endpoint"]
        found += [endpoint["incremental"]] if "incremental" in endpoint else []
        found += [p for p in endpoint.get("params", {}).values()
                  if isinstance(p, dict) and p.get("type") == "incremental"]  # fmt: skip
    return found


# How an API is asked.


def _bodies(rng: random.Random, scenario: Parts) -> None:
    """Parents in a form or in a text, where they stood in the query."""
    for resource in _resources(scenario):
        endpoint, spec = resource["endpoint"], scenario["apis"][_stem(scenario, resource)]
        bound = endpoint.get("params", {}).get("of")
        owner = spec.get("owner", {})
        if owner.get("where") != ["query", "of"] or {"json", "data"} & set(endpoint) or not bound:
            continue
        del endpoint["params"]["of"]
        form = rng.random() < 0.6
        endpoint["data"] = {"of": bound, "fixed": "{{1}}"} if form else f"<of> {bound}"
        endpoint["method"] = "POST"
        owner["where"] = ["form", "of"] if form else ["text", "<of> "]


def _auto(rng: random.Random, scenario: Parts) -> None:
    """Pages that are to be found, said in words."""
    for resource in _resources(scenario):
        if "paginator" not in resource["endpoint"]:
            resource["endpoint"]["paginator"] = rng.choice(["auto", {"type": "auto"}])


def _client(rng: random.Random, scenario: Parts) -> None:
    """A paginator of the client that nobody needs; a client without an own path."""
    config = scenario["config"]
    defaults = config.get("resource_defaults", {}).get("endpoint", {})
    if all("paginator" in r["endpoint"] or "paginator" in defaults for r in _resources(scenario)):
        config["client"].setdefault("paginator", {"type": "offset", "limit": 1})
    if rng.random() < 0.3:
        config["client"]["base_url"] = BASE
    if rng.random() < 0.3:
        config["client"]["auth"] = {"type": "api_key", "name": "key", "api_key": "k ü&",
                                    "location": "param"}  # fmt: skip


def _answers(rng: random.Random, scenario: Parts) -> None:
    """What is done with answers, in words and by functions."""
    for resource in _resources(scenario):
        said: list[Any] = [
            {"status_code": 200, "action": {"$step": "lifted"}},
            {"content": "a", "action": [{"$step": "lifted"}, {"$step": "looked_at"}]},
            {"status_code": 200, "content": "no answer says so", "action": "ignore"},
            {"status_code": 204, "action": "ignore"},
            {"$step": "looked_at"},
        ]
        resource["endpoint"].setdefault("response_actions", []).extend(rng.sample(said, 2))


def _words(rng: random.Random, scenario: Parts) -> None:
    """Resources that are no more than a name, or a path."""
    if "endpoint" in scenario["config"].get("resource_defaults", {}):
        return
    held = [{"id": n, "l": [n]} for n in range(rng.choice([0, 1, 3]))]
    wrap = rng.choice(["data", "items", "root"])
    for said in rng.sample(["plain", {"name": "named"}, {"name": "Other", "endpoint": "ends"}], 2):
        name = said if isinstance(said, str) else said.get("endpoint", said["name"])
        scenario["config"]["resources"].append(copy.deepcopy(said))
        scenario["apis"][name] = {"wrap": wrap, "rounds": [held, [*held, {"id": 9}]]}


# Cursors.


def _lags(rng: random.Random, scenario: Parts) -> None:
    """A lag of days, and functions that say what is newer."""
    for ways in _cursors(scenario):
        first = ways.get("initial_value")
        days = isinstance(first, str) and DAY.match(first)
        if days and "end_value" not in ways and "last_value_func" not in ways:
            ways["lag"] = rng.choice([1, 2, 30])
        elif "lag" not in ways and "last_value_func" not in ways and rng.random() < 0.5:
            ways["last_value_func"] = {"$step": "latest"}


def _bounds(rng: random.Random, scenario: Parts) -> None:
    """What else an incremental says of itself in requests, and bounds of either kind."""
    for resource in _resources(scenario):
        ways = resource["endpoint"].get("incremental")
        if ways is None:
            continue
        if "end_value" in ways and rng.random() < 0.7:
            more = {"until": "{incremental.end_value}"}
            resource["endpoint"]["params"] = {**resource["endpoint"].get("params", {}), **more}
        if rng.random() < 0.5:
            ways["range_start"] = rng.choice(["open", "closed"])
            ways["range_end"] = rng.choice(["open", "closed"])


def _below(rng: random.Random, scenario: Parts) -> None:
    """Cursors of resources below others, which dlt has one of for all parents."""
    for resource in _resources(scenario):
        endpoint = resource["endpoint"]
        text = json.dumps(endpoint)
        if ("resources." in text or "resolve" in text) and "incremental" not in text:
            ways: Parts = {"cursor_path": "group", "initial_value": rng.choice([0, 1])}
            endpoint["incremental"] = ways
            if rng.random() < 0.5:
                ways["start_param"] = "from_group"


# Tables.


def _kinds(rng: random.Random, scenario: Parts) -> None:
    """Types of columns that the rest never declares."""
    for resource in _resources(scenario):
        columns = resource.get("columns", {})
        stem = _stem(scenario, resource)
        held = scenario["apis"][stem]["rounds"][0]
        if not isinstance(columns, dict) or not held:
            continue
        for key in rng.sample(sorted(held[0]), min(2, len(held[0]))):
            hint = _kind(rng, [r.get(key) for r in held])
            if hint and key not in {"id", "_of", *columns}:
                columns = {**columns, key: hint}
        resource["columns"] = columns


def _kind(rng: random.Random, values: list[Any]) -> Parts | None:
    kinds = {type(v) for v in values if v is not None}
    if kinds == {bool}:
        return {"data_type": rng.choice(["bool", "bigint", "text"])}
    if kinds == {int}:
        return rng.choice([{"data_type": "wei"}, {"data_type": "bigint", "precision": 64},
                           {"data_type": "decimal", "precision": 30, "scale": 2}])  # fmt: skip
    if kinds == {str}:
        return rng.choice([{"data_type": "text", "precision": 200}, {"data_type": "text"}])
    return {"data_type": "json"} if kinds == {dict} else None


def _roles(rng: random.Random, scenario: Parts) -> None:
    """Columns that decide which rows stay, also with strategies that are spelled out."""
    for resource in _resources(scenario):
        way = resource.get("write_disposition")
        columns = resource.get("columns", {})
        strategy = way.get("strategy") if isinstance(way, dict) else ""
        keyed = resource.get("primary_key") and isinstance(columns, dict)
        if not keyed or strategy not in {"delete-insert", "upsert"}:
            continue
        said: list[Parts] = [{"none": {"hard_delete": True}}]
        said += [{"name": {"dedup_sort": rng.choice(["asc", "desc"])}}]
        resource["columns"] = {**columns, **rng.choice(said)}


def _own_keys(rng: random.Random, scenario: Parts) -> None:
    """Lists whose items have a key, and so stand for themselves."""
    for resource in _resources(scenario):
        rounds = scenario["apis"][_stem(scenario, resource)]["rounds"]
        names = {k for r in rounds[0] for k, v in r.items() if isinstance(v, list)}
        for name in sorted(names - {"list", "_of"}):
            items = [i for run in rounds for r in run for i in _items(r.get(name))]
            objects = [i for i in items if isinstance(i, dict)]
            keys = (
                [
                    k
                    for k in sorted(objects[0])
                    if all(isinstance(i.get(k), (int, str)) for i in objects)
                ]
                if objects
                else []
            )
            if not keys or len(objects) != len(items) or resource.get("nested_hints"):
                continue
            if resource.get("max_table_nesting") is not None or "schema_contract" in resource:
                continue
            way = rng.choice(["merge", "append", {"disposition": "merge", "strategy": "upsert"}])
            hint = {"primary_key": rng.choice(keys), "write_disposition": way}
            resource["nested_hints"] = {name: hint}


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _split(rng: random.Random, scenario: Parts) -> None:
    """Records that go to several tables, as a function says."""
    plain = [r for r in _resources(scenario)
             if not {"schema_contract", "columns", "nested_hints", "max_table_nesting",
                     "table_name"} & set(r) and "merge_key" not in r]  # fmt: skip
    defaults = set(scenario["config"].get("resource_defaults", {})) - {"endpoint"}
    if plain and not defaults:
        rng.choice(plain)["table_name"] = {"$step": "by_group"}


def _said_besides(rng: random.Random, scenario: Parts) -> None:
    """What changes nothing here, and keys that columns say."""
    for resource in _resources(scenario):
        if rng.random() < 0.3:
            resource["file_format"] = "parquet"
        key, columns = resource.get("merge_key"), resource.get("columns", {})
        if key and isinstance(columns, dict) and rng.random() < 0.6:
            del resource["merge_key"]
            for name in [key] if isinstance(key, str) else key:
                columns = {**columns, name: {**columns.get(name, {}), "merge_key": True}}
            resource["columns"] = columns


def _frozen(rng: random.Random, scenario: Parts) -> None:
    """A contract under which a load fails where something new comes."""
    for resource in _resources(scenario):
        if rng.random() < 0.4 and "schema_contract" not in resource:
            entity = rng.choice(["columns", "data_type"])
            resource["schema_contract"] = {entity: "freeze"}


CHANGES: list[Change] = [
    *(_bodies, _auto, _client, _answers, _lags, _bounds, _below),
    *(_kinds, _roles, _own_keys, _split, _said_besides, _frozen),
    _words,  # the last: what the others look at are mappings
]
