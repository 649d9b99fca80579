"""Paginators of the dialect, with every parameter and stop rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from penstock.dialects.dlt.called import pages_of
from penstock.dialects.dlt.context import Context, nearest
from penstock.dialects.dlt.paths import First, check_jsonpath, steps
from penstock.dialects.dlt.repairs import PAGINATOR_NAMES, entries, is_link, pairs, quoted, word
from penstock.dialects.document import Node
from penstock.dialects.repairing.edits import Beside, Edit, Rename, Rewrite
from penstock.plan.expr import Const, Converted, Expr, Ref, Scope, Step
from penstock.plan.pagination import (
    Counter,
    Detect,
    NextLink,
    NextToken,
    PageSize,
    Pagination,
    SinglePage,
    Stop,
)
from penstock.plan.request import Slot

_Entries = Mapping[str, Node]

_SIZE = ("limit", "limit_param", "limit_body_path")
_RANGE = ("total_path", "stop_after_empty_page", "has_more_path", *_SIZE)
_KEYS = {
    "single_page": _SIZE,
    "auto": _SIZE,
    "json_link": ("next_url_path", *_SIZE),
    "json_response": ("next_url_path", *_SIZE),
    "header_link": ("links_next_key", *_SIZE),
    "header_cursor": ("cursor_key", "cursor_param", "cursor_body_path", *_SIZE),
    "cursor": (
        "cursor_path",
        "cursor_param",
        "cursor_body_path",
        "stop_after_empty_page",
        "has_more_path",
        *_SIZE,
    ),
    "offset": ("offset", "offset_param", "offset_body_path", "maximum_offset", *_RANGE),
    "page_number": ("base_page", "page", "page_param", "page_body_path", "maximum_page", *_RANGE),
}
_SIZES = {
    "page_size": "limit",
    "per_page": "limit",
    "size": "limit",
    "page_size_param": "limit_param",
    "per_page_param": "limit_param",
    "size_param": "limit_param",
}
_NEXT_URLS = ("next_url", "next_path", "next_link_path", "next_link", "cursor_path", "next")
_RENAMES = {
    "json_link": dict.fromkeys(_NEXT_URLS, "next_url_path"),
    "header_link": {"next_key": "links_next_key", "rel": "links_next_key"},
    "header_cursor": {"param": "cursor_param"},
    "cursor": {"next_cursor_path": "cursor_path", "next_token_path": "cursor_path",
               "param": "cursor_param", "token_param": "cursor_param"},
    "offset": {"initial_offset": "offset", "start": "offset", "param": "offset_param",
               "total": "total_path"},
    "page_number": {"start_page": "base_page", "first_page": "base_page", "start": "base_page",
                    "initial_page": "base_page", "param": "page_param",
                    "total_pages_path": "total_path"},
}  # fmt: skip


def pagination(ctx: Context, node: Node | None) -> Pagination:
    """The pagination of an endpoint."""
    if node is None or node.value is None:
        return Detect()
    if isinstance(node.value, str):
        kind = word(ctx, node, PAGINATOR_NAMES, _KEYS)
        return _built(ctx, kind, node, {})
    own = pages_of(ctx, node)
    if own is not None:
        return own
    if not ctx.mapping(node):
        return Detect()
    said = node.get("type")
    kind = "auto" if said is None else word(ctx, said, PAGINATOR_NAMES, _KEYS)
    if kind not in _KEYS:
        return _built(ctx, kind, said or node, {})
    renames = {**_RENAMES.get(kind, {}), **_SIZES}
    what = f"{'an' if kind[0] in 'ao' else 'a'} {kind} paginator"
    held = entries(ctx, node, (*_KEYS[kind], "type"), renames, what)
    return _built(ctx, kind, node, held)


def _built(ctx: Context, kind: str | None, node: Node, held: _Entries) -> Pagination:
    if kind in _BUILDERS:
        return _BUILDERS[kind](ctx, node, held)
    if kind is not None:
        hint = nearest(kind, _BUILDERS)
        ctx.error("unknown-value", f"there is no paginator {kind!r}", node, hint)
        node.mark()
    return Detect()


# The parts that several kinds share.


def answer_value(
    ctx: Context, node: Node | None, default: str, *, optional: bool
) -> Ref | Converted:
    """The value at a path of the answer: of a JSONPath that says more than keys, the first one."""
    text = ctx.text(node, default) or default
    found = steps(text)
    if found is None and node is not None:
        problem = check_jsonpath(text)
        if problem is not None:
            ctx.error("bad-jsonpath", f"{text!r} is not a JSONPath: {problem}", node)
        else:
            whole = Ref(at=Scope.PAGE, path=("response",))
            return Converted(value=whole, function=First(text=text, needed=not optional), name=text)
    return Ref(at=Scope.PAGE, path=("response", *(found or ())), optional=optional)


def _into(ctx: Context, held: _Entries, param: str, body: str, default: str) -> Slot:
    """Where a value of the request goes: a query param, or a path of the JSON body."""
    in_query, in_body = held.get(param), held.get(body)
    if in_query is not None and in_query.value and in_body is not None and in_body.value:
        message = f"{param} and {body} exclude each other"
        ctx.error("conflict", message, in_body, "keep one of them", key=True)
    path = ctx.text(in_body)
    if path:
        return Slot(place="json", path=tuple(path.split(".")))
    return Slot(place="query", path=(ctx.text(in_query, default) or default,))


def _size(ctx: Context, held: _Entries, *, native: bool = False) -> PageSize | None:
    """The page size. Where dlt knows none, one that says no more is sent as `limit`."""
    limit = held.get("limit")
    if limit is None or limit.value is None:
        return None
    ctx.whole(limit, least=1)
    if not native and "limit_param" not in held and "limit_body_path" not in held:
        message = "the page size is sent as 'limit'"
        hint, edit = (
            f"add {pairs(limit_param='limit')}",
            Beside(node=limit, name="limit_param", value="limit"),
        )
        ctx.warn("page-size", message, limit, hint, key=True, edits=(edit,))
    into = _into(ctx, held, "limit_param", "limit_body_path", "limit")
    return PageSize(value=ctx.expr(limit), into=into)


def _more(ctx: Context, held: _Entries) -> Expr | None:
    node = held.get("has_more_path")
    if node is None or not node.value:
        return None
    return answer_value(ctx, node, "has_more", optional=False)


def _stop(
    ctx: Context,
    node: Node,
    held: _Entries,
    *,
    total: Expr | None,
    unit: Literal["records", "pages"],
) -> Stop:
    """When a counted pagination ends; one that never would is diagnosed."""
    empty = ctx.flag(held.get("stop_after_empty_page"), default=True)
    more = _more(ctx, held)
    maximum = "maximum_page" if unit == "pages" else "maximum_offset"
    limit = ctx.whole(held.get(maximum))
    if not empty and more is None and limit is None and total is None:
        hint = f"give one of: {maximum}, total_path, has_more_path, stop_after_empty_page"
        ctx.error("no-end", "nothing ends this pagination", node, hint)
    return Stop(empty=empty, short="proven", more=more, total=total, total_unit=unit, maximum=limit)


# The kinds.


def _single(ctx: Context, node: Node, held: _Entries) -> Pagination:
    del node
    return SinglePage(size=_size(ctx, held))


def _auto(ctx: Context, node: Node, held: _Entries) -> Pagination:
    del node
    return Detect(size=_size(ctx, held))


def _json_link(ctx: Context, node: Node, held: _Entries) -> Pagination:
    del node
    link = answer_value(ctx, held.get("next_url_path"), "next", optional=True)
    return NextLink(link=link, size=_size(ctx, held))


def _header_link(ctx: Context, node: Node, held: _Entries) -> Pagination:
    del node
    rel = ctx.text(held.get("links_next_key"), "next") or "next"
    return NextLink(link=_page_ref("links", rel), size=_size(ctx, held))


def _header_cursor(ctx: Context, node: Node, held: _Entries) -> Pagination:
    del node
    name = ctx.text(held.get("cursor_key"), "next") or "next"
    into = _into(ctx, held, "cursor_param", "cursor_body_path", "cursor")
    return NextToken(token=_page_ref("headers", name.lower()), into=into, size=_size(ctx, held))


def _page_ref(*path: Step) -> Ref:
    return Ref(at=Scope.PAGE, path=path, optional=True)


def _cursor(ctx: Context, node: Node, held: _Entries) -> Pagination:
    kind = node.mapping.get("type")
    path = held.get("cursor_path")
    token = answer_value(ctx, path, "cursors.next", optional=True)
    stop = Stop(
        empty=ctx.flag(held.get("stop_after_empty_page"), default=False), more=_more(ctx, held)
    )
    named = "cursor_param" in held or "cursor_body_path" in held
    if path is not None and not named and isinstance(token, Ref) and is_link(token.path[1:]):
        message = f"{path.plain()!r} is the place of a link, which is followed"
        hint = pairs(type="json_link", next_url_path=path.plain())
        edits: tuple[Edit, ...] = (Rename(node=path, name="next_url_path"),)
        if kind is not None:
            edits = (Rewrite(node=kind, value="json_link"), *edits)
        ctx.warn("link-as-cursor", message, path, f"write {hint}", edits=edits)
        return NextLink(link=token, size=_size(ctx, held), stop=stop)
    into = _into(ctx, held, "cursor_param", "cursor_body_path", "cursor")
    # What a search goes on after is a list, in the body, in some APIs.
    whole = into.place == "json"
    return NextToken(token=token, into=into, whole=whole, size=_size(ctx, held), stop=stop)


def _offset(ctx: Context, node: Node, held: _Entries) -> Pagination:
    if held.get("limit") is None:
        hint = f"write {pairs(type='offset', limit=100)}"
        ctx.missing(node, "limit", "an offset paginator", hint)
    total = held.get("total_path")
    says_none = total is not None and not total.value
    claimed = None if says_none else answer_value(ctx, total, "total", optional=total is None)
    start = held.get("offset")
    return Counter(
        unit="offset",
        into=_into(ctx, held, "offset_param", "offset_body_path", "offset"),
        start=_start(ctx, start, 0),
        size=_size(ctx, held, native=True),
        stop=_stop(ctx, node, held, total=claimed, unit="records"),
        wholes=True,
    )


def _page_number(ctx: Context, node: Node, held: _Entries) -> Pagination:
    total = held.get("total_path")
    claimed = None
    if total.value if total is not None else _ends_by_total(ctx, held):
        claimed = answer_value(ctx, total, "total", optional=False)
    base, page = held.get("base_page"), held.get("page")
    begins = page is not None and page.value is not None
    assumed = _assumed_first(ctx, held)
    return Counter(
        unit="page",
        into=_into(ctx, held, "page_param", "page_body_path", "page"),
        start=_start(ctx, page if begins else base, assumed or 0),
        doubt=answer_value(ctx, None, "total", optional=True) if assumed else None,
        base=_start(ctx, base, 0) if begins else None,
        size=_size(ctx, held),
        stop=_stop(ctx, node, held, total=claimed, unit="pages"),
    )


def _ends_by_total(ctx: Context, held: _Entries) -> bool:
    """Whether the total that dlt looks for is all that can end the pages."""
    others = (held.get(key) for key in ("has_more_path", "maximum_page"))
    said = any(node is not None and node.value for node in others)
    return not said and not ctx.flag(held.get("stop_after_empty_page"), default=True)


def _start(ctx: Context, node: Node | None, default: int) -> Expr:
    if node is None or node.value is None:
        return Const(value=default)
    ctx.whole(node)
    return ctx.expr(node)


def _assumed_first(ctx: Context, held: _Entries) -> int | None:
    """The first page: 1 where the document names the param of a page and nothing else of it.

    dlt begins at 0 and refuses an answer without a total, so such a document never ran there; an
    answer that has one leaves doubt.
    """
    said = {"base_page", "page", "total_path", "maximum_page", "has_more_path"}
    param = held.get("page_param")
    if param is None or said & set(held):
        return None
    message = "the first page is taken to be 1"
    hint = f"add {quoted('base_page')}: 1, or 0 where the API counts from 0"
    edit = Beside(node=param, name="base_page", value=1)
    ctx.warn("assumed-first-page", message, param, hint, key=True, edits=(edit,))
    return 1


_BUILDERS: dict[str, Callable[[Context, Node, _Entries], Pagination]] = {
    "single_page": _single,
    "auto": _auto,
    "json_link": _json_link,
    "json_response": _json_link,
    "header_link": _header_link,
    "header_cursor": _header_cursor,
    "cursor": _cursor,
    "offset": _offset,
    "page_number": _page_number,
}
