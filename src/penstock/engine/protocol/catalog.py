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
        entry["source_defined_cursor"] = not stream.cursor.chosen
        field = ".".join(path.path) if isinstance(path, Keys) else path.text
        entry["default_cursor_field"] = [field]
    if stream.hints.primary_key:
        entry["source_defined_primary_key"] = [[key] for key in stream.hints.primary_key]
    entry["is_resumable"] = stream.cursor is not None
    entry["is_file_based"] = stream.files is not None
    return entry


class _Named(msgspec.Struct):
    name: str
    json_schema: dict[str, object] = {}


class Wanted(msgspec.Struct):
    """A stream that a configured catalog selects."""

    stream: _Named
    cursor_field: list[str] | None = None

    @property
    def name(self) -> str:
        """The stream's name."""
        return self.stream.name

    @property
    def columns(self) -> dict[str, JsonValue]:
        """The columns that were chosen, with their schemas."""
        found = self.stream.json_schema.get("properties")
        return dict(found) if isinstance(found, dict) else {}


class _Configured(msgspec.Struct):
    streams: list[Wanted]


def chosen(configured: JsonValue) -> dict[str, Wanted]:
    """The streams that a configured catalog selects, in its order.

    Raises:
        PlanError: it is no configured catalog.
    """
    try:
        found = msgspec.convert(configured, _Configured)
    except msgspec.ValidationError as exc:
        raise PlanError([wrong("value-invalid", f"this is no configured catalog: {exc}")]) from exc
    return {one.name: one for one in found.streams}


def with_cursors(source: Source, wanted: dict[str, Wanted]) -> Source:
    """The source with the cursors that a platform has chosen, where a stream leaves it the choice.

    Raises:
        PlanError: a cursor is chosen inside an object.
    """
    streams = tuple(_with_cursor(stream, wanted.get(stream.name)) for stream in source.streams)
    return msgspec.structs.replace(source, streams=streams)


def _with_cursor(stream: Stream, wanted: Wanted | None) -> Stream:
    cursor = stream.cursor
    field = (wanted.cursor_field or [""]) if wanted is not None else [""]
    if cursor is None or not cursor.chosen or not field[0]:
        return stream
    if len(field) > 1:
        message = f"the cursor of {stream.name!r} cannot stand inside an object"
        raise PlanError([wrong("value-invalid", message)])
    path = Keys(path=tuple(field))
    return msgspec.structs.replace(stream, cursor=msgspec.structs.replace(cursor, path=path))


def wrong(code: str, message: str, hint: str | None = None) -> Diagnostic:
    """An error in what a call was given."""
    return Diagnostic(code=code, severity="error", message=message, hint=hint)
