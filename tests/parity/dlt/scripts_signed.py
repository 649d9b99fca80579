"""Scripts that ask an API themselves with an auth that their sources have as well."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask, Reply


def guarded(ask: Ask) -> Any:
    """A token, and rows for whoever has it."""
    if ask.path == "/token":
        return {"access_token": "t-1", "expires_in": 3600}
    if ask.headers.get("authorization") != "Bearer t-1":
        return Reply(status=401, body={})
    return [{"id": 1}, {"id": 2}]


USED = """
from dlt.common.configuration import configspec
from dlt.sources.helpers import requests
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials, BearerTokenAuth

@configspec
class Own(BearerTokenAuth):
    token: str = "none"

    def __call__(self, request):
        if self.token == "none":
            self.token = requests.post("BASE/token", json={}).json()["access_token"]
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request

def credentials():
    return OAuth2ClientCredentials(access_token_url="BASE/token", client_id="i", client_secret="s")

auth = AUTH()
client = RESTClient("BASE/", auth=auth)
names = ASK
shop = rest_api_source({
    "client": {"base_url": "BASE/", "auth": auth, "paginator": "single_page"},
    "resources": [{"name": f"users_{name}", "endpoint": "users", "write_disposition": "replace"}
                  for name in names],
})

@dlt.resource(write_disposition="replace")
def others():
    yield client.get("others").json()

@dlt.resource(write_disposition="replace")
def more():
    yield requests.get("BASE/more", auth=auth).json()
"""
BY_CLIENT = """[row["id"] for row in client.get("names").json()]"""
BY_REQUESTS = """[row["id"] for row in requests.get("BASE/names", auth=auth).json()]"""

NONE = """
@dlt.resource(write_disposition="replace")
def ids():
    yield [{"id": 1}]

@dlt.source
def shop(names=()):
    yield from rest_api_resources({"client": {"base_url": "BASE/"}, "resources": list(names)})
    yield ids
"""

SIGNED: dict[str, Written] = {
    f"an auth used before: {name}": Written(
        text=USED.replace("AUTH()", f"{auth}()").replace("ASK", asks), api=guarded, source=source
    )
    for name, auth, asks, source in (
        ("by a client", "credentials", BY_CLIENT, "shop"),
        ("by a request", "credentials", BY_REQUESTS, "shop"),
        ("by a client, of the script's own", "Own", BY_CLIENT, "shop"),
        ("by a request, of the script's own", "Own", BY_REQUESTS, "shop"),
        ("by a client, and by a function", "credentials", BY_CLIENT, "others"),
        ("by none, and by two functions", "credentials", "[1]", "[others, more]"),
    )
}
SIGNED["a configuration of no resources beside a function"] = Written(
    text=NONE, api=guarded, source="shop()"
)
