"""Scripts that take from dlt what stands around sources: small functions, exceptions, classes."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written, rows, sliced
from tests.parity.dlt.server import Ask, Reply


def users(ask: Ask) -> dict[str, Any]:
    """Users in three pages; a page says the address of the next one."""
    page = ask.number("page", 1)
    following = {"next": f"{ask.base}{ask.path}?page={page + 1}"} if page < 3 else {}
    return {"users": sliced(ask, 5, 2, page), "paging": following}


NAMED = """
from dlt.common.exceptions import DltException, MissingDependencyException, TerminalException
from dlt.common.configuration.exceptions import ConfigFieldMissingException
from dlt.common.runtime.collector import LogCollector
from dlt.destinations.adapters import bigquery_adapter
from dlt.destinations.exceptions import DatabaseUndefinedRelation, DestinationConnectionError
from dlt.extract.exceptions import ResourceExtractionError, ResourcesNotFoundError
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.sources.rest_api.typing import ResolvedParam
from dlt.version import __version__

class Closed(DltException, TerminalException):
    pass

def asked():
    try:
        raise Closed("the shop is closed")
    except (DestinationConnectionError, DatabaseUndefinedRelation, DltException) as exc:
        return str(exc)

@dlt.resource(name="said")
def said():
    try:
        raise MissingDependencyException("shop", ["till"])
    except ImportError:
        yield {"id": 1, "why": asked(), "major": __version__.split(".")[0]}

source = rest_api_source({
    "client": {"base_url": "BASE"},
    "resources": [{"name": "users", "endpoint": {"path": "users", "paginator": "single_page"}}],
}, name="shop")
bigquery_adapter(source.users, partition="id")
pipeline = dlt.pipeline(
    "shop", destination="duckdb", dataset_name="shop_data", progress=LogCollector(60)
)
assert dlt.pipeline() is pipeline
assert callable(dlt.progress.tqdm)
try:
    print(pipeline.run([source, said()]))
except (PipelineStepFailed, ResourceExtractionError):
    raise
"""

SMALL = """
import datetime
from dlt.common import Decimal, json, jsonpath, logger, pendulum
from dlt.common.json import json as same
from dlt.common.normalizers.naming.snake_case import NamingConvention
from dlt.common.time import ensure_pendulum_date, ensure_pendulum_datetime, timedelta
from dlt.common.utils import chunks, digest128, map_nested_in_place, update_dict_nested
from dlt.sources.helpers.transform import pivot, skip_first, take_first

MOMENTS = ["2024-03-01T10:00:00+02:00", "2024-03-01", "1700000000", 1700000000.5,
           datetime.date(2024, 3, 1), datetime.datetime(2024, 3, 1, 5)]

@dlt.resource(name="moments")
def moments():
    for nth, moment in enumerate(MOMENTS):
        yield {"id": nth, "at": str(ensure_pendulum_datetime(moment)),
               "day": str(ensure_pendulum_date(moment) + timedelta(days=1))}

@dlt.resource(name="values")
def values():
    logger.info("made")
    names = NamingConvention()
    record = {"a": {"b": [{"c": 1}, {"c": 2}]}, "d": ["x", {"e": "y"}]}
    yield {
        "digest": digest128("shop"), "chunks": [len(one) for one in chunks(range(5), 2)],
        "found": jsonpath.find_values("a.b[*].c", record),
        "paths": jsonpath.resolve_paths("$.a.b[*].c", record),
        "nested": json.dumps(map_nested_in_place(lambda one: f"<{one}>", record)),
        "merged": same.dumps(update_dict_nested({"a": {"x": 1}}, {"a": {"y": 2}, "z": 3})),
        "names": [names.normalize_identifier(one) for one in ("userName", "9 lives", "id_", "a.b")],
        "path": names.normalize_path("userName__OrderLines"),
        "price": str(Decimal("1.10")), "zone": pendulum.now().timezone_name,
    }

@dlt.resource(name="rows")
def numbered():
    yield [{"id": n, "marks": [[n, n + 1], [n]]} for n in range(6)]

numbered.add_filter(skip_first(1)).add_filter(take_first(3)).add_map(pivot("marks", prefix="m_"))

