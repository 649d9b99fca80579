"""Arrow without `pyarrow.compute` and pandas does the same."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from penstock import arrow

TEXTS = pa.array(["ab|", None, "", "b.00", "ab|"])
NUMBERS = pa.array([3, None, 1, 3, 0], pa.int64())
PLACES = pa.array([4, None, 0], pa.int64())
MASK = pa.array([True, None, False, True, False])
LISTS = pa.array([[1, 2], None, [], [None]], pa.list_(pa.int64()))
SOME = pa.array([3, None], pa.int64())

SAME = {
    "cast": (arrow.cast(NUMBERS, pa.string()), pc.cast(NUMBERS, pa.string())),
    "elements": (arrow.elements(LISTS), pc.list_flatten(LISTS)),
    "take": (arrow.take(TEXTS, PLACES), TEXTS.take(PLACES)),
    "chosen": (arrow.chosen(TEXTS, MASK), TEXTS.filter(MASK)),
    "is_in": (arrow.is_in(NUMBERS, SOME), pc.is_in(NUMBERS, value_set=SOME)),
    "is_in, no nulls": (
        arrow.is_in(NUMBERS, SOME, skip_nulls=True),
        pc.is_in(NUMBERS, value_set=SOME, skip_nulls=True),
    ),
    "index_in": (arrow.index_in(NUMBERS, SOME), pc.index_in(NUMBERS, value_set=SOME)),
    "plus": (arrow.plus(NUMBERS, -2), pc.add(NUMBERS, -2)),
    "joined": (
        arrow.joined("/", TEXTS, TEXTS),
        pc.binary_join_element_wise(TEXTS, TEXTS, "/"),
    ),
    "replaced": (arrow.replaced(TEXTS, "b", "|"), pc.replace_substring(TEXTS, "b", "|")),
    "trimmed": (arrow.trimmed(TEXTS, "0|"), pc.utf8_rtrim(TEXTS, "0|")),
    "dense_rank": (
        arrow.dense_rank(NUMBERS, "descending"),
        pc.rank(NUMBERS, sort_keys="descending", tiebreaker="dense"),
    ),
    "count_matches": (
        arrow.count_matches(TEXTS, "[b|]"),
        pc.count_substring_regex(TEXTS, "[b|]"),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_a_function_does_what_arrow_says_of_it(name):
    """The options are handed over as the function wants them."""
    ours, theirs = SAME[name]
    assert ours.equals(theirs)
    assert len(ours) > 0


ARRAYS = [
    ([True, None, False], pa.bool_()),
    ([1, None, 0, -(2**63), 2**63 - 1], pa.int64()),
    ([1, -(2**31)], pa.int32()),
    ([0.1, None, -0.0, 1e308], pa.float64()),
    (["a", "", None, "ü€𝄞\0"], pa.string()),
    ([b"\xff", b"", None], pa.binary()),
    ([Decimal("1.5"), None, Decimal("-1E+3"), Decimal("0.0001"), 2**53 + 1], pa.decimal128(38, 4)),
    ([0, None, -1], pa.timestamp("us", "UTC")),
]


@pytest.mark.parametrize("values", [None, 0, 1, slice(None)], ids=str)
@pytest.mark.parametrize(("whole", "kind"), ARRAYS, ids=[str(kind) for _, kind in ARRAYS])
@pytest.mark.parametrize("beside_pandas", [True, False])
def test_an_array_is_what_pyarrow_makes_of_the_values(
    whole, kind, values, beside_pandas, monkeypatch
):
    """Whole ones, one value, none at all, and nothing but nulls."""
    monkeypatch.setattr(arrow, "_would_import_pandas", lambda: beside_pandas)
    chosen = [None, None] if values is None else whole[values] if values else whole[:values]
    chosen = chosen if isinstance(chosen, list) else [chosen]
    ours = arrow.array(chosen, kind)
    ours.validate(full=True)
    assert ours.equals(pa.array(chosen, kind))
    assert ours.type == kind
    assert repr(ours.to_pylist()) == repr(chosen) or kind not in {pa.int64(), pa.float64()}
    if chosen:
        assert arrow.scalar(chosen[0], kind).equals(pa.scalar(chosen[0], kind))
        assert arrow.repeat(chosen[0], kind, 2).equals(pa.array([chosen[0]] * 2, kind))


def test_numbers_in_order():
    """They begin with zero."""
    assert arrow.count_up(3).to_pylist() == [0, 1, 2]
    assert arrow.count_up(0).to_pylist() == []


@pytest.mark.parametrize("beside_pandas", [True, False])
def test_a_value_that_does_not_fit_is_an_error(beside_pandas, monkeypatch):
    """No value is cut, rounded or made another."""
    monkeypatch.setattr(arrow, "_would_import_pandas", lambda: beside_pandas)
    with pytest.raises(OverflowError):
        arrow.array([2**63], pa.int64())
    with pytest.raises(UnicodeEncodeError):
        arrow.array(["\ud800"], pa.string())
    with pytest.raises(pa.ArrowInvalid):
        arrow.array([Decimal("0.00001")], pa.decimal128(38, 4))


def test_what_is_asked_of_a_whole_array():
    """The answers are Python's own."""
    assert arrow.count_distinct(NUMBERS) == 3
    assert arrow.all_true(pa.array([True, None]))
    assert arrow.all_true(pa.array([], pa.bool_()))
    assert not arrow.all_true(MASK)
    assert arrow.has_text(TEXTS, ".0")
    assert not arrow.has_text(TEXTS, "00.")


def test_a_cast_that_loses_something_is_an_error():
    """No value is cut or wrapped on the way."""
    with pytest.raises(pa.ArrowInvalid):
        arrow.cast(pa.array([300]), pa.int8())
    with pytest.raises(pa.ArrowInvalid):
        arrow.cast(pa.array([1.5]), pa.int64())
