"""Plays scripts made by chance with both engines, and tells each whose tables differ."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.parity.dlt.harness import Oracle, oracle_python
from tests.parity.dlt.scripted.compose import Composer
from tests.parity.dlt.scripted.playing import play
from tests.parity.dlt.server import Stage


def main() -> int:
    """Play the seeds that the command line says; 1 where any differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    said = parser.parse_args()
    python = oracle_python()
    if python is None:
        sys.stdout.write("dlt is not installed here\n")
        return 2
    differ = refused = 0
    with Stage().open() as theirs, Stage().open() as ours:
        oracle = Oracle(python)
        for seed in range(said.first, said.first + said.count):
            text = Composer(seed).script()
            with tempfile.TemporaryDirectory() as folder:
                played = play(text, Path(folder), oracle, (theirs, ours))
            refused += bool(played.refused)
            if played.differs:
                differ += 1
                shown = "\n".join(f"   {line[:600]}" for line in played.differs[:6])
                sys.stdout.write(f"\n== seed {seed}\n{shown}\n{text}")
                sys.stdout.flush()
        oracle.close()
    sys.stdout.write(f"{said.count} played, {differ} differ, {refused} that dlt refuses\n")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
