"""The two lanes give the same tables, and the main lane takes what it can."""

from __future__ import annotations

import pytest

from penstock.plan.hints import Column, Hints
from penstock.shape import Shaper
from penstock.shape.main import Refused

from .helpers import block, rows, same, shape, types

# JSON texts: each is tried in a column that each of them made
VALUES = [
    "1", "0", "-0", "12", "1.0", "1.5", "-0.0", "0.1", "0.10", "1e5", "1E400", "1e-400", "1e-7",
    "0.1000000000000000055", "0.30000000000000004", "52.37403160000001", "1700000000.123456",
    "9007199254740992", "9007199254740993", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "-9223372036854775809", "1" * 38, "1" * 39, "1" * 5000,
    "123456789012345678901234567890.5", "1152921504606846976", "1e22",
    "12345678901234567e-12", "12345678901234567E-12", "1.0E-5", "1234567890.1234567", "-0e3",
    "99999999.9999999", "100000000.12345678", "10000000000000000055e-20", "1.00000000",
    "true", "false", "null", "{}", "[]", '{"x": 1.10}', "[1]", "[null]", "[[]]", "[{}]",
    "[null, null]",
    '""', '"12"', '"a"', '"1.50"', '"+1"', '".5"', '"5."', '"1e-1"', '" 1"', '"-0"', '"01"',
    '"NaN"',
    '"\\u0000"', '"\\ud83d\\ude00"', '"\\ud800"', '"a\\udc00b"', '"é\\n\\"\\\\"', '"YWI="', '"YWI"',
    '"2024-01-01"', '"2024-1-1"', '"2024-02-30"', '"0000-01-01"', '"10000-01-01"',
    '"10:00"', '"10:00:00"', '"10:00:00.5"', '"10:00:00.1234567"', '"24:00:00"', '"10"',
    '"10:00:00Z"',
    '"2024-01-01T10"', '"2024-01-01T10:00"', '"2024-01-01T10:00:00"', '"2024-01-01 10:00:00.123"',
    '"2024-01-01T10Z"', '"2024-01-01T10+00:00"', '"2024-01-01T10:00Z"', '"2024-01-01T10:00:00Z"',
    '"2024-01-01 10:00:00Z"', '"2024-01-01T10:00:00.1Z"', '"2024-01-01T10:00:00.123456Z"',
    '"2024-01-01T10:00:00.1234567Z"', '"2024-01-01T10:00:00.123456789Z"',
    '"2024-01-01T10:00:00+02"',
    '"2024-01-01T10:00:00+0230"', '"2024-01-01T10:00:00-02:30"', '"2024-01-01T10:00:00-00:00"',
    '"2024-01-01T10:00:00+24:00"', '"2024-01-01T10:00:00+23:60"', '"2024-01-01T24:00:00Z"',
    '"2024-01-01T10:00:60Z"', '"2023-02-29T10:00:00Z"', '"0000-01-01T10:00:00Z"',
    '"0001-01-01T00:00:00+01:00"', '"0001-01-01T00:00:00Z"', '"9999-12-31T23:59:59-01:00"',
    '"9999-12-31T23:59:59Z"', '"2024-01-01t10:00:00z"', '"20240101T100000Z"',
    '"2024-01-01T10:00:00,5Z"',
    '"\\u0662024-01-01T10:00:00Z"', '"٢٠٢٤-01-01T10:00:00Z"', '"2024-01-01T10:00:00Zx"',
]  # fmt: skip
DECLARED = [
    "bool", "bigint", "decimal", "double", "text", "timestamp", "timestamp_ntz", "date", "time",
    "json", "binary",
]  # fmt: skip


# one value of every class that a column can be made of
FIRSTS = [
    "1", "9007199254740993", "9223372036854775808", "1" * 39, "1.5", "0.1000000000000000055",
    "true",
    "null", "{}", "[]", '{"x": 1}', "[1]", '"a"', '"\\ud800"', '"2024-01-01T10:00:00Z"',
    '"2024-01-01T10:00:00"',
]  # fmt: skip


