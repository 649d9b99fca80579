"""The layout of JSON: a text that was read as such before, and has no mistakes."""

from __future__ import annotations

import json

from penstock.dialects.repairing.layout import Entry, Holder, Layout
from penstock.patterns import pattern

_TOKEN = pattern(r"[\s,:]*(\"(?:[^\"\\]|\\.)*\"|[{}\[\]]|[^\s{}\[\],:\"]+)")


def lay_json(layout: Layout, start: int, end: int) -> None:
    """Take down the mappings of the JSON that stands between two offsets."""
    _Scan(layout, start, end).value()


class _Scan:
    def __init__(self, layout: Layout, start: int, end: int) -> None:
        self.layout = layout
        self.at = start
        self.end = end

    def token(self) -> tuple[int, str]:
        found = _TOKEN.match(self.layout.text, self.at, self.end)
        if found is None:
            return self.end, ""
        self.at = found.end()
        return found.start(1), found[1]

    def value(self) -> tuple[int, int]:
        start, mark = self.token()
        if mark == "{":
            self.mapping(start)
        elif mark == "[":
            while self.peek() not in {"]", ""}:
                self.value()
            self.token()
        elif mark.startswith('"'):
            self.layout.texts.add(start)
        self.layout.spans.setdefault(start, self.at)
        return start, self.at

    def peek(self) -> str:
        before = self.at
        mark = self.token()[1]
        self.at = before
        return mark

    def mapping(self, start: int) -> None:
        holder = Holder(style="flow", start=start, end=start, entries=[])
        while self.peek() not in {"}", ""}:
            key, name = self.token()
            key_end = self.at
            begin, end = self.value()
            holder.entries.append(
                Entry(name=json.loads(name), key=key, key_end=key_end, start=begin, end=end)
            )
        self.token()
        holder.end = self.at
        self.layout.add(holder)
