"""A script made by chance that does several things: more than one run, source and pipeline."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Sequence
from typing import Any

from tests.parity.dlt.scripted.answers import COLLECTIONS

HEAD = """\
import dataclasses
import dlt
from dlt.sources.helpers import requests
from dlt.sources.helpers.rest_client import RESTClient, paginate
from dlt.sources.helpers.rest_client.paginators import (
    HeaderLinkPaginator, JSONLinkPaginator, JSONResponseCursorPaginator, OffsetPaginator,
    PageNumberPaginator, SinglePagePaginator,
)
from dlt.sources.rest_api import rest_api_resources, rest_api_source

client = RESTClient(base_url="BASE")
pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")

def tell(*found):
    with open("told.txt", "a") as file:
        print(*found, file=file)

def rows(items):
    return items if isinstance(items, list) else [items]

def fetched(name):
    return requests.get("BASE/" + name).json()["items"]

def counts(of):
    found = of.last_trace.last_normalize_info.row_counts
    return sorted((k, v) for k, v in found.items() if v and not k.startswith("_dlt"))
"""
PAGINATORS = (
    'JSONLinkPaginator(next_url_path="next")',
    "PageNumberPaginator(base_page=1, total_path=None)",
    'OffsetPaginator(limit=2, total_path="total")',
    'JSONResponseCursorPaginator(cursor_path="cursor", cursor_param="after")',
    "HeaderLinkPaginator()",
    "SinglePagePaginator()",
    'PageNumberPaginator(base_page=1, page_param="page", total_path=None, maximum_page=2)',
)
CURSORS = (
    'dlt.sources.incremental("updated_at")',
    'dlt.sources.incremental("updated_at", initial_value="2024-01-02T00:00:00Z")',
    'dlt.sources.incremental[str]("updated_at", initial_value="2024-01-01T00:00:00Z")',
    'dlt.sources.incremental("id", initial_value=2)',
    'dlt.sources.incremental("id", last_value_func=max, row_order="asc")',
    'dlt.sources.incremental("updated_at", initial_value="2024-01-03", range_start="open")',
    'dlt.sources.incremental("updated_at", lag=0, on_cursor_value_missing="include")',
)
STEPS = (
    '.add_map(lambda row: {**row, "mapped": str(row["id"])})',
    '.add_map(lambda row: {**row, "last": len(row)})',
    '.add_map(lambda row: {**row, "first": len(row)}, insert_at=1)',
    '.add_filter(lambda row: row["id"] != 3)',
    '.add_filter(lambda row: "updated_at" in row, insert_at=1)',
    '.add_yield_map(lambda row: (dict(row, id=row["id"] * 10 + n) for n in range(2)))',
    '.add_yield_map(lambda row: (dict(row, id=row["id"] * 9 + n) for n in range(2)), insert_at=1)',
    ".add_map(renamed)",
    ".add_filter(keeps)",
    ".add_limit(2)",
    ".add_limit(1)",
    '.apply_hints(columns={"id": {"nullable": False}})',
    '.apply_hints(primary_key="id")',
    '.apply_hints(write_disposition="replace")',
    '.apply_hints(table_name="shared")',
    '.apply_hints(columns={"id": {"data_type": "text"}})',
    '.apply_hints(columns=[{"name": "extra", "data_type": "json"}])',
)
MADE = (
    "yield found", "yield from found", "yield found[:2]\n    yield found[2:]",
    "yield found\n    yield []", "yield None\n    yield found", "return found",
    "for row in found:\n        yield row",
    "for row in found:\n        yield dataclasses.asdict(Row(row['id'], row.get('name')))",
    "def each():\n        yield from found\n    yield each()",
    "yield from (dict(row, n=n) for n, row in enumerate(found))",
    "yield [found[0], found[1]]\n    yield found[2]",
    "yield found[0]\n    yield found[1:]",
    "for row in found:\n        yield dlt.mark.with_table_name(row, 'm_' + str(row['id'] % 2))",
    ("yield dlt.mark.with_hints(found, dlt.mark.make_hints(primary_key='id',"
    " write_disposition='append'))"),
    ("state = dlt.current.resource_state()\n    state['n'] = state.get('n', 0) + 1\n"
    "    yield {'id': state['n']}"),
    ("state = dlt.current.source_state()\n    state['n'] = state.get('n', 0) + 1\n"
    "    yield {'id': state['n']}"),
    ("yield {'id': 1, 'name': dlt.current.resource_name(), 'of': dlt.current.pipeline()"
    ".pipeline_name}"),
)  # fmt: skip
BODIES = (
    'for item in rows(items):\n        yield {"id": item["id"], "of": item.get("name")}',
    'for item in rows(items):\n        yield fetched(f"users/{item[\'id\'] % 4}/orders")',
    'yield [{"id": item["id"], "double": str(item["id"]) * 2} for item in rows(items)]',
    "return [dict(item, n=nth) for nth, item in enumerate(rows(items))]",
    (
        "for item in rows(items):\n        yield dlt.mark.with_table_name("
        "{'id': item['id']}, 'below_' + str(item['id'] % 2))"
    ),
    "for item in rows(items):\n        if item['id'] % 2:\n            yield item",
    "yield from (dict(item, via=dlt.current.resource_name()) for item in rows(items))",
    ("state = dlt.current.resource_state()\n    state['n'] = state.get('n', 0) + len(rows(items))\n"
    "    yield {'id': state['n']}"),
    ("for item in rows(items):\n        yield from client.paginate("
    "f\"/users/{item['id']}/orders\", data_selector='items', paginator=SinglePagePaginator())"),
)  # fmt: skip
HELPERS = """\
@dataclasses.dataclass
class Row:
    id: int
    name: str | None

