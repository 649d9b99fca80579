"""What is said besides in some of the configurations, with chance of its own.

Each change takes a whole scenario and changes some of it; one in three is left as it is. What the
rest of a seed is does not depend on it.
"""

from __future__ import annotations

import copy
import json
import random
from typing import Any

from tests.parity.dlt.chance.changing import Change, changed
from tests.parity.dlt.data import Parts

ORDERS = ("asc", "desc")


def widened(seed: int, scenario: Parts) -> Parts:
    """The scenario, with some changes of those below."""
    rng = random.Random(f"more of {seed}")
    return changed(rng, scenario, CHANGES, untouched=0.3, sizes=[1, 1, 2, 3])


def _resources(scenario: Parts) -> list[Parts]:
    return [r for r in scenario["config"]["resources"] if isinstance(r, dict)]


def _plain(resource: Parts) -> bool:
    """Whether a resource is read by itself, in full or by a cursor of its own."""
    text = json.dumps(resource["endpoint"])
    return "resources." not in text and "resolve" not in text


def _one_table(rng: random.Random, scenario: Parts) -> None:
    """Two resources that load one table, said alike but for their cursors."""
    found = [r for r in _resources(scenario) if _plain(r) and r.get("selected", True)]
    if len(found) < 2:
        return
    one, other = rng.sample(found, 2)
    default = scenario["config"].get("resource_defaults", {}).get("write_disposition")
    if (one.get("write_disposition") or default) not in (None, "append", "replace"):
        return  # their keys are the same: which of two records of one key stays is told elsewhere
    alike = ("write_disposition", "primary_key", "merge_key", "columns", "schema_contract",
             "max_table_nesting", "nested_hints")  # fmt: skip
    for key in alike:
        other.pop(key, None)
        if key in one:
            other[key] = copy.deepcopy(one[key])
    one.setdefault("table_name", "both")
    other["table_name"] = one["table_name"]


def _auth(rng: random.Random, scenario: Parts) -> None:
    """Credentials of a client or of one endpoint: kinds that the rest does not say."""
    scenario["apis"]["token"] = {"kind": "token"}
    oauth = {"type": "oauth2_client_credentials", "access_token_url": "http://api/token",
             "client_id": "me", "client_secret": "s3cret"}  # fmt: skip
    auth = rng.choice([
        oauth,
        {**oauth, "access_token_request_data": {"scope": "all of it"}},
        {"type": "api_key", "name": "X-Key", "api_key": "one", "location": "header"},
        {"type": "api_key", "name": "k", "api_key": "two", "location": "query"},
        {"type": "http_basic", "username": "", "password": "only"},
        {"type": "bearer", "token": "other"},
        None,
    ])  # fmt: skip
    if rng.random() < 0.4 and auth is not None:
        scenario["config"]["client"]["auth"] = auth
    else:
        rng.choice(_resources(scenario))["endpoint"]["auth"] = auth


def _defaults(rng: random.Random, scenario: Parts) -> None:
    """Defaults that meet what resources say: mappings, lists and nested ones."""
    defaults = scenario["config"].setdefault("resource_defaults", {})
    endpoint = defaults.setdefault("endpoint", {})
    resources = _resources(scenario)
    for kind in rng.sample(["params", "json", "columns", "headers", "actions", "steps"], 2):
        if kind == "params" and "start_param" not in json.dumps(resources):  # it would go to all
            said = {"d": rng.choice([1, "x", [1, 2]]), "q": "default", "of": "nobody"}
            endpoint["params"] = {**said, **endpoint.get("params", {})}
        elif kind == "json" and all("json" in r["endpoint"] for r in resources):
            said = {"d": {"e": [1], "f": {"g": 1}}, "sort": ["default"]}
            endpoint["json"] = {**said, **endpoint.get("json", {})}
            resources[0]["endpoint"]["json"]["d"] = {"f": {"h": 2}}
        elif kind == "columns":
            said = {"group": {"data_type": "bigint", "description": "d"}, "id": {"x-own": 1}}
            listed = [{"name": n, **hint} for n, hint in said.items()]
            defaults["columns"] = rng.choice([said, listed])
        elif kind == "headers":
            endpoint["headers"] = {"X-Default": "yes", "X-Own": "default"}
        elif kind == "actions":
            endpoint["response_actions"] = [{"status_code": 418, "action": "ignore"}]
        elif kind == "steps":
            defaults["processing_steps"] = [{"filter": {"$step": "some"}}]


