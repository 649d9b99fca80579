"""Configurations made by chance: what one engine does with them, the other does.

A few are always played. `PENSTOCK_PARITY=1000` plays so many; `python -m tests.parity.dlt.chance`
plays any, and cuts those that differ down.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from tests.parity.dlt.chance import known
from tests.parity.dlt.chance.compose import compose
from tests.parity.dlt.chance.playing import Player
from tests.parity.dlt.harness import Oracle
from tests.parity.dlt.server import Stage

PAGE = Path(__file__).parents[3] / "docs" / "parity.md"
FEW = 6
SAID = os.environ.get("PENSTOCK_PARITY", "")
IN_TURNS = (1018, 1034, 1050, 1121)  # cursors, merges without a key, keys as lists, no cursor
SEEDS = range(1, 1 + (int(SAID) if SAID.isdigit() else FEW))


def test_a_seed_is_one_scenario():
    """The same seed makes the same configuration and the same API."""
    assert compose(7) == compose(7)
    assert compose(7) != compose(8)


def test_what_is_known_is_told():
    """What is taken out before engines are compared is a row of the page."""
    told = set(re.findall(r"^\| (.+?) \|", PAGE.read_text("utf-8"), re.MULTILINE))
    assert told >= known.ROWS


@pytest.mark.parametrize("seed", SEEDS)
def test_chance(seed: int, oracle: Oracle, stages: tuple[Stage, Stage]):
    """The same requests, tables, columns, types and rows, or a row of the page tells why not."""
    played = Player(oracle, stages).play(compose(seed))
    assert not played.differs, "\n" + "\n".join(played.differs)


@pytest.mark.parametrize("seed", SEEDS if SAID.isdigit() else IN_TURNS)
def test_chance_in_columns_of_dlt(seed: int, oracle: Oracle, stages: tuple[Stage, Stage]):
    """The same in the columns of dlt, where each engine goes on with what the other has loaded."""
    played = Player(oracle, stages, dlt_columns=True).play(compose(seed))
    assert not played.differs, "\n" + "\n".join(played.differs)