@dlt.source(name="shop")
def shop():
    return moments, values, numbered
"""

REGISTERED = """
from dlt.sources.helpers.rest_client.auth import APIKeyAuth
from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator
from dlt.sources.rest_api.config_setup import register_auth, register_paginator

class Further(JSONLinkPaginator):
    def update_request(self, request):
        super().update_request(request)
        request.headers["X-Page"] = "further"

class ShopKey(APIKeyAuth):
    def __call__(self, request):
        request.headers["X-Shop"] = "1"
        return super().__call__(request)

register_paginator("further", Further)
register_auth("shop_key", ShopKey)

config: RESTAPIConfig = {
    "client": {"base_url": "BASE", "auth": {"type": "shop_key", "name": "X-Key", "api_key": "k"}},
    "resource_defaults": {
        "endpoint": {"paginator": {"type": "further", "next_url_path": "paging.next"}},
    },
    "resources": [
        {"name": "users", "endpoint": {"path": "users", "data_selector": "users"}},
        {"name": "teams", "endpoint": {"path": "teams", "data_selector": "users",
                                       "paginator": {"type": "single_page"}}},
    ],
}
source = rest_api_source(config, name="shop")
"""

HOOKED = """
import json as text
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import SinglePagePaginator
from dlt.sources.rest_api.config_setup import create_response_hooks

def marked(response, *args, **kwargs):
    response._content = text.dumps([{**row, "seen": True} for row in response.json()]).encode()
    return response

@dlt.resource(name="users")
def users():
    hooks = create_response_hooks([{"status_code": 404, "action": "ignore"},
                                   {"status_code": 200, "action": marked}])
    client = RESTClient("BASE", paginator=SinglePagePaginator())
    for path in ("users", "gone", "teams"):
        for page in client.paginate(path, hooks=hooks):
            yield page

@dlt.source(name="shop")
def shop():
    return users
"""


def some(ask: Ask) -> Any:
    """Users and teams; everything else is gone."""
    return Reply(status=404) if ask.path == "/gone" else rows(1, 2, of=ask.path)


PLACED = """
source = rest_api_source({
    "client": {"base_url": "BASE"},
    "resources": [
        {"name": "users", "processing_steps": [{"map": lambda row: {**row, "said": row["id"]}}],
         "endpoint": {"path": "users", "paginator": "single_page"}},
        {"name": "teams", "write_disposition": "append",
         "endpoint": {"path": "teams", "paginator": "single_page"}},
    ],
}, name="shop")
users = source.resources.get("users")
users.add_map(lambda row: {**row, "last": row["id"]})
users.add_map(lambda row: {**row, "id": row["id"] * 10}, insert_at=1)
users.add_filter(lambda row: row["id"] > 10, 2)

def known(row, meta):
    return {**row, "meta": meta is None}

users.add_map(known)
users.write_disposition = "replace"
users.max_table_nesting = 0
teams = source.resources["teams"]
teams.table_name = f"all_{teams.name}"
assert teams.write_disposition == "append"
@dlt.resource(name="months", write_disposition="replace")
def months():
    yield [{"month": 1}]

source.resources.add(months)
source.max_table_nesting = 1
assert source.max_table_nesting == 1
assert list(source.resources.keys()) == ["users", "teams", "months"]
"""

BEFORE = """
from dlt.sources.helpers import requests
from dlt.sources.helpers.rest_client import RESTClient, paginate
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator

token = requests.post("BASE/token", json={"user": "me"}).json()["token"]
client = RESTClient("BASE", auth=BearerTokenAuth(token), paginator=JSONLinkPaginator("paging.next"))
names = [user["name"] for page in client.paginate("users", data_selector="users") for user in page]
print(len(names), client.get("users").status_code)

def users():
    for page in paginate("BASE/users", paginator=JSONLinkPaginator("paging.next")):
        yield page

