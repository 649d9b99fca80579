"""No secret comes out of a run: not in its events, errors or receipts, and not into the file."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote, quote_plus, unquote_plus

import pytest
from tests.e2e.loads import Load, load, query

from penstock.emulator import EmulatorServer, Settings

CANARY = "Cånary/+ s3cret=&42"
SPELLINGS = (
    CANARY,
    quote(CANARY),
    quote(CANARY, safe=""),
    quote_plus(CANARY),
    base64.b64encode(CANARY.encode()).decode().rstrip("="),
    base64.b64encode(f"demo-client:{CANARY}".encode()).decode().rstrip("="),
    "tok_",  # how the emulator's access tokens begin
)


def assert_silent(done: Load, path: Path) -> None:
    """Assert that nothing of the run holds the secret, in whatever spelling."""
    told = f"{done.result!r} {done.events!r}"
    stored = path.read_bytes()
    for spelled in SPELLINGS:
        assert spelled not in told
        assert spelled.encode() not in stored
    for name in ("receipts", "state", "loads", "fence", "columns"):
        text = str(query(path, f"SELECT * FROM _penstock_{name}"))
        assert not any(spelled in text for spelled in SPELLINGS)


@pytest.mark.parametrize("rules", [(), ("500@#1+@/v2/users",), ("truncated@#1+@/v2/users",)])
def test_a_key_in_the_query_is_in_no_message(rules: tuple[str, ...], tmp_path: Path) -> None:
    """A request that fails is told without the key that its URL carries."""
    path = tmp_path / "t.duckdb"
    with EmulatorServer("messaging", Settings(records=20, rules=rules)) as server:
        done = load("query_key.yaml", server, path, {"api_key": CANARY})
        assert all(CANARY in unquote_plus(seen.query) for seen in server.log)
        assert done.receipt("users").failures
        assert "/v2/users" in done.receipt("users").failures[0].request
        assert_silent(done, path)


def test_credentials_and_tokens_are_kept_out(tmp_path: Path) -> None:
    """Neither the client's secret nor the token it buys is kept, in success or failure."""
    path = tmp_path / "t.duckdb"
    settings = Settings(records=50, client_secret=CANARY)
    with EmulatorServer("chat", settings) as server:
        done = load("append_flat.yaml", server, path, {"client_secret": CANARY})
        assert done.status == "done"
        assert_silent(done, path)
        wrong = load("append_flat.yaml", server, path, {"client_secret": f"{CANARY}-not"})
        assert wrong.status == "failed"
        assert_silent(wrong, path)
