"""Rows of docs/parity.md in which Penstock does on purpose what the reference engine does not."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest
from tests.parity.airbyte.build import case, option, paginator, rows, stream
from tests.parity.airbyte.cursors import cursor
from tests.parity.airbyte.harness import Asked, Case, Reply, Seen, Server, as_messages, ours
from tests.parity.airbyte.partitions import parent, substream

PARENTS = stream("parents", incremental_sync=cursor())
KIDS = "/p/{{ stream_partition.pid }}"


@pytest.fixture
def server() -> Iterator[Server]:
    """The server that Penstock asks."""
    made = Server()
    yield made
    made.close()


def _rows(asked: Asked) -> object:
    if asked.path == "/parents":
        return {"data": [{"id": i, "at": "2024-01-05"} for i in "ab"]}
    return {"data": [{"id": 1, "at": "2024-01-08"}]}


def _since(seen: Seen) -> list[str]:
    return [a.params["since"] for a in seen.asked if a.path == "/parents"]


def test_parents_that_a_state_does_not_speak_of_are_read_in_full(server: Server):
    """The stream's newest value says nothing of when its parents changed; then they are known."""
    retrieves = {"partition_router": substream(parent(PARENTS, incremental_dependency=True))}
    child = stream("kids", path=KIDS, retrieves=retrieves, incremental_sync=cursor())
    told = {"use_global_cursor": False, "states": [], "state": {"at": "2024-01-08"}}
    given = case("kids", child, api=lambda: _rows, state=tuple(as_messages({"kids": told})))
    first = ours(given, given.state, server)
    assert _since(first) == ["2024-01-01"]
    assert first.states["kids"]["parent_state"] == {"parents": {"at": "2024-01-05"}}
    again = ours(given, as_messages(first.states), server)
    assert _since(again) == ["2024-01-05"]


def _read(server: Server, made: dict[str, object], replies: list[object]) -> Seen:
    """What becomes of one stream that is answered so."""
    given = case("deviation", made, replies=replies, config={"t": "123_456"})
    return ours(given, (), server)


def test_values_that_read_as_numbers_go_out_as_written(server: Server):
    """Headers, paths, page tokens and bodies keep every sign of theirs."""
    asks = {
        "http_method": "POST",
        "path": "/1_000",
        "request_headers": {"X-Version": "1.10", "X-Token": "{{ config['t'] }}"},
        "request_body_data": "[1, 2]",
    }
    turned = paginator(
        {"type": "CursorPagination", "cursor_value": "{{ response.next }}"}, option("c")
    )
    made = stream(asks=asks, retrieves={"paginator": turned})
    seen = _read(server, made, [rows(1, next="1e3"), rows(2)])
    assert [a.path for a in seen.asked] == ["/1_000"] * 2
    assert seen.asked[1].params == {"c": "1e3"}
    assert [a.body for a in seen.asked] == ["[1, 2]"] * 2
    sent = dict(seen.asked[0].headers)
    assert (sent["x-version"], sent["x-token"]) == ("1.10", "123_456")


def test_a_record_without_fields_ends_nothing(server: Server):
    """It is a record, and those behind it are read."""
    seen = _read(server, stream(), [{"data": [{}, {"id": 1}]}])
    assert seen.records == {"items": {"{}": 1, '{"id": 1}': 1}}
    assert not seen.failed


COUNTED = paginator({"type": "OffsetIncrement", "page_size": 2}, option("at"))
LINKED = paginator({"type": "CursorPagination", "cursor_value": "{{ response.next }}"}, option("c"))


@pytest.mark.parametrize("turned", [COUNTED, LINKED], ids=["counted", "linked"])
@pytest.mark.parametrize(
    ("key", "again", "times"),
    [
        ({"primary_key": "id"}, {"id": 2, "v": 1}, 1),
        ({"primary_key": "id"}, {"id": 2, "v": 2}, 2),
        ({}, {"id": 2, "v": 1}, 2),
    ],
    ids=["the same", "changed", "without a key"],
)
def test_a_record_that_pages_moved_is_emitted_once(
    server: Server,
    turned: dict[str, object],
    key: dict[str, object],
    again: dict[str, object],
    times: int,
):
    """Where a page begins with the last record of the one before, and a key tells that it is."""
    made = stream(retrieves={"paginator": turned}, **key)
    first, second = [{"id": 1, "v": 1}, {"id": 2, "v": 1}], [again, {"id": 3, "v": 1}]
    replies = [{"data": first, "next": "x"}, {"data": second}, {"data": []}]
    seen = _read(server, made, replies)
    emitted = [json.loads(r)["id"] for r, n in seen.records["items"].items() for _ in range(n)]
    assert emitted.count(2) == times
    assert sorted(set(emitted)) == [1, 2, 3]


