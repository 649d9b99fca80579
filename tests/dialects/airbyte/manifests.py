"""Manifests for tests, built from the parts a test cares for."""

from __future__ import annotations

from penstock.dialects.airbyte import compile_document
from penstock.dialects.compiled import Compiled
from penstock.dialects.document import Document
from penstock.dialects.from_yaml import read_yaml


def stream(name: str = "things", **parts: object) -> dict:
    """A stream; `requester`, `retriever` and `selector` extend those parts, the rest the stream."""
    requester = {"type": "HttpRequester", "url_base": "https://x.test/v1", "path": f"/{name}"}
    selector = {"type": "RecordSelector", "extractor": {"type": "DpathExtractor", "field_path": []}}
    return {
        "type": "DeclarativeStream",
        "name": name,
        "retriever": {
            "type": "SimpleRetriever",
            "requester": {**requester, **parts.pop("requester", {})},
            "record_selector": {**selector, **parts.pop("selector", {})},
            **parts.pop("retriever", {}),
        },
        **parts,
    }


def manifest(*streams: dict, **parts: object) -> dict:
    """A manifest of these streams."""
    return {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": [s["name"] for s in streams]},
        "streams": list(streams),
        **parts,
    }


def compiled(document: dict, values: dict | None = None) -> Compiled:
    """A manifest compiled."""
    return compile_document(Document.from_object(document, "things"), values)


def only(values: dict | None = None, **parts: object):
    """The one stream of a manifest with these parts."""
    return compiled(manifest(stream(**parts)), values).need().streams[0]


def written(text: str) -> Compiled:
    """A manifest compiled from its YAML."""
    document = Document(file="manifest.yaml", kind="yaml", text=text)
    document.root = read_yaml(document, text)
    return compile_document(document)
