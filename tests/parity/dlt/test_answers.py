"""Scripts that ask for what they have loaded: Penstock answers as dlt does, from its own tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.destinations.postgres_server import drop_database, fresh_database
from tests.parity.dlt.harness import Oracle
from tests.parity.dlt.scripts_accounts import accounts
from tests.parity.dlt.server import Stage

from penstock.cli.app import launch

HEAD = """\
import json
import dlt
from dlt.sources.rest_api import rest_api_source

def source(name, path="users"):
    return rest_api_source({
        "client": {"base_url": f"BASE/{name}", "paginator": "single_page"},
        "resources": [{"name": "users", "endpoint": path, "write_disposition": "append"}],
    }, name="shop")

def keep(**found):
    with open("found.json", "w") as out:
        json.dump(found, out, default=str, sort_keys=True)

pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
"""
ASKED = """
info = pipeline.run(source("a"))
info.raise_on_failed_jobs()
first = {"jobs": info.has_failed_jobs, "dataset": info.dataset_name, "loads": len(info.loads_ids)}
(package,) = info.load_packages
first["package"] = [package.state, package.schema_name, package.jobs["failed_jobs"]]
loaded = [job.job_file_info.table_name for job in package.jobs["completed_jobs"]]
first["jobs_of_users"] = loaded.count("users")
first["spent"] = info.finished_at >= info.started_at
with pipeline.sql_client() as client:
    client.execute_sql("CREATE TABLE mine AS SELECT id FROM users WHERE number > %s", 19)
    with client.execute_query("SELECT count(*) FROM mine") as cursor:
        first["mine"] = cursor.fetchone()
    with client.execute_query("SELECT id FROM users WHERE number > %s ORDER BY id", 19) as cursor:
        first["frame"] = list(cursor.df()["id"])
    first["said"] = client.execute_sql("SELECT max(number) FROM users")
    with client.begin_transaction():
        client.execute_sql("DELETE FROM mine")
    first["gone"] = client.execute_sql("SELECT count(*) FROM mine")
    name = client.make_qualified_table_name("users")
    first["qualified"] = len(client.execute_sql(f"SELECT * FROM {name}"))
columns = pipeline.default_schema.tables["users"]["columns"]
first["types"] = {c: columns[c]["data_type"] for c in ("id", "at", "account")}
first["schema"] = pipeline.default_schema.name
first["has"] = "users" in pipeline.default_schema.data_table_names()
pipeline.run(source("b"))
with pipeline.sql_client() as client:
    second = sorted(client.execute_sql("SELECT id FROM users"))
steps = [(step.step, step.step_exception) for step in pipeline.last_trace.steps]
spent = all(step.finished_at >= step.started_at for step in pipeline.last_trace.steps)
done = [dict(step.asdict())["step"] for step in pipeline.last_trace.steps]
keep(first=first, second=second, steps=steps, spent=spent, done=done)
"""
RELATIONS = """
pipeline.run(source("a"))
dataset = pipeline.dataset()
users = dataset.users
keep(
    rows=sorted(users.select("id", "at").fetchall()),
    one=users.order_by("at").limit(1).select("id").fetchone(),
    many=dataset["users"].select("at").order_by("at", "desc").fetchmany(2),
    most=users.select("at").max().fetchscalar(), least=users["at"].min().fetchscalar(),
    some=users.where("at", "gte", 20).select("id").order_by("id").fetchall(),
    several=users.where("at", "in", [19, 21]).select("id").order_by("id").fetchall(),
    said=users.where("number < 20").select("id").fetchall(),
    frame=sorted(users.df()["id"]), arrow=users.select("id").arrow().num_rows,
    query=dataset("SELECT count(*) AS n FROM users;").fetchall(),
    head=len(users.head(2).fetchall()),
    chunks=[len(chunk) for chunk in users.iter_fetch(2)],
    frames=[len(chunk) for chunk in users.iter_df(2)],
    arrows=[len(chunk) for chunk in users.iter_arrow(2)],
    tables=dataset.tables, counts=dataset.row_counts().fetchall(),
    names=[c for c in users.columns if not c.startswith("_penstock")],
)
"""
TOLD = {
    "rows": [["a19", 19], ["a20", 20], ["a21", 21]], "one": ["a19"], "many": [[21], [20]],
    "most": 21, "least": 19, "some": [["a20"], ["a21"]], "several": [["a19"], ["a21"]],
    "said": [["a19"]], "frame": ["a19", "a20", "a21"], "arrow": 3, "query": [[3]], "head": 2,
    "chunks": [2, 1], "frames": [2, 1], "arrows": [2, 1], "tables": ["users"],
    "counts": [["users", 3]], "names": ["id", "number", "at", "account"],
}  # fmt: skip
CONNECTED = """
import duckdb
for name in ("a", "b"):
    pipeline.run(rest_api_source({"client": {"base_url": f"BASE/{name}"}, "resources": ["users"]}))
