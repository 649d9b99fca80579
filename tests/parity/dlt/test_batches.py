"""Runs of one script that cannot be one: each finds what those before it have loaded, as in dlt."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest
from tests.parity.dlt import dump
from tests.parity.dlt.copies import COPIES
from tests.parity.dlt.deferred import CAUGHT, DEFERRED, WITH_CURSORS
from tests.parity.dlt.harness import Case, Oracle, Outcome, differences
from tests.parity.dlt.kept import AGAIN, BEFORE_THE_SOURCE, CUT_OFF, KEPT
from tests.parity.dlt.server import Ask, Reply, Stage

from penstock.cli.app import launch

PAGE = Path(__file__).parents[3] / "docs" / "parity.md"

HEAD = """\
import dlt
from dlt.sources.helpers import requests
from dlt.sources.rest_api import rest_api_source

@dlt.resource
def days(first=1, last=4):
    for row in requests.get("BASE/days", params={"first": first, "last": last}).json():
        yield row

@dlt.resource
def months():
    yield requests.get("BASE/months").json()

@dlt.transformer
def hours(day):
    yield {"day": day["id"], "of": day["of"]}

@dlt.transformer
def minutes(day):
    yield [{"day": day["id"], "minute": n} for n in range(2)]

def shop(*names):
    return rest_api_source({
        "client": {"base_url": "BASE", "paginator": "single_page"},
        "resources": [{"name": name, "endpoint": name} for name in names]}, name="shop")

pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data"MORE)
"""
SCRIPTS = {
    **COPIES,
    **DEFERRED,
    **KEPT,
    "a run that forgets": """
pipeline.run(days)
pipeline.run(months)
pipeline.run(days(2, 3), refresh="drop_data")
""",
    "a run of a transformer that forgets": """
pipeline.run(days | hours)
pipeline.run(days(1, 2) | hours, refresh="drop_resources")
""",
    "each run forgets other things": """
pipeline.run(shop("days", "months"))
pipeline.run(shop("days"), refresh="drop_resources")
pipeline.run(shop("months"), refresh="drop_data")
pipeline.run(shop("days"))
""",
    "a first part replaces, others follow": """
for nth in (1, 2, 3):
    said = "replace" if nth == 1 else "append"
    pipeline.run([{"part": nth}], table_name="parts", write_disposition=said)
""",
    "one resource is written in several ways": """
pipeline.run(days(1, 4))
pipeline.run(days(2, 5), write_disposition="merge", primary_key="id")
pipeline.run(days(3, 3), write_disposition="replace")
""",
    "each run is a version, or brings a set": """
@dlt.resource(write_disposition={"disposition": "merge", "strategy": "scd2"})
def versions(nth):
    yield [{"id": 1, "nth": nth}, {"id": nth + 10, "nth": 0}]

@dlt.resource(primary_key="id",
              write_disposition={"disposition": "merge", "strategy": "insert-only"})
def firsts(nth):
    yield [{"id": 1, "nth": nth}, {"id": nth + 10, "nth": nth}]

@dlt.resource(primary_key="id", write_disposition="merge",
              columns={"rank": {"dedup_sort": "desc"}})
def ranked(nth):
    yield [{"id": 1, "rank": -nth}, {"id": 1, "rank": -nth - 1}, {"id": 2, "rank": nth}]

@dlt.resource(merge_key="day", write_disposition="merge")
def sets(nth):
    yield [{"day": 1, "nth": nth}, {"day": nth + 10, "nth": nth}]

for nth in range(3):
    for resource in (versions, firsts, ranked, sets):
        pipeline.run(resource(nth))
""",
    "one table of other resources, each written in its own way": """
@dlt.resource(table_name="one", columns={"n": {"data_type": "double"}})
def first():
    yield [{"id": 1}, {"id": 2, "n": 1}]

@dlt.resource(table_name="One", write_disposition="replace")
def second():
    yield [{"id": 3}, {"id": 4}]

@dlt.resource(table_name="one", write_disposition="merge", primary_key="id")
def third():
    yield [{"id": 3, "n": 2}, {"id": 5}]

