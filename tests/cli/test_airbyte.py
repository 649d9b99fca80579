"""`penstock airbyte`: messages on stdout and nothing else, whatever the values are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from tests.support.manifests import CONFIG, catalog, manifest, shop
from tests.support.web import Web, serving

from penstock.cli.app import cli
from penstock.cli.context import App


class Said:
    """What a call put on stdout, as messages, and its exit code."""

    def __init__(self, code: int, out: bytes, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        self.messages: list[dict[str, Any]] = [json.loads(line) for line in out.splitlines()]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The messages of a type."""
        return [m for m in self.messages if m["type"] == kind]

    def records(self, stream: str) -> list[Any]:
        """The records of a stream."""
        return [m["record"]["data"] for m in self.of("RECORD") if m["record"]["stream"] == stream]

    def statuses(self, stream: str) -> list[str]:
        """What was told of a stream's progress."""
        told = [m["trace"].get("stream_status") for m in self.of("TRACE")]
        return [t["status"] for t in told if t and t["stream_descriptor"]["name"] == stream]

    def errors(self) -> list[dict[str, Any]]:
        """The errors."""
        return [m["trace"]["error"] for m in self.of("TRACE") if m["trace"]["type"] == "ERROR"]

    def states(self, stream: str) -> list[dict[str, Any]]:
        """The states of a stream."""
        told = [m["state"] for m in self.of("STATE")]
        return [t for t in told if t["stream"]["stream_descriptor"]["name"] == stream]


@pytest.fixture
def web():
    """The shop's API."""
    with serving(shop) as running:
        yield running


@pytest.fixture
def call(tmp_path, web: Web):
    """Calls `penstock airbyte` with files made of what is given."""

    def _call(command: str, **given: Any) -> Said:
        given.setdefault("manifest_path", manifest(web.url))
        if command != "spec":
            given.setdefault("config", CONFIG)
        words = ["airbyte", command, *given.pop("words", ())]
        for name, value in given.items():
            if value is None:
                continue
            file = tmp_path / f"{name}.json"
            file.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
            words += [f"--{name.replace('_', '-')}", str(file)]
        done = CliRunner().invoke(cli, words, obj=App(), standalone_mode=False)
        return Said(done.return_value, done.stdout_bytes, done.stderr)

    return _call


def test_spec_is_the_manifests_own(call):
    """The spec is what the manifest says of its configuration; without one, that of any."""
    given = manifest("https://x.test")["spec"]
    (told,) = call("spec").of("SPEC")
    assert told["spec"]["connectionSpecification"] == given["connection_specification"]
    assert told["spec"]["documentationUrl"] == "https://docs.test/shop"
    (general,) = call("spec", manifest_path=None).of("SPEC")
    wanted = general["spec"]["connectionSpecification"]["required"]
    assert wanted == ["__injected_declarative_manifest"]


def test_check_reads_no_more_than_it_needs(call, web: Web):
    """A check tries the streams that the manifest names, and not the rest of their pages."""
    said = call("check")
    (told,) = said.of("CONNECTION_STATUS")
    assert (said.code, told["connectionStatus"]) == (0, {"status": "SUCCEEDED"})
    assert web.asked
    assert all(path.startswith("/orders") for path in web.asked)


def test_no_private_address_is_asked_where_those_are_denied(call, web: Web):
    """Neither a check nor a read asks a server of this machine; each says why."""
    (told,) = call("check", words=["--deny-private"]).of("CONNECTION_STATUS")
    assert told["connectionStatus"]["status"] == "FAILED"
    assert "127.0.0.1" in told["connectionStatus"]["message"]
    said = call("read", words=["--deny-private"], catalog=catalog("shops"))
    assert said.code == 1
    assert said.statuses("shops")[-1] == "INCOMPLETE"
    assert web.asked == []


def test_check_of_what_may_not_be_read_fails(call):
    """A refused stream is a failed check with the API's own words, the secret in them masked."""
    said = call("check", config={**CONFIG, "__airbyte_check_stream_names": ["shops", "closed"]})
    (told,) = said.of("CONNECTION_STATUS")
    assert said.code == 0
    assert told["connectionStatus"]["status"] == "FAILED"
    assert "no entry for ***" in told["connectionStatus"]["message"]


def test_check_of_an_unknown_stream_fails(call):
    """A name that no stream has fails the check and is told with those there are."""
    said = call("check", config={**CONFIG, "__airbyte_check_stream_names": ["order"]})
    (told,) = said.of("CONNECTION_STATUS")
    assert "no stream 'order'" in told["connectionStatus"]["message"]
    assert "visits" in told["connectionStatus"]["message"]


