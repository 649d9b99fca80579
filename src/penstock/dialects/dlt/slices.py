"""Cursors of the dialect, in its three spellings, and the `step` and `format` that it adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, cast

import msgspec

from penstock.dialects.dlt.called import Convert, function_in
from penstock.dialects.dlt.context import Context, joined
from penstock.dialects.dlt.expr import cursor_value
from penstock.dialects.dlt.paths import field_path
from penstock.dialects.document import Node, SecretRef
from penstock.errors import ExprError
from penstock.plan.expr import Const, Converted, Expr, Formatted, JsonValue
from penstock.plan.hints import Hints
from penstock.plan.records import JsonPath, Keys
from penstock.plan.request import Param, Request, Slot
from penstock.plan.slices import Cursor, Fold, Window, parse_duration

_PLAIN = ("cursor_path", "initial_value", "last_value_func", "primary_key", "row_order", "lag",
          "on_cursor_value_missing", "range_start", "range_end", "allow_external_schedulers",
          "convert", "transform", "format", "step", "end_value")  # fmt: skip
_ENDPOINT = (*_PLAIN, "start_param", "end_param")
_UNITS = {"years": "P{}Y", "months": "P{}M", "weeks": "P{}W", "days": "P{}D", "hours": "PT{}H",
          "minutes": "PT{}M", "seconds": "PT{}S"}  # fmt: skip


# Values by which it is seen what a function picks; one that looks inside fails on them.
_PAIRS: tuple[tuple[JsonValue, ...], ...] = ((1, 2), (2, 1), (1.5, -3.0), ("a", "b"), ("b", "a"))


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Where an endpoint says its cursor, and the names of the params that carry it."""

    node: Node
    start_param: str | None = None
    end_param: str | None = None
    convert: Convert | None = None
    like: object = None  # what the values are in the script, where that is no text

    def value(self, name: str, conversion: str = "", spec: str = "") -> Expr:
        """A value of the cursor as requests carry it, perhaps in a format."""
        found = cursor_value(name)
        if self.like is not None:
            from penstock.dialects.dlt.standin.rest_client.parts import Sent  # noqa: PLC0415 (few documents)

            function = self.convert.function if self.convert is not None else None
            sent = Sent(self.like, function, conversion, spec)
            return Converted(value=found, function=sent, name=sent.__name__)
        made = self.convert.of(found) if self.convert is not None else found
        if conversion or spec:
            return Formatted(value=made, conversion=conversion, spec=spec)
        return made


def find(ctx: Context, endpoint: Node, params: Node | None) -> Found | None:
    """The incremental of an endpoint: as a key of its own, or as one param."""
    typed = [
        name
        for name, child in (params.mapping if params else {}).items()
        if "type" in child.mapping and child.mapping["type"].value == "incremental"
    ]
    node = endpoint.get("incremental")
    if len(typed) > 1 and params is not None:
        message = f"an endpoint has one incremental; there are: {', '.join(typed)}"
        ctx.error("conflict", message, params.mapping[typed[1]], "keep one of them", key=True)
    if typed and params is not None:
        child = params.mapping[typed[0]]
        convert = _checked(ctx, child, (*_PLAIN, "type"))
        if child.has("end_value"):
            hint = 'move it into "incremental" of the endpoint'
            message = "an incremental param has no end_value"
            ctx.error("conflict", message, child.mapping["end_value"], hint, key=True)
        return Found(node=child, start_param=typed[0], convert=convert, like=_like(child))
    if node is None or not ctx.mapping(node):
        return None
    convert = _checked(ctx, node, (*_ENDPOINT, "type"))
    return Found(
        node=node,
        start_param=ctx.text(node.get("start_param")),
        end_param=ctx.text(node.get("end_param")),
        convert=convert,
        like=_like(node),
    )


def _like(node: Node) -> object:
    """What values of the cursor are in a script that begins with a moment or a day."""
    bounds = (node.mapping.get(key) for key in ("initial_value", "end_value"))
    return next((n.like for n in bounds if n is not None and n.like is not None), None)


def _checked(ctx: Context, node: Node, known: tuple[str, ...]) -> Convert | None:
    """Check the keys of an incremental; gives the function that its values go through."""
    ctx.keys(node, known, "incremental")
    node.get("type")
    convert: Convert | None = None
    for key in ("transform", "convert"):
        child = node.get(key)
        if child is None or child.value is None:
            continue
        function = function_in(child)
        if function is not None:
            convert = Convert(function=function)
            continue
        message = f"{key} is a Python function, and values of the cursor are spelled by format"
        hint = 'write "format": "%s", "%ms" or a strftime pattern'
        ctx.error("unsupported", message, child, hint, key=True)
    return convert


