"""A tree from what is known before the first record: the stored schema and the declared columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from penstock.plan.hints import Column, ColumnType, Hints, Nested, decimal_size
from penstock.shape import names
from penstock.shape.report import Tally
from penstock.shape.schema import Schema, Style, Table, TableColumn, Within
from penstock.shape.tree import LIST, VALUE, ColumnState, Node, TableState, Tree


def plant(  # noqa: PLR0913 (all that a tree grows from)
    stream: str,
    hints: Hints,
    known: Schema | None,
    extras: Mapping[str, ColumnType],
    tally: Tally,
    *,
    style: Style,
    within: Within | None = None,
) -> Tree:
    """The tree of a stream's tables before its first block."""
    tree = Tree(stream, hints, tally, style, within)
    tree.root.bare = True
    # a table that the document calls by a new name is a new table
    if known is not None and known.root.name == tree.root.name:
        _restore(tree, known)
    for column in hints.columns:
        if column.type is not None:
            _declare(tree, tree.root, column, column.type)
    for name, kind in extras.items():
        _declare(tree, tree.root, Column(name=name, type=kind), kind)
    _declare_nested(tree, hints)
    return tree


def _declare_nested(tree: Tree, hints: Hints) -> None:
    """Declare columns of the child tables that are known, and of others as soon as they are."""
    declared: dict[str, tuple[Column, ...]] = {}
    for name, nested in named(tree, hints):
        declared[name] = (*declared.get(name, ()), *nested.columns)

    def begun(table: TableState) -> None:
        for column in declared.get(table.name, ()):
            if column.type is not None:
                _declare(tree, table, column, column.type)

    tree.begun = begun
    for table in tree.tables[1:]:
        begun(table)


def named(tree: Tree, hints: Hints) -> Iterator[tuple[str, Nested]]:
    """What is said of child tables, by their names."""
    for nested in hints.nested:
        parts = (*tree.root.parts, *map(tree.called, nested.path))
        yield names.join(*parts, longest=tree.table_names.longest), nested


def _restore(tree: Tree, known: Schema) -> None:
    tree.key = known.root.key
    tree.root.bare = known.root.bare
    tree.with_ids = tree.with_ids or known.root.column(tree.own.row_id) is not None
    states: dict[str, TableState] = {}
    for table in known.tables:
        state = _restore_table(tree, table, states)
        states[table.name] = state
        state.rooted |= tree.own.root_id in {column.name for column in table.columns}
        own = {column.name for column in table.columns if _is_own(tree, table, column)}
        state.stored = {c.name: c.stored for c in table.columns if c.name in own}
        held = [column for column in table.columns if column.name not in own]
        # a variant that is known by its name alone belongs to the node of its main column
        for column in sorted(held, key=lambda column: column.variant and not column.placed):
            _restore_column(tree, state, column)


def _is_own(tree: Tree, table: Table, column: TableColumn) -> bool:
    """Whether a column is the engine's own, be it one of validity that was called otherwise."""
    instant = column.type == "timestamp" and column.placed and not column.path
    return column.name in tree.own.all or (instant and table.parent is None)


def _restore_table(tree: Tree, table: Table, states: Mapping[str, TableState]) -> TableState:
    if table.parent is None:
        return tree.root
    tree.table_names.keep(table.name)
    if not table.placed:
        return tree.known_child(table.name, states[table.parent])
    node = _node(tree, states[table.parent].record, table.path)
    return tree.child(node, name=table.name)


def _restore_column(tree: Tree, table: TableState, column: TableColumn) -> None:
    if column.type in {"struct", "list"}:
        # where values were nested they stay so, whatever is asked for now
        _node(tree, table.record, column.path).mode = "struct"
        _restore_nested(tree, table, column)
    else:
        _restore_leaf(tree, table, column, flat=True)


def _restore_nested(tree: Tree, table: TableState, column: TableColumn) -> None:
    match column.type:
        case "struct":
            for field in column.fields:
                _restore_nested(tree, table, field)
        case "list":
            node = _node(tree, table.record, column.path)
            _restore_nested(tree, node.items or tree.child(node), column.fields[0])
        case _:
            _restore_leaf(tree, table, column, flat=False)


def _restore_leaf(tree: Tree, table: TableState, column: TableColumn, *, flat: bool) -> None:
    assert column.type != "struct", "a leaf holds a scalar"
    assert column.type != "list", "a leaf holds a scalar"
    placed = column.placed
    node = _node(tree, table.record, column.path) if placed else _by_name(tree, table, column)
    state = tree.column(
        node, column.type, variant=column.variant, name=column.name if flat else None, flat=flat
    )
    state.precision, state.scale, state.wide = column.precision, column.scale, column.wide
    state.placed, state.stored = column.placed, column.stored
    state.required = not column.nullable
    if not column.placed and not column.variant:
        table.unseen[column.name] = state


def _by_name(tree: Tree, table: TableState, column: TableColumn) -> Node:
    """A node for a column that is known by its name alone, or that of its main column."""
    if not column.variant:
        lists = column.name == LIST and column.type == "json"
        if table.parent is not None and (column.name == VALUE or lists):
            return table.record
        return table.record.field(column.name, tree.modes)
    main = column.name.removesuffix(f"__v_{column.type}")
    of = next((c.node for c in table.columns if c.name == main), None)
    return of if of is not None else table.record.field(main, tree.modes)


def _node(tree: Tree, node: Node, path: tuple[str, ...]) -> Node:
    for key in path:
        node = tree.field(node, key)
    return node


def _declare(tree: Tree, table: TableState, column: Column, kind: ColumnType) -> None:
    node = _declared_node(tree, table, column.name)
    state = node.main
    if state is None:
        state = tree.column(node, kind, name=VALUE if node is table.record else None)
        node.table.unseen[state.name] = state
        _size(state, column)
    if state.type == kind:
        state.declared = True
    elif not column.shown:
        tree.tally.warn(
            "declared-type",
            f"{table.name}: column {state.name} is declared {kind} and stored as {state.type}",
            hint="it stays as it is stored; reset the stream and drop its tables to change it",
        )


def settle(tree: Tree, hints: Hints) -> bool:
    """Make the declared columns to which no value gave a type; say whether there are such."""
    found = False
    for column in hints.columns:
        if column.type is not None or column.otherwise is None:
            continue
        node = _declared_node(tree, tree.root, column.name)
        if node.main is None and node.fields is None and node.items is None:
            tree.column(node, column.otherwise)
            found = True
    return found


def _declared_node(tree: Tree, table: TableState, name: str) -> Node:
    """The node a document means by `name`: a field, or a nested field by its column's name."""
    record = table.record
    if table.parent is not None and name == VALUE:
        held = (c.node for c in table.columns if c.name == VALUE and not c.variant)
        return next(held, record)  # items that are objects may have a field of that name
    if record.fields and name in record.fields:
        return record.fields[name]
    wanted = {name, names.identifier(name, table.names.longest)}
    for column in table.columns:
        if column.name in wanted and not column.variant:
            return column.node
    return tree.field(record, name)


def _size(state: ColumnState, column: Column) -> None:
    if state.type == "decimal":
        state.precision, state.scale = decimal_size(column.precision, column.scale)
