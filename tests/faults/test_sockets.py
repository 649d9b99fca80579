"""Faults over real sockets: a run through the emulator's faults, then one without them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.loads import assert_holds, load

from penstock.emulator import EmulatorServer, Settings

# By document: the API it reads, the stream that is looked at, and where its requests go.
DOCUMENTS = {
    "merge_flat.yaml": ("chat", "chat_messages", "/v1/messages"),
    "replace_flat.yaml": ("chat", "chat_messages", "/v1/messages"),
    "append_token.yaml": ("chat", "events", "/v1/events"),
    "append_children.yaml": ("chat", "conversation_messages", "/v1/conversations/"),
    "append_windows.yaml": ("dixa", "conversation_export", "/v1/conversation_export"),
    "merge_windows.yaml": ("dixa", "conversation_export", "/v1/conversation_export"),
}
# What the transport says of each fault that the socket shows, where it goes on.
BROKEN = {
    "reset": {"transport", "connection"},
    "reset-midbody": {"transport", "connection"},
    "wrong-length": {"transport"},
    "chunk-cut": {"transport"},
    "gzip-broken": {"transport"},
    "truncated": {"undecodable"},
    "503": {"status"},
    "redirect-loop": {"redirects"},
}


def settings(*rules: str) -> Settings:
    """The same API with these faults, or with none."""
    return Settings(records=120, rules=rules)


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("kind", BROKEN)
def test_a_fault_that_stays_is_told_and_made_up_for(kind: str, document: str, tmp_path: Path):
    """A run that meets a fault over and over fails loudly; the next one completes the table."""
    api, stream, where = DOCUMENTS[document]
    path = tmp_path / "t.duckdb"
    with EmulatorServer(api, settings(f"{kind}@#2+@{where}")) as server:
        failed = load(document, server, path)
    failures = failed.receipt(stream).failures

    assert failed.status in {"partial", "failed"}
    assert {f.code for f in failures} <= BROKEN[kind]
    assert failures
    assert all(where.rstrip("/") in f.request and f.message and f.hint for f in failures)

    with EmulatorServer(api, settings()) as server:
        done = load(document, server, path)
        assert done.status == "done", done.result.receipts
        assert_holds(path, stream, server.truth(stream))


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("kind", ["reset", "chunk-cut", "overlong", "gzip-unsaid"])
def test_a_fault_that_passes_is_asked_away(kind: str, document: str, tmp_path: Path):
    """A fault that strikes once costs a request, and no row."""
    api, stream, where = DOCUMENTS[document]
    path = tmp_path / "t.duckdb"
    with EmulatorServer(api, settings(f"{kind}@#2@{where}")) as server:
        done = load(document, server, path)
        assert done.status == "done", done.result.receipts
        assert_holds(path, stream, server.truth(stream))
