"""The layout of YAML."""

from __future__ import annotations

from typing import Any

from penstock.dialects.from_yaml import composed
from penstock.dialects.repairing.layout import Entry, Holder, Layout
from penstock.patterns import pattern

_ALIAS = pattern(r"\s*:\s+(\*[^\s,\]}]+)")


def lay_yaml(layout: Layout, block: str, first_line: int, indent: int) -> None:
    """Take down the mappings of a YAML text that begins at `first_line`, `indent` columns in."""
    root = composed(block)
    if root is not None:
        _Lay(layout, first_line, indent).node(root)


class _Lay:
    def __init__(self, layout: Layout, first_line: int, indent: int) -> None:
        self.layout = layout
        self.first_line = first_line
        self.indent = indent
        self.done: set[int] = set()

    def at(self, mark: Any) -> int:
        offset = self.layout.offset(mark.line + self.first_line, mark.column + 1 + self.indent)
        return len(self.layout.text) if offset < 0 else min(offset, len(self.layout.text))

    def end(self, node: Any) -> int:
        """Where what a node says ends: a block's own end is where the next thing begins."""
        if node.id == "scalar" and node.style not in {"|", ">"}:
            return self.at(node.end_mark)
        if node.id != "scalar" and node.flow_style:
            return self.at(node.end_mark)
        inner = node.value[-1] if node.id != "scalar" and node.value else None
        if inner is not None:
            return self.end(inner[1] if isinstance(inner, tuple) else inner)
        start, end = self.at(node.start_mark), self.at(node.end_mark)
        return start + len(self.layout.text[start:end].rstrip())

    def node(self, node: Any) -> None:
        if id(node) in self.done:
            return
        self.done.add(id(node))
        start = self.at(node.start_mark)
        self.layout.spans.setdefault(start, self.end(node))
        if node.id == "mapping":
            self.mapping(node, start)
        elif node.id == "sequence":
            for item in node.value:
                self.node(item)
        elif node.tag == "tag:yaml.org,2002:str":
            self.layout.texts.add(start)

    def mapping(self, node: Any, start: int) -> None:
        style: Any = "flow" if node.flow_style else "block"
        holder = Holder(style=style, start=start, end=self.end(node), entries=[])
        for key, value in node.value:
            if key.id == "scalar":
                holder.entries.append(self.entry(key, value))
        self.layout.add(holder)
        for _, value in node.value:
            self.node(value)

    def entry(self, key: Any, value: Any) -> Entry:
        begin, key_end = self.at(key.start_mark), self.at(key.end_mark)
        start, end = self.at(value.start_mark), self.end(value)
        alias = _ALIAS.match(self.layout.text, key_end)
        if alias is not None:
            start, end = alias.span(1)
        return Entry(
            name=str(key.value), key=begin, key_end=key_end, start=start, end=max(end, key_end + 1)
        )
