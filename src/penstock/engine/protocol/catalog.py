"""Catalogs: what `discover` tells of the streams, and which of them a configured one selects."""

from __future__ import annotations

import msgspec

from penstock.errors import Diagnostic, PlanError
from penstock.plan.expr import JsonValue
from penstock.plan.records import Keys
from penstock.plan.source import Source, Stream


def catalog(source: Source) -> dict[str, JsonValue]:
    """Every stream that can be read."""
    return {"streams": [_described(stream) for stream in source.streams if stream.selected]}


def _described(stream: Stream) -> dict[str, JsonValue]:
    modes: list[JsonValue] = ["full_refresh"]
    entry: dict[str, JsonValue] = {
        "name": stream.name,
        "json_schema": stream.schema or {},
        "supported_sync_modes": modes,
    }
    if stream.cursor is not None:
        path = stream.cursor.path
        modes.append("incremental")
        entry["source_defined_cursor"] = True
        field = ".".join(path.path) if isinstance(path, Keys) else path.text
        entry["default_cursor_field"] = [field]
    if stream.hints.primary_key:
        entry["source_defined_primary_key"] = [[key] for key in stream.hints.primary_key]
    entry["is_resumable"] = stream.cursor is not None
    entry["is_file_based"] = stream.files
    return entry


class _Named(msgspec.Struct):
    name: str


class _Chosen(msgspec.Struct):
    stream: _Named


class _Configured(msgspec.Struct):
    streams: list[_Chosen]


def chosen(configured: JsonValue) -> tuple[str, ...]:
    """The names of the streams that a configured catalog selects, in its order.

    Raises:
        PlanError: it is no configured catalog.
    """
    try:
        found = msgspec.convert(configured, _Configured)
    except msgspec.ValidationError as exc:
        raise PlanError([wrong("value-invalid", f"this is no configured catalog: {exc}")]) from exc
    return tuple(dict.fromkeys(one.stream.name for one in found.streams))


def wrong(code: str, message: str, hint: str | None = None) -> Diagnostic:
    """An error in what a call was given."""
    return Diagnostic(code=code, severity="error", message=message, hint=hint)
