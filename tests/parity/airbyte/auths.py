"""Authenticators, query properties, jobs, dynamic and conditional streams."""

from __future__ import annotations

import gzip
from typing import Any

from msgspec.structs import replace
from tests.parity.airbyte.build import case, option, requester, rows, selector, stream
from tests.parity.airbyte.cursors import cursor
from tests.parity.airbyte.harness import Asked, Case, Reply, as_messages

_CONFIG = {
    "token": "t0k",
    "user": "me",
    "pass": "p:w",
    "id": "cid",
    "secret": "sec",
    "refresh": "ref",
    "kind": "key",
}


def _auth(name: str, authenticator: Any, api: Any = None, **parts: Any) -> Case:
    return case(
        f"auth {name}",
        stream(asks={"authenticator": authenticator}),
        api=api or (lambda: lambda _: rows(1)),
        config=_CONFIG,
        **parts,
    )


def _tokens(asked: Asked) -> Any:
    if asked.path == "/token":
        return {"access_token": "acc", "expires_in": 3600}
    if asked.path == "/login":
        return {"data": {"session": "sess"}}
    return rows(1)


def _oauth(name: str, api: Any = _tokens, *, waits: bool = True, **parts: Any) -> Case:
    made = {
        "type": "OAuthAuthenticator",
        "token_refresh_endpoint": "https://api.test/token",
        "client_id": "{{ config['id'] }}",
        "client_secret": "{{ config['secret'] }}",
        "refresh_token": "{{ config['refresh'] }}",
        **parts,
    }
    return _auth(f"oauth {name}", made, lambda: api, waits=waits)


def _key(into: str) -> dict[str, Any]:
    return {
        "type": "ApiKeyAuthenticator",
        "api_token": "{{ config['token'] }}",
        "inject_into": option("X-Key" if into == "header" else "key", into),
    }


_LOGIN = {
    "type": "HttpRequester",
    "url_base": "https://api.test",
    "path": "/login",
    "http_method": "POST",
    "request_body_json": {"u": "{{ config['user'] }}"},
}
_AUTHS = [
    _auth("none", {"type": "NoAuth"}),
    _auth("bearer", {"type": "BearerAuthenticator", "api_token": "{{ config['token'] }}"}),
    _auth(
        "bearer with words",
        {"type": "BearerAuthenticator", "api_token": "Token token={{ config['token'] }}"},
    ),
    _auth(
        "basic",
        {
            "type": "BasicHttpAuthenticator",
            "username": "{{ config['user'] }}",
            "password": "{{ config['pass'] }}",
        },
    ),
    _auth(
        "basic without password",
        {"type": "BasicHttpAuthenticator", "username": "{{ config['user'] }}"},
    ),
    _auth("key in header", _key("header")),
    _auth("key in query", _key("request_parameter")),
    _auth(
        "old key",
        {"type": "ApiKeyAuthenticator", "api_token": "{{ config['token'] }}", "header": "X-Key"},
    ),
    _auth(
        "selective",
        {
            "type": "SelectiveAuthenticator",
            "authenticator_selection_path": ["kind"],
            "authenticators": {"key": _key("header"), "none": {"type": "NoAuth"}},
        },
    ),
    _auth(
        "session bearer",
        {
            "type": "SessionTokenAuthenticator",
            "login_requester": _LOGIN,
            "session_token_path": ["data", "session"],
            "expiration_duration": "PT1H",
            "request_authentication": {"type": "Bearer"},
        },
        lambda: _tokens,
    ),
    _auth(
        "session key",
        {
            "type": "SessionTokenAuthenticator",
            "login_requester": _LOGIN,
            "session_token_path": ["data", "session"],
            "expiration_duration": "PT1H",
            "request_authentication": {
                "type": "ApiKey",
                "inject_into": option("X-Session", "header"),
            },
        },
        lambda: _tokens,
    ),
    _oauth("with an empty refresh token", refresh_token=""),
    _oauth("with a refresh token that is left out", refresh_token="{{ config['absent'] }}"),
    _oauth("with an empty secret", client_secret=""),
    _oauth("plain"),
    _oauth("scopes", scopes=["a", "b"]),
    _oauth("grant", grant_type="client_credentials"),
    _oauth("more fields", refresh_request_body={"extra": "x", "grant_type": "other"}),
    _oauth("headers", refresh_request_headers={"Authorization": "Basic abc"}),
    _oauth(
        "names",
        access_token_name="tok",
        expires_in_name="ttl",
        api=lambda a: {"tok": "acc", "ttl": 60} if a.path == "/token" else rows(1),
    ),
    _oauth(
        "nested answer",
        api=lambda a: {"data": {"access_token": "acc"}} if a.path == "/token" else rows(1),
    ),
    _oauth(
        "refused",
        api=lambda a: (
            Reply(status=400, body={"error": "invalid_grant"}) if a.path == "/token" else rows(1)
        ),
    ),
    _oauth(
        "unavailable once",
        api=lambda a: (
            Reply(status=503, body={}) if a.path == "/token" and not a.nth else _tokens(a)
        ),
        waits=False,
    ),
    _oauth("still good", access_token_value="mine", token_expiry_date="2030-01-01T00:00:00Z"),
    _oauth("no longer good", access_token_value="mine", token_expiry_date="2020-01-01T00:00:00Z"),
]


