"""What Penstock adds to the dlt dialect, the other dialect says in its own words: one plan."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest
from tests.parity.dlt.harness import run_penstock
from tests.parity.dlt.server import Ask, Reply, Stage

from penstock.dialects import compile_document
from penstock.dialects.document import Document
from penstock.plan.expr import Ref, Scope
from penstock.plan.policy import ErrorPolicy, ExponentialBackoff
from penstock.plan.source import RateLimit

HOST = "https://api.test"


def dlt(endpoint: Any = None, client: Any = None, resources: Any = ()) -> Any:
    """The plan of a configuration."""
    config = {
        "client": {"base_url": HOST, **(client or {})},
        "resources": [*resources, {"name": "a", "endpoint": {"path": "a", **(endpoint or {})}}],
    }
    found = compile_document(Document.from_object(config, "s"))
    assert found.diagnostics == ()
    return found.need()


def stream(name: str, requester: Any = None, **retriever: Any) -> Any:
    """A stream of a manifest."""
    where = {"type": "HttpRequester", "url_base": HOST, "path": name, **(requester or {})}
    extractor = {"type": "DpathExtractor", "field_path": []}
    return {
        "type": "DeclarativeStream",
        "name": name,
        "retriever": {
            "type": "SimpleRetriever",
            "requester": where,
            "record_selector": {"type": "RecordSelector", "extractor": extractor},
            **retriever,
        },
    }


def airbyte(*streams: Any) -> Any:
    """The plan of a manifest."""
    config = {
        "version": "7.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["a"]},
        "streams": list(streams),
    }
    return compile_document(Document.from_object(config, "s")).need()


def of(source: Any, name: str = "a") -> Any:
    """A stream of a plan."""
    found = source.stream(name)
    assert found is not None
    return found


DECODERS = {
    "jsonl": ("jsonl", {"type": "JsonlDecoder"}),
    "csv": ("csv", {"type": "CsvDecoder"}),
    "csv with its own marks": (
        {"type": "csv", "delimiter": ";", "encoding": "latin-1", "nulls": ["NA"]},
        {"type": "CsvDecoder", "delimiter": ";", "encoding": "latin-1",
         "set_values_to_none": ["NA"]},
    ),
    "packed csv": (
        {"type": "csv", "gzip": True},
        {"type": "GzipDecoder", "decoder": {"type": "CsvDecoder"}},
    ),
    "zipped jsonl": (
        {"type": "jsonl", "zip": True},
        {"type": "ZipfileDecoder", "decoder": {"type": "JsonlDecoder"}},
    ),
    "packed json": ({"gzip": True}, {"type": "GzipDecoder", "decoder": {"type": "JsonDecoder"}}),
    "xml": ("xml", {"type": "XmlDecoder"}),
    "lines": ("lines", {"type": "IterableDecoder"}),
    "items of one body": (
        {"items": "data.rows"},
        {"type": "JsonItemsDecoder", "items_path": "data.rows"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DECODERS)
def test_decoders_are_one_plan(case: str):
    """Each format and packing of a body; one that is no JSON is records as it stands."""
    ours, theirs = DECODERS[case]
    one, other = of(dlt({"decoder": ours})), of(airbyte(stream("a", decoder=theirs)))
    assert one.decoder == other.decoder
    if one.decoder.format != "json":
        assert (one.records.path, one.pagination) == (other.records.path, other.pagination)


LIST = {"type": "ListPartitionRouter", "cursor_field": "region", "values": ["eu", "us"]}
QUERY = {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "region"}
HELD = {"type": "list", "values": ["eu", "us"]}


def test_lists_are_one_plan():
    """A param with a list is a partition for each value, in the query or in the path."""
    sent = of(dlt({"params": {"region": HELD}}))
    theirs = stream("a", partition_router=[{**LIST, "request_option": QUERY}])
    assert (sent.partition, sent.request.params) == (of(airbyte(theirs)).partition, ())
    placed = of(dlt({"path": "{region}/a", "params": {"region": HELD}}))
    assert placed.partition == of(airbyte(stream("a", partition_router=[LIST]))).partition


def test_a_list_may_come_from_the_user():
    """The values of a list may be one value of the user's, also one that is JSON as a text."""
    held = {"type": "list", "values": 'dlt.config["regions"]'}
    ours = of(dlt({"params": {"region": held}})).partition
    assert ours.values == Ref(at=Scope.SOURCE, path=("regions",), read=True)


def substream(parent: str, field: str) -> Any:
    """A router by the records of a stream."""
    config = {"type": "ParentStreamConfig", "stream": stream(parent), "parent_key": "id",
              "partition_field": field}  # fmt: skip
    return {"type": "SubstreamPartitionRouter", "parent_stream_configs": [config]}


