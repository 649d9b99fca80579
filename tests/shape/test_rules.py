"""The rules of types, names, nesting, extras and declared columns, by example on both lanes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal

import msgspec
import pytest

from penstock.errors import ShapeError
from penstock.plan.hints import Column, Hints
from penstock.shape import Block, Schema, Segment, Shaper
from penstock.shape.names import MAX_NAME, identifier, singular

from .helpers import block, rows, same, shape, types


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (b"1", "bigint"), (b"1.5", "double"), (b"1.0", "double"), (b"1e3", "double"),
        (b"true", "bool"), (b'"12"', "text"), (b'""', "text"), (b'"2024-01-01"', "text"),
        (b'"10:00:00"', "text"), (b'"2024-01-01T10:00:00Z"', "timestamp"),
        (b'"2024-01-01T10:00:00.123+02:00"', "timestamp"),
        (b'"2024-01-01T10:00:00"', "timestamp"),
        (b'"2024-01-01T10:00:00.1234567Z"', "text"), (b"9223372036854775808", "decimal"),
        (b"0.1000000000000000055", "text"), (b"0.100000000000000005", "decimal"),
    ],
)  # fmt: skip
def test_the_first_value_decides(value, kind):
    """A column's type is the class of its first value."""
    shaper, _ = shape(b'{"a": ' + value + b"}")
    assert list(types(shaper).values()) == [kind]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        # a fraction widens an integer column that doubles can hold
        (["1", "1.5"], {"a": ("double", [1.0, 1.5])}),
        # and makes it a decimal where they cannot
        (
            ["9007199254740993", "1.5"],
            {"a": ("decimal", [Decimal(9007199254740993), Decimal("1.5")])},
        ),
        (["1", "9223372036854775808"], {"a": ("decimal", [Decimal(1), Decimal(2**63)])}),
        (
            ["1.5", "9007199254740993"],
            {"a": ("double", [1.5, None]), "a__v_bigint": ("bigint", [None, 9007199254740993])},
        ),
        (["1", '"x"'], {"a": ("bigint", [1, None]), "a__v_text": ("text", [None, "x"])}),
        (["1", '"2"'], {"a": ("bigint", [1, None]), "a__v_text": ("text", [None, "2"])}),
        (["1", "true"], {"a": ("bigint", [1, None]), "a__v_bool": ("bool", [None, True])}),
        (['"x"', "1"], {"a": ("text", ["x", None]), "a__v_bigint": ("bigint", [None, 1])}),
        (["1", "1" * 40], {"a": ("bigint", [1, None]), "a__v_text": ("text", [None, "1" * 40])}),
        (["1" * 40, "1"], {"a__v_text": ("text", ["1" * 40, None]), "a": ("bigint", [None, 1])}),
        (
            ['"2024-01-01T10:00:00Z"', '"2024-01-01T10:00:00.1234567Z"', '""', "5"],
            {
                "a": ("timestamp", [datetime(2024, 1, 1, 10, tzinfo=UTC), None, None, None]),
                "a__v_text": ("text", [None, "2024-01-01T10:00:00.1234567Z", "", None]),
                "a__v_bigint": ("bigint", [None, None, None, 5]),
            },
        ),
        (
            ['"x"', '"a\\ud800"'],
            {"a": ("text", ["x", None]), "a__v_json": ("json", [None, '"a\\ud800"'])},
        ),
        (['"x"', '"2024-01-01T10:00:00Z"'], {"a": ("text", ["x", "2024-01-01T10:00:00Z"])}),
    ],
)
def test_later_values_never_change_what_is_there(values, expected):
    """A value widens its column without loss, or goes to a variant column of its own class."""
    shaper, batch = shape(*(f'{{"a": {v}}}'.encode() for v in values))
    table = batch.tables["things"]
    assert types(shaper) == {name: kind for name, (kind, _) in expected.items()}
    assert {name: table[name].to_pylist() for name in expected} == {
        name: cells for name, (_, cells) in expected.items()
    }


def test_a_wide_integer_is_remembered_in_the_schema():
    """A later run knows that an integer column holds values that no double can hold."""
    shaper, _ = shape({"a": 2**60})
    column = shaper.schema.root.column("a")
    assert column is not None
    assert column.wide
    later, batch = shape({"a": 1.5}, known=shaper.schema)
    assert types(later) == {"a": "decimal"}
    assert rows(batch) == [{"a": Decimal("1.5")}]


