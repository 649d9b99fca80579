"""What scripts of others turned out to do: steps that change what they are given, and the like."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written, rows
from tests.parity.dlt.server import Ask


def places(ask: Ask) -> Any:
    """Places with a location; prices by name, and what became of each."""
    if ask.path == "/prices":
        return {"at": "2024-01-01", "tin": 5, "zinc": 7 + ask.round}
    if ask.path.startswith("/history/"):
        return {"days": [{"of": ask.path.rpartition("/")[2], "day": n} for n in range(ask.round)]}
    return {"data": rows(1, 3 + ask.round, location={"at": [1.5, 2.25]}, spare={"a": 1})}


CHANGED = """
def flattened(place):
    place["lat"], place["lon"] = place["location"]["at"]
    del place["location"]
    return place

def bare(place):
    place["spare"].clear()
    return True

source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": "single_page"},
    "resources": [
        {"name": "places", "write_disposition": "replace",
         "endpoint": {"path": "places", "data_selector": "data"},
         "processing_steps": [{"filter": flattened}, {"filter": bare}]},
        {"name": "others", "write_disposition": "replace",
         "endpoint": {"path": "others", "data_selector": "data"}},
    ],
})
source.others.add_filter(lambda row: row.pop("location") and row["id"] != 2)
"""

ONE_BY_ONE = """
from dlt.sources.helpers import requests

def long(record):
    for name, price in record.items():
        if name != "at":
            yield {"name": name, "price": price}

source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": "single_page"},
    "resources": [{"name": "prices", "write_disposition": "replace",
                   "endpoint": {"path": "prices", "data_selector": "$"}}],
})
source.resources["prices"].add_yield_map(long)

@dlt.transformer(data_from=source.resources["prices"], write_disposition="replace")
def history(price):
    yield requests.get(f"BASE/history/{price['name']}").json()["days"]

@dlt.source
def shop():
    return source.resources["prices"], history
"""

JOINED = """
from urllib.parse import urljoin, urlsplit
from dlt.sources.helpers.rest_client import RESTClient

os.environ["PLACES_URL"] = "BASE/v1/"
client = RESTClient(urljoin(dlt.config["places_url"], "places"))
prices = RESTClient(urljoin(f"{dlt.config['places_url']}x/", "../prices"))

@dlt.resource(write_disposition="replace")
def asked():
    yield client.get("").json()["data"]
    yield {"name": urlsplit(dlt.config["places_url"]).path, "price": prices.base_url[-7:]}
"""

FOUND: dict[str, Written] = {
    "filters that change records": Written(text=CHANGED, api=places, source="source"),
    "records one by one behind a yield_map": Written(text=ONE_BY_ONE, api=places, source="shop()"),
    "values that URLs are joined to": Written(text=JOINED, api=places, source="asked"),
}
