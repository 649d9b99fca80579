"""The stream's tables while they grow: a tree of the paths that records have shown.

A `Node` is a path inside the records of one table. What stands there may be a scalar (a column and
its variants), an object (`fields`) or a list (`items`, a child table), and also more than one of
these in different records; each then has its own place. `Schema` is the tree seen from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from penstock.plan.hints import ColumnType, Hints, Nesting
from penstock.shape import names
from penstock.shape.layout import Layout, place
from penstock.shape.report import Tally
from penstock.shape.schema import (
    Schema,
    Style,
    SystemColumns,
    Table,
    TableColumn,
    Within,
    system_columns,
)

MAX_DEPTH = 100
VALUE = "value"
LIST = "list"
LEVELS_OF_LISTS = 2  # of tables that a list in a list needs: dlt has it as the field of an object


class ColumnState:
    """A column while it grows, with the values of the block at hand (exact lane only)."""

    __slots__ = (
        "declared",
        "label",
        "name",
        "node",
        "placed",
        "precision",
        "required",
        "scale",
        "stored",
        "type",
        "values",
        "variant",
        "wide",
    )

    def __init__(self, node: Node, name: str, kind: ColumnType, *, variant: bool = False) -> None:
        self.node = node
        self.name = name
        self.label = name  # what people call it: with the structs that it is in
        self.type = kind
        self.variant = variant
        self.declared = False
        self.required = False  # where the table refuses a row without a value
        self.precision: int | None = None
        self.scale: int | None = None
        self.wide = False
        self.placed = True
        self.stored: str | None = None
        self.values: list[Any] = []

    def frozen(self, name: str) -> TableColumn:
        """The column as the schema shows it."""
        return TableColumn(
            name=name,
            type=self.type,
            path=self.node.path,
            nullable=not self.required,
            precision=self.precision,
            scale=self.scale,
            variant=self.variant,
            wide=self.wide,
            placed=self.placed,
            stored=self.stored,
        )


class Node:
    """A path inside the records of `table`; `room` is how many levels may still nest below it.

    `mode` is what becomes of objects and lists here. `top` is where the nested value that this is
    a part of begins, if it is.
    """

    __slots__ = (
        "direct", "fields", "items", "listed", "main", "mode", "name", "parts", "path", "room",
        "table", "top", "variants",
    )  # fmt: skip

    def __init__(
        self,
        table: TableState,
        path: tuple[str, ...],
        parts: tuple[str, ...],
        room: int,
        mode: Nesting,
    ) -> None:
        self.table = table
        self.path = path
        # the names of the keys on the way: what is made of them is shortened once, as by dlt
        self.parts = parts
        self.name = names.join(*parts, longest=table.names.longest) if parts else VALUE
        self.room = room
        self.mode = mode
        self.top: Node | None = None
        self.main: ColumnState | None = None
        self.variants: dict[ColumnType, ColumnState] = {}
        self.fields: dict[str, Node] | None = None
        self.items: TableState | None = None
        self.listed = False  # an empty list was seen, which makes no table yet
        # the Python type whose values go into the main column as they are
        self.direct: type | None = None

    @property
    def nests(self) -> bool:
        """Whether objects and lists found here become columns and tables, and not JSON."""
        if self.mode == "json":
            return False
        return self.room > 0 and not (
            self.main is not None and self.main.declared and self.main.type == "json"
        )

    @property
    def nests_lists(self) -> bool:
        """The same of lists; one that stands in a list itself is two levels below it, as in dlt.

        A `value` that is declared JSON is for scalars there: lists have a column of their own.
        """
        if self.path or (self.main is not None and self.main.name != VALUE):
            return self.nests and (bool(self.path) or self.room >= LEVELS_OF_LISTS)
        return self.mode != "json" and self.room >= LEVELS_OF_LISTS

    @property
    def at(self) -> str:
        """The way from the root's records to here, lists left out."""
        above = self.table.record_at
        return ".".join((above, *self.path) if above else self.path)

    def field(self, key: str, modes: Mapping[str, Nesting]) -> Node:
        """The node of `key` in the objects found here, with the mode that its path is given."""
        if self.fields is None:
            self.fields = {}
        node = self.fields.get(key)
        if node is None:
            parts = (*self.parts, names.identifier(key, self.table.names.longest))
            # the fields of a table's own records stand on the level of the table
            room = self.room - 1 if self.path else self.room
            node = Node(self.table, (*self.path, key), parts, room, self.mode)
            if modes:
                node.mode = modes.get(node.at, node.mode)
            if self.top is not None or (self.path and self.mode == "struct"):
                node.top = self.top or self
            self.fields[key] = node
        return node

    def settle(self) -> None:
        """Recompute what follows from the main column's type."""
        self.direct = _DIRECT.get(self.main.type) if self.main is not None else None


