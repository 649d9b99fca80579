"""Requests that few manifests make: what merges, collides, is empty, or comes in another form."""

from __future__ import annotations

from typing import Any

from tests.parity.airbyte.build import case, option, paginator, rows, stream
from tests.parity.airbyte.cursors import cursor
from tests.parity.airbyte.harness import Case
from tests.parity.airbyte.partitions import listed

CONFIG = {
    "n": 5,
    "f": 1.5,
    "flag": True,
    "none": None,
    "l": ["a", 1, None],
    "d": {"k": "v"},
    "deep": {"a": [{"b": "found"}]},
    "dt": "2024-01-02",
    "json": '{"x": true, "y": null}',
    "python": "{'x': True, 'y': None}",
    "brackets": "[1, 'a']",
    "hex": "0x1F",
    "one": "1.10",
    "minus": "-5",
    "true": "true",
    "True": "True",
    "None": "None",
    "sum": "1-2",
    "plus": "+15551234",
    "quoted": "'q'",
    "tuple": "1,2",
    "newline": "a\nb",
    "exp": "1e3",
    "under": "1_000",
}

_TEMPLATES: dict[str, Any] = {
    **{f"of {name}": "{{ config['%s'] }}" % name for name in CONFIG},  # noqa: UP031 (braces)
    "string filter of a number": "{{ config.n | string }}",
    "string filter of a text": "{{ config.one | string }}",
    "format seconds": "{{ format_datetime('2024-01-02','%s') }}",
    "format with zone": "{{ format_datetime('2024-01-02T10:00:00+02:00','%Y-%m-%dT%H:%M:%S%z') }}",
    "format from": "{{ format_datetime('02/01/2024', '%Y-%m-%d', '%d/%m/%Y') }}",
    "format a number": "{{ format_datetime(1704153600, '%Y-%m-%d') }}",
    "format millis": "{{ format_datetime('2024-01-02T00:00:00.123456Z', '%ms') }}",
    "format of now": "{{ format_datetime(now_utc(), '%Y-%m-%dT%H:%M:%S.%fZ') }}",
    "timestamp of a date": "{{ timestamp('2022-02-28') }}",
    "timestamp of a number": "{{ timestamp(1646006400) }}",
    "timestamp of a float": "{{ timestamp(1646006400.7) }}",
    "timestamp with zone": "{{ timestamp('2022-02-28T00:00:00+03:00') }}",
    "duration of a month": "{{ duration('P1M') }}",
    "duration of a week": "{{ duration('P1W') }}",
    "date and duration": "{{ (str_to_datetime('2024-01-31') + duration('P1M')).isoformat() }}",
    "day delta": "{{ day_delta(0,'%Y') }}",
    "day delta plain": "{{ day_delta(-1) }}",
    "today with zone": "{{ today_with_timezone('America/New_York') }}",
    "a dunder": "{{ now_utc().__class__ }}",
    "today as a text": "{{ today_utc()|string }}",
    "today minus": "{{ today_utc() - duration('P1D') }}",
    "now plain": "{{ now_utc() }}",
    "tilde": '{{ config.dt ~ "T00" }}',
    "loop": "{% for x in config.l %}{{ x }};{% endfor %}",
    "set": "{% set a = config.n %}{{ a + 1 }}",
    "block if": "{% if config.flag and not config.none %}on{% endif %}",
    "missing": "{{ config.gone }}",
    "missing in a text": "a{{ config.gone }}b",
    "missing deep in a text": "a{{ config.gone.deep }}b",
    "missing, or": "{{ config.gone or 'd' }}",
    "missing, default": "{{ config.gone | default('d') }}",
    "missing deep, default": "{{ config.gone.deep | default('d') }}",
    "wrong types": "{{ config.n + 'a' }}",
    "division by nothing": "{{ config.n / 0 }}",
    "none": "{{ none }}",
    "true": "{{ true }}",
    "float": "{{ 1 / 4 }}",
    "integer division": "{{ 7 // 2 }}",
    "list": "{{ ['a', 'b'] }}",
    "list of numbers": "{{ [1, 2] }}",
    "empty list": "{{ [] }}",
    "dict": "{{ {'a': 1} }}",
    "list in a text": "[{{ config.n }}]",
    "dict item": "{{ config.deep.a[0].b }}",
    "dict get": "{{ config.get('gone', config.d.get('k')) }}",
    "hash sha256": "{{ 'x' | hash('sha256') }}",
    "hash with salt": "{{ 'x' | hash('md5', 's') }}",
    "hmac": "{{ 'x' | hmac('key') }}",
    "hmac sha512": "{{ 'x' | hmac('key', 'sha512') }}",
    "base64decode": "{{ 'eA==' | base64decode }}",
    "base64binascii_decode": "{{ 'eA==' | base64binascii_decode }}",
    "regex_search without group": "{{ 'abc' | regex_search('b') }}",
    "regex_search nothing": "{{ 'abc' | regex_search('(z)') }}",
    "regex_replace": "{{ 'a-b-c' | regex_replace('-', '_') }}",
    "tojson": "{{ config.d | tojson }}",
    "string of a dict": "{{ config.d | string }}",
    "list filter": "{{ config.l | list | length }}",
    "replace": "{{ config.dt | replace('-', '') }}",
    "split": "{{ config.dt.split('-')[0] }}",
    "strip": "{{ '  x ' | trim }}",
    "urlencode": "{{ 'a b&c' | urlencode }}",
    "max of texts": "{{ max('a', 'b') }}",
    "max of a list": "{{ max([1, 9, 3]) }}",
    "min of dates": "{{ min('2024-01-02', '2023-01-01') }}",
    "snake": "{{ camel_case_to_snake_case('HTTPCode1x') }}",
    "sanitized": "{{ sanitize_url('https://a.b/c?d=e f') }}",
    "comment": "a{# no #}b",
    "two templates": "{{ config.n }}{{ config.n }}",
    "two templates apart": "{{ config.n }} {{ config.f }}",
    "raw": "{% raw %}{{ x }}{% endraw %}",
    "a brace alone": "a } b { c",
    "an escaped brace": "{{ '{{' }}",
    "parameters": "{{ parameters['p'] }}",
    "parameters with a template": "{{ parameters['t'] }}",
    "parameters missing": "{{ parameters.get('gone', 'd') }}",
    "a parameter as options": "{{ options['p'] }}",
    "selectattr": "{{ config.deep.a | map(attribute='b') | join('-') }}",
    "is defined": "{{ 'y' if config.gone is defined else 'n' }}",
    "in a list": "{{ 'a' in config.l }}",
    "slice of a text": "{{ config.dt[:4] }}",
    "negative index": "{{ config.dt[-2:] }}",
    "int filter": "{{ '12abc' | int }}",
    "round": "{{ 2.675 | round(2) }}",
    "abs": "{{ -3 | abs }}",
    "uuid is text": "{{ generate_uuid() | length }}",
    "now, formatted by itself": "{{ now_utc().strftime('%Y') }}",
    "iso": "{{ str_to_datetime('2021-01-01T00:00:00Z').isoformat() }}",
    "text to datetime, plain": "{{ str_to_datetime('2021-01-01') }}",
}


