"""Declarative streams and their retrievers → streams."""

from __future__ import annotations

from msgspec.structs import replace

from penstock.dialects.airbyte import custom, slices, template
from penstock.dialects.airbyte.auth import authentication
from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.files import files
from penstock.dialects.airbyte.hints import hints
from penstock.dialects.airbyte.jobs import download_decoder, download_records, job
from penstock.dialects.airbyte.manifest import Component, replaced
from penstock.dialects.airbyte.pagination import pagination
from penstock.dialects.airbyte.policy import policy
from penstock.dialects.airbyte.properties import properties
from penstock.dialects.airbyte.records import decoder, records
from penstock.dialects.airbyte.recovery import recovery
from penstock.dialects.airbyte.request import base_url, request
from penstock.dialects.airbyte.schemas import declared as schemas
from penstock.dialects.airbyte.schemas import merged, with_schemas
from penstock.plan.expr import Const
from penstock.plan.pagination import SinglePage
from penstock.plan.python import Migrate
from penstock.plan.records import Spread
from penstock.plan.request import Request
from penstock.plan.slices import Duration
from penstock.plan.source import ByPartition, Stream

_KINDS = ("DeclarativeStream", "StateDelegatingStream")


class Streams:
    """The streams of one source: the manifest's own, and the parents that only children read."""

    def __init__(
        self, ctx: Context, components: list[Component], *, describe: bool = False
    ) -> None:
        self.ctx = ctx
        self._describe = describe
        self.made: dict[str, Stream] = {}
        self.own: dict[str, Component] = {}
        self._open: set[str] = set()
        for component in components:
            self._claim(component)

    def _claim(self, component: Component) -> None:
        name = self.name_of(component)
        if name in self.own:
            message = f"two streams are called {name!r}; the first one counts"
            self.ctx.warn("duplicate-stream", message, component.node)
        else:
            self.own[name] = component

    def name_of(self, component: Component) -> str:
        """The name of a stream."""
        return str(self.ctx.settled(component, "name", ""))

    def all(self) -> tuple[Stream, ...]:
        """Every stream: the manifest's own in its order, each behind the parents it needs."""
        for name in self.own:
            self.need(name)
        return tuple(self.made.values())

    def need(self, name: str) -> Stream | None:
        """One of the manifest's own streams."""
        if name not in self.made and name not in self._open:
            self._open.add(name)
            stream = self.compile(self.own[name])
            self._open.discard(name)
            if stream is not None:
                self.made[name] = stream
        return self.made.get(name)

    def compile(self, component: Component) -> Stream | None:
        """The stream that a component describes; None where it cannot be read at all."""
        if component.kind == "StateDelegatingStream":
            return self._delegating(component)
        if component.kind != "DeclarativeStream":
            self.ctx.unknown(component, "the stream", _KINDS)
            return None
        name = self.name_of(component)
        node = component.get("name")
        if node is not None and (node.value is None or isinstance(node.value, (list, dict))):
            self.ctx.error("wrong-type", f"'name' takes a text, and not {node.kind}", node)
        ctx = self.ctx.within(name, slices.bounds(self.ctx, component), slices.extras(component))
        retriever = ctx.check(component).child("retriever")
        if retriever is None:
            return None
        match retriever.kind:
            case "SimpleRetriever" | "AsyncRetriever":
                return self._retrieved(ctx, component, ctx.check(retriever))
            case "CustomRetriever":
                return self._custom(ctx, component, retriever)
            case _:
                kinds = ("SimpleRetriever", "AsyncRetriever", "CustomRetriever")
                ctx.unknown(retriever, "the retriever", kinds)
                return None

    def _custom(self, ctx: Context, component: Component, retriever: Component) -> Stream | None:
        """A stream whose slices a class reads; partitions and windows are the plan's."""
        declared = schemas(ctx, component)

        def parent(child: Component) -> str:
            return self._parent(ctx, child)

        read = custom.retrieve(
            ctx, retriever, component, lambda: merged(ctx, component, declared), parent
        )
        if read is None:
            usable = "requester" in retriever and "record_selector" in retriever
            return self._retrieved(ctx, component, retriever) if usable else None
        cursor = slices.cursor(ctx, component)
        stream = Stream(
            name=ctx.stream,
            request=Request(url=Const(value="")),
            pagination=SinglePage(),
            partition=slices.partition(ctx, retriever, parent),
            cursor=cursor,
            hints=hints(ctx, component, declared, incremental=cursor is not None),
            schema=merged(ctx, component, declared) if self._describe else None,
            retrieve=read,
        )
        return self._finished(ctx, component, retriever, retriever, stream)

    def _retrieved(self, ctx: Context, component: Component, retriever: Component) -> Stream | None:
        requester = _requester(ctx, retriever)
        selector = retriever.child("record_selector")
        if requester is None or selector is None:
            return None
        declared = schemas(ctx, component)
        cursor = slices.cursor(ctx, component)
        base = base_url(ctx, requester, template.REQUEST)
        once = retriever.value("ignore_stream_slicer_parameters_on_paginated_requests") is True
        stream = Stream(
            name=ctx.stream,
            request=_request(ctx, requester),
            auth=authentication(ctx, requester),
            decoder=decoder(ctx, retriever.child("decoder")),
            records=records(
                ctx,
                selector,
                component.children("transformations"),
                lambda: merged(ctx, component, declared),
                filters_last=cursor is not None and cursor.filter and cursor.order is None,
                decoding=retriever.child("decoder"),
            ),
            pagination=pagination(
                ctx, retriever.child("paginator"), base, retriever.child("decoder")
            ),
            partition=slices.partition(ctx, retriever, lambda child: self._parent(ctx, child)),
            cursor=cursor,
            policy=policy(ctx, requester.child("error_handler")),
            hints=hints(ctx, component, declared, incremental=cursor is not None),
            recovery=recovery(ctx, retriever),
            slicing="first-page" if once else "every-page",
            schema=merged(ctx, component, declared) if self._describe else None,
        )
        return self._finished(ctx, component, retriever, requester, stream)

    def _finished(
        self,
        ctx: Context,
        component: Component,
        retriever: Component,
        requester: Component,
        stream: Stream,
    ) -> Stream:
        """The stream with what few have."""
        if stream.cursor is not None and stream.cursor.format is None and stream.partition:
            message = "a cursor that counts has one state, and cannot follow partitions"
            ctx.error("count-partitions", message, component.place_of("incremental_sync"))
        for migration in component.children("state_migrations"):
            made = _migration(ctx, migration, component, retriever)
            if made is not None:
                stream = replace(stream, migrations=(*stream.migrations, made))
        stream = replace(stream, files=files(ctx, component))
        stream = with_schemas(ctx, component, stream, self._kept_helper)
        if retriever.kind == "AsyncRetriever":
            waits, given = job(ctx, retriever), download_decoder(ctx, retriever)
            path, steps = download_records(ctx, retriever), stream.records.steps
            spread = tuple(step for step in steps if not isinstance(step, Spread))
            records = replace(stream.records, path=path, steps=spread)
            stream = replace(stream, job=waits, decoder=given, records=records)
        asked = properties(ctx, requester, self._kept_helper)
        return replace(stream, properties=asked, needs=tuple(dict.fromkeys(ctx.needs)))

    def helper(self, component: Component, name: str) -> Stream | None:
        """A stream made of a retriever alone, whose records something else needs."""
        ctx = self.ctx.within(name, None, frozenset())
        retriever = ctx.check(component)
        holder = Component(component.references, replaced(component.node, {}), "", {})
        stream = self._retrieved(ctx, holder, retriever)
        return None if stream is None else replace(stream, selected=False)

    def _kept_helper(self, component: Component, name: str) -> str:
        stream = self.helper(component, name)
        return "" if stream is None else self._keep(stream)

    def _parent(self, child: Context, component: Component) -> str:
        """The name under which a parent is read: the manifest's own stream, if it is the same."""
        name = self.name_of(component)
        stream = self.compile(component)
        if stream is None:
            child.needs.append(f"the parent {name}")
            return name
        own = self.need(name) if name in self.own else None
        if own is not None and _same(own, stream):
            return name
        return self._keep(replace(stream, selected=False))

    def _keep(self, stream: Stream) -> str:
        """Keep a stream that only others read, once, under a name of its own."""
        name, count = stream.name, 1
        while name in self.own or name in self.made:
            held = self.made.get(name)
            if held is not None and not held.selected and _same(held, stream):
                return name
            count += 1
            name = f"{stream.name}__{count}"
        self.made[name] = replace(stream, name=name, called=stream.name if count > 1 else "")
        return name

    def _delegating(self, component: Component) -> Stream | None:
        self.ctx.check(component)
        full, later = component.child("full_refresh_stream"), component.child("incremental_stream")
        made = self.compile(full) if full is not None else None
        then = self.compile(later) if later is not None else None
        if made is None or then is None:
            return then or made
        if not made.name == then.name == self.name_of(component):
            message = "a stream and the two it stands for must have one name"
            self.ctx.error("stream-names", message, component.node)
        return replace(
            made, later=then, retention=_retention(self.ctx, component), hints=then.hints
        )


