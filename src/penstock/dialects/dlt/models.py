"""Pydantic models as declared columns; they are known by their looks, as pydantic is the user's."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import types
import typing
from collections.abc import Iterator, Mapping
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
_Way = tuple[str, ...]
# What a model does with a key that it does not declare, and what that means for columns.
_OF_EXTRA = {"forbid": "freeze", "allow": "evolve"}
_JSON = (list, tuple, set, frozenset, dict)


def expand(resource: Node) -> None:
    """Replace a model that stands for the columns of a resource by the columns it declares.

    As in dlt its class also sets the contract, where the resource says none.
    """
    node = resource.mapping.get("columns")
    model = node.value.value if node is not None and isinstance(node.value, Opaque) else None
    if node is None or model is None or not is_model(model):
        return
    node.value = _nodes(node, columns_of(model))
    contract = resource.mapping.get("schema_contract")
    if isinstance(model, type) and (contract is None or not contract.value):
        resource.mapping["schema_contract"] = _node(node, default_contract(model))


def is_model(value: object) -> bool:
    """Whether it is a pydantic model: its class, or an instance of one."""
    kind = value if isinstance(value, type) else type(value)
    return isinstance(getattr(kind, "model_fields", None), Mapping)


def columns_of(model: Any) -> dict[str, dict[str, Any]]:
    """The columns that a model declares; a field that may be anything declares none."""
    kind: Any = model if isinstance(model, type) else type(model)
    variants = [columns_of(one) for one in _variants(kind)]
    if variants:
        common = set(variants[0]).intersection(*variants)
        return {name: said for name, said in variants[0].items() if name in common}
    flat = _skips_nested(kind)
    found: dict[str, dict[str, Any]] = {}
    for name, field in kind.model_fields.items():
        annotation = getattr(field.annotation, "inner_type", field.annotation)  # of pydantic.Json
        declared = _type(annotation)
        if declared is None:
            continue
        said, nullable = declared
        key = getattr(field, "alias", None) or name
        if said != "json" or not flat:
            found[key] = {"data_type": said, "nullable": nullable}
            continue
        inner = _model_in(annotation)
        for below, column in (columns_of(inner) if inner is not None else {}).items():
            found[f"{key}__{below}"] = {**column, "nullable": column["nullable"] or nullable}
    return found


def types_in(model: Any) -> Iterator[tuple[_Way, _Way, str]]:
    """The types of columns in child tables that a model tells: the ways to these, and the type."""
    yield from _types_below(model, (), ()) if _skips_nested(model) else ()


def _types_below(model: Any, table: _Way, column: _Way) -> Iterator[tuple[_Way, _Way, str]]:
    for name, field in model.model_fields.items():
        path = (*column, getattr(field, "alias", None) or name)
        inner, listed = _model_in(field.annotation), _listed_in(field.annotation)
        if listed is not None:
            yield from _types_below(listed, (*table, *path), ())
        elif inner is not None:
            yield from _types_below(inner, table, path)
        elif table and (said := _type(field.annotation)) is not None:
            yield table, path, said[0]


def _listed_in(annotation: Any) -> Any:
    """The model that the items of a list are."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (list, tuple, set, frozenset):
        return _model_in(args[0]) if args else None
    if origin in (typing.Annotated, typing.Union, types.UnionType):
        return next((one for one in map(_listed_in, args) if one is not None), None)
    return None


def _skips_nested(model: Any) -> bool:
    """Whether a model declares columns in place of objects, and none for lists."""
    config = getattr(model, "dlt_config", None) or {}
    older = "skip_complex_types"
    return bool(config[older] if older in config else config.get("skip_nested_types"))


def _variants(model: Any) -> list[Any]:
    """The models of which a record is one, as a field of it says, where a model stands for them."""
    field = getattr(model, "model_fields", {}).get("root")
    if field is None or not getattr(model, "__pydantic_root_model__", False):
        return []
    annotation, said = field.annotation, [field]
    if typing.get_origin(annotation) is typing.Annotated:
        annotation, *more = typing.get_args(annotation)
        said += more
    tagged = any(isinstance(getattr(one, "discriminator", None), str) for one in said)
    return list(typing.get_args(annotation)) if tagged else []


def _model_in(annotation: Any) -> Any:
    """The model that an annotation is, or may be."""
    if typing.get_origin(annotation) in (typing.Annotated, typing.Union, types.UnionType):
        found = map(_model_in, typing.get_args(annotation))
        return next((one for one in found if one is not None), None)
    return annotation if is_model(annotation) else None


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
    kind = origin or getattr(annotation, "__supertype__", annotation)
    if getattr(kind, "__name__", "") == "Json" and kind.__module__.startswith("pydantic"):
        return None
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


def default_contract(model: Any) -> dict[str, str]:
    """The contract of a table that is declared by a model, where nothing else is said."""
    config = getattr(model, "model_config", None)
    said = config.get("extra") if isinstance(config, Mapping) else None
    columns = _OF_EXTRA.get(str(said or "ignore"), "discard_value")
    return {"tables": "evolve", "columns": columns, "data_type": "freeze"}


def _nodes(at: Node, entries: Mapping[str, Any]) -> dict[str, Node]:
    return {name: _node(at, value) for name, value in entries.items()}


def _node(at: Node, value: Any) -> Node:
    """A node that stands where the model was named."""
    held: Value = _nodes(at, value) if isinstance(value, dict) else value
    return Node(held, at.document, line=at.line, column=at.column, path=at.path)
