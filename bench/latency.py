"""Latency: what the wire costs when every answer takes 50 ms, with 20 requests at once.

Run it with `python bench/latency.py [--runs N]`. It prints the wall time of 400 pages of 100
records with a known total, of 1,000 children of one page each, and of the same pages one at a time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from common import Measured, cpus, document, emulator, medians, penstock, repeat, run
from documents import Document, children, pages


def load(made: Document, folder: Path) -> Measured:
    """Load a document into a new file."""
    path = document(folder, "chat", made)
    return run(penstock("run", str(path), "--quiet"), folder)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    wanted = parser.parse_args()
    print(cpus())
    with emulator("chat", records=40_000, latency_ms=50) as url:
        runs = repeat(wanted.runs, lambda folder: load(pages(url), folder))
        print(medians("400 pages, total known", runs, 40_000))
    with emulator("chat", records=20_000, latency_ms=50) as url:
        runs = repeat(wanted.runs, lambda folder: load(children(url), folder))
        print(medians("1,000 children", runs, 20_000))


if __name__ == "__main__":
    main()
