"""`penstock.as_dlt_source`: Penstock reads and shapes, the real dlt loads and keeps the state."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.support.web import serving

import penstock

dlt = pytest.importorskip("dlt", reason="the reference engine is not installed")

FIRST = "2000-01-01T00:00:00Z"


class Api:
    """Rows behind a time; what is in `broken` is no JSON."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        self.broken = False

    def __call__(self, _path: str, query: dict[str, str]) -> tuple[int, Any]:
        if self.broken:
            return 404, {}
        return 200, [row for row in self.rows if row["at"] > query.get("since", "")]


def row(number: int, lines: list[Any], **more: Any) -> dict[str, Any]:
    """A record with nested lists."""
    return {"id": number, "at": f"2024-01-01T00:00:{number:02d}Z", "lines": lines, **more}


def source(url: str, *, since: bool = True, **more: Any) -> Any:
    """The streams of one configuration, as dlt's."""
    params = {"since": {"type": "incremental", "cursor_path": "at", "initial_value": FIRST}}
    endpoint = {"path": "o", "paginator": "single_page", "params": params if since else {}}
    document = {
        "client": {"base_url": url},
        "resources": [{"name": "orders", "endpoint": endpoint}],
    }
    document["resources"][0].update(more)
    return penstock.as_dlt_source(document)


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Loads a source with dlt into a file, and gives a way to ask it."""
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "CRITICAL")
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    path = tmp_path / "t.duckdb"

    def run(made: Any) -> Path:
        pipeline = dlt.pipeline(
            "bridge",
            destination=dlt.destinations.duckdb(str(path)),
            dataset_name="kept",
            pipelines_dir=str(tmp_path / "pipelines"),
        )
        pipeline.run(made)
        return path

    return run


def ask(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_rows_child_tables_and_state(load):
    """A second run asks for what is new, by the state that dlt kept with the rows."""
    api = Api([row(1, [{"sku": "a", "n": [1, 2]}], raw={"x": 1.10}), row(2, [], price=2**63)])
    with serving(api) as web:
        path = load(source(web.url))
        api.rows.append(row(3, [{"sku": "b"}, {"sku": 7}]))
        load(source(web.url))
        assert web.asked[-1].endswith("since=2024-01-01T00%3A00%3A02Z")
    assert ask(path, "SELECT id, price, raw__x FROM kept.orders ORDER BY 1") == [
        (1, None, 1.1), (2, 2**63, None), (3, None, None),
    ]  # fmt: skip
    joined = (
        "SELECT o.id, l.sku, l.sku__v_bigint, n.value FROM kept.orders o JOIN kept.orders__lines l "
        "ON l._penstock_parent_id = o._penstock_id LEFT JOIN kept.orders__lines__n n "
        "ON n._penstock_parent_id = l._penstock_id ORDER BY ALL"
    )
    assert ask(path, joined) == [
        (1, "a", None, 1), (1, "a", None, 2), (3, "b", None, None), (3, None, 7, None),
    ]  # fmt: skip


def test_merged_rows_take_what_is_below_them_along(load):
    """A record that comes again replaces its rows in child tables, also where it has none now."""
    api = Api([row(1, [{"n": [1, 2]}, {}]), row(2, [{"n": [3]}])])
    keyed = {"write_disposition": "merge", "primary_key": "id", "since": False}
    with serving(api) as web:
        load(source(web.url, **keyed))
        api.rows = [row(1, [{"n": [9]}], note="x"), row(2, []), row(3, [{"n": [5]}])]
        path = load(source(web.url, **keyed))
    assert ask(path, "SELECT id, note FROM kept.orders ORDER BY 1") == [
        (1, "x"), (2, None), (3, None),
    ]  # fmt: skip
    assert ask(path, "SELECT count(*) FROM kept.orders__lines") == [(2,)]
    assert ask(path, "SELECT value FROM kept.orders__lines__n ORDER BY 1") == [(5,), (9,)]


def test_replaced_rows_are_replaced(load):
    """What the last run brought is all there is."""
    api = Api([row(1, [1]), row(2, [2])])
    with serving(api) as web:
        load(source(web.url, since=False, write_disposition="replace"))
        api.rows = [row(3, [3])]
        path = load(source(web.url, since=False, write_disposition="replace"))
    assert ask(path, "SELECT id FROM kept.orders") == [(3,)]
    assert ask(path, "SELECT value FROM kept.orders__lines") == [(3,)]


def test_the_newest_of_a_key_is_loaded(load):
    """Of records that one reading brings of a key the last stays, with its lines alone."""
    api = Api([row(1, [1], v="old"), row(1, [2, 3], v="new")])
    with serving(api) as web:
        made = source(web.url, since=False, write_disposition="merge", primary_key="id")
        path = load(made)
    assert ask(path, "SELECT v FROM kept.orders") == [("new",)]
    assert ask(path, "SELECT value FROM kept.orders__lines ORDER BY 1") == [(2,), (3,)]


def test_what_cannot_be_read_is_not_loaded_at_all(load):
    """A stream that is not complete is an error of dlt's step, and its state stays."""
    from dlt.pipeline.exceptions import PipelineStepFailed  # noqa: PLC0415 (only where dlt is)

    api = Api([row(1, [])])
    with serving(api) as web:
        path = load(source(web.url))
        api.broken = True
        with pytest.raises(PipelineStepFailed, match="nothing of this stream is loaded"):
            load(source(web.url))
        api.broken = False
        load(source(web.url))
    assert ask(path, "SELECT id FROM kept.orders") == [(1,)]


def test_what_dlt_cannot_load_is_refused():
    """Where a reading's gaps mean something, the stream is refused with what to do."""
    scd2 = {"write_disposition": {"disposition": "merge", "strategy": "scd2"}}
    soft = {"write_disposition": "merge", "primary_key": "id", "soft_delete": True}
    sets = {"write_disposition": "merge", "merge_key": "id"}
    for more in (scd2, soft, sets):
        with pytest.raises(penstock.Error, match=r"orders: .* what a reading lacks") as caught:
            source("http://127.0.0.1:1", **more)
        assert caught.value.code == "bridge"


def test_without_dlt_it_says_what_to_install(monkeypatch):
    """Dlt is no part of Penstock: who asks for the bridge has it."""
    monkeypatch.setitem(sys.modules, "dlt", None)
    with pytest.raises(penstock.Error, match="dlt is not installed") as caught:
        source("http://127.0.0.1:1")
    assert caught.value.code == "module-missing"
