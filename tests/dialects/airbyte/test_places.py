"""What fails in a run is told where it stands in the manifest, with the nearest valid word."""

from __future__ import annotations

import pytest
from tests.support.web import serving

from penstock.dialects import compile_document
from penstock.dialects.loading import read_text
from penstock.engine.preparing import fitting, prepare
from penstock.engine.reading import read_stream
from penstock.errors import Error, PlanError
from penstock.events import SliceFailed

MANIFEST = """\
version: 7.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [items]}
definitions:
  shared: "/{{ config['region'] }}"
spec:
  type: Spec
  connection_specification:
    type: object
    properties:
      region: {type: string, enum: [eu, us]}
      limit: {type: integer, maximum: 100}
      deep:
        type: object
        properties:
          mode:
            enum: [fast, slow]
streams:
  - type: DeclarativeStream
    name: items
    retriever:
      type: SimpleRetriever
      requester:
        type: HttpRequester
        url_base: BASE
        path: "#/definitions/shared"
        request_parameters:
          q: "{{ config.region }}"
      record_selector:
        type: RecordSelector
        extractor: {type: DpathExtractor, field_path: []}
    transformations:
      - type: AddFields
        fields:
          - {path: [x], value: "{{ record.name }}"}
"""


def _compiled(text: str = MANIFEST, base: str = "https://x.test"):
    document = read_text(text.replace("BASE", base), file="manifest.yaml", suffix=".yaml")
    return compile_document(document, None).need()


@pytest.mark.parametrize(
    ("values", "line", "shown", "hint"),
    [
        ({"region": "euu"}, 11, "enum: [eu, us]", "did you mean 'eu'? it may be: eu, us"),
        ({"region": "asia"}, 11, "enum: [eu, us]", "it may be: eu, us"),
        ({"limit": 500}, 12, "maximum: 100", "the document's spec says what each value must"),
        ({"limit": "many"}, 12, "type: integer", "the document's spec says what each value must"),
        ({"deep": {"mode": "fats"}}, 17, "enum: [fast, slow]",
         "did you mean 'fast'? it may be: fast, slow"),
    ],
)  # fmt: skip
def test_a_value_that_breaks_its_spec_is_told_at_the_rule(values, line, shown, hint):
    """One diagnostic, where the spec says what the value must be."""
    with pytest.raises(PlanError) as raised:
        fitting(_compiled(), values)
    [said] = raised.value.diagnostics
    assert said.code == "value-invalid"
    assert said.place is not None
    assert (said.place.file, said.place.line) == ("manifest.yaml", line)
    assert shown in said.place.text
    assert said.hint is not None
    assert said.hint.startswith(hint)


def test_values_as_a_whole_are_told_at_the_rule_too():
    """As the protocol checks them, by the whole of the spec."""
    from penstock.engine.protocol.opening import _checking  # noqa: PLC0415 (used here only)

    with pytest.raises(PlanError) as raised:
        prepare(_checking(_compiled(), {"limit": 500}), {"limit": 500})
    [said] = raised.value.diagnostics
    assert said.place is not None
    assert said.place.line == 12


@pytest.mark.parametrize(
    ("old", "new", "line", "hint"),
    [
        ("{{ config['region'] }}\"", "{{ config['regoin'].x }}\"", 5, "did you mean 'region'?"),
        ("{{ config['region'] }}\"", "{{ config['region'] | hash('no') }}\"", 5, None),
        ("{{ config.region }}", "{{ config.region }}{{ 1 / 0 }}", 28, None),
        ("{{ config.region }}", "{{ nothing }}", 28, "there are: "),
        ("{{ record.name }}", "{{ record.naem.first }}", 35, "did you mean 'name'?"),
        ("{{ record.name }}", "{{ record.naem['first'] | upper }}", 35, "did you mean 'name'?"),
        ("{{ record.name }}", "{{ record.id + 1 }}{{ record.name.x.y }}", 35, None),
    ],
)  # fmt: skip
def test_a_template_that_raises_is_told_at_its_line(old, new, line, hint):
    """One failure, with the place of the template that raised, also of one that is referred to."""
    assert old in MANIFEST
    failed: list[SliceFailed] = []

    def heard(event: object) -> None:
        if isinstance(event, SliceFailed):
            failed.append(event)

    with serving(lambda _path, _query: (200, [{"id": 1, "name": "n"}])) as web:
        source = _compiled(MANIFEST.replace(old, new), web.url)
        with pytest.raises(Error) as raised:
            list(read_stream(source, {"region": "eu"}, "items", on_event=heard))
    [event] = failed
    assert event.place is not None
    assert (event.place.file, event.place.line) == ("manifest.yaml", line)
    assert new.rstrip('"') in event.place.text
    assert event.place == raised.value.place
    assert (raised.value.hint or "").startswith(hint or "")
