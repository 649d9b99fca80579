"""Concurrency and API budgets → limits."""

from __future__ import annotations

from penstock.dialects.airbyte import template
from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.manifest import Component
from penstock.plan.budget import Budget, Matcher, Policy, Rate
from penstock.plan.source import Limits

_POLICIES = (
    "FixedWindowCallRatePolicy",
    "MovingWindowCallRatePolicy",
    "UnlimitedCallRatePolicy",
)
_MONTH = 30 * 86_400.0


def limits(ctx: Context, root: Component) -> Limits:
    """What the API of a manifest is asked for at most."""
    level, budget = root.child("concurrency_level"), root.child("api_budget")
    concurrency = Limits().concurrency
    if level is not None:
        ctx.check(level)
        concurrency = int(ctx.number(level, "default_concurrency", concurrency))
        most = level.value("max_concurrency")
        concurrency = min(concurrency, most) if isinstance(most, int) else concurrency
    made = _budget(ctx, budget) if budget is not None else None
    return Limits(concurrency=max(concurrency, 1), budget=made)


def _budget(ctx: Context, component: Component) -> Budget:
    ctx.check(component)
    defaults = Budget()
    return Budget(
        policies=tuple(_policy(ctx, child) for child in component.children("policies")),
        reset_header=str(component.value("ratelimit_reset_header", defaults.reset_header)),
        remaining_header=str(
            component.value("ratelimit_remaining_header", defaults.remaining_header)
        ),
        spent=ctx.statuses(component, "status_codes_for_ratelimit_hit", (429,)),
    )


def _policy(ctx: Context, component: Component) -> Policy:
    ctx.check(component)
    matchers = tuple(matcher(ctx, child) for child in component.children("matchers"))
    match component.kind:
        case "FixedWindowCallRatePolicy":
            calls = int(ctx.number(component, "call_limit", 1))
            rate = Rate(calls=calls, seconds=_seconds(ctx, component, "period"))
            return Policy(matchers=matchers, rates=(rate,), window="fixed")
        case "MovingWindowCallRatePolicy":
            rates = tuple(
                Rate(
                    calls=int(ctx.number(child, "limit", 1)),
                    seconds=_seconds(ctx, child, "interval"),
                )
                for child in component.children("rates")
            )
            return Policy(matchers=matchers, rates=rates)
        case "UnlimitedCallRatePolicy":
            return Policy(matchers=matchers)
        case _:
            ctx.unknown(component, "a policy of the budget", _POLICIES)
            return Policy(matchers=matchers)


def _seconds(ctx: Context, component: Component, field: str) -> float:
    found = ctx.duration(component, field, str(ctx.settled(component, field, "")))
    return 1.0 if found is None else found.months * _MONTH + found.seconds


def matcher(ctx: Context, component: Component) -> Matcher:
    """Which requests something counts."""
    ctx.check(component)
    return Matcher(
        method=_text(ctx, component, "method"),
        base=_text(ctx, component, "url_base"),
        path=_text(ctx, component, "url_path_pattern"),
        query=_pairs(component, "params"),
        headers=_pairs(component, "headers"),
        weight=int(ctx.number(component, "weight", 1)),
    )


def _text(ctx: Context, component: Component, field: str) -> str | None:
    found = ctx.settle(ctx.expression(component, field, template.CONFIG, spelled=True))
    return str(found) if found else None


def _pairs(component: Component, field: str) -> tuple[tuple[str, str], ...]:
    value = component.value(field)
    return tuple((k, str(v)) for k, v in value.items()) if isinstance(value, dict) else ()
