"""Columns that a document declares: they are there, typed, on every destination without a value."""

from __future__ import annotations

from typing import Any

import duckdb
import psycopg
import pytest
from tests.destinations.places import PLACES
from tests.support.web import serving

import penstock
from penstock.plan.hints import Column, Hints
from penstock.shape import Block, Segment, Shaper

DATED = {"type": ["null", "string"]}
PROPERTIES: dict[str, Any] = {
    "id": {"type": "integer"},
    "at": {**DATED, "format": "date-time"},
    "wall": {**DATED, "format": "date-time", "airbyte_type": "timestamp_without_timezone"},
    "day": {**DATED, "format": "date"},
    "hour": {**DATED, "format": "time"},
    "link": {**DATED, "format": "uri"},
    "price": {"type": ["null", "number"]},
    "ok": {"type": ["null", "boolean"]},
    "who": {"type": ["null", "object"], "properties": {"name": {"type": "string"}}},
    "tags": {"type": ["null", "array"]},
}
TYPES = {
    "duckdb": ("BIGINT", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "VARCHAR", "DOUBLE", "BOOLEAN",
               "JSON"),
    "postgres": ("bigint", "timestamp with time zone", "timestamp without time zone", "text",
                 "double precision", "boolean", "json"),
    "parquet": ("int64", "timestamp[us, tz=UTC]", "timestamp[us]", "string", "double", "bool",
                "string"),
}  # fmt: skip
TYPES["delta"] = TYPES["parquet"]
STREAMS = ("nulls", "nothing")


def manifest(url: str) -> dict[str, Any]:
    """Two streams of one schema: one has a record of nulls, the other has none."""
    schema = {"type": "object", "properties": PROPERTIES}

    def stream(name: str) -> dict[str, Any]:
        requester = {"type": "HttpRequester", "url_base": url, "path": f"/{name}"}
        extractor = {"type": "DpathExtractor", "field_path": []}
        selector = {"type": "RecordSelector", "extractor": extractor}
        return {
            "type": "DeclarativeStream",
            "name": name,
            "retriever": {
                "type": "SimpleRetriever", "requester": requester, "record_selector": selector,
            },
            "schema_loader": {"type": "InlineSchemaLoader", "schema": schema},
        }  # fmt: skip

    return {
        "version": "6.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["nulls"]},
        "streams": [stream(name) for name in STREAMS],
    }


def columns(place: Any, table: str) -> dict[str, str]:
    """The columns of a table with their types, as the destination itself says them."""
    if place.kind == "duckdb":
        query = "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ?"
        with duckdb.connect(place.url, read_only=True) as connection:
            return dict(connection.execute(query, [table]).fetchall())
    if place.kind == "postgres":
        query = (
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s"
        )
        with psycopg.connect(place.url) as connection:
            return dict(connection.execute(query, [table]).fetchall())
    found = penstock.dataset(place.url, db_schema="shop").table(table).schema
    return {field.name: str(field.type) for field in found}


@pytest.mark.parametrize("kind", PLACES)
def test_columns_of_a_schema_are_there_without_a_value(kind, tmp_path):
    """Also dates, which the data tell as a rule; a second run finds them as they are."""
    place = PLACES[kind](tmp_path)
    try:
        with serving(lambda path, _q: (200, [] if path == "/nothing" else [{"id": 1}])) as web:
            source = penstock.load(manifest(web.url))
            for _ in range(2):
                assert source.run(place.url, db_schema="shop").status == "done"
        whole, zoned, wall, text, double, boolean, json = TYPES[kind]
        for table in STREAMS:
            found = columns(place, table)
            assert {name: found.get(name) for name in PROPERTIES} == {
                "id": whole, "at": zoned, "wall": wall, "day": text, "hour": text, "link": text,
                "price": double, "ok": boolean, "who": json, "tags": json,
            }  # fmt: skip
    finally:
        place.close()


def test_tables_built_from_pages_and_in_memory_are_the_same(tmp_path):
    """Kept pages give the columns that a run gave, and so does reading without a destination."""
    run, built = PLACES["duckdb"](tmp_path / "run"), PLACES["duckdb"](tmp_path / "built")
    with serving(lambda path, _q: (200, [] if path == "/nothing" else [{"id": 1}])) as web:
        source = penstock.load(manifest(web.url))
        for place in (run, built):
            place.path.parent.mkdir()
        source.run(run.url, db_schema="shop", keep_pages=str(tmp_path / "kept"))
        read = {stream: source.arrow(stream).schema for stream in STREAMS}
    penstock.reshape(tmp_path / "kept", built.url)
    for table in STREAMS:
        assert columns(built, table) == columns(run, table)
        found = {name: str(read[table].field(name).type) for name in ("id", "at", "wall", "day")}
        assert found == {
            "id": "int64", "at": "timestamp[us, tz=UTC]", "wall": "timestamp[us]", "day": "string",
        }  # fmt: skip


def test_a_value_decides_before_the_schema_does():
    """What came has the type it showed; what came to nothing gets the supposed one, once."""
    supposed = tuple(Column(name=name, otherwise="timestamp") for name in ("a", "b"))
    shaper = Shaper("things", Hints(columns=supposed), None)
    record = b'{"a": "no date", "b": null}'
    shaper.shape(Block(load_id="1", segments=(Segment(records=[record]),)))
    assert [shaper.settle(), shaper.settle()] == [True, False]
    types = {c.name: c.type for c in shaper.schema.root.columns if c.path}
    assert types == {"a": "text", "b": "timestamp"}
    later = shaper.shape(
        Block(load_id="2", segments=(Segment(records=[b'{"b": "2024-01-02T03:04:05Z"}']),))
    )
    assert (
        later.tables["things"].column("b").to_pylist()[0].isoformat() == "2024-01-02T03:04:05+00:00"
    )
