"""Start-up: how long the commands take that do nothing yet, and a run that finds nothing new.

Run it with `python bench/startup.py [--runs N]`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import PENSTOCK, Measured, cpus, document, emulator, medians, penstock, repeat, run
from documents import NEW, messages


def nothing_new(url: str, folder: Path) -> Measured:
    """A run behind one that loaded everything."""
    path = document(folder, "chat", messages(url, "merge", **NEW))
    run(penstock("run", str(path), "--quiet"), folder)
    return run(penstock("run", str(path), "--quiet"), folder)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=9)
    wanted = parser.parse_args()
    script = str(Path(PENSTOCK).with_name("penstock"))
    commands = {
        "python -c pass": [PENSTOCK, "-c", "pass"],
        "penstock version": [script, "version"],
        "penstock check chat": [script, "check", "chat"],
    }
    print(cpus())
    for name, command in commands.items():
        runs = repeat(wanted.runs, lambda folder, c=command: run(c, folder))
        print(medians(name, runs))
    with emulator("chat", records=1_000) as url:
        runs = repeat(wanted.runs, lambda folder: nothing_new(url, folder))
        print(medians("a run with nothing new", runs))


if __name__ == "__main__":
    main()
