"""Components of a manifest → what makes the objects that components.py is handed."""

from __future__ import annotations

import copy
import importlib
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Protocol, TypeAlias, get_args, get_origin

import msgspec

from penstock.dialects.airbyte.manifest import Component, nodes, replaced
from penstock.dialects.airbyte.standin.loading import (
    Components,
    Fault,
    file_of,
    hints_of,
    line_of_class,
    missing,
)
from penstock.dialects.python.calling import Calling
from penstock.plan.door import Door
from penstock.plan.expr import JsonValue
from penstock.plan.slices import parse_duration


class Making(msgspec.Struct, frozen=True, kw_only=True):
    """A run for which objects are made: the user's values, as components see them."""

    config: dict[str, Any]
    door: Door


Blueprint: TypeAlias = Callable[[Making], Any]


class Parts(Protocol):
    """What the compiler of the manifest gives to what is built."""

    def parent(self, component: Component) -> str | None:
        """The name under which another stream is read."""
        ...

    def route(self, component: Component) -> Any:
        """How the requests of a requester are sent."""
        ...

    def unknown(self, component: Component) -> None:
        """Say that a component cannot be handed to a class."""
        ...


# Types whose stand-in is called otherwise, and where each stand-in is.
_CLASSES = """
auth: ApiKeyAuthenticator BasicHttpAuthenticator BearerAuthenticator JwtAuthenticator NoAuth
  SelectiveAuthenticator SessionTokenAuthenticator=BearerAuthenticator
oauth: OAuthAuthenticator=DeclarativeOauth2Authenticator
decoders: IterableDecoder JsonDecoder JsonlDecoder XmlDecoder CsvDecoder=CompositeRawDecoder
  GzipDecoder=CompositeRawDecoder ZipfileDecoder
extractors: DpathExtractor RecordExpander RecordFilter RecordSelector
failures: CompositeErrorHandler ConstantBackoffStrategy DefaultErrorHandler
  ExponentialBackoffStrategy HttpResponseFilter WaitTimeFromHeader=WaitTimeFromHeaderBackoffStrategy
  WaitTimeFromResponse=WaitTimeFromResponseBackoffStrategy
  WaitUntilTimeFromHeader=WaitUntilTimeFromHeaderBackoffStrategy
incremental: DatetimeBasedCursor InlineSchemaLoader JsonFileSchemaLoader MinMaxDatetime
paginators: CursorPagination=CursorPaginationStrategy DefaultPaginator NoPagination OffsetIncrement
  PageIncrement
request_options: RequestOption RequestPath
requesters: HttpRequester
retrievers: SimpleRetriever DeclarativeStream
routers: ListPartitionRouter ParentStreamConfig SubstreamPartitionRouter
transformations: AddFields AddedFieldDefinition DpathFlattenFields FlattenFields
  KeysReplace=KeysReplaceTransformation KeysToLower=KeysToLowerTransformation
  KeysToSnakeCase=KeysToSnakeCaseTransformation RemoveFields
"""


def _table() -> dict[str, tuple[str, str]]:
    found = {}
    for entry in _CLASSES.strip().replace("\n  ", " ").split("\n"):
        room, _, words = entry.partition(":")
        for word in words.split():
            kind, _, name = word.partition("=")
            found[kind] = (room, name or kind)
    return found


_STANDINS = _table()
_BY_CLASS = {name: kind for kind, (_, name) in reversed(_STANDINS.items())}
_HERE = "penstock.dialects.airbyte.standin"


def standin(kind: str) -> type[Any] | None:
    """The class that stands in for a component type."""
    if kind not in _STANDINS:
        return None
    room, name = _STANDINS[kind]
    found: type[Any] = getattr(importlib.import_module(f"{_HERE}.{room}"), name)
    return found


