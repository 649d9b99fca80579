"""Manifests: references followed, types filled in, parameters handed down; each where it is needed.

Nothing is copied or expanded ahead: a `Component` is a view of one mapping of the document, and its
parts are made when they are asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from penstock.dialects.airbyte import vocabulary
from penstock.dialects.document import Document, Node, SecretRef
from penstock.errors import did_you_mean
from penstock.plan.expr import JsonValue

_REF = "$ref"
_PARAMETERS = "$parameters"
# Values under these keys are the user's, where a text that begins with `#/` is no reference.
_VERBATIM = frozenset({"config_overrides"})


_FEW = 12  # names that fit into a hint


class BadReferenceError(Exception):
    """A reference that leads nowhere, or back to itself; it has been reported."""


class References:
    """Follows `#/…` texts and `$ref` keys of one document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._resolved: dict[int, Node] = {}
        self._plain: dict[int, JsonValue] = {}
        self._kept: list[Node] = []  # keeps the ids of both from being given twice

    def check(self) -> bool:
        """Report every reference that leads nowhere or to itself; false if there is one."""
        return _Checker(self).run(self.document.root)

    def resolve(self, node: Node) -> Node:
        """The node that `node` stands for; its children may still be references."""
        value = node.value
        if not (_REF in value if isinstance(value, dict) else is_reference(value)):
            return node
        found = self._resolved.get(id(node))
        if found is None:
            found = self._follow(node, 0)
            self._resolved[id(node)] = found
            self._kept.append(node)
        return found

    def parameter(self, node: Node) -> JsonValue:
        """A parameter's value as plain data: it is handed down to many, who leave it as it is."""
        if isinstance(node.value, str) and not node.value.startswith("#/"):
            return node.value
        if id(node) not in self._plain:
            self._plain[id(node)] = plain(self, node)
            self._kept.append(node)
        return self._plain[id(node)]

    def _follow(self, node: Node, depth: int) -> Node:
        if depth > 100:  # noqa: PLR2004 (longer than any chain anyone writes; cycles are reported)
            raise BadReferenceError
        if is_reference(node.value):
            return self._follow(self.target(node), depth + 1)
        if not isinstance(node.value, dict) or _REF not in node.value:
            return node
        base = self._follow(node.value[_REF], depth + 1)
        if not isinstance(base.value, dict):
            return base
        own = {k: v for k, v in node.value.items() if k != _REF}
        return replaced(node, {**base.value, **own})

    def target(self, node: Node) -> Node:
        """The node that the reference `node` names.

        Raises:
            BadReferenceError: there is none.
        """
        path = str(node.value)[2:].partition("\n")[0]
        here: Node | None = self.document.root
        while path and here is not None:
            whole = _entry(here, path)
            if whole is not None:
                return whole
            head, _, path = path.partition("/")
            here = _entry(here, head)
        if here is None:
            raise BadReferenceError
        return here


def _entry(node: Node, key: str) -> Node | None:
    if isinstance(node.value, dict):
        return node.value.get(key)
    if isinstance(node.value, list) and re.fullmatch(r"-?\d+", key):
        index = int(key)
        return node.value[index] if -len(node.value) <= index < len(node.value) else None
    return None


def is_reference(value: object) -> bool:
    """Whether a value of a document names another place in it."""
    return isinstance(value, str) and value.startswith("#/")


def replaced(node: Node, value: dict[str, Node]) -> Node:
    """A mapping at the place of `node`."""
    return Node(
        value,
        node.document,
        line=node.line,
        column=node.column,
        key_line=node.key_line,
        key_column=node.key_column,
        path=node.path,
    )


_LEADING = (str, dict, list)  # what may be a reference, or hold one


