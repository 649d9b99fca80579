"""Scripts that use one thing of dlt each, in the ways people use it."""

from __future__ import annotations

import base64
from typing import Any

from tests.parity.dlt.scripts import VENDORS, Written, rows, sliced
from tests.parity.dlt.server import Ask, Reply


def numbered(ask: Ask) -> dict[str, Any]:
    """Numbered pages with the count of pages in a header-like part."""
    page = ask.number("page", 1)
    return {"items": sliced(ask, 5, 2, page), "page": page, "pages": 3}


COUNTED = '''
from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator

class UntilLast(PageNumberPaginator):
    """Ends when the page says that it is the last one."""

    def __init__(self):
        super().__init__(base_page=1, page_param="page", total_path=None)

    def update_state(self, response, data=None):
        body = response.json()
        self.current_value += self.value_step
        self._has_next_page = body["page"] < body["pages"]

source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": UntilLast()},
    "resources": [{"name": "items", "endpoint": {"path": "items", "data_selector": "items"}}],
})
'''


def offsets(ask: Ask) -> dict[str, Any]:
    """Records by offset; the total stands in the answer."""
    at = ask.number("skip")
    return {"rows": rows(at + 1, min(at + 2, 5)), "summary": {"count": 5}}


OFFSETS = """
from dlt.sources.helpers.rest_client.paginators import OffsetPaginator

class SkipTake(OffsetPaginator):
    def __init__(self, size):
        super().__init__(limit=size, offset_param="skip", limit_param="take",
                         total_path="summary.count")

    def update_request(self, request):
        super().update_request(request)
        request.headers["X-Offset"] = str(self.current_value)

source = rest_api_source({
    "client": {"base_url": "BASE"},
    "resources": [{"name": "records", "endpoint": {"path": "r", "data_selector": "rows",
                                                   "paginator": SkipTake(2)}}],
})
"""


def tokens(ask: Ask) -> Any:
    """A token endpoint that wants Basic auth, and records for the token it gives."""
    if ask.path == "/token":
        wanted = "Basic " + base64.b64encode(b"id:secret").decode()
        ok = ask.headers.get("authorization") == wanted
        return {"access_token": "t1", "expires_in": 3600} if ok else Reply(status=401, body={})
    if ask.headers.get("authorization") != "Bearer t1":
        return Reply(status=401, body={})
    return rows(1, 3)


OAUTH = """
from base64 import b64encode
from dlt.common.configuration.specs import configspec
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials

@configspec
class OAuth2WithBasic(OAuth2ClientCredentials):
    def build_access_token_request(self):
        pair = b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        return {
            "headers": {"Authorization": f"Basic {pair}",
                        "Content-Type": "application/x-www-form-urlencoded"},
            "data": self.access_token_request_data,
        }

auth = OAuth2WithBasic(
    access_token_url="BASE/token",
    client_id="id",
    client_secret="secret",
    access_token_request_data={"grant_type": "client_credentials"},
)
source = rest_api_source({
    "client": {"base_url": "BASE", "auth": auth, "paginator": "single_page"},
    "resources": [{"name": "meters", "endpoint": "meters"}],
})
"""


def relative(ask: Ask) -> dict[str, Any]:
    """Links to the next page that lack the base path."""
    page = ask.number("p", 1)
    body: dict[str, Any] = {"value": sliced(ask, 4, 2, page)}
    if page < 2:
        body["next"] = f"?p={page + 1}"
    return body


RELATIVE = """
from dlt.sources.helpers.rest_client.paginators import JSONLinkPaginator

class QueryLinkPaginator(JSONLinkPaginator):
    def update_state(self, response, data=None):
        link = response.json().get("next")
        self._next_reference = response.url.split("?")[0] + link if link else None

source = rest_api_source({
    "client": {"base_url": "BASE/odata/", "paginator": QueryLinkPaginator(next_url_path="next")},
    "resources": [{"name": "values", "endpoint": {"path": "values", "data_selector": "value"}}],
})
"""


def dated(ask: Ask) -> list[dict[str, Any]]:
    """Events between two params."""
    since, until = ask.number("from"), ask.number("to", 10**9)
    return [{"id": n, "at": n * 100} for n in range(1, 9) if since <= n * 100 < until]


BACKFILL = """
def backfill(start, end):
    return rest_api_source({
        "client": {"base_url": "BASE", "paginator": "single_page"},
        "resources": [{
            "name": "events", "primary_key": "id",
            "endpoint": {
                "path": "events",
                "incremental": {"cursor_path": "at", "start_param": "from", "end_param": "to",
                                "initial_value": start, "end_value": end, "row_order": "asc"},
            },
        }],
    })
"""

LAG = """
source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": "single_page"},
    "resources": [{
        "name": "events", "primary_key": "id", "write_disposition": "merge",
        "endpoint": {"path": "events", "params": {
            "from": "{incremental.start_value}"},
            "incremental": {"cursor_path": "at", "initial_value": 300, "lag": 200,
                            "last_value_func": lambda values: max(values)}},
    }],
})
"""