# Texts that go out in headers as they are written; see docs/parity.md.
_WRITTEN = {f"of {name}" for name in ("hex", "one", "plus", "exp", "under")}
_WRITTEN.add("string filter of a text")


def _rendered(name: str, value: str) -> Case:
    """A template as a parameter, a header, a body of JSON and a form: a stream for each."""
    given = {"$parameters": {"p": "5", "t": "{{ config['n'] }}"}}
    posts = {"http_method": "POST"}
    made = [
        stream("a", asks={"request_parameters": {"q": value}}, **given),
        *(
            []
            if name in _WRITTEN
            else [stream("b", asks={"request_headers": {"X-Q": value}}, **given)]
        ),
        stream("c", asks={**posts, "request_body_json": {"q": value, "l": [value]}}, **given),
        stream("d", asks={**posts, "request_body_data": {"q": value}}, **given),
    ]
    return case(
        f"template {name}", *made, api=lambda: lambda _: rows(1), config=CONFIG, headers=("x-q",)
    )


def _asked(name: str, asks: Any, **parts: Any) -> Case:
    more = {k: parts.pop(k) for k in ("retrieves", "incremental_sync", "path") if k in parts}
    return case(
        f"asking, {name}",
        stream(asks=asks, **more),
        config=CONFIG,
        api=lambda: lambda _: rows(1),
        **parts,
    )


_POST = {"http_method": "POST"}
_SIZED = paginator({"type": "PageIncrement", "page_size": 2}, option("page"), option("size"))
_BY_KEY = {
    "type": "ApiKeyAuthenticator",
    "api_token": "t",
    "inject_into": option("key", "request_parameter"),
}


def _field(*path: str) -> dict[str, Any]:
    return {"type": "RequestOption", "inject_into": "body_json", "field_path": list(path)}


