"""Pages that few manifests turn: odd tokens, odd sizes, odd places, odd ends."""

from __future__ import annotations

from typing import Any

from tests.parity.airbyte.build import case, option, paginator, rows, stream
from tests.parity.airbyte.cursors import cursor
from tests.parity.airbyte.harness import Asked, Case, Reply
from tests.parity.airbyte.partitions import listed

_PATH = {"type": "RequestPath"}


def _turned(name: str, made: Any, api: Any, **parts: Any) -> Case:
    more = {k: parts.pop(k) for k in ("asks", "selects", "at", "incremental_sync") if k in parts}
    retrieves = {"paginator": made, **parts.pop("retrieves", {})}
    if isinstance(api, list):
        return case(name, stream(retrieves=retrieves, **more), replies=api, **parts)
    return case(name, stream(retrieves=retrieves, **more), api=lambda: api, **parts)


def _cursor(value: str, token: Any = None, **parts: Any) -> dict[str, Any]:
    size = parts.pop("size", None)
    strategy = {"type": "CursorPagination", "cursor_value": value, **parts}
    return paginator(strategy, token or option("c"), size)


_VALUES = {
    "padded": "0012",
    "a boolean text": "true",
    "a tuple": "1,2",
    "quoted": "'x'",
    "a date": "2024-01-02",
    "with a plus": "a+b/c==",
    "spaces": "a b&c=d",
    "long digits": "12345678901234567890123",
    "negative": -1,
    "a number": 5,
    "a float number": 2.5,
    "true": True,
    "None text": "None",
    "a dict text": '{"a": 1}',
    "letters": "ü",
}
_TOKENS = [
    _turned(f"token of {name}", _cursor("{{ response.next }}"), [rows(1, next=value), rows(2)])
    for name, value in _VALUES.items()
]
_STOPS = {
    "size": ("{{ last_page_size < page_size }}", {"page_size": 2}),
    "size as a text": ("{{ last_page_size < page_size }}", {"page_size": "{{ config['size'] }}"}),
    "nothing": ("{{ last_page_size == 0 }}", {}),
    "a key that is there": ("{{ 'next' not in response }}", {}),
    "a deep key that is missing": ("{{ response.meta.done }}", {}),
    "not a key": ("{{ not response.next }}", {}),
    "a text": ("no", {}),
    "a text false": ("false", {}),
    "an empty text": ("", {}),
    "a record": ("{{ last_record and last_record.id == 3 }}", {}),
    "a header": ("{{ headers.get('X-More') != 'yes' }}", {}),
    "a slice": ("{{ stream_slice.get('region') == 'x' }}", {}),
}
_STOPPED = [
    _turned(
        f"stop by {name}",
        _cursor("{{ response.next }}", stop_condition=stop, **parts),
        [rows(1, 2, next="a"), rows(3, 4, next="b"), rows(5)],
        config={"size": 2},
    )
    for name, (stop, parts) in _STOPS.items()
]
# The API keeps the place of a scroll: its token stays, and its pages do not.
_SCROLLS = [
    _turned(
        f"scroll by {name}",
        _cursor(value, token, stop_condition="{{ not response.data }}"),
        [rows(1, 2, **held), rows(3, 4, **held), rows(5, **held), rows(**held)],
    )
    for name, value, token, held in [
        ("a field", "{{ response.get('scroll_param') }}", None, {"scroll_param": "s"}),
        ("a deep field", "{{ response['m']['scroll'] }}", None, {"m": {"scroll": "s"}}),
        ("a param", "{{ response.next }}", option("scrollId"), {"next": "s"}),
        ("a body", "{{ response.next }}", option("scroll_id", "body_json"), {"next": "s"}),
    ]
]


def _answer(total: int, size: int, start: int = 0, *, name: str = "page") -> Any:
    def answer(asked: Asked) -> Reply:
        page = int(float(asked.params.get(name, start))) - start
        return Reply(body=rows(*range(page * size, min(total, (page + 1) * size))))

    return answer


def _skipping(total: int, size: int) -> Any:
    def answer(asked: Asked) -> Reply:
        first = int(float(asked.params.get("offset", 0)))
        return Reply(body=rows(*range(first, min(total, first + size))))

    return answer


def _count(kind: str = "PageIncrement", **parts: Any) -> dict[str, Any]:
    token = "page" if kind == "PageIncrement" else "offset"
    size = option("size") if "page_size" in parts else None
    return paginator({"type": kind, **parts}, option(token), size)


