"""Partition routers, with and without cursors: slices, requests, states."""

from __future__ import annotations

from typing import Any

from tests.parity.airbyte.build import case, option, stream
from tests.parity.airbyte.cursors import cursor
from tests.parity.airbyte.harness import Asked, Case, Reply, as_messages


def listed(*values: Any, name: str = "region", **parts: Any) -> dict[str, Any]:
    """A list router."""
    return {"type": "ListPartitionRouter", "values": list(values), "cursor_field": name, **parts}


def parent(of: dict[str, Any], key: str = "id", field: str = "pid", **parts: Any) -> dict[str, Any]:
    """A parent of a substream."""
    return {
        "type": "ParentStreamConfig",
        "stream": of,
        "parent_key": key,
        "partition_field": field,
        **parts,
    }


def substream(*parents: dict[str, Any]) -> dict[str, Any]:
    """A substream router."""
    return {"type": "SubstreamPartitionRouter", "parent_stream_configs": list(parents)}


def _child(
    router: Any, name: str = "kids", path: str = "/p/{{ stream_partition.pid }}/kids", **parts: Any
) -> dict[str, Any]:
    retrieves = {"partition_router": router, **parts.pop("retrieves", {})}
    return stream(name, path=path, retrieves=retrieves, **parts)


PARENTS = stream("parents", path="/parents")
_WHOLE = [
    {"id": "a", "n": {"deep": 1}, "x": 5},
    {"id": "b", "n": {"deep": 2}},
    {"id": None},
    {"other": 1},
]


def _api(parents: list[Any] | None = None, kids: Any = None) -> Any:
    def answer(asked: Asked) -> Any:
        if asked.path == "/parents":
            low = asked.params.get("since", "")
            rows = [
                r for r in (_WHOLE if parents is None else parents) if str(r.get("at", "~")) >= low
            ]
            return {"data": rows}
        if kids is not None:
            return kids(asked)
        return {"data": [{"id": f"{asked.path}?{asked.params}"}]}

    return lambda: answer


def _case(name: str, *streams: Any, api: Any = None, **parts: Any) -> Case:
    return case(name, *streams, api=api or _api(), **parts)


def _dated(asked: Asked) -> Any:
    day = {"a": "2024-01-03", "b": "2024-01-07"}.get(asked.path.split("/")[2], "2024-01-02")
    if not asked.params.get("since", "") <= day <= asked.params.get("until", "~"):
        return {"data": []}
    return {"data": [{"id": asked.path, "at": day}]}


def _failing(asked: Asked) -> Any:
    return Reply(status=404, body={}) if "/b/" in asked.path else _dated(asked)


def _partial(
    partitions: dict[str, str], whole: str | None, lookback: int = 0, **more: Any
) -> tuple[Any, ...]:
    states = [
        {"partition": {"pid": k, "parent_slice": {}}, "cursor": {"at": v}}
        for k, v in partitions.items()
    ]
    blob: dict[str, Any] = {
        "use_global_cursor": False,
        "states": states,
        "lookback_window": lookback,
        **more,
    }
    if whole:
        blob["state"] = {"at": whole}
    return tuple(as_messages({"kids": blob}))


_SUB = substream(parent(PARENTS))
_TWO = ("parents", "kids")
_UPDATED = stream("parents", path="/parents", incremental_sync=cursor())
_AGED = [{"id": "a", "at": "2024-01-02"}, {"id": "b", "at": "2024-01-08"}]
_GRAND = _child(_SUB, name="mids", path="/p/{{ stream_partition.pid }}/mids")

