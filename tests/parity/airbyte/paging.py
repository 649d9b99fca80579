"""Pagination: every strategy, every way to inject it, every end."""

from __future__ import annotations

from typing import Any

from tests.parity.airbyte.build import case, option, paged, paginator, rows, stream
from tests.parity.airbyte.harness import Asked, Case, Reply

_PATH = {"type": "RequestPath"}


def _page_case(name: str, total: int, into: str = "request_parameter", **strategy: Any) -> Case:
    size = strategy.get("page_size")
    made = paginator(
        {"type": "PageIncrement", **strategy},
        option("page", into),
        option("size", into) if size else None,
    )
    start = strategy.get("start_from_page", 0)

    def answer(asked: Asked) -> Reply:
        return paged(asked, total, int(size or 2), start=start)

    asks = {"http_method": "POST" if into.startswith("body") else "GET"}
    return case(
        name,
        stream(retrieves={"paginator": made}, asks=asks),
        api=lambda: answer,
        headers=("page", "size"),
    )


def _offset_case(name: str, total: int, into: str = "request_parameter", **strategy: Any) -> Case:
    size = strategy.get("page_size")
    made = paginator(
        {"type": "OffsetIncrement", **strategy},
        option("offset", into),
        option("limit", into) if size else None,
    )

    def answer(asked: Asked) -> Reply:
        found = (
            asked.params.get("offset")
            or dict(asked.headers).get("offset")
            or asked.json.get("offset")
            or 0
        )
        if into == "body_data":
            found = dict(p.split("=") for p in asked.body.split("&") if p).get("offset", 0)
        first = int(found)
        return Reply(body=rows(*range(first, min(total, first + int(size or 2)))))

    asks = {"http_method": "POST" if into.startswith("body") else "GET"}
    return case(
        name,
        stream(retrieves={"paginator": made}, asks=asks),
        api=lambda: answer,
        headers=("offset", "limit"),
    )


def _token_case(
    name: str, pages: list[Any], token: Any = None, replies: Any = None, **strategy: Any
) -> Case:
    made = paginator(
        {"type": "CursorPagination", **strategy},
        token or option("cursor"),
        option("limit") if "page_size" in strategy else None,
    )
    parts = {"replies": replies or pages}
    return case(name, stream(retrieves={"paginator": made}), **parts)


_PAGES = [
    _page_case(
        f"page {into} total {total} first {first} start {start}",
        total,
        into,
        page_size=2,
        start_from_page=start,
        inject_on_first_request=first,
    )
    for into in ("request_parameter", "header", "body_json")
    for total in (0, 3, 4)
    for first, start in ((False, 0), (True, 1))
] + [
    _page_case("page without size", 3),
    _page_case("page without size, nothing", 0),
    _page_case("page size from config", 3, page_size="2"),
]
_OFFSETS = [
    _offset_case(
        f"offset {into} total {total} first {first}",
        total,
        into,
        page_size=2,
        inject_on_first_request=first,
    )
    for into in ("request_parameter", "header", "body_json", "body_data")
    for total in (0, 1, 3, 4)
    for first in (False, True)
] + [_offset_case("offset without size", 3)]

