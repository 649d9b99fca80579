"""Scripts that say what scripts of others were found to say when they were played."""

from __future__ import annotations

import time
from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask


def days(ask: Ask) -> Any:
    """Three days of a report, from the one that is asked for on."""
    first = int(ask.param("from", "2024-01-01")[8:10])
    return [
        {"day": f"2024-01-{n:02d} 00:00:00", "spent": f"{n}.5"} for n in range(first, first + 3)
    ]


MOMENTS = """
from dlt.common import pendulum
from dlt.sources.helpers import requests

@dlt.resource
def report(at: dlt.sources.incremental[pendulum.DateTime] = dlt.sources.incremental(
        "day", primary_key=())):
    first = at.last_value.add(days=1).to_date_string() if at.last_value else "2024-01-01"
    for row in requests.get("BASE/report", params={"from": first}).json():
        yield {**row, "day": pendulum.parse(row["day"])}

@dlt.resource
def daily(at=dlt.sources.incremental("day")):
    first = at.last_value.isoformat() if at.last_value else "2024-01-01"
    for row in requests.get("BASE/daily", params={"from": first}).json():
        yield {**row, "day": pendulum.parse(row["day"]).date()}

@dlt.source(name="shop")
def source():
    return report, daily
"""

MIDNIGHTS = """
from dlt.sources.helpers import requests

@dlt.resource(primary_key="day", write_disposition="merge", columns={"day": {"data_type": "date"}})
def report():
    yield requests.get("BASE/report").json()
    yield {"day": "2024-02-01", "spent": "7"}
    yield {"day": "2024-02-02T00:00:00Z", "spent": "8"}
"""

TOKENS = """
from requests.auth import AuthBase
from dlt.sources.helpers import requests
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import SinglePagePaginator

class Renewed(AuthBase):
    def __init__(self, refresh):
        self.refresh, self.token = refresh, None

    def __call__(self, request):
        if self.token is None:
            form = {"grant_type": "refresh_token", "refresh_token": self.refresh}
            self.token = requests.post("BASE/token", data=form).json()["access_token"]
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request

@dlt.source(name="shop")
def source():
    client = RESTClient("BASE", auth=Renewed("first"))

    def made(name):
        @dlt.resource(name=name, write_disposition="replace")
        def rows():
            for page in client.paginate(name, paginator=SinglePagePaginator()):
                yield page
        return rows

    return [made(name) for name in ("users", "teams", "roles", "orders")]
"""

COLUMNS = """
@dlt.resource(columns={"n": {"data_type": "text"}, "m": {"data_type": "double"}})
def made():
    yield {"id": 1, "n": "x"}

@dlt.resource(columns=[{"name": "n", "data_type": "text"}])
def bare():
    yield {"id": 1}

@dlt.source(name="shop")
def source():
    users, teams = rest_api_resources({
        "client": {"base_url": "BASE", "paginator": "single_page"},
        "resource_defaults": {"columns": {"size": {"data_type": "bigint"}}},
        "resources": [
            {"name": "users", "columns": {"height": {"data_type": "double"},
                                          "at": {"data_type": "text"}}},
            {"name": "teams", "columns": [{"name": "height", "data_type": "double"}]},
        ]})
    users.apply_hints(columns={"at": {"data_type": "timestamp"}, "weight": {"data_type": "double"}})
    users.apply_hints(columns=[{"name": "late", "data_type": "date"}])
    teams.apply_hints(columns={})
    made.apply_hints(columns={"m": {"data_type": "bigint"}, "k": {"data_type": "bool"}})
    bare.apply_hints(columns=[])
    return users, teams, made, bare
"""

BODIES = """
from dlt.sources.helpers.rest_client.paginators import BasePaginator

class Counted(BasePaginator):
    def __init__(self):
        super().__init__()
        self.page = 0

    def init_request(self, request):
        self.query = request.data
        self.update_request(request)

    def update_state(self, response, data=None):
        self.page += 1
        self._has_next_page = self.page < 2

    def update_request(self, request):
        if isinstance(self.query, str):
            request.data = f"{self.query} page {self.page};"
        else:
            request.data = {**self.query, "page": self.page}

source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": Counted()},
    "resource_defaults": {"write_disposition": "replace", "endpoint": {"method": "POST"}},
    "resources": [
        {"name": "games", "endpoint": {"path": "games", "data": "fields *; where a = 'é';"}},
        {"name": "users", "endpoint": {"path": "users", "data": {"q": "x y", "n": "1"}}},
    ]}, name="shop")
"""


# A row that is yielded alone goes on as what a function makes of it; one of a page stays one.
ALONE = """
ROWS = [{"id": 1, "parts": ["a", "b"]}, {"id": 2, "parts": ["c"]}, {"id": 3, "parts": []}]

def one_by_one(name):
    return dlt.resource(ROWS, name=name)

@dlt.resource
def paged():
    yield ROWS

def parts(row):
    return [{"id": row["id"], "part": part} for part in row["parts"]]

def each_part(row):
    yield from parts(row)

def some(row):
    return row if row["id"] > 1 else None

@dlt.source(name="shop")
def source():
    users = rest_api_resources({
        "client": {"base_url": "BASE", "paginator": "single_page"},
        "resources": [{"name": "users", "processing_steps": [{"map": lambda row: [row, row]}]}]})
    return [
        *users,
        one_by_one("listed").add_map(parts),
        one_by_one("then_changed").add_map(parts).add_map(lambda row: {**row, "new": 1}),
        one_by_one("then_chosen").add_map(parts).add_filter(lambda row: row["part"] != "a"),
        one_by_one("left_out").add_map(some).add_map(lambda row: {**row, "new": 1}),
        one_by_one("pages_of").add_yield_map(lambda row: iter([parts(row), None])),
        one_by_one("piped") | parts,
        one_by_one("yielded") | each_part,
        paged().with_name("paged_lists").add_map(parts),
        paged().with_name("paged_nulls").add_map(some),
        paged().with_name("paged_pages").add_yield_map(lambda row: iter([parts(row)])),
    ]
"""

