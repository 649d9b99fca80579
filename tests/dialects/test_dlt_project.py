"""Projects of dlt: the configuration they hold, and what is said of the rest."""

import pytest

from penstock.dialects import compile_document
from penstock.dialects.document import Document
from penstock.dialects.loading import read_text

SOURCE = "{type: %s, client: {base_url: 'https://api.test'}, resources: [posts]}"


def read(text):
    return compile_document(read_text(text, file="dlt.yml", suffix=".yml"))


def said(compiled):
    return [str(d) for d in compiled.diagnostics]


@pytest.mark.parametrize("kind", ["rest_api", "dlt.sources.rest_api.rest_api"])
def test_the_source_of_a_project(kind):
    """It is compiled as if it stood alone, and is named after its entry."""
    found = read(f"sources:\n  My blog: {SOURCE % kind}\n")
    assert said(found) == []
    assert (found.name, [stream.name for stream in found.source.streams]) == ("my_blog", ["posts"])


def test_the_first_source_of_a_project_is_taken():
    """Sources of other kinds are passed over; of several, and of what is not read, it is told."""
    text = (
        "sources:\n"
        "  files: {type: filesystem}\n"
        f"  a: {SOURCE % 'rest_api'}\n"
        f"  b: {SOURCE % 'rest_api'}\n"
        "pipelines: {all: {source: a}}\n"
    )
    found = read(text)
    assert found.name == "a"
    assert [(d.code, d.message, d.place.line) for d in found.diagnostics] == [
        ("several-sources", "the project holds several sources; 'a' is taken", 4),
        ("gap", "'pipelines' of a project is not read", 5),
    ]


def test_a_project_without_a_source_of_this_kind():
    """It is no document that Penstock reads."""
    assert [d.code for d in read("sources: {files: {type: filesystem}}").diagnostics] == [
        "no-dialect"
    ]


def test_the_type_of_a_configuration():
    """YAML may say it at the top, no other one; dlt takes none of Python."""
    assert said(read(SOURCE % "rest_api")) == []
    assert [d.code for d in read(SOURCE % "sql_database").diagnostics] == ["unknown-value"]
    config = {"type": "rest_api", "client": {"base_url": "https://api.test"}, "resources": ["a"]}
    found = compile_document(Document.from_object(config))
    assert [d.code for d in found.diagnostics] == ["unknown-key"]
