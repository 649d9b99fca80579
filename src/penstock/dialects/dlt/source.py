"""The source: the whole document, compiled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from penstock.dialects.compiled import Compiled
from penstock.dialects.dlt.auth import auth
from penstock.dialects.dlt.called import check_arguments, in_order, most_of, rows_of, table_of
from penstock.dialects.dlt.context import Context
from penstock.dialects.dlt.decoding import decoder
from penstock.dialects.dlt.dispositions import skipped
from penstock.dialects.dlt.expr import Bindings
from penstock.dialects.dlt.fitting import Fit, fit_of
from penstock.dialects.dlt.hints import functions_of_items, hints
from penstock.dialects.dlt.pagination import pagination
from penstock.dialects.dlt.parents import Draft, infer, partition
from penstock.dialects.dlt.policy import limits, retry_policy, with_actions
from penstock.dialects.dlt.project import TYPES, taken
from penstock.dialects.dlt.records import (
    carried,
    included,
    processing,
    selector,
    single_entity,
    text_of,
)
from penstock.dialects.dlt.repairs import ENDPOINT_KEYS, pairs
from penstock.dialects.dlt.request import request
from penstock.dialects.dlt.resources import HOME, LIMIT, RESOURCE_KEYS, ROWS, Resource, resources
from penstock.dialects.dlt.slices import Found, cursor, find
from penstock.dialects.dlt.standin.common.naming import NamingConvention
from penstock.dialects.document import Document, Node, source_name
from penstock.errors import Diagnostic
from penstock.plan.auth import Auth
from penstock.plan.check import check, parents, tables_are_said_alike
from penstock.plan.decoder import Decoder
from penstock.plan.expr import Const, Expr, JsonValue
from penstock.plan.pagination import Detect, NextLink, NextToken, Pagination, SinglePage
from penstock.plan.policy import ErrorPolicy
from penstock.plan.records import Keys, Records
from penstock.plan.slices import parents_of
from penstock.plan.source import Input, Source, Stream

_TOP = ("client", "resource_defaults", "resources", "name", "inputs")
_CLIENT = ("base_url", "headers", "auth", "paginator", "session", "retry", "concurrency",
           "rate_limit", "timeout")  # fmt: skip
_NOT_AT_THE_TOP = {
    **dict.fromkeys(_CLIENT, "it belongs into client"),
    **dict.fromkeys(("streams", "endpoints"), "did you mean 'resources'?"),
}
_OF_RESOURCE = dict.fromkeys(RESOURCE_KEYS, "it belongs to the resource, beside endpoint")
_LISTED = f"write a name or a mapping for each, as [{{{pairs(name='users')}}}]"
_INPUT = ("secret", "description", "default", "required", "minimum", "maximum")


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What all streams of a document have from its client."""

    client: Node | None
    base_url: Expr | None
    policy: ErrorPolicy


def compile_source(document: Document, values: Mapping[str, JsonValue]) -> Compiled:
    """The plan of a dlt document and everything there is to say about it."""
    ctx = Context(document, values)
    source = _source(ctx, taken(ctx, document))
    if document.more:
        source = _with_more(ctx, source)
    if source is not None and not ctx.failed:
        source = in_order(source, ctx.beside)
    return Compiled(
        source=None if ctx.failed else source,
        dialect="dlt",
        name=source.name if source else document.name,
        file=document.file,
        diagnostics=tuple(_sorted(document)),
    )


def _with_more(ctx: Context, first: Source | None) -> Source | None:
    """The source with the further ones of a script, whose streams are called the same."""
    more = [_source(ctx, root) for root in ctx.document.more]
    found = [source for source in (first, *more) if source is not None]
    if ctx.failed or len(found) <= len(more):
        return first
    from penstock.plan.variants import DifferingError, combined  # noqa: PLC0415 (few documents)

    try:
        whole = combined(found, each=ctx.document.of_runs)
    except DifferingError as exc:
        ctx.error(exc.code, exc.message, ctx.document.more[-1], exc.hint)
        return first
    told = {said.message for said in ctx.document.diagnostics}
    for finding in tables_are_said_alike(whole):
        if finding.message not in told:
            ctx.warn(finding.code, finding.message, ctx.document.more[-1], finding.hint)
    return whole


