"""Modules that only functions of a run need, which nothing can see before: what to do is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.dialects import compile_document, load
from penstock.dialects.airbyte.standin.calling import Alone
from penstock.dialects.loading import Code
from penstock.errors import Error
from penstock.plan.expr import Frame, evaluate
from penstock.plan.page import HttpRequest
from penstock.plan.pagination import Led
from penstock.plan.source import Stream

SCRIPT = """
from dlt.sources.rest_api import rest_api_source
from dlt.sources.helpers.rest_client.paginators import BasePaginator

def to_day(value):
    import no_such_library.dates

class Pages(BasePaginator):
    def init_request(self, request):
        import no_such_library
    def update_state(self, response, data=None):
        pass
    def update_request(self, request):
        pass

def made():
    return {"client": {"base_url": "https://a.test", "paginator": Pages()}, "resources": [{
        "name": "a", "endpoint": {"incremental": {"cursor_path": "at", "start_param": "since",
            "convert": to_day, "initial_value": "2024-01-02T03:04:05Z"}}}]}
source = rest_api_source(made())
"""
HINT = "install it beside Penstock: pip install no_such_library"


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    path = tmp_path / "pipeline.py"
    path.write_text(SCRIPT, "utf-8")
    return compile_document(load(str(path), Code())).need().streams[0]


def test_a_function_of_a_cursor_that_needs_a_module_says_which_to_install(stream: Stream) -> None:
    """As `convert`, which is called when a request is made."""
    assert stream.cursor is not None
    frame = Frame(slice={"cursor": {"start": "2024-01-02T03:04:05Z", "end": None}})
    with pytest.raises(Error) as caught:
        evaluate(stream.cursor.params[0].value, frame)
    assert (caught.value.code, caught.value.hint) == ("expr", HINT)


def test_a_class_that_needs_a_module_says_which_to_install(stream: Stream) -> None:
    """As a paginator, whose methods are called page by page."""
    assert isinstance(stream.pagination, Led)
    request = HttpRequest(method="GET", url="https://a.test/a")
    with pytest.raises(Error) as caught:
        stream.pagination.lead.begin(Alone({}), request)
    assert (caught.value.code, caught.value.hint) == ("component-failed", HINT)
