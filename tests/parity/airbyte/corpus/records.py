"""What the records of a stream hold: whatever its manifest reads of them, and what it declares."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.parity.airbyte.corpus.reading import (
    Path,
    accesses,
    compared,
    dated,
    settled,
    texts,
    walk,
)

from penstock.plan.datetimes import format_datetime

_AT = re.compile(r"(_at|_on|date|time|At|Date|Time|timestamp)$")
_LITERALS = (
    "text",
    "007",
    "42",
    "1.50",
    "True",
    "2024-01-02",
    "[1, 2]",
    "a,b",
    "é \"q\" 'p'",
    "1_000",
)
DECLARED = 14  # properties of a schema that records hold


def fields(
    own: dict[str, Any], wanted: list[dict[str, Any]], values: dict[str, Any]
) -> list[dict[str, Any]]:
    """The fields of a stream's records; `wanted` are the configurations of its children."""
    held: dict[Path, dict[str, Any]] = {}
    for path, schema in _declared(own):
        held[path] = _of_schema(path, schema)
    for text in texts(own):
        for root, path in accesses(text):
            if root == "record" and path:
                held.setdefault(path, _of_name(path))
        for path, spelled in dated(text).items():
            held[path] = {"kind": "date", "format": spelled}
        for path, constants in compared(text).items():
            held[path] = {"kind": "choice", "of": [*dict.fromkeys(map(_plain, constants)), "other"]}
    for part in walk(own):
        _add_named(part, held)
    for child in wanted:
        key = child.get("parent_key")
        if isinstance(key, str):
            held[tuple(settled(key, values).split("/") if "{" in key else key.split("/"))] = {
                "kind": "key"
            }
        for path in child.get("extra_fields") or ():
            held.setdefault(tuple(map(str, path)), {"kind": "text"})
        lazy = tuple(map(str, child.get("lazy_read_pointer") or ()))
        if lazy:
            held[lazy] = {"kind": "list", "of": {"kind": "object"}}
    key = own.get("primary_key")
    for name in key if isinstance(key, list) else [key]:
        for step in name if isinstance(name, list) else [name]:
            if isinstance(step, str) and step:
                held.setdefault((step,), {"kind": "key"})
    for part in walk(own):
        if part.get("type") in {"DatetimeBasedCursor", "IncrementingCountCursor"}:
            _add_cursor(part, held, values)
    held.setdefault(("id",), {"kind": "key"})
    return [{"path": list(path), **kind} for path, kind in sorted(held.items())]


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool)) or value is None else str(value)


def _declared(own: dict[str, Any]) -> list[tuple[Path, dict[str, Any]]]:
    found: list[tuple[Path, dict[str, Any]]] = []
    for part in walk(own):
        if part.get("type") == "InlineSchemaLoader" and isinstance(part.get("schema"), dict):
            properties = part["schema"].get("properties")
            for name, schema in list((properties or {}).items())[:DECLARED]:
                if isinstance(schema, dict):
                    found.append(((str(name),), schema))
    return found


