"""Scripts whose rows go to several tables: by a function of each row, by a mark, with own hints."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask


def events(ask: Ask) -> Any:
    """Events of several types in pages; the second round has other types, and one that changed."""
    held: list[dict[str, Any]]
    if ask.round == 1:
        held = [
            {"id": 1, "type": "Push Event", "at": "2024-01-01T00:00:00Z", "commits": [1, 2]},
            {"id": 2, "type": "fork", "at": "2024-01-02T00:00:00Z", "by": {"name": "a"}},
            {"id": 3, "type": "Push Event", "at": "2024-01-03T00:00:00Z", "commits": []},
            {"id": 4, "type": "star", "at": "2024-01-04T00:00:00Z", "size": 1},
            {"id": 5, "type": "fork", "at": "2024-01-05T00:00:00Z", "by": {"name": "b"}},
        ]
    else:
        held = [
            {"id": 4, "type": "star", "at": "2024-01-04T00:00:00Z", "size": 2},
            {"id": 1, "type": "Push Event", "at": "2024-01-06T00:00:00Z", "commits": [7]},
            {"id": 6, "type": "watch", "at": "2024-01-07T00:00:00Z", "who": ["x"]},
        ]
    page = ask.number("page")
    found = held[page * 2 : page * 2 + 2]
    if ask.path.strip("/").startswith("events/"):
        return {"event": int(ask.path.rsplit("/", 1)[1]), "kind": f"k{ask.path[-1]}"}
    return {"data": found, "total": (len(held) + 1) // 2}


CONFIGURED = """
source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": {"type": "page_number", "total_path": "total"}},
    "resources": [{
        "name": "events",
        "table_name": lambda event: f"on {event['type']}",
        "write_disposition": "MODE",
        "primary_key": "id",
        "endpoint": {"path": "events", "data_selector": "data"},
    }],
})
"""

CURSORED = """
source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": {"type": "page_number", "total_path": "total"}},
    "resources": [{
        "name": "events",
        "table_name": lambda event: event["type"] if event["type"] != "star" else "events",
        "columns": {"id": {"data_type": "double"}},
        "endpoint": {
            "path": "events", "data_selector": "data",
            "incremental": {"cursor_path": "at", "initial_value": "2024-01-02T00:00:00Z"},
        },
    }, {
        "name": "details",
        "table_name": lambda one: one["kind"],
        "endpoint": {"path": "events/{resources.events.id}"},
    }],
})
"""

BY_FUNCTION = """
from dlt.sources.helpers.rest_client import paginate
from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator

def table(event):
    return event["type"].lower()

@dlt.resource(primary_key="id", table_name=table, write_disposition="MODE")
def happenings():
    yield from paginate("BASE/events", paginator=PageNumberPaginator(total_path="total"),
                        data_selector="data")
"""

HINTED_BY_ITEM = """
from dlt.sources.helpers import requests

@dlt.resource(
    table_name=lambda event: event["type"],
    primary_key=lambda event: "id" if event["type"] == "star" else None,
    write_disposition=lambda event: "merge" if event["type"] == "star" else "append",
)
def happenings():
    for page in (0, 1, 2):
        yield requests.get("BASE/events", params={"page": page}).json()["data"]
"""

MARKED = """
from dlt.sources.helpers import requests

@dlt.resource(write_disposition="MODE", primary_key="id")
def happenings():
    for page in (0, 1, 2):
        found = requests.get("BASE/events", params={"page": page}).json()["data"]
        for event in found:
            yield dlt.mark.with_table_name(event, event["type"])
        yield dlt.mark.with_table_name([{"id": e["id"]} for e in found], "seen")
        yield {"page": page, "id": page}
"""

VARIANTS = """
from dlt.sources.helpers import requests

@dlt.resource(columns={"noted": {"data_type": "bool"}})
def happenings():
    for page in (0, 1, 2):
        for event in requests.get("BASE/events", params={"page": page}).json()["data"]:
            yield dlt.mark.with_hints(
                event,
                dlt.mark.make_hints(
                    table_name=event["type"].replace(" ", ""),
                    primary_key="id",
                    write_disposition="merge" if event["type"] != "fork" else "append",
                    columns={"size": {"data_type": "double"}},
                ),
                create_table_variant=True,
            )
        yield {"page": page}
    yield dlt.mark.with_table_name({"id": 99, "size": 4}, "star")
"""

REPLACED_VARIANT = """
from dlt.sources.helpers import requests

@dlt.resource
def happenings():
    found = requests.get("BASE/events", params={"page": 0}).json()["data"]
    yield found
    hints = dlt.mark.make_hints("newest", write_disposition="replace")
    yield dlt.mark.with_hints(found, hints, create_table_variant=True)
"""

SAID_LATE = """
from dlt.sources.helpers import requests

@dlt.resource(primary_key="id", write_disposition="merge")
def happenings():
    found = requests.get("BASE/events", params={"page": 0}).json()["data"]
    yield dlt.mark.with_hints(found[0], dlt.mark.make_hints(
        columns=[{"name": "size", "data_type": "decimal"}, {"name": "id", "data_type": "text"}]))
    yield {**found[1], "id": str(found[1]["id"])}
"""

MAPPED = """
@dlt.resource(name="numbers", table_name=lambda row: row["of"])
def numbers():
    yield [{"n": n, "of": "even" if n % 2 == 0 else "odd"} for n in range(6)]

@dlt.transformer(table_name=lambda row: f"{row['of']}_doubled")
def doubled(rows):
    for row in rows:
        yield {**row, "n": row["n"] * 2}

@dlt.source
def counted():
    counted = numbers()
    counted.add_filter(lambda row: row["n"] != 3)
    counted.add_map(lambda row: {**row, "of": row["of"].upper()})
    return counted, counted | doubled
