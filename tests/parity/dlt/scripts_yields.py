"""Scripts whose functions yield what is still to be made, or marked, and pipes of transformers."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask


def counted(ask: Ask) -> list[dict[str, Any]]:
    """As many records as are asked for."""
    return [{"id": n} for n in range(ask.number("n", 2))]


PIPES = """
@dlt.transformer
def twice(items, by=2):
    for row in (items if isinstance(items, list) else [items]):
        yield {**row, "twice": row["a"] * by}

@dlt.transformer
def several(row):
    yield [{**row, "i": i} for i in range(2)]

@dlt.transformer
def told(rows):
    return [{**row, "n": len(rows)} for row in rows]

@dlt.resource
def a():
    yield [{"a": 1}, {"a": 2}]
    yield {"a": 3}

@dlt.source(name="shop")
def source():
    yield a | twice | several | told
    yield (a | twice(by=5)).with_name("five")
    yield [{"a": 7}, {"a": 8}] | twice(by=7).with_name("seven") | several.with_name("more")
    yield dlt.resource(({"a": n} for n in range(2)), name="made") | twice.with_name("of_made")
"""
TO_BE_MADE = """
from dlt.sources.helpers import requests

def rows(n):
    return [{"n": n}]

@dlt.resource
def a():
    yield lambda: {"a": 1}
    yield lambda: rows(2)
    yield iter([{"a": 7}])
    yield (row for row in rows(3))
    yield map(lambda n: {"m": n}, range(2))

@dlt.defer
def asked(n):
    return [{**row, "of": n} for row in requests.get("BASE/x", params={"n": n}).json()]

@dlt.resource
def deferred():
    for n in range(1, 4):
        yield asked(n)

@dlt.transformer(data_from=deferred)
@dlt.defer
def first(rows):
    return {"first": rows[0]["of"]}

@dlt.transformer(data_from=deferred)
def later(rows):
    @dlt.defer
    def one():
        return [{"later": row["of"]} for row in rows]

    def each(row):
        yield {"each": row["id"]}

    yield one()
    for row in rows:
        yield each(row)

@dlt.transformer(data_from=a)
def spelled(item):
    return {"item": str(item)}

@dlt.source(name="shop")
def source():
    return a, deferred, first, later, spelled
"""
MARKS = """
@dlt.resource(columns={"id": {"data_type": "bigint"}}, primary_key="id", write_disposition="merge")
def a():
    mark = dlt.mark
    yield mark.with_table_name({"id": 1, "x": "one"}, "other")
    yield {"id": 2}
    yield mark.with_hints({"id": 3}, mark.make_hints(columns={"z": {"data_type": "bigint"}}))
    yield {"id": 4}
    yield mark.with_hints({"id": 5}, mark.make_hints(columns={"y": {"data_type": "text"}}))
    for n in range(3):
        yield mark.with_hints([{"id": n}, {"id": n + 9}], mark.make_hints(
            table_name=f"v{n % 2}", columns={"x": {"data_type": "text"}},
            write_disposition="append", primary_key=""), create_table_variant=True)
        yield {"id": 10 + n}
    yield mark.with_table_name([{"id": 6}, {"id": 7}], "other")
"""
ODD_ROWS = """
from datetime import date
from decimal import Decimal

@dlt.resource
def odd():
    yield [{"id": 1}, None, ({"id": 2}, {"id": 3}), [{"id": 4, "at": date(2024, 1, 2)}], []]
    yield ({"id": 5}, None)
    yield (Decimal("6.5"), [7])
    yield None

@dlt.resource(max_table_nesting=0)
def flat():
    yield dlt.mark.with_table_name([{"id": 1}, None, ({"id": 2},)], "flat")
    yield dlt.mark.with_table_name(({"id": 3}, {"id": 4}), "flat")

@dlt.resource
def limited():
    yield ({"id": 1}, {"id": 2})
    yield [{"id": 3}, {"id": 4}]
    yield {"id": 5}

def spread(row):
    yield from row

@dlt.transformer(data_from=odd)
def behind(item, meta):
    return [{"items": len(item)}, None, ({"of": "a tuple"},)]

@dlt.transformer(data_from=behind)
def last(items):
    return tuple({"n": len(items), "row": str(row)} for row in items[:2])

@dlt.source(name="shop")
def source():
    alone = limited.with_name("alone").add_yield_map(spread)
    return odd, flat, behind, last, limited.add_limit(2, count_rows=True), alone
"""
FOLLOWED_NULLS = """
@dlt.resource
def made(at=dlt.sources.incremental("id", on_cursor_value_missing="include")):
    yield [{"id": 1}, None, {"id": 2}, {"name": "none"}]

@dlt.source(name="shop")
def source():
    config = {"client": {"base_url": "BASE", "paginator": "single_page"}, "resources": [
        {"name": "read", "processing_steps": [{"map": lambda row: row if row["id"] % 2 else None}],
         "endpoint": {"path": "x", "params": {"n": 5},
                      "incremental": {"cursor_path": "id", "initial_value": 0}}}]}
    return made, *rest_api_resources(config)
"""

YIELDS: dict[str, Written] = {
    "pipes lists, pages and rows through transformers": Written(
        text=PIPES, api=counted, source="source()"
    ),
    "yields callables, iterators and deferred calls": Written(
        text=TO_BE_MADE, api=counted, source="source()"
    ),
    "says hints for all tables from there on, and for variants": Written(
        text=MARKS, api=counted, source="a()"
    ),
    "yields nulls in lists, and rows that are lists": Written(
        text=ODD_ROWS, api=counted, source="source()"
    ),
    "yields nulls beside a cursor": Written(text=FOLLOWED_NULLS, api=counted, source="source()"),
}
