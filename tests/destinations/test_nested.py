"""Conformance of every destination: structs and lists, and how they grow in every write mode."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace
from tests.destinations.conformance import never
from tests.destinations.orders import STREAM, checkpoint

from penstock.destinations import kind_of
from penstock.destinations.base import Append, Merge, Replace
from penstock.errors import DestinationError
from penstock.plan.hints import Hints
from penstock.shape import Block, Segment, Shaper

FEATURE = "structs and lists, as they are nested"
HINTS = Hints(nesting="struct", nesting_at=(("user.raw", "json"),))
FIRST = {
    "id": 1,
    "user": {"name": "é", "end": True, "raw": {"n": [1.5]}, "at": "2024-01-01T10:00:00Z"},
    "lines": [{"price": 1, "tags": ["a", "b"]}, {"price": 2}],
    "m": [[1, 2], [3]],
}
GROWN = {
    "id": 2,
    "user": {"name": "b", "order": {"select": 2**63}},
    "lines": [{"price": 1.5, "tags": ["c", 4], "n": None}, {"price": "free"}],
    "m": [[4, None]],
    "more": [{"x": 1}],
}


@pytest.fixture
def nested(place):
    """A place whose destination has nested types; another says so where it is written to."""
    if never(place, FEATURE):
        pytest.skip("this destination has no nested types, and says so: see below")
    return place


class Keeper:
    """A stream's shaper and its destination, fed record by record."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.shaper = Shaper(STREAM, HINTS, session.schema(STREAM))

    def keep(self, load_id, *records, write=None, blocks=1):
        """One checkpoint; its records in one block, or each in a block of its own."""
        lines = [json.dumps(record).encode() for record in records]
        parts = [lines] if blocks == 1 else [[line] for line in lines]
        batches = [
            self.shaper.shape(Block(load_id=load_id, segments=(Segment(records=part),)))
            for part in parts
        ]
        one = checkpoint(load_id, schema=self.shaper.schema, write=write or Append())
        self.session.commit(replace(one, batches=tuple(batches)))


def found(place):
    """The rows, without what is null."""
    rows = sorted(place.rows(STREAM), key=lambda row: row["id"])
    return [_without_nulls(row) for row in rows]


def _without_nulls(value):
    if isinstance(value, dict):
        kept = {k: _without_nulls(v) for k, v in value.items() if not k.startswith("_penstock")}
        return {k: v for k, v in kept.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(element) for element in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


KEPT_FIRST = {
    "id": 1,
    "user": {
        "name": "é", "end": True, "raw": '{"n": [1.5]}', "at": "2024-01-01T10:00:00+00:00",
    },
    "lines": [{"price": 1.0, "tags": ["a", "b"]}, {"price": 2.0}],
    "m": [[1, 2], [3]],
}  # fmt: skip
KEPT_GROWN = {
    "id": 2,
    "user": {"name": "b", "order": {"select": 2**63}},
    "lines": [
        {"price": 1.5, "tags": ["c", None], "tags__v_bigint": [None, 4]},
        {"price__v_text": "free"},
    ],
    "m": [[4, None]],
    "more": [{"x": 1}],
}


@pytest.mark.parametrize("write", [Append(), Merge(key=("id",)), None], ids=lambda w: str(w)[:6])
def test_nested_values_come_back_and_grow(opened, nested, write):
    """Fields are added and widened in place; rows from before keep all they had."""
    keeper = Keeper(opened())

    def writes(last):
        return write or Replace(generation="g", swap=last)

    keeper.keep("a", FIRST, write=writes(last=False))
    keeper.keep("b", GROWN, write=writes(last=True))
    assert found(nested) == [KEPT_FIRST, KEPT_GROWN]
    assert opened("run2", takeover="always").schema(STREAM) == keeper.shaper.schema


@pytest.mark.parametrize("strategy", ["delete-insert", "upsert"])
def test_nested_values_are_merged(opened, nested, strategy):
    """A row that comes again in another form replaces the one that is there."""
    keeper = Keeper(opened())
    write = Merge(key=("id",), strategy=strategy)
    keeper.keep("a", FIRST, {**FIRST, "id": 2}, write=write)
    keeper.keep("b", GROWN, write=write)
    assert found(nested) == [KEPT_FIRST, KEPT_GROWN]


def test_blocks_of_one_checkpoint_may_differ(opened, nested):
    """A block that was shaped before a field was known goes into the column that has it."""
    Keeper(opened()).keep("a", FIRST, GROWN, blocks=2)
    assert found(nested) == [KEPT_FIRST, KEPT_GROWN]


def test_a_second_run_goes_on_where_the_first_stopped(opened, nested):
    """The stored schema says what is nested, whatever the first record of the next run shows."""
    session = opened()
    Keeper(session).keep("a", FIRST)
    session.close()
    again = opened("run2")
    Keeper(again).keep("b", GROWN)
    Keeper(again).keep("c", {"id": 3})
    assert found(nested) == [KEPT_FIRST, KEPT_GROWN, {"id": 3}]


def test_a_nested_column_that_was_changed_by_hand_is_an_error(opened, nested):
    """What people did to a type is found before anything is written."""
    keeper = Keeper(opened())
    keeper.keep("a", {"id": 1, "m": [1]})
    nested.by_hand("ALTER TABLE {} DROP COLUMN m", STREAM)
    with pytest.raises(DestinationError, match=r"'m' of table 'orders' is gone"):
        keeper.keep("b", {"id": 2, "m": [1]})


def test_what_cannot_be_nested_is_said(opened, place):
    """A destination says of itself whether it has nested types, and refuses them if it has not."""
    assert kind_of(place.url).nested is (never(place, FEATURE) is None)
    if never(place, FEATURE):
        with pytest.raises(DestinationError, match=r"nested column 'user'.*--nesting") as caught:
            Keeper(opened()).keep("a", FIRST)
        assert caught.value.code == "nesting"
