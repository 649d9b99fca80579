"""More partitions than are followed one by one: when one state begins to stand for all."""

from __future__ import annotations

from typing import Any

from tests.parity.airbyte.build import case, option, stream
from tests.parity.airbyte.cursors import cursor
from tests.parity.airbyte.harness import Asked, Case, Reply, as_messages
from tests.parity.airbyte.partitions import listed, parent, substream

_DAYS = {"a": "2024-01-03", "b": "2024-01-07", "c": "2024-01-05", "d": "2024-01-02"}


def _dated(asked: Asked) -> Any:
    day = _DAYS.get(asked.params.get("region") or asked.path.split("/")[-2], "2024-01-04")
    if not asked.params.get("since", "") <= day <= asked.params.get("until", "~"):
        return {"data": []}
    return {"data": [{"id": asked.path, "at": day}]}


def _failing(asked: Asked) -> Any:
    return Reply(status=404, body={}) if asked.params.get("region") == "c" else _dated(asked)


def _many(
    name: str,
    values: str,
    state: Any = None,
    *,
    most: int = 2,
    api: Any = _dated,
    router: Any = None,
    **parts: Any,
) -> Case:
    router = router or listed(*values, request_option=option("region"))
    kids = stream(
        "kids",
        path="/kids",
        retrieves={"partition_router": router},
        incremental_sync=cursor(**parts),
    )
    states = tuple(as_messages({"kids": state})) if state else ()
    return case(name, kids, api=lambda: api, most=most, state=states, twice=True)


def _known(whole: str | None, *, shared: bool = False, lookback: int = 0, **days: str) -> Any:
    made: dict[str, Any] = {"use_global_cursor": shared, "lookback_window": lookback}
    made["states"] = [{"partition": {"region": k}, "cursor": {"at": v}} for k, v in days.items()]
    return {**made, "state": {"at": whole}} if whole else made


def _substream(asked: Asked) -> Any:
    if asked.path == "/parents":
        return {"data": [{"id": i} for i in "abcdef"]}
    return _dated(asked)


_KIDS = stream(
    "kids",
    path="/p/{{ stream_partition.pid }}/kids",
    retrieves={"partition_router": substream(parent(stream("parents", path="/parents")))},
    incremental_sync=cursor(),
)

CASES = [
    _many("as many partitions as there may be", "abc"),
    _many("more partitions than there may be", "abcdef"),
    _many("more partitions with windows", "abcdef", step="P3D", cursor_granularity="P1D"),
    _many("more partitions, one lost", "abcdef", api=_failing),
    _many("more partitions, the state knows some", "abcdef", _known("2024-01-05", a="2024-01-04")),
    _many(
        "more partitions, the state knows too many",
        "abcde",
        _known("2024-01-05", a="2024-01-04", b="2024-01-02", c="2024-01-05", x="2024-01-01"),
    ),
    _many(
        "more partitions, a known one is behind",
        "fedcba",
        _known("2024-01-06", a="2024-01-02"),
    ),
    _many(
        "few partitions after many",
        "ab",
        {"use_global_cursor": True, "state": {"at": "2024-01-04"}},
        most=9,
    ),
    _many(
        "few partitions after many, with a look back",
        "ab",
        {"use_global_cursor": True, "state": {"at": "2024-01-08"}, "lookback_window": 86400},
        most=9,
    ),
    _many(
        "one state, and states of its own",
        "abc",
        _known("2024-01-06", shared=True, a="2024-01-02"),
        most=9,
    ),
    _many(
        "one state is wished for, states of their own are there",
        "abc",
        _known("2024-01-06", a="2024-01-02"),
        most=9,
        global_substream_cursor=True,
    ),
    _many(
        "one state is wished for, a plain one is there",
        "abc",
        {"at": "2024-01-04"},
        most=9,
        global_substream_cursor=True,
    ),
    _many("one state is wished for, none is there", "abc", most=9, global_substream_cursor=True),
    case(
        "more children than there may be",
        _KIDS,
        api=lambda: _substream,
        most=2,
        twice=True,
        shared=("/parents",),
    ),
]