def test_check_without_a_slice_fails_and_without_records_succeeds(call, web: Web):
    """A stream that has nothing to ask for cannot be tried; one that is empty can."""
    web.answer = lambda _path, _query: (200, {"rows": []})
    (told,) = call("check").of("CONNECTION_STATUS")
    assert told["connectionStatus"]["status"] == "SUCCEEDED"
    given = manifest(web.url)
    given["check"]["stream_names"] = ["visits"]
    given["streams"][2]["retriever"]["partition_router"]["values"] = []
    (told,) = call("check", manifest_path=given).of("CONNECTION_STATUS")
    assert told["connectionStatus"]["status"] == "FAILED"
    assert "no slice" in told["connectionStatus"]["message"]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"api_key": "5"}, "'start' is a required property"),
        ({**CONFIG, "start": "yesterday"}, "pattern"),
        ({**CONFIG, "size": "many"}, "integer"),
    ],
)
def test_values_must_fit_the_spec(call, config, words):
    """Values that break the spec fail a check as a message, and a read as an error."""
    (told,) = call("check", config=config).of("CONNECTION_STATUS")
    assert words in told["connectionStatus"]["message"]
    said = call("read", config=config, catalog=catalog("orders"))
    assert said.code == 1
    assert [e["failure_type"] for e in said.errors()] == ["config_error"]


def test_defaults_of_the_spec_are_no_values(call):
    """A default is for forms: a template sees what the user gave and nothing else."""
    given = manifest("https://x.test")
    given["streams"][0]["name"] = "orders{{ config.get('size', '') }}"
    assert call("discover", manifest_path=given).code == 0
    (told,) = call("discover", manifest_path=given).of("CATALOG")
    assert "orders3" not in [s["name"] for s in told["catalog"]["streams"]]


def test_discover_tells_schemas_modes_and_keys(call):
    """The catalog has each stream with its schema, how it can be read, its cursor and its key."""
    (told,) = call("discover").of("CATALOG")
    streams = {s["name"]: s for s in told["catalog"]["streams"]}
    assert list(streams) == ["orders", "shops", "visits", "closed"]
    assert streams["orders"] == {
        "name": "orders",
        "json_schema": {"type": "object", "properties": {"id": {"type": ["string", "integer"]}}},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_cursor": True,
        "default_cursor_field": ["at"],
        "source_defined_primary_key": [["id"]],
        "is_resumable": True,
        "is_file_based": False,
    }
    assert streams["shops"]["source_defined_primary_key"] == [["id"], ["city"]]
    assert streams["closed"]["supported_sync_modes"] == ["full_refresh"]


def test_read_gives_records_verbatim_and_states_behind_them(call):
    """Every record as the API spelled it, the state behind it, and the stream's progress."""
    said = call("read", catalog=catalog("orders", "shops"))
    assert (said.code, said.err) == (0, "")
    assert sorted(r["id"] for r in said.records("orders")) == [0, 1, 2, 3, 4]
    assert [r["city"] for r in said.records("shops")] == ["Århus", "Oslo"]
    assert said.statuses("orders") == ["STARTED", "RUNNING", "COMPLETE"]
    last = said.states("orders")[-1]
    assert last["stream"]["stream_state"] == {"at": "2024-01-05T00:00:00Z"}
    assert sum(s["sourceStats"]["recordCount"] for s in said.states("orders")) == 5.0
    kinds = [m["type"] for m in said.messages]
    assert kinds.index("STATE") > kinds.index("RECORD")
    told = said.states("shops")[-1]["stream"]["stream_state"]
    assert told == {"__ab_no_cursor_state_message": True}


@pytest.mark.parametrize("secret", ["5", "a", "{", '"', "\\", "type", "RECORD", "é", "0"])
def test_no_secret_breaks_the_protocol(call, secret):
    """Whatever a secret is, each line is JSON and no record is touched."""
    said = call("read", config={**CONFIG, "api_key": secret}, catalog=catalog("orders", "closed"))
    assert said.code == 1
    assert len(said.records("orders")) == 5
    assert said.records("orders")[0]["lines"] == [{"price": 2.5, "n": 5}]
    assert {m["type"] for m in said.messages} >= {"RECORD", "STATE", "TRACE"}
    assert all(isinstance(m["record"]["emitted_at"], int) for m in said.of("RECORD"))


def test_one_stream_fails_and_the_others_go_on(call):
    """A refused stream ends incomplete with its error; the rest is read, and the exit code is 1."""
    said = call("read", catalog=catalog("closed", "shops"))
    assert said.code == 1
    assert said.statuses("closed") == ["STARTED", "INCOMPLETE"]
    assert said.statuses("shops") == ["STARTED", "RUNNING", "COMPLETE"]
    first = said.errors()[0]
    assert first["stream_descriptor"] == {"name": "closed"}
    assert first["failure_type"] == "config_error"
    assert "no entry for ***" in first["message"]


def test_a_stream_that_does_not_exist_is_incomplete(call):
    """What the catalog selects and the manifest does not have is told, and fails nothing else."""
    said = call("read", catalog=catalog("nothing", "shops"))
    assert said.statuses("nothing") == ["INCOMPLETE"]
    assert len(said.records("shops")) == 2
    assert any("'nothing'" in m["log"]["message"] for m in said.of("LOG"))


def test_indented_answers_and_broken_text_stay_one_line_each(call, web: Web):
    """Records of an indented answer are lines of their own, and bytes that are no text are not."""
    web.answer = lambda _path, _query: (200, b'[\n  {\n    "id": 1,\r\n "x": "\xff"\n  },\n {}\n]')
    said = call("read", catalog=catalog("shops"))
    assert said.errors() == []
    assert said.records("shops")[0] == {"id": 1, "x": "\ufffd"}
    assert said.out.decode("utf-8")


