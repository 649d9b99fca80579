"""Arrow's types and functions, and arrays of Python's values, without what they bring along.

`pyarrow.compute` makes a wrapper with a docstring for each of some 300 functions when it is
imported, which takes longer than pyarrow itself and nearly a tenth of a run of 100,000 records. Its
native part, from which it hands on all that is used here, comes without. Methods of arrays that
compute, as `take` and `cast`, import it as well: what every block goes through calls these instead.

`pyarrow.array` and `pyarrow.scalar` import pandas where it is installed, a quarter of a second, in
case that a value is one of its. None is here: there, arrays are made of their bytes.
"""

from __future__ import annotations

import sys
from array import array as numbers
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from importlib.util import find_spec
from typing import Any

import pyarrow as pa

from penstock.plan.hints import ColumnType, decimal_size

try:
    from pyarrow import _compute as native
except ImportError:  # it may have another name one day
    import pyarrow.compute as native

# The codes of Python's own arrays for types of a fixed size.
_CODES: Mapping[pa.DataType, str] = {
    pa.int8(): "b",
    pa.int32(): "i",
    pa.int64(): "q",
    pa.float64(): "d",
}
# The types of columns that have one for all.
_TYPES: Mapping[ColumnType, pa.DataType] = {
    "bool": pa.bool_(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "timestamp": pa.timestamp("us", "UTC"),
    "timestamp_ntz": pa.timestamp("us"),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "binary": pa.binary(),
    "text": pa.string(),
    "json": pa.string(),
}


def type_of(
    kind: ColumnType, precision: int | None = None, scale: int | None = None
) -> pa.DataType:
    """The type of a column's values; precision and scale are those of decimals, in digits."""
    return pa.decimal128(*decimal_size(precision, scale)) if kind == "decimal" else _TYPES[kind]


def array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Values of Python's own classes as an array; None is null.

    Args:
        values: the values, in the class that stands for `kind`: bytes, text, Decimal and so on.
        kind: booleans, 8, 32 or 64-bit integers, doubles, texts, bytes, decimals, or timestamps,
            of which the values count the units since 1970.

    Raises:
        OverflowError: an integer is too long.
        UnicodeEncodeError: a text has a half of a surrogate pair.
        pa.ArrowInvalid: a decimal has more digits than the type.
    """
    return _made(values, kind) if _would_import_pandas() else pa.array(values, kind)


def _would_import_pandas() -> bool:
    return "pandas" not in sys.modules and _has_pandas()


@cache
def _has_pandas() -> bool:
    return find_spec("pandas") is not None


def _made(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """The same as `pa.array` makes of them, in up to three times its time."""
    if pa.types.is_boolean(kind):
        return cast(_made(values, pa.int8()), kind)
    if pa.types.is_timestamp(kind):
        return cast(_made(values, pa.int64()), kind)
    if pa.types.is_decimal(kind):
        texts = [None if value is None else format(Decimal(value), "f") for value in values]
        return cast(_made(texts, pa.string()), kind)
    there = _there(values)
    empty = 0 if kind in _CODES else b"" if pa.types.is_binary(kind) else ""
    filled = values if there is None else [empty if value is None else value for value in values]
    if kind in _CODES:
        return pa.Array.from_buffers(kind, len(values), [there, _packed(kind, filled)])
    return pa.Array.from_buffers(kind, len(values), [there, *_laid_out(filled, kind)])


def _laid_out(values: Sequence[Any], kind: pa.DataType) -> tuple[pa.Buffer, pa.Buffer]:
    """Where each of these texts ends, or of these bytes, and all of them in a row."""
    if pa.types.is_binary(kind):
        whole = b"".join(values)
    else:
        text = "".join(values)
        whole = text.encode()
        if not text.isascii():  # otherwise texts are as long as their bytes
            values = [one.encode() for one in values]
    sizes = [0, *map(len, values)]
    sizes = pa.Array.from_buffers(pa.int32(), len(sizes), [None, _packed(pa.int32(), sizes)])
    return call("cumulative_sum_checked", sizes).buffers()[1], pa.py_buffer(whole)


def _packed(kind: pa.DataType, values: Sequence[Any]) -> pa.Buffer:
    return pa.py_buffer(numbers(_CODES[kind], values))


def _there(values: Sequence[Any]) -> pa.Buffer | None:
    """The bitmap of the values that are not None; None where all are there."""
    if None not in values:
        return None
    flags = bytes([value is not None for value in values])
    one_byte_each = pa.Array.from_buffers(pa.int8(), len(values), [None, pa.py_buffer(flags)])
    return cast(one_byte_each, pa.bool_()).buffers()[1]


def scalar(value: Any, kind: pa.DataType) -> pa.Scalar:
    """One value as `array` takes it."""
    return array([value], kind)[0]


def count_up(rows: int) -> pa.Array:
    """The numbers from 0 to rows - 1."""
    return plus(call("cumulative_sum", repeat(1, pa.int64(), rows)), -1)


def repeat(value: Any, kind: pa.DataType, rows: int) -> pa.Array:
    """The same value in all rows."""
    return pa.repeat(scalar(value, kind), rows)


def call(name: str, *values: Any, options: Any = None) -> Any:
    """What the function of this name makes of these arrays and scalars.

    Raises:
        pa.ArrowException: it cannot, as `pyarrow.compute` tells of each function.
    """
    return native.call_function(name, list(values), options)


def cast(array: Any, kind: pa.DataType) -> Any:
    """The same values in another type.

    Raises:
        pa.ArrowInvalid: it cannot hold one of them as it is.
    """
    return call("cast", array, options=native.CastOptions.safe(kind))


def elements(lists: Any) -> Any:
    """The elements of all lists, one after another."""
    return call("list_flatten", lists)


def take(array: Any, places: Any) -> Any:
    """The values at these places, null for a place that is null."""
    return call("take", array, places)


def chosen(array: Any, mask: Any) -> Any:
    """The values where a mask is true."""
    return call("filter", array, mask)


def is_in(array: Any, values: Any, *, skip_nulls: bool = False) -> Any:
    """For each value, whether it is one of `values`; a null is where they have one.

    With `skip_nulls` it never is.
    """
    options = native.SetLookupOptions(value_set=values, skip_nulls=skip_nulls)
    return call("is_in", array, options=options)


def index_in(array: Any, values: Any) -> Any:
    """For each value, its first place in `values`; null where it is not there."""
    return call("index_in", array, options=native.SetLookupOptions(value_set=values))


def plus(numbers: Any, more: int) -> Any:
    """Integers, each with the same one added."""
    return call("add", numbers, scalar(more, pa.int64()))


def all_true(mask: Any) -> bool:
    """Whether no value of a mask is false; a null is not."""
    options = native.ScalarAggregateOptions(min_count=0)
    return bool(call("all", mask, options=options).as_py())


def joined(separator: str, *texts: Any) -> Any:
    """The texts of each row put together; null where one of them is."""
    return call("binary_join_element_wise", *texts, scalar(separator, pa.string()))


def replaced(texts: Any, old: str, new: str) -> Any:
    """Texts with another in place of `old`, wherever it is."""
    options = native.ReplaceSubstringOptions(pattern=old, replacement=new)
    return call("replace_substring", texts, options=options)


def has_text(texts: Any, part: str) -> bool:
    """Whether a part is found in one of these texts."""
    found = call("match_substring", texts, options=native.MatchSubstringOptions(part))
    return bool(call("any", found).as_py())


def trimmed(texts: Any, letters: str) -> Any:
    """Texts without these letters at their end."""
    return call("utf8_rtrim", texts, options=native.TrimOptions(letters))


def count_distinct(array: Any) -> int:
    """How many values differ, without nulls."""
    found: int = call("count_distinct", array).as_py()
    return found


def dense_rank(values: Any, order: str) -> Any:
    """The rank of each value, from 1 on, the same for equal ones: `ascending` or `descending`."""
    options = native.RankOptions(sort_keys=order, tiebreaker="dense")
    return call("rank", values, options=options)


def count_matches(texts: Any, regex: str) -> Any:
    """How often a regular expression of RE2 is found in each text."""
    options = native.MatchSubstringOptions(regex)
    return call("count_substring_regex", texts, options=options)