def _properties(name: str, **parts: Any) -> Case:
    asked = {"type": "QueryProperties", "property_list": ["a", "b", "c"], **parts}

    def answer(request: Asked) -> Any:
        names = request.params.get("fields", "").split(",")
        return {"data": [{"id": str(i), **{n: f"{n}{i}" for n in names}} for i in (1, 2)]}

    return case(
        f"properties {name}",
        stream(asks={"request_parameters": {"fields": asked}}),
        api=lambda: answer,
    )


_BY_ID = {"type": "GroupByKeyMergeStrategy", "key": ["id"]}
_PROPERTIES = [
    _properties("plain"),
    _properties("always", always_include_properties=["id"]),
    _properties(
        "chunks",
        property_chunking={
            "type": "PropertyChunking",
            "property_limit_type": "property_count",
            "property_limit": 2,
            "record_merge_strategy": _BY_ID,
        },
    ),
    _properties(
        "chunks and always",
        always_include_properties=["z"],
        property_chunking={
            "type": "PropertyChunking",
            "property_limit_type": "property_count",
            "property_limit": 2,
            "record_merge_strategy": _BY_ID,
        },
    ),
    _properties(
        "characters",
        property_chunking={
            "type": "PropertyChunking",
            "property_limit_type": "characters",
            "property_limit": 9,
            "record_merge_strategy": _BY_ID,
        },
    ),
    case(
        "properties from an endpoint",
        stream(
            asks={
                "request_parameters": {
                    "fields": {
                        "type": "QueryProperties",
                        "property_list": {
                            "type": "PropertiesFromEndpoint",
                            "property_field_path": ["name"],
                            "retriever": {
                                "type": "SimpleRetriever",
                                "requester": requester("/props"),
                                "record_selector": selector("data"),
                            },
                        },
                    }
                }
            }
        ),
        api=lambda: (
            lambda a: (
                {"data": [{"name": "p"}, {"name": "q"}]}
                if a.path == "/props"
                else {"data": [{"id": 1, "asked": a.params["fields"]}]}
            )
        ),
    ),
]


def _job(name: str, statuses: list[str], **parts: Any) -> Case:
    made = stream("exports")
    made["retriever"] = {
        "type": "AsyncRetriever",
        "record_selector": selector("rows"),
        "status_mapping": {
            "running": ["run"],
            "completed": ["done"],
            "failed": ["bad"],
            "timeout": ["late"],
        },
        "status_extractor": {"type": "DpathExtractor", "field_path": ["status"]},
        "download_target_extractor": {"type": "DpathExtractor", "field_path": ["urls"]},
        "creation_requester": {**requester("/jobs"), "http_method": "POST"},
        "polling_requester": requester("/jobs/{{ creation_response['id'] }}"),
        "download_requester": {
            "type": "HttpRequester",
            "url_base": "{{ download_target }}",
            "http_method": "GET",
        },
        **parts,
    }

    def api() -> Any:
        left = list(statuses)

        def answer(asked: Asked) -> Any:
            if asked.method == "POST" and asked.path == "/jobs":
                return {"id": 7}
            if asked.path == "/jobs/7":
                word = left.pop(0) if len(left) > 1 else left[0]
                return {"status": word, "urls": ["https://api.test/f/1", "https://api.test/f/2"]}
            return {"rows": [{"from": asked.path}]}

        return answer

    return case(f"job {name}", made, api=api, waits=False)


def _file(name: str, body: Any, **extractor: Any) -> Case:
    """A job whose files are rows of texts."""
    found = _job(
        name, ["done"], download_extractor={"type": "ResponseToFileExtractor", **extractor}
    )
    made = found.api

    def api() -> Any:
        inner = made()
        told = {"content-type": ""}  # the engine fails on one in small letters
        file = Reply(body=body, headers=told)
        return lambda asked: file if "/f/" in asked.path else inner(asked)

    return replace(found, api=api)


