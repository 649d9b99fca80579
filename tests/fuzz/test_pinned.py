"""What fuzzing found, once and for good."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fuzz.play import of_object, of_text, ran
from tests.support.api import Api, Read, answer, read_all

from penstock.engine.preparing import fitting
from penstock.errors import PlanError
from penstock.plan import jsontext
from penstock.plan.decoder import Decoder
from penstock.plan.records import Keys, Several
from penstock.read.decode import Wanted, decode

BASE = "https://api.test"


def stream(**parts: Any) -> dict[str, Any]:
    """A stream of a manifest; `retriever` and `requester` are laid over what it has."""
    retriever = {
        "type": "SimpleRetriever",
        "requester": {"type": "HttpRequester", "url_base": BASE, "path": "/things"},
        "record_selector": {
            "type": "RecordSelector",
            "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
        },
    }
    retriever["requester"] |= parts.pop("requester", {})
    retriever |= parts.pop("retriever", {})
    return {"type": "DeclarativeStream", "name": "things", "retriever": retriever, **parts}


def manifest(*streams: dict[str, Any]) -> dict[str, Any]:
    """A manifest of these streams."""
    check = {"type": "CheckStream", "stream_names": [s["name"] for s in streams]}
    return {"version": "6.0.0", "type": "DeclarativeSource", "check": check, "streams": [*streams]}


def kids(parent: dict[str, Any], **config: Any) -> dict[str, Any]:
    """A stream below another one."""
    found = {"type": "ParentStreamConfig", "parent_key": "id", "partition_field": "pid"}
    router = {
        "type": "SubstreamPartitionRouter",
        "parent_stream_configs": [{**found, "stream": parent, **config}],
    }
    return {
        **stream(retriever={"partition_router": router}, requester={"path": "/p"}),
        "name": "kids",
    }


def config(**resource: Any) -> dict[str, Any]:
    """A dlt configuration of one resource."""
    endpoint = {"path": "things", "data_selector": "data", "paginator": "single_page"}
    endpoint |= resource.pop("endpoint", {})
    made = {"name": "things", "endpoint": endpoint, **resource}
    return {"client": {"base_url": f"{BASE}/"}, "resources": [made]}


def errors(document: Any) -> list[tuple[str, str]]:
    """The errors of a document: code and message."""
    found = of_object(document).diagnostics
    return [(d.code, d.message) for d in found if d.severity == "error"]


def read(document: Any, body: bytes) -> Read:
    """What a document gives of one answer."""
    return read_all(of_object(document).need(), Api(lambda _asked: answer(body=body)))


# Numbers that no double holds.

HUGE = b'{"data":[{"id":1,"n":1e400,"m":-1e999,"i":%s,"d":1.5}]}' % (b"9" * 5000)
STEPS = {
    "a field is added": {
        "transformations": [
            {"type": "AddFields", "fields": [{"path": ["new"], "value": "{{ record.id }}"}]}
        ]
    },
    "keys are renamed": {"transformations": [{"type": "KeysToLower"}]},
}


@pytest.mark.parametrize("how", STEPS)
def test_a_number_beyond_doubles_passes_through_steps(how: str):
    """A step that changes a record leaves its numbers as they were written."""
    found = read(manifest(stream(**STEPS[how])), HUGE)
    (record,) = (bytes(r) for page in found.pages() for r in page.records)
    assert b'"n":1e400,"m":-1e999,"i":' + b"9" * 5000 + b',"d":1.5' in record


@pytest.mark.parametrize("path", ["data[*]", "$..data[*]"])
def test_a_number_beyond_doubles_is_found_by_a_path(path: str):
    """A JSONPath to records does not make null of it."""
    found = read(config(endpoint={"data_selector": path}), HUGE)
    (record,) = (bytes(r) for page in found.pages() for r in page.records)
    assert b'"n":1e400' in record


def test_a_number_beyond_doubles_holds_no_records():
    """Where records should be found, or on the way to them, it is what is no object."""
    for path, body in ((("data",), b"1e400"), (("data", "a"), b'{"data":1e400}')):
        found = decode(body, Decoder(), Wanted(records=Several(paths=(Keys(path=path),))))
        assert not found.records
        assert not found.present


def test_a_number_beyond_doubles_is_a_key_as_written():
    """A child is asked for by the text of its parent's key."""
    child = {"path": "things/{id}/kids", "params": {}, "data_selector": "data"}
    child["params"] = {"id": {"type": "resolve", "resource": "things", "field": "n"}}
    document = config()
    document["resources"].append({"name": "kids", "endpoint": child})
    found = read(document, HUGE)
    assert [asked.path for asked in found.api.requests] == ["/things", "/things/1e400/kids"]