@dlt.resource(table_name="two", write_disposition="replace")
def fourth():
    yield {"id": 1}

@dlt.resource(table_name="two", write_disposition="replace")
def fifth():
    yield {"id": 2}

for resource in (first, second, third, fourth, fifth):
    pipeline.run(resource)
""",
    "tables that functions and marks name, of runs of their own": """
def rows(first, *names):
    return [{"id": n, "of": name} for n, name in enumerate(names, first)]

@dlt.resource(table_name=lambda row: row["of"], write_disposition="replace")
def named():
    yield rows(1, "x", "y")

@dlt.resource(table_name=lambda row: row["of"], write_disposition="replace")
def others():
    yield from ({**row, "list": [row["id"]]} for row in rows(11, "x", "z"))

@dlt.resource
def marked():
    yield dlt.mark.with_table_name(rows(21, "x", "x"), "x")
    yield dlt.mark.with_table_name(rows(31, "plain"), "plain")

@dlt.resource(write_disposition="merge", primary_key="id")
def plain():
    yield rows(31, "merged", "merged")

for resource in (named, others, marked, plain, marked):
    pipeline.run(resource)
""",
    "a table goes to whoever has loaded it last": """
@dlt.resource(table_name=lambda row: row["of"], write_disposition="replace")
def named(*tables):
    yield from ({"id": n, "of": name} for n, name in enumerate(tables))

@dlt.resource
def marked():
    yield dlt.mark.with_table_name({"id": 7}, "x")

pipeline.run(named("x", "y"))
pipeline.run(marked)
pipeline.run(named("y"), refresh=None)
""",
    "a contract holds from the second run on": """
@dlt.source(name="shop", schema_contract={"columns": "discard_value"})
def of_a_source(nth):
    return dlt.resource([{"id": nth, f"new{nth}": nth}], name="of_a_source")

@dlt.resource(schema_contract={"columns": "discard_row"})
def of_a_resource(nth):
    yield {"id": nth, f"new{nth}": nth}

for nth in range(3):
    pipeline.run(of_a_source(nth))
    pipeline.run(of_a_resource(nth))
    pipeline.run([{"id": nth, f"new{nth}": nth}], table_name="of_a_run")
""",
    "the first source says it for what is in none": """
ROW = {"id": 1, "list": [{"x": 1}], "object": {"y": {"z": 1}}}

@dlt.source(name="shop", max_table_nesting=0)
def first():
    return dlt.resource([ROW], name="of_the_first")

@dlt.source(name="other")
def other():
    return dlt.resource([ROW], name="of_another")

@dlt.resource(max_table_nesting=1)
def of_its_own():
    yield ROW

pipeline.run(first())
pipeline.run(other())
pipeline.run([ROW], table_name="in_none")
pipeline.run(of_its_own)
pipeline.run([days(1, 2), dlt.resource([ROW], name="in_a_list")])
""",
    "a parent is loaded by one run, and read otherwise for another": """
def read(last, *names):
    return rest_api_source({
        "client": {"base_url": "BASE", "paginator": "single_page"},
        "resources": [
            {"name": "days", "endpoint": {"path": "days", "params": {"last": last}}},
            {"name": "hours", "endpoint": {
                "path": "days", "params": {"first": "{resources.days.id}", "last": 5}}}],
    }, name="shop").with_resources(*names)

first = read(4, "days")
first.days.add_filter(lambda row: row["id"] > 3)
pipeline.run(first)
pipeline.run(read(4, "hours"))
pipeline.run(read(4, "days").add_limit(1))
pipeline.run(read(2, "hours"))
""",
    "what functions find changes between runs": """
params, held = {"kind": "none"}, [{"of": "held"}]

class Settings:
    kind = "first"

settings = Settings()

@dlt.resource
def rows():
    yield {"kind": kind, "params": params["kind"], "settings": settings.kind}

for kind in ("x", "y"):
    pipeline.run(rows(), table_name=f"rows_{kind}")
    source = shop("days")
    source.days.add_map(lambda row: {**row, "kind": kind})
    pipeline.run(source)
    pipeline.run(held, table_name=f"held_{kind}")
    params["kind"] = settings.kind = kind
    held.append({"of": kind})
