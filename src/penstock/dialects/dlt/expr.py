"""Templates: the placeholders of `str.format`, and the Airbyte ones that documents mix in."""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from typing import Literal

import msgspec

from penstock.dialects.dlt.context import Context, joined
from penstock.dialects.dlt.paths import field_path
from penstock.dialects.dlt.repairs import quoted
from penstock.dialects.document import Joined, Node, Opaque, SecretRef, Unreadable
from penstock.dialects.repairing.edits import Edit, Rewrite
from penstock.patterns import pattern
from penstock.plan.expr import (
    Array,
    Const,
    Expr,
    Formatted,
    JsonValue,
    Object,
    Quoted,
    Ref,
    Scope,
)
from penstock.plan.records import JsonPath, Keys
from penstock.plan.slices import Field

Where = Literal["path", "text", "body", "json"]
_Said = tuple[str, str]

# `{{ stream_partition['x'] }}` and its kin: Airbyte's way to name a value of the slice.
_AIRBYTE = pattern(
    r"""\{\{\s*(?P<kind>stream_partition|stream_slice|config)
        (?:\[\s*(?:'(?P<a>[^']+)'|"(?P<b>[^"]+)")\s*\]|\.(?P<c>\w+))\s*\}\}""",
    re.VERBOSE,
)
# The same way to write what dlt has in single braces; in doubled ones it stands for itself.
_OWN_DOUBLED = pattern(r"\{\{\s*((?:resources|incremental)\.[^{}]+?)\s*\}\}")
_DOUBLED = pattern(r"\{\{(?:\s+[\w.]+\s*|\s*\w+(?:\.\w+)+\s*)\}\}")
_FOREIGN = pattern(
    r"\{\{\s*(stream_interval|next_page_token|stream_state|parameters|response|record|headers"
    r"|now_utc|today_utc|now_local|today_with_timezone|day_delta|duration|stream_slice"
    r"|stream_partition|config)\b"
)
_IN_BODY = pattern(r"\{((?:resources|incremental)\.[^{}!:]+)(?:!([rsa]))?(?::([^{}]*))?\}")
_OF_PARENT = "{resources.<resource>.<field>}"
_ANY = f"{_OF_PARENT} or {{incremental.<value>}}"
_OWN = {
    "stream_partition": _OF_PARENT,
    "stream_slice": _OF_PARENT,
    "stream_interval": "{incremental.start_value} or {incremental.end_value}",
    "stream_state": "{incremental.last_value}",
    "config": "dlt.config['<name>']",
}  # what says the same where one of Airbyte's templates is no plain name
_LINK_NAMES = frozenset({"url", "uri", "href", "link", "self", "api_url", "resource_url"})
CURSOR_VALUES = {
    "start_value": "start",
    "end_value": "end",
    "initial_value": "initial",
    "last_value": "last",
}


_OF_USER = "config."


