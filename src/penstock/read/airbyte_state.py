"""State in the shapes of Airbyte's protocol, from and to the entries that a run begins with.

Both ways are pure. `imported` takes what a state file or a platform holds, `exported` gives what
goes into one stream's state message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from penstock.plan.expr import JsonValue
from penstock.plan.records import Keys
from penstock.plan.slices import Cursor
from penstock.plan.source import Source, Stream
from penstock.read.contiguous import Held, Stretch
from penstock.read.migrations import migrated

NO_CURSOR = "__ab_no_cursor_state_message"
_DONE = "complete"  # the entry of a stream without a cursor that was read in full


def imported(
    source: Source,
    messages: Sequence[Mapping[str, JsonValue]],
    values: Mapping[str, JsonValue] | None = None,
) -> dict[str, dict[str, str]]:
    """The state entries of each stream that the messages tell of, brought into their last form.

    `messages` are the items of a state file: `{"type": "STREAM", "stream": {...}}`, or `GLOBAL`.
    Streams that the source does not have are left out. `values` are the user's.
    """
    found: dict[str, dict[str, str]] = {}
    for name, blob in _blobs(messages):
        stream = source.stream(name)
        if stream is not None and isinstance(blob, dict) and blob:
            found[name] = entries(stream, migrated(stream, blob, values or {}))
    return found


def entries(stream: Stream, blob: Mapping[str, JsonValue]) -> dict[str, str]:
    """The state entries that the state of one stream stands for.

    Where one stream takes the place of another once there is state, it is that one's.
    """
    stream = stream.later or stream
    cursor = _cursor(stream)
    done = {_DONE: "true"} if blob.get(NO_CURSOR) else {}
    if cursor is None or (done and _partitioned(stream)):
        return done
    if done and field(cursor) not in blob:
        return {**done, **dict(_others(blob, field(cursor), ""))}
    if _partitioned(stream):
        return dict(_by_partition(cursor, blob))
    return dict(_flat(cursor, blob, ""))


def _blobs(messages: Sequence[Mapping[str, JsonValue]]) -> Iterator[tuple[str, JsonValue]]:
    for message in messages:
        one, several = message.get("stream"), message.get("global")
        if isinstance(one, dict):
            yield _described(one)
        elif isinstance(several, dict) and isinstance(several.get("stream_states"), list):
            for held in several["stream_states"]:  # type: ignore[union-attr]  # just checked
                if isinstance(held, dict):
                    yield _described(held)


def _described(held: Mapping[str, JsonValue]) -> tuple[str, JsonValue]:
    descriptor = held.get("stream_descriptor")
    name = descriptor.get("name") if isinstance(descriptor, dict) else None
    return str(name), held.get("stream_state")


def _flat(cursor: Cursor, blob: Mapping[str, JsonValue], key: str) -> Iterator[tuple[str, str]]:
    """The state of one partition, or of a stream without any: a value, or stretches."""
    slices = blob.get("slices")
    if isinstance(slices, list) and slices:
        spans = tuple(_stretch(s) for s in slices if isinstance(s, dict))
        yield _name("spans", key), msgspec.json.encode(spans).decode()
        kept = blob.get("legacy")
        yield from _others(kept if isinstance(kept, dict) else {}, field(cursor), key)
        return
    value = blob.get(field(cursor))
    if value is not None:
        value = value if cursor.format is None else str(value)
        yield _name("cursor", key), msgspec.json.encode({"value": value}).decode()
    yield from _others(blob, field(cursor), key)


def _others(blob: Mapping[str, JsonValue], own: str, key: str) -> Iterator[tuple[str, str]]:
    """What else a state says: nothing here reads it, and it is told back as it came."""
    others = {name: value for name, value in blob.items() if name != own}
    if others:
        yield _name("others", key), msgspec.json.encode(others).decode()


def _stretch(held: Mapping[str, JsonValue]) -> Stretch:
    newest = held.get("most_recent_cursor_value")
    return Stretch(
        start=str(held.get("start")),
        end=str(held.get("end")),
        most_recent_cursor_value=None if newest is None else str(newest),
    )


def _by_partition(cursor: Cursor, blob: Mapping[str, JsonValue]) -> Iterator[tuple[str, str]]:
    states, whole = blob.get("states"), blob.get("state")
    if not isinstance(states, list) and not isinstance(whole, dict):
        yield "global", _encoded(Held(value=_text(blob.get(field(cursor)))))
        parents = blob.get("parent_state")
    else:
        for held in states if isinstance(states, list) else ():
            if isinstance(held, dict) and isinstance(held.get("cursor"), dict):
                key = msgspec.json.encode(held.get("partition"), order="sorted").decode()
                yield from _flat(cursor, held["cursor"], key)  # type: ignore[arg-type]  # checked
        yield "global", _encoded(_held(cursor, blob))
        parents = blob.get("parent_state")
    if isinstance(parents, dict) and parents:
        yield "parents", msgspec.json.encode(parents).decode()


def _held(cursor: Cursor, blob: Mapping[str, JsonValue]) -> Held:
    whole, lookback = blob.get("state"), blob.get("lookback_window")
    return Held(
        value=_text(whole.get(field(cursor))) if isinstance(whole, dict) else None,
        lookback=int(lookback) if isinstance(lookback, (int, float, str)) else 0,
        only=blob.get("use_global_cursor") is True,
    )


def exported(stream: Stream, held: Mapping[str, str]) -> JsonValue:
    """The state of one stream as a state message holds it, from its entries."""
    cursor = _cursor(stream)
    if cursor is None or (_DONE in held and not any(n.startswith("cursor") for n in held)):
        return {NO_CURSOR: True}
    if not _partitioned(stream):
        spans = held.get("spans")
        if spans and "cursor" not in held:
            return {"state_type": "date-range", "slices": msgspec.json.decode(spans)}
        return _at(cursor, held)
    return _partitions(cursor, held)


def _partitions(cursor: Cursor, held: Mapping[str, str]) -> dict[str, JsonValue]:
    text = held.get("global")
    whole = msgspec.json.decode(text, type=Held) if text else Held()
    only = cursor.shared if whole.only is None else whole.only
    made: dict[str, JsonValue] = {"use_global_cursor": only}
    if not only:
        made["states"] = [
            {
                "partition": msgspec.json.decode(name.removeprefix("cursor/")),
                "cursor": _at(cursor, held, name.removeprefix("cursor/")),
            }
            for name in held
            if name.startswith("cursor/")
        ]
    if whole.value is not None:
        made["state"] = {field(cursor): whole.value}
    made["lookback_window"] = whole.lookback
    if "parents" in held:
        made["parent_state"] = msgspec.json.decode(held["parents"])
    return made


def _at(cursor: Cursor, held: Mapping[str, str], key: str = "") -> dict[str, JsonValue]:
    """The state of one partition, or of a stream without any."""
    text, others = held.get(_name("cursor", key)), held.get(_name("others", key))
    made: dict[str, JsonValue] = msgspec.json.decode(others) if others else {}
    if text:
        made[field(cursor)] = msgspec.json.decode(text)["value"]
    return made


def field(cursor: Cursor) -> str:
    """The name of a cursor's field, under which its state is kept."""
    return ".".join(cursor.path.path) if isinstance(cursor.path, Keys) else cursor.path.text


def _cursor(stream: Stream) -> Cursor | None:
    if stream.cursor is None and stream.later is not None:
        return stream.later.cursor
    return stream.cursor


def _partitioned(stream: Stream) -> bool:
    if stream.cursor is None and stream.later is not None:
        return stream.later.partition is not None
    return stream.partition is not None


def _text(value: JsonValue) -> str | None:
    return None if value is None else str(value)


def _name(kind: str, key: str) -> str:
    return f"{kind}/{key}" if key else kind


def _encoded(held: Held) -> str:
    return msgspec.json.encode(held).decode()