def test_numbers_are_endless_where_they_are_compared():
    """As in the reference engines, such a number is larger than all others; its text is kept."""
    value = jsontext.decode(b"[1e400, -1e400]")
    assert value[0] > 10**300 > value[1]
    assert jsontext.encode(value) == b"[1e400,-1e400]"


# Places that are no URLs.


@pytest.mark.parametrize(
    "url", ["http://[", "https://api.test:99999", "https://api.test:x/", "http://[0]/"]
)
def test_a_base_that_is_no_url_is_told_of_the_stream(url: str):
    """The run goes on, and what asks there is lost with a code."""
    for document in (config(), manifest(stream(requester={"url_base": url}))):
        if "client" in document:
            document["client"]["base_url"] = url
        compiled = of_object(document)
        if compiled.ok:
            lost = read_all(compiled.need(), Api(lambda _asked: answer([]))).lost()
            assert [slice_.error.code for slice_ in lost] == ["url"]
        else:
            assert {d.code for d in compiled.diagnostics} <= {"url", "base-url", "bad-url"}


# Paths and keys.


@pytest.mark.parametrize("key", ['a"b', "a\\b", "a\nb", "\0"])
def test_any_key_leads_to_records(key: str):
    """A record path may hold what no generated type can call a field."""
    document = manifest(stream())
    selector = document["streams"][0]["retriever"]["record_selector"]
    selector["extractor"]["field_path"] = [key]
    body = jsontext.encode({key: [{"id": 1}], "data": []})
    assert read(document, body).ids() == [1]


def test_an_empty_cursor_path_is_an_error():
    """It was one only where the first record came."""
    incremental = {"cursor_path": "", "initial_value": "2024-01-01"}
    found = errors(config(endpoint={"incremental": incremental}))
    assert [code for code, _ in found] == ["bad-jsonpath"]


@pytest.mark.parametrize("where", ["value", "key"])
def test_half_of_a_surrogate_pair_is_an_error(where: str):
    """No request could be made of it, and no plan be shown."""
    odd = {"headers": {"x": "\ud800"}} if where == "value" else {"headers": {"\ud800": "x"}}
    document = config()
    document["client"] |= odd
    assert [code for code, _ in errors(document)] == ["not-text"]
    text = (
        '{"client": {"base_url": "https://api.test", "headers": {"a": "\\ud800"}}, "resources": []}'
    )
    compiled = of_text(text, ".json")
    assert compiled is not None
    assert [d.code for d in compiled.diagnostics] == ["not-text"]


@pytest.mark.parametrize("value", ["\ud800", ["\ud800"], {"a": "\ud800"}])
def test_half_of_a_surrogate_pair_in_a_value_is_an_error(value: Any):
    """It was an exception of the first request; the value itself is not shown."""
    with pytest.raises(PlanError, match=r"token does not fit: it holds half of a surrogate pair"):
        fitting(of_object(config()).need(), {"token": value})


# Components that are none.

HOLDS = {
    "a list for a retriever": (manifest(stream() | {"retriever": ["x"]}), "'retriever'"),
    "a text for a paginator": (manifest(stream(retriever={"paginator": "x"})), "'paginator'"),
    "a truth for a requester": (manifest(stream(retriever={"requester": False})), "'requester'"),
    "a number among transformations": (manifest(stream(transformations=[5])), "'transformations'"),
    "a text for an error handler": (
        manifest(stream(requester={"error_handler": "retry"})),
        "'error_handler'",
    ),
    "null for a selector": (manifest(stream(retriever={"record_selector": None})), "selector"),
    "a list for a parent's retriever": (
        manifest(kids(stream() | {"retriever": []})),
        "'retriever'",
    ),
}


@pytest.mark.parametrize("what", HOLDS)
def test_what_is_no_component_is_said(what: str):
    """It was left out, and its stream with it, without a word."""
    document, word = HOLDS[what]
    found = errors(document)
    assert {code for code, _ in found} <= {"airbyte-wrong-type", "airbyte-missing-key"}
    assert any(word in message for _, message in found)


NAMES = {
    "no name": (config(name=None), "wrong-type"),
    "a list for a name": (manifest({**stream(), "name": ["x"]}), "airbyte-wrong-type"),
    "no dynamic stream": (manifest(stream()) | {"dynamic_streams": [{}]}, "airbyte-no-type"),
    "another dynamic stream": (
        manifest(stream()) | {"dynamic_streams": [{"type": "DeclarativeStream"}]},
        "airbyte-unknown-type",
    ),
}


@pytest.mark.parametrize("what", NAMES)
def test_no_stream_is_left_out_without_a_word(what: str):
    """One without a name, or of a type that there is not, was not loaded, and nothing was said."""
    document, code = NAMES[what]
    assert code in {found for found, _ in errors(document)}


