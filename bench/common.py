"""What the benchmarks share: an emulator in its own process, runs in processes of their own."""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

PENSTOCK = os.environ.get("PENSTOCK_PYTHON", sys.executable)
"""The interpreter that has Penstock: best one that has nothing else, as a user's would."""

DLT = os.environ.get("PENSTOCK_DLT_PYTHON", sys.executable)
"""The interpreter that has dlt."""

TUNED = {
    "DATA_WRITER__FILE_MAX_ITEMS": "25000",
    "NORMALIZE__WORKERS": "2",
    "NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS": "25000",
}
"""How an expert would set dlt up, with parquet loader files."""

QUIET = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL"}
"""What has dlt say nothing meanwhile, to anybody."""

_SERVE = """
import json, sys
from penstock.emulator import Settings, api, serve_forever
api.CACHE_BYTES = 1 << 30  # it shares the machine with what is measured: no page is made twice
settings = Settings(**json.loads(sys.argv[2]))
serve_forever(sys.argv[1], settings, 0, lambda url: print(url, flush=True))
"""


@contextmanager
def emulator(name: str, **settings: Any) -> Iterator[str]:
    """An emulated API in a process of its own; gives its URL."""
    command = [sys.executable, "-c", _SERVE, name, json.dumps(settings)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


class Measured:
    """One run of a process: seconds of wall and CPU, and the peak of its memory in MB.

    The processes that it starts are counted in, memory that several of them share once.
    """

    def __init__(self, wall: float, cpu: float, peak: float, output: str) -> None:
        self.wall, self.cpu, self.peak, self.output = wall, cpu, peak, output


def environment() -> dict[str, str]:
    """The environment of a measured process: like a user's, it may keep what it has compiled."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def run(command: list[str], folder: Path) -> Measured:
    """Run a command to its end and measure it, children included."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, text=True, env=environment()
    )
    assert process.stdout is not None
    with watched(process.pid) as peak:
        output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    if status:
        raise SystemExit(f"{command} ended with {status}")
    cpu, most = used.ru_utime + used.ru_stime, max(peak[0], used.ru_maxrss / 1024)
    return Measured(wall, cpu, most, output)


@contextmanager
def watched(pid: int) -> Iterator[list[float]]:
    """Look at the memory of a process that starts others, 4 times a second; gives the peak.

    A process alone is not looked at: the system itself keeps its peak, and to count the pages of a
    process holds it up (a run of 0.3 s took twice as long).
    """
    peak, over = [0.0], threading.Event()

    def look() -> None:
        while not over.wait(0.25):
            family = _family(pid)
            if len(family) > 1:
                peak[0] = max(peak[0], sum(_held(each) for each in family))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def _family(pid: int) -> list[int]:
    """A process and all below it."""
    parents = {}
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            number = int(folder.name)
            parents[number] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for above in found:
        found += [number for number, parent in parents.items() if parent == above]
    return found


def _held(pid: int) -> float:
    """MB that a process holds, its part of what is shared; nothing once it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def repeat(count: int, once: Callable[[Path], Measured]) -> list[Measured]:
    """Run `once` in a fresh folder, `count` times after one that is not counted."""
    found = []
    for number in range(count + 1):
        with tempfile.TemporaryDirectory() as folder:
            measured = once(Path(folder))
        if number:
            found.append(measured)
    return found


def medians(name: str, runs: list[Measured], records: int = 0) -> str:
    """A line of figures: medians, and the least and most."""
    wall, cpu, peak = ([getattr(r, what) for r in runs] for what in ("wall", "cpu", "peak"))
    line = f"{name:34} wall {_span(wall)} s   cpu {_span(cpu)} s   peak {max(peak):.0f} MB"
    if records:
        line += f"   {statistics.median(cpu) / records * 1e6:.1f} µs CPU a record"
    return line


def against(name: str, mine: list[Measured], others: list[Measured], records: int) -> None:
    """Print what pairs of runs took, Penstock's and dlt's, and the medians of their ratios."""
    print(medians(f"{name}: penstock", mine, records))
    print(medians(f"{name}: dlt", others, records))
    cpu = statistics.median(b.cpu / a.cpu for a, b in zip(mine, others, strict=True))
    wall = statistics.median(b.wall / a.wall for a, b in zip(mine, others, strict=True))
    print(f"{name}: dlt takes {cpu:.1f} x the CPU and {wall:.1f} x the wall time\n", flush=True)


def _span(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def penstock(*words: str) -> list[str]:
    """A command line of Penstock's."""
    return [PENSTOCK, "-m", "penstock", *words]


def document(folder: Path, name: str, config: dict[str, Any]) -> Path:
    """A dlt-dialect document in JSON."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"name": name, **config}))
    return path


def load_average() -> str:
    """How busy the machine is, to be read beside the figures."""
    return "load average " + " ".join(f"{value:.1f}" for value in os.getloadavg())


def cpus() -> str:
    """What the figures were taken on."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return f"{os.cpu_count()} CPUs, {pages / 2**30:.0f} GiB, {soft} files, {load_average()}"
