"""Play seeds for as long as is asked for: `python -m tests.simulator --help`."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from fnmatch import fnmatch

from tests.simulator.kinds import KINDS
from tests.simulator.places import MEMORY, NAMES
from tests.simulator.scenario import History


def say(line: str) -> None:
    """A line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Play one seed aloud, or many; a seed that fails is said, and how to play it again."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulator", description=__doc__)
    parser.add_argument("--seed", type=int, help="play this one, and say what happens")
    parser.add_argument("--first", type=int, default=0, help="the first of many (default 0)")
    parser.add_argument("--count", type=int, default=2000, help="how many (default 2000)")
    parser.add_argument("--minutes", type=float, default=1e9, help="stop after so long")
    parser.add_argument("--kind", help="of streams whose names this pattern matches, as 'kids_*'")
    parser.add_argument("--to", choices=NAMES, default=MEMORY, help="where they load to")
    told = parser.parse_args()
    kinds = [kind for kind in KINDS if fnmatch(kind.stream, told.kind or "*")]
    if told.seed is not None:
        History(told.seed, say, kinds, told.to).play()
        return 0
    began, failed, played, runs = time.monotonic(), 0, 0, 0
    for seed in range(told.first, told.first + told.count):
        if time.monotonic() - began > told.minutes * 60:
            break
        history = History(seed, kinds=kinds, where=told.to)
        try:
            history.play()
        except Exception:  # noqa: BLE001 (all of them are found, not the first)
            failed += 1
            last = traceback.format_exc().strip().splitlines()[-1]
            say(f"seed {seed} fails ({history.kind.stream}): {last[:300]}")
        played, runs = played + 1, runs + history.runs
    seconds = time.monotonic() - began
    say(f"{played} seeds, {runs} runs, {failed} failures, {seconds:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
