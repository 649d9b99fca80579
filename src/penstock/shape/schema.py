"""Tables as the destination sees them: names, columns, types, and how they are related."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from penstock.plan.hints import ColumnType
from penstock.shape.names import MAX_NAME

if TYPE_CHECKING:
    import pyarrow as pa

SystemStyle = Literal["penstock", "dlt"]


class SystemColumns(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine's own columns are called.

    `version` tells the versions of a row apart; dlt has no column of its own for that. `root_id`
    stands in child tables of merged rows, where there is such a column. `child_loads` says that
    rows of child tables name their load too.
    """

    load_id: str
    row_id: str
    parent_id: str
    list_index: str
    version: str
    valid_from: str
    valid_to: str
    deleted_at: str = "_penstock_deleted_at"
    root_id: str | None = None
    child_loads: bool = True

    @property
    def all(self) -> tuple[str, ...]:
        """All of them, each once."""
        named = (
            *(self.load_id, self.row_id, self.parent_id, self.list_index),
            *(self.version, self.valid_from, self.valid_to, self.deleted_at),
            *((self.root_id,) if self.root_id else ()),
        )
        return tuple(dict.fromkeys(named))

    @property
    def ids(self) -> frozenset[str]:
        """Those that hold ids of rows."""
        return frozenset({self.row_id, self.parent_id, self.root_id or self.row_id})

    @property
    def instants(self) -> frozenset[str]:
        """Those that hold an instant, which the destination fills in."""
        return frozenset({self.valid_from, self.valid_to, self.deleted_at})


PENSTOCK = SystemColumns(
    load_id="_penstock_load_id",
    row_id="_penstock_id",
    parent_id="_penstock_parent_id",
    list_index="_penstock_list_idx",
    version="_penstock_version",
    valid_from="_penstock_valid_from",
    valid_to="_penstock_valid_to",
)

DLT = SystemColumns(
    load_id="_dlt_load_id",
    row_id="_dlt_id",
    parent_id="_dlt_parent_id",
    list_index="_dlt_list_idx",
    version="_dlt_id",
    valid_from="_dlt_valid_from",
    valid_to="_dlt_valid_to",
    root_id="_dlt_root_id",
    child_loads=False,
)


def system_columns(style: SystemStyle) -> SystemColumns:
    """The names that a style stands for."""
    return DLT if style == "dlt" else PENSTOCK


LOAD_ID = PENSTOCK.load_id
ROW_ID = PENSTOCK.row_id
PARENT_ID = PENSTOCK.parent_id
LIST_INDEX = PENSTOCK.list_index
VERSION = PENSTOCK.version
VALID_FROM = PENSTOCK.valid_from
VALID_TO = PENSTOCK.valid_to
DELETED_AT = PENSTOCK.deleted_at
SYSTEM_COLUMNS = PENSTOCK.all


NestedType = Literal["struct", "list"]
ValueType = ColumnType | NestedType


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """How the tables of a dataset are made.

    `system` says whose names the engine's own columns have, `longest` how many bytes a name may
    have, and `types` those of new columns that are none of Penstock's own.
    """

    system: SystemStyle = "penstock"
    longest: int = MAX_NAME
    types: Mapping[ColumnType, str] = {}


class Within(msgspec.Struct, frozen=True, kw_only=True):
    """Where the rows of a stream's table are from lists in rows of another table.

    `parts` are the names that the table's own is made of, and `rooted` says whether its rows name
    those that they are from.
    """

    parts: tuple[str, ...]
    rooted: bool


