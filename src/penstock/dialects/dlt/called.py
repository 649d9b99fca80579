"""What a script's own classes and functions do in a run, for the parts of the plan that call them.

Whatever calls them is imported late: most documents have none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, cast

import msgspec

from penstock.dialects.dlt.context import Context
from penstock.dialects.dlt.resources import FED, LIMIT, NTH, ROWS
from penstock.dialects.document import Node, Opaque
from penstock.plan.auth import Auth
from penstock.plan.expr import Converted, Expr, JsonValue
from penstock.plan.pagination import Led, Pagination
from penstock.plan.python import Amend, Retrieve, TableOf
from penstock.plan.records import Step
from penstock.plan.slices import Parent
from penstock.plan.source import Most, Source, Stream, scatters

if TYPE_CHECKING:
    from penstock.dialects.dlt.fitting import Fit
    from penstock.dialects.dlt.standin.resources.rows import Limit, Rows
    from penstock.dialects.dlt.standin.rest_client.parts import Part


class Convert(msgspec.Struct, frozen=True, kw_only=True):
    """The function through which an incremental's values go before they are sent."""

    function: Callable[[JsonValue], JsonValue]

    def of(self, value: Expr) -> Expr:
        """The value, converted."""
        name = str(getattr(self.function, "__name__", type(self.function).__name__))
        return Converted(value=value, function=self.function, name=name)


def function_in(node: Node | None) -> Callable[[JsonValue], JsonValue] | None:
    """The function that a node holds, if it holds one."""
    held = node.value.value if node is not None and isinstance(node.value, Opaque) else None
    return cast("Callable[[JsonValue], JsonValue]", held) if callable(held) else None


def pages_of(ctx: Context, node: Node) -> Pagination | None:
    """The pagination of a paginator object with logic of its own."""
    part = _part(ctx, node, "update_state")
    if part is None:
        return None
    from penstock.dialects.dlt.standin.rest_client.calling import lead  # noqa: PLC0415 (few documents)

    return Led(lead=lead(part))


def auth_of(ctx: Context, node: Node) -> Auth | None:
    """The auth of an auth object with logic of its own."""
    part = _part(ctx, node, "__call__")
    if part is None:
        return None
    from penstock.dialects.dlt.standin.rest_client.calling import sign  # noqa: PLC0415 (few documents)

    return sign(part)


def _part(ctx: Context, node: Node, method: str) -> Part | None:
    """The object that a node holds, if it has the method; the values it was given are inputs."""
    if not isinstance(node.value, Opaque):
        return None
    from penstock.dialects.dlt.standin.rest_client.calling import references  # noqa: PLC0415 (few documents)
    from penstock.dialects.dlt.standin.rest_client.parts import Part  # noqa: PLC0415 (the same)

    part = node.value.value
    if not isinstance(part, Part) or not hasattr(part, method):
        return None
    for reference in references(part):
        ctx.input(reference)
    return part


def actions_of(ctx: Context, node: Node) -> Amend | None:
    """The response actions of an endpoint, if any of them is a function of the script's."""
    if not any(_functions(item) for item in node.items):
        return None
    from penstock.dialects.dlt.standin.rest_client.calling import Action, amend  # noqa: PLC0415 (few documents)

    found: list[Action] = []
    for item in node.items:
        functions = _functions(item)
        action = item.mapping.get("action")
        ignores = action is not None and action.value == "ignore"
        if not functions and not ignores:
            continue
        status, content = item.mapping.get("status_code"), item.mapping.get("content")
        given = status is not None and status.value is not None
        if not functions and not given and (content is None or content.value is None):
            continue
        found.append(
            Action(
                functions=functions,
                status=ctx.whole(status) if given else None,
                content=ctx.text(content),
            )
        )
    return amend(found)


def _functions(item: Node) -> tuple[Callable[..., object], ...]:
    """The functions of one response action."""
    action = item.mapping.get("action", item)
    nodes = action.items or [action]
    found = (function_in(node) for node in nodes)
    return tuple(function for function in found if function is not None)


def most_of(resource: Node) -> Most | None:
    """How much of a resource a script reads, if it says so."""
    node = resource.get(LIMIT)
    if node is None or not isinstance(node.value, Opaque):
        return None
    limit = cast("Limit", node.value.value)
    of = "rows" if limit.by_rows else "pages"
    return msgspec.structs.replace(Most(seconds=limit.seconds), **{of: limit.most})


def rows_of(
    ctx: Context, resource: Node, stream: Stream, fit: Fit | None = None
) -> tuple[Retrieve, Parent | None, tuple[Step, ...]] | None:
    """What makes the rows of a resource, the items of another that it makes them of, and its steps.

    They must `fit` a model, if one is given.
    """
    node, fed = resource.get(ROWS), resource.get(FED)
    if node is None or not isinstance(node.value, Opaque):
        return None
    from penstock.dialects.dlt.standin.resources.frames import Whole  # noqa: PLC0415 (few documents)
    from penstock.dialects.dlt.standin.resources.making import retrieve, row_references  # noqa: PLC0415 (the same)
    from penstock.dialects.dlt.standin.resources.tables import Saying  # noqa: PLC0415 (the same)

    rows = cast("Rows", node.value.value)
    for reference in row_references(rows):
        ctx.input(reference, optional=reference.optional)
    above = (ctx.text(fed, "") or "") if fed else ""
    parent = Parent(stream=above, fields=(), whole=True) if fed else None
    whole = Whole(stream.records.steps)
    types = not stream.records.steps and stream.table_of is None
    saying = Saying(resource, stream.name, types=types, fit=fit)
    made = retrieve(rows, saying, whole, above)
    nth = resource.get(NTH)
    sources = (("", (ctx.whole(nth) if nth is not None else None) or 0),)
    return msgspec.structs.replace(made, sources=sources), parent, whole.steps


def check_arguments(ctx: Context, resource: Node) -> None:
    """Tell of a function that makes rows where it cannot be called with what it is given."""
    node = resource.get(ROWS)
    if node is None or not isinstance(node.value, Opaque):
        return
    from penstock.dialects.dlt.standin.resources.rows import unfit  # noqa: PLC0415 (few documents)

    rows = cast("Rows", node.value.value)
    wrong = next(filter(None, map(unfit, (rows, *rows.more))), None)
    if wrong is not None:
        items = "; a transformer is given the items first" if rows.takes_items else ""
        hint = f"give it what it takes, as in {rows.name}.bind(…){items}"
        ctx.error("function-arguments", f"{rows.name}(): {wrong}", node, hint)


def in_order(source: Source, beside: Collection[str]) -> Source:
    """The source, with the order in which functions are called that share something.

    Those of the streams `beside` are called beside all others, as the document says.
    """
    if not any(stream.retrieve is not None or scatters(stream) for stream in source.streams):
        return source
    from penstock.dialects.dlt.standin.resources.sharing import touched  # noqa: PLC0415 (few documents)
    from penstock.plan.order import ordered  # noqa: PLC0415 (the same)

    return ordered(source, {s.name: touched(s) for s in source.streams if s.name not in beside})


def table_of(
    functions: Mapping[str, Callable[[JsonValue], object]], made: Node, name: str
) -> TableOf:
    """What names the table of each record, and says what holds for it, by functions."""
    from penstock.dialects.dlt.standin.resources.tables import Saying, deciding  # noqa: PLC0415 (few documents)

    others = {key: function for key, function in functions.items() if key != "table_name"}
    function = functions["table_name"]
    return TableOf(
        function=function,
        hints=deciding(others, Saying(made, name)) if others else None,
        name=str(getattr(function, "__name__", type(function).__name__)),
    )
