"""The records that scenarios serve, and the ways of serving them page by page."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.harness import Config
from tests.parity.dlt.server import Ask, Reply

Record = dict[str, Any]
Parts = dict[str, Any]


def posts(which: int, count: int = 25) -> list[Record]:
    """Posts: in the second run three are new and the first three were edited."""
    changed = which > 1
    return [
        {
            "id": n,
            "title": f"Post {n}" + (" (edited)" if changed and n <= 3 else ""),
            "author": {"name": f"a{n % 3}", "id": n % 3},
            "updated_at": f"2024-0{which if changed and (n <= 3 or n > count) else 1}-{n:02d}"
            "T00:00:00Z",
        }
        for n in range(1, count + (4 if changed else 1))
    ]


def config(base: str, *resources: Any, client: Parts | None = None, **rest: Any) -> Config:
    """A configuration for an API at `base`."""
    return {"client": {"base_url": base, **(client or {})}, "resources": list(resources), **rest}


def resource(name: str = "posts", endpoint: Parts | None = None, **rest: Any) -> Parts:
    """A resource."""
    return {"name": name, "endpoint": endpoint or {}, **rest}


def put(parts: Parts, path: str, value: Any) -> Parts:
    """`parts` with a value at a dotted path; an empty path changes nothing."""
    held = parts
    *heads, last = path.split(".")
    for head in heads:
        held = held.setdefault(head, {})
    if last:
        held[last] = value
    return parts


def asked(ask: Ask, name: str, path: str, default: Any) -> Any:
    """What a request says for a query param, or at a dotted path of its JSON body."""
    if not path:
        return ask.param(name, default) if name else default
    held: Any = ask.json or {}
    for step in path.split("."):
        held = held.get(step) if isinstance(held, dict) else None
    return default if held is None else held


def answer(records: list[Record], key: str = "data", **beside: Any) -> Reply:
    """A page of records under a key, with what stands beside them at dotted paths."""
    body: Parts = {key: records}
    for path, value in beside.items():
        put(body, path.replace("__", "."), value)
    return Reply(body=body, empty=not records)
