"""Schemas in files beside a manifest, and what is said where they are not."""

from __future__ import annotations

import json

import pytest

from penstock.dialects import load
from penstock.dialects.airbyte import compile_document


@pytest.fixture
def beside(tmp_path, make):
    """Compiles a manifest of one stream with files beside it; gives its diagnostics and schema."""

    def _compile(files: dict, loader: object = None):
        parts = {} if loader is None else {"schema_loader": loader}
        manifest = tmp_path / "manifest.yaml"
        manifest.write_text(json.dumps(make.manifest(make.stream("things", **parts))))
        for name, content in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content if isinstance(content, str) else json.dumps(content))
        done = compile_document(load(str(manifest)), {}, describe=True)
        return done.diagnostics, done.need().streams[0]

    return _compile


SCHEMA = {"type": "object", "properties": {"id": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("path", "at"),
    [
        (None, "schemas/things.json"),
        ("./source_things/schemas/{{ parameters['name'] }}.json", "schemas/things.json"),
        ("./schemas/other.json", "schemas/other.json"),
        ("other.json", "other.json"),
    ],
)
def test_a_schema_stands_in_a_file(beside, path, at):
    """A path is looked for beside the manifest, also where it begins with a package's name."""
    loader = {"type": "JsonFileSchemaLoader", "$parameters": {"name": "things"}}
    said, stream = beside({at: SCHEMA}, loader | ({} if path is None else {"file_path": path}))
    assert said == ()
    assert stream.schema == SCHEMA
    assert [(c.name, c.type) for c in stream.hints.columns] == [("id", "bigint")]


def test_a_schema_is_found_by_the_streams_name(beside):
    """A stream that names no schema has the one in the file of its name."""
    said, stream = beside({"schemas/things.json": SCHEMA})
    assert said == ()
    assert stream.schema == SCHEMA


def test_references_of_a_file_are_followed(beside):
    """What a schema refers to, in itself or among the shared ones, stands in its place."""
    whole = {
        "properties": {
            "who": {"$ref": "people.json"},
            "part": {"$ref": "people.json#/properties/name"},
            "own": {"$ref": "#/definitions/own"},
        },
        "definitions": {"own": {"type": "number"}},
    }
    people = {"properties": {"name": {"type": "string"}}}
    _, stream = beside({"schemas/things.json": whole, "schemas/shared/people.json": people})
    assert stream.schema == {
        "properties": {"who": people, "part": {"type": "string"}, "own": {"type": "number"}}
    }


@pytest.mark.parametrize("content", [None, "no json"])
def test_a_file_that_is_not_there_is_a_warning(beside, content):
    """The stream is read all the same; its types come from the data."""
    files = {} if content is None else {"schemas/things.json": content}
    [said], stream = beside(files, {"type": "JsonFileSchemaLoader"})
    assert (said.code, said.severity) == ("airbyte-schema-file", "warning")
    assert "'schemas/things.json'" in said.message
    assert stream.schema == {}


def test_a_path_does_not_lead_out_of_the_folder(beside, tmp_path):
    """A manifest does not read what stands elsewhere."""
    (tmp_path.parent / "secret.json").write_text("{}")
    [said], _ = beside({}, {"type": "JsonFileSchemaLoader", "file_path": "../secret.json"})
    assert said.code == "airbyte-schema-file"