class Hole(msgspec.Struct, frozen=True, kw_only=True):
    """A placeholder of a template. `airbyte` marks one in Airbyte's spelling."""

    field: str
    conversion: str = ""
    spec: str = ""
    airbyte: bool = False


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A partition value that the document names without saying where it comes from."""

    name: str
    node: Node


class Bindings:
    """What the placeholders of one resource mean, and which parents they need."""

    def __init__(
        self,
        ctx: Context,
        name: str,
        params: Node | None,
        *,
        incremental: bool,
        cursor: Callable[[str, str, str], Expr],
    ) -> None:
        self.ctx = ctx
        self.cursor = cursor
        self.name = name
        self.params = params
        self.incremental = incremental
        self.parents: dict[str, dict[str, Field]] = {}
        self.parent_nodes: dict[str, Node] = {}
        self.wanted: dict[str, Wanted] = {}
        self.carried: list[str] = []
        self.used: set[str] = set()
        self.lists: dict[str, Node] = {}
        self.alone = False  # whether the placeholder at hand is all there is of a JSON value

    def param(self, name: str) -> Node | None:
        """The param called `name`."""
        return self.params.get(name) if self.params else None

    def resolved(self, name: str) -> bool:
        """Whether a param is bound to a field of a parent."""
        return self._kind(name) == "resolve"

    def _kind(self, name: str) -> object:
        """The `type` of a param that is a mapping."""
        node = self.param(name)
        kind = node.mapping.get("type") if node else None
        return kind.value if kind is not None else None

    def parent(self, stream: str, name: str, path: Keys | JsonPath, node: Node) -> Ref:
        """The value of a parent's field, known to the slice as `name`.

        It may be null where it is nothing but a value of a JSON body.
        """
        known = self.parents.setdefault(stream, {})
        nullable = self.alone and (name not in known or known[name].nullable)
        known[name] = Field(name=name, path=path, nullable=nullable)
        self.parent_nodes.setdefault(stream, node)
        return partition_value(name)

    # What a placeholder stands for.

    def value(self, hole: Hole, node: Node, where: Where) -> Expr:
        """The value of a placeholder; one that stands for nothing is diagnosed."""
        found = self._airbyte(hole, node) if hole.airbyte else self._own(hole, node, where)
        if found is None:
            return Const(value="")
        if (hole.conversion or hole.spec) and not hole.field.startswith("incremental."):
            return Formatted(value=found, conversion=hole.conversion, spec=hole.spec)
        return found

    def _own(self, hole: Hole, node: Node, where: Where) -> Expr | None:
        head, _, rest = hole.field.partition(".")
        if head == "resources":
            return self._resource(hole, rest, node)
        if head == "incremental":
            return self._cursor(hole, rest, node)
        if where == "path" and self.param(hole.field) is not None:
            return self._path_param(hole.field)
        self._unbound(hole.field, node, where)
        return None

    def _resource(self, hole: Hole, rest: str, node: Node) -> Expr | None:
        stream, _, path = rest.partition(".")
        if not stream or not path:
            message = f"{{{hole.field}}} names no field of a resource"
            hint = "write {resources.<resource>.<field>}"
            self.ctx.error("unbound-placeholder", message, node, hint)
            return None
        return self.parent(stream, rest, field_path(self.ctx, path, node), node)

    def _cursor(self, hole: Hole, name: str, node: Node) -> Expr | None:
        if not self.incremental:
            message = f"{{{hole.field}}} needs an incremental, and this endpoint has none"
            self.ctx.error("unbound-placeholder", message, node, 'add "incremental"')
            return None
        if name in CURSOR_VALUES:
            return self.cursor(CURSOR_VALUES[name], hole.conversion, hole.spec)
        hint = f"there are: {', '.join(f'incremental.{n}' for n in CURSOR_VALUES)}"
        self.ctx.error("unbound-placeholder", f"{{{hole.field}}} is not known", node, hint)
        return None

    def _path_param(self, name: str) -> Expr | None:
        node = self.param(name)
        assert node is not None, "the caller looked"
        self.used.add(name)
        if self.resolved(name):
            return self.resolve(name, node)
        if self._kind(name) == "list":
            return self.listed(name, node)
        if isinstance(node.value, (dict, list)):
            self.ctx.wrong(
                node, 'a plain value, {"type": "resolve"} or {"type": "list"} to stand in a path'
            )
            return None
        if node.value is None:
            self.ctx.wrong(node, "a value, as it stands in the path")
            return None
        if isinstance(node.value, SecretRef):
            return self.ctx.expr(node)
        return template(self, node, "text")

    def resolve(self, name: str, node: Node) -> Expr | None:
        """The value of a param that is bound to a parent's field."""
        self.ctx.keys(node, ("type", "resource", "field"), "a resolve param")
        stream, path = node.get("resource"), node.get("field")
        node.get("type")
        for key, found in (("resource", stream), ("field", path)):
            if found is None:
                self.ctx.missing(node, key, "a resolve param")
        if stream is None or path is None:
            return None
        parent, field = self.ctx.text(stream), self.ctx.text(path)
        if parent is None or field is None:
            return None
        return self.parent(parent, name, field_path(self.ctx, field, path), stream)

    def listed(self, name: str, node: Node) -> Ref:
        """The value of a param that has one after the other of a list."""
        self.ctx.keys(node, ("type", "values"), "a list param")
        node.get("type")
        values = node.get("values")
        if values is None:
            self.ctx.missing(node, "values", "a list param")
        elif not isinstance(values.value, (list, SecretRef)):
            self.ctx.wrong(values, "a list")
        else:
            self.lists[name] = values
        return partition_value(name)

    def _airbyte(self, hole: Hole, node: Node) -> Expr | None:
        kind, _, name = hole.field.partition(".")
        if kind == "config":
            hint = f"write dlt.config[{name!r}]"
            message = f"an Airbyte template stands for the value {name!r} of the configuration"
            edits = self._as_reference(node)
            self.ctx.warn("airbyte-template", message, node, hint, edits=edits)
            return self.ctx.input(SecretRef(name=name, secret=False, read=True))
        self.carried.append(name)
        if self.param(name) is not None and self.resolved(name):
            return self._path_param(name)
        self.wanted.setdefault(name, Wanted(name=name, node=node))
        return partition_value(name)

    @staticmethod
    def _as_reference(node: Node) -> tuple[Edit, ...]:
        """What replaces a text with Airbyte templates: a reference, or a text with references."""
        if not isinstance(node.value, str | Joined):
            return ()
        held = node.value.parts if isinstance(node.value, Joined) else (node.value,)
        parts = [
            p for part in held for p in (_referring(part) if isinstance(part, str) else (part,))
        ]
        if len(parts) == 1 and isinstance(parts[0], SecretRef):
            return (Rewrite(node=node, value=parts[0]),)
        return (Rewrite(node=node, value=Joined(parts=tuple(parts))),)

    def _unbound(self, field: str, node: Node, where: Where) -> None:
        if where == "path" and "." not in field:
            message = f"the path needs a value for {{{field}}}, and params has none"
            hint = (
                f'write {{resources.<resource>.<field>}}, or add to params: "{field}": '
                '{"type": "resolve", "resource": "<resource>", "field": "<field>"}, '
                f'or a value of your own: "{field}": dlt.config["{field}"]'
            )
        else:
            message = f"{{{field}}} stands for nothing here"
            hint = "valid are {resources.<resource>.<field>} and {incremental.<value>}; "
            hint += "write {{ and }} for braces"
        self.ctx.error("unbound-placeholder", message, node, hint)


