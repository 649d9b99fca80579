"""The simulator: histories of faults, kills and rivals, each of one seed, lived and checked.

`PENSTOCK_SIMULATOR_SEEDS` says how many are played (1,200 take about a minute of one core), and
one in 300 of them into each of some destinations; a seed that fails is played again by
`python -m tests.simulator --seed N`, which tells what happens.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from tests.simulator.kinds import KINDS
from tests.simulator.scenario import History

SEEDS = int(os.environ.get("PENSTOCK_SIMULATOR_SEEDS", "1200"))
CHUNK = 50


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_history_loses_or_doubles_a_row(first: int):
    """Whatever happens to runs, the last one leaves every row once."""
    wrong = []
    for seed in range(first, min(first + CHUNK, SEEDS)):
        try:
            History(seed).play()
        except AssertionError as exc:
            wrong.append(f"python -m tests.simulator --seed {seed}: {exc}")

    assert wrong == []


@pytest.mark.parametrize("where", ["dlt-duckdb", "dlt-postgres", "parquet", "delta"])
def test_no_history_loses_or_doubles_a_row_of_a_destination(where: str):
    """The same where rows are kept in a database, also in dlt's tables, or in files."""
    wrong = []
    for seed in range(max(1, SEEDS // 300)):
        try:
            History(seed, where=where).play()
        except AssertionError as exc:
            wrong.append(f"python -m tests.simulator --seed {seed} --to {where}: {exc}")

    assert wrong == []


def test_pages_that_moved_between_two_runs_are_read_from_the_start():
    """Where new rows come first, a page of the last run holds other rows in this one."""
    kinds = [kind for kind in KINDS if kind.stream == "append_newest"]
    for seed in range(40):
        History(seed, kinds=kinds).play()


def test_a_seed_is_one_history():
    """A seed that failed fails again: the same requests, runs and ends."""

    def told(seed: int) -> list[str]:
        lines: list[str] = []
        History(seed, lines.append).play()
        return lines

    assert all(told(seed) == told(seed) for seed in range(12))


def test_the_histories_differ():
    """Every kind of stream is among the first seeds, and every kind of trouble."""
    lines: list[str] = []
    kinds = Counter(History(seed).kind.stream for seed in range(SEEDS))
    for seed in range(40):
        History(seed, lines.append).play()
    text = "\n".join(lines)

    assert set(kinds) == {kind.stream for kind in KINDS}
    assert all(word in text for word in ("killed at", "fenced", "interrupted", "partial", "done"))
