"""What scripts of others turned out to do: steps that change what they are given, and the like."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written, rows
from tests.parity.dlt.server import Ask


def places(ask: Ask) -> Any:
    """Places with a location; prices by name, and what became of each."""
    if ask.path == "/prices":
        return {"at": "2024-01-01", "tin": 5, "zinc": 7 + ask.round}
    if ask.path.startswith("/trains/"):
        day = int(ask.path[-1])
        return [{"day": day, "stops": [{"at": n} for n in range(ask.round)]}] if day != 2 else []
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

READ = """
import json
from datetime import date, datetime, timedelta
from pathlib import Path
from dlt.common import pendulum

Path("days.json").write_text("[1, 2]")
first = date.fromisoformat(dlt.config.get("trains.first", str) or "2020-01-01")
last = datetime.strptime(dlt.config["trains.last"], "%Y-%m-%d").date()
later = pendulum.parse(dlt.config["trains.last"]).add(days=1)
known = json.loads(dlt.secrets.get("trains.known", str))
held = json.loads(Path(dlt.config["trains.file"]).read_text())

@dlt.resource
def dates(start, end):
    yield [{"date": (start + timedelta(days=n)).isoformat()} for n in range((end - start).days + 1)]

def stops(train):
    for stop in train["stops"]:
        yield {"day": train["day"], "at": stop["at"], "known": known[0], "held": held[1],
               "later": later.to_date_string()}

source = rest_api_source({
    "client": {"base_url": "BASE"},
    "resources": [
        dates(first, last),
        {"name": "stops", "write_disposition": "replace",
         "endpoint": {"path": "trains/{resources.dates.date}", "data_selector": "$[0]",
                      "paginator": "single_page"},
         "processing_steps": [{"yield_map": stops}]},
    ],
})
"""

ENCODED = """
from dataclasses import field
from pathlib import PurePosixPath
from dlt.common import json

class Link:
    def __init__(self, text):
        self.text = text

def encoder(value):
    if isinstance(value, Link):
        return value.text
    raise TypeError(f"no JSON for {type(value)}")

json.set_custom_encoder(encoder)

@dlt.resource(write_disposition="replace")
def links(names: list = field(default_factory=lambda: ["a", "b"])):
    for name in names:
        yield {"name": name, "link": Link(f"https://x.example/{name}"), "more": [Link("y")]}

@dlt.source
def shop(kinds: list = field(default_factory=list), least: int = field(default=2)):
    assert (kinds, least) == ([], 2)
    return links(["c"])

assert json.dumps({"at": Link("z")}) == '{"at":"z"}'
"""

JOBS = """
from dlt.hub.run import TJobRunContext, trigger
from dlt.hub import run

pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")

def places(name, least, path="places"):
    return rest_api_source({
        "client": {"base_url": "BASE", "paginator": "single_page"},
        "resources": [{"name": name, "write_disposition": "replace",
                       "endpoint": {"path": path, "data_selector": "data"},
                       "processing_steps": [{"filter": lambda row: row["id"] >= least}]}],
    })

@run.pipeline(pipeline, section="plain", trigger=[trigger.schedule("0 * * * *"), "every:5m"],
              expose={"tags": ["ingest"]}, execute={"timeout": "6h"})
def load(name: str, least: int = 0, run_context: TJobRunContext = None) -> str:
    assert run_context is None
    pipeline.run(places(name, least))
    return name

@run.job
def more(word: str = dlt.config.value, *, least: int = 1):
    pipeline.run(places("second", least, word))
    assert load("third", least) == "third"

@run.pipeline("shop", name="rest", trigger=[load.success, more.fail, *more.completed])
async def others(path: str = "more"):
    pipeline.run(places("fourth", 1, path))

if __name__ == "__main__":
    import asyncio

    load(name="first")
    more()
    asyncio.run(others())
    run.interactive(load)(name="fifth")
"""

NAMED = """
kind = dlt.config["kind"]
source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": "single_page"},
    "resource_defaults": {"write_disposition": dlt.config["how"], "primary_key": "id"},
    "resources": [
        {"name": kind, "table_name": f"all_{kind}",
         "endpoint": {"path": kind, "data_selector": "data"}},
        {"name": f"more_{kind}", "endpoint": {"path": f"more/{kind}", "data_selector": "data"}},
        {"name": "unasked", "endpoint": "unasked"},
    ],
}).with_resources("places", "more_places")
"""

FOUND: dict[str, Written] = {
    "resources named by values": Written(
        text=NAMED, api=places, source="source", secrets='kind = "places"\nhow = "merge"\n'
    ),
    "jobs of dltHub": Written(
        text=JOBS,
        api=places,
        secrets=(
            '[jobs]\nword = "words"\n[jobs.pipeline]\npath = "rest"\n'
            "[jobs.plain.load]\nleast = 2\n"
            "[sources.plain.load]\nleast = 4\n"
        ),
    ),
    "filters that change records": Written(text=CHANGED, api=places, source="source"),
    "records one by one behind a yield_map": Written(text=ONE_BY_ONE, api=places, source="shop()"),
    "values that a library reads": Written(
        text=READ,
        api=places,
        source="source",
        secrets=(
            '[trains]\nfirst = "2024-01-01"\nlast = "2024-01-03"\nknown = "[7]"\n'
            'file = "days.json"\n'
        ),
    ),
    "types that a function encodes": Written(text=ENCODED, api=places, source="shop()"),
    "values that URLs are joined to": Written(text=JOINED, api=places, source="asked"),
}