with duckdb.connect("shop.duckdb") as connection:
    keep(rows=connection.sql("SELECT count(*) FROM shop_data.users").fetchall(),
         name=pipeline.default_schema_name)
"""
IN_A_LOOP = """
import asyncio

async def main():
    pipeline.run(source("a"))
    with pipeline.sql_client() as client:
        return client.execute_sql("SELECT count(*) FROM users")

keep(rows=asyncio.run(main()))
"""
SEVERAL = """
pipeline.run(source("a"))
other = dlt.pipeline("other", destination=dlt.destinations.duckdb("shop.duckdb"),
                     dataset_name="others")
other.run(source("b"))
found = {}
for one in (pipeline, other):
    with one.sql_client() as client:
        found[one.pipeline_name] = client.execute_sql("SELECT id FROM users ORDER BY number")
keep(**found)
"""
BEFORE = """
import os
from dlt.destinations.exceptions import DatabaseUndefinedRelation

tables = [table for table in pipeline.dataset().tables if not table.startswith("_dlt")]
found = {"first": pipeline.first_run, "tables": tables,
         "sources": "sources" in pipeline.state, "pending": pipeline.has_pending_data}
with pipeline.sql_client() as client:
    found["has"] = client.has_dataset()
    try:
        found["known"] = client.execute_sql("SELECT count(*) FROM users")
    except DatabaseUndefinedRelation:
        found["known"] = None
try:
    found["rows"] = pipeline.dataset().users is not None
except AttributeError:
    found["rows"] = None
info = pipeline.run(source("a"))
found["of_the_run"] = info.first_run, info.destination_name, pipeline.first_run
(package,) = info.load_packages
found["new"] = sorted(column for name, table in package.schema_update.items() if name == "users"
                      for column in table["columns"] if not column.startswith("_"))
tables = [table for one in info.load_packages for table in one.asdict()["tables"]]
found["told"] = sorted(column["name"] for table in tables if table["name"] == "users"
                       for column in table["columns"] if not column["name"].startswith("_"))
schema = pipeline.default_schema
found["texts"] = "users" in schema.to_pretty_yaml(), "users" in schema.to_pretty_json()
found["dict"] = schema.to_dict()["name"], "users" in schema.to_dict()["tables"]
found["names"] = pipeline.schema_names, pipeline.naming.normalize_identifier("aB")
found["folder"] = os.path.relpath(pipeline.working_dir, pipeline.pipelines_dir)
state = pipeline.state
found["state"] = state["pipeline_name"], state["dataset_name"], state["_local"]["first_run"]
found["again"] = source("a").schema.name, source("a").users.section
info = pipeline.run(source("b"))
found["second"] = info.first_run, info.load_packages[0].schema_update.get("users")
keep(**found)
"""
KEPT = """
@dlt.resource(write_disposition="append")
def rows(at=dlt.sources.incremental("at", initial_value=18)):
    dlt.current.resource_state()["seen"] = 1 + dlt.current.resource_state().get("seen", 0)
    dlt.current.source_state()["both"] = "x"
    yield from ({"id": n, "at": n} for n in range(at.last_value, at.last_value + 3))

@dlt.source(name="shop")
def shop():
    return rows

sources = pipeline.state.get("sources", {"shop": {"resources": {}}})
before = sources["shop"]["resources"].get("rows")
pipeline.run(shop())
own = pipeline.state["sources"]["shop"]
at = before["incremental"]["at"]["last_value"] if before else None
keep(before=before and (before["seen"], at), both=own["both"],
     seen=own["resources"]["rows"]["seen"],
     last=own["resources"]["rows"]["incremental"]["at"]["last_value"])
"""
TELLS = """
from dlt.common.runtime.slack import send_slack_message

hook = pipeline.runtime_config.slack_incoming_hook
info = pipeline.run(source("a"))
send_slack_message(hook or "BASE/a/users", f"loaded {len(info.loads_ids)} time(s)")
with pipeline.sql_client() as client:
    keep(hook=hook, rows=client.execute_sql("SELECT count(*) FROM users"))
