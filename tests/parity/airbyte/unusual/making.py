"""Streams that few manifests make: dynamic ones, values that are changed first, odd answers."""

from __future__ import annotations

from typing import Any

from tests.parity.airbyte.build import case, option, paginator, requester, rows, selector, stream
from tests.parity.airbyte.cursors import cursor
from tests.parity.airbyte.errors import _composite, _filter, _handler
from tests.parity.airbyte.harness import Asked, Case, Reply
from tests.parity.airbyte.partitions import listed

# Values that are changed before anything reads them.


def _ruled(name: str, config: dict[str, Any], **rules: Any) -> Case:
    spec = {
        "type": "Spec",
        "connection_specification": {"type": "object", "properties": {}},
        "config_normalization_rules": {"type": "ConfigNormalizationRules", **rules},
    }
    seen = {"request_parameters": {k: "{{ config.get('%s') }}" % k for k in "abcd"}}  # noqa: UP031 (braces)
    return case(
        f"values, {name}",
        stream(asks=seen),
        manifest={"spec": spec},
        config=config,
        api=lambda: lambda _: rows(1),
    )


def _remap(field: list[str], **names: str) -> dict[str, Any]:
    return {"type": "ConfigRemapField", "field_path": field, "map": names}


def _put_in(value: str, *path: str, **parts: Any) -> dict[str, Any]:
    fields = [{"type": "AddedFieldDefinition", "path": list(path), "value": value}]
    return {"type": "ConfigAddFields", "fields": fields, **parts}


def _checks(value: str, schema: dict[str, Any]) -> dict[str, Any]:
    strategy = {"type": "ValidateAdheresToSchema", "base_schema": schema}
    return {"type": "PredicateValidator", "value": value, "validation_strategy": strategy}


_TEXT = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
_VALUES = [
    _ruled("remapped", {"a": "old"}, transformations=[_remap(["a"], old="new")]),
    _ruled("remapped, of no such value", {"a": "other"},
           transformations=[_remap(["a"], old="new")]),
    _ruled("remapped, missing", {}, transformations=[_remap(["a"], old="new")]),
    _ruled("remapped by a template", {"a": "x", "m": "y"}, transformations=[
        {"type": "ConfigRemapField", "field_path": ["{{ 'a' }}"], "map": {"x": "{{ config.m }}"}}]),
    _ruled("added", {"a": "1"}, transformations=[_put_in("{{ config['a'] }}5", "b")]),
    _ruled("added where another is missing", {"a": "1"}, transformations=[
        _put_in("x", "b", condition="{{ not config.get('b') }}"),
        _put_in("y", "a", condition="{{ not config.get('a') }}")]),
    _ruled("added one after the other", {"a": "1"}, transformations=[
        _put_in("{{ config['a'] }}2", "b"), _put_in("{{ config['b'] }}3", "c")]),
    _ruled("removed", {"a": "1", "b": "2"}, transformations=[
        {"type": "ConfigRemoveFields", "field_pointers": [["a"]]}]),
    _ruled("migrated", {"a": "1"}, config_migrations=[{
        "type": "ConfigMigration", "description": "d",
        "transformations": [_put_in("{{ config['a'] }}", "b")]}]),
    _ruled("migrated, then changed", {"a": "1"}, config_migrations=[{
        "type": "ConfigMigration", "transformations": [_put_in("2", "b")]}],
        transformations=[_put_in("{{ config['b'] }}3", "c")]),
    _ruled("checked at a path", {"a": {"x": 5}}, validations=[{
        "type": "DpathValidator", "field_path": ["a"], "validation_strategy": {
            "type": "ValidateAdheresToSchema", "base_schema": _TEXT}}]),
    _ruled("checked at a path that is missing", {}, validations=[{
        "type": "DpathValidator", "field_path": ["a"], "validation_strategy": {
            "type": "ValidateAdheresToSchema", "base_schema": _TEXT}}]),
    _ruled("checked at a path with a star", {"a": {"p": {"x": "t"}, "q": {"x": 5}}}, validations=[{
        "type": "DpathValidator", "field_path": ["a", "*"], "validation_strategy": {
            "type": "ValidateAdheresToSchema", "base_schema": _TEXT}}]),
]  # fmt: skip

# Streams that are made of a template.