held.clear()

def main():
    for one in ("a", "b"):
        @dlt.resource(name="one")
        def of_one():
            yield {"one": one}

        pipeline.run(of_one)

main()
kind = "z"
""",
    "generators are read while what they enclose is there": """
import json

with open("rows.jsonl", "w") as file:
    file.writelines(json.dumps({"nth": nth}) + "\\n" for nth in range(3))
with open("rows.jsonl") as file:
    pipeline.run((json.loads(line) for line in file), table_name="of_a_file")

def main():
    for kind in ("x", "y"):
        def rows():
            yield {"kind": kind}

        pipeline.run(({"kind": kind, "nth": nth} for nth in range(2)), table_name=f"one_{kind}")
        pipeline.run(dlt.resource(rows(), name=f"other_{kind}"))

main()
""",
    "a source changes between its runs": """
source = shop("days", "months")
pipeline.run(source)
source.days.add_filter(lambda row: row["id"] > 1)
source.months.selected = False
pipeline.run(source)
source.days.apply_hints(write_disposition="replace")
pipeline.run(source)
source.days.add_limit(1)
""",
    "a transformer for several tables": """
pipeline.run(days(1, 2) | hours, table_name="first")
pipeline.run(days(3, 4) | hours, table_name="then")
pipeline.run(days(5, 5) | hours, table_name="first")
""",
    "other steps in a later run": """
pipeline.run(shop("days", "months"))
later = shop("days", "months")
later.days.add_filter(lambda row: row["id"] > 1)
later.months.selected = False
pipeline.run(later)
pipeline.run(days)
""",
    "a part of several clients' source alone": """
other = rest_api_source({"client": {"base_url": "BASE/v1", "headers": {"X-V": "1"}},
                         "resources": ["weeks"]})

@dlt.source
def all_of():
    months = shop("months").months
    return [other.weeks, months, months | hours_of]

@dlt.transformer
def hours_of(page):
    for row in page:
        yield {"of": row["of"], "id": row["id"]}

whole = all_of()
pipeline.run(whole)
pipeline.run(whole.with_resources("months"))
""",
    "clients with what only one can have": """
import requests as library

def session(name):
    return rest_api_source({"client": {"base_url": "BASE", "session": library.Session()},
                            "resources": [name]}, name=name)

pipeline.run(session("days"))
pipeline.run(session("months"))
pipeline.run(shop("weeks"))
""",
    "what is below one of the same name": """
pipeline.run([days(1, 2) | hours, days(3, 4) | minutes])
""",
    "what is below one that is loaded too": """
pipeline.run([days(1, 2), days(3, 4) | hours])
""",
    "copies below others of one name": """
pipeline.run([(days(n, n) | hours).with_name(f"of_{n}") for n in (1, 2, 3)])
""",
    "below endpoints of one name": """
def source(of):
    return rest_api_source({"client": {"base_url": "BASE", "paginator": "single_page"},
        "resources": [{"name": "settings", "endpoint": of}]}, name=of)

@dlt.transformer
def each(page):
    yield from page

@dlt.transformer
def other(page):
    yield from page

pipeline.run([source("days").settings | each, source("months").settings | other])
""",
    "what a run tells after others": """
pipeline.run(days(1, 3))
first = pipeline.last_trace
print(first.last_normalize_info.row_counts["days"])
pipeline.run(months)
second = pipeline.last_trace
found = [{"of": name, "rows": trace.last_normalize_info.row_counts[name]}
         for name, trace in (("months", second), ("days", first))]
pipeline.run(found, table_name="found")
""",
    "a run of the pipeline that was made last": """
pipeline.run(months)
dlt.run(days, dataset_name="shop_data", write_disposition="replace")
dlt.run([{"n": 1}], table_name="quick")
""",
    "chunks until a run is empty": """
@dlt.resource
def messages(at=dlt.sources.incremental("at", 0, row_order="asc", range_start="open")):
    yield from ({"id": n, "at": n} for n in range(1, 6))

