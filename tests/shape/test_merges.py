"""What shaping does for merges: candidate keys, which row stays, versions, and records kept out."""

from __future__ import annotations

import pytest

from penstock.errors import ShapeError
from penstock.plan.hints import Column, Contract, Hints
from penstock.shape import Order, Roles

from .helpers import block, rows, shape, types

LANES = pytest.mark.parametrize("lane", ["auto", "exact"])


def test_a_merge_without_a_key_lists_what_could_be_one():
    """Fields that all first records have, each with another value, are named."""
    records = [
        {"id": 1, "email": "a", "name": "x", "seen": None, "ratio": 0.5, "u": {"ref": "p"}},
        {"id": 2, "email": "b", "name": "x", "seen": "y", "ratio": 0.1, "u": {"ref": "q"}},
    ]
    with pytest.raises(ShapeError) as caught:
        shape(*records, hints=Hints(write="merge"))
    assert caught.value.code == "no-key"
    assert str(caught.value).endswith(
        "in the first 2 records, these fields are all there and all different: "
        "'id', 'email', 'u.ref')"
    )


def test_a_merge_that_appends_for_want_of_a_key_names_candidates_once():
    """As in dlt the rows are appended; the warning says which fields could be the key."""
    shaper, _ = shape({"id": 1, "n": "x"}, {"id": 2, "n": "x"}, hints=Hints(keyless=True))
    shaper.shape(block({"id": 3}))
    [warning] = shaper.statistics().warnings
    assert (warning.code, warning.hint) == ("merge-without-key", "give primary_key")
    assert warning.message == (
        "things: rows are appended, as nothing says by which key to merge them; in the first 2 "
        "records, these fields are all there and all different: 'id'"
    )


def test_a_merge_may_have_no_key_among_its_fields():
    """Where no field could be a key, that is said."""
    with pytest.raises(ShapeError, match="in the first 2 records, none is one"):
        shape({"a": 1}, {"a": 1}, hints=Hints(write="merge"))


@LANES
@pytest.mark.parametrize(("way", "kept"), [("desc", "b"), ("asc", "c")])
def test_dedup_sort_decides_which_row_stays(lane, way, kept):
    """The greatest (or least) of a key stays with its children; of equals the last, nulls lose."""
    hints = Hints(
        write="merge", primary_key=("id",), columns=(Column(name="rank", dedup_sort=way),)
    )
    records = [
        {"id": 1, "v": "a", "rank": 9, "l": ["a"]},
        {"id": 1, "v": "b", "rank": 9, "l": ["b"]},
        {"id": 1, "v": "c", "rank": -1, "l": ["c"]},
        {"id": 1, "v": "n", "rank": None, "l": ["n"]},
        {"id": 2, "v": "z", "rank": 0, "l": []},
    ]
    shaper, batch = shape(*records, hints=hints, lane=lane)
    assert [r["v"] for r in rows(batch)] == [kept, "z"]
    assert rows(batch, "things__l") == [{"value": kept}]
    assert shaper.roles.sort == Order(column="rank", descending=way == "desc")


def test_roles_are_named_as_the_columns_are():
    """Keys and deciding columns are found however records spell them."""
    hints = Hints(
        write="merge",
        merge_key=("groupId",),
        columns=(Column(name="isGone", hard_delete=True), Column(name="at", dedup_sort="desc")),
    )
    shaper, batch = shape({"groupId": 7, "isGone": False}, hints=hints)
    assert shaper.roles == Roles(merge_key=("group_id",), hard_delete="is_gone")
    assert batch.tables["things"]["_penstock_id"].to_pylist() == ["load-0"]


def test_versions_tell_records_apart_and_nothing_else():
    """The version of a record is the same however it is spelled, and another with any value."""
    hints = Hints(write="merge", strategy="scd2")
    records = [
        b'{"a":1,"l":[1,{"x":2}]}',
        b'{ "l": [1, {"x": 2}], "a": 1 }',
        b'{"a":1,"l":[1,{"x":3}]}',
        b'{"a":1.0000000000000000000001,"l":[1,{"x":2}]}',
    ]
    shaper, batch = shape(*records, hints=hints)
    versions = batch.tables["things"]["_penstock_version"].to_pylist()
    assert len(versions) == len(set(versions)) == 3
    assert {"_penstock_valid_from", "_penstock_valid_to"} <= {
        c.name for c in shaper.schema.root.columns
    }
    again = shaper.shape(block(records[1], load_id="later")).tables["things"]
    assert again["_penstock_version"].to_pylist() == versions[:1]
    assert set(again["_penstock_id"].to_pylist()).isdisjoint(
        batch.tables["things"]["_penstock_id"].to_pylist()
    )


def test_soft_delete_has_a_column_for_it():
    """The column that says when a row was found gone is a timestamp, and null in new rows."""
    hints = Hints(write="merge", primary_key=("id",), soft_delete=True)
    shaper, batch = shape({"id": 1}, hints=hints)
    assert types(shaper) == {"id": "bigint"}
    assert batch.tables["things"]["_penstock_deleted_at"].to_pylist() == [None]


@pytest.mark.parametrize("versions", [False, True])
def test_discarded_records_come_with_the_batch(versions):
    """A record that a contract keeps out is named with the reason, its text and its request."""
    contract = Contract(columns="discard_row")
    hints = Hints(contract=contract, primary_key=("id",))
    if versions:
        hints = Hints(contract=contract, write="merge", strategy="scd2")
    known = shape({"id": 1}, hints=hints)[0].schema
    records = [{"id": 2}, b'{"id":3, "new": 1.10}', {"id": 4}]
    shaper, batch = shape(*records, hints=hints, known=known, origin="GET /things")
    assert [r["id"] for r in rows(batch)] == [2, 4]
    [out] = batch.discarded
    assert out.record == '{"id":3, "new": 1.10}'
    assert out.origin == "GET /things"
    assert out.reason.startswith("things: a new column at 'new': ")
    assert shaper.shape(block({"id": 5})).discarded == ()
    if versions:
        assert len(set(batch.tables["things"]["_penstock_version"].to_pylist())) == 2
