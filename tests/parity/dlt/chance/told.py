"""What a scenario says, for whoever must know it: its resources, their tables and their records."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator
from typing import Any

from tests.parity.dlt import steps
from tests.parity.dlt.data import Parts, Record

from penstock.shape.names import identifier

MOST_LETTERS = 63


class Told:
    """A scenario as its resources: each a mapping, whatever the document writes."""

    def __init__(self, scenario: Parts) -> None:
        self.apis: Parts = scenario["apis"]
        self.config: Parts = scenario["config"]
        self.later: Parts = scenario.get("later", {})
        self.defaults: Parts = self.config.get("resource_defaults", {})
        self.resources = [_whole(r) for r in self.config["resources"]]

    def said(self, resource: Parts, key: str) -> Any:
        """What a resource says, or the defaults for it."""
        return resource.get(key, self.defaults.get(key))

    def tables(self, resource: Parts) -> list[str]:
        """The names of its tables, of which a function may say several."""
        said = resource.get("table_name", resource["name"])
        return [identifier(said)] if isinstance(said, str) else ["group_0", "group_1"]

    def named(self, resources: Iterable[Parts]) -> set[str]:
        """The names of the tables of some."""
        return {name for r in resources for name in self.tables(r)}

    def of(self, table: str) -> Parts | None:
        """The resource that a table, or one above it, is of; a shortened name keeps its end."""
        found = [((f"{name[-6:]}__" in table, len(name)), r)
                 for r in self.resources for name in self.tables(r)
                 if table == name or below(table, [name])]  # fmt: skip
        return max(found, key=lambda pair: pair[0])[1] if found else None

    def contract(self, resource: Parts, entity: str) -> Any:
        """What the contract of a resource says of columns, or of types."""
        one = self.said(resource, "schema_contract")
        return one.get(entity) if isinstance(one, dict) else one

    def sets(self, resource: Parts) -> list[str]:
        """The fields by which sets of a resource's rows are replaced, if it says any."""
        said = self.said(resource, "merge_key") or []
        marked = [name for name, hint in self._columns(resource) if hint.get("merge_key")]
        return [said] if isinstance(said, str) else [*said, *marked]

    def declared(self, resource: Parts) -> Iterator[tuple[str, str, Any]]:
        """The columns that a resource declares: the table of each, its name, and its type."""
        nested = resource.get("nested_hints") or {}
        for root in self.tables(resource):
            said = {root: self._columns(resource)}
            said |= {
                f"{root}__{identifier(n)}": _by_name(h.get("columns")) for n, h in nested.items()
            }
            for table, columns in said.items():
                for name, hint in columns:
                    yield table, identifier(name), hint.get("data_type")

    def _columns(self, resource: Parts) -> list[tuple[str, Parts]]:
        """The columns that a resource declares, and those of the defaults."""
        return [*self.hints(self.defaults), *self.hints(resource)]

    def hints(self, said: Parts) -> list[tuple[str, Parts]]:
        """The columns that a resource or the defaults say something of, by their names."""
        return _by_name(said.get("columns"))

    def stem(self, resource: Parts) -> str | None:
        """What its path leads to."""
        path = resource["endpoint"].get("path", resource["name"])
        return next((s for s in self.apis if s in path), None)

    def stems(self, resources: Iterable[Parts]) -> set[str]:
        """What the paths of some lead to."""
        return {s for r in resources if (s := self.stem(r)) is not None}

    def has_parent(self, resource: Parts) -> bool:
        """Whether a resource is asked for once for each record of another."""
        text = json.dumps(resource["endpoint"], ensure_ascii=False)
        return "resources." in text or '"resolve"' in text

    def shares(self, resource: Parts) -> bool:
        """Whether another resource loads its table as well."""
        own = self.tables(resource)
        others = self.named(r for r in self.resources if r is not resource)
        return len(own) == 1 and own[0] in others

    def parents(self, resource: Parts) -> list[Parts]:
        """What a resource is asked for below."""
        text = json.dumps(resource["endpoint"], ensure_ascii=False)
        named = {r["name"]: r for r in self.resources if r is not resource}
        found = [n for n in named if f"resources.{n}." in text or f'"{n}"' in text]
        return [named[n] for n in found] if self.has_parent(resource) else []

    def above(self, resource: Parts) -> list[Parts]:
        """A resource's parents, and theirs."""
        found = self.parents(resource)
        for one in found:  # grows while it is gone through
            found += [p for p in self.parents(one) if p not in found]
        return found

    def late(self, resource: Parts) -> bool:
        """Whether a resource has a cursor and a parent: dlt has one cursor for all parents."""
        return self.has_parent(resource) and "incremental" in json.dumps(resource["endpoint"])

    def cursor(self, resource: Parts) -> Parts | None:
        """What a resource says of its cursor, as a part of the endpoint or of one of its params."""
        endpoint = resource["endpoint"]
        held = [endpoint.get("incremental"), *(endpoint.get("params") or {}).values()]
        held = [v.get("$incremental", v) if isinstance(v, dict) else v for v in held]
        return next((v for v in held if isinstance(v, dict) and "cursor_path" in v), None)

    def records(self, resource: Parts, rounds: Iterable[int]) -> list[Record]:
        """The records of some runs, as they are behind the steps."""
        stem = self.stem(resource)
        if stem is None or "rounds" not in self.apis[stem]:
            return []
        runs = self.apis[stem]["rounds"]
        found = [r for n in rounds for r in runs[min(n, len(runs)) - 1] if isinstance(r, dict)]
        held = [{k: v for k, v in r.items() if k != "_of"} for r in found]
        for step in self.said(resource, "processing_steps") or ():
            for kind in ("filter", "map", "yield_map"):
                if kind in step:
                    held = list(_stepped(kind, step[kind]["$step"], held))
        return held