class TableColumn(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a table.

    `path` is where its values stand in a record of that table (keys as the API spells them; empty
    for Penstock's own columns and for the `value` column of a list of scalars). `variant` is true
    for a column that takes the values of `path` which are of another class than its main column.
    `wide` is true for a bigint column that holds, or held, a value no double represents exactly.
    `fields` are those of a struct, or the one element of a list; their paths begin at the record,
    or at the element of the innermost list they are in.
    `placed` is false where the column was found in a table that dlt made: no record has shown yet
    which path leads to it. `stored` is its type there, if that is none of Penstock's own.
    """

    name: str
    type: ValueType
    path: tuple[str, ...] = ()
    nullable: bool = True
    precision: int | None = None
    scale: int | None = None
    variant: bool = False
    wide: bool = False
    fields: tuple[TableColumn, ...] = ()
    placed: bool = True
    stored: str | None = None


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A root table (`parent` None) or a child table.

    `path` is where a child's lists stand in a record of its parent table. `key` holds the column
    names (not record fields) of the primary key, for the root table only. `system` says whose names
    the engine's own columns have; `placed` is false as it is for a column. `bare` says that no row
    has come for it yet: it was made for what the document declares.
    """

    name: str
    columns: tuple[TableColumn, ...]
    parent: str | None = None
    path: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    system: SystemStyle = "penstock"
    placed: bool = True
    bare: bool = False

    @property
    def own(self) -> SystemColumns:
        """What the engine's own columns are called."""
        return system_columns(self.system)

    def column(self, name: str) -> TableColumn | None:
        """The column called `name`, or None."""
        return next((c for c in self.columns if c.name == name), None)


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """The tables of one stream: the root first, then its children, parents before children."""

    stream: str
    tables: tuple[Table, ...]

    @property
    def root(self) -> Table:
        """The stream's own table."""
        return self.tables[0]

    @property
    def own(self) -> SystemColumns:
        """What the engine's own columns are called."""
        return self.root.own

    def table(self, name: str) -> Table | None:
        """The table called `name`, or None."""
        return next((t for t in self.tables if t.name == name), None)


Extra = str | int | float | bool | None


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """Records of one page: `records` are JSON texts, verbatim slices of the answer's body.

    `extras` are columns that the slice adds to each of these records unless the record has the
    key itself with a value other than null. `origin` names the request, for error messages.
    Where lists of records go to tables that name the rows they come from, as dlt's do, `ids` are
    those that rows of these records get by chance, and `roots` those that rows name. `whole` are
    the records before lists were taken out of them, where any were.
    """

    records: Sequence[bytes | msgspec.Raw]
    extras: tuple[tuple[str, Extra], ...] = ()
    origin: str = ""
    ids: Sequence[str] = ()
    roots: Sequence[str] = ()
    whole: Sequence[bytes | msgspec.Raw] = ()

    def part(self, first: int, end: int) -> Segment:
        """Some of the records, with all that is said of them."""
        return msgspec.structs.replace(
            self,
            records=self.records[first:end],
            ids=self.ids[first:end],
            roots=self.roots[first:end],
            whole=self.whole[first:end],
        )

    def left(self, out: Container[int]) -> Iterator[bytes | msgspec.Raw]:
        """The records with all of their lists, without those whose ids are in `out`."""
        for record, whole in zip(self.records, self.whole or self.records, strict=True):
            if id(record) not in out:
                yield whole


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """The unit of shaping: some megabytes of segments that one checkpoint will hold."""

    load_id: str
    segments: Sequence[Segment]

    @property
    def rows(self) -> int:
        """Records in all segments."""
        return sum(len(s.records) for s in self.segments)


class Discarded(msgspec.Struct, frozen=True, kw_only=True):
    """A record that a contract keeps out: why, its JSON text, and the request it came from."""

    reason: str
    record: str
    origin: str = ""


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Arrow tables of one block, by table name; each has exactly the columns of its `Table`.

    For a merge, root rows of one batch are unique by key. Batches of a checkpoint are applied in
    order, so a later batch replaces rows of an earlier one. `discarded` is what is in no table.
    """

    tables: Mapping[str, pa.Table]
    discarded: Sequence[Discarded] = ()

    @property
    def rows(self) -> int:
        """Rows in all tables of the batch."""
        return sum(t.num_rows for t in self.tables.values())


def arrow_type(column: TableColumn) -> pa.DataType:
    """The Arrow type of a column's values."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    from penstock import arrow  # noqa: PLC0415 (the same)

    if column.type == "struct":
        return pa.struct([(field.name, arrow_type(field)) for field in column.fields])
    if column.type == "list":
        return pa.list_(arrow_type(column.fields[0]))
    return arrow.type_of(column.type, column.precision, column.scale)


def grown(array: Any, kind: pa.DataType) -> Any:
    """The same values in a type that holds them, which may have more fields."""
    import pyarrow as pa  # noqa: PLC0415 (start-up stays fast without pyarrow)

    if array.type == kind:
        return array
    if pa.types.is_struct(kind):
        own = {field.name: number for number, field in enumerate(array.type)}
        fields = [
            grown(array.field(own[field.name]), field.type)
            if field.name in own
            else pa.nulls(len(array), field.type)
            for field in kind
        ]
        return pa.StructArray.from_arrays(fields, fields=list(kind), mask=array.is_null())
    if pa.types.is_list(kind):
        whole = pa.concat_arrays([array])  # what is a slice gets offsets of its own
        values = grown(whole.values, kind.value_type)
        return pa.ListArray.from_arrays(whole.offsets, values, type=kind, mask=whole.is_null())
    return array.cast(kind)
