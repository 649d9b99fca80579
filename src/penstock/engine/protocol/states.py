"""State as platforms hand it in and take it: messages, by stream, in either of their spellings."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.engine.protocol.catalog import wrong
from penstock.errors import PlanError
from penstock.plan.expr import JsonValue
from penstock.plan.source import Source
from penstock.read.airbyte_state import imported


def entries_of(
    source: Source, given: JsonValue, values: Mapping[str, JsonValue]
) -> dict[str, dict[str, str]]:
    """The state of each stream as entries: from messages, or an object with a key a stream.

    Raises:
        PlanError: it is neither, or holds a state shared by streams.
    """
    found = by_stream(given)
    messages: list[dict[str, JsonValue]] = [
        {"type": "STREAM", "stream": {"stream_descriptor": {"name": n}, "stream_state": s}}
        for n, s in found.items()
    ]
    return {name: dict(held) for name, held in imported(source, messages, values).items()}


def by_stream(given: JsonValue) -> dict[str, JsonValue]:
    """The state of each stream, as it was written.

    Raises:
        PlanError: it is neither messages nor an object, or holds a state shared by streams.
    """
    if not given:
        return {}
    if isinstance(given, Mapping) and "type" not in given:
        return dict(given)
    found: dict[str, JsonValue] = {}
    for message in given if isinstance(given, list) else [given]:
        for entry in _entries(message):
            descriptor = entry.get("stream_descriptor")
            if not isinstance(descriptor, Mapping) or not isinstance(descriptor.get("name"), str):
                raise PlanError([wrong("value-invalid", "a state names no stream")])
            found[str(descriptor["name"])] = entry.get("stream_state")
    return found


def _entries(message: JsonValue) -> list[Mapping[str, JsonValue]]:
    """The states of single streams in one message, with or without the envelope around it."""
    if isinstance(message, Mapping) and isinstance(message.get("state"), Mapping):
        message = message["state"]
    match message:
        case {"stream": Mapping() as stream}:
            return [stream]
        case {"global": {"shared_state": shared}} if shared:
            raise PlanError([wrong("value-invalid", "a state that streams share cannot be used")])
        case {"global": {"stream_states": [*streams]}}:
            return [entry for entry in streams if isinstance(entry, Mapping)]
        case _:
            text = "a state file is a list of messages, each with the state of a stream"
            raise PlanError([wrong("value-invalid", text)])
