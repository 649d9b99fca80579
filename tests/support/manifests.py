"""A manifest of a shop for tests of the protocol: one stream of each sort, and the shop itself."""

from __future__ import annotations

from typing import Any

FORMAT = "%Y-%m-%dT%H:%M:%SZ"
CONFIG = {"api_key": "5", "start": "2024-01-01T00:00:00Z"}
NAMES = ("orders", "shops", "visits", "closed")

FIELDS = [
    {"name": "Id", "type": "integer"},
    {"name": "PaidAt", "type": "moment"},
    {"name": "Lines", "type": "list"},
    {"name": "Either", "type": ["string", "integer"]},
    {"name": "Kind", "type": "enum", "values": ["a"]},
    {"name": "Free", "type": "enum"},
    {"name": "hidden_one", "type": "string"},
    {"name": "plain"},
]


def shop(path: str, query: dict[str, str]) -> tuple[int, Any]:
    """The API: three pages of orders, the shops, visits of a shop, and what no one may read."""
    match path:
        case "/orders":
            first = 2 * int(query.get("page", "1")) - 2
            days = ["2024-01-03", "2024-01-05", "2024-01-04", "2024-01-02", "2024-01-01"]
            rows = [
                {"id": n, "at": f"{days[n]}T00:00:00Z", "lines": [{"price": 2.5, "n": 5}]}
                for n in range(first, min(first + 2, 5))
            ]
            return 200, {"rows": rows}
        case "/shops":
            return 200, [{"id": "a", "city": "Århus"}, {"id": "b", "city": "Oslo"}]
        case "/visits":
            return 200, [{"shop": query.get("shop"), "at": "2024-01-02T00:00:00Z"}]
        case "/fields":
            return 200, [{"fields": FIELDS}, {"fields": [{"name": "not looked at"}]}]
        case "/closed":
            return 403, {"message": "no entry for 5"}
        case _:
            return 404, {"message": "there is no such thing"}


def manifest(base: str) -> dict[str, Any]:
    """The manifest of the shop at `base`."""
    return {
        "version": "7.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["orders"]},
        "spec": {
            "type": "Spec",
            "documentation_url": "https://docs.test/shop",
            "connection_specification": {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "type": "object",
                "required": ["api_key", "start"],
                "additionalProperties": True,
                "properties": {
                    "api_key": {"type": "string", "airbyte_secret": True},
                    "start": {"type": "string", "pattern": "^[0-9]{4}-.*Z$"},
                    "size": {"type": "integer", "default": 3},
                },
            },
        },
        "streams": [
            _stream(base, "orders", ["rows"], paginator=_pages(), cursor=True, primary_key="id"),
            _stream(base, "shops", [], primary_key=["id", "city"]),
            _stream(base, "visits", [], cursor=True, params={"shop": SHOP}, router=_router()),
            _stream(base, "closed", []),
        ],
    }


def described(base: str) -> dict[str, Any]:
    """The manifest of the shop with streams whose schemas are asked for."""
    made = manifest(base)
    asked = _fields(base)
    inline = {"type": "InlineSchemaLoader", "schema": {
        "type": "object", "properties": {"id": {"type": "string"}, "more": {}}}}  # fmt: skip
    loaders = {
        "asked": asked,
        "both": [inline, asked],
        "both, the other way": [asked, inline],
        "one of one": [inline],
        "none": None,
    }
    made["streams"] = [
        {**_stream(base, "shops", []), "name": name, "schema_loader": loader}
        for name, loader in loaders.items()
    ]
    del made["streams"][-1]["schema_loader"]
    return {**made, "check": {"type": "CheckStream", "stream_names": ["asked"]}}


def named(base: str, names: list[str], check: Any) -> dict[str, Any]:
    """The manifest of the shop with streams that a template and a list of names make."""
    mapping = {"type": "ComponentMappingDefinition", "value": "{{ components_values['name'] }}"}
    made = {
        "type": "DynamicDeclarativeStream",
        "name": "made",
        "stream_template": _stream(base, "closed", []),
        "components_resolver": {
            "type": "ParametrizedComponentsResolver",
            "stream_parameters": {
                "type": "StreamParametersDefinition",
                "list_of_parameters_for_stream": [{"name": name} for name in names],
            },
            "components_mapping": [
                {**mapping, "field_path": ["name"]},
                {**mapping, "field_path": ["retriever", "requester", "path"]},
            ],
        },
    }
    whole = manifest(base)
    return {**whole, "streams": whole["streams"][:1], "dynamic_streams": [made], "check": check}


