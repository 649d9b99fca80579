"""Paginators → pagination."""

from __future__ import annotations

from msgspec.structs import replace

from penstock.dialects.airbyte import custom, template
from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.manifest import Component
from penstock.dialects.airbyte.request import slot
from penstock.plan.expr import Const, Expr, Scope
from penstock.plan.pagination import (
    Counter,
    NextLink,
    NextToken,
    PageSize,
    Pagination,
    SinglePage,
    Stop,
    Told,
)
from penstock.plan.request import Slot

_LINES = ("CsvDecoder", "JsonlDecoder", "IterableDecoder", "JsonItemsDecoder")
_STRATEGIES = ("PageIncrement", "OffsetIncrement", "CursorPagination", "CustomPaginationStrategy")


def pagination(
    ctx: Context, component: Component | None, base: Expr | None, reads: Component | None = None
) -> Pagination:
    """The pagination of a retriever; `base` is what relative links stand below.

    `reads` is its decoder: one that gives lines tells templates nothing of an answer.
    """
    if component is None or component.kind == "NoPagination":
        return SinglePage()
    if component.kind != "DefaultPaginator":
        ctx.unknown(component, "the paginator", ("DefaultPaginator", "NoPagination"))
        return SinglePage()
    ctx.check(component)
    strategy = component.child("pagination_strategy")
    if strategy is None:
        return SinglePage()
    token = component.child("page_token_option")
    if strategy.kind == "CustomPaginationStrategy":
        made = _told(ctx, strategy, component.child("page_size_option"), token)
        return replace(made, base=base) if isinstance(made, Told) else made
    size = _size(ctx, component, strategy)
    match strategy.kind:
        case "PageIncrement" | "OffsetIncrement":
            return _counter(ctx, ctx.check(strategy), token, size)
        case "CursorPagination":
            if reads is not None and reads.kind in _LINES:
                message = f"the answers of a {reads.kind} do not say where the next page is"
                ctx.error(
                    "lines-token", message, strategy.node, "count pages, or use a JsonDecoder"
                )
            return _cursor(ctx, ctx.check(strategy), token, size, base)
        case _:
            ctx.unknown(strategy, "the pagination strategy", _STRATEGIES)
    return SinglePage(size=size)


def _told(
    ctx: Context, strategy: Component, option: Component | None, token: Component | None
) -> Pagination:
    made = custom.pages(ctx, strategy)
    if made is None:
        return SinglePage()
    into = slot(ctx, option) if option is not None else None
    return Told(pages=made, into=_token_slot(ctx, token), size_into=into)


def _size(ctx: Context, paginator: Component, strategy: Component) -> PageSize | None:
    value = ctx.expression(strategy, "page_size", template.PAGE)
    option = paginator.child("page_size_option")
    if value is None or value == Const(value=""):
        if option is not None:
            message = "'page_size_option' has no 'page_size' to send"
            ctx.error("missing-key", message, option.node, "give it to the pagination strategy")
        return None
    return PageSize(value=value, into=slot(ctx, option) if option is not None else None)


def _token_slot(ctx: Context, component: Component | None) -> Slot | None:
    if component is None:
        return None
    if component.kind == "RequestPath":
        return Slot(place="url", path=())
    return slot(ctx, component)


def _counter(
    ctx: Context, component: Component, token: Component | None, size: PageSize | None
) -> Pagination:
    start = ctx.settled(component, "start_from_page", 0)
    told = size.value if size is not None and size.value.scope is Scope.PAGE else None
    size = size if told is None else None  # what the answer says is known only afterwards
    return Counter(
        unit="page" if component.kind == "PageIncrement" else "offset",
        into=_token_slot(ctx, token),
        start=Const(value=start),
        send_first=component.value("inject_on_first_request") is True,
        size=size,
        stop=Stop(empty=True, short="always" if size is not None else "never", least=told),
    )


def _cursor(
    ctx: Context,
    component: Component,
    token: Component | None,
    size: PageSize | None,
    base: Expr | None,
) -> Pagination:
    stop = Stop(empty=False, when=_stop(ctx, component))
    node = component.get("cursor_value")
    if token is not None and token.kind == "RequestPath":
        link = ctx.expression(component, "cursor_value", template.PAGE, spelled=True)
        return NextLink(
            link=link or Const(value=None), base=base, params=True, size=size, stop=stop
        )
    value = Const(value=None) if node is None else ctx.expression(
        component, "cursor_value", template.PAGE, spelled=True
    )  # fmt: skip
    return NextToken(
        token=value or Const(value=None),
        into=_token_slot(ctx, token),
        whole=True,
        size=size,
        stop=stop,
    )


def _stop(ctx: Context, component: Component) -> Expr | None:
    if component.value("stop_condition") in (None, ""):
        return None
    return ctx.expression(component, "stop_condition", template.PAGE, "truth")
