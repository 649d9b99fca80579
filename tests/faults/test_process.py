"""Processes that get too little of the machine, are suspended, or find their streams closed.

`PENSTOCK_PROCESSES=all` tries every destination and every limit; by default a part is tried.
"""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from tests.destinations.places import PLACES, SCHEMA, Place
from tests.faults.processes import LONGEST, Ended, Shell
from tests.support.warm import ROOT

from penstock.cli.app import COMMANDS
from penstock.emulator import EmulatorServer, Settings
from penstock.errors import of_machine

T = TypeVar("T")
DOCUMENT = str(ROOT / "tests" / "e2e" / "documents" / "append_token.yaml")
VALUES = ("--set", "client_id=demo-client", "--set", "client_secret=demo-secret")
RECORDS = 300
ALL = os.environ.get("PENSTOCK_PROCESSES") == "all"
PATIENCE = 60.0  # seconds, for a process on a busy machine


def some(tried: list[T], more: list[T]) -> list[T]:
    """What is tried: everything on request."""
    return [*tried, *more] if ALL else tried


LOST = 180.0  # seconds after which a request that was lost has been given up for certain


@pytest.fixture(scope="module")
def shell() -> Iterator[Shell]:
    """What commands are forked from."""
    made = Shell()
    yield made
    made.close()


@pytest.fixture(scope="module")
def second() -> Iterator[Shell]:
    """Another one, for a command beside the first."""
    made = Shell()
    yield made
    made.close()


@pytest.fixture(scope="module")
def server() -> Iterator[EmulatorServer]:
    """An API that answers."""
    with EmulatorServer("chat", Settings(records=RECORDS)) as started:
        yield started


def words(server: EmulatorServer, to: str, *more: str) -> list[str]:
    """The run of the document into a destination."""
    given = ("--base-url", server.url, "--to", to, "--db-schema", SCHEMA)
    return ["run", DOCUMENT, *given, *VALUES, *more]


def assert_all(place: Place) -> None:
    """Every record is there, once."""
    assert sorted(row["id"] for row in place.rows("events")) == sorted(
        {row["id"] for row in place.rows("events")}
    )
    assert len(place.rows("events")) == RECORDS


def waited(for_it: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not for_it():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("kind", "most"), some([("duckdb", 30_000)], [("duckdb", 2_000), ("parquet", 5_000)])
)
def test_a_full_disk_is_said_and_made_up_for(
    kind: str, most: int, shell: Shell, server: EmulatorServer, tmp_path: Path
) -> None:
    """Where no file may grow any more, what is to be done is said; the next run has every row."""
    place = PLACES[kind](tmp_path)
    full = shell(tmp_path, *words(server, place.url, "--json"), file=most)
    assert full.code in {1, 3}, full
    said = json.loads(full.out)
    assert said["status"] in {"failed", "partial"}
    assert "free disk space" in full.out + full.err
    assert "run again" in full.out + full.err
    assert "bug" not in full.err
    again = shell(tmp_path, *words(server, place.url))
    assert again.code == 0, again.err
    assert_all(place)


@pytest.mark.parametrize("most", some([9], [4, 6]))
def test_too_few_descriptors_are_said(
    most: int, shell: Shell, server: EmulatorServer, tmp_path: Path
) -> None:
    """Whatever cannot be opened, the run ends with a word of it, and the next one is whole."""
    place = PLACES["duckdb"](tmp_path)
    few = shell(tmp_path, *words(server, place.url), descriptors=most)
    assert few.code in {1, 3}, few
    assert "too many open files" in few.err.lower()
    assert "bug" not in few.err
    again = shell(tmp_path, *words(server, place.url))
    assert again.code == 0, again.err
    assert_all(place)


def read_only(folder: Path) -> Path:
    """A folder that this process cannot write to."""
    if os.geteuid() == 0:
        return Path("/sys")  # nobody can, whoever it is
    folder.chmod(0o500)
    return folder


