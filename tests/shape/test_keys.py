"""Keys of merges, and schema contracts."""

from __future__ import annotations

import pytest

from penstock.errors import ContractError, ShapeError
from penstock.plan.hints import Contract, Hints, Nested
from penstock.shape import Block, Segment, Shaper

from .helpers import block, rows, shape, types

MERGE = Hints(write="merge", primary_key=("id",))
INHERITED = Hints(write="merge", primary_key=("id",), key_inherited=True)


def test_the_last_row_of_a_key_stays_with_its_children():
    """Rows of a batch are unique by key; children of the rows left out are left out too."""
    one = {"id": 1, "v": "old", "l": [{"x": 1, "m": [1]}, {"x": 2}]}
    two = {"id": 2, "v": "b", "l": [{"x": 3, "m": [2]}]}
    new = {"id": 1, "v": "new", "l": [{"x": 4, "m": [3, 4]}]}
    shaper, batch = shape(one, two, new, hints=MERGE)
    assert rows(batch) == [{"id": 2, "v": "b"}, {"id": 1, "v": "new"}]
    assert rows(batch, "things__l") == [{"x": 3}, {"x": 4}]
    assert rows(batch, "things__l__m") == [{"value": 2}, {"value": 3}, {"value": 4}]
    assert batch.tables["things__l"]["_penstock_parent_id"].to_pylist() == ["2", "1"]
    assert batch.tables["things__l__m"]["_penstock_parent_id"].to_pylist() == ["2/0", "1/0", "1/0"]
    assert shaper.schema.root.key == ("id",)
    assert shaper.statistics().duplicate_rows == 1


def test_ids_come_from_the_key():
    """The same record has the same id in every load."""
    shaper, first = shape({"id": "a"}, hints=MERGE)
    again = shaper.shape(block({"id": "a"}, load_id="later"))
    for batch in (first, again):
        assert batch.tables["things"]["_penstock_id"].to_pylist() == ["a"]


def test_compound_keys_are_unambiguous():
    """Parts of a compound key cannot run into one another."""
    hints = Hints(write="merge", primary_key=("a", "b"))
    records = [{"a": "x|", "b": "y"}, {"a": "x", "b": "|y"}, {"a": "x\\", "b": "y"}]
    _, batch = shape(*records, hints=hints)
    assert len(set(batch.tables["things"]["_penstock_id"].to_pylist())) == 3


def test_the_key_may_be_named_as_the_column_is():
    """A key is found by the record's spelling and by the column's."""
    hints = Hints(write="merge", primary_key=("user_id",))
    shaper, _ = shape({"userId": 1}, hints=hints)
    assert shaper.schema.root.key == ("user_id",)


@pytest.mark.parametrize("record", [{"name": "x"}, {"id": None, "name": "x"}, {"id": {"a": 1}}])
def test_a_row_without_its_key_is_an_error(record):
    """A missing key names the stream, the request, the record and its keys."""
    with pytest.raises(ShapeError) as caught:
        shape({"id": 1}, record, hints=MERGE, origin="GET /things?page=2")
    message = str(caught.value)
    assert message.startswith("things: a record has ")
    assert "(GET /things?page=2)" in message
    assert f"its keys are: {', '.join(record)}" in message
    assert caught.value.code == "key-missing"


def test_a_key_of_another_type_is_an_error():
    """A key that would fall into a variant column is an error that shows it."""
    with pytest.raises(ShapeError, match="has 'x' as id, another type"):
        shape({"id": 1}, {"id": "2"}, {"id": "x"}, hints=MERGE)


def test_a_key_that_can_be_spelled_in_its_columns_type_is():
    """An API that writes its ids as texts from one day on still means the same records."""
    _, batch = shape({"id": 1, "v": 1}, {"id": 2}, {"id": "1", "v": 2}, hints=MERGE)
    assert rows(batch) == [{"id": 2}, {"id": 1, "v": 2}]
    sets = Hints(write="merge", merge_key=("day",), primary_key=("id",))
    _, batch = shape({"id": 1, "day": "7"}, {"id": 2, "day": 7}, hints=sets)
    assert [row["day"] for row in rows(batch)] == ["7", "7"]
    plain = Hints(primary_key=("id",))
    _, batch = shape({"id": 1}, {"id": "1"}, hints=plain)
    assert rows(batch) == [{"id": 1}, {"id__v_text": "1"}]


@pytest.mark.parametrize("record", [{"id": 2}, {"id": 2, "day": None}, {"id": 2, "day": {"n": 1}}])
def test_a_row_without_its_merge_key_is_an_error(record):
    """Rows of a set that has no value would come again with each run."""
    sets = Hints(write="merge", merge_key=("day",))
    with pytest.raises(ShapeError, match="which is the key") as caught:
        shape({"id": 1, "day": "mon"}, record, hints=sets)
    assert caught.value.code == "key-missing"
    keyed = Hints(write="merge", merge_key=("day",), primary_key=("id",))
    _, batch = shape({"id": 1, "day": "mon"}, record, hints=keyed)
    assert batch.rows == 2