def test_gaps_and_unknown_keys_are_warnings(call, web: Web):
    """What of a manifest is not honoured is told as a warning, with its place."""
    given = manifest(web.url)
    given["streams"][1]["retreiver"] = {}
    said = call("discover", manifest_path=given)
    told = [m["log"]["message"] for m in said.of("LOG") if m["log"]["level"] == "WARN"]
    assert said.code == 0
    assert any("retreiver" in text for text in told)


def test_a_manifest_may_stand_in_the_configuration(call, web: Web):
    """Without a path the manifest is taken out of the values, which it is then no part of."""
    config = {**CONFIG, "__injected_declarative_manifest": manifest(web.url)}
    said = call("read", manifest_path=None, config=config, catalog=catalog("shops"))
    assert (said.code, len(said.records("shops"))) == (0, 2)
    missing = call("read", manifest_path=None, catalog=catalog("shops"))
    assert missing.code == 1
    assert "there is no manifest" in missing.errors()[0]["message"]


def test_a_manifest_that_is_wrong_is_one_error(call):
    """A manifest that cannot be used is an error of the configuration, and nothing is read."""
    for text in (b"[1, 2]", b"streams: [", b'{"type": "DeclarativeSource", "version": "1"}'):
        said = call("read", manifest_path=text, catalog=catalog("shops"))
        assert said.code == 1
        assert [e["failure_type"] for e in said.errors()] == ["config_error"]


def test_migrated_values_are_written_back_and_told(call, web: Web, tmp_path):
    """A migration changes the user's file for good, once, and the platform is told."""
    given = manifest(web.url)
    given["spec"]["config_normalization_rules"] = {
        "type": "ConfigNormalizationRules",
        "config_migrations": [
            {
                "type": "ConfigMigration",
                "transformations": [
                    {
                        "type": "ConfigAddFields",
                        "fields": [
                            {
                                "type": "AddedFieldDefinition",
                                "path": ["start"],
                                "value": "{{ config['since'] }}",
                            }
                        ],
                        "condition": "{{ 'start' not in config }}",
                    }
                ],
            }
        ],
    }
    old = {"api_key": "5", "since": "2024-01-01T00:00:00Z"}
    said = call("discover", manifest_path=given, config=old)
    (told,) = said.of("CONTROL")
    kept = json.loads((tmp_path / "config.json").read_text())
    assert kept == {**old, "start": "2024-01-01T00:00:00Z"}
    assert told["control"]["connectorConfig"]["config"] == kept
    assert call("discover", manifest_path=given, config=kept).of("CONTROL") == []


HELD = {
    "stream_descriptor": {"name": "orders"},
    "stream_state": {"at": "2024-01-04T00:00:00Z"},
}


@pytest.mark.parametrize(
    "given",
    [
        [{"type": "STREAM", "stream": HELD}],
        [{"type": "STATE", "state": {"type": "STREAM", "stream": HELD}}],
        [{"type": "GLOBAL", "global": {"stream_states": [HELD]}}],
        {"orders": HELD["stream_state"]},
    ],
    ids=["messages", "envelopes", "global", "object"],
)
def test_state_is_taken_in_every_shape(call, web: Web, given):
    """A read goes on from a state, whether it comes as messages, a global one or an object."""
    cursor = {"type": "RequestOption", "inject_into": "request_parameter", "field_name": "since"}
    document = manifest(web.url)
    document["streams"][0]["incremental_sync"]["start_time_option"] = cursor
    call("read", manifest_path=document, state=given, catalog=catalog("orders"))
    assert "since=2024-01-04T00%3A00%3A00Z" in web.asked[0]


@pytest.mark.parametrize("given", [[1], [{"stream": {}}], [{"global": {"shared_state": {"a": 1}}}]])
def test_a_state_that_is_none_is_one_error(call, given):
    """What is no state is told as an error of the configuration before anything is asked."""
    said = call("read", state=given, catalog=catalog("orders"))
    assert [e["failure_type"] for e in said.errors()] == ["config_error"]
    assert said.records("orders") == []


CODE = """
from dataclasses import dataclass
from airbyte_cdk.sources.declarative.transformations import RecordTransformation

@dataclass
class Mark(RecordTransformation):
    def transform(self, record, **kwargs):
        record["marked"] = True
"""


def test_classes_of_a_manifest_may_stand_elsewhere(call, web: Web):
    """Classes named with `--components-path` are run, as if they stood beside the manifest."""
    given = manifest(web.url)
    mark = {"type": "CustomTransformation", "class_name": "components.Mark"}
    given["streams"][1]["transformations"] = [mark]
    wanted = catalog("shops")
    said = call("read", manifest_path=given, components_path=CODE.encode(), catalog=wanted)
    assert [r["marked"] for r in said.records("shops")] == [True, True]
    without = call("read", manifest_path=given, catalog=wanted)
    assert (without.code, without.records("shops")) == (1, [])
