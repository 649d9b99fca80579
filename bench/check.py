"""`penstock check` beside the YAML loader alone: the CPU time of each for a folder of manifests.

Run as `python bench/check.py FOLDER [--repeat N]`. A check is a whole process, from its start to
its end; the loader, in C, is measured in a process that has it already. A manifest passes if its
check takes at most twice as long as the loader, and 0.2 s. One that does not is measured again, at
most N times, since a busy machine only ever adds: the least counts. Each that misses is named.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from common import cpus, environment, penstock

FACTOR = 2.0
START = 0.2  # seconds


def parsing(text: str) -> float:
    """What the loader alone takes, in seconds of CPU."""
    started = time.process_time()
    yaml.load(text, Loader=yaml.CSafeLoader)
    return time.process_time() - started


def checking(file: Path) -> float:
    """What a check takes, in seconds of CPU."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [*penstock("check"), str(file.resolve())],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(),
        )
        _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{file}: the check ended with {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime + used.ru_stime


def measured(file: Path, repeat: int) -> tuple[float, float]:
    """Both, each the least of as many tries as it takes to pass, at most `repeat`."""
    text = file.read_text("utf-8")
    alone = min(parsing(text) for _ in range(3))
    check = checking(file)
    for _ in range(repeat - 1):
        if check <= FACTOR * alone + START:
            break
        check = min(check, checking(file))
        alone = min(alone, parsing(text))
    return alone, check


def main() -> None:
    """Measure every manifest, and tell which are too slow."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    print(cpus())
    checking(next(options.folder.glob("*.yaml")))  # Python keeps what it compiles
    found = [(f, *measured(f, options.repeat)) for f in sorted(options.folder.glob("*.yaml"))]
    missed = [one for one in found if one[2] > FACTOR * one[1] + START]
    for file, alone, check in missed:
        limit = FACTOR * alone + START
        print(f"{file.stem}: {check:.3f} s, at most {limit:.3f} s")
    loaders, checks = (sum(one[n] for one in found) for n in (1, 2))
    print(f"{len(found) - len(missed)} of {len(found)} manifests are checked in time")
    print(f"all together: the loader alone {loaders:.1f} s, checks {checks:.1f} s")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
