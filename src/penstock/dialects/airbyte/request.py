"""HttpRequester → request: URL, params in their slots, bodies."""

from __future__ import annotations

from penstock.dialects.airbyte import template
from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.manifest import Component
from penstock.dialects.document import Node
from penstock.plan.expr import Const, Expr, JoinUrl, Ref, Scope
from penstock.plan.request import (
    Body,
    FormBody,
    JsonBody,
    Param,
    PlaceName,
    Request,
    Slot,
    TextBody,
)

_PLACES: dict[str, PlaceName] = {
    "request_parameter": "query",
    "header": "header",
    "body_data": "form",
    "body_json": "json",
}
_QUERY_TYPES = ("str", "list")


def request(
    ctx: Context, component: Component, names: frozenset[str] = template.REQUEST
) -> Request:
    """The request that a requester describes."""
    ctx.check(component)
    method = component.value("http_method", "GET")
    return Request(
        url=_url(ctx, component, names),
        method=str(method).upper(),
        params=(
            *_params(ctx, component, "request_parameters", "query", names),
            *_params(ctx, component, "request_headers", "header", names),
        ),
        body=_body(ctx, component, names),
        connect_timeout=_seconds(component, "connect_timeout_in_seconds"),
        read_timeout=_seconds(component, "read_timeout_in_seconds"),
    )


def base_url(ctx: Context, component: Component, names: frozenset[str]) -> Expr | None:
    """What relative paths of a requester stand below."""
    for field in ("url_base", "url"):
        found = ctx.expression(component, field, names, spelled=True)
        if found is not None and not _blank(ctx, component, found):
            return found
    return None


def _blank(ctx: Context, component: Component, base: Expr) -> bool:
    """Whether a base is known to be empty, so that another one counts."""
    if not isinstance(base, Const) and ("url" not in component or not ctx.known):
        return False
    return base.scope is Scope.SOURCE and ctx.settle(base, "") == ""


def _url(ctx: Context, component: Component, names: frozenset[str]) -> Expr:
    base = base_url(ctx, component, names)
    path = ctx.expression(component, "path", names, spelled=True)
    if base is None:
        if path is None:
            ctx.error("missing-key", "a requester needs 'url' or 'url_base'", component.node)
        return path or Const(value="")
    nothing = isinstance(path, Const) and not str(path.value).strip("/")
    return base if path is None or nothing else JoinUrl(base=base, path=path)


def _seconds(component: Component, field: str) -> float | None:
    value = component.value(field)
    return float(value) if isinstance(value, (int, float)) else None


def _params(
    ctx: Context, component: Component, field: str, place: PlaceName, names: frozenset[str]
) -> tuple[Param, ...]:
    node = component.get(field)
    if node is None:
        return ()
    if not isinstance(node.value, dict):
        return _whole(ctx, component, field, place)
    site = ctx.site(component, names)
    resolved = [(key, ctx.references.resolve(child)) for key, child in node.value.items()]
    resolved.sort(key=lambda pair: _is_component(pair[1]))  # properties stand behind all others
    made = [_param(ctx, key, child, place, site) for key, child in resolved]
    return tuple(param for param in made if param is not None)


def _param(
    ctx: Context, key: str, node: Node, place: PlaceName, site: template.Site
) -> Param | None:
    name = key
    if template.is_template(key):
        made = ctx.key(key, site, node, types=_QUERY_TYPES[:1])
        if template.unknown_names(made):  # the template fails, as one of a value does
            return Param(slot=Slot(place=place, path=(key,)), value=made)
        if made.scope > Scope.SOURCE:
            message = f"the name {key!r} depends on values that are not known before the run"
            ctx.warn("gap", message, node)
            return None
        found = ctx.settle(made)
        if found is None and (place == "header" or not ctx.known):
            return None
        name = str(found)
    slot = Slot(place=place, path=(name,))
    if _is_component(node):
        return Param(slot=slot, value=_properties_ref())
    if place == "query":
        value = ctx.scalar(node, site, "value", types=_QUERY_TYPES)
    else:
        value = ctx.scalar(node, site, "value", spelled=True)
    return None if value == Const(value=None) else Param(slot=slot, value=value)


