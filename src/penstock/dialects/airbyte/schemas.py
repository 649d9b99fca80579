"""Schema loaders → schemas: those the manifest or a file beside it holds, and those to be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from penstock.dialects.airbyte import custom, template
from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.manifest import Component, nodes, plain
from penstock.dialects.airbyte.records import changed, kept
from penstock.dialects.document import Node
from penstock.plan.expr import JsonValue
from penstock.plan.python import Schema
from penstock.plan.records import Step
from penstock.plan.schemas import (
    TYPES,
    AskedSchema,
    Declared,
    Nested,
    SchemaPart,
    TypeRule,
    combined,
)
from penstock.plan.source import Stream

_LOADERS = (
    "InlineSchemaLoader",
    "JsonFileSchemaLoader",
    "DynamicSchemaLoader",
    "CustomSchemaLoader",
)
_TO_BE_ASKED = {"DynamicSchemaLoader", "CustomSchemaLoader"}
_FOLDER = "schemas"
_DEEPEST = 50  # references that lead from one to another

# Keeps the stream of a retriever that stands alone, and says under which name it is read.
Helper: TypeAlias = Callable[[Component, str], str]


def declared(ctx: Context, stream: Component) -> list[Node]:
    """The JSON schemas that are there without asking; an earlier one wins over a later."""
    loaders = stream.children("schema_loader")
    if not loaders:
        path = f"{_FOLDER}/{ctx.stream}.json"
        found = _beside(ctx, path) if ctx.stream else None
        return [] if found is None else [nodes(found, stream.node)]
    return [node for loader in loaders if (node := _declared(ctx, loader)) is not None]


def _declared(ctx: Context, loader: Component) -> Node | None:
    match loader.kind:
        case "InlineSchemaLoader":
            return ctx.check(loader).get("schema")
        case "JsonFileSchemaLoader":
            return _from_file(ctx, ctx.check(loader))
        case "DynamicSchemaLoader":
            message = "a load does not ask for the schema: types come from the data"
            ctx.info("dynamic-schema", message, loader.node)
        case "CustomSchemaLoader":
            pass  # its class is asked when somebody wants the schema
        case _:
            ctx.unknown(loader, "the schema loader", _LOADERS)
    return None


def _from_file(ctx: Context, loader: Component) -> Node | None:
    given = ctx.settled(loader, "file_path")
    path = str(given) if given else f"{_FOLDER}/{ctx.stream}.json"
    found = _beside(ctx, path)
    if found is None:
        message = f"there is no schema at {path!r} beside the manifest: types come from the data"
        ctx.warn("schema-file", message, loader.place_of("file_path"))
        return None
    return nodes(found, loader.node)


def _beside(ctx: Context, path: str) -> JsonValue:
    """The schema in a file beside the manifest; the first folder of its path may be a package's."""
    manifest = Path(ctx.document.file)
    if not ctx.document.file or not manifest.is_file():
        return None
    folder = manifest.parent.resolve()
    whole = Path(path.removeprefix("./"))
    for relative in (whole, Path(*whole.parts[1:])):
        file = (folder / relative).resolve()
        if file.is_relative_to(folder) and file.is_file():
            schema = _read(file)
            return None if schema is None else _expanded(schema, schema, folder, 0)
    return None


