"""Merges of whole runs: versions, deletions, sets, and records that are kept out."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.destinations.places import SCHEMA, DuckDBPlace, PostgresPlace

from penstock.engine import Options, compile_source, execute

DOCUMENT = """
name: people
client: {{ base_url: {url} }}
resources:
  - name: people
    {hints}
    endpoint:
      path: people
      data_selector: items
      paginator: {{ type: page_number, base_page: 1, total_path: null }}
"""
PAGE = 2


class Api:
    """An API whose records a test may change; pages hold two of them."""

    def __init__(self):
        self.records = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                first = (int(self.path.partition("page=")[2] or 1) - 1) * PAGE
                body = json.dumps({"items": api.records[first : first + PAGE]}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def api():
    made = Api()
    yield made
    made.close()


@pytest.fixture(params=[DuckDBPlace, PostgresPlace], ids=["duckdb", "postgres"])
def place(request, tmp_path):
    made = request.param(tmp_path)
    yield made
    made.close()


def run(api, place, tmp_path, hints, *records, full_refresh=False):
    """Run the document while the API has these records; give the run's one receipt."""
    api.records = list(records)
    document = tmp_path / "people.yaml"
    document.write_text(DOCUMENT.format(url=api.url, hints=hints))
    options = Options(db_schema=SCHEMA, full_refresh=full_refresh)
    result = execute(compile_source(str(document)).need(), {}, place.url, options, lambda _: None)
    return result.receipts[0]


def person(number, name="", **more):
    return {"id": number, "name": name, "tags": [f"{number}{name}"], **more}


@pytest.mark.parametrize("full_refresh", [False, True])
def test_versions_of_rows_are_kept(api, place, tmp_path, full_refresh):
    """A changed row gets a version, a row that is gone is retired, also in a full refresh."""
    hints = "primary_key: id\n    write_disposition: { disposition: merge, strategy: scd2 }"
    run(api, place, tmp_path, hints, person(1), person(2), person(3))
    second = run(
        api, place, tmp_path, hints, person(3, "new"), person(1), full_refresh=full_refresh
    )
    assert second.status == "done"
    assert second.rows == 1
    found = {(r["id"], r["name"], r["_penstock_valid_to"] is None) for r in place.rows("people")}
    assert found == {(1, "", True), (2, "", False), (3, "", False), (3, "new", True)}
    parents = {r["_penstock_id"] for r in place.rows("people")}
    assert {r["_penstock_parent_id"] for r in place.rows("people__tags")} == parents
    again = run(api, place, tmp_path, hints, person(3, "new"), person(1))
    assert again.rows == 0
    assert len(place.rows("people")) == 4


def test_rows_that_are_gone_are_marked(api, place, tmp_path):
    """With soft_delete a row that a full reading lacks stays, marked, and may come back."""
    hints = "primary_key: id\n    write_disposition: merge\n    soft_delete: true"
    run(api, place, tmp_path, hints, person(1), person(2), person(3))
    run(api, place, tmp_path, hints, person(1), person(3), full_refresh=True)
    marked = {r["id"]: r["_penstock_deleted_at"] is not None for r in place.rows("people")}
    assert marked == {1: False, 2: True, 3: False}
    run(api, place, tmp_path, hints, person(2))
    marked = {r["id"]: r["_penstock_deleted_at"] is not None for r in place.rows("people")}
    assert marked == {1: True, 2: False, 3: True}


def test_sets_are_replaced_by_merge_key(api, place, tmp_path):
    """Without a primary key, a run's rows replace earlier runs' of the same merge key."""
    hints = "merge_key: day\n    write_disposition: merge"
    run(
        api, place, tmp_path, hints, *(person(n, day="mon") for n in range(3)), person(9, day="tue")
    )
    run(api, place, tmp_path, hints, *(person(n, day="mon") for n in range(5, 9)))
    assert sorted(r["id"] for r in place.rows("people")) == [5, 6, 7, 8, 9]


def test_hints_of_columns_decide(api, place, tmp_path):
    """The greatest of a key stays whichever page it is on, and a row that says so is deleted."""
    hints = (
        "primary_key: id\n    write_disposition: merge\n    columns: "
        "{ rank: { dedup_sort: desc }, gone: { hard_delete: true, data_type: bool } }"
    )
    first = [
        person(1, "b", rank=2),
        person(1, "a", rank=1),
        person(2, rank=1),
        person(1, "c", rank=0),
    ]
    run(api, place, tmp_path, hints, *first)
    assert {(r["id"], r["name"]) for r in place.rows("people")} == {(1, "b"), (2, "")}
    run(api, place, tmp_path, hints, person(2, rank=1, gone=True))
    assert {(r["id"], r["name"]) for r in place.rows("people")} == {(1, "b")}
    assert [r["value"] for r in place.rows("people__tags")] == ["1b"]


def test_discarded_records_are_kept_aside(api, place, tmp_path):
    """A record that the contract keeps out is found in a table, with the reason."""
    hints = "write_disposition: append\n    schema_contract: { columns: discard_row }"
    run(api, place, tmp_path, hints, person(1))
    receipt = run(api, place, tmp_path, hints, person(2), person(3, extra={"deep": 1.10}))
    assert receipt.rows == 1
    [kept] = place.rows("_penstock_discarded")
    assert (kept["stream"], kept["reason"]) == (
        "people",
        "people: a new column at 'extra.deep': 1.1",
    )
    assert json.loads(kept["record"]) == person(3, extra={"deep": 1.1})
    assert "page=1" in kept["origin"]
    assert kept["load_id"] in {r["load_id"] for r in place.rows("_penstock_loads")}
