"""A script made by chance: resources of many kinds, what feeds what, and how they are run."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from tests.parity.dlt.scripted.answers import COLLECTIONS

HEAD = """\
import dlt
from dlt.sources.helpers import requests
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import (
    JSONLinkPaginator, PageNumberPaginator, SinglePagePaginator,
)
from dlt.sources.rest_api import rest_api_resources

client = RESTClient(base_url="BASE")

def rows(items):
    return items if isinstance(items, list) else [items]
"""
_CURSORS = (
    'dlt.sources.incremental("updated_at")',
    'dlt.sources.incremental("updated_at", initial_value="2024-01-02T00:00:00Z")',
    'dlt.sources.incremental("updated_at", last_value_func=min)',
    (
        'dlt.sources.incremental("updated_at", initial_value="2024-01-01T00:00:00Z",'
        ' end_value="2024-02-04T00:00:00Z")'
    ),
)
_STEPS = (
    '.add_map(lambda row: {**row, "mapped": str(row["id"])})',
    '.add_filter(lambda row: row["id"] not in (3, 4))',
    ".add_map(lambda row, meta=None: row)",
    ".add_map(lambda row: {k: v for k, v in row.items() if v is not None}, insert_at=1)",
    '.apply_hints(columns={"id": {"nullable": False}})',
    '.apply_hints(primary_key="id", write_disposition="merge")',
    '.apply_hints(write_disposition="replace")',
)
_SEVERAL = '.add_yield_map(lambda row: (dict(row, id=row["id"] * 10 + n) for n in range(2)))'
_BODIES = (
    'for item in rows(items):\n        yield {"id": item["id"], "of": item.get("name")}',
    (
        "for item in rows(items):\n        yield requests.get("
        'f"BASE/users/{item[\'id\']}/orders").json()["items"]'
    ),
    'yield [{"id": item["id"], "double": str(item["id"]) * 2} for item in rows(items)]',
    "return [dict(item, n=nth) for nth, item in enumerate(rows(items))]",
    (
        "for item in rows(items):\n        yield from client.paginate("
        'f"/users/{item[\'id\']}/orders", data_selector="items", paginator=SinglePagePaginator())'
    ),
)
_LATER = (
    "add_limit(2)",
    'add_map(lambda row: {**row, "late": 1})',
    'add_filter(lambda row: row["id"] != 2)',
    'apply_hints(table_name="late_table")',
    "max_table_nesting = 0",
)


class Composer:
    """Writes one script."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._text: list[str] = [HEAD]

    def _one(self, *choices: Any) -> Any:
        return self._random.choice(choices)

    def _if(self, chance: float) -> bool:
        return self._random.random() < chance

    def script(self) -> str:
        """The whole text."""
        listed: list[str] = []
        for nth in range(self._one(1, 2, 2, 3)):
            name, feeds = self._resource(nth)
            listed.append(name + self._steps(feeds=feeds))
            if feeds and self._if(0.5):
                listed.append(self._transformer(nth, name))
        said = ["name='shop'"]
        if self._if(0.25):
            said.append(f"max_table_nesting={self._one(0, 1, 2)}")
        self._text.append(
            f"@dlt.source({', '.join(said)})\ndef shop():\n    return [{', '.join(listed)}]\n"
        )
        self._text.append(
            'pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")'
        )
        self._text += self._run(listed)
        return "\n".join(self._text) + "\n"

    def _resource(self, nth: int) -> tuple[str, bool]:
        """Write a resource; gives its name, and whether others may be fed by it."""
        collection = self._one(*COLLECTIONS)
        name = f"{collection}_{nth}"
        kinds: Sequence[Callable[[str, str], bool]] = (
            self._paging, self._paging, self._asking, self._asking, self._configured,
            self._stateful, self._marked, self._deferred, self._asynchronous, self._inside,
        )  # fmt: skip
        return name, self._one(*kinds)(name, collection)

    def _hints(self, name: str, *, waits: bool = False) -> list[str]:
        found = []
        if (mode := self._one("append", "append", "replace", "merge", None)) is not None:
            found.append(f'write_disposition="{mode}"')
        if mode == "merge" or self._if(0.3):
            found.append('primary_key="id"')
        if self._if(0.15):
            found.append(f'table_name="t_{name}"')
        elif self._if(0.1):
            found.append(f'table_name=lambda row: "{name}_" + str(row.get("kind", "none"))')
        if self._if(0.15):
            found.append(f"max_table_nesting={self._one(0, 1)}")
        if self._if(0.1) and not waits:
            found.append("parallelized=True")
        return found

    def _decorated(self, name: str, body: str, arguments: str = "", word: str = "def") -> None:
        hints = self._hints(name, waits=word != "def")
        decorator = f"@dlt.resource({', '.join(hints)})" if hints else "@dlt.resource"
        self._text.append(f"{decorator}\n{word} {name}({arguments}):\n{body}")

    def _paging(self, name: str, collection: str) -> bool:
        cursor = f"cursor={self._one(*_CURSORS)}" if self._if(0.3) else ""
        paginator = self._one(
            'JSONLinkPaginator(next_url_path="next")',
            "PageNumberPaginator(base_page=1, total_path=None)",
        )
        made = self._one(
            "yield page", "yield from page", "yield [row for row in page if row['id'] != 2]",
            "yield [{**row, 'seen': True} for row in page]",
            "for row in page:\n            yield row",
        )  # fmt: skip
        asked = f'"/{collection}", paginator={paginator}, data_selector="items"'
        body = f"    for page in client.paginate({asked}):\n        {made}\n"
        self._decorated(name, body, cursor)
        return not cursor

    def _asking(self, name: str, collection: str) -> bool:
        cursor = f"cursor={self._one(*_CURSORS)}" if self._if(0.3) else ""
        made = self._one(
            "yield found", "yield from found", "yield found[:2]\n    yield found[2:]",
            "yield found\n    yield []", "yield found[0] if found else None",
            "for row in found:\n        yield row",
        )  # fmt: skip
        body = f'    found = requests.get("BASE/{collection}").json()["items"]\n    {made}\n'
        self._decorated(name, body, cursor)
        return not cursor

    def _configured(self, name: str, collection: str) -> bool:
        resource: dict[str, Any] = {
            "name": name,
            "write_disposition": self._one("append", "replace", "merge"),
            "primary_key": "id",
            "endpoint": {
                "path": collection,
                "data_selector": "items",
                "paginator": {"type": "json_link", "next_url_path": "next"},
            },
        }
        config = {"client": {"base_url": "BASE"}, "resources": [resource]}
        self._text.append(f"({name},) = rest_api_resources({config!r})\n")
        return True

    def _stateful(self, name: str, collection: str) -> bool:
        body = (
            "    seen = dlt.current.resource_state().setdefault('seen', [])\n"
            f'    for row in requests.get("BASE/{collection}").json()["items"]:\n'
            "        if row['id'] not in seen:\n"
            "            seen.append(row['id'])\n"
            "            yield row\n"
        )
        self._decorated(name, body)
        return True

    def _marked(self, name: str, collection: str) -> bool:
        mark = self._one(
            f'dlt.mark.with_table_name(row, "{name}_" + ("a" if row["id"] in (1, 3) else "b"))',
            'dlt.mark.with_hints(row, dlt.mark.make_hints(columns={"m": {"data_type": "text"}}))',
        )
        asked = f'requests.get("BASE/{collection}").json()["items"]'
        self._decorated(name, f"    for row in {asked}:\n        yield {mark}\n")
        return False

    def _deferred(self, name: str, collection: str) -> bool:
        self._text.append(
            f"@dlt.defer\ndef one_of_{name}(id):\n"
            f'    return requests.get(f"BASE/{collection}/{{id}}").json()\n'
        )
        asked = f'requests.get("BASE/{collection}").json()["items"]'
        self._decorated(name, f"    for row in {asked}:\n        yield one_of_{name}(row['id'])\n")
        return True

    def _asynchronous(self, name: str, collection: str) -> bool:
        asked = f'requests.get("BASE/{collection}").json()["items"]'
        self._decorated(name, f"    for row in {asked}:\n        yield row\n", word="async def")
        return True

    def _inside(self, name: str, collection: str) -> bool:
        asked = f'requests.get("BASE/{collection}").json()["items"]'
        body = (
            "    def each(found):\n        for row in found:\n            yield row\n"
            f"    yield each({asked})\n"
            f"    yield ({{'id': row['id'] + 100}} for row in {asked})\n"
        )
        self._decorated(name, body)
        return True

    def _steps(self, *, feeds: bool) -> str:
        if not feeds:
            return ""
        found = "".join(self._one(*_STEPS) for _ in range(self._one(0, 0, 1, 2)))
        return found + (_SEVERAL if self._if(0.1) else "")

    def _transformer(self, nth: int, parent: str) -> str:
        """Write a transformer of what a resource gives; gives how it stands in the list."""
        name = f"below_{nth}"
        piped = self._if(0.5)
        said = [] if piped else [f"data_from={parent}"]
        said += [hint for hint in self._hints(name) if "lambda" not in hint]
        decorator = f"@dlt.transformer({', '.join(said)})" if said else "@dlt.transformer"
        self._text.append(f"{decorator}\ndef {name}(items):\n    {self._one(*_BODIES)}\n")
        return f"{parent} | {name}" if piped else name

    def _run(self, listed: Sequence[str]) -> list[str]:
        several = any("yield_map" in one for one in listed)
        later = [one for one in _LATER if not (several and "limit" in one)]
        match self._one("plain", "plain", "list", "later", "nesting", "some"):
            case "list":
                return [f"pipeline.run([{', '.join(listed)}])"]
            case "later":
                first = "list(source.resources.values())[0]"
                return ["source = shop()", f"{first}.{self._one(*later)}", "pipeline.run(source)"]
            case "nesting":
                return ["source = shop()", "source.max_table_nesting = 1", "pipeline.run(source)"]
            case "some":
                last = "list(source.resources)[-1]"
                return ["source = shop()", f"pipeline.run(source.with_resources({last}))"]
            case _:
                return ["pipeline.run(shop())"]
