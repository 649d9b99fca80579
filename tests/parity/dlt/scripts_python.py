"""Scripts whose own functions read the API and make the rows, in the ways people write them."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written, rows, sliced
from tests.parity.dlt.server import Ask, Reply


def issues(ask: Ask) -> Reply:
    """Issues, newest first, in pages that a header links; the second round has newer ones."""
    page, newest = ask.number("page", 1), 7 if ask.round == 1 else 10
    held = [
        {"id": n, "title": f"t{n}", "created_at": f"2024-01-{n:02}T00:00:00Z",
         "labels": [{"name": "a"}, {"name": "b"}] if n % 2 else []}
        for n in range(newest, 0, -1)
    ]  # fmt: skip
    found = held[(page - 1) * 3 : page * 3]
    more = {"Link": f'<{ask.base}{ask.path}?page={page + 1}>; rel="next"'}
    return Reply(body=found, headers=more if page * 3 < newest else {})


def shop(ask: Ask) -> Any:
    """A small shop: users, orders of each, a search by POST, a cursor, a token, numbered pages."""
    path = ask.path.strip("/")
    if path == "search":
        at = int(ask.json.get("cursor") or 0)
        more = at + 2 < 5
        return {"hits": rows(at + 1, min(at + 2, 5)), "next": str(at + 2) if more else None}
    if path == "events":
        at = ask.number("cursor")
        return {
            "data": rows(at + 1, min(at + 3, 8)),
            "meta": {"next": at + 3 if at + 3 < 8 else None},
        }
    if path == "users":
        return rows(1, 3, active=True)
    if path.startswith("users/"):
        user = int(path.split("/")[1])
        if user == 2:
            return Reply(status=404, body={"error": "no such user"})
        return {"items": [{"order": user * 10 + n, "total": 1.5} for n in range(user)]}
    if path == "rates":
        since = ask.param("since", "2024-01-01")
        held = [{"day": f"2024-01-0{n}", "rate": n} for n in range(1, 5 if ask.round == 1 else 7)]
        return [one for one in held if one["day"] >= since]
    if path == "nested":
        page = ask.number("page", 1)
        return {"result": {"rows": sliced(ask, 4, 2, page)}, "total_pages": 2}
    return {"value": 7, "unit": path}


CLIENT = """
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.paginators import HeaderLinkPaginator

client = RESTClient(
    base_url="BASE",
    headers={"X-Client": "shop"},
    auth=BearerTokenAuth(token="t0k"),
    paginator=HeaderLinkPaginator(),
)

@dlt.resource(name="issues", write_disposition="replace", primary_key="id")
def issues():
    for page in client.paginate("/repos/x/issues"):
        yield page
"""

NUMBERED = """
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator

@dlt.resource(name="rides", write_disposition="replace")
def rides():
    client = RESTClient(
        base_url="BASE/",
        paginator=PageNumberPaginator(base_page=1, total_path="total_pages"),
        data_selector="result.rows",
    )
    for page in client.paginate("nested", params={"size": 2}):
        for row in page:
            row["label"] = f"{row['id']}/{row['name']}"
            yield row
"""

CURSORED = """
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

class Shop:
    def __init__(self, base):
        self.client = RESTClient(base_url=base, paginator=JSONResponseCursorPaginator(
            cursor_path="meta.next", cursor_param="cursor"))

    def events(self):
        yield from self.client.paginate("events", data_selector="data")

    def search(self, words):
        yield from self.client.paginate(
            "search", method="POST", json={"q": words}, data_selector="hits",
            paginator=JSONResponseCursorPaginator(cursor_path="next", cursor_body_path="cursor"))

@dlt.source
def everything(base: str):
    api = Shop(base)

    @dlt.resource(write_disposition="replace")
    def events():
        yield from api.events()

    @dlt.resource(write_disposition="replace")
    def hits(words=("a", "b")):
        yield api.search(list(words))

    return events, hits
"""

SINCE = """
from dlt.sources.helpers import requests

@dlt.resource(table_name="rates", write_disposition="append", primary_key="day")
def get_rates(day=dlt.sources.incremental("day", initial_value="2024-01-02")):
    response = requests.get(f"BASE/rates?since={day.last_value}")
    response.raise_for_status()
    yield response.json()
"""

NEWEST_FIRST = """
from dlt.sources.helpers import requests

@dlt.resource(name="issues", write_disposition="append")
def get_issues(
    created_at=dlt.sources.incremental("created_at", initial_value="1970-01-01T00:00:00Z")
):
    url = "BASE/issues"
    while url:
        response = requests.get(url, headers={"Accept": "application/json"})
        yield response.json()
        if created_at.start_out_of_range:
            break
        url = response.links.get("next", {}).get("url")
