"""Scripts whose functions ask the run that calls them which tables and columns there are."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask


def users(ask: Ask) -> list[dict[str, Any]]:
    """Users who have one field more in the second run."""
    more = {"seat": "here"} if ask.round > 1 else {}
    return [{"id": n, "tags": ["a"], "whole": bool(ask.param("whole")), **more} for n in range(2)]


# What a function finds is a row: the names of tables and columns that are the user's.
OF_THE_SOURCE = """
from dlt.sources.helpers import requests

def told(schema, table):
    columns = schema.tables.get(table, {}).get("columns", {})
    kinds = {n: c.get("data_type") for n, c in columns.items() if not n.startswith("_dlt")}
    return {
        "tables": str(sorted(schema.data_table_names())), "columns": str(sorted(kinds.items())),
        "mine": table in schema.tables, "new": schema.is_new_table(table), "schema": schema.name,
    }

@dlt.resource(columns={"rate": {"data_type": "double"}}, primary_key="day")
def rates():
    yield {"day": "2024-01-01", **told(dlt.current.source_schema(), "rates")}

@dlt.resource(name="users", columns={"id": {"data_type": "bigint"}}, table_name="People")
def everyone():
    schema = dlt.current.source_schema()
    whole = {"whole": 1} if schema.is_new_table("people") else {}
    yield {"nth": 1, **told(schema, "people")}
    yield requests.get("BASE/users", params=whole).json()
    yield {"nth": 2, **told(schema, "people"), "known": str(sorted(
        schema.get_table_columns("people", include_incomplete=True))[-1:])}

@dlt.source(name="shop")
def source():
    found = dlt.current.source_schema().data_table_names()
    assert found == [], found
    return rates, everyone
"""
OF_THE_PIPELINE = """
from dlt.sources.helpers import requests

def known():
    pipeline = dlt.current.pipeline()
    if pipeline.first_run:
        try:
            return pipeline.default_schema
        except Exception as exc:
            return type(exc).__name__
    schema = pipeline.default_schema
    columns = schema.get_table_columns("users__tags")
    return f"{sorted(schema.data_table_names())}, {sorted(c for c in columns if c[0] != '_')}"

@dlt.resource
def users():
    yield {"found": known(), "before": dlt.current.pipeline().has_data}
    yield requests.get("BASE/users").json()
    yield {"found": known(), "nth": 2}
"""
OF_AN_OBJECT = """
@dlt.resource(columns={"id": {"data_type": "bigint"}})
def users():
    for nth in range(2):
        columns = made.schema.tables.get("users", {}).get("columns", {})
        yield {"id": nth, "columns": str(sorted(c for c in columns if not c.startswith("_dlt")))}

@dlt.source(name="shop")
def source():
    return users

made = source()
assert not made.schema.data_table_names() and "users" not in made.schema.tables
"""

ASKED: dict[str, Written] = {
    "asks its source's schema which tables and columns there are": Written(
        text=OF_THE_SOURCE, api=users, source="source()", runs=3
    ),
    "asks its pipeline's schema, which the first run has not": Written(
        text=OF_THE_PIPELINE, api=users, source="users()"
    ),
    "asks the schema of the source object that is loaded": Written(
        text=OF_AN_OBJECT, api=users, source="made"
    ),
}
