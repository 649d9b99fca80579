"""System calls that fail: the commits of a DuckDB destination under `strace`, which breaks one.

Run as a script it is the warm process from which each trial forks: the child waits until strace
has it, and brings its checkpoints.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec
from tests.crash.commits import run
from tests.support import warm

CALLS = ("pwrite64", "write", "fsync", "fdatasync", "rename", "link", "unlink", "ftruncate")
EFFECTS = ("signal=KILL", "error=ENOSPC", "error=EIO")


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
    for trial in warm.told(*warm.DESTINATIONS):
        ready, go = os.pipe()
        child = warm.forked(partial(_bring, trial, ready))
        words = ["strace", "-f", "-p", str(child), "-o", trial["trace"], *trial["words"]]
        tracer = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        assert tracer.stderr is not None
        assert "attached" in tracer.stderr.readline()
        os.write(go, b"g")
        code = warm.ended(child)
        tracer.stderr.close()
        tracer.wait()
        os.close(ready)
        os.close(go)
        warm.say(code)


def _bring(trial: dict[str, Any], ready: int) -> None:
    """Once traced, bring all checkpoints of a mode; end without a word where one is not kept."""
    os.read(ready, 1)
    try:
        run(trial["url"], trial["mode"], "first", lambda _point: None)
    except BaseException:  # noqa: BLE001 (it was to be expected: a call of its own was broken)
        os._exit(1)


class Tracer(warm.Warm):
    """The warm process, as the tests talk to it."""

    def __init__(self) -> None:
        super().__init__(__file__)

    def _run(self, url: str, mode: str, trace: Path, *words: str) -> int:
        return self.ask(url=url, mode=mode, trace=str(trace), words=words)

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


if __name__ == "__main__":
    serve()
