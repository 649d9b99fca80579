"""One API, spelled in every way the dlt dialect has for it, gives one plan."""

import json

import msgspec
import pytest

from penstock.dialects import compile_document
from penstock.dialects.document import Document
from penstock.dialects.loading import read_text

YAML = """
client:
  base_url: https://api.test
  auth: {type: bearer, token: 'dlt.secrets["key"]'}
resources:
  - name: things
    write_disposition: merge
    primary_key: id
    endpoint:
      data_selector: rows
      paginator: {type: offset, limit: 50}
"""
PYTHON = """
import dlt
from dlt.sources.rest_api import rest_api_source, RESTAPIConfig

PAGE = 50

@dlt.source
def s(key=dlt.secrets.value):
    things = {
        "name": "things",
        "write_disposition": "merge",
        "primary_key": "id",
        "endpoint": {"data_selector": "rows", "paginator": OffsetPaginator(limit=PAGE)},
    }
    config: RESTAPIConfig = {
        "client": {"base_url": "https://api" + ".test", "auth": BearerTokenAuth(token=key)},
        "resources": [things],
    }
    yield from rest_api_resources(config)
"""
OBJECT = {
    "client": {
        "base_url": "https://api.test",
        "auth": {"type": "bearer", "token": 'dlt.secrets["key"]'},
    },
    "resources": [
        {
            "name": "things",
            "write_disposition": "merge",
            "primary_key": "id",
            "endpoint": {"data_selector": "rows", "paginator": {"type": "offset", "limit": 50}},
        }
    ],
}


def plan(config):
    found = compile_document(Document.from_object(config, "s"))
    assert found.diagnostics == ()
    return found.need()


def test_every_kind_of_document_gives_one_plan():
    """YAML, JSON, a script, a fenced block and a Python dict of one configuration are one plan."""
    texts = [
        (YAML, ".yaml"),
        (json.dumps(OBJECT), ".json"),
        (PYTHON, ".py"),
        (f"Prose.\n\n```python\n{PYTHON}\n```\n", ".md"),
        (f"- a list\n\n  ```yaml{YAML.replace(chr(10), chr(10) + '  ')}\n  ```\n", ".txt"),
    ]
    expected = plan(OBJECT)
    for text, suffix in texts:
        found = compile_document(read_text(text, file=f"s{suffix}", suffix=suffix))
        assert found.diagnostics == (), suffix
        assert found.need() == expected, suffix


def stream(endpoint, *others):
    config = {
        "client": {"base_url": "https://api.test"},
        "resources": [*others, {"name": "a", "endpoint": endpoint}],
    }
    return plan(config).stream("a")


START = {"cursor_path": "t", "initial_value": "2024-01-01"}


@pytest.mark.parametrize(
    "endpoint",
    [
        {"incremental": {**START, "start_param": "since"}},
        {"params": {"since": {"type": "incremental", **START}}},
        {"incremental": START, "params": {"since": "{incremental.start_value}"}},
    ],
)
def test_three_ways_to_say_a_cursor(endpoint):
    """A start param, a param of type incremental and a placeholder in a param are one cursor."""
    expected = stream({"incremental": {**START, "start_param": "since"}})
    assert stream(endpoint) == expected


def test_two_ways_to_end_a_cursor():
    """An end param and a placeholder for the end are one cursor."""
    bounds = {**START, "end_value": "2024-02-01"}
    named = {"incremental": {**bounds, "start_param": "since", "end_param": "until"}}
    params = {"since": "{incremental.start_value}", "until": "{incremental.end_value}"}
    assert stream(named) == stream({"incremental": bounds, "params": params})


def test_ways_to_say_an_endpoint():
    """A name, a name with a path, and an endpoint that is a text are one stream."""
    expected = stream({"path": "a"})
    assert stream("a") == expected
    config = {"client": {"base_url": "https://api.test"}, "resources": ["a"]}
    assert plan(config).stream("a") == expected


def test_ways_to_say_columns_and_keys():
    """Columns as a list or a mapping, and keys as a text or a list, are one table."""

    def table(**hints):
        config = {"client": {"base_url": "u"}, "resources": [{"name": "a", **hints}]}
        return plan(config).stream("a").hints

    listed = table(columns=[{"name": "x", "data_type": "text"}], primary_key="x")
    assert table(columns={"x": {"data_type": "text"}}, primary_key=["x"]) == listed
    flagged = table(columns={"x": {"data_type": "text", "primary_key": True}})
    assert flagged.key_of_columns  # by which no cursor tells records apart, as in dlt
    assert msgspec.structs.replace(flagged, key_of_columns=False) == listed


@pytest.mark.parametrize("step", [{"days": 7}, "P7D"])
def test_ways_to_say_a_window(step):
    """A window's length in days and as an ISO 8601 duration are one window."""
    assert stream({"incremental": {**START, "step": step}}) == stream(
        {"incremental": {**START, "step": "P7D"}}
    )


def test_paths_of_plain_keys():
    """A JSONPath of plain keys is those keys, however it quotes them."""
    for text in ("a.b", "$.a.b", "['a']['b']", "$['a'].b", "'a'.b"):
        assert stream({"data_selector": text}) == stream({"data_selector": "a.b"}), text
    for text in ("$.a.b[*]", "['a']['b'][*]"):  # of an object, each value is one
        assert stream({"data_selector": text}) == stream({"data_selector": "a.b[*]"}), text