class _Checker:
    """Walks everything once and reports references that cannot be followed."""

    def __init__(self, references: References) -> None:
        self.references = references
        self.done: set[str] = set()
        self.open: list[str] = []
        self.sound = True

    def run(self, root: Node) -> bool:
        self.walk(root)
        return self.sound

    def walk(self, node: Node) -> None:
        value = node.value
        if isinstance(value, str):
            if value.startswith("#/"):
                self.follow(node, value)
        elif isinstance(value, dict):
            for key, child in value.items():
                if key not in _VERBATIM and isinstance(child.value, _LEADING):
                    self.walk(child)
        elif isinstance(value, list):
            for child in value:
                if isinstance(child.value, _LEADING):
                    self.walk(child)

    def follow(self, node: Node, text: str) -> None:
        if text in self.done:
            return
        if text in self.open:
            circle = " → ".join([*self.open[self.open.index(text) :], text])
            self.report(node, "reference-cycle", f"the reference goes in a circle: {circle}")
            return
        try:
            target = self.references.target(node)
        except BadReferenceError:
            hint = nearest(text, self.names(text))
            self.report(node, "reference-missing", f"there is nothing at {text!r}", hint)
        else:
            self.open.append(text)
            self.walk(target)
            self.open.pop()
        self.done.add(text)

    def names(self, text: str) -> Iterator[str]:
        """References beside the one that leads nowhere."""
        head = text.rpartition("/")[0]
        parent: Node | None = self.references.document.root
        for key in head.split("/")[1:]:
            parent = _entry(parent, key) if parent is not None else None
        if parent is not None:
            yield from (f"{head}/{key}" for key in parent.mapping)

    def report(self, node: Node, code: str, message: str, hint: str | None = None) -> None:
        self.sound = False
        node.document.say("error", f"airbyte-{code}", message, node.place, hint)


def nearest(word: str, words: Iterator[str] | tuple[str, ...] | frozenset[str]) -> str | None:
    """A hint that names the word nearest to a wrong one, or the words there are if they are few."""
    known = sorted(words)
    few = f"there are: {', '.join(known)}" if 0 < len(known) <= _FEW else None
    return did_you_mean(word, known) or few


class Component:
    """A mapping of the manifest as the engine sees it: its type, its fields, and the parameters.

    A parameter stands in for a field that is absent, and also for one that is false, zero or empty.
    """

    __slots__ = ("entries", "handed", "kind", "node", "parent_wins", "references", "schema")

    def __init__(
        self,
        references: References,
        node: Node,
        slot: str = "",
        parameters: Mapping[str, Node] | None = None,
        *,
        parent_wins: bool = False,
    ) -> None:
        self.references = references
        self.node = references.resolve(node)
        self.parent_wins = parent_wins
        own = self.node.mapping
        entries = {k: v for k, v in own.items() if k != _PARAMETERS}
        self.kind = _kind(references, entries, slot)
        self.handed = _merged(
            references, own.get(_PARAMETERS), parameters or {}, parent_wins=parent_wins
        )
        self.entries = entries
        self.schema = False
        if _is_schema(references, entries):
            self.kind, self.handed, self.schema = None, {}, True
        if self.kind is None:
            return
        for key, value in self.handed.items():
            held = entries.get(key)
            if held is None or not _truthy(references.resolve(held)):
                entries[key] = value

    def __contains__(self, name: str) -> bool:
        return self.value(name) is not None

    def get(self, name: str) -> Node | None:
        """The node of a field, references followed; None where it is absent or null."""
        found = self.entries.get(name)
        if found is None:
            return None
        resolved = self.references.resolve(found)
        return None if resolved.value is None else resolved

    def opened(self, name: str) -> Node | None:
        """The node of a field of plain data, as the engine expands it; None where it is absent.

        It takes every mapping with a `type` for a component, and adds the parameters around it.
        """
        node = self.get(name)
        if node is None:
            return None
        value = self._expanded(name, node)
        return node if value == plain(self.references, node) else nodes(value, node)

    def value(self, name: str, default: JsonValue = None) -> JsonValue:
        """A field as plain data, references followed all the way down."""
        node = self.get(name)
        return default if node is None else plain(self.references, node)

    def child(self, name: str) -> Component | None:
        """The component in a field; None where it is absent or no mapping."""
        node = self.get(name)
        return self._component(name, node) if node and isinstance(node.value, dict) else None

    def children(self, name: str) -> list[Component]:
        """The components in a list, or the one that stands alone."""
        node = self.get(name)
        if node is None:
            return []
        items = node.items if isinstance(node.value, list) else [node]
        resolved = [self.references.resolve(item) for item in items]
        return [self._component(name, r) for r in resolved if isinstance(r.value, dict)]

    def _component(self, name: str, node: Node) -> Component:
        if self.kind is None:
            slot, handed = "", self.handed
        else:
            slot, handed = f"{self.kind}.{name}", self._handed_to(name)
        return Component(self.references, node, slot, handed, parent_wins=self.parent_wins)

    def _handed_to(self, name: str) -> dict[str, Node]:
        """The parameters of a part: not the one of its own field, which would never end.

        An empty parameter is also lost to every part behind the one in the field of its name.
        """
        lost = {name}
        for before in self.entries:
            if before == name:
                break
            held = self.handed.get(before)
            part = isinstance(self.references.resolve(self.entries[before]).value, (dict, list))
            if part and held is not None and not _truthy(self.references.resolve(held)):
                lost.add(before)
        return {k: v for k, v in self.handed.items() if k not in lost}

    def expanded(self) -> dict[str, JsonValue]:
        """The component and everything in it as plain data, as the engine would expand it."""
        made = {name: self._expanded(name, node) for name, node in self.entries.items()}
        if self.kind is not None:
            made.setdefault("type", self.kind)
            left = self._handed_to("")
            if left:
                made["$parameters"] = {k: plain(self.references, v) for k, v in left.items()}
        return made

    def _expanded(self, name: str, node: Node) -> JsonValue:
        resolved = self.references.resolve(node)
        if isinstance(resolved.value, dict) and name not in _VERBATIM and self._opens(resolved):
            return self._component(name, resolved).expanded()
        if isinstance(resolved.value, list) and self.kind is not None:
            items = [self.references.resolve(item) for item in resolved.value]
            return [
                self._component(name, i).expanded() if isinstance(i.value, dict) else self._plain(i)
                for i in items
            ]
        return self._plain(resolved)

    def _opens(self, node: Node) -> bool:
        """Whether what is in a mapping is looked at: in one without a type, only typed ones are."""
        kind = node.mapping.get("type")
        return self.kind is not None or (
            not self.schema and kind is not None and _truthy(self.references.resolve(kind))
        )

    def _plain(self, node: Node) -> JsonValue:
        return plain(self.references, node)

    def parameters_now(self) -> dict[str, JsonValue]:
        """What templates see as `parameters`."""
        known = self.references.parameter
        return {k: known(v) for k, v in self.handed.items()}

    def place_of(self, name: str) -> Node:
        """The node to point at when speaking of a field: the field, else the component."""
        return self.entries.get(name, self.node)


