"""Dynamic streams: one template, and a stream for each set of values that is put into it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from penstock.dialects.airbyte import template
from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.manifest import Component, nodes, rebuilt
from penstock.dialects.airbyte.streams import Streams
from penstock.dialects.from_yaml import plain_value
from penstock.errors import ExprError
from penstock.plan.expr import Const, Expr, Frame, JsonValue, evaluate, evaluate_text
from penstock.plan.paths import Path, at, put, update
from penstock.plan.source import Discovered, Stream

Mapped: TypeAlias = "dict[str, JsonValue]"
_NAMES = template.CONFIG | {"components_values", "stream_template_config", "stream_slice"}
_TYPES = {"string": "str", "number": "float", "integer": "int", "boolean": "bool"}
_KIND = "DynamicDeclarativeStream"
_RESOLVERS = (
    "HttpComponentsResolver",
    "ConfigComponentsResolver",
    "ParametrizedComponentsResolver",
)


class _Mapping(msgspec.Struct, frozen=True, kw_only=True):
    """One change to the template."""

    path: tuple[Expr, ...]
    value: Expr
    text: bool
    create: bool
    when: Expr | None


def expanded(ctx: Context, dynamic: Component) -> list[Component]:
    """The streams of a dynamic stream whose values are known before anything is asked."""
    untold = dynamic.kind is None and "components_resolver" in dynamic
    if dynamic.kind != _KIND and not untold:
        ctx.unknown(dynamic, "the dynamic stream", (_KIND,))
        return []
    ctx.check(dynamic)
    resolver = dynamic.child("components_resolver")
    if resolver is None or resolver.kind == "HttpComponentsResolver":
        return []
    ctx.check(resolver)
    match resolver.kind:
        case "ConfigComponentsResolver":
            if not ctx.known:
                message = "which streams there are depends on the configuration"
                ctx.info("needs-values", message, dynamic.node)
            sets = _from_config(ctx, resolver)
        case "ParametrizedComponentsResolver":
            sets = _from_list(resolver)
        case _:
            ctx.unknown(resolver, "the components resolver", _RESOLVERS)
            return []
    make = _maker(ctx, dynamic, resolver)
    return [make(values) for values in sets]


def discovered(ctx: Context, dynamic: Component, position: int) -> Discovered | None:
    """A dynamic stream whose values an API gives; None for any other."""
    resolver = dynamic.child("components_resolver")
    if resolver is None or resolver.kind != "HttpComponentsResolver":
        return None
    ctx.check(resolver)
    retriever = resolver.child("retriever")
    name = str(dynamic.value("name") or f"dynamic_stream_{position}")
    source = Streams(ctx, []).helper(retriever, name) if retriever is not None else None
    if source is None:
        return None
    make = _maker(ctx, dynamic, resolver)

    def expand(records: Sequence[JsonValue], partitions: Sequence[Mapped]) -> tuple[Stream, ...]:
        placed = zip(records, partitions, strict=True)
        return Streams(ctx, [make(record, held) for record, held in placed]).all()

    return Discovered(source=source, expand=expand, name=name)


def _from_config(ctx: Context, resolver: Component) -> Iterator[JsonValue]:
    """Every combination of the values that the configuration holds at the pointers."""
    listed: list[list[tuple[int, JsonValue]]] = []
    for child in resolver.children("stream_config"):
        held = at(dict(ctx.values), ctx.path(child, "configs_pointer"))[1]
        found = list(held) if isinstance(held, (list, tuple)) else [] if held is None else [held]
        more = child.value("default_values")
        found += more if isinstance(more, list) else []
        listed.append(list(enumerate(found)))
    for combination in itertools.product(*listed):
        merged: Mapped = {}
        for place, (index, value) in enumerate(combination):
            if isinstance(value, dict):
                merged.update(value)
            else:
                merged.setdefault(f"source_config_{place}", [index, value])
        yield merged


def _from_list(resolver: Component) -> Iterator[JsonValue]:
    parameters = resolver.child("stream_parameters")
    listed = parameters.value("list_of_parameters_for_stream") if parameters is not None else None
    yield from listed if isinstance(listed, list) else ()


def _maker(ctx: Context, dynamic: Component, resolver: Component) -> Callable[..., Component]:
    """What makes a stream of a set of values, and of those of the partition they came in."""
    inner = dynamic.child("stream_template")
    base: Mapped = inner.expanded() if inner is not None else {}
    mappings = [_mapping(ctx, child) for child in resolver.children("components_mapping")]
    place = inner.node if inner is not None else dynamic.node
    base_node = nodes(base, place)
    parsed = resolver.kind != "HttpComponentsResolver"
    wins = dynamic.value("use_parent_parameters") is not False

    def make(values: JsonValue, partition: Mapped | None = None) -> Component:
        made: Mapped = msgspec.json.decode(msgspec.json.encode(base))
        page: Mapped = {"components_values": values, "stream_template_config": base}
        frame = Frame(source=ctx.values, slice={"partition": partition or {}}, page=page)
        for mapping in mappings:
            _apply(mapping, made, frame, parsed=parsed)
        made.setdefault("type", "DeclarativeStream")
        node = rebuilt(made, base, base_node, place)
        return Component(dynamic.references, node, "", {}, parent_wins=wins)

    return make


def _mapping(ctx: Context, component: Component) -> _Mapping:
    ctx.check(component)
    site = ctx.site(component, _NAMES)
    node = component.get("field_path")
    items = node.items if node is not None else []
    wanted = component.value("value_type")
    types = (_TYPES[wanted],) if isinstance(wanted, str) and wanted in _TYPES else ()
    value = ctx.expression(component, "value", _NAMES, types=types)
    condition = component.value("condition") not in (None, "")
    return _Mapping(
        path=tuple(ctx.scalar(item, site, "text", spelled=True) for item in items),
        value=value or Const(value=""),
        text=types == ("str",),
        create=component.value("create_or_update") is True,
        when=ctx.expression(component, "condition", _NAMES, "truth") if condition else None,
    )


def _apply(mapping: _Mapping, made: Mapped, frame: Frame, *, parsed: bool) -> None:
    if mapping.when is not None and not evaluate(mapping.when, frame):
        return
    value = evaluate(mapping.value, frame)
    if parsed and isinstance(value, str) and not mapping.text:
        value = _as_yaml(value)
    path: Path = tuple(evaluate_text(segment, frame) for segment in mapping.path)
    if path and not update(made, path, value) and value and mapping.create:
        put(made, path, value)


def _as_yaml(text: str) -> JsonValue:
    """A text read as YAML, where it is some."""
    value = plain_value(text)
    return value if isinstance(value, (str, int, float, list, dict)) else text


def safely(ctx: Context, dynamic: Component) -> list[Component]:
    """`expanded`, with a template that fails reported."""
    try:
        return expanded(ctx, dynamic)
    except ExprError as exc:
        message = f"the streams cannot be made: {exc.message}"
        ctx.error("dynamic-stream", message, dynamic.node, exc.hint)
        return []