"""


def orders(ask: Ask) -> Any:
    """Orders with lines, and parts of these; the second round changes a line and moves another."""
    if ask.round == 1:
        return [
            {"id": 1, "to": {"Ways": [{"w": 1}]}, "lines": [
                {"n": 1, "v": "a", "parts": [{"p": 1.5}], "sum": 1234567890123.5},
                {"n": 2, "v": "b"}]},
            {"id": 2, "lines": [{"n": 3, "v": "c", "tags": ["x"]}], "codes": [7, 6]},
        ]  # fmt: skip
    return [
        {"id": 1, "to": {"Ways": [{"w": 1}]}, "lines": [{"n": 1, "v": "A", "parts": [{"p": 9}]}]},
        {"id": 3, "lines": [{"n": 4, "v": "d"}, {"n": 3, "v": "C"}], "codes": [8, 7]},
    ]


KEYED = """
source = rest_api_source({
    "client": {"base_url": "BASE"},
    "resources": [{
        "name": "orders",
        "write_disposition": "MODE",
        "primary_key": "id",
        "nested_hints": {
            "lines": {"primary_key": "n", "write_disposition": "merge",
                      "columns": {"v": {"name": "v", "data_type": "text"}}},
            "to__ways": {"primary_key": "w"},
            "codes": {"merge_key": "value", "write_disposition": "merge"},
        },
        "endpoint": {"path": "orders", "paginator": "single_page"},
    }],
})
"""

KEYED_BELOW = """
from dlt.sources.helpers import requests

@dlt.resource(
    name="orders", write_disposition="MODE", primary_key="id",
    nested_hints={
        "lines": dlt.mark.make_nested_hints(primary_key="n", write_disposition="replace"),
        ("lines", "parts"): {"primary_key": "p"},
        ("lines", "tags"): {"columns": {"value": {"name": "value", "data_type": "text"}}},
        ("to", "ways"): {"primary_key": "w"},
    },
)
def orders():
    yield requests.get("BASE/orders").json()
"""

CONTRACTS = """
@dlt.source
def contracts():
    from dlt.sources.helpers import requests

    def rows(name, contract):
        @dlt.resource(name=name, nested_hints={"lines": {"schema_contract": contract}})
        def made():
            if requests.get("BASE/round").json()["round"] == 1:
                yield [{"id": 1, "lines": [{"n": 1}]}]
            else:
                yield [{"id": 2, "other": 1, "lines": [
                    {"n": 2, "x": 5, "k": [1]}, {"n": "t"}, {"n": 3}]}]
        return made

    for name, contract in {
        "values": {"columns": "discard_value"}, "rows": "discard_row",
        "tables": {"tables": "discard_row"}, "types": {"data_type": "discard_value"},
        "all_values": "discard_value",
    }.items():
        yield rows(name, contract)
"""


TYPED = """
from datetime import date, datetime, time
from decimal import Decimal
from dlt.sources.helpers import requests

@dlt.resource(write_disposition="MODE", primary_key="id", columns={"set": {"data_type": "text"}})
def typed():
    which = requests.get("BASE/round").json()["round"]
    yield {"id": 0, "f": 0.5, "n": 1, "text": "2024-01-02"}
    yield {
        "id": 1, "price": Decimal("1.10"), "day": date(2024, 1, 2), "at": time(3, 4, 5),
        "raw": bytes([0, 1, 255]), "moment": datetime(2024, 1, 2, 3, 4, 5), "f": Decimal("2.5"),
        "inner": {"Price Paid": Decimal("2.5"), "raw": b"ab"}, "n": Decimal("3"),
        "lines": [{"d": Decimal("0.1"), "on": date(2024, 1, 1), "parts": [b"x"]}],
        "many": [Decimal("1"), Decimal("2.25")], "set": "x", "text": date(2024, 1, 2),
    }
    yield [{"id": 2, "price": 2, "day": "2024-01-03", "at": "03:04:06"}, {"id": 3, "raw": b"z"}]
    if which == 2:
        yield {"id": 4, "later": Decimal("7"), "price": Decimal("-1"), "lines": [{"e": b"e"}]}
        yield dlt.mark.with_table_name({"id": 5, "cost": Decimal("5.5")}, "others")
"""


def rounds(ask: Ask) -> Any:
    """Which run it is."""
    return {"round": ask.round}


def _modes(name: str, text: str, source: str, api: Any = events) -> dict[str, Written]:
    return {
        f"{name}, {mode}": Written(text=text.replace("MODE", mode), api=api, source=source)
        for mode in ("append", "replace", "merge")
    }


TABLES: dict[str, Written] = {
    **_modes("marks of tables", MARKED, "happenings"),
    **_modes("a function that names tables", BY_FUNCTION, "happenings"),
    **_modes("a table of each type", CONFIGURED, "source"),
    **_modes("nested tables with keys", KEYED, "source", orders),
    **_modes("tables of their own below others", KEYED_BELOW, "orders", orders),
    **_modes("values of Python's own types", TYPED, "typed", rounds),
    "contracts of nested tables": Written(text=CONTRACTS, api=rounds, source="contracts()"),
    "tables and a cursor": Written(text=CURSORED, api=events, source="source"),
    "hints by item": Written(text=HINTED_BY_ITEM, api=events, source="happenings"),
    "variants of tables": Written(text=VARIANTS, api=events, source="happenings"),
    "a variant that is replaced": Written(text=REPLACED_VARIANT, api=events, source="happenings"),
    "hints that come with a row": Written(text=SAID_LATE, api=events, source="happenings"),
    "steps before tables": Written(text=MAPPED, api=events, source="counted()"),
}