def cursor(ctx: Context, found: Found, request: Request, hints: Hints) -> tuple[Cursor, Request]:
    """The cursor, and the request without the params that are the cursor's."""
    node = found.node
    path = node.get("cursor_path")
    if path is None:
        ctx.missing(node, "cursor_path", "incremental")
    text = ctx.text(path, "") or ""
    start, end = node.get("initial_value"), node.get("end_value")
    if end is not None and end.value is not None and (start is None or start.value is None):
        ctx.missing(node, "initial_value", "an incremental with end_value")
    window = _window(ctx, node.get("step"))
    params, rest = _params(found, request)
    read = field_path(ctx, text, path) if path is not None else Keys(path=())
    cursor = Cursor(
        path=read,
        said=text if isinstance(read, Keys) and text != ".".join(read.path) else "",
        format=ctx.text(node.get("format")),
        start=_bound(ctx, start),
        end=_bound(ctx, end),
        params=params,
        window=window,
        boundary=_boundary(ctx, node, hints),
    )
    cursor = _with_options(ctx, cursor, node)
    if start is not None and end is not None:
        _in_order(ctx, start, end, cursor)
    return _scheduled(ctx, cursor, node), rest


def _scheduled(ctx: Context, cursor: Cursor, node: Node) -> Cursor:
    """The cursor, with the range of a scheduler where the document leaves it to one."""
    scheduler = node.get("allow_external_schedulers")
    if not ctx.flag(scheduler, default=False) or scheduler is None:
        return cursor
    from penstock.dialects.dlt.interval import joined_with  # noqa: PLC0415 (few documents)

    return joined_with(ctx, cursor, node)


def _in_order(ctx: Context, start: Node, end: Node, cursor: Cursor) -> None:
    """Say that a range ends before it begins, and so holds nothing."""
    first, last = start.value, end.value
    numbers = isinstance(first, int | float) and isinstance(last, int | float)
    if not numbers and not (isinstance(first, str) and isinstance(last, str)):
        return  # one of them is known in the run
    least = cursor.pick == "min"
    if cursor.fold is not None:
        return
    if (last > first) if least else (last < first):  # type: ignore[operator]  # of one class
        message = f"end_value {last!r} is {'behind' if least else 'before'} initial_value {first!r}"
        ctx.error("conflict", message, end, "a range begins at initial_value")


def _bound(ctx: Context, node: Node | None) -> Expr | None:
    return None if node is None or node.value is None else ctx.expr(node)


def _with_options(ctx: Context, cursor: Cursor, node: Node) -> Cursor:
    """With what is said of order, range and missing values. A window's own end is in its range."""
    order = ctx.choice(node.get("row_order"), ("asc", "desc"), "")
    closed = "open" if cursor.window is None else "closed"
    missing = ctx.choice(
        node.get("on_cursor_value_missing"), ("raise", "include", "exclude"), "raise"
    )
    ranges = ("open", "closed")
    return msgspec.structs.replace(
        cursor,
        lag=_lag(ctx, node),
        pick=_pick(ctx, cursor, node.get("last_value_func")),
        fold=_fold(ctx, cursor, node),
        order=order or None,
        missing="error" if missing == "raise" else missing,
        closed_start=ctx.choice(node.get("range_start"), ranges, "closed") == "closed",
        closed_end=ctx.choice(node.get("range_end"), ranges, closed) == "closed",
    )


def _lag(ctx: Context, node: Node) -> float:
    """The lag, which dlt honours with `max` and `min` themselves only."""
    lag, function = ctx.number(node.get("lag")), function_in(node.get("last_value_func"))
    if lag and function not in {None, max, min}:
        ctx.gap(node.mapping["lag"], "lag is not honoured beside a last_value_func of its own")
        return 0.0
    return lag


def _pick(ctx: Context, cursor: Cursor, node: Node | None) -> Literal["max", "min"]:
    function = function_in(node)
    if function is None or node is None:
        return "min" if ctx.choice(node, ("max", "min"), "max") == "min" else "max"
    return _picked(function, cursor) or "max"


