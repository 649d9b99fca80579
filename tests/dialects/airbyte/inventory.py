"""Every component type and property of the reference engine's schema, each put into a manifest.

A property is honoured if what the manifest compiles to is another thing with it than without it, or
with another value than with one. Manifests are made from the schema itself: the shortest way from
its root to a component, and the least each component on that way must have.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from penstock.dialects.airbyte import compile_document
from penstock.dialects.document import Document
from penstock.plan.source import Discovered

ROOT = "DeclarativeSource"
_TITLE = "declarative_component_schema.yaml"
CONFIG = {
    "start": "2024-01-01", "n": 3, "other": 4, "on": True, "key": "k", "tables": [{"name": "t"}],
    "more": [{"name": "u"}], "deep": {"a": 1, "b": [{"name": "v"}]},
}  # fmt: skip


@cache
def schema() -> dict[str, Any]:
    """The schema of the installed engine, read as a file: the engine itself is not imported."""
    found = importlib.util.find_spec("airbyte_cdk")
    assert found is not None
    assert found.submodule_search_locations
    folder = Path(next(iter(found.submodule_search_locations)))
    text = (folder / "sources" / "declarative" / _TITLE).read_text()
    held: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return held


@cache
def types() -> dict[str, dict[str, Any]]:
    """The schema of each component, those aside that are a user's own classes."""
    whole = schema()
    parts = whole["definitions"].items()
    own = {n: s for n, s in parts if not n.startswith("Custom") and "properties" in s}
    return {ROOT: whole, **own}


def pairs() -> list[tuple[str, str]]:
    """Every component type with every property of it."""
    skipped = {"type", "$parameters"}
    return [(t, p) for t, s in types().items() for p in s["properties"] if p not in skipped]


