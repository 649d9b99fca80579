"""Scripts whose functions see what others put somewhere in the same run: in the order of dlt."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask


def pages(ask: Ask) -> Any:
    """Three pages of two, whatever is asked for."""
    name = ask.path.rstrip("/").split("/")[-1]
    page = ask.number("page", 1)
    found = [{"id": 10 * page + n, "of": name} for n in range(2)]
    return {"data": found, "next": f"{ask.base}/{name}?page={page + 1}" if page < 3 else None}


# Each row says how many steps were made before it, by all functions together.
COUNTED = """
LOG = []

def counted(name, count):
    @dlt.resource(name=name, write_disposition="replace")
    def rows():
        for nth in range(count):
            LOG.append(name)
            yield {"nth": nth, "before": "".join(LOG)}
        LOG.append(name.upper())
    return rows

a, b, c = counted("a", 2), counted("b", 4), counted("c", 1)
"""

STATE = """
@dlt.resource(write_disposition="replace")
def fields():
    known = dlt.current.source_state().setdefault("fields", {})
    for name in ("users", "orders"):
        for page in (1, 2):
            known[f"{name}{page}"] = len(known)
            yield {"name": name, "page": page, "known": len(known)}

@dlt.resource(write_disposition="replace")
def users():
    yield from ({"id": n, "known": ",".join(dlt.current.source_state().get("fields", {}))}
                for n in range(6))

def named():
    return sorted(dlt.current.source_state().get("fields", {}))

@dlt.resource(write_disposition="replace")
def orders():
    for n in range(3):
        yield [{"id": n, "known": ",".join(named())}] * 2

@dlt.source(name="shop")
def source():
    return users, fields, orders
"""

ENCLOSED = """
@dlt.source(name="shop")
def source():
    ids, last, seen = [], None, {}

    @dlt.resource(write_disposition="replace")
    def users():
        nonlocal last
        for page in (1, 2, 3):
            found = [{"id": 10 * page + n} for n in range(2)]
            ids.extend(row["id"] for row in found)
            last = found[-1]["id"]
            note(seen, page)
            yield found

    def note(where, page):
        where[page] = True

    @dlt.resource(write_disposition="replace")
    def orders():
        for n in range(5):
            yield {"n": n, "ids": ",".join(map(str, ids)), "last": last, "seen": len(seen)}

    return users, orders
"""

METHODS = """
class Shop:
    def __init__(self):
        self.ids = []
        self.page = 0

    def keep(self, row):
        self.ids.append(row["id"])
        return row

    @property
    def known(self):
        return len(self.ids)

shop = Shop()

@dlt.resource(write_disposition="replace")
def users():
    for n in range(4):
        yield shop.keep({"id": n})

@dlt.resource(write_disposition="replace")
def orders():
    for n in range(6):
        yield {"id": n, "known": shop.known}
        shop.page += 1

@dlt.resource(write_disposition="replace")
def items():
    for n in range(3):
        yield {"id": n, "known": shop.known, "page": shop.page}
"""

RETURNED = """
LOG = []

@dlt.resource(write_disposition="replace")
def users():
    for n in range(2):
        LOG.append(f"u{n}")
        yield {"n": n, "log": " ".join(LOG)}

@dlt.resource(write_disposition="replace")
def teams():
    LOG.append("t")
    return [{"log": " ".join(LOG)}, {"log": "second"}]

@dlt.resource(write_disposition="replace")
def roles(of="x"):
    LOG.append("r")

    def more():
        for n in range(3):
            LOG.append(f"r{n}")
            yield {"log": " ".join(LOG)}

    return more()
"""

BELOW = """
LOG = []

@dlt.resource(write_disposition="replace", SELECTED)
def users():
    for n in range(3):
        LOG.append(f"u{n}")
        yield {"user": n, "log": " ".join(LOG)}

@dlt.transformer(write_disposition="replace")
def teams(row):
    for n in range(2):
        LOG.append(f"t{row['user']}{n}")
        yield {"user": row["user"], "log": " ".join(LOG)}

@dlt.transformer(write_disposition="replace")
def roles(row):
    LOG.append(f"r{row['user']}")
    return [{"user": row["user"], "log": " ".join(LOG)}]

@dlt.resource(write_disposition="replace")
def orders():
    for n in range(9):
        LOG.append(f"o{n}")
        yield {"n": n, "log": " ".join(LOG)}
"""

REST = """
SEEN = []

def keep(row):
    SEEN.append(row["id"])
    return row

