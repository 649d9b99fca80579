"""The command line as a process: start-up, pipes, colours, terminals, and no traces."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys

import pytest
from tests.cli.fakes import SECRET

import penstock

FAKE = "tests.cli.fakes"


def test_version_imports_nothing_heavy(process):
    """`version` answers before click, msgspec or anything of the engine is imported."""
    result = process("penstock", "version")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{penstock.__version__}\n", "")
    probe = (
        "import sys; sys.argv = ['penstock', 'version']; from penstock.cli import main; main();"
        "heavy = {'click', 'msgspec', 'rich', 'asyncio', 'duckdb', 'pyarrow'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_help_imports_no_command_and_no_engine(environ):
    """The list of commands is known without importing one."""
    probe = (
        "import sys; from penstock.cli.app import launch; launch(['--help']);"
        "heavy = {m for m in sys.modules if m.startswith('penstock.cli.') and"
        " m.rpartition('.')[2] in ('run', 'plan', 'demo', 'emulate')}"
        " | {'rich', 'aiohttp', 'duckdb', 'penstock.engine'} & set(sys.modules);"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, env=environ, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_stdout_is_pure_in_a_pipe(process):
    """With `--json` stdout is one object and nothing else; people read stderr, uncoloured."""
    result = process(FAKE, "full", "run", "d", "--json")
    assert result.returncode == 0
    assert result.stdout.startswith("{\n")
    assert result.stdout.endswith("}\n")
    assert "\x1b" not in result.stdout + result.stderr
    assert "users: done, 1,234 rows" in result.stderr
    assert SECRET not in result.stdout + result.stderr


def test_data_is_utf8_whatever_the_locale(process):
    """A locale without UTF-8 changes neither data nor exit code; words are spelled as they can."""
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    result = process(FAKE, "full", "plan", "d", **plain)
    assert result.returncode == 0, result.stderr
    assert "└─ messages" in result.stdout
    said = process(FAKE, "full", "run", "d", **plain)
    assert "fake \\u2192 fake.duckdb: 2 streams" in said.stderr


@pytest.mark.parametrize("debug", [False, True])
def test_a_bug_shows_a_trace_only_on_request_and_masked(process, debug):
    """A crash of the engine in a process of its own: one line, or a masked trace."""
    result = process(FAKE, "bug", "run", "d", *(["--debug"] if debug else []))
    assert (result.returncode, result.stdout) == (1, "")
    assert ("Traceback" in result.stderr) is debug
    assert "no row for ***" in result.stderr
    assert SECRET not in result.stderr


def test_a_reader_that_hangs_up_ends_the_command_quietly(environ, tmp_path):
    """`penstock read … | head -1` stops reading from the API, says nothing and succeeds."""
    with subprocess.Popen(
        [sys.executable, "-m", FAKE, "endless", "read", "d", "users"],
        cwd=tmp_path,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as command:
        assert command.stdout.readline() == b'{"id":1}\n'
        command.stdout.close()
        assert command.stderr.read() == b""
        assert command.wait(timeout=60) == 0


def _on_terminal(environ, folder, *arguments: str) -> tuple[int, str]:
    """Run on a pseudo-terminal; gives the exit code and all it showed."""
    ours, theirs = pty.openpty()
    command = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**environ, "COLUMNS": "100", "LINES": "40"},
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = bytearray()
    while select.select([ours], [], [], 60)[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    return command.wait(timeout=60), shown.decode()


def test_a_terminal_sees_a_live_table_then_the_receipts(environ, tmp_path):
    """Streams with rows, pages of a known total and waits, redrawn in place; then the table."""
    code, shown = _on_terminal(environ, tmp_path, FAKE, "full", "run", "d")
    assert code == 0
    live, _, final = shown.rpartition("\x1b[1mstream ")
    assert "1 / 2" in live
    assert "30 s: 429" in live or "29 s: 429" in live
    assert "queued" in live
    assert "\x1b[2K" in live
    assert "1,234        13" in final
    assert "look at it: " in final
    assert "\x1b[1;32mdone\x1b[0m in 1.5 s" in final
    assert SECRET not in shown


def test_no_color_is_honoured_on_a_terminal(environ, tmp_path):
    """With `NO_COLOR` nothing is coloured or styled; the live table still redraws."""
    code, shown = _on_terminal({**environ, "NO_COLOR": "1"}, tmp_path, FAKE, "full", "run", "d")
    assert code == 0
    assert "\x1b[2K" in shown
    assert re.findall(r"\x1b\[[0-9;]*m", shown) == []
    assert "1 / 2" in shown


def test_a_dumb_terminal_gets_plain_lines(environ, tmp_path):
    """Where nothing can be redrawn the run is told line by line."""
    code, shown = _on_terminal({**environ, "TERM": "dumb"}, tmp_path, FAKE, "full", "run", "d")
    assert code == 0
    assert "\x1b" not in shown
    assert "users: started" in shown


def test_version_with_options_and_python_m(process):
    """`python -m penstock` is the command; `--version` answers like `version`."""
    for arguments in (["--version"], ["version", "--debug"]):
        result = process("penstock", *arguments)
        assert (result.returncode, result.stdout) == (0, f"{penstock.__version__}\n")


def test_a_process_ends_with_its_code_and_is_not_taken_to_pieces(environ, tmp_path):
    """What is to be done at its end is done, all that was written comes out, and no more runs."""
    probe = (
        "import atexit, sys; sys.argv = ['penstock', 'check', 'none.yaml']\n"
        "from penstock.cli import program\n"
        "class Piece:\n"
        "    def __del__(self): print('taken apart')\n"
        "sys.modules['piece'] = Piece()\n"
        "program(); atexit.register(print, 'done'); print('left', end=' ')"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "left done\n")
