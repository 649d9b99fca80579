"""Scripts of many shapes, each with the API it reads; `SOURCE` is what the last lines run."""

from __future__ import annotations

from typing import Any

import msgspec
from tests.parity.dlt.server import Api, Ask, Reply


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A script; `source` is an expression for what is run, where the text does not run it itself.

    `law` says that requests without records may differ. `environ` are variables that are set
    meanwhile, `secrets` is what stands in `.dlt/secrets.toml`, and `files` lie beside the script.
    """

    text: str
    api: Api
    source: str = ""
    runs: int = 2
    law: bool = False
    environ: dict[str, str] = {}
    secrets: str = ""
    files: dict[str, str] = {}


def rows(first: int, last: int, **more: Any) -> list[dict[str, Any]]:
    """Records with ids from `first` to `last`."""
    return [{"id": n, "name": f"n{n}", **more} for n in range(first, last + 1)]


def sliced(ask: Ask, total: int, size: int, page: int) -> list[dict[str, Any]]:
    """A page of `total` records, pages counted from 1."""
    start = (page - 1) * size
    return rows(start + 1, min(start + size, total))


# A GitHub-like API: pages by the Link header.


def github(ask: Ask) -> Reply:
    """Issues in three pages, with a Link header."""
    page = ask.number("page", 1)
    headers = {"Link": f'<{ask.base}/repos/x/issues?page={page + 1}>; rel="next"'}
    issues = sliced(ask, 7, 3, page)
    kept = [{**i, "user": {"login": "a"}, "labels": [{"n": 1}, {"n": 2}]} for i in issues]
    return Reply(body=kept, headers=headers if page < 3 else {})


GITHUB = '''
from dlt.sources.helpers.rest_client.paginators import HeaderLinkPaginator
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth

class CappedLinkPaginator(HeaderLinkPaginator):
    """Follow the links, but never more than two pages."""

    def __init__(self, pages=2):
        super().__init__()
        self.pages = pages
        self.seen = 0

    def update_state(self, response, data=None):
        super().update_state(response, data)
        self.seen += 1
        if self.seen >= self.pages:
            self._has_next_page = False

@dlt.source(name="github")
def github(access_token: str = "ghp_x"):
    config: RESTAPIConfig = {
        "client": {"base_url": "BASE/repos/x/", "auth": BearerTokenAuth(token=access_token),
                   "headers": {"Accept": "application/vnd.github+json"}},
        "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
        "resources": [
            {"name": "issues",
             "endpoint": {"path": "issues", "params": {"per_page": 3, "state": "open"},
                          "paginator": CappedLinkPaginator()}},
        ],
    }
    yield from rest_api_resources(config)
'''


# A cursor that the last record gives, as Stripe does.


def stripe(ask: Ask) -> dict[str, Any]:
    """Charges behind `starting_after`."""
    after = ask.number("starting_after", 0)
    found = rows(after + 1, min(after + 3, 8), object="charge")
    return {"object": "list", "data": found, "has_more": after + 3 < 8}


STRIPE = """
from dlt.sources.helpers.rest_client.paginators import BasePaginator

class StripePaginator(BasePaginator):
    def __init__(self):
        super().__init__()
        self.starting_after = None

    def update_state(self, response, data=None):
        body = response.json()
        items = data or []
        if body.get("has_more") and items:
            self.starting_after = items[-1]["id"]
        else:
            self._has_next_page = False

    def update_request(self, request):
        if request.params is None:
            request.params = {}
        if self.starting_after is not None:
            request.params["starting_after"] = self.starting_after

source = rest_api_source({
    "client": {"base_url": "BASE/v1",
               "auth": {"type": "http_basic", "username": "sk_test", "password": ""},
               "paginator": StripePaginator()},
    "resources": [{"name": "charges", "primary_key": "id",
                   "endpoint": {"path": "charges", "params": {"limit": 3},
                                "data_selector": "data"}}],
})
"""


# A search by POST with the cursor in the body, as HubSpot does.


def hubspot(ask: Ask) -> dict[str, Any]:
    """Contacts by POST; the cursor stands in the body."""
    after = int(ask.json.get("after") or 0)
    body: dict[str, Any] = {"results": rows(after + 1, min(after + 2, 5)), "total": 5}
    if after + 2 < 5:
        body["paging"] = {"next": {"after": str(after + 2)}}
    return body


HUBSPOT = """
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

