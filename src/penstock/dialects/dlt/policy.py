"""Error policy and limits: response actions, and the client's own keys for retries and rates."""

from __future__ import annotations

import msgspec

from penstock.dialects.dlt.called import actions_of, function_in
from penstock.dialects.dlt.context import Context
from penstock.dialects.dlt.repairs import pairs, reword
from penstock.dialects.document import Node
from penstock.plan.policy import Action, ErrorPolicy, ExponentialBackoff, Rule
from penstock.plan.source import Limits, RateLimit

_ACTIONS: dict[str, Action] = {"ignore": "ignore", "retry": "retry", "fail": "fail"}


def retry_policy(ctx: Context, client: Node | None) -> ErrorPolicy:
    """The policy that `client.retry` asks for."""
    node = client.get("retry") if client else None
    policy = ErrorPolicy()
    if node is None or not ctx.mapping(node, f"write {pairs(max_retries=5)} in braces"):
        return policy
    ctx.keys(node, ("max_retries", "backoff_factor", "statuses"), "retry")
    retries = ctx.whole(node.get("max_retries"), policy.retries, least=0)
    factor = ctx.number(node.get("backoff_factor"), ExponentialBackoff().factor)
    statuses = _statuses(ctx, node.get("statuses"))
    return ErrorPolicy(
        retries=policy.retries if retries is None else retries,
        backoff=(ExponentialBackoff(factor=factor),),
        retry_statuses=policy.retry_statuses if statuses is None else statuses,
    )


def _statuses(ctx: Context, node: Node | None) -> tuple[int, ...] | None:
    if node is None or node.value is None:
        return None
    if not isinstance(node.value, list):
        ctx.wrong(node, "a list of statuses")
        return None
    found = (ctx.whole(item) for item in node.value)
    return tuple(status for status in found if status is not None)


def with_actions(ctx: Context, policy: ErrorPolicy, node: Node | None) -> ErrorPolicy:
    """The policy with an endpoint's response actions before its own rules."""
    if node is None or node.value is None:
        return policy
    if not isinstance(node.value, list):
        ctx.wrong(node, "a list of actions")
        return policy
    rules = tuple(rule for item in node.items if (rule := _rule(ctx, item)) is not None)
    amend = actions_of(ctx, node)
    if amend is not None:
        rules = tuple(rule for rule in rules if rule.action != "ignore")
    return msgspec.structs.replace(policy, rules=rules, amend=amend)


def _rule(ctx: Context, node: Node) -> Rule | None:
    if node.value is None:
        ctx.wrong(node, "a mapping")
    if function_in(node) is not None or not ctx.mapping(node):
        return None
    ctx.keys(node, ("status_code", "content", "action"), "a response action")
    said = node.get("action")
    if said is not None and _is_function(said):
        node.mark()
        return None
    if said is None or said.value is None:
        ctx.missing(node, "action", "a response action")
        return None
    if said.value == []:
        ctx.warn("gap", "an action without functions does nothing", said, 'say "ignore"')
        return None
    action = _ACTIONS[ctx.choice(said, tuple(_ACTIONS), "ignore")]
    status, content = _status(ctx, node.get("status_code")), ctx.text(node.get("content"))
    if status is None and content is None:
        message = "a response action without status_code or content never applies"
        ctx.warn("gap", message, node, 'add "status_code" or "content"')
        return None
    statuses = () if status is None else (status,)
    return Rule(action=action, statuses=statuses, contains=content)


def _is_function(node: Node) -> bool:
    return function_in(node) is not None or any(_is_function(item) for item in node.items)


def _status(ctx: Context, node: Node | None) -> int | None:
    if node is not None and isinstance(node.value, str) and node.value.isdecimal():
        message = f"the status {node.value!r} is read as a number"
        reword(ctx, node, int(node.value), message)
    return ctx.whole(node)


def limits(ctx: Context, client: Node | None) -> Limits:
    """How much a host is asked for at most."""
    if client is None:
        return Limits()
    default = Limits().concurrency
    concurrency = ctx.whole(client.get("concurrency"), default, least=1) or default
    return Limits(concurrency=concurrency, rates=_rates(ctx, client.get("rate_limit")))


def _rates(ctx: Context, node: Node | None) -> tuple[RateLimit, ...]:
    if node is None or node.value is None:
        return ()
    nodes = node.value if isinstance(node.value, list) else [node]
    found: list[RateLimit] = []
    for one in nodes:
        if not ctx.mapping(one, f"write {pairs(calls=10, seconds=1)} in braces"):
            continue
        ctx.keys(one, ("calls", "seconds"), "rate_limit")
        calls, seconds = ctx.whole(one.get("calls")), ctx.number(one.get("seconds"), 1.0)
        if calls is None or calls < 1 or seconds <= 0:
            ctx.error("wrong-type", "rate_limit needs calls and seconds above 0", one)
        else:
            found.append(RateLimit(calls=calls, seconds=seconds))
    return tuple(found)
