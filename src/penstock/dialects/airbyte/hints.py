"""Primary keys, schemas and sync modes → hints."""

from __future__ import annotations

from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.manifest import Component, plain
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


def hints(ctx: Context, stream: Component, schema: JsonValue, *, incremental: bool) -> Hints:
    """What a stream says about its table.

    An incremental stream is merged by its primary key, or appended to without one. A stream that is
    always read in full replaces its table, so that what the API no longer has goes from it too.
    """
    key = _primary_key(ctx, stream)
    write: WriteMode = ("merge" if key else "append") if incremental else "replace"
    return Hints(
        primary_key=key,
        write=write,
        columns=_columns(schema),
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


def schema(ctx: Context, stream: Component) -> JsonValue:
    """The JSON schema a stream declares; the earlier of several loaders wins."""
    merged: dict[str, JsonValue] = {}
    for loader in stream.children("schema_loader"):
        match loader.kind:
            case "InlineSchemaLoader":
                node = loader.get("schema")
                found = plain(ctx.references, node) if node is not None else {}
                if isinstance(found, dict):
                    merged = _with(merged, found)
            case "JsonFileSchemaLoader":
                ctx.info("schema-file", "the schema's file is not read: types come from the data",
                         loader.node)  # fmt: skip
            case "DynamicSchemaLoader":
                ctx.info("dynamic-schema", "the schema is not asked for: types come from the data",
                         loader.node)  # fmt: skip
            case "CustomSchemaLoader":
                ctx.custom(loader, "the schema loader")
            case _:
                ctx.unknown(loader, "the schema loader", _LOADERS)
    return merged


_LOADERS = (
    "InlineSchemaLoader",
    "JsonFileSchemaLoader",
    "DynamicSchemaLoader",
    "CustomSchemaLoader",
)


def _with(earlier: dict[str, JsonValue], later: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if not earlier:
        return later
    held, more = earlier.get("properties"), later.get("properties")
    if not isinstance(held, dict) or not isinstance(more, dict):
        return {**later, **earlier}
    return {**later, **earlier, "properties": {**more, **held}}


def _columns(declared: JsonValue) -> tuple[Column, ...]:
    properties = declared.get("properties") if isinstance(declared, dict) else None
    if not isinstance(properties, dict):
        return ()
    return tuple(
        Column(name=name, type=_type(spec), description=_said(spec))
        for name, spec in properties.items()
    )


def _said(spec: JsonValue) -> str | None:
    text = spec.get("description") if isinstance(spec, dict) else None
    return text if isinstance(text, str) else None


def _type(spec: JsonValue) -> ColumnType | None:
    """The type of a column that a schema leaves no doubt about; dates are told by the data."""
    if not isinstance(spec, dict) or {"oneOf", "anyOf", "allOf", "$ref"} & spec.keys():
        return None
    kinds = spec.get("type")
    names = [kinds] if isinstance(kinds, str) else kinds if isinstance(kinds, list) else []
    real = [name for name in names if name != "null"]
    if len(real) != 1 or not isinstance(real[0], str):
        return None
    if real[0] == "string" and spec.get("format"):
        return None
    return _TYPES.get(real[0])
