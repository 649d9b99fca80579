"""Reads JSON as a document: RFC 8259, each value with its place."""

from __future__ import annotations

import re
from bisect import bisect_right
from json.decoder import JSONDecodeError, JSONDecoder
from typing import NoReturn

from penstock.dialects.document import MAX_DEPTH, Document, Key, Node, Unreadable, Value, scalar
from penstock.patterns import pattern

_STRINGS = JSONDecoder()
_SPACE = pattern(r"[ \t\n\r]*")
_NUMBER = pattern(r"-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None}
_AS_PYTHON = {"True": "true", "False": "false", "None": "null"}


def read_json(document: Document, text: str, first_line: int = 1, indent: int = 0) -> Node:
    """The root node of a JSON text that begins at `first_line` of the document.

    In the document it is `indent` columns further in.
    """
    reader = _Reader(document, text, first_line, indent)
    try:
        root = reader.read(0, (), None)
        reader.skip()
        if reader.at < len(text):
            reader.fail("something stands behind its end")
    except _SyntaxError as exc:
        line, column = reader.where(exc.at)
        place = document.place(line, column)
        hint = _mend(text, exc.at)
        document.say("error", "json-syntax", f"this is not JSON: {exc.reason}", place, hint)
        return Node(Unreadable(), document, line=line, column=column)
    return root


def _mend(text: str, at: int) -> str | None:
    """What to do about a text that JSON does not have here, where that is clear."""
    before, rest = text[:at].rstrip(), text[at:]
    if rest.startswith(("//", "/*", "#")):
        return "JSON has no comments: take it away"
    if rest.startswith("'"):
        return "write double quotes"
    if rest[:1] in {"]", "}"} and before.endswith(","):
        return "take the comma before it away"
    word = next((w for w in _AS_PYTHON if rest.startswith(w)), None)
    return f"write {_AS_PYTHON[word]}" if word else None


class _SyntaxError(Exception):
    def __init__(self, reason: str, at: int) -> None:
        self.reason = reason
        self.at = at


class _Reader:
    def __init__(self, document: Document, text: str, first_line: int, indent: int) -> None:
        self.document = document
        self.text = text
        self.at = 0
        self.first_line = first_line
        self.indent = indent
        self.starts = [0, *(m.end() for m in re.finditer("\n", text))]

    def where(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self.starts, offset)
        return line - 1 + self.first_line, offset - self.starts[line - 1] + 1 + self.indent

    def fail(self, reason: str, at: int | None = None) -> NoReturn:
        raise _SyntaxError(reason, self.at if at is None else at)

    def skip(self) -> str:
        """Go to the next character that is no space, and give it; empty at the end."""
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.text[self.at : self.at + 1]

    def read(self, depth: int, path: tuple[Key, ...], key: int | None) -> Node:
        self.skip()
        line, column = self.where(self.at)
        key_line, key_column = self.where(key) if key is not None else (0, 0)
        if depth > MAX_DEPTH or not self.document.count():
            self.fail("it is too deep or too large")
        node = Node(
            None,
            self.document,
            line=line,
            column=column,
            key_line=key_line,
            key_column=key_column,
            path=path,
        )
        node.value = self.value(depth, path)
        return node

    def value(self, depth: int, path: tuple[Key, ...]) -> Value:
        match self.text[self.at : self.at + 1]:
            case "{":
                return self.mapping(depth, path)
            case "[":
                return self.list(depth, path)
            case '"':
                return scalar(self.string())
            case _:
                return self.literal()

    def string(self) -> str:
        try:
            text, self.at = _STRINGS.raw_decode(self.text, self.at)
        except JSONDecodeError as exc:
            self.fail(exc.msg[:1].lower() + exc.msg[1:], exc.pos)
        return str(text)

    def literal(self) -> Value:
        for word, value in _WORDS.items():
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return value
        found = _NUMBER.match(self.text, self.at)
        if not found:
            self.fail("a value is missing here" if self.at < len(self.text) else "it ends early")
        self.at = found.end()
        if found[1] or found[2]:
            return float(found[0])
        try:
            return int(found[0])
        except ValueError:
            self.fail("this number has too many digits", found.start())

    def list(self, depth: int, path: tuple[Key, ...]) -> Value:
        items: list[Node] = []
        self.at += 1
        if self.skip() == "]":
            self.at += 1
            return items
        while True:
            items.append(self.read(depth + 1, (*path, len(items)), None))
            if self.more("]"):
                return items

    def mapping(self, depth: int, path: tuple[Key, ...]) -> Value:
        entries: dict[str, Node] = {}
        self.at += 1
        if self.skip() == "}":
            self.at += 1
            return entries
        while True:
            if self.skip() != '"':
                self.fail("a key in quotes is missing here")
            key = self.at
            name = self.string()
            if self.skip() != ":":
                self.fail("a colon is missing here")
            self.at += 1
            if name in entries:
                said = f"the key {name!r} comes twice; the last one counts"
                place = self.document.place(*self.where(key))
                self.document.say("warning", "duplicate-key", said, place, "keep one of them")
            entries[name] = self.read(depth + 1, (*path, name), key)
            if self.more("}"):
                return entries

    def more(self, end: str) -> bool:
        """Whether the list or mapping ends here; else steps over the comma."""
        found = self.skip()
        if found not in (",", end) or not found:
            self.fail(f"a comma or {end!r} is missing here")
        self.at += 1
        return found == end
