"""Transformations of manifests do to records what the reference engine does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from penstock.dialects.airbyte import compile_document
from penstock.dialects.document import Document
from penstock.errors import ExprError
from penstock.plan import transforms
from penstock.plan.expr import Frame
from penstock.plan.records import Change, Spread

VECTORS = json.loads(Path(__file__).with_name("transform_vectors.json").read_text())


def _step(kind: str, spec: dict) -> Change | Spread:
    """The step that a stream with this transformation gets."""
    selector = {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}}
    stream = {
        "type": "DeclarativeStream",
        "name": "things",
        "retriever": {
            "type": "SimpleRetriever",
            "requester": {"type": "HttpRequester", "url_base": "https://x.test", "path": "/things"},
            "record_selector": selector,
        },
    }
    if kind == "RecordExpander":
        selector["extractor"]["record_expander"] = {"type": kind, **spec}
    elif kind == "Normalize":
        selector["schema_normalization"] = "Default"
        stream["schema_loader"] = {"type": "InlineSchemaLoader", "schema": spec}
    else:
        stream["transformations"] = [{"type": kind, **spec}]
    manifest = {
        "type": "DeclarativeSource",
        "version": "6.0.0",
        "check": {"type": "CheckStream", "stream_names": ["things"]},
        "streams": [stream],
    }
    source = compile_document(Document.from_object(manifest, "things")).need()
    (step,) = source.streams[0].records.steps
    return step


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v[0]}-{str(v[1])[:50]}")
def test_record_is_changed_as_the_reference_changes_it(vector):
    """A record comes out of each transformation as it does from the reference engine."""
    kind, spec, record, expected = vector
    frame = Frame(source={"who": "me"})
    step = _step(kind, spec)
    try:
        if isinstance(step, Spread):
            given = list(transforms.expand(step.expand, record))
        else:
            given = transforms.apply(step.transform, record, frame)
    except ExprError:
        given = "FAILS"
    assert json.dumps(given, sort_keys=True) == json.dumps(expected, sort_keys=True)