OPEN = """
source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": "single_page"},
    "resources": [{
        "name": "events",
        "endpoint": {"path": "events", "params": {
            "from": {"type": "incremental", "cursor_path": "at", "initial_value": 300,
                     "range_start": "open", "on_cursor_value_missing": "exclude",
                     "convert": lambda value: int(value)}}},
    }],
})
"""


def people(ask: Ask) -> Any:
    """Users and teams."""
    return rows(1, 3, email="A@X.example") if "users" in ask.path else rows(10, 11)


HINTED = """
source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": "single_page"},
    "resources": ["users", "teams", "ignored"],
})
source.users.apply_hints(primary_key="id", write_disposition="merge", table_name="people")
source.users.add_map(lambda user: {**user, "email": user["email"].lower()})
source.users.add_filter(lambda user: user["id"] > 1)
source = source.with_resources("users", "teams")
"""

SEVERAL = """
def api(name):
    return rest_api_source({
        "client": {"base_url": "BASE", "paginator": "single_page",
                   "headers": {"X-Team": name}},
        "resources": [{"name": name, "endpoint": {"path": name}}],
    }, name=name)

if __name__ == "__main__":
    pipeline = dlt.pipeline(pipeline_name="shop", destination="duckdb", dataset_name="shop_data")
    pipeline.run([api("users"), api("teams")], write_disposition="replace")
"""

TWICE = """
config = {"client": {"base_url": "BASE", "paginator": "single_page"},
          "resources": ["users", "teams"]}
pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
pipeline.run(rest_api_source(config).with_resources("users"))
pipeline.run(rest_api_source(config).with_resources("teams"), write_disposition="replace")
"""

SELECTED = """
from dlt.sources.rest_api.typing import ClientConfig, EndpointResource

def resources() -> list[EndpointResource]:
    return [
        {"name": "users", "selected": False, "endpoint": {"path": "users"}},
        {"name": "pets", "endpoint": {"path": "users/{id}/pets",
            "params": {"id": {"type": "resolve", "resource": "users", "field": "id"}}},
         "include_from_parent": ["email"]},
    ]

client = ClientConfig(base_url="BASE", paginator="single_page")
source = rest_api_source({"client": client, "resources": resources()})
"""


def filtered(ask: Ask) -> dict[str, Any]:
    """Records of several kinds in one list."""
    return {"d": [{"kind": "a", "v": 1}, {"kind": "b", "v": 2}, {"kind": "a", "v": 3}]}


FILTERED = """
source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": "single_page"},
    "resources": [{"name": "some",
                   "endpoint": {"path": "x", "data_selector": "$.d[?(@.kind=='a')]"}}],
})
"""

ENVIRONMENT = """
os.environ["SHOP_TOKEN"] = "tok-123456789"
TOKEN = os.environ["SHOP_TOKEN"]
dlt.secrets["shop.key"] = "k-1"
dlt.config["shop.team"] = "blue"

@dlt.source(name="shop", max_table_nesting=0)
def shop(team: str = dlt.config["shop.team"]):
    for name in ("users", "teams"):
        yield from rest_api_resources({
            "client": {"base_url": "BASE", "paginator": "single_page",
                       "headers": {"X-Token": TOKEN, "X-Team": team},
                       "auth": {"type": "api_key", "name": "X-Key",
                                "api_key": dlt.secrets["shop.key"], "location": "header"}},
            "resources": [{"name": name, "endpoint": {"path": name}}],
        })
"""

DECORATED = """
@dlt.source
def base(url: str):
    return rest_api_source({
        "client": {"base_url": url, "paginator": "single_page"},
        "resources": [{"name": "users", "columns": {"id": {"data_type": "text"}}},
                      {"name": "teams", "write_disposition": "replace"}],
    })
"""


def missing(ask: Ask) -> Any:
    """Pages that end with a 404."""
    page = ask.number("page", 1)
    return sliced(ask, 4, 2, page) if page < 3 else Reply(status=404, body={}, empty=True)


ENDED = """
from requests import Request, Response
from dlt.sources.helpers.rest_client.paginators import BasePaginator

class UntilMissing(BasePaginator):
    def __init__(self, start: int = 1):
        super().__init__()
        self.page = start

    def init_request(self, request: Request) -> None:
        self.update_request(request)

    def update_state(self, response: Response, data=None) -> None:
        self.page += 1

    def update_request(self, request: Request) -> None:
        request.params = {**(request.params or {}), "page": self.page}

source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": UntilMissing()},
    "resources": [{"name": "rows", "endpoint": {
        "path": "rows", "params": {"size": 2},
        "response_actions": [{"status_code": 404, "action": "ignore"}]}}],
})
"""


def rate(ask: Ask) -> Any:
    """A signature over the path is wanted."""
    good = ask.headers.get("x-signature") == f"sig:{ask.target}"
    return rows(1, 2) if good else Reply(status=403, body={})


