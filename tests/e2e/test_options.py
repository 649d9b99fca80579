"""What a run can be told, and what it says when it cannot have everything."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.e2e.loads import SCHEMA, assert_holds, given, load, plan, query, table, tables
from tests.e2e.test_incremental import without_retries

from penstock.emulator import EmulatorServer, Settings
from penstock.engine import read_stream, reset_state, show_state
from penstock.errors import Error, PlanError
from penstock.plan.records import Keys
from penstock.plan.source import Source


def with_path(source: Source, *path: str) -> Source:
    """The source with another record path for its first stream."""
    stream = source.streams[0]
    records = msgspec.structs.replace(stream.records, path=Keys(path=path))
    changed = msgspec.structs.replace(stream, records=records)
    return msgspec.structs.replace(source, streams=(changed, *source.streams[1:]))


def test_a_full_refresh_forgets_state_and_rows(tmp_path: Path) -> None:
    """A full refresh reads everything again, in place of what was there, state included."""
    path = tmp_path / "t.duckdb"
    with EmulatorServer("chat", Settings(records=300)) as server:
        load("append_flat.yaml", server, path)
        server.advance(10)
        load("append_flat.yaml", server, path)
        done = load("append_flat.yaml", server, path, full_refresh=True)
        assert done.receipt("chat_messages").rows == 310
        assert_holds(path, "chat_messages", server.truth("chat_messages"))
        assert load("append_flat.yaml", server, path).receipt("chat_messages").rows == 0


def test_a_child_alone_reads_its_parents_and_keeps_none(tmp_path: Path) -> None:
    """A selected child is complete, its parent is read for it, and gets no table and no state."""
    path = tmp_path / "t.duckdb"
    with EmulatorServer("chat", Settings(records=100)) as server:
        done = load("append_children.yaml", server, path, select=("conversation_messages",))
        assert [r.stream for r in done.result.receipts] == ["conversation_messages"]
        assert "conversations" not in tables(path)
        assert_holds(path, "conversation_messages", server.truth("conversation_messages"))
        state = show_state(plan("append_children.yaml"), str(path), SCHEMA, ())
        assert set(state) == {"conversation_messages"}


def test_a_parent_alone_asks_for_no_child(tmp_path: Path) -> None:
    """A selected parent is loaded without a request for its children."""
    path = tmp_path / "t.duckdb"
    with EmulatorServer("chat", Settings(records=100)) as server:
        load("append_children.yaml", server, path, select=("conversations",))
        assert {s.path for s in server.log} == {"/oauth/token", "/v1/conversations"}
        assert_holds(path, "conversations", server.truth("conversations"))


def test_an_unknown_stream_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    """A selected stream that does not exist ends the call before anything is made."""
    path = tmp_path / "t.duckdb"
    with EmulatorServer("chat", Settings(records=1)) as server:
        with pytest.raises(PlanError, match="did you mean 'conversations'"):
            load("append_children.yaml", server, path, select=("conversation",))
        assert server.log == []
    assert not path.exists()


@pytest.mark.parametrize("document", ["append_flat.yaml", "replace_flat.yaml", "merge_flat.yaml"])
def test_no_records_are_a_run_that_is_done(document: str, tmp_path: Path) -> None:
    """An API without records gives no rows, no warning of missing ones, and no failure."""
    with EmulatorServer("chat", Settings(records=0)) as server:
        done = load(document, server, tmp_path / "t.duckdb")
        assert done.status == "done"
        assert (done.receipt("chat_messages").rows, done.warnings("chat_messages")) == (0, set())


def test_records_that_are_gone_are_told(tmp_path: Path) -> None:
    """A replaced stream that gives no record, where the last run had some, is emptied and told."""
    path = tmp_path / "t.duckdb"
    with EmulatorServer("chat", Settings(records=50)) as server:
        load("replace_flat.yaml", server, path)
    with EmulatorServer("chat", Settings(records=0)) as server:
        done = load("replace_flat.yaml", server, path)
    assert done.status == "done"
    assert done.warnings("chat_messages") == {"rows-gone"}
    assert table(path, "chat_messages") == []


def test_a_wrong_record_path_is_told(tmp_path: Path) -> None:
    """A record path that is in no answer, while the answers hold rows, makes the run partial."""
    source = with_path(plan("replace_flat.yaml"), "mesages")
    with EmulatorServer("chat", Settings(records=50)) as server:
        done = load(source, server, tmp_path / "t.duckdb")
        assert (done.status, done.receipt("chat_messages").status) == ("partial", "partial")
        said = {w.code: w.message for w in done.receipt("chat_messages").warnings}
        assert said["record-path-empty"] == (
            "the record path 'mesages' is in none of the answers, but there are records at "
            "'messages': no row was loaded"
        )


def test_one_failing_stream_leaves_the_others_complete(tmp_path: Path) -> None:
    """A stream that fails makes the run partial, and takes nothing from the others."""
    path = tmp_path / "t.duckdb"
    source = without_retries(plan("messaging.txt"))
    settings = Settings(records=200, rules=("500@#1+@/v2/agents",))
    with EmulatorServer("messaging", settings) as server:
        done = load(source, server, path)
        assert done.status == "partial"
        failed = [r.stream for r in done.result.receipts if r.status != "done"]
        assert failed == ["agents"]
        (failure,) = done.receipt("agents").failures
        assert failure.request.startswith(f"GET {server.url}/v2/agents")
        assert_holds(path, "users", server.truth("users"))
        assert_holds(path, "conversations", server.truth("conversations"), "conversation_id")


def test_wrong_credentials_fail_every_stream(tmp_path: Path) -> None:
    """Credentials that the API refuses fail the run, and the receipts say so."""
    path = tmp_path / "t.duckdb"
    with EmulatorServer("messaging", Settings(records=50)) as server:
        done = load("merge_tree.yaml", server, path, {"api_key": "wrong"})
        assert done.status == "failed" or done.receipt("users").status == "failed"
        assert done.receipt("users").failures[0].code == "auth-refused"
    with EmulatorServer("chat", Settings(records=50)) as server:
        done = load("append_flat.yaml", server, path, {"client_secret": "wrong"})
        assert done.status == "failed"
        assert done.receipt("chat_messages").failures[0].code in {"auth", "auth-refused"}


def test_a_replacement_that_fails_keeps_the_old_table(tmp_path: Path) -> None:
    """Where a page of a replacement cannot be had, the old table stays, and the receipt says so."""
    path = tmp_path / "t.duckdb"
    source = without_retries(plan("replace_flat.yaml"))
    with EmulatorServer("chat", Settings(records=100)) as server:
        assert load(source, server, path).status == "done"
        before = sorted(row["id"] for row in table(path, "chat_messages"))
    settings = Settings(records=200, rules=("500@#4+@/v1/messages",))
    with EmulatorServer("chat", settings) as server:
        done = load(source, server, path)
        assert done.status == "failed"
        assert "not-replaced" in done.warnings("chat_messages")
        assert sorted(row["id"] for row in table(path, "chat_messages")) == before


def test_a_stream_that_cannot_be_shaped_leaves_the_others_alone(tmp_path: Path) -> None:
    """Records without their key end their own stream, and hold its parents' state, not the run."""
    path = tmp_path / "t.duckdb"
    source = plan("merge_tree.yaml")
    broken = tuple(
        msgspec.structs.replace(s, hints=msgspec.structs.replace(s.hints, primary_key=("no",)))
        if s.name == "conversations_messages"
        else s
        for s in source.streams
    )
    with EmulatorServer("messaging", Settings(records=200)) as server:
        done = load(msgspec.structs.replace(source, streams=broken), server, path)
        assert done.status == "partial"
        assert done.receipt("conversations_messages").failures[0].code == "key-missing"
        assert_holds(path, "users", server.truth("users"))
        assert query(path, "SELECT * FROM _penstock_state") == []
        assert load(source, server, path).status == "done"
        stream = "conversations_messages"
        assert_holds(path, stream, server.truth(stream))