def _referring(text: str) -> tuple[str | SecretRef, ...]:
    """A text with references in place of what Airbyte's templates take from the configuration."""
    parts: list[str | SecretRef] = []
    at = 0
    for found in _AIRBYTE.finditer(text):
        if found["kind"] == "config":
            name = found["a"] or found["b"] or found["c"]
            parts += [text[at : found.start()], SecretRef(name=name, secret=False, read=True)]
            at = found.end()
    return tuple(part for part in (*parts, text[at:]) if part != "")


def partition_value(name: str) -> Ref:
    """The value of the slice's partition called `name`."""
    return Ref(at=Scope.SLICE, path=("partition", name))


def extra_value(name: str) -> Ref:
    """A value that the slice has beside its partition."""
    return Ref(at=Scope.SLICE, path=("extra", name))


def cursor_value(name: str) -> Ref:
    """The value of the slice's cursor: `start`, `end`, `initial` or `last`."""
    return Ref(at=Scope.SLICE, path=("cursor", name))


# Reading templates.


def parse(ctx: Context, text: str, node: Node, where: Where) -> list[str | Hole] | None:
    """The literal texts and placeholders of a template; None, with a diagnostic, if it is bad."""
    if "{" not in text and "}" not in text:
        return [text] if text else []
    if "{{" in text and where in {"path", "text"}:
        text = _undoubled(ctx, text, node, where)
    parts: list[str | Hole] = []
    at = 0
    for found in _AIRBYTE.finditer(text):
        before = _formatted(ctx, text[at : found.start()], node, where)
        if before is None:
            return None
        name = found["a"] or found["b"] or found["c"]
        kind = "config" if found["kind"] == "config" else "partition"
        parts += [*before, Hole(field=f"{kind}.{name}", airbyte=True)]
        at = found.end()
    rest = _formatted(ctx, text[at:], node, where)
    return None if rest is None else [*parts, *rest]


def _undoubled(ctx: Context, text: str, node: Node, where: Where) -> str:
    """A text whose placeholders of dlt's have single braces; others in doubled ones are said."""
    meant = _OWN_DOUBLED.sub(r"{\1}", text)
    if meant != text:
        message = "a placeholder of dlt's has single braces; it is read as if it had"
        edits = (Rewrite(node=node, value=meant),) if node.value == text else ()
        ctx.warn("airbyte-template", message, node, f"write {quoted(meant)}", edits=edits)
    rest = _AIRBYTE.sub("", meant)
    found = _DOUBLED.search(rest)
    if found and where == "path" and not _FOREIGN.search(rest):
        message = f"{found[0]} stands for nothing in a dlt configuration: its braces are sent"
        ctx.warn("airbyte-template", message, node, f"write {_OF_PARENT}")
    return meant


def _formatted(ctx: Context, text: str, node: Node, where: Where) -> list[str | Hole] | None:
    """The parts of a text in the grammar of `str.format`."""
    foreign = _FOREIGN.search(text)
    if foreign:
        message = f"an Airbyte template with {foreign[1]!r} has no meaning in a dlt configuration"
        ctx.error("airbyte-template", message, node, f"write {_OWN.get(foreign[1], _ANY)}")
        return None
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError as exc:
        if where in {"body", "json"}:
            return _lenient(text)
        hint = "write {{ and }} for braces"
        ctx.error("bad-template", f"the template cannot be read: {exc}", node, hint)
        return None
    unknown = _unreadable(parsed)
    if unknown and where in {"path", "text"}:
        ctx.error("bad-template", f"the template cannot be read: {unknown[0]}", node, unknown[1])
        return None
    fields = [field for _, field, _, _ in parsed if field is not None]
    known = all(f.startswith(("resources.", "incremental.")) for f in fields)
    if where in {"body", "json"} and not known:
        return _lenient(text)
    parts: list[str | Hole] = []
    for literal, field, spec, conversion in parsed:
        if literal:
            parts.append(literal)
        if field is not None:
            parts.append(Hole(field=field.strip(), conversion=conversion or "", spec=spec or ""))
    return _merged(parts)


