"""What cases are made of: a manifest around one stream, and APIs that several share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

PREFIX = "source_declarative_manifest.components."


@dataclass
class Case:
    """A manifest, its components.py, an API, and the records that both engines read."""

    name: str
    code: str
    streams: list[dict[str, Any]]
    route: Callable[[Any], Any]
    expected: dict[str, list[dict[str, Any]]]
    config: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    same_requests: bool = True
    same_schema: bool = False

    def manifest(self) -> dict[str, Any]:
        """The manifest around the streams."""
        connection = {"type": "object", "properties": {"base": {"type": "string"}}}
        return {
            "version": "6.0.0",
            "type": "DeclarativeSource",
            "check": {"type": "CheckStream", "stream_names": [self.streams[0]["name"]]},
            "streams": self.streams,
            "spec": {"type": "Spec", "connection_specification": connection, **self.spec},
        }


def custom(kind: str, name: str, **fields: Any) -> dict[str, Any]:
    """A component that is a class of components.py."""
    return {"type": f"Custom{kind}", "class_name": PREFIX + name, **fields}


def requester(**fields: Any) -> dict[str, Any]:
    """A requester of the path `items`."""
    return {
        "type": "HttpRequester",
        "url_base": "{{ config['base'] }}",
        "path": "items",
        "http_method": "GET",
        **fields,
    }


def stream(name: str = "items", **fields: Any) -> dict[str, Any]:
    """A stream; `retriever`, `requester` and `selector` are merged, all else is the stream's."""
    selector = {
        "type": "RecordSelector",
        "extractor": {"type": "DpathExtractor", "field_path": ["data"]},
        **fields.pop("selector", {}),
    }
    asked = fields.pop("requester", {})
    retriever = {
        "type": "SimpleRetriever",
        "requester": asked if "type" in asked else requester(**asked),
        "record_selector": selector,
        **fields.pop("retriever", {}),
    }
    schema = {"type": "InlineSchemaLoader", "schema": {"type": "object", "properties": {}}}
    return {
        "type": "DeclarativeStream",
        "name": name,
        "primary_key": ["id"],
        "retriever": retriever,
        "schema_loader": schema,
        **fields,
    }


def option(name: str, place: str = "request_parameter") -> dict[str, Any]:
    """Where a value goes."""
    return {"type": "RequestOption", "inject_into": place, "field_name": name}


def rows(*ids: int) -> dict[str, Any]:
    """An answer with records."""
    return {"data": [{"id": i, "name": f"n{i}"} for i in ids]}


def plain(asked: Any) -> Any:
    """Two records, whatever is asked."""
    del asked
    return rows(1, 2)


def pages(asked: Any) -> Any:
    """Three pages of two records, the last of one."""
    page = int(asked.query.get("page", "1"))
    ids = range(page * 2 - 1, page * 2 + 1) if page < 3 else [5]
    return {**rows(*ids), "page": page, "pages": 3}


def children(asked: Any) -> Any:
    """Three parents under `items`, and a child for each under its id."""
    if asked.path == "/items":
        return rows(1, 2, 3)
    ident = asked.path.rpartition("/")[2]
    return {"data": [{"child": f"c{ident}", **asked.query}]}


IMPORTS = """
from dataclasses import InitVar, dataclass
from typing import Any, Iterable, List, Mapping, MutableMapping, Optional, Union

import requests
from airbyte_cdk.sources.declarative.types import Config, StreamSlice, StreamState
"""