def _by_name(columns: Any) -> list[tuple[str, Parts]]:
    said = columns or {}
    return list(said.items()) if isinstance(said, dict) else [(c["name"], c) for c in said]


def _whole(said: Any) -> Parts:
    made: Parts = {"name": said} if isinstance(said, str) else dict(said)
    endpoint = made.get("endpoint", {})
    made["endpoint"] = {"path": endpoint} if isinstance(endpoint, str) else dict(endpoint)
    made["endpoint"].setdefault("path", made["name"])
    return made


def _stepped(kind: str, name: str, held: list[Record]) -> Iterator[Record]:
    function = getattr(steps, name)
    for record in copy.deepcopy(held):
        match kind:
            case "filter":
                if function(record):
                    yield record
            case "map":
                yield function(record)
            case _:
                yield from function(record)


def below(table: str, roots: Iterable[str]) -> bool:
    """Whether a table is a child of one of these, by its name, which may be a shortened one."""
    short = len(table) == MOST_LETTERS
    return any(
        table.startswith(f"{root}__") or (short and table[:20] == root[:20]) for root in roots
    )


def leaves(record: Any, table: str, above: str = "") -> Iterator[tuple[str, str, Any]]:
    """The values of a record, each with the names of its table and of its column."""
    for key, value in record.items():
        name = f"{above}{identifier(key)}"
        if isinstance(value, dict) and value:
            yield table, name, value  # where it is JSON
            yield from leaves(value, table, f"{name}__")
        elif isinstance(value, list):
            yield table, name, value
            yield from _listed(value, f"{table}__{name}")
        else:
            yield table, name, value


def _listed(items: list[Any], table: str) -> Iterator[tuple[str, str, Any]]:
    for item in items:
        if isinstance(item, dict):
            yield from leaves(item, table)
        elif isinstance(item, list):
            yield from _listed(item, f"{table}__list")
        else:
            yield table, "value", item