_COUNTED = [
    _turned("pages fuller than asked", _count(page_size=2), _answer(7, 3)),
    _turned("pages shorter than asked", _count(page_size=5), _answer(7, 3)),
    _turned("pages from 5", _count(page_size=2, start_from_page=5), _answer(5, 2, 5)),
    _turned("page size as a text", _count(page_size="2"), _answer(3, 2)),
    _turned("page size by a template", _count(page_size="{{ config['size'] }}"), _answer(3, 2),
            config={"size": "2"}),
    _turned("page size missing in the values", _count(page_size="{{ config['size'] or 2 }}"),
            _answer(3, 2)),
    _turned("offset fuller than asked", _count("OffsetIncrement", page_size=2), _skipping(7, 3)),
    _turned("offset shorter than asked", _count("OffsetIncrement", page_size=5), _skipping(7, 3)),
    _turned("offset by the answer", paginator({
        "type": "OffsetIncrement", "page_size": "{{ response.size }}"}, option("offset")),
        lambda a: {**_skipping(5, 2)(a).body, "size": 2}),
    _turned("offset as a path", paginator(
        {"type": "OffsetIncrement", "page_size": 2}, _PATH), [rows(1, 2), rows(3)]),
    _turned("an object for a page", _count(page_size=1), [{"data": {"id": 1}}, {"data": {}}]),
    _turned("pages of filtered records", _count(page_size=2), _answer(5, 2), selects={
        "record_filter": {"type": "RecordFilter", "condition": "{{ record.id == 0 }}"}}),
    _turned("pages of expanded records", _count(page_size=2), [
        {"data": [{"items": [{"i": 1}, {"i": 2}, {"i": 3}]}]}, {"data": []}],
        selects={"extractor": {
            "type": "DpathExtractor", "field_path": ["data"],
            "record_expander": {"type": "RecordExpander",
                                "expand_records_from_field": ["items"]}}}),
    _turned("pages of a list", _count(page_size=2), [[{"id": 1}, {"id": 2}], [{"id": 3}]], at=()),
    _turned("pages that end with 204", _count(page_size=2), [rows(1, 2), Reply(status=204,
                                                                              body="")]),
    _turned("pages that end with 404", _count(page_size=2), [rows(1, 2), Reply(status=404)],
            asks={"error_handler": {"type": "DefaultErrorHandler", "response_filters": [
                {"type": "HttpResponseFilter", "action": "IGNORE", "http_codes": [404]}]}}),
    _turned("pages without a place for them", {
        "type": "DefaultPaginator",
        "pagination_strategy": {"type": "PageIncrement", "page_size": 2}},
        [rows(1, 2), rows(3)], asks={"request_parameters": {
            "p": "{{ next_page_token['next_page_token'] if next_page_token else 0 }}"}}),
    _turned("the token by get", {
        "type": "DefaultPaginator",
        "pagination_strategy": {"type": "PageIncrement", "page_size": 2}},
        [rows(1, 2), rows(3)], asks={"request_parameters": {
            "p": "{{ (next_page_token or {}).get('next_page_token', 1) }}"}}),
    _turned("the token in the path", {
        "type": "DefaultPaginator",
        "pagination_strategy": {"type": "CursorPagination", "cursor_value": "{{ response.next }}"}},
        lambda a: rows(a.path, next="b" if a.path.endswith("first") else None),
        asks={"path": "/items/{{ next_page_token['next_page_token'] or 'first' }}"}),
    _turned("the token in a body", {
        "type": "DefaultPaginator",
        "pagination_strategy": {"type": "CursorPagination", "cursor_value": "{{ response.next }}"}},
        [rows(1, next="b"), rows(2)],
        asks={"http_method": "POST", "request_body_json": {
            "after": "{{ next_page_token['next_page_token'] }}", "x": 1}}),
    _turned("the token in a text", {
        "type": "DefaultPaginator",
        "pagination_strategy": {"type": "CursorPagination", "cursor_value": "{{ response.next }}"}},
        [rows(1, next="b"), rows(2)],
        asks={"http_method": "POST", "request_body_json": {
            "query": "{ a(after: \"{{ next_page_token['next_page_token'] }}\") }"}}),
    _turned("a size in the body at a path", paginator(
        {"type": "OffsetIncrement", "page_size": 2},
        {"type": "RequestOption", "inject_into": "body_json", "field_path": ["p", "offset"]},
        {"type": "RequestOption", "inject_into": "body_json", "field_path": ["p", "limit"]}),
        [rows(1, 2), rows(3)], asks={"http_method": "POST"}),
    _turned("a template for a name", paginator(
        {"type": "PageIncrement", "page_size": 2}, option("{{ config['n'] }}")),
        [rows(1, 2), rows(3)], config={"n": "seite"}),
]  # fmt: skip