class PostBodyPaginator(JSONResponseCursorPaginator):
    def update_request(self, request):
        request.json["after"] = self._next_reference

@dlt.source
def hubspot(api_key: str = "pat-1", page_size: int = 2):
    return rest_api_resources({
        "client": {"base_url": "BASE/crm/v3/", "auth": {"token": api_key}},
        "resources": [{
            "name": "contacts",
            "endpoint": {
                "path": "objects/contacts/search",
                "method": "POST",
                "json": {"limit": page_size, "filterGroups": [{"filters": []}]},
                "data_selector": "results",
                "paginator": PostBodyPaginator(cursor_path="paging.next.after"),
            },
        }],
    })
"""


def zendesk(ask: Ask) -> Any:
    """Tickets by cursor, and the comments of each."""
    if "comments" in ask.path:
        ticket = ask.path.split("/")[4]
        return {"comments": [{"id": int(ticket) * 10, "body": "hi"}]}
    after = ask.number("page[after]", 0)
    more = after + 2 < 4
    return {
        "tickets": [{**r, "via": {"channel": "web"}} for r in rows(after + 1, after + 2)],
        "meta": {"has_more": more, "after_cursor": str(after + 2) if more else None},
    }


ZENDESK = """
import base64

from dlt.common.configuration import configspec
from dlt.common.typing import TSecretStrValue
from dlt.sources.helpers.rest_client.auth import AuthConfigBase

@configspec
class ZendeskAuth(AuthConfigBase):
    email: str = None
    token: TSecretStrValue = None

    def __call__(self, request):
        pair = f"{self.email}/token:{self.token}"
        request.headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        return request

config: RESTAPIConfig = {
    "client": {"base_url": "BASE/api/v2/", "auth": ZendeskAuth("a@b.example", "tok")},
    "resource_defaults": {"write_disposition": "replace"},
    "resources": [
        {"name": "tickets", "primary_key": "id",
         "endpoint": {"path": "tickets", "data_selector": "tickets", "params": {"page[size]": 2},
                      "paginator": {"type": "cursor", "cursor_path": "meta.after_cursor",
                                    "cursor_param": "page[after]"}}},
        {"name": "comments", "include_from_parent": ["id", "name"],
         "endpoint": {"path": "tickets/{resources.tickets.id}/comments",
                      "data_selector": "comments", "paginator": "single_page"}},
    ],
}
source = rest_api_source(config, name="zendesk")
"""


def intercom(ask: Ask) -> Any:
    """Conversations; an unknown one is a 404."""
    if ask.path.startswith("/conversations/"):
        nth = int(ask.path.rsplit("/", 1)[1])
        return (
            Reply(status=404, body={"type": "error.list"}) if nth == 2 else {"id": nth, "parts": 1}
        )
    return {"conversations": rows(1, 3), "pages": {}}


INTERCOM = """
from dlt.sources.helpers.rest_client.exceptions import IgnoreResponseException

def skip_missing(response, *args, **kwargs):
    if response.status_code == 404:
        raise IgnoreResponseException
    return response

def add_source(response, *args, **kwargs):
    import json
    if response.status_code == 200:
        body = response.json()
        body["source"] = "intercom"
        response._content = json.dumps(body).encode("utf8")
    return response

source = rest_api_source({
    "client": {"base_url": "BASE", "headers": {"Intercom-Version": "2.11"}},
    "resources": [
        {"name": "conversations",
         "endpoint": {"data_selector": "conversations", "paginator": "single_page"}},
        {"name": "details", "endpoint": {"path": "conversations/{resources.conversations.id}",
            "response_actions": [skip_missing, add_source]}},
    ],
})
"""


def shopify(ask: Ask) -> Any:
    """Orders since an id, updated in the second round."""
    since = ask.param("updated_at_min")
    held = [{"id": n, "updated_at": f"2024-01-0{n}T00:00:00Z", "total": n} for n in range(1, 5)]
    if ask.round == 2:
        held.append({"id": 2, "updated_at": "2024-01-08T00:00:00Z", "total": 20})
    return {"orders": [o for o in held if o["updated_at"] >= since.replace(" ", "T")]}


SHOPIFY = """
from datetime import datetime

