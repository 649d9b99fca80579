"""Components whose behaviour is a Python class of the manifest's own → callables of the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from penstock.dialects.airbyte import vocabulary
from penstock.dialects.airbyte.manifest import Component
from penstock.errors import Place
from penstock.plan.auth import Auth, NoAuth
from penstock.plan.expr import JsonValue
from penstock.plan.prepare import Rework
from penstock.plan.python import (
    Batch,
    Compute,
    Extract,
    Judge,
    Migrate,
    Pages,
    Retrieve,
    Schema,
    Send,
    Sign,
)
from penstock.plan.records import Glob, Keys, RecordPath

if TYPE_CHECKING:
    from penstock.dialects.airbyte.context import Context
    from penstock.dialects.airbyte.standin.building import Blueprint
    from penstock.dialects.airbyte.standin.calling import Caller
    from penstock.dialects.airbyte.standin.loading import Components
    from penstock.dialects.document import Document, Node

FILE = "components.py"
_NAMED = 3
"""Streams that a warning names; of others it tells how many there are."""
MakeParent = Callable[[Component], str]


class Custom:
    """The classes of one manifest: a file is executed when the first component needs one of it.

    They are those of `components` or of the components.py beside the manifest's `file`, and where
    the manifest stands in a package that its classes are called after, those of its files.
    """

    def __init__(self, components: Path | None, file: str) -> None:
        folder = Path(file).parent if file and Path(file).is_file() else None
        beside = folder / FILE if folder is not None else None
        self.path = components or (beside if beside is not None and beside.is_file() else None)
        self._folder = folder
        self._components: Components | None = None
        self._callers: dict[tuple[int, str, str], tuple[Component, Caller | None]] = {}
        self._missing: dict[tuple[str, str], tuple[Node, dict[str, None]]] = {}

    def miss(self, what: str, name: str, node: Node, stream: str) -> None:
        """Keep in mind that a stream's `what` is a class that nobody has."""
        self._missing.setdefault((what, name), (node, {}))[1][stream] = None

    def tell(self, document: Document) -> None:
        """Say of each missing class, once, which streams want it, and where the first does."""
        hint = f"put its {FILE} beside the manifest"
        for (what, name), (node, streams) in self._missing.items():
            message = f"{what} of {_listed(list(streams))} is the class {name}, which is not run"
            document.say("warning", "airbyte-custom-component", message, node.place, hint)
        self._missing.clear()

    def components(self) -> Components:
        """The Python of the manifest; nothing of it is executed yet."""
        from penstock.dialects.airbyte.standin.loading import (  # noqa: PLC0415 (start-up stays fast)
            Components,
        )

        self._components = self._components or Components(self.path, self._folder)
        return self._components

    def holds(self, component: Component) -> bool:
        """Whether there is a file for the classes that a component and those in it name."""
        names = _class_names(component.expanded())
        return all(self.components().holds(name) for name in names)

    def caller(
        self,
        ctx: Context,
        component: Component,
        what: str,
        given: Mapping[str, Blueprint] | None = None,
    ) -> Caller | None:
        """What calls the object of a component; None where there is none, which is then said.

        A stream that is a parent is compiled again: it has the same objects, and is the same.
        """
        if not self.components().holds(str(component.value("class_name"))):
            ctx.custom(component, what)
            return None
        stream = "" if component.kind == "CustomAuthenticator" else ctx.stream
        key = (id(component.node), stream, repr(component.parameters_now()))
        if key not in self._callers:
            self._callers[key] = (component, self._made(ctx, component, given or {}))
        return self._callers[key][1]

    def _made(
        self, ctx: Context, component: Component, given: Mapping[str, Blueprint]
    ) -> Caller | None:
        from penstock.dialects.airbyte.standin.building import (  # noqa: PLC0415 (start-up stays fast)
            Builder,
            Instance,
        )
        from penstock.dialects.airbyte.standin.calling import Caller  # noqa: PLC0415 (the same)
        from penstock.dialects.airbyte.standin.loading import (  # noqa: PLC0415 (the same)
            Fault,
            file_of,
        )

        try:
            blueprint = Builder(self.components(), _Parts(ctx)).custom(component, given)
            made = self.components().named(str(component.value("class_name")))
        except Fault as fault:
            self.say(ctx, fault, component)
            return None
        return Caller(Instance(blueprint), file_of(made), made.__name__, ctx.bounds)

    def say(self, ctx: Context, fault: Any, component: Component) -> None:
        """One diagnostic, at a line of the file or at the component that names what is missing."""
        if fault.line < 1:
            at = component.place_of("class_name").place
            ctx.document.say("error", fault.code, fault.message, at, fault.hint)
            return
        text, file = "", Path(fault.file or self.path or "")
        if file.is_file():
            lines = file.read_text("utf-8", "replace").splitlines()
            text = lines[fault.line - 1] if 0 < fault.line <= len(lines) else ""
        place = Place(file=str(file), line=max(fault.line, 1), column=1, text=text)
        said = ((d.message, d.place) for d in ctx.document.diagnostics)
        if (fault.message, place) not in said:
            ctx.document.say("error", fault.code, fault.message, place, fault.hint)