"""
FAILED = """
try:
    pipeline.run(source("nobody"))
    with pipeline.sql_client() as client:
        keep(rows=client.execute_sql("SELECT id FROM users"))
except Exception as exc:
    keep(failed=True)
"""


def theirs(script: str, oracle: Oracle, stage: Stage, folder: Path, *given: str) -> Any:
    """What a script keeps of what dlt answers."""
    stage.play(accounts, 1)
    path = folder / "pipeline.py"
    path.write_text((HEAD + script).replace("BASE", stage.base), "utf-8")
    done = oracle.execute(path, arguments=given)
    assert not done["error"], done["error"]
    return json.loads((folder / "found.json").read_text("utf-8"))


def ours(script: str, stage: Stage, *more: str) -> tuple[int, Any]:
    """How `penstock run` ends, and what the script keeps of what it was answered."""
    stage.play(accounts, 1)
    Path("pipeline.py").write_text((HEAD + script).replace("BASE", stage.base), "utf-8")
    code = launch(["run", "--quiet", "pipeline.py", *more])
    kept = Path("found.json")
    return code, json.loads(kept.read_text("utf-8")) if kept.exists() else None


@pytest.mark.parametrize("script", [ASKED, CONNECTED, SEVERAL, IN_A_LOOP, TELLS, FAILED])
def test_a_script_is_answered_the_same(
    script: str,
    oracle: Oracle,
    stages: tuple[Stage, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """Rows, columns, counts and failures, also of several runs and pipelines."""
    (tmp_path / "theirs").mkdir()
    their = theirs(script, oracle, stages[0], tmp_path / "theirs")
    monkeypatch.chdir(tmp_path)
    code, our = ours(script, stages[1])
    assert our == their
    assert code == (1 if script == FAILED else 0)
    told = [[h.ask.json for h in stage.heard if h.ask.method == "POST"] for stage in stages]
    assert told[0] == told[1]
    assert bool(told[0]) == (script == TELLS)


IN_A_SOURCE = """
@dlt.source(name="shop")
def counted():
    state = dlt.current.source_state()
    state["calls"] = state.get("calls", 0) + 1  # which nobody keeps
    found = {"runs": state.get("runs", 0), "calls": state["calls"],
             "users": dlt.current.resource_state("users").get("n", 0)}

    @dlt.resource
    def users():
        dlt.current.source_state().update(runs=found["runs"] + 1)
        dlt.current.resource_state()["n"] = found["runs"] * 10
        yield found

    return users

pipeline.run(counted())
pipeline.run(counted())
with pipeline.sql_client() as client:
    keep(rows=client.execute_sql("SELECT runs, calls, users FROM users ORDER BY 1"))
"""

OF_A_SOURCE = """
@dlt.source(name="shop")
def tallied():
    @dlt.resource
    def users():
        shared = dlt.current.source_state().setdefault("users", {"runs": 0})
        shared["runs"] += 1
        dlt.current.resource_state()["last"] = f"run {shared['runs']}"
        yield {"id": shared["runs"]}

    return users

first, second = tallied(), tallied()
told = [dict(first.state), dict(first.users.state)]
pipeline.run(first)
told += [first.state["users"], first.resources["users"].state, first.state.get("orders", 0)]
pipeline.run(second)
told += [first.state["users"], second.users.state["last"]]
keep(told=told)
"""


@pytest.mark.parametrize("script", [BEFORE, KEPT, IN_A_SOURCE, OF_A_SOURCE])
def test_a_script_asks_before_it_runs(
    script: str,
    oracle: Oracle,
    stages: tuple[Stage, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """What there is by then: nothing the first time, and the second time what was loaded."""
    (tmp_path / "theirs").mkdir()
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        their = theirs(script, oracle, stages[0], tmp_path / "theirs")
        assert ours(script, stages[1]) == (0, their)


ELSEWHERE = """
where = dlt.destinations.duckdb("there.duckdb")
dataset = dlt.dataset(where, "Shop Data")
before = dataset.tables
other = dlt.pipeline("other", destination=where, dataset_name="Shop Data")
other.run(source("a"))
keep(before=before, after=dataset.tables, rows=sorted(dataset.users.select("id").fetchall()),
     query=dataset("SELECT max(number) FROM users").fetchone())
