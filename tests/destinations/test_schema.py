# ruff: noqa: PLR0917 (pytest passes fixtures and parameters by name)
"""Conformance of every destination: columns, types, names, and what people changed by hand."""

import datetime as dt
from decimal import Decimal

import pyarrow as pa
import pytest
from msgspec.structs import replace
from tests.destinations.conformance import never
from tests.destinations.orders import (
    FLAT,
    KEY,
    NESTED,
    STREAM,
    as_seen,
    batch,
    checkpoint,
    column,
    order,
    root_table,
    seen,
)

from penstock.destinations.base import Append, Merge, Replace
from penstock.errors import DestinationError
from penstock.plan.hints import ColumnType
from penstock.shape.schema import LOAD_ID, Batch, Schema, Table, TableColumn

UTC = dt.UTC
JSON = '{"y":1.10,  "x":0.1000000000000000055,"n":123456789012345678901234567890, "y":"é\\u00e9"}'
VALUES: dict[ColumnType, tuple[pa.DataType, list[object]]] = {
    "bool": (pa.bool_(), [True, False]),
    "bigint": (pa.int64(), [-(2**63), 2**63 - 1, 0]),
    "decimal": (
        pa.decimal128(38, 9),
        [Decimal("12345678901234567890123456789.123456789"), Decimal("-0.000000001")],
    ),
    "double": (pa.float64(), [0.1, -1.7976931348623157e308, 5e-324]),
    "text": (
        pa.string(),
        [
            "",
            "a'b\"c\\",
            "\\.",
            "a\n\\.\nb",
            "\\N",
            "1,2",
            " ",
            "snow \u2603 \U0001f600",
            "line\nend",
            "null",
        ],
    ),
    "timestamp": (
        pa.timestamp("us", "UTC"),
        [
            dt.datetime(1, 1, 1, tzinfo=UTC),
            dt.datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC),
            dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        ],
    ),
    "timestamp_ntz": (
        pa.timestamp("us"),
        [dt.datetime(1969, 12, 31, 23, 59, 59, 999999), dt.datetime(2024, 3, 31, 2, 30)],  # noqa: DTZ001 (a wall-clock time)
    ),
    "date": (pa.date32(), [dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
    "time": (pa.time64("us"), [dt.time(0), dt.time(23, 59, 59, 999999)]),
    "json": (pa.string(), [JSON, "null", '"text"', "[1.0, 1e2]"]),
    "binary": (pa.binary(), [b"", b"\0\xff'"]),
}


def keep(session, load_id, schema, rows, write=None, **types):
    """Commit rows of a one-table schema, given as dicts; `types` are Arrow types by column."""
    fields = [(c.name, types.get(c.name, pa.string())) for c in schema.root.columns]
    data = pa.Table.from_pylist(rows, schema=pa.schema(fields))
    one = checkpoint(load_id, schema=schema, write=write or Append())
    session.commit(replace(one, batches=(Batch(tables={schema.root.name: data}),)))


def one_column(kind, name="v", **more):
    columns = (column(name, kind, **more), TableColumn(name=LOAD_ID, type="text"))
    return Schema(stream=STREAM, tables=(Table(name="values", columns=columns),))


def test_every_type_has_values():
    """The round trip below covers every column type there is."""
    assert set(VALUES) == set(ColumnType.__args__)


@pytest.mark.parametrize("kind", VALUES)
def test_values_come_back_as_they_went(opened, place, kind):
    """Extreme values and nulls of every type are read back unchanged, JSON to the letter."""
    arrow, values = VALUES[kind]
    rows = [{"v": value, LOAD_ID: "a"} for value in [*values, None]]
    keep(opened(), "a", one_column(kind), rows, v=arrow)
    found = [row["v"] for row in place.rows("values")]
    if kind == "time" and never(place, "time of day, to the microsecond"):
        values = [value.isoformat("microseconds") for value in values]
    assert found.count(None) == 1
    assert sorted(map(repr, found)) == sorted(map(repr, [*values, None]))


def test_text_with_a_nul(opened, place):
    """U+0000 in a text is kept, or refused with what to do; nothing of the checkpoint is kept."""
    session = opened()
    rows = [{"v": "a\0b", LOAD_ID: "a"}]
    if never(place, "text with U+0000"):
        with pytest.raises(DestinationError, match=r"'v' of table 'values' holds U\+0000.*as json"):
            keep(session, "a", one_column("text"), rows)
        assert "values" not in place.tables()
        rows = [{"v": '"a\\u0000b"', LOAD_ID: "b"}]
        keep(session, "b", one_column("json"), rows)
    else:
        keep(session, "a", one_column("text"), rows)
    assert place.rows("values")[0]["v"] == rows[0]["v"]


@pytest.mark.parametrize(("precision", "scale", "text"), [(5, 2, "999.99"), (38, 0, "9" * 38)])
def test_decimals_have_their_size(opened, place, precision, scale, text):
    """A decimal column has the digits that the schema gives it."""
    schema = one_column("decimal", precision=precision, scale=scale)
    rows = [{"v": Decimal(text), LOAD_ID: "a"}]
    keep(opened(), "a", schema, rows, v=pa.decimal128(precision, scale))
    assert place.rows("values")[0]["v"] == Decimal(text)


@pytest.mark.parametrize(
    ("kind", "arrow", "value", "kept"),
    [
        ("double", pa.int64(), 2**53, float(2**53)),
        ("decimal", pa.int64(), 2**53 + 1, Decimal(2**53 + 1)),
        ("decimal", pa.decimal128(12, 2), Decimal("1.25"), Decimal("1.25")),
        ("bigint", pa.uint64(), 5, 5),
        ("timestamp_ntz", pa.date32(), dt.date(2024, 1, 2), dt.datetime(2024, 1, 2)),  # noqa: DTZ001 (a wall-clock time)
        ("text", pa.large_string(), "x", "x"),
        ("text", pa.null(), None, None),
    ],
)
def test_related_arrow_types_are_taken_where_exact(opened, place, kind, arrow, value, kept):
    """Rows shaped before a column was widened go into it, their values unchanged."""
    keep(opened(), "a", one_column(kind), [{"v": value, LOAD_ID: "a"}], v=arrow)
    assert place.rows("values")[0]["v"] == kept


@pytest.mark.parametrize(
    ("kind", "arrow", "value", "message"),
    [
        ("double", pa.int64(), 2**53 + 1, "cannot hold a value exactly"),
        ("bigint", pa.uint64(), 2**63, "cannot hold a value exactly"),
        ("timestamp_ntz", pa.timestamp("ns"), 1, "cannot hold a value exactly"),
        ("bigint", pa.float64(), 1.5, "is bigint, its rows bring double"),
        ("bigint", pa.string(), "1", "is bigint, its rows bring string"),
        ("text", pa.int64(), 1, "is text, its rows bring int64"),
    ],
)
def test_values_are_never_rounded_or_reinterpreted(opened, place, kind, arrow, value, message):
    """A value that its column cannot hold fails the checkpoint; nothing of it is kept."""
    with pytest.raises(DestinationError, match=message):
        keep(opened(), "a", one_column(kind), [{"v": value, LOAD_ID: "a"}], v=arrow)
    assert "values" not in place.tables()


def test_unknown_column_is_refused(opened):
    """Rows may not bring a column that their table does not have."""
    data = pa.table({"v": ["x"], "w": ["y"]})
    one = replace(
        checkpoint("a", schema=one_column("text")), batches=(Batch(tables={"values": data}),)
    )
    with pytest.raises(DestinationError, match="rows bring 'w', which 'values' does not have"):
        opened().commit(one)


def test_schema_is_read_back(opened):
    """What a run learned about tables is there for the next one, to the last attribute."""
    schema = Schema(
        stream=STREAM,
        tables=(
            root_table(
                column("amount", "decimal", precision=12, scale=3, nullable=False),
                TableColumn(name="a__v_text", type="text", path=("a", "b.c"), variant=True),
            ),
            *NESTED.tables[1:],
        ),
    )
    first = opened()
    assert first.schema(STREAM) is None
    first.commit(checkpoint("a", schema=replace(schema)))
    assert first.schema(STREAM) == schema
    first.close()
    second = opened("run2")
    assert second.schema(STREAM) == schema
    assert second.schema("other") is None


def test_new_columns_and_tables_are_added(opened, place):
    """A schema that grew adds columns and child tables; old rows have nulls there."""
    session = opened()
    session.commit(checkpoint("a", [order(1, lines=0)], schema=FLAT))
    grown = Schema(stream=STREAM, tables=(root_table(column("email")), *NESTED.tables[1:]))
    session.commit(checkpoint("b", schema=grown))
    rows = [{"id": 2, "note": "", "email": "e", LOAD_ID: "c", "_penstock_id": "c"}]
    keep(session, "c", replace(grown, tables=grown.tables[:1]), rows, id=pa.int64())
    assert {row["id"]: row["email"] for row in place.rows("orders")} == {1: None, 2: "e"}
    assert session.schema(STREAM) == grown


def test_rows_may_lack_columns(opened, place):
    """Rows shaped before a column came are null there."""
    grown = Schema(stream=STREAM, tables=(root_table(column("email")),))
    older = replace(checkpoint("a", schema=grown), batches=(batch("a", [order(1)], FLAT),))
    opened().commit(older)
    assert place.rows("orders")[0]["email"] is None


@pytest.mark.parametrize(
    ("before", "after", "old", "new"),
    [
        ("bigint", ("decimal", 38, 9), 2**63 - 1, Decimal("0.5")),
        ("bigint", ("double", None, None), 2**53, 0.5),
        ("date", ("timestamp_ntz", None, None), dt.date(2024, 1, 2), dt.datetime(2024, 1, 2, 3)),  # noqa: DTZ001 (a wall-clock time)
    ],
)
@pytest.mark.parametrize("write", [Append(), Merge(key=("k",))], ids=repr)
def test_columns_widen_without_loss(opened, place, before, after, old, new, write):
    """A column takes a wider type in the checkpoint that needs it; old values stay equal."""
    kind, precision, scale = after
    session = opened()

    def schema(**more):
        value = column("v", **more)
        columns = (column("k", "bigint"), value, TableColumn(name=LOAD_ID, type="text"))
        return Schema(stream=STREAM, tables=(Table(name="values", columns=columns),))

    wide = schema(kind=kind, precision=precision, scale=scale)
    arrow = pa.decimal128(precision, scale) if precision else VALUES[kind][0]
    types = {"k": pa.int64(), "v": VALUES[before][0]}
    keep(session, "a", schema(kind=before), [{"k": 1, "v": old, LOAD_ID: "a"}], write, **types)
    row = {"k": 2, "v": new, LOAD_ID: "b"}
    keep(session, "b", wide, [row], write, k=pa.int64(), v=arrow)
    found = {row["k"]: row["v"] for row in place.rows("values")}
    expected = dt.datetime.combine(old, dt.time()) if before == "date" else old
    assert found == {1: expected, 2: new}
    assert session.schema(STREAM) == wide


def test_decimals_widen_in_both_directions_of_the_point(opened, place):
    """A decimal may get more digits on either side of its point, and never fewer."""
    session = opened()
    keep(
        session,
        "a",
        one_column("decimal", precision=5, scale=2),
        [{"v": Decimal("999.99"), LOAD_ID: "a"}],
        v=pa.decimal128(5, 2),
    )
    session.commit(checkpoint("b", schema=one_column("decimal", precision=8, scale=4)))
    assert place.rows("values")[0]["v"] == Decimal("999.99")
    with pytest.raises(DestinationError, match="without losing values"):
        session.commit(checkpoint("c", schema=one_column("decimal", precision=8, scale=6)))


@pytest.mark.parametrize("kind", ["text", "bool", "bigint"])
def test_types_never_narrow(opened, kind):
    """A type that does not hold the column's values is refused, with a way out."""
    session = opened()
    session.commit(checkpoint("a", schema=one_column("double")))
    with pytest.raises(DestinationError, match=r"cannot become .* --full-refresh"):
        session.commit(checkpoint("b", schema=one_column(kind)))


def test_bigint_that_a_double_rounds_stays(opened, place):
    """A column is not made a double where a number of it would be rounded."""
    session = opened()
    rows = [{"v": 2**53 + 1, LOAD_ID: "a"}]
    keep(session, "a", one_column("bigint"), rows, v=pa.int64())
    with pytest.raises(DestinationError, match=r"1 of its whole numbers .* as decimal"):
        session.commit(checkpoint("b", schema=one_column("double")))
    assert place.rows("values")[0]["v"] == 2**53 + 1


def test_replace_may_change_any_type(opened, place):
    """A new generation has the types it asks for, whatever the old tables had."""
    session = opened()
    session.commit(checkpoint("a", schema=one_column("text")))
    rows = [{"v": 1, LOAD_ID: "b"}]
    swap = Replace(generation="g", swap=True)
    keep(session, "b", one_column("bigint"), rows, swap, v=pa.int64())
    assert place.rows("values")[0]["v"] == 1
    assert session.schema(STREAM) == one_column("bigint")


NAMES = ['a"b', "select", "naïve ☃", "x" * 120, "a.b", "per cent%s", "semi;colon--", "'q'", " "]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_only_names(opened, place, name):
    """Any name of a table, column, key or generation works in every write mode."""
    columns = (column(name), TableColumn(name=LOAD_ID, type="text"))
    schema = Schema(stream=name, tables=(Table(name=name, columns=columns, key=(name,)),))
    session = opened()

    if len(name.encode()) > 63 and never(place, "column names of more than 63 bytes"):
        with pytest.raises(DestinationError, match="longer than the 63 bytes"):
            session.commit(checkpoint("a", schema=schema))
        return

    def commit(load_id, value, write):
        data = pa.table({name: [value], LOAD_ID: [load_id]})
        one = checkpoint(load_id, schema=schema, write=write, state=((name, f'"{name}"'),))
        session.commit(replace(one, stream=name, batches=(Batch(tables={name: data}),)))

    commit(f"a{name}", "1", Append())
    commit(f"b{name}", "1", Merge(key=(name,)))
    assert place.rows(name) == [{name: "1", LOAD_ID: f"b{name}"}]
    commit(f"c{name}", "2", Replace(generation=name))
    commit(f"d{name}", "3", Replace(generation=name, swap=True))
    assert sorted(row[name] for row in place.rows(name)) == ["2", "3"]
    assert session.schema(name) == schema
    assert session.state(name) == {name: f'"{name}"'}


def test_added_column_is_left_alone(opened, place):
    """A column that somebody added is no obstacle; it is null in new rows."""
    session = opened()
    session.commit(checkpoint("a", [order(1)]))
    place.by_hand("ALTER TABLE {} ADD COLUMN mine INTEGER DEFAULT 7", "orders")
    session.commit(checkpoint("b", [order(2)]))
    assert {row["id"] for row in place.rows("orders")} == {1, 2}


def test_added_column_of_the_right_type_is_taken_over(opened, place):
    """A column that was added by hand and comes in records is used if its type is right."""
    session = opened()
    session.commit(checkpoint("a", [order(1)], schema=FLAT))
    place.by_hand("ALTER TABLE {} ADD COLUMN email TEXT", "orders")
    grown = Schema(stream=STREAM, tables=(root_table(column("email")),))
    session.commit(checkpoint("b", schema=grown))
    assert session.schema(STREAM) == grown


@pytest.mark.parametrize("write", [Append(), Merge(key=KEY), Replace(generation="g", swap=True)])
def test_foreign_table_is_never_touched(opened, place, write):
    """A table of that name that the stream did not make is an error, in every write mode."""
    session = opened()
    place.by_hand("CREATE TABLE {} (x INTEGER)", "orders")
    place.by_hand("INSERT INTO {} VALUES (1)", "orders")
    with pytest.raises(DestinationError, match=r"'orders' exists already .* --db-schema"):
        session.commit(checkpoint("a", [order(1)], write=write))
    assert place.rows("orders") == [{"x": 1}]


def test_replace_heals_what_was_changed_by_hand(opened, place):
    """A new generation needs nothing of the old tables."""
    session = opened()
    session.commit(checkpoint("a", [order(1)]))
    place.by_hand("DROP TABLE {}", "orders__lines")
    place.by_hand("ALTER TABLE {} DROP COLUMN note", "orders")
    session.commit(checkpoint("b", [order(2)], write=Replace(generation="g", swap=True)))
    assert seen(place) == as_seen([order(2)])


def test_root_table_under_a_new_name_starts_anew(opened, place):
    """A stream whose table is renamed in the document leaves its old tables to people."""
    session = opened()
    session.commit(checkpoint("a", [order(1, lines=0)], schema=FLAT))
    renamed = Schema(stream=STREAM, tables=(root_table(name="orders_v2"),))
    session.commit(checkpoint("b", schema=renamed))
    assert session.schema(STREAM) == renamed
    assert len(place.rows("orders")) == 1
    assert place.rows("orders_v2") == []
