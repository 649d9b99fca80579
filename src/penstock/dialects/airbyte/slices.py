"""Partition routers and cursors → partition and cursor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from penstock.dialects.airbyte import custom, template
from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.manifest import Component
from penstock.dialects.airbyte.records import located
from penstock.dialects.airbyte.request import option
from penstock.plan.expr import Const, Expr, Now, Ref, Scope, TimeOf
from penstock.plan.records import Keys
from penstock.plan.slices import (
    Chain,
    Clamp,
    Cursor,
    Duration,
    Field,
    Grouped,
    Merged,
    Parent,
    Partition,
    Product,
    Values,
    Window,
    computed,
    parents_of,
)

_DEFAULT_FORMAT = "%Y-%m-%dT%H:%M:%S.%f%z"
_CURSORS = ("DatetimeBasedCursor", "IncrementingCountCursor")
_WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")

_START = Ref(at=Scope.SLICE, path=("cursor", "start"))
_END = Ref(at=Scope.SLICE, path=("cursor", "end"))

# Compiles a parent stream and says under which name it is read.
MakeParent = Callable[[Component], str]


def bounds(ctx: Context, stream: Component) -> tuple[str, str] | None:
    """How templates call the start and end of a stream's windows; None without a cursor."""
    cursor = stream.child("incremental_sync")
    if cursor is None or cursor.kind != "DatetimeBasedCursor":
        return None
    start = ctx.settled(cursor, "partition_field_start", "start_time")
    end = ctx.settled(cursor, "partition_field_end", "end_time")
    return str(start), str(end)


def cursor(ctx: Context, stream: Component) -> Cursor | None:
    """The cursor of a stream, or None."""
    component = stream.child("incremental_sync")
    if component is None:
        return None
    match component.kind:
        case "DatetimeBasedCursor":
            return _datetime(ctx, ctx.check(component))
        case "IncrementingCountCursor":
            return _count(ctx, ctx.check(component))
        case "CustomIncrementalSync":
            ctx.custom(component, "the cursor")
            return None
        case _:
            ctx.unknown(component, "the cursor", _CURSORS)
            return None


def _datetime(ctx: Context, component: Component) -> Cursor:
    spelled = str(component.value("datetime_format", ""))
    more = component.value("cursor_datetime_formats")
    feed = component.value("is_data_feed") is True
    return Cursor(
        path=Keys(path=(str(ctx.settled(component, "cursor_field", "")),)),
        format=spelled,
        formats=tuple(map(str, more)) if isinstance(more, list) else (),
        start=_moment(ctx, component, "start_datetime", spelled),
        end=_moment(ctx, component, "end_datetime", spelled) or Now(),
        params=(
            *option(ctx, component, "start_time_option", _START),
            *option(ctx, component, "end_time_option", _END),
        ),
        lookback=_lookback(ctx, component),
        order="desc" if feed else None,
        filter=feed or component.value("is_client_side_incremental") is True,
        missing="include",
        closed_end=True,
        boundary=(),
        window=_window(ctx, component),
        strict=component.value("is_compare_strictly") is True,
        clamp=_clamp(ctx, component),
        shared=component.value("global_substream_cursor") is True,
        contiguous=True,
        names=ctx.bounds or ("start_time", "end_time"),
        chosen=_chosen(component),
    )


def _lookback(ctx: Context, component: Component) -> Expr | None:
    found = ctx.expression(component, "lookback_window", template.CONFIG, spelled=True)
    return None if found == Const(value="") else found


def _moment(ctx: Context, component: Component, field: str, spelled: str) -> Expr | None:
    child = component.child(field)
    if child is None:
        found = ctx.expression(component, field, template.CONFIG, spelled=True)
        return None if found is None else TimeOf(value=found, format=spelled or _DEFAULT_FORMAT)
    ctx.check(child)
    bounds_of = {
        name: ctx.expression(child, name, template.CONFIG, spelled=True)
        for name in ("datetime", "min_datetime", "max_datetime")
    }
    own = child.value("datetime_format")
    return TimeOf(
        value=bounds_of["datetime"] or Const(value=""),
        format=str(own or spelled or _DEFAULT_FORMAT),
        minimum=bounds_of["min_datetime"],
        maximum=bounds_of["max_datetime"],
    )


