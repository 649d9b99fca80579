"""Arrow rows as the CSV that COPY reads: written by Arrow, text quoted, null an empty field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from penstock.shape.schema import TableColumn

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 8192  # in one chunk: some megabytes at most


def chunks(data: pa.Table, columns: Mapping[str, TableColumn]) -> Iterator[bytes]:
    """The rows as CSV, in chunks."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)
    from pyarrow import csv  # noqa: PLC0415 (the same)

    options = csv.WriteOptions(include_header=False, batch_size=ROWS)
    plain = _plain(data, columns)
    for first in range(0, plain.num_rows, ROWS):
        sink = pa.BufferOutputStream()
        csv.write_csv(plain.slice(first, ROWS), sink, options)
        yield sink.getvalue().to_pybytes()


def _plain(data: pa.Table, columns: Mapping[str, TableColumn]) -> pa.Table:
    """The rows in types that Arrow writes as Postgres reads them."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    from penstock import arrow  # noqa: PLC0415 (the same)

    for position, field in enumerate(data.schema):
        if field.name in columns and columns[field.name].type == "binary":
            values = data.column(position).to_pylist()
            texts = [None if v is None else "\\x" + v.hex() for v in values]
            data = data.set_column(position, field.name, arrow.array(texts, pa.string()))
        elif _is_odd(field.type):
            data = data.set_column(position, field.name, data.column(position).cast(pa.string()))
    return data


def _is_odd(kind: pa.DataType) -> bool:
    """Whether Arrow's writer knows no CSV for values of `kind`, or not the right one."""
    import pyarrow.types as t  # noqa: PLC0415 (start-up stays fast without pyarrow)

    return bool(t.is_string_view(kind) or t.is_null(kind) or t.is_decimal(kind))


def with_nul(data: pa.Table) -> str | None:
    """The first column with a text that holds U+0000."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    from penstock import arrow  # noqa: PLC0415 (the same)

    for field in data.schema:
        values = data.column(field.name)
        if pa.types.is_string(field.type) and arrow.has_text(values, "\0"):
            return str(field.name)
    return None