SIGNED = """
from urllib.parse import urlsplit
from requests.auth import AuthBase
from dlt.common.configuration import configspec
from dlt.sources.helpers.rest_client.auth import AuthConfigBase

@configspec(init=False)
class SignatureAuth(AuthConfigBase):
    prefix: str = "none"

    def __init__(self, prefix: str):
        self.prefix = prefix

    def __call__(self, request):
        parts = urlsplit(request.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        request.headers["X-Signature"] = f"{self.prefix}:{target}"
        return request

source = rest_api_source({
    "client": {"base_url": "BASE", "auth": SignatureAuth("sig"), "paginator": "single_page"},
    "resources": [{"name": "rows", "endpoint": {"path": "rows", "params": {"q": "a b"}}}],
})
"""


PIECES = """
from copy import deepcopy

def endpoint(path, **params):
    return {"path": path, "params": params, "data_selector": "$"}

SHARED = {"write_disposition": "replace", "primary_key": "id"}
NAMES = {"users": {"active": "true"}, "teams": {}}

def build() -> RESTAPIConfig:
    config: RESTAPIConfig = {"client": {"base_url": "BASE"}, "resources": []}
    config["client"]["paginator"] = {"type": "single_page"}
    for name, params in NAMES.items():
        resource = deepcopy(SHARED)
        resource.update(name=name, endpoint=endpoint(name, **params))
        config["resources"].append(resource)
    return config
"""

SPLIT = """
class Settings:
    base = "BASE"
    size = 2

def paginator(kind="page"):
    from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator
    if kind == "page":
        return PageNumberPaginator(base_page=1, total_path="pages")
    return None

def with_defaults(resource, **more):
    return {**{"write_disposition": "append"}, **resource, **more}

@dlt.source(name="items")
def items_source(settings=Settings, include_all: bool = True):
    resources = [with_defaults({"name": "items", "endpoint": {
        "path": "items", "data_selector": "items", "paginator": paginator()}},
        columns={"id": {"data_type": "bigint", "nullable": False}})]
    config = {"client": {"base_url": settings.base}, "resources": resources}
    found = rest_api_resources(config)
    return [r for r in found if include_all or r.name != "items"]
"""

TRANSFORMED = """
import requests

@dlt.transformer(write_disposition="replace", primary_key="id")
def details(users, base, extra="x"):
    for user in users:
        found = requests.get(f"{base}/teams", params={"user": user["id"]}).json()
        yield {"id": user["id"], "teams": len(found), "extra": extra}

users = rest_api_source({
    "client": {"base_url": "BASE", "paginator": "single_page"}, "resources": ["users"],
}).users

if __name__ == "__main__":
    pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
    pipeline.run(users | details("BASE"))
"""

MIXED = """
@dlt.resource(name="regions", write_disposition="replace")
def regions(names=("eu", "us")):
    for nth, name in enumerate(names):
        yield {"id": nth, "name": name, "tags": [{"t": 1}]}

@dlt.defer
def upper(row):
    return {**row, "name": row["name"].upper()}

@dlt.transformer(data_from=regions)
def shouted(items):
    for row in items if isinstance(items, list) else [items]:
        yield upper(row)

@dlt.source
def everything():
    yield from rest_api_resources({
        "client": {"base_url": "BASE", "paginator": "single_page"}, "resources": ["users"]})
    yield regions
    yield shouted
    yield dlt.resource([{"n": 1}, {"n": 2}], name="numbers")
"""

SCRIPTS: dict[str, Written] = {
    **VENDORS,
    "pages that know their number": Written(text=COUNTED, api=numbered, source="source"),
    "offsets with a header": Written(text=OFFSETS, api=offsets, source="source"),
    "OAuth with Basic credentials": Written(text=OAUTH, api=tokens, source="source"),
    "links that are only a query": Written(text=RELATIVE, api=relative, source="source"),
    "a backfill": Written(text=BACKFILL, api=dated, source="backfill(200, 600)"),
    "a lag and a function": Written(text=LAG, api=dated, source="source"),
    "an open range": Written(text=OPEN, api=dated, source="source"),
    "hints and steps": Written(text=HINTED, api=people, source="source"),
    "several sources in one run": Written(text=SEVERAL, api=people),
    "two runs of one pipeline": Written(text=TWICE, api=people),
    "an unselected parent": Written(text=SELECTED, api=people, source="source"),
    "a filter in the selector": Written(text=FILTERED, api=filtered, source="source"),
    "values of every kind": Written(text=ENVIRONMENT, api=people, source="shop()"),
    "a source inside a source": Written(text=DECORATED, api=people, source="base('BASE')"),
    "pages that end in a 404": Written(text=ENDED, api=missing, source="source"),
    "a signature over the request": Written(text=SIGNED, api=rate, source="source"),
    "a configuration in pieces": Written(
        text=PIECES, api=people, source="rest_api_source(build())"
    ),
    "a source from parts": Written(text=SPLIT, api=numbered, source="items_source()"),
    "a transformer behind a resource": Written(text=TRANSFORMED, api=people),
    "rows made in Python": Written(text=MIXED, api=people, source="everything()"),
}
