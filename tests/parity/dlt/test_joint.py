"""A table of several resources, which dlt and Penstock load in turns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.parity.dlt.continued import ENDPOINT, SINCE, Turns
from tests.parity.dlt.data import config, resource
from tests.parity.dlt.harness import ALL, Config, Oracle
from tests.parity.dlt.server import Stage

ALONE = ("d", "d", "d")


def both(base: str, way: str = "append") -> Config:
    """Events and things that never change, with a cursor each, in one table; and others."""
    how = {"table_name": "both", "write_disposition": way, "primary_key": ["id", "at"]}
    moving = {**ENDPOINT, "path": "events", "incremental": SINCE}
    quiet = {**ENDPOINT, "path": "quiet", "incremental": {**SINCE, "initial_value": 1}}
    return config(
        base, resource("moving", moving, **how), resource("still", quiet, **how),
        resource("things", {**ENDPOINT, "path": "things"}, table_name="all",
                 write_disposition="replace"),
        resource("flat", {**ENDPOINT, "path": "flat"}, table_name="all",
                 write_disposition="replace"),
    )  # fmt: skip


@pytest.mark.parametrize("way", ["append", "merge", "replace"] if ALL else ["merge"])
def test_a_table_of_several_resources_is_gone_on_with(
    oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path, way: str
):
    """Either engine goes on after the other, with the cursor of each resource."""

    def held(order: tuple[str, ...]) -> list[Any]:
        folder = tmp_path / "".join(order)
        folder.mkdir()
        turns, found = Turns(folder, stages[0], oracle, name="parity"), []
        for engine in order:
            (turns.dlt if engine == "d" else turns.penstock)(lambda base: both(base, way))
            rows = {name: _rows(turns, name) for name in ("both", "all", "all__l")}
            found.append((rows, [one for one in turns.asked() if "since" in one]))
        unknown = "SELECT _dlt_load_id FROM parity.both EXCEPT SELECT load_id FROM _dlt_loads"
        assert not turns.query(unknown)
        return found

    alone = held(ALONE)
    assert held(("d", "p", "d")) == alone
    assert held(("p", "d", "p")) == alone


def _rows(turns: Turns, table: str) -> list[str]:
    held = turns.tables()[table]["rows"]
    return sorted(repr(sorted((c, v) for c, v in row.items() if v is not None)) for row in held)