_LINKED = [
    _turned("a link with parameters of its own",
            _cursor("{{ response.next }}", _PATH, page_size=2, size=option("size")),
            [rows(1, next="https://api.test/items?page=2&size=2&sort=x"), rows(2)],
            asks={"request_parameters": {"sort": "y", "f": "1"}}),
    _turned("a link with the same parameters",
            _cursor("{{ response.next }}", _PATH, page_size=2, size=option("size")),
            [rows(1, next="https://api.test/items?page=2&size=2&sort=y"), rows(2)],
            asks={"request_parameters": {"sort": "y"}}),
    _turned("a link that is encoded", _cursor("{{ response.next }}", _PATH),
            [rows(1, next="https://api.test/items?after=a%2Bb%3D%3D&x=1%2C2"), rows(2)]),
    _turned("a link that is a path", _cursor("{{ response.next }}", _PATH),
            [rows(1, next="/items?page=2"), rows(2)]),
    _turned("a link that is a query", _cursor("{{ response.next }}", _PATH),
            [rows(1, next="?page=2"), rows(2)]),
    _turned("a link without a slash", _cursor("{{ response.next }}", _PATH),
            [rows(1, next="items?page=2"), rows(2)]),
    _turned("a link by urljoin", _cursor("{{ 'items?page=' ~ response.n }}", _PATH,
                                          stop_condition="{{ not response.n }}"),
            [rows(1, n=2), rows(2)]),
    _turned("a link with a cursor's parameters", _cursor("{{ response.next }}", _PATH),
            [rows(1, next="https://api.test/items?page=2&since=2024-01-01"), rows(2)],
            incremental_sync=cursor()),
    _turned("a link with a cursor's parameters once", _cursor("{{ response.next }}", _PATH),
            [rows(1, next="https://api.test/items?page=2"), rows(2)],
            incremental_sync=cursor(),
            retrieves={"ignore_stream_slicer_parameters_on_paginated_requests": True}),
    _turned("a token with a cursor's parameters once", _cursor("{{ response.next }}"),
            [rows(1, next="b"), rows(2)], incremental_sync=cursor(),
            retrieves={"ignore_stream_slicer_parameters_on_paginated_requests": True}),
    _turned("pages with a partition's parameters once",
            _count(page_size=1), [rows(1), rows()], retrieves={
                "ignore_stream_slicer_parameters_on_paginated_requests": True,
                "partition_router": listed("x", request_option=option("region"))}),
    _turned("a token by the slice", _cursor(
        "{{ stream_slice['region'] ~ response.next if response.next }}"),
        [rows(1, next="b"), rows(2)],
        retrieves={"partition_router": listed("x")}),
    _turned("a token by the interval", _cursor(
        "{{ stream_interval['end_time'] if last_page_size == 2 }}"),
        [rows(1, 2), rows(2)], incremental_sync=cursor()),
    _turned("a token by the last record, of none", _cursor("{{ last_record['id'] }}"),
            [rows(1), rows()]),
    _turned("a token by the last record, deep", _cursor("{{ last_record.a.b }}"),
            [{"data": [{"a": {"b": 4}}]}, rows()]),
    _turned("a token by the answer of XML", _cursor("{{ response['r'].get('next') }}"),
            [Reply(body=b"<r><i><id>1</id></i><next>b</next></r>"),
             Reply(body=b"<r><i><id>2</id></i></r>")], at=("r", "i"),
            retrieves={"decoder": {"type": "XmlDecoder"}}),
    _turned("a token by a header", _cursor("{{ headers['X-Next'] }}"),
            [Reply(body=rows(1), headers={"X-Next": "b"}), Reply(body=rows(2))]),
    _turned("a link of several", _cursor("{{ headers['link']['next']['url'] }}", _PATH),
            [Reply(body=rows(1), headers={"Link": '<https://api.test/items?p=0>; rel="prev", '
                                          '<https://api.test/items?p=2>; rel="next"'}),
             Reply(body=rows(2))]),
    _turned("a link by get", _cursor("{{ headers.get('link', {}).get('next', {}).get('url') }}",
                                     _PATH),
            [Reply(body=rows(1), headers={"Link": "<https://api.test/items?p=2>; rel=next"}),
             Reply(body=rows(2))]),
    _turned("a token beside a list", _cursor("{{ response[0]['next'] }}"),
            [[{"id": 1, "next": "b"}], [{"id": 2}]], at=()),
    _turned("a token of a calculation", _cursor("{{ response.page + 1 if response.page < 2 }}"),
            [rows(1, page=1), rows(2, page=2)]),
    _turned("a token of a calculation of texts", _cursor(
        "{{ response.page | int + 1 if response.page | int < 2 else '' }}"),
        [rows(1, page="1"), rows(2, page="2")]),
    _turned("a token of the number of records", _cursor(
        "{{ response.offset + last_page_size if last_page_size else None }}"),
        [rows(1, 2, offset=0), rows(offset=2)]),
    _turned("a token by a regular expression", _cursor(
        "{{ response.next | regex_search('page=([0-9]+)') }}"),
        [rows(1, next="x?page=2&y"), rows(2, next="")]),
    _turned("a token of an object of a list", _cursor(
        "{{ (response.links | selectattr('rel', 'equalto', 'next') | first).href }}",
        stop_condition="{{ not (response.links | selectattr('rel', 'equalto', 'next') | list) }}"),
        [rows(1, links=[{"rel": "self", "href": "a"}, {"rel": "next", "href": "b"}]),
         rows(2, links=[])]),
    _turned("a token after records that are no list", _cursor("{{ response.next }}"),
            [{"data": {"id": 1}, "next": "b"}, {"data": None}]),
    _turned("a token where nothing is found", _cursor("{{ response.next }}"),
            [{"next": "b"}, {"data": [{"id": 1}]}]),
    _turned("a token, and a size that is a text", _cursor(
        "{{ response.next }}", page_size="{{ config['size'] }}", size=option("size")),
        [rows(1, next="b"), rows(2)], config={"size": "50"}),
    _turned("a token in a header", _cursor("{{ response.next }}", option("X-After", "header")),
            [rows(1, next=7), rows(2)], headers=("x-after",)),
    _turned("a token in a form", _cursor("{{ response.next }}", option("after", "body_data")),
            [rows(1, next="b"), rows(2)], asks={"http_method": "POST"}),
]  # fmt: skip


