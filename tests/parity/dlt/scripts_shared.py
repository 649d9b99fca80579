"""Scripts of which several resources have rows for a table that functions or marks name."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask

WAYS = ("append", "replace", "merge")
HEAD = """
from dlt.sources.helpers import requests

def rows(name):
    return requests.get(f"BASE/{name}").json()

@dlt.resource(table_name=lambda row: row["of"], write_disposition="FIRST", primary_key="id")
def named():
    yield rows("named")

@dlt.resource(write_disposition="SECOND", primary_key="id")
def marked():
    for row in rows("marked"):
        yield dlt.mark.with_table_name(row, row["of"])
    yield {"id": 50, "of": "marked"}

@dlt.resource(write_disposition="THIRD", primary_key="id", columns={"n": {"data_type": "double"}})
def plain():
    yield rows("plain")
"""
VARIANTS = """
@dlt.resource
def first():
    hints = dlt.mark.make_hints("both", primary_key="id", write_disposition="merge")
    yield dlt.mark.with_hints([{"id": 1, "n": 1}], hints, create_table_variant=True)
    yield {"id": 9}

@dlt.resource
def then():
    hints = dlt.mark.make_hints("both", primary_key="id", write_disposition="merge")
    yield dlt.mark.with_hints({"id": 2, "n": 2}, hints, create_table_variant=True)
    yield dlt.mark.with_table_name({"id": 3, "list": [1]}, "both")
    yield {"id": 8}
"""
CONFIGURED = """
source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": "single_page"},
    "resources": [
        {"name": "named", "endpoint": "named", "table_name": lambda row: row["of"]},
        {"name": "marked", "endpoint": "marked", "table_name": lambda row: row["of"]},
        "plain",
    ],
}, name="shop")
"""


def _api(ask: Ask) -> Any:
    """Rows for tables `x`, `plain` and others; the second round has one more, and none for one."""
    name = ask.path.strip("/")
    first = {"named": 1, "marked": 11, "plain": 21}[name]
    if name == "plain":
        return [{"id": n, "n": n, "list": [n]} for n in range(first, first + ask.round + 1)]
    own = [name] if ask.round == 1 else []
    held = ["x", "plain", f"of {name}", *own] + ["x"] * (ask.round - 1)
    return [{"id": n, "of": of, "list": [n, 0]} for n, of in enumerate(held, first)]


def _all(first: str, second: str, third: str) -> Written:
    text = HEAD.replace("FIRST", first).replace("SECOND", second).replace("THIRD", third)
    return Written(text=text, api=_api, source="[named, marked, plain]")


SHARED: dict[str, Written] = {
    **{f"tables of several, all {way}": _all(way, way, way) for way in WAYS},
    **{
        f"tables of several, {', '.join(ways)}": _all(*ways)
        for ways in permutations(WAYS)
    },
    "variants of one table by several": Written(text=VARIANTS, api=_api, source="[first, then]"),
    "tables of several, of a configuration": Written(text=CONFIGURED, api=_api, source="source"),
}  # fmt: skip
