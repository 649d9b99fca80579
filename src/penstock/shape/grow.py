"""A tree from what is known before the first record: the stored schema and the declared columns."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.plan.hints import Column, ColumnType, Hints
from penstock.shape.report import Tally
from penstock.shape.schema import ROW_ID, SYSTEM_COLUMNS, Schema, Table, TableColumn
from penstock.shape.tree import ColumnState, Node, TableState, Tree
from penstock.shape.values import decimal_size


def plant(
    stream: str,
    hints: Hints,
    known: Schema | None,
    extras: Mapping[str, ColumnType],
    tally: Tally,
) -> Tree:
    """The tree of a stream's tables before its first block."""
    tree = Tree(stream, hints, tally)
    # a table that the document calls by a new name is a new table
    if known is not None and known.root.name == tree.root.name:
        _restore(tree, known)
    for column in hints.columns:
        if column.type is not None:
            _declare(tree, column, column.type)
    for name, kind in extras.items():
        _declare(tree, Column(name=name, type=kind), kind)
    return tree


def _restore(tree: Tree, known: Schema) -> None:
    tree.key = known.root.key
    tree.with_ids = tree.with_ids or known.root.column(ROW_ID) is not None
    states: dict[str, TableState] = {}
    for table in known.tables:
        state = _restore_table(tree, table, states)
        states[table.name] = state
        for column in table.columns:
            if column.name not in SYSTEM_COLUMNS:
                _restore_column(tree, state, column)


def _restore_table(tree: Tree, table: Table, states: Mapping[str, TableState]) -> TableState:
    if table.parent is None:
        return tree.root
    tree.table_names.keep(table.name)
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
    node = _node(tree, table.record, column.path)
    state = tree.column(
        node, column.type, variant=column.variant, name=column.name if flat else None, flat=flat
    )
    state.precision, state.scale, state.wide = column.precision, column.scale, column.wide


def _node(tree: Tree, node: Node, path: tuple[str, ...]) -> Node:
    for key in path:
        node = tree.field(node, key)
    return node


def _declare(tree: Tree, column: Column, kind: ColumnType) -> None:
    node = _declared_node(tree, column.name)
    state = node.main
    if state is None:
        state = tree.column(node, kind)
        tree.unseen[state.name] = state
        _size(state, column)
    if state.type == kind:
        state.declared = True
    else:
        tree.tally.warn(
            "declared-type",
            f"{tree.root.name}: column {state.name} is declared {kind} and stored as {state.type}",
            hint="it stays as it is stored; reset the stream and drop its tables to change it",
        )


def _declared_node(tree: Tree, name: str) -> Node:
    """The node a document means by `name`: a field, or a nested field by its column's name."""
    record = tree.root.record
    if record.fields and name in record.fields:
        return record.fields[name]
    for column in tree.root.columns:
        if column.name == name and not column.variant:
            return column.node
    return tree.field(record, name)


def _size(state: ColumnState, column: Column) -> None:
    if state.type == "decimal":
        state.precision, state.scale = decimal_size(column.precision, column.scale)