"""

ORDERS = """
from dlt.sources.helpers import requests
from dlt.sources.helpers.requests import HTTPError

@dlt.resource(write_disposition="replace")
def users():
    yield requests.get("BASE/users").json()

@dlt.transformer(data_from=users, write_disposition="replace", name="orders")
def orders(items):
    for user in items:
        try:
            found = requests.get(f"BASE/users/{user['id']}/orders").json()
        except HTTPError as exc:
            if exc.response.status_code != 404:
                raise
            continue
        yield [{**order, "user": user["id"]} for order in found["items"]]

@dlt.source
def shop():
    return users, orders
"""

HANDED = """
if __name__ == "__main__":
    pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
    data = [{"id": 1, "tags": ["a", "b"], "at": "2024-01-01T00:00:00Z"},
            {"id": 2, "Nested": {"x": 1}}]
    info = pipeline.run(data, table_name="things", write_disposition="replace")
    print(info)
"""

GENERATED = """
def squares(upto):
    for n in range(upto):
        yield {"n": n, "square": n * n}

if __name__ == "__main__":
    pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
    pipeline.run(squares(4), table_name="squares", write_disposition="merge", primary_key="n")
    print(pipeline.last_trace.last_normalize_info)
"""

PAGED = """
from dlt.sources.helpers.rest_client import paginate
from dlt.sources.helpers.rest_client.paginators import HeaderLinkPaginator

if __name__ == "__main__":
    pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
    pages = paginate("BASE/issues", paginator=HeaderLinkPaginator())
    load_info = pipeline.run(
        pages, table_name="issues", write_disposition="replace", primary_key="id")
    print(load_info)
"""

LIMITED = """
@dlt.resource(name="numbers", write_disposition="replace")
def numbers():
    for n in range(10):
        yield {"n": n}

@dlt.source
def limited():
    yield numbers().add_limit(3)
    yield from rest_api_resources({
        "client": {"base_url": "BASE"},
        "resources": [{"name": "nested", "write_disposition": "replace", "endpoint": {
            "data_selector": "result.rows",
            "paginator": {"type": "page_number", "base_page": 1, "total_path": "total_pages"}}}],
    })

source = limited()
source.resources["nested"].add_limit(1)
"""

MAPPED = """
def lower(row):
    row["name"] = row["name"].upper()
    return row

def twice(row):
    yield row
    yield {**row, "id": row["id"] + 100}

@dlt.resource(write_disposition="replace")
def people():
    yield [{"id": n, "name": f"n{n}"} for n in range(6)]

source = people().add_filter(lambda row: row["id"] % 2 == 0).add_map(lower).add_yield_map(twice)
"""

HINTED_LATER = """
@dlt.source
def shop():
    @dlt.resource
    def users():
        from dlt.sources.helpers import requests
        yield from requests.get("BASE/users").json()

    return users

source = shop()
source.users.apply_hints(write_disposition="merge", primary_key="id",
                         columns={"name": {"data_type": "text", "nullable": False}})
"""

CHOSEN = """
def fetch(name):
    def rows():
        for n in range(3):
            yield {"id": n, "kind": name}
    return rows

@dlt.source
def endpoints(names=("users", "orders", "carts")):
    for name in names:
        yield dlt.resource(fetch(name), name=name, write_disposition="replace")

source = endpoints().with_resources("users", "carts")
"""

SETTINGS = """
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import APIKeyAuth

os.environ["SHOP_KEY"] = "k3y"
os.environ["SHOP__TOKEN"] = "s3cret"

@dlt.resource(write_disposition="replace")
def units(names: list = None):
    client = RESTClient(
        "BASE", auth=APIKeyAuth(name="X-Key", api_key=os.environ["SHOP_KEY"], location="header"),
        headers={"X-Token": dlt.secrets["shop.token"]})
    for name in names or ["kg", "m"]:
        answer = client.get(f"/{name}", params={"q": [1, 2], "none": None})
        answer.raise_for_status()
        yield answer.json()
"""

FUNCTIONAL = """
import datetime, decimal, uuid

@dlt.resource(write_disposition="replace", columns={"day": {"data_type": "date"}})
def kinds():
    yield {
        "id": 1,
        "moment": datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
        "day": datetime.date(2024, 1, 2),
        "token": uuid.UUID(int=7),
        "flag": True,
        "nothing": None,
        "ratio": 0.5,
    }
"""

PARALLEL = """
@dlt.resource(write_disposition="replace", parallelized=True)
def first():
    yield [{"id": 1}]

@dlt.resource(write_disposition="replace", parallelized=True)
def second():
    yield {"id": 2}

