"""Where in a manifest stands what failed in a run: looked for only once something did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from penstock.dialects.airbyte.manifest import Component, References
from penstock.dialects.document import Node
from penstock.errors import Place
from penstock.patterns import pattern
from penstock.plan.source import Places

_STEP = pattern(r"""\[\s*(?:'([^']*)'|"([^"]*)")\s*\]""")
_DEEPEST = 60


def places(references: References, root: Component, streams: Mapping[str, Component]) -> Places:
    """How to find what failed."""

    def template(stream: str, said: str) -> Place | None:
        own = streams.get(stream)
        for node in (own.node if own is not None else None, references.document.root):
            found = None if node is None else next(_speaking(references, node, said), None)
            if found is not None:
                return found.place
        return None

    def value(path: tuple[str, ...]) -> Place | None:
        return _rule(references, root, path)

    return Places(template=template, value=value)


def _speaking(references: References, node: Node, said: str, depth: int = 0) -> Iterator[Node]:
    """The texts below a node that are a template, or hold a reference as Jinja writes it."""
    if depth > _DEEPEST:
        return
    found = references.resolve(node)
    if isinstance(found.value, str):
        if found.value == said or ("{" in found.value and said in _dotted(found.value)):
            yield found
        return
    for inner in (*found.mapping.values(), *found.items):
        yield from _speaking(references, inner, said, depth + 1)


def _dotted(text: str) -> str:
    """A template whose references are all written with dots."""
    return _STEP.sub(lambda step: f".{step[1] or step[2]}", text)


def _rule(references: References, root: Component, path: tuple[str, ...]) -> Place | None:
    """Where the spec says what a value must be, as far along the path as it does."""
    spec = root.child("spec")
    node = spec.get("connection_specification") if spec is not None else None
    found: Node | None = None
    for key in path:
        held = references.resolve(node).mapping if node is not None else {}
        properties = held.get("properties")
        inside = references.resolve(properties).mapping if properties is not None else {}
        node = inside.get(key) or held.get(key)
        if node is None:
            break
        found = node
    if found is None:
        return None
    return found.place if found.kind in {"a text", "a list", "a number"} else found.key_place