CALLED = """
@dlt.resource(name=lambda args: f"of_{args['kind']}", write_disposition="replace")
def listed(kind, most=2):
    yield [{"kind": kind, "n": n} for n in range(most)]

@dlt.transformer(name=lambda args: f"{args['word']}_rows")
def said(row, word):
    yield [{**one, "word": word} for one in row]

@dlt.source(name="shop")
def source():
    fed = listed("tiny") | said("a"), listed("x") | said("b")
    return listed("big"), listed("small", most=1), *fed
"""


# Where functions say themselves where their values stand, and values that are declared as optional.
SECTIONS = """
from typing import Dict, List, Optional
from dlt.common.configuration import with_config

@with_config(sections=("jobs", "nightly"))
def nightly(url: str = dlt.config.value, most: int = 3, dry: bool = dlt.config.value):
    return {"url": url, "most": most + 1, "dry": dry}

@with_config(sections="jobs")
def any_time(url: str = dlt.config.value):
    return {"url": url}

@with_config
def plain(url: str = dlt.config.value):
    return {"url": url}

@dlt.resource
def inside(names: Optional[List[str]] = dlt.config.value, sizes: Dict[str, int] = dlt.config.value,
           days: Optional[int] = None, dry: Optional[bool] = None):
    yield [{**nightly(), "names": "+".join(names), "sizes": sizes, "days": days * 2, "dry": dry}]

source = [inside, dlt.resource([nightly(), any_time(), plain()], name="outside")]
"""


# Each answer tells of a hundred pages, and no more are asked for than are wanted.
LIMITED = """
PAGES = {"type": "page_number", "base_page": 1, "total_path": "pages"}
OFFSETS = {"type": "offset", "limit": 3, "total_path": "total"}
UNTOLD = {"type": "page_number", "base_page": 1, "total_path": None}

def limited(name, paginator, most, **more):
    endpoint = {"path": name, "data_selector": "items", "paginator": paginator}
    return rest_api_source({"client": {"base_url": "BASE"}, "resources": [
        {"name": name, "endpoint": endpoint}]}, name=name).add_limit(most, **more)

source = [limited("one", PAGES, 1), limited("first", UNTOLD, 1), limited("twelve", OFFSETS, 12),
          limited("untold", UNTOLD, 14), limited("rows", PAGES, 7, count_rows=True)]
"""


def hundred(ask: Ask) -> Any:
    """One of a hundred pages of three."""
    start = ask.number("offset") or 3 * (ask.number("page", 1) - 1)
    return {"items": [{"id": n} for n in range(start, start + 3)], "pages": 100, "total": 300}


# Lists and dicts in a frame are values of their columns.
FRAMES = """
import pyarrow as pa

TABLE = pa.table({"id": [1, 2], "parts": [["a"], None], "size": [{"w": 1}, {"w": 2}],
                  "Full Name": ["x", None]})

@dlt.resource
def tables():
    yield TABLE
    yield TABLE.slice(1)

@dlt.resource(columns={"parts": {"data_type": "json"}})
def rows():
    yield from TABLE.to_pylist()

source = [tables, rows]
"""


def tokens(ask: Ask) -> Any:
    """A token, which takes a moment to be had, and what it is asked with."""
    if ask.path == "/token":
        time.sleep(0.2)
        return {"access_token": "t1"}
    said = ask.body.decode()
    return [{"id": 1, "by": ask.headers.get("authorization", ""), "said": said}]


PLAYED: dict[str, Written] = {
    "moments without a first value": Written(text=MOMENTS, api=days, source="source()", runs=3),
    "columns over others": Written(text=COLUMNS, api=tokens, source="source()"),
    "a paginator that writes into a text": Written(text=BODIES, api=tokens, source="source"),
    "an auth that functions share": Written(text=TOKENS, api=tokens, source="source()"),
    "rows that go alone through steps": Written(text=ALONE, api=tokens, source="source()"),
    "values in sections that functions name": Written(
        text=SECTIONS,
        api=tokens,
        source="source",
        environ={
            "JOBS__NIGHTLY__URL": "http://nightly",
            "NAMES": '["a", "b"]',
            "SIZES": '{"s": 1}',
            "DAYS": "4",
            "DRY": "false",
        },
        secrets="url = 'http://plain'\n[jobs]\nurl = 'http://jobs'\n[jobs.nightly]\ndry = true\n",
    ),
    "frames with lists and dicts": Written(text=FRAMES, api=tokens, source="source"),
    "pages up to a limit": Written(text=LIMITED, api=hundred, source="source", runs=1),
    "names that a function makes": Written(text=CALLED, api=tokens, source="source()"),
    "dates that name their midnight": Written(text=MIDNIGHTS, api=days, source="report()"),
}
