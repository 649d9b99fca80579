"""What is below a parent that a run loads alone: dlt never asks for it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.parity.dlt.harness import Oracle, Outcome
from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask, Stage
from tests.parity.dlt.test_scripts import loaded, script

CHOSEN = """
source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": "single_page"},
    "resource_defaults": {"primary_key": "id", "write_disposition": "WAY"},
    "resources": [
        {"name": "posts", "endpoint": {"path": "posts", "incremental": {
            "cursor_path": "at", "initial_value": 0, "start_param": "since"}}},
        {"name": "comments", "endpoint": "posts/{resources.posts.id}/comments"},
    ],
}, name="shop")
pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
pipeline.run(source.CHOICE)
"""
ALL = 'with_resources("posts", "comments")'
ONE = 'with_resources("posts")'


def api(ask: Ask) -> Any:
    """Each run has one post more, and each post one comment."""
    if ask.path == "/posts":
        return [{"id": n, "at": n} for n in range(1, ask.round + 3) if n >= ask.number("since")]
    return [{"id": 10 * int(ask.path.split("/")[2])}]


def test_comments_of_posts_that_were_loaded_alone_come_later(
    oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """Dlt has only those of later posts; Penstock all of them, once."""
    for way in ("append", "merge"):
        paths = [tmp_path / way / name / "pipeline.py" for name in ("theirs", "ours")]
        found: list[tuple[list[Any], list[Any]]] = []
        for which, choice in enumerate((ONE, ALL, ONE, ALL), 1):
            text = CHOSEN.replace("CHOICE", choice).replace("WAY", way)
            for path, stage in zip(paths, stages, strict=True):
                path.parent.mkdir(parents=True, exist_ok=True)
                stage.play(api, which)
                path.write_text(script(Written(text=text, api=api), stage.base), "utf-8")
            theirs = oracle.execute(paths[0])
            ours, error = loaded(paths[1], paths[1].parent)
            assert [theirs["error"], error] == ["", ""]
            found.append((_comments(theirs["tables"]), _comments(ours)))
        assert found == [
            ([], []),
            ([40], [10, 20, 30, 40]),
            ([40], [10, 20, 30, 40]),
            ([40, 60], [10, 20, 30, 40, 50, 60]),
        ]


def _comments(tables: dict[str, Any]) -> list[Any]:
    return sorted(Outcome(heard=[], tables=tables).rows("comments", "id"))
