"""Hints of child tables: what of them becomes a part of the plan, and what is said of the rest."""

from __future__ import annotations

import pytest

from penstock.dialects import compile_document
from penstock.dialects.document import Document
from penstock.plan.hints import Column, Contract, Hints, Nested
from penstock.shape import Block, Segment, Shaper


def compiled(hints, **more):
    resource = {"name": "things", "nested_hints": hints, **more}
    config = {"client": {"base_url": "https://a.test"}, "resources": [resource]}
    return compile_document(Document.from_object(config, "things"))


def test_columns_of_child_tables_are_declared():
    """A key is the name below the resource's table, or a tuple of names."""
    found = compiled(
        {
            "items": {"columns": [{"name": "n", "data_type": "double"}], "write_disposition": None},
            ("items", "parts"): {"columns": {"m": {"data_type": "json"}}},
        }
    )
    assert [str(d) for d in found.diagnostics] == []
    assert found.need().streams[0].hints.nested == (
        Nested(path=("items",), columns=(Column(name="n", type="double"),)),
        Nested(path=("items", "parts"), columns=(Column(name="m", type="json"),)),
    )


def test_a_key_makes_a_table_that_stands_for_itself():
    """Its hints are whole, and what is said of tables below it is theirs."""
    found = compiled(
        {
            ("items", "parts"): {"schema_contract": "freeze"},
            "items": {"primary_key": "id", "columns": [{"name": "n", "data_type": "double"}]},
            "others": {"columns": [{"name": "k", "merge_key": True}], "write_disposition": "merge"},
        }
    )
    assert [str(d) for d in found.diagnostics] == []
    frozen = Contract(tables="freeze", columns="freeze", data_type="freeze")
    below = (Nested(path=("parts",), contract=frozen),)
    columns = (Column(name="n", type="double"),)
    assert found.need().streams[0].hints.nested == (
        Nested(path=("items",), own=Hints(primary_key=("id",), columns=columns, nested=below)),
        Nested(
            path=("others",),
            own=Hints(merge_key=("k",), write="merge", columns=(Column(name="k"),)),
        ),
    )


SAID = {
    "a name of no child table": (
        {"items__parts": {"primary_key": "id"}},
        ["gap: 'items__parts' is the name of no child table in dlt"],
    ),
    "what describes alone": (
        {"items": {"primary_key": "id", "references": [{"referenced_table": "t"}]}},
        ["gap: references of nested_hints"],
    ),
    "a disposition there is not": (
        {"items": {"primary_key": "id", "write_disposition": "replce"}},
        ["unknown-value: resources[0].nested_hints.items.write_disposition cannot be 'replce'"],
    ),
    "another disposition": (
        {"items": {"write_disposition": "replace"}},
        ["gap: write_disposition of nested_hints"],
    ),
    "the same disposition": ({"items": {"write_disposition": "append"}}, []),
    "a column that must be there": (
        {"items": {"columns": {"n": {"data_type": "text", "nullable": False}}}},
        ["gap: only the type of the column 'n'"],
    ),
    "a typo": ({"items": {"column": {}}}, ["unknown-key: the hints of 'items' has no key"]),
    "no mapping": ({"items": 1}, ["wrong-type: "]),
}


@pytest.mark.parametrize("case", SAID)
def test_what_is_not_honoured_is_said(case):
    """Nothing of a hint is passed over in silence."""
    hints, expected = SAID[case]
    said = [f"{d.code}: {d.message}" for d in compiled(hints).diagnostics]
    assert len(said) == len(expected)
    assert all(one.startswith(begin) for one, begin in zip(said, expected, strict=True))


def test_a_declared_child_table_comes_with_its_first_row():
    """No table is made for a hint alone; columns without a value come with the table."""
    nested = {
        "items": {"columns": {"n": {"data_type": "double"}, "never": {"data_type": "date"}}},
        "tags": {"columns": {"value": {"data_type": "double"}}},
    }
    hints = compiled(nested).need().streams[0].hints
    shaper = Shaper("things", hints, None)
    shaper.shape(Block(load_id="1", segments=(Segment(records=(b'{"id": 1, "items": []}',)),)))
    assert [table.name for table in shaper.schema.tables] == ["things"]
    rows = (b'{"id": 2, "items": [{"n": 1}], "tags": [1]}',)
    shaper.shape(Block(load_id="2", segments=(Segment(records=rows),)))
    shown = {
        table.name: {c.name: c.type for c in table.columns if not c.name.startswith("_")}
        for table in shaper.schema.tables[1:]
    }
    assert shown == {
        "things__items": {"n": "double", "never": "date"}, "things__tags": {"value": "double"},
    }  # fmt: skip
    again = Shaper("things", hints, shaper.schema)
    assert again.schema == shaper.schema
