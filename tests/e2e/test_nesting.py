"""What a run makes of nested values, as the document, the call and the destination say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.destinations.postgres_server import drop_database, fresh_database
from tests.e2e.loads import query
from tests.support.web import serving

import penstock

ROWS = [
    {"id": 1, "user": {"name": "a"}, "lines": [{"sku": "x", "n": 1}]},
    {"id": 2, "user": {"name": "b", "age": 3}, "lines": [{"sku": "y", "n": 1.5}, {"sku": 7}]},
]


def document(url: str, **more: Any) -> dict[str, Any]:
    """A configuration of one stream."""
    orders = {"name": "orders", "endpoint": {"path": "orders", "paginator": "single_page"}, **more}
    return {"client": {"base_url": url}, "resources": [orders]}


@pytest.fixture
def web():
    with serving(lambda _path, _query: (200, ROWS)) as running:
        yield running


def columns(path: Path) -> dict[str, str]:
    """The types of all columns, Penstock's own left out."""
    found = query(
        path,
        "SELECT table_name || '.' || column_name, data_type FROM duckdb_columns() "
        "WHERE schema_name = 'kept' AND table_name NOT LIKE '\\_pen%' ESCAPE '\\' "
        "AND column_name NOT LIKE '\\_pen%' ESCAPE '\\'",
    )
    return dict(found)


@pytest.mark.parametrize("by", ["document", "call"])
def test_structs_reach_duckdb(web, tmp_path, by):
    """Objects and lists are columns of their own types, and a second run adds to them."""
    path = tmp_path / "t.duckdb"
    source = document(web.url, **({"nesting": "struct"} if by == "document" else {}))
    options: dict[str, Any] = {"nesting": "struct"} if by == "call" else {}
    for _ in range(2):
        assert penstock.run(source, path, db_schema="kept", **options).status == "done"
    assert columns(path) == {
        "orders.id": "BIGINT",
        "orders.user": 'STRUCT("name" VARCHAR, age BIGINT)',
        "orders.lines": "STRUCT(sku VARCHAR, n DOUBLE, sku__v_bigint BIGINT)[]",
    }
    found = query(path, 'SELECT "user".name, lines[1].n, len(lines) FROM kept.orders ORDER BY id')
    assert found == [("a", 1.0, 1)] * 2 + [("b", 1.5, 2)] * 2


def test_paths_are_nested_as_the_document_says(web, tmp_path):
    """A mapping says it by path, the star for the rest."""
    path = tmp_path / "t.duckdb"
    nesting = {"*": "tables", "user": "struct", "lines": "json"}
    penstock.run(document(web.url, nesting=nesting), path, db_schema="kept")
    assert columns(path) == {
        "orders.id": "BIGINT", "orders.user": 'STRUCT("name" VARCHAR, age BIGINT)',
        "orders.lines": "JSON",
    }  # fmt: skip


def test_a_nesting_that_is_none_names_the_nearest(web):
    """A word that is no nesting is an error of the document."""
    with pytest.raises(penstock.PlanError, match="did you mean 'struct'"):
        penstock.load(document(web.url, nesting="structs"))


def test_postgres_keeps_json_and_says_so(web):
    """A destination without such types gets JSON, and the receipt has the warning."""
    import psycopg  # noqa: PLC0415 (only this test needs the driver)

    url = fresh_database()
    try:
        result = penstock.run(document(web.url, nesting="struct"), url, db_schema="kept")
        assert [note.code for note in result.receipts[0].warnings] == ["nesting-json"]
        with psycopg.connect(url) as connection:
            query = "SELECT \"user\"->>'name', lines->0->>'sku' FROM kept.orders ORDER BY id"
            assert connection.execute(query).fetchall() == [("a", "x"), ("b", "y")]
    finally:
        drop_database(url)
