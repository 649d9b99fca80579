"""Shaping with dlt's own columns, and into tables that dlt made."""

from __future__ import annotations

from typing import Any

import pytest
from tests.shape.helpers import block

from penstock.plan.hints import Hints
from penstock.shape import Schema, Shaper, Style, Table, TableColumn

NESTED = {"id": 1, "l": [1, {"deep": [3]}], "o": {"userName": "x"}}
DLT = Style(system="dlt")
MERGED = Hints(write="merge", primary_key=("id",))


def _shape(*records: Any, hints: Hints = MERGED, known: Schema | None = None):
    shaper = Shaper("up", hints, known, style=DLT)
    return shaper, shaper.shape(block(*records, load_id="1.5"))


def _column(name: str, kind: Any = "text", **more: Any) -> TableColumn:
    return TableColumn(name=name, type=kind, placed=False, **more)


def _known(*columns: TableColumn, children: tuple[Table, ...] = ()) -> Schema:
    own = [TableColumn(name=name, type="text") for name in ("_dlt_load_id", "_dlt_id")]
    root = Table(name="up", columns=(*columns, *own), system="dlt")
    return Schema(stream="up", tables=(root, *children))


def _child(name: str, parent: str, *columns: TableColumn) -> Table:
    own = [TableColumn(name=name, type="text") for name in ("_dlt_root_id", "_dlt_parent_id")]
    return Table(name=name, parent=parent, columns=(*columns, *own), system="dlt", placed=False)


def test_digests_are_those_of_dlt():
    """The ids that dlt gave these rows: of the key, and of the place in a list."""
    upsert = Hints(write="merge", primary_key=("id",), strategy="upsert")
    _, batch = _shape(NESTED, hints=upsert)
    assert batch.tables["up"]["_dlt_id"].to_pylist() == ["z5jIxXIbUnmbKw"]
    assert batch.tables["up__l"]["_dlt_id"].to_pylist() == ["g4i+7SAKf+Uxeg", "Arlg9DmANBEDfw"]
    assert batch.tables["up__l__deep"]["_dlt_id"].to_pylist() == ["34Ij6wyQjt8NOQ"]


def test_versions_are_told_apart_by_the_record():
    """The id that dlt gave this record: of all that stands in it, whatever its order."""
    history = Hints(write="merge", strategy="scd2")
    for record in ({"id": 1, "l": [1, 2]}, {"l": [1, 2], "id": 1}):
        _, batch = _shape(record, hints=history)
        assert batch.tables["up"]["_dlt_id"].to_pylist() == ["U2/tu741qLzXiQ"]
    assert batch.tables["up"].column_names[:2] == ["_dlt_id", "_dlt_valid_from"]
    assert "_dlt_root_id" not in batch.tables["up__l"].column_names


def test_other_ids_are_by_chance():
    """Rows that are appended have ids of 14 letters that nothing else has."""
    _, batch = _shape(*[{"id": 1}] * 50, hints=Hints())
    ids = batch.tables["up"]["_dlt_id"].to_pylist()
    assert len(set(ids)) == 50
    assert {len(one) for one in ids} == {14}


def test_rows_below_lead_to_their_parent_and_their_root():
    """Each row of a child table names the row above and the root's row."""
    _, batch = _shape(NESTED)
    [root] = batch.tables["up"].to_pylist()
    below = batch.tables["up__l"].to_pylist()
    [deep] = batch.tables["up__l__deep"].to_pylist()
    assert root["_dlt_load_id"] == "1.5"
    assert [row["_dlt_parent_id"] for row in below] == [root["_dlt_id"]] * 2
    assert [row["_dlt_list_idx"] for row in below] == [0, 1]
    assert deep["_dlt_parent_id"] == below[1]["_dlt_id"]
    assert deep["_dlt_root_id"] == root["_dlt_id"]
    assert "_dlt_load_id" not in below[0]


def test_columns_keep_their_types():
    """A fraction where whole numbers were goes to a variant column, as in dlt."""
    shaper, _ = _shape({"id": 1, "v": 1}, {"id": 2, "v": 1.5})
    assert {"v", "v__v_double"} <= {column.name for column in shaper.schema.root.columns}
    assert shaper.schema.root.column("v").type == "bigint"


def test_records_find_the_columns_that_dlt_made():
    """Columns that are known by name meet the fields whose names come to theirs."""
    known = _known(_column("id", "bigint"), _column("o__user_name"), _column("v", "bigint"),
                   _column("v__v_text", variant=True))  # fmt: skip
    shaper, batch = _shape({**NESTED, "v": "x"}, known=known)
    [row] = batch.tables["up"].to_pylist()
    assert (row["o__user_name"], row["v"], row["v__v_text"]) == ("x", None, "x")
    names = [column.name for column in shaper.schema.root.columns]
    assert len(names) == len(set(names)) == 6
    assert shaper.schema.root.column("o__user_name").path == ("o", "userName")
    assert shaper.schema.root.column("o__user_name").placed


def test_records_find_the_tables_that_dlt_made():
    """Child tables that are known by name are filled, and others stay as they are."""
    children = (
        _child("up__l", "up", _column("value", "bigint")),
        _child("up__l__deep", "up__l", _column("value", "bigint")),
        _child("up__gone", "up", _column("value")),
    )
    shaper, batch = _shape(NESTED, known=_known(_column("id", "bigint"), children=children))
    placed = {table.name: table.placed for table in shaper.schema.tables}
    assert placed == {"up": True, "up__l": True, "up__l__deep": True, "up__gone": False}
    assert shaper.schema.table("up__l__deep").path == ("deep",)
    assert batch.tables["up__l"]["value"].to_pylist() == [1, None]
    assert batch.tables["up__gone"].num_rows == 0


@pytest.mark.parametrize("lane", ["auto", "exact"])
def test_what_was_found_once_is_known_by_its_path(lane):
    """The schema that a run leaves leads the next one on either lane."""
    known = _known(_column("id", "bigint"), children=(
        _child("up__l", "up", _column("value", "bigint")),))  # fmt: skip
    first, _ = _shape({"id": 1, "l": [1]}, known=known)
    again = Shaper("up", MERGED, first.schema, style=DLT, lane=lane)
    for load_id in ("2.0", "3.0"):
        batch = again.shape(block({"id": 2, "l": [5]}, load_id=load_id))
        assert batch.tables["up__l"]["value"].to_pylist() == [5]
    assert [table.name for table in again.schema.tables] == ["up", "up__l"]
