"""What few manifests depend on: foreign keys of a state, tokens on demand, names that fail."""

from __future__ import annotations

from typing import Any

from tests.parity.airbyte.build import case, option, paginator, rows, stream
from tests.parity.airbyte.cursors import cursor
from tests.parity.airbyte.harness import Asked, Case, Reply, as_messages
from tests.parity.airbyte.partitions import listed, parent, substream

# States that say more than their cursor does.

_DAYS = [f"2024-01-0{n}" for n in (2, 5, 8)]


def _dated(asked: Asked) -> Any:
    low = asked.params.get("since", "")
    return {"data": [{"id": f"{asked.path} {d}", "at": d, "n": 5} for d in _DAYS if d >= low]}


def _kept(name: str, state: Any, **parts: Any) -> Case:
    made = stream(**{"incremental_sync": cursor(), **parts})
    states = tuple(as_messages({"items": state}))
    return case(f"state kept, {name}", made, api=lambda: _dated, state=states, twice=True)


_REGIONS = {"partition_router": listed("a", "b", request_option=option("region"))}
_COUNT = {"type": "IncrementingCountCursor", "cursor_field": "n", "start_value": 0}
_STATES = [
    _kept("another key", {"at": "2024-01-05", "x": 1}),
    _kept("another key alone", {"x": {"deep": [1]}}),
    _kept("beside a count", {"n": 3, "x": None}, incremental_sync=_COUNT),
    _kept(
        "beside stretches",
        {
            "state_type": "date-range",
            "slices": [{"start": "2024-01-01", "end": "2024-01-05"}],
            "legacy": {"y": 2, "at": "2023-01-01"},
            "z": 1,
        },
    ),
    _kept(
        "of one partition",
        {
            "use_global_cursor": False,
            "states": [{"partition": {"region": "a"}, "cursor": {"at": "2024-01-05", "x": 1}}],
            "state": {"at": "2024-01-04", "y": 2},
            "lookback_window": 1,
            "z": 3,
        },
        retrieves=_REGIONS,
    ),
    _kept("of all partitions", {"at": "2024-01-04", "y": 2}, retrieves=_REGIONS),
    _kept(
        "of one for all",
        {"use_global_cursor": True, "state": {"at": "2024-01-04", "y": 2}, "z": 3},
        retrieves=_REGIONS,
    ),
]

# A token that is renewed because a handler says so.

_OAUTH = {
    "type": "OAuthAuthenticator",
    "client_id": "c",
    "client_secret": "s",
    "refresh_token": "r",
    "token_refresh_endpoint": "https://api.test/token",
}
_RENEW = {"type": "HttpResponseFilter", "action": "REFRESH_TOKEN_THEN_RETRY", "http_codes": [403]}


def _renewed(name: str, refused: int, auth: Any = _OAUTH, **parts: Any) -> Case:
    """A request that is refused so often, and what signs it; `parts` go to the handler."""
    handler = {"type": "DefaultErrorHandler", "response_filters": [_RENEW], **parts}
    made = stream(asks={"authenticator": auth, "error_handler": handler})

    def fresh() -> Any:
        tokens, left = iter(range(1, 9)), iter(range(refused))

        def answer(asked: Asked) -> Any:
            if asked.path == "/token":
                return {"access_token": f"a{next(tokens)}", "expires_in": 3600}
            return Reply(status=403, body={}) if next(left, None) is not None else rows(1)

        return answer

    return case(f"token on demand, {name}", made, api=fresh)


_BEARER = {"type": "BearerAuthenticator", "api_token": "t"}
_BASIC = {"type": "BasicHttpAuthenticator", "username": "u"}
_CONSTANT = {"type": "ConstantBackoffStrategy", "backoff_time_in_seconds": 7}
_TOKENS = [
    _renewed("refused once", 1),
    _renewed("refused twice", 2),
    _renewed("with a wait of its own", 1, backoff_strategies=[_CONSTANT]),
    _renewed("nothing to renew", 2, _BEARER),
    _renewed("nothing to renew, and never taken", 9, _BASIC, max_retries=2),
]

# Streams that another takes the place of, as they are and as parents.


def _standing(**full: Any) -> Any:
    """A stream that is read in full first, and by what happened from then on."""
    return {
        "type": "StateDelegatingStream",
        "name": "parents",
        "full_refresh_stream": stream("parents", path="/full", **full),
        "incremental_stream": stream("parents", path="/new", incremental_sync=cursor()),
    }


def _below(name: str, state: Any = None, *, depends: bool = True, full: Any = None, **more: Any):
    router = substream(parent(_standing(**(full or {})), incremental_dependency=depends))
    kids = stream(
        "kids",
        path="/p/{{ stream_partition.pid }}",
        retrieves={"partition_router": router},
        incremental_sync=cursor(),
    )
    states = as_messages({**({"kids": state} if state else {}), **more.pop("states", {})})
    made = {"api": lambda: _dated, "state": tuple(states), "shared": ("/full", "/new"), **more}
    return case(f"a parent that another stands in for, {name}", kids, **made)


