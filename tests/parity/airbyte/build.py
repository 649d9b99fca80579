"""Manifests and APIs in few words."""

from __future__ import annotations

from typing import Any

from tests.parity.airbyte.harness import BASE, Asked, Case, Reply, Route, routed

Part = dict[str, Any]


def requester(path: str = "/items", **parts: Any) -> Part:
    """A requester below the base."""
    return {"type": "HttpRequester", "url_base": BASE, "path": path, "http_method": "GET", **parts}


def selector(*path: str, **parts: Any) -> Part:
    """A selector of the records at a path."""
    extractor = {"type": "DpathExtractor", "field_path": list(path)}
    return {"type": "RecordSelector", "extractor": extractor, **parts}


def stream(
    name: str = "items",
    *,
    path: str | None = None,
    asks: Part | None = None,
    at: tuple[str, ...] = ("data",),
    selects: Part | None = None,
    retrieves: Part | None = None,
    **parts: Any,
) -> Part:
    """A stream: `asks` goes to its requester, `selects` to its selector, the rest where it is."""
    retriever = {
        "type": "SimpleRetriever",
        "requester": requester(**{"path": path or f"/{name}", **(asks or {})}),
        "record_selector": selector(*at, **(selects or {})),
        **(retrieves or {}),
    }
    schema = {"type": "InlineSchemaLoader", "schema": {"type": "object", "properties": {}}}
    return {
        "type": "DeclarativeStream",
        "name": name,
        "retriever": retriever,
        "schema_loader": schema,
        **parts,
    }


def manifest(*streams: Part, **parts: Any) -> Part:
    """A manifest of streams."""
    return {
        "version": "7.39.1",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": [streams[0]["name"] if streams else "x"]},
        "streams": list(streams),
        "spec": {
            "type": "Spec",
            "connection_specification": {"type": "object", "properties": {}},
        },
        **parts,
    }


def case(name: str, *streams: Part, replies: Any = None, **parts: Any) -> Case:
    """A case: `replies` are what the first stream's path answers in turn, or routes."""
    api = parts.pop("api", None)
    more = parts.pop("manifest", {})
    if api is None:
        api = routed(_routes(streams, replies if replies is not None else [rows(1, 2)]))
    return Case(name=name, manifest=manifest(*streams, **more), api=api, **parts)


def _routes(streams: tuple[Part, ...], replies: Any) -> list[Route]:
    if isinstance(replies, dict):
        return [Route(path=path, replies=tuple(found)) for path, found in replies.items()]
    path = streams[0]["retriever"]["requester"]["path"]
    return [Route(path=path if path.startswith("/") else f"/{path}", replies=tuple(replies))]


def rows(*ids: Any, **more: Any) -> Part:
    """An answer with records of these ids."""
    return {"data": [{"id": i} for i in ids], **more}


def option(name: str, into: str = "request_parameter") -> Part:
    """A request option."""
    return {"type": "RequestOption", "inject_into": into, "field_name": name}


def paginator(strategy: Part, token: Part | None = None, size: Part | None = None) -> Part:
    """A paginator."""
    made = {"type": "DefaultPaginator", "pagination_strategy": strategy}
    if token is not None:
        made["page_token_option"] = token
    if size is not None:
        made["page_size_option"] = size
    return made


def paged(asked: Asked, total: int, size: int, name: str = "page", start: int = 0) -> Reply:
    """A page of numbered records by a page number in the query or elsewhere."""
    found = asked.params.get(name) or dict(asked.headers).get(name) or asked.json.get(name)
    page = int(found if found is not None else start) - start
    ids = range(page * size, min(total, (page + 1) * size))
    return Reply(body={"data": [{"id": i} for i in ids], "page": page})
