"""Error handlers: what an answer means, how often it is asked again, and how long is waited."""

from __future__ import annotations

from typing import Any

from tests.parity.airbyte.build import case, option, paginator, rows, stream
from tests.parity.airbyte.harness import Case, Reply

_ALL = (400, 401, 403, 404, 405, 408, 409, 410, 418, 422, 429, 500, 501, 502, 503, 504)


def _filter(action: str | None = None, **parts: Any) -> dict[str, Any]:
    return {"type": "HttpResponseFilter", **({"action": action} if action else {}), **parts}


def _handler(*filters: Any, **parts: Any) -> dict[str, Any]:
    return {"type": "DefaultErrorHandler", "response_filters": list(filters), **parts}


def _composite(*handlers: Any) -> dict[str, Any]:
    return {"type": "CompositeErrorHandler", "error_handlers": list(handlers)}


def _case(name: str, handler: Any, *replies: Any, **parts: Any) -> Case:
    asks = {"error_handler": handler} if handler else {}
    return case(name, stream(asks=asks), replies=list(replies), **parts)


def _bad(status: int, body: Any = None, **headers: str) -> Reply:
    return Reply(status=status, body=body if body is not None else {"error": "no"}, headers=headers)


_DEFAULTS = [_case(f"status {s}, then well", None, _bad(s), rows(1)) for s in _ALL]
_ACTIONS = [
    _case(
        f"{action} on {status}",
        _handler(_filter(action, http_codes=[status])),
        _bad(status, {"data": [{"id": 9}]}),
        rows(1),
    )
    for action in ("SUCCESS", "FAIL", "RETRY", "IGNORE", "RATE_LIMITED")
    for status in (200, 400, 404, 429, 500)
    if not (action in {"RETRY", "RATE_LIMITED"} and status == 200)
]
_BLAMED = [
    _case(
        f"{action} as {kind} on {status}",
        _handler(_filter(action, http_codes=[status], failure_type=kind)),
        _bad(status),
    )
    for kind in ("config_error", "transient_error", "system_error")
    for action, status in (("FAIL", 401), ("FAIL", 503), ("RETRY", 500))
]
_BACKOFFS = {
    "constant": [{"type": "ConstantBackoffStrategy", "backoff_time_in_seconds": 7}],
    "constant config": [
        {"type": "ConstantBackoffStrategy", "backoff_time_in_seconds": "{{ config['wait'] }}"}
    ],
    "exponential": [{"type": "ExponentialBackoffStrategy"}],
    "exponential 3": [{"type": "ExponentialBackoffStrategy", "factor": 3}],
    "header": [{"type": "WaitTimeFromHeader", "header": "Retry-After"}],
    "header regex": [{"type": "WaitTimeFromHeader", "header": "X-Wait", "regex": "\\d+"}],
    "header regex in the middle": [
        {"type": "WaitTimeFromHeader", "header": "X-Say", "regex": ".*?(\\d+)"}
    ],
    "header capped": [
        {"type": "WaitTimeFromHeader", "header": "Retry-After", "max_waiting_time_in_seconds": 5}
    ],
    "header absent": [{"type": "WaitTimeFromHeader", "header": "X-None"}],
    "header, then constant": [
        {"type": "WaitTimeFromHeader", "header": "X-None"},
        {"type": "ConstantBackoffStrategy", "backoff_time_in_seconds": 3},
    ],
    "response": [{"type": "WaitTimeFromResponse", "wait_time_in_seconds": "{{ response.wait }}"}],
}
_WAITS = [
    _case(
        f"backoff {name} on {status}",
        {"type": "DefaultErrorHandler", "backoff_strategies": strategies},
        *[_bad(status, {"wait": 9}, **{"Retry-After": "12", "X-Wait": "33", "X-Say": "wait 12s"})]
        * 2,
        rows(1),
        config={"wait": 4},
    )
    for name, strategies in _BACKOFFS.items()
    for status in (429, 503)
]
_MORE = [
    _case("retried in vain", None, _bad(500)),
    _case("rate limited in vain", None, _bad(429)),
    _case("two retries", {"type": "DefaultErrorHandler", "max_retries": 2}, _bad(500)),
    _case("no retries", {"type": "DefaultErrorHandler", "max_retries": 0}, _bad(500), rows(1)),
    _case(
        "retries from config",
        {"type": "DefaultErrorHandler", "max_retries": "{{ config['n'] }}"},
        _bad(500),
        config={"n": 1},
    ),
    _case(
        "message contains",
        _handler(_filter("IGNORE", error_message_contains="gone")),
        _bad(400, {"message": "it is gone"}),
    ),
    _case(
        "message contains, not",
        _handler(_filter("IGNORE", error_message_contains="gone")),
        _bad(400, {"message": "it is here", "x": "gone"}),
    ),
    _case(
        "message in errors",
        _handler(_filter("IGNORE", error_message_contains="gone")),
        _bad(400, {"errors": [{"message": "gone"}]}),
    ),
    _case(
        "message text",
        _handler(_filter("IGNORE", error_message_contains="gone")),
        _bad(400, "plain gone"),
    ),
    _case(
        "predicate",
        _handler(_filter("IGNORE", predicate="{{ response.code == 7 }}")),
        _bad(400, {"code": 7}),
    ),
    _case(
        "predicate list",
        _handler(_filter("IGNORE", predicate="{{ response[0].code == 7 }}")),
        _bad(400, [{"code": 7}]),
    ),
    _case(
        "predicate header",
        _handler(_filter("RETRY", predicate="{{ headers['X-Again'] == 'yes' }}")),
        _bad(400, None, **{"X-Again": "yes"}),
        rows(1),
    ),
    _case(
        "predicate on 200",
        _handler(_filter("FAIL", predicate="{{ 'error' in response }}")),
        {"error": "x", "data": []},
    ),
    _case(
        "predicate ignores 200",
        _handler(_filter("IGNORE", predicate="{{ 'error' in response }}")),
        {"error": "x", "data": [{"id": 4}]},
    ),
    _case(
        "predicate retries 200",
        _handler(_filter("RETRY", predicate="{{ response.busy }}")),
        {"busy": True, "data": []},
        rows(1),
    ),
    _case(
        "any of two",
        _handler(_filter("IGNORE", http_codes=[418], error_message_contains="gone")),
        _bad(400, {"message": "gone"}),
    ),
    _case(
        "first match",
        _handler(_filter("IGNORE", http_codes=[400]), _filter("FAIL", http_codes=[400])),
        _bad(400),
    ),
    _case(
        "error message",
        _handler(_filter("FAIL", http_codes=[400], error_message="bad {{ response.code }}")),
        _bad(400, {"code": 7}),
    ),
    _case(
        "composite ignore first",
        _composite(
            _handler(_filter("IGNORE", http_codes=[400])),
            _handler(_filter("FAIL", http_codes=[400])),
        ),
        _bad(400),
    ),
    _case(
        "composite fail does not stop",
        _composite(_handler(_filter("FAIL", http_codes=[500])), {"type": "DefaultErrorHandler"}),
        _bad(500),
        rows(1),
    ),
    _case(
        "composite limited does not stop",
        _composite(
            _handler(_filter("RATE_LIMITED", http_codes=[400])), {"type": "DefaultErrorHandler"}
        ),
        _bad(400),
        rows(1),
    ),
    _case(
        "composite second",
        _composite(
            _handler(_filter("RETRY", http_codes=[418])),
            _handler(_filter("IGNORE", http_codes=[404])),
        ),
        _bad(404),
    ),
    _case(
        "composite ok ends",
        _composite(
            _handler(_filter("IGNORE", http_codes=[400])),
            _handler(_filter("FAIL", predicate="{{ 'error' in response }}")),
        ),
        {"error": 1, "data": [{"id": 1}]},
    ),
    _case(
        "composite backoffs",
        _composite(
            _handler(_filter("RETRY", http_codes=[400]), backoff_strategies=_BACKOFFS["constant"]),
            {"type": "DefaultErrorHandler"},
        ),
        _bad(400),
        rows(1),
    ),
    _case(
        "composite retries",
        _composite(
            {"type": "DefaultErrorHandler", "max_retries": 1},
            {"type": "DefaultErrorHandler", "max_retries": 4},
        ),
        _bad(500),
    ),
    _case("cut connection", None, Reply(cut=True), rows(1)),
]