def _sorted(document: Document) -> list[Diagnostic]:
    """What was said, in the order of the document."""

    def where(said: Diagnostic) -> tuple[int, int]:
        return (said.place.line, said.place.column) if said.place else (0, 0)

    return sorted(document.diagnostics, key=where)


def _source(ctx: Context, root: Node) -> Source | None:
    if not ctx.mapping(root):
        return None
    typed = ctx.document.kind in {"yaml", "json"}  # as in a project; what Python says goes to dlt
    ctx.keys(root, (*_TOP, "type") if typed else _TOP, "the configuration", _NOT_AT_THE_TOP)
    if typed:
        ctx.choice(root.get("type"), TYPES, TYPES[0])
    _declared(ctx, root.get("inputs"))
    client = root.get("client")
    listed = root.get("resources")
    if client is None:
        ctx.missing(root, "client", "the configuration")
    elif not isinstance(client.value, dict):
        ctx.wrong(client, "a mapping")
    if listed is None:
        ctx.missing(root, "resources", "the configuration")
    elif not isinstance(listed.value, list):
        ctx.wrong(listed, "a list", _LISTED)
    shared = _shared(ctx, client)
    defaults = root.get("resource_defaults")
    found = resources(ctx, listed, defaults) if listed is not None else []
    if (
        not found and shared.client is not None
    ):  # what is wrong with the client is said all the same
        auth(ctx, shared.client.get("auth"))
        pagination(ctx, shared.client.get("paginator"))
    streams = _one_name_each(_streams(ctx, found, shared))
    name = ctx.text(root.get("name"))
    source = Source(
        name=source_name(name) if name else ctx.document.name,
        base_url=shared.base_url,
        streams=streams,
        inputs=tuple(ctx.inputs.values()),
        limits=limits(ctx, client),
        pipeline=ctx.document.pipeline,
        homes=_homes(ctx, found),
    )
    _checked(ctx, source, {resource.name: resource for resource in found})
    if not ctx.failed:
        _unhonoured(ctx, root, found)
    return source


def _homes(ctx: Context, found: Iterable[Resource]) -> tuple[tuple[str, str], ...]:
    """The pipeline and the source that resources of a script are of."""
    said = ((resource.name, ctx.text(resource.merged.get(HOME))) for resource in found)
    return tuple((name, home) for name, home in said if home)


def _declared(ctx: Context, node: Node | None) -> None:
    """The inputs a document declares: whether they are secret, and what they mean."""
    if node is None or not ctx.mapping(node):
        return
    for name in node.mapping:
        child = node.get(name)
        if child is None or not ctx.mapping(child):
            ctx.inputs[name] = Input(name=name)
            continue
        ctx.keys(child, _INPUT, f"the input {name!r}")
        default = child.get("default")
        value = default.plain() if default is not None else None
        required = ctx.flag(child.get("required"), default=value is None)
        ctx.inputs[name] = Input(
            name=name,
            secret=ctx.flag(child.get("secret"), default=False),
            required=required,
            default=value,
            description=ctx.text(child.get("description"), "") or "",
            minimum=ctx.whole(child.get("minimum")),
            maximum=ctx.whole(child.get("maximum")),
        )


def _shared(ctx: Context, client: Node | None) -> Shared:
    if client is None or not isinstance(client.value, dict):
        return Shared(client=None, base_url=None, policy=ErrorPolicy())
    ctx.keys(client, _CLIENT, "client", dict.fromkeys(_TOP, "it belongs to the top, beside client"))
    session = client.get("session")
    if session is not None and session.value is not None:
        hint = "use timeout, retry, concurrency and rate_limit of the client"
        ctx.error("unsupported", "a session of requests is not used", session, hint, key=True)
    base = client.get("base_url")
    if base is None:
        ctx.missing(client, "base_url", "client")
    elif base.kind not in {"a text", "a reference"}:
        ctx.wrong(base, "a text")
    url = ctx.expr(base) if base is not None else None
    if base is not None and isinstance(url, Const) and isinstance(url.value, str):
        _of_the_web(ctx, base, url.value)
    return Shared(client=client, base_url=url, policy=retry_policy(ctx, client))