def _dynamic(name: str, resolver: Any, template: Any = None, **parts: Any) -> Case:
    made = {
        "type": "DynamicDeclarativeStream",
        "name": "made",
        "stream_template": template or stream("placeholder", path="/placeholder"),
        "components_resolver": resolver,
        **parts.pop("dynamic", {}),
    }
    api = parts.pop("api", lambda: lambda a: rows(a.path))
    return case(
        f"dynamic streams, {name}",
        stream("fixed"),
        manifest={"dynamic_streams": [made]},
        api=api,
        **parts,
    )


def _put(value: str, *path: str, **parts: Any) -> dict[str, Any]:
    mapping = {"type": "ComponentMappingDefinition", "field_path": list(path), "value": value}
    return {**mapping, **parts}


_NAME = _put("{{ components_values['name'] }}", "name")
_PATH = _put("/{{ components_values['name'] }}", "retriever", "requester", "path")


def _by_config(*mapping: Any, **parts: Any) -> dict[str, Any]:
    given = {"type": "StreamConfig", "configs_pointer": ["tables"], **parts}
    return {
        "type": "ConfigComponentsResolver",
        "stream_config": given,
        "components_mapping": list(mapping),
    }


def _by_list(values: list[Any], *mapping: Any) -> dict[str, Any]:
    return {
        "type": "ParametrizedComponentsResolver",
        "stream_parameters": {
            "type": "StreamParametersDefinition",
            "list_of_parameters_for_stream": values,
        },
        "components_mapping": list(mapping),
    }


_TWO = {"tables": [{"name": "x", "key": "id", "n": 2}, {"name": "y", "key": "id", "n": 3}]}
_QUERY = ("retriever", "requester", "request_parameters", "q")
_MADE = [
    _dynamic("a value that is added", _by_config(
        _NAME, _PATH, _put("{{ components_values['n'] }}", *_QUERY, create_or_update=True)),
        config=_TWO),
    _dynamic("a value that is not there", _by_config(
        _NAME, _PATH, _put("{{ components_values['n'] }}", *_QUERY)), config=_TWO),
    _dynamic("a value on a condition", _by_config(
        _NAME, _PATH, _put("{{ components_values['n'] }}", *_QUERY, create_or_update=True,
                           condition="{{ components_values['name'] == 'x' }}")), config=_TWO),
    _dynamic("values at a pattern", _by_config(
        _NAME, _put("/{{ components_values['name'] }}", "retriever", "*", "path")), config=_TWO),
    _dynamic("values at every depth", _by_config(
        _PATH, _put("{{ components_values['name'] }}", "**", "name")), config=_TWO),
    _dynamic("values at every depth of a part", _by_config(
        _NAME, _PATH, _put("{{ components_values['n'] }}", "retriever", "**", "http_method"),
        _put("GET", "**", "requester", "http_method")), config=_TWO),
    _dynamic("a typed value", _by_config(
        _NAME, _PATH, _put("{{ components_values['n'] }}", *_QUERY, create_or_update=True,
                           value_type="string")), config=_TWO),
    _dynamic("a list for a value", _by_config(
        _NAME, _PATH, _put("['data']", "retriever", "record_selector", "extractor",
                           "field_path")), config=_TWO),
    _dynamic("a key that is a template", _by_config(
        _NAME, _PATH, _put("v", "retriever", "requester", "request_parameters",
                           "{{ components_values['key'] }}", create_or_update=True)), config=_TWO),
    _dynamic("defaults besides", _by_config(_NAME, _PATH, default_values=[{"name": "z"}]),
             config=_TWO),
    _dynamic("defaults alone", _by_config(_NAME, _PATH, default_values=[{"name": "z"}]),
             config={"tables": []}),
    _dynamic("nothing at the pointer", _by_config(_NAME, _PATH), config={}),
    _dynamic("one object at the pointer", _by_config(_NAME, _PATH),
             config={"tables": {"name": "x"}}),
    _dynamic("two of one name", _by_config(_NAME, _PATH),
             config={"tables": [{"name": "x"}, {"name": "x"}]}),
    _dynamic("two lists", {
        "type": "ConfigComponentsResolver",
        "stream_config": [
            {"type": "StreamConfig", "configs_pointer": ["tables"]},
            {"type": "StreamConfig", "configs_pointer": ["regions"]}],
        "components_mapping": [
            _put("{{ components_values['name'] }}-{{ components_values['region'] }}", "name"),
            _PATH]},
        config={**_TWO, "regions": [{"region": "eu"}, {"region": "us"}]}),
    _dynamic("parameters of its own", _by_list(
        [{"name": "x", "f": ["id"]}, {"name": "y", "f": ["n"]}], _NAME, _PATH,
        _put("{{ components_values['f'] }}", "primary_key", create_or_update=True))),
    _dynamic("the template is seen", _by_list([{"name": "x"}], _put(
        "{{ stream_template_config['name'] }}-{{ components_values['name'] }}", "name"))),
    _dynamic("the parameters of the parent", _by_list([{"name": "x"}], _NAME),
             {**stream("placeholder", path="/{{ parameters['p'] }}"),
              "$parameters": {"p": "inner"}}, dynamic={"$parameters": {"p": "outer"}}),
    _dynamic("the parameters of the parent not", _by_list([{"name": "x"}], _NAME),
             {**stream("placeholder", path="/{{ parameters['p'] }}"),
              "$parameters": {"p": "inner"}},
             dynamic={"$parameters": {"p": "outer"}, "use_parent_parameters": False}),
    _dynamic("by an API with a partition", {
        "type": "HttpComponentsResolver",
        "retriever": {
            "type": "SimpleRetriever", "requester": requester("/tables"),
            "record_selector": selector("data"),
            "partition_router": listed("r", "s", request_option=option("region"))},
        "components_mapping": [
            _put("{{ components_values['name'] }}{{ stream_slice['region'] }}", "name"),
            _PATH]},
        api=lambda: lambda a: (
            {"data": [{"name": "x"}]} if a.path == "/tables" else rows(a.path)),
        shared=("/tables",)),
    _dynamic("by an API of pages", {
        "type": "HttpComponentsResolver",
        "retriever": {
            "type": "SimpleRetriever", "requester": requester("/tables"),
            "record_selector": selector("data"),
            "paginator": paginator({"type": "PageIncrement", "page_size": 1}, option("page"))},
        "components_mapping": [_NAME, _PATH]},
        api=lambda: lambda a: (
            {"data": [{"name": "xy"[int(a.params.get("page", 0))]}]
             if int(a.params.get("page", 0)) < 2 else []}
            if a.path == "/tables" else rows(a.path)),
        shared=("/tables",)),
]  # fmt: skip

