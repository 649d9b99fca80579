"""What few manifests say: schemas that are asked for, states of an older form, and the like."""

from __future__ import annotations

from typing import Any

from tests.parity.airbyte.build import case, option, requester, selector, stream
from tests.parity.airbyte.cursors import cursor
from tests.parity.airbyte.harness import Asked, as_messages
from tests.parity.airbyte.partitions import listed, parent, substream

# Schemas that records are made to fit.

_ASKED = {
    "type": "DynamicSchemaLoader",
    "retriever": {
        "type": "SimpleRetriever",
        "requester": requester("/fields"),
        "record_selector": selector(),
    },
    "schema_type_identifier": {
        "type": "SchemaTypeIdentifier",
        "key_pointer": ["name"],
        "type_pointer": ["type"],
        "schema_pointer": ["fields"],
    },
}


def _fields(asked: Asked) -> Any:
    if asked.path == "/fields":
        return {"fields": [{"name": "n", "type": "string"}, {"name": "m", "type": "integer"}]}
    return {"data": [{"n": 5, "m": "7", "o": 1}]}


_SCHEMAS = [
    case(
        "records fit a schema that is asked for",
        stream(schema_loader=_ASKED, selects={"schema_normalization": "Default"}),
        api=lambda: _fields,
        shared=("/fields",),
    ),
    case(
        "records fit two schemas",
        stream(
            schema_loader=[
                {
                    "type": "InlineSchemaLoader",
                    "schema": {"properties": {"m": {"type": "string"}, "o": {"type": "string"}}},
                },
                _ASKED,
            ],
            selects={"schema_normalization": "Default"},
        ),
        api=lambda: _fields,
        shared=("/fields",),
    ),
]

# States of an older form.

_LEGACY = {"type": "LegacyToPerPartitionStateMigration"}
_PARENTS = stream("parents", path="/parents")


def _kids(asked: Asked) -> Any:
    if asked.path == "/parents":
        return {"data": [{"id": "a"}, {"id": "b"}]}
    low = asked.params.get("since", "")
    days = [f"2024-01-0{n}" for n in range(1, 9)]
    return {"data": [{"id": f"{asked.path} {day}", "at": day} for day in days if day >= low]}


def _migrated(name: str, state: Any, router: Any = None, **parts: Any) -> Any:
    path = "/p/{{ stream_partition.pid }}"
    made = stream(
        "kids",
        path=path,
        retrieves={"partition_router": router or substream(parent(_PARENTS))},
        incremental_sync=cursor(start_time_option=option("since")),
        state_migrations=[_LEGACY],
        **parts,
    )
    return case(
        f"old state, {name}",
        made,
        api=lambda: _kids,
        state=tuple(as_messages({"kids": state})),
        shared=("/parents",),
        twice=True,
    )


_STATES = [
    _migrated("by partition", {"a": {"at": "2024-01-05"}, "b": {"at": "2024-01-07"}}),
    _migrated("one partition only", {"b": {"at": "2024-01-07"}}),
    _migrated("another cursor", {"a": {"on": "2024-01-05"}}),
    _migrated("two keys", {"a": {"at": "2024-01-05", "x": 1}}),
    _migrated("flat", {"at": "2024-01-05"}),
    _migrated("empty", {}),
    _migrated(
        "new already",
        {
            "use_global_cursor": False,
            "states": [{"partition": {"pid": "a", "parent_slice": {}},
                        "cursor": {"at": "2024-01-05"}}],
        },
    ),
    _migrated(
        "two parents",
        {"a": {"at": "2024-01-05"}},
        substream(parent(_PARENTS), parent(stream("others", path="/parents"))),
    ),
    _migrated(
        "a union",
        {"a": {"at": "2024-01-05"}},
        {
            "type": "UnionPartitionRouter",
            "partition_field": "pid",
            "partition_routers": [listed("a", "b", name="pid"), substream(parent(_PARENTS))],
        },
    ),
]  # fmt: skip

# Partitions that a state does not know.


def _unknown(name: str, kids: Any, *, lookback: int = 172_800, **parts: Any) -> Any:
    def api(asked: Asked) -> Any:
        if asked.path == "/parents":
            return {"data": [{"id": "a"}, {"id": "b"}]}
        return kids(asked)

    state = {
        "use_global_cursor": False,
        "states": [{"partition": {"pid": "a", "parent_slice": {}}, "cursor": {"at": "2024-01-07"}}],
        "state": {"at": "2024-01-06"},
        "lookback_window": lookback,
        **parts.pop("state", {}),
    }
    made = stream(
        "kids",
        path="/p/{{ stream_partition.pid }}",
        retrieves={"partition_router": substream(parent(_PARENTS))},
        incremental_sync=cursor(start_time_option=option("since"), **parts),
    )
    return case(
        f"unknown partition, {name}",
        made,
        api=lambda: api,
        state=tuple(as_messages({"kids": state})),
        shared=("/parents",),
    )


def _none(_asked: Asked) -> Any:
    return {"data": []}


def _early(asked: Asked) -> Any:
    return {"data": [{"id": asked.path, "at": "2024-01-05"}] if "/b" in asked.path else []}


_UNKNOWN = [
    _unknown("no records", _none),
    _unknown("an early record", _early),
    _unknown("records", _kids),
    _unknown("no lookback", _none, lookback=0),
    _unknown("a lookback before the start", _none, lookback=864_000),
    _unknown("a lookback of its own", _none, lookback_window="P1D"),
    _unknown("cut into windows", _early, step="P2D", cursor_granularity="P1D"),
    _unknown("no global state", _none, state={"state": {}}),
]

CASES = [*_SCHEMAS, *_STATES, *_UNKNOWN]
