"""Where the mappings of a document's text stand, each entry from its beginning to its end."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Literal

import msgspec

from penstock.dialects.document import Node

Language = Literal["yaml", "json", "python"]
Style = Literal["block", "flow", "call"]


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a mapping: offsets of its key and its value; positional arguments have no key."""

    name: str
    start: int
    end: int
    key: int
    key_end: int

    @property
    def first(self) -> int:
        """Where the entry begins."""
        return min(self.key, self.start) if self.key >= 0 else self.start


class Holder(msgspec.Struct, kw_only=True):
    """A mapping: indented lines, braces, or the arguments of a call to `callee`."""

    style: Style
    start: int
    end: int
    entries: list[Entry] = []
    callee: str = ""

    def entry(self, name: str) -> Entry | None:
        """The entry called `name`."""
        return next((e for e in self.entries if e.name == name), None)

    def after(self, entry: Entry) -> Entry | None:
        """The entry behind another."""
        at = self.entries.index(entry) + 1
        return self.entries[at] if at < len(self.entries) else None


class Layout:
    """The mappings and values of a text, found by where they begin."""

    def __init__(self, text: str, language: Language) -> None:
        self.text = text
        self.language = language
        self.holders: dict[int, Holder] = {}
        self.spans: dict[int, int] = {}  # from where each value begins to where it ends
        self.texts: set[int] = set()  # where literal texts begin
        self._keys: dict[int, tuple[Holder, Entry]] = {}
        self._values: dict[int, tuple[Holder, Entry]] = {}
        self._starts = [0, *(m.end() for m in re.finditer("\n", text))]

    def add(self, holder: Holder) -> None:
        """Take a mapping down."""
        self.holders.setdefault(holder.start, holder)
        for entry in holder.entries:
            if entry.key >= 0:
                self._keys.setdefault(entry.key, (holder, entry))
            self._values.setdefault(entry.start, (holder, entry))
            self.spans.setdefault(entry.start, entry.end)

    # Places.

    def offset(self, line: int, column: int) -> int:
        """The offset of a place, both counted from 1; -1 where the text has none."""
        if not 0 < line <= len(self._starts):
            return -1
        return self._starts[line - 1] + column - 1

    def line(self, offset: int) -> int:
        """The line of an offset, from 1."""
        return bisect_right(self._starts, offset)

    def column(self, offset: int) -> int:
        """How many characters stand before an offset in its line."""
        return offset - self._starts[self.line(offset) - 1]

    def line_start(self, offset: int) -> int:
        """Where the line of an offset begins."""
        return self._starts[self.line(offset) - 1]

    def line_end(self, offset: int) -> int:
        """Where the line of an offset ends, before its line break."""
        end = self.text.find("\n", offset)
        return len(self.text) if end < 0 else end

    # Nodes.

    def find(self, node: Node) -> tuple[Holder, Entry] | None:
        """The entry that a node was read from."""
        at = self.offset(node.key_line, node.key_column) if node.key_line else -1
        found = self._keys.get(at) or self._values.get(self.offset(node.line, node.column))
        name = str(node.path[-1]) if node.path else ""
        if found is not None and found[1].name == name:
            return found
        return self._argument(node, name)

    def value(self, node: Node) -> tuple[int, int] | None:
        """From where to where a node's value stands."""
        start = self.offset(node.line, node.column)
        if start in self.spans:
            return start, self.spans[start]
        found = self.find(node)
        return (found[1].start, found[1].end) if found else None

    def _argument(self, node: Node, name: str) -> tuple[Holder, Entry] | None:
        """The argument of the one call in the node's line that has one of this name."""
        found = [
            (holder, entry)
            for holder in self.calls(node)
            for entry in holder.entries
            if entry.name == name
        ]
        return found[0] if len(found) == 1 else None

    def calls(self, node: Node) -> Iterator[Holder]:
        """The calls that begin in a node's line: an object knows no more than that of its place."""
        for start, holder in self.holders.items():
            if holder.style == "call" and self.line(start) == node.line:
                yield holder
