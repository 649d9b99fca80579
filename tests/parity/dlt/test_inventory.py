"""Every key that dlt's own types know is honoured, or told of: none is passed over in silence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from penstock.dialects import compile_document
from penstock.dialects.document import Document

PAGE = (Path(__file__).parents[3] / "docs" / "dlt.md").read_text("utf-8")


def source(client: Any = None, resource: Any = None, endpoint: Any = None, **top: Any) -> Any:
    """A configuration with these keys somewhere."""
    whole = {"name": "a", "endpoint": {"path": "a", **(endpoint or {})}, **(resource or {})}
    parent = {"name": "p", "endpoint": {"path": "p", "paginator": "single_page"}}
    return {
        "client": {"base_url": "https://a.test", **(client or {})},
        "resources": [parent, whole],
        **top,
    }


def paginated(kind: str, **keys: Any) -> Any:
    return source(endpoint={"paginator": {"type": kind, **keys}})


def signed(kind: str, **keys: Any) -> Any:
    return source(client={"auth": {"type": kind, **keys}})


def tracked(**keys: Any) -> Any:
    held = {"cursor_path": "at", "initial_value": 1, "start_param": "since", **keys}
    return source(endpoint={"incremental": held})


def bound(**keys: Any) -> Any:
    held = {"type": "incremental", "cursor_path": "at", "initial_value": 1, **keys}
    return source(endpoint={"params": {"since": held}})


def child(**keys: Any) -> Any:
    held = {"type": "resolve", "resource": "p", "field": "id", **keys}
    return source(endpoint={"path": "p/{x}/a", "params": {"x": held}})


def acting(**keys: Any) -> Any:
    held = {"status_code": 404, "action": "ignore", **keys}
    return source(endpoint={"response_actions": [held]})


def column(**keys: Any) -> Any:
    return source(resource={"columns": {"c": {"data_type": "text", **keys}}})


def same(value: Any) -> Any:
    """A function of a configuration."""
    return value


PLAIN = source()
OAUTH = {"access_token_url": "https://a.test/t", "client_id": "i", "client_secret": "s"}
COUNTED = {"limit": 5, "total_path": "n"}
# For each type of dlt and each key in it: a configuration with the key, and the one without.
SAMPLES: dict[str, dict[str, tuple[Any, Any]]] = {
    "RESTAPIConfig": {
        "client": (source(client={"base_url": "https://b.test"}), PLAIN),
        "resources": ({**PLAIN, "resources": ["b"]}, PLAIN),
        "resource_defaults": (source(resource_defaults={"write_disposition": "replace"}), PLAIN),
    },
    "ClientConfig": {
        "base_url": (source(client={"base_url": "https://b.test"}), PLAIN),
        "headers": (source(client={"headers": {"X": "1"}}), PLAIN),
        "auth": (source(client={"auth": {"token": "t"}}), PLAIN),
        "paginator": (source(client={"paginator": "header_link"}), PLAIN),
        "session": (source(client={"session": same}), PLAIN),
    },
    "EndpointResource": {
        "name": (source(resource={"name": "b"}), PLAIN),
        "endpoint": (source(resource={"endpoint": "b"}), PLAIN),
        "include_from_parent": (
            source({}, {"include_from_parent": ["id"]}, {"path": "p/{resources.p.id}"}),
            source(endpoint={"path": "p/{resources.p.id}"}),
        ),
        "processing_steps": (source(resource={"processing_steps": [{"map": same}]}), PLAIN),
        "selected": (source(resource={"selected": False}), PLAIN),
        "parallelized": (source(resource={"parallelized": True}), PLAIN),
        "max_table_nesting": (source(resource={"max_table_nesting": 1}), PLAIN),
        "table_name": (source(resource={"table_name": "t"}), PLAIN),
        "write_disposition": (source(resource={"write_disposition": "replace"}), PLAIN),
        "primary_key": (source(resource={"primary_key": "id"}), PLAIN),
        "merge_key": (source(resource={"merge_key": "day"}), PLAIN),
        "columns": (source(resource={"columns": {"c": {"data_type": "text"}}}), PLAIN),
        "schema_contract": (source(resource={"schema_contract": "freeze"}), PLAIN),
        "table_format": (source(resource={"table_format": "delta"}), PLAIN),
        "file_format": (source(resource={"file_format": "parquet"}), PLAIN),
        "parent_table_name": (source(resource={"parent_table_name": "x"}), PLAIN),
        "references": (source(resource={"references": []}), PLAIN),
        "nested_hints": (source(resource={"nested_hints": {"x": {}}}), PLAIN),
    },
    "Endpoint": {
        "path": (source(endpoint={"path": "b"}), PLAIN),
        "method": (source(endpoint={"method": "POST"}), PLAIN),
        "params": (source(endpoint={"params": {"x": 1}}), PLAIN),
        "json": (source(endpoint={"json": {"x": 1}}), PLAIN),
        "data": (source(endpoint={"data": {"x": 1}}), PLAIN),
        "headers": (source(endpoint={"headers": {"X": "1"}}), PLAIN),
        "auth": (source(endpoint={"auth": {"token": "t"}}), PLAIN),
        "paginator": (source(endpoint={"paginator": "single_page"}), PLAIN),
        "data_selector": (source(endpoint={"data_selector": "rows"}), PLAIN),
        "response_actions": (acting(), PLAIN),
        "incremental": (tracked(), PLAIN),
    },
    "ProcessingSteps": {
        key: (source(resource={"processing_steps": [{key: same}]}), PLAIN)
        for key in ("filter", "map", "yield_map")
    },
    "ResponseActionDict": {
        "status_code": (acting(), acting(status_code=405)),
        "content": (acting(content="x"), acting()),
        "action": (acting(action=[same]), acting()),
    },
    "ResolveParamConfig": {
        "type": (child(), source(endpoint={"path": "p/{x}/a", "params": {"x": "1"}})),
        "resource": (child(), source()),
        "field": (child(field="key"), child()),
    },
    "PageNumberPaginatorConfig": {
        "type": (paginated("page_number"), PLAIN),
        "base_page": (paginated("page_number", base_page=1), paginated("page_number")),
        "page": (paginated("page_number", page=3), paginated("page_number")),
        "page_param": (paginated("page_number", page_param="p", base_page=0),
                       paginated("page_number", base_page=0)),
        "page_body_path": (paginated("page_number", page_body_path="p"), paginated("page_number")),
        "total_path": (paginated("page_number", total_path="n"), paginated("page_number")),
        "maximum_page": (paginated("page_number", maximum_page=3), paginated("page_number")),
        "stop_after_empty_page": (
            paginated("page_number", maximum_page=3, stop_after_empty_page=False),
            paginated("page_number", maximum_page=3),
        ),
        "has_more_path": (paginated("page_number", has_more_path="m"), paginated("page_number")),
    },
    "OffsetPaginatorConfig": {
        "type": (paginated("offset", limit=5), PLAIN),
        "limit": (paginated("offset", limit=6), paginated("offset", limit=5)),
        **{
            key: (paginated("offset", **{**COUNTED, key: value}), paginated("offset", **COUNTED))
            for key, value in (
                ("offset", 5), ("offset_param", "o"), ("offset_body_path", "o"),
                ("limit_param", "l"), ("limit_body_path", "l"), ("total_path", "m"),
                ("maximum_offset", 9), ("stop_after_empty_page", False), ("has_more_path", "m"),
            )
        },
    },
    "HeaderLinkPaginatorConfig": {
        "type": (paginated("header_link"), PLAIN),
        "links_next_key": (paginated("header_link", links_next_key="x"), paginated("header_link")),
    },
    "HeaderCursorPaginatorConfig": {
        "type": (paginated("header_cursor"), PLAIN),
        "cursor_key": (paginated("header_cursor", cursor_key="x"), paginated("header_cursor")),
        "cursor_param": (paginated("header_cursor", cursor_param="x"), paginated("header_cursor")),
    },
    "JSONLinkPaginatorConfig": {
        "type": (paginated("json_link"), PLAIN),
        "next_url_path": (paginated("json_link", next_url_path="x"), paginated("json_link")),
    },
    "JSONResponseCursorPaginatorConfig": {
        "type": (paginated("cursor"), PLAIN),
        **{
            key: (paginated("cursor", **{key: value}), paginated("cursor"))
            for key, value in (
                ("cursor_path", "x"), ("cursor_param", "x"), ("cursor_body_path", "x"),
                ("stop_after_empty_page", True), ("has_more_path", "m"),
            )
        },
    },
    "BearerTokenAuthConfig": {
        "type": (signed("bearer", token="t"), PLAIN),
        "token": (signed("bearer", token="u"), signed("bearer", token="t")),
    },
    "ApiKeyAuthConfig": {
        "type": (signed("api_key", api_key="k"), PLAIN),
        "api_key": (signed("api_key", api_key="j"), signed("api_key", api_key="k")),
        "name": (signed("api_key", api_key="k", name="n"), signed("api_key", api_key="k")),
        "location": (
            signed("api_key", api_key="k", location="query"), signed("api_key", api_key="k"),
        ),
    },
    "HttpBasicAuthConfig": {
        "type": (signed("http_basic", username="u", password="p"), PLAIN),
        "username": (signed("http_basic", username="v", password="p"),
                     signed("http_basic", username="u", password="p")),
        "password": (signed("http_basic", username="u", password="q"),
                     signed("http_basic", username="u", password="p")),
    },
    "OAuth2ClientCredentialsConfig": {
        "type": (signed("oauth2_client_credentials", **OAUTH), PLAIN),
        **{
            key: (
                signed("oauth2_client_credentials", **{**OAUTH, key: value}),
                signed("oauth2_client_credentials", **OAUTH),
            )
            for key, value in (
                ("access_token", "t"), ("access_token_url", "https://b.test/t"),
                ("client_id", "j"), ("client_secret", "x"),
                ("access_token_request_data", {"scope": "r"}),
                ("default_token_expiration", 60), ("session", same),
            )
        },
    },
}  # fmt: skip
OPTIONS = (
    ("cursor_path", "when"), ("initial_value", 2), ("last_value_func", "min"),
    ("primary_key", "id"), ("row_order", "asc"), ("lag", 5), ("range_start", "open"),
    ("range_end", "closed"), ("on_cursor_value_missing", "include"),
    ("allow_external_schedulers", True), ("convert", same),
)  # fmt: skip
SAMPLES["IncrementalConfig"] = {
    **{key: (tracked(**{key: value}), tracked()) for key, value in OPTIONS},
    "end_value": (tracked(end_value=9), tracked()),
    "start_param": (tracked(start_param="from"), tracked()),
    "end_param": (tracked(end_param="to", end_value=9), tracked(end_value=9)),
}
SAMPLES["IncrementalParamConfig"] = {
    **{key: (bound(**{key: value}), bound()) for key, value in OPTIONS},
    "type": (bound(), PLAIN),
    "end_value": (bound(end_value=9), bound()),
}
SAMPLES["TColumnSchema"] = {
    "name": (source(resource={"columns": [{"name": "c", "data_type": "text"}]}), PLAIN),
    **{
        key: (column(**{key: value}), column())
        for key, value in (
            ("data_type", "bigint"), ("nullable", False), ("precision", 9), ("scale", 2),
            ("primary_key", True), ("merge_key", True), ("hard_delete", True),
            ("dedup_sort", "asc"), ("description", "d"), ("partition", True), ("cluster", True),
            ("unique", True), ("sort", True), ("row_key", True), ("parent_key", True),
            ("root_key", True), ("variant", True), ("incremental", True), ("x-normalizer", {}),
        )
    },
    "timezone": (
        source(resource={"columns": {"c": {"data_type": "timestamp", "timezone": False}}}),
        source(resource={"columns": {"c": {"data_type": "timestamp"}}}),
    ),
}  # fmt: skip
# What changes nothing, and why that is right.
NEUTRAL = {"parallelized": "everything is read concurrently"}

CASES = [(name, key) for name, keys in SAMPLES.items() for key in keys]


def compiled(config: Any) -> Any:
    return compile_document(Document.from_object(config, "inventory"))


def known(name: str) -> set[str]:
    """The keys of one of dlt's typed dicts, with those of the types that it extends."""
    typing = pytest.importorskip("dlt.sources.rest_api.typing", reason="dlt is not installed here")
    schema = pytest.importorskip("dlt.common.schema.typing", reason="dlt is not installed here")
    found = getattr(typing, name, None) or getattr(schema, name)
    return set(found.__annotations__)


