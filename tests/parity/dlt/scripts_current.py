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


SCHEMA = """
def named(key):
    schema = dlt.current.source_schema()
    return f"{schema.name}.{schema.naming.normalize_identifier(key)}"

@dlt.resource(name="headers")
def headers(outside):
    yield {"outside": outside, "inside": named("Total Amount (EUR)")}

@dlt.source(name="sheets")
def source():
    return headers(named("userName")), *rest_api_resources({
        "client": {"base_url": "BASE", "paginator": "single_page"},
        "resources": [{"name": dlt.current.source_schema().naming.normalize_identifier("Open Ones"),
                       "endpoint": {"path": "rates"}}]})
"""

ENCODED = """
import base64
from dlt.common.configuration import configspec
from dlt.sources.helpers.rest_client.auth import AuthConfigBase

os.environ["EMAIL"] = "me@shop.example"
os.environ["API_TOKEN"] = "tok-123456"

@configspec
class Signed(AuthConfigBase):
    email: str = None
    token: str = None

    def __init__(self, email, token):
        self.email, self.token = email, token

    def __call__(self, request):
        pair = f"{self.email}:{self.token}".encode()
        request.headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        return request

@dlt.source(name="shop")
def source(email: str = dlt.config.value, api_token: str = dlt.secrets.value):
    key = base64.b64encode(f"{email}:{api_token}".encode("ascii")).decode()
    headers = {
        "X-Key": "Basic " + key, "X-Upper": "{}/x".format(email).upper(),
        "X-Part": ("%s" % api_token).split("-")[1], "X-Joined": "/".join([email, "x"]),
        "X-Begin": (api_token + "!")[:3], "X-Plain": f"{email} and {api_token}",
    }
    yield from rest_api_resources({
        "client": {"base_url": "BASE/", "headers": headers, "auth": Signed(email, api_token),
                   "paginator": "single_page"},
        "resources": [{"name": "users", "write_disposition": "replace"}],
    })
"""

ITSELF = """
from dlt.extract.incremental import Incremental
from dlt.sources.helpers import requests

def followed():
    held = dlt.current.resource().incremental
    if held is None or isinstance(held, Incremental):
        return held
    return held.incremental

@dlt.resource(write_disposition="append")
def rates():
    cursor = followed()
    assert cursor.get_cursor_column_name() == "day"
    me = dlt.current.resource()
    since = {"since": cursor.start_value}
    for row in requests.get("BASE/rates", params=since).json():
        yield {**row, "by": me.name, "how": me.write_disposition, "first": cursor.initial_value}

@dlt.transformer(data_from=rates)
def days(row):
    assert followed() is None
    yield {"day": row["day"], "by": dlt.current.resource().name}

@dlt.source(name="shop")
def source():
    rates.apply_hints(incremental=dlt.sources.incremental("day", initial_value="2024-01-02"))
    rates.owner = "us"
    return rates, days

made = source()
made.owner = "them"
assert (made.owner, rates.owner) == ("them", "us")
"""

OPTIONAL = """
from typing import Optional

@dlt.source(name="shop")
def source(token: Optional[str] = dlt.secrets.value, team: "str | None" = dlt.config.value):
    key = dlt.secrets.get("nowhere.key")
    yield from rest_api_resources({
        "client": {"base_url": "BASE/", "paginator": "single_page",
                   "headers": {"X-Team": team or "none", "X-Key": key or "no key"},
                   "auth": {"type": "bearer", "token": token} if token else None},
        "resources": [{"name": "users", "write_disposition": "replace"}],
    })
"""

INSIDE = """
from dlt.pipeline.helpers import retry_load
from dlt.sources.helpers import requests

@dlt.resource(selected=False)
def days(first):
    yield [row["day"] for row in requests.get("BASE/rates", params={"since": first}).json()]

@dlt.resource(write_disposition="append")
def rates(first):
    known = dlt.current.resource_state().setdefault("days", [])
    listed = days(first)
    listed.add_filter(lambda day: not day.endswith("3"))

    @dlt.defer
    def one(day):
        return {"day": day, "known": len(known)}

    for day in listed:
        if day not in known:
            known.append(day)
            yield one(day)

@dlt.source(name="shop")
def source():
    first = "2024-01-02"

    @dlt.resource(write_disposition="replace")
    def copies():
        yield from ({"day": day} for day in days(first))

    return days(first), rates(first), copies

retry_load(("extract", "load"))(ValueError())
"""

SECTIONS = """
from typing import List

os.environ["SOURCES__SHOP__NAMES"] = '["users", "teams"]'
os.environ["SOURCES__SHOP__SIZE"] = "30"
os.environ["SOURCES__SHOP__TEAM"] = "blue"
os.environ["TEAM"] = "red"

@dlt.source(name="shop")
def source(names: List[str] = dlt.config.value, size: int = dlt.config.value,
           team: str = dlt.config.value):
    for name in names:
        yield from rest_api_resources({
            "client": {"base_url": "BASE/", "paginator": "single_page",
                       "headers": {"X-Team": team, "X-Length": str(len(team))}},
            "resources": [{"name": name, "write_disposition": "replace",
                           "endpoint": {"path": "users", "params": {"size": size + 1}}}],
        })
"""

HANDED_ON = """
from dlt.common import json, logger, pendulum
from dlt.common.pendulum import pendulum as again
from dlt.common.time import ensure_pendulum_datetime
from dlt.pipeline.exceptions import PipelineStepFailed

@dlt.resource(write_disposition="replace")
def moments():
    logger.info("once")
    assert again.DateTime is pendulum.DateTime
    yield {
        "text": json.dumps({"b": [1, "ü"], "a": pendulum.datetime(2024, 1, 2)}, sort_keys=True),
        "same": json.loadb(json.dumpb({"x": 1.5}))["x"] + json.loads("[2]")[0],
        "read": ensure_pendulum_datetime("2024-01-02T03:04:05+02:00").isoformat(),
        "of_seconds": ensure_pendulum_datetime(86400).isoformat(),
        "of_a_day": ensure_pendulum_datetime(again.date(2024, 1, 2)).isoformat(),
    }

try:
    dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data").run(moments())
except PipelineStepFailed:
    raise
"""

CURRENT: dict[str, Written] = {
    "credentials that are encoded": Written(text=ENCODED, api=shop, source="source()"),
    "names as the schema makes them": Written(text=SCHEMA, api=shop, source="source()"),
    "a resource that asks for itself": Written(text=ITSELF, api=shop, source="made"),
    "values that nobody has said": Written(text=OPTIONAL, api=shop, source="source()"),
    "a resource inside of another": Written(text=INSIDE, api=shop, source="source()"),
    "settings of a source": Written(text=SECTIONS, api=shop, source="source()"),
    "what dlt hands on": Written(text=HANDED_ON, api=shop),
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
