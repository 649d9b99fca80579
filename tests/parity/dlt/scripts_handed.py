"""Scripts that set resources on a source, and say values or retries themselves."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask


def deals(ask: Ask) -> Any:
    """Deals, the score of each, and an answer that is right the second time only."""
    if ask.path == "/moody":
        key = (ask.base, ask.round)
        seen.add(key) if (first := key not in seen) else None
        return {"error": "later"} if first else {"id": 1, "by": ask.headers.get("x-key", "")}
    if ask.path.startswith("/deals/"):
        return {"score": int(ask.path.rsplit("/", 1)[1]) * 10}
    first = ask.number("since", 1)
    return [{"id": n, "at": n, "tags": [{"t": n}]} for n in range(first, 7)]


seen: set[tuple[str, int]] = set()

HUB = """
from dlt.sources.helpers import requests

@dlt.source
def hub():
    def rows(name):
        yield requests.get("BASE/" + name).json()
    for name in ("deals", "teams"):
        yield dlt.resource(rows(name), name=name)

source = hub()
"""

ATTRIBUTE = (
    HUB
    + """
@dlt.transformer
def scores(items):
    for item in items:
        yield {"deal": item["id"], **requests.get(f"BASE/deals/{item['id']}").json()}

@dlt.transformer
def counts(items):
    yield {"count": len(items)}

source.scores = source.deals | scores
source.resources["counts"] = source.teams | counts
source.root_key = True
"""
)

ORDERED = """
from dlt.sources.helpers import requests

@dlt.resource(primary_key="id")
def rows(at: dlt.sources.incremental[int] = dlt.sources.incremental(
        "at", initial_value=2, end_value=5, row_order="asc")):
    for row in requests.get("BASE/rows", params={"since": at.start_value}).json():
        yield {**row, "range": str(at.get_current_range())}
        if at.can_close():
            return
"""

SAID = """
from dlt.common.configuration.providers import CustomLoaderDocProvider
from dlt.sources.credentials import ConnectionStringCredentials

dlt.config["sources.shop.most"] = 9
dlt.secrets["sources.pipeline.shop.key"] = "k1"
dlt.config.register_provider(CustomLoaderDocProvider(
    "own", lambda: {"sources": {"shop": {"size": 3, "most": 1}}, "top": {"x": "y"}}))

@dlt.source
def shop(most: int = dlt.config.value, key: str = dlt.secrets.value,
         size: int = dlt.config.value, dsn: ConnectionStringCredentials = dlt.secrets.value):
    told = {"most": most, "key": key, "size": size, "x": dlt.config["top.x"], "user": dsn.username,
            "host": dsn.host, "port": dsn.port, "database": dsn.database, "password": dsn.password}
    return dlt.resource([told], name="told")

with dlt.config.values({"sources.shop.most": 4}):
    before = shop()

"""

CLIENT = """
from dlt.sources.helpers import requests
from dlt.sources.helpers.requests import Client

def unsure(response, exception):
    return response is not None and "error" in response.json()

client = Client(retry_condition=unsure, request_backoff_factor=0, request_max_attempts=3,
                session_attrs={"headers": {"X-Key": "k"}})
never = requests.Client(status_codes=(), retry_condition=[unsure], request_max_attempts=1)

@dlt.resource
def told():
    yield client.get("BASE/moody").json()
    yield never.get("BASE/deals").json()[:1]
"""

STEPS = """
@dlt.resource
def rows():
    for n in range(3):
        yield {"id": n}

def twice(row):
    yield row
    yield {"id": row["id"] * 10}

source = [rows.add_map(twice), rows().with_name("piped") | twice,
          rows().with_name("whole").add_limit(-1), rows().with_name("none").add_limit(None)]
"""

CURSORS = """
@dlt.resource(incremental=dlt.sources.incremental("at", initial_value=3))
def rows():
    yield [{"id": n, "at": n} for n in range(1, 6)]

@dlt.resource(incremental={"cursor_path": "at", "initial_value": 4})
def others():
    yield [{"id": n, "at": n} for n in range(1, 6)]

listed = dlt.resource([{"at": n} for n in range(1, 6)], name="listed",
                      incremental=dlt.sources.incremental("at", initial_value=2))
source = [rows, others, listed]
"""

HANDED: dict[str, Written] = {
    "cursors that decorators name": Written(text=CURSORS, api=deals, source="source"),
    "a map that is a generator, and no limit": Written(text=STEPS, api=deals, source="source"),
    "resources that are set on a source": Written(text=ATTRIBUTE, api=deals, source="source"),
    "an incremental that says when to stop": Written(text=ORDERED, api=deals, source="rows()"),
    "values that a script says itself": Written(
        text=SAID,
        api=deals,
        source="before",
        secrets="dsn = 'postgres://me:p%20w@localhost:5432/data'\n",
    ),
    "a client that asks again for its own reasons": Written(
        text=CLIENT, api=deals, source="told()"
    ),
}