def refers(part: Any) -> Iterator[str]:
    """The components that a property may hold."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref" and isinstance(value, str):
                name = value.rpartition("/")[2]
                if name in types():
                    yield name
                elif not name.startswith("Custom"):
                    yield from refers(schema()["definitions"][name])
            elif key not in {"examples", "default", "description"}:
                yield from refers(value)
    elif isinstance(part, list):
        for inner in part:
            yield from refers(inner)


@dataclass(frozen=True)
class Way:
    """How to get to a component: the type above it, and the property there."""

    above: str
    name: str


# Where the first way that the schema shows leads through something that does not use the component.
WAYS = {
    "HttpRequester": Way("SimpleRetriever", "requester"),
    "SimpleRetriever": Way("DeclarativeStream", "retriever"),
    "RecordSelector": Way("SimpleRetriever", "record_selector"),
    "DpathExtractor": Way("RecordSelector", "extractor"),
    "JsonDecoder": Way("GzipDecoder", "decoder"),
    "DefaultErrorHandler": Way("HttpRequester", "error_handler"),
    "RequestOption": Way("DatetimeBasedCursor", "start_time_option"),
    "QueryProperties": Way("HttpRequester", "request_parameters"),
    "DeclarativeStream": Way(ROOT, "streams"),
    "HttpRequestRegexMatcher": Way("MovingWindowCallRatePolicy", "matchers"),
    "CombinedExtractor": Way("RecordSelector", "extractor"),
    "NoPagination": Way("SimpleRetriever", "paginator"),
    "AddFields": Way("DeclarativeStream", "transformations"),
    "KeyTransformation": Way("DpathFlattenFields", "key_transformation"),
}


@cache
def ways() -> dict[str, Way]:
    """For each type the nearest place where it may stand."""
    found: dict[str, Way] = {}
    pending = [ROOT]
    while pending:
        above = pending.pop(0)
        for name, part in types()[above]["properties"].items():
            if name == "$parameters":
                continue
            for kind in refers(part):
                if kind not in found and kind != ROOT:
                    found[kind] = Way(above, name)
                    pending.append(kind)
    return found | WAYS


# The least a component must have, where the first value that fits the schema says nothing.
LEAST: dict[str, Any] = {
    ROOT: lambda: {
        "version": "7.0.0",
        "check": {"type": "CheckStream", "stream_names": ["things"]},
        "streams": [least("DeclarativeStream")],
    },
    "DeclarativeStream": lambda: {
        "name": "things",
        "retriever": least("SimpleRetriever"),
        "schema_loader": {
            "type": "InlineSchemaLoader",
            "schema": {"type": "object", "properties": {"a": {"type": "string"}}},
        },
        "transformations": [{"type": "KeysToLower"}],
    },
    "HttpRequester": lambda: {"url": "https://api.test/things"},
    "DpathExtractor": lambda: {"field_path": ["data"]},
    "RecordSelector": lambda: {"extractor": least("DpathExtractor")},
    "SimpleRetriever": lambda: {
        "requester": least("HttpRequester"),
        "record_selector": least("RecordSelector"),
    },
    "RequestOption": lambda: {"inject_into": "request_parameter", "field_name": "q"},
    "AddedFieldDefinition": lambda: {"path": ["new"], "value": "{{ config['n'] }}"},
    "DatetimeBasedCursor": lambda: {
        "cursor_field": "at",
        "datetime_format": "%Y-%m-%d",
        "start_datetime": "2024-01-01",
    },
    "ApiKeyAuthenticator": lambda: {"api_token": "k", "inject_into": least("RequestOption")},
    "DefaultPaginator": lambda: {
        "pagination_strategy": {"type": "PageIncrement", "page_size": 5},
        "page_token_option": least("RequestOption"),
    },
    "HttpResponseFilter": lambda: {"action": "IGNORE", "http_codes": [404]},
    "StreamConfig": lambda: {"configs_pointer": ["tables"]},
    "ConfigComponentsResolver": lambda: {
        "stream_config": least("StreamConfig"),
        "components_mapping": [least("ComponentMappingDefinition")],
    },
    "DynamicDeclarativeStream": lambda: {
        "stream_template": least("DeclarativeStream"),
        "components_resolver": least("ConfigComponentsResolver"),
    },
    "ComponentMappingDefinition": lambda: {
        "field_path": ["name"],
        "value": "{{ components_values['name'] }}",
    },
    "ParametrizedComponentsResolver": lambda: {
        "stream_parameters": {
            "type": "StreamParametersDefinition",
            "list_of_parameters_for_stream": [{"name": "p"}],
        },
        "components_mapping": [least("ComponentMappingDefinition")],
    },
    "StreamParametersDefinition": lambda: {"list_of_parameters_for_stream": [{"name": "p"}]},
    "StateDelegatingStream": lambda: {
        "name": "things",
        "full_refresh_stream": least("DeclarativeStream"),
        "incremental_stream": least("DeclarativeStream"),
    },
    "ConditionalStreams": lambda: {
        "condition": "{{ config['on'] }}",
        "streams": [{**least("DeclarativeStream"), "name": "conditional"}],
    },
    "ParentStreamConfig": lambda: {
        "stream": {**least("DeclarativeStream"), "name": "above"},
        "parent_key": "id",
        "partition_field": "above_id",
    },
    "PropertyChunking": lambda: {
        "property_limit_type": "property_count",
        "property_limit": 2,
        "record_merge_strategy": {"type": "GroupByKeyMergeStrategy", "key": "id"},
    },
    "OAuthAuthenticator": lambda: {
        "token_refresh_endpoint": "https://api.test/token",
        "client_id": "a",
        "client_secret": "b",
        "refresh_token": "c",
    },
    "QueryProperties": lambda: {"property_list": ["a", "b"]},
    "Spec": lambda: {"connection_specification": {"type": "object", "properties": {}}},
    "RateLimitedMultipleTokenAuthenticator": lambda: {
        "tokens": "{{ config['key'] }}",
        "quota_status_source": {"type": "QuotaStatusSource", "url": "https://api.test/quota"},
        "quotas": [least("TokenQuota")],
    },
    "TokenQuota": lambda: {
        "name": "core",
        "remaining_path": ["core", "left"],
        "reset_path": ["core", "reset"],
    },
    "SessionTokenAuthenticator": lambda: {
        "login_requester": {**least("HttpRequester"), "url": "https://api.test/login"},
        "session_token_path": ["token"],
        "request_authentication": {"type": "Bearer"},
    },
    "CompositeErrorHandler": lambda: {"error_handlers": [least("DefaultErrorHandler")]},
    "ParentFieldPath": lambda: {"parent_path": ["a"], "record_path": ["b"]},
    "TypesMap": lambda: {"target_type": "string", "current_type": "text"},
    "CsvDecoder": dict,
    "CombinedExtractor": lambda: {"extractors": [least("DpathExtractor")]},
    "UnionPartitionRouter": lambda: {
        "partition_field": "id",
        "partition_routers": [least("ListPartitionRouter")],
    },
    "ListPartitionRouter": lambda: {"values": ["a", "b"], "cursor_field": "id"},
    "SelectiveAuthenticator": lambda: {
        "authenticator_selection_path": ["key"],
        "authenticators": {"k": least("ApiKeyAuthenticator")},
    },
    "RecordExpander": lambda: {"expand_records_from_field": ["lines", "data"]},
}


def least(kind: str) -> dict[str, Any]:
    """A component of a type with what it must have."""
    held = types()[kind]
    made: dict[str, Any] = {}
    if "type" in held["properties"]:
        made["type"] = held["properties"]["type"]["enum"][0]
    if kind in LEAST:
        return made | LEAST[kind]()
    for name in held.get("required", ()):
        if name not in {"type", "$parameters"}:
            made[name] = next(values(held["properties"][name], name))
    return made


_BY_NAME: dict[str, tuple[Any, ...]] = {
    "period": ("PT1M", "PT1H"),
    "interval": ("PT1M", "PT1H"),
    "expiration_duration": ("PT1H", "PT2H"),
    "api_retention_period": ("P30D", "P60D"),
    "min_split_window": ("PT1H",),
    "max_wait_time": ("PT1H", "PT3H"),
}


def values(part: dict[str, Any], name: str = "") -> Iterator[Any]:
    """Values that fit a property, some of them."""
    yield from _BY_NAME.get(name, ())
    if "$ref" in part:
        kind = part["$ref"].rpartition("/")[2]
        if kind.startswith("Custom"):
            return
        if kind in types():
            yield least(kind)
        else:
            yield from values(schema()["definitions"][kind], name)
        return
    for option in (*part.get("anyOf", ()), *part.get("oneOf", ())):
        yield from values(option, name)
    yield from part.get("enum", ())
    yield from (json.loads(json.dumps(e, default=str)) for e in part.get("examples", ()))
    kinds = part.get("type", ())
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        yield from _plain(kind, part, name)


def _plain(kind: str, part: dict[str, Any], name: str) -> Iterator[Any]:
    match kind:
        case "string":
            yield from ("one", "{{ config['key'] }}", "P1D", "2024-02-02")
        case "integer" | "number":
            yield from (7, 9)
        case "boolean":
            yield from (True, False)
        case "array":
            inner = list(values(part.get("items", {"type": "string"}), name))
            yield from ([one] for one in inner)
        case "object":
            inner = part.get("additionalProperties", True)
            fits = values(inner or {}, name) if isinstance(inner, dict) else iter(["one"])
            yield from ({"key": one} for one in fits)
        case _:
            return


def placed(kind: str, component: dict[str, Any]) -> dict[str, Any]:
    """A manifest with a component in the place that is nearest for its type."""
    if kind == ROOT:
        return component
    way = ways()[kind]
    above = _above(kind, way)
    part = types()[way.above]["properties"][way.name]
    above[way.name] = _in(part, component)
    return placed(way.above, above)


def _above(kind: str, way: Way) -> dict[str, Any]:
    more: dict[str, Any] = SURROUNDING.get(kind, {})
    made = {**least(way.above), **{k: v() if callable(v) else v for k, v in more.items()}}
    return {k: v for k, v in made.items() if v is not None}


_RULES = {
    "ConfigMigration": "config_migrations",
    "DpathValidator": "validations",
    "PredicateValidator": "validations",
}


def _in(part: dict[str, Any], component: dict[str, Any]) -> Any:
    """The value of a property that holds a component: itself, in a list, or under a key."""
    if "config_migrations" in part.get("properties", {}):
        rule = _RULES.get(component["type"], "transformations")
        return {"type": "ConfigNormalizationRules", rule: [component]}
    options = [part, *part.get("anyOf", ())]
    kind = component.get("type")
    if kind == "QueryProperties":
        return {"fields": component}
    if any("$ref" in o and _is(o["$ref"], component) for o in options):
        return component
    if any(o.get("type") == "array" for o in options):
        return [component]
    return {"key": component} if any("additionalProperties" in o for o in options) else component


def _is(ref: str, component: dict[str, Any]) -> bool:
    held = types().get(ref.rpartition("/")[2], {"properties": {}})
    kind = held["properties"].get("type")
    return kind is None or component.get("type") in kind["enum"]


# What must stand beside a component for it to be of any use.
def _parted() -> dict[str, Any]:
    parent = {"type": "SubstreamPartitionRouter", "parent_stream_configs": [
        least("ParentStreamConfig")]}  # fmt: skip
    return {**least("SimpleRetriever"), "partition_router": parent}


SURROUNDING: dict[str, dict[str, Any]] = {
    "LegacyToPerPartitionStateMigration": {
        "retriever": _parted,
        "incremental_sync": lambda: least("DatetimeBasedCursor"),
    },
}


def _flat(value: Any) -> Any:
    """A plan as plain data in which a function is a word."""
    if isinstance(value, Discovered):
        streams = value.expand([{"name": "x", "id": 1}], [{}])
        return ["Discovered", value.name, _flat(value.source), _flat(streams)]
    if isinstance(value, msgspec.Struct):
        return [
            type(value).__name__,
            {n: _flat(getattr(value, n)) for n in value.__struct_fields__},
        ]
    if isinstance(value, dict):
        return {str(k): _flat(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_flat(v) for v in value]
    return "a function" if callable(value) else repr(value)


@dataclass(frozen=True)
class Outcome:
    """What a manifest compiles to, and what is said of it."""

    plan: Any
    said: frozenset[tuple[str, str, str]]

    def of(self, severity: str) -> list[str]:
        """The messages of a severity."""
        return sorted(f"{code}: {text}" for level, code, text in self.said if level == severity)


def outcome(manifest: dict[str, Any]) -> Outcome:
    """What becomes of a manifest."""
    made = compile_document(Document.from_object(manifest, "m"), CONFIG, describe=True)
    said = frozenset((d.severity, d.code, d.message) for d in made.diagnostics)
    return Outcome(None if made.source is None else _flat(made.source), said)


def attempts(kind: str, name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of a component as it is and with another value of a property."""
    base = BESIDE.get((kind, name), BESIDE.get((kind, ""), dict))()
    made = {**least(kind), **base}
    without = {k: v for k, v in made.items() if k != name}
    tried = [v() if callable(v) else v for v in TRIED.get((kind, name), ())]
    for value in (*tried, *values(types()[kind]["properties"][name], name)):
        for before in (without, made):
            yield before, {**without, name: value}


