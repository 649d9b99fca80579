"""Bodies to records: exact slices of text, and what pagination reads beside them."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import BodyError
from penstock.plan.expr import Ref, Scope
from penstock.plan.records import JsonPath, Keys
from penstock.read import mend
from penstock.read.decode import FieldReader, Wanted, decode_json, walked, wanted

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["data", "next", "id", "a"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def reads(*paths):
    return [Ref(at=Scope.PAGE, path=("response", *path), optional=True) for path in paths]


def taken(body, path, *paths):
    want = wanted(Keys(path=path), reads(*paths))
    return decode_json(msgspec.json.encode(body), want)


def listed(decoded):
    return [msgspec.json.decode(record) for record in decoded.records]


def inside(value, path):
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return value


@given(
    JSON,
    st.sampled_from([(), ("data",), ("data", "a")]),
    st.sampled_from([(), ("next",), ("data",), ("data", "id"), ("a", "id")]),
)
def test_any_answer_gives_its_records_and_its_envelope(body, path, other):
    """Whatever an answer holds, records and pagination fields are what stands there."""
    found = taken(body, path, *([other] if other else []))
    held = inside(body, path) if path else body
    expected = held if isinstance(held, list) else [] if held is None else [held]
    assert listed(found) == expected
    if other and isinstance(body, dict):
        assert inside(found.envelope, other) == inside(body, other)


def test_a_record_keeps_its_text():
    """Numbers and spaces stay as the API wrote them."""
    found = decode_json(
        b'{"data": [{"n": 1.10, "big": 12345678901234567890}]}',
        Wanted(records=Keys(path=("data",))),
    )
    assert bytes(found.records[0]) == b'{"n": 1.10, "big": 12345678901234567890}'


@pytest.mark.parametrize("path", [("data",), ("meta", "rows")])
def test_an_absent_path_is_told_from_an_empty_one(path):
    """Absent and empty are two things."""
    assert not taken({"other": 1}, path).present
    assert taken({"data": [], "meta": {"rows": []}}, path).present
    assert taken({"data": None, "meta": {"rows": None}}, path).present


@pytest.mark.parametrize(
    "body", [b"", b"{", b"<html>", b"[1,]", b'{"a": nan}', b"\xff\xfe", b"[1] 2"]
)
def test_what_is_no_json_is_an_error_that_may_be_asked_again(body):
    """A body that cannot be read is never an empty page."""
    with pytest.raises(BodyError) as caught:
        decode_json(body, Wanted(records=Keys(path=())))
    assert caught.value.retriable


def test_a_byte_order_mark_is_passed_over():
    """Some servers begin with one."""
    assert listed(decode_json(b"\xef\xbb\xbf[1,2]", Wanted(records=Keys(path=())))) == [1, 2]


PATHS = st.lists(
    st.sampled_from([("id",), ("a",), ("a", "id"), ("data", "a", "id"), ("next",)]),
    min_size=1,
    max_size=3,
)


@given(st.lists(JSON, max_size=5), PATHS)
def test_fields_are_read_of_any_record(records, paths):
    """Records that are no objects, and paths inside one another, are read alike."""
    reader = FieldReader([Keys(path=path) for path in paths])
    found = reader.read([msgspec.json.encode(record) for record in records])
    for record, values in zip(records, found, strict=True):
        for path, value in zip(paths, values, strict=True):
            plain = None if value is msgspec.UNSET else value
            assert plain == inside(record, path)


@pytest.mark.parametrize("edge", range(-4, 4))
def test_a_character_may_stand_where_the_check_of_a_body_ends_a_piece(edge, monkeypatch):
    """A long body is checked in pieces; no character is cut in two by that."""
    monkeypatch.setattr(mend, "_PIECE", 16)
    whole = json.dumps({"a": "x" * (12 + edge) + "€é😀" * 9}, ensure_ascii=False).encode()
    assert mend.text(whole).body == whole
    for cut in range(16, len(whole)):
        broken = whole[:cut] + b"\xff" + whole[cut:]
        assert mend.text(broken).counts["bad-text"] > 0


@pytest.mark.parametrize(
    ("path", "body", "present"),
    [
        ("data[*].node", b'{"data": []}', True),
        ("data[*].node", b'{"data": null}', True),
        ("data[*].node", b'{"data": [{"other": 1}]}', False),
        ("data[*].node", b'{"renamed": []}', False),
        ("groups[*].subs[*]", b'{"groups": [{"subs": []}]}', True),
        ("groups[*].subs[*]", b'{"groups": [{"renamed": []}]}', False),
        ("data[?(@.id > 1)]", b'{"data": [{"id": 1}]}', True),
        ("data[?(@.id > 1)]", b'{"renamed": [{"id": 1}]}', False),
    ],
)
def test_a_path_that_takes_no_item_is_there(path: str, body: bytes, present):
    """A list of which nothing is taken is a page without records, unlike a key that is missing."""
    found = walked(body, JsonPath(text=path))
    assert not found.records
    assert found.present is present
