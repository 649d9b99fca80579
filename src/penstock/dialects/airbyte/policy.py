"""Error handlers → error policy."""

from __future__ import annotations

from msgspec.structs import replace

from penstock.dialects.airbyte import custom, template
from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.manifest import Component, nearest
from penstock.errors import Blame
from penstock.plan.expr import Expr
from penstock.plan.policy import (
    Action,
    AnswerBackoff,
    Backoff,
    ConstantBackoff,
    ErrorPolicy,
    ExponentialBackoff,
    HeaderBackoff,
    Rule,
)
from penstock.plan.python import Judge

_ACTIONS: dict[str, Action] = {
    "SUCCESS": "lenient",
    "IGNORE": "lenient",
    "FAIL": "fail",
    "RETRY": "retry",
    "RATE_LIMITED": "rate-limited",
    "RESET_PAGINATION": "reset",
    "REFRESH_TOKEN_THEN_RETRY": "refresh",
    "REDUCE_PAGE_SIZE": "reduce",
    "SPLIT_REQUEST_WINDOW": "split",
}
_BLAMES: dict[str, Blame] = {
    "config_error": "config",
    "transient_error": "transient",
    "system_error": "system",
}
_FATAL = (400, 401, 403, 404, 405)
_RETRIED = (408, 429, 500, 502, 503, 504)
_NO_CAP = float("inf")
_FALLBACK = ExponentialBackoff(factor=1.0, base=2.0, cap=_NO_CAP)
_MARGIN = 1.0  # seconds the reference engine waits on top of what a strategy says


def policy(ctx: Context, component: Component | None) -> ErrorPolicy:
    """The error policy that a handler describes; the reference engine's own where there is none."""
    if component is None:
        return _policy((), (), 5)
    match component.kind:
        case "DefaultErrorHandler":
            ctx.check(component)
            rules, retries = _rules(ctx, component), _retries(ctx, component)
            made = _policy((rules,), _backoffs(ctx, component), retries)
            return replace(made, judge=_own_backoff(ctx, component))
        case "CompositeErrorHandler":
            return _composite(ctx, ctx.check(component))
        case "CustomErrorHandler":
            judge = custom.judge(ctx, component)
            return replace(_policy((), (), 5), judge=judge)
        case _:
            kinds = ("DefaultErrorHandler", "CompositeErrorHandler", "CustomErrorHandler")
            ctx.unknown(component, "the error handler", kinds)
    return _policy((), (), 5)


def _composite(ctx: Context, component: Component) -> ErrorPolicy:
    children = component.children("error_handlers")
    chain = [policy(ctx, child) for child in children]
    judge = next((child.judge for child in chain if child.judge is not None), None)
    if any(child.kind == "CustomErrorHandler" for child in children):
        judge = custom.composite(ctx, component)
    rules = [rules for child in chain for rules in (*child.earlier, child.rules)]
    backoffs = tuple(b for child in chain for b in child.backoff if b != _FALLBACK)
    made = _policy(tuple(rules), backoffs, chain[0].retries if chain else 5)
    return replace(made, judge=judge)


def _policy(
    rules: tuple[tuple[Rule, ...], ...], backoffs: tuple[Backoff, ...], retries: int
) -> ErrorPolicy:
    return ErrorPolicy(
        rules=rules[-1] if rules else (),
        earlier=rules[:-1],
        retry_statuses=_RETRIED,
        fatal=_FATAL,
        otherwise="retry",
        retries=retries,
        backoff=(*backoffs, _FALLBACK),
        jitter=0.0,
        retry_after=not backoffs,
    )


def _own_backoff(ctx: Context, component: Component) -> Judge | None:
    """The backoff strategy that is a class, if there is one."""
    for child in component.children("backoff_strategies"):
        if child.kind == "CustomBackoffStrategy":
            return custom.backoff(ctx, child)
    return None


def _retries(ctx: Context, component: Component) -> int:
    return int(ctx.number(component, "max_retries", 5))


def _rules(ctx: Context, component: Component) -> tuple[Rule, ...]:
    made = (_rule(ctx, child) for child in component.children("response_filters"))
    return tuple(rule for rule in made if rule is not None)


def _rule(ctx: Context, component: Component) -> Rule | None:
    ctx.check(component)
    word = component.value("action")
    if word is None:
        message = "a filter without 'action' never matches"
        ctx.warn("dead-filter", message, component.node, f"one of: {', '.join(_ACTIONS)}")
        return None
    action = _ACTIONS.get(str(word))
    if action is None:
        hint = nearest(str(word), tuple(_ACTIONS))
        ctx.error("action", f"there is no action {word!r}", component.place_of("action"), hint)
        return None
    contains = component.value("error_message_contains")
    return Rule(
        action=action,
        statuses=ctx.statuses(component, "http_codes"),
        contains=contains if isinstance(contains, str) and contains else None,
        said=True,
        when=_condition(ctx, component, "predicate"),
        every=False,
        message=ctx.expression(component, "error_message", template.ANSWER, spelled=True),
        blame=_BLAMES.get(str(component.value("failure_type"))) if action == "fail" else None,
    )


def _condition(ctx: Context, component: Component, field: str) -> Expr | None:
    if component.value(field) in (None, ""):
        return None
    return ctx.expression(component, field, template.ANSWER, "truth")


def _backoffs(ctx: Context, component: Component) -> tuple[Backoff, ...]:
    made = (_backoff(ctx, child) for child in component.children("backoff_strategies"))
    return tuple(backoff for backoff in made if backoff is not None)


def _backoff(ctx: Context, component: Component) -> Backoff | None:
    ctx.check(component)
    spread = ctx.number(component, "jitter_range_in_seconds", 0.0)
    match component.kind:
        case "ConstantBackoffStrategy":
            seconds = ctx.number(component, "backoff_time_in_seconds", 5.0)
            return ConstantBackoff(seconds=seconds, spread=spread, margin=_MARGIN)
        case "ExponentialBackoffStrategy":
            factor = ctx.number(component, "factor", 5.0)
            return ExponentialBackoff(
                factor=2 * factor, base=2.0, cap=_NO_CAP, spread=spread, margin=_MARGIN
            )
        case "WaitTimeFromHeader" | "WaitUntilTimeFromHeader":
            return _header(ctx, component)
        case "WaitTimeFromResponse":
            names = template.ANSWER
            wait = ctx.expression(component, "wait_time_in_seconds", names, "value")
            cap = _cap(ctx, component)
            return None if wait is None else AnswerBackoff(seconds=wait, cap=cap, margin=_MARGIN)
        case "CustomBackoffStrategy":
            pass  # it is asked before all others
        case _:
            ctx.unknown(component, "the backoff strategy", _BACKOFFS)
    return None


_BACKOFFS = (
    "ConstantBackoffStrategy",
    "ExponentialBackoffStrategy",
    "WaitTimeFromHeader",
    "WaitUntilTimeFromHeader",
    "WaitTimeFromResponse",
    "CustomBackoffStrategy",
)


def _header(ctx: Context, component: Component) -> HeaderBackoff:
    pattern = component.value("regex")
    return HeaderBackoff(
        header=str(ctx.settled(component, "header", "")),
        until=component.kind == "WaitUntilTimeFromHeader",
        pattern=pattern if isinstance(pattern, str) and pattern else None,
        minimum=ctx.number(component, "min_wait", 0.0),
        cap=_cap(ctx, component),
        margin=_MARGIN,
    )


def _cap(ctx: Context, component: Component) -> float | None:
    cap = ctx.number(component, "max_waiting_time_in_seconds", 0.0)
    return cap or None