class Builder:
    """Makes blueprints: what is made of them is made once for each run."""

    def __init__(self, components: Components, parts: Parts) -> None:
        self._components = components
        self._parts = parts

    def custom(self, component: Component, given: Mapping[str, Blueprint]) -> Blueprint:
        """The object of a class of the document's own; `given` are what its parent hands it.

        Raises:
            Fault: there is no such class, or it needs what the manifest does not give.
        """
        made = self._components.named(str(component.value("class_name")))
        hints = hints_of(made)
        fields = self._fields(component, hints, given)
        fields.update({k: v for k, v in given.items() if k in hints})
        fields.update(_common(component, hints))
        needed = missing(made, set(fields))
        if needed:
            short = made.__name__
            hint = "only fields with a type hint in the class are given"
            message = f"{short} needs {', '.join(needed)}, which the manifest does not give"
            fault = Fault("airbyte-component-class", message, line_of_class(made), hint)
            fault.file = file_of(made)
            raise fault
        file = file_of(made)

        def build(making: Making) -> Any:
            with Calling(making.door, file, made.__name__):
                held = made(**{name: make(making) for name, make in fields.items()})
                return _routed(held, route)

        route = self._parts.route(component) if component.kind == "CustomRequester" else None
        return build

    def standard(self, component: Component, given: Mapping[str, Blueprint]) -> Blueprint:
        """The object that stands in for a component of the reference engine."""
        kind = component.kind or ""
        if kind.startswith("Custom"):
            return self.custom(component, given)
        if kind == "DeclarativeStream":
            return self._stream(component)
        made = standin(kind)
        if made is None:
            self._parts.unknown(component)
            return lambda _making: None
        given = {**self._handed(component), **given} if kind == "SimpleRetriever" else given
        hints = {**hints_of(made), **dict.fromkeys(_MORE.get(kind, ()))}
        fields = self._fields(component, hints, given)
        fields.update({k: v for k, v in given.items() if k in hints and k not in fields})
        fields.update(_common(component, hints))
        route = self._parts.route(component) if kind == "HttpRequester" else None
        rework = _REWORKS.get(kind)

        def build(making: Making) -> Any:
            held = {name: make(making) for name, make in fields.items()}
            if rework is not None:
                held = rework(held, making)
            return _routed(made(**held), route)

        return build

    def _handed(self, retriever: Component) -> dict[str, Blueprint]:
        """What a retriever hands to its paginator and its extractor."""
        made: dict[str, Blueprint] = {}
        requester, decoder = retriever.child("requester"), retriever.child("decoder")
        if requester is not None:
            base = str(requester.value("url_base") or requester.value("url") or "")
            made["url_base"] = lambda _making: base
        if decoder is not None:
            made["decoder"] = self.standard(decoder, {})
        return made

    def _stream(self, component: Component) -> Blueprint:
        name = str(component.value("name") or "")
        reads = self._parts.parent(component) or name
        made = standin("DeclarativeStream")
        assert made is not None, "it stands in the table"
        key = component.value("primary_key")
        return lambda _making: made(name, reads, primary_key=key)

    def _fields(
        self, component: Component, hints: Mapping[str, Any], given: Mapping[str, Blueprint]
    ) -> dict[str, Blueprint]:
        names = [n for n in component.entries if n in hints and n not in {"type", "config"}]
        return {n: self._field(component, n, hints[n], given) for n in names}

    def _field(
        self, component: Component, name: str, hint: Any, given: Mapping[str, Blueprint]
    ) -> Blueprint:
        node = component.get(name)
        if node is not None and isinstance(node.value, list):
            children = [component.references.resolve(item) for item in node.items]
            if any(isinstance(child.value, dict) for child in children):
                made = [self._value(c, hint, given) for c in component.children(name)]
                return lambda making: [make(making) for make in made]
        child = component.child(name)
        if child is not None:
            return self._value(child, hint, given)
        return _copied(component.value(name))

    def _value(self, child: Component, hint: Any, given: Mapping[str, Blueprint]) -> Blueprint:
        if child.kind is None and not child.schema:
            derived = _derived(hint)
            if derived is not None:
                typed = replaced(
                    child.node, {**child.node.mapping, "type": nodes(derived, child.node)}
                )
                child = Component(child.references, typed, "", child.handed)
        known = child.kind in _STANDINS or (child.kind or "").startswith("Custom")
        if known:
            return self.standard(child, given)
        if any(_typed(child, name) for name in child.entries) and child.kind is None:
            made = {n: self._field(child, n, None, given) for n in child.entries}
            return lambda making: {n: make(making) for n, make in made.items()}
        return _copied(child.expanded() if child.kind else _plain(child))