_MERGED = [
    _asked("a parameter and the page size", {"request_parameters": {"size": "9"}},
           retrieves={"paginator": _SIZED}),
    _asked("a parameter and the same page size", {"request_parameters": {"size": "2"}},
           retrieves={"paginator": _SIZED}),
    _asked("a parameter and a key", {"request_parameters": {"key": "t"}, "authenticator": _BY_KEY}),
    _asked("a header and a key", {"request_headers": {"X-Key": "a"}, "authenticator": {
        **_BY_KEY, "inject_into": option("X-Key", "header")}}, headers=("x-key",)),
    _asked("authorization twice", {"request_headers": {"Authorization": "mine"}, "authenticator": {
        "type": "BearerAuthenticator", "api_token": "t"}}),
    _asked("a parameter and a partition", {"request_parameters": {"region": "z"}},
           retrieves={"partition_router": listed("x", request_option=option("region"))}),
    _asked("a parameter and a cursor", {"request_parameters": {"since": "z"}},
           incremental_sync=cursor()),
    _asked("a parameter in the path with the same value", {"request_parameters": {"a": "1"}},
           path="/items?a=1&b=2"),
    _asked("a parameter in the path with another value", {"request_parameters": {"a": "3"}},
           path="/items?a=1&b=2"),
    _asked("a parameter in the path twice", {"request_parameters": {"a": "1"}},
           path="/items?a=1&a=1&a=2"),
    _asked("a list in the path and in parameters", {"request_parameters": {"a": "{{ ['1','2'] }}"}},
           path="/items?a=1"),
    _asked("a body and a page size at a path", {
        **_POST, "request_body_json": {"page": {"sort": "x"}}},
        retrieves={"paginator": paginator(
            {"type": "PageIncrement", "page_size": 2}, _field("page", "no"), _field("page", "n"))}),
    _asked("a body and the same page size", {
        **_POST, "request_body_json": {"page": {"n": 2}}},
        retrieves={"paginator": paginator(
            {"type": "PageIncrement", "page_size": 2}, _field("page", "no"), _field("page", "n"))}),
    _asked("a body and another page size", {
        **_POST, "request_body_json": {"page": {"n": 3}}},
        retrieves={"paginator": paginator(
            {"type": "PageIncrement", "page_size": 2}, _field("page", "no"), _field("page", "n"))}),
    _asked("a form and the page size", {**_POST, "request_body_data": {"size": "2"}},
        retrieves={"paginator": paginator(
            {"type": "PageIncrement", "page_size": 2}, option("page"),
            option("size", "body_data"))}),
    _asked("a raw body and the page size", {**_POST, "request_body_data": "raw"},
        retrieves={"paginator": paginator(
            {"type": "PageIncrement", "page_size": 2}, option("page"),
            option("size", "body_data"))}),
    _asked("a key in the body", {**_POST, "request_body_json": {"a": 1}, "authenticator": {
        **_BY_KEY, "inject_into": option("key", "body_json")}}),
    _asked("a key in a form", {**_POST, "request_body_data": {"a": "1"}, "authenticator": {
        **_BY_KEY, "inject_into": option("key", "body_data")}}),
    _asked("a key at a path", {**_POST, "authenticator": {
        **_BY_KEY, "inject_into": _field("auth", "key")}}),
    _asked("a cursor in the body", {**_POST, "request_body_json": {"filter": {"x": 1}}},
           incremental_sync=cursor(start_time_option=_field("filter", "since"),
                                   end_time_option=_field("filter", "until"))),
    _asked("a cursor in a form", {**_POST}, incremental_sync=cursor(
        start_time_option=option("since", "body_data"), end_time_option=option("u", "header")),
        headers=("u",)),
    _asked("a partition in the body", {**_POST}, retrieves={
        "partition_router": listed("x", "5", request_option=_field("a", "b"))}),
    _asked("a name that is a template", {}, retrieves={
        "partition_router": listed("x", request_option=option("{{ config['dt'] }}"))}),
]  # fmt: skip