_NEXT = "{{ response.next }}"
_CURSORS = [
    _token_case("token", [rows(1, next="a"), rows(2, next="b"), rows(3)], cursor_value=_NEXT),
    _token_case(
        "token deep",
        [rows(1, meta={"next": "a"}), rows(2, meta={})],
        cursor_value="{{ response.meta.next }}",
    ),
    _token_case(
        "token parent missing",
        [rows(1, meta={"next": "a"}), rows(2)],
        cursor_value="{{ response.meta.next }}",
    ),
    _token_case(
        "token get",
        [rows(1, meta={"next": "a"}), rows(2)],
        cursor_value="{{ response.get('meta', {}).get('next', {}) }}",
    ),
    _token_case("token null", [rows(1, next=None)], cursor_value=_NEXT),
    _token_case("token empty", [rows(1, next="")], cursor_value=_NEXT),
    _token_case("token zero", [rows(1, next=0)], cursor_value=_NEXT),
    _token_case("token false", [rows(1, next=False)], cursor_value=_NEXT),
    _token_case("token list", [rows(1, next=[])], cursor_value=_NEXT),
    _token_case("token number", [rows(1, next=7), rows(2)], cursor_value=_NEXT),
    _token_case("token padded", [rows(1, next="0012"), rows(2)], cursor_value=_NEXT),
    _token_case("token size", [rows(1, next="a"), rows(2)], cursor_value=_NEXT, page_size=5),
    _token_case(
        "token stop",
        [rows(1, next="a", more=True), rows(2, next="b", more=False)],
        cursor_value=_NEXT,
        stop_condition="{{ not response.more }}",
    ),
    _token_case(
        "token stop missing",
        [rows(1, next="a"), rows(2)],
        cursor_value=_NEXT,
        stop_condition="{{ response.gone is not defined and not response.next }}",
    ),
    _token_case(
        "last record",
        [rows(1, 2), rows(3), rows()],
        cursor_value="{{ last_record['id'] }}",
        stop_condition="{{ last_page_size == 0 }}",
    ),
    _token_case(
        "last record get",
        [rows(1, 2), rows(3), rows()],
        cursor_value="{{ last_record.id if last_record else none }}",
    ),
    _token_case(
        "last page size",
        [rows(1, 2), rows(3)],
        cursor_value="{{ last_record.id }}",
        page_size=2,
        stop_condition="{{ last_page_size < 2 }}",
    ),
    _token_case(
        "header",
        [Reply(body=rows(1), headers={"X-Next": "abc"}), rows(2)],
        cursor_value="{{ headers['X-Next'] }}",
        stop_condition="{{ 'X-Next' not in headers }}",
    ),
    _token_case(
        "link header",
        [
            Reply(body=rows(1), headers={"Link": '<https://api.test/items?p=2>; rel="next"'}),
            rows(2),
        ],
        _PATH,
        cursor_value="{{ headers['link']['next']['url'] }}",
        stop_condition="{{ 'next' not in headers['link'] }}",
    ),
    _token_case(
        "path absolute",
        [rows(1, next="https://api.test/items?p=2"), rows(2)],
        _PATH,
        cursor_value=_NEXT,
    ),
    _token_case("path relative", [rows(1, next="/items?p=2"), rows(2)], _PATH, cursor_value=_NEXT),
    _token_case("path bare", [rows(1, next="items?p=2"), rows(2)], _PATH, cursor_value=_NEXT),
    _token_case(
        "token header", [rows(1, next="a"), rows(2)], option("cursor", "header"), cursor_value=_NEXT
    ),
    _token_case(
        "templated",
        [rows(1, page=1, pages=3), rows(2, page=2, pages=3), rows(3, page=3, pages=3)],
        cursor_value="{{ response.page + 1 }}",
        stop_condition="{{ response.page >= response.pages }}",
    ),
    _token_case(
        "config stop",
        [rows(1, next="a"), rows(2)],
        cursor_value=_NEXT,
        stop_condition="{{ config.get('stop', false) }}",
    ),
    _token_case(
        "token object page",
        [rows(1, next={"a": 1}), rows(2)],
        cursor_value="{{ response.next.a }}",
        stop_condition="{{ 'next' not in response }}",
    ),
]


def _params_and_path() -> Case:
    made = paginator(
        {"type": "CursorPagination", "cursor_value": _NEXT, "page_size": 2}, _PATH, option("limit")
    )
    pages = [rows(1, next="https://api.test/items?limit=2&p=2&q=other"), rows(2)]
    asks = {
        "request_parameters": {"q": "x", "r": "y"},
        "request_headers": {
            "X-A": "{{ next_page_token['next_page_token'] if next_page_token else 'first' }}"
        },
    }
    return case(
        "path with parameters", stream(retrieves={"paginator": made}, asks=asks), replies=pages
    )


def _filtered() -> Case:
    made = paginator(
        {"type": "PageIncrement", "page_size": 2, "start_from_page": 1},
        option("page"),
        option("size"),
    )
    selects = {"record_filter": {"type": "RecordFilter", "condition": "{{ record.id > 2 }}"}}
    return case(
        "a filter does not end pages",
        stream(retrieves={"paginator": made}, selects=selects),
        replies=[rows(1, 2), rows(3, 4), rows(5)],
    )


def _filtered_last() -> Case:
    made = paginator(
        {
            "type": "CursorPagination",
            "cursor_value": "{{ last_record.id }}",
            "stop_condition": "{{ not last_record }}",
        },
        option("after"),
    )
    selects = {"record_filter": {"type": "RecordFilter", "condition": "{{ record.id % 2 == 1 }}"}}
    return case(
        "last record is a kept one",
        stream(retrieves={"paginator": made}, selects=selects),
        replies=[rows(1, 2), rows(3, 4), rows()],
    )


