"""Table hints of the dialect: keys, dispositions, columns, nesting and contracts."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import get_args

from msgspec.structs import replace

from penstock.dialects.dlt.context import Context
from penstock.dialects.dlt.dispositions import versioned, written
from penstock.dialects.dlt.models import expand
from penstock.dialects.document import Node, Opaque
from penstock.plan.expr import JsonValue
from penstock.plan.hints import (
    Column,
    ColumnType,
    Contract,
    ContractMode,
    Hints,
    MergeStrategy,
    Nested,
    Nesting,
    WriteMode,
)

_TYPES: dict[str, ColumnType] = {
    "text": "text",
    "double": "double",
    "bool": "bool",
    "timestamp": "timestamp",
    "bigint": "bigint",
    "binary": "binary",
    "json": "json",
    "complex": "json",
    "decimal": "decimal",
    "wei": "decimal",
    "date": "date",
    "time": "time",
}
_UNCUT = ("bigint", "timestamp", "timestamp_ntz")
_COLUMN_KEYS = (
    "name", "data_type", "nullable", "precision", "scale", "timezone", "hard_delete",
    "dedup_sort", "description", "primary_key", "merge_key",
)  # fmt: skip
_COLUMN_GAPS = (
    "unique", "sort", "partition", "cluster", "root_key", "parent_key", "row_key", "variant",
    "increment", "incremental", "seen-null-first", "x-normalizer",
)  # fmt: skip
_MODES: tuple[ContractMode, ...] = get_args(ContractMode)
_NESTINGS: tuple[Nesting, ...] = get_args(Nesting)
EVERYWHERE = "*"
"""Stands for all paths that `nesting` does not name."""
OF_ITEMS = ("table_name", "columns", "primary_key", "merge_key", "write_disposition",
            "schema_contract", "nested_hints")  # fmt: skip


def hints(ctx: Context, node: Node, *, inherited: bool) -> Hints:
    """The hints of a merged resource; `inherited` says its primary key came from the defaults."""
    expand(node)
    _without_functions(ctx, node)
    columns = _columns(ctx, node.get("columns"))
    named = _key(ctx, node, "primary_key")
    primary = named or _flagged(node, "primary_key")
    merge_key = _key(ctx, node, "merge_key") or _flagged(node, "merge_key")
    nesting, nesting_at = _nesting(ctx, node.get("nesting"))
    said = node.get("write_disposition")
    write, strategy, validity = written(ctx, said)
    if strategy == "scd2":
        columns = versioned(ctx, node.get("columns") or node, columns, validity)
    keyless = write == "merge" and not (primary or merge_key) and strategy == "delete-insert"
    if keyless:
        message = "a merge without a key appends, as it does in dlt"
        assert said is not None, "a merge is said"
        ctx.warn("merge-without-key", message, said, "give primary_key or merge_key", key=True)
        write = "append"
    return Hints(
        table=ctx.text(node.get("table_name")),
        primary_key=primary,
        key_inherited=inherited and bool(primary),
        key_of_columns=bool(primary) and not named,
        merge_key=merge_key,
        keyless=keyless,
        write=write,
        strategy=strategy,
        soft_delete=_soft_delete(ctx, node, write, strategy),
        validity=validity,
        columns=columns,
        nested=_nested(ctx, node.get("nested_hints"), write),
        nesting=nesting,
        nesting_at=nesting_at,
        max_nesting=ctx.whole(node.get("max_table_nesting")),
        contract=_contract(ctx, node.get("schema_contract")),
    )


def _key(ctx: Context, node: Node, name: str) -> tuple[str, ...]:
    """The fields that a key is said to be; an empty name is none."""
    return tuple(field for field in ctx.texts(node.get(name)) if field)


def _without_functions(ctx: Context, node: Node) -> None:
    """Go on without hints that are functions of each item; they are told of or called in a run."""
    found = functions_of_items(node)
    for key in found:
        child = node.mapping[key]
        node.mapping[key] = Node(None, child.document, line=child.line, column=child.column)
        node.get(key)
        if "table_name" in found:
            continue
        message = f"{key} is a function of each item, but table_name is none"
        ctx.error("unsupported", message, child, f"give {key} as it is", key=True)


def functions_of_items(node: Node) -> dict[str, Callable[[JsonValue], object]]:
    """The hints of a resource that are functions of each item."""
    found: dict[str, Callable[[JsonValue], object]] = {}
    for key in OF_ITEMS:
        child = node.mapping.get(key)
        held = child.value.value if child is not None and isinstance(child.value, Opaque) else None
        if callable(held) and not isinstance(held, type):
            found[key] = held
    return found


def _soft_delete(ctx: Context, node: Node, write: WriteMode, strategy: MergeStrategy) -> bool:
    """Whether rows that are gone are kept and marked: a key of Penstock's own."""
    said = ctx.flag(node.get("soft_delete"), default=False)
    if said and (write != "merge" or strategy in {"insert-only", "scd2"}):
        ctx.gap(
            node.mapping["soft_delete"],
            "soft_delete is honoured where rows are merged by delete-insert or upsert",
        )
        return False
    return said