def test_fields_are_removed_where_the_pointers_say(server: Server):
    """A condition does not reach beyond them; a pointer of two stars reaches everywhere."""
    change = {"type": "RemoveFields", "condition": "{{ property is none }}"}
    record = {"a": None, "b": None, "c": {"d": None, "e": [1, None, None]}}
    named = stream(transformations=[{**change, "field_pointers": [["a"]]}])
    seen = _read(server, named, [{"data": [record]}])
    left = '{"b": null, "c": {"d": null, "e": [1, null, null]}}'
    assert list(seen.records["items"]) == [left]
    everywhere = stream(transformations=[{**change, "field_pointers": [["**"]]}])
    seen = _read(server, everywhere, [{"data": [record]}])
    assert list(seen.records["items"]) == ['{"c": {"e": [1]}}']


def test_pages_of_packed_json_are_turned(server: Server):
    """The answer is looked at again for where the next page is."""
    decoder = {"type": "GzipDecoder", "decoder": {"type": "JsonDecoder"}}
    turned = paginator(
        {"type": "CursorPagination", "cursor_value": "{{ response.get('next') }}"}, option("c")
    )
    packed = [gzip.compress(json.dumps(r).encode()) for r in (rows(1, next="b"), rows(2))]
    made = stream(retrieves={"decoder": decoder, "paginator": turned})
    seen = _read(server, made, [Reply(body=body) for body in packed])
    assert sum(seen.records["items"].values()) == 2


def test_a_mark_of_the_byte_order_is_no_part_of_a_name(server: Server):
    """Spreadsheets write one before the first name, which is often the key."""
    made = stream(at=(), retrieves={"decoder": {"type": "CsvDecoder"}}, primary_key="id")
    seen = _read(server, made, [Reply(body=b'\xef\xbb\xbf"id",b\n1,2\n')])
    assert list(seen.records["items"]) == ['{"b": "2", "id": "1"}']


def test_a_value_behind_an_entity_is_not_left_out(server: Server):
    """It is not put in either: what says so is an error."""
    made = stream(at=("l", "x"), retrieves={"decoder": {"type": "XmlDecoder"}})
    body = b'<!DOCTYPE l [<!ENTITY e "value">]><l><x><v>&e;</v></x></l>'
    seen = _read(server, made, [Reply(body=body)])
    assert "items" not in seen.records
    assert "it declares entities" in "".join(seen.errors)


def test_counting_from_minus_one_goes_on(server: Server):
    """The second page is the one of the number 0, which is a page like any other."""
    counted = {"type": "PageIncrement", "page_size": 1, "start_from_page": -1}
    made = stream(retrieves={"paginator": paginator(counted, option("page"))})
    seen = _read(server, made, [rows(1), rows(2), rows(3), rows()])
    assert [a.params.get("page") for a in seen.asked] == [None, "0", "1", "2"]
    assert sum(seen.records["items"].values()) == 3


def test_headers_have_their_names_however_they_are_spelled(server: Server):
    """A template finds a header in small letters that the API writes in capitals."""
    turned = paginator(
        {"type": "CursorPagination", "cursor_value": "{{ headers['x-next'] }}"}, option("c")
    )
    made = stream(retrieves={"paginator": turned})
    seen = _read(server, made, [Reply(body=rows(1), headers={"X-Next": "b"}), rows(2)])
    assert sum(seen.records["items"].values()) == 2


def test_who_cannot_log_in_is_told_so(server: Server):
    """It is the user who can mend it."""
    made = {
        "type": "LegacySessionTokenAuthenticator",
        "header": "X-Session",
        "login_url": "session",
        "validate_session_url": "me",
        "session_token_response_key": "id",
        "session_token": "",
        "username": "me",
        "password": "",
    }
    seen = _read(server, stream(asks={"authenticator": made}), [rows(1)])
    assert seen.kinds == {"config_error"}
    assert "no token can be obtained without a password" in seen.errors[0]
    assert not seen.asked


def _below() -> Case:
    """Parents `a` and `b`, of which the children of `a` cannot be read, and what is below those."""
    kids = stream(
        "kids", path=KIDS, retrieves={"partition_router": substream(parent(stream("parents")))}
    )
    below = stream(
        "below",
        path="/below/{{ stream_partition.pid }}",
        retrieves={"partition_router": substream(parent(kids))},
    )

    def answer(asked: Asked) -> object:
        if asked.path == "/parents":
            return {"data": [{"id": i} for i in "ab"]}
        if asked.path == "/p/a":
            return Reply(status=404)
        return {"data": [{"id": f"{asked.path[-1]}1"}]}

    return case("below", below, api=lambda: answer)


def test_a_partition_of_a_parent_that_cannot_be_read_holds_back_itself_alone(server: Server):
    """What is below the other partitions is read, and the stream is not said to be whole."""
    seen = ours(_below(), (), server)
    assert seen.failed == {"below"}
    assert [a.path for a in seen.asked][-1] == "/below/b1"
    assert sum(seen.records["below"].values()) == 1
