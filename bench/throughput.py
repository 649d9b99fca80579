"""Throughput: nested messages of about 700 bytes, pages of 1,000, no latency, into DuckDB.

Run it with `python bench/throughput.py [--records N] [--runs N]`. It prints CPU seconds of the
whole process and the peak of its memory for append, merge and replace, with child tables, and a
second run that finds nothing new.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import Measured, cpus, document, emulator, medians, penstock, repeat, run
from documents import messages


def load(url: str, disposition: str, folder: Path, runs: int = 1) -> Measured:
    """Load everything into a new file; the last of `runs` runs is the measured one."""
    path = document(folder, "chat", messages(url, disposition))
    for _ in range(runs - 1):
        run(penstock("run", str(path), "--quiet"), folder)
    return run(penstock("run", str(path), "--quiet"), folder)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    wanted = parser.parse_args()
    print(cpus())
    with emulator("chat", records=wanted.records) as url:
        for disposition in ("append", "merge", "replace"):
            runs = repeat(wanted.runs, lambda folder, d=disposition: load(url, d, folder))
            print(medians(f"{wanted.records:,} {disposition}", runs, wanted.records))


if __name__ == "__main__":
    main()