def _class_names(value: JsonValue) -> Iterator[str]:
    """Every class that is named in a component."""
    if isinstance(value, dict):
        if isinstance(value.get("class_name"), str):
            yield str(value["class_name"])
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        yield from _class_names(item)


class _Parts:
    """What the compiler gives to the objects that are built."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.parents: list[str] = []

    def parent(self, component: Component) -> str | None:
        """The name under which another stream is read."""
        if self._ctx.parent is None:
            return None
        name = self._ctx.parent(component)
        self._ctx.reads.append(name)
        return name

    def route(self, component: Component) -> Any:
        """How the requests of a requester are sent."""
        from penstock.dialects.airbyte.auth import authentication  # noqa: PLC0415 (it imports this)
        from penstock.dialects.airbyte.policy import policy  # noqa: PLC0415 (it imports this)
        from penstock.dialects.airbyte.standin.requesters import Route  # noqa: PLC0415 (start-up)

        ctx = self._ctx
        return Route(
            auth=authentication(ctx, component),
            policy=policy(ctx, component.child("error_handler")),
        )

    def unknown(self, component: Component) -> None:
        """Say that a component cannot be handed to a class."""
        message = f"{vocabulary.an(component.kind)} cannot be handed to a class of components.py"
        self._ctx.gap(component, message)


# One function for each kind of component; each gives None where the class cannot be used.


def extractor(ctx: Context, component: Component, decoder: Component | None) -> Extract | None:
    """The extractor of a selector; it may use the retriever's decoder."""
    given = {} if decoder is None else {"decoder": standard(ctx, decoder)}
    caller = ctx.classes.caller(ctx, component, "the record extractor", given)
    return None if caller is None else Extract(function=caller.extract, name=caller.name)


def standard(ctx: Context, component: Component) -> Blueprint:
    """What makes the stand-in of a component, to hand it to a class."""
    from penstock.dialects.airbyte.standin.building import Builder  # noqa: PLC0415 (start-up)
    from penstock.dialects.airbyte.standin.loading import Fault  # noqa: PLC0415 (start-up)

    try:
        return Builder(ctx.classes.components(), _Parts(ctx)).standard(component, {})
    except Fault as fault:
        ctx.classes.say(ctx, fault, component)
        return lambda _making: None


def decoder(ctx: Context, component: Component, path: RecordPath) -> Extract | None:
    """A decoder, and where the records stand in what it makes."""
    caller = ctx.classes.caller(ctx, component, "the decoder")
    keys = path.path if isinstance(path, (Keys, Glob)) else ()
    return None if caller is None else Extract(function=caller.decoded(keys), name=caller.name)


def keep(ctx: Context, component: Component) -> Batch | None:
    """A record filter."""
    caller = ctx.classes.caller(ctx, component, "the record filter")
    return None if caller is None else Batch(function=caller.keep, name=caller.name)


def change(ctx: Context, component: Component) -> Batch | None:
    """A transformation."""
    caller = ctx.classes.caller(ctx, component, "a transformation")
    return None if caller is None else Batch(function=caller.change, name=caller.name)


def spread(ctx: Context, component: Component) -> Batch:
    """An expander that asks for what the API left out of its lists."""
    from penstock.dialects.airbyte.standin.building import Instance  # noqa: PLC0415 (start-up)
    from penstock.dialects.airbyte.standin.calling import Caller  # noqa: PLC0415 (start-up)

    name = "RecordExpander"
    name += " that asks for whole lists" if "truncated_list_retriever" in component else ""
    file = str(ctx.classes.path or ctx.document.file)
    caller = Caller(Instance(standard(ctx, component)), file, name, ctx.bounds)
    return Batch(function=caller.expand, name=name)


def normalize(ctx: Context, component: Component, schema: JsonValue) -> Batch | None:
    """A schema normalization."""
    caller = ctx.classes.caller(ctx, component, "the schema normalization")
    return None if caller is None else Batch(function=caller.normalize(schema), name=caller.name)


def sign(ctx: Context, component: Component) -> Auth:
    """An authenticator."""
    caller = ctx.classes.caller(ctx, component, "the authenticator")
    if caller is None:
        return NoAuth()
    return Sign(function=caller.sign, renew=caller.renew, name=caller.name)


def pages(ctx: Context, component: Component) -> Pages | None:
    """A pagination strategy."""
    caller = ctx.classes.caller(ctx, component, "the pagination strategy")
    if caller is None:
        return None
    return Pages(first=caller.first, following=caller.following, size=caller.size, name=caller.name)


def judge(ctx: Context, component: Component) -> Judge | None:
    """An error handler."""
    caller = ctx.classes.caller(ctx, component, "the error handler")
    if caller is None:
        return None
    return Judge(verdict=caller.verdict, retries=caller.retries, wait=caller.wait, name=caller.name)