def both(first: bytes | None, then: bytes, hints: Hints) -> None:
    """Assert that a second block is the same on both lanes, in tables and schema."""
    batches, schemas = [], []
    for lane in ("auto", "exact"):
        shaper = Shaper("things", hints, None, lane=lane)
        shaper.shape(block(first if first is not None else b'{"id": 1}'))
        batches.append(shaper.shape(block(then)))
        schemas.append(shaper.schema)
    same(*batches)
    assert schemas[0] == schemas[1]


@pytest.mark.parametrize("nesting", ["tables", "json", "struct"])
@pytest.mark.parametrize("first", FIRSTS)
def test_lanes_agree_on_every_pair(first, nesting):
    """Any value in a column made by any other value lands alike on both lanes."""
    for then in VALUES:
        both(f'{{"a": {first}}}'.encode(), f'{{"a": {then}}}'.encode(), Hints(nesting=nesting))


@pytest.mark.parametrize("kind", DECLARED)
def test_lanes_agree_on_declared_columns(kind):
    """Any value in a column of any declared type lands alike on both lanes."""
    hints = Hints(columns=(Column(name="a", type=kind, precision=20, scale=2),))
    for then in VALUES:
        both(None, f'{{"id": 1, "a": {then}}}'.encode(), hints)


def test_values_beside_each_other_do_not_hide_one_another():
    """A block is refused as a whole for its one value, and lands as the exact lane has it."""
    for then in VALUES:
        odd = f'{{"d": 2.5, "t": "2024-01-01T10:00:00Z", "x": {then}}}'.encode()
        both(odd, odd, Hints())


def test_ordinary_records_take_the_main_lane():
    """Nulls, empty lists and missing keys, once seen, do not send a block to the exact lane."""
    record = {
        "id": 1, "s": "x", "f": 1.5, "b": True, "t": "2024-01-01T10:00:00Z", "n": None, "e": [],
        "o": {"x": {"y": 1}}, "l": [1, 2], "p": [{"q": 1, "r": [{"s": "t"}]}], "empty": {},
        "ll": [[1]],
    }  # fmt: skip
    shaper, first = shape(record)
    shaper._lanes._lane = "main"
    shaper._lanes._numbered.clear()
    same(first, shaper.shape(block(record)))
    partial = shaper.shape(block({"id": 2}, {"p": None, "o": None, "ll": [[], [3]]}, {}))
    assert rows(partial) == [{"id": 2}, {}, {}]
    assert rows(partial, "things__ll__list") == [{"value": 3}]
    assert shaper.statistics().main_rows == 4


def test_pretty_printed_records_take_the_main_lane():
    """Line breaks and blanks inside a record are no matter."""
    shaper, first = shape(b'{\n "id" : 1 ,\r\n\t"l": [\n1,\n2\n] }', b'{\n"id":\n2\n}')
    shaper._lanes._lane = "main"
    shaper._lanes._numbered.clear()
    again = shaper.shape(block(b'{\n "id" : 1 ,\r\n\t"l": [\n1,\n2\n] }', b'{\n"id":\n2\n}'))
    same(first, again)


@pytest.mark.parametrize(
    "odd",
    [b'{"new": 1}', b'{"new": null}', b'{"id": 1.0}', b'{"id": "1"}', b'{"f": 9007199254740993}',
     b'{"f": 0.1000000000000000055}', b'{"f": -0}', b'{"id": 1, "id": 2}', b"[1]", b'{"l": 1}'],
)  # fmt: skip
def test_the_main_lane_refuses(odd):
    """What the reader would drop, round or not know is refused."""
    shaper, _ = shape({"id": 1, "f": 1.5, "l": [1]})
    shaper._lanes._lane = "main"
    with pytest.raises(Refused):
        shaper.shape(block({"id": 2}, odd))