def _picked(function: Callable[..., JsonValue], cursor: Cursor) -> Literal["max", "min"] | None:
    """Whether a function picks the greatest of values, or the least; none does of whole records."""
    whole = cursor.path == Keys(path=()) or cursor.path == JsonPath(text="$")
    if whole and function not in {max, min}:
        return None
    picked = {_picks(function, pair) for pair in _PAIRS}
    return "max" if picked == {"max"} else "min" if picked == {"min"} else None


def _fold(ctx: Context, cursor: Cursor, node: Node) -> Fold | None:
    """The function that says how far the cursor is, where it picks neither of these."""
    said = node.get("last_value_func")
    function = function_in(said)
    if function is None or said is None or _picked(function, cursor) is not None:
        return None
    if cursor.window is not None:
        message = "windows have a greatest value, and this last_value_func picks none"
        ctx.error("unsupported", message, node.mapping["step"], 'take out "step"', key=True)
    like = _like(node)
    if like is not None:
        from penstock.dialects.dlt.standin.rest_client.parts import of_moments  # noqa: PLC0415 (few documents)

        function = of_moments(function, like)
    return Fold(
        function=cast("Callable[[tuple[JsonValue, ...]], JsonValue]", function),
        name=str(getattr(function, "__name__", type(function).__name__)),
    )


def _picks(function: Callable[..., JsonValue], pair: tuple[JsonValue, ...]) -> str:
    """Whether a function takes the greater or the lesser of two values."""
    try:
        found = function(pair)
    except Exception:  # noqa: BLE001 (whatever the user's function raises)
        return "neither"
    greatest, least = max(pair), min(pair)  # type: ignore[type-var]  # of one kind
    return "max" if found == greatest else "min" if found == least else "neither"


def _boundary(ctx: Context, node: Node, hints: Hints) -> tuple[str, ...] | None:
    """By which fields a record at the state's own value is recognised in the next run.

    A table that is merged by its key takes such a record again if anything in it has changed, so
    there the whole record counts; so it does with a lag, which is there for what changed late,
    whatever the document says.
    """
    said = node.get("primary_key")
    ranged = node.mapping.get("range_start")
    if ranged is not None and ranged.value == "open":
        return ()
    fields = ctx.texts(said) if said is not None and said.value is not None else None
    if fields == () or (fields and not _lag(ctx, node)):
        return fields
    if _lag(ctx, node):
        return None
    if hints.write == "merge" or hints.key_of_columns or not hints.primary_key:
        return None
    return hints.primary_key


def _params(found: Found, request: Request) -> tuple[tuple[Param, ...], Request]:
    """The cursor's params, whichever way they are spelled, and the request without them."""
    named: list[Param] = []
    for name, value in ((found.start_param, "start"), (found.end_param, "end")):
        if name is not None:
            slot = Slot(place="query", path=(name,))
            named.append(Param(slot=slot, value=found.value(value)))
    mine = (found.value("start"), found.value("end"))
    moved = [p for p in request.params if p.slot.place == "query" and p.value in mine]
    kept = tuple(p for p in request.params if p not in moved)
    return (*named, *moved), msgspec.structs.replace(request, params=kept)


def _window(ctx: Context, node: Node | None) -> Window | None:
    """Windows of a length: `{days: N}`, an ISO 8601 duration, or a reference to either."""
    if node is None or node.value is None:
        return None
    if isinstance(node.value, dict):
        return _counted(ctx, node)
    if isinstance(node.value, SecretRef):
        return Window(step=ctx.expr(node))
    text = ctx.text(node)
    if text is None:
        return None
    try:
        parse_duration(text)
    except ExprError as exc:
        ctx.error("wrong-type", exc.message, node, exc.hint)
    return Window(step=Const(value=text))


def _counted(ctx: Context, node: Node) -> Window | None:
    ctx.keys(node, _UNITS, "step")
    said = [unit for unit in _UNITS if node.has(unit)]
    if len(said) != 1 and (said or not node.mapping):
        hint = f"give one of: {', '.join(_UNITS)}"
        ctx.error("wrong-type", "step needs one length of time", node, hint)
    if len(said) != 1:
        return None
    child = node.get(said[0])
    assert child is not None, "the unit was just found"
    before, after = _UNITS[said[0]].split("{}")
    if isinstance(child.value, SecretRef):
        return Window(step=joined((Const(value=before), ctx.expr(child), Const(value=after))))
    count = ctx.whole(child)
    if count is not None and count < 1:
        ctx.error("wrong-type", f"{child.label} must be at least 1", child)
    return Window(step=Const(value=f"{before}{count}{after}"))
