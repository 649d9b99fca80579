"""The spec of a manifest → inputs, and changes and checks of their values."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.dialects.airbyte import custom, template
from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.manifest import Component
from penstock.plan.expr import Const, Expr, JsonValue, Ref, Scope
from penstock.plan.paths import is_pattern
from penstock.plan.prepare import Change, MustFit, Remap, SetValue, Unset
from penstock.plan.source import Input, Spec


def inputs(spec: Component | None) -> tuple[Input, ...]:
    """The values that a manifest asks its user for."""
    schema = spec.value("connection_specification") if spec is not None else None
    if not isinstance(schema, dict):
        return ()
    properties, required = schema.get("properties"), schema.get("required")
    wanted = required if isinstance(required, list) else []
    entries = properties.items() if isinstance(properties, dict) else ()
    return tuple(
        Input(
            name=name,
            secret=held.get("airbyte_secret") is True,
            required=name in wanted,
            default=_default(held),
            description=str(held.get("description") or held.get("title") or ""),
            secret_paths=tuple(_secrets(held, ())),
        )
        for name, held in entries
        if isinstance(held, dict)
    )


def _default(schema: dict[str, JsonValue]) -> JsonValue:
    return schema["const"] if "const" in schema else schema.get("default")


def _secrets(schema: JsonValue, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The paths to secrets inside a value, in whichever of its alternatives they are."""
    if not isinstance(schema, dict):
        return
    if path and schema.get("airbyte_secret") is True:
        yield path
    properties = schema.get("properties")
    for name, inner in properties.items() if isinstance(properties, dict) else ():
        yield from _secrets(inner, (*path, name))
    for word in ("oneOf", "anyOf", "allOf"):
        options = schema.get(word)
        for option in options if isinstance(options, list) else ():
            yield from (found for found in _secrets(option, path) if found != path)


def described(spec: Component | None) -> Spec | None:
    """What the manifest tells a platform."""
    if spec is None:
        return None
    url = spec.value("documentation_url")
    return Spec(
        schema=spec.value("connection_specification") or {},
        documentation_url=url if isinstance(url, str) else None,
        grant=spec.value("advanced_auth"),
    )


def migrations(ctx: Context, spec: Component | None) -> tuple[Change, ...]:
    """What is changed in the user's values for good."""
    rules = spec.child("config_normalization_rules") if spec is not None else None
    listed = rules.children("config_migrations") if rules is not None else []
    made = [change for one in listed for change in one.children("transformations")]
    return tuple(change for child in made for change in _changes(ctx, child))


def changes(ctx: Context, spec: Component | None) -> tuple[Change, ...]:
    """What is changed in the user's values in every run, after what is changed for good."""
    rules = spec.child("config_normalization_rules") if spec is not None else None
    listed = rules.children("transformations") if rules is not None else []
    return tuple(change for child in listed for change in _changes(ctx, child))


def _changes(ctx: Context, component: Component) -> Iterator[Change]:
    ctx.check(component)
    match component.kind:
        case "ConfigRemapField":
            table = component.value("map")
            held = component.child("map") if isinstance(table, dict) else None
            pairs = (
                ()
                if held is None
                else tuple(
                    (name, ctx.expression(held, name, template.CONFIG) or Const(value=None))
                    for name in held.node.mapping
                )
            )
            yield Remap(path=ctx.path(component, "field_path"), table=pairs)
        case "ConfigAddFields":
            when = _when(ctx, component, template.CONFIG)
            for child in component.children("fields"):
                value = ctx.expression(child, "value", template.CONFIG) or Const(value="")
                yield SetValue(path=ctx.path(child, "path"), value=value, when=when)
        case "ConfigRemoveFields":
            when = _when(ctx, component, template.CONFIG | {"property"})
            pointers = component.value("field_pointers")
            for pointer in pointers if isinstance(pointers, list) else ():
                path = tuple(map(str, pointer)) if isinstance(pointer, list) else (str(pointer),)
                yield Unset(path=path, when=when)
        case "CustomConfigTransformation":
            made = custom.rework(ctx, component)
            if made is not None:
                yield made
        case _:
            ctx.unknown(component, "a change of the configuration", _CHANGES)


_CHANGES = (
    "ConfigRemapField",
    "ConfigAddFields",
    "ConfigRemoveFields",
    "CustomConfigTransformation",
)


def _when(ctx: Context, component: Component, names: frozenset[str]) -> Expr | None:
    if component.value("condition") in (None, ""):
        return None
    return ctx.expression(component, "condition", names, "truth")


def checks(ctx: Context, spec: Component | None) -> tuple[MustFit, ...]:
    """What the user's values must fit."""
    rules = spec.child("config_normalization_rules") if spec is not None else None
    listed = rules.children("validations") if rules is not None else []
    return tuple(check for child in listed for check in _checks(ctx, child))


def _checks(ctx: Context, component: Component) -> Iterator[MustFit]:
    ctx.check(component)
    strategy = component.child("validation_strategy")
    each: tuple[str, ...] = ()
    if component.kind == "DpathValidator":
        path = ctx.path(component, "field_path")
        each = path if is_pattern(path) else ()
        value: Expr = Ref(at=Scope.SOURCE, path=path, optional=True)
    else:
        value = ctx.expression(component, "value", template.CONFIG) or Const(value=None)
    if strategy is not None and strategy.kind == "ValidateAdheresToSchema":
        yield MustFit(value=value, schema=strategy.value("base_schema"), each=each)
        return
    passes = custom.validate(ctx, strategy or component)
    if passes is not None:
        yield MustFit(value=value, passes=passes, each=each)
