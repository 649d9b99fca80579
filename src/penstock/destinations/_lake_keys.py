"""Keys of rows, in Arrow: which rows have a key that others have, and which files may."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from penstock.destinations._arrow import POSITION, where
from penstock.destinations._lake_log import File
from penstock.shape.schema import Table, arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

EXACT = frozenset({"bigint", "text", "timestamp", "timestamp_ntz", "date", "bool"})
"""Types whose values are equal for Arrow exactly where they are for SQL."""


class Keys:
    """The values of key columns, row by row."""

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.columns = dict(columns)

    @classmethod
    def of(cls, table: Table, data: pa.Table, key: Sequence[str]) -> Keys:
        """The key columns of some rows, as the table has them; one that they lack is null."""
        import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

        found = {}
        for name in key:
            column = table.column(name)
            assert column is not None
            kind = arrow_type(column)
            there = name in data.column_names
            values = data.column(name).cast(kind).combine_chunks() if there else None
            found[name] = pa.nulls(data.num_rows, kind) if values is None else values
        return cls(found)

    @classmethod
    def together(cls, found: Sequence[Keys]) -> Keys:
        """The keys of several, in this order."""
        import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

        tables = [pa.table(keys.columns) for keys in found]
        whole = pa.concat_tables(tables)
        return cls({name: whole.column(name).combine_chunks() for name in whole.column_names})

    def among(self, others: Keys) -> Any:
        """For each row, whether `others` have its key; a key with a null is equal to nothing."""
        import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

        from penstock import arrow  # noqa: PLC0415 (the same)

        if len(self.columns) == 1:
            [own], [theirs] = self.columns.values(), others.columns.values()
            return arrow.is_in(own, theirs, skip_nulls=True)
        ours = pa.table(self.columns)
        numbers = arrow.count_up(ours.num_rows)
        ours = ours.append_column(POSITION, numbers)
        same = ours.join(pa.table(others.columns), list(self.columns), join_type="left semi")
        return arrow.is_in(numbers, same.column(POSITION))

    def chosen(self, mask: Any) -> Keys:
        """The keys for which the mask is true."""
        return Keys({name: values.filter(mask) for name, values in self.columns.items()})

    def may_be_in(self, file: File) -> bool:
        """Whether the ranges of a file leave room for one of the keys."""
        for column, (low, high) in file.ranges.items():
            values = self._ordered.get(column)
            if values is not None:
                place = bisect_left(values, low)
                if place == len(values) or values[place] > high:
                    return False
        return True

    @cached_property
    def _ordered(self) -> dict[str, _Ordered]:
        return {n: _Ordered(v.unique().drop_null().sort()) for n, v in self.columns.items()}


class _Ordered(Sequence[Any]):
    """An Arrow array in order, for `bisect`: only what it looks at becomes an object."""

    def __init__(self, values: Any) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, place: Any) -> Any:
        return self._values[place].as_py()


def places(masks: Iterable[Any]) -> list[int]:
    """The positions at which one of the masks is true."""
    return sorted({place for mask in masks for place in where(mask)})
