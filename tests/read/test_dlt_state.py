"""State that dlt left, read without a dlt: values, digests, cursors below others, windows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from penstock.dialects import compile_document
from penstock.dialects.document import Document
from penstock.plan.python import Retrieve
from penstock.plan.source import Source
from penstock.read import digests
from penstock.read.dlt_state import cursors_of, is_state
from penstock.read.memory import ENTRY, Memory, Shared
from penstock.read.state import mark_of, read_stretches

SINCE = {"cursor_path": "at", "start_param": "since"}


def _source(*more: dict[str, Any], **incremental: Any) -> Source:
    events = {"name": "events", "endpoint": {"incremental": {**SINCE, **incremental}}}
    client = {"base_url": "http://127.0.0.1:1"}
    built = {"client": client, "resources": [events, *more]}
    return compile_document(Document.from_object(built, "test")).need()


def _state(name: str = "events", **cursor: Any) -> dict[str, Any]:
    incremental = {"incremental": {"at": cursor}}
    return {"_state_version": 3, "sources": {"any": {"resources": {name: incremental}}}}


def test_a_state_of_dlt_is_told_from_one_of_airbyte():
    """What has a version is dlt's."""
    assert is_state(_state())
    assert not is_state([{"type": "STREAM"}])
    assert not is_state({"events": {"at": 1}})


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (7, 7),
        ({"a": 1}, {"a": 1}),
        ("2024-01-01", "2024-01-01"),
        ("\uf0272024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
    ],
)
def test_the_newest_value_is_taken_over(value, kept):
    """Values are as dlt has them, without the character by which it marks times and decimals."""
    found = cursors_of(_source(), _state(last_value=value, unique_hashes=["h1", "h2"]))
    mark = mark_of(found["events"], "")
    assert mark is not None
    assert (mark.value, mark.boundary) == (kept, ("h1", "h2"))


@pytest.mark.parametrize(
    "state",
    [
        {"_state_version": 1},
        {"_state_version": 1, "sources": {"x": {}}},
        _state("others", last_value=1),
        _state(last_value=None),
    ],
    ids=["nothing", "no resources", "another resource", "no value"],
)
def test_what_says_nothing_gives_nothing(state):
    """A state without a value for a cursor of the source is no state of it."""
    assert cursors_of(_source(), state) == {}


def test_one_value_stands_for_all_partitions_that_have_none():
    """Dlt has one value for the children of all parents; each goes on from its own once it has."""
    child = {
        "name": "notes",
        "endpoint": {"path": "events/{resources.events.id}/notes", "incremental": SINCE},
    }
    found = cursors_of(_source(child), _state("notes", last_value=5))["notes"]
    own = {**found, "cursor/a": '{"value": 9}'}
    assert [getattr(mark_of(own, key), "value", None) for key in ("a", "b")] == [9, 5]


def test_windows_begin_behind_what_dlt_has_read():
    """A resource that is cut into windows has the stretch from the first value to the last."""
    source = _source(step={"days": 1}, initial_value="2024-01-01T00:00:00Z")
    state = _state(initial_value="2024-01-01T00:00:00Z", last_value="2024-02-01T00:00:00Z")
    [stretch] = read_stretches(cursors_of(source, state)["events"]["windows"])
    assert stretch.start.isoformat() == "2024-01-01T00:00:00+00:00"
    assert stretch.newest == stretch.end
    assert stretch.end.isoformat() == "2024-02-01T00:00:00+00:00"


RECORD = b'{"b": 1.10, "a": "\xc3\xbc", "id": 5}'


@pytest.mark.parametrize("values", [None, [5], [5, "x"]], ids=["record", "key", "keys"])
def test_a_record_is_known_by_its_own_digest(values):
    """A record is known again, whatever order its keys come in."""
    known = digests.Known([digests.digest(RECORD, values)])
    turned = b'{"id":5,"a":"\\u00fc","b":1.1}'
    assert known.has(turned, values)
    assert not known.has(b'{"id":6}', None if values is None else [6])
    assert not digests.Known([]).has(RECORD, values)


@pytest.mark.parametrize(
    ("left", "values"),
    [
        ("Nbl2VALN01Qf", None),
        ("mSlPEiqP9O6/", [5]),
        ("tIXXf9wiHssyAgHEzQnu", [5]),
        ("088e15d723372fda", None),
    ],
    ids=["dlt", "dlt, a key as a list", "dlt before 1.29", "Penstock at first"],
)
def test_a_record_is_known_by_what_others_left(left, values):
    """Digests that dlt and older versions of either left behind are recognised."""
    assert digests.Known([left, "other"]).has(RECORD, values)
    assert not digests.Known([left]).has(b'{"id": 6}', None if values is None else [6])


def test_what_functions_kept_is_taken_over():
    """Of a stream whose rows a function makes: what it kept, and what all of its source keep."""
    state = _state(last_value=1)
    held = state["sources"]["any"]
    held["resources"]["events"]["seen"] = ["\uf0272024-01-02T00:00:00+00:00"]
    held["runs"] = 3
    assert set(cursors_of(_source(), state)["events"]) == {"cursor"}
    made = Retrieve(function=lambda _door, _frame: [])
    source = _source()
    rows = msgspec.structs.replace(source.streams[0], retrieve=made)
    found = cursors_of(msgspec.structs.replace(source, streams=(rows,)), state)
    assert set(found["events"]) == {"cursor", ENTRY}
    kept = Memory("any", "events", found["events"][ENTRY], Shared(found, 1))
    assert kept.own == {"seen": [datetime(2024, 1, 2, tzinfo=UTC)]}
    assert dict(kept.shared) == {"runs": 3, "resources": {"events": kept.own}}
