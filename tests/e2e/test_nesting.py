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


MANIFEST = """
version: 6.0.0
type: DeclarativeSource
check: {type: CheckStream, stream_names: [orders]}
streams:
  - type: DeclarativeStream
    name: orders
    retriever:
      type: SimpleRetriever
      requester: {type: HttpRequester, url_base: "URL", path: /orders}
      record_selector: {type: RecordSelector, extractor: {type: DpathExtractor, field_path: []}}
    schema_loader:
      type: InlineSchemaLoader
      schema:
        type: object
        properties:
          id: {type: integer}
          note: {type: [string, "null"]}
          user: {type: object, properties: {name: {type: string}}}
          lines: {type: array}
"""


@pytest.mark.parametrize(
    ("nesting", "kinds"),
    [
        (None, {"orders.user": "JSON", "orders.lines": "JSON"}),
        (
            "struct",
            {
                "orders.user": 'STRUCT("name" VARCHAR, age BIGINT)',
                "orders.lines": "STRUCT(sku VARCHAR, n DOUBLE, sku__v_bigint BIGINT)[]",
            },
        ),
        (
            "tables",
            {
                "orders.user__name": "VARCHAR",
                "orders.user__age": "BIGINT",
                "orders__lines.sku": "VARCHAR",
                "orders__lines.n": "DOUBLE",
                "orders__lines.sku__v_bigint": "BIGINT",
            },
        ),
    ],
)
def test_a_manifest_is_nested_as_the_call_says(web, tmp_path, nesting, kinds):
    """A manifest's objects and lists are JSON; the call may say otherwise, its schema apart."""
    path, manifest = tmp_path / "t.duckdb", tmp_path / "m.yaml"
    manifest.write_text(MANIFEST.replace("URL", web.url))
    penstock.run(manifest, path, db_schema="kept", nesting=nesting)
    assert columns(path) == {"orders.id": "BIGINT", "orders.note": "VARCHAR", **kinds}


KINDS = {"n": "bigint", "t": "timestamp", "j": "json", "b": "binary", "d": "date", "x": "double"}
WRITES: list[dict[str, Any]] = [
    {}, {"write_disposition": "replace"}, {"write_disposition": "merge", "primary_key": "n"},
]  # fmt: skip


@pytest.mark.parametrize("rows", [[], [{"n": 1, "t": None}]], ids=["nothing", "nulls"])
@pytest.mark.parametrize("more", WRITES, ids=lambda m: m.get("write_disposition", "append"))
def test_declared_columns_exist_where_nothing_comes(tmp_path, rows, more):
    """What the document declares is there, typed, also without a value and without a row."""
    path = tmp_path / "t.duckdb"
    declared = {name: {"data_type": kind} for name, kind in KINDS.items()}
    with serving(lambda _p, _q: (200, rows)) as web:
        for _ in range(2):
            penstock.run(document(web.url, columns=declared, **more), path, db_schema="kept")
    assert columns(path) == {
        "orders.n": "BIGINT", "orders.t": "TIMESTAMP WITH TIME ZONE", "orders.j": "JSON",
        "orders.b": "BLOB", "orders.d": "DATE", "orders.x": "DOUBLE",
    }  # fmt: skip
