"""What is rarest: cursors as objects of Python, and contracts of tables that come later.

It has a chance of its own, as `rarer` has, so that seeds stay what they were without it.
"""

from __future__ import annotations

import copy
import json
import random

from tests.parity.dlt.chance.changing import Change, changed
from tests.parity.dlt.data import Parts

ELSEWHERE = {"type", "start_param", "end_param", "convert", "transform"}
"""What a dict says of a cursor, and no object."""


def widened(seed: int, scenario: Parts) -> Parts:
    """The scenario, in one of three seeds with some changes of those below."""
    rng = random.Random(f"rarest of {seed}")
    return changed(rng, scenario, CHANGES, untouched=2 / 3, sizes=[1, 2])


def _resources(scenario: Parts) -> list[Parts]:
    return [r for r in scenario["config"]["resources"] if isinstance(r, dict) and "endpoint" in r]


def _objects(rng: random.Random, scenario: Parts) -> None:
    """Cursors that are objects, as params, where dicts said the same."""
    for resource in _resources(scenario):
        endpoint = resource["endpoint"]
        if not isinstance(endpoint, dict) or rng.random() < 0.2:
            continue
        params = endpoint.get("params") or {}
        name = next((n for n, p in params.items() if isinstance(p, dict) and _is_plain(p)), None)
        ways = params[name] if name is not None else endpoint.get("incremental")
        if not isinstance(ways, dict) or "end_param" in ways or "convert" in ways:
            continue
        name = name or ways.get("start_param")
        if name is None or "{incremental." in json.dumps(endpoint):
            continue
        endpoint.pop("incremental", None)
        said = {k: v for k, v in ways.items() if k not in ELSEWHERE}
        endpoint["params"] = {**params, name: {"$incremental": said}}


def _is_plain(param: Parts) -> bool:
    return param.get("type") == "incremental"


def _tables(rng: random.Random, scenario: Parts) -> None:
    """A contract that allows no more tables, from the second run on."""
    if scenario["runs"] < 2:
        return
    for resource in _resources(scenario):
        if rng.random() < 0.6:
            mode = rng.choice(["discard_row", "discard_value", "discard_value", "freeze"])
            scenario.setdefault("later", {})[resource["name"]] = {"tables": mode}


CHANGES: list[Change] = [_objects, _tables]


def said_in(scenario: Parts, run: int) -> Parts:
    """The configuration of a run, with the contracts that hold by then."""
    config = copy.deepcopy(scenario["config"])
    later = scenario.get("later", {}) if run > 1 else {}
    defaults = config.get("resource_defaults", {}).get("schema_contract")
    for resource in config["resources"]:
        more = later.get(resource["name"]) if isinstance(resource, dict) else None
        if more is None:
            continue
        said = resource.get("schema_contract", defaults)
        whole = {"columns": said, "data_type": said} if isinstance(said, str) else said or {}
        resource["schema_contract"] = {**whole, **more}
    return config