def _fed(name: str, state: str | None, **parts: Any) -> Case:
    """Pages of records, the newest first."""
    from tests.parity.airbyte.harness import as_messages  # noqa: PLC0415 (needed here only)

    days = ["2024-01-09", "2024-01-08", "2024-01-05", "2024-01-04", "2024-01-02", "2024-01-01"]

    def answer(asked: Asked) -> Reply:
        found = [int(v) for k, v in asked.query if k in {"page", "offset"}]
        first = (found or [0])[0] * (2 if "page" in asked.params else 1)
        return Reply(body={"data": [{"at": d} for d in days[first : first + 2]]})

    return case(
        name,
        stream(
            incremental_sync=cursor(is_data_feed=True, **parts),
            retrieves={"paginator": _count("OffsetIncrement", page_size=2)},
        ),
        api=lambda: answer,
        state=tuple(as_messages({"items": {"at": state}})) if state else (),
        twice=True,
    )


_FEEDS = [
    _fed("feed by offset", None),
    _fed("feed by offset, from a state", "2024-01-05"),
    _fed("feed by offset, from a state, with a lookback", "2024-01-08", lookback_window="P4D"),
    _fed("feed by offset, from its newest", "2024-01-09"),
    _fed("feed by offset, with an end", "2024-01-02", end_datetime="2024-01-06"),
]


def _split(name: str, reset: dict[str, Any], **parts: Any) -> Case:
    days = [f"2024-01-0{d}" for d in (1, 2, 3, 4, 5, 6, 7)]

    def answer(asked: Asked) -> Reply:
        low = asked.params.get("since", "")
        left = [d for d in days if d >= low]
        first = int(asked.params.get("offset", 0))
        return Reply(body={"data": [{"at": d} for d in left[first : first + 2]]})

    return case(
        name,
        stream(
            incremental_sync=cursor(**parts),
            retrieves={
                "paginator": _count("OffsetIncrement", page_size=2),
                "pagination_reset": {"type": "PaginationReset", **reset},
            },
        ),
        api=lambda: answer,
        twice=True,
    )


_MANY = {"type": "PaginationResetLimits", "number_of_records": 4}
_SPLITS = [
    _split("split by the cursor after four", {"action": "SPLIT_USING_CURSOR", "limits": _MANY}),
    _split(
        "split by the cursor within windows",
        {"action": "SPLIT_USING_CURSOR", "limits": _MANY},
        step="P5D",
        cursor_granularity="P1D",
    ),
]

CASES = [*_TOKENS, *_STOPPED, *_SCROLLS, *_COUNTED, *_LINKED, *_FEEDS, *_SPLITS]