def _kind(references: References, entries: dict[str, Node], slot: str) -> str | None:
    if "type" in entries:
        value = references.resolve(entries["type"]).value
        return value if isinstance(value, str) else None
    custom = "class_name" in entries
    table = vocabulary.CUSTOM_TYPES if custom else vocabulary.DEFAULT_TYPES
    return table.get(slot)


def _is_schema(references: References, entries: dict[str, Node]) -> bool:
    kind = references.resolve(entries["type"]).value if "type" in entries else None
    return kind == "object" or isinstance(kind, (list, dict))


def _merged(
    references: References, own: Node | None, parent: Mapping[str, Node], *, parent_wins: bool
) -> dict[str, Node]:
    if own is None:
        return dict(parent)
    mine = references.resolve(own).mapping
    return {**mine, **parent} if parent_wins else {**parent, **mine}


def _truthy(node: Node) -> bool:
    return bool(node.value) if not isinstance(node.value, SecretRef) else True


def plain(references: References, node: Node) -> JsonValue:
    """A node as plain data, references followed all the way down."""
    value = node.value
    if type(value) is str and value[:2] != "#/":
        return value
    resolved = references.resolve(node)
    value = resolved.value
    if isinstance(value, dict):
        return {
            k: (v.plain() if k in _VERBATIM else plain(references, v)) for k, v in value.items()
        }
    if isinstance(value, list):
        return [
            plain(references, i) if type(i.value) is not str or i.value[:2] == "#/" else i.value
            for i in value  # a long list of names is told apart without a call for each
        ]
    return resolved.plain()


def nodes(value: JsonValue, at: Node) -> Node:
    """Plain data as nodes that all stand where `at` stands."""
    node = replaced(at, {})
    if isinstance(value, dict):
        node.value = {k: nodes(v, at) for k, v in value.items()}
    elif isinstance(value, (list, tuple)):
        node.value = [nodes(item, at) for item in value]
    else:
        node.value = value
    return node


def rebuilt(value: JsonValue, base: JsonValue, made: Node, at: Node) -> Node:
    """`nodes` of a value that is `base` with changes, where `made` are the nodes of `base`."""
    if value == base and type(value) is type(base):
        return made
    if not isinstance(value, dict) or not isinstance(base, dict):
        return nodes(value, at)
    held = made.mapping
    return replaced(
        at,
        {
            k: rebuilt(v, base[k], held[k], at) if k in base else nodes(v, at)
            for k, v in value.items()
        },
    )