def choosing(base: str) -> dict[str, Any]:
    """The manifest of the shop with a stream that lets a platform choose columns and cursor."""
    whole = manifest(base)
    [orders] = whole["streams"][:1]
    orders["incremental_sync"]["allow_catalog_defined_cursor_field"] = True
    orders["incremental_sync"]["cursor_field"] = "changed"
    orders["retriever"]["requester"]["request_parameters"] = {
        "fields": {
            "type": "QueryProperties",
            "property_list": ["id", "at_time", "lines"],
            "property_selector": {
                "type": "JsonSchemaPropertySelector",
                "transformations": [{"type": "KeysReplace", "old": "time", "new": "at_time"}],
            },
        }
    }
    return {**whole, "streams": [orders]}


def _fields(base: str) -> dict[str, Any]:
    """A schema loader that asks for the fields."""
    return {
        "type": "DynamicSchemaLoader",
        "retriever": _stream(base, "fields", [])["retriever"],
        "schema_type_identifier": {
            "type": "SchemaTypeIdentifier",
            "schema_pointer": ["fields"],
            "key_pointer": ["name"],
            "type_pointer": ["type"],
            "types_mapping": [
                {"current_type": "moment", "target_type": "timestamp_with_timezone"},
                {"current_type": "list", "target_type": _NESTED},
                {
                    "current_type": "enum",
                    "target_type": ["string", "integer"],
                    "condition": "{{ 'values' in raw_schema }}",
                },
                {"current_type": "enum", "target_type": "string"},
            ],
        },
        "schema_filter": {
            "type": "RecordFilter",
            "condition": "{{ not (record | list | first).startswith('hidden') }}",
        },
        "schema_transformations": [{"type": "KeysToSnakeCase"}],
    }


_NESTED = {
    "type": "ComplexFieldType",
    "field_type": "array",
    "items": {"type": "ComplexFieldType", "field_type": "array", "items": "number"},
}

SHOP = "{{ stream_partition.shop }}"


def _stream(base: str, name: str, path: list[str], **more: Any) -> dict[str, Any]:
    requester = {
        "type": "HttpRequester",
        "url_base": base,
        "path": f"/{name}",
        "request_parameters": more.get("params", {}),
        "authenticator": {
            "type": "BearerAuthenticator",
            "api_token": "{{ config['api_key'] }}",
        },
    }
    extractor = {"type": "DpathExtractor", "field_path": path}
    retriever = {
        "type": "SimpleRetriever",
        "requester": requester,
        "record_selector": {"type": "RecordSelector", "extractor": extractor},
    }
    if "paginator" in more:
        retriever["paginator"] = more["paginator"]
    if "router" in more:
        retriever["partition_router"] = more["router"]
    stream = {"type": "DeclarativeStream", "name": name, "retriever": retriever}
    if more.get("cursor"):
        stream["incremental_sync"] = _cursor()
    if "primary_key" in more:
        stream["primary_key"] = more["primary_key"]
    schema = {"type": "object", "properties": {"id": {"type": ["string", "integer"]}}}
    return {**stream, "schema_loader": {"type": "InlineSchemaLoader", "schema": schema}}


def _cursor() -> dict[str, Any]:
    return {
        "type": "DatetimeBasedCursor",
        "cursor_field": "at",
        "datetime_format": FORMAT,
        "start_datetime": "{{ config['start'] }}",
        "end_datetime": "2024-02-01T00:00:00Z",
    }


def _router() -> dict[str, Any]:
    return {"type": "ListPartitionRouter", "values": ["a", "b"], "cursor_field": "shop"}


def _pages() -> dict[str, Any]:
    return {
        "type": "DefaultPaginator",
        "page_token_option": {
            "type": "RequestOption",
            "inject_into": "request_parameter",
            "field_name": "page",
        },
        "pagination_strategy": {
            "type": "PageIncrement",
            "page_size": 2,
            "start_from_page": 1,
        },
    }


def catalog(*names: str) -> dict[str, Any]:
    """A configured catalog of these streams."""
    return {
        "streams": [
            {
                "stream": {"name": n, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
                "sync_mode": "full_refresh",
                "destination_sync_mode": "append",
            }
            for n in names
        ]
    }