def _plain(component: Component) -> JsonValue:
    return {name: component.value(name) for name in component.entries}


def _typed(component: Component, name: str) -> bool:
    child = component.child(name)
    return child is not None and child.kind in _STANDINS


def _derived(hint: Any) -> str | None:
    """The type that a hint tells of a mapping that names none."""
    while get_origin(hint) is not None:
        args = get_args(hint)
        if not args:
            return None
        hint = args[0]
    name = getattr(hint, "__name__", "")
    kind = _BY_CLASS.get(name, name)
    return kind if kind in _STANDINS else None


def _copied(value: JsonValue) -> Blueprint:
    return lambda _making: copy.deepcopy(value)


def _common(component: Component, hints: Mapping[str, Any]) -> dict[str, Blueprint]:
    """The user's values and the parameters, where a class takes them."""
    made: dict[str, Blueprint] = {}
    if "config" in hints:
        made["config"] = lambda making: making.config
    if "parameters" in hints:
        made["parameters"] = _copied(component.parameters_now())
    return made


def _routed(held: Any, route: Any) -> Any:
    if route is not None and hasattr(held, "route_through"):
        held.route_through(route)
    return held


Held: TypeAlias = dict[str, Any]


def _bearer(held: Held, making: Making) -> Held:
    provider = _provider(held, making)
    return {**held, "token_provider": provider}


def _provider(held: Held, making: Making) -> Any:
    from penstock.dialects.airbyte.standin.auth import (  # noqa: PLC0415 (rarely needed)
        InterpolatedStringTokenProvider,
    )

    return InterpolatedStringTokenProvider(
        config=making.config,
        api_token=held.pop("api_token", ""),
        parameters=held.get("parameters") or {},
    )


def _api_key(held: Held, making: Making) -> Held:
    from penstock.dialects.airbyte.standin.request_options import (  # noqa: PLC0415 (rarely needed)
        RequestOption,
        RequestOptionType,
    )

    into, header = held.pop("inject_into", None), held.pop("header", None)
    parameters = held.get("parameters") or {}
    option = into or RequestOption(
        inject_into=RequestOptionType.header, field_name=header, parameters=parameters
    )
    provider = _provider(held, making)
    return {**held, "request_option": option, "token_provider": provider}


def _option(held: Held, making: Making) -> Held:
    from penstock.dialects.airbyte.standin.request_options import (  # noqa: PLC0415 (rarely needed)
        RequestOptionType,
    )

    del making
    return {**held, "inject_into": RequestOptionType(held["inject_into"])}


_INPUTS = (
    "request_parameters",
    "request_headers",
    "request_body",
    "request_body_data",
    "request_body_json",
)


def _requester(held: Held, making: Making) -> Held:
    del making
    inputs = {name: held.pop(name) for name in _INPUTS if name in held}
    parameters = held.get("parameters") or {}
    return {"name": "", **held, "request_options_provider": {**inputs, "parameters": parameters}}


def _jwt(held: Held, making: Making) -> Held:
    del making
    parts = {**(held.pop("jwt_headers", None) or {}), **(held.pop("jwt_payload", None) or {})}
    held.update({k: v for k, v in parts.items() if k in {"kid", "typ", "cty", "iss", "sub", "aud"}})
    return {"token_duration": 1200, **held}


def _csv(held: Held, making: Making) -> Held:
    from penstock.dialects.airbyte.standin.decoders import CsvParser  # noqa: PLC0415 (rarely needed)

    del making
    return {"parser": CsvParser(**held)}