# What answers mean.


def _judged(name: str, handler: Any, *replies: Any, **parts: Any) -> Case:
    more = {k: parts.pop(k) for k in ("retrieves", "incremental_sync") if k in parts}
    asks = {"error_handler": handler, **parts.pop("asks", {})}
    return case(f"answers, {name}", stream(asks=asks, **more), replies=list(replies), **parts)


def _bad(status: int, body: Any = None, **headers: str) -> Reply:
    return Reply(status=status, body={"error": "no"} if body is None else body, headers=headers)


def _waiting(*strategies: Any) -> dict[str, Any]:
    return {"type": "DefaultErrorHandler", "backoff_strategies": list(strategies)}


def _until(**parts: Any) -> dict[str, Any]:
    return {"type": "WaitUntilTimeFromHeader", "header": "X-Reset", **parts}


_MESSAGES: dict[str, Any] = {
    "a message": {"message": "gone"},
    "an error": {"error": "gone"},
    "an error's message": {"error": {"message": "gone"}},
    "errors": {"errors": ["a", "gone"]},
    "errors' messages": {"errors": [{"message": "a"}, {"message": "gone"}]},
    "an error's detail": {"detail": "gone"},
    "an error's description": {"error_description": "gone"},
    "failures": {"failures": [{"message": "gone"}]},
    "reasons": {"failureReason": "gone"},
    "a list": [{"message": "gone"}],
    "a text": "gone",
    "a title": {"title": "gone"},
    "messages": {"messages": ["gone"]},
    "details": {"details": "gone"},
    "a status": {"status_message": "gone"},
}
_JUDGED = [
    *(
        _judged(f"told by {n}", _handler(_filter("IGNORE", error_message_contains="gone")),
                _bad(400, body))
        for n, body in _MESSAGES.items()
    ),
    _judged("a filter without an action", _handler(_filter(http_codes=[404])), _bad(404)),
    _judged("a filter without an action, of a server", _handler(_filter(http_codes=[500])),
            _bad(500), rows(1)),
    _judged("a filter with a message alone", _handler(_filter(
        http_codes=[404], error_message="told")), _bad(404)),
    _judged("a predicate of the status", _handler(_filter(
        "IGNORE", predicate="{{ response.status_code == 400 }}")), _bad(400)),
    _judged("a predicate that fails", _handler(_filter(
        "IGNORE", predicate="{{ response.a.b == 1 }}")), _bad(400)),
    _judged("a predicate of a text body", _handler(_filter(
        "IGNORE", predicate="{{ 'gone' in response }}")), _bad(400, "gone")),
    _judged("a predicate of an empty body", _handler(_filter(
        "IGNORE", predicate="{{ response | length == 0 }}")), _bad(400, "")),
    _judged("a predicate of the url", _handler(_filter(
        "IGNORE", predicate="{{ '/items' in request_url }}")), _bad(400)),
    _judged("a predicate on success, of the header", _handler(_filter(
        "RETRY", predicate="{{ headers['X-Again'] == 'yes' }}")),
        Reply(body=rows(1), headers={"X-Again": "yes"}), rows(2)),
    _judged("a success that is ignored ends no pages", _handler(_filter(
        "IGNORE", predicate="{{ response.skip }}")),
        rows(1, skip=True, next="b"), rows(2), retrieves={"paginator": paginator(
            {"type": "CursorPagination", "cursor_value": "{{ response.next }}"}, option("c"))}),
    _judged("a limit told by a success", _handler(_filter(
        "RATE_LIMITED", predicate="{{ response.limited }}")), {"limited": True}, rows(1)),
    _judged("a composite of composites", _composite(
        _composite(_handler(_filter("IGNORE", http_codes=[404]))),
        _handler(_filter("RETRY", http_codes=[400]))), _bad(400), rows(1)),
    _judged("a composite that retries", _composite(
        _handler(_filter("RETRY", http_codes=[404])),
        _handler(_filter("IGNORE", http_codes=[404]))), _bad(404), rows(1)),
    _judged("a composite that fails first, and ignores", _composite(
        _handler(_filter("FAIL", http_codes=[404])),
        _handler(_filter("IGNORE", http_codes=[404]))), _bad(404)),
    _judged("a wait until a time", _waiting(_until()), _bad(429, **{"X-Reset": "1718454705"}),
            rows(1), waits=False),
    _judged("a wait until a time that is over", _waiting(_until(min_wait=20)),
            _bad(429, **{"X-Reset": "1000"}), rows(1), waits=False),
    _judged("a wait until no time", _waiting(_until()), _bad(429, **{"X-Reset": "soon"}), rows(1)),
    _judged("a wait by the body", _waiting({
        "type": "WaitTimeFromResponse", "wait_time_in_seconds": "{{ response['retry']['in'] }}"}),
        _bad(429, {"retry": {"in": "7"}}), rows(1)),
    _judged("a wait by nothing in the body", _waiting({
        "type": "WaitTimeFromResponse", "wait_time_in_seconds": "{{ response.get('gone') }}"}),
        _bad(429, {"x": 1}), rows(1)),
    _judged("a wait by the body that is too long", _waiting({
        "type": "WaitTimeFromResponse", "wait_time_in_seconds": "{{ response.wait }}",
        "max_waiting_time_in_seconds": 5}), _bad(429, {"wait": 60}), rows(1)),
    _judged("a wait of a fraction", _waiting({
        "type": "ConstantBackoffStrategy", "backoff_time_in_seconds": 0.75}), _bad(500), rows(1)),
    _judged("a wait of a date", _waiting({
        "type": "WaitTimeFromHeader", "header": "Retry-After"}),
        _bad(429, **{"Retry-After": "Sat, 15 Jun 2024 12:31:45 GMT"}), rows(1)),
    _judged("a wait of a fraction in a header", _waiting({
        "type": "WaitTimeFromHeader", "header": "retry-after"}),
        _bad(503, **{"Retry-After": "2.5"}), rows(1)),
    _judged("a wait by a template of a header", _waiting({
        "type": "WaitTimeFromHeader", "header": "{{ config['h'] }}"}),
        _bad(503, **{"X-W": "3"}), rows(1), config={"h": "X-W"}),
    _judged("retries by a template", {"type": "DefaultErrorHandler",
                                      "max_retries": "{{ config.get('n', 2) }}"}, _bad(500)),
]  # fmt: skip