_NESTED = ("columns", "write_disposition", "primary_key", "merge_key", "schema_contract",
           "parent_table_name", "table_format", "file_format", "references")  # fmt: skip


def _nested(ctx: Context, node: Node | None, write: WriteMode) -> tuple[Nested, ...]:
    """The hints of child tables, by the names below the root that each table's name is made of.

    Those below a table that stands for itself are hints of that one.
    """
    if node is None or node.value is None or not ctx.mapping(node):
        return ()
    found: list[Nested] = []
    for key in sorted(node.mapping, key=lambda key: len(_path_of(key))):
        child = node.get(key)
        if child is None or not ctx.mapping(child):
            continue
        ctx.keys(child, _NESTED, f"the hints of {key!r}")
        if "__" in key and not key.startswith("("):
            child.mark()
            way = tuple(part for part in key.split("__") if part)
            ctx.gap(child, f"{key!r} is the name of no child table in dlt", f"write {str(way)!r}")
        else:
            found = _with(found, _one_nested(ctx, key, child, write))
    return tuple(found)


def _with(found: list[Nested], more: Nested) -> list[Nested]:
    """The hints with those of one more table, put where they belong."""
    for at, one in enumerate(found):
        if one.own is not None and more.path[: len(one.path)] == one.path:
            below = replace(more, path=more.path[len(one.path) :])
            own = replace(one.own, nested=tuple(_with(list(one.own.nested), below)))
            return [*found[:at], replace(one, own=own), *found[at + 1 :]]
    return [*found, more]


def _one_nested(ctx: Context, key: str, node: Node, write: WriteMode) -> Nested:
    expand(node)
    for name in _NESTED[5:]:
        held = node.get(name)
        if held is not None and held.value is not None:
            held.mark()
            ctx.gap(held, f"{name} of nested_hints is not honoured")
    if any(_said_of(node, name) for name in ("primary_key", "merge_key")):
        own = {name: child for name, child in node.mapping.items() if name not in _NESTED[5:]}
        for name in own:
            node.get(name)
        return Nested(path=_path_of(key), own=hints(ctx, _within(node, own), inherited=False))
    said = node.get("write_disposition")
    if said is not None and said.value is not None and said.value != write:
        table = "the table stays one of the resource, unless it has a key of its own"
        ctx.gap(said, "write_disposition of nested_hints is not honoured", table)
    columns = _columns(ctx, node.get("columns"))
    for column in columns:
        if not column.nullable or column.hard_delete or column.dedup_sort:
            ctx.gap(node, f"only the type of the column {column.name!r} is honoured here")
    contract = node.get("schema_contract")
    return Nested(
        path=_path_of(key),
        columns=columns,
        contract=_contract(ctx, contract) if contract is not None and contract.value else None,
    )


def _said_of(node: Node, key: str) -> bool:
    held = node.get(key)
    return (held is not None and bool(held.value)) or bool(_flagged(node, key))


def _within(node: Node, entries: dict[str, Node]) -> Node:
    return Node(entries, node.document, line=node.line, column=node.column, path=node.path)


def _path_of(key: str) -> tuple[str, ...]:
    """The names of a key, which a script may write as a tuple of them."""
    try:
        found = ast.literal_eval(key) if key.startswith("(") else key
    except (SyntaxError, ValueError):
        found = key
    return tuple(map(str, found)) if isinstance(found, tuple) else (key,)


_Nestings = tuple[Nesting, tuple[tuple[str, Nesting], ...]]