def _async() -> dict[str, Any]:
    return {"streams": [{**least("DeclarativeStream"), "retriever": least("AsyncRetriever")}]}


def _other(kind: str, **parts: Any) -> Any:
    """Another component of a type than the least one."""
    return lambda: {**least(kind), **parts}


_HEADER = {"type": "RequestOption", "inject_into": "header", "field_name": "h"}
_FILTER = {"type": "RecordFilter", "condition": "{{ record.a }}"}
_ASKS = _other("HttpRequester", url="https://api.test/other")
_MATCHERS = [{"method": "POST"}]
_RENAMED = [{"type": "ComponentMappingDefinition", "field_path": ["name"], "value": "other"}]


def _handed() -> dict[str, Any]:
    """A dynamic stream whose template and its requester know the same parameter."""
    template = least("DeclarativeStream")
    asks = {"path": "{{ parameters['at'] }}", "$parameters": {"at": "a"}}
    template["retriever"]["requester"] |= asks
    return {"stream_template": {**template, "$parameters": {"at": "b"}}}


# What a property needs beside it to mean anything.
BESIDE: dict[tuple[str, str], Any] = {
    (ROOT, "max_concurrent_async_job_count"): _async,
    ("ApiKeyAuthenticator", "header"): lambda: {"inject_into": None, "header": "X-Key"},
    ("RecordExpander", "truncated_list_retriever"): lambda: {
        "truncation_indicator_path": ["lines", "has_more"]
    },
    ("DatetimeBasedCursor", "step"): lambda: {"cursor_granularity": "P1D", "step": "P7D"},
    ("DatetimeBasedCursor", "cursor_granularity"): lambda: {
        "cursor_granularity": "P1D",
        "step": "P7D",
    },
    ("OAuthAuthenticator", "profile_assertion"): lambda: {
        "use_profile_assertion": True,
        "profile_assertion": least("JwtAuthenticator"),
    },
    ("OAuthAuthenticator", "use_profile_assertion"): lambda: {
        "profile_assertion": least("JwtAuthenticator")
    },
    ("ComplexFieldType", "items"): lambda: {"field_type": "array"},
    ("HttpResponseFilter", "failure_type"): lambda: {"action": "FAIL"},
    ("LegacySessionTokenAuthenticator", "validate_session_url"): lambda: {"session_token": "t"},
    ("RequestOption", "field_path"): lambda: {
        "field_name": None,
        "field_path": ["a", "b"],
        "inject_into": "body_json",
    },
    ("RecordSelector", "transform_before_filtering"): lambda: {"record_filter": _FILTER},
    ("ComponentMappingDefinition", "value_type"): lambda: {
        "field_path": ["primary_key"],
        "value": "{{ 5 }}",
        "create_or_update": True,
    },
    ("ComponentMappingDefinition", "create_or_update"): lambda: {
        "field_path": ["primary_key"],
        "value": "id",
    },
    ("ConcurrencyLevel", "max_concurrency"): lambda: {"default_concurrency": "{{ config['n'] }}"},
    ("DynamicDeclarativeStream", "use_parent_parameters"): _handed,
    ("DeclarativeStream", "state_migrations"): lambda: {
        "retriever": _parted(),
        "incremental_sync": least("DatetimeBasedCursor"),
    },
}

