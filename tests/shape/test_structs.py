"""The rules of nested columns, by example: what is a struct, what a list, and how they grow."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from penstock.errors import ContractError
from penstock.plan.hints import Column, Contract, Hints
from penstock.shape import Schema, Shaper, TableColumn

from .helpers import block, rows, same, shape

STRUCT = Hints(nesting="struct")


def spelled(column: TableColumn) -> str:
    """A column's type, as short as it can be said."""
    if column.type == "list":
        return f"[{spelled(column.fields[0])}]"
    if column.type == "struct":
        inner = ", ".join(f"{f.name} {spelled(f)}" for f in column.fields)
        return f"{{{inner}}}"
    return column.type


def nested(schema: Schema) -> dict[str, str]:
    """The types of the root's columns, without Penstock's own."""
    own = (c for c in schema.root.columns if not c.name.startswith("_penstock_"))
    return {column.name: spelled(column) for column in own}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"a": {"b": 1}}, {"a": "{b bigint}"}),
        ({"a": [1, 2]}, {"a": "[bigint]"}),
        ({"a": [[1], [2]]}, {"a": "[[bigint]]"}),
        ({"a": [{"b": [{"c": "x"}]}]}, {"a": "[{b [{c text}]}]"}),
        ({"userName": {"firstName": "x"}}, {"user_name": "{first_name text}"}),
        # what is empty shows no type
        ({"a": {}, "b": [], "c": [{}], "d": 1}, {"d": "bigint"}),
    ],
)
def test_objects_are_structs_and_lists_are_lists(record, expected):
    """One table holds the record; no child table and no row id is needed."""
    shaper, batch = shape(record, hints=STRUCT)
    assert nested(shaper.schema) == expected
    assert list(batch.tables) == ["things"]
    assert batch.tables["things"].column_names[0] == "_penstock_load_id"
    assert "_penstock_id" not in batch.tables["things"].column_names


def test_values_stand_where_the_record_has_them():
    """A nested column holds the value as it is nested."""
    record = {"id": 1, "user": {"name": "a", "tags": ["x", "y"]}, "m": [[1, 2], [3]]}
    _, batch = shape(record, hints=STRUCT)
    assert rows(batch) == [record]


@pytest.mark.parametrize(
    ("records", "expected", "last"),
    [
        # a new field stands at the end, and so it goes on
        (
            [{"a": {"x": 1}, "b": 1}, {"a": {"y": "t"}}],
            {"a": "{x bigint, y text}", "b": "bigint"},
            {"a": {"x": None, "y": "t"}},
        ),
        # an integer field widens
        ([{"a": {"x": 1}}, {"a": {"x": 1.5}}], {"a": "{x double}"}, {"a": {"x": 1.5}}),
        ([{"a": [1]}, {"a": [2**63]}], {"a": "[decimal]"}, {"a": [2**63]}),
        # a value of another class has a field of its own
        (
            [{"a": {"x": 1}}, {"a": {"x": "t"}}],
            {"a": "{x bigint, x__v_text text}"},
            {"a": {"x": None, "x__v_text": "t"}},
        ),
        # and in lists one list for each class, element by element
        (
            [{"a": [1]}, {"a": [2, "t", None]}],
            {"a": "[bigint]", "a__v_text": "[text]"},
            {"a": [2, None, None], "a__v_text": [None, "t", None]},
        ),
        (
            [{"a": 1}, {"a": {"x": 2}}],
            {"a": "bigint", "a__v_struct": "{x bigint}"},
            {"a__v_struct": {"x": 2}},
        ),
        (
            [{"a": {"x": 2}}, {"a": 1}],
            {"a": "{x bigint}", "a__v_scalar": "bigint"},
            {"a__v_scalar": 1},
        ),
        (
            [{"a": {"x": 2}}, {"a": [{"x": 1}, 5]}],
            {"a": "{x bigint}", "a__v_list_struct": "[{x bigint}]", "a__v_list_scalar": "[bigint]"},
            {"a__v_list_struct": [{"x": 1}, None], "a__v_list_scalar": [None, 5]},
        ),
    ],
)
def test_nested_types_grow_without_loss(records, expected, last):
    """New fields, wider numbers and other classes find their place, in one block and in two."""
    shaper, batch = shape(*records, hints=STRUCT)
    assert nested(shaper.schema) == expected
    assert rows(batch)[-1] == last
    later = Shaper("things", STRUCT, shape(records[0], hints=STRUCT)[0].schema)
    assert rows(later.shape(block(records[1]))) == [last]
    assert nested(later.schema) == expected


def test_nothing_is_null():
    """A struct of nulls, an empty list and a list of nulls are null, however blocks were cut."""
    records: list[Any] = [{"a": {"x": None}, "b": [], "c": [None]}, {"a": {"x": 1}, "b": [1, None]}]
    records.append({"c": [{"y": 1}]})
    _, batch = shape(*records, hints=STRUCT)
    assert rows(batch) == [{}, {"a": {"x": 1}, "b": [1, None]}, {"c": [{"y": 1}]}]


def test_the_main_lane_folds_too():
    """Whole blocks go through Arrow's reader, and come out as from the exact lane."""
    records = [{"id": n, "u": {"l": [{"v": n, "w": ["x"] * n}]}} for n in range(4)]
    batches = []
    for lane in ("auto", "exact"):
        shaper, _ = shape(*records, hints=STRUCT, lane=lane)
        batches.append(shaper.shape(block(*records)))
        assert shaper.statistics().main_rows == (4 if lane == "auto" else 0)
    same(*batches)
    assert rows(batches[0])[2]["u"] == {"l": [{"v": 2, "w": ["x", "x"]}]}


