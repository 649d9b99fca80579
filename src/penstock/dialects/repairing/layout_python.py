"""The layout of Python: dict displays, and calls with their arguments."""

from __future__ import annotations

import ast

from penstock.dialects.dlt.objects import SHORTHANDS
from penstock.dialects.dlt.scopes import dotted
from penstock.dialects.repairing.layout import Entry, Holder, Layout


def lay_python(layout: Layout, block: str, first_line: int, indent: int) -> None:
    """Take down the mappings of a script that begins at `first_line`, `indent` columns in."""
    lay = _Lay(layout, block, first_line, indent)
    for node in ast.walk(ast.parse(block)):
        lay.node(node)


class _Lay:
    def __init__(self, layout: Layout, block: str, first_line: int, indent: int) -> None:
        self.layout = layout
        self.first_line = first_line
        self.indent = indent
        self.lines = block.encode("utf-8", "surrogatepass").split(b"\n")

    def at(self, line: int, column: int) -> int:
        """The offset of a place as `ast` gives it: bytes of a line of the block."""
        before = self.lines[line - 1][:column].decode("utf-8", "replace")
        return self.layout.offset(line - 1 + self.first_line, len(before) + 1 + self.indent)

    def span(self, node: ast.expr) -> tuple[int, int]:
        end_line, end_column = node.end_lineno, node.end_col_offset
        assert end_line is not None, "parsed code has ends"
        assert end_column is not None, "parsed code has ends"
        return self.at(node.lineno, node.col_offset), self.at(end_line, end_column)

    def node(self, node: ast.AST) -> None:
        if not isinstance(node, ast.expr):
            return
        start, end = self.span(node)
        self.layout.spans.setdefault(start, end)
        text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if text or isinstance(node, ast.JoinedStr):
            self.layout.texts.add(start)
        elif isinstance(node, ast.Dict):
            self.display(node, start, end)
        elif isinstance(node, ast.Call):
            self.call(node, start, end)

    def display(self, node: ast.Dict, start: int, end: int) -> None:
        holder = Holder(style="flow", start=start, end=end, entries=[])
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                holder.entries.append(self.entry(key.value, self.span(key), self.span(value)))
        self.layout.add(holder)

    def call(self, node: ast.Call, start: int, end: int) -> None:
        callee = dotted(node.func).split(".")[-1]
        shorthand = SHORTHANDS.get(callee)
        names = shorthand.args if shorthand is not None else ()
        holder = Holder(style="call", start=start, end=end, entries=[], callee=callee)
        for name, value in zip(names, node.args, strict=False):
            holder.entries.append(self.entry(name, (-1, -1), self.span(value)))
        for keyword in node.keywords:
            if keyword.arg is not None:
                at = self.at(keyword.lineno, keyword.col_offset)
                key = (at, at + len(keyword.arg))
                holder.entries.append(self.entry(keyword.arg, key, self.span(keyword.value)))
        self.layout.add(holder)

    def entry(self, name: str, key: tuple[int, int], value: tuple[int, int]) -> Entry:
        return Entry(name=name, key=key[0], key_end=key[1], start=value[0], end=value[1])
