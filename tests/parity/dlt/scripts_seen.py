"""What scripts do around their sources: go through rows, catch failures, run parts again."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written, rows
from tests.parity.dlt.server import Ask, Reply


def shop(ask: Ask) -> Any:
    """Orders with lines, more of them in the second run; notes of the odd ones."""
    if ask.path.endswith("/note"):
        order = int(ask.path.split("/")[2])
        found = Reply(body={"text": f"N{order}", "at": [{"day": order}]})
        return found if order % 2 else Reply(status=404, body={"error": "none"})
    if ask.path.endswith("/lines"):
        return [{"id": f"{ask.path.split('/')[2]}-1", "parts": [{"sku": "s", "lots": [{"n": 1}]}]}]
    found = rows(1, 3 + ask.round)
    return [{**row, "tags": [{"t": row["id"], "of": [{"x": 1}]}]} for row in found]


CAUGHT = """
from requests.exceptions import HTTPError, RequestException
from dlt.sources.helpers import requests
from dlt.sources.helpers.rest_client import RESTClient

@dlt.resource(name="notes", write_disposition="replace")
def notes():
    for order in range(1, 5):
        try:
            note = requests.get(f"BASE/orders/{order}/note").json()
        except HTTPError as error:
            if error.response.status_code != 404:
                raise
            continue
        yield {"order": order, **note}

@dlt.resource(name="missing", write_disposition="replace")
def missing():
    client = RESTClient(base_url="BASE")
    for order in range(1, 5):
        response = client.get(f"orders/{order}/note")
        try:
            response.raise_for_status()
        except RequestException as error:
            yield {"order": order, "said": type(error).__name__, "ok": response.ok}
"""

PARTS = """
from dlt.sources.helpers.rest_client.auth import APIKeyAuth

@dlt.source(name="shop", max_table_nesting=1)
def shop():
    return rest_api_source({
        "client": {"base_url": "BASE", "auth": APIKeyAuth(name="X-Key", api_key="k")},
        "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
        "resources": [
            {"name": "orders", "endpoint": "orders"},
            {"name": "lines", "endpoint": "orders/{resources.orders.id}/lines"},
            {"name": "others", "endpoint": "others"},
        ],
    })

if __name__ == "__main__":
    pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
    if not os.path.exists("again"):
        pipeline.run(shop())
        open("again", "w").close()
    else:
        pipeline.run(shop().with_resources("orders", "lines"))
        pipeline.run(shop().with_resources("others"))
"""

CALLED = """
source = rest_api_source({
    "client": {"base_url": "BASE"},
    "resources": [{"name": "orders", "endpoint": "orders"}],
})
source.orders.add_map(lambda row: {**row, "name": row["name"].upper()})
ids = source.orders.with_name("order_ids").add_map(lambda row: {"id": row["id"]})

if __name__ == "__main__":
    pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
    pipeline.run(source, write_disposition="replace")
    pipeline.run(ids, write_disposition="replace")
"""

THROUGH = """
from dlt.sources.helpers.rest_client import RESTClient

client = RESTClient(base_url="BASE")

@dlt.resource(name="orders", primary_key="id", write_disposition="merge")
def orders():
    yield client.get("orders").json()

@dlt.resource(name="lines", write_disposition="replace")
def lines(ids):
    for order in ids:
        yield client.get(f"orders/{order}/lines").json()

if __name__ == "__main__":
    ids = [row["id"] for row in orders().add_filter(lambda row: row["id"] > 1)]
    first = next(iter(orders()))
    pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
    pipeline.run([orders().add_map(lambda row: {**row, "first": first["name"]}), lines(ids)])
"""


def soql(ask: Ask) -> Any:
    """Accounts two by two; the next page is named by its path."""
    start = int(ask.path.rpartition("-")[2]) if "-" in ask.path else 0
    found: dict[str, Any] = {"records": rows(start + 1, min(start + 2, 4 + ask.round))}
    if start + 2 < 4 + ask.round:
        found["nextRecordsUrl"] = f"/query/more-{start + 2}"
    return found


RELATIVE = """
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator

os.environ["SOURCES__HOST"] = "BASE"

class Accounts:
    def __init__(self, host):
        link = JSONLinkPaginator("nextRecordsUrl")
        self.client = RESTClient(base_url=host, paginator=link, data_selector="records")

    def pages(self):
        yield from self.client.paginate("/query")

    def resource(self):
        @dlt.resource(name="accounts", primary_key="id", write_disposition="merge")
        def load():
            yield from self.pages()
        return load