def test_offsets_are_normalised_to_utc():
    """An instant is kept in UTC whatever its offset."""
    _, batch = shape({"a": "2024-01-01T10:00:00.5+05:30"})
    assert rows(batch) == [{"a": datetime(2024, 1, 1, 4, 30, 0, 500000, tzinfo=UTC)}]


def test_nulls_and_empty_things_make_no_columns():
    """What was only null, an empty list or an empty object leaves no trace."""
    shaper, batch = shape({"id": 1, "n": None, "l": [], "o": {}, "p": {"q": None}})
    assert types(shaper) == {"id": "bigint"}
    assert list(batch.tables) == ["things"]


def test_the_schema_is_plain_data():
    """A schema survives JSON."""
    shaper, _ = shape({"id": 1, "l": [{"a": 1.5}, [2]], "t": {"u": "2024-01-01T10:00:00Z"}})
    text = msgspec.json.encode(shaper.schema)
    assert msgspec.json.decode(text, type=Schema) == shaper.schema


def test_child_tables_are_linked_and_numbered():
    """Rows of child tables point to their parent row and know their place."""
    record = {"id": 7, "items": [{"n": 1, "tags": ["x", "y"]}, {"n": 2}], "m": [[1], [2, 3]]}
    _, batch = shape(record)
    assert batch.tables["things__items"].to_pylist() == [
        {
            "_penstock_load_id": "load",
            "_penstock_id": f"load-0/{n}",
            "_penstock_parent_id": "load-0",
            "_penstock_list_idx": n,
            "n": n + 1,
        }
        for n in range(2)
    ]
    assert rows(batch, "things__items__tags") == [{"value": "x"}, {"value": "y"}]
    tags = batch.tables["things__items__tags"]
    assert tags["_penstock_parent_id"].to_pylist() == ["load-0/0", "load-0/0"]
    assert rows(batch, "things__m__list") == [{"value": 1}, {"value": 2}, {"value": 3}]


def test_a_path_may_hold_a_scalar_an_object_and_a_list():
    """Classes that differ in kind stand beside each other: column, columns, table."""
    shaper, batch = shape({"a": 1}, {"a": {"b": 2}}, {"a": [3]}, {"a": None})
    assert rows(batch) == [{"a": 1}, {"a__b": 2}, {}, {}]
    assert rows(batch, "things__a") == [{"value": 3}]
    assert types(shaper) == {"a": "bigint", "a__b": "bigint"}


def test_ids_go_on_over_the_blocks_of_a_load():
    """Rows without a key are numbered through their load, and anew in the next."""
    shaper, first = shape({"a": 1}, {"a": 2})
    second = shaper.shape(block({"a": 3}))
    third = shaper.shape(block({"a": 4}, load_id="next"))
    ids = [b.tables["things"]["_penstock_id"].to_pylist() for b in (first, second, third)]
    assert ids == [["load-0", "load-1"], ["load-2"], ["next-0"]]


def test_ids_of_loads_that_are_filled_side_by_side():
    """Blocks of two loads that come by turns give no id twice."""
    shaper = Shaper("things", Hints(), None)
    turns = ("one", "other", "one", "other")
    batches = [shaper.shape(block({"a": [n]}, load_id=load)) for n, load in enumerate(turns)]
    ids = [i for b in batches for i in b.tables["things"]["_penstock_id"].to_pylist()]
    assert ids == ["one-0", "other-0", "one-1", "other-1"]


def test_colliding_keys_get_columns_of_their_own():
    """Keys that come to the same name are kept apart, the same way every time, and reported."""
    record = {"userName": 1, "User-Name": 2, "user": {"name": 3}, "user__name": 4}
    shaper, batch = shape(record)
    names = list(types(shaper))
    assert names[0] == "user_name"
    assert names[1].startswith("user_name_")
    assert names[2] == "user__name"
    assert names[3].startswith("user__name_")
    assert sorted(rows(batch)[0].values()) == [1, 2, 3, 4]
    again, _ = shape({"id": 0}, record)
    assert list(types(again))[1:] == names
    renamed = [c for c in shaper.statistics().changes if c.kind == "renamed"]
    assert [c.column for c in renamed] == [names[1], names[3]]
    assert "'User-Name' is kept as" in str(renamed[0])