@pytest.mark.parametrize("text", ["", "x", "P", "1 day"])
def test_a_session_that_lasts_for_no_time_is_an_error(text: str):
    """It was an exception of the compiler."""
    login = {"type": "HttpRequester", "url_base": BASE, "path": "/login"}
    session = {
        "type": "SessionTokenAuthenticator",
        "login_requester": login,
        "session_token_path": ["token"],
        "expiration_duration": text,
        "request_authentication": {"type": "Bearer"},
    }
    found = errors(manifest(stream(requester={"authenticator": session})))
    assert [code for code, _ in found] == ["airbyte-duration"]


def test_a_parent_of_another_type_is_said():
    """What describes a parent is a component of one type."""
    found = errors(manifest(kids(stream(), type="DeclarativeStream")))
    assert "airbyte-unknown-type" in {code for code, _ in found}


def test_a_stream_whose_parent_is_missing_ends():
    """A parent whose class is not there gives no partitions; its children were waited for."""
    custom = {"type": "CustomRetriever", "class_name": "source_x.components.Some"}
    cursor = {
        "type": "DatetimeBasedCursor",
        "cursor_field": "at",
        "datetime_format": "%Y-%m-%d",
        "start_datetime": "2024-01-01",
    }
    parent = {**stream(), "name": "parents", "retriever": custom}
    for more in ({}, {"incremental_sync": cursor}):
        found = read(manifest({**kids(parent), **more}), b"{}")
        assert [lost.error.code for lost in found.lost()] == ["class-missing"]


# Words that mean nothing.


@pytest.mark.parametrize("parts", [{"encoding": "klingon"}, {"delimiter": "ab"}])
def test_a_decoder_that_reads_nothing_is_an_error(parts: dict[str, str]):
    """An encoding or delimiter that there is not was an exception of the first answer."""
    decoder = {"type": "CsvDecoder", **parts}
    found = errors(manifest(stream(retriever={"decoder": decoder})))
    assert [code for code, _ in found] == ["airbyte-decoder"]
    found = errors(config(endpoint={"decoder": {"type": "csv", **parts}}))
    assert [code for code, _ in found] == ["bad-decoder"]


def test_a_status_that_is_a_word_is_an_error():
    """It was an exception of the compiler, or never matched."""
    rule = {"type": "HttpResponseFilter", "action": "IGNORE", "http_codes": ["core"]}
    handler = {"type": "DefaultErrorHandler", "response_filters": [rule]}
    found = errors(manifest(stream(requester={"error_handler": handler})))
    assert [code for code, _ in found] == ["airbyte-wrong-type"]


@pytest.mark.parametrize("number", ["many", 10**400, float("inf"), float("nan")])
def test_a_number_that_is_none_is_an_error(number: Any):
    """It was an exception of the compiler, or another number was taken for it."""
    handler = {"type": "DefaultErrorHandler", "max_retries": number}
    found = errors(manifest(stream(requester={"error_handler": handler})))
    assert [code for code, _ in found] == ["airbyte-wrong-type"]


@pytest.mark.parametrize("form", [[[]], [["a"]], ["ab"], [["a", 1, 2]], [None]])
def test_a_form_that_holds_no_pairs_costs_its_slice_only(form: Any):
    """It ended the whole run with an exception, or was sent without what it holds."""
    document = config(endpoint={"method": "POST", "data": form})
    (lost,) = read(document, b'{"data":[]}').lost()
    assert lost.error.code == "expr"
    assert "must be a mapping or a list of pairs" in lost.error.message


# Times.


@pytest.mark.parametrize("value", [b"true", b"1e300", b'"x"', b"[1]"])
def test_a_cursor_value_that_is_no_time_costs_its_slice_only(value: bytes):
    """It ended the whole run with an exception; the document says what becomes of the record."""
    cursor = {"cursor_path": "at", "initial_value": "2024-01-01", "format": "%Y-%m-%d"}
    document = config(endpoint={"incremental": cursor})
    found = read(document, b'{"data":[{"id":1,"at":"2024-01-05"},{"id":2,"at":%s}]}' % value)
    assert [lost.error.code for lost in found.lost()] == ["cursor-missing"]
    ran(of_object(document).need(), {}, Api(lambda _asked: answer(body=b'{"data":[]}')))


@pytest.mark.parametrize("start", [True, "soon"])
def test_a_start_that_is_no_time_is_an_error(start: Any):
    """Every record would have been before it, and left out without a word."""
    cursor = {"cursor_path": "at", "initial_value": 'dlt.config["start"]', "format": "%Y-%m-%d"}
    document = config(endpoint={"incremental": cursor})
    api = Api(lambda _asked: answer({"data": [{"id": 1, "at": "2024-01-05"}]}))
    found = read_all(of_object(document).need(), api, values={"start": start})
    assert [lost.error.code for lost in found.lost()] == ["expr"]
