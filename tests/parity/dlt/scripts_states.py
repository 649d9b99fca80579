"""Scripts whose functions ask for states of others, and whose steps ask the run."""

from __future__ import annotations

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask, Reply


def users(ask: Ask) -> Reply:
    """Three users, who move on by one in each round, and ten times a number."""
    if ask.path == "/tens":
        said = ask.headers.get("authorization", "")
        return Reply(body={"tens": ask.number("id") * 10, "said": said})
    return Reply(body=[{"id": n, "at": n + ask.round} for n in range(3)])


CLIENT = '"client": {"base_url": "BASE", "paginator": "single_page"}'
OTHERS = """
@dlt.resource
def users():
    mine = dlt.current.resource_state()
    mine["n"] = mine.get("n", 0) + 1
    yield {"n": mine["n"], "seen": mine.get("seen", 0)}

@dlt.resource
def rates():
    users = dlt.current.resource_state("users")
    nobody = dlt.current.resource_state("nobody")
    nobody["x"] = nobody.get("x", 0) + 1
    yield {"sees": str(dict(users)), "nobody": str(dict(nobody))}
    users["seen"] = users.get("seen", 0) + 1
    again = dlt.current.resource_state("users")
    yield {"sees": str(dict(again)), "mine": str(dict(dlt.current.resource_state()))}

@dlt.resource
def whole():
    state = dlt.current.source_state()
    state["runs"] = state.get("runs", 0) + 1
    resources = {k: str(v) for k, v in state["resources"].items() if v}
    yield {"keys": str(sorted(state)), "resources": str(sorted(resources.items()))}

@dlt.source(name="shop")
def source():
    return users, rates, whole
"""
CURSOR = """
from dlt.sources.helpers import requests

@dlt.resource
def users(at=dlt.sources.incremental("at", initial_value=2)):
    state = dlt.current.resource_state()
    before = state["incremental"]["at"]
    yield {"at": before["last_value"], "first": before["initial_value"]}
    yield requests.get("BASE/users").json()
    after = state.get("incremental", {}).get("at", {})
    yield {"at": 9, "start": after["start_value"], "last": after["last_value"]}
"""
IN_A_SOURCE = """
@dlt.source(name="shop")
def source():
    state = dlt.current.source_state()
    state["calls"] = state.get("calls", 0) + 1
    calls, named = state["calls"], dlt.current.resource_state("names").get("calls", 0)

    @dlt.resource
    def names():
        yield {"calls": calls, "named": named, "kept": dlt.current.source_state().get("calls", 0)}

    return names

made = source()
"""
STEPS = """
def counted(row):
    state = dlt.current.resource_state()
    state["n"] = state.get("n", 0) + 1
    return {**row, "n": state["n"], "by": dlt.current.resource_name()}

def new(row):
    known = dlt.current.source_state().setdefault("ids", [])
    if row["at"] in known:
        return False
    known.append(row["at"])
    return True

@dlt.resource
def days():
    yield [{"day": n} for n in range(3)]

@dlt.source(name="shop")
def source():
    yield from rest_api_resources({CLIENT, "resources": [
        {"name": "users", "processing_steps": [{"filter": new}, {"map": counted}]}]})
    yield days().add_map(counted)
""".replace("CLIENT", CLIENT)
ASKING = """
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers import requests

client = RESTClient("BASE", auth=BearerTokenAuth(dlt.secrets["key"]))
config = {CLIENT, "resources": ["users"]}

class Told:
    def __init__(self, by):
        self.by = by

    def __call__(self, row):
        return {**row, "told": self.by.get("tens", params={"id": row["id"]}).json()["said"]}

def several(row):
    for other in rest_api_resources(config)[0]:
        yield {**row, "other": other["id"], "secret": dlt.secrets["key"]}
    yield {**row, "other": requests.get("BASE/tens", params={"id": 7}).json()["tens"]}

@dlt.source(name="shop")
def source():
    users = rest_api_resources(config)[0]
    yield users.add_map(Told(client)).add_yield_map(several)
""".replace("CLIENT", CLIENT)

STATES: dict[str, Written] = {
    "looks at the states of other resources, and changes them": Written(
        text=OTHERS, api=users, source="source()", runs=3
    ),
    "finds its cursor in its state": Written(text=CURSOR, api=users, source="users()", runs=3),
    "asks for a state in the function of a source": Written(
        text=IN_A_SOURCE, api=users, source="made"
    ),
    "keeps states in processing steps": Written(text=STEPS, api=users, source="source()"),
    "asks an API, rows and values in processing steps": Written(
        text=ASKING, api=users, source="source()", secrets='key = "hush"\n'
    ),
}
