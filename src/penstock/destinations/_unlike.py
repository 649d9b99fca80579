"""Columns of texts of which few are alike: what looks for what they share is lost work there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_MOST = 8_192
"""Rows that are looked at, at most."""
_LEAST = 256
"""Values from which a column is judged; fewer may be unlike by chance."""


def unlike(pieces: Sequence[pa.Table]) -> Iterator[str]:
    """The names of text columns of which, in the largest of these pieces, most values differ."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    from penstock import arrow  # noqa: PLC0415 (as above)

    largest = max(pieces, key=lambda piece: piece.num_rows, default=None)
    if largest is None or largest.num_rows < _LEAST:
        return
    head = largest.slice(0, _MOST)
    for field in head.schema:
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            values = arrow.call("drop_null", head.column(field.name))
            if len(values) >= _LEAST and 2 * arrow.count_distinct(values) > len(values):
                yield field.name