# Properties that are asked for.


def _properties(name: str, answer: Any = None, **parts: Any) -> Case:
    asked = {"type": "QueryProperties", "property_list": ["a", "b", "c", "d"], **parts}
    made = stream(
        asks={"request_parameters": {"fields": asked, "z": "1"}},
        retrieves={"paginator": paginator({"type": "PageIncrement", "page_size": 2},
                                          option("page"))},
    )  # fmt: skip

    def plain(request: Asked) -> Any:
        names = request.params.get("fields", "").split(",")
        page = int(request.params.get("page", 0))
        ids = [(1, 2), (3,)][page] if page < 2 else ()
        return {"data": [{"id": str(i), **{n: f"{n}{i}" for n in names}} for i in ids]}

    return case(f"asked properties, {name}", made, api=lambda: answer or plain)


def _chunks(limit: int, **parts: Any) -> dict[str, Any]:
    return {
        "type": "PropertyChunking",
        "property_limit_type": "property_count",
        "property_limit": limit,
        **parts,
    }


_BY_ID = {"record_merge_strategy": {"type": "GroupByKeyMergeStrategy", "key": ["id"]}}
_PROPERTIES = [
    _properties("whole, of pages"),
    _properties("in chunks, of pages", property_chunking=_chunks(2, **_BY_ID)),
    _properties("in chunks that are not merged", property_chunking=_chunks(3)),
    _properties("in one chunk", property_chunking=_chunks(9, **_BY_ID)),
    _properties("in chunks with what is always asked", always_include_properties=["id", "z"],
                property_chunking=_chunks(2, **_BY_ID)),
]  # fmt: skip

