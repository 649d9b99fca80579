"""One API, described in both dialects, is one plan: the same requests and the same rows.

What stays apart is what the dialects themselves mean differently, and stands here with its reason:
a dialect's errors are retried as its own engine does (`policy`), each has its own rules for tables
(`hints`), for records that are not where the document says (`records.absent`), for values that end
up in a path (quoted or as they are), and for the end of a run's range (`cursor`).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

import penstock.connectors
from penstock.dialects import compile_document, load
from penstock.dialects.document import Document
from penstock.emulator import EmulatorServer, Settings
from penstock.engine import read_stream
from penstock.plan.source import Source, Stream

MANIFESTS = Path(penstock.connectors.__file__).parent / "manifests"
NAMES = ("dixa", "messaging")

DLT = {
    "client": {
        "base_url": "https://api.test",
        "auth": {"type": "bearer", "token": 'dlt.secrets["key"]'},
    },
    "resources": [
        {
            "name": "things",
            "endpoint": {
                "path": "v1/things",
                "params": {"sort": "id"},
                "data_selector": "data.rows",
                "paginator": {
                    "type": "json_link",
                    "next_url_path": "links.next",
                },
            },
        },
        {
            "name": "plans",
            "endpoint": {"path": "v1/plans", "data_selector": "$", "paginator": "single_page"},
        },
    ],
}


def _requester(path: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "HttpRequester",
        "url_base": "https://api.test",
        "path": path,
        "authenticator": {"type": "BearerAuthenticator", "api_token": "{{ config['key'] }}"},
        **more,
    }


def _stream(name: str, requester: dict[str, Any], path: list[str], **more: Any) -> dict[str, Any]:
    extractor = {"type": "DpathExtractor", "field_path": path}
    retriever = {
        "type": "SimpleRetriever",
        "requester": requester,
        "record_selector": {"type": "RecordSelector", "extractor": extractor},
        **more,
    }
    return {"type": "DeclarativeStream", "name": name, "retriever": retriever}


LINKS = {
    "type": "DefaultPaginator",
    "page_token_option": {"type": "RequestPath"},
    "pagination_strategy": {
        "type": "CursorPagination",
        "cursor_value": "{{ response['links']['next'] }}",
    },
}
MANIFEST = {
    "version": "7.0.0",
    "type": "DeclarativeSource",
    "check": {"type": "CheckStream", "stream_names": ["things"]},
    "spec": {
        "type": "Spec",
        "connection_specification": {
            "type": "object",
            "required": ["key"],
            "properties": {"key": {"type": "string", "airbyte_secret": True}},
        },
    },
    "streams": [
        _stream(
            "things",
            _requester("v1/things", request_parameters={"sort": "id"}),
            ["data", "rows"],
            paginator=LINKS,
        ),
        _stream("plans", _requester("v1/plans"), []),
    ],
}


def _plan(config: dict[str, Any]) -> Source:
    return compile_document(Document.from_object(config, "s")).need()


def _common(stream: Stream) -> tuple[Any, ...]:
    """What of a stream must be equal, however it was spelled."""
    return (
        stream.name,
        stream.request,
        stream.auth,
        stream.decoder,
        stream.records.path,
        stream.records.steps,
        stream.partition,
        stream.cursor,
        stream.selected,
    )


def test_two_spellings_are_one_plan():
    """Requests, credentials, records and values of one API are equal parts of both plans."""
    ours, theirs = _plan(DLT), _plan(MANIFEST)
    assert ours.base_url == theirs.base_url
    assert [_asked(i) for i in ours.inputs] == [_asked(i) for i in theirs.inputs]
    for one, other in zip(ours.streams, theirs.streams, strict=True):
        assert _common(one) == _common(other)
    assert ours.streams[1].pagination == theirs.streams[1].pagination


def _asked(value: Any) -> tuple[str, bool, bool]:
    return value.name, value.secret, value.required


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    """A connector that is bundled in both dialects."""
    return str(request.param)


def test_connectors_have_the_same_streams_and_values(name):
    """A connector and its manifest have the same streams, keys, parents, slots and inputs."""
    ours = compile_document(load(name)).need()
    found = compile_document(load(str(MANIFESTS / f"{name}.yaml")))
    assert [d for d in found.diagnostics if d.severity != "info"] == []
    theirs = found.need()
    assert ours.base_url == theirs.base_url
    assert [_asked(i) for i in ours.inputs] == [_asked(i) for i in theirs.inputs]
    for one, other in zip(ours.streams, theirs.streams, strict=True):
        assert one.auth == other.auth
        assert one.name == other.name
        assert one.records.path == other.records.path
        assert one.request.params == other.request.params
        assert one.pagination.size == other.pagination.size
        assert one.hints.primary_key == other.hints.primary_key
        assert _slots(one) == _slots(other)
        assert _parents(one) == _parents(other)


def _slots(stream: Stream) -> list[Any]:
    return [p.slot for p in stream.cursor.params] if stream.cursor is not None else []


def _parents(stream: Stream) -> Any:
    part = stream.partition
    return None if part is None else (part.stream, part.fields)


SHARED = {"conversations", "conversations_messages"}  # a conversation has several users
VALUES: dict[str, dict[str, Any]] = {
    "messaging": {"api_key": "demo-key"},
    "dixa": {"api_token": "demo-token", "batch_size": 31},
}


def test_connectors_give_the_same_rows(name):
    """A connector and its manifest read the same records of every stream from the same API."""
    settings = Settings(records=60, days=90)
    values = {**VALUES[name], "start_timestamp": settings.now_ms - 90 * 86_400_000}
    ours = compile_document(load(name), values).need()
    theirs = compile_document(load(str(MANIFESTS / f"{name}.yaml")), values).need()
    with EmulatorServer(name, settings) as server:
        for stream in ours.streams:
            read = [_rows(s, values, stream.name, server.url) for s in (ours, theirs)]
            if name == "messaging" and stream.name in SHARED:
                # Asked for once by one dialect, and once for each of its users by the other.
                read = [Counter(set(rows)) for rows in read]
            assert read[0] == read[1], stream.name
            assert read[0], stream.name


def _rows(source: Source, values: dict[str, Any], stream: str, url: str) -> Counter[str]:
    records = read_stream(source, values, stream, base_url=url)
    decoded = (msgspec.json.decode(record) for record in records)
    return Counter(msgspec.json.encode(row, order="sorted").decode() for row in decoded)
