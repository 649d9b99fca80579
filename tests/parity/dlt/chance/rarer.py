"""What is rarer still: pages with gaps, cursors in other places, and bytes.

It has a chance of its own, as `wider` has, so that seeds stay what they were without it.
"""

from __future__ import annotations

import random
from typing import Any

from tests.parity.dlt.chance.changing import Change, changed
from tests.parity.dlt.data import Parts


def widened(seed: int, scenario: Parts) -> Parts:
    """The scenario, in one of three seeds with some changes of those below."""
    rng = random.Random(f"rarer than {seed}")
    return changed(rng, scenario, CHANGES, untouched=2 / 3, sizes=[1, 2])


def _resources(scenario: Parts) -> list[tuple[Parts, Parts]]:
    """The resources that say more than a name, each with what its path leads to."""
    held = [r for r in scenario["config"]["resources"] if isinstance(r, dict)]
    return [
        (r, scenario["apis"][next(s for s in scenario["apis"] if s in r["endpoint"]["path"])])
        for r in held
        if isinstance(r.get("endpoint"), dict)
    ]


def _gaps(rng: random.Random, scenario: Parts) -> None:
    """Records that an API leaves out after it has cut its pages: short ones, and empty ones."""
    del rng
    for resource, spec in _resources(scenario):
        pages, said = spec.get("pages", {}), resource["endpoint"].get("paginator")
        counted = pages.get("kind") in {"offset", "page"}
        if counted and not (isinstance(said, dict) and {"total", "more"} & set(pages)):
            continue  # an empty page is all that ends them
        if counted and isinstance(said, dict):
            resource["endpoint"]["paginator"] = {**said, "stop_after_empty_page": False}
        if pages.get("kind", "none") != "none":
            pages["gaps"] = True


def _elsewhere(rng: random.Random, scenario: Parts) -> None:
    """Bounds of cursors in a path, a form or a text, where they stood in the query."""
    for resource, spec in _resources(scenario):
        endpoint = resource["endpoint"]
        bound = endpoint.get("params", {}).get("since")
        if not isinstance(bound, str) or {"json", "data"} & set(endpoint) or spec.get("owner"):
            continue
        way = rng.choice(["path", "form", "text"])
        if way == "path" and "?" in endpoint["path"]:
            continue
        del endpoint["params"]["since"]
        where: list[Any] = ["path", 0]
        if way == "path":
            endpoint["path"] = f"{endpoint['path'].rstrip('/')}/{bound}/list"
        else:
            endpoint["method"] = "POST"
            form = way == "form"
            endpoint["data"] = {"since": bound, "fixed": "1"} if form else f"<since> {bound}"
            where = ["form", "since"] if form else ["text", "<since> "]
        if "since" in spec:
            spec["since"]["where"] = where


def _converted(rng: random.Random, scenario: Parts) -> None:
    """Bounds that a function spells, of ranges that are open or closed."""
    for resource, _ in _resources(scenario):
        ways = resource["endpoint"].get("incremental")
        if ways is None or "initial_value" not in ways:
            continue
        ways["convert"] = {"$step": "said_so"}
        for name in ("range_start", "range_end"):
            ways[name] = rng.choice(["open", "closed"])


def _bytes(rng: random.Random, scenario: Parts) -> None:
    """A column of bytes, which records spell in base 64 or in hexadecimal digits."""
    texts = ["aGVsbG8=", "AAEC", "", "0x0aff", "0x12", "0x", "no bytes", "0xno", None, True]
    for resource, spec in _resources(scenario):
        columns = resource.get("columns", {})
        if not isinstance(columns, dict) or "table_name" in resource or rng.random() < 0.3:
            continue  # of a table of several, the columns of all are the same
        resource["columns"] = {**columns, "blob": {"data_type": "binary"}}
        few = rng.sample(texts, 4)
        for record in [r for run in spec["rounds"] for r in run]:
            record["blob"] = rng.choice(few)


CHANGES: list[Change] = [_gaps, _elsewhere, _converted, _bytes]
