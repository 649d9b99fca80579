"""Reads YAML as a document: the values of a safe YAML 1.1 load, each with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml
from yaml.constructor import ConstructorError, SafeConstructor

from penstock.dialects.document import (
    MAX_DEPTH,
    Document,
    Key,
    Node,
    Unreadable,
    Value,
    scalar,
)

if TYPE_CHECKING:
    from yaml.error import Mark

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"


def read_yaml(document: Document, text: str, first_line: int = 1, indent: int = 0) -> Node:
    """The root node of a YAML text that begins at `first_line` of the document.

    In the document it is `indent` columns further in.
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as exc:
        return _failed(document, exc, first_line, indent)
    if root is None:
        return Node(None, document, line=first_line, column=1)
    return _Reader(document, first_line, indent).read(root, (), None, 0)


def composed(text: str) -> object:
    """The nodes of a text with their marks, as the parser gives them; None where it is no YAML."""
    try:
        return yaml.compose(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None


def plain_value(text: str) -> object:
    """What a text is as YAML, without places; the text itself where it is none."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (a safe loader, in C where there is one)
    except (yaml.YAMLError, RecursionError, ValueError):
        return text


def _failed(document: Document, exc: Exception, first_line: int, indent: int) -> Node:
    mark = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
    line, column = (mark.line + first_line, mark.column + 1 + indent) if mark else (first_line, 1)
    problem = getattr(exc, "problem", None) or getattr(exc, "reason", None) or "it is too deep"
    place = document.place(line, column)
    document.say("error", "yaml-syntax", f"this is not YAML: {problem}", place)
    return Node(Unreadable(), document, line=line, column=column)


class _Reader:
    def __init__(self, document: Document, first_line: int, indent: int) -> None:
        self.document = document
        self.first_line = first_line
        self.indent = indent
        self.constructor = SafeConstructor()
        self.full = False

    def at(self, mark: Mark) -> tuple[int, int]:
        return mark.line + self.first_line, mark.column + 1 + self.indent

    def read(
        self, source: yaml.Node, path: tuple[Key, ...], key: yaml.Node | None, depth: int
    ) -> Node:
        line, column = self.at(source.start_mark)
        key_line, key_column = self.at(key.start_mark) if key is not None else (0, 0)
        node = Node(
            Unreadable(),
            self.document,
            line=line,
            column=column,
            key_line=key_line,
            key_column=key_column,
            path=path,
        )
        if depth > MAX_DEPTH or not self.document.count():
            if not self.full:
                message = "the document is too deep or too large once its aliases are followed"
                self.document.say("error", "too-large", message, node.place)
            self.full = True
        if not self.full:
            node.value = self.value(source, node, depth)
        return node

    def value(self, source: yaml.Node, node: Node, depth: int) -> Value:
        if isinstance(source, yaml.MappingNode) and source.tag == f"{_TAG}map":
            return self.mapping(source, node, depth)
        if isinstance(source, yaml.SequenceNode) and source.tag == f"{_TAG}seq":
            items = enumerate(source.value)
            return [self.read(item, (*node.path, nth), None, depth + 1) for nth, item in items]
        if isinstance(source, yaml.ScalarNode):
            return self.scalar(source, node)
        return self.unsafe(source, node)

    def unsafe(self, source: yaml.Node, node: Node) -> Unreadable:
        tag = source.tag.removeprefix(_TAG)
        message = f"the tag {tag!r} stands for no plain value"
        self.document.say("error", "yaml-tag", message, node.place, "write the value itself")
        return Unreadable()

    def scalar(self, source: yaml.ScalarNode, node: Node) -> Value:
        kind = source.tag.removeprefix(_TAG)
        if kind == "str":
            return scalar(source.value)
        try:
            match kind:
                case "null":
                    return None
                case "bool":
                    return bool(self.constructor.construct_yaml_bool(source))
                case "int":
                    return int(self.constructor.construct_yaml_int(source))
                case "float":
                    return float(self.constructor.construct_yaml_float(source))
                case "timestamp" | "value" | "merge":
                    return str(source.value)
                case _:
                    return self.unsafe(source, node)
        except (ValueError, KeyError, ConstructorError):
            pass
        return self.unsafe(source, node)

    def mapping(self, source: yaml.MappingNode, node: Node, depth: int) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: list[dict[str, Node]] = []
        for key, value in source.value:
            if key.tag == _MERGE:
                merged += self.merges(value, node, depth)
                continue
            name = self.key(key)
            if name is None:
                continue
            if name in own:
                line, column = self.at(key.start_mark)
                place = self.document.place(line, column)
                said = f"the key {name!r} comes twice; the last one counts"
                self.document.say("warning", "duplicate-key", said, place, "keep one of them")
            own[name] = self.read(value, (*node.path, name), key, depth + 1)
        if not merged:
            return own
        inherited = {k: v for one in reversed(merged) for k, v in one.items() if k not in own}
        return {**inherited, **own}

    def key(self, key: yaml.Node) -> str | None:
        if isinstance(key, yaml.ScalarNode):
            return str(key.value)
        place = self.document.place(*self.at(key.start_mark))
        self.document.say("error", "wrong-type", "a key must be a text", place)
        return None

    def merges(self, source: yaml.Node, node: Node, depth: int) -> list[dict[str, Node]]:
        """The mappings behind a merge key; an earlier one wins over a later."""
        if isinstance(source, yaml.MappingNode):
            return [self.read(source, node.path, None, depth + 1).mapping]
        if isinstance(source, yaml.SequenceNode):
            found = (self.merges(item, node, depth + 1) for item in source.value)
            return [one for each in found for one in each] if depth < MAX_DEPTH else []
        place = self.document.place(*self.at(source.start_mark))
        self.document.say("error", "wrong-type", "a merge key takes a mapping", place)
        return []
