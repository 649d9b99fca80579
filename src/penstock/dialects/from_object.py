"""Reads Python values as a document: dicts, lists and scalars; anything else stays an object."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from penstock.dialects.document import (
    MAX_DEPTH,
    Document,
    Joined,
    Key,
    Node,
    Opaque,
    SecretRef,
    Unreadable,
    Value,
    decoded,
    scalar,
)


def read_object(document: Document, value: object) -> Node:
    """The node of a Python value; too deep or cyclic ones are diagnosed."""
    return _read(document, value, ())


def _read(document: Document, value: object, path: tuple[Key, ...]) -> Node:
    node = Node(Unreadable(), document, path=path)
    if len(path) > MAX_DEPTH or not document.count():
        document.say("error", "too-large", "the document is too deep or too large", node.place)
        return node
    node.value = _value(document, value, path)
    return node


def _value(document: Document, value: object, path: tuple[Key, ...]) -> Value:
    match value:
        case None | bool() | int() | float() | SecretRef() | Joined():
            return value
        case str():
            return scalar(value)
        case datetime() | date():
            return value.isoformat()
        case bytes():
            return decoded(value)
        case Mapping():
            return {str(k): _read(document, v, (*path, str(k))) for k, v in value.items()}
        case list() | tuple():
            return [_read(document, item, (*path, nth)) for nth, item in enumerate(value)]
        case _:
            return Opaque(value=value)