_DIRECT: dict[ColumnType, type] = {"text": str, "bool": bool, "double": float}


class TableState:
    """A table while it grows, with the rows of the block at hand (exact lane only).

    One that is `folded` is no table for anybody outside: its rows are the elements of lists in the
    table `home`.
    """

    __slots__ = (
        "bare", "columns", "folded", "home", "index", "layout", "name", "names", "parent",
        "parents", "parts", "path", "placed", "record", "record_at", "room", "rooted", "rows",
        "stored", "unseen",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913, PLR0917 (all that a table grows from)
        self,
        name: str,
        parent: TableState | None,
        path: tuple[str, ...],
        room: int,
        mode: Nesting,
        longest: int = names.MAX_NAME,
    ) -> None:
        self.name = name
        # what the names of its children are made of, before these are shortened
        self.parts: tuple[str, ...] = (name,)
        self.folded = False
        self.home = self
        self.parent = parent
        self.path = path
        self.room = room
        self.columns: list[ColumnState] = []
        self.names = names.Names(longest)
        self.layout = Layout(self.names)
        self.record_at = ""
        self.record = Node(self, (), (), room, mode)
        self.rows = 0
        self.parents: list[int] = []
        self.index: list[int] = []
        self.rooted = False  # whether its rows name the root's row they are of
        self.placed = True
        self.bare = False  # whether no row has come for it yet
        # columns that are known by name, and that no record has filled yet
        self.unseen: dict[str, ColumnState] = {}
        # types of the engine's own columns, where they are none of Penstock's
        self.stored: dict[str, str | None] = {}

    def begin(self) -> None:
        """Forget the rows of the last block."""
        self.rows = 0
        self.parents = []
        self.index = []
        for column in self.columns:
            column.values = []