chunks = 0
while not pipeline.run(messages().add_limit(2)).is_empty:
    chunks += 1
    assert chunks < 9
pipeline.run([{"chunks": chunks}], table_name="told")
""",
    "rows up to a limit, before a run": """
import itertools
counted = dlt.resource(({"n": n} for n in itertools.count()), name="counted").add_limit(3)
found = [{"id": row["n"]} for row in counted]
pipeline.run(found, table_name="found")
""",
}


FAILS = """
from dlt.pipeline.exceptions import PipelineStepFailed

try:
    print(pipeline.run(shop("missing")).loads_ids)
except PipelineStepFailed as exc:
    told = {"step": exc.step, "of": exc.pipeline.pipeline_name, "said": bool(str(exc.exception))}
    pipeline.run([told], table_name="told")
"""


def api(ask: Ask) -> Any:
    """Days and months, of which the second round has others."""
    if ask.path == "/missing":
        return Reply(status=404, body={})
    first, last = ask.number("first", 1), ask.number("last", 2)
    return [{"id": n, "of": ask.target, "round": ask.round} for n in range(first, last + 1)]


def _written(script: str, stage: Stage, folder: Path, more: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "pipeline.py"
    text = HEAD.replace("MORE", more) + script
    path.write_text(text.replace("BASE", stage.base), "utf-8")
    return path


def _both(
    script: str, oracle: Oracle, stages: tuple[Stage, Stage], folder: Path, runs: int
) -> tuple[list[Outcome], list[Outcome]]:
    theirs: list[Outcome] = []
    ours: list[Outcome] = []
    for which in range(1, runs + 1):
        for stage in stages:
            stage.play(api, which)
        done = oracle.execute(_written(script, stages[0], folder / "theirs"))
        theirs.append(Outcome(heard=stages[0].heard, tables=done["tables"], error=done["error"]))
        path = _written(script, stages[1], folder)
        code = launch(["run", "--quiet", str(path)])
        tables = dump.tables(str(folder / "shop.duckdb"), "shop_data")
        error = f"exit code {code}" if code else ""
        ours.append(Outcome(heard=stages[1].heard, tables=tables, error=error))
    return theirs, ours


Both: TypeAlias = "Callable[[str, int], tuple[list[Outcome], list[Outcome]]]"


@pytest.fixture
def both(
    oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Both:
    """Executes a script so often with dlt and with Penstock."""
    monkeypatch.chdir(tmp_path)
    return lambda script, runs: _both(script, oracle, stages, tmp_path, runs)


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_run_finds_what_those_before_it_left(name: str, both: Both):
    """The same requests, tables and rows, in two executions of the script."""
    theirs, ours = both(SCRIPTS[name], 2)
    assert not theirs[0].error, theirs[0].error
    if name in COPIES:  # what is read alike for several is asked for once
        theirs, ours = ([msgspec.structs.replace(o, heard=[]) for o in s] for s in (theirs, ours))
    case = Case(name=name, config=lambda _base: {})
    assert differences(case, theirs, ours) == []


@pytest.mark.parametrize(
    "name", ["each run forgets other things", "a run that forgets", "other steps in a later run"]
)
def test_a_check_reads_all_runs(
    name: str, stages: tuple[Stage, Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Runs that cannot be one are no error of a check, which loads nothing."""
    monkeypatch.chdir(tmp_path)
    path = _written(SCRIPTS[name], stages[1], tmp_path)
    assert launch(["check", str(path)]) == 0
    assert not (tmp_path / "shop.duckdb").exists()


def test_a_transformer_behind_two_resources_is_behind_both(both: Both):
    """In dlt the second `|` changes the transformer itself: the last resource comes twice."""
    what = "a transformer that stands behind several resources"
    assert re.search(rf"^\| {what} \|", PAGE.read_text("utf-8"), re.MULTILINE)
    theirs, ours = both("pipeline.run([days(1, 1) | hours, days(2, 2) | hours])\n", 1)
    assert theirs[0].rows("hours", "day") == [2, 2]
    assert ours[0].rows("hours", "day") == [1, 2]