def test_system_names_in_records_do_not_clash():
    """A record's own `_penstock_id` is kept beside Penstock's."""
    shaper, batch = shape({"_penstock_id": "mine"})
    (name,) = types(shaper)
    assert name.startswith("_penstock_id_")
    assert rows(batch) == [{name: "mine"}]


@pytest.mark.parametrize(
    ("key", "name"),
    [("userName", "user_name"), ("HTTPServer", "http_server"), ("a b", "a_b"),
     ("a__b", "a__b"), ("1st", "_1st"), ("x_", "xx"),
     ("", "_empty"), ("@type", "atype"), ("日本", "x"), ("ID", "id")],
)  # fmt: skip
def test_names_are_those_of_dlt(key, name):
    """Keys are spelled as dlt's default convention spells them."""
    assert identifier(key) == name


def test_long_names_are_shortened_with_a_tag():
    """Names keep within the limit, and different keys keep different names."""
    keys = ["x" * 80 + "a", "x" * 80 + "b"]
    shaper, batch = shape({keys[0]: 1, keys[1]: 2, "o" * 50: {"p" * 50: 3}})
    assert all(len(name) <= MAX_NAME for name in types(shaper))
    assert sorted(rows(batch)[0].values()) == [1, 2, 3]
    assert identifier("X" * 80) == "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxvfqnjaxxxxxxxxxxxxxxxxxxxxxxxxxxxx"


def test_variants_of_long_names_keep_within_the_limit():
    """A variant column's name is shortened as well."""
    shaper, _ = shape({"y" * 60: 1}, {"y" * 60: "text"})
    assert len(types(shaper)) == 2
    assert all(len(name) <= MAX_NAME for name in types(shaper))


@pytest.mark.parametrize(
    ("plural", "one"),
    [("users", "user"), ("conversations", "conversation"), ("account", "account"),
     ("agencies", "agency"), ("statuses", "status"), ("boxes", "box"), ("addresses", "address"),
     ("branches", "branch"), ("status", "status"), ("houses", "house")],
)  # fmt: skip
def test_singulars(plural, one):
    """The singular of a stream's name is found."""
    assert singular(plural) == one


@pytest.mark.parametrize("lane", ["auto", "exact"])
def test_extras_fill_what_a_record_does_not_have(lane):
    """A segment's extras are columns of its records, unless the record has a value itself."""
    shaper = Shaper("things", Hints(), None, lane=lane, extras={"_p_id": "bigint"})
    first = Segment(records=[b'{"a": 1}', b'{"a": 2, "_p_id": 9}'], extras=(("_p_id", 1),))
    then = Segment(records=[b'{"a": 3, "_p_id": null}', b'{"a": 4}'], extras=(("_p_id", 2),))
    bare = Segment(records=[b'{"a": 5}'])
    for _ in range(2):
        batch = shaper.shape(Block(load_id="l", segments=[first, then, bare]))
        ids = [row.get("_p_id") for row in rows(batch)]
        assert ids == [1, 9, 2, 2, None]
    assert next(iter(types(shaper))) == "_p_id"


