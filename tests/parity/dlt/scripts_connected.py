"""Scripts that change a resource of a source, which feeds others of it: both are changed."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written, rows
from tests.parity.dlt.server import Ask


def events(_ask: Ask) -> list[dict[str, Any]]:
    """Four records."""
    return rows(1, 4)


_MADE = """
from dlt.sources.helpers import requests

@dlt.resource(SELECTED)
def a(most=4):
    for row in requests.get("BASE/events").json()[:most]:
        yield row

@dlt.transformer
def piped(item):
    yield {**item, "piped": True}

@dlt.transformer(data_from=a)
def below(item):
    yield {"of": item["id"]}

@dlt.transformer(data_from=below)
def deeper(item):
    yield {"deeper": item["of"]}

@dlt.source(name="shop")
def shop():
    return LISTED
"""
_LATER = """
source = shop()
source.a.add_map(lambda row: {**row, "late": 1})
source.resources["a"].add_filter(lambda row: row["id"] != 2)
"""
_CONFIGURED = """
@dlt.transformer
def each(items):
    for item in items if isinstance(items, list) else [items]:
        yield {"of": item["id"], "late": item["late"]}

@dlt.source(name="shop")
def shop():
    (events,) = rest_api_resources({
        "client": {"base_url": "BASE"},
        "resources": [{"name": "events", "endpoint": {"path": "events"}}],
    })
    yield events
    yield events | each

source = shop()
source.events.add_map(lambda row: {**row, "late": 1})
"""


def _made(listed: str, more: str = "", selected: str = "") -> str:
    return _MADE.replace("LISTED", listed).replace("SELECTED", selected) + more


CONNECTED = {
    "a limit of a source with transformers": Written(
        text=_made("a, below, deeper, a | piped"), api=events, source="shop().add_limit(2)"
    ),
    "a limit of some resources of a source": Written(
        text=_made("a, below, deeper, a | piped"), api=events,
        source='shop().with_resources("a", "deeper").add_limit(2)',
    ),
    "a limit of a source without what feeds it": Written(
        text=_made("below, deeper"), api=events, source="shop().add_limit(2)"
    ),
    "a limit of a source whose first resource is not selected": Written(
        text=_made("a, below", selected="selected=False"), api=events,
        source="shop().add_limit(2)",
    ),
    "steps of what feeds others": Written(
        text=_made("a, below, deeper, a | piped", _LATER), api=events, source="source"
    ),
    "steps of what feeds others that are chosen later": Written(
        text=_made("a, below, deeper, a | piped", _LATER), api=events,
        source='source.with_resources("deeper", "piped")',
    ),
    "steps of a resource that is called twice": Written(
        text=_made("a(), a() | piped", _LATER), api=events, source="source"
    ),
    "steps of a resource with other arguments": Written(
        text=_made("a(3), a(2) | piped", _LATER), api=events, source="source"
    ),
    "steps of a source of which there is another": Written(
        text=_made("a, below, a | piped", f'other = shop().clone(with_name="other"){_LATER}'),
        api=events, source='[source.with_resources("below"), other.with_resources("piped")]',
    ),
    "steps of a configured resource that feeds others": Written(
        text=_CONFIGURED, api=events, source="source"
    ),
}  # fmt: skip