def _unreadable(parsed: list[tuple[str, str | None, str | None, str | None]]) -> _Said | None:
    """What is wrong with a placeholder that names nothing, or how its value is written."""
    for _, field, _, conversion in parsed:
        if field is not None and not field.strip():
            return "{} names nothing", f"write {_ANY}, or {{{{ and }}}} for braces"
        if conversion not in {None, "", "r", "s", "a"}:
            return f"there is no conversion '!{conversion}'", "there are: !r, !s, !a"
    return None


def _lenient(text: str) -> list[str | Hole]:
    """The parts of a body whose braces are its own: only known placeholders count."""
    parts: list[str | Hole] = []
    at = 0
    for found in _IN_BODY.finditer(text):
        parts.append(text[at : found.start()])
        parts.append(Hole(field=found[1], conversion=found[2] or "", spec=found[3] or ""))
        at = found.end()
    return _merged([*parts, text[at:]])


def _merged(parts: list[str | Hole]) -> list[str | Hole]:
    """The parts with neighbouring texts put together and empty ones left out."""
    merged: list[str | Hole] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    return merged


# Values with templates in them.


def template(bindings: Bindings, node: Node, where: Where) -> Expr:
    """The expression of a value that may hold templates; a lone placeholder keeps its type."""
    match node.value:
        case str():
            parts = parse(bindings.ctx, node.value, node, where)
            return _expression(bindings, parts or [], node, where)
        case Joined():
            return _joined(bindings, node.value, node, where)
        case dict():
            return _object(bindings, node, where)
        case list():
            items = tuple(template(bindings, item, where) for item in node.value)
            return constant(items) or Array(items=items)
        case SecretRef() | Opaque() | Unreadable():
            anything = where != "path"
            return bindings.ctx.expr(node, optional=anything, read=anything)
        case _:
            return Const(value=node.value)


def _joined(bindings: Bindings, value: Joined, node: Node, where: Where) -> Expr:
    found: list[Expr] = []
    for part in value.parts:
        if isinstance(part, SecretRef):
            found.append(bindings.ctx.input(part))
        else:
            parts = parse(bindings.ctx, part, node, where) or []
            found.append(_expression(bindings, parts, node, where))
    return joined(tuple(found))


def _expression(bindings: Bindings, parts: list[str | Hole], node: Node, where: Where) -> Expr:
    found = tuple(
        Const(value=part) if isinstance(part, str) else _hole(bindings, part, parts, node, where)
        for part in parts
    )
    return joined(found)


def _hole(
    bindings: Bindings, hole: Hole, parts: list[str | Hole], node: Node, where: Where
) -> Expr:
    bindings.alone = where == "json" and len(parts) == 1 and not (hole.conversion or hole.spec)
    value = bindings.value(hole, node, where)
    bindings.alone = False
    if where != "path" or _whole_link(hole, parts):
        return value
    if isinstance(value, Const) or (hole.airbyte and hole.field.startswith(_OF_USER)):
        return value  # the document, or who runs it, wrote it for this path
    return Quoted(value=value)


def _whole_link(hole: Hole, parts: list[str | Hole]) -> bool:
    """Whether a placeholder begins the path and can be a URL rather than a segment of one."""
    if parts[0] is not hole:
        return False
    return len(parts) == 1 or hole.field.rpartition(".")[2].lower() in _LINK_NAMES


def _object(bindings: Bindings, node: Node, where: Where) -> Expr:
    pairs: list[tuple[Expr, Expr]] = []
    for key, child in node.mapping.items():
        node.get(key)
        parts = parse(bindings.ctx, key, child, where) or []
        name = _expression(bindings, parts, child, where)
        pairs.append((name, template(bindings, child, where)))
    known: dict[str, JsonValue] = {}
    for name, value in pairs:
        if not isinstance(name, Const) or not isinstance(value, Const):
            return Object(items=tuple(pairs))
        known[str(name.value)] = value.value
    return Const(value=known)


def constant(items: tuple[Expr, ...]) -> Const | None:
    """A list whose items are all known, as one literal."""
    values: list[JsonValue] = []
    for item in items:
        if not isinstance(item, Const):
            return None
        values.append(item.value)
    return Const(value=values)