@pytest.mark.parametrize("option", some(["--to"], ["--keep-pages", "--publish"]))
def test_a_folder_that_cannot_be_written_to_is_named(
    option: str, shell: Shell, server: EmulatorServer, tmp_path: Path
) -> None:
    """A place where nothing can be put ends the run before rows are lost, and is named."""
    closed = tmp_path / "closed"
    closed.mkdir()
    path = read_only(closed) / "shop.duckdb"
    told = ["--to", str(path)] if option == "--to" else ["--to", "t.duckdb", option, str(path)]
    base = words(server, "x")
    at = base.index("--to")
    ended = shell(tmp_path, *base[:at], *told, *base[at + 2 :])
    assert ended.code in {1, 3}, ended
    assert str(path.parent) in ended.err
    assert "hint: " in ended.err
    assert "bug" not in ended.err


@pytest.mark.parametrize("kind", some(["parquet"], ["duckdb", "delta"]))
def test_no_temporary_folder_is_needed(
    kind: str, shell: Shell, server: EmulatorServer, tmp_path: Path
) -> None:
    """Where the folder for temporary files is not there, or full, a run does not notice."""
    place = PLACES[kind](tmp_path)
    nowhere = {"TMPDIR": "/nowhere/at/all"}
    ended = shell(tmp_path, *words(server, place.url), environ=nowhere)
    assert ended.code == 0, ended.err
    assert_all(place)


def suspended(shell: Shell, folder: Path, place: Place) -> int:
    """A run that has rows in hand and waits for a page, suspended; gives its process."""
    rule = "hang@#6@/v1/events"
    with EmulatorServer("chat", Settings(records=RECORDS, rules=(rule,))) as slow:
        pid = shell.start(folder, *words(slow, place.url))
        waited(lambda: sum(seen.path == "/v1/events" for seen in slow.log) >= 5)
        os.kill(pid, signal.SIGSTOP)
    return pid


def woken(shell: Shell, pid: int, longest: float = LONGEST) -> Ended:
    """The suspended run goes on, and is asked to end at a checkpoint."""
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGCONT)
    return shell.end(longest)


