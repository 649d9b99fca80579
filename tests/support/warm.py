"""A warm process: it has imported what is slow to load, and forks what a test asks for.

A script serves: for each JSON line of its standard input it answers with lines of its own. The test
that started it speaks to it through `Warm`.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
# What a destination loads when it is opened. pyarrow looks for pandas where it is installed.
DESTINATIONS = (
    *("duckdb", "pandas", "psycopg", "pyarrow.compute", "pyarrow.json", "pyarrow.parquet"),
    *("penstock.destinations.duckdb", "penstock.destinations.parquet"),
    *("penstock.destinations.postgres", "penstock.destinations._doom", "penstock.shape.lanes"),
)


def told(*modules: str) -> Iterator[dict[str, Any]]:
    """What the test asks for, line by line, once these modules, where installed, are loaded.

    That they are is said first: what a test times shall not be their loading.
    """
    for name in modules:
        if importlib.util.find_spec(name.partition(".")[0]) is not None:
            importlib.import_module(name)
    say(0)
    for line in sys.stdin:
        yield json.loads(line)


def say(number: int) -> None:
    """Answer with a number."""
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def forked(work: Callable[[], object]) -> int:
    """The id of a process that does some work and ends: 0, or 1 where it raised something.

    It says why on standard error.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001 (a forked process must not go on as its parent)
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def ended(pid: int) -> int:
    """How a forked process ended: its exit code, or minus the signal."""
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


class Warm:
    """The process of a script, as the tests talk to it."""

    def __init__(self, script: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        )
        assert self.hear() == 0

    def tell(self, **words: Any) -> None:
        """Ask for something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()

    def hear(self) -> int:
        """The next number that it answers with."""
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def ask(self, **words: Any) -> int:
        """Ask for something, and wait for the answer."""
        self.tell(**words)
        return self.hear()

    def close(self) -> None:
        """Let the process end."""
        with self._process:  # closes the pipes and waits
            pass
