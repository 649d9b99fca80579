"""Plays configurations made by chance with both engines, and tells each that differs."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter

from tests.parity.dlt.chance.compose import compose
from tests.parity.dlt.chance.playing import Player, shrunk
from tests.parity.dlt.harness import Oracle, oracle_python
from tests.parity.dlt.server import Stage

RENEWED = 150  # scenarios after which dlt is started anew


def say(line: str) -> None:
    """A line, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    """Play the seeds that the command line says; 1 where any differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--whole", action="store_true", help="print scenarios as they are")
    parser.add_argument("--dlt-columns", action="store_true", help="in the columns of dlt")
    parser.add_argument("--postgres", action="store_true", help="into Postgres, not DuckDB")
    parser.add_argument("--refresh", action="store_true", help="let the last run forget the first")
    said = parser.parse_args()
    python = oracle_python()
    if python is None:
        say("dlt is not installed here")
        return 2
    counts: Counter[str] = Counter()
    with Stage().open() as theirs, Stage().open() as ours:
        oracle = Oracle(python)
        for nth, seed in enumerate(range(said.first, said.first + said.count)):
            if nth and nth % RENEWED == 0:
                oracle.close()
                oracle = Oracle(python)
            stages = theirs, ours
            how = {"dlt_columns": said.dlt_columns, "postgres": said.postgres}
            player = Player(oracle, stages, refresh=said.refresh, **how)
            _one(player, seed, counts, whole=said.whole)
        oracle.close()
    say(str(dict(counts)))
    return 1 if counts["differ"] else 0


def _one(player: Player, seed: int, counts: Counter[str], *, whole: bool) -> None:
    scenario = compose(seed)
    began = time.monotonic()
    played = player.play(scenario)
    counts["played"] += 1
    counts["both fail"] += bool(played.error and not played.differs)
    counts.update(played.rows)
    if time.monotonic() - began > 20:
        say(f"seed {seed} took {time.monotonic() - began:.0f} s")
    if not played.differs:
        return
    counts["differ"] += 1
    if not whole:
        scenario = shrunk(player, scenario, played)
        played = player.play(scenario)
    say(f"\n== seed {seed}")
    for line in played.differs[:8]:
        say(f"   {line[:700]}")
    plain = {k: v for k, v in scenario.items() if k != "seed"}
    say(json.dumps(plain, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
