"""Latency: what the wire costs when every answer takes 50 ms, with 20 requests at once.

Run it with `python bench/latency.py [--runs N]`. It prints the wall time of 400 pages of 100
records with a known total, of 1,000 children of one page each, and of the same pages one at a time.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from common import Measured, cpus, document, emulator, medians, penstock, repeat, run


def config(url: str, resources: list[Any]) -> dict[str, Any]:
    """Resources of the chat API."""
    return {
        "client": {
            "base_url": url,
            "concurrency": 20,
            "auth": {
                "type": "oauth2_client_credentials",
                "access_token_url": f"{url}/oauth/token",
                "client_id": "demo-client",
                "client_secret": "demo-secret",
            },
        },
        "resources": resources,
    }


def pages(url: str) -> dict[str, Any]:
    """400 pages of 100 records, by number, with a total."""
    paginator = {
        "type": "page_number",
        "base_page": 1,
        "page_param": "page",
        "total_path": "total_pages",
        "limit": 100,
        "limit_param": "limit",
    }
    endpoint = {"path": "/v1/messages", "data_selector": "messages", "paginator": paginator}
    return config(url, [{"name": "messages", "endpoint": endpoint}])


def children(url: str) -> dict[str, Any]:
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
        "endpoint": {
            "path": "/v1/conversations/{resources.conversations.id}/messages",
            "data_selector": "messages",
            "paginator": "single_page",
        },
    }
    return config(url, [parents, kids])


def load(made: dict[str, Any], folder: Path) -> Measured:
    """Load a document into a new file."""
    path = document(folder, "chat", made)
    return run(penstock("run", str(path), "--quiet"), folder)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    wanted = parser.parse_args()
    print(cpus())
    with emulator("chat", records=40_000, latency_ms=50) as url:
        runs = repeat(wanted.runs, lambda folder: load(pages(url), folder))
        print(medians("400 pages, total known", runs, 40_000))
    with emulator("chat", records=20_000, latency_ms=50) as url:
        runs = repeat(wanted.runs, lambda folder: load(children(url), folder))
        print(medians("1,000 children", runs, 20_000))


if __name__ == "__main__":
    main()
