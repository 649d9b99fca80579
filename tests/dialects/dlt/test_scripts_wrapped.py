"""Scripts that Airflow, Dagster or Prefect would call: the runs that they lead to."""

from __future__ import annotations

import sys
import textwrap

import pytest

from penstock.dialects import compile_document, load
from penstock.dialects.loading import Code

HEAD = """
import dlt
from dlt.sources.rest_api import rest_api_source

def shop(name="users"):
    return rest_api_source({"client": {"base_url": "https://a.test"}, "resources": [name]})
"""
AIRFLOW = """
from airflow.decorators import dag
from dlt.helpers.airflow_helper import PipelineTasksGroup

@dag(schedule="@daily", catchup=False)
def load():
    tasks = PipelineTasksGroup("shop", use_data_folder=False, wipe_local_data=True)
    pipeline = dlt.pipeline("shop", dataset_name="shop_data", destination="duckdb")
    tasks.add_run(pipeline, shop(), decompose="serialize", trigger_rule="all_done", retries=0)

load()
"""
OPERATORS = """
from datetime import datetime
from airflow import DAG
from airflow.operators.python import PythonOperator

def load(name):
    pipeline = dlt.pipeline("shop", dataset_name="shop_data", destination="duckdb")
    pipeline.run(shop(name))

with DAG("shop", start_date=datetime(2024, 1, 1), default_args={"retries": 3}) as dag:
    first = PythonOperator(task_id="a", python_callable=load, op_kwargs={"name": "users"}, dag=dag)
    second = PythonOperator(task_id="b", python_callable=load, op_args=["teams"])
    first >> second
"""
PREFECT = """
from prefect import flow, task, get_run_logger

@task(retries=2)
def load(name):
    get_run_logger().info("loading %s", name)
    dlt.pipeline("shop", dataset_name="shop_data", destination="duckdb").run(shop(name))
    return name

@flow(name="all", log_prints=True)
def main():
    assert load("users") == "users"
    assert load.with_options(retries=0).submit("teams").result() == "teams"

if __name__ == "__main__":
    main()
"""
DAGSTER = """
from dagster import AssetExecutionContext, Definitions
from dagster_dlt import DagsterDltResource, dlt_assets

@dlt_assets(
    dlt_source=shop(),
    dlt_pipeline=dlt.pipeline("shop", dataset_name="shop_data", destination="duckdb"),
    name="shop", group_name="shop",
)
def assets(context: AssetExecutionContext, dlt: DagsterDltResource):
    context.log.info("loading")
    yield from dlt.run(context=context, write_disposition="replace").fetch_row_count()

defs = Definitions(assets=[assets], resources={"dlt": DagsterDltResource()})
"""
LED = {
    "airflow": (AIRFLOW, ["users"], "append"),
    "operators": (OPERATORS, ["users", "teams"], "append"),
    "prefect": (PREFECT, ["users", "teams"], "append"),
    "dagster": (DAGSTER, ["users"], "replace"),
}


@pytest.fixture(autouse=True)
def none_installed(monkeypatch):
    """None of them is there, also where it is installed on this machine."""
    from penstock.dialects.dlt.standin import wrappers  # noqa: PLC0415 (loaded when it is used)

    monkeypatch.setattr(wrappers, "installed", lambda _root: False)


def compiled(tmp_path, script):
    (tmp_path / "pipeline.py").write_text(HEAD + textwrap.dedent(script), "utf-8")
    return compile_document(load(str(tmp_path / "pipeline.py"), Code()))


@pytest.mark.parametrize("name", LED)
def test_what_a_scheduler_would_call_is_called(tmp_path, name):
    """The runs that it leads to are those of the script, once; a warning says so."""
    script, streams, write = LED[name]
    found = compiled(tmp_path, script)
    source = found.need()
    assert [stream.name for stream in source.streams] == streams
    assert {stream.hints.write for stream in source.streams} == {write}
    assert (found.target.destination, found.target.db_schema) == ("shop.duckdb", "shop_data")
    told = [d.message for d in found.diagnostics]
    assert all("schedules nothing here: what it would call is called once" in m for m in told)
    assert told
    assert not {"airflow", "dagster", "dagster_dlt", "prefect"} & set(sys.modules)


WRONG = {
    "an asset of Dagster's own": (
        "from dagster import asset\n@asset\ndef load():\n    pass\n",
        "load is called by Dagster alone",
    ),
    "a variable": (
        "from airflow.models import Variable\nx = Variable.get('key')\n",
        "Penstock has no get of a scheduler's class",
    ),
    "a value in a text": (
        "from dagster import EnvVar\nx = f'Bearer {EnvVar(\"KEY\")}'\n",
        "a scheduler's own value stands in a text",
    ),
    "a deployment": (
        "from prefect import flow\n@flow\ndef main():\n    pass\nmain.serve(cron='0 0 * * *')\n",
        "Penstock has no serve of a scheduled function",
    ),
    "a context": (
        DAGSTER.replace('log.info("loading")', "partition_key"),
        "Penstock has no context.partition_key of an asset",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_leads_to_no_run_is_told(tmp_path, name):
    """Nothing is made up: it is an error with its line, and says what it is about."""
    script, message = WRONG[name]
    script += "dlt.pipeline('shop').run(shop())\n"
    errors = [d for d in compiled(tmp_path, script).diagnostics if d.severity == "error"]
    assert [d.message for d in errors] == [message]
    assert errors[0].place is not None
    assert errors[0].hint
