"""System calls that fail: the commits of a DuckDB destination under `strace`, which breaks one.

Run as a script it is the warm process from which each trial forks: the child waits until strace
has it, and brings its checkpoints.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from tests.crash.commits import run

CALLS = ("pwrite64", "write", "fsync", "fdatasync", "rename", "link", "unlink", "ftruncate")
EFFECTS = ("signal=KILL", "error=ENOSPC", "error=EIO")
ROOT = Path(__file__).parents[2]


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """The `nth` call of a kind that a thread makes, and what becomes of it."""

    mode: str
    call: str
    effect: str
    nth: int


@cache
def missing() -> str:
    """Why no system call can be broken here; empty where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    probe = subprocess.run(["strace", "-qq", "true"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else "this system lets no process be traced"


def serve() -> None:
    """Run a trial for each line of standard input, and say how its process ended."""
    import duckdb  # noqa: F401, PLC0415 (loaded once, before any fork)
    import pyarrow.json  # noqa: F401, PLC0415 (the same)

    for line in sys.stdin:
        trial = json.loads(line)
        ready, go = os.pipe()
        child = os.fork()
        if not child:
            os.read(ready, 1)
            _bring(trial)
        words = ["strace", "-f", "-p", str(child), "-o", trial["trace"], *trial["words"]]
        tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        assert tracer.stderr is not None
        assert "attached" in tracer.stderr.readline()
        os.write(go, b"g")
        _, status = os.waitpid(child, 0)
        tracer.stderr.close()
        tracer.wait()
        os.close(ready)
        os.close(go)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _bring(trial: dict[str, Any]) -> None:
    """Bring all checkpoints of a mode, and end without a word: 1 where one could not be kept."""
    try:
        run(trial["url"], trial["mode"], "first", lambda _point: None)
    except BaseException:  # noqa: BLE001 (a forked process must not go on as its parent)
        os._exit(1)
    os._exit(0)


class Tracer:
    """The warm process, as the tests talk to it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        )

    def _run(self, url: str, mode: str, trace: Path, *words: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        told = {"url": url, "mode": mode, "trace": str(trace), "words": words}
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def counts(self, url: str, mode: str, trace: Path) -> Counter[str]:
        """How often each call is made where nothing breaks, by the thread that makes most."""
        ended = self._run(url, mode, trace, "-e", f"trace={','.join(CALLS)}")
        assert ended == 0
        found = Counter(re.findall(r"^(\d+) +(\w+)\(", trace.read_text("utf-8"), re.MULTILINE))
        most: Counter[str] = Counter()
        for (_, call), count in found.items():
            most[call] = max(most[call], count)
        return most

    def __call__(self, url: str, trace: Path, trial: Trial) -> int:
        """Run a trial; gives how the process ended: 0, 1, or minus the signal."""
        inject = f"inject={trial.call}:{trial.effect}:when={trial.nth}"
        words = ("-e", f"trace={trial.call}", "-e", inject)
        return self._run(url, trial.mode, trace, *words)

    def close(self) -> None:
        """Let the process end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)


if __name__ == "__main__":
    serve()