def test_state_is_shown_and_forgotten(tmp_path: Path) -> None:
    """State can be looked at and reset; after that a run reads from the start again."""
    path = tmp_path / "t.duckdb"
    source = plan("merge_flat.yaml")
    with EmulatorServer("chat", Settings(records=120)) as server:
        load(source, server, path)
        assert set(show_state(source, str(path), SCHEMA, ())) == {"chat_messages"}
        names = reset_state(source, str(path), SCHEMA, ("chat_messages",), takeover=False)
        assert names == ("chat_messages",)
        assert show_state(source, str(path), SCHEMA, ()) == {}
        assert load(source, server, path).receipt("chat_messages").rows_read == 120
        assert_holds(path, "chat_messages", server.truth("chat_messages"))


def test_reading_a_stream_stops_at_the_limit() -> None:
    """Records come as JSON, in order; a limit ends reading long before the last page."""
    source = plan("replace_flat.yaml")
    with EmulatorServer("chat", Settings(records=5000, latency_ms=20)) as server:
        values = given(source, {})
        some = list(read_stream(source, values, "chat_messages", limit=30, base_url=server.url))
        wanted = [row["id"] for row, _ in zip(server.truth("chat_messages"), range(30))]  # noqa: B905 (cut)
        assert [msgspec.json.decode(record)["id"] for record in some] == wanted
        assert len(server.log) < 100
        small = plan("append_pass.yaml")
        children = read_stream(small, values, "conversation_messages", limit=3, base_url=server.url)
        assert len(list(children)) == 3


def test_reading_asks_no_private_address_where_those_are_denied() -> None:
    """A server of this machine is not asked."""
    source = plan("replace_flat.yaml")
    with EmulatorServer("chat", Settings(records=10)) as server:
        found = read_stream(
            *(source, given(source, {}), "chat_messages"), base_url=server.url, deny_private=True
        )
        with pytest.raises(Error, match=r"127\.0\.0\.1"):
            list(found)
        assert server.log == []


def test_all_of_a_stream_can_be_read() -> None:
    """Without a limit every record comes, once."""
    source = plan("replace_flat.yaml")
    with EmulatorServer("chat", Settings(records=260)) as server:
        found = read_stream(source, given(source, {}), "chat_messages", base_url=server.url)
        ids = [msgspec.json.decode(record)["id"] for record in found]
        assert ids == [row["id"] for row in server.truth("chat_messages")]
