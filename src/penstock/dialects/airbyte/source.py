"""A manifest → the source it describes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from penstock.dialects.airbyte import dynamic, spec, template
from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.limits import limits
from penstock.dialects.airbyte.manifest import (
    Component,
    References,
    nearest,
    nodes,
    replaced,
)
from penstock.dialects.airbyte.places import places
from penstock.dialects.airbyte.request import base_url
from penstock.dialects.airbyte.streams import Streams
from penstock.dialects.compiled import Compiled
from penstock.dialects.document import Document, Node, at_one_go
from penstock.plan.check import names_can_be_kept, pages_hold_still
from penstock.plan.expr import Expr, JsonValue
from penstock.plan.prepare import prepared
from penstock.plan.slices import parents_of
from penstock.plan.source import Check, Discovered, Source, Stream


def compile_document(
    document: Document, values: Mapping[str, JsonValue] | None = None, *, describe: bool = False
) -> Compiled:
    """Compile a manifest; what it asks of the user's values is settled as far as they are known.

    With `describe` the plan also holds the schemas of streams as they are declared, which platforms
    ask for.
    """
    with at_one_go():
        source = _compiled(document, values, describe=describe)
    failed = any(d.severity == "error" for d in document.diagnostics)
    return Compiled(
        source=None if failed else source,
        dialect="airbyte",
        name=document.name,
        file=document.file,
        diagnostics=tuple(document.diagnostics),
    )


def _compiled(
    document: Document, values: Mapping[str, JsonValue] | None, *, describe: bool
) -> Source | None:
    if any(d.severity == "error" for d in document.diagnostics):
        return None  # it could not be read whole
    if not document.root.mapping:
        document.say("error", "airbyte-empty", "a manifest is a mapping", document.root.place)
        return None
    references = References(document)
    if not references.check():
        return None
    root = Component(references, _typed(document.root))
    ctx = Context(document, references, values)
    described = root.child("spec")
    kept = spec.migrations(ctx, described)
    changes = kept + spec.changes(ctx, described)
    ctx.classes.tell(document)
    ctx = Context(document, references, None if values is None else prepared(changes, values))
    inputs = spec.inputs(described)
    ctx.required = frozenset(i.name for i in inputs if i.required)
    ctx.jobs = ctx.expression(root, "max_concurrent_async_job_count", template.CONFIG)
    ctx.check(root)
    if not (root.children("streams") or root.children("dynamic_streams")):
        ctx.error("no-streams", "a manifest needs 'streams' or 'dynamic_streams'", root.node)
    found = list(_streams(ctx, root))
    components = [component for component, _ in found]
    streams = Streams(ctx, components, describe=describe)
    makers = {streams.name_of(component): maker for component, maker in found if maker is not None}
    made = tuple(replace(s, made_by=makers.get(s.name)) for s in streams.all())
    source = Source(
        name=document.name,
        base_url=_base(ctx, components),
        streams=_grouped(ctx, root, made),
        inputs=inputs,
        limits=limits(ctx, root),
        discovered=tuple(_discovered(ctx, root)),
        prepare=changes,
        migrate=kept,
        validate=spec.checks(ctx, described),
        check=_checked(ctx, root, made),
        dynamic=tuple(dynamic_names(root)),
        spec=spec.described(described),
    )
    ctx.classes.tell(document)
    named = {streams.name_of(component): component for component in components}
    source = replace(source, places=places(references, root, named))
    _looked_over(document, source, named)
    return source


def _looked_over(document: Document, source: Source, named: Mapping[str, Component]) -> None:
    """Say what only the whole plan shows."""
    for finding in (*names_can_be_kept(source), *pages_hold_still(source)):
        own = named.get(finding.stream)
        place = own.node.place if own is not None else None
        document.say(finding.severity, finding.code, finding.message, place, finding.hint)


def _typed(root: Node) -> Node:
    """The manifest with its own type, which may be left out."""
    if "type" in root.mapping:
        return root
    return replaced(root, {**root.mapping, "type": nodes("DeclarativeSource", root)})


def _streams(ctx: Context, root: Component) -> Iterator[tuple[Component, str | None]]:
    """The streams of the manifest, each with the dynamic stream that makes it, if one does."""
    for component in root.children("streams"):
        if component.kind == "ConditionalStreams":
            yield from ((found, None) for found in _conditional(ctx, component))
        else:
            yield component, None
    names = dynamic_names(root)
    made: set[str] = set()
    for name, component in zip(names, root.children("dynamic_streams"), strict=True):
        for found in dynamic.safely(ctx, component):
            called = str(ctx.settled(found, "name", ""))
            if called in made:
                message = f"two streams that are made here are called {called!r}"
                ctx.error("duplicate-stream", message, component.node)
            made.add(called)
            yield found, name


def dynamic_names(root: Component) -> list[str]:
    """What the dynamic streams of a manifest are called."""
    listed = enumerate(root.children("dynamic_streams"))
    return [str(one.value("name") or f"dynamic_stream_{place}") for place, one in listed]


def _conditional(ctx: Context, component: Component) -> Iterator[Component]:
    ctx.check(component)
    node, site = component.get("condition"), ctx.site(component, template.CONFIG)
    condition = ctx.scalar(node, site.everywhere, "truth") if node is not None else None
    if node is not None and "parameters" in str(node.value):
        message = "parameters are empty here, whatever stands around it"
        ctx.warn("unknown-variable", message, node, "a condition reads config")
    if not ctx.known:
        message = "whether these streams exist depends on the configuration"
        ctx.info("needs-values", message, component.node)
    if not ctx.known or ctx.settle(condition, default=False):
        yield from component.children("streams")


def _discovered(ctx: Context, root: Component) -> Iterator[Discovered]:
    for position, component in enumerate(root.children("dynamic_streams")):
        found = dynamic.discovered(ctx, component, position)
        if found is not None:
            yield found


def _base(ctx: Context, components: list[Component]) -> Expr | None:
    """What the URLs of the source stand below: the first stream's base."""
    for component in components:
        retriever = component.child("retriever")
        requester = retriever.child("requester") if retriever is not None else None
        if requester is not None:
            return base_url(ctx, requester, template.REQUEST)
    return None


