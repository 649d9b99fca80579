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

USUAL = {
    "an auth that asks itself whether it has its token": Written(
        text=LOGS_IN, api=desk, source="source()", runs=1
    ),
    "a function asks for the schema that the first run does not have": Written(
        text=NO_SCHEMA_YET, api=desk, source="source()"
    ),
}