def _is_component(node: Node) -> bool:
    return isinstance(node.value, dict) and "type" in node.value


def _properties_ref() -> Expr:
    """The names of the properties that this request of a page asks for."""
    return Ref(at=Scope.PAGE, path=("query_properties",), optional=True)


def _whole(ctx: Context, component: Component, field: str, place: PlaceName) -> tuple[Param, ...]:
    """Params that one template gives, a mapping when rendered."""
    value = ctx.settled(component, field)
    if isinstance(value, dict):
        pairs = ((Slot(place=place, path=(str(k),)), v) for k, v in value.items())
        return tuple(Param(slot=slot, value=Const(value=v)) for slot, v in pairs if v is not None)
    if place == "header" and value and isinstance(value, str):
        message = f"{field!r} takes a mapping, and not a text"
        ctx.error("wrong-type", message, component.place_of(field))
    elif value not in (None, "", {}):
        ctx.gap(component, f"{field} as one template cannot be sent", field)
    return ()


def _body(ctx: Context, component: Component, names: frozenset[str]) -> Body | None:
    site = ctx.site(component, names)
    data, json = component.get("request_body_data"), component.opened("request_body_json")
    if data is not None and json is not None:
        message = "a request has one body: 'request_body_data' or 'request_body_json'"
        ctx.error("two-bodies", message, component.place_of("request_body_json"))
    if json is not None:
        return JsonBody(value=ctx.deep(json, site), omit_empty=True)
    if data is not None:
        return _form(ctx, data, site)
    typed = component.child("request_body")
    return _typed_body(ctx, typed, names) if typed is not None else None


def _form(ctx: Context, node: Node, site: template.Site) -> Body:
    if isinstance(node.value, dict):
        return FormBody(value=ctx.deep(node, site, types=_QUERY_TYPES))
    return TextBody(value=ctx.scalar(node, site, "text"), form=True)


def _typed_body(ctx: Context, component: Component, names: frozenset[str]) -> Body | None:
    kinds = (
        "RequestBodyPlainText",
        "RequestBodyUrlEncodedForm",
        "RequestBodyJsonObject",
        "RequestBodyGraphQL",
    )
    node = component.opened("value")
    if component.kind not in kinds or node is None:
        ctx.unknown(component, "the body", kinds)
        return None
    site = ctx.site(component, names)
    match component.kind:
        case "RequestBodyPlainText" | "RequestBodyUrlEncodedForm":
            return _form(ctx, node, site)
        case _:
            return JsonBody(value=ctx.deep(node, site), omit_empty=True)


def slot(ctx: Context, component: Component) -> Slot | None:
    """The slot of a RequestOption; None where it is not one."""
    if component.kind != "RequestOption":
        ctx.unknown(component, "the option", ("RequestOption",))
        return None
    ctx.check(component)
    place = component.value("inject_into")
    if not isinstance(place, str) or place not in _PLACES:
        node = component.place_of("inject_into")
        ctx.error("inject-into", f"a value cannot go into {place!r}", node, ", ".join(_PLACES))
        return None
    # A path that came down from the parameters of what is around it is an extractor's.
    path = ctx.path(component, "field_name") or ctx.path(component, "field_path")
    if not path:
        ctx.error("missing-key", "a RequestOption needs 'field_name'", component.node)
        return None
    return Slot(place=_PLACES[place], path=path)


def option(ctx: Context, component: Component, field: str, value: Expr) -> tuple[Param, ...]:
    """The param of a RequestOption in a field, if there is one."""
    child = component.child(field)
    if child is None:
        return ()
    found = slot(ctx, child)
    return () if found is None else (Param(slot=found, value=value),)
