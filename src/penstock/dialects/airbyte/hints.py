"""Primary keys, schemas and sync modes → hints."""

from __future__ import annotations

from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.manifest import Component, plain
from penstock.dialects.document import Node
from penstock.plan.expr import JsonValue
from penstock.plan.hints import Column, ColumnType, Hints, WriteMode

_TYPES: dict[str, ColumnType] = {
    "string": "text",
    "integer": "bigint",
    "number": "double",
    "boolean": "bool",
    "object": "json",
    "array": "json",
}

_READ = ("type", "format", "airbyte_type", "description")
_UNSURE = frozenset({"oneOf", "anyOf", "allOf"})


def hints(ctx: Context, stream: Component, declared: list[Node], *, incremental: bool) -> Hints:
    """What a stream says about its table.

    An incremental stream is merged by its primary key, or appended to without one. A stream that is
    always read in full replaces its table, so that what the API no longer has goes from it too.
    """
    key = _primary_key(ctx, stream)
    write: WriteMode = ("merge" if key else "append") if incremental else "replace"
    return Hints(
        primary_key=key,
        write=write,
        columns=_columns(ctx, declared),
        nesting="json",
    )


def _primary_key(ctx: Context, stream: Component) -> tuple[str, ...]:
    value = stream.value("primary_key")
    keys = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    paths = [key if isinstance(key, list) else [key] for key in keys if key not in ("", [], None)]
    if any(len(path) != 1 for path in paths):
        message = "a primary key inside an object is not used: records are not merged by it"
        ctx.gap(stream, message, "primary_key")
        return ()
    return tuple(str(path[0]) for path in paths)


def _columns(ctx: Context, declared: list[Node]) -> tuple[Column, ...]:
    found: dict[str, Column] = {}
    for node in declared:
        properties = node.mapping.get("properties")
        entries = ctx.references.resolve(properties).mapping if properties is not None else {}
        for name, inner in entries.items():
            if name not in found:
                found[name] = _column(ctx, name, ctx.references.resolve(inner))
    return tuple(found.values())


def _column(ctx: Context, name: str, node: Node) -> Column:
    held = node.mapping
    spec = {key: plain(ctx.references, held[key]) for key in _READ if key in held}
    unsure = not _UNSURE.isdisjoint(held)
    kind, dated = (None, None) if unsure else _type(spec)
    return Column(name=name, type=kind, otherwise=dated, description=_said(spec))


def _said(spec: dict[str, JsonValue]) -> str | None:
    text = spec.get("description")
    return text if isinstance(text, str) else None


def _type(spec: dict[str, JsonValue]) -> tuple[ColumnType | None, ColumnType | None]:
    """The type of a column that a schema leaves no doubt about; dates are told by the data.

    With it comes the type that dates have where there is no data: the one it would have told.
    """
    kinds = spec.get("type")
    names = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    real = [name for name in names if name != "null"]
    if len(real) != 1 or not isinstance(real[0], str):
        return None, None
    if real[0] == "string" and (said := spec.get("format")):
        return None, _dated(spec) if said == "date-time" else "text"
    return _TYPES.get(real[0]), None


def _dated(spec: dict[str, JsonValue]) -> ColumnType:
    zoned = spec.get("airbyte_type") != "timestamp_without_timezone"
    return "timestamp" if zoned else "timestamp_ntz"
