"""Values that fit a connection specification, and the time that fits them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.parity.airbyte.corpus.reading import settled, texts, walk

from penstock.errors import ExprError
from penstock.plan.datetimes import format_datetime
from penstock.plan.slices import parse_duration

NOW = datetime(2024, 6, 15, 12, 30, 45, 123456, tzinfo=UTC)
_DATES = (
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%d",
    "%Y-%m-%dT%H:%M:%S.%fZ",
    "%Y-%m-%dT%H:%M:%S.%_msZ",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S+00:00",
    "%m/%d/%Y",
    "%Y/%m/%d",
    "%Y%m%d",
    "%d/%m/%Y",
    "%Y-%m",
    "%Y",
)
_DATED = re.compile(r"date|time|since|from|start|begin|_at$", re.IGNORECASE)
_NOT_DATED = re.compile(
    r"timeout|timezone|time_zone|window|update|format|days|granularity|increment|unit|frame",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"window|days|minutes|hours|count|size|limit|interval", re.IGNORECASE)
_LOCATED = re.compile(r"(url|uri|endpoint)$", re.IGNORECASE)
_LATE = re.compile(r"(^|_)(end|to|until|max|stop)(_|$)", re.IGNORECASE)


_READ = re.compile(
    r"config((?:\.get\(\s*['\"]\w+['\"][^()]*\)|\.(?!get\b)\w+|\[\s*['\"]\w+['\"]\s*\])+)"
)
_STEP = re.compile(r"\.get\(\s*['\"](\w+)|\.(\w+)|\[\s*['\"](\w+)")


def read(stream: dict[str, Any]) -> dict[str, Any]:
    """A specification of all that the templates of a stream read, where there is no other."""
    found: dict[str, Any] = {"type": "object", "properties": {}, "required": []}
    for text in texts(stream):
        for steps in _READ.findall(text) if "config" in text else ():
            here = found
            for step in ("".join(groups) for groups in _STEP.findall(steps)):
                inner = here.setdefault("properties", {}).setdefault(step, {})
                here["required"] = sorted({*here.get("required", ()), step})
                here = inner
    return found


class Maker:
    """Makes the values for one stream: `turn` picks among alternatives."""

    def __init__(self, stream: dict[str, Any], start: datetime, now: datetime, turn: int) -> None:
        self._start = start
        self._now = now
        self._turn = turn
        self._formats = _formats(stream)
        self._wanted = repr(stream)
        routers = [p for p in walk(stream) if p.get("type") == "ListPartitionRouter"]
        # Lists of partitions and authenticators are nothing without their values.
        needed = [p.get("values") for p in routers]
        needed += [p.get("authenticator_selection_path") for p in walk(stream)]
        needed += [p for p in walk(stream) if str(p.get("type")).endswith("Authenticator")]
        self._listed = set(re.findall(r"\w+", repr(needed)))

    def all(self, spec: Any) -> dict[str, Any]:
        """Values that fit a connection specification."""
        found = self.value(spec)
        return found if isinstance(found, dict) else {}

    def value(self, schema: Any, name: str = "") -> Any:
        """A value that fits a schema."""
        if not isinstance(schema, dict):
            return None
        if "const" in schema:
            return schema["const"]
        kind = schema.get("type")
        kind = next((k for k in kind if k != "null"), None) if isinstance(kind, list) else kind
        if kind in {"string", None} and not schema.get("properties") and self._dated(schema, name):
            return self._date(schema, name)
        if "default" in schema:
            return schema["default"]
        if schema.get("enum"):
            return schema["enum"][self._turn % len(schema["enum"])]
        for key in ("oneOf", "anyOf"):
            if schema.get(key):
                chosen = self.value(schema[key][self._turn % len(schema[key])], name)
                rest = {k: v for k, v in schema.items() if k != key}
                if isinstance(chosen, dict) and schema.get("properties"):
                    return {**(self.value(rest, name) or {}), **chosen}
                return chosen
        if kind == "object" or schema.get("properties"):
            return self._object(schema)
        if kind == "array":
            return [self.value(schema.get("items") or {"type": "string"}, name)]
        if not schema and _COUNTED.search(name):
            return 5
        if kind == "string" or kind is None:
            return self._text(schema, name)
        if kind in {"integer", "number"}:
            return _number(schema)
        return False

    def _object(self, schema: dict[str, Any]) -> dict[str, Any]:
        required = set(schema.get("required") or ())
        return {
            name: self.value(inner, name)
            for name, inner in (schema.get("properties") or {}).items()
            if isinstance(inner, dict)
            and (
                name in required
                or {"const", "default", "oneOf"} & set(inner)
                or (
                    self._wants(name)
                    and (
                        name in self._listed
                        or (self._turn % 2 == 0 and inner.get("type") != "array")
                    )
                )
                or (self._dated(inner, name) and not _LATE.search(name))
            )
        }

    def _wants(self, name: str) -> bool:
        return name in self._wanted

    def _text(self, schema: dict[str, Any], name: str) -> str:
        examples = schema.get("examples")
        if isinstance(examples, list) and examples and isinstance(examples[0], str):
            return examples[0]
        if _LOCATED.search(name) and not re.search(rf"https?://\{{\{{[^}}]*{name}", self._wanted):
            return f"https://{name.lower().replace('_', '-')}.test/given"
        return f"{name or 'text'}1"

    def _dated(self, schema: dict[str, Any], name: str) -> bool:
        if schema.get("format") in {"date", "date-time"} or name in self._formats:
            return True
        pattern = str(schema.get("pattern") or "")
        if "[0-9]{4}-" in pattern or "\\d{4}-" in pattern:
            return True
        return bool(_DATED.search(name)) and not _NOT_DATED.search(name) and "enum" not in schema

    def _date(self, schema: dict[str, Any], name: str) -> Any:
        moment = self._now if _LATE.search(name) else self._start
        for spelled in (*([self._formats[name]] if name in self._formats else ()), *_DATES):
            made = format_datetime(moment, spelled)
            if _fits(schema, str(made)):
                return made
        return format_datetime(moment, _DATES[0])


def _fits(schema: dict[str, Any], text: str) -> bool:
    pattern = schema.get("pattern")
    if isinstance(pattern, str):
        try:
            return re.search(pattern, text) is not None
        except re.error:
            return True
    if schema.get("format") == "date":
        return len(text) == 10
    examples = schema.get("examples")
    if isinstance(examples, list) and examples and isinstance(examples[0], str):
        return len(examples[0]) == len(text) and examples[0][-1:].isdigit() == text[-1:].isdigit()
    return True


def _number(schema: dict[str, Any]) -> Any:
    least = schema.get("minimum")
    most = schema.get("maximum")
    made = 5 if least is None else max(5, least)
    return made if most is None else min(made, most)


def _formats(stream: dict[str, Any]) -> dict[str, str]:
    """The formats in which a stream reads its starts, by the names of the values."""
    found = {}
    for part in walk(stream):
        if part.get("type") == "MinMaxDatetime":
            for name in re.findall(
                r"config(?:\.|\[['\"]|\.get\(['\"])(\w+)", str(part.get("datetime"))
            ):
                spelled = part.get("datetime_format")
                if isinstance(spelled, str) and name != "get" and "%" in spelled:
                    found[name] = spelled
        if part.get("type") == "DatetimeBasedCursor" and isinstance(
            part.get("start_datetime"), str
        ):
            for name in re.findall(
                r"config(?:\.|\[['\"]|\.get\(['\"])(\w+)", part["start_datetime"]
            ):
                spelled = part.get("datetime_format")
                if isinstance(spelled, str) and name != "get":
                    found[name] = spelled
    return found


def cursors(stream: dict[str, Any]) -> list[dict[str, Any]]:
    """The datetime cursors of a stream and its parents."""
    return [p for p in walk(stream) if p.get("type") == "DatetimeBasedCursor"]


def reach(stream: dict[str, Any]) -> timedelta:
    """How much time holds a few windows of every cursor."""
    steps = []
    for cursor in cursors(stream):
        text = re.sub(r"\{\{.*?\}\}", "30", str(cursor.get("step") or ""))
        try:
            found = parse_duration(text) if text else None
        except ExprError:
            found = None
        if found is not None:
            steps.append(timedelta(days=31 * found.months, seconds=found.seconds))
    steps = [s for s in steps if s]
    if not steps:
        return timedelta(days=40)
    return min(max(steps) * 2.5, min(steps) * 12)


def fixed_start(stream: dict[str, Any], values: dict[str, Any]) -> datetime | None:
    """A start that stands in the manifest itself, for a cursor with windows."""
    for cursor in cursors(stream):
        start = cursor.get("start_datetime")
        text = start.get("datetime") if isinstance(start, dict) else start
        if cursor.get("step") and isinstance(text, str):
            told = text if "{" not in text else settled(text, dict.fromkeys(values))
            if "{" in text and ("config" in text or "now" in text or "today" in text):
                continue
            try:
                found = datetime.fromisoformat(str(told))
            except ValueError:
                continue
            return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None