@pytest.mark.parametrize("first", [b"null", b" null", b"\n\tnull"])
def test_a_block_may_begin_with_null(first):
    """Arrow's reader would end the whole process for it; a record that is null is an empty row."""
    shaper, _ = shape({"id": 1, "o": {"x": 1.5}, "l": [1]})
    found = shaper.shape(block(first, {"id": 2}, b"null", {"id": 3}))
    assert rows(found) == [{}, {"id": 2}, {}, {"id": 3}]
    assert rows(shaper.shape(block(first))) == [{}]


def test_one_odd_record_costs_a_piece_and_not_the_block():
    """A block with one surprise goes to the main lane nearly whole."""
    records = [{"id": n} for n in range(20_000)]
    records[12_345]["new"] = "x"
    shaper, batch = shape(*records)
    counts = shaper.statistics()
    assert counts.main_rows + counts.exact_rows == 20_000
    assert counts.exact_rows < 3_000
    assert [r["id"] for r in rows(batch)] == list(range(20_000))
    assert rows(batch)[12_345] == {"id": 12_345, "new": "x"}
    assert batch.tables["things"]["_penstock_id"].to_pylist()[-1] == "load-19999"


def test_pieces_of_both_lanes_join_without_a_seam():
    """Drift here and there in a large block of nested records ends in the exact lane's tables."""
    records = [
        {"id": n, "x": n, "l": [{"y": n, "m": [n] * (n % 3)}] * (n % 4), "o": {"t": "u"}}
        for n in range(6000)
    ]
    records[1500]["x"] = 1.5
    records[2600]["l"] = [{"y": "odd", "m": [2**70]}]
    records[4100]["o"] = [{"k": None}]
    records[5999]["x"] = 2**53 + 1
    records[5998]["late"] = {"a": [[1]]}
    batches, schemas = [], []
    for lane in ("auto", "exact"):
        shaper, batch = shape(*records, lane=lane, hints=Hints(write="merge", primary_key=("id",)))
        batches.append(batch)
        schemas.append(shaper.schema)
        assert shaper.statistics().main_rows == 0 or lane == "auto"
    same(*batches)
    assert schemas[0] == schemas[1]
    assert rows(batches[0])[5999]["x__v_bigint"] == 2**53 + 1


def test_json_columns_take_the_main_lane_verbatim():
    """A JSON column holds the very text of the record, without the exact lane."""
    text = b'{"id": 1, "m": {"b": 1.10, "a": [1,  2]}, "l": [ ], "s": "x", "z": null}'
    shaper, first = shape(text, hints=Hints(nesting="json"))
    shaper._lanes._lane = "main"
    same(first, shaper.shape(block(text)))
    assert rows(first) == [{"id": 1, "m": '{"b": 1.10, "a": [1,  2]}', "l": "[ ]", "s": "x"}]


def test_nested_json_columns_take_the_main_lane():
    """JSON columns inside child tables and objects are verbatim on the main lane as well."""
    text = b'{"id": 1, "l": [{"x": {"y": 1.10}}, null, {"k": 2}], "o": {"p": {"q": {"r":  [1]}}}}'
    hints = Hints(max_nesting=1)
    shaper, first = shape(text, hints=hints)
    assert rows(first, "things__l") == [{"x": '{"y": 1.10}'}, {}, {"k": 2}]
    assert rows(first) == [{"id": 1, "o__p": '{"q": {"r":  [1]}}'}]
    shaper._lanes._lane = "main"
    shaper._lanes._numbered.clear()
    same(first, shaper.shape(block(text)))


def test_integers_too_long_for_a_double_stay_exact_beside_doubles():
    """A long integer in a bigint column does not trip the guard of a double column."""
    shaper, _ = shape({"id": 9007199254740993, "f": 0.5})
    shaper._lanes._lane = "main"
    assert rows(shaper.shape(block({"id": 9007199254740995, "f": 1}))) == [
        {"id": 9007199254740995, "f": 1.0}
    ]
    assert types(shaper) == {"id": "bigint", "f": "double"}
