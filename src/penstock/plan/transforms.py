"""Changes to records that Airbyte manifests describe: pure kinds, and one function that makes them.

A change may alter the record it is given: the reader hands over records that nobody else holds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal, TypeAlias, assert_never

import msgspec

from penstock.patterns import pattern
from penstock.plan import jsontext
from penstock.plan.expr import Expr, Frame, JsonValue, evaluate, evaluate_text
from penstock.plan.functions import function
from penstock.plan.paths import Path, at, drop, find, is_pattern, keys, put

Record: TypeAlias = "dict[str, JsonValue]"
Rename: TypeAlias = Callable[[str], str]


class AddedField(msgspec.Struct, frozen=True, kw_only=True):
    """A value set at a path of the record."""

    path: Path
    value: Expr


class AddFields(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Sets fields in order; `when` sees each as `value` and `path` of the page."""

    fields: tuple[AddedField, ...]
    when: Expr | None = None


class RemoveFields(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Removes what stands at the paths, or with `when` the scalars there for which it holds.

    `when` sees each as `property` of the page.
    """

    paths: tuple[Path, ...]
    when: Expr | None = None


class KeysToLower(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Top-level keys in lower case."""


class KeysToSnakeCase(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Keys in snake_case, inside objects too, but not inside lists."""


class KeysReplace(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A text replaced in every key, inside objects too, but not inside lists."""

    old: Expr
    new: Expr


class Flatten(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Leaves of objects, and of lists if `lists`, as top-level fields."""

    lists: bool = True


class FlattenAt(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The fields of the object at `path` as top-level fields, unless one is there already.

    `delete` removes the object itself, `replace` everything else.
    """

    path: tuple[Expr, ...]
    delete: bool = False
    replace: bool = False
    prefix: Expr | None = None
    suffix: Expr | None = None


class Normalize(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Values cast to the types of a JSON schema; one that cannot be cast stays."""

    schema: JsonValue


class Expand(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One record for each item of the lists at `path`; the only change that makes several.

    `original` keeps the whole record in each as `original_record`, `merge` its fields without the
    list, `fields` copies single values. `empty` says what a record without items gives.
    """

    path: Path
    original: bool = False
    merge: bool = False
    fields: tuple[tuple[Path, Path], ...] = ()
    empty: Literal["skip", "keep"] = "skip"


Transform: TypeAlias = (
    AddFields
    | RemoveFields
    | KeysToLower
    | KeysToSnakeCase
    | KeysReplace
    | Flatten
    | FlattenAt
    | Normalize
)


def apply(change: Transform, record: Record, frame: Frame) -> Record:
    """The record with a change made; `frame` is that of its slice and page.

    Raises:
        ExprError: a template cannot be rendered, or a scalar stands where a path leads.
    """
    match change:
        case AddFields():
            return _adding(change)(record, frame)
        case RemoveFields():
            return _removed(change, record, frame)
        case KeysToLower():
            return {key.lower(): value for key, value in record.items()}
        case KeysToSnakeCase():
            return _renamed(record, snake_case)
        case KeysReplace():
            inner = msgspec.structs.replace(frame, record=record)
            old, new = evaluate_text(change.old, inner), evaluate_text(change.new, inner)
            return _renamed(record, lambda key: key.replace(old, new))
        case Flatten():
            return _flat(record, lists=change.lists)
        case FlattenAt():
            return _flattened(change, record, frame)
        case Normalize():
            return _normalized(record, change.schema)
        case _:
            assert_never(change)


def prepared(change: Transform) -> Callable[[Record, Frame], Record]:
    """`apply` for one change that is made to many records."""
    return _adding(change) if isinstance(change, AddFields) else partial(apply, change)


def _adding(change: AddFields) -> Callable[[Record, Frame], Record]:
    fields = [(field.path, function(field.value)) for field in change.fields]
    when = None if change.when is None else function(change.when)

    def add(record: Record, frame: Frame) -> Record:
        here = frame if frame.record is record else msgspec.structs.replace(frame, record=record)
        for path, value in fields:
            found = value(here)
            if when is not None:
                page = {**frame.page, "value": found, "path": list(path)}
                if not when(msgspec.structs.replace(here, page=page)):
                    continue
            put(record, path, _copied(found))
        return record

    return add


def _copied(value: JsonValue) -> JsonValue:
    """A value of its own: what is changed in it later is changed nowhere else."""
    if isinstance(value, dict):
        return {key: _copied(inner) for key, inner in value.items()}
    return [_copied(inner) for inner in value] if isinstance(value, list) else value


def _removed(change: RemoveFields, record: Record, frame: Frame) -> Record:
    when = change.when

    def holds(value: JsonValue) -> bool:
        page = {**frame.page, "property": value}
        return when is None or bool(evaluate(when, msgspec.structs.replace(frame, page=page)))

    for path in change.paths:
        drop(record, path, None if when is None else holds)
    return record


def _renamed(value: Record, rename: Rename) -> Record:
    return {
        rename(key): _renamed(inner, rename) if isinstance(inner, dict) else inner
        for key, inner in value.items()
    }


_WORD = pattern(r"[A-Z]+[a-z]*|[a-z]+|\d+|([^a-zA-Z\d]+)", re.ASCII)


def snake_case(key: str) -> str:
    """A key in snake_case; signs at its ends become underscores, a digit in front gets one."""
    plain = unicodedata.normalize("NFKD", key).encode("ascii", "ignore").decode() or key
    words = [found.group(0) if found.group(1) is None else "" for found in _WORD.finditer(plain)]
    if len(words) > 2:  # noqa: PLR2004 (the first and the last stay, whatever they are)
        words = [words[0], *filter(None, words[1:-1]), words[-1]]
    if words and words[0].isdigit():
        words.insert(0, "")
    return "_".join(word.lower() for word in words)


def _flat(record: Record, *, lists: bool) -> Record:
    """Leaves by their key, or by their path where the key is taken or a list came before."""
    stack: list[tuple[JsonValue, str]] = [(record, "_")]
    flat: Record = {}
    dotted = False
    while stack:
        value, name = stack.pop()
        if isinstance(value, dict):
            for key, inner in value.items():
                stack.append((inner, f"{name}.{key}" if dotted or key in flat else key))
        elif isinstance(value, list) and lists:
            dotted = dotted or bool(value)
            stack.extend((item, f"{name}.{index}") for index, item in enumerate(value))
        else:
            flat[name] = value
    return flat


def _flattened(change: FlattenAt, record: Record, frame: Frame) -> Record:
    path = tuple(evaluate_text(segment, frame) for segment in change.path)
    found = next(find(record, path), None) if is_pattern(path) else at(record, path)[1]
    if not isinstance(found, dict):
        return record
    prefix = evaluate_text(change.prefix, frame) if change.prefix else ""
    suffix = evaluate_text(change.suffix, frame) if change.suffix else ""
    lifted = {f"{prefix}{key}{suffix}": value for key, value in found.items()}
    if change.replace and lifted:
        return lifted
    if lifted.keys() & record.keys():
        return record
    if change.delete:
        drop(record, path)
    return {**record, **lifted}


def _normalized(value: Record, schema: JsonValue) -> Record:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return value
    for key, inner in properties.items():
        if key in value and isinstance(inner, dict):
            value[key] = _conform(value[key], inner)
    return value


def _conform(value: JsonValue, schema: Record) -> JsonValue:
    """`value` cast to the one type that its schema names, and what is inside it too."""
    value = cast(value, schema)
    if isinstance(value, dict):
        return _normalized(value, schema)
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, dict):
        return [_conform(item, items) for item in value]
    return value


_TRUE = frozenset({"y", "yes", "t", "true", "on", "1"})
_FALSE = frozenset({"n", "no", "f", "false", "off", "0"})


def cast(value: JsonValue, schema: Record) -> JsonValue:
    """`value` as the one type its schema names; itself where there are several, or it cannot be."""
    wanted = schema.get("type", [])
    if value is None and isinstance(wanted, (str, list)) and "null" in wanted:
        return None
    if isinstance(wanted, list):
        kinds = [kind for kind in wanted if kind != "null"]
        if len(kinds) != 1:
            return value
        wanted = kinds[0]
    try:
        return _as_type(value, wanted, schema)
    except (ValueError, TypeError, OverflowError):
        return value


def _as_type(value: JsonValue, wanted: JsonValue, schema: Record) -> JsonValue:
    match wanted:
        case "string":
            return str(value)
        case "number":
            return float(value)  # type: ignore[arg-type]  # what is no number raises
        case "integer":
            return int(value)  # type: ignore[arg-type]  # what is no number raises
        case "boolean":
            return _as_bool(value)
        case "array":
            return [value] if _fits_item(value, schema.get("items")) else value
        case _:
            return value


def _as_bool(value: JsonValue) -> bool:
    if not isinstance(value, str):
        return bool(value)
    word = value.lower().strip()
    if word not in _TRUE | _FALSE:
        raise ValueError(word)
    return word in _TRUE


def _fits_item(value: JsonValue, items: JsonValue) -> bool:
    """Whether a scalar may become a list of one: unless the items are objects or lists."""
    kinds = items.get("type", []) if isinstance(items, dict) else []
    names = set(kinds) if isinstance(kinds, (list, str)) else set()
    scalars = {"string", "number", "integer", "boolean", "null"}
    return names <= scalars and not isinstance(value, (dict, list, tuple))


def expand(change: Expand, record: JsonValue) -> Iterator[JsonValue]:
    """The records in the lists of `record`."""
    if not isinstance(record, dict):
        yield record
        return
    lists = [found for found in find(record, change.path) if isinstance(found, list)]
    for items in lists:
        for item in items:
            yield with_parent(change, record, item)
    if change.empty == "keep" and not any(lists):
        yield record


def with_parent(change: Expand, parent: Record, item: JsonValue) -> JsonValue:
    """An item of a list with what it carries of the record that the list is in."""
    carries = change.original or change.merge or change.fields
    if not carries:
        return item
    made: Record = dict(item) if isinstance(item, dict) else {"value": item}
    if change.merge:
        made = {**_without(parent, change.path), **made}
    for source, target in change.fields:
        put(made, target, at(parent, source)[1])
    if change.original:
        made["original_record"] = parent
    return made


def _without(record: Record, path: Path) -> Record:
    """A copy of `record` without the lists at `path`."""
    copied = jsontext.decode(jsontext.encode(record))
    assert isinstance(copied, dict), "a copy is of its original's type"
    for found in [*_lists(copied, path)]:
        drop(copied, found)
    return copied


def _lists(value: JsonValue, path: Path, above: Path = ()) -> Iterator[Path]:
    """Where lists stand at `path`, without patterns, the last first."""
    if not path:
        if isinstance(value, list):
            yield above
        return
    for key in sorted(keys(value, path[0]), reverse=True):
        yield from _lists(at(value, (key,))[1], path[1:], (*above, key))