def _of_the_web(ctx: Context, node: Node, url: str) -> None:
    """Say that a URL which is written out cannot be asked: it names a host alone, or no web."""
    scheme, found, _ = url.partition("://")
    if found and scheme.lower() not in {"http", "https"}:
        ctx.error("url", f"{url!r} is no URL of the web", node, "it begins with https://")
    elif not found and ("." in url or ":" in url):
        ctx.error(
            "url", f"{url!r} does not say how the host is asked", node, f"write https://{url}"
        )


# Streams.


def _streams(ctx: Context, found: list[Resource], shared: Shared) -> tuple[Stream, ...]:
    drafts: dict[str, Draft] = {}
    built: list[tuple[Draft, Stream]] = []
    for resource in found:
        draft, stream = _draft(ctx, resource, shared)
        drafts[resource.name] = draft
        built.append((draft, stream))
    infer(ctx, drafts)
    names = set(drafts)
    made = tuple(_finished(ctx, draft, stream, names) for draft, stream in built)
    for name in _read(made):
        check_arguments(ctx, drafts[name].resource.merged)
    return made


def _read(streams: Iterable[Stream]) -> Iterator[str]:
    """The names of those that are loaded, and of what these are read below."""
    known = {stream.name: stream for stream in streams}
    waiting = [stream for stream in known.values() if stream.selected]
    seen = {stream.name for stream in waiting}
    while waiting:
        stream = waiting.pop(0)
        yield stream.name
        above = {parent.stream for parent in parents_of(stream.partition)} & known.keys() - seen
        seen |= above
        waiting += [known[name] for name in sorted(above)]


def _one_name_each(streams: tuple[Stream, ...]) -> tuple[Stream, ...]:
    """The streams, of which those whose tables come to one name are said to load one, as in dlt."""
    convention, tables = NamingConvention(), dict[str, str]()
    found: list[Stream] = []
    for stream in streams:
        table = stream.table
        first = tables.setdefault(convention.normalize_path(table), table)
        if stream.table_of is None and first != table:
            hints = msgspec.structs.replace(stream.hints, table=first)
            found.append(msgspec.structs.replace(stream, hints=hints))
        else:
            found.append(stream)
    return tuple(found)


def _draft(ctx: Context, resource: Resource, shared: Shared) -> tuple[Draft, Stream]:
    """A stream without its parent."""
    endpoint, merged = resource.endpoint, resource.merged
    ctx.keys(endpoint, ENDPOINT_KEYS, "an endpoint", _OF_RESOURCE)
    params = endpoint.get("params")
    params = params if ctx.mapping(params) else None
    incremental = find(ctx, endpoint, params)
    own = "incremental" in endpoint.mapping
    bindings = Bindings(
        ctx,
        resource.name,
        params,
        incremental=own or incremental is not None,
        cursor=(incremental or Found(node=endpoint)).value,
    )
    by_item = functions_of_items(merged)
    fit = fit_of(ctx, merged)
    table = hints(ctx, merged, inherited=resource.inherits("primary_key"))
    said = endpoint.mapping.get("path")
    path = text_of(said.value) if said is not None else ""
    single = single_entity(path)
    decoding = decoder(ctx, endpoint.get("decoder"))
    whole = single or (decoding is not None and decoding.format != "json")
    steps = processing(ctx, merged.get("processing_steps"))
    if fit is not None and (steps or not merged.has(ROWS)):  # else the function's rows must fit
        steps, table, fit = (*steps, fit.step), fit.over(table), None
    records = selector(ctx, endpoint.get("data_selector"), single=whole)
    stream = Stream(
        name=resource.name,
        request=request(bindings, endpoint, shared.base_url, shared.client),
        auth=_auth(ctx, endpoint, shared.client),
        records=Records(path=records, steps=steps),
        pagination=_pagination(
            ctx, endpoint, shared.client, single=single, whole=whole, listed=records != Keys()
        ),
        decoder=decoding or Decoder(),
        policy=with_actions(ctx, shared.policy, endpoint.get("response_actions")),
        hints=table,
        selected=ctx.flag(merged.get("selected"), default=True) and not skipped(merged),
        table_of=table_of(by_item, merged, resource.name) if "table_name" in by_item else None,
    )
    stream = _made(ctx, _with_cursor(ctx, stream, incremental), merged, fit)
    return Draft(resource=resource, bindings=bindings, hints=table, path=path), stream