_ROWS = 'id,name,left\n1,"a, b",NA\n2,,x\n3,null,"n/a"\n4,"say ""so""",0012\n'
_JOBS = [
    _file("rows", _ROWS),
    _file("rows, kept as they are", _ROWS, preserve_na_values=True),
    _file("packed rows", gzip.compress(_ROWS.encode())),
    _file("no rows", "id,name\n"),
    _job("at once", ["done"]),
    _job("later", ["run", "run", "done"]),
    _job("fails once", ["bad", "done"]),
    _job(
        "asks for with what began it",
        ["run", "done"],
        creation_requester={
            **requester("/jobs", request_headers={"X-Scope": "{{ 40 + 2 }}"}),
            "http_method": "POST",
        },
        polling_requester=requester(
            "/jobs/{{ creation_response['id'] }}",
            request_headers={
                "X-Scope": "{{ stream_slice.extra_fields['creation_response']"
                ".request.headers['X-Scope'] }}"
            },
        ),
    ),
    _job(
        "deleted",
        ["done"],
        delete_requester={
            **requester("/jobs/{{ creation_response['id'] }}"),
            "http_method": "POST",
        },
    ),
]


def _dynamic(name: str, resolver: Any, api: Any = None, **parts: Any) -> Case:
    template = stream("placeholder", path="/placeholder")
    made = {
        "type": "DynamicDeclarativeStream",
        "stream_template": template,
        "components_resolver": resolver,
    }
    return case(
        f"dynamic {name}",
        stream("fixed"),
        manifest={"dynamic_streams": [made]},
        api=api or (lambda: lambda a: rows(a.path)),
        **parts,
    )


def _put(value: str, *path: str) -> dict[str, Any]:
    return {"type": "ComponentMappingDefinition", "field_path": list(path), "value": value}


_NAMED = [
    _put("{{ components_values['name'] }}", "name"),
    _put("/{{ components_values['name'] }}", "retriever", "requester", "path"),
]
_TABLES = {
    "type": "SimpleRetriever",
    "requester": requester("/tables"),
    "record_selector": selector("data"),
}
_DYNAMIC = [
    _dynamic(
        "config",
        {
            "type": "ConfigComponentsResolver",
            "stream_config": {"type": "StreamConfig", "configs_pointer": ["tables"]},
            "components_mapping": _NAMED,
        },
        config={"tables": [{"name": "x"}, {"name": "y"}]},
    ),
    _dynamic(
        "list",
        {
            "type": "ParametrizedComponentsResolver",
            "stream_parameters": {
                "type": "StreamParametersDefinition",
                "list_of_parameters_for_stream": [{"name": "x"}, {"name": "y"}],
            },
            "components_mapping": _NAMED,
        },
    ),
    _dynamic(
        "http",
        {"type": "HttpComponentsResolver", "retriever": _TABLES, "components_mapping": _NAMED},
        api=lambda: (
            lambda a: (
                {"data": [{"name": "x"}, {"name": "y"}]} if a.path == "/tables" else rows(a.path)
            )
        ),
        shared=("/tables",),
    ),
]


def _delegating(name: str, state: Any = None, **parts: Any) -> Case:
    made = {
        "type": "StateDelegatingStream",
        "name": "items",
        "full_refresh_stream": stream(path="/full"),
        "incremental_stream": stream(path="/new", incremental_sync=cursor()),
        **parts,
    }
    states = tuple(as_messages({"items": state})) if state else ()
    return case(
        f"delegating {name}",
        made,
        api=lambda: lambda a: {"data": [{"id": a.path, "at": "2024-01-05"}]},
        state=states,
    )


_OTHERS = [
    case(
        "conditional, true",
        stream("a"),
        manifest={
            "streams": [
                stream("a"),
                {
                    "type": "ConditionalStreams",
                    "condition": "{{ config['on'] }}",
                    "streams": [stream("b")],
                },
            ]
        },
        config={"on": True},
        api=lambda: lambda a: rows(a.path),
    ),
    case(
        "conditional, false",
        stream("a"),
        manifest={
            "streams": [
                stream("a"),
                {
                    "type": "ConditionalStreams",
                    "condition": "{{ config['on'] }}",
                    "streams": [stream("b")],
                },
            ]
        },
        config={"on": False},
        api=lambda: lambda a: rows(a.path),
    ),
    _delegating("without state"),
    _delegating("with state", {"at": "2024-01-03"}),
    _delegating("too old", {"at": "2020-01-03"}, api_retention_period="P30D"),
    _delegating("young enough", {"at": "2024-06-01"}, api_retention_period="P90Y"),
]

CASES = [*_AUTHS, *_PROPERTIES, *_JOBS, *_DYNAMIC, *_OTHERS]