@dlt.source(name="shop")
def source():
    listed = rest_api_resources({
        "client": {"base_url": "BASE", "paginator": {"type": "json_link", "next_url_path": "next"}},
        "resource_defaults": {"write_disposition": "replace"},
        "resources": [
            {"name": "users", "endpoint": {"path": "users", "data_selector": "data"},
             "processing_steps": [{"map": keep}]},
            {"name": "teams", "endpoint": {"path": "teams", "data_selector": "data"}},
        ],
    })

    @dlt.resource(write_disposition="replace")
    def orders():
        for n in range(6):
            yield {"n": n, "seen": len(SEEN)}

    return *listed, orders
"""

REST_BELOW = """
@dlt.source(name="shop")
def source():
    (users,) = rest_api_resources({
        "client": {"base_url": "BASE", "paginator": {"type": "json_link", "next_url_path": "next"}},
        "resource_defaults": {"write_disposition": "replace"},
        "resources": [
            {"name": "users", "endpoint": {"path": "users", "data_selector": "data"}},
        ],
    })

    @dlt.transformer(data_from=users, write_disposition="replace")
    def details(found):
        known = dlt.current.resource_state().setdefault("known", [])
        for row in found:
            known.append(row["id"])
            yield {"id": row["id"], "known": ",".join(map(str, known))}

    return users, details
"""

RUNS = """
IDS = []

@dlt.resource(write_disposition="replace")
def users():
    for n in range(4):
        IDS.append(n)
        yield {"n": n}

@dlt.resource(write_disposition="replace")
def orders():
    for n in IDS:
        yield {"n": n, "of": len(IDS)}

pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
pipeline.run(users())
pipeline.run(orders())
"""

ACCOUNTS = """
COUNTS = {}

def source(account):
    @dlt.resource(write_disposition="append")
    def rows():
        for n in range(3):
            COUNTS[account] = COUNTS.get(account, 0) + 1
            yield {"account": account, "counts": str(COUNTS)}

    @dlt.resource(write_disposition="append")
    def totals():
        yield {"account": account, "counts": str(COUNTS)}

    return dlt.source(lambda: (rows, totals), name="shop")()

pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
pipeline.run([source("first"), source("second"), source("third")])
"""
# Generators that one function yields, by turns; where many are open, the newest goes on alone.
GENERATORS = """
LOG = []

def made(name, count):
    for nth in range(count):
        LOG.append(name)
        yield {"name": name, "nth": nth, "before": "".join(LOG)}

def several(name):
    yield made(name + "1", 2)
    LOG.append(name)
    yield made(name + "2", 2)

@dlt.resource(write_disposition="replace")
def rows():
    yield several("a")
    LOG.append("!")
    yield made("b", 2)
    yield {"name": "own", "before": "".join(LOG)}
    yield dlt.mark.with_table_name(made("c", 3), "others")
    yield [{"name": "list", "before": "".join(LOG)}]
    for nth in range(23):
        yield made(chr(100 + nth), nth % 3 * 10)
    LOG.append("?")
"""

ORDER: dict[str, Written] = {
    "functions in turn": Written(text=COUNTED, api=pages, source="[a, b, c]"),
    "functions in another turn": Written(text=COUNTED, api=pages, source="[c, b, a]"),
    "a state that others fill": Written(text=STATE, api=pages, source="source()", runs=3),
    "a list that others fill": Written(text=ENCLOSED, api=pages, source="source()"),
    "an object that others change": Written(
        text=METHODS, api=pages, source="[orders, users, items]"
    ),
    "functions that return": Written(text=RETURNED, api=pages, source="[users, teams, roles()]"),
    "functions below in turn": Written(
        text=BELOW.replace("SELECTED", "selected=True"),
        api=pages,
        source="[users, users | teams, orders]",
    ),
    "functions below one that is only read": Written(
        text=BELOW.replace("SELECTED", "selected=False"),
        api=pages,
        source="[orders, users | teams]",
    ),
    "several functions below in turn": Written(
        text=BELOW.replace("SELECTED", "selected=True"),
        api=pages,
        source="[users, users | teams, users | roles, orders]",
    ),
    "a step that fills a list": Written(text=REST, api=pages, source="source()"),
    "a state below pages": Written(text=REST_BELOW, api=pages, source="source()"),
    "runs one after the other": Written(text=RUNS, api=pages),
    "sources one after the other": Written(text=ACCOUNTS, api=pages),
    "generators of one function in turn": Written(text=GENERATORS, api=pages, source="rows"),
}