_LISTS = [
    _case("list", _child(listed("x", "y", name="pid"))),
    _case(
        "list with option",
        stream(
            "kids",
            path="/kids",
            retrieves={"partition_router": listed("x", "y", request_option=option("region"))},
        ),
    ),
    _case(
        "list with falsy values",
        stream(
            "kids",
            path="/kids",
            retrieves={"partition_router": listed("", "y", request_option=option("region"))},
        ),
    ),
    _case(
        "list header",
        stream(
            "kids",
            path="/kids",
            retrieves={
                "partition_router": listed("x", request_option=option("X-Region", "header"))
            },
        ),
    ),
    _case(
        "list of config",
        stream(
            "kids",
            path="/kids",
            retrieves={
                "partition_router": {
                    **listed(request_option=option("region")),
                    "values": "{{ config['regions'] }}",
                }
            },
        ),
        config={"regions": ["eu", "us"]},
    ),
    _case(
        "list of config that is left out",
        _child({**listed(name="pid"), "values": "{{ config['regions'] }}"}),
    ),
    _case(
        "host of data in a path",
        _child(
            listed("x", "y", name="pid"),
            path="https://{{ stream_partition.pid }}.other.test/kids",
            asks={"authenticator": {"type": "BearerAuthenticator", "api_token": "t0k"}},
        ),
    ),
    *(
        _case(
            f"host of data {name}",
            _child(
                listed("x", "y", name="pid"),
                path="kids",
                asks={
                    "url_base": base,
                    "authenticator": {"type": "BearerAuthenticator", "api_token": "t0k"},
                },
            ),
        )
        for name, base in {
            "first": "https://{{ stream_partition.pid }}.api.test/v1",
            "within": "https://eu-{{ stream_partition['pid'] }}.{{ config['zone'] }}.test",
            "by a template": "https://{{ stream_partition.pid | upper | lower }}.api.test",
            "alone": "{{ 'https://' ~ stream_partition.pid ~ '.else.test' }}",
            "in the path": "https://api.test/{{ stream_partition.pid }}",
        }.items()
    ),
    _case("list twice the same", _child(listed("x", "x", name="pid"))),
    _case(
        "list twice the same, with a cursor",
        _child(listed("x", "x", name="pid"), incremental_sync=cursor()),
        api=_api(kids=_dated),
        twice=True,
    ),
    _case(
        "product that comes twice, with a cursor",
        _child(
            [listed("x", "y", name="pid"), listed("1", "1", name="n")], incremental_sync=cursor()
        ),
        api=_api(kids=_dated),
        twice=True,
    ),
    _case(
        "list product",
        stream(
            "kids",
            path="/kids",
            retrieves={
                "partition_router": [
                    listed("x", "y", request_option=option("r")),
                    listed("1", "2", name="n", request_option=option("n")),
                ]
            },
        ),
    ),
    _case(
        "list values numbers",
        stream(
            "kids",
            path="/kids",
            asks={"request_parameters": {"q": "{{ stream_partition.region }}"}},
            retrieves={"partition_router": listed("1", "02", "x")},
        ),
    ),
]
_SUBSTREAMS = [
    _case("substream", _child(_SUB), streams=("kids",)),
    _case("substream and its parent", PARENTS, _child(_SUB), shared=("/parents",)),
    _case(
        "substream option",
        stream(
            "kids",
            path="/kids",
            retrieves={
                "partition_router": substream(parent(PARENTS, request_option=option("pid")))
            },
        ),
    ),
    _case("substream deep key", _child(substream(parent(PARENTS, key="n/deep")))),
    _case(
        "substream extra fields",
        _child(
            substream(parent(PARENTS, extra_fields=[["n", "deep"], ["x"]])),
            asks={
                "request_parameters": {
                    "d": "{{ stream_slice.extra_fields['n.deep'] }}",
                    "x": "{{ stream_slice.extra_fields['x'] }}",
                }
            },
        ),
    ),
    _case("substream duplicates", _child(_SUB), api=_api([{"id": "a"}, {"id": "a"}])),
    _case(
        "substream two parents",
        _child(substream(parent(PARENTS), parent(stream("others", path="/others")))),
    ),
    _case("substream times list", _child([_SUB, listed("x", "y", request_option=option("r"))])),
    _case(
        "grandchild",
        stream(
            "grand",
            path="/g/{{ stream_partition.mid }}/{{ stream_partition.parent_slice.pid }}",
            retrieves={"partition_router": substream(parent(_GRAND, field="mid"))},
        ),
        api=_api(None, lambda a: {"data": [{"id": f"m{a.path.split('/')[2]}"}]}),
    ),
    _case(
        "partition in records",
        _child(
            _SUB,
            transformations=[
                {
                    "type": "AddFields",
                    "fields": [
                        {"path": ["pid"], "value": "{{ stream_partition.pid }}"},
                        {"path": ["all"], "value": "{{ stream_slice }}"},
                    ],
                }
            ],
        ),
    ),
    _case("parent fails", _child(_SUB), api=lambda: lambda _: Reply(status=404)),
    _case(
        "parent is filtered",
        _child(
            substream(
                parent(
                    stream(
                        "parents",
                        path="/parents",
                        selects={
                            "record_filter": {
                                "type": "RecordFilter",
                                "condition": "{{ record.get('x') == 5 }}",
                            }
                        },
                    )
                )
            )
        ),
    ),
    _case(
        "a child fails",
        _child(_SUB),
        api=_api(None, lambda a: Reply(status=404) if "/b/" in a.path else {"data": [{"id": 1}]}),
    ),
    _case(
        "lazy",
        _child(
            substream(parent(PARENTS, lazy_read_pointer=["kids"])),
            at=("data",),
            retrieves={
                "paginator": {
                    "type": "DefaultPaginator",
                    "pagination_strategy": {
                        "type": "CursorPagination",
                        "cursor_value": "{{ response.next }}",
                    },
                    "page_token_option": option("c"),
                }
            },
        ),
        api=_api(
            [
                {"id": "a", "kids": {"data": [{"id": 1}], "next": "n"}},
                {"id": "b", "kids": {"data": [{"id": 2}]}},
            ]
        ),
    ),
    _case(
        "grouped",
        stream(
            "kids",
            path="/kids",
            asks={"request_parameters": {"ids": "{{ ','.join(stream_slice['pid']) }}"}},
            retrieves={
                "partition_router": {
                    "type": "GroupingPartitionRouter",
                    "group_size": 2,
                    "underlying_partition_router": substream(parent(PARENTS)),
                }
            },
        ),
        api=_api([{"id": i} for i in "abcab"]),
    ),
    _case(
        "grouped, duplicates kept",
        stream(
            "kids",
            path="/kids",
            asks={"request_parameters": {"ids": "{{ ','.join(stream_slice['pid']) }}"}},
            retrieves={
                "partition_router": {
                    "type": "GroupingPartitionRouter",
                    "group_size": 2,
                    "deduplicate": False,
                    "underlying_partition_router": substream(parent(PARENTS)),
                }
            },
        ),
        api=_api([{"id": i} for i in "abcab"]),
    ),
    _case(
        "union",
        _child(
            {
                "type": "UnionPartitionRouter",
                "partition_field": "pid",
                "partition_routers": [listed("a", "z", name="pid"), substream(parent(PARENTS))],
            }
        ),
    ),
]
_DATED = [
    _case(
        "list with cursor",
        _child(listed("a", "b", name="pid"), incremental_sync=cursor()),
        api=_api(None, _dated),
        twice=True,
    ),
    _case(
        "list with cursor and steps",
        _child(
            listed("a", "b", name="pid"),
            incremental_sync=cursor(step="P3D", cursor_granularity="P1D"),
        ),
        api=_api(None, _dated),
        twice=True,
    ),
    _case(
        "substream with cursor",
        _child(_SUB, incremental_sync=cursor()),
        api=_api(None, _dated),
        twice=True,
    ),
    _case(
        "substream duplicates with cursor",
        _child(_SUB, incremental_sync=cursor()),
        api=_api([{"id": "a"}, {"id": "a"}], _dated),
        twice=True,
    ),
    _case(
        "product with cursor",
        _child([_SUB, listed("x", "y", request_option=option("r"))], incremental_sync=cursor()),
        api=_api(None, _dated),
        twice=True,
    ),
    _case(
        "global cursor",
        _child(_SUB, incremental_sync=cursor(global_substream_cursor=True)),
        api=_api(None, _dated),
        twice=True,
    ),
    _case(
        "grouped with cursor",
        stream(
            "kids",
            path="/p/x/kids",
            asks={"request_parameters": {"ids": "{{ ','.join(stream_slice['pid']) }}"}},
            incremental_sync=cursor(),
            retrieves={
                "partition_router": {
                    "type": "GroupingPartitionRouter",
                    "group_size": 2,
                    "underlying_partition_router": substream(parent(PARENTS)),
                }
            },
        ),
        api=_api([{"id": i} for i in "abc"], _dated),
        twice=True,
    ),
    _case(
        "no records at all",
        _child(_SUB, incremental_sync=cursor()),
        api=_api(None, lambda _: {"data": []}),
        twice=True,
    ),
    _case("no parents", _child(_SUB, incremental_sync=cursor()), api=_api([]), twice=True),
    _case("a partition fails", _child(_SUB, incremental_sync=cursor()), api=_api(None, _failing)),
    _case(
        "client side per partition",
        _child(_SUB, incremental_sync=cursor(is_client_side_incremental=True)),
        api=_api(None, lambda a: {"data": [{"at": "2024-01-02"}, {"at": "2024-01-08"}]}),
        state=_partial({"a": "2024-01-05"}, "2024-01-05"),
        twice=True,
    ),
    *(
        _case(
            f"state: {name}",
            _child(_SUB, incremental_sync=cursor(lookback_window="P1D")),
            api=_api(None, _dated),
            state=state,
        )
        for name, state in {
            "one of two": _partial({"a": "2024-01-05"}, "2024-01-06"),
            "with lookback": _partial({"a": "2024-01-05"}, "2024-01-06", 200_000),
            "without global": _partial({"a": "2024-01-05"}, None),
            "gone partition": _partial({"z": "2024-01-05"}, "2024-01-05"),
            "flat": tuple(as_messages({"kids": {"at": "2024-01-05"}})),
            "global": tuple(
                as_messages(
                    {
                        "kids": {
                            "use_global_cursor": True,
                            "state": {"at": "2024-01-05"},
                            "lookback_window": 100_000,
                        }
                    }
                )
            ),
        }.items()
    ),
    _case(
        "parent with a cursor",
        _child(substream(parent(_UPDATED)), incremental_sync=cursor()),
        api=_api(_AGED, _dated),
        twice=True,
    ),
    _case(
        "incremental parent",
        _child(substream(parent(_UPDATED, incremental_dependency=True)), incremental_sync=cursor()),
        api=_api(_AGED, _dated),
        twice=True,
    ),
    _case(
        "incremental parent, both read",
        _UPDATED,
        _child(substream(parent(_UPDATED, incremental_dependency=True)), incremental_sync=cursor()),
        api=_api(_AGED, _dated),
        twice=True,
        shared=("/parents",),
    ),
    _case(
        "parent alone in a list",
        _child([substream(parent(_UPDATED))], incremental_sync=cursor()),
        api=_api(_AGED, _dated),
        twice=True,
    ),
    _case(
        "parent with a cursor, both read",
        _UPDATED,
        _child(substream(parent(_UPDATED)), incremental_sync=cursor()),
        api=_api(_AGED, _dated),
        twice=True,
        shared=("/parents",),
    ),
    _case(
        "parent state given",
        _child(substream(parent(_UPDATED, incremental_dependency=True)), incremental_sync=cursor()),
        api=_api(_AGED, _dated),
        state=_partial(
            {"a": "2024-01-05"}, "2024-01-06", parent_state={"parents": {"at": "2024-01-05"}}
        ),
    ),
]

CASES = [*_LISTS, *_SUBSTREAMS, *_DATED]
