"""A merged table that is built anew holds each key once, as the merge leaves it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.destinations.places import SCHEMA, Place
from tests.e2e.test_tables import SMALL
from tests.support.web import serving

import penstock

# Keys that come again in other blocks, newer, older, and one that is gone; each with a list.
ROWS = [
    {"id": n % 9, "n": n if n < 20 else 40 - n, "gone": n == 25, "list": [{"of": n}]}
    for n in range(30)
]
WAYS: dict[str, dict[str, Any]] = {
    "delete-insert": {},
    "upsert": {"write_disposition": {"disposition": "merge", "strategy": "upsert"}},
    "insert-only": {"write_disposition": {"disposition": "merge", "strategy": "insert-only"}},
    "sorted": {"columns": {"n": {"dedup_sort": "desc"}}},
    "deleted": {"columns": {"gone": {"hard_delete": True}}},
}


def api(path: str, query: dict[str, str]) -> tuple[int, Any]:
    """Pages of three rows."""
    del path
    first = int(query.get("offset") or 0)
    return 200, {"items": ROWS[first : first + 3], "total": len(ROWS)}


def document(url: str, **more: Any) -> dict[str, Any]:
    pages = {"type": "offset", "limit": 3, "total_path": "total"}
    endpoint = {"path": "things", "data_selector": "items", "paginator": pages}
    given = {"primary_key": "id", "write_disposition": "merge", **more}
    return {
        "client": {"base_url": url},
        "resources": [{"name": "things", "endpoint": endpoint, **given}],
    }


def held(place: Place) -> tuple[list[Any], list[Any]]:
    """What the table and the one below it have."""
    rows, below = place.rows("things"), place.rows("things__list")
    ids = {row["_penstock_id"] for row in rows}
    assert {row["_penstock_parent_id"] for row in below} <= ids
    return sorted((r["id"], r["n"]) for r in rows), sorted(row["of"] for row in below)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_built_anew_is_merged_too(place: Place, way: str):
    """As by a first run, which merges into an empty table: it is there, and is built again."""
    with serving(api) as web:
        source = document(web.url, **WAYS[way])
        kept = []
        for fresh in (False, True, True):
            result = penstock.run(
                source, place.url, db_schema=SCHEMA, sizes=SMALL, full_refresh=fresh
            )
            assert result.status == "done"
            kept.append(held(place))
    place.close()
    assert len({n for n, _ in kept[0][0]}) == len(kept[0][0]), "each key is there once"
    assert kept[1:] == [kept[0], kept[0]]
