"""Requests of the dialect: URL, query, headers and body of an endpoint."""

from __future__ import annotations

from penstock.dialects.dlt.context import Context
from penstock.dialects.dlt.expr import Bindings, parse, template
from penstock.dialects.dlt.repairs import quoted, reword
from penstock.dialects.document import Node, SecretRef
from penstock.plan.expr import Const, Expr, JoinUrl
from penstock.plan.request import Body, FormBody, JsonBody, Param, Request, Slot, TextBody

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
PARAM_TYPES = ("resolve", "incremental", "list")


def request(
    bindings: Bindings, endpoint: Node, base_url: Expr | None, client: Node | None
) -> Request:
    """The request of an endpoint."""
    ctx = bindings.ctx
    path = endpoint.get("path")
    assert path is not None, "a resource without a path has its name for one"
    timeout = _timeout(ctx, client)
    return Request(
        url=_url(bindings, path, base_url, client),
        method=_method(ctx, endpoint.get("method")),
        params=(*_headers(bindings, endpoint, client), *_query(bindings)),
        body=_body(bindings, endpoint),
        connect_timeout=timeout,
        read_timeout=timeout,
    )


def _url(bindings: Bindings, path: Node, base_url: Expr | None, client: Node | None) -> Expr:
    if path.value is not None and path.kind not in {"a text", "a reference"}:
        bindings.ctx.wrong(path, "a text")
        return Const(value="")
    target = template(bindings, path, "path") if path.value is not None else Const(value="")
    if base_url is None or base_url == Const(value=""):
        return target
    _whole_base(bindings.ctx, client, target)
    if isinstance(base_url, Const) and isinstance(target, Const):
        whole = _with_empty_segment(str(base_url.value), str(target.value))
        if whole is not None:
            return Const(value=whole)
    return JoinUrl(base=base_url, path=target)


def _with_empty_segment(base: str, path: str) -> str | None:
    """A URL whose path has an empty segment, which a reference would lose; else None."""
    own = path.lstrip("/")
    segments = own.partition("?")[0].split("/")
    if "" not in segments[:-1] or ":" in segments[0] or {".", ".."} & set(segments):
        return None
    return f"{base.rstrip('/')}/{own}"


def _whole_base(ctx: Context, client: Node | None, path: Expr) -> None:
    """Say that the query of a base URL is lost where an endpoint's path is added to it."""
    base = client.mapping.get("base_url") if client is not None else None
    said = base is not None and isinstance(base.value, str) and "?" in base.value
    message = "the query of base_url is not sent with the paths of endpoints"
    told = {one.message for one in ctx.document.diagnostics}
    if base is not None and said and path != Const(value="") and message not in told:
        ctx.error("url", message, base, "write it into params of the endpoint of resource_defaults")


def _timeout(ctx: Context, client: Node | None) -> float | None:
    node = client.get("timeout") if client else None
    return ctx.number(node) or None


def _method(ctx: Context, node: Node | None) -> str:
    said = ctx.text(node, "GET") or "GET"
    if node is not None and said not in METHODS and said.upper() in METHODS:
        reword(ctx, node, said.upper(), f"{said!r} is read as {said.upper()!r}")
        return said.upper()
    return ctx.choice(node, METHODS, "GET")


def _headers(bindings: Bindings, endpoint: Node, client: Node | None) -> list[Param]:
    """The headers: the client's as written, the endpoint's, with templates, over them."""
    ctx = bindings.ctx
    found: dict[str, Param] = {}
    common = client.get("headers") if client else None
    if common is not None and ctx.mapping(common):
        for name in common.mapping:
            child = common.get(name)
            assert child is not None, "the key was just listed"
            found[name.lower()] = _param("header", name, ctx.expr(child, optional=True))
    own = endpoint.get("headers")
    if own is not None and ctx.mapping(own):
        for name in own.mapping:
            child = own.get(name)
            assert child is not None, "the key was just listed"
            refers = isinstance(child.value, SecretRef)
            value = ctx.expr(child, optional=True) if refers else template(bindings, child, "text")
            named = _named(ctx, name, child)
            found[named.lower()] = _param("header", named, value)
    return list(found.values())


def _named(ctx: Context, text: str, node: Node) -> str:
    """The name of a param or a header, which is the same in all requests."""
    parts = parse(ctx, text, node, "text") or []
    if all(isinstance(part, str) for part in parts):
        return "".join(part for part in parts if isinstance(part, str))
    hint = "write one for each name, or the value alone as a placeholder"
    message = f"a placeholder in the name {text!r} is not supported: it would differ by request"
    ctx.error("unsupported", message, node, hint, key=True)
    return text


def _param(place: str, name: str, value: Expr) -> Param:
    if place == "header":
        return Param(slot=Slot(place="header", path=(name,)), value=value)
    return Param(slot=Slot(place="query", path=(name,)), value=value)


def _query(bindings: Bindings) -> list[Param]:
    """The params that the path did not use; those bound to a cursor are the cursor's."""
    params = bindings.params
    found: list[Param] = []
    if params is None or not bindings.ctx.mapping(params):
        return found
    for name in params.mapping:
        child = params.get(name)
        if child is None or name in bindings.used:
            continue
        if isinstance(child.value, dict):
            _typed(bindings, name, child)
        else:
            named = _named(bindings.ctx, name, child)
            found.append(_param("query", named, template(bindings, child, "text")))
    return found


def _typed(bindings: Bindings, name: str, node: Node) -> None:
    """A param that is a mapping: only `resolve` and `incremental` ones are known."""
    ctx = bindings.ctx
    kind = node.get("type")
    said = ctx.text(kind) if kind is not None else None
    if said == "incremental":
        return
    if said == "list":
        bindings.listed(name, node)
        return
    if said == "resolve":
        resource = str(node.mapping["resource"].plain()) if node.has("resource") else "<resource>"
        field = str(node.mapping["field"].plain()) if node.has("field") else "<field>"
        node.mark()
        message = f"the param {name!r} is bound to a parent, and the path does not use it"
        hint = f"write {quoted(name)}: {quoted(f'{{resources.{resource}.{field}}}')}"
        ctx.error("unused-resolve", message, node, hint)
        return
    node.mark()
    message = f"the param {name!r} cannot be a mapping"
    known = [f'{{"type": "{one}"}}' for one in PARAM_TYPES]
    hint = f"known are {', '.join(known[:-1])} and {known[-1]}"
    ctx.error("unknown-value", message, kind or node, hint)


def _lone(text: str) -> bool:
    """Whether a text is one placeholder, which stands for what a record has there."""
    return text.startswith("{") and text.endswith("}") and text.count("{") == 1 and ":" not in text


def _body(bindings: Bindings, endpoint: Node) -> Body | None:
    ctx = bindings.ctx
    json, data = endpoint.get("json"), endpoint.get("data")
    if json is not None and json.value and data is not None and data.value:
        message = "json and data exclude each other"
        ctx.error("conflict", message, data, "keep one of them", key=True)
    said = data is not None and bool(data.value)
    if json is not None and isinstance(json.value, str) and not _lone(json.value):
        ctx.wrong(json, "a mapping", "write a mapping, or call it data to send the text")
    if json is not None and json.value is not None and (json.value or not said):
        return JsonBody(value=template(bindings, json, "json"))
    if data is None or data.value is None:
        return None
    if isinstance(data.value, (dict, list)):
        return FormBody(value=template(bindings, data, "body"))
    return TextBody(value=template(bindings, data, "body"))
