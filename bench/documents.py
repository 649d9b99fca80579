"""The documents that the benchmarks load, all of the emulated chat API."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def chat(url: str, *resources: Document, concurrency: int | None = None) -> Document:
    """Resources of the chat API at `url`."""
    auth = {
        "type": "oauth2_client_credentials",
        "access_token_url": f"{url}/oauth/token",
        "client_id": "demo-client",
        "client_secret": "demo-secret",
    }
    client: Document = {"base_url": url, "auth": auth}
    if concurrency:
        client["concurrency"] = concurrency
    return {"client": client, "resources": list(resources)}


# What makes the messages incremental.
NEW: Document = {
    "params": {"since": "{incremental.start_value}"},
    "incremental": {"cursor_path": "timestamp", "initial_value": "2000-01-01T00:00:00Z"},
}


def messages(url: str, disposition: str, **endpoint: Any) -> Document:
    """The nested messages, 1,000 a page, by offset and without a total."""
    resource = {
        "name": "messages",
        "primary_key": "id",
        "write_disposition": disposition,
        "endpoint": {
            "path": "/v1/messages",
            "data_selector": "messages",
            "paginator": {"type": "offset", "limit": 1000, "total_path": None},
            **endpoint,
        },
    }
    return chat(url, resource)


def flat(url: str) -> Document:
    """The conversations, which have fourteen plain fields, 1,000 a page."""
    paginator = {"type": "offset", "limit": 1000, "total_path": None}
    endpoint = {
        "path": "/v1/conversations",
        "data_selector": "conversations",
        "paginator": paginator,
    }
    return chat(url, {"name": "conversations", "endpoint": endpoint})


def pages(url: str) -> Document:
    """400 pages of 100 messages, by number, with a total."""
    paginator = {
        "type": "page_number",
        "base_page": 1,
        "page_param": "page",
        "total_path": "total_pages",
        "limit": 100,
        "limit_param": "limit",
    }
    endpoint = {"path": "/v1/messages", "data_selector": "messages", "paginator": paginator}
    return chat(url, {"name": "messages", "endpoint": endpoint}, concurrency=20)


def children(url: str, concurrency: int = 20) -> Document:
    """1,000 conversations in one page, and the messages of each."""
    parents = {
        "name": "conversations",
        "endpoint": {
            "path": "/v1/conversations",
            "data_selector": "conversations",
            "params": {"limit": 1000},
            "paginator": "single_page",
        },
    }
    kids = {
        "name": "messages",
        "parallelized": True,
        "endpoint": {
            "path": "/v1/conversations/{resources.conversations.id}/messages",
            "data_selector": "messages",
            "paginator": "single_page",
        },
    }
    return chat(url, parents, kids, concurrency=concurrency)
