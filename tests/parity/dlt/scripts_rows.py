"""Scripts that go through the rows of resources of a configuration: in a run, or before one."""

from __future__ import annotations

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask, Reply


def shop(ask: Ask) -> Reply:
    """Users in two pages, five days later in each round; their orders; a token."""
    if ask.path == "/token":
        return Reply(body={"access_token": f"t{ask.round}", "expires_in": 3600})
    if ask.path == "/sealed":
        said = ask.headers.get("authorization", "")
        return Reply(body=[{"id": said}]) if said else Reply(status=401)
    if ask.path.startswith("/users/"):
        return Reply(body=[{"id": f"{ask.path.split('/')[2]}-{n}"} for n in range(2)])
    page = ask.number("page", 1)
    days = [day for n in range(1, 5) if (day := f"{n + ask.round * 5:02}") >= ask.param("since")]
    kept = [
        {"id": f"u{day}", "at": day, "name": f"n{day}"} for day in days[page * 2 - 2 : page * 2]
    ]
    return Reply(body={"data": kept}, empty=not kept)


CONFIG = """
from dlt.sources.helpers import requests

CONFIG = {
    "client": {
        "base_url": "BASE",
        "paginator": {"type": "page_number", "base_page": 1, "total_path": None},
    },
    "resource_defaults": {"write_disposition": "append"},
    "resources": [
        {"name": "users", "endpoint": {"path": "users", "data_selector": "data", "params": PARAMS},
         "processing_steps": [{"filter": lambda row: row["at"] != "08"}]},
        {"name": "orders", "include_from_parent": ["name"], "endpoint": {
            "path": "users/{resources.users.id}/orders", "paginator": "single_page"}},
    ],
}
""".replace("PARAMS", "{}")
FOLLOWED = CONFIG.replace(
    '"params": {}',
    '"incremental": {"cursor_path": "at", "initial_value": "07", "start_param": "since"}',
)
NOT_LOADED = """
@dlt.resource
def names():
    for row in rest_api_resources(CONFIG)[0]:
        if "name" in row:
            yield {"name": row["name"], "user": row.get("id")}
"""
LOADED_TOO = """
@dlt.source(name="shop")
def source():
    made = rest_api_source(CONFIG)

    @dlt.resource
    def names():
        known = {row["id"]: row["name"] for row in made.resources["users"]}
        yield {"known": len(known)}
        for row in made.resources["orders"]:
            yield {**row, "name": known[row["id"][:3]]}

    return made.resources["users"], names
"""
WHOLE = """
made = rest_api_source(CONFIG)

@dlt.resource
def rows():
    yield from made
    for row in made.with_resources("orders"):
        yield {"order": row["id"]}
"""
ONE_TABLE = """
@dlt.resource(name="all", write_disposition="replace", columns={"more": {"data_type": "bigint"}})
def everything():
    yield from rest_api_source(CONFIG)

@dlt.resource(write_disposition="replace")
def people():
    yield from rest_api_resources(CONFIG)[0]

@dlt.source(name="shop")
def source():
    return everything, people
"""
BEFORE = """
ids = [row["id"] for row in rest_api_resources(CONFIG)[0]]
made = rest_api_source(CONFIG)
ids += [row["id"] for row in made.resources["orders"]]
ids += sorted(row["id"] for row in list(made.with_resources("users")))

@dlt.resource
def names():
    yield [{"id": id} for id in ids]
"""
IN_A_SOURCE = """
@dlt.source(name="shop")
def source():
    ids = [row["id"] for row in rest_api_resources(CONFIG)[0]]
    for id in ids:
        yield dlt.resource([{"id": id}], name=f"one_{id}")
    yield from rest_api_resources({
        "client": {"base_url": "BASE", "paginator": "single_page"},
        "resources": [{"name": f"of_{id}", "endpoint": f"users/{id}/orders"} for id in ids]})
"""
BELOW = """
users, orders = rest_api_resources(CONFIG)

@dlt.transformer(data_from=users)
def pairs(page):
    for row in page:
        for other in orders:
            yield {"pair": f"{row['id']}/{other['id']}"}
"""
OF_FUNCTIONS = """
@dlt.resource
def days(at=dlt.sources.incremental("at", initial_value=2)):
    yield [{"at": n, "since": at.start_value} for n in range(5)]

@dlt.transformer
def twice(rows):
    yield from ({"twice": row["at"] * 2} for row in rows)

@dlt.resource
def names():
    for row in days():
        yield {"day": row["at"], "since": row["since"]}
    for row in days() | twice:
        yield row
    for row in rest_api_resources(CONFIG)[0] | shout:
        yield row

@dlt.transformer
def shout(page):
    yield [{"name": row["name"].upper()} for row in page]
"""
TWICE = """
made = rest_api_source(CONFIG)

@dlt.resource
def names():
    for nth in range(2):
        for row in made.resources["users"]:
            yield {"id": row["id"], "nth": nth}
"""
CHANGED = """
users = rest_api_resources(CONFIG)[0]

def named(row):
    return {"user": row["id"], "name": row["name"].upper()}

@dlt.resource(write_disposition="merge", primary_key="user")
def names(user=dlt.sources.incremental("user", initial_value="u00")):
    for row in users.add_map(named):
        yield row
"""
SIGNED = """
from dlt.sources.helpers.rest_client.auth import OAuth2ClientCredentials

def sealed(auth):
    return rest_api_resources({
        "client": {"base_url": "BASE", "auth": auth, "paginator": "single_page"},
        "resources": ["sealed"]})[0]

@dlt.source(name="shop")
def source(key: str = dlt.secrets.value):
    first = sealed({"type": "bearer", "token": key})
    second = sealed(OAuth2ClientCredentials(
        access_token_url="BASE/token", client_id="me", client_secret=dlt.secrets["client_secret"]))

    @dlt.resource
    def rows():
        for row in first:
            yield {"who": "first", **row}
        for row in second:
            yield {"who": "second", **row}
        for row in sealed({"type": "bearer", "token": dlt.secrets["client_secret"]}):
            yield {"who": "third", **row}

    return rows
"""
SECRETS = 'client_secret = "hush"\n[sources.shop]\nkey = "open"\n'

