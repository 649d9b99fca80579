"""Scripts of several runs, made by chance, load the same; `PENSTOCK_PARITY=100` plays so many."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.parity.dlt.harness import Oracle
from tests.parity.dlt.scripted.programs import Program
from tests.parity.dlt.scripted.several import play
from tests.parity.dlt.server import Stage

FEW = 3
SAID = os.environ.get("PENSTOCK_PARITY", "")
SEEDS = range(1, 1 + (int(SAID) if SAID.isdigit() else FEW))


def test_a_seed_is_one_script():
    """The same seed writes the same script, which is one of Python."""
    assert Program(7).script() == Program(7).script() != Program(8).script()
    compile(Program(7).script(), "pipeline.py", "exec")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_script_by_chance(seed: int, oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path):
    """The same tables in all files, and the same told, after each of two runs."""
    text = Program(seed).script()
    played = play(text, tmp_path, oracle, stages)
    assert not played.differs, "\n".join([*played.differs, text])