source = rest_api_source({
    "client": {"base_url": "BASE", "auth": {"type": "bearer", "token": token}},
    "resources": [
        {"name": f"of_{name}", "endpoint": {"path": f"of/{name}", "paginator": "single_page"}}
        for name in names[:2]
    ],
}, name="shop")
pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
print(pipeline.run(source))
print(pipeline.run(users(), table_name="users", write_disposition="replace"))
"""


def tokens(ask: Ask) -> Any:
    """A token, the users of `users`, and what there is of each user."""
    if ask.path == "/token":
        return {"token": "t0k"}
    return users(ask) if ask.path == "/users" else rows(1, 2, of=ask.path)


ENCLOSED = """
from functools import partial
import requests

os.environ["API_TOKEN"] = "tok-123456"
os.environ["REGION"] = "north"
os.environ["TEAM"] = "blue"
TEAM = dlt.config["team"]

class Shop:
    def __init__(self, token, region):
        self.token = token
        self.headers = {"X-Token": f"Token {token}"}
        self.labels = [region, {"region": region}]

    def read(self, path):
        return requests.get(f"BASE/{path}", headers=self.headers).json()

def tagged(row, meta=None, *, team):
    return {**row, "team": team, "mine": TEAM == team}

@dlt.source(name="shop")
def shop(api_token: str = dlt.secrets.value, region: str = dlt.config.value):
    reader = Shop(api_token, region)
    where = f"{region}/shop"

    @dlt.resource(name="users")
    def users(limit: int = 2):
        for row in reader.read(f"users/{region}"):
            yield {**row, "region": region, "where": where, "labels": reader.labels,
                   "length": len(region), "limit": limit}

    @dlt.transformer(name="orders", data_from=users)
    def orders(user):
        yield {"user": user["id"], "region": region.upper(), "key": (region, TEAM)}

    yield users.add_map(lambda row: {**row, "again": region}).add_map(partial(tagged, team=TEAM))
    yield orders
    yield from rest_api_resources({
        "client": {"base_url": "BASE"},
        "resources": [{
            "name": "teams",
            "endpoint": {"path": "teams", "paginator": "single_page"},
            "processing_steps": [{"map": lambda row: {**row, "region": region}},
                                 {"filter": lambda row: region == "north"}],
        }],
    })
"""

GENERATED = """
from requests.auth import AuthBase
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import SinglePagePaginator

os.environ["KEY"] = "k-123456"
os.environ["REGION"] = "north"

class Signed(AuthBase):
    def __init__(self, key):
        self.key = key

    def __call__(self, request):
        request.headers["Authorization"] = "Signed " + str(self.key)[::-1]
        return request

def read(client, path, region):
    for page in client.paginate(path, paginator=SinglePagePaginator()):
        for row in page:
            yield {**row, "region": region, "place": f"{region}/{path}"}

@dlt.source(name="shop")
def shop(key: str = dlt.secrets.value, region: str = dlt.config.value):
    client = RESTClient("BASE", auth=Signed(key), headers={"X-Region": region})
    for path in ("users", "teams"):
        yield dlt.resource(read(client, path, region), name=path)
"""

TOGETHER = """
@dlt.source(name="shop")
def shop():
    def of(region):
        yield [{"id": n, "region": region} for n in range(2)]

    for region in ("north", "south"):
        yield dlt.resource(of(region), name=f"orders_{region}", table_name="orders",
                           primary_key=["id", "region"], write_disposition="merge")
    yield from rest_api_resources({
        "client": {"base_url": "BASE"},
        "resources": [{"name": "orders_east", "table_name": "orders", "write_disposition": "merge",
                       "primary_key": ["id", "region"],
                       "endpoint": {"path": "orders", "paginator": "single_page"}}],
    })
"""

SESSION = """
import requests
from dlt.sources.helpers.requests import Client

session = requests.Session()
session.headers.update({"X-Version": "2", "X-Shop": "session"})
session.auth = ("me", "s3cret")
patient = Client(request_timeout=10, request_max_attempts=2).session
patient.headers["X-Version"] = "3"

def shop(name, session, **client):
    return rest_api_source({
        "client": {"base_url": "BASE", "session": session, **client},
        "resources": [{"name": name, "endpoint": {"path": name, "paginator": "single_page"}}],
    }, name="shop")

pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
pipeline.run(shop("users", session, headers={"X-Shop": "client"}))
pipeline.run(shop("teams", patient, auth={"type": "bearer", "token": "t"}))
"""

OWN_SESSIONS = """
import requests
from dlt.sources.helpers.requests import Session
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import SinglePagePaginator

