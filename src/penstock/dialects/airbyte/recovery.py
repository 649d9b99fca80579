"""Pagination resets, page-size reduction and window splitting → recovery."""

from __future__ import annotations

from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.manifest import Component
from penstock.plan.recovery import Halve, Recovery, Restart, Shrink
from penstock.plan.slices import Duration


def recovery(ctx: Context, retriever: Component) -> Recovery | None:
    """What a retriever does when pages or windows turn out too large; None if it says nothing."""
    restart, shrink, halve = (
        retriever.child(field)
        for field in ("pagination_reset", "page_size_reduction", "request_window_splitting")
    )
    if restart is None and shrink is None and halve is None:
        return None
    return Recovery(
        restart=_restart(ctx, restart) if restart is not None else None,
        shrink=_shrink(ctx, shrink) if shrink is not None else None,
        halve=_halve(ctx, halve) if halve is not None else None,
    )


def _restart(ctx: Context, component: Component) -> Restart:
    ctx.check(component)
    limits = component.child("limits")
    after = limits.value("number_of_records") if limits is not None else None
    return Restart(
        split=component.value("action") == "SPLIT_USING_CURSOR",
        after=after if isinstance(after, int) else None,
    )


def _shrink(ctx: Context, component: Component) -> Shrink:
    ctx.check(component)
    return Shrink(
        factor=ctx.number(component, "reduction_factor", 2.0),
        minimum=int(ctx.number(component, "minimum_page_size", 1)),
        attempts=int(ctx.number(component, "max_attempts", 5)),
        backoff=ctx.number(component, "backoff_seconds", 0.5),
        at_minimum=int(ctx.number(component, "retries_at_minimum_page_size", 0)),
        restore="after-success"
        if component.value("reset_policy") == "AFTER_SUCCESSFUL_PAGE"
        else "never",
        message=str(component.value("failure_message", "")),
    )


def _halve(ctx: Context, component: Component) -> Halve:
    ctx.check(component)
    text = component.value("min_split_window")
    shortest: Duration | None = None
    if isinstance(text, str):
        shortest = ctx.duration(component, "min_split_window", text)
    return Halve(minimum=shortest, message=str(component.value("failure_message", "")))
