"""JSON columns on the main lane: their values become texts before the block is parsed.

Arrow's reader cannot give a value verbatim, but a text it gives exactly. So records are decoded
just deep enough to reach the JSON columns, all else staying raw slices, and written again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from penstock.shape.tree import Node

Settle = Callable[[Any], None]
Spell = Callable[[Any], str | None]

_encoder = msgspec.json.Encoder()


class NotJson(Exception):  # noqa: N818 (a refusal: the exact lane takes the block)
    """A scalar stands where a JSON column expects an object or a list."""


class Carver:
    """Rewrites blocks for one state of the tree."""

    def __init__(self, record: Node) -> None:
        kind, settle = _object_type(record)
        self._decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(_list_of(kind))
        self._settle = settle

    def lines(self, records: Sequence[bytes | Raw]) -> bytes:
        """The records, one a line, the values of JSON columns spelled as texts.

        Raises:
            msgspec.MsgspecError: a record is not of the known form.
            NotJson: a value is not of its column's class.
        """
        rows = self._decoder.decode(b"[" + b",".join(records) + b"]")
        settle = self._settle
        for row in rows:
            settle(row)
        return _encoder.encode_lines(rows)


def has_json(node: Node) -> bool:
    """Whether a JSON column stands at `node` or below it."""
    if node.main is not None:
        return node.main.type == "json"
    if node.fields is not None:
        return any(has_json(child) for child in node.fields.values())
    return node.items is not None and has_json(node.items.record)


def _object_type(node: Node) -> tuple[Any, Settle]:
    """A type for the objects at `node`, raw where it can be, and what to do to them."""
    fields: list[tuple[str, Any, Any]] = []
    spelled: dict[str, str] = {}
    steps: list[tuple[str, Spell]] = []
    for number, (key, child) in enumerate((node.fields or {}).items()):
        attribute = f"f{number}"
        spelled[attribute] = key
        kind, step, wanted = _value_type(child)
        fields.append((attribute, kind | UnsetType, UNSET))
        if wanted:
            steps.append((attribute, step))
    shape = msgspec.defstruct(
        "Carved", fields, rename=spelled, forbid_unknown_fields=True, gc=False
    )
    return shape, _settler(steps)


def _value_type(node: Node) -> tuple[Any, Spell, bool]:
    if node.main is not None or not has_json(node):
        return Raw, _speller(node), has_json(node)
    if node.fields is not None:
        kind, settle = _object_type(node)
        return kind | None, settle, True
    assert node.items is not None
    kind, settle = _object_type(node.items.record)
    return _list_of(kind | None) | None, _each(settle), True


def _list_of(kind: Any) -> Any:
    return list[kind]


def _speller(node: Node) -> Spell:
    """How a JSON column takes values: one that a document declares takes scalars as well."""
    if node.main is not None and node.main.declared:
        return _spell_any
    # objects and lists go to columns and tables where there is room for them
    return _spell_none if node.nests else _spell_container


def _each(settle: Settle) -> Settle:
    def all_of(rows: Any) -> None:
        for row in rows:
            if row is not None:
                settle(row)

    return all_of


def _settler(steps: Sequence[tuple[str, Spell]]) -> Settle:
    def settle(row: Any) -> None:
        for attribute, step in steps:
            value = getattr(row, attribute)
            if value is UNSET or value is None:
                continue
            spelled = step(value)
            if type(value) is Raw:
                setattr(row, attribute, spelled)

    return settle


def _spell_any(value: Raw) -> str | None:
    text = bytes(value)
    return None if text == b"null" else text.decode()


def _spell_container(value: Raw) -> str | None:
    text = bytes(value)
    if text[:1] in (b"{", b"["):
        return text.decode()
    return _spell_none(value)


def _spell_none(value: Raw) -> str | None:
    if bytes(value) == b"null":
        return None
    raise NotJson