def composite(ctx: Context, component: Component) -> Judge | None:
    """Several error handlers, one of them a class: all of them are asked as it is."""
    if not ctx.classes.holds(component):
        return None
    from penstock.dialects.airbyte.standin.building import Instance  # noqa: PLC0415 (start-up)
    from penstock.dialects.airbyte.standin.calling import Caller  # noqa: PLC0415 (start-up)

    name = "CompositeErrorHandler"
    caller = Caller(Instance(standard(ctx, component)), str(ctx.classes.path), name, ctx.bounds)
    return Judge(verdict=caller.verdict, retries=caller.retries, wait=caller.wait, name=name)


def backoff(ctx: Context, component: Component) -> Judge | None:
    """A backoff strategy."""
    caller = ctx.classes.caller(ctx, component, "the backoff strategy")
    return None if caller is None else Judge(wait=caller.wait, name=caller.name)


def partitions(ctx: Context, component: Component, parent: MakeParent) -> Compute | None:
    """A partition router; `parent` says under which name another stream is read."""
    inner = ctx.within_parents(parent)
    caller = ctx.classes.caller(inner, component, "the partition router")
    if caller is None:
        return None
    return Compute(
        function=caller.partitions,
        values=caller.options,
        parents=tuple(dict.fromkeys(inner.reads)),
        below=_below(ctx, component),
        name=caller.name,
    )


def _below(ctx: Context, component: Component) -> bool:
    """Whether a router that is a class makes partitions of parents, as the usual one does."""
    from penstock.dialects.airbyte.standin.routers import (  # noqa: PLC0415 (start-up stays fast)
        SubstreamPartitionRouter,
    )

    made = ctx.classes.components().named(str(component.value("class_name")))
    return issubclass(made, SubstreamPartitionRouter)


def send(ctx: Context, component: Component) -> Send | None:
    """A requester."""
    given: dict[str, Blueprint] = {"name": lambda _making: ctx.stream}
    caller = ctx.classes.caller(ctx, component, "the requester", given)
    return None if caller is None else Send(function=caller.send, name=caller.name)


def retrieve(
    ctx: Context,
    component: Component,
    stream: Component,
    schema: Callable[[], JsonValue],
    parent: MakeParent,
) -> Retrieve | None:
    """A retriever of a stream; `parent` says under which name another stream is read."""
    inner = ctx.within_parents(parent)
    changes, key = stream.children("transformations"), stream.value("primary_key")
    made = [standard(inner, child) for child in changes if ctx.classes.holds(child)]
    given: dict[str, Blueprint] = {
        "name": lambda _making: ctx.stream,
        "primary_key": lambda _making: key,
        "transformations": lambda making: [make(making) for make in made],
        "cursor": lambda _making: _cutting(ctx, stream),
    }
    requester = component.child("requester")
    if requester is not None:
        base = str(requester.value("url_base") or requester.value("url") or "")
        given["url_base"] = lambda _making: base
    caller = ctx.classes.caller(inner, component, "the retriever", given)
    if caller is None:
        return None
    return Retrieve(function=caller.retrieve(schema), name=caller.name)


def _cutting(ctx: Context, stream: Component) -> Any:
    """The cursor that a retriever may ask to cut its windows."""
    from penstock.dialects.airbyte.standin.incremental import (  # noqa: PLC0415 (start-up stays fast)
        ConcurrentCursor,
        FinalStateCursor,
    )

    cursor = stream.child("incremental_sync")
    if cursor is None or ctx.bounds is None:
        return FinalStateCursor()
    finest = cursor.value("cursor_granularity")
    step = ctx.duration(cursor, "cursor_granularity", finest) if isinstance(finest, str) else None
    gap = None if step is None else timedelta(seconds=step.seconds)
    return ConcurrentCursor(ctx.bounds, str(cursor.value("datetime_format", "")), gap)


def schema(ctx: Context, component: Component) -> Schema | None:
    """A schema loader."""
    caller = ctx.classes.caller(ctx, component, "the schema loader")
    return None if caller is None else Schema(function=caller.schema, name=caller.name)


def migrate(ctx: Context, component: Component, stream: Component) -> Migrate | None:
    """A state migration of a stream, which it may look at."""

    def model(_making: object) -> Any:
        from penstock.dialects.airbyte.standin.models import (  # noqa: PLC0415 (start-up stays fast)
            modelled,
        )

        return modelled({"$parameters": {}, **stream.expanded()})

    given: dict[str, Blueprint] = {"declarative_stream": model}
    caller = ctx.classes.caller(ctx, component, "a state migration", given)
    return None if caller is None else Migrate(function=caller.migrate, name=caller.name)


def rework(ctx: Context, component: Component) -> Rework | None:
    """A change of the user's values."""
    caller = ctx.classes.caller(ctx, component, "a change of the configuration")
    return None if caller is None else Rework(function=caller.rework, name=caller.name)


def validate(ctx: Context, component: Component) -> Callable[[JsonValue], str | None] | None:
    """A check of one of the user's values."""
    caller = ctx.classes.caller(ctx, component, "a check of the configuration")
    return None if caller is None else caller.validate


def _listed(names: list[str]) -> str:
    """Names in a sentence, the first few of them."""
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more streams"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
