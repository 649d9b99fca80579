"""JSON columns on the main lane: their values become JSON *texts* in the block before it is parsed.

Arrow's parser cannot give a value verbatim, but a text it gives exactly. So records are decoded just
deep enough to reach the JSON columns, everything else staying a raw slice, and written again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from penstock.shape.tree import Node

Settle = Callable[[Any], None]

_encoder = msgspec.json.Encoder()


class NotJson(Exception):  # noqa: N818 (a refusal: the exact lane takes the block)
    """A scalar stands where a JSON column expects an object or a list."""


class Carver:
    """Rewrites blocks for one state of the tree."""

    def __init__(self, record: Node) -> None:
        kind, settle = _object_type(record)
        self._decoder: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]
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
    """A type for the objects at `node` that keeps all but JSON columns raw, and what to do to it."""
    fields: list[tuple[str, Any, Any]] = []
    spelled: dict[str, str] = {}
    steps: list[tuple[str, Settle | None]] = []
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


def _value_type(node: Node) -> tuple[Any, Settle | None, bool]:
    if not has_json(node) or node.main is not None:
        declared = node.main is not None and node.main.declared
        return Raw, None if not declared else _any_json, has_json(node)
    if node.fields is not None:
        kind, settle = _object_type(node)
        return kind | None, settle, True
    assert node.items is not None
    kind, settle = _object_type(node.items.record)
    return list[kind | None] | None, _each(settle), True


def _any_json(_: Any) -> None:
    """Marks a declared JSON column, which takes scalars too."""


def _each(settle: Settle) -> Settle:
    def all_of(rows: Any) -> None:
        for row in rows:
            if row is not None:
                settle(row)

    return all_of


def _settler(steps: Sequence[tuple[str, Settle | None]]) -> Settle:
    def settle(row: Any) -> None:
        for attribute, step in steps:
            value = getattr(row, attribute)
            if value is UNSET or value is None:
                continue
            if step is None or step is _any_json:
                setattr(row, attribute, _spell(value, scalars=step is not None))
            else:
                step(value)

    return settle


def _spell(value: Raw, *, scalars: bool) -> str | None:
    text = bytes(value)
    if text == b"null":
        return None
    if not scalars and text[0] not in b"{[":
        raise NotJson
    return text.decode()