def test_several_parents_are_one_plan():
    """Several parents, and a list beside them, are every combination, in their order."""
    params = {
        "user": {"type": "resolve", "resource": "users", "field": "id"},
        "team": {"type": "resolve", "resource": "teams", "field": "id"},
        "region": HELD,
    }
    ours = of(dlt({"path": "{user}/{team}/a", "params": params}, resources=["users", "teams"]))
    last = {**LIST, "request_option": QUERY}
    routers = [substream("users", "user"), substream("teams", "team"), last]
    theirs = of(airbyte(stream("users"), stream("teams"), stream("a", partition_router=routers)))
    said = [_said(member) for member in ours.partition.members]
    assert said == [_said(member) for member in theirs.partition.members]
    assert len(said) == 3


def _said(member: Any) -> Any:
    """What both must agree in: what a parent without the field means is each dialect's own."""
    if not hasattr(member, "stream"):
        return member
    return member.stream, [(field.name, field.path) for field in member.fields]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_methods_are_one_plan(method: str):
    """Every method is one of both dialects."""
    theirs = airbyte(stream("a", {"http_method": method}))
    assert of(dlt({"method": method})).request == of(theirs).request


def test_windows_are_one_plan():
    """A step cuts the range into the same windows, carried by the same params."""
    step = {
        "cursor_path": "at", "initial_value": "2024-01-01", "start_param": "since",
        "end_param": "until", "format": "%Y-%m-%d", "step": {"days": 31},
    }  # fmt: skip
    cursor = {
        "type": "DatetimeBasedCursor", "cursor_field": "at", "start_datetime": "2024-01-01",
        "datetime_format": "%Y-%m-%d", "step": "P31D", "cursor_granularity": "P1D",
        "start_time_option": {**QUERY, "field_name": "since"},
        "end_time_option": {**QUERY, "field_name": "until"},
    }  # fmt: skip
    ours = of(dlt({"incremental": step})).cursor
    theirs = of(airbyte({**stream("a"), "incremental_sync": cursor})).cursor
    assert ours.window.step == theirs.window.step
    assert [p.slot for p in ours.params] == [p.slot for p in theirs.params]
    assert (ours.path, ours.format) == (theirs.path, theirs.format)


def test_limits_are_of_the_whole_source():
    """Requests at once, their rates and how long to wait are said once, for all streams."""
    client = {"concurrency": 4, "rate_limit": {"calls": 9, "seconds": 2}, "timeout": 7}
    found = dlt(client=client)
    assert (found.limits.concurrency, found.limits.rates) == (4, (RateLimit(calls=9, seconds=2.0),))
    request = of(found).request
    assert (request.connect_timeout, request.read_timeout) == (7.0, 7.0)


def test_retries_are_one_plan():
    """Retries and their waits are those of a default error handler."""
    client = {"retry": {"max_retries": 5, "backoff_factor": 3, "statuses": [503]}}
    policy = of(dlt(client=client)).policy
    backoff = (ExponentialBackoff(factor=3.0),)
    assert policy == ErrorPolicy(retries=5, backoff=backoff, retry_statuses=(503,))
    strategy = {"type": "ExponentialBackoffStrategy", "factor": 3}
    handler = {"type": "DefaultErrorHandler", "max_retries": 5, "backoff_strategies": [strategy]}
    theirs = of(airbyte(stream("a", {"error_handler": handler}))).policy
    assert policy.retries == theirs.retries


def api(ask: Ask) -> Any:
    """Users, teams, and a packed CSV for each combination and region."""
    if ask.path in {"/users", "/teams"}:
        return [{"id": n} for n in (1, 2)]
    _, user, team, _ = ask.path.split("/")
    text = f"user,team,region\n{user},{team},{ask.param('region')}\n"
    return Reply(body=gzip.compress(text.encode()))


def test_combinations_of_packed_csv_are_loaded(tmp_path: Path):
    """Two parents, a list and a decoder together: each combination is asked for once."""
    params = {
        "user": {"type": "resolve", "resource": "users", "field": "id"},
        "team": {"type": "resolve", "resource": "teams", "field": "id"},
        "region": HELD,
    }
    with Stage().open() as stage:
        stage.play(api, 1)
        endpoint = {"path": "{user}/{team}/x", "params": params,
                    "decoder": {"type": "csv", "gzip": True}}  # fmt: skip
        lists = [{"name": n, "endpoint": {"path": n, "paginator": "single_page"}}
                 for n in ("users", "teams")]  # fmt: skip
        config = {"client": {"base_url": stage.base},
                  "resources": [*lists, {"name": "members", "endpoint": endpoint}]}  # fmt: skip
        tables, error, _ = run_penstock(config, tmp_path)
        asked = [heard.ask.target for heard in stage.heard]
    assert error == ""
    rows = {(r["user"], r["team"], r["region"]) for r in tables["members"]["rows"]}
    assert rows == {(u, t, r) for u in "12" for t in "12" for r in ("eu", "us")}
    assert len(asked) == len(set(asked)) == 2 + 8
