"""Arrow columns against the columns they go into: the same class, and cast only where exact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.destinations._evolve import digits
from penstock.errors import DestinationError
from penstock.shape.schema import Table, TableColumn

if TYPE_CHECKING:
    import pyarrow as pa


def fitted(data: pa.Table, table: Table) -> pa.Table:
    """Give `data` types that the columns of `table` take without changing a value.

    Raises:
        DestinationError: a column is not the table's, is of another class, or would lose digits.
    """
    for position, field in enumerate(data.schema):
        column = table.column(field.name)
        if column is None:
            raise DestinationError(f"rows bring {field.name!r}, which {table.name!r} does not have")
        if not _direct(field.type, column):
            fit = _cast(data.column(position), column, table.name)
            data = data.set_column(position, field.name, fit)
    return data


def _direct(kind: pa.DataType, column: TableColumn) -> bool:
    """Whether the destination itself takes values of `kind` into the column unchanged."""
    import pyarrow.types as t  # noqa: PLC0415 (start-up stays fast without pyarrow)

    if t.is_null(kind):
        return True
    match column.type:
        case "bool":
            found = t.is_boolean(kind)
        case "bigint":
            found = t.is_integer(kind) and not t.is_uint64(kind)
        case "decimal":
            found = t.is_decimal(kind) and _holds(column, kind)
        case "double":
            found = t.is_floating(kind)
        case "text" | "json":
            found = t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind)
        case "timestamp":
            found = t.is_timestamp(kind) and kind.tz is not None and kind.unit != "ns"
        case "timestamp_ntz":
            found = t.is_timestamp(kind) and kind.tz is None and kind.unit != "ns"
        case "date":
            found = t.is_date32(kind)
        case "time":
            found = t.is_time(kind) and kind.unit != "ns"
        case "binary":
            found = t.is_binary(kind) or t.is_large_binary(kind)
    return bool(found)


def _holds(column: TableColumn, kind: pa.DataType) -> bool:
    precision, scale = digits(column)
    whole: int = kind.precision - kind.scale
    return bool(kind.bit_width <= 128 and kind.scale <= scale and whole <= precision - scale)  # noqa: PLR2004 (the bits of a decimal)


def _cast(values: pa.ChunkedArray, column: TableColumn, table: str) -> pa.ChunkedArray:
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    if not _related(values.type, column):
        raise DestinationError(
            f"column {column.name!r} of table {table!r} is {column.type}, its rows bring "
            f"{values.type}"
        )
    try:
        return values.cast(_arrow_type(column), safe=True)
    except pa.ArrowInvalid as error:
        raise DestinationError(
            f"column {column.name!r} of table {table!r} cannot hold a value exactly: {error}"
        ) from error


def _related(kind: pa.DataType, column: TableColumn) -> bool:
    """Whether values of `kind` mean the same as the column's, so that a safe cast keeps them."""
    import pyarrow.types as t  # noqa: PLC0415 (start-up stays fast without pyarrow)

    match column.type:
        case "bigint" | "double":
            found = t.is_integer(kind)
        case "decimal":
            found = t.is_integer(kind) or t.is_decimal(kind)
        case "timestamp":
            found = t.is_timestamp(kind) and kind.tz is not None
        case "timestamp_ntz":
            found = t.is_date(kind) or (t.is_timestamp(kind) and kind.tz is None)
        case "date":
            found = t.is_date(kind)
        case "time":
            found = t.is_time(kind)
        case _:
            found = False
    return bool(found)


def _arrow_type(column: TableColumn) -> pa.DataType:
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    match column.type:
        case "bigint":
            return pa.int64()
        case "double":
            return pa.float64()
        case "decimal":
            return pa.decimal128(*digits(column))
        case "timestamp":
            return pa.timestamp("us", "UTC")
        case "timestamp_ntz":
            return pa.timestamp("us")
        case "date":
            return pa.date32()
        case "time":
            return pa.time64("us")
        case "bool":
            return pa.bool_()
        case "binary":
            return pa.binary()
        case "text" | "json":
            return pa.string()
