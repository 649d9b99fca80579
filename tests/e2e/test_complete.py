"""Every record that an API holds is in its table, once, with its values and its children."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.e2e.loads import Load, assert_holds, load, table, tables, unique

from penstock.emulator import EmulatorServer, Settings

SEEDS = Path(__file__).parents[3] / "shared" / "seeds"
MESSAGING_KEYS = {
    "roles": "id",
    "users": "id",
    "agents": "id",
    "groups": "id",
    "account": "account_id",
    "channels": "id",
    "conversations": "conversation_id",
    "conversations_messages": "id",
    "conversations_properties": "id",
}
HOSTILE = {
    "everyday": Settings(records=400, faults=0.05),
    "limited": Settings(records=200, rate=400.0, burst=20),
    "cut": Settings(records=400, rules=("reset-midbody@0.05", "truncated@0.05")),
    "capped": Settings(records=400, page_cap=7),
    "slow": Settings(records=200, latency_ms=3),
    "packed": Settings(records=200, gzip=True),
}


def seed(number: str) -> Path:
    """A document as it came from the field, which is not part of the repository."""
    found = sorted(SEEDS.glob(f"{number}_*")) if SEEDS.is_dir() else []
    if not found:
        pytest.skip("the field's own documents are not beside this repository")
    return found[0]


def assert_messaging(path: Path, server: EmulatorServer) -> None:
    """Assert that the ten tables hold what the API holds."""
    for stream, key in MESSAGING_KEYS.items():
        assert_holds(path, stream, server.truth(stream), key)
    pairs = {(r["user_id"], r["id"]) for r in server.truth("users_conversations")}
    rows = table(path, "users_conversations")
    assert {row["id"] for row in rows} == {ident for _, ident in pairs}
    assert {(row["user_id"], row["id"]) for row in rows} <= pairs


def assert_asked_well(server: EmulatorServer, done: Load) -> None:
    """Assert that each conversation was asked for once, and every request was signed."""
    asked = Counter(seen.path for seen in server.log if seen.fault is None and seen.status == 200)
    paths = [
        path
        for path in asked
        if path.startswith("/v2/conversations/") and path.count("/") == 3 and "fields" not in path
    ]
    assert len(paths) == len(list(server.truth("conversations")))
    assert all(asked[path] == 1 for path in paths)
    assert all(seen.credential for seen in server.log)
    assert sum(r.requests for r in done.result.receipts) == len(server.log)


@pytest.mark.parametrize("where", ["ours", "field"])
def test_ten_streams_of_the_messaging_document_are_complete(where: str, tmp_path: Path) -> None:
    """The messaging document loads as it stands: every row, each conversation asked for once."""
    document = "messaging.txt" if where == "ours" else seed("000")
    with EmulatorServer("messaging", Settings(records=600)) as server:
        path = tmp_path / "m.duckdb"
        done = load(document, server, path)
        assert done.status == "done", done.result.receipts
        assert_messaging(path, server)
        assert_asked_well(server, done)
        assert "key-fallback" in done.warnings("account")
        assert "key-fallback" in done.warnings("conversations")


@pytest.mark.parametrize("where", ["ours", "field"])
def test_the_chat_document_asks_for_one_token(where: str, tmp_path: Path) -> None:
    """The chat document loads every message with one token, asked for once."""
    document = "chat.txt" if where == "ours" else seed("001")
    with EmulatorServer("chat", Settings(records=730)) as server:
        path = tmp_path / "c.duckdb"
        done = load(document, server, path)
        assert done.status == "done", done.result.receipts
        assert_holds(path, "chat_messages", server.truth("chat_messages"))
        assert sum(seen.path == "/oauth/token" for seen in server.log) == 1
        unsigned = [s for s in server.log if not s.credential and s.path != "/oauth/token"]
        assert unsigned == []


@pytest.mark.parametrize("kind", HOSTILE)
def test_messaging_is_complete_whatever_the_api_does(kind: str, tmp_path: Path) -> None:
    """Faults, limits, page caps and latency change how long a run takes, and no row."""
    with EmulatorServer("messaging", HOSTILE[kind]) as server:
        path = tmp_path / "m.duckdb"
        done = load("messaging.txt", server, path)
        assert done.status == "done", done.result.receipts
        assert_messaging(path, server)


@pytest.mark.parametrize("kind", HOSTILE)
def test_chat_is_complete_whatever_the_api_does(kind: str, tmp_path: Path) -> None:
    """Faults, limits, page caps and latency change how long a run takes, and no row."""
    with EmulatorServer("chat", HOSTILE[kind]) as server:
        path = tmp_path / "c.duckdb"
        done = load("chat.txt", server, path)
        assert done.status == "done", done.result.receipts
        assert_holds(path, "chat_messages", server.truth("chat_messages"))


def test_tokens_that_expire_during_a_run_are_renewed(tmp_path: Path) -> None:
    """A token that lives shorter than the run is asked for again, and nothing is missing."""
    settings = Settings(records=600, token_ttl_s=0.2, latency_ms=40, page_cap=20)
    with EmulatorServer("chat", settings) as server:
        path = tmp_path / "c.duckdb"
        done = load("chat.txt", server, path)
        assert done.status == "done", done.result.receipts
        assert_holds(path, "chat_messages", server.truth("chat_messages"))
        assert sum(seen.path == "/oauth/token" for seen in server.log) > 1


def test_the_messaging_connector_is_complete(tmp_path: Path) -> None:
    """The bundled messaging connector loads every stream, listings by user and conversation."""
    with EmulatorServer("messaging", Settings(records=600)) as server:
        path = tmp_path / "m.duckdb"
        done = load("messaging", server, path)
        assert done.status == "done", done.result.receipts
        for stream, key in MESSAGING_KEYS.items():
            assert_holds(path, stream, server.truth(stream), key)
        listings = server.truth("users_conversations")
        assert_holds(path, "users_conversations", listings, ("user_id", "id"))
        messages = {r["id"]: r["conversation_id"] for r in server.truth("conversations_messages")}
        stored = table(path, "conversations_messages")
        assert {r["id"]: r["conversation_id"] for r in stored} == messages


def test_the_chat_connector_is_complete(tmp_path: Path) -> None:
    """The bundled chat connector loads every message."""
    with EmulatorServer("chat", Settings(records=2300)) as server:
        path = tmp_path / "c.duckdb"
        done = load("chat", server, path)
        assert done.status == "done", done.result.receipts
        assert_holds(path, "chat_messages", server.truth("chat_messages"))


def test_the_dixa_connector_is_complete(tmp_path: Path) -> None:
    """The bundled Dixa connector loads every conversation, window by window, in whole numbers."""
    with EmulatorServer("dixa", Settings(records=500)) as server:
        path = tmp_path / "d.duckdb"
        done = load("dixa", server, path)
        assert done.status == "done", done.result.receipts
        assert_holds(path, "conversation_export", server.truth("conversation_export"))
        types = {type(row["updated_at"]) for row in table(path, "conversation_export")}
        assert types == {int}
        assert tables(path) == {"conversation_export", "conversation_export__tags"}


def test_shared_conversations_keep_one_row(tmp_path: Path) -> None:
    """A conversation that several users list is one row under the document's key."""
    with EmulatorServer("messaging", Settings(records=600)) as server:
        path = tmp_path / "m.duckdb"
        load("messaging.txt", server, path)
        listings = list(server.truth("users_conversations"))
        assert len(unique(listings, "id")) < len(listings)
        assert len(table(path, "users_conversations")) == len(unique(listings, "id"))