def _list_body() -> Case:
    made = paginator(
        {"type": "CursorPagination", "cursor_value": "{{ response['next'] }}"}, option("after")
    )
    return case(
        "first item of a list",
        stream(retrieves={"paginator": made}, at=()),
        replies=[[{"id": 1, "next": "n"}, {"id": 2}], [{"id": 3}]],
    )


def _token_in_template() -> Case:
    made = paginator({"type": "PageIncrement", "page_size": 1})
    asks = {
        "request_parameters": {
            "p": "{{ next_page_token['next_page_token'] if next_page_token else 0 }}"
        }
    }
    return case(
        "token only in a template",
        stream(retrieves={"paginator": made}, asks=asks),
        replies=[rows(1), rows(2), rows()],
    )


def _whole_token() -> Case:
    """A token that is an object, put into a body."""
    value = """{{ '{"after": "' ~ response.more ~ '"}' if response.more else '' }}"""
    made = paginator(
        {"type": "CursorPagination", "cursor_value": value},
        {"type": "RequestOption", "inject_into": "body_json", "field_path": ["variables"]},
    )
    asks = {"http_method": "POST", "request_body_json": {"query": "q"}}

    def answer(asked: Asked) -> Any:
        after = asked.json.get("variables", {}).get("after")
        return {None: rows(1, more="b"), "b": rows(2, more="c"), "c": rows(3, more=None)}[after]

    return case(
        "token that is an object",
        stream(retrieves={"paginator": made}, asks=asks),
        api=lambda: answer,
    )


def _told_links(name: str, value: str, stop: str, *links: str) -> Case:
    """What a `Link` header says of its links."""
    strategy = {"type": "CursorPagination", "cursor_value": value, "stop_condition": stop}
    replies = [Reply(body=rows(i), headers={"Link": link}) for i, link in enumerate(links)]
    made = paginator(strategy, option("cursor"))
    return case(name, stream(retrieves={"paginator": made}), replies=replies)


_LINK = '<https://api.test/items?cursor={0}>; rel="{1}"; results="{2}"; cursor="{0}"'
_LINKS = [
    _told_links(
        "link that says more",
        "{{ headers['link'].get('next', {}).get('cursor', {}) }}",
        "{{ headers['link']['next']['results'] == 'false' }}",
        _LINK.format("a", "next", "true"),
        ", ".join((_LINK.format("0", "previous", "false"), _LINK.format("b", "next", "true"))),
        _LINK.format("c", "next", "false"),
    ),
    _told_links(
        "link without a relation",
        "{{ headers['link'].get('https://api.test/more', {}).get('cursor') }}",
        "{{ 'https://api.test/more' not in headers['link'] }}",
        "<https://api.test/more>; cursor=a",
        '<https://api.test/more>; rel="next"; cursor=b',
    ),
]


def _refused(status: int, action: str) -> Case:
    made = paginator({"type": "PageIncrement", "page_size": 1}, option("page"))
    handler = {
        "type": "DefaultErrorHandler",
        "response_filters": [
            {"type": "HttpResponseFilter", "http_codes": [status], "action": action}
        ],
    }
    return case(
        f"{action} {status} ends pages",
        stream(retrieves={"paginator": made}, asks={"error_handler": handler}),
        replies=[rows(1), Reply(status=status, body=rows(9)), rows(3), rows()],
    )


def _increment_path() -> Case:
    made = paginator({"type": "PageIncrement", "page_size": 1, "start_from_page": 1}, _PATH)
    return case(
        "page number as path",
        stream(retrieves={"paginator": made}),
        api=lambda: (
            lambda a: rows(1) if a.path == "/items" else rows(2) if a.path == "/2" else rows()
        ),
    )


def _starred() -> Case:
    made = paginator({"type": "OffsetIncrement"}, option("offset"))
    return case(
        "an empty list where any item is a record",
        stream(at=("data", "*"), retrieves={"paginator": made}),
        replies=[rows(1, 2), rows(3, 4), rows(5), rows()],
    )


CASES = [
    _starred(),
    *_PAGES,
    *_OFFSETS,
    *_CURSORS,
    _params_and_path(),
    _filtered(),
    _filtered_last(),
    _list_body(),
    _whole_token(),
    *_LINKS,
    _token_in_template(),
    _refused(404, "IGNORE"),
    _refused(200, "IGNORE"),
    _refused(404, "SUCCESS"),
    _increment_path(),
]