def test_a_path_may_be_nested_otherwise():
    """What is said of a path holds there and below; the rest is as the stream says."""
    record = {"a": {"b": {"c": 1}, "d": 2}, "l": [{"x": [1]}], "j": {"k": [1]}}
    paths = (("a.b", "struct"), ("l", "struct"), ("j", "json"))
    shaper, batch = shape(record, hints=Hints(nesting_at=paths))
    assert nested(shaper.schema) == {
        "a__b": "{c bigint}", "a__d": "bigint", "l": "[{x [bigint]}]", "j": "json",
    }  # fmt: skip
    assert [t.name for t in shaper.schema.tables] == ["things"]
    paths = (("l", "tables"),)
    shaper, batch = shape(record, hints=Hints(nesting="struct", nesting_at=paths))
    assert [t.name for t in shaper.schema.tables] == ["things", "things__l", "things__l__x"]
    assert rows(batch, "things__l__x") == [{"value": 1}]


def test_json_inside_a_struct_is_verbatim():
    """A path that is kept as JSON keeps its text, also inside a struct and inside lists."""
    hints = Hints(nesting="struct", nesting_at=(("a.j", "json"), ("l.j", "json")))
    text = b'{"a": {"j": {"n": 1.10 }, "x": 1}, "l": [{"j": [ 1 ]}]}'
    shaper, first = shape(text, hints=hints)
    again = shaper.shape(block(text))
    same(first, again)
    assert shaper.statistics().main_rows == 1
    assert rows(again) == [{"a": {"j": '{"n": 1.10 }', "x": 1}, "l": [{"j": "[ 1 ]"}]}]


def test_levels_are_counted_by_lists():
    """Lists deeper than the document allows are JSON."""
    hints = Hints(nesting="struct", max_nesting=1)
    shaper, batch = shape({"a": [{"b": [{"c": 1}]}]}, hints=hints)
    assert nested(shaper.schema) == {"a": "[{b json}]"}
    assert rows(batch) == [{"a": [{"b": '[{"c": 1}]'}]}]


def test_columns_that_decide_stay_columns():
    """A key and a declared column can be used by the destination wherever a record has them."""
    hints = Hints(
        nesting="struct",
        write="merge",
        primary_key=("user__id",),
        columns=(Column(name="user__at", type="timestamp"),),
    )
    record = {"user": {"id": 1, "at": "2024-01-01T10:00:00Z", "name": "a"}}
    shaper, batch = shape(record, record, hints=hints)
    assert nested(shaper.schema) == {
        "user__at": "timestamp", "user__id": "bigint", "user": "{name text}",
    }  # fmt: skip
    assert shaper.schema.root.key == ("user__id",)
    assert batch.rows == 1


@pytest.mark.parametrize("then", ["tables", "struct"])
@pytest.mark.parametrize("before", ["tables", "struct"])
def test_what_is_stored_stays_where_it_is(before, then):
    """Another nesting than the tables have changes nothing for what they have."""
    record = {"a": {"x": 1}, "l": [1, 2]}
    first, batch = shape(record, hints=Hints(nesting=before))
    later = Shaper("things", Hints(nesting=then), first.schema)
    kept = {t.name: {c.name for c in t.columns} for t in first.schema.tables}
    after = later.shape(block(record))
    now = {t.name: {c.name for c in t.columns} for t in later.schema.tables}
    assert all(columns <= now[table] for table, columns in kept.items())
    own = [name for name in batch.tables["things"].column_names if "_id" not in name]
    old, new = (b.tables["things"].select(own).to_pylist() for b in (batch, after))
    assert old == new


def test_a_field_and_a_column_of_one_name_are_told_apart():
    """Keys that differ in spelling only are fields with names of their own, and it is said."""
    shaper, batch = shape({"a": {"userId": 1, "user_id": 2}}, hints=STRUCT)
    [row] = rows(batch)
    assert sorted(row["a"].values()) == [1, 2]
    assert "'a.user_id' is kept as a.user_id_" in " ".join(
        str(change) for change in shaper.statistics().changes
    )


def test_a_contract_binds_fields():
    """A frozen schema takes no new field and no other type inside a struct."""
    known = shape({"a": {"x": 1}, "l": [1]}, hints=STRUCT)[0].schema
    frozen = Hints(nesting="struct", contract=Contract(columns="freeze", data_type="freeze"))
    for record, said in (
        ({"a": {"y": 1}}, "a new column at 'a.y': 1"),
        ({"a": {"x": "t"}}, "a value of another type at 'a.x': 't'"),
        ({"l": ["t"]}, "a value of another type at 'l': 't'"),
        ({"m": [1]}, "a new column at 'm'"),
    ):
        with pytest.raises(ContractError, match=said):
            shape(record, hints=frozen, known=known)
    values = Hints(nesting="struct", contract=Contract(columns="discard_value"))
    _, batch = shape({"a": {"x": 2, "y": 1}, "m": [1]}, hints=values, known=known)
    assert rows(batch) == [{"a": {"x": 2}}]


def test_arrow_types_are_plain():
    """Any reader of Arrow can take the columns."""
    _, batch = shape({"a": [{"x": 1}]}, hints=STRUCT)
    kind = batch.tables["things"].schema.field("a").type
    assert kind == pa.list_(pa.struct([("x", pa.int64())]))