def _nesting(ctx: Context, node: Node | None) -> _Nestings:
    """What becomes of nested values, in all and by path: a key of Penstock's own."""
    if node is None or node.value is None:
        return "tables", ()
    if isinstance(node.value, str):
        return _nesting_mode(ctx, node), ()
    if not ctx.mapping(node):
        return "tables", ()
    modes = {path: _nesting_mode(ctx, node.get(path)) for path in node.mapping}
    default = modes.pop(EVERYWHERE, "tables")
    return default, tuple(modes.items())


def _nesting_mode(ctx: Context, node: Node | None) -> Nesting:
    chosen = ctx.choice(node, _NESTINGS, "tables")
    return next(n for n in _NESTINGS if n == chosen)


def _contract(ctx: Context, node: Node | None) -> Contract:
    if node is None or node.value is None:
        return Contract()
    if isinstance(node.value, str):
        mode = _contract_mode(ctx, node)
        return Contract(tables=mode, columns=mode, data_type=mode)
    if not ctx.mapping(node):
        return Contract()
    ctx.keys(node, ("tables", "columns", "data_type"), "schema_contract")
    return Contract(
        tables=_contract_mode(ctx, node.get("tables")),
        columns=_contract_mode(ctx, node.get("columns")),
        data_type=_contract_mode(ctx, node.get("data_type")),
    )


def _contract_mode(ctx: Context, node: Node | None) -> ContractMode:
    chosen = ctx.choice(node, _MODES, "evolve")
    return next(m for m in _MODES if m == chosen)


# Columns.


def column_nodes(node: Node | None) -> dict[str, Node]:
    """The declared columns by name, from either way of writing them."""
    if node is None:
        return {}
    if isinstance(node.value, list):
        named = ((child.mapping.get("name"), child) for child in node.value)
        return {str(name.value): child for name, child in named if name is not None}
    return dict(node.mapping)


def _flagged(node: Node, key: str) -> tuple[str, ...]:
    """The columns that say of themselves that they are a key."""
    found = column_nodes(node.mapping.get("columns")).items()
    return tuple(
        n for n, child in found if key in child.mapping and child.mapping[key].value is True
    )


def _columns(ctx: Context, node: Node | None) -> tuple[Column, ...]:
    if node is None or node.value is None:
        return ()
    if not isinstance(node.value, (dict, list)):
        ctx.wrong(node, "a mapping or a list of columns")
        return ()
    for item in node.items:
        if not item.has("name"):
            ctx.missing(item, "name", "a column")
    found: list[Column] = []
    for name, child in column_nodes(node).items():
        node.get(name)
        if ctx.mapping(child):
            found.append(_column(ctx, name, child))
    return tuple(found)


def _column(ctx: Context, name: str, node: Node) -> Column:
    own = tuple(key for key in node.mapping if key.startswith("x-"))
    ctx.keys(node, (*_COLUMN_KEYS, *_COLUMN_GAPS, *own), f"the column {name!r}")
    for key in (*_COLUMN_GAPS, *own):
        if node.has(key):
            node.get(key)
            ctx.gap(node.mapping[key], f"the hint {key!r} of the column {name!r} is not honoured")
    for key in ("name", "primary_key", "merge_key"):
        node.get(key)
    dedup = ctx.choice(node.get("dedup_sort"), ("asc", "desc"), "")
    said = node.get("data_type")
    typed = said is not None and said.value is not None
    kind = ctx.choice(said, tuple(_TYPES), "text") if typed else None
    declared = _TYPES[kind] if kind is not None else None
    zoned, precision = node.get("timezone"), node.get("precision")
    if declared == "timestamp" and not ctx.flag(zoned, default=True):
        declared = "timestamp_ntz"
    elif zoned is not None and zoned.value is False:
        hint = 'add "data_type": "timestamp"'
        ctx.gap(zoned, f"timezone of the column {name!r} is honoured with a data_type", hint)
    if precision is not None and declared in _UNCUT:
        message = f"precision of the column {name!r} is not honoured: no value is cut"
        ctx.gap(precision, message)
    scale = ctx.whole(node.get("scale"))
    return Column(
        name=name,
        type=declared,
        nullable=ctx.flag(node.get("nullable"), default=True),
        precision=ctx.whole(precision),
        scale=0 if kind == "wei" and scale is None else scale,
        wei=kind == "wei",
        zoned=zoned is not None and zoned.value is True,
        hard_delete=ctx.flag(node.get("hard_delete"), default=False),
        dedup_sort="asc" if dedup == "asc" else "desc" if dedup == "desc" else None,
        description=ctx.text(node.get("description")),
    )