"""


def test_a_dataset_is_looked_into_without_its_pipeline(
    stages: tuple[Stage, Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Whenever it is asked: what was asked for by then is loaded before."""
    monkeypatch.chdir(tmp_path)
    rows = [["a19"], ["a20"], ["a21"]]
    found = {"after": ["users"], "rows": rows, "query": [21]}
    assert ours(ELSEWHERE, stages[1]) == (0, {"before": [], **found})
    assert ours(ELSEWHERE, stages[1])[1]["before"] == ["users"]


FOUND = """
with pipeline.sql_client() as client:
    found = [pipeline.first_run, client.has_dataset(), pipeline.dataset().tables]
pipeline.run(source("a"))
keep(found=found, after=pipeline.dataset().tables, trace=pipeline.last_trace is not None)
"""


@pytest.mark.parametrize("where", ["shop.duckdb", "parquet:lake", "delta:lake", "postgres"])
def test_what_there_is_before_a_run(
    where: str,
    stages: tuple[Stage, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
):
    """Wherever the call sends a script's tables, if it also says which schema they are in."""
    monkeypatch.chdir(tmp_path)
    to = request.getfixturevalue("database") if where == "postgres" else where
    told = ("--to", to, "--db-schema", "mine")
    for found in ([True, False, []], [False, True, ["users"]]):
        kept = {"found": found, "after": ["users"], "trace": True}
        assert ours(FOUND, stages[1], *told) == (0, kept)


def test_what_is_asked_before_a_run_ends_a_plan(
    stages: tuple[Stage, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """Nothing is looked up for a plan, and of the script there is none then: an error says so."""
    monkeypatch.chdir(tmp_path)
    ours(FOUND, stages[1], "--db-schema", "mine")
    capsys.readouterr()
    assert launch(["plan", "pipeline.py"]) == 2
    told = capsys.readouterr().err
    assert "warning[script-unfinished]: pipeline.sql_client is asked before anything" in told
    assert "error[no-source]: the script ended before it built a source" in told


def test_where_tables_are_is_to_be_said_before_a_run(
    stages: tuple[Stage, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """With `--to` alone a schema is called after the source, which no run has named yet."""
    monkeypatch.chdir(tmp_path)
    code, found = ours(FOUND, stages[1], "--to", "other.duckdb")
    assert (code, found) == (2, None)
    told = capsys.readouterr().err
    assert "pipeline.sql_client is asked before a run says where the tables are" in told
    assert "give --to and --db-schema" in told


@pytest.fixture
def database():
    """An empty database of Postgres."""
    url = fresh_database()
    yield url
    drop_database(url)


@pytest.mark.parametrize("where", ["shop.duckdb", "parquet:lake", "delta:lake", "postgres"])
def test_tables_are_relations(
    where: str,
    stages: tuple[Stage, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
):
    """What a dataset of dlt's gives of its tables, from a database or from files."""
    monkeypatch.chdir(tmp_path)
    to = request.getfixturevalue("database") if where == "postgres" else where
    code, found = ours(RELATIONS, stages[1], "--to", to)
    assert (code, found) == (0, TOLD)


def test_postgres_answers_as_duckdb_does(
    database: str,
    oracle: Oracle,
    stages: tuple[Stage, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """SQL, values in it, transactions, types: as dlt says of a database of its own."""
    made = '"CREATE TABLE mine AS SELECT id FROM users WHERE number > %s", 19)'
    filled = """"CREATE TABLE mine (id text)")
    client.execute_sql("INSERT INTO mine SELECT id FROM users WHERE number > %s", 19)"""
    script = ASKED.replace(made, filled)  # Postgres takes no values where a table is made
    (tmp_path / "theirs").mkdir()
    their = theirs(script, oracle, stages[0], tmp_path / "theirs")
    monkeypatch.chdir(tmp_path)
    told = ("--to", database, "--db-schema", "shop_data")
    assert ours(script, stages[1], *told) == (0, their)


NAMED = """
pipeline.run(source("a"))
with pipeline.sql_client() as client:
    rows = client.execute_sql("SELECT id FROM users WHERE number > %(least)s AND id <> %(id)s",
                              least=19, id="a20")
    own = client.native_connection.cursor().execute(
        "SELECT count(*) FROM users WHERE number = %s", [20]).fetchone()
try:
    pipeline.dataset()("DELETE FROM users").fetchall()
except Exception as exc:
    keep(rows=rows, own=own, failed=type(exc).__name__)
"""


def test_a_dataset_of_postgres_is_only_read(
    database: str, stages: tuple[Stage, Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Values with names, the driver's own connection, and no change but by who runs SQL."""
    monkeypatch.chdir(tmp_path)
    code, found = ours(NAMED, stages[1], "--to", database)
    assert (code, found) == (
        0, {"rows": [["a21"]], "own": [1], "failed": "ReadOnlySqlTransaction"},
    )  # fmt: skip


def test_what_is_not_answered_ends_the_script(
    stages: tuple[Stage, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """What was loaded stays, and a warning says at which line the script stopped."""
    monkeypatch.chdir(tmp_path)
    script = "info = pipeline.run(source('a'))\nx = info.metrics\nkeep(x=1)\n"
    code, found = ours(script, stages[1])
    assert (code, found) == (0, None)
    told = capsys.readouterr().err
    assert "Penstock has no load_info.metrics; the rest of the script was not" in told
    assert "pipeline.py:17" in told


def test_a_run_that_fails_ends_the_script(
    stages: tuple[Stage, Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As in dlt, which raises; runs behind it are not done."""
    monkeypatch.chdir(tmp_path)
    script = """
pipeline.run(source("nobody"))
pipeline.dataset()
keep(x=1)
pipeline.run(source("a"))
"""
    assert ours(script, stages[1]) == (1, None)
    assert [heard.ask.path for heard in stages[1].heard] == ["/nobody/users"]


def test_a_call_that_is_wrong_ends_it_too(
    stages: tuple[Stage, Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A value that is missing is told once, whatever the script catches."""
    monkeypatch.chdir(tmp_path)
    script = """
asked = source("a", dlt.secrets["nowhere"])
try:
    pipeline.run(asked)
    pipeline.dataset()
except Exception:
    keep(x=1)
"""
    assert ours(script, stages[1]) == (2, {"x": 1})
    assert not stages[1].heard


def test_functions_see_values_while_a_script_waits(
    stages: tuple[Stage, Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """In a run secrets are what they stand for and literals plain, though the script goes on."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PENSTOCK__WORD", "w0rd-of-a-user")
    script = """
@dlt.resource
def words():
    row = {"word": dlt.secrets["word"], "plain": type({"a": 1}).__name__}
    yield row

pipeline.run(words())
with pipeline.sql_client() as client:
    keep(rows=client.execute_sql("SELECT word, plain FROM words"))
"""
    assert ours(script, stages[1]) == (0, {"rows": [["w0rd-of-a-user", "dict"]]})


def test_several_runs_are_told_as_one_object(
    stages: tuple[Stage, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """`--json` gives each run of the script, and the status of all; the script prints to stderr."""
    monkeypatch.chdir(tmp_path)
    script = "print(pipeline.run(source('a')))\npipeline.dataset()\npipeline.run(source('b'))\n"
    ours(script, stages[1], "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["status"] == "done"
    assert [run["streams"][0]["rows"] for run in told["runs"]] == [3, 3]


SELECTED = """
def both(name):
    return rest_api_source({
        "client": {"base_url": f"BASE/{name}", "paginator": "single_page"},
        "resources": [{"name": f"{one}_{name}", "endpoint": "users"} for one in ("users", "more")],
    })

found = []
for name in ("a", "b"):
    pipeline.run(both(name))
    found.append(pipeline.dataset().tables)
keep(found=found)
"""


def test_a_selection_is_of_all_runs_of_a_script(
    stages: tuple[Stage, Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Each run loads its own part of it; of one without any the script is told what there is."""
    monkeypatch.chdir(tmp_path)
    assert ours(SELECTED, stages[1], "--select", "users_a,more_a") == (
        0, {"found": [["more_a", "users_a"], ["more_a", "users_a"]]},
    )  # fmt: skip
    assert [heard.ask.path for heard in stages[1].heard] == ["/a/users", "/a/users"]
    assert ours(SELECTED, stages[1], "--select", "users_b,users_a") == (
        0, {"found": [["more_a", "users_a"], ["more_a", "users_a", "users_b"]]},
    )  # fmt: skip
    assert [heard.ask.path for heard in stages[1].heard] == ["/a/users", "/b/users"]


def test_a_name_that_no_run_of_a_script_has_is_an_error(
    stages: tuple[Stage, Stage],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    """It is known when the script has ended; what was selected besides is loaded by then."""
    monkeypatch.chdir(tmp_path)
    code, found = ours(SELECTED, stages[1], "--select", "users_a,user_b")
    assert (code, found) == (2, {"found": [["users_a"], ["users_a"]]})
    told = capsys.readouterr().err
    assert "no stream is called 'user_b'" in told
    assert "did you mean 'users_b'?" in told
