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

CURRENT: dict[str, Written] = {
    "a state of functions": Written(text=STATE, api=shop, source="source()"),
}