def _steps(rng: random.Random, scenario: Parts) -> None:
    """Steps that see what is carried, leave out, and make several or none."""
    ways = [{"map": "seen_all"}, {"yield_map": "as_many"}, {"filter": "some", "map": "seen_all"},
            {"map": "with_more"}, {"map": "renamed"}]  # fmt: skip
    for resource in rng.sample(_resources(scenario), 1):
        chosen = rng.sample(ways, rng.choice([1, 2]))
        resource["processing_steps"] = [{k: {"$step": v} for k, v in w.items()} for w in chosen]


def _roles(rng: random.Random, scenario: Parts) -> None:
    """Columns that decide which rows stay."""
    for resource in _resources(scenario):
        way = resource.get("write_disposition")
        columns = resource.get("columns", {})
        if way != "merge" or not resource.get("primary_key") or not isinstance(columns, dict):
            continue
        said = rng.choice([
            {"name": {"dedup_sort": rng.choice(ORDERS)}},
            {"none": {"hard_delete": True}},
            {"group": {"dedup_sort": rng.choice(ORDERS)}, "none": {"hard_delete": True}},
            {"group": {"data_type": "bigint", "nullable": False}},
        ])  # fmt: skip
        resource["columns"] = {**columns, **said}


def _keys(rng: random.Random, scenario: Parts) -> None:
    """Keys as hints of columns, in place of the key of the resource."""
    for resource in _resources(scenario):
        key, columns = resource.get("primary_key"), resource.get("columns", {})
        if key and isinstance(columns, dict) and rng.random() < 0.6:
            del resource["primary_key"]
            names = [key] if isinstance(key, str) else key
            hints = {name: {**columns.get(name, {}), "primary_key": True} for name in names}
            resource["columns"] = {**columns, **hints}


def _own_tables(rng: random.Random, scenario: Parts) -> None:
    """Lists whose items stand for themselves, or are typed by hints."""
    for resource in _resources(scenario):
        stem = next((s for s in scenario["apis"] if s in resource["endpoint"]["path"]), "")
        held = scenario["apis"].get(stem, {}).get("rounds", [[]])[0]
        lists = {k for r in held for k, v in r.items() if isinstance(v, list) and k != "list"}
        if not lists or resource.get("max_table_nesting") is not None:
            continue
        named = rng.choice(sorted(lists))
        said: Any = rng.choice([
            {"columns": [{"name": "value", "data_type": "text"}]},
            {"columns": {"value": {"name": "value", "data_type": "json"}}},
            {"schema_contract": {"columns": "evolve"}},
        ])  # fmt: skip
        resource["nested_hints"] = {named: said}


def _nested_asks(rng: random.Random, scenario: Parts) -> None:
    """Placeholders in lists and mappings of params and bodies."""
    for resource in _resources(scenario):
        endpoint = resource["endpoint"]
        bound = next((v for v in endpoint.get("params", {}).values()
                      if isinstance(v, str) and v.startswith("{resources.")), None)  # fmt: skip
        if bound is None:
            continue
        endpoint["params"]["more[]"] = [bound, f"a {bound}", 5]
        if "json" in endpoint and rng.random() < 0.5:
            endpoint["json"]["deeper"] = [{"of": [bound, {"again": f"<{bound}>"}]}, bound]


CHANGES: list[Change] = [
    _auth, _defaults, _steps, _roles, _keys, _own_tables, _nested_asks,
    _one_table,  # the last: what is said of the two is the same then
]  # fmt: skip
