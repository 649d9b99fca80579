"""`--full-refresh` makes tables of what comes, whatever their columns were before."""

from __future__ import annotations

from typing import Any

import pytest
from tests.destinations.places import SCHEMA, Place
from tests.e2e.test_tables import SMALL, dying
from tests.support.web import serving

import penstock

OLD = [{"id": n, "a": "x", "old": n, "kids": [{"v": "q"}], "pets": [{"p": 1}]} for n in range(9)]
NEW = [{"id": n, "a": n + 5, "new": 1.5, "kids": [{"v": n}]} for n in range(9)]
WAYS: list[dict[str, Any]] = [
    {},
    {"write_disposition": "replace"},
    {"write_disposition": "merge", "primary_key": "id"},
]


class Loads:
    """An API whose rows change, in pages of three, and the place that they are loaded into."""

    def __init__(self, place: Place, url: str, **more: Any) -> None:
        self.place = place
        pages = {"type": "offset", "limit": 3, "total_path": "total"}
        endpoint = {"path": "things", "data_selector": "items", "paginator": pages}
        self.document = {
            "client": {"base_url": url},
            "resources": [{"name": "things", "endpoint": endpoint, **more}],
        }

    def load(self, **options: Any) -> None:
        result = penstock.run(
            self.document, self.place.url, db_schema=SCHEMA, sizes=SMALL, **options
        )
        assert result.status == "done"

    def rows(self, table: str) -> list[dict[str, Any]]:
        """The rows of a table, in any order, without the engine's own columns."""
        found = self.place.rows(table)
        return [{k: v for k, v in row.items() if not k.startswith("_penstock")} for row in found]


@pytest.fixture
def web():
    """An API of whatever is put into its `rows`."""
    rows: list[dict[str, Any]] = []

    def answer(path: str, query: dict[str, str]) -> tuple[int, Any]:
        del path
        first = int(query.get("offset") or 0)
        return 200, {"items": rows[first : first + 3], "total": len(rows)}

    with serving(answer) as served:
        served.rows = rows
        yield served


def by_id(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: row["id"])


@pytest.mark.parametrize("way", WAYS, ids=["append", "replace", "merge"])
def test_columns_are_what_the_rows_make_of_them(place: Place, web: Any, way: dict[str, Any]):
    """Columns that do not come any more are gone, and others have the type that they show now."""
    loads = Loads(place, web.url, **way)
    web.rows[:] = OLD
    loads.load()
    web.rows[:] = NEW
    for _ in range(2):
        loads.load(full_refresh=True)
        assert by_id(loads.rows("things")) == [
            {name: row[name] for name in ("id", "a", "new")} for row in NEW
        ]
        assert sorted(row["v"] for row in loads.rows("things__kids")) == list(range(9))
        assert all("v__v_text" not in row for row in loads.rows("things__kids"))
    assert loads.rows("things__pets") == [], "a table that no row came for is there, and empty"
    web.rows[:] = OLD[:3]
    loads.load()
    place.close()


def test_a_run_that_died_leaves_what_was_there(place: Place, web: Any):
    """The next one builds all of it, with columns that only its own rows make."""
    loads = Loads(place, web.url)
    web.rows[:] = OLD
    loads.load()
    web.rows[:] = [{**row, "never": 1} for row in NEW]
    with pytest.raises(KeyboardInterrupt):
        loads.load(full_refresh=True, fault=dying("commit:after", 2))
    assert by_id(loads.rows("things"))[0] == {"id": 0, "a": "x", "old": 0}
    web.rows[:] = NEW
    loads.load(full_refresh=True)
    assert set(loads.rows("things")[0]) == {"id", "a", "new"}
    place.close()


def test_columns_stay_where_no_row_comes(place: Place, web: Any):
    """A table without rows is emptied: nothing says that it is another one."""
    loads = Loads(place, web.url)
    web.rows[:] = OLD
    loads.load()
    web.rows.clear()
    loads.load(full_refresh=True)
    assert loads.rows("things") == []
    web.rows[:] = [{"id": 1}]
    loads.load()
    assert set(loads.rows("things")[0]) == {"id", "a", "old"}
    place.close()


@pytest.mark.parametrize(
    ("more", "options"),
    [
        ({}, {"keep_columns": True}),
        ({"schema_contract": {"columns": "evolve", "data_type": "discard_value"}}, {}),
    ],
    ids=["asked for", "contract"],
)
def test_columns_stay_where_they_are_held(
    place: Place, web: Any, more: dict[str, Any], options: dict[str, Any]
):
    """By a contract of the document, or because only the rows shall be other ones."""
    loads = Loads(place, web.url, **more)
    web.rows[:] = OLD
    loads.load()
    web.rows[:] = NEW
    loads.load(full_refresh=True, **options)
    assert {"id", "a", "old", "new"} <= set(loads.rows("things")[0])
    place.close()


def test_history_that_is_kept_keeps_its_columns(place: Place, web: Any):
    """Versions are never built anew, so that they stay as they are."""
    loads = Loads(place, web.url, write_disposition={"disposition": "merge", "strategy": "scd2"})
    web.rows[:] = [{"id": 1, "old": 1}]
    loads.load()
    web.rows[:] = [{"id": 1, "new": 1}]
    loads.load(full_refresh=True)
    assert {(row["old"], row["new"]) for row in loads.rows("things")} == {(1, None), (None, 1)}
    place.close()
