"""A further run asks for what is new, and keeps it: no record twice, none left out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest
from tests.e2e.loads import SCHEMA, assert_holds, given, load, plan, query, table

from penstock.emulator import EmulatorServer, Settings
from penstock.engine import show_state
from penstock.plan.source import Source


def versions(path: Path, name: str) -> Counter[tuple[str, int]]:
    """How often a table has each version of each record."""
    return Counter((row["id"], row.get("revision", 0)) for row in table(path, name))


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_late_and_boundary_records_come_once(mode: str, tmp_path: Path) -> None:
    """Over several runs of data that changes, late and boundary records come, and come once."""
    path = tmp_path / "t.duckdb"
    with EmulatorServer("chat", Settings(records=800)) as server:
        first = load(f"{mode}_flat.yaml", server, path).receipt("chat_messages")
        for _ in range(3):
            server.advance(30)
            again = load(f"{mode}_flat.yaml", server, path)
            assert again.status == "done"
            assert again.receipt("chat_messages").requests < first.requests / 4
            found = versions(path, "chat_messages")
            assert max(found.values()) == 1
            assert {i for i, _ in found} == {r["id"] for r in server.truth("chat_messages")}
        if mode == "merge":
            assert_holds(path, "chat_messages", server.truth("chat_messages"))


def test_children_keep_a_cursor_for_each_parent(tmp_path: Path) -> None:
    """Under parents of several pages each child goes on from where it stands itself."""
    path = tmp_path / "t.duckdb"
    with EmulatorServer("chat", Settings(records=300)) as server:
        load("append_children.yaml", server, path)
        assert_holds(path, "conversation_messages", server.truth("conversation_messages"))
        names = query(path, "SELECT name FROM _penstock_state WHERE name LIKE 'cursor/%'")
        assert len(names) == len(list(server.truth("conversations"))) > 5
        server.advance(25)
        again = load("append_children.yaml", server, path)
        found = versions(path, "conversation_messages")
        assert max(found.values()) == 1
        assert {i for i, _ in found} == {r["id"] for r in server.truth("conversation_messages")}
        assert again.receipt("conversation_messages").rows < 60


@pytest.mark.parametrize("document", ["append_flat.yaml", "append_windows.yaml", "dixa"])
def test_nothing_new_commits_nothing(document: str, tmp_path: Path) -> None:
    """A run that finds nothing new leaves tables, state and ledger as they were."""
    api = "chat" if document == "append_flat.yaml" else "dixa"
    path = tmp_path / "t.duckdb"
    with EmulatorServer(api, Settings(records=200)) as server:
        first = load(document, server, path)
        ledger = query(path, "SELECT stream, load_id FROM _penstock_loads ORDER BY ALL")
        again = load(document, server, path)
        assert (first.status, again.status) == ("done", "done")
        (receipt,) = again.result.receipts
        assert receipt.rows == 0
        if api == "chat":  # a window moves its state on to now, without a row
            assert query(path, "SELECT stream, load_id FROM _penstock_loads ORDER BY ALL") == ledger
        stream = receipt.stream
        assert_holds(path, stream, server.truth(stream))


def test_nothing_new_imports_no_arrow(tmp_path: Path, run_python: object) -> None:
    """A run that finds nothing new does not pay for the import of Arrow."""
    path = tmp_path / "t.duckdb"
    code = (
        "import sys\n"
        "from penstock.engine import Options, compile_source, execute\n"
        "source = compile_source({document!r}).need()\n"
        "values = {{'client_id': 'demo-client', 'client_secret': 'demo-secret'}}\n"
        "options = Options(base_url={url!r}, db_schema={schema!r})\n"
        "result = execute(source, values, {path!r}, options, lambda event: None)\n"
        "print(result.status, result.receipts[0].rows, 'pyarrow' in sys.modules)\n"
    )
    document = Path(__file__).parent / "documents" / "append_flat.yaml"
    assert callable(run_python)
    with EmulatorServer("chat", Settings(records=100)) as server:
        filled = code.format(document=str(document), url=server.url, schema=SCHEMA, path=str(path))
        assert run_python(filled) == "done 100 True"
        assert run_python(filled) == "done 0 False"


def without_retries(source: Source) -> Source:
    """The source with one attempt for each request."""
    streams = tuple(
        msgspec.structs.replace(s, policy=msgspec.structs.replace(s.policy, retries=0))
        for s in source.streams
    )
    return msgspec.structs.replace(source, streams=streams)


@pytest.mark.parametrize("mode", ["append", "merge"])
def test_a_window_that_fails_is_the_only_one_asked_for_again(mode: str, tmp_path: Path) -> None:
    """A failed window holds the state back at its start; the others are kept, and not re-read."""
    path = tmp_path / "t.duckdb"
    source = without_retries(plan(f"{mode}_windows.yaml"))
    settings = Settings(records=300, rules=("500@#7",))
    with EmulatorServer("dixa", settings) as server:
        values = {"batch_size": 10, "start_timestamp": 1_703_000_000_000}
        first = load(source, server, path, values)
        (receipt,) = first.result.receipts
        assert (first.status, receipt.status, len(receipt.failures)) == ("partial", "partial", 1)
        (failed,) = [seen.query for seen in server.log if seen.status == 500]
        state = show_state(source, str(path), SCHEMA, ())["conversation_export"]["windows"]
        assert isinstance(state, (list, tuple))
        assert len(state) == 2
        asked = len(server.log)
        server.forget()
        again = load(source, server, path, values)
        assert again.status == "done"
        assert failed in [seen.query for seen in server.log]
        assert len(server.log) < asked
        stream = "conversation_export"
        assert_holds(path, stream, server.truth(stream))


def test_partitions_that_failed_are_read_by_the_next_run(tmp_path: Path) -> None:
    """A run with a failed child goes on: the next one reads that child, and no other again."""
    path = tmp_path / "t.duckdb"
    source = without_retries(plan("append_pass.yaml"))
    settings = Settings(records=200, rules=("500@#1@/v1/conversations/cnv_0000003",))
    with EmulatorServer("chat", settings) as server:
        first = load(source, server, path)
        assert first.status == "partial"
        assert first.receipt("conversations").status == "done"
        server.forget()
        again = load(source, server, path)
        assert again.status == "done"
        children = {seen.path for seen in server.log if seen.path.endswith("/messages")}
        assert children == {"/v1/conversations/cnv_0000003/messages"}
        assert again.receipt("conversation_messages").slices_skipped > 0
        assert_holds(path, "conversation_messages", server.truth("conversation_messages"))
        assert query(path, "SELECT name FROM _penstock_state WHERE name LIKE 'done/%'") == []


def test_values_are_given_by_name(tmp_path: Path) -> None:
    """The values of a source reach its requests, whatever their type."""
    source = plan("append_windows.yaml")
    with EmulatorServer("dixa", Settings(records=50)) as server:
        load(source, server, tmp_path / "t.duckdb", {"batch_size": "20"})
        assert given(source, {"batch_size": "20"})["batch_size"] == "20"
        assert {seen.status for seen in server.log} == {200}
