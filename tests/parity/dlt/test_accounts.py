"""One source made for several accounts: where dlt's shared state or a second table loses rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.parity.dlt.harness import Oracle, Outcome
from tests.parity.dlt.scripts import Written
from tests.parity.dlt.scripts_accounts import (
    FOLLOWED,
    INCREMENTAL_AT_ONCE,
    INCREMENTAL_LOOP,
    REPLACED_LOOP,
    accounts,
)
from tests.parity.dlt.server import Stage
from tests.parity.dlt.test_scripts import loaded, script

FIRST = ["a19", "a20", "a21", "b9", "b10", "b11"]


def ids(tables: dict[str, Any]) -> list[Any]:
    """The users that a run left."""
    return Outcome(heard=[], tables=tables).rows("users", "id")


def both(
    text: str, oracle: Oracle, stages: tuple[Stage, Stage], folder: Path
) -> list[tuple[list[Any], list[Any]]]:
    """The users that dlt and Penstock have after each of two runs of a script."""
    found: list[tuple[list[Any], list[Any]]] = []
    written = Written(text=text, api=accounts)
    paths = [folder / name / "pipeline.py" for name in ("theirs", "ours")]
    for path, stage in zip(paths, stages, strict=True):
        path.parent.mkdir()
        path.write_text(script(written, stage.base), "utf-8")
    for which in (1, 2):
        for stage in stages:
            stage.play(accounts, which)
        theirs = oracle.execute(paths[0])
        ours, error = loaded(paths[1], paths[1].parent)
        assert [theirs["error"], error] == ["", ""]
        found.append((ids(theirs["tables"]), ids(ours)))
    return found


@pytest.mark.parametrize("text", [INCREMENTAL_LOOP, INCREMENTAL_AT_ONCE, FOLLOWED])
def test_each_account_keeps_its_cursor(
    text: str, oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """With dlt the second account is asked from the first one's newest value on."""
    (their_first, our_first), (their_second, our_second) = both(text, oracle, stages, tmp_path)
    assert set(their_first) == {"a19", "a20", "a21"}
    assert set(their_second) == {"a19", "a20", "a21", "a22"}
    assert sorted(our_first) == sorted(FIRST)
    assert sorted(our_second) == sorted([*FIRST, "a22", "b12"])


def test_a_table_replaced_by_several_runs_holds_the_rows_of_all(
    oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """Each of dlt's runs drops the rows of the one before."""
    (theirs, ours), _second = both(REPLACED_LOOP, oracle, stages, tmp_path)
    assert set(theirs) == {"b9", "b10", "b11"}
    assert sorted(ours) == sorted(FIRST)


DEFAULTED = """
source = rest_api_source({
    "client": {"base_url": "BASE"},
    "resources": [{"name": "users", "endpoint": {"path": "a/users", "paginator": "single_page"}}],
}, name="shop")
for name, resource in source.resources.items():
    resource.add_map(lambda row, of=name: {**row, "id": f"{of}/{row['id']}"})
pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
pipeline.run(source, write_disposition="replace")
"""


def test_a_step_keeps_the_default_of_its_second_parameter(
    oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """Scripts enclose values so in a loop; dlt puts null there."""
    (theirs, ours), _second = both(DEFAULTED, oracle, stages, tmp_path)
    assert theirs
    assert all(found.startswith("None/") for found in theirs)
    assert ours
    assert all(found.startswith("users/") for found in ours)
