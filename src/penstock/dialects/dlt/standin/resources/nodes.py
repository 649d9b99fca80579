"""What a script built, as nodes of its document: values with the places where they were written."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from penstock.dialects.dlt.standin.base.errors import Refusal
from penstock.dialects.dlt.standin.base.marks import KeyMark, Marked, Spot, marks_of
from penstock.dialects.dlt.standin.base.references import (
    EnvText,
    Fraction,
    Reference,
    Unnamed,
    Whole,
    read_text,
)
from penstock.dialects.dlt.standin.resources.sources import DltResource
from penstock.dialects.dlt.standin.rest_client.parts import Part
from penstock.dialects.document import (
    MAX_DEPTH,
    Document,
    Key,
    Node,
    Opaque,
    SecretRef,
    Unreadable,
    Value,
    decoded,
)


def _sent(path: tuple[Key, ...]) -> bool:
    """Whether a value is itself a param, or a field of a form, or in a list of one."""
    return bool({*path[-3:-1]} & {"params", "data"}) and path[-1] not in _BOUNDS


_BOUNDS = {"initial_value", "end_value"}


class Reader:
    """Reads values into a document; those written in other files know their own."""

    def __init__(self, document: Document, filename: str) -> None:
        self.document = document
        self._documents = {filename: document}

    def place(self, spot: Spot | None) -> Any:
        """A place in the file where something was written, or None."""
        if spot is None:
            return None
        return self._document(spot.file).place(spot.line, spot.column)

    def _document(self, file: str) -> Document:
        if file not in self._documents:
            text = Path(file).read_text("utf-8-sig") if Path(file).is_file() else ""
            self._documents[file] = Document(file=file, kind="python", text=text)
        return self._documents[file]

    def root(self, value: object, spot: Spot | None) -> Node:
        """The node of a whole configuration."""
        return self._node(value, (), KeyMark(spot, spot) if spot else None, keyed=False)

    def _node(
        self, value: object, path: tuple[Key, ...], mark: KeyMark | None, *, keyed: bool = True
    ) -> Node:
        own = value.spot if isinstance(value, Marked) else None
        own = own or (value.made_at if isinstance(value, Part) else None)
        spot = own or (mark.value if mark else None)
        key = mark.key if mark and keyed else None
        document = self._document(spot.file) if spot else self.document
        node = Node(
            Unreadable(),
            document,
            line=spot.line if spot else 0,
            column=spot.column if spot else 0,
            key_line=key.line if key and spot and key.file == spot.file else 0,
            key_column=key.column if key else 0,
            path=path,
        )
        if len(path) > MAX_DEPTH or not self.document.count():
            message = "the document is too deep or too large"
            self.document.say("error", "too-large", message, node.place)
        else:
            node.value = self._value(value, node, mark)
            node.like = value if isinstance(value, date) else None
        return node

    def _value(self, value: Any, node: Node, mark: KeyMark | None) -> Value:
        match value:
            case None | bool():
                return value
            case Whole() | Fraction():
                return SecretRef(name=value.name, secret=value.secret, read=True)
            case enum.Enum():
                return self._value(value.value, node, mark)
            case int() | float():
                return value
            case EnvText() | Reference() | str():
                return read_text(value)
            case Unnamed():
                return SecretRef(name=str(node.path[-1] if node.path else ""), secret=value.secret)
            case datetime() | date():
                return str(value) if _sent(node.path) else value.isoformat()
            case Decimal() | UUID():
                return str(value)
            case bytes():
                return decoded(value)
            case Part():
                return self._part(value, node, mark)
            case Mapping():
                return self._entries(value, node, mark)
            case list() | tuple():
                return self._items(value, node, mark)
            case set() | frozenset():
                return self._items(list(value), node, mark)
            case _:
                return Opaque(value=value.item if isinstance(value, DltResource) else value)

    def _entries(self, value: Mapping[Any, Any], node: Node, mark: KeyMark | None) -> Value:
        marks = marks_of(value)
        fallback = KeyMark(mark.value, mark.value) if mark else None
        if isinstance(value, Marked) and value.spot is not None:
            fallback = KeyMark(value.spot, value.spot)
        found: dict[str, Node] = {}
        for key, entry in value.items():
            name = str.__str__(key) if isinstance(key, str) else str(key)
            found[name] = self._node(entry, (*node.path, name), marks.get(key, fallback))
        return found

    def _items(self, value: list[Any] | tuple[Any, ...], node: Node, mark: KeyMark | None) -> Value:
        spots = mark.items if mark and len(mark.items) == len(value) else ()
        found = []
        for nth, item in enumerate(value):
            spot = spots[nth] if spots else mark.value if mark else None
            inner = KeyMark(spot, spot) if spot else None
            found.append(self._node(item, (*node.path, nth), inner, keyed=False))
        return found

    def _part(self, part: Part, node: Node, mark: KeyMark | None) -> Value:
        try:
            held = part.config()
        except Refusal as refusal:
            if part.runnable:
                return Opaque(value=part)
            place = self.place(refusal.spot) or node.place
            self.document.say("error", refusal.code, refusal.message, place, refusal.hint)
            return Unreadable()
        return self._entries(held, node, mark)
