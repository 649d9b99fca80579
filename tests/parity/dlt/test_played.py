"""Where functions of scripts do otherwise than in dlt on purpose."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.parity.dlt.harness import Oracle
from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Stage
from tests.parity.dlt.test_scripts import loaded, script

PAGE = Path(__file__).parents[3] / "docs" / "parity.md"
BELOW = Written(
    text="""
@dlt.resource(write_disposition="replace")
def users():
    yield from ({"id": n} for n in range(4))

@dlt.transformer(write_disposition="append")
def orders(user, at=dlt.sources.incremental("at", initial_value="2020")):
    for month in (1, 2, 3):
        yield {"user": user["id"], "at": f"2024-0{month}"}
""",
    api=lambda _ask: [],
    source="[users, users | orders]",
)


def test_the_cursor_of_a_transformer_begins_all_calls_of_a_run_alike(
    oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Dlt loses rows of the later calls, which are older than the newest of those before."""
    assert re.search(r"^\| the cursor of a transformer \|", PAGE.read_text("utf-8"), re.MULTILINE)
    counts = []
    for folder in (tmp_path / "theirs", tmp_path / "ours"):
        folder.mkdir()
        (folder / "pipeline.py").write_text(script(BELOW, stages[0].base), "utf-8")
        monkeypatch.chdir(folder)
        if folder.name == "theirs":
            tables = oracle.execute(folder / "pipeline.py")["tables"]
        else:
            tables, error = loaded(folder / "pipeline.py", folder)
            assert error == ""
        counts.append(len(tables["orders"]["rows"]))

    assert counts[0] < counts[1] == 12
