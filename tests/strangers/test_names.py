"""Names of strangers: SQL, paths and templates in streams, tables, columns and values are names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.destinations.places import PLACES, SCHEMA
from tests.e2e.loads import plan
from tests.support.web import serving

from penstock.destinations import describe
from penstock.engine import Options, execute

EVIL = [
    'x"; DROP TABLE victim; --',
    "x'); DELETE FROM victim; --",
    'victim" AS SELECT 1; --',
    "../../../victim",
    "{{ 7 * 7 }}",
    "${HOME} $1 %s {0}",
    "SELECT",
    "x\\y\tz\u202e",
]
ROWS: list[dict[str, Any]] = [
    {
        "id": n,
        "text": evil,
        evil: f"value {n}",
        "in": {evil: n},
        "list": [{evil: evil}],
        "a\u0000b": n,
    }
    for n, evil in enumerate(EVIL)
]


def document(folder: Path) -> Path:
    """A source of one harmless stream, and of one for each name, by its name or its table's."""
    told: list[dict[str, Any]] = [{"name": "victim", "endpoint": {"path": "victim"}}]
    told += [{"name": name, "endpoint": {"path": "rows"}} for name in EVIL]
    told += [
        {"name": f"own{n}", "table_name": f"own {name}", "endpoint": {"path": "rows"}}
        for n, name in enumerate(EVIL)
    ]
    for one in told:
        one["endpoint"] |= {"data_selector": "rows", "paginator": "single_page"}
        one |= {"primary_key": "id", "write_disposition": "merge"}
    path = folder / "evil.json"
    text = {"client": {"base_url": "https://api.example.com"}, "resources": told}
    path.write_text(json.dumps(text), "utf-8")
    return path


@pytest.mark.parametrize("kind", [kind.name for kind in describe()])
def test_a_name_is_data_whatever_it_says(kind: str, tmp_path: Path) -> None:
    """Each stream has a table of its own with every row; nothing else changes, in two runs."""
    home = tmp_path / "home" / "deep" / "er"
    home.mkdir(parents=True)
    place = PLACES[kind](home)
    source = plan(document(tmp_path))

    def answer(path: str, _query: dict[str, str]) -> tuple[int, Any]:
        return 200, {"rows": [{"id": 1, "safe": True}] if path == "/victim" else ROWS}

    with serving(answer) as web:
        for _ in range(2):
            options = Options(base_url=web.url, db_schema=SCHEMA)
            done = execute(source, {}, place.url, options, lambda _event: None)
            assert done.status == "done", [r.failures for r in done.receipts]
    assert [row["safe"] for row in place.rows("victim")] == [True]
    own = {t for t in place.tables() if not t.startswith("_penstock")}
    roots = {t for t in own if "__list" not in t and not t.endswith("list")} - {"victim"}
    assert len(roots) == 2 * len(EVIL), roots
    for name in roots:
        rows = sorted(place.rows(name), key=lambda row: row["id"])
        assert [row["id"] for row in rows] == list(range(len(EVIL))), name
        found = {str(v) for row in rows for v in row.values()}
        assert {f"value {n}" for n in range(len(EVIL))} <= found
        assert EVIL[0] in found
    place.close()
    outside = {path.name for path in tmp_path.iterdir()} | {
        path.name for path in (tmp_path / "home").rglob("*") if home not in path.parents
    }
    assert outside <= {"evil.json", "home", "deep", "er"}
