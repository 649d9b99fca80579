"""Arrow columns against the columns they go into: the same class, and cast only where exact."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from penstock.destinations._evolve import digits
from penstock.errors import DestinationError
from penstock.shape.schema import Table, TableColumn, arrow_type, grown

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
        case "struct" | "list":
            found = kind == arrow_type(column)
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
    if column.type in {"struct", "list"}:
        # the schema may have grown since these rows were shaped
        whole = grown(values.combine_chunks(), arrow_type(column))
        return pa.chunked_array([whole])
    try:
        return values.cast(arrow_type(column), safe=True)
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
        case "struct":
            found = t.is_struct(kind)
        case "list":
            found = t.is_list(kind)
        case _:
            found = False
    return bool(found)


POSITION = "_penstock_position"
"""Where a row stands in its batch."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Parts = Sequence[tuple[Table, "pa.Table"]]
"""A batch's rows with their tables, parents first."""


def numbered(data: pa.Table) -> pa.Table:
    """Add the position of each row."""
    from penstock import arrow  # noqa: PLC0415 (start-up stays fast without pyarrow)

    return data.append_column(POSITION, arrow.count_up(data.num_rows))


def distinct(data: pa.Table, key: Sequence[str]) -> bool:
    """Whether it is sure that no two rows have the same values in the columns `key`."""
    import pyarrow.types as t  # noqa: PLC0415 (start-up stays fast without pyarrow)

    from penstock import arrow  # noqa: PLC0415 (the same)

    if not key or any(name not in data.column_names for name in key):
        return False
    for name in key:
        kind = data.schema.field(name).type
        plain = t.is_integer(kind) or t.is_string(kind) or t.is_large_string(kind)
        if not (plain or t.is_temporal(kind) or t.is_boolean(kind)):
            return False  # a database may take for equal what Arrow does not, as 0.0 and -0.0
    if len(key) == 1:
        found = arrow.count_distinct(data.column(key[0]))
    else:
        found = data.select(key).group_by(key).aggregate([]).num_rows
    return bool(found == data.num_rows)


def taken(data: pa.Table, positions: Sequence[int]) -> pa.Table:
    """The rows at these positions."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    from penstock import arrow  # noqa: PLC0415 (the same)

    return data.take(arrow.array(positions, pa.int64()))


def with_constant(data: pa.Table, name: str, value: datetime) -> pa.Table:
    """Give all rows the instant `value` in the column `name`."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    from penstock import arrow  # noqa: PLC0415 (the same)

    micros = (value - _EPOCH) // timedelta(microseconds=1)
    values = arrow.repeat(micros, pa.timestamp("us", "UTC"), data.num_rows)
    if name in data.column_names:
        return data.set_column(data.column_names.index(name), name, values)
    return data.append_column(name, values)


def flagged(data: pa.Table, name: str) -> list[int]:
    """The positions of rows that say in the column `name` that they are to be deleted."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    from penstock import arrow  # noqa: PLC0415 (the same)

    if name not in data.column_names:
        return []
    values = data.column(name)
    said = values.is_valid() if not pa.types.is_boolean(values.type) else values
    return where(arrow.call("coalesce", said, arrow.scalar(False, pa.bool_())))


def where(mask: Any) -> list[int]:
    """The positions at which a mask is true.

    For one in chunks that holds nothing, Arrow's function ends the whole process (before 26).
    """
    from penstock import arrow  # noqa: PLC0415 (start-up stays fast without pyarrow)

    found: list[int] = arrow.call("indices_nonzero", mask).to_pylist() if len(mask) else []
    return found


def without(found: Parts, positions: Sequence[int]) -> Parts:
    """Leave out the root rows at these positions, and everything below them."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    from penstock import arrow  # noqa: PLC0415 (the same)

    if not positions:
        return found
    kept: list[tuple[Table, pa.Table]] = []
    gone: dict[str, pa.Array] = {}
    for table, data in found:
        if table.parent is None:
            numbers = arrow.count_up(data.num_rows)
            out = arrow.is_in(numbers, arrow.array(positions, pa.int64()))
        else:
            out = arrow.is_in(data.column(table.own.parent_id), gone[table.parent])
        name = table.own.row_id
        if name in data.column_names:
            gone[table.name] = arrow.array(data.filter(out).column(name).to_pylist(), pa.string())
        kept.append((table, data.filter(arrow.call("invert", out))))
    return kept