def test_extras_of_another_class_go_to_a_variant():
    """An extra follows the same rules as a value of the record."""
    shaper, _ = shape({"a": 1})
    batch = shaper.shape(block({}, extras=(("a", "x"),)))
    assert rows(batch) == [{"a__v_text": "x"}]


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        ("decimal", "12.30", Decimal("12.30")), ("decimal", 5, Decimal(5)), ("bigint", "12", 12),
        ("double", 3, 3.0), ("double", "1.5", 1.5), ("date", "2024-02-29", date(2024, 2, 29)),
        ("time", "10:30", time(10, 30)), ("binary", "YWI=", b"ab"),
        ("binary", "0x61", b"a"), ("binary", "0x6A6b", b"jk"), ("binary", "0x", b""),
        ("json", 5, "5"),
        ("timestamp", "2024-01-01T10:00:00", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("timestamp", "2024-01-01", datetime(2024, 1, 1, tzinfo=UTC)), ("text", 12, "12"),
        ("timestamp", 1704106800, datetime(2024, 1, 1, 11, tzinfo=UTC)),
        ("timestamp", -0.5, datetime(1969, 12, 31, 23, 59, 59, 500000, tzinfo=UTC)),
        ("timestamp_ntz", 1704106800.25, datetime(2024, 1, 1, 11, 0, 0, 250000)),  # noqa: DTZ001 (it has none)
        ("timestamp_ntz", "2024-01-01T10:00:00+02:00", datetime(2024, 1, 1, 8)),  # noqa: DTZ001 (it has none)
    ],
)  # fmt: skip
def test_declared_columns_take_other_spellings(kind, given, kept):
    """A declared type is honoured where the value survives it."""
    hints = Hints(columns=(Column(name="a", type=kind, precision=10, scale=2),))
    shaper, batch = shape({"a": given}, hints=hints)
    assert types(shaper) == {"a": kind}
    assert rows(batch) == [{"a": kept}]


@pytest.mark.parametrize(
    ("kind", "given"),
    [("timestamp", 5), ("timestamp", 0), ("timestamp", 1e300), ("timestamp", 1704106800.12345678),
     ("timestamp", 1704106800123), ("text", True), ("decimal", "12.345"), ("bigint", "007"),
     ("bigint", 1.5), ("date", "2024-02-30"), ("bool", "true"), ("binary", "YWI"),
     ("binary", "0x612"), ("binary", "0x6 61")],
)  # fmt: skip
def test_declared_columns_never_bend_a_value(kind, given):
    """A value that a declared type cannot hold as it is goes to a variant column."""
    hints = Hints(columns=(Column(name="a", type=kind, precision=10, scale=2),))
    shaper, batch = shape({"a": given}, hints=hints)
    (variant,) = set(types(shaper)) - {"a"}
    assert rows(batch) == [{variant: given}]


def test_declared_columns_exist_without_data():
    """Declared columns come first and exist typed, even when nothing arrives."""
    hints = Hints(columns=(Column(name="z", type="date"), Column(name="y", type="decimal")))
    shaper = Shaper("things", hints, None)
    assert types(shaper) == {"z": "date", "y": "decimal"}
    batch = shaper.shape(Block(load_id="l", segments=[]))
    assert batch.tables["things"].num_rows == 0
    assert batch.tables["things"].column_names[2:] == ["z", "y"]


def test_declared_names_meet_the_spelling_of_records():
    """A column declared by its table name is the column of the field that comes to that name."""
    hints = Hints(columns=(Column(name="user_id", type="text"), Column(name="o__p", type="date")))
    shaper, batch = shape({"userId": "x", "o": {"p": "2024-01-01"}}, hints=hints)
    assert rows(batch) == [{"user_id": "x", "o__p": date(2024, 1, 1)}]
    assert types(shaper) == {"user_id": "text", "o__p": "date"}


def test_a_stored_type_outlives_another_declaration():
    """A column keeps the type its stored values have, and says that the document differs."""
    known = shape({"a": 1})[0].schema
    shaper = Shaper("things", Hints(columns=(Column(name="a", type="text"),)), known)
    assert types(shaper) == {"a": "bigint"}
    assert [w.code for w in shaper.statistics().warnings] == ["declared-type"]


def test_raw_slices_are_taken_as_they_are():
    """Records may be slices that msgspec cut out of a page, on both lanes."""
    page = b'[{"id": 1, "l": [1], "j": {"x": 1.10}}, {"id": 2}]'
    records = msgspec.json.decode(page, type=list[msgspec.Raw])
    hints = Hints(columns=(Column(name="j", type="json"),))
    shaper = Shaper("things", hints, None)
    for _ in range(2):
        batch = shaper.shape(Block(load_id="l", segments=[Segment(records=records)]))
        assert rows(batch) == [{"id": 1, "j": '{"x": 1.10}'}, {"id": 2}]
    assert shaper.statistics().main_rows == 2


