"""Resources as the document lists them, each merged with `resource_defaults`."""

from __future__ import annotations

import msgspec

from penstock.dialects.dlt.context import Context
from penstock.dialects.dlt.hints import column_nodes
from penstock.dialects.dlt.repairs import ENDPOINT_KEYS, quoted
from penstock.dialects.document import Joined, Node, Opaque, SecretRef
from penstock.dialects.repairing.edits import Into
from penstock.errors import closest

RESOURCE_KEYS = (
    "name", "endpoint", "include_from_parent", "processing_steps", "selected", "parallelized",
    "max_table_nesting", "table_name", "write_disposition", "primary_key", "merge_key", "columns",
    "soft_delete", "nesting", "schema_contract", "table_format", "file_format", "parent_table_name",
    "references", "nested_hints",
)  # fmt: skip
# Keys of resources that a script's own functions make; nobody writes them by hand.
ROWS, FED, LIMIT = "rows made by a function", "fed by", "limit of a script"
NTH = "number of its source"
HOME = "pipeline and source"
_NOT_HONOURED = ("table_format", "file_format", "parent_table_name", "references")


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One resource: `node` as it stands in the document, `merged` and `endpoint` with defaults."""

    name: str
    node: Node
    merged: Node
    endpoint: Node
    own: frozenset[str] = frozenset()

    @property
    def place(self) -> Node:
        """The node that names the resource, for messages about all of it."""
        return self.node.mapping.get("name", self.node)

    def inherits(self, key: str) -> bool:
        """Whether a key comes from the defaults."""
        return key in self.merged.mapping and key not in self.own


def resources(ctx: Context, node: Node, defaults: Node | None) -> list[Resource]:
    """Every resource of the document; duplicates are diagnosed and left out."""
    default = _shaped(ctx, defaults, None) if defaults and ctx.mapping(defaults) else None
    found: dict[str, Resource] = {}
    for item in node.items:
        resource = _resource(ctx, item, default)
        if resource is None:
            continue
        if resource.name in found:
            message = f"there are two resources called {resource.name!r}"
            ctx.error("duplicate-name", message, resource.place, "give each its own name")
            continue
        found[resource.name] = resource
    return list(found.values())


def _resource(ctx: Context, item: Node, default: Node | None) -> Resource | None:
    if isinstance(item.value, Opaque):
        message = "a resource made by dlt's own classes cannot be read"
        ctx.error("unsupported", message, item, "write it as a dict")
        return None
    if isinstance(item.value, str):
        name = item.value
        own = Node({"name": item, "endpoint": _path(item, item)}, ctx.document, path=item.path)
    elif isinstance(item.value, dict):
        found = ctx.text(item.get("name"))
        if found is None:
            held = item.mapping.get("name")
            if held is not None and held.value is None:
                ctx.wrong(held, "a text")
            elif held is None:
                near = closest("name", set(item.mapping) - set(RESOURCE_KEYS))
                hint = f"{near!r} is no key; did you mean 'name'?" if near else None
                ctx.missing(item, "name", "a resource", hint)
            return None
        name, own = found, _shaped(ctx, item, item.mapping["name"])
        default = None if item.has(ROWS) else default  # as dlt has it
    else:
        ctx.wrong(item, "a name or a mapping")
        return None
    return _merged(ctx, name, item, own, default)


def _path(path: Node, at: Node) -> Node:
    """An endpoint that has only a path."""
    endpoint = Node({"path": path}, at.document, line=at.line, column=at.column, path=at.path)
    endpoint.get("path")
    return endpoint


def _shaped(ctx: Context, item: Node, name: Node | None) -> Node:
    """A resource, or the defaults, whose endpoint is a mapping; `name` is the default path."""
    known = RESOURCE_KEYS if name is not None else tuple(k for k in RESOURCE_KEYS if k != "name")
    made = [key for key in (ROWS, FED, LIMIT, NTH, HOME) if item.has(key)]
    what = "a resource" if name else "resource_defaults"
    ctx.keys(item, (*known, *made, *ENDPOINT_KEYS), what)
    entries = {key: child for key, child in item.mapping.items() if key not in ENDPOINT_KEYS}
    for key in entries:
        item.get(key)
    endpoint = item.mapping.get("endpoint")
    if endpoint is not None and isinstance(endpoint.value, str | Joined | SecretRef):
        endpoint = _path(endpoint, endpoint)
    inner = dict(endpoint.mapping) if endpoint is not None and ctx.mapping(endpoint) else {}
    inner.update(_misplaced(ctx, item, inner))
    if name is not None:
        inner.setdefault("path", name)
    place = endpoint or item
    shaped = Node(inner, place.document, line=place.line, column=place.column, path=place.path)
    entries["endpoint"] = shaped
    return Node(entries, item.document, line=item.line, column=item.column, path=item.path)


def _misplaced(ctx: Context, item: Node, endpoint: dict[str, Node]) -> dict[str, Node]:
    """The endpoint's keys that stand on the resource itself."""
    found: dict[str, Node] = {}
    for key in ENDPOINT_KEYS:
        child = item.get(key)
        if child is None:
            continue
        if key in endpoint:
            ctx.error("conflict", f"{key!r} stands here and in the endpoint", child, key=True)
            continue
        message = f"{key!r} belongs into the endpoint, and is read as if it stood there"
        hint = f"move {quoted(key)} into {quoted('endpoint')}"
        edit = Into(node=child, holder="endpoint")
        ctx.warn("misplaced-key", message, child, hint, key=True, edits=(edit,))
        found[key] = child
    return found