@pytest.mark.parametrize("name", SAMPLES)
def test_every_key_of_dlt_has_a_sample(name: str):
    """A key that a release of dlt adds fails here until it is honoured or told of."""
    keys = known(name) - {"x-annotation-hash", "x-merge-strategy"}
    assert keys - set(SAMPLES[name]) == set()


def test_every_type_of_dlt_is_looked_at():
    """A typed dict that a release of dlt adds fails here until it has samples."""
    typing = pytest.importorskip("dlt.sources.rest_api.typing", reason="dlt is not installed here")
    named = {
        n
        for n, v in vars(typing).items()
        if hasattr(v, "__total__") and v.__module__ == typing.__name__
    }
    # Those whose keys stand in the types that extend them, or that are made of one key.
    within = {"AuthTypeConfig", "EndpointResourceBase", "IncrementalRESTArgs",
              "PaginatorTypeConfig", "ParamBindConfig", "RESTAPIConfigBase",
              "ResourceBase"}  # fmt: skip
    assert named - within - set(SAMPLES) == set()


@pytest.mark.parametrize(("name", "key"), CASES)
def test_a_key_changes_the_plan_or_is_told_of(name: str, key: str):
    """With the key the plan is another one; else a diagnostic and the page say why not."""
    with_key, without = SAMPLES[name][key]
    found, plain = compiled(with_key), compiled(without)
    assert plain.source is not None, [str(d) for d in plain.diagnostics]
    codes = {d.code for d in found.diagnostics}
    assert "unknown-key" not in codes, [str(d) for d in found.diagnostics]
    if found.source == plain.source:
        assert key in NEUTRAL or "gap" in codes
    if codes & {"gap", "unsupported", "conflict"} or key in NEUTRAL:
        assert re.search(rf"`{re.escape(key)}`", PAGE), f"docs/dlt.md does not tell of {key}"