def _packed(held: Held, making: Making) -> Held:
    from penstock.dialects.airbyte.standin.decoders import (  # noqa: PLC0415 (rarely needed)
        GzipParser,
    )

    del making
    return {"parser": GzipParser(inner_parser=_parser(held.get("decoder")))}


def _zip(held: Held, making: Making) -> Held:
    del making
    return {"parser": _parser(held.get("decoder"))}


def _parser(decoder: Any) -> Any:
    from penstock.dialects.airbyte.standin import decoders  # noqa: PLC0415 (rarely needed)

    if isinstance(decoder, decoders.CompositeRawDecoder):
        return decoder.parser
    if isinstance(decoder, decoders.JsonlDecoder):
        return decoders.JsonLineParser()
    return decoders.JsonParser()


def _selector(held: Held, making: Making) -> Held:
    from penstock.dialects.airbyte.standin.extractors import (  # noqa: PLC0415 (rarely needed)
        TransformConfig,
        TypeTransformer,
    )

    del making
    given = held.pop("schema_normalization", None)
    if given is None or isinstance(given, str):
        default = given == "Default"
        how = TransformConfig.DefaultSchemaNormalization if default else TransformConfig.NoTransform
        given = TypeTransformer(how)
    return {**held, "schema_normalization": given}


def _retriever(held: Held, making: Making) -> Held:
    del making
    router = held.pop("partition_router", None)
    held.pop("decoder", None)
    return {**held, "stream_slicer": router} if router is not None else held


def _session(held: Held, making: Making) -> Held:
    from penstock.dialects.airbyte.standin.auth import (  # noqa: PLC0415 (rarely needed)
        SessionTokenProvider,
    )

    del making
    text = held.pop("expiration_duration", None)
    lifetime = parse_duration(text) if text else None
    seconds = None if lifetime is None else lifetime.months * 2_592_000 + lifetime.seconds
    provider = SessionTokenProvider(
        login_requester=held.pop("login_requester"),
        session_token_path=held.pop("session_token_path"),
        expiration_duration=None if seconds is None else timedelta(seconds=seconds),
        parameters={},
    )
    return {**held, "token_provider": provider}


# Fields of a manifest that no argument of the stand-in's constructor is called by.
_MORE: dict[str, tuple[str, ...]] = {
    "ApiKeyAuthenticator": ("api_token", "inject_into", "header"),
    "BearerAuthenticator": ("api_token",),
    "CsvDecoder": ("encoding", "delimiter", "set_values_to_none"),
    "GzipDecoder": ("decoder",),
    "HttpRequester": _INPUTS,
    "JwtAuthenticator": ("jwt_headers", "jwt_payload"),
    "SessionTokenAuthenticator": ("login_requester", "session_token_path", "expiration_duration"),
    "SimpleRetriever": ("partition_router",),
    "ZipfileDecoder": ("decoder",),
}

_REWORKS: dict[str, Callable[[Held, Making], Held]] = {
    "ApiKeyAuthenticator": _api_key,
    "BearerAuthenticator": _bearer,
    "CsvDecoder": _csv,
    "GzipDecoder": _packed,
    "HttpRequester": _requester,
    "JwtAuthenticator": _jwt,
    "RecordSelector": _selector,
    "RequestOption": _option,
    "SessionTokenAuthenticator": _session,
    "SimpleRetriever": _retriever,
    "ZipfileDecoder": _zip,
}


class Instance:
    """An object of a blueprint, one for each run, made when it is first needed."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._blueprint = blueprint
        self._lock = threading.RLock()

    def of(self, door: Door) -> Any:
        """The object of a run."""
        with self._lock:
            if self not in door.kept:
                config = door.kept.setdefault("config", copy.deepcopy(dict(door.values)))
                assert isinstance(config, dict), "it was kept as one"
                door.kept[self] = self._blueprint(Making(config=config, door=door))
            return door.kept[self]