class Tree:
    """All tables of a stream, the root first, parents before children."""

    def __init__(
        self, stream: str, hints: Hints, tally: Tally, style: Style, within: Within | None = None
    ) -> None:
        self.stream = stream
        self._within = within
        self.hints = hints
        self.system = style.system
        self.types = style.types
        """Types of new columns that are none of Penstock's own."""
        self.own = _named(system_columns(style.system), hints)
        """What the engine's own columns are called."""
        self.tally = tally
        self.version = 0  # counts everything that a parse schema depends on
        self.key: tuple[str, ...] = ()
        # child tables that are known by name, and that no record has shown yet
        self.unseen: dict[str, TableState] = {}
        self.modes = dict(hints.nesting_at)
        # columns that decide about rows: they stay columns, wherever in a record they stand
        version = hints.validity.version
        deciding = (
            *(*hints.primary_key, *hints.merge_key, *((version,) if version else ())),
            *(c.name for c in hints.columns),
        )
        self._deciding = frozenset(names.identifier(field, style.longest) for field in deciding)
        self.with_ids = self._room() > 0 and "tables" in {hints.nesting, *self.modes.values()}
        """Whether rows carry an id: always where child tables are possible."""
        self.table_names = names.Names(style.longest)
        self.tables: list[TableState] = []
        self._schema: tuple[int, tuple[str, ...], Schema] | None = None
        self._grown: list[ColumnState | TableState] = []
        """Columns and tables that came since the last call of `settled`, the newest last."""
        self.begun: Callable[[TableState], None] = lambda _table: None
        """Called with each child table that records show for the first time."""
        self.root = self._new_table(
            self.table_names.take(self.called(hints.table or stream), ""),
            None,
            (),
            self._room(),
            hints.nesting,
        )
        if within is not None:
            self.root.parts = within.parts

    def called(self, field: str) -> str:
        """The name that a field of the root's records, or a table, would get."""
        return names.identifier(field, self.table_names.longest)

    def _room(self) -> int:
        if self.hints.nesting == "json":
            return 0
        limit = self.hints.max_nesting
        return MAX_DEPTH if limit is None else min(limit, MAX_DEPTH)

    def system_columns(self, table: TableState) -> tuple[str, ...]:
        """The names of the engine's own columns of a table, in order."""
        own = self.own
        if self.system == "dlt":
            return self._dlt_columns(table)
        if table.parent is not None:
            return (own.load_id, own.row_id, own.parent_id, own.list_index)
        ids = (own.load_id, own.row_id) if self.with_ids else (own.load_id,)
        return (*ids, *self._history())

    def _dlt_columns(self, table: TableState) -> tuple[str, ...]:
        own = self.own
        root = (own.root_id,) if table.rooted and own.root_id else ()
        if table.parent is not None:
            return (*root, own.parent_id, own.list_index, own.row_id)
        return tuple(dict.fromkeys((*self._history(), *root, own.load_id, own.row_id)))

    def _history(self) -> tuple[str, ...]:
        """The columns of the root that say since when and until when a row was there."""
        own = self.own
        if self.hints.versions:
            version = () if self.hints.validity.version else (own.version,)
            return (*version, own.valid_from, own.valid_to)
        return (own.deleted_at,) if self.hints.marks_deleted else ()

    def _new_table(
        self,
        name: str,
        parent: TableState | None,
        path: tuple[str, ...],
        room: int,
        mode: Nesting,
    ) -> TableState:
        table = TableState(name, parent, path, room, mode, self.table_names.longest)
        for own in self.own.all:
            table.names.keep(own)
        # dlt gives the rows below merged ones the id of their root, also where these stand for
        # themselves, and the rows below them theirs
        if parent is None:
            table.rooted = self._within is not None and self._within.rooted
        else:
            table.rooted = self.hints.names_roots or self.root.rooted
        self.tables.append(table)
        self.version += 1
        return table

    def field(self, node: Node, key: str) -> Node:
        """The node of `key` below `node`, new or known."""
        found = node.fields.get(key) if node.fields is not None else None
        if found is None:
            found = node.field(key, self.modes)
            self.version += 1
            if node.table.unseen:
                self._adopt(found)
        return found

    def _adopt(self, node: Node) -> None:
        """Give `node` the known column of its name, if no record has shown that column yet.

        Documents and tables of dlt name columns as tables have them (`user_id`, `user__name`), and
        records spell them their own way (`userId`, a `name` in `user`).
        """
        column = node.table.unseen.get(node.name)
        if column is None or column.values:
            return
        del node.table.unseen[node.name]
        before = column.node
        before.main = None
        before.settle()
        node.main = column
        node.variants, before.variants = before.variants, {}
        for moved in (column, *node.variants.values()):
            moved.node = node
            moved.placed = True
        node.table.layout.first.add(node.path)
        node.settle()

    def settled(self) -> None:
        """What there is by now stays."""
        self._grown.clear()

    def mark(self) -> tuple[int, int]:
        """How far the tree has grown, for `prune`."""
        return len(self._grown), len(self.tally.changes)

    def prune(self, mark: tuple[int, int]) -> None:
        """Take out what has grown since `mark`, as if the records since then had not come."""
        grown, changes = mark
        if len(self._grown) == grown:
            return
        for one in reversed(self._grown[grown:]):
            if isinstance(one, ColumnState):
                _remove_column(one)
            else:
                self._remove_table(one)
        del self._grown[grown:], self.tally.changes[changes:]
        self.version += 1

    def _remove_table(self, table: TableState) -> None:
        self.tables.remove(table)
        self.table_names.free(table.name)
        assert table.parent is not None, "the root is not grown"
        node = table.parent.record
        for key in table.path:
            node = node.fields[key] if node.fields else node
        node.items = None

    def objects(self, node: Node) -> dict[str, Node]:
        """The fields of the objects found at `node`; from now on it is known to hold objects."""
        if node.fields is None:
            node.fields = {}
            self.version += 1
        return node.fields

    def listed(self, node: Node) -> None:
        """An empty list was found at `node`: no table yet, but no surprise any more."""
        if not node.listed:
            node.listed = True
            self.version += 1

    def column(
        self,
        node: Node,
        kind: ColumnType,
        *,
        variant: bool = False,
        name: str | None = None,
        flat: bool = False,
    ) -> ColumnState:
        """A new column for `node`, or a new field of the nested value that it is a part of.

        One with a stored `name` is not named anew; with `flat` it is a column in any case.
        """
        table = node.table
        wanted = name or _wanted(node, kind, variant=variant)
        if node.top is not None and not (flat or (wanted in self._deciding and not table.folded)):
            column = self._folded(node, kind, variant=variant)
        else:
            if name is None and not variant and node.path in table.layout.first:
                wanted = f"{wanted}__v_scalar"  # a nested value came first
            wanted = names.shorten(wanted, wanted, table.names.longest)
            taken = table.names.take(wanted, ".".join(node.path) + (f"#{kind}" if variant else ""))
            column = ColumnState(node, taken, kind, variant=variant)
            column.stored = self.types.get(kind)
            table.layout.add(column)
            self._grown.append(column)
            if taken != wanted:
                self._renamed(column, wanted)
        table.columns.append(column)
        if variant:
            node.variants[kind] = column
        else:
            node.main = column
            node.settle()
        self.version += 1
        return column

    def _folded(self, node: Node, kind: ColumnType, *, variant: bool) -> ColumnState:
        """A column whose values stand in those of another; its own name is shown to nobody."""
        table = node.table
        column = ColumnState(node, f"{_HIDDEN}{len(table.columns)}", kind, variant=variant)
        column.label, wanted = place(column)
        if column.label.rpartition(".")[2] != wanted:
            self._renamed(column, wanted)
        return column

    def _renamed(self, column: ColumnState, wanted: str) -> None:
        table = column.node.table.home.name
        source = ".".join(column.node.path) or VALUE
        detail = f"{table}: {source!r} is kept as {column.label}, since {wanted} is taken"
        self.tally.changed("renamed", table, column.label, detail)

    def child(self, node: Node, *, name: str | None = None) -> TableState:
        """A child table for the lists found at `node`, with its stored `name` if it has one.

        Where they are to be nested it is folded.
        """
        fold = name is None and node.mode == "struct"
        known = self.unseen.pop(self.wanted_name(node), None) if not (fold or name) else None
        if known is not None:
            return self._bind(known, node)
        own = f"{_HIDDEN}{len(self.tables)}" if fold else name or self._child_name(node)
        mode: Nesting = "tables" if node.mode == "struct" and not fold else node.mode
        table = self._new_table(own, node.table, node.path, self._child_room(node), mode)
        table.record_at = node.at
        if own == self.wanted_name(node):
            table.parts = _parts(node)
        if fold:
            table.folded, table.home = True, node.table.home
            table.record.top = node.top or node
        node.items = table
        if not fold and name is None:
            self._grown.append(table)
            self.begun(table)
        return table

    def _bind(self, known: TableState, node: Node) -> TableState:
        """The child table that is known by its name, now that a record shows where it belongs."""
        known.path, known.placed, known.record_at = node.path, True, node.at
        known.parts = _parts(node)
        known.room = known.record.room = self._child_room(node)
        node.items = known
        self.version += 1
        return known

    def known_child(self, name: str, parent: TableState) -> TableState:
        """A child table that is known by its name alone, until a record shows where it belongs."""
        mode = parent.record.mode
        table = self._new_table(name, parent, (), self._child_room(parent.record), mode)
        table.placed = False
        self.unseen[name] = table
        return table

    def _child_room(self, node: Node) -> int:
        # with dlt's limit only tables count; without one every level does, to bound recursion
        limited = self.hints.max_nesting is not None and self.hints.max_nesting < MAX_DEPTH
        room = node.table.room if limited else node.room
        return room - (1 if node.path else LEVELS_OF_LISTS)

    def _child_name(self, node: Node) -> str:
        wanted = self.wanted_name(node)
        taken = self.table_names.take(wanted, ".".join((node.table.name, *node.path)))
        if taken != wanted:
            detail = f"lists at {'.'.join(node.path)!r} of {node.table.name} are kept as {taken}"
            self.tally.changed("renamed", taken, "", f"{detail}, since {wanted} is taken")
        return taken

    def wanted_name(self, node: Node) -> str:
        """The name of the child table for the lists found at `node`, where it is free."""
        return names.join(*_parts(node), longest=self.table_names.longest)

    def schema(self) -> Schema:
        """The tables as they are now."""
        if self._schema is None or self._schema[:2] != (self.version, self.key):
            tables = tuple(self._frozen(table) for table in self.tables if not table.folded)
            schema = Schema(stream=self.stream, tables=tables)
            self._schema = (self.version, self.key, schema)
        return self._schema[2]

    def _frozen(self, table: TableState) -> Table:
        own = tuple(self._system_column(table, name) for name in self.system_columns(table))
        held = tuple(piece.frozen() for piece in table.layout.pieces)
        return Table(
            name=table.name,
            columns=(*held, *own) if self.system == "dlt" else (*own, *held),
            parent=table.parent.name if table.parent else None,
            path=table.path,
            key=self.key if table.parent is None else (),
            system=self.system,
            placed=table.placed,
            bare=table.bare,
        )

    def _system_column(self, table: TableState, name: str) -> TableColumn:
        """One of the engine's own columns."""
        own = self.own
        kind: ColumnType = "bigint" if name == own.list_index else "text"
        kind = "timestamp" if name in own.instants else kind
        stored = table.stored.get(name, self.types.get(kind))
        if kind == "timestamp":
            return TableColumn(name=name, type=kind, stored=stored)
        # rows that dlt makes of scalars in lists name no load, even where they stand for themselves
        loadless = self._within is not None and name == own.load_id and self.system == "dlt"
        return TableColumn(name=name, type=kind, nullable=loadless, stored=stored)


