"""Many parents below a manifest: no deadlock, each page asked for once, a state that is bounded.

`PENSTOCK_PARTITIONS=12000 pytest tests/dialects/airbyte/test_many_partitions.py` plays more of them
than are followed one by one; by default there are 300.
"""

from __future__ import annotations

import json
import os
import tracemalloc
from collections import Counter
from typing import Any

import pytest
from tests.support.api import Api, Asked, Read, answer, read_all

from penstock.dialects import compile_document
from penstock.dialects.loading import read_text
from penstock.plan.page import HttpResponse
from penstock.plan.source import Source
from penstock.read.airbyte_state import exported, imported
from penstock.read.contiguous import MOST_PARTITIONS

COUNT = int(os.environ.get("PENSTOCK_PARTITIONS") or 300)
PAGE = 100
_BROKEN = "p7"


def _option(name: str) -> dict[str, str]:
    return {"type": "RequestOption", "inject_into": "request_parameter", "field_name": name}


def _stream(name: str, path: str, **parts: Any) -> dict[str, Any]:
    retriever = {
        "type": "SimpleRetriever",
        "requester": {
            "type": "HttpRequester",
            "url_base": "https://api.test",
            "path": path,
            "error_handler": {"type": "DefaultErrorHandler", "max_retries": 0},
        },
        "record_selector": {
            "type": "RecordSelector",
            "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
        },
        **parts.pop("retrieves", {}),
    }
    return {"type": "DeclarativeStream", "name": name, "retriever": retriever, **parts}


_PAGES = {
    "type": "DefaultPaginator",
    "page_token_option": _option("page"),
    "pagination_strategy": {"type": "PageIncrement", "page_size": PAGE},
}
_PARENTS = _stream("parents", "/parents", retrieves={"paginator": _PAGES})
_CURSOR = {
    "type": "DatetimeBasedCursor",
    "cursor_field": "at",
    "datetime_format": "%Y-%m-%d",
    "start_datetime": "2024-01-01",
    "end_datetime": "2024-01-10",
    "start_time_option": _option("since"),
}


def _plan(level: int, *, cursor: bool = True) -> Source:
    router = {
        "type": "SubstreamPartitionRouter",
        "parent_stream_configs": [
            {
                "type": "ParentStreamConfig",
                "stream": _PARENTS,
                "parent_key": "id",
                "partition_field": "pid",
            }
        ],
    }
    kids = _stream(
        "kids",
        "/p/{{ stream_partition.pid }}",
        retrieves={"partition_router": router},
        **({"incremental_sync": _CURSOR} if cursor else {}),
    )
    manifest = {
        "version": "7.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["kids"]},
        "streams": [_PARENTS, kids],
        "concurrency_level": {"type": "ConcurrencyLevel", "default_concurrency": level},
    }
    document = read_text(json.dumps(manifest), file="manifest.json", suffix=".json")
    return compile_document(document, {}).need()


def _handler(broken: str | None = None) -> Any:
    def answered(asked: Asked) -> HttpResponse | dict[str, Any]:
        if asked.path == "/parents":
            first = asked.number("page") * PAGE
            return {"data": [{"id": f"p{i}"} for i in range(first, min(first + PAGE, COUNT))]}
        pid = asked.path.rpartition("/")[2]
        if pid == broken:
            return answer({}, status=404)
        return {"data": [{"id": pid, "at": "2024-01-05"}]}

    return answered


def _read(source: Source, broken: str | None = None, **parts: Any) -> Read:
    return read_all(source, Api(_handler(broken), most=3 * COUNT + 50), **parts)


def _told(found: Read, source: Source) -> dict[str, Any]:
    stream = source.stream("kids")
    assert stream is not None
    told = exported(stream, found.state()["kids"])
    assert isinstance(told, dict)
    return told


@pytest.mark.parametrize("level", [1, 2, 40])
def test_every_page_is_asked_for_once(level: int):
    """With one worker, two, or many: parents once for both streams, and each child once."""
    found = _read(_plan(level))
    asked = Counter(a.path for a in found.api.requests if a.path != "/parents")
    assert asked == {f"/p/p{i}": 1 for i in range(COUNT)}
    pages = Counter(a.query.get("page", "0") for a in found.api.requests if a.path == "/parents")
    assert set(pages.values()) == {1}
    assert found.api.peak <= level
    assert len(found.rows("kids")) == len(found.rows("parents")) == COUNT
    assert not found.lost()


def test_the_state_is_bounded_and_goes_on():
    """Up to the most that are followed each has a cursor of its own; beyond, one stands for all."""
    source = _plan(2)
    told = _told(_read(source), source)
    if COUNT <= MOST_PARTITIONS:
        assert len(told["states"]) == COUNT
    assert len(told.get("states", ())) <= MOST_PARTITIONS + 1
    assert told["use_global_cursor"] is (COUNT > MOST_PARTITIONS)
    assert told["state"] == {"at": "2024-01-05"}
    given = [{"stream": {"stream_descriptor": {"name": "kids"}, "stream_state": told}}]
    again = _read(source, state=imported(source, given, {}))
    since = {a.query["since"] for a in again.api.requests if a.path != "/parents"}
    assert since <= {"2024-01-05", "2024-01-04"}  # a look back as long as the first run took


def test_a_partition_that_fails_holds_back_itself_alone():
    """The others' cursors go on, its own stays, and the state for all of them is not told yet."""
    source = _plan(2)
    found = _read(source, _BROKEN)
    assert [lost.stream for lost in found.lost()] == ["kids"]
    assert len(found.rows("kids")) == COUNT - 1
    told = _told(found, source)
    if COUNT <= MOST_PARTITIONS:
        cursors = {one["partition"]["pid"]: one["cursor"]["at"] for one in told["states"]}
        assert cursors.pop(_BROKEN, "2024-01-01") == "2024-01-01"
        assert cursors == {f"p{i}": "2024-01-05" for i in range(COUNT) if f"p{i}" != _BROKEN}
    assert "state" not in told or told["state"] != {"at": "2024-01-05"}


def test_memory_does_not_grow_with_partitions():
    """What a run holds beside the parts it gave is less than 3 kB for each partition."""
    source = _plan(2, cursor=False)
    tracemalloc.start()
    try:
        found = _read(source)
        found.parts.clear()
        found.events.clear()
        found.api.requests.clear()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 3_000 * COUNT + 3_000_000