# Budgets of calls, and groups of streams.

_BUDGETED = [
    case(
        "a budget of few calls",
        stream(
            retrieves={
                "paginator": paginator({"type": "PageIncrement", "page_size": 1}, option("page"))
            }
        ),
        replies=[rows(1), rows(2), rows(3), rows()],
        waits=False,
        manifest={
            "api_budget": {
                "type": "HTTPAPIBudget",
                "policies": [
                    {
                        "type": "MovingWindowCallRatePolicy",
                        "rates": [{"type": "Rate", "limit": 100, "interval": "PT1M"}],
                        "matchers": [],
                    }
                ],
            }
        },
    ),
    *(
        case(
            f"a budget {name}",
            stream(
                retrieves={
                    "paginator": paginator(
                        {"type": "PageIncrement", "page_size": 1}, option("page")
                    )
                }
            ),
            replies=[rows(1), rows(2), rows()],
            manifest={"api_budget": {"type": "HTTPAPIBudget", "policies": [policy]}},
        )
        for name, policy in {
            "without end": {"type": "UnlimitedCallRatePolicy", "matchers": []},
            "of others": {
                "type": "MovingWindowCallRatePolicy",
                "rates": [{"type": "Rate", "limit": 1, "interval": "PT1M"}],
                "matchers": [{"type": "HttpRequestRegexMatcher", "url_path_pattern": "/other"}],
            },
            "of a period": {
                "type": "FixedWindowCallRatePolicy",
                "period": "PT10S",
                "call_limit": 10,
                "matchers": [],
            },
        }.items()
    ),
    case(
        "a template of a state",
        stream(asks={"request_parameters": {"q": "{{ stream_state.at }}"}}),
        kinds=False,
    ),
    case(
        "a template of a range",
        stream(asks={"request_parameters": {"q": "{{ range(3) | list }}"}}),
    ),
    case(
        "streams of one group",
        stream("a"),
        stream("b"),
        manifest={
            "stream_groups": {
                "g": {
                    "streams": [stream("a"), stream("b")],
                    "action": {"type": "BlockSimultaneousSyncsAction"},
                }
            }
        },
        api=lambda: lambda a: rows(a.path),
        waits=False,
    ),
    case(
        "a condition that holds for several",
        stream("a"),
        manifest={
            "streams": [
                stream("a"),
                {
                    "type": "ConditionalStreams",
                    "condition": "{{ config.get('k') != 1 }}",
                    "streams": [stream("b"), stream("c", incremental_sync=cursor())],
                },
            ]
        },
        api=lambda: lambda a: {"data": [{"id": a.path, "at": "2024-01-02"}]},
        waits=False,
    ),
]

CASES = [*_VALUES, *_MADE, *_JUDGED, *_PROPERTIES, *_BUDGETED]