def _merged(ctx: Context, name: str, item: Node, own: Node, default: Node | None) -> Resource:
    """A resource over the defaults: everything is replaced whole but params, json and columns."""
    base = default.mapping if default else {}
    endpoint = own.mapping["endpoint"]
    inner = dict(base["endpoint"].mapping) if base else {}
    for key, child in endpoint.mapping.items():
        both = key in {"params", "json"} and key in inner
        inner[key] = _overlaid(inner[key], child) if both else child
    entries = {**base, **own.mapping}
    declared = own.mapping.get("columns")
    if "columns" in base and declared is not None and declared.value:  # none are no columns
        entries["columns"] = overlaid_columns(base["columns"], declared)
    merged = Node(entries, item.document, line=item.line, column=item.column, path=item.path)
    whole = Node(
        inner, endpoint.document, line=endpoint.line, column=endpoint.column, path=endpoint.path
    )
    entries["endpoint"] = whole
    _not_honoured(ctx, merged)
    return Resource(name=name, node=item, merged=merged, endpoint=whole, own=frozenset(own.mapping))


def _overlaid(below: Node, above: Node) -> Node:
    """Two mappings as one, key by key; anything else is replaced."""
    if not isinstance(below.value, dict) or not isinstance(above.value, dict):
        return above
    entries = {**below.mapping, **above.mapping}
    return Node(entries, above.document, line=above.line, column=above.column, path=above.path)


def overlaid_columns(below: Node, above: Node) -> Node:
    """Declared columns merged hint by hint."""
    if not isinstance(below.value, (dict, list)) or not isinstance(above.value, (dict, list)):
        return above
    merged = column_nodes(below)
    for name, child in column_nodes(above).items():
        merged[name] = _overlaid(merged[name], child) if name in merged else child
    return Node(merged, above.document, line=above.line, column=above.column, path=above.path)


def _not_honoured(ctx: Context, merged: Node) -> None:
    for key in _NOT_HONOURED:
        child = merged.get(key)
        if child is not None:
            child.mark()
            ctx.gap(child, f"{key} is not honoured")
    parallelized = merged.get("parallelized")
    if parallelized is not None:
        ctx.flag(parallelized, default=False)  # always concurrent: it changes nothing