def _named(own: SystemColumns, hints: Hints) -> SystemColumns:
    """The engine's own columns, those of validity as the document calls them."""
    said = hints.validity
    if not hints.versions or not (said.since or said.until):
        return own
    return msgspec.structs.replace(
        own,
        valid_from=names.identifier(said.since) if said.since else own.valid_from,
        valid_to=names.identifier(said.until) if said.until else own.valid_to,
    )


def _remove_column(column: ColumnState) -> None:
    node, table = column.node, column.node.table
    table.columns.remove(column)
    table.layout.remove(column)
    table.names.free(column.name)
    table.unseen.pop(column.name, None)
    if column.variant:
        del node.variants[column.type]
    else:
        node.main = None
        node.settle()


def _parts(node: Node) -> tuple[str, ...]:
    """What the name of a table for the lists found at `node` is made of."""
    return (*node.table.parts, *(node.parts or (LIST,)))


def _wanted(node: Node, kind: ColumnType, *, variant: bool) -> str:
    """The name of a column that is free to choose it.

    Lists in a list are no values to dlt: they have a column of their own, as they would a table.
    """
    table = node.table
    if table.parent is not None and not node.path and not table.folded:
        if kind == "json":
            return LIST
        if variant and node.main is not None and node.main.name == LIST and not node.variants:
            return VALUE
    return f"{node.name}__v_{kind}" if variant else node.name


_HIDDEN = "\0"
"""Begins the names of what is folded, which no name of a column or a table does."""
