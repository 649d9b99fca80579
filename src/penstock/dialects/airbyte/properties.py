"""QueryProperties → properties."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.manifest import Component
from penstock.dialects.airbyte.records import changed, dpath
from penstock.plan.properties import Properties
from penstock.plan.records import Change
from penstock.plan.transforms import Transform

# Keeps the stream of a retriever that stands alone, and says under which name it is read.
Helper = Callable[[Component, str], str]


def properties(ctx: Context, requester: Component, helper: Helper) -> Properties | None:
    """The properties a requester asks for, or None."""
    found = next(_asked(requester), None)
    if found is None:
        return _fetched(ctx, requester, helper)
    ctx.check(found)
    listed, source = found.value("property_list"), found.child("property_list")
    always = found.value("always_include_properties")
    chunking = found.child("property_chunking")
    limit = chunking.value("property_limit") if chunking is not None else None
    by_count = chunking is None or chunking.value("property_limit_type") == "property_count"
    merging = chunking.child("record_merge_strategy") if chunking is not None else None
    selector = found.child("property_selector")
    key = merging.value("key") if merging is not None else "id" if chunking is not None else None
    return Properties(
        names=tuple(map(str, listed)) if isinstance(listed, list) else (),
        source=_source(source, ctx, helper),
        path=dpath(ctx, source, "property_field_path") if source is not None else None,
        always=tuple(map(str, always)) if isinstance(always, list) else (),
        unit="names" if by_count else "characters",
        limit=limit if isinstance(limit, int) else None,
        key=tuple(map(str, key)) if isinstance(key, list) else (str(key),) if key else (),
        selected=selector is not None,
        changes=tuple(_changes(ctx, selector)) if selector is not None else (),
    )


def _changes(ctx: Context, selector: Component) -> Iterator[Transform]:
    """What is done to the columns that a platform has chosen."""
    ctx.check(selector)
    for child in selector.children("transformations"):
        for step in changed(ctx, child):
            if isinstance(step, Change):
                yield step.transform
            else:
                ctx.gap(child, "a class does not change the columns of a property selector")


def _asked(requester: Component) -> Iterator[Component]:
    """Where a requester may say which properties it asks for."""
    direct = requester.child("query_properties")
    if direct is not None:
        yield direct
    params = requester.child("request_parameters")
    for name in params.entries if params is not None else ():
        child = params.child(name) if params is not None else None
        if child is not None and child.kind == "QueryProperties":
            yield child


def _fetched(ctx: Context, requester: Component, helper: Helper) -> Properties | None:
    source = requester.child("fetch_properties_from_endpoint")
    if source is None:
        return None
    ctx.check(source)
    path = dpath(ctx, source, "property_field_path")
    return Properties(source=_source(source, ctx, helper), path=path)


def _source(component: Component | None, ctx: Context, helper: Helper) -> str | None:
    retriever = component.child("retriever") if component is not None else None
    return helper(retriever, f"{ctx.stream}__properties") if retriever is not None else None
