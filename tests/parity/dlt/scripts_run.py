"""Scripts that say at `pipeline.run`, or of the source, how rows are to be written."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask

RESOURCE = '{"name": "things", "endpoint": {"data_selector": "data", "paginator": "single_page"}}'
SOURCE = """
from dlt.common.schema.typing import TColumnSchema, TTableSchemaColumns

source = rest_api_source({"client": {"base_url": "BASE"}, "resources": [RESOURCE]}, name="shop"MORE)
pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data"PIPELINE)
pipeline.run(source, RUN)
"""
OWN_PARENT = """
@dlt.resource(selected=False)
def ids():
    yield [{"id": 1}, {"id": 2}]

source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": "single_page"},
    "resources": [ids, {"name": "found", "endpoint": {
        "path": "found", "params": {"q": "{resources.ids.id}"}, "data_selector": "data"}}],
})
"""


OWN_VALUES = """
import datetime
from decimal import Decimal
from uuid import UUID

source = rest_api_source({
    "client": {"base_url": "BASE", "paginator": "single_page"},
    "resources": [{"name": "things", "endpoint": {
        "data_selector": "data",
        "params": {
            "day": datetime.date(2024, 1, 2), "at": datetime.datetime(2024, 1, 2, 3, 4),
            "price": Decimal("1.50"), "of": UUID(int=1), "any": {7}, "pair": (1, 2),
            "days": [datetime.date(2024, 1, 2)],
        }}}],
})
"""


def changing(ask: Ask) -> Any:
    """Rows that are others in the second round, with a field more."""
    first = [{"id": 1, "v": 5, "lines": [{"n": 1}]}, {"id": 2, "v": 6, "lines": []}]
    then = [{"id": 2, "v": 60, "new": "x", "lines": [{"n": 2}]}, {"id": 3, "v": 7}]
    return {"data": first if ask.round == 1 else then}


def shrinking(ask: Ask) -> Any:
    """Rows that lack a field in the second round, and have another of another type."""
    first = [{"id": 1, "v": "x", "old": 1, "lines": [{"n": "a", "old": 1}]}]
    then = [{"id": 2, "v": 60, "lines": [{"n": 2}]}, {"id": 3, "v": 7}]
    return {"data": first if ask.round == 1 else then}


def fewer(ask: Ask) -> Any:
    """Rows that lack a field in the second round, and are as they were otherwise."""
    return {"data": [{"id": ask.round, **({"old": 1} if ask.round == 1 else {})}]}


def _run(
    run: str = "", source: str = "", pipeline: str = "", resource: str = "", api: Any = changing
) -> Written:
    text = SOURCE.replace("RESOURCE", RESOURCE[:-1] + resource + "}").replace("RUN", run)
    for name, said in (("MORE", source), ("PIPELINE", pipeline)):
        text = text.replace(name, f", {said}" if said else "")
    return Written(text=text, api=api)


TRACKED = (
    ', "endpoint": {"data_selector": "data", "paginator": "single_page",'
    ' "incremental": {"cursor_path": "id", "initial_value": 0}}'
)
UPSERT = 'write_disposition={"disposition": "merge", "strategy": "upsert"}, primary_key="id"'
COLUMNS = 'columns={"v": TColumnSchema(name="v", data_type="double")}'
FROM_SETTINGS = """
source = rest_api_source({"client": {"base_url": "BASE"}, "resources": [
    {"name": "things", "write_disposition": dlt.secrets["mode"],
     "endpoint": {"data_selector": "data", "paginator": "single_page"}}]}, name="shop")

@dlt.resource(write_disposition=dlt.secrets["ways.of"], primary_key="id")
def own():
    yield {"id": 1}

pipeline = dlt.pipeline("shop", destination="duckdb", dataset_name="shop_data")
pipeline.run([source, own])
"""
RUN = {
    "run: replaces": _run('write_disposition="replace"'),
    "run: merges by a key": _run('write_disposition="merge", primary_key="id"'),
    "run: a mapping of a disposition": _run(UPSERT),
    "run: over the resource's own": _run(
        'write_disposition="append"', resource=', "write_disposition": "replace"'),
    "run: columns": _run(COLUMNS),
    "run: a contract": _run('schema_contract={"columns": "discard_value"}'),
    "run: drops sources": _run('refresh="drop_sources"'),
    "run: drops resources": _run('refresh="drop_resources"'),
    "run: drops data, and the cursor": _run('refresh="drop_data"', resource=TRACKED),
    "run: drops sources with their columns": _run('refresh="drop_sources"', api=shrinking),
    "run: drops resources with their columns": _run(
        'refresh="drop_resources", write_disposition="merge", primary_key="id"', api=shrinking),
    "run: drops data alone": _run('refresh="drop_data"', api=fewer),
    "run: a pipeline that drops": _run(pipeline='refresh="drop_sources"'),
    "run: a contract of the source": _run(source='schema_contract={"columns": "discard_value"}'),
    "run: a contract of both": _run(
        source='schema_contract={"columns": "discard_value"}',
        resource=', "schema_contract": {"columns": "evolve"}'),
    "run: a disposition from the settings": Written(
        text=FROM_SETTINGS, api=changing, secrets='mode = "replace"\n[ways]\nof = "merge"\n'),
    "run: nesting of the source": _run(source="max_table_nesting=0"),
    "run: a root key": _run(
        source="root_key=True", resource=', "write_disposition": "merge", "primary_key": "id"'),
    "run: values of Python's own in params": Written(
        text=OWN_VALUES, api=changing, source="source"),
    "run: a function among the resources": Written(
        text=OWN_PARENT, api=changing, source="source"),
}  # fmt: skip