def _shrinking(name: str, replies: list[Any], **parts: Any) -> Case:
    made = paginator({"type": "OffsetIncrement", "page_size": 8}, option("offset"), option("limit"))
    handler = _handler(_filter("REDUCE_PAGE_SIZE", http_codes=[400]))
    reduces = {"type": "PageSizeReduction", **parts}
    made_stream = stream(
        asks={"error_handler": handler},
        retrieves={"paginator": made, "page_size_reduction": reduces},
    )
    return case(name, made_stream, replies=replies)


def _resetting(name: str, replies: list[Any], reset: dict[str, Any], **parts: Any) -> Case:
    made = paginator({"type": "PageIncrement", "page_size": 2}, option("page"))
    handler = _handler(_filter("RESET_PAGINATION", http_codes=[400]))
    return case(
        name,
        stream(
            asks={"error_handler": handler},
            retrieves={"paginator": made, "pagination_reset": {"type": "PaginationReset", **reset}},
            **parts,
        ),
        replies=replies,
    )


def _splitting(name: str, api: Any, **parts: Any) -> Case:
    from tests.parity.airbyte.cursors import cursor  # noqa: PLC0415 (needed here only)

    handler = _handler(_filter("SPLIT_REQUEST_WINDOW", http_codes=[400]))
    splits = {"type": "RequestWindowSplitting", **parts}
    made = stream(
        asks={"error_handler": handler},
        incremental_sync=cursor(step="P10D", cursor_granularity="P1D"),
        retrieves={"request_window_splitting": splits},
    )
    return case(name, made, api=lambda: api)


