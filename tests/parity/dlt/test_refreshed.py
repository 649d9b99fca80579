"""Runs that forget what was loaded (`refresh`), of datasets that dlt and Penstock load in turns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.parity.dlt.continued import Turns, everything
from tests.parity.dlt.harness import ALL, Oracle
from tests.parity.dlt.server import Stage

PAGE = Path(__file__).parents[3] / "docs" / "parity.md"
MODES = ("drop_sources", "drop_resources", "drop_data")
ORDERS = ("dPd", "pDp", "dDp", "pPd", "dPp", "pDd")
"""Who loads: in capitals, a run that forgets."""


def play(order: str, mode: str, made: Any, loads: Turns) -> list[dict[str, list[str]]]:
    """Load in this order; gives the rows of all tables behind each run."""
    found = []
    for engine in order:
        forgets = engine.isupper()
        if engine in "dD":
            loads.dlt(made, **({"refresh": mode} if forgets else {}))
        else:
            loads.penstock(made, full_refresh=forgets)
        held = loads.tables().items()
        found.append({name: _rows(table["rows"]) for name, table in held if table["rows"]})
    return found


def _rows(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(repr(sorted((c, v) for c, v in row.items() if v is not None)) for row in rows)


@pytest.mark.parametrize("mode", MODES if ALL else MODES[:1])
@pytest.mark.parametrize("order", ORDERS)
def test_a_run_that_forgets_is_gone_on_with(
    order: str, mode: str, oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """Rows and cursors are behind each run as they are where dlt does all of them."""
    found = []
    for name, played in (("alone", "dDd" if order[1].isupper() else "ddd"), ("turns", order)):
        (tmp_path / name).mkdir()
        loads = Turns(tmp_path / name, stages[0], oracle, name="parity")
        found.append(play(played, mode, everything, loads))
    kept = {"versions", "versions__l", "versions__l__deep"} if "P" in order else set()
    for alone, turns in zip(*found, strict=True):
        assert {**turns, **dict.fromkeys(kept)} == {**alone, **dict.fromkeys(kept)}
    if kept:
        what = "`refresh`, and a table that keeps versions (`scd2`)"
        assert f"| {what} |" in PAGE.read_text("utf-8")
        ends = [[len(one["versions"]) for one in side[:2]] for side in found]
        assert ends == [[3, 3], [3, 5]]  # of three rows two are others in the second run
