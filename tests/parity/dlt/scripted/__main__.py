"""Plays scripts made by chance with both engines, and tells each whose tables differ."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.parity.dlt.harness import Oracle, oracle_python
from tests.parity.dlt.scripted import several as runs
from tests.parity.dlt.scripted.compose import Composer
from tests.parity.dlt.scripted.playing import Played, play
from tests.parity.dlt.scripted.programs import Program
from tests.parity.dlt.server import Stage


def main() -> int:
    """Play the seeds that the command line says; 1 where any differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--several", action="store_true", help="scripts of several runs")
    said = parser.parse_args()
    python = oracle_python()
    if python is None:
        sys.stdout.write("dlt is not installed here\n")
        return 2
    differ = refused = 0
    with Stage().open() as theirs, Stage().open() as ours:
        oracle = Oracle(python)
        for seed in range(said.first, said.first + said.count):
            made = Program(seed).parts if said.several else [Composer(seed).script()]
            played, text = _played(made, oracle, (theirs, ours), several=said.several)
            refused += bool(played.refused)
            if played.differs:
                differ += 1
                shown = "\n".join(f"   {line[:600]}" for line in played.differs[:6])
                sys.stdout.write(f"\n== seed {seed}\n{shown}\n{text}")
                sys.stdout.flush()
        oracle.close()
    sys.stdout.write(f"{said.count} played, {differ} differ, {refused} that dlt refuses\n")
    return 1 if differ else 0


def _played(
    parts: list[str], oracle: Oracle, stages: tuple[Stage, Stage], *, several: bool
) -> tuple[Played, str]:
    """What differs, and the text; one of several parts is cut down to what that needs."""
    with tempfile.TemporaryDirectory() as folder:
        if not several:
            return play(parts[0], Path(folder), oracle, stages), parts[0]
        played = runs.play("\n".join(parts), Path(folder), oracle, stages)
    if not played.differs:
        return played, ""
    left = runs.shrunk(parts, oracle, stages)
    with tempfile.TemporaryDirectory() as folder:
        return runs.play("\n".join(left), Path(folder), oracle, stages), "\n".join(left[1:])


if __name__ == "__main__":
    sys.exit(main())