def _made(ctx: Context, stream: Stream, merged: Node, fit: Fit | None) -> Stream:
    """The stream, with its rows made by a function of the script's where they are."""
    found = rows_of(ctx, merged, stream, fit)
    if found is None:
        return stream
    retrieve, items, steps = found
    if ctx.flag(merged.get("parallelized"), default=False):
        ctx.beside.add(stream.name)
    if items is not None and stream.cursor is not None:  # dlt has one for all calls
        shared = msgspec.structs.replace(stream.cursor, shared=True)
        stream = msgspec.structs.replace(stream, cursor=shared)
    return msgspec.structs.replace(
        stream,
        retrieve=retrieve,
        partition=items,
        pagination=SinglePage(),
        records=Records(path=Keys(), steps=steps),
    )


def _with_cursor(ctx: Context, stream: Stream, found: Found | None) -> Stream:
    if found is None:
        return stream
    held, rest = cursor(ctx, found, stream.request, stream.hints)
    return msgspec.structs.replace(stream, cursor=held, request=rest)


def _finished(ctx: Context, draft: Draft, stream: Stream, names: set[str]) -> Stream:
    """The stream with its parent, and with what its records carry from it."""
    parent = stream.partition or partition(ctx, draft, names, cursor=stream.cursor is not None)
    beside = {f.name for p in parents(parent) for f in p.extras}
    steps = (
        *included(draft.columns, beside),
        *carried(n for n in draft.bindings.carried if n not in draft.columns),
        *stream.records.steps,
    )
    records = msgspec.structs.replace(stream.records, steps=steps)
    most = most_of(draft.resource.merged)
    if most is not None and parent is not None:  # as in dlt
        limited = f"add_limit changes nothing for {stream.name!r}, which is read below another"
        ctx.gap(draft.resource.merged.mapping[LIMIT], limited)
        most = None
    return msgspec.structs.replace(stream, partition=parent, records=records, most=most)


def _auth(ctx: Context, endpoint: Node, client: Node | None) -> Auth:
    """The endpoint's auth, which replaces the client's altogether, also by null."""
    if endpoint.has("auth"):
        return auth(ctx, endpoint.get("auth"))
    return auth(ctx, client.get("auth") if client else None)


def _pagination(  # noqa: PLR0913 (an endpoint, its client, and what its path and selector say)
    ctx: Context, endpoint: Node, client: Node | None, *, single: bool, whole: bool, listed: bool
) -> Pagination:
    """The endpoint's pagination, else one page for a single entity, else the client's.

    `whole` says that no pagination can be found in the answer: it is one page then. `listed` says
    that the document tells where records are in it: then the client's is followed from it, too,
    which asks for no size, as for one thing.
    """
    own = endpoint.get("paginator")
    said = own is not None and own.value is not None
    if said and (mine := pagination(ctx, own)) != Detect():
        return mine  # to dlt, auto is what the client says
    found = pagination(ctx, client.get("paginator")) if client else Detect()
    if single and not said:
        return _unsized(found) if listed else SinglePage()
    return SinglePage(size=found.size) if whole and isinstance(found, Detect) else found


def _unsized(found: Pagination) -> Pagination:
    """What follows an answer that alone tells that there is another page; else it is one."""
    if isinstance(found, (NextToken, NextLink)) and found.stop.more is None:
        return msgspec.structs.replace(found, size=None)
    return SinglePage()


# The whole.


def _checked(ctx: Context, source: Source, found: Mapping[str, Resource]) -> None:
    """Say what is wrong with the plan as a whole, where the document has it."""
    for finding in check(source):
        if finding.code == "no-streams" and ctx.failed:
            continue  # there were some, and what is wrong with them was said
        place = found[finding.stream].place if finding.stream in found else ctx.document.root
        say = ctx.error if finding.severity == "error" else ctx.warn
        say(finding.code, finding.message, place, finding.hint)


def _unhonoured(ctx: Context, root: Node, found: list[Resource]) -> None:
    """Say of each key that nothing read that it changes nothing: a key is never lost silently."""
    for resource in found:
        for key in ("name", "endpoint"):
            resource.merged.get(key)
    for node in (root.mapping["client"], *(resource.merged for resource in found)):
        for child in node.unread():
            ctx.gap(child, f"{child.label} is not honoured")
