"""An API that fits a manifest nobody wrote one for: any request is answered with what fits it.

Answers hold records wherever any stream of the manifest looks for them, with every field that its
templates, keys and cursors read. Pages are short after the second, and tokens end with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.parity.airbyte.harness import Api, Asked, Reply

_FIELD = re.compile(r"(?:record|last_record)(?:\.|\[')([A-Za-z_]\w*)")
_SLICE = re.compile(r"stream_(?:partition|slice)(?:\.|\[')([A-Za-z_]\w*)")
_NEXT = re.compile(
    r"response((?:\.\w+|\[\s*['\"][\w.@ -]+['\"]\s*\]|\.get\(['\"][\w.]+['\"](?:,[^)]*)?\))+)"
)
_STEP = re.compile(r"\.(?!get\()(\w+)|['\"]([\w.@ -]+)['\"]")
RECORDS = 2
LAST = 2  # the page, or offset, behind which there is nothing
MOST = 60  # requests that are answered with records
_TOKEN = "nxt1"


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping inside a value."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def shape(streams: list[dict[str, Any]]) -> Api:
    """An API for expanded streams."""
    paths = {
        tuple(map(str, p))
        for s in walk(streams)
        if isinstance(p := s.get("field_path"), list) and s.get("type") == "DpathExtractor"
    }
    paths = {p for p in paths if not any(set(step) & set("*?[{") for step in p)} or {()}
    fields = sorted(_fields(streams))
    dates = _dates(streams)
    nexts = sorted(_nexts(streams))

    numbers = _numbers(streams)
    count = 0

    def answer(asked: Asked) -> Reply:
        nonlocal count
        count += 1
        if count > 4 * MOST:
            return Reply(status=404, body={})
        if "token" in asked.path.lower() or "login" in asked.path.lower():
            return Reply(
                body={"access_token": "acc", "token": "acc", "id": "s", "expires_in": 3600}
            )
        told = f"{asked.path} {asked.query} {asked.body} {asked.headers}"
        given = [
            *asked.query,
            *asked.headers,
            *(asked.json.items() if isinstance(asked.json, dict) else ()),
        ]
        at = [int(v) for n, v in given if n in numbers and str(v).isdigit()]
        over = count > MOST or any(number > LAST for number in at)
        rows = [] if over else [_record(asked, i, fields, dates) for i in range(RECORDS)]
        if () in paths and len(paths) == 1:
            return Reply(body=rows)
        body: dict[str, Any] = {}
        following = None if over or _TOKEN in told else _TOKEN
        for path in nexts:
            _put(body, path, following)
        for path in sorted(paths - {()}):
            _put(body, path, rows)
        return Reply(body=body)

    return answer


def _numbers(streams: list[dict[str, Any]]) -> set[str]:
    """The names under which pages are counted."""
    options = [p.get("page_token_option") for p in walk(streams)]
    found = {str(o.get("field_name")) for o in options if isinstance(o, dict)}
    return found | {name.lower() for name in found}


def _record(asked: Asked, number: int, fields: list[str], dates: dict[str, str]) -> dict[str, Any]:
    """A record that is the same whenever its page is asked for."""
    made: dict[str, Any] = {name: f"{name}{number}" for name in fields}
    made.update(dates)
    made["id"] = number + 1
    made["asked"] = asked.path
    return made


def _fields(streams: list[dict[str, Any]]) -> set[str]:
    found = {"name"}
    for part in walk(streams):
        for value in part.values():
            if isinstance(value, str):
                found |= set(_FIELD.findall(value))
        key = part.get("parent_key")
        if isinstance(key, str) and "/" not in key and "{" not in key:
            found.add(key)
    return found


def _dates(streams: list[dict[str, Any]]) -> dict[str, str]:
    from datetime import UTC, datetime  # noqa: PLC0415 (needed here only)

    found = {}
    for part in walk(streams):
        if part.get("type") == "DatetimeBasedCursor" and "{" not in str(part.get("cursor_field")):
            spelled = str((part.get("cursor_datetime_formats") or [part.get("datetime_format")])[0])
            moment = datetime(2024, 6, 1, tzinfo=UTC)
            unit = {"%s": 1, "%ms": 1000, "%epoch_microseconds": 1_000_000}.get(spelled)
            text = (
                str(int(moment.timestamp() * unit))
                if unit
                else moment.strftime(spelled.replace("%_ms", "000"))
            )
            found[str(part["cursor_field"])] = text
    return found


def _nexts(streams: list[dict[str, Any]]) -> set[tuple[str, ...]]:
    """Where answers are looked at for what follows."""
    found = set()
    for part in walk(streams):
        if part.get("type") == "CursorPagination":
            for text in (part.get("cursor_value"), part.get("stop_condition")):
                for match in _NEXT.findall(str(text)):
                    steps = tuple(a or b for a, b in _STEP.findall(match))
                    found.add(
                        steps[:-1] if steps and steps[-1] in {"get", "split", "keys"} else steps
                    )
    return {path for path in found if path}


def _put(body: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    here = body
    for step in path[:-1]:
        inner = here.setdefault(step, {})
        if not isinstance(inner, dict):
            return
        here = inner
    here.setdefault(path[-1], value)


def config(spec: dict[str, Any]) -> dict[str, Any]:
    """Values that fit a connection specification."""
    made = _value(spec.get("connection_specification") or {})
    return made if isinstance(made, dict) else {}


def _value(schema: Any, name: str = "") -> Any:
    if not isinstance(schema, dict):
        return None
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("examples"):
        held = schema["examples"]
        return held[0] if isinstance(held, list) else held
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("oneOf", "anyOf", "allOf"):
        if schema.get(key):
            return (
                {**(_value({**schema, key: None}) or {}), **(_value(schema[key][0]) or {})}
                if schema.get("properties")
                else _value(schema[key][0])
            )
    kind = schema.get("type")
    kind = next((k for k in kind if k != "null"), None) if isinstance(kind, list) else kind
    if kind == "object" or schema.get("properties"):
        required = set(schema.get("required") or ()) | {
            n
            for n, s in (schema.get("properties") or {}).items()
            if isinstance(s, dict) and "const" in s
        }
        return {
            n: _value(s, n)
            for n, s in (schema.get("properties") or {}).items()
            if n in required or "date" in n
        }
    if kind == "string":
        if schema.get("format") == "date" or "[0-9]{2}$" in str(schema.get("pattern")):
            return "2024-05-01"
        if (
            "date" in name
            or schema.get("format") == "date-time"
            or "T" in str(schema.get("pattern") or "")
        ):
            return "2024-05-01T00:00:00Z"
        return f"{name or 'text'}1"
    return {"integer": 5, "number": 5, "boolean": False, "array": []}.get(str(kind))