def _window(ctx: Context, component: Component) -> Window | None:
    step = ctx.expression(component, "step", template.CONFIG, spelled=True)
    granularity = component.value("cursor_granularity")
    if (step is None) != (granularity is None):
        given, missing = ("step", "cursor_granularity")
        if step is None:
            given, missing = missing, given
        message = f"a cursor with {given!r} needs {missing!r} too"
        ctx.error("missing-key", message, component.place_of(given))
    if step is None:
        return None
    return Window(step=step, granularity=_duration(ctx, component, "cursor_granularity"))


def _duration(ctx: Context, component: Component, field: str) -> Duration:
    return ctx.duration(component, field, str(component.value(field) or "PT0S")) or Duration()


def _clamp(ctx: Context, component: Component) -> Clamp | None:
    child = component.child("clamping")
    if child is None:
        return None
    targets: dict[str, Literal["day", "week", "month"]]
    targets = {"DAY": "day", "WEEK": "week", "MONTH": "month"}
    target = str(ctx.settled(child, "target", "")).upper()
    if target not in targets:
        node = child.place_of("target")
        ctx.error("clamping", f"windows cannot be clamped to {target!r}", node, ", ".join(targets))
        return None
    details = child.child("target_details")
    day = str(details.value("weekday", "MONDAY")).upper() if details else "MONDAY"
    return Clamp(to=targets[target], weekday=_WEEKDAYS.index(day) if day in _WEEKDAYS else 0)


def _count(ctx: Context, component: Component) -> Cursor:
    return Cursor(
        path=Keys(path=(str(ctx.settled(component, "cursor_field", "")),)),
        start=Const(value=ctx.settled(component, "start_value", 0)),
        params=option(ctx, component, "start_value_option", _START),
        filter=False,
        missing="include",
        closed_end=True,
        boundary=(),
        contiguous=True,
        chosen=_chosen(component),
    )


def _chosen(component: Component) -> bool:
    """Whether a platform may name the field of the cursor."""
    return component.value("allow_catalog_defined_cursor_field") is True


_ROUTERS = (
    "ListPartitionRouter",
    "SubstreamPartitionRouter",
    "GroupingPartitionRouter",
    "UnionPartitionRouter",
    "CustomPartitionRouter",
)


def partition(ctx: Context, retriever: Component, parent: MakeParent) -> Partition | None:
    """The partition of a retriever; several routers are combined, the last varying fastest.

    A list of one router is a combination too, whose state does not speak of parents, unless the
    stream depends on what they had: without it, parents that changed would be missed.
    """
    made = [_router(ctx, child, parent) for child in retriever.children("partition_router")]
    found = tuple(p for p in made if p is not None)
    node = retriever.get("partition_router")
    listed = node is not None and isinstance(node.value, list)
    if len(found) > 1 or (listed and any(map(_unbound, found))):
        return Product(members=found)
    return found[0] if found else None


def _unbound(found: Partition) -> bool:
    """Whether partitions are below parents, and do not depend on what those had before."""
    parents = parents_of(found)
    return bool(parents or computed(found)) and not any(one.incremental for one in parents)


def _router(ctx: Context, component: Component, parent: MakeParent) -> Partition | None:
    match component.kind:
        case "ListPartitionRouter":
            return _values(ctx, ctx.check(component))
        case "SubstreamPartitionRouter":
            return _parents(ctx, ctx.check(component), parent)
        case "GroupingPartitionRouter":
            return _grouped(ctx, ctx.check(component), parent)
        case "UnionPartitionRouter":
            return _merged(ctx, ctx.check(component), parent)
        case "CustomPartitionRouter":
            return custom.partitions(ctx, component, parent)
        case _:
            ctx.unknown(component, "the partition router", _ROUTERS)
            return None