class Counting(requests.Session):
    sent = 0

    def send(self, request, **kwargs):
        self.sent += 1
        request.headers["X-Sent"] = str(self.sent)
        return super().send(request, **kwargs)

class Marking(Session):
    def send(self, request, **kwargs):
        request.headers["X-Marked"] = "1"
        return super().send(request, **kwargs)

def read(path, session):
    client = RESTClient("BASE", paginator=SinglePagePaginator(), session=session)
    for page in client.paginate(path):
        yield page

@dlt.source(name="shop")
def shop():
    yield dlt.resource(read("users", Counting()), name="users")
    yield dlt.resource(read("teams", Marking(raise_for_status=False)), name="teams")
"""

EMPTY = """
@dlt.resource(name="users", write_disposition="merge", primary_key="id",
              columns={"id": {"data_type": "bigint"}, "at": {"data_type": "timestamp"}})
def users():
    yield dlt.mark.materialize_table_schema()
    yield from requests.get("BASE/users").json()

from dlt.sources.helpers import requests

@dlt.source(name="shop")
def shop():
    return users
"""

SECTIONS = """
from typing import Optional

os.environ["SOURCES__PIPELINE__SHOP__API_KEY"] = "of-the-source"
os.environ["SOURCES__PIPELINE__API_KEY"] = "of-the-module"
os.environ["API_KEY"] = "of-all"
os.environ["SHOP__REGION"] = "of-the-pipeline"
os.environ["SOURCES__REGION"] = "of-sources"
os.environ["SOURCES__STORE__PAGE_SIZE"] = "2"
os.environ["SOURCES__PIPELINE__SHOP__TEAMS"] = '["a", "b"]'
os.environ["DEEP"] = "true"
os.environ["SOURCES__PIPELINE__MONTHS__NAMES__FIRST"] = "jan"
os.environ["SIZE"] = "1"

pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")

@dlt.source(name="shop")
def shop(api_key: str = dlt.secrets.value, region=dlt.config.value, page_size: int = 100,
         teams: list = None, deep: bool = False, team: Optional[str] = None, kind="plain"):
    @dlt.resource(name="users")
    def users(size: int = 5, page: int = 7):
        yield {"key": api_key, "region": region, "page_size": page_size, "teams": teams,
               "deep": deep, "team": team, "kind": kind, "size": size, "page": page}
    return users

@dlt.source(name="store", section="store")
def store(api_key: str = dlt.secrets.value, page_size: int = 100, given: int = 3):
    return rest_api_resources({
        "client": {"base_url": "BASE", "headers": {"X-Key": api_key}},
        "resources": [{"name": "orders", "write_disposition": "replace", "endpoint": {
            "path": "orders", "paginator": "single_page",
            "params": {"size": page_size, "given": given}}}],
    })

@dlt.resource(name="months", write_disposition="replace")
def months(names=dlt.config.value):
    yield {"id": 1, "size": 1}

print(pipeline.run([shop(deep=True, page_size=9), store(given=4)]))
print(pipeline.run(shop(), table_name="others"))
"""

TABLES = """
from dlt.sources.helpers import requests

@dlt.resource(primary_key="id")
def of(path):
    yield from requests.get(f"BASE/{path}").json()

def shop(city):
    return rest_api_source({
        "client": {"base_url": "BASE"},
        "resources": [{"name": "weather", "write_disposition": "append", "endpoint": {
            "path": f"weather/{city}", "paginator": "single_page"}}],
    }, name="shop")

pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
for path in ("users", "teams"):
    pipeline.run(of(path), table_name=f"all_{path}", write_disposition="merge")
for city in ("rome", "oslo"):
    pipeline.run(shop(city), table_name=f"weather_{city}")
both = shop("bern")
pipeline.run(both, table_name="weather_bern")
pipeline.run(both, table_name="again_bern")
"""

CREDENTIALS = """
from typing import Optional, Union
from dlt.common.configuration import configspec, with_config
from dlt.common.configuration.specs import CredentialsConfiguration
from dlt.common.typing import TSecretStrValue
from dlt.sources.helpers import requests