def test_an_inherited_key_falls_back_to_the_name_of_the_stream():
    """Where no record has the inherited key but all have `<singular>_id`, that is the key."""
    shaper, batch = shape({"thing_id": 1}, {"thing_id": 2}, hints=INHERITED)
    assert shaper.schema.root.key == ("thing_id",)
    assert batch.tables["things"]["_penstock_id"].to_pylist() == ["1", "2"]
    (warning,) = shaper.statistics().warnings
    assert warning.code == "key-fallback"
    assert shaper.statistics().rows_without_key == 2
    # it stays the key, even of a run whose first block has both
    later, _ = shape({"thing_id": 3, "id": 4}, hints=INHERITED, known=shaper.schema)
    assert later.schema.root.key == ("thing_id",)


def test_an_explicit_key_never_falls_back():
    """A key the document names for the stream is required."""
    with pytest.raises(ShapeError, match="has no id"):
        shape({"thing_id": 1}, hints=MERGE)


def test_an_inherited_key_without_a_fallback_is_an_error():
    """One record without `<singular>_id` rules the fallback out."""
    with pytest.raises(ShapeError, match="has no id"):
        shape({"thing_id": 1}, {"other": 2}, hints=INHERITED)


def test_extras_can_be_part_of_the_key():
    """A column that segments add may be a key."""
    hints = Hints(write="merge", primary_key=("_p", "id"))
    _, batch = shape({"id": 1}, hints=hints, extras=(("_p", "x"),))
    assert batch.tables["things"]["_penstock_id"].to_pylist() == ["x|1"]


FROZEN = Contract(tables="freeze", columns="freeze", data_type="freeze")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"b": 5}, r"things: a new column at 'b': 5"),
        ({"a": "x"}, r"a value of another type at 'a': 'x'"),
        ({"a": 1.5}, r"a value of another type at 'a': 1.5"),
        ({"m": [7]}, r"a new table at 'm': \[7\]"),
        ({"l": [{"z": 1}]}, r"things__l: a new column at 'z': 1"),
    ],
)
def test_a_frozen_schema_stops_at_the_first_offence(record, message):
    """The error shows the value, its column, the record and the request."""
    known = shape({"a": 1, "l": [{"y": 1}]})[0].schema
    hints = Hints(contract=FROZEN)
    with pytest.raises(ContractError, match=message) as caught:
        shape({"a": 2}, record, hints=hints, known=known, origin="GET /x")
    assert "(GET /x); record: {" in str(caught.value)


def test_a_frozen_schema_takes_what_fits():
    """Known columns, nulls and missing keys are no offence, nor is a first load."""
    hints = Hints(contract=FROZEN)
    shaper, _ = shape({"a": 1, "l": [{"y": 1}]}, hints=hints)
    _, batch = shape({"a": 2, "n": None}, {}, hints=hints, known=shaper.schema)
    assert rows(batch) == [{"a": 2}, {}]


def test_discarded_rows_leave_nothing_behind():
    """With `discard_row` an offending record goes with its children, and is counted."""
    known = shape({"a": 1, "l": [1]})[0].schema
    hints = Hints(contract=Contract(columns="discard_row"))
    shaper, batch = shape(
        {"a": 2, "l": [2]}, {"a": 3, "l": [3, 4], "b": 1}, {"a": 4, "l": [5]},
        hints=hints, known=known,
    )  # fmt: skip
    assert rows(batch) == [{"a": 2}, {"a": 4}]
    assert rows(batch, "things__l") == [{"value": 2}, {"value": 5}]
    parents = batch.tables["things__l"]["_penstock_parent_id"].to_pylist()
    assert parents == batch.tables["things"]["_penstock_id"].to_pylist()
    assert shaper.statistics().discarded_rows == 1


def test_discarded_values_leave_the_rest():
    """With `discard_value` an offending value is left out, and counted."""
    known = shape({"a": 1})[0].schema
    discard = Contract(tables="discard_value", columns="discard_value", data_type="discard_value")
    hints = Hints(contract=discard)
    shaper, batch = shape({"a": "x", "b": 1, "l": [1]}, {"a": 5}, hints=hints, known=known)
    assert rows(batch) == [{}, {"a": 5}]
    assert types(shaper) == {"a": "bigint"}
    assert shaper.statistics().discarded_values == 3


def test_the_contract_of_a_child_table_holds_for_it_and_below():
    """That of the nearest table that has one, as in dlt: where others may not come to be."""
    known = shape({"a": 1})[0].schema
    closed, open_ = Contract(tables="discard_value"), Contract()
    hints = Hints(contract=closed, nested=(Nested(path=("l",), contract=open_),))
    _, batch = shape({"a": 2, "l": [{"m": [1]}], "n": [1]}, hints=hints, known=known)
    assert set(batch.tables) == {"things", "things__l", "things__l__m"}


def test_a_renamed_table_starts_anew():
    """A stored schema of a table with another name is not taken for this one's."""
    known = shape({"a": 1})[0].schema
    shaper = Shaper("things", Hints(table="others"), known)
    batch = shaper.shape(Block(load_id="l", segments=[Segment(records=[b'{"a": "x"}'])]))
    assert list(batch.tables) == ["others"]
    assert shaper.schema.root.column("a").type == "text"