_FORMS = [
    _asked("parameters as a text", {"request_parameters": "{{ config['d'] }}"}),
    _asked("parameters as a plain text", {"request_parameters": "a=1"}),
    _asked("headers as a text", {"request_headers": "{{ {'X-A': 1} }}"}, headers=("x-a",)),
    _asked("headers of a list", {"request_headers": {"X-A": "{{ config['l'] }}"}},
           headers=("x-a",)),
    _asked("a header that is null", {"request_headers": {"X-A": "{{ none }}", "X-B": ""}},
           headers=("x-a", "x-b")),
    _asked("a body as a text of JSON", {**_POST, "request_body_json": "{{ config['json'] }}"}),
    _asked("a body as a text of Python", {**_POST, "request_body_json": "{{ config['python'] }}"}),
    _asked("a body as a plain text", {**_POST, "request_body_json": "nothing"}),
    _asked("a body as an object", {**_POST, "request_body_json": "{{ config['d'] }}"}),
    _asked("a body by tojson", {**_POST, "request_body_json": "{{ config['d'] | tojson }}"}),
    _asked("a form as a text", {**_POST, "request_body_data": "{{ config['d'] }}"}),
    _asked("a form by urlencode", {**_POST, "request_body_data": "{{ config['d'] | urlencode }}"}),
    _asked("a body and a form", {
        **_POST, "request_body_json": {"a": 1}, "request_body_data": {"b": "1"}}),
    _asked("a GET with a body", {"request_body_json": {"a": 1}}),
    _asked("a GET with a form", {"request_body_data": {"a": "1"}}),
    _asked("an empty body", {**_POST, "request_body_json": {}}),
    _asked("a body of nothing but nulls", {**_POST, "request_body_json": {"a": "{{ none }}"}}),
    _asked("a body of deep nulls", {**_POST, "request_body_json": {
        "a": {"b": "{{ none }}", "c": [None, "{{ none }}"]}, "d": None, "e": False, "f": ""}}),
    _asked("a body with numbers for keys", {**_POST, "request_body_json": {"1": {"2": "3"}}}),
    _asked("graphql with variables", {**_POST, "request_body": {
        "type": "RequestBodyGraphQL",
        "value": {"query": "query($n: Int) { a(n: $n) }", "variables": {"n": "{{ config['n'] }}"},
                  "operationName": "x"}}}),
    _asked("graphql with braces", {**_POST, "request_body": {
        "type": "RequestBodyGraphQL",
        "value": {"query": "{ items(first: {{ config['n'] }}) { id } }"}}}),
    _asked("graphql over lines", {**_POST, "request_body_json": {
        "query": "query {\n  items {\n    id\n  }\n}\n"}}),
    _asked("a plain text of JSON", {**_POST, "request_body": {
        "type": "RequestBodyPlainText", "value": '{"a": [1]}'}}),
    _asked("a content type of its own", {
        **_POST, "request_body_json": {"a": 1},
        "request_headers": {"Content-Type": "application/vnd.x+json"}}),
    _asked("a content type in small letters", {
        **_POST, "request_body_data": {"a": "1"},
        "request_headers": {"content-type": "text/plain"}}),
    _asked("a content type alone", {**_POST, "request_headers": {
        "Content-Type": "application/json"}}),
    _asked("a user agent", {"request_headers": {"User-Agent": "me", "Accept": "text/csv"}}),
]  # fmt: skip

_PLACES: dict[str, dict[str, str]] = {
    "url alone": {"url": "https://api.test/v1/items"},
    "url and path": {"url": "https://api.test/v1", "path": "items"},
    "url and base": {"url": "https://api.test/no", "url_base": "https://api.test/v1",
                     "path": "items"},
    "empty base": {"url": "https://api.test/yes", "url_base": "{{ config['gone'] }}",
                   "path": "items"},
    "base with a query": {"url_base": "https://api.test/v1?a=1", "path": "items"},
    "url with a query": {"url": "https://api.test/v1/items?a=1&b="},
    "two slashes": {"url_base": "https://api.test/v1/", "path": "//items"},
    "slashes within": {"url_base": "https://api.test/v1", "path": "a//b/./c/../d"},
    "a fragment": {"url_base": "https://api.test", "path": "items#part"},
    "spaces": {"url_base": "https://api.test", "path": "a b/c"},
    "letters": {"url_base": "https://api.test", "path": "ü/é"},
    "encoded": {"url_base": "https://api.test", "path": "a%20b%2Fc"},
    "colons": {"url_base": "https://api.test", "path": "v1/items:search"},
    "an encoded value": {"url_base": "https://api.test",
                         "path": "x/{{ config['newline'] | urlencode }}"},
    "a slash from a value": {"url_base": "https://api.test",
                             "path": "x/{{ 'a/b' }}/y"},
    "a port": {"url_base": "https://api.test:8443/v1", "path": "items"},
    "capitals": {"url_base": "HTTPS://API.Test/V1", "path": "Items"},
    "a question mark": {"url_base": "https://api.test", "path": "items?"},
    "a number": {"url_base": "https://api.test", "path": "{{ 5 }}"},
    "digits with a zero": {"url_base": "https://api.test", "path": "{{ '007' }}"},
    "a path of nothing": {"url_base": "https://api.test/v1/items/"},
    "a path that is missing": {"url_base": "https://api.test/v1", "path": "{{ config['gone'] }}"},
}  # fmt: skip


def _placed(name: str, parts: dict[str, str]) -> Case:
    made = stream(asks={"request_parameters": {"q": "plain"}})
    asks = made["retriever"]["requester"]
    del asks["url_base"], asks["path"]
    asks.update(parts)
    return case(f"place, {name}", made, config=CONFIG, api=lambda: lambda _: rows(1))


CASES = [
    *(_rendered(n, v) for n, v in _TEMPLATES.items()),
    *_MERGED,
    *_FORMS,
    *(_placed(n, v) for n, v in _PLACES.items()),
]