def _grouped(ctx: Context, root: Component, made: tuple[Stream, ...]) -> tuple[Stream, ...]:
    """The streams, each with the group it must not be read beside."""
    node = root.get("stream_groups")
    groups = root.child("stream_groups")
    if node is None or groups is None:
        return made
    by_stream: dict[str, str] = {}
    for name in groups.entries:
        group = groups.child(name)
        for member in group.children("streams") if group is not None else ():
            by_stream[str(ctx.settled(member, "name", ""))] = name
    kept = _without_loops(ctx, node, by_stream, made)
    return tuple(replace(s, group=kept.get(s.name)) for s in made)


def _without_loops(
    ctx: Context, node: Node, group_of: Mapping[str, str], made: tuple[Stream, ...]
) -> dict[str, str]:
    """The groups, without streams that would wait for a parent that waits for them."""
    streams = {s.name: s for s in made}
    above = {name: _above(name, streams) for name in group_of}
    kept = dict(group_of)
    for name, group in group_of.items():
        waits = {kept[a] for a in above[name] if a in kept}
        waits |= {kept[a] for n, of in kept.items() if of in waits for a in above[n] if a in kept}
        if group in waits:
            message = f"{name!r} takes no turns in the group {group!r}: it waits for a parent there"
            ctx.warn("stream-group", message, node, "take one of them out of the group")
            del kept[name]
    return kept


def _above(name: str, streams: Mapping[str, Stream]) -> set[str]:
    """The streams that one depends on, however far up."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        stream = streams.get(waiting.pop())
        parents = {p.stream for p in parents_of(stream.partition)} if stream is not None else set()
        waiting += parents - found
        found |= parents
    return found


def _checked(ctx: Context, root: Component, made: tuple[Stream, ...]) -> Check | None:
    """How a connection is tried."""
    component = root.child("check")
    if component is None:
        return None
    overrides = component.value("config_overrides")
    values = tuple(overrides.items()) if isinstance(overrides, dict) else ()
    match component.kind:
        case "CheckStream":
            listed = ctx.check(component).value("stream_names")
            names = [str(name) for name in listed] if isinstance(listed, list) else []
            known = {stream.name for stream in made}
            for name in names:
                if ctx.known and name not in known and not root.children("dynamic_streams"):
                    message = f"there is no stream {name!r} to check"
                    ctx.warn("check-stream", message, component.place_of("stream_names"))
            tried = component.children("dynamic_streams_check_configs")
            makers = tuple(_maker(ctx, root, child) for child in tried)
            return Check(streams=tuple(names), made=makers, values=values)
        case "CheckDynamicStream":
            count = int(ctx.number(ctx.check(component), "stream_count", 1))
            ask = component.value("use_check_availability") is not False
            return Check(first=count, ask=ask, values=values)
        case _:
            ctx.unknown(component, "the check", ("CheckStream", "CheckDynamicStream"))
            return None


def _maker(ctx: Context, root: Component, component: Component) -> tuple[str, int | None]:
    """A dynamic stream, and how many of the streams it makes are tried."""
    name = str(ctx.check(component).value("dynamic_stream_name", ""))
    names = dynamic_names(root)
    if name not in names:
        place = component.place_of("dynamic_stream_name")
        message = f"there is no dynamic stream {name!r} to check"
        ctx.warn("check-stream", message, place, nearest(name, tuple(names)))
    count = component.value("stream_count")
    return name, count if isinstance(count, int) else None