def renamed(row):
    return {("renamed" if key == "name" else key): value for key, value in row.items()}

def keeps(row):
    return row["id"] not in (2, 4)
"""


class Program:
    """Writes one script; its parts are kept apart, so that one that differs can be cut down."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.parts: list[str] = [HEAD, HELPERS]
        self._made: list[str] = []  # expressions that are resources
        self._sources: list[str] = []  # calls that make a source
        self._names = 0
        self._marks: list[
            str
        ] = []  # what marks its rows, or follows a cursor, which feeds no others
        self._compose()

    def script(self) -> str:
        """The whole text."""
        return "\n".join(self.parts) + "\n"

    # Chance.

    def _one(self, *choices: Any) -> Any:
        return self._random.choice(choices)

    def _if(self, chance: float) -> bool:
        return self._random.random() < chance

    def _next(self, of: str) -> str:
        self._names += 1
        return f"{of}{self._names}"

    # What there is.

    def _compose(self) -> None:
        for _ in range(self._one(1, 2, 2, 3)):
            self._made.append(self._resource())
        for _ in range(self._one(0, 1, 1, 2)):
            feeding = [one for one in self._made if not any(n in one for n in self._marks)]
            if feeding:
                self._made.append(self._transformer(self._one(*feeding)))
        for _ in range(self._one(0, 1, 1, 2)):
            self._sources.append(self._source())
        for _ in range(self._one(1, 2, 2, 3, 4)):
            self.parts.append(self._action())

    def _resource(self) -> str:
        kinds = (self._function, self._function, self._function, self._paging, self._paging,
                 self._object, self._called, self._of_class, self._closure, self._configured,
                 self._child, self._copy)  # fmt: skip
        made: str = self._one(*kinds)()
        return made

    def _hints(self) -> str:
        found = []
        if self._if(0.6):
            mode = self._one("append", "replace", "merge")
            found.append(f'write_disposition="{mode}"')
            if mode == "merge":
                found.append('primary_key="id"')
        if self._if(0.1):
            found.append('table_name="shared"')
        if self._if(0.1):
            found.append("max_table_nesting=0")
        if self._if(0.1):
            found.append("selected=False")
        if self._if(0.1):
            found.append("parallelized=True")
        return ", ".join(found)

    def _collection(self) -> str:
        found: str = self._one(*COLLECTIONS)
        return found

    def _function(self) -> str:
        name = self._next("r")
        cursor = self._if(0.25)
        argument = f"cursor={self._one(*CURSORS)}" if cursor else self._one("", "", "start=1")
        body = f'found = fetched("{self._collection()}")'
        if argument == "start=1":
            body += "[start - 1:]"
        made = self._one(*(MADE[:10] if cursor else MADE))
        self._marks += [name] * ("mark" in made or cursor)
        self.parts.append(
            f"@dlt.resource({self._hints()})\ndef {name}({argument}):\n    {body}\n    {made}\n"
        )
        if argument == "start=1":
            return self._one(name, f"{name}()", f"{name}(2)", f"{name}(start=3)")
        return self._one(name, name, f"{name}()")

    def _paging(self) -> str:
        name = self._next("r")
        asked = (f'"/{self._collection()}", data_selector="items",'
                 f" paginator={self._one(*PAGINATORS)}")  # fmt: skip
        each = self._one(
            "yield page", "yield from page", "yield [row for row in page if row['id'] != 2]",
            "for row in page:\n            yield row", "yield page[:1]\n        yield page[1:]",
            "yield {'id': page[0]['id'], 'size': len(page)} if page else None",
        )  # fmt: skip
        call = self._one("client.paginate(", 'paginate("BASE" + ') if self._if(0.9) else None
        call = call or 'RESTClient("BASE").paginate('
        cursor = f"cursor={self._one(*CURSORS)}" if self._if(0.2) else ""
        self._marks += [name] * bool(cursor)
        self.parts.append(
            f"@dlt.resource({self._hints()})\ndef {name}({cursor}):\n"
            f"    for page in {call}{asked}):\n        {each}\n"
        )
        return self._one(name, f"{name}()")

    def _object(self) -> str:
        """An object of the module that is no decorated function."""
        name = self._next("r")
        hints = self._hints()
        said = f'name="{name}"' + (f", {hints}" if hints else "")
        data = self._one(
            f'fetched("{self._collection()}")',
            '[{"id": n, "tags": ["a"] * n} for n in range(1, 4)]',
            "lambda: iter([{'id': 1}, {'id': 2}, {'id': 3}])",
        )
        self.parts.append(f"{name} = dlt.resource({data}, {said})\n")
        return name

    def _called(self) -> str:
        """An object of the module that a decorated function gave."""
        name, made = self._next("f"), self._next("r")
        self.parts.append(
            f"@dlt.resource({self._hints()})\ndef {name}(of):\n    yield fetched(of)\n\n"
            f'{made} = {name}("{self._collection()}")'
            + self._one("", f'.with_name("{made}")', ".add_map(renamed)", ".add_filter(keeps)")
            + "\n"
        )
        return made

    def _of_class(self) -> str:
        name, made = self._next("Api"), self._next("r")
        hints = self._hints()
        said = f'name="{made}"' + (f", {hints}" if hints else "")
        self.parts.append(
            f"class {name}:\n    def __init__(self, of):\n        self.of = of\n\n"
            "    def rows(self):\n"
            "        yield [row for row in fetched(self.of) if row['id'] > 1]\n\n"
            f"    def resource(self):\n        return dlt.resource(self.rows, {said})\n\n"
            f'{name.lower()} = {name}("{self._collection()}")\n'
        )
        call = f"{name.lower()}.resource()"
        return self._one(call, call, f"{call}()")

    def _closure(self) -> str:
        name, made = self._next("make"), self._next("r")
        hints = self._hints()
        self.parts.append(
            f"def {name}(of, suffix=''):\n"
            f'    @dlt.resource(name="{made}" + suffix{", " + hints if hints else ""})\n'
            "    def inner():\n        for row in fetched(of):\n"
            "            yield {**row, 'suffix': suffix}\n    return inner\n"
        )
        of = self._collection()
        return self._one(f'{name}("{of}")', f'{name}("{of}", "_x")', f'{name}("{of}")()')

    def _configured(self) -> str:
        name = self._next("r")
        resource = self._endpoint(name)
        config = {"client": {"base_url": "BASE"}, "resources": [resource]}
        self.parts.append(f"({name},) = rest_api_resources({config!r})\n")
        return name

    def _endpoint(self, name: str) -> dict[str, Any]:
        paginator: Any = self._one(
            {"type": "json_link", "next_url_path": "next"},
            {"type": "offset", "limit": 2, "total_path": "total"},
            {"type": "cursor", "cursor_path": "cursor", "cursor_param": "after"},
            "header_link", "single_page",
        )  # fmt: skip
        endpoint: dict[str, Any] = {
            "path": self._collection(), "data_selector": "items", "paginator": paginator,
        }  # fmt: skip
        if self._if(0.25):
            self._marks.append(name)
            endpoint["incremental"] = {
                "cursor_path": "updated_at", "initial_value": "2024-01-02T00:00:00Z",
                "start_param": "since",
            }  # fmt: skip
        return {
            "name": name, "primary_key": "id", "endpoint": endpoint,
            "write_disposition": self._one("append", "replace", "merge"),
        }  # fmt: skip

    def _child(self) -> str:
        parent, child = self._next("r"), self._next("r")
        below = {
            "name": child,
            "endpoint": {"path": f"users/{{resources.{parent}.id}}/orders",
                         "data_selector": "items", "paginator": "single_page"},
        }  # fmt: skip
        config = {
            "client": {"base_url": "BASE"},
            "resources": [{**self._endpoint(parent), "write_disposition": "replace"}, below],
        }
        name = self._next("s")
        self.parts.append(f"{name} = rest_api_source({config!r}, name='shop')\n")
        if self._if(0.5):
            self._sources.append(name)
        return self._one(f"{name}.{parent}", f'{name}.resources["{child}"]', f"{name}.{parent}")

    def _copy(self) -> str:
        """A resource that is made of another one."""
        if not self._made:
            return self._function()
        other, name = self._one(*self._made), self._next("r")
        self.parts.append(f'{name} = {other}.with_name("{name}"){self._steps(0.5)}\n')
        return name

    def _steps(self, chance: float) -> str:
        found = ""
        while self._if(chance) and len(found) < 400:
            found += self._one(*STEPS)
        return found

    def _transformer(self, parent: str) -> str:
        name = self._next("t")
        hints = self._hints().replace("selected=False", "")
        argument = self._one("items", "items", "items, more=1")
        body = self._one(*BODIES)
        self._marks += [name] * ("mark" in body)
        piped = self._if(0.7)
        said = ", ".join(filter(None, ["" if piped else f"data_from={parent}", hints.strip(", ")]))
        word = f"@dlt.transformer({said})" if said else "@dlt.transformer"
        self.parts.append(f"{word}\ndef {name}({argument}):\n    {body}\n")
        if not piped:
            return self._one(name, f"{name}()")
        called = f"{name}(2)" if "more" in argument and self._if(0.5) else name
        made = f"{parent}{self._steps(0.2)} | {called}"
        if self._if(0.5):
            return f"({made})"
        kept = self._next("r")
        self._marks += [kept] * ("mark" in body)
        self.parts.append(f"{kept} = {made}{'' if self._if(0.6) else ' | renamed'}\n")
        return kept

    def _source(self) -> str:
        name = self._next("s")
        said = 'name="shop"'  # dlt keeps a state for each name
        chosen = self._random.sample(self._made, self._random.randint(1, min(3, len(self._made))))
        named = [one for one in chosen if one.isidentifier() and self._if(0.3)]
        lines = [f"    {one}{self._one(*STEPS)}\n" for one in named]
        if self._if(0.2):
            lines.append("    dlt.current.source_state().setdefault('seen', 1)\n")
        listed = [one + self._steps(0.15) for one in chosen]
        body = self._one(
            f"    return [{', '.join(listed)}]\n", f"    return {', '.join(listed)},\n",
            "".join(f"    yield {one}\n" for one in listed),
            f"    for one in ({', '.join(listed)},):\n        yield one\n",
        )  # fmt: skip
        argument = self._one("", "", "limit=None")
        if argument:
            lines.append("    if limit:\n        tell('limit', limit)\n")
        self.parts.append(f"@dlt.source({said})\ndef {name}({argument}):\n{''.join(lines)}{body}")
        return self._one(f"{name}()", f"{name}(limit=2)") if argument else f"{name}()"

    # What is done.

    def _action(self) -> str:
        acts = [self._run, self._run, self._run, self._rows, self._list, self._twice, self._loop,
                self._other, self._caught, self._asked]  # fmt: skip
        if self._sources:
            acts += [self._changed, self._changed, self._changed, self._clone]
        found: str = self._one(*acts)()
        return found

    def _said(self) -> str:
        found = []
        if self._if(0.3):
            found.append(f'write_disposition="{self._one("append", "replace")}"')
        elif self._if(0.05):
            found.append('write_disposition="merge", primary_key="id"')
        return "".join(f", {one}" for one in found)

    def _any(self) -> str:
        if self._sources and self._if(0.5):
            found: str = self._one(*self._sources)
            return found
        return self._one(*self._made) + self._steps(0.2)

    def _run(self) -> str:
        return f"pipeline.run({self._any()}{self._said()})\n"

    def _rows(self) -> str:
        data = self._one(
            '[{"id": 1, "v": "x"}, {"id": 2, "v": None}]', '({"id": n} for n in range(3))',
            'fetched("users")', 'iter([{"id": 7, "list": [1, 2]}])', '{"id": 5, "o": {"p": 1}}',
        )  # fmt: skip
        if data.startswith("{"):
            data = f"[{data}]"
        mode = self._one("", ', write_disposition="replace"')
        return f'pipeline.run({data}, table_name="{self._one("given", "rows")}"{mode})\n'

    def _list(self) -> str:
        chosen = self._random.sample(self._made, min(self._one(2, 2, 3), len(self._made)))
        names = [set(re.findall(r"\b[rft]\d+", one)) for one in chosen]
        if any(one & other for one, other in itertools.combinations(names, 2)):
            return self._run()
        listed = [one + self._steps(0.2) for one in chosen]
        return f"pipeline.run([{', '.join(listed)}]{self._said()})\n"

    def _twice(self) -> str:
        held = self._next("x")
        return (
            f"{held} = {self._any()}\npipeline.run({held}{self._said()})\n"
            f"pipeline.run({held}{self._said()})\n"
        )

    def _loop(self) -> str:
        one = self._one(*self._made)
        step = self._one("", ".add_map(lambda row: {**row, 'nth': nth})", ".add_limit(nth)")
        table = ""
        return f"for nth in (1, 2):\n    pipeline.run({one}{step}{table})\n"

    def _other(self) -> str:
        held = self._next("p")
        dataset = self._one(f"{held}_data", "shop_data")
        return (
            f"{held} = dlt.pipeline('{held}', destination='duckdb', dataset_name='{dataset}')\n"
            f"{held}.run({self._any()}{self._said()})\n"
        )

    def _caught(self) -> str:
        name = self._next("r")
        fails = self._one("fetched('missing')", "[1 // 0]", "[{'id': 1}]")
        self.parts.append(f"@dlt.resource\ndef {name}():\n    yield {fails}\n")
        return (
            f"try:\n    pipeline.run({name})\nexcept Exception as exc:\n"
            f'    tell("caught", type(exc).__name__)\n'
            '    pipeline.run([{"id": 1}], table_name="caught")\n'
            + self._one("", "else:\n    tell('went well')\n", "finally:\n    tell('over')\n")
        )

    def _asked(self) -> str:
        told = self._one(
            "counts(pipeline)", "info.has_failed_jobs", "len(info.loads_ids)",
            "info.is_empty", "info.dataset_name", "info.pipeline.pipeline_name",
            "sorted(pipeline.default_schema.data_table_names())",
            "pipeline.first_run", "f'{pipeline.dataset_name} {counts(pipeline)}'",
        )  # fmt: skip
        return f"info = pipeline.run({self._any()}{self._said()})\ntell({told})\n"

    def _changed(self) -> str:
        held = self._next("x")
        first = f"list({held}.resources.values())[{self._one(0, -1)}]"
        name = f"list({held}.resources)[{self._one(0, -1)}]"
        lines = [f"{held} = {self._one(*self._sources)}"]
        changes: Sequence[str] = (
            f"{first}{self._one(*STEPS)}", f"{first}{self._one(*STEPS)}{self._one(*STEPS)}",
            f"{held}.resources[{name}].selected = False", f"{held}.add_limit(1)",
            f"{held} = {held}.with_resources({name})", f"{held}.max_table_nesting = 0",
            f"{first}.table_name = 'given'", f"{first}.write_disposition = 'replace'",
            f"{held}.resources.pop({name})", f"tell(sorted({held}.resources))",
            f"tell(sorted({held}.selected_resources))", f"tell({first}.name, {first}.table_name)",
            f"{held}.resources['more'] = dlt.resource([{{'id': 1}}], name='more')",
            f"tell([row['id'] for row in {first}][:3])",
            f"tell(sum(1 for _ in {held}.resources[{name}]))",
            f"{first}.apply_hints(incremental={self._one(*CURSORS)})",
        )  # fmt: skip
        lines += [self._one(*changes) for _ in range(self._one(1, 2, 3))]
        lines.append(f"pipeline.run({held}{self._said()})")
        if self._if(0.3):
            lines += [f"{first}{self._one(*STEPS)}", f"pipeline.run({held})"]
        return "\n".join(lines) + "\n"

    def _clone(self) -> str:
        held, copy = self._next("x"), self._next("x")
        how = "clone()"
        first = f"list({copy}.resources.values())[0]"
        then = self._one(f"{first}{self._one(*STEPS)}", f"{copy}.add_limit(1)", "pass")
        return (
            f"{held} = {self._one(*self._sources)}\n{copy} = {held}.{how}\n{then}\n"
            f"pipeline.run({self._one(held, copy)})\npipeline.run({self._one(held, copy)})\n"
        )