# Values to try first, where those that the schema shows are what is there without them.
TRIED: dict[tuple[str, str], tuple[Any, ...]] = {
    ("CsvDecoder", "encoding"): ("latin-1",),
    ("JsonItemsDecoder", "encoding"): ("latin-1",),
    ("ApiKeyAuthenticator", "inject_into"): (_HEADER,),
    ("AsyncRetriever", "record_selector"): (_other("RecordSelector", record_filter=_FILTER),),
    **{
        ("AsyncRetriever", f"{part}_requester"): (_ASKS,)
        for part in ("creation", "polling", "download")
    },
    ("CheckDynamicStream", "stream_count"): (4,),
    ("DeclarativeStream", "file_uploader"): (
        lambda: {
            "type": "FileUploader",
            "requester": _ASKS(),
            "download_target_extractor": {"type": "DpathExtractor", "field_path": ["url"]},
        },
    ),
    ("CombinedExtractor", "mode"): ("first_match",),
    ("CompositeErrorHandler", "error_handlers"): (
        [{"type": "DefaultErrorHandler", "max_retries": 2}],
    ),
    ("ConcurrencyLevel", "max_concurrency"): (2,),
    ("ConfigComponentsResolver", "components_mapping"): (_RENAMED,),
    ("ConfigAddFields", "fields"): (
        [{"type": "AddedFieldDefinition", "path": ["x"], "value": "y"}],
    ),
    ("DatetimeBasedCursor", "clamping"): ({"target": "DAY"},),
    ("DatetimeBasedCursor", "cursor_granularity"): ("PT1H",),
    ("DynamicDeclarativeStream", "stream_template"): (
        _other("DeclarativeStream", primary_key="id"),
    ),
    ("FixedWindowCallRatePolicy", "matchers"): (_MATCHERS,),
    ("HttpRequester", "error_handler"): ({"type": "DefaultErrorHandler", "max_retries": 2},),
    ("OAuthAuthenticator", "profile_assertion"): (_other("JwtAuthenticator", secret_key="k2"),),
    ("OAuthAuthenticator", "refresh_token_updater"): ({"refresh_token_config_path": ["r"]},),
    ("PaginationReset", "limits"): ({"type": "PaginationResetLimits", "number_of_records": 5},),
    ("ParametrizedComponentsResolver", "components_mapping"): (_RENAMED,),
    ("PropertiesFromEndpoint", "retriever"): (_other("SimpleRetriever", requester=_ASKS()),),
    ("PredicateValidator", "validation_strategy"): (
        {"type": "ValidateAdheresToSchema", "base_schema": {"type": "string"}},
    ),
    ("RecordSelector", "record_filter"): (_FILTER,),
    ("RequestBodyJsonObject", "value"): ({"a": "b"},),
    ("RecordSelector", "schema_normalization"): ("Default",),
    ("SessionTokenAuthenticator", "decoder"): ({"type": "XmlDecoder"},),
    ("SessionTokenRequestApiKeyAuthenticator", "inject_into"): (_HEADER,),
    **{
        ("StateDelegatingStream", f"{part}_stream"): (
            _other("DeclarativeStream", retriever=_other("SimpleRetriever", requester=_ASKS())()),
        )
        for part in ("full_refresh", "incremental")
    },
    ("StreamGroup", "streams"): ([least("DeclarativeStream")],),
    ("UnlimitedCallRatePolicy", "matchers"): (_MATCHERS,),
}


@cache
def honoured(kind: str, name: str) -> tuple[bool, tuple[str, ...]]:
    """Whether a property changes what a manifest compiles to, and what is said of it.

    What a component says is heard by what holds it: a property through which a honoured one of a
    part is reached is honoured too.
    """
    said: list[str] = []
    for before, after in attempts(kind, name):
        one, other = outcome(placed(kind, before)), outcome(placed(kind, after))
        said += sorted(f"{code}: {text}" for _, code, text in other.said - one.said)
        if one.plan != other.plan and one.plan and other.plan:
            return True, tuple(said)
    parts = [part for part, way in ways().items() if way == Way(kind, name)]
    inside = any(honoured(p, q)[0] for p in parts for t, q in pairs() if t == p)
    return inside, tuple(said)


def refusals(kind: str, name: str, inner: str) -> list[str]:
    """What is said against a component of a type in a property of another."""
    part = types()[kind]["properties"][name]
    base = {**least(kind), **BESIDE.get((kind, name), dict)()}
    manifest = placed(kind, {**base, name: _in(part, least(inner))})
    said = outcome(manifest).of("error")
    return [f"{name}: {text}" for text in said if "unknown-type" in text or "no-type" in text]