if __name__ == "__main__":
    pipeline = dlt.pipeline(pipeline_name="shop", destination="duckdb", dataset_name="shop_data",
                            progress="log")
    load_info = pipeline.run([first(), second])
    print(load_info)
    load_info.raise_on_failed_jobs()
"""

POSTED = """
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import BasePaginator

class Body(BasePaginator):
    def __init__(self):
        super().__init__()
        self.cursor = None

    def init_request(self, request):
        request.json["cursor"] = "0"

    def update_state(self, response, data=None):
        self.cursor = response.json()["next"]
        if self.cursor is None:
            self._has_next_page = False

    def update_request(self, request):
        request.json["cursor"] = self.cursor

def drop_names(response, *args, **kwargs):
    response.raise_for_status()
    return response

@dlt.resource(primary_key="id", write_disposition="merge")
def hits():
    client = RESTClient("BASE")
    for page in client.paginate("search", method="POST", json={"q": "x"}, paginator=Body(),
                                data_selector="hits", hooks={"response": [drop_names]}):
        assert page.response.status_code == 200
        yield [{k: v for k, v in row.items() if k != "name"} for row in page]
"""

ONE_THING = """
from dlt.sources.helpers import requests

@dlt.resource(write_disposition="replace")
def status():
    yield requests.get("BASE/status").json()

@dlt.resource(write_disposition="append")
def batch(day=dlt.sources.incremental("day", initial_value="2024-01-01", end_value="2024-01-03")):
    asked = {"since": day.initial_value, "until": day.end_value}
    yield requests.get("BASE/rates", params=asked).json()

source = [status, batch]
"""

THREADS = """
import asyncio
from concurrent.futures import ThreadPoolExecutor
from dlt.sources.helpers.rest_client import RESTClient

client = RESTClient("BASE")

@dlt.resource(write_disposition="replace")
def units():
    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(lambda name: client.get(name).json(), ["kg", "m", "s"])

@dlt.resource(write_disposition="replace")
async def later():
    for n in range(3):
        await asyncio.sleep(0)
        yield {"n": n}

@dlt.source
def shop():
    return [units, later]
"""

DETECTED = """
from dlt.sources.helpers.rest_client import RESTClient

@dlt.resource(write_disposition="replace", max_table_nesting=0)
def issues():
    yield from RESTClient("BASE/repos/x").paginate("issues")

@dlt.resource(write_disposition="replace")
def status():
    yield from RESTClient("BASE").paginate("status")

source = [issues(), status()]
"""

TOKENS = """
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials
from dlt.sources.helpers.rest_client.paginators import OffsetPaginator

@dlt.source(name="shop", max_table_nesting=1)
def shop(client_id="id", client_secret="secret"):
    client = RESTClient(
        base_url="BASE",
        auth=OAuth2ClientCredentials(
            access_token_url="BASE/token", client_id=client_id, client_secret=client_secret,
            access_token_request_data={"grant_type": "client_credentials"}),
        paginator=OffsetPaginator(limit=2, total_path="total"),
        data_selector="rows",
    )

    @dlt.resource(primary_key="id", write_disposition="merge")
    def accounts():
        for page in client.paginate("accounts"):
            yield from page

    @dlt.transformer(primary_key="id", write_disposition="merge")
    def details(account):
        response = client.get(f"accounts/{account['id']}")
        yield {**response.json(), "of": account["name"]}

    return accounts, accounts | details
"""


def accounts(ask: Ask) -> Any:
    """A token, and accounts by offset for whoever has it; deeply nested details of each."""
    if ask.path == "/token":
        return {"access_token": "t1", "expires_in": 3600}
    if ask.headers.get("authorization") != "Bearer t1":
        return Reply(status=401, body={})
    if ask.path == "/accounts":
        at = ask.number("offset")
        return {"rows": rows(at + 1, min(at + 2, 3)), "total": 3}
    nth = int(ask.path.rsplit("/", 1)[1])
    return {"id": nth, "tree": [{"leaf": [{"x": nth}]}]}


MOMENTS = """
from datetime import datetime, timezone
from dlt.sources.helpers import requests

def moment(text):
    return datetime.fromisoformat(text + "T00:00:00+00:00")

@dlt.resource(write_disposition="append", primary_key="day")
def rates(at=dlt.sources.incremental(
        "at", initial_value=datetime(2024, 1, 2, tzinfo=timezone.utc))):
    since = at.start_value.strftime("%Y-%m-%d")
    for row in requests.get("BASE/rates", params={"since": since}).json():
        yield {**row, "at": moment(row["day"])}
"""

HINTED_CURSOR = """
from dlt.sources.helpers import requests

@dlt.resource(name="rates", write_disposition="append")
def get_rates():
    yield requests.get("BASE/rates").json()

