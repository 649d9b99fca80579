"""Columns that must not be null, on both lanes."""

from __future__ import annotations

import re

import pytest
from tests.shape.helpers import block, rows, shape

from penstock.errors import ShapeError
from penstock.plan.hints import Column, Hints
from penstock.shape import Shaper
from penstock.shape.schema import Schema, Table, TableColumn

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
        "things: a record has no userName, which is declared not nullable (GET /things); "
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


def test_a_value_of_another_class_is_spelled_in_the_columns_type():
    """It may not go to a variant column, for the column itself would be null then."""
    _, batch = shape({"userName": "x"}, {"userName": 5}, {"userName": True}, hints=HINTS)
    assert rows(batch) == [{"user_name": "x"}, {"user_name": "5"}, {"user_name": "True"}]


@pytest.mark.parametrize("value", ["x", 1.5, True, 2**63, "007", {"a": 1}])
def test_a_value_that_the_column_cannot_have_is_refused(value):
    """The message shows it, and its record, and not the one that could be spelled."""
    hints = Hints(columns=(Column(name="n", type="bigint", nullable=False),))
    with pytest.raises(ShapeError) as caught:
        shape({"id": 1, "n": "5"}, {"id": 2, "n": value}, hints=hints)
    said = f"things: a record has {value!r} as n, another type, which is declared not nullable"
    assert caught.value.message.startswith(said)
    assert '{"id": 2' in caught.value.message


def test_what_a_slice_adds_counts():
    """A column that the slice fills is not null."""
    hints = Hints(columns=(Column(name="_of", nullable=False),))
    _, batch = shape({"id": 1}, hints=hints, extras=(("_of", 5),))
    assert rows(batch) == [{"_of": 5, "id": 1}]


def test_no_rows_lack_nothing():
    """A block without records has no nulls."""
    shaper = Shaper("things", HINTS, None)
    assert shaper.shape(block()).rows == 0


def _made_by_dlt(kind: str) -> Schema:
    column = TableColumn(
        name="user_name", type=kind, nullable=False, placed=False, precision=10, scale=2
    )
    return Schema(stream="things", tables=(Table(name="things", columns=(column,)),))


def test_a_column_that_dlt_made_not_nullable_is_one():
    """It stays so, values are spelled in its type, and a record without one is refused."""
    shaper, batch = shape({"userName": 1}, {"userName": "2"}, known=_made_by_dlt("bigint"))
    assert rows(batch) == [{"user_name": 1}, {"user_name": 2}]
    column = shaper.schema.root.column("user_name")
    assert column is not None
    assert not column.nullable
    for record, said in ({"userName": "x"}, "has 'x' as user_name, another type"), (
        {"id": 2}, "has no user_name"):  # fmt: skip
        with pytest.raises(ShapeError, match=f"{said}, whose column dlt has made not nullable"):
            shape({"userName": "1"}, record, known=shaper.schema)


@pytest.mark.parametrize("kind", ["double", "decimal"])
@pytest.mark.parametrize("text", ["007", "-01", "+5"])
def test_digits_that_a_number_does_not_keep_are_not_lost(kind: str, text: str):
    """Such a text names something, and is another one than the number."""
    with pytest.raises(ShapeError, match=re.escape(f"has {text!r} as user_name, another type")):
        shape({"userName": 7}, {"userName": text}, known=_made_by_dlt(kind))
    _, batch = shape({"userName": "7.5"}, {"userName": "0.5"}, known=_made_by_dlt(kind))
    assert [float(row["user_name"]) for row in rows(batch)] == [7.5, 0.5]