@pytest.mark.parametrize("kind", some(["postgres"], ["parquet", "delta"]))
def test_a_suspended_run_that_was_taken_over_commits_nothing(
    kind: str, shell: Shell, second: Shell, server: EmulatorServer, tmp_path: Path
) -> None:
    """A laptop sleeps, another one takes over and is done; the first wakes up and is told."""
    place = PLACES[kind](tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    pid = suspended(shell, tmp_path, place)
    taken = second(other, *words(server, place.url, "--takeover"))
    before = place.rows("events")
    ended = woken(shell, pid)
    assert taken.code == 0, taken.err
    assert ended.code == 1, ended
    assert "error[fenced]: " in ended.err
    assert place.rows("events") == before
    assert_all(place)
    place.close()


def test_a_suspended_run_keeps_the_file_to_itself(
    shell: Shell, second: Shell, server: EmulatorServer, tmp_path: Path
) -> None:
    """A DuckDB file has one process: a second run names it, and the first ends in its own time."""
    place = PLACES["duckdb"](tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    pid = suspended(shell, tmp_path, place)
    refused = second(other, *words(server, place.url, "--takeover"))
    ended = woken(shell, pid)
    assert refused.code == 1, refused
    assert f"PID {pid}" in refused.err
    assert ended.code == 130, ended
    assert second(other, *words(server, place.url)).code == 0
    assert_all(place)


def test_a_run_without_memory_ends_and_is_made_up_for(
    shell: Shell, second: Shell, server: EmulatorServer, tmp_path: Path
) -> None:
    """From some moment on nothing more is to be had: however it ends, the next run is whole.

    The HTTP client may lose a request then, which takes the run its longest wait to find; only
    where everything is tried that is waited for.
    """
    place = PLACES["duckdb"](tmp_path)
    pid = suspended(shell, tmp_path, place)
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize()
    resource.prlimit(pid, resource.RLIMIT_AS, (most, most))
    ended = woken(shell, pid, LOST if ALL else LONGEST)
    assert ended.code not in {0, 2}, ended
    assert ended.err or (ended.code == -signal.SIGKILL and not ALL)
    again = second(tmp_path, *words(server, place.url))
    assert again.code == 0, again.err
    assert_all(place)


CLOSED = [
    ("plan", ("chat", "--json"), ">&-", 0),
    ("plan", ("nosuch",), "2>&-", 2),
    ("plan", ("nosuch",), "2>/dev/full", 2),
    ("version", (), ">/dev/full", 1),
]


@pytest.mark.parametrize(("command", "arguments", "how", "code"), CLOSED)
def test_closed_and_full_streams_change_no_exit_code(
    command: str, arguments: tuple[str, ...], how: str, code: int, tmp_path: Path
) -> None:
    """Words that nobody can get are no failure; data that cannot be written is, without a trace."""
    text = f'"$0" -m penstock "$@" {how}'
    done = subprocess.run(
        ["sh", "-c", text, sys.executable, command, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr


MANIFEST = str(ROOT / "tests" / "faults" / "documents" / "five-manifest.yaml")
PRINTING = [
    ("--help",),
    ("demo", "--help"),
    *(("check", "chat", "--json"), ("plan", "chat"), ("plan", "chat", "--json")),
    ("reshape", "--help"),
    ("state", "show", "chat", "--to", "t.duckdb"),
    ("emulate", "chat"),
    *(("connectors",), ("connectors", "chat")),
    ("version",),
    ("airbyte", "spec", "--manifest-path", MANIFEST),
    *(
        ("airbyte", name, "--manifest-path", MANIFEST, "--config", "config.json")
        for name in ("check", "discover")
    ),
    ("run", "DOCUMENT", "--json"),
    ("read", "DOCUMENT", "events"),
]


def test_every_command_is_tried() -> None:
    """Whatever the help lists prints something."""
    assert {words[0] for words in PRINTING} - {"--help"} == set(COMMANDS)


@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_what_cannot_be_printed_is_one_error(
    arguments: tuple[str, ...], shell: Shell, server: EmulatorServer, tmp_path: Path
) -> None:
    """Where stdout leads to a full disk, a command ends with one line that says so."""
    (tmp_path / "config.json").write_text("{}", "utf-8")  # enough to say something
    told = list(arguments)
    if "DOCUMENT" in told:
        told[told.index("DOCUMENT")] = DOCUMENT
        told += [*VALUES, "--base-url", server.url]
    full = shell(tmp_path, *told, out="/dev/full")
    assert full.code == 1, full
    errors = [line for line in full.err.splitlines() if line.startswith("error")]
    assert len(errors) == 1, full.err
    assert errors[0].startswith("error[os]: ")
    assert "No space left" in errors[0]
    assert "Traceback" not in full.err
    assert "hint: " in full.err


def test_no_file_gets_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    """Else what libraries write to the standard streams would end in a database."""
    watch = (
        "import os; from penstock.cli import main; code = main();"
        "print(*[os.readlink(f'/proc/self/fd/{n}') for n in range(3)], file=open('fds', 'w'))"
    )
    ended = subprocess.run(
        ["sh", "-c", '"$0" "$@" <&- >&- 2>&-', sys.executable, "-c", watch, "check", "chat"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0
    assert (tmp_path / "fds").read_text("ascii").split() == ["/dev/null"] * 3


@pytest.mark.parametrize(
    ("error", "code", "advice"),
    [
        (MemoryError(), "memory", "more memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory", "more memory"),
        (RuntimeError("can't start new thread"), "memory", "more memory"),
        (ImportError("libx.so: failed to map segment from shared object"), "memory", "more memory"),
        (Exception("Out of Memory Error: Allocation failure"), "memory", "more memory"),
        (OSError(errno.ENOSPC, "No space left on device", "x"), "os", "free disk space"),
        (OSError(errno.EFBIG, "File too large"), "os", "ulimit -f"),
        (OSError(errno.EMFILE, "Too many open files"), "os", "ulimit -n"),
        (RuntimeError("no runtime: Too many open files (os error 24)"), "os", "ulimit -n"),
        (PermissionError(errno.EACCES, "Permission denied"), "os", "accessible"),
        (OSError(errno.EROFS, "Read-only file system"), "os", "can be written to"),
        (OSError(errno.EIO, "Input/output error"), "os", "look at the disk"),
    ],
)
def test_what_the_machine_refuses_is_said_with_what_to_do(
    error: Exception, code: str, advice: str
) -> None:
    """Whichever library meets it."""
    found = of_machine(error)
    assert found is not None
    assert found.code == code
    assert advice in (found.hint or "")
    assert of_machine(ValueError("no row")) is None