source = get_rates()
source.apply_hints(incremental=dlt.sources.incremental("day", initial_value="2024-01-03"))
"""

RUNS = """
def chunks():
    yield [{"id": 1, "v": 1}, {"id": 2, "v": 1}]
    yield []
    yield [{"id": 3, "v": None}]

if __name__ == "__main__":
    pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
    for name, data in {"first": chunks, "second": [{"id": 9}]}.items():
        load_info = pipeline.run(data, table_name=name, write_disposition="append")
        print(load_info)
"""

MODELLED = """
from typing import List, Optional
from pydantic import BaseModel
from dlt.sources.helpers import requests

class User(BaseModel):
    id: int
    name: str
    active: Optional[bool] = None

@dlt.resource(name="users", columns=User, write_disposition="replace")
def get_users():
    for user in requests.get("BASE/users").json():
        yield User(**user)

@dlt.resource(name="plain_users", write_disposition="replace", primary_key=["id", "name"])
def plain_users(names: List[str] = None, extra: str = dlt.config.value):
    yield from (User(**user).model_dump() for user in requests.get("BASE/users").json())

os.environ["EXTRA"] = "x"
source = [get_users, plain_users()]
"""

DATA = """
people = dlt.resource([{"id": 1, "kids": [{"n": "a"}, {"n": "b"}]}], name="people",
                      write_disposition="replace")
numbers = dlt.resource((n for n in range(3)), name="numbers", write_disposition="replace")

@dlt.transformer(write_disposition="replace")
def kids(person):
    for kid in person["kids"]:
        yield {"of": person["id"], **kid}

@dlt.source
def family():
    return people, numbers, people | kids
"""


NESTED = """
@dlt.resource(write_disposition="append", nested_hints={
    "lines": dlt.mark.make_nested_hints(columns=[{"name": "n", "data_type": "double"}]),
    ("lines", "parts"): {"columns": {"m": {"name": "m", "data_type": "decimal"},
                                     "own": {"name": "own", "data_type": "json"}}},
})
def things():
    yield {"id": 1, "lines": [{"n": 1, "parts": [{"m": 1, "own": {"a": 1}}]}]}
"""

LOOPED = """
from dlt.sources.helpers import requests

@dlt.resource(name="units", primary_key="unit", write_disposition="merge")
def unit(name):
    yield requests.get(f"BASE/{name}").json()

if __name__ == "__main__":
    pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
    for name in ("kg", "m"):
        pipeline.run(unit(name))
    pipeline.run([unit("s"), unit("t")])
"""

PYTHON: dict[str, Written] = {
    "a client and links in a header": Written(text=CLIENT, api=issues, source="issues()"),
    "a client and numbered pages": Written(text=NUMBERED, api=shop, source="rides"),
    "a client in a class": Written(text=CURSORED, api=shop, source="everything('BASE')"),
    "a cursor as an argument": Written(text=SINCE, api=shop, source="get_rates"),
    "newest first until known": Written(text=NEWEST_FIRST, api=issues, source="get_issues"),
    "orders of each user": Written(text=ORDERS, api=shop, source="shop()"),
    "rows handed to a run": Written(text=HANDED, api=shop),
    "a generator handed to a run": Written(text=GENERATED, api=shop),
    "pages handed to a run": Written(text=PAGED, api=issues),
    "limits": Written(text=LIMITED, api=shop, source="source"),
    "steps behind rows": Written(text=MAPPED, api=shop, source="source"),
    "hints given later": Written(text=HINTED_LATER, api=shop, source="source"),
    "chosen resources": Written(text=CHOSEN, api=shop, source="source"),
    "settings inside a function": Written(text=SETTINGS, api=shop, source="units()"),
    "values of Python": Written(text=FUNCTIONAL, api=shop, source="kinds"),
    "resources in a list": Written(text=PARALLEL, api=shop),
    "a paginator that writes the body": Written(text=POSTED, api=shop, source="hits"),
    "one thing and a backfill": Written(text=ONE_THING, api=shop, source="source"),
    "threads and a coroutine": Written(text=THREADS, api=shop, source="shop()"),
    "pages that nobody names": Written(text=DETECTED, api=issues, source="source"),
    "tokens, offsets and details": Written(text=TOKENS, api=accounts, source="shop()"),
    "a cursor of moments": Written(text=MOMENTS, api=shop, source="rates"),
    "a cursor given later": Written(text=HINTED_CURSOR, api=shop, source="source"),
    "runs in a loop": Written(text=RUNS, api=shop),
    "models": Written(text=MODELLED, api=shop, source="source"),
    "data as resources": Written(text=DATA, api=shop, source="family()"),
    "hints of tables inside tables": Written(text=NESTED, api=shop, source="things"),
    "one resource in a loop": Written(text=LOOPED, api=shop),
}
