"""What is wrong with a manifest is one diagnostic, at its line, with the nearest valid word."""

from __future__ import annotations

import pytest

from penstock.dialects import compile_document
from penstock.dialects.loading import read_text

WELL = """\
version: 7.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [a]}
definitions:
  extractor: {type: DpathExtractor, field_path: []}
  one: {$ref: "#/definitions/two"}
  two: {$ref: "#/definitions/two_"}
  two_: {type: NoAuth}
streams:
  - type: DeclarativeStream
    name: a
    retriever:
      type: SimpleRetriever
      requester:
        type: HttpRequester
        url_base: https://x.test
        path: /a
      record_selector:
        type: RecordSelector
        extractor: "#/definitions/extractor"
"""
BOMB = "".join(
    f"{name}: &{name} [{', '.join([before] * 9)}]\n"
    for name, before in zip("abcdefg", ["x", "*a", "*b", "*c", "*d", "*e", "*f"], strict=True)
)


def _diagnostics(text: str) -> tuple:
    document = read_text(text, file="manifest.yaml", suffix=".yaml")
    return compile_document(document, {}).diagnostics


@pytest.mark.parametrize(
    ("change", "code", "line", "shown", "hint"),
    [
        (("path: /a", "path: [/a"), "yaml-syntax", 18, "record_selector",
         "close the bracket, or put a text with braces, brackets or ': ' in it in quotes"),
        (("path: /a", "path: !!python/name:os.system x"), "yaml-tag", 17, "!!python",
         "write the value itself"),
        (("SimpleRetriever", "SimpleRetreiver"), "airbyte-unknown-type", 13, "SimpleRetreiver",
         "did you mean 'SimpleRetriever'?"),
        (("type: HttpRequester", "type: DpathExtractor"), "airbyte-unknown-type", 15, "Dpath",
         "there are: CustomRequester, HttpRequester"),
        (('extractor: "#/definitions/extractor"', 'extractor: "#/definitions/extracter"'),
         "airbyte-reference-missing", 20, "extracter", "did you mean '#/definitions/extractor'?"),
        (('"#/definitions/two_"', '"#/definitions/one"'), "airbyte-reference-cycle", 6, "one:",
         None),
        (("path: /a", "path: \"/a/{{ config['x' }}\""), "airbyte-template", 17, "path:", None),
        (("field_path: []", "field_paths: []"), "airbyte-missing-key", 5, "field_paths", None),
        (("        path: /a", "        paths: /a"), "airbyte-unknown-key", 17, "paths",
         "did you mean 'path'?"),
        (("path: /a", "path: /a\n        request_headers: 'X-A: b'"), "airbyte-wrong-type", 18,
         "request_headers", None),
    ],
)  # fmt: skip
def test_a_mistake_is_told_once_at_its_line(change, code, line, shown, hint):
    """One diagnostic of its kind, with its line and column, the line itself, and a hint."""
    found = _diagnostics(WELL.replace(*change))
    [said] = [d for d in found if d.code == code]
    assert said.place is not None
    assert (said.place.file, said.place.line) == ("manifest.yaml", line)
    assert said.place.column > 0
    assert shown in said.place.text
    assert said.hint == hint
    errors = [d for d in found if d.severity == "error"]
    assert errors == ([] if code == "airbyte-unknown-key" else [said])


def test_a_condition_that_reads_parameters_is_told():
    """They are empty there, so that the streams may never exist: that is said, and followed."""
    held = "  - type: ConditionalStreams\n    condition: \"{{ parameters['k'] }}\"\n"
    text = WELL.replace(
        "streams:\n", f"streams:\n{held}    $parameters: {{k: 1}}\n    streams: []\n"
    )
    [said] = [d for d in _diagnostics(text) if d.severity == "warning"]
    assert (said.code, said.hint) == ("airbyte-unknown-variable", "a condition reads config")
    assert said.place is not None
    assert "parameters" in said.place.text


def test_a_bomb_is_one_error():
    """A document that grows without end is told as that, and nothing is said of its parts."""
    [said] = _diagnostics(BOMB + "type: DeclarativeSource\nstreams: []\n")
    assert (said.code, said.severity) == ("too-large", "error")
    assert said.place is not None
    assert said.place.line == 1


def test_a_sound_manifest_has_nothing_to_tell():
    """What the others change is well as it stands."""
    assert _diagnostics(WELL) == ()
