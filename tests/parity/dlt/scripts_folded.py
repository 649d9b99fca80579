"""Scripts whose incremental is moved by a function that is neither `max` nor `min`."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask

VERSIONS = ["1.2", "1.10", "1.9", "0.7", "1.10", "2.0"]


def releases(ask: Ask) -> Any:
    """Releases, of which the second run has more; events of several kinds; the parents of some."""
    if ask.path.startswith("/shops"):
        return [{"id": 1}]
    later = [] if ask.round == 1 else ["1.11", "2.0", "0.1", "10.0"]
    if ask.path.startswith("/events"):
        times = [(kind, f"2024-01-0{day}") for kind in ("push", "fork") for day in (3, 1, 2)]
        if ask.round > 1:
            times += [("push", "2024-01-03"), ("push", "2024-01-05"), ("fork", "2024-01-02"),
                      ("star", "2024-01-01")]  # fmt: skip
        return [{"id": n, "type": t, "at": at} for n, (t, at) in enumerate(times)]
    found = [{"id": n, "version": version} for n, version in enumerate([*VERSIONS, *later])]
    return found[::-1] if ask.path.startswith("/falling") else found


NEWEST = """
def newest(versions):
    return max(versions, key=lambda version: [int(part) for part in version.split(".")])

def shop(path="releases", params=None, disposition="append", key=None, **said):
    incremental = {"cursor_path": "version", "last_value_func": newest, **said}
    return rest_api_source({"client": {"base_url": "BASE", "paginator": "single_page"},
                            "resources": [{
        "name": "releases", "primary_key": key, "write_disposition": disposition,
        "endpoint": {"path": path, "params": params or {}, "incremental": incremental},
    }]})
"""

BY_KIND = """
from dlt.sources.helpers import requests

def by_kind(event):
    last = None
    if len(event) == 1:
        item, = event
    else:
        item, last = event
    last = dict(last or {})
    last[item["type"]] = max(item["at"], last.get(item["type"], "1970-01-01"))
    return last

@dlt.resource(primary_key="id", table_name=lambda item: item["type"])
def events(since=dlt.sources.incremental("$", last_value_func=by_kind)):
    yield requests.get("BASE/events").json()
"""

DAYS = """
from datetime import datetime, timezone
from dlt.sources.helpers import requests

def last_day(moments):
    return max(moment.replace(hour=0) for moment in moments)

@dlt.resource(write_disposition="append", primary_key="id")
def events(since=dlt.sources.incremental(
        "at", initial_value=datetime(2024, 1, 2, tzinfo=timezone.utc), last_value_func=last_day)):
    for row in requests.get("BASE/events").json():
        at = datetime.fromisoformat(row["at"] + "T00:00:00+00:00").replace(hour=row["id"])
        yield {**row, "at": at, "since": since.start_value.isoformat()}
"""

HELD = """
from datetime import datetime, timezone

def latest(given):
    item, *last = given
    at = datetime.fromisoformat(item["at"]).replace(tzinfo=timezone.utc)
    return {"at": max(at, *(known["at"] for known in last))} if last else {"at": at}

source = rest_api_source({"client": {"base_url": "BASE", "paginator": "single_page"}, "resources": [
    {"name": "events", "primary_key": "id",
     "endpoint": {"incremental": {"cursor_path": "$", "last_value_func": latest}}},
]})
"""

CHILDREN = """
source = rest_api_source({"client": {"base_url": "BASE", "paginator": "single_page"}, "resources": [
    {"name": "shops", "write_disposition": "replace"},
    {"name": "releases", "write_disposition": "append", "endpoint": {
        "path": "{resources.shops.id}/releases",
        "params": {"since": "{incremental.start_value}"},
        "incremental": {"cursor_path": "version", "last_value_func": newest,
                        "initial_value": "0.5"}}},
]})
"""

SAID = {
    "from the first value on": "shop()",
    "from an initial value": "shop(initial_value='1.9')",
    "sent with the request":
        "shop(params={'since': '{incremental.start_value}'}, initial_value='0.1')",
    "merged": "shop(disposition='merge', key='id', initial_value='1.0')",
    "told apart by a key": "shop(key='id')",
    "told apart by nothing": "shop(primary_key=[])",
    "a range that is open": "shop(initial_value='1.9', range_start='open')",
    "a range with an end": "shop(initial_value='1.0', end_value='1.10')",
    "a range with its end": "shop(initial_value='1.0', end_value='1.10', range_end='closed')",
    "ordered": "shop('falling', initial_value='1.9', row_order='desc')",
}  # fmt: skip

FOLDED: dict[str, Written] = {
    **{
        f"moved by a function: {name}": Written(text=NEWEST, api=releases, source=source)
        for name, source in SAID.items()
    },
    "moved by a function for each kind": Written(text=BY_KIND, api=releases, source="events"),
    "moved by a function of moments": Written(text=DAYS, api=releases, source="events"),
    "moved by a function to moments in a dict": Written(text=HELD, api=releases, source="source"),
    "moved by a function below a parent": Written(
        text=NEWEST + CHILDREN, api=releases, source="source"
    ),
}