def _migration(
    ctx: Context, migration: Component, stream: Component, retriever: Component
) -> Migrate | ByPartition | None:
    """What brings a state into its last form; nothing for a stream that never had another."""
    match migration.kind:
        case "CustomStateMigration":
            return custom.migrate(ctx, migration, stream)
        case "LegacyToPerPartitionStateMigration" | None:  # the only one that needs no type
            field, cursor = slices.sole_field(ctx, retriever), stream.child("incremental_sync")
            if field is None or cursor is None:
                message = "a state is migrated only with a cursor and one parent: this does nothing"
                ctx.warn("state-migration", message, migration.node)
                return None
            return ByPartition(field=field, cursor=str(ctx.settled(cursor, "cursor_field", "")))
        case _:
            kinds = ("LegacyToPerPartitionStateMigration", "CustomStateMigration")
            ctx.unknown(migration, "the state migration", kinds)
            return None


def _retention(ctx: Context, component: Component) -> Duration | None:
    field = "api_retention_period"
    text = component.value(field)
    return ctx.duration(component, field, text) if isinstance(text, str) else None


def _request(ctx: Context, requester: Component) -> Request:
    """The request of a requester; of one that is a class, as much as it leaves to the manifest."""
    if requester.kind != "CustomRequester":
        return request(ctx, requester)
    send = custom.send(ctx, requester)
    located = "url_base" in requester or "url" in requester
    made = request(ctx, requester) if located else Request(url=Const(value=""))
    # What the manifest says of parameters is the class's to send, also where a link leads on.
    return made if send is None else replace(made, params=(), send=send)


def _same(one: Stream, other: Stream) -> bool:
    """Whether two streams ask for and give the same records, whatever becomes of them."""
    plain = {"selected": True, "hints": one.hints, "name": one.name, "called": one.called}
    return replace(one, selected=True) == replace(other, **plain)


def _requester(ctx: Context, retriever: Component) -> Component | None:
    field = "creation_requester" if retriever.kind == "AsyncRetriever" else "requester"
    requester = retriever.child(field)
    if requester is None:
        return None
    if requester.kind == "CustomRequester":
        return requester
    if requester.kind != "HttpRequester":
        ctx.unknown(requester, "the requester", ("HttpRequester", "CustomRequester"))
        return None
    return requester