def test_declared_json_keeps_slices_verbatim():
    """A declared JSON column holds the record's own text, lists of rows beside it as ever."""
    hints = Hints(columns=(Column(name="meta", type="json"),))
    record = b'{"meta": {"x": 1.10,  "y": [1]}, "l": [{"a": 1}]}'
    shaper, first = shape(record, hints=hints)
    assert rows(first) == [{"meta": '{"x": 1.10,  "y": [1]}'}]
    shaper._lanes._lane = "main"
    shaper._lanes._numbered.clear()
    same(first, shaper.shape(block(record)))


def test_records_that_are_no_objects_become_values():
    """A scalar record is a row with a `value`, the items of a list one have a table."""
    shaper, batch = shape(b"5", b'"x"', b"[1, 2]", b"null", b'{"a": 1}')
    assert rows(batch) == [{"value": 5}, {"value__v_text": "x"}, {}, {}, {"a": 1}]
    assert [row["value"] for row in rows(batch, "things__value")] == [1, 2]
    assert shaper.statistics().exact_rows == 5


def test_nesting_below_the_hundredth_level_is_json():
    """A very deep record is kept whole: columns to a depth, one JSON column below it."""
    record = b'{"a":' * 150 + b"1" + b"}" * 150
    shaper, batch = shape(record)
    ((kept, text),) = rows(batch)[0].items()
    assert len(kept) <= MAX_NAME
    column = shaper.schema.root.column(kept)
    assert column is not None
    assert column.type == "json"
    assert b'{"a":' * len(column.path) + text.encode() + b"}" * len(column.path) == record


def test_deep_lists_are_json_too():
    """Lists in lists end in a JSON column as well."""
    shaper, batch = shape(b'{"a":' + b"[" * 150 + b"1" + b"]" * 150 + b"}")
    assert len(shaper.schema.tables) <= 102
    last = rows(batch, shaper.schema.tables[-1].name)
    assert last[0]["list"].count("[") + len(shaper.schema.tables) - 1 == 150


def test_too_deep_to_read_is_an_error():
    """A record beyond what can be decoded is an error that names the stream and request."""
    with pytest.raises(ShapeError, match=r"things: a record is nested too deeply.*GET /x"):
        shape(b"[" * 100_000 + b"]" * 100_000, origin="GET /x")


def test_malformed_records_are_errors():
    """A record that is not JSON stops the stream and is shown."""
    with pytest.raises(ShapeError, match=r'not valid JSON.*record: \{"a": NaN\}'):
        shape(b'{"a": NaN}')


@pytest.mark.parametrize(
    "key", ["٣" * 40, "x" + "٣" * 70, "a" * 62 + "٣", "\U0001d7d9" * 30], ids=range(4)
)
def test_names_are_cut_by_bytes(key):
    """Databases count bytes, and digits of other scripts have several; no half of one is left."""
    shaper, _ = shape({key: 1, key + "!": 2, "l" + key: [1]})
    named = [c.name for t in shaper.schema.tables for c in t.columns]
    named += [t.name for t in shaper.schema.tables]
    assert all(len(name.encode()) <= MAX_NAME for name in named)
    assert len(types(shaper)) == 2
    assert "\ufffd" not in "".join(named)


def test_ten_thousand_columns():
    """Very wide records are shaped without quadratic work."""
    record = {f"column_{n}": n for n in range(10_000)}
    shaper, batch = shape(record, record)
    assert batch.tables["things"].num_columns == 10_002
    assert shaper.shape(block(record)).tables["things"].num_columns == 10_002
    assert shaper.statistics().main_rows == 1


def test_a_column_added_late_is_null_before():
    """Batches have the columns of the schema as it was after them."""
    shaper, first = shape({"a": 1})
    second = shaper.shape(block({"b": 2}))
    assert first.tables["things"].column_names[2:] == ["a"]
    assert second.tables["things"].column_names[2:] == ["a", "b"]
    assert rows(second) == [{"b": 2}]


def test_statistics_tell_what_changed():
    """Schema changes are counted and said in sentences."""
    shaper, _ = shape({"a": 1}, {"a": 1.5}, {"a": "x", "l": [1]})
    told = [str(change) for change in shaper.statistics().changes]
    assert told == [
        "things: new column a",
        "things: column a was bigint and is double now",
        "things: values of a that are text are kept in a__v_text",
        "new table things__l",
        "things__l: new column value",
    ]
    assert shaper.statistics().variant_values == 1