def test_a_source_keeps_tables_that_a_run_does_not_load(both: Both):
    """Dropping sources, dlt also drops what the run brings no rows of."""
    what = '`refresh="drop_sources"`, and tables of the source that the run does not load'
    assert f"| {what} |" in PAGE.read_text("utf-8")
    script = """
pipeline.run(shop("days", "months"))
pipeline.run(shop("days", "months").with_resources("days"), refresh="drop_sources")
"""
    theirs, ours = both(script, 1)
    assert [sorted(side[0].tables) for side in (theirs, ours)] == [["days"], ["days", "months"]]
    assert ours[0].rows("days", "id") == theirs[0].rows("days", "id") == [1, 2]


def test_a_child_table_without_rows_stays_where_its_resource_is_dropped(both: Both):
    """It is empty, and the columns of the others are what their rows make of them, as in dlt."""
    what = '`refresh="drop_resources"`, and a child table for which no row comes any more'
    assert f"| {what} |" in PAGE.read_text("utf-8")
    script = """
@dlt.resource
def people(**fields):
    yield {"id": 1, **fields}

pipeline.run(people(age="old", pets=[{"name": "Rex"}]))
pipeline.run(people(age=7), refresh="drop_resources")
"""
    theirs, ours = both(script, 1)
    assert [sorted(side[0].tables) for side in (theirs, ours)] == [
        ["people"],
        ["people", "people__pets"],
    ]
    assert ours[0].rows("people__pets", "name") == []
    assert ours[0].rows("people", "age") == theirs[0].rows("people", "age") == [7]


def test_what_a_source_says_of_its_schema_ends_with_the_script(both: Both):
    """In dlt the next execution begins with it, and a table changes its shape from then on."""
    assert "| what a source says of its schema, in the next execution |" in PAGE.read_text("utf-8")
    theirs, ours = both(BEFORE_THE_SOURCE, 2)
    assert "o" in theirs[1].columns("rows")
    assert theirs[1].rows("rows", "o__p") == [1, None]
    assert ours[1].rows("rows", "o__p") == [1, 1]


def test_a_source_that_is_copied_behind_its_run_says_what_it_says(both: Both):
    """In dlt it has the schema of the pipeline since its run, and what others say of that."""
    assert "| a source that was run, and is copied or run in" in PAGE.read_text("utf-8")
    theirs, ours = both(AGAIN, 1)
    assert "rows__list" in theirs[0].tables
    assert "rows__list" not in ours[0].tables


def test_what_a_limit_cuts_off_comes_with_the_next_run(both: Both):
    """In dlt the cursor has passed it."""
    assert "| rows that an `add_limit` behind a `yield_map` cuts off" in PAGE.read_text("utf-8")
    theirs, ours = both(CUT_OFF, 1)
    assert set(theirs[0].rows("followed", "id")) == {1}
    assert set(ours[0].rows("followed", "id")) == {1, 2, 3}


def test_runs_of_a_loop_keep_a_cursor_each(both: Both):
    """Also where failures are caught; in dlt all have one, and rows of the later ones are lost."""
    theirs, ours = both(WITH_CURSORS, 1)
    assert theirs[0].rows("events", "of") == [3]
    assert ours[0].rows("events", "of") == [1, 2, 3]


@pytest.mark.parametrize("name", CAUGHT)
def test_a_script_that_catches_a_failure_does_then_what_it_says(name: str, both: Both):
    """It need not ask for the result; the exit code tells of the failure."""
    theirs, ours = both(CAUGHT[name], 1)
    assert ours[0].error
    alone = [[Outcome(heard=[], tables=one.tables) for one in side] for side in (theirs, ours)]
    assert differences(Case(name=name, config=lambda _base: {}), *alone) == []


def test_a_run_that_fails_says_where(both: Both):
    """The script catches what dlt raises, and asks it; the exit code tells of the failure."""
    theirs, ours = both(FAILS, 1)
    assert ours[0].error
    assert ours[0].tables["told"]["rows"] == theirs[0].tables["told"]["rows"]
