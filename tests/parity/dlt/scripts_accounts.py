"""Scripts that make one source several times: for each account, with what differs between them."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask, Reply

NEWEST = {"a": 20, "b": 10}


def accounts(ask: Ask) -> Any:
    """The users of an account, named by path, param or token, and what each of them has."""
    path = ask.path.strip("/").split("/")
    token = ask.headers.get("authorization", "").removeprefix("Bearer ").removeprefix("t-")
    name = ask.param("account") or token or path[0]
    if name not in NEWEST:
        return Reply(status=404)
    if len(path) > 2:
        return [{"account": name, "user": int(path[2]), "item": n} for n in (1, 2)]
    newest = NEWEST[name] + ask.round
    since = ask.number("since")
    times = [n for n in range(newest - 2, newest + 1) if n >= since]
    return [{"id": f"{name}{n}", "number": n, "at": n, "account": name} for n in times]


_SOURCE = """
def source(name):
    return rest_api_source({
        "client": {"base_url": "BASE", "paginator": "single_page"CLIENT},
        "resources": [{"name": "users", "write_disposition": "MODE", "primary_key": "id",
                       "endpoint": {"path": PATH, "params": PARAMS}}],
    })

pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
"""
_LOOP = """
for name in ("a", "b"):
    pipeline.run(source(name))
"""
_AT_ONCE = """
pipeline.run([source("a"), source("b")])
"""


def made(
    how: str, *, mode: str = "append", path: str = 'f"{name}/users"', params: str = "{}",
    client: str = "",
) -> str:  # fmt: skip
    """The text of a script that loads the users of two accounts, one after the other or at once."""
    text = _SOURCE.replace("MODE", mode).replace("PATH", path).replace("PARAMS", params)
    return text.replace("CLIENT", client) + how


CURSOR = '{"since": {"type": "incremental", "cursor_path": "at", "initial_value": 0}}'
INCREMENTAL_LOOP = made(_LOOP, params=CURSOR)
INCREMENTAL_AT_ONCE = made(_AT_ONCE, params=CURSOR)
REPLACED_LOOP = made(_LOOP, mode="replace")

CHILDREN = """
def source(name):
    return rest_api_source({
        "client": {"base_url": f"BASE/{name}", "paginator": "single_page"},
        "resources": [
            {"name": "users", "endpoint": "users"},
            {"name": "items", "include_from_parent": ["account"],
             "endpoint": {"path": "users/{resources.users.number}/items"}},
        ],
    }, name="shop")

dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data").run(
    [source("a"), source("b")], write_disposition="replace")
"""

FUNCTIONS = """
from dlt.sources.helpers.rest_client import RESTClient

@dlt.resource(name="users", write_disposition="replace")
def users(name):
    yield RESTClient("BASE").get(f"{name}/users").json()

@dlt.transformer(name="items", write_disposition="replace")
def items(found, name):
    for user in found:
        yield RESTClient("BASE").get(f"{name}/users/{user['number']}/items").json()

@dlt.source(name="shop")
def source(name):
    one = users(name)
    return one, one | items(name)

dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data").run([source("a"), source("b")])
"""

NESTED = """
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import SinglePagePaginator

def source(store):
    class Pages(SinglePagePaginator):
        pass

    def note(user):
        return {**user, "store": store["name"]}

    @dlt.resource(name="found", write_disposition="replace")
    def found():
        yield RESTClient("BASE").get(f"{store['name']}/users").json()

    resources = rest_api_resources({
        "client": {"base_url": f"BASE/{store['name']}/", "paginator": Pages()},
        "resources": [{"name": "users", "endpoint": "users", "write_disposition": "replace",
                       "processing_steps": [{"map": note}]}],
    })
    return dlt.source(lambda: [*resources, found], name="shop")()

dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data").run(
    [source({"name": "a"}), source({"name": "b"})])
"""

FOLLOWED = """
from dlt.sources.helpers.rest_client import RESTClient

@dlt.resource(name="users", primary_key="id")
def users(name, at=dlt.sources.incremental("at", initial_value=0)):
    yield RESTClient("BASE").get(f"{name}/users", params={"since": at.start_value}).json()

pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
for name in ("a", "b"):
    pipeline.run(users(name))
"""

ACCOUNTS: dict[str, Written] = {
    "accounts, one run each": Written(text=made(_LOOP), api=accounts),
    "accounts in params, merged": Written(
        text=made(_LOOP, mode="merge", path='"users"', params='{"account": name}'), api=accounts
    ),
    "accounts by token": Written(
        text=made(
            _AT_ONCE,
            path='"users"',
            mode="replace",
            client=', "auth": {"type": "bearer", "token": f"t-{name}"}',
        ),
        api=accounts,
    ),
    "accounts with children": Written(text=CHILDREN, api=accounts),
    "accounts with functions of their own": Written(text=NESTED, api=accounts),
    "accounts of functions": Written(text=FUNCTIONS, api=accounts),
}
