"""Merges that name no key: what a run does, and what it says could be the key."""

from __future__ import annotations

import pytest
from tests.e2e.loads import query
from tests.support.web import serving

import penstock

ROWS = [{"id": 1, "email": "a", "kind": "x"}, {"id": 2, "email": "b", "kind": "x"}]


def loaded(url, path, strategy):
    """A run of a merge without a key."""
    written = {"disposition": "merge", **({"strategy": strategy} if strategy else {})}
    endpoint = {"path": "users", "paginator": "single_page"}
    users = {"name": "users", "endpoint": endpoint, "write_disposition": written}
    document = {"client": {"base_url": url}, "resources": [users]}
    return penstock.run(document, path, db_schema="kept")


@pytest.mark.parametrize("strategy", [None, "delete-insert"])
def test_rows_are_appended_and_candidates_named(tmp_path, strategy):
    """Dlt appends where a merge has no key; the receipt says which fields could be one."""
    path = tmp_path / "t.duckdb"
    with serving(lambda _p, _q: (200, ROWS)) as web:
        for _ in range(2):
            result = loaded(web.url, path, strategy)
    assert query(path, "SELECT count(*) FROM kept.users") == [(4,)]
    [note] = result.receipts[0].warnings
    assert note.code == "merge-without-key"
    assert note.message.endswith("all there and all different: 'id', 'email'")


@pytest.mark.parametrize("strategy", ["upsert", "insert-only"])
def test_a_strategy_that_needs_a_key_is_an_error(tmp_path, strategy):
    """Dlt refuses these without a primary key; the error names what could be it."""
    with serving(lambda _p, _q: (200, ROWS)) as web:
        result = loaded(web.url, tmp_path / "t.duckdb", strategy)
    [failure] = result.receipts[0].failures
    assert (result.status, failure.code) == ("partial", "no-key")
    assert failure.hint.endswith("all there and all different: 'id', 'email'")