_DONE = {"__ab_no_cursor_state_message": True}
_FOLLOWS = {"incremental_sync": cursor()}
_KNOWN = {
    "use_global_cursor": False,
    "states": [],
    "state": {"at": "2024-01-04"},
    "parent_state": {"parents": {"at": "2024-01-04"}},
}
_PLACES = [
    _below("no state", twice=True),
    _below("a state of it", _KNOWN, twice=True),
    _below("a state of it, which follows a cursor at first", _KNOWN, full=_FOLLOWS, twice=True),
    _below("a state of it, and no dependency", _KNOWN, depends=False, full=_FOLLOWS),
    *(
        _below(
            f"both read, {name}",
            state,
            full=_FOLLOWS,
            depends=depends,
            manifest={"streams": [_standing(**_FOLLOWS), *_below("", depends=depends,
                                                                 full=_FOLLOWS).manifest["streams"]]},
            states={"parents": {"at": "2024-01-06"}},
        )
        for name, state, depends in (
            ("each from its own state", _KNOWN, True),
            ("the child in full", _KNOWN, False),
            ("the child without a state", None, True),
        )
    ),
    case("another stands in for one without a cursor", _standing(), api=lambda: _dated, twice=True),
    _kept("of a stream without a cursor", {**_DONE, "at": "2024-01-05"}),
    _kept("that it was read in full", _DONE),
    case(
        "another stands in, and has no partitions",
        {
            **_standing(),
            "full_refresh_stream": stream("parents", path="/full", retrieves=_REGIONS,
                                          incremental_sync=cursor()),
        },
        api=lambda: _dated,
        twice=True,
    ),
]  # fmt: skip

# Parents that have the name of a stream, and are another one.

_OWN = stream("parents", path="/full", incremental_sync=cursor())
_NAMESAKE = [
    case(
        f"a parent that has the name of another stream, {name}",
        _OWN,
        *(
            stream(
                kids,
                path=f"/{kids}/{{{{ stream_partition.pid }}}}",
                retrieves={
                    "partition_router": substream(
                        parent(
                            stream("parents", path=path, incremental_sync=cursor()),
                            incremental_dependency=True,
                        )
                    )
                },
                incremental_sync=cursor(),
            )
            for kids, path in {"kids": "/new", "others": "/more"}.items()
        ),
        api=lambda: _dated,
        state=tuple(as_messages(states)),
        shared=("/full", "/new", "/more"),
        twice=True,
    )
    for name, states in {
        "no state": {},
        "a state of each": {"kids": _KNOWN, "others": _KNOWN, "parents": {"at": "2024-01-06"}},
    }.items()
]

# Who can help where a parent fails.

_UNREAD = [
    case(
        f"a parent that is refused with {status}",
        stream(
            "kids",
            path="/p/{{ stream_partition.pid }}",
            retrieves={"partition_router": substream(parent(stream("parents", path="/full")))},
        ),
        api=lambda status=status: lambda _: Reply(status=status, body={}),
        waits=False,
        alike=True,
    )
    for status in (403, 404)
]

# Groups whose streams would wait for one another.

_TOP = stream("top")
_LOW = stream(
    "low",
    path="/low/{{ stream_partition.pid }}",
    retrieves={"partition_router": substream(parent(_TOP))},
)
_GROUPED = [
    case(
        "a group of a parent and its child",
        _TOP,
        _LOW,
        manifest={
            "stream_groups": {
                "g": {
                    "streams": [_TOP, _LOW],
                    "action": {"type": "BlockSimultaneousSyncsAction"},
                }
            }
        },
        api=lambda: lambda asked: rows(1, 2),
        shared=("/top",),
        waits=False,
    ),
    case(
        "a count with partitions",
        stream(incremental_sync=_COUNT, retrieves=_REGIONS),
    ),
    case(
        "a token of lines",
        stream(
            retrieves={
                "decoder": {"type": "CsvDecoder"},
                "paginator": paginator(
                    {"type": "CursorPagination", "cursor_value": "{{ response.next }}"}, option("c")
                ),
            }
        ),
    ),
]

# Who asks for a token, and is nobody.


def _nameless(name: str, **parts: Any) -> Case:
    made = stream(asks={"authenticator": {**_OAUTH, **parts}})
    return case(f"token of nobody, {name}", made, api=_tokened, kinds=False, config={"id": ""})


def _tokened() -> Any:
    return lambda asked: {"access_token": "a"} if asked.path == "/token" else rows(1)


_NAMELESS = [
    _nameless("a value that is missing", client_id="{{ config['gone'] }}"),
    _nameless("an empty value", client_id="{{ config['id'] }}"),
    _nameless("nothing", client_id=""),
    _nameless("without a secret", client_secret="{{ config['gone'] }}"),
    _nameless(
        "who logs in by a header",
        client_id="{{ config['gone'] }}",
        refresh_request_headers={"Authorization": "Basic x"},
    ),
]

# Streams on a condition that looks for parameters, and params whose names are templates.


def _conditional(name: str, condition: str, **parts: Any) -> Case:
    held = {"type": "ConditionalStreams", "condition": condition, "streams": [stream("b")], **parts}
    return case(
        f"a condition of parameters, {name}",
        manifest={"streams": [stream("a"), held]},
        api=lambda: lambda asked: rows(asked.path),
    )


_GIVEN = {"$parameters": {"k": True}}
_CONDITIONS = [
    _conditional("its own", "{{ parameters['k'] }}", **_GIVEN),
    _conditional("that are missing", "{{ not parameters['k'] }}", **_GIVEN),
]


def _named(name: str, field: str, key: str) -> Case:
    return case(
        f"a name in {field}, {name}", stream(asks={field: {key: "x"}}), config={"n": 5, "w": "A"}
    )


_NAMES = [
    _named(name, field, key)
    for field in ("request_parameters", "request_headers")
    for name, key in {
        "of a value": "X-{{ config['w'] }}",
        "that is missing": "{{ config.gone }}",
        "that raises": "{{ config.gone.further }}",
        "of nothing known": "{{ unknown }}",
    }.items()
]

CASES = [
    *_STATES,
    *_TOKENS,
    *_NAMELESS,
    *_PLACES,
    *_NAMESAKE,
    *_UNREAD,
    *_GROUPED,
    *_CONDITIONS,
    *_NAMES,
]