ROWS: dict[str, Written] = {
    "goes through rows that are not loaded": Written(
        text=CONFIG + NOT_LOADED, api=shop, source="names()", law=True
    ),
    "goes through rows of a parent that is loaded too, and of a child": Written(
        text=CONFIG + LOADED_TOO, api=shop, source="source()", law=True
    ),
    "goes through the rows of a whole source": Written(
        text=CONFIG + WHOLE, api=shop, source="rows()", law=True
    ),
    "loads all rows of a source into one table": Written(
        text=CONFIG + ONE_TABLE, api=shop, source="source()", law=True
    ),
    "goes through rows of an API before a run": Written(
        text=CONFIG + BEFORE, api=shop, source="names()", law=True
    ),
    "goes through rows of an API in a function of a source": Written(
        text=CONFIG + IN_A_SOURCE, api=shop, source="source()", law=True
    ),
    "goes through rows of an API in a transformer": Written(
        text=CONFIG + BELOW, api=shop, source="pairs", law=True
    ),
    "goes through rows that functions and transformers make in a run": Written(
        text=CONFIG + OF_FUNCTIONS, api=shop, source="names()", law=True
    ),
    "goes through rows with a cursor, twice in a run": Written(
        text=FOLLOWED + TWICE, api=shop, source="names()", law=True, runs=3
    ),
    "goes through rows with a step that it adds itself": Written(
        text=CONFIG + CHANGED, api=shop, source="names", law=True
    ),
    "goes through rows with credentials": Written(
        text=SIGNED, api=shop, source="source()", secrets=SECRETS
    ),
}
