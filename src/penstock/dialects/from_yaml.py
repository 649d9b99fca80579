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
    at_one_go,
    scalar,
)

if TYPE_CHECKING:
    from yaml.error import Mark

_Plain = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_TEXT, _LIST, _MAPPING = f"{_TAG}str", f"{_TAG}seq", f"{_TAG}map"


_DEEPEST = 1_000
_UNBOUND = tuple(map(int, yaml.__version__.split(".")[:3])) < (6, 0, 4)
"""Whether the library goes as deep as the text does, until the process has no stack left."""

_UNREAD = Unreadable()


class _Loader(_Plain):  # type: ignore[misc, valid-type]  # in C where it was built so
    """The safe loader, which works out once what each text stands for: most come again and again.

    It is asked for every node, and does the same as the one it stands for.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._tags: dict[str, str] = {}

    def resolve(self, kind: type[yaml.Node], value: str | None, implicit: object) -> str:
        """The tag of a node that has none."""
        if kind is not yaml.ScalarNode:
            return _MAPPING if kind is yaml.MappingNode else _LIST
        if not isinstance(implicit, tuple) or not implicit[0] or value is None:
            return _TEXT
        found = self._tags.get(value)
        if found is None:
            found = self._tags[value] = str(super().resolve(kind, value, implicit))
        return found

    def descend_resolver(self, current_node: object, current_index: object) -> None:
        """Nothing: no tag depends on where a node stands."""

    def ascend_resolver(self) -> None:
        """Nothing, as above."""


def read_yaml(document: Document, text: str, first_line: int = 1, indent: int = 0) -> Node:
    """The root node of a YAML text that begins at `first_line` of the document.

    In the document it is `indent` columns further in.
    """
    with at_one_go():
        try:
            root = _composed(text)
        except (yaml.YAMLError, RecursionError, ValueError) as exc:
            return _failed(document, text, exc, first_line, indent)
        if root is None:
            return Node(None, document, line=first_line, column=1)
        reader = _Reader(document, first_line, indent)
        found = reader.read(root, (), None, 0)
    document.nodes += reader.used
    return found


def composed(text: str) -> object:
    """The nodes of a text with their marks, as the parser gives them; None where it is no YAML."""
    try:
        return _composed(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None


def _composed(text: str) -> yaml.Node | None:
    _check_depth(text)
    return yaml.compose(text, Loader=_Loader)


def _check_depth(text: str) -> None:
    """Raise a RecursionError for a text that nests too deeply, where the library would not."""
    depth = 0
    for event in yaml.parse(text, Loader=_Plain) if _UNBOUND else ():
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise RecursionError


def plain_value(text: str) -> object:
    """What a text is as YAML, without places; the text itself where it is none."""
    try:
        _check_depth(text)
        return yaml.load(text, Loader=_Plain)  # noqa: S506 (a safe loader, in C where there is one)
    except (yaml.YAMLError, RecursionError, ValueError):
        return text


def _failed(document: Document, text: str, exc: Exception, first_line: int, indent: int) -> Node:
    problem = getattr(exc, "problem", None) or getattr(exc, "reason", None) or "it is too deep"
    mark = getattr(exc, "problem_mark", None) or getattr(exc, "context_mark", None)
    if problem == "found unexpected end of stream":  # the quotes that nothing closes tell more
        mark = getattr(exc, "context_mark", None) or mark
    line, column = (mark.line + first_line, mark.column + 1 + indent) if mark else (first_line, 1)
    message, hint = _explained(problem, _char(text, mark) if mark else "")
    place = document.place(line, column)
    document.say("error", "yaml-syntax", f"this is not YAML: {message}", place, hint)
    return Node(Unreadable(), document, line=line, column=column)


def _char(text: str, mark: Mark) -> str:
    lines = text.split("\n")
    return lines[mark.line][mark.column : mark.column + 1] if mark.line < len(lines) else ""


# What to do about each complaint of the parser, which is worded otherwise in C than in Python.
_MENDS = {
    "are not allowed": "indent it as the line before it, end that line with a colon, "
    "or put a text with ': ' in it in quotes",
    "',' or": "close the bracket, or put a text with braces, brackets or ': ' in it in quotes",
    "expected key": "indent it as the lines beside it, or close the quotes before it",
    "expected <block end>": "indent it as the lines beside it, or close the quotes before it",
    "'-' indicator": "indent it as the lines beside it, and begin it with '- ' as they do",
    "undefined alias": "put a text that begins with * in quotes",
    "end of stream": "close the quotes",
    "escape character": "write \\\\ for a backslash, or use single quotes",
}


def _explained(problem: str, char: str) -> tuple[str, str | None]:
    """What the parser complains of, and what to do about it."""
    if char == "\t":
        return "a tab stands where only spaces may", "write spaces"
    if "cannot start any token" in problem:
        return f"no text begins with {char!r}", f"put a text that begins with {char!r} in quotes"
    if "another document" in problem:
        return "a second document begins here", "a file holds one: keep one of them"
    return problem, next((mend for part, mend in _MENDS.items() if part in problem), None)


class _Reader:
    def __init__(self, document: Document, first_line: int, indent: int) -> None:
        self.document = document
        self.first_line = first_line
        self.indent = indent
        self.constructor = SafeConstructor()
        self.full = False
        self.used = 0
        self.room = document.room - document.nodes

    def at(self, mark: Mark) -> tuple[int, int]:
        return mark.line + self.first_line, mark.column + 1 + self.indent

    def read(
        self, source: yaml.Node, path: tuple[Key, ...], key: yaml.Node | None, depth: int
    ) -> Node:
        mark = source.start_mark
        node = Node(
            _UNREAD,
            self.document,
            line=mark.line + self.first_line,
            column=mark.column + 1 + self.indent,
            path=path,
        )
        if key is not None:
            mark = key.start_mark
            node.key_line = mark.line + self.first_line
            node.key_column = mark.column + 1 + self.indent
        self.used += 1
        if depth > MAX_DEPTH or self.used > self.room:
            self.refuse(node)
        if not self.full:
            node.value = self.value(source, node, depth)
        return node

    def refuse(self, node: Node) -> None:
        if not self.full:
            message = "the document is too deep or too large once its aliases are followed"
            self.document.say("error", "too-large", message, node.place)
        self.full = True

    def value(self, source: yaml.Node, node: Node, depth: int) -> Value:
        tag = source.tag
        if isinstance(source, yaml.ScalarNode):
            return scalar(source.value) if tag == _TEXT else self.scalar(source, node)
        if tag == _MAPPING and isinstance(source, yaml.MappingNode):
            return self.mapping(source, node, depth)
        if tag == _LIST and isinstance(source, yaml.SequenceNode):
            items = enumerate(source.value)
            return [self.read(item, (*node.path, nth), None, depth + 1) for nth, item in items]
        return self.unsafe(source, node)

    def unsafe(self, source: yaml.Node, node: Node) -> Unreadable:
        tag = source.tag.removeprefix(_TAG)
        message = f"the tag {tag!r} stands for no plain value"
        self.document.say("error", "yaml-tag", message, node.place, "write the value itself")
        return Unreadable()

    def scalar(self, source: yaml.ScalarNode, node: Node) -> Value:
        try:
            match source.tag.removeprefix(_TAG):
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


def written(value: object) -> str:
    """Plain values as a text of YAML, keys in their order."""
    text: str = yaml.safe_dump(value, allow_unicode=True, sort_keys=False)
    return text