os.environ["CREDENTIALS__EMAIL"] = "me@shop.example"
os.environ["CREDENTIALS__TOKEN"] = "tok-123456"
os.environ["REGION"] = "north"

@configspec
class ByPassword(CredentialsConfiguration):
    user: str = None
    password: TSecretStrValue = None

@configspec
class ByToken(CredentialsConfiguration):
    email: str = None
    token: TSecretStrValue = None
    scope: str = "read"
    team: Optional[str] = None

    def signed(self):
        return {"X-Email": self.email, "X-Token": f"{self.scope} {self.token}"}

@with_config
def region(name: str, region: str = dlt.config.value) -> str:
    return f"{region}/{name}"

@dlt.source(name="shop")
def shop(credentials: Union[ByPassword, ByToken] = dlt.secrets.value):
    @dlt.resource(name="users")
    def users():
        for row in requests.get("BASE/users", headers=credentials.signed()).json():
            yield {**row, "team": credentials.team, "place": region("users")}

    yield users
    yield from rest_api_resources({
        "client": {"base_url": "BASE", "headers": credentials.signed()},
        "resources": [{"name": "teams", "endpoint": {"path": "teams", "paginator": "single_page"}}],
    })
"""


def versioned(ask: Ask) -> Reply:
    """Teams, and one of them with lists of its own, for whoever says the version."""
    if ask.path == "/v2/teams":
        return Reply(body={"data": rows(1, 2)})
    if ask.path.startswith("/v2/teams/"):
        number = int(ask.path.rpartition("/")[2])
        return Reply(body={"id": number, "data": rows(7, 9), "next": None})
    return Reply(body={"found": rows(4, 5)} if ask.path == "/v2/of-north" else {}, status=200)


VERSIONED = """
import os

os.environ["VERSION"] = "v2"
os.environ["REGION"] = "north"

@dlt.source
def shop(version: str = dlt.config.value, region: str = dlt.config.value):
    yield from rest_api_resources({
        "client": {"base_url": "BASE"},
        "resources": [
            {"name": "teams", "endpoint": f"{version}/teams"},
            {"name": "team", "endpoint": f"{version}/teams/{{resources.teams.id}}"},
            {"name": "region", "endpoint": {"path": f"{version}/of-{region}"}},
        ],
    })
"""

AROUND = {
    "names that a script only takes": Written(text=NAMED, api=lambda _ask: rows(1, 3)),
    "small functions of dlt": Written(text=SMALL, source="shop()", api=lambda _ask: []),
    "classes that a configuration names": Written(text=REGISTERED, source="source", api=users),
    "hooks made of response actions": Written(text=HOOKED, source="shop()", api=some),
    "steps at a place, and attributes that are set": Written(
        text=PLACED, source="source", api=lambda _ask: rows(1, 3, lines=[{"n": 1}])
    ),
    "what is asked before anything runs": Written(text=BEFORE, api=tokens),
    "values that functions enclose": Written(
        text=ENCLOSED, source="shop()", api=lambda _ask: rows(1, 2)
    ),
    "values that generators hold": Written(
        text=GENERATED, source="shop()", api=lambda _ask: rows(1, 2)
    ),
    "several functions for one table": Written(
        text=TOGETHER, source="shop()", api=lambda _ask: rows(1, 2, region="east")
    ),
    "sessions of a client": Written(text=SESSION, api=lambda _ask: rows(1, 2)),
    "classes of sessions": Written(text=OWN_SESSIONS, source="shop()", api=lambda _ask: rows(1, 2)),
    "a table without rows": Written(
        text=EMPTY, source="shop()", api=lambda ask: rows(1, ask.round - 1)
    ),
    "values that stand in sections": Written(text=SECTIONS, api=lambda _ask: rows(1, 2)),
    "one resource for several tables": Written(
        text=TABLES, api=lambda ask: rows(1, 2, of=ask.path)
    ),
    "credentials as a class": Written(
        text=CREDENTIALS, source="shop()", api=lambda _ask: rows(1, 2)
    ),
    "values in paths": Written(text=VERSIONED, api=versioned, source="shop()"),
}
