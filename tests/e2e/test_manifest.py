"""A manifest and its configuration, from files into a DuckDB file and on from a foreign state."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result
from tests.support.manifests import CONFIG, catalog, manifest, shop
from tests.support.web import Web, serving

from penstock.cli.app import cli
from penstock.cli.context import App

SINCE = {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "since"}


@pytest.fixture
def web():
    """The shop's API."""
    with serving(shop) as running:
        yield running


@pytest.fixture
def call(tmp_path, monkeypatch, web: Web):
    """Calls the command line in a folder with a manifest and a nested configuration."""
    monkeypatch.chdir(tmp_path)
    document = manifest(web.url)
    del document["streams"][3]
    document["streams"][0]["incremental_sync"]["start_time_option"] = SINCE
    for stream in document["streams"]:
        requester = stream["retriever"]["requester"]
        requester["authenticator"]["api_token"] = "{{ config['credentials']['key'] }}"
    values = {**CONFIG, "credentials": {"key": "k-0815"}}
    (tmp_path / "shop.yaml").write_text(json.dumps(document))
    (tmp_path / "config.json").write_text(json.dumps(values))

    def _call(*words: str) -> Result:
        return CliRunner().invoke(cli, list(words), obj=App(), standalone_mode=False)

    return _call


def _rows(query: str) -> list[Any]:
    with duckdb.connect("x.duckdb", read_only=True) as connection:
        return connection.sql(query).fetchall()


RUN = ("run", "shop.yaml", "--config", "config.json", "--to", "x.duckdb", "--quiet")


def test_nested_values_stay_json_columns(call):
    """Lists and objects are columns of JSON, not child tables, and a second run doubles no row."""
    assert call(*RUN).return_value == 0
    assert call(*RUN).return_value == 0
    columns = "select data_type from information_schema.columns"
    assert _rows(f"{columns} where table_name = 'orders' and column_name = 'lines'") == [("JSON",)]
    assert _rows("select count(*), count(distinct id) from shop.orders") == [(5, 5)]
    assert _rows("select lines from shop.orders where id = 0") == [('[{"price": 2.5, "n": 5}]',)]
    tables = "select table_name from information_schema.tables where table_schema = 'shop'"
    names = {name for (name,) in _rows(tables) if not name.startswith("_")}
    assert names == {"orders", "shops", "visits"}


def test_a_run_goes_on_from_an_imported_state(call, tmp_path, web: Web):
    """A state that Airbyte left is where the first run begins."""
    held = {"stream_descriptor": {"name": "orders"}, "stream_state": {"at": "2024-01-04T00:00:00Z"}}
    (tmp_path / "state.json").write_text(json.dumps([{"type": "STREAM", "stream": held}]))
    taken = call("state", "import", "shop.yaml", "--from", "state.json", "--to", "x.duckdb")
    assert taken.exception is None
    assert "took over orders" in taken.stderr
    assert call(*RUN).return_value == 0
    (first, *_) = (path for path in web.asked if path.startswith("/orders"))
    assert "since=2024-01-04T00%3A00%3A00Z" in first


def test_a_file_without_a_usable_state_is_refused(call, tmp_path):
    """A state of no stream that goes on from one is an error, and nothing is made."""
    (tmp_path / "state.json").write_text('{"shops": {"__ab_no_cursor_state_message": true}}')
    refused = call("state", "import", "shop.yaml", "--from", "state.json", "--to", "x.duckdb")
    assert refused.return_value == 2
    assert "no state of a stream" in refused.stderr
    assert not (tmp_path / "x.duckdb").exists()


OLD = '''
from airbyte_cdk.sources.declarative.migrations.state_migration import StateMigration


class Renamed(StateMigration):
    """The cursor had another name, which the configuration tells."""

    config: dict

    def __init__(self, config):
        self._name = config["old_name"]

    def should_migrate(self, stream_state):
        return self._name in stream_state

    def migrate(self, stream_state):
        return {"at": stream_state[self._name]}
'''


@pytest.mark.parametrize("command", ["run", "read"])
def test_a_state_of_an_older_form_is_migrated(call, tmp_path, web: Web, command: str):
    """A class brings a state into its last form, for a destination as for a platform."""
    document = json.loads((tmp_path / "shop.yaml").read_text())
    migration = {"type": "CustomStateMigration", "class_name": "source_shop.components.Renamed"}
    document["streams"][0]["state_migrations"] = [migration]
    (tmp_path / "shop.yaml").write_text(json.dumps(document))
    (tmp_path / "components.py").write_text(OLD)
    values = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**values, "old_name": "since"}))
    held = {
        "stream_descriptor": {"name": "orders"},
        "stream_state": {"since": "2024-01-04T00:00:00Z"},
    }
    (tmp_path / "state.json").write_text(json.dumps([{"type": "STREAM", "stream": held}]))
    if command == "run":
        given = ("--from", "state.json", "--config", "config.json", "--to", "x.duckdb")
        done = call("state", "import", "shop.yaml", *given)
        assert done.return_value == 0, done.output
        assert call(*RUN).return_value == 0
    else:
        (tmp_path / "catalog.json").write_text(json.dumps(catalog("orders")))
        files = ("--config", "config.json", "--catalog", "catalog.json", "--state", "state.json")
        read = call("airbyte", "read", "--manifest-path", "shop.yaml", *files)
        assert read.return_value == 0, read.output
    (first, *_) = (path for path in web.asked if path.startswith("/orders"))
    assert "since=2024-01-04T00%3A00%3A00Z" in first


@pytest.mark.parametrize(
    ("given", "rule"), [({"size": 2.5}, "type 'integer'"), ({"start": "soon"}, "pattern")]
)
def test_values_that_the_spec_does_not_allow_are_refused(call, tmp_path, given, rule):
    """Nothing is asked with a configuration that breaks the manifest's own spec."""
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, **given}))
    for words in (RUN, ("read", "shop.yaml", "orders", "--config", "config.json")):
        refused = call(*words)
        assert refused.return_value == 2
        [name] = given
        assert f"{name} does not fit: it breaks {rule}" in refused.stderr


def test_a_value_of_the_command_line_may_spell_a_number(call):
    """A text that spells what the spec asks for fits it."""
    assert call(*RUN, "--set", "size=4").return_value == 0
