"""Properties of shaping: nothing lost, and no say for pages, blocks or lanes."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.plan.hints import Hints
from penstock.shape import Block, Segment, Shaper

from .helpers import joined, rebuild, same, texts

OFTEN = 20 if os.environ.get("PENSTOCK_FUZZ") == "nightly" else 1
KEYS = st.sampled_from(
    ["id", "a", "b", "value", "list", "a__b", "userName", "User-Name", "_penstock_id", "", "é", "v"]
)
INTEGERS = st.integers(-(10**45), 10**45) | st.integers(-5, 5) | st.integers(2**53 - 2, 2**53 + 2)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["12", "2024-01-01", "10:00", "true", "1.50", "2024-13-01T00:00:00Z", "\x00", "null"]
)
FIRST, LAST = datetime.fromisoformat("0001-01-03"), datetime.fromisoformat("9999-12-29")
TIMES = st.datetimes(FIRST, LAST).flatmap(
    lambda t: st.sampled_from([t.isoformat() + "Z", t.isoformat() + "+05:30", t.isoformat()])
)
LONG = st.from_regex(r"-?[1-9][0-9]{0,25}\.[0-9]{1,30}", fullmatch=True)
SPELLED = st.from_regex(
    r"-?(0|[1-9][0-9]{0,18})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
)
SCALARS = st.none() | st.booleans() | INTEGERS | FLOATS | TEXTS | TIMES | LONG.map(Decimal)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
RECORDS = st.lists(st.dictionaries(KEYS, VALUES, max_size=5), max_size=12)
NESTED = st.sampled_from(
    [
        Hints(),
        Hints(nesting="struct"),
        Hints(nesting_at=(("a", "struct"), ("v.list", "struct"))),
    ]
)
HINTS = NESTED | st.sampled_from(
    [
        Hints(nesting="json"),
        Hints(nesting="struct", max_nesting=1),
        Hints(nesting="struct", nesting_at=(("a", "json"), ("v.b", "json"), ("b", "tables"))),
    ]
)
CUTS = st.lists(st.integers(0, 12), max_size=4)


def spelled(value: Any) -> str:
    """JSON text, decimals written digit by digit."""
    match value:
        case Decimal():
            return f"{value:f}"
        case dict():
            inner = ",".join(f"{json.dumps(k)}: {spelled(v)}" for k, v in value.items())
            return f"{{{inner}}}"
        case list():
            inner = ", \n".join(map(spelled, value))
            return f"[{inner}]"
        case _:
            return json.dumps(value)


def raws(records: list[Any]) -> list[bytes]:
    """The JSON texts of records."""
    return [spelled(record).encode() for record in records]


def known(value: Any) -> Any:
    """A record as tables can give it back: without nulls, empty lists and empty objects."""
    match value:
        case dict():
            inner = {key: known(v) for key, v in value.items()}
            return {key: v for key, v in inner.items() if v not in ({}, [], None) or v is False}
        case list():
            return [known(element) for element in value]
        case _:
            return value


def nested(value: Any) -> Any:
    """A record as nested columns can give it back: also without lists in which there is nothing."""
    match value:
        case dict():
            inner = {key: nested(v) for key, v in value.items()}
            return {key: v for key, v in inner.items() if not empty(v)}
        case list():
            elements = [None if empty(e) else e for e in map(nested, value)]
            return [] if all(map(empty, elements)) else elements
        case _:
            return value


def empty(value: Any) -> bool:
    """Whether nothing is there."""
    return value is None or (isinstance(value, dict | list) and not value)


def alike(one: Any, other: Any) -> bool:
    """Whether a cell holds what the record said."""
    if one in ({}, [], None) and one is not False:
        return other in ({}, None)
    match one:
        case dict():
            return (
                isinstance(other, dict)
                and set(one) == set(other)
                and all(alike(v, other[k]) for k, v in one.items())
            )
        case list():
            return (
                isinstance(other, list)
                and len(one) == len(other)
                and all(alike(a, b) for a, b in zip(one, other, strict=True))
            )
        case bool():
            return other is one
        case int() | float() | Decimal():
            return _same_number(one, other)
        case _:
            return _same_text(one, other)


def _same_number(one: float | Decimal, other: Any) -> bool:
    if isinstance(other, bool) or not isinstance(other, int | float | Decimal | str):
        return False
    printed = repr(other) if isinstance(other, float) else str(other)
    return Decimal(repr(one) if isinstance(one, float) else one) == Decimal(printed)


def _same_text(one: str, other: Any) -> bool:
    if isinstance(other, datetime):
        moment = datetime.fromisoformat(one)
        # a record that names no zone means UTC
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) == other
    return one == other


def pieces(records: list[bytes], cuts: list[int]) -> list[list[bytes]]:
    """The records cut at the given places."""
    ends = sorted({min(cut, len(records)) for cut in cuts} | {len(records)})
    starts = [0, *ends[:-1]]
    return [records[a:b] for a, b in zip(starts, ends, strict=True)]


@settings(max_examples=100 * OFTEN, deadline=None)
@given(RECORDS, NESTED)
def test_records_come_back_from_the_tables(records, hints):
    """Records rebuilt from the tables equal the input, whatever their nesting, keys and numbers."""
    shaper = Shaper("things", hints, None)
    batch = shaper.shape(Block(load_id="l", segments=[Segment(records=raws(records))]))
    back = rebuild(batch.tables, shaper.schema)
    assert len(back) == len(records)
    reduced = known if hints == Hints() else nested
    for one, other in zip(records, back, strict=True):
        assert alike(reduced(one), reduced(other)), (one, other)


@settings(max_examples=75 * OFTEN, deadline=None)
@given(RECORDS, CUTS, CUTS, HINTS)
def test_cuts_have_no_say(records, segments, blocks, hints):
    """However records are cut into segments and blocks, tables and schema are the same."""
    lines = raws(records)
    one = Shaper("things", hints, None)
    whole = one.shape(Block(load_id="l", segments=[Segment(records=lines)]))
    other = Shaper("things", hints, None)
    batches = [
        other.shape(
            Block(load_id="l", segments=[Segment(records=s) for s in pieces(part, segments)])
        )
        for part in pieces(lines, blocks)
    ]
    assert other.schema == one.schema
    tables = joined(batches, other.schema)
    for name, table in whole.tables.items():
        assert table.schema == tables[name].schema
        assert repr(table.to_pylist()) == repr(tables[name].to_pylist()), name


@settings(max_examples=75 * OFTEN, deadline=None)
@given(RECORDS, RECORDS, HINTS)
def test_lanes_agree(first, then, hints):
    """A block shaped on the main lane where it can be equals the same block on the exact lane."""
    batches = []
    for lane in ("auto", "exact"):
        shaper = Shaper("things", hints, None, lane=lane)
        shaper.shape(Block(load_id="l", segments=[Segment(records=raws(first))]))
        batches.append(shaper.shape(Block(load_id="l", segments=[Segment(records=raws(then))])))
        batches.append(shaper.shape(Block(load_id="l", segments=[Segment(records=raws(first))])))
    same(batches[0], batches[2])
    same(batches[1], batches[3])


ALIKE = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(-(2**63), 2**63 - 1), "f": FLOATS, "s": TEXTS.map("x".__add__)},
        optional={
            "t": st.just("2024-01-01T10:00:00Z"),
            "n": st.none(),
            "o": st.fixed_dictionaries({}, optional={"b": st.booleans(), "i": st.integers(0, 9)}),
            "l": st.lists(
                st.fixed_dictionaries({"v": FLOATS, "w": st.lists(TEXTS.map("y".__add__))})
            ),
        },
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=50 * OFTEN, deadline=None)
@given(ALIKE, ALIKE, HINTS)
def test_lanes_agree_on_records_that_are_alike(first, then, hints):
    """Records of one form, as APIs give them, come out alike on both lanes, unicode and all."""
    batches = []
    for lane in ("auto", "exact"):
        shaper = Shaper("things", hints, None, lane=lane)
        shaper.shape(Block(load_id="l", segments=[Segment(records=raws(first))]))
        batches.append(shaper.shape(Block(load_id="l", segments=[Segment(records=raws(then))])))
    same(*batches)


@settings(max_examples=30 * OFTEN, deadline=None)
@given(RECORDS)
def test_json_columns_are_verbatim(records):
    """With JSON nesting every object and list is kept as the record spells it, on both lanes."""
    lines = raws(records)
    batches = []
    for lane in ("auto", "exact"):
        shaper = Shaper("things", Hints(nesting="json"), None, lane=lane)
        for _ in range(2):
            batch = shaper.shape(Block(load_id="l", segments=[Segment(records=lines)]))
        batches.append(batch)
    same(*batches)
    columns = [c for c in shaper.schema.root.columns if c.type == "json"]
    for record, row in zip(records, batch.tables["things"].to_pylist(), strict=True):
        for column in columns:
            value = record.get(column.path[0]) if column.path else None
            expected = spelled(value) if isinstance(value, dict | list) else None
            assert row[column.name] == expected


@settings(max_examples=50 * OFTEN, deadline=None)
@given(RECORDS, st.integers(1, 4), HINTS)
@example([{"a": False}, {"a": [], "b": []}], 2, Hints(nesting="json"))
def test_a_schema_survives_being_stored(records, cut, hints):
    """A shaper that starts from the stored schema goes on exactly where the first one stopped."""
    lines = raws(records)
    one = Shaper("things", hints, None)
    head, tail = lines[:cut], lines[cut:]
    one.shape(Block(load_id="l", segments=[Segment(records=head)]))
    other = Shaper("things", hints, one.schema)
    last = Block(load_id="m", segments=[Segment(records=tail)])
    same(one.shape(last), other.shape(last))
    assert one.schema == other.schema


def test_the_texts_helper_keeps_bytes():
    """Bytes given as a record are taken verbatim."""
    assert texts([b"{}", {"a": 1}]) == [b"{}", b'{"a": 1}']


@settings(max_examples=150 * OFTEN, deadline=None)
@given(st.lists(SPELLED, min_size=1, max_size=6))
def test_lanes_agree_on_numbers_however_they_are_spelled(numbers):
    """A number in a column of doubles is the same on both lanes, or refused by the main one."""
    lines = [f'{{"a": {number}}}'.encode() for number in numbers]
    batches = []
    for lane in ("auto", "exact"):
        shaper = Shaper("things", Hints(), None, lane=lane)
        shaper.shape(Block(load_id="l", segments=[Segment(records=[b'{"a": 0.5}'])]))
        batches.append(shaper.shape(Block(load_id="l", segments=[Segment(records=lines)])))
    same(*batches)
