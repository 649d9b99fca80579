"""A manifest → the source it describes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from penstock.dialects.airbyte import dynamic, spec, template
from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.limits import limits
from penstock.dialects.airbyte.manifest import Component, References, nodes, replaced
from penstock.dialects.airbyte.request import base_url
from penstock.dialects.airbyte.streams import Streams
from penstock.dialects.compiled import Compiled
from penstock.dialects.document import Document, Node
from penstock.plan.expr import Expr, JsonValue
from penstock.plan.prepare import prepared
from penstock.plan.source import Discovered, Source, Stream


def compile_document(
    document: Document, values: Mapping[str, JsonValue] | None = None, *, describe: bool = False
) -> Compiled:
    """Compile a manifest; what it asks of the user's values is settled as far as they are known.

    With `describe` the plan also holds the schemas of streams as they are declared, which platforms
    ask for.
    """
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
    ctx = Context(document, references, None if values is None else prepared(changes, values))
    inputs = spec.inputs(described)
    ctx.required = frozenset(i.name for i in inputs if i.required)
    ctx.jobs = ctx.expression(root, "max_concurrent_async_job_count", template.CONFIG)
    ctx.check(root)
    if not (root.children("streams") or root.children("dynamic_streams")):
        ctx.error("no-streams", "a manifest needs 'streams' or 'dynamic_streams'", root.node)
    components = list(_streams(ctx, root))
    made = Streams(ctx, components, describe=describe).all()
    return Source(
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
        check_values=_overrides(root),
        spec=spec.described(described),
    )


def _overrides(root: Component) -> tuple[tuple[str, JsonValue], ...]:
    """Values that stand in for the user's while a connection is tried."""
    component = root.child("check")
    found = component.value("config_overrides") if component is not None else None
    return tuple(found.items()) if isinstance(found, dict) else ()


def _typed(root: Node) -> Node:
    """The manifest with its own type, which may be left out."""
    if "type" in root.mapping:
        return root
    return replaced(root, {**root.mapping, "type": nodes("DeclarativeSource", root)})


def _streams(ctx: Context, root: Component) -> Iterator[Component]:
    """The streams of the manifest, those under a condition only if it holds."""
    for component in root.children("streams"):
        if component.kind == "ConditionalStreams":
            yield from _conditional(ctx, component)
        else:
            yield component
    for component in root.children("dynamic_streams"):
        yield from dynamic.safely(ctx, component)


def _conditional(ctx: Context, component: Component) -> Iterator[Component]:
    ctx.check(component)
    condition = ctx.expression(component, "condition", template.CONFIG, "truth")
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
    return tuple(replace(s, group=by_stream.get(s.name)) for s in made)


def _checked(ctx: Context, root: Component, made: tuple[Stream, ...]) -> tuple[str, ...]:
    """The streams by which a connection is tried."""
    component = root.child("check")
    if component is None:
        return ()
    if component.kind not in {"CheckStream", "CheckDynamicStream"}:
        ctx.unknown(component, "the check", ("CheckStream", "CheckDynamicStream"))
        return ()
    ctx.check(component)
    listed = component.value("stream_names")
    names = [str(name) for name in listed] if isinstance(listed, list) else []
    known = {stream.name for stream in made}
    for name in names:
        if ctx.known and name not in known:
            message = f"there is no stream {name!r} to check"
            ctx.warn("check-stream", message, component.place_of("stream_names"))
    if component.kind == "CheckDynamicStream":
        count = int(ctx.number(component, "stream_count", 1))
        return tuple(stream.name for stream in made if stream.selected)[:count]
    return tuple(names)
