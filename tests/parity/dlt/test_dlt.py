"""Penstock and dlt on the same configuration: the same requests, tables, columns, types, rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.parity.dlt.cases import CASES
from tests.parity.dlt.harness import Case, Oracle, differences, play
from tests.parity.dlt.server import Stage


@pytest.mark.parametrize("case", CASES, ids=str)
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