def to_iso(value):
    return value.replace("+00:00", "Z")

@dlt.source(name="shopify")
def shopify(start: str = "2024-01-02T00:00:00Z"):
    yield from rest_api_resources({
        "client": {"base_url": "BASE/admin/", "paginator": "single_page"},
        "resources": [{
            "name": "orders", "primary_key": "id", "write_disposition": "merge",
            "endpoint": {"path": "orders.json", "data_selector": "orders",
                "incremental": {"cursor_path": "updated_at", "start_param": "updated_at_min",
                                "initial_value": start, "convert": to_iso}},
        }],
    })
"""


def notion(ask: Ask) -> dict[str, Any]:
    """A database by POST with `start_cursor`; null at the end."""
    start = int(ask.json.get("start_cursor") or 0)
    more = start + 2 < 5
    return {
        "results": [{"id": f"p{n}", "properties": {"Name": {"title": [{"plain_text": f"t{n}"}]}}}
                    for n in range(start, min(start + 2, 5))],
        "has_more": more,
        "next_cursor": str(start + 2) if more else None,
    }  # fmt: skip


NOTION = """
def flatten(page):
    title = page["properties"]["Name"]["title"]
    return {"id": page["id"], "title": title[0]["plain_text"] if title else None}

source = rest_api_source({
    "client": {"base_url": "BASE/v1/", "auth": {"type": "bearer", "token": "secret_x"},
               "headers": {"Notion-Version": "2022-06-28"}},
    "resources": [{
        "name": "pages",
        "endpoint": {"path": "databases/abc/query", "method": "POST", "json": {"page_size": 2},
                     "data_selector": "results",
                     "paginator": {"type": "cursor", "cursor_path": "next_cursor",
                                   "cursor_body_path": "start_cursor"}},
        "processing_steps": [{"map": flatten}, {"filter": lambda p: p["id"] != "p3"}],
    }],
})
"""


def slack(ask: Ask) -> dict[str, Any]:
    """Channels by a cursor that is empty at the end."""
    at = int(ask.param("cursor") or 0)
    more = at + 2 < 6
    return {
        "ok": True,
        "channels": [
            {**r, "topic": {"value": "x"}, "members": ["u1", "u2"]} for r in rows(at + 1, at + 2)
        ],
        "response_metadata": {"next_cursor": str(at + 2) if more else ""},
    }


SLACK = """
from dlt.sources.helpers.rest_client.paginators import JSONResponseCursorPaginator

def explode(channel):
    for member in channel["members"]:
        yield {"channel": channel["id"], "member": member}

@dlt.source
def slack(token=dlt.secrets.value):
    resources = rest_api_resources({
        "client": {"base_url": "BASE/api/", "auth": {"type": "bearer", "token": "xoxb"}},
        "resources": [
            {"name": "channels",
             "endpoint": {"path": "conversations.list", "data_selector": "channels",
                          "paginator": JSONResponseCursorPaginator(
                              cursor_path="response_metadata.next_cursor", cursor_param="cursor")},
             "processing_steps": [{"yield_map": explode}]},
        ],
    })
    return resources
"""


VENDORS: dict[str, Written] = {
    "GitHub, links with a limit of their own": Written(text=GITHUB, api=github, source="github()"),
    "Stripe, a cursor from the last record": Written(text=STRIPE, api=stripe, source="source"),
    "HubSpot, a cursor in the body": Written(text=HUBSPOT, api=hubspot, source="hubspot()"),
    "Zendesk, auth that encodes": Written(text=ZENDESK, api=zendesk, source="source"),
    "Intercom, response hooks": Written(text=INTERCOM, api=intercom, source="source"),
    "Shopify, converted cursor values": Written(text=SHOPIFY, api=shopify, source="shopify()"),
    "Notion, a POST that is mapped": Written(text=NOTION, api=notion, source="source"),
    "Slack, several records of one": Written(text=SLACK, api=slack, source="slack('x')"),
}