@dlt.source
def accounts(host: str = dlt.config.value):
    return [Accounts(host).resource()]
"""


def events(ask: Ask) -> Any:
    """Events behind a moment in seconds, or behind the day they are of; later ones in run two."""
    found = [
        {"id": n, "at": 1704067200 + n * 86400, "day": f"2024-01-{n + 1:02d}T00:00:00Z"}
        for n in range(1, 4 + ask.round)
    ]
    after, since = ask.param("after"), ask.param("since")
    found = [one for one in found if not after or one["at"] > float(after)]
    return [one for one in found if not since or one["day"] >= since]


BEGINNING = """
import pendulum
from dlt.sources.helpers import requests

@dlt.resource(name="typed", primary_key="id", write_disposition="merge")
def typed(at=dlt.sources.incremental("at", initial_value=pendulum.from_timestamp(0))):
    yield requests.get("BASE/events", params={"after": int(at.last_value.timestamp())}).json()

@dlt.resource(name="days", primary_key="id", write_disposition="merge")
def days(day=dlt.sources.incremental("day", initial_value="2000-01-01T00:00:00Z")):
    yield requests.get("BASE/events", params={"since": day.last_value}).json()

@dlt.resource(name="open", primary_key="id", write_disposition="merge")
def open_(at=dlt.sources.incremental("day")):
    for row in requests.get("BASE/events").json():
        yield {**row, "day": pendulum.parse(row["day"])}
    assert at.last_value.year == 2024

@dlt.transformer(name="weekdays", write_disposition="replace")
def weekdays(rows):
    yield [{"id": row["id"]} for row in rows]

def at_moment(row):
    return {**row, "at": pendulum.from_timestamp(row["at"])}

@dlt.source
def events():
    made = typed().add_map(at_moment)
    yield made
    yield days("2024-01-03T00:00:00Z").with_name("from_third")
    second = dlt.sources.incremental(initial_value="2024-01-02T00:00:00Z")
    yield days(day=second).with_name("from_second")
    yield days(day=dlt.sources.incremental(
        initial_value="2024-01-02T00:00:00Z", end_value="2024-01-04T00:00:00Z"
    )).with_name("between")
    yield open_()
    yield made | weekdays
"""


def guarded(ask: Ask) -> Any:
    """Tickets, to whoever says who it is."""
    who = ask.headers.get("x-who", "")
    return rows(1, 2 + ask.round, who=who) if who else Reply(status=401, body={})


UNION = """
from typing import Union
from dlt.common.configuration import configspec
from dlt.common.configuration.specs import CredentialsConfiguration
from dlt.common.typing import TSecretValue
from dlt.sources.helpers import requests

os.environ["SOURCES__CREDENTIALS__EMAIL"] = "a@b.example"
os.environ["SOURCES__CREDENTIALS__TOKEN"] = "t-1"

@configspec
class Login(CredentialsConfiguration):
    email: str = dlt.config.value
    password: TSecretValue = dlt.secrets.value

@configspec
class Token(CredentialsConfiguration):
    email: str = dlt.config.value
    token: TSecretValue = dlt.secrets.value

@dlt.source(name="desk")
def desk(credentials: Union[Login, Token] = dlt.secrets.value):
    said = {"X-Who": f"{type(credentials).__name__} {credentials.email}"}

    @dlt.resource(name="tickets", primary_key="id", write_disposition="merge")
    def tickets():
        yield requests.get("BASE/tickets", headers=said).json()

    return tickets
"""

SEEN: dict[str, Written] = {
    "failures caught by the library's names": Written(
        text=CAUGHT, api=shop, source="[notes(), missing()]"
    ),
    "links relative to a base that is a value": Written(
        text=RELATIVE, api=soql, source="accounts()"
    ),
    "incrementals that begin where an argument says": Written(
        text=BEGINNING, api=events, source="events()"
    ),
    "one of several kinds of credentials": Written(text=UNION, api=guarded, source="desk()"),
    "a source, then parts of it": Written(text=PARTS, api=shop),
    "a resource under another name": Written(text=CALLED, api=shop),
    "rows gone through before a run": Written(text=THROUGH, api=shop),
}
