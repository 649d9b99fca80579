"""Columns that must not be null, on both lanes."""

from __future__ import annotations

import pytest
from tests.shape.helpers import block, rows, shape

from penstock.errors import ShapeError
from penstock.plan.hints import Column, Hints
from penstock.shape import Shaper

HINTS = Hints(columns=(Column(name="userName", type="text", nullable=False),))
DEEP = Hints(columns=(Column(name="o__p", nullable=False),))


@pytest.mark.parametrize("record", [{"id": 3}, {"id": 3, "userName": None}])
def test_a_record_without_a_value_is_refused(record):
    """The message shows the record and the request; nothing of the block is taken."""
    shaper = Shaper("things", HINTS, None)
    with pytest.raises(ShapeError) as caught:
        shaper.shape(block({"id": 1, "userName": "x"}, record, origin="GET /things"))
    assert caught.value.code == "null-value"
    assert caught.value.message.startswith(
        "things: a record has no userName, which is declared as not nullable (GET /things); "
        'record: {"id": 3'
    )


def test_a_null_is_found_on_the_main_lane_too():
    """A block that goes the fast way is looked at as well."""
    shaper = Shaper("things", HINTS, None)
    shaper.shape(block({"id": 1, "userName": "x"}))
    shaper.shape(block({"id": 2, "userName": "y"}))
    assert shaper.statistics().main_blocks == 1
    with pytest.raises(ShapeError, match="a record has no userName"):
        shaper.shape(block({"id": 3, "userName": "z"}, {"id": 4, "userName": None}))


def test_a_nested_column_is_named_as_its_table_has_it():
    """A column of a nested field is required wherever its record holds it."""
    _, batch = shape({"o": {"p": 1}}, hints=DEEP)
    assert rows(batch) == [{"o__p": 1}]
    with pytest.raises(ShapeError, match="a record has no o__p"):
        shape({"o": {"p": 1}}, {"o": {}}, hints=DEEP)


def test_a_value_of_another_class_is_none_of_the_column():
    """What went to a variant column leaves the column itself null."""
    with pytest.raises(ShapeError, match="another type as userName"):
        shape({"userName": True}, hints=HINTS)


def test_what_a_slice_adds_counts():
    """A column that the slice fills is not null."""
    hints = Hints(columns=(Column(name="_of", nullable=False),))
    _, batch = shape({"id": 1}, hints=hints, extras=(("_of", 5),))
    assert rows(batch) == [{"_of": 5, "id": 1}]


def test_no_rows_lack_nothing():
    """A block without records has no nulls."""
    shaper = Shaper("things", HINTS, None)
    assert shaper.shape(block()).rows == 0
