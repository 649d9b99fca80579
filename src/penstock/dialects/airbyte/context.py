"""What every part of the dialect shares while one manifest is compiled."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import copy

from penstock.dialects.airbyte import custom, template, vocabulary
from penstock.dialects.airbyte.manifest import Component, References, nearest, plain
from penstock.dialects.document import Document, Node
from penstock.errors import Error, ExprError
from penstock.patterns import pattern
from penstock.plan.expr import Array, Const, Expr, Frame, JsonValue, Object, Scope, evaluate
from penstock.plan.slices import Duration, parse_duration

_COMMON = frozenset({"type", "class_name"})

_HOLDERS = vocabulary.HOLD_ONE | vocabulary.HOLD_SEVERAL
_STATUS = pattern(r"[0-9]{1,4}")


class Context:
    """The manifest being compiled, the values that are known, and the stream being compiled."""

    def __init__(
        self, document: Document, references: References, values: Mapping[str, JsonValue] | None
    ) -> None:
        self.document = document
        self.references = references
        self.known = values is not None
        self.values: Mapping[str, JsonValue] = values or {}
        self.stream = ""
        self.bounds: tuple[str, str] | None = None
        self.extras: frozenset[str] = frozenset()
        self.needs: list[str] = []
        self.jobs: Expr | None = None
        self.required: frozenset[str] = frozenset()
        self.classes = custom.Custom(document.components, document.file)
        self.parent: Callable[[Component], str] | None = None
        self.reads: list[str] = []
        self._checked: set[tuple[int, str]] = set()

    def within(
        self, stream: str, bounds: tuple[str, str] | None, extras: frozenset[str]
    ) -> Context:
        """The same for one stream: how its windows are called, and what templates see besides."""
        inner = copy(self)
        inner.stream, inner.bounds, inner.extras = stream, bounds, extras
        inner.needs = []
        return inner

    def within_parents(self, parent: Callable[[Component], str]) -> Context:
        """The same for a class that may be handed other streams; `reads` then names those."""
        inner = copy(self)
        inner.parent, inner.reads = parent, []
        return inner

    # Saying things.

    def error(self, code: str, message: str, node: Node, hint: str | None = None) -> None:
        """The manifest is wrong here."""
        self.document.say("error", f"airbyte-{code}", message, node.place, hint)

    def warn(self, code: str, message: str, node: Node, hint: str | None = None) -> None:
        """The manifest is read as it is meant, or says something that changes nothing."""
        self.document.say("warning", f"airbyte-{code}", message, node.place, hint)

    def info(self, code: str, message: str, node: Node) -> None:
        """Something that is good to know."""
        self.document.say("info", f"airbyte-{code}", message, node.place)

    def gap(self, component: Component, message: str, field: str | None = None) -> None:
        """The manifest says something that the plan does not honour yet."""
        node = component.place_of(field) if field else component.node
        self.warn("gap", message, node)

    def custom(self, component: Component, what: str) -> None:
        """A component whose behaviour is a Python class of the manifest's own."""
        name = str(component.value("class_name"))
        self.needs.append(name)
        self.classes.miss(what, name, component.node, self.stream or "the source")

    def unknown(self, component: Component, slot: str, kinds: tuple[str, ...]) -> None:
        """A component of a type that its field does not take."""
        if component.kind is None:
            message, hint = f"{slot} has no type", f"it may be: {', '.join(kinds)}"
            self.error("no-type", message, component.node, hint)
            return
        known = nearest(component.kind, kinds) or f"it may be: {', '.join(kinds)}"
        place = component.place_of("type")
        message = f"{slot} cannot be {vocabulary.an(component.kind)}"
        if component.kind not in vocabulary.kinds():
            message = f"there is no component called {component.kind!r}"
        self.error("unknown-type", message, place, known)

    def check(self, component: Component) -> Component:
        """Diagnose fields that a component does not have, and ones that it must have."""
        kind = component.kind or ""
        fields = vocabulary.fields(kind)
        mark = (id(component.node), kind)
        if fields is None or kind.startswith("Custom") or mark in self._checked:
            return component
        self._checked.add(mark)
        for name in component.node.mapping:
            known = name in fields or name in _COMMON or name in component.handed
            if not known and not name.startswith("$"):
                place = component.node.mapping[name]
                message = f"{vocabulary.an(kind)} has no {name!r}, so it changes nothing"
                hint = nearest(name, fields)
                self.document.say("warning", "airbyte-unknown-key", message, place.key_place, hint)
        for name in sorted(vocabulary.required(kind)):
            held = component.get(name) if name in _HOLDERS else component.entries.get(name)
            if held is None:
                self.error("missing-key", f"{vocabulary.an(kind)} needs {name!r}", component.node)
        for name in sorted(fields & component.entries.keys()):
            if name in _HOLDERS:
                self._holds_components(component, name)
        return component

    def _holds_components(self, component: Component, name: str) -> None:
        """Diagnose what stands in the place of a component: it would be left out in silence."""
        node = component.get(name)
        several = node is not None and name in vocabulary.HOLD_SEVERAL
        held = [] if node is None else node.items if several and node.kind == "a list" else [node]
        for item in map(self.references.resolve, held):
            if not isinstance(item.value, dict):
                message = f"{name!r} of a {component.kind} takes components, and not {item.kind}"
                self.error("wrong-type", message, item)

    # Values and templates.

    def site(self, component: Component, names: frozenset[str]) -> template.Site:
        """Where the templates of a component stand."""
        return template.Site(
            names=names,
            parameters=component.parameters_now,
            bounds=self.bounds,
            extras=self.extras if "stream_slice" in names else frozenset(),
            required=self.required,
        )

    def expression(  # noqa: PLR0913 (what a slot is)
        self,
        component: Component,
        field: str,
        names: frozenset[str],
        kind: template.Kind = "text",
        *,
        types: tuple[str, ...] = (),
        spelled: bool = False,
    ) -> Expr | None:
        """The expression in a field; None where it is absent."""
        node = component.get(field)
        if node is None:
            return None
        site = self.site(component, names)
        return self.scalar(node, site, kind, types=types, spelled=spelled)

    def scalar(
        self,
        node: Node,
        site: template.Site,
        kind: template.Kind = "value",
        *,
        types: tuple[str, ...] = (),
        spelled: bool = False,
    ) -> Expr:
        """The expression of a scalar; a number or boolean is itself."""
        value = plain(self.references, node)
        if not isinstance(value, str):
            return Const(value=value)
        try:
            made = template.expression(value, site, kind, types=types, spelled=spelled)
        except template.TemplateError as exc:
            self.error("template", str(exc), node, exc.hint)
            return Const(value=None)
        self._names(made, node, site)
        return made

    def credential(self, component: Component, field: str) -> Expr:
        """The expression of a credential: as written, and empty where it is absent."""
        node = component.get(field)
        if node is None:
            return Const(value="")
        return self.secret(node, self.site(component, template.REQUEST))

    def secret(self, node: Node, site: template.Site) -> Expr:
        """The expression of a credential that stands in a node."""
        value = plain(self.references, node)
        if not isinstance(value, str):
            return Const(value=str(value))
        try:
            made = template.credential(value, site)
        except template.TemplateError as exc:
            self.error("template", str(exc), node, exc.hint)
            return Const(value="")
        self._names(made, node, site)
        return made

    def _names(self, expr: Expr, node: Node, site: template.Site) -> None:
        missing = template.unknown_names(expr)
        if missing:
            known = nearest(missing[0], tuple(site.names)) or ", ".join(sorted(site.names))
            message = f"{', '.join(missing)} is not known here: the template fails when it is used"
            self.warn("unknown-variable", message, node, known)

    def deep(self, node: Node, site: template.Site, *, types: tuple[str, ...] = ()) -> Expr:
        """Every text inside a value as an expression; nulls in mappings are left out."""
        resolved = self.references.resolve(node)
        if isinstance(resolved.value, dict):
            pairs = [
                (self.key(key, site, resolved), self.deep(child, site, types=types))
                for key, child in resolved.value.items()
            ]
            if all(isinstance(k, Const) and isinstance(v, Const) for k, v in pairs):
                return Const(value=evaluate(Object(items=tuple(pairs), drop_null=True), Frame()))
            return Object(items=tuple(pairs), drop_null=True)
        if isinstance(resolved.value, list):
            items = tuple(self.deep(item, site, types=types) for item in resolved.value)
            if all(isinstance(item, Const) for item in items):
                return Const(value=[i.value for i in items if isinstance(i, Const)])
            return Array(items=items)
        return self.scalar(resolved, site, "value", types=types)

    def key(
        self, key: str, site: template.Site, node: Node, *, types: tuple[str, ...] = ()
    ) -> Expr:
        """The expression of a name, which may be a template too; `node` is what it names.

        It is a text as it is spelled, or with `types` a literal of one of these.
        """
        if not template.is_template(key):
            return Const(value=key)
        try:
            if types:
                return template.expression(key, site, "value", types=types)
            return template.expression(key, site, "text", spelled=True)
        except template.TemplateError as exc:
            self.error("template", str(exc), node, exc.hint)
            return Const(value=key)

    def settle(self, expr: Expr | None, default: JsonValue = None) -> JsonValue:
        """The value of an expression over the user's values alone, as far as they are known."""
        if expr is None:
            return default
        if isinstance(expr, Const):
            return expr.value
        if expr.scope > Scope.SOURCE:
            return default
        try:
            value = evaluate(expr, Frame(source=self.values))
        except Error:
            return default
        return default if value is None or value == "" else value

    def settled(self, component: Component, field: str, default: JsonValue = None) -> JsonValue:
        """A field's value over the user's values alone."""
        return self.settle(self.expression(component, field, template.CONFIG), default)

    def number(self, component: Component, field: str, default: float) -> float:
        """A field's number; the default where it depends on a value that is not known."""
        value = self.settled(component, field, default)
        try:
            found = float(value) if isinstance(value, (int, float, str)) else math.nan
        except (ValueError, OverflowError):
            found = math.nan
        if math.isfinite(found):
            return found
        self.error("wrong-type", f"{field!r} is no number", component.place_of(field))
        return default

    def duration(self, component: Component, field: str, text: str) -> Duration | None:
        """A duration as ISO 8601 writes it; nothing, and an error at the field, for another."""
        try:
            return parse_duration(text)
        except ExprError as exc:
            self.error("duration", exc.message, component.place_of(field), exc.hint)
            return None

    def statuses(
        self, component: Component, field: str, default: tuple[int, ...] = ()
    ) -> tuple[int, ...]:
        """A list of HTTP statuses."""
        node = component.get(field)
        if node is None:
            return default
        found = [self.references.resolve(item) for item in node.items or [node]]
        texts = [str(item.value) for item in found]
        wrong = [i for i, text in zip(found, texts, strict=True) if not _STATUS.fullmatch(text)]
        for item in wrong if node.value != [] else ():
            self.error("wrong-type", f"{field!r} takes HTTP statuses, and not {item.kind}", item)
        return () if wrong else tuple(map(int, texts))

    def truth(self, component: Component, field: str) -> bool:
        """Whether a field holds; not where it is absent or depends on what is not known."""
        return bool(self.settle(self.expression(component, field, template.CONFIG, "truth")))

    def path(self, component: Component, field: str) -> tuple[str, ...]:
        """A list of keys, each of which may be a template over the user's values."""
        node = component.get(field)
        if node is None:
            return ()
        site = self.site(component, template.CONFIG)
        items = node.items if isinstance(node.value, list) else [node]
        made = (self.settle(self.scalar(item, site, "text", spelled=True)) for item in items)
        return tuple("" if m is None else str(m) for m in made)
