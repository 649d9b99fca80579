"""A run in which one of several resources fails, and the same again: rows are there once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.parity.dlt.harness import Oracle, Outcome
from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask, Reply, Stage
from tests.parity.dlt.test_scripts import loaded, script

BOTH = """
source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": "single_page"},
    "resources": ["posts", "tags"],
}, name="shop")
pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
pipeline.run(source)
"""


def api(ask: Ask) -> Any:
    """Posts, and tags that are refused at first."""
    if ask.path == "/tags" and ask.round == 1:
        return Reply(status=403)
    return [{"id": 1}, {"id": 2}]


def test_what_was_complete_beside_a_failure_is_there_once(
    oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """Dlt keeps nothing of such a run, and Penstock the rest; with the third they come again."""
    paths = [tmp_path / name / "pipeline.py" for name in ("theirs", "ours")]
    found = []
    for which in (1, 2, 3):
        for path, stage in zip(paths, stages, strict=True):
            path.parent.mkdir(exist_ok=True)
            stage.play(api, which)
            path.write_text(script(Written(text=BOTH, api=api), stage.base), "utf-8")
        theirs = oracle.execute(paths[0])
        ours, error = loaded(paths[1], paths[1].parent)
        assert [bool(theirs["error"]), bool(error)] == [which == 1] * 2
        found.append((_rows(theirs["tables"]), _rows(ours)))
    once, twice = ([1, 2], [1, 2]), ([1, 1, 2, 2], [1, 1, 2, 2])
    assert found == [(([], []), ([1, 2], [])), (once, once), (twice, twice)]


def _rows(tables: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    held = Outcome(heard=[], tables=tables)
    return sorted(held.rows("posts", "id")), sorted(held.rows("tags", "id"))