def _in_partition(name: str, *, optional: bool = False) -> Expr:
    return Ref(at=Scope.SLICE, path=("partition", name), optional=optional)


def _values(ctx: Context, component: Component) -> Partition:
    name = str(ctx.settled(component, "cursor_field", ""))
    listed = component.value("values")
    values: Expr | None = Const(value=listed)
    if not isinstance(listed, list):
        values = ctx.expression(component, "values", template.CONFIG)
    return Values(
        name=name,
        values=values or Const(value=[]),
        params=option(ctx, component, "request_option", _in_partition(name)),
    )


def _parents(ctx: Context, component: Component, parent: MakeParent) -> Partition | None:
    children = component.children("parent_stream_configs")
    if not children:
        ctx.error("no-parent", "a substream needs a parent", component.node)
        return None
    for child in children:
        if child.kind != "ParentStreamConfig":
            ctx.unknown(child, "a parent", ("ParentStreamConfig",))
    several = len(children) > 1
    members = tuple(_parent(ctx, ctx.check(c), parent, several=several) for c in children)
    return members[0] if len(members) == 1 else Chain(members=members)


def _parent(ctx: Context, component: Component, parent: MakeParent, *, several: bool) -> Parent:
    # Of several parents each gives partitions of its own, in which the others' values are not.
    stream = component.child("stream")
    name = str(ctx.settled(component, "partition_field", ""))
    key = str(ctx.settled(component, "parent_key", ""))
    return Parent(
        stream=parent(stream) if stream is not None else "",
        fields=(Field(name=name, path=located(tuple(key.split("/")))),),
        params=option(ctx, component, "request_option", _in_partition(name, optional=several)),
        absent="skip",
        extras=tuple(Field(name=".".join(p), path=located(p)) for p in _extra_paths(component)),
        repeat=ctx.bounds is None,
        incremental=component.value("incremental_dependency") is True,
        lazy=ctx.path(component, "lazy_read_pointer"),
        within=True,
    )


def _grouped(ctx: Context, component: Component, parent: MakeParent) -> Partition | None:
    child = component.child("underlying_partition_router")
    of = _router(ctx, child, parent) if child is not None else None
    if of is None:
        return None
    size = int(ctx.number(component, "group_size", 1))
    return Grouped(of=of, size=max(size, 1), distinct=component.value("deduplicate") is not False)


def _merged(ctx: Context, component: Component, parent: MakeParent) -> Partition | None:
    made = (_router(ctx, child, parent) for child in component.children("partition_routers"))
    members = tuple(p for p in made if p is not None)
    name = str(ctx.settled(component, "partition_field", ""))
    return Merged(members=members, name=name) if members else None


def sole_field(ctx: Context, retriever: Component) -> str | None:
    """The name of partitions by the one parent, or the union, of a retriever; None otherwise."""
    routers = retriever.children("partition_router")
    if len(routers) != 1:
        return None
    [router] = routers
    parents = router.children("parent_stream_configs")
    if router.kind != "UnionPartitionRouter" and len(parents) != 1:
        return None
    holder = router if router.kind == "UnionPartitionRouter" else parents[0]
    return str(ctx.settled(holder, "partition_field", ""))


def extras(stream: Component) -> frozenset[str]:
    """The names of parents' extra fields that templates of a stream see."""
    retriever = stream.child("retriever")
    routers = list(retriever.children("partition_router")) if retriever is not None else []
    names: set[str] = set()
    while routers:
        router = routers.pop()
        routers += router.children("partition_routers")
        routers += router.children("underlying_partition_router")
        for parent in router.children("parent_stream_configs"):
            names.update(".".join(path) for path in _extra_paths(parent))
    return frozenset(names)


def _extra_paths(component: Component) -> list[tuple[str, ...]]:
    listed = component.value("extra_fields")
    paths = listed if isinstance(listed, list) else []
    return [tuple(map(str, path)) for path in paths if isinstance(path, list)]
