"""`connectors`, `emulate` and `demo`: the bundled APIs, loaded for real."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from penstock.cli.demo import QUERIES, one_line
from penstock.cli.emulate import credentials
from penstock.connectors import names
from penstock.emulator import EMULATORS, FAULTS, Settings


@pytest.fixture
def emulator(environ, tmp_path):
    """Starts `penstock emulate` and gives its process and the first line it prints."""
    started = []

    def _emulator(*arguments: str) -> tuple[subprocess.Popen[str], str]:
        command = subprocess.Popen(
            [sys.executable, "-m", "penstock", "emulate", *arguments],
            cwd=tmp_path,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(command)
        return command, command.stdout.readline().strip()

    yield _emulator
    for command in started:
        command.kill()
        command.communicate()


def test_connectors_lists_and_shows(process):
    """The list names every bundled connector; one of them is shown with values and streams."""
    listed = process("penstock", "connectors")
    assert listed.returncode == 0
    for name in names():
        assert f"\n{name}  " in listed.stdout
    shown = process("penstock", "connectors", "dixa").stdout
    assert "  api_token (secret)" in shown
    assert "  conversation_export: conversation_export, merge, key id" in shown


def test_connectors_json(process):
    """Both forms as JSON, for programs that ask for values."""
    listed = json.loads(process("penstock", "connectors", "--json").stdout)
    assert [c["name"] for c in listed["connectors"]] == list(names())
    one = json.loads(process("penstock", "connectors", "messaging", "--json").stdout)
    assert one in listed["connectors"]
    assert {
        "name": "users_conversations",
        "table": "users_conversations",
        "parents": ["users"],
    } in (one["streams"])
    (key,) = one["inputs"]
    assert (key["name"], key["secret"], key["required"]) == ("api_key", True, True)


@pytest.mark.parametrize("command", ["connectors", "emulate"])
def test_what_is_not_bundled_is_refused(process, command):
    """A name that is not bundled exits 2 and lists the ones that are."""
    result = process("penstock", command, "nope")
    assert result.returncode == 2
    assert "nothing bundled is called 'nope'; there are: chat, dixa, messaging" in result.stderr


def test_every_emulated_api_tells_what_it_must_be_asked_with(process, emulator):
    """What `emulate` says to type loads the connector; its URL is the first line on stdout."""
    command, url = emulator("chat", "--records", "30")
    assert url.startswith("http://127.0.0.1:")
    command.stderr.readline()
    typed = command.stderr.readline().partition("penstock run ")[2].split()
    assert typed[:3] == ["chat", "--base-url", url]
    result = process("penstock", "run", *typed, "--json")
    assert result.returncode == 0, result.stderr
    (stream,) = json.loads(result.stdout)["streams"]
    assert (stream["name"], stream["status"], stream["rows"]) == ("chat_messages", "done", 30)
    assert "demo-secret" not in result.stdout + result.stderr
    assert sorted(EMULATORS) == list(names())
    assert all(credentials(name, Settings()) for name in EMULATORS)


def test_a_failing_stream_exits_1_and_says_what_is_missing(process, emulator):
    """Wrong credentials: the stream, the request and the hint, without the secret or a trace."""
    _, url = emulator("chat", "--records", "30")
    result = process(
        *("penstock", "run", "chat", "--base-url", url, "--set", "client_id=demo-client"),
        *("--set", "client_secret=wr0ng-one", "--json"),
    )
    assert result.returncode == 1
    (stream,) = json.loads(result.stdout)["streams"]
    assert stream["failures"][0]["code"] == "auth"
    assert "missing[auth] chat_messages" in result.stderr
    assert "Traceback" not in result.stderr
    assert "wr0ng-one" not in result.stdout + result.stderr


def test_ctrl_c_stops_a_run_at_a_checkpoint(environ, emulator, tmp_path):
    """The first Ctrl-C ends the run with 130, says how to go on, and shows no trace."""
    _, url = emulator("messaging", "--records", "5000", "--latency", "50")
    with subprocess.Popen(
        [sys.executable, "-m", "penstock", "run", "messaging", "--base-url", url, "--json"],
        cwd=tmp_path,
        env={**environ, "PENSTOCK__API_KEY": "demo-key"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as command:
        while "conversations_messages: started" not in command.stderr.readline():
            assert command.poll() is None
        command.send_signal(signal.SIGINT)
        out, err = command.communicate(timeout=30)
    assert command.returncode == 130
    assert json.loads(out)["status"] == "interrupted"
    assert "the same command goes on from there" in err
    assert "Traceback" not in err


def test_read_prints_what_the_api_gives(process, emulator):
    """`read` against a real server: as many records as asked for, each a line of JSON."""
    _, url = emulator("messaging", "--records", "100", "--rate", "6000/m", "--latency", "1")
    result = process(
        *("penstock", "read", "messaging", "users", "--limit", "2", "--base-url", url),
        *("--set", "api_key=demo-key"),
    )
    assert result.returncode == 0, result.stderr
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(records) == 2
    assert all("first_name" in record for record in records)


def test_emulate_ends_cleanly_on_ctrl_c(emulator):
    """Ctrl-C ends the server with 0 and nothing but its greeting."""
    command, _ = emulator("dixa", "--faults", "500@#3,reset@0.1")
    command.stderr.readline()
    command.send_signal(signal.SIGINT)
    _, rest = command.communicate(timeout=30)
    assert command.returncode == 0
    assert "Traceback" not in rest


def test_every_kind_of_fault_may_stand_in_a_file(emulator, tmp_path):
    """`--faults FILE` strikes as the lines of the file say; all kinds there are may stand there."""
    kinds = [f"{kind}@#{number + 2}@/oauth" for number, kind in enumerate(FAULTS)]
    path = tmp_path / "faults.txt"
    path.write_text("\n".join(["# a bad day", "", *kinds, "403@#2@/v1", "  500@#1+@/v1 "]), "utf-8")
    _, url = emulator("chat", "--faults", str(path))
    seen = []
    for _ in range(3):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{url}/v1/messages")
        seen.append(caught.value.code)
        caught.value.close()
    assert seen == [500, 403, 500]


def test_a_line_of_a_file_that_is_no_fault_is_marked(process, tmp_path):
    """The file, the line, and the nearest kind are named; nothing listens."""
    (tmp_path / "faults.txt").write_text("# a bad day\n503@0.1\ntruncatd@0.1\n", "utf-8")
    result = process("penstock", "emulate", "chat", "--faults", "faults.txt")
    assert result.returncode == 2
    assert "faults.txt:3:1" in result.stderr
    assert "error[fault-rule]" in result.stderr
    assert "did you mean 'truncated'?" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rate", "fast"], "'fast' is no rate"),
        (["--rate", "0/s"], "'0/s' is no rate"),
        (["--faults", "2"], "'2' is neither a probability from 0 to 1 nor KIND@RATE"),
        (["--faults", "x"], "'x' is neither"),
        (["--faults", "no-such.txt"], "nor a file of such rules"),
        (["--faults", "nope@0.1"], "error[fault-rule]"),
        (["--records", "-1"], "--records"),
    ],
)
def test_emulate_refuses_what_it_cannot_do(process, arguments, said):
    """Settings that make no sense exit 2 before anything listens."""
    result = process("penstock", "emulate", "chat", *arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_a_port_that_is_taken_is_said(process, emulator):
    """Two servers cannot have one port: exit 1 and how to get around it."""
    _, url = emulator("chat")
    result = process("penstock", "emulate", "chat", "--port", url.rpartition(":")[2])
    assert result.returncode == 1
    assert "error[port-taken]" in result.stderr
    assert "leave --port out" in result.stderr


def test_demo_loads_everything_and_its_queries_run(process, tmp_path):
    """All streams of the three APIs, their rows, three queries, and the answer to the first."""
    import duckdb  # noqa: PLC0415 (to look into the result)

    result = process("penstock", "demo", "--records", "60")
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    with duckdb.connect(tmp_path / "demo.duckdb", read_only=True) as file:
        for table in ("chat.chat_messages", "dixa.conversation_export",
                      "messaging.conversations_messages"):  # fmt: skip
            assert file.execute(f"SELECT count(*) FROM {table}").fetchall() == [(60,)]
        for sql in QUERIES.values():
            assert f"  {one_line(sql)};" in result.stderr
            assert file.execute(sql).fetchall()
        agent, messages = file.execute(next(iter(QUERIES.values()))).fetchall()[0]
    assert f"{agent}" in result.stderr
    assert f"{messages} │" in result.stderr


def test_a_second_demo_asks_for_what_is_new(process):
    """The APIs have grown: the second run reads the new and changed messages, not all of them."""
    assert process("penstock", "demo", "--records", "60", "--quiet").returncode == 0
    again = process("penstock", "demo", "--records", "60", "--quiet")
    assert again.returncode == 0, again.stderr
    row = next(x for x in again.stderr.splitlines() if x.split()[:2] == ["chat", "chat_messages"])
    assert 0 < int(row.split()[3]) < 60
    assert "the file was there already" in again.stderr
