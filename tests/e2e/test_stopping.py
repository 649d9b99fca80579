"""Runs that are stopped by the user, and runs that meet on one destination."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.loads import assert_holds, load, query, table

from penstock.emulator import EmulatorServer, Settings
from penstock.errors import LockedError

ROOT = Path(__file__).parents[2]
# Runs a document and, when it has heard of some events of a kind, sends itself signals or tells
# its parent and waits for a line. Each signal after the first is sent when the run has said that it
# heard the one before: two that come at once may be delivered as one.
SCRIPT = """
import json, os, sys
from tests.crash.killing import SMALL
from tests.e2e.loads import SCHEMA, VALUES, given, plan
from penstock.engine import Options, execute
from penstock.errors import Interrupted

told = json.loads(sys.argv[1])
left = told["count"]

def hear(event):
    global left
    if type(event).__name__ == "Stopping" and told["signals"]:
        os.kill(os.getpid(), told["signals"].pop(0))
    if type(event).__name__ == told["event"]:
        left -= 1
        if left == 0:
            if told["signals"]:
                os.kill(os.getpid(), told["signals"].pop(0))
            if told["pause"]:
                print("holding", flush=True)
                sys.stdin.readline()

source = plan(told["document"])
fresh = told["fresh"]
options = Options(base_url=told["url"], db_schema=SCHEMA, sizes=SMALL, full_refresh=fresh)
try:
    result = execute(source, given(source, VALUES), told["path"], options, hear)
except Interrupted as stopped:
    sys.exit(f"{stopped}, and this process goes on")
print(json.dumps([result.status, {r.stream: r.status for r in result.receipts}]))
"""


def start(document: str, server: EmulatorServer, path: Path, **told: Any) -> subprocess.Popen[str]:
    """A run in a process of its own."""
    words = {
        "document": document,
        "url": server.url,
        "path": str(path),
        "event": "Committed",
        "count": 3,
        "signals": [],
        "pause": False,
        "fresh": False,
        **told,
    }
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
    )


def holding_back(records: int, path: str, after: int) -> EmulatorServer:
    """A server that leaves every request for a path unanswered after so many of them.

    A run on it cannot be over before it is stopped, however slow its commits are.
    """
    return EmulatorServer("chat", Settings(records=records, rules=(f"hang@#{after + 1}+@{path}",)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("document", ["append_flat.yaml", "append_children.yaml"])
def test_a_signal_stops_the_run_at_a_checkpoint(
    document: str, number: signal.Signals, tmp_path: Path
) -> None:
    """A stopped run says so and keeps its checkpoints; the next one completes it, once."""
    path = tmp_path / "t.duckdb"
    with holding_back(1200, "/v1", 42) as server:
        run = start(document, server, path, event="PageRead", count=12, signals=[int(number)])
        out, errors = run.communicate(timeout=60)
    assert run.returncode == 0, errors
    status, streams = json.loads(out)
    assert status == "interrupted"
    assert "interrupted" in streams.values()
    assert query(path, "SELECT count(*) FROM _penstock_loads") > [(0,)]
    with EmulatorServer("chat", Settings(records=1200)) as server:
        done = load(document, server, path)
        assert done.status == "done"
        stream = done.result.receipts[-1].stream
        assert_holds(path, stream, server.truth(stream))


def test_a_table_that_was_not_built_anew_to_its_end_is_gone_on_with(tmp_path: Path) -> None:
    """What a stopped run has appended is still told of when a full refresh is stopped as well."""
    document, path = "append_flat.yaml", tmp_path / "t.duckdb"
    for fresh in (False, True):
        with holding_back(1200, "/v1", 42) as server:
            told: dict[str, Any] = {"event": "PageRead", "count": 12, "fresh": fresh}
            run = start(document, server, path, signals=[int(signal.SIGTERM)], **told)
            out, errors = run.communicate(timeout=60)
        assert (run.returncode, json.loads(out)[0]) == (0, "interrupted"), errors
        kept = query(path, "SELECT count(*) FROM _penstock_state WHERE name LIKE 'open/%'")
        assert kept == [(1,)]
    with EmulatorServer("chat", Settings(records=1200)) as server:
        done = load(document, server, path)
        assert done.status == "done"
        stream = done.result.receipts[-1].stream
        assert_holds(path, stream, server.truth(stream))


def test_the_second_signal_ends_the_run_at_once(tmp_path: Path) -> None:
    """A run from Python is broken off, its process is not, and what was committed is intact."""
    path = tmp_path / "t.duckdb"
    twice = [int(signal.SIGINT), int(signal.SIGINT)]
    with holding_back(1200, "/v1", 80) as server:
        run = start("append_children.yaml", server, path, count=1, signals=twice)
        out, errors = run.communicate(timeout=60)
    said = "the run was stopped at once (what was committed is intact, run again)"
    assert (run.returncode, out, errors) == (1, "", f"{said}, and this process goes on\n")
    assert query(path, "SELECT count(*) FROM _penstock_loads") > [(0,)]
    with EmulatorServer("chat", Settings(records=1200)) as server:
        assert load("append_children.yaml", server, path).status == "done"
        stream = "conversation_messages"
        assert_holds(path, stream, server.truth(stream))


def test_the_second_signal_ends_the_command_at_once(tmp_path: Path) -> None:
    """Both signals come while the process is held, and so together: it ends with 130."""
    with holding_back(1200, "/v1", 20) as server:
        words = ["run", "chat", "--base-url", server.url, "--to", "t.duckdb", "--quiet"]
        values = ["--set", "client_id=demo-client", "--set", "client_secret=demo-secret"]
        run = subprocess.Popen(
            [sys.executable, "-m", "penstock", *words, *values],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        while not any(seen.path.startswith("/v1") for seen in server.log):
            assert run.poll() is None
            time.sleep(0.01)
        for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
            run.send_signal(number)
        out, _ = run.communicate(timeout=60)
    assert (run.returncode, out) == (130, "")


def test_an_appended_slice_is_gone_on_with_where_it_was_stopped(tmp_path: Path) -> None:
    """Behind a cursor of the API's own, a stopped slice is taken up at its last page."""
    path = tmp_path / "t.duckdb"
    with holding_back(700, "/v1/events", 20) as server:
        run = start("append_token.yaml", server, path, count=2, signals=[int(signal.SIGINT)])
        out, errors = run.communicate(timeout=60)
    assert json.loads(out)[0] == "interrupted", errors
    kept = len(table(path, "events"))
    assert 0 < kept <= 20 * 25
    with EmulatorServer("chat", Settings(records=700)) as server:
        assert load("append_token.yaml", server, path).status == "done"
        assert sum(s.path == "/v1/events" for s in server.log) == (700 - kept) / 25
        assert_holds(path, "events", server.truth("events"))


def test_a_second_run_is_told_who_holds_the_destination(tmp_path: Path) -> None:
    """A run that meets another on its destination names that run's process, or waits for it."""
    path = tmp_path / "t.duckdb"
    with EmulatorServer("chat", Settings(records=200)) as server:
        held = start("append_flat.yaml", server, path, count=1, pause=True)
        assert held.stdout is not None
        assert held.stdout.readline() == "holding\n"
        with pytest.raises(LockedError, match=rf"PID {held.pid}"):
            load("append_flat.yaml", server, path)
        assert held.stdin is not None
        held.stdin.write("go on\n")
        held.stdin.flush()
        assert load("append_flat.yaml", server, path, wait=30.0).status == "done"
        out, errors = held.communicate(timeout=30)
        assert json.loads(out)[0] == "done", errors
        assert_holds(path, "chat_messages", server.truth("chat_messages"))
