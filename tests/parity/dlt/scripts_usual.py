"""Scripts with turns of Python that many are written with, and that a stand-in easily has not."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask


def desk(ask: Ask) -> Any:
    """A token that is asked for once, and tickets in two pages for whoever has it."""
    if ask.path == "/token":
        return {"token": "t-1"}
    assert ask.headers.get("authorization") == "Desk t-1", ask.headers
    page = ask.number("page", 1)
    return {"tickets": [{"id": page * 10 + n} for n in range(2)], "pages": 2}


LOGS_IN = """
from dlt.common.configuration import configspec
from dlt.sources.helpers import requests
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import AuthConfigBase
from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator

@configspec
class DeskAuth(AuthConfigBase):
    user: str = None

    def __call__(self, request):
        if not hasattr(self, "token"):
            self.token = requests.post("BASE/token", {"user": self.user}).json()["token"]
        request.headers["Authorization"] = f"Desk {getattr(self, 'token', None)}"
        return request

@dlt.source(name="shop")
def source():
    pages = PageNumberPaginator(base_page=1, total_path="pages")
    client = RESTClient("BASE", auth=DeskAuth(user="me"), paginator=pages)
    yield dlt.resource(client.paginate("tickets"), name="tickets", primary_key="id")
"""
NO_SCHEMA_YET = """
@dlt.resource(name="told")
def told():
    pipeline = dlt.current.pipeline()
    known = pipeline.default_schema_name
    held = sorted(pipeline.default_schema.tables) if known is not None else []
    yield {"known": known, "seen": "told" in held}

@dlt.source(name="shop")
def source():
    return told
"""
COPIED = """
import sys
sys.path.insert(0, os.path.dirname(__file__))
from rest_api import RESTAPIConfig, rest_api_resources
from rest_api.typing import EndpointResource

@dlt.resource
def late():
    from rest_api import rest_api_source
    yield from rest_api_source(config("more")).resources["more"]

def config(name: str) -> RESTAPIConfig:
    one: EndpointResource = {"name": name, "endpoint": {"path": "x", "data_selector": "rows"}}
    return {"client": {"base_url": "BASE"}, "resources": [one]}

@dlt.source(name="shop")
def source():
    yield from rest_api_resources(config("rows"))
    yield late
"""
# What `dlt init` copied was made of dlt's inner parts.
COPY = {
    "rest_api/__init__.py": """
from dlt.common.validation import validate_dict
from dlt.sources.rest_api import rest_api_resources, rest_api_source
from .typing import RESTAPIConfig
""",
    "rest_api/config_setup.py": "from dlt.sources.helpers.rest_client import detector\n",
    "rest_api/typing.py": "from dlt.sources.rest_api.typing import *\n",
}
TYPES = """
from dlt.common.configuration.specs.gcp_credentials import GcpServiceAccountCredentials
from dlt.common.destination.reference import Destination
from dlt.destinations.impl.duckdb.factory import duckdb
from dlt.pipeline.trace import PipelineTrace
from dlt.sources.config import configspec, with_config
from dlt.sources.rest_api import HTTPMethodBasic, create_response_hooks
from dlt.sources.rest_api.config_setup import make_parent_key_name

def told(trace: PipelineTrace, method: HTTPMethodBasic = "GET") -> Destination: ...

@with_config
def named(named: str = "n"):
    return make_parent_key_name("rows", named)

@dlt.resource
def rows():
    yield {"id": 1, named(): 2}
"""
FRAMES = """
import datetime
from decimal import Decimal
import pandas as pd
import pyarrow as pa

def frame(first):
    at = pd.to_datetime(["2024-01-01T10:00:00Z", None, "2024-01-03T10:00:00Z"])
    return pd.DataFrame({"id": [first, first + 1, first + 2], "at": at, "size": [1.5, None, 2.0],
                         "name": ["a", None, "c"], "small": [True, False, True]})

def table(first):
    return pa.table({
        "id": [first, first + 1], "on": pa.array([datetime.date(2024, 1, 2), None]),
        "price": pa.array([Decimal("1.50"), None], pa.decimal128(38, 9)),
        "raw": pa.array([b"ab", None]), "tags": [["x"], ["y", "z"]],
        "at": pa.array([datetime.datetime(2024, 1, 1), None], pa.timestamp("us", "UTC")),
    })

@dlt.resource
def frames():
    yield frame(1)
    yield frame(11)

def double(made):
    made = made.copy()
    made["twice"] = made["size"] * 2
    return made

@dlt.resource
def tables():
    yield table(1)
    yield table(21)

@dlt.resource
def listed():
    yield [table(31), table(41)]

@dlt.transformer
def counted(made):
    yield {"rows": len(made), "columns": ",".join(map(str, made.columns)),
           "years": int(made["at"].dt.year.max())}

@dlt.transformer
def again(made):
    return made.append_column("n", pa.array(range(made.num_rows)))

def rows_of(made):
    yield from made.to_pylist()

@dlt.source(name="shop")
def source():
    yield frames().add_map(double).add_filter(lambda made: made["id"].max() > 5)
    yield (frames | counted).with_name("counted")
    yield frames().with_name("newer").apply_hints(
        incremental=dlt.sources.incremental("at", on_cursor_value_missing="exclude"))
    yield tables | again
    yield listed
    yield tables().with_name("first").add_map(lambda made: made.slice(0, 1))
    yield tables().with_name("singly").add_yield_map(rows_of)
"""

FORMS = """
from dlt.sources.helpers import requests
from dlt.sources.helpers.rest_client import RESTClient

DATA = {"a": {"x": 1, "y": 2}, "l": [1, None, 2], "n": None, "t": True, "m": [{"k": 1}], "s": "é"}

@dlt.resource
def posted():
    yield requests.post("BASE/forms", data=DATA).json()
    yield RESTClient("BASE").post("forms", data=DATA).json()

@dlt.source(name="shop")
def source():
    return posted, *rest_api_resources({
        "client": {"base_url": "BASE", "paginator": "single_page"},
        "resources": [{"name": "forms", "endpoint": {
            "path": "forms", "method": "POST", "data": DATA}}]})
"""
USUAL = {
    "forms with objects and lists in them": Written(
        text=FORMS, api=lambda ask: [{"body": ask.body.decode()}], source="source()"
    ),
    "frames in place of rows, with steps and transformers behind": Written(
        text=FRAMES, api=desk, source="source()"
    ),
    "what dlt init has copied beside the script": Written(
        text=COPIED,
        api=lambda _ask: {"rows": [{"id": 1}, {"id": 2}]},
        source="source()",
        files=COPY,
    ),
    "names that are imported for types": Written(text=TYPES, api=desk, source="rows()"),
    "an auth that asks itself whether it has its token": Written(
        text=LOGS_IN, api=desk, source="source()", runs=1
    ),
    "a function asks for the schema that the first run does not have": Written(
        text=NO_SCHEMA_YET, api=desk, source="source()"
    ),
}
