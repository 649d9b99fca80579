"""Resources of a configuration under other names: copies that share a paginator in dlt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.parity.dlt.harness import Oracle, Outcome
from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask, Stage
from tests.parity.dlt.test_scripts import loaded, script

RENAMED = """
def deals():
    return rest_api_source({
        "client": {"base_url": "BASE"},
        "resource_defaults": {"write_disposition": "replace", "endpoint": {
            "data_selector": "data",
            "paginator": {"type": "cursor", "cursor_path": "next", "cursor_param": "cursor"}}},
        "resources": [
            "deals",
            {"name": "notes", "endpoint": {"path": "deals/{resources.deals.id}/notes",
                                           "paginator": "single_page"}},
        ],
    })

@dlt.source(name="shop")
def source():
    for resource in deals().resources.values():
        yield resource.with_name(f"new_{resource.name}")
"""


def deals(ask: Ask) -> Any:
    """Three pages of deals, and a note of each."""
    if ask.path != "/deals":
        return {"data": [{"id": 1, "of": ask.path}]}
    page = ask.number("cursor", 1)
    found = [{"id": page * 10 + nth} for nth in range(3)]
    return {"data": found, "next": str(page + 1) if page < 3 else None}


def test_a_parent_and_its_copy_page_on_their_own(
    oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """With dlt the last page of the parent is passed over, and the notes of its deals are lost."""
    written = Written(text=RENAMED, api=deals, source="source()")
    paths = [tmp_path / name / "pipeline.py" for name in ("theirs", "ours")]
    for path, stage in zip(paths, stages, strict=True):
        path.parent.mkdir()
        path.write_text(script(written, stage.base), "utf-8")
        stage.play(deals, 1)
    theirs = oracle.execute(paths[0])
    ours, error = loaded(paths[1], paths[1].parent)
    assert [theirs["error"], error] == ["", ""]
    noted = [
        Outcome(heard=[], tables=tables).rows("new_notes", "of")
        for tables in (theirs["tables"], ours)
    ]
    assert [len(found) for found in noted] == [6, 9]
    assert sum(one.ask.path == "/deals" for one in stages[1].heard) == 6


BESIDE = """
def users():
    return rest_api_resources({
        "client": {"base_url": "BASE"},
        "resources": [{"name": "users", "endpoint": {
            "path": "deals", "data_selector": "data",
            "paginator": {"type": "cursor", "cursor_path": "next", "cursor_param": "cursor"}}}]})[0]

@dlt.transformer
def first(rows):
    yield [{"first": row["id"]} for row in rows]

@dlt.transformer
def second(rows):
    yield [{"second": row["id"]} for row in rows]
"""
TABLES = """
@dlt.resource
def days(at=dlt.sources.incremental("at", initial_value=0)):
    state = dlt.current.resource_state()
    state["runs"] = state.get("runs", 0) + 1
    yield [{"at": nth, "runs": state["runs"]} for nth in range(3)]

pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
pipeline.run(days, table_name="one")
pipeline.run(days, table_name="other")
"""


def _both(
    written: Written, oracle: Oracle, stages: tuple[Stage, Stage], folder: Path
) -> tuple[Outcome, Outcome]:
    """What dlt and Penstock ask and load."""
    paths = [folder / name / "pipeline.py" for name in ("theirs", "ours")]
    for path, stage in zip(paths, stages, strict=True):
        path.parent.mkdir()
        path.write_text(script(written, stage.base), "utf-8")
        stage.play(written.api, 1)
    theirs = oracle.execute(paths[0])
    ours, error = loaded(paths[1], paths[1].parent)
    assert [theirs["error"], error] == ["", ""]
    return (
        Outcome(heard=stages[0].heard, tables=theirs["tables"]),
        Outcome(heard=stages[1].heard, tables=ours),
    )


def test_copies_that_read_the_same_are_asked_for_once(
    oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """The rows of what is below them are those of dlt, which asks for each."""
    source = "[users() | first, users() | second]"
    written = Written(text=BESIDE, api=deals, source=source)
    their, our = _both(written, oracle, stages, tmp_path)
    assert (len(their.heard), len(our.heard)) == (6, 3)
    for table in ("first", "second"):
        assert their.rows(table, table) == our.rows(table, table)
        assert len(our.rows(table, table)) == 9


def test_each_table_that_a_resource_is_run_for_has_a_state(
    oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
):
    """With dlt the other table gets what is newer than the rows of the first one."""
    written = Written(text=TABLES, api=deals)
    their, our = _both(written, oracle, stages, tmp_path)
    assert their.rows("one", "at", "runs") == our.rows("one", "at", "runs")
    assert their.rows("other", "at", "runs") == [(2, 2)]  # the newest, with another state
    assert our.rows("other", "at", "runs") == [(0, 1), (1, 1), (2, 1)]
