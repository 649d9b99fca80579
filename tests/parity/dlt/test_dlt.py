"""Penstock and dlt on the same configuration: the same requests, tables, columns, types, rows."""

from __future__ import annotations

import os
import re
from pathlib import Path

import duckdb
import pytest
from tests.parity.dlt import versions
from tests.parity.dlt.cases import CASES
from tests.parity.dlt.harness import Case, Oracle, differences, play
from tests.parity.dlt.server import Stage

from penstock.engine import Options

# Each intended difference, and every fifth of the others: all of them take minutes. With
# PENSTOCK_PARITY=all nothing is left out.
ALL = os.environ.get("PENSTOCK_PARITY") == "all"
PLAYED = [case for nth, case in enumerate(CASES) if ALL or case.differs or nth % 5 == 0]

PAGE = Path(__file__).parents[3] / "docs" / "parity.md"


def test_cases_have_names_of_their_own():
    """There are at least 200 configurations to play, each with its own name."""
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
    assert len(PLAYED) >= 200


def test_differences_are_told():
    """Each intended difference of a case is a row of the page, and is asserted by the case."""
    told = set(re.findall(r"^\| (.+?) \|", PAGE.read_text("utf-8"), re.MULTILINE))
    untold = {row for case in CASES for row in case.differs} - told
    assert not untold
    assert all((case.check is not None) == bool(case.differs) for case in CASES)


VERSIONS = "SELECT _dlt_id FROM parity.things ORDER BY ALL"


@pytest.mark.parametrize("case", [c for c in versions.CASES if not c.refused], ids=str)
def test_versions_in_the_columns_of_dlt(
    case: Case, oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """They are the same there, under the same ids where these are digests."""
    theirs, ours = play(case, oracle, stages, tmp_path, Options(dlt_columns=True))
    if case.differs:
        assert not any(outcome.error for outcome in ours)
        return
    said = differences(case, theirs, ours)
    assert not said, "\n" + "\n".join(said)
    if "own" not in case.name and "all" not in case.name:
        their, our = (tmp_path / f"{name}.duckdb" for name in ("dlt", "penstock"))
        with duckdb.connect(str(their)) as con, duckdb.connect(str(our)) as other:
            assert con.execute(VERSIONS).fetchall() == other.execute(VERSIONS).fetchall()


@pytest.mark.parametrize("case", PLAYED, ids=str)
def test_case(case: Case, oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path):
    """What one engine does after one and after two runs, the other does; or the reason is told."""
    theirs, ours = play(case, oracle, stages, tmp_path)
    if case.check is not None:
        case.check(theirs, ours)
        return
    said = differences(case, theirs, ours)
    assert not said, "\n" + "\n".join(said)
    if case.refused:
        assert case.refused in ours[0].error
    else:
        assert not ours[0].error, ours[0].error