def _narrow(days: int) -> Any:
    def answer(asked: Any) -> Any:
        first, last = (int(asked.params[k][-2:]) for k in ("since", "until"))
        if last - first >= days:
            return Reply(status=400, body={})
        return {"data": [{"at": f"2024-01-{d:02}"} for d in range(first, last + 1)]}

    return answer


_EIGHT, _FOUR = rows(*range(8)), rows(*range(4))
_RECOVERIES = [
    _shrinking("smaller pages", [Reply(status=400, body={}), _FOUR, rows(4, 5)]),
    _shrinking("smaller pages twice", [Reply(status=400, body={})] * 2 + [rows(0, 1), rows(2)]),
    _shrinking("smaller pages in vain", [Reply(status=400, body={})]),
    _shrinking(
        "smaller pages, then whole",
        [Reply(status=400, body={}), _FOUR, rows(4)],
        reset_policy="AFTER_SUCCESSFUL_PAGE",
    ),
    _shrinking(
        "smallest page",
        [Reply(status=400, body={})],
        minimum_page_size=4,
        retries_at_minimum_page_size=2,
    ),
    _resetting(
        "reset", [rows(1, 2), Reply(status=400, body={}), rows(1, 2), rows(3)], {"action": "RESET"}
    ),
    _resetting("reset twice", [rows(1, 2), Reply(status=400, body={})], {"action": "RESET"}),
    _splitting("windows halved", _narrow(4)),
    _splitting("windows halved to the end", _narrow(0)),
    _splitting("windows halved to a minimum", _narrow(2), min_split_window="P3D"),
]

CASES = [*_DEFAULTS, *_ACTIONS, *_WAITS, *_MORE, *_RECOVERIES, *_BLAMED]
