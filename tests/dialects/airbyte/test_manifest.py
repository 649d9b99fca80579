"""References, parameters and types of manifests, and what is said where they are wrong."""

from __future__ import annotations

import pytest

from penstock.plan.expr import Const, JoinUrl


def _codes(compiled) -> list[str]:
    return [d.code for d in compiled.diagnostics]


def test_reference_that_leads_nowhere_is_named_with_its_neighbour(make):
    """A missing reference is one diagnostic with its line and the nearest name."""
    text = """\
type: DeclarativeSource
version: 6.0.0
check: {type: CheckStream, stream_names: [a]}
definitions:
  requester: {type: HttpRequester}
streams:
  - "#/definitions/requestor"
"""
    (said,) = make.written(text).diagnostics
    assert said.code == "airbyte-reference-missing"
    assert (said.place.line, said.place.column) == (7, 5)
    assert said.hint == "did you mean '#/definitions/requester'?"


def test_reference_to_itself_is_a_circle(make):
    """References that go in a circle are shown as one."""
    text = """\
type: DeclarativeSource
version: 6.0.0
definitions: {a: "#/definitions/b", b: {x: "#/definitions/a"}}
"""
    said = make.written(text).diagnostics[0]
    assert said.code == "airbyte-reference-cycle"
    assert said.message.endswith("#/definitions/b → #/definitions/a → #/definitions/b")


def test_local_keys_win_over_a_reference(make):
    """What stands beside `$ref` wins over what it refers to."""
    stream = make.stream()
    stream["retriever"]["requester"] = {"$ref": "#/definitions/asked", "path": "mine"}
    asked = {"type": "HttpRequester", "url_base": "https://y.test", "path": "theirs"}
    source = make.compiled(make.manifest(stream, definitions={"asked": asked})).need()
    expected = JoinUrl(base=Const(value="https://y.test"), path=Const(value="mine"))
    assert source.streams[0].request.url == expected


def test_parameter_stands_in_for_an_empty_field_and_not_for_a_filled_one(make):
    """A parameter replaces what is absent or empty, never what is there."""
    stream = make.stream(requester={"path": ""}, **{"$parameters": {"path": "p", "name": "other"}})
    found = make.compiled(make.manifest(stream)).need().streams[0]
    assert found.name == "things"
    assert found.request.url.path == Const(value="p")


def test_unknown_type_names_the_nearest(make):
    """A type that does not exist is an error that names the nearest one."""
    stream = make.stream(requester={"authenticator": {"type": "BearerAuthentication"}})
    (said,) = make.compiled(make.manifest(stream)).diagnostics
    assert said.code == "airbyte-unknown-type"
    assert said.message == "there is no component called 'BearerAuthentication'"
    assert said.hint == "did you mean 'BearerAuthenticator'?"


def test_type_in_the_wrong_place_is_an_error(make):
    """A component that exists, but not here, is said to be in the wrong place."""
    stream = make.stream(requester={"authenticator": {"type": "NoPagination"}})
    compiled = make.compiled(make.manifest(stream))
    assert not compiled.ok
    assert compiled.diagnostics[0].message == "the authenticator cannot be a NoPagination"


def test_unknown_key_is_a_warning_with_the_nearest(make):
    """A key that a component does not have changes nothing, and is said so."""
    compiled = make.compiled(make.manifest(make.stream(requester={"request_headers_": {}})))
    assert compiled.ok
    (said,) = compiled.diagnostics
    assert (said.code, said.severity) == ("airbyte-unknown-key", "warning")
    assert said.hint == "did you mean 'request_headers'?"


def test_missing_key_is_an_error(make):
    """A component without a field it must have is an error."""
    retriever = {"paginator": {"type": "DefaultPaginator"}}
    compiled = make.compiled(make.manifest(make.stream(retriever=retriever)))
    assert _codes(compiled) == ["airbyte-missing-key"]
    assert "needs 'pagination_strategy'" in compiled.diagnostics[0].message


def test_custom_component_is_accepted_and_named(make):
    """A class of the manifest's own is named, and the stream says that it needs it."""
    extractor = {"type": "CustomRecordExtractor", "class_name": "components.Unzip"}
    compiled = make.compiled(make.manifest(make.stream(selector={"extractor": extractor})))
    assert _codes(compiled) == ["airbyte-custom-component"]
    assert compiled.need().streams[0].needs == ("components.Unzip",)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("ab", "a and b is"),
        ("abc", "a, b and c is"),
        ("abcde", "a, b, c and 2 more streams is"),
    ],
)
def test_a_class_of_many_streams_is_told_once(make, names, said):
    """One warning of a class that is missing, at its first place, names the streams."""
    extractor = {"type": "CustomRecordExtractor", "class_name": "components.Unzip"}
    streams = [{**make.stream(selector={"extractor": extractor}), "name": n} for n in names]
    (only,) = make.compiled(make.manifest(*streams)).diagnostics
    assert f"of {said} the class components.Unzip, which is not run" in only.message


def test_template_that_is_no_jinja_is_an_error(make):
    """A template that cannot be parsed is an error at its place."""
    compiled = make.compiled(make.manifest(make.stream(requester={"path": "{{ config['x' }}"})))
    assert _codes(compiled) == ["airbyte-template"]


def test_unknown_variable_is_a_warning_with_the_nearest(make):
    """A variable that does not exist where the template stands is named."""
    path = "{{ config.get(stream_slize.id) }}"
    compiled = make.compiled(make.manifest(make.stream(requester={"path": path})))
    (said,) = compiled.diagnostics
    assert said.code == "airbyte-unknown-variable"
    assert said.hint == "did you mean 'stream_slice'?"


def test_text_that_is_no_mapping_is_an_error(make):
    """A document that is no mapping is one diagnostic."""
    assert _codes(make.written("- a\n- b\n")) == ["airbyte-empty"]