def _of_schema(path: Path, schema: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    first = next((k for k in kinds if k != "null"), None)
    maybe = "null" in kinds
    if first == "integer":
        return {"kind": "int", "maybe": maybe}
    if first == "number":
        return {"kind": "number", "maybe": maybe}
    if first == "boolean":
        return {"kind": "bool", "maybe": maybe}
    if first == "array":
        items = schema.get("items")
        inner = (
            _of_schema((), items, depth + 1)
            if isinstance(items, dict) and depth < 2
            else {"kind": "text"}
        )
        return {"kind": "list", "of": inner, "maybe": maybe}
    if first == "object":
        properties = schema.get("properties")
        inner = properties.items() if isinstance(properties, dict) and depth < 2 else ()
        return {
            "kind": "object",
            "of": [
                [n, _of_schema((), s, depth + 1)] for n, s in list(inner)[:4] if isinstance(s, dict)
            ],
            "maybe": maybe,
        }
    if schema.get("format") in {"date-time", "date"}:
        return {
            "kind": "date",
            "format": "%Y-%m-%d" if schema["format"] == "date" else "%Y-%m-%dT%H:%M:%SZ",
            "maybe": maybe,
        }
    return {"kind": "text", "maybe": maybe}


def _of_name(path: Path) -> dict[str, Any]:
    if _AT.search(path[-1]):
        return {"kind": "date", "format": "%Y-%m-%dT%H:%M:%SZ"}
    return {"kind": "text"}


def _add_named(part: dict[str, Any], held: dict[Path, dict[str, Any]]) -> None:
    """What components name by paths."""
    match part.get("type"):
        case "RemoveFields":
            for pointer in part.get("field_pointers") or ():
                path = tuple(map(str, pointer)) if isinstance(pointer, list) else (str(pointer),)
                if path and not any(set(s) & set("*?[") for s in path):
                    held.setdefault(path, {"kind": "text"})
        case "DpathFlattenFields":
            path = tuple(map(str, part.get("field_path") or ()))
            if path and not any(set(s) & set("*?[") for s in path):
                held[path] = {
                    "kind": "object",
                    "of": [["inner_a", {"kind": "text"}], ["inner_b", {"kind": "int"}]],
                }
        case "FlattenFields" | "KeysToSnakeCase" | "KeysToLower" | "KeysReplace":
            held[("NestedThing",)] = {
                "kind": "object",
                "of": [
                    ["LeafOne", {"kind": "text"}],
                    ["leaf two", {"kind": "list", "of": {"kind": "int"}}],
                ],
            }
        case "RecordExpander":
            path = tuple(map(str, part.get("expand_records_from_field") or ()))
            if path:
                held[path] = {
                    "kind": "list",
                    "of": {"kind": "object", "of": [["id", {"kind": "int"}]]},
                }
        case "GroupByKeyMergeStrategy":
            key = part.get("key")
            for name in key if isinstance(key, list) else [key]:
                held.setdefault((str(name),), {"kind": "key"})
        case _:
            pass


def _add_cursor(
    part: dict[str, Any], held: dict[Path, dict[str, Any]], values: dict[str, Any]
) -> None:
    name = settled(part.get("cursor_field"), values)
    if not isinstance(name, str):
        return
    if part["type"] == "IncrementingCountCursor":
        held[(name,)] = {"kind": "count"}
        return
    spelled = (part.get("cursor_datetime_formats") or [part.get("datetime_format")])[0]
    declared = held.get((name,), {}).get("kind")
    held[(name,)] = {"kind": "cursor", "format": str(spelled), "text": declared == "text"}


def record(
    kinds: list[dict[str, Any]], number: int, tag: str, now: datetime, *, plain: bool = False
) -> dict[str, Any]:
    """The record of a number: the same whenever it is asked for. `plain` leaves out odd values."""
    made: dict[str, Any] = {}
    for kind in kinds:
        put(made, tuple(kind["path"]), valued(kind, number, now, plain=plain))
    made.update(asked_at=tag, row_number=number)
    return made


def put(into: dict[str, Any], path: Path, value: Any) -> None:
    """Put a value at a path, unless something else is in the way."""
    here: Any = into
    for step, following in zip(path, (*path[1:], None), strict=True):
        if following is None:
            if isinstance(here, dict):
                here[step] = value
            return
        inner = here.get(step) if isinstance(here, dict) else None
        if step == "*" or not isinstance(here, dict):
            return
        if isinstance(inner, list) and following == "*":
            return
        if not isinstance(inner, dict):
            inner = {}
            if following == "*":
                here[step] = [value if len(path) == 2 else {path[-1]: value}]
                return
            here[step] = inner
        here = inner


def valued(kind: dict[str, Any], number: int, now: datetime, *, plain: bool = False) -> Any:
    """A value of a kind."""
    if kind.get("maybe") and number % 4 == 3 and not plain:
        return None
    match kind["kind"]:
        case "key":
            return number + 1
        case "count":
            return 10 * number + 3  # the reference engine compares it with a number
        case "int":
            return 10 * number + 3 if number % 5 != 4 or plain else str(number)
        case "number":
            return [1.5, 2, 1234567.125, 0.1, "3.25"][number % 5] if not plain else number + 0.5
        case "bool":
            return number % 2 == 0
        case "choice":
            return kind["of"][number % len(kind["of"])]
        case "date" | "cursor":
            return _dated(kind, number, now)
        case "list":
            return [valued(kind["of"], number + i, now, plain=plain) for i in range(2)]
        case "object":
            return {n: valued(k, number, now, plain=plain) for n, k in kind.get("of") or ()} or {
                "k": number
            }
        case _:
            return f"text{number}" if plain else _LITERALS[number % len(_LITERALS)]


def _dated(kind: dict[str, Any], number: int, now: datetime) -> Any:
    moment = now.astimezone(UTC) - timedelta(hours=1 + 7 * (number % 97), seconds=number)
    made = format_datetime(moment, kind["format"])
    if kind["format"] in {"%s", "%ms", "%epoch_microseconds"} and not kind.get("text"):
        return int(made)
    return made
