"""Pydantic models as declared columns; they are known by their looks, as pydantic is the user's."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import types
import typing
from collections.abc import Mapping
from typing import Any

from penstock.dialects.document import Node, Opaque, Value

_TYPES: dict[type, str] = {
    bool: "bool",
    int: "bigint",
    float: "double",
    str: "text",
    bytes: "binary",
    dt.datetime: "timestamp",
    dt.date: "date",
    dt.time: "time",
    decimal.Decimal: "decimal",
}
_JSON = (list, tuple, set, frozenset, dict)
# What a model does with a key that it does not declare, and what that means for columns.
_EXTRA = {"forbid": "freeze", "allow": "evolve"}


def expand(resource: Node) -> None:
    """Replace a model that stands for the columns of a resource by the columns it declares.

    As in dlt it also sets the contract, where the resource says none.
    """
    node = resource.mapping.get("columns")
    model = node.value.value if node is not None and isinstance(node.value, Opaque) else None
    if node is None or model is None or not is_model(model):
        return
    node.value = _nodes(node, columns_of(model))
    if "schema_contract" not in resource.mapping:
        contract = {"tables": "evolve", "columns": _extra(model), "data_type": "freeze"}
        resource.mapping["schema_contract"] = _node(node, contract)


def is_model(value: object) -> bool:
    """Whether it is a pydantic model: its class, or an instance of one."""
    return isinstance(getattr(value, "model_fields", None), Mapping)


def columns_of(model: Any) -> dict[str, dict[str, Any]]:
    """The columns that a model declares; a field that may be anything declares none."""
    kind: Any = model if isinstance(model, type) else type(model)
    found: dict[str, dict[str, Any]] = {}
    for name, field in kind.model_fields.items():
        declared = _type(field.annotation)
        if declared is not None:
            said, nullable = declared
            key = getattr(field, "alias", None) or name
            found[key] = {"data_type": said, "nullable": nullable}
    return found


def _type(annotation: Any) -> tuple[str, bool] | None:
    """The type of a column by its annotation, and whether it may be null."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _type(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        args = typing.get_args(annotation)
        inner = next((_type(a) for a in args if a is not type(None)), None)
        return (inner[0], inner[1] or type(None) in args) if inner is not None else None
    if origin is typing.Literal:
        return _type(type(typing.get_args(annotation)[0]))
    kind = origin or annotation
    if kind is Any or not isinstance(kind, type):
        return None if kind is Any else ("text", False)
    return _named(kind), False


def _named(kind: type) -> str:
    if issubclass(kind, _JSON) or is_model(kind):
        return "json"
    if issubclass(kind, enum.Enum):
        values = [type(member.value) for member in kind]
        return _named(values[0]) if values else "text"
    # bool before int, datetime before date: the first base that is known
    return next((_TYPES[base] for base in kind.__mro__ if base in _TYPES), "text")


def _extra(model: Any) -> str:
    config = getattr(model, "model_config", None)
    said = config.get("extra") if isinstance(config, Mapping) else None
    return _EXTRA.get(said or "ignore", "discard_value")


def _nodes(at: Node, entries: Mapping[str, Any]) -> dict[str, Node]:
    return {name: _node(at, value) for name, value in entries.items()}


def _node(at: Node, value: Any) -> Node:
    """A node that stands where the model was named."""
    held: Value = _nodes(at, value) if isinstance(value, dict) else value
    return Node(held, at.document, line=at.line, column=at.column, path=at.path)
