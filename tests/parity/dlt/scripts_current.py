"""Scripts whose functions ask the run that calls them: states that they keep, names, a pipeline."""

from __future__ import annotations

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.scripts_python import shop

STATE = """
from dlt.sources.helpers import requests

@dlt.resource(name="rates")
def rates():
    kept = dlt.current.resource_state()
    shared = dlt.current.source_state()
    shared["runs"] = shared.get("runs", 0) + 1
    known = kept.setdefault("days", [])
    for row in requests.get("BASE/rates").json():
        if row["day"] not in known:
            known.append(row["day"])
            yield {**row, "run": shared["runs"], "by": dlt.current.resource_name(),
                   "pipeline": dlt.current.pipeline().pipeline_name}

@dlt.transformer(name="months", data_from=rates)
def months(row):
    seen = dlt.current.resource_state().setdefault("months", {})
    month = row["day"][:7]
    seen[month] = seen.get(month, 0) + 1
    yield {"month": month, "nth": seen[month]}

@dlt.source(name="shop")
def source():
    return rates, months
"""

FOLLOWED_BELOW = """
from dlt.sources.helpers import requests

@dlt.resource(name="users", write_disposition="replace")
def users():
    yield [{"user": 1}, {"user": 3}]

@dlt.transformer(name="rates", HINTS)
def rates(found, at=dlt.sources.incremental("day", initial_value="2024-01-02")):
    for user in found:
        since = {"since": at.start_value}
        for row in requests.get("BASE/rates", params=since).json():
            yield {**row, "user": user["user"], "id": f"{user['user']}/{row['day']}"}

@dlt.source(name="shop")
def source():
    return users, users | rates
"""


CURRENT: dict[str, Written] = {
    "a cursor of a transformer": Written(
        text=FOLLOWED_BELOW.replace("HINTS", 'primary_key="id"'), api=shop, source="source()"
    ),
    "a cursor of a transformer that merges": Written(
        text=FOLLOWED_BELOW.replace("HINTS", 'primary_key="id", write_disposition="merge"'),
        api=shop,
        source="source()",
    ),
    "a state of functions": Written(text=STATE, api=shop, source="source()"),
}