def _read(file: Path) -> JsonValue:
    try:
        found: JsonValue = msgspec.json.decode(file.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None
    return found


def _expanded(value: JsonValue, root: JsonValue, folder: Path, depth: int) -> JsonValue:
    """A schema with what its references lead to, in itself or among the shared ones."""
    if isinstance(value, list):
        return [_expanded(item, root, folder, depth) for item in value]
    if not isinstance(value, dict):
        return value
    reference = value.get("$ref")
    if isinstance(reference, str) and depth < _DEEPEST:
        name, _, inside = reference.partition("#")
        whole = root
        if name:
            shared = (folder / _FOLDER / "shared" / name).resolve()
            whole = _read(shared) if shared.is_relative_to(folder) else None
        return _expanded(_within(whole, inside), whole, folder, depth + 1)
    return {k: _expanded(v, root, folder, depth) for k, v in value.items() if k != "definitions"}


def _within(value: JsonValue, pointer: str) -> JsonValue:
    for key in pointer.split("/"):
        if key:
            value = value.get(key, {}) if isinstance(value, dict) else {}
    return value


def merged(ctx: Context, stream: Component, found: list[Node]) -> JsonValue:
    """The schemas of a stream as one; None where one has to be asked for."""
    if any(loader.kind in _TO_BE_ASKED for loader in stream.children("schema_loader")):
        return None
    known: list[JsonValue] = [plain(ctx.references, node) for node in found]
    listed = stream.get("schema_loader")
    if listed is not None and isinstance(listed.value, list):
        return combined(known)
    return known[0] if known else {}


def with_schemas(ctx: Context, component: Component, stream: Stream, helper: Helper) -> Stream:
    """The stream with the schemas that have to be asked for, and those beside them."""
    loaders = component.children("schema_loader")
    if not any(loader.kind in _TO_BE_ASKED for loader in loaders):
        return stream
    parts = tuple(part for loader in loaders for part in _part(ctx, loader, helper))
    listed = component.get("schema_loader")
    several = listed is not None and isinstance(listed.value, list)
    return replace(stream, schemas=parts, combines=several)


def _part(ctx: Context, loader: Component, helper: Helper) -> Iterator[SchemaPart]:
    match loader.kind:
        case "DynamicSchemaLoader":
            made = _asked(ctx, ctx.check(loader), helper)
            if made is not None:
                yield made
        case "CustomSchemaLoader":
            own: Schema | None = custom.schema(ctx, loader)
            if own is not None:
                yield own
        case _:
            node = _declared(ctx, loader)
            if node is not None:
                yield Declared(schema=plain(ctx.references, node))


def _asked(ctx: Context, loader: Component, helper: Helper) -> AskedSchema | None:
    retriever, identifier = loader.child("retriever"), loader.child("schema_type_identifier")
    if retriever is None or identifier is None:
        return None
    ctx.check(identifier)
    source = helper(retriever, f"{ctx.stream}__schema")
    steps = tuple(step for child in loader.children("schema_transformations")
                  for step in changed(ctx, child))  # fmt: skip
    return AskedSchema(
        source=source,
        at=ctx.path(identifier, "schema_pointer"),
        key=ctx.path(identifier, "key_pointer"),
        kind=ctx.path(identifier, "type_pointer"),
        rules=tuple(_rule(ctx, child) for child in identifier.children("types_mapping")),
        keep=_kept(ctx, loader),
        changes=steps,
    )


def _kept(ctx: Context, loader: Component) -> tuple[Step, ...]:
    child = loader.child("schema_filter")
    return () if child is None else tuple(kept(ctx, child))


def _rule(ctx: Context, component: Component) -> TypeRule:
    ctx.check(component)
    names = template.CONFIG | {"raw_schema"}
    given = component.value("condition") not in (None, "")
    when = ctx.expression(component, "condition", names, "truth") if given else None
    return TypeRule(
        current=component.value("current_type"), target=_target(ctx, component), when=when
    )


def _target(ctx: Context, component: Component) -> str | tuple[str, ...] | Nested:
    child = component.child("target_type")
    if child is not None:
        return _nested(ctx, child)
    value = component.value("target_type")
    words = value if isinstance(value, list) else [value]
    for word in words:
        if word not in TYPES:
            node = component.place_of("target_type")
            ctx.error("schema-type", f"there is no type {word!r}", node, ", ".join(TYPES))
    return tuple(map(str, value)) if isinstance(value, list) else str(value)


def _nested(ctx: Context, component: Component) -> Nested:
    kind, inner = str(component.value("field_type")), component.child("items")
    if kind != "array" and "items" in component:
        message = "only an array has 'items'"
        ctx.error("schema-type", message, component.place_of("items"))
    word = component.value("items")
    items = _nested(ctx, inner) if inner is not None else None if word is None else str(word)
    return Nested(kind=kind, items=items)
