"""Record selectors, transformations and decoders → records and decoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from msgspec.structs import replace

from penstock.dialects.airbyte import custom, template
from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.manifest import Component
from penstock.plan import transforms
from penstock.plan.decoder import Decoder
from penstock.plan.expr import Const, Expr, JsonValue
from penstock.plan.paths import is_pattern
from penstock.plan.python import Extract
from penstock.plan.records import (
    Change,
    Glob,
    Keep,
    Keys,
    RecordPath,
    Records,
    Several,
    Spread,
    Step,
)

Transform: TypeAlias = transforms.Transform
_VALUE_TYPES = {"string": "str", "number": "float", "integer": "int", "boolean": "bool"}
_EXTRACTORS = ("DpathExtractor", "CombinedExtractor", "ResponseToFileExtractor",
               "CustomRecordExtractor")  # fmt: skip


def records(  # noqa: PLR0913 (a selector, and what its stream and retriever say)
    ctx: Context,
    selector: Component,
    changes: list[Component],
    schema: Callable[[], JsonValue],
    *,
    filters_last: bool = False,
    decoding: Component | None = None,
) -> Records:
    """The records of a selector, changed as a stream says.

    `decoding` is the retriever's decoder, which a class may use or be.
    """
    ctx.check(selector)
    path, spreads = extracted(ctx, selector.child("extractor"), decoding)
    filtered = tuple(_filter(ctx, selector))
    altered = tuple(step for child in changes for step in changed(ctx, child))
    last = filters_last or selector.value("transform_before_filtering") is True
    ordered = (*altered, *filtered) if last else (*filtered, *altered)
    steps = (*spreads, *ordered, *_normalized(ctx, selector, schema))
    return Records(path=path, steps=steps, single=True, absent="empty")


def extracted(
    ctx: Context, component: Component | None, decoding: Component | None = None
) -> tuple[RecordPath, tuple[Step, ...]]:
    """Where an extractor finds records, and what makes several of each."""
    path, steps = _extracted_by(ctx, component, decoding)
    if decoding is None or decoding.kind != "CustomDecoder" or isinstance(path, Extract):
        return path, steps
    return custom.decoder(ctx, decoding, path) or path, steps


def _extracted_by(
    ctx: Context, component: Component | None, decoding: Component | None
) -> tuple[RecordPath, tuple[Step, ...]]:
    if component is None:
        return Keys(), ()
    match component.kind:
        case "DpathExtractor":
            ctx.check(component)
            expander = component.child("record_expander")
            return dpath(ctx, component, "field_path"), _spread(ctx, expander)
        case "CombinedExtractor":
            return _several(ctx, ctx.check(component)), ()
        case "CustomRecordExtractor":
            made = custom.extractor(ctx, component, decoding)
            return made or dpath(ctx, component, "field_path"), ()
        case "ResponseToFileExtractor":
            return Keys(), ()
        case _:
            ctx.unknown(component, "the extractor", _EXTRACTORS)
            return Keys(), ()


def dpath(ctx: Context, component: Component, field: str) -> Keys | Glob:
    """A path as the reference engine reads it: plain keys, or a pattern."""
    return located(ctx.path(component, field))


def located(path: tuple[str, ...]) -> Keys | Glob:
    """A path as plain keys, or as a pattern where it may reach into lists."""
    return (
        Glob(path=path)
        if is_pattern(path) or any(p.removeprefix("-").isdecimal() for p in path)
        else Keys(path=path)
    )


def _several(ctx: Context, component: Component) -> Several:
    paths: list[Keys | Glob] = []
    spreads: list[transforms.Expand | None] = []
    for child in component.children("extractors"):
        path, _ = extracted(ctx, child)
        if not isinstance(path, (Keys, Glob)):
            ctx.gap(child, "inside a CombinedExtractor only paths are read")
            continue
        expander = child.child("record_expander")
        paths.append(path)
        spreads.append(expanding(ctx, expander) if expander is not None else None)
    first = component.value("mode") == "first_match"
    return Several(
        paths=tuple(paths),
        mode="first" if first else "all",
        skip_empty=component.value("skip_empty_records") is True,
        spreads=tuple(spreads) if any(spreads) else (),
    )


def _spread(ctx: Context, component: Component | None) -> tuple[Step, ...]:
    if component is None:
        return ()
    if "truncation_indicator_path" in component:
        return (custom.spread(ctx, ctx.check(component)),)
    if "truncated_list_retriever" in component:
        message = "nothing says which lists are cut short: give 'truncation_indicator_path'"
        ctx.error("missing-key", message, component.place_of("truncated_list_retriever"))
    return (Spread(expand=_expand(ctx, ctx.check(component))),)


def expanding(ctx: Context, component: Component) -> transforms.Expand:
    """What an expander makes of a value where nothing can be asked for."""
    if "truncation_indicator_path" in component:
        message = "lists that the API cut short are not completed here"
        ctx.gap(component, message, "truncation_indicator_path")
    return _expand(ctx, component)


def _expand(ctx: Context, component: Component) -> transforms.Expand:
    fields = tuple(
        (ctx.path(child, "parent_path"), ctx.path(child, "record_path"))
        for child in component.children("parent_fields")
    )
    return transforms.Expand(
        path=ctx.path(component, "expand_records_from_field"),
        original=component.value("remain_original_record") is True,
        merge=component.value("merge_parent") is True,
        fields=fields,
        empty="keep" if component.value("on_no_records") == "emit_parent" else "skip",
    )


def _filter(ctx: Context, selector: Component) -> Iterator[Step]:
    component = selector.child("record_filter")
    if component is not None:
        yield from kept(ctx, component)


def kept(ctx: Context, component: Component) -> Iterator[Step]:
    """The step of a record filter."""
    if component.kind == "CustomRecordFilter":
        made = custom.keep(ctx, component)
        if made is not None:
            yield made
        return
    if component.kind != "RecordFilter":
        ctx.unknown(component, "the record filter", ("RecordFilter", "CustomRecordFilter"))
        return
    condition = ctx.expression(ctx.check(component), "condition", template.FILTER, "truth")
    if condition is not None:
        yield Keep(when=condition)


def _normalized(
    ctx: Context, selector: Component, schema: Callable[[], JsonValue]
) -> Iterator[Step]:
    how = selector.value("schema_normalization")
    declared = schema() if how == "Default" else {}
    if declared or declared is None:  # None: it has to be asked for
        yield Change(transform=transforms.Normalize(schema=declared))
    child = selector.child("schema_normalization")
    made = custom.normalize(ctx, child, schema() or {}) if child is not None else None
    if made is not None:
        yield made


def changed(ctx: Context, component: Component) -> Iterator[Step]:
    """The step of a transformation."""
    if component.kind in {"CustomTransformation", "CustomConfigTransformation"}:
        made = custom.change(ctx, component)
        if made is not None:
            yield made
        return
    make = _CHANGES.get(component.kind or "")
    if make is None:
        ctx.unknown(component, "a transformation", (*_CHANGES, "CustomTransformation"))
        return
    yield Change(transform=make(ctx, ctx.check(component)))


def _when(ctx: Context, component: Component, names: frozenset[str]) -> Expr | None:
    if component.value("condition") in (None, ""):
        return None
    return ctx.expression(component, "condition", names, "truth")


def _add_fields(ctx: Context, component: Component) -> Transform:
    fields = tuple(_added(ctx, child) for child in component.children("fields"))
    return transforms.AddFields(fields=fields, when=_when(ctx, component, template.FIELD))


def _added(ctx: Context, component: Component) -> transforms.AddedField:
    ctx.check(component)
    wanted = component.value("value_type")
    types = (_VALUE_TYPES[wanted],) if isinstance(wanted, str) and wanted in _VALUE_TYPES else ()
    value = ctx.expression(component, "value", template.VALUE, types=types)
    path = component.value("path")
    keys = tuple(map(str, path)) if isinstance(path, list) else ()
    if not keys:
        ctx.error("empty-path", "an added field needs a path", component.place_of("path"))
    return transforms.AddedField(path=keys, value=value or Const(value=""))


def _remove_fields(ctx: Context, component: Component) -> Transform:
    pointers = component.value("field_pointers")
    paths = tuple(
        tuple(map(str, p)) if isinstance(p, list) else (str(p),)
        for p in (pointers if isinstance(pointers, list) else ())
    )
    names = template.CONFIG | {"property"}
    when = _when(ctx, component, names)
    return transforms.RemoveFields(paths=tuple(p for p in paths if p), when=when)


def _keys_replace(ctx: Context, component: Component) -> Transform:
    names = template.FIELD
    old = ctx.expression(component, "old", names, spelled=True) or Const(value="")
    new = ctx.expression(component, "new", names, spelled=True) or Const(value="")
    return transforms.KeysReplace(old=old, new=new)


def _flatten(ctx: Context, component: Component) -> Transform:
    del ctx
    return transforms.Flatten(lists=component.value("flatten_lists") is not False)


def _flatten_at(ctx: Context, component: Component) -> Transform:
    keys = component.child("key_transformation")
    words = {
        name: ctx.expression(keys, name, template.CONFIG, spelled=True) if keys else None
        for name in ("prefix", "suffix")
    }
    return transforms.FlattenAt(
        path=tuple(Const(value=key) for key in ctx.path(component, "field_path")),
        delete=component.value("delete_origin_value") is True,
        replace=component.value("replace_record") is True,
        prefix=words["prefix"],
        suffix=words["suffix"],
    )


_CHANGES: dict[str, Callable[[Context, Component], Transform]] = {
    "AddFields": _add_fields,
    "RemoveFields": _remove_fields,
    "KeysToLower": lambda _ctx, _component: transforms.KeysToLower(),
    "KeysToSnakeCase": lambda _ctx, _component: transforms.KeysToSnakeCase(),
    "KeysReplace": _keys_replace,
    "FlattenFields": _flatten,
    "DpathFlattenFields": _flatten_at,
}


def decoder(ctx: Context, component: Component | None) -> Decoder:
    """How the bodies of a retriever become values."""
    if component is None:
        return Decoder()
    ctx.check(component)
    match component.kind:
        case "JsonDecoder":
            return Decoder()
        case "JsonlDecoder":
            return Decoder(format="jsonl")
        case "XmlDecoder":
            return Decoder(format="xml")
        case "IterableDecoder":
            return Decoder(format="lines")
        case "CsvDecoder":
            return _csv(ctx, component)
        case "JsonItemsDecoder":
            path = ctx.path(component, "items_path")
            items = tuple(part for key in path for part in key.split("."))
            encoding = str(component.value("encoding", "utf-8"))
            return _usable(ctx, component, Decoder(items=items, encoding=encoding))
        case "GzipDecoder" | "ZipfileDecoder":
            return _packed(ctx, component)
        case "CustomDecoder":
            pass  # it takes the records itself
        case _:
            ctx.unknown(component, "the decoder", _DECODERS)
    return Decoder()


_DECODERS = (
    "JsonDecoder",
    "JsonlDecoder",
    "XmlDecoder",
    "IterableDecoder",
    "CsvDecoder",
    "JsonItemsDecoder",
    "GzipDecoder",
    "ZipfileDecoder",
    "CustomDecoder",
)


def _csv(ctx: Context, component: Component) -> Decoder:
    nulls = component.value("set_values_to_none")
    delimiter = str(ctx.settled(component, "delimiter", ","))
    made = Decoder(
        format="csv",
        encoding=str(component.value("encoding", "utf-8")),
        delimiter="\t" if delimiter == "\\t" else delimiter,
        nulls=tuple(map(str, nulls)) if isinstance(nulls, list) else (),
    )
    return _usable(ctx, component, made)


def _usable(ctx: Context, component: Component, made: Decoder) -> Decoder:
    """The decoder, diagnosed if nothing can be read with it."""
    wrong = made.wrong()
    if wrong is not None:
        ctx.error("decoder", wrong, component.node)
    return made


def _packed(ctx: Context, component: Component) -> Decoder:
    inner = decoder(ctx, component.child("decoder"))
    if component.kind == "GzipDecoder":
        return replace(inner, gzip=True)
    return replace(inner, zip=True)
