"""Requests: URLs, parameters, headers and bodies."""

from __future__ import annotations

from typing import Any

from tests.parity.airbyte.build import case, stream

CONFIG = {
    "token": "t0k",
    "n": 5,
    "f": 1.5,
    "flag": True,
    "off": False,
    "empty": "",
    "none": None,
    "l": ["a", "b"],
    "d": {"k": "v"},
    "padded": "0012",
    "big": "123_456",
    "sub": "v2",
    "text": "x y&z",
}

_PARAMETERS: dict[str, Any] = {
    "text": "plain",
    "number": "5",
    "config number": "{{ config['n'] }}",
    "float": "{{ config['f'] }}",
    "bool": "{{ config['flag'] }}",
    "false": "{{ config['off'] }}",
    "empty": "{{ config['empty'] }}",
    "missing": "{{ config['missing'] }}",
    "missing deep": "{{ config.missing.x }}",
    "list": "{{ config['l'] }}",
    "padded": "{{ config['padded'] }}",
    "literal list": "[1,2]",
    "joined": "{{ config['l'] | join(',') }}",
    "spaces": "{{ config['text'] }}",
    "prefix": "id:{{ config['n'] }}",
    "string filter": "{{ config['n'] | string }}",
    "now": "{{ now_utc().strftime('%Y-%m-%d') }}",
    "today": "{{ today_utc() }}",
    "day delta": "{{ day_delta(-3, format='%Y-%m-%d') }}",
    "duration": "{{ (now_utc() - duration('P1D')).strftime('%Y-%m-%dT%H:%M:%SZ') }}",
    "timestamp": "{{ timestamp('2022-02-28') }}",
    "format": "{{ format_datetime('2024-01-02', '%s') }}",
    "format iso": "{{ format_datetime('2024-01-02T03:04:05Z', '%Y/%m/%d') }}",
    "max": "{{ max(3, config['n']) }}",
    "min": "{{ min(3, config['n']) }}",
    "if": "{% if config['flag'] %}yes{% else %}no{% endif %}",
    "ternary": "{{ 'a' if config['off'] else 'b' }}",
    "hash": "{{ config['token'] | hash('md5') }}",
    "b64": "{{ config['token'] | base64encode }}",
    "regex": "{{ config['token'] | regex_search('([0-9])') }}",
    "upper": "{{ config['token'] | upper }}",
    "default": "{{ config.get('missing', 'd') }}",
    "or": "{{ config['empty'] or 'other' }}",
    "tuple": "1,2",
    "exponent": "1e3",
    "underscored": "{{ config['big'] }}",
    "quote": "'q'",
    "bracketed": "{{ config.d['k'] }}",
    "sanitized": "{{ sanitize_url(config['text']) }}",
    "snake": "{{ camel_case_to_snake_case('HelloWorld') }}",
}


def _parameter(name: str, value: Any) -> Any:
    asks = {"request_parameters": {"q": value, "z": "1"}}
    return case(f"parameter {name}", stream(asks=asks), config=CONFIG)


def _header(name: str, value: Any) -> Any:
    asks = {"request_headers": {"X-Q": value}}
    return case(f"header {name}", stream(asks=asks), config=CONFIG, headers=("x-q",))


_BODIES: dict[str, Any] = {
    "texts": {"request_body_json": {"a": "x", "b": "{{ config['token'] }}"}},
    "numbers": {"request_body_json": {"a": "478", "b": 3, "c": "1.10", "d": "0012"}},
    "nested": {
        "request_body_json": {"a": {"b": ["{{ config['n'] }}", {"c": "{{ config['flag'] }}"}]}}
    },
    "nulls": {"request_body_json": {"a": "None", "b": "{{ config['none'] }}", "c": ["None"]}},
    "keys": {"request_body_json": {"{{ config['token'] }}": 1}},
    "text json": {"request_body_json": '{"a": {{ config["n"] }} }'},
    "empty": {"request_body_json": {"a": "{{ config['missing'] }}"}},
    "form": {"request_body_data": {"a": "x", "b": "{{ config['n'] }}", "c": "{{ config['l'] }}"}},
    "raw": {"request_body_data": "plain {{ config['n'] }}"},
    "raw dict": {"request_body_data": '{"q": 5}'},
    "plain text": {
        "request_body": {"type": "RequestBodyPlainText", "value": "hello {{ config['n'] }}"}
    },
    "url form": {
        "request_body": {"type": "RequestBodyUrlEncodedForm", "value": {"a": "{{ config['n'] }}"}}
    },
    "json object": {
        "request_body": {"type": "RequestBodyJsonObject", "value": {"a": "{{ config['n'] }}"}}
    },
    "graphql": {
        "request_body": {"type": "RequestBodyGraphQL", "value": {"query": "query { items { id } }"}}
    },
}


def _body(name: str, parts: Any) -> Any:
    return case(f"body {name}", stream(asks={"http_method": "POST", **parts}), config=CONFIG)


_URLS: dict[str, tuple[str, str]] = {
    "slash": ("https://api.test/", "/items"),
    "no slash": ("https://api.test", "items"),
    "folder": ("https://api.test/v1", "items"),
    "folder slash": ("https://api.test/v1/", "/items/"),
    "template": ("https://api.test/{{ config['sub'] }}", "items/{{ config['n'] }}"),
    "dots": ("https://api.test/v1/v2", "../items"),
    "absolute": ("https://api.test/v1", "https://api.test/other"),
    "query": ("https://api.test/v1", "items?a=1&q=plain"),
    "empty": ("https://api.test/v1/items", ""),
    "host": ("https://{{ config['token'] }}.test", "items"),
}


def _url(name: str, base: str, path: str) -> Any:
    asks = {"url_base": base, "path": path, "request_parameters": {"q": "plain"}}
    return case(
        f"url {name}", stream(asks=asks), config=CONFIG, api=lambda: lambda _: {"data": [{"id": 1}]}
    )


# A mapping with a `type` is a component to the engine: the parameters around it go into it.
_GIVEN = {"$parameters": {"dims": ["a", "b"], "kind": "auto", "size": 3}}
_TYPED = {
    "body": {"type": "{{ 'web' }}", "d": "{{ parameters['dims'] }}", "in": {"x": 1}},
    "mapping in a body": {"in": {"type": "web", "y": 1}, "l": [{"type": "z"}]},
    "item in a typed body": {"type": "web", "l": [{"type": "z"}, {"q": 1}]},
}


def _typed(name: str, body: Any) -> list[Any]:
    json = {"http_method": "POST", "request_body_json": body}
    whole = {
        "http_method": "POST",
        "request_body": {"type": "RequestBodyJsonObject", "value": body},
    }
    return [
        case(f"typed {name}", stream(asks=json, **_GIVEN)),
        case(f"typed {name} as a whole", stream(asks=whole, **_GIVEN)),
    ]


CASES = [
    *(made for n, v in _TYPED.items() for made in _typed(n, v)),
    *(_parameter(n, v) for n, v in _PARAMETERS.items()),
    *(
        _header(n, v)
        for n, v in _PARAMETERS.items()
        if n
        not in {
            "list",
            "literal list",
            "tuple",
            "exponent",
            "underscored",
            "missing",
            "empty",
            "missing deep",
        }
    ),
    *(_body(n, v) for n, v in _BODIES.items()),
    *(_url(n, *v) for n, v in _URLS.items()),
]
