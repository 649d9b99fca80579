"""Datasets of Postgres that dlt and Penstock load by turns: what holds of DuckDB holds there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from tests.destinations.postgres_server import drop_database, fresh_database
from tests.parity.dlt.continued import RESTORE
from tests.parity.dlt.harness import Oracle
from tests.parity.dlt.mirror import mirror
from tests.parity.dlt.server import Stage
from tests.parity.dlt.test_continued import _sorted
from tests.parity.dlt.test_turns import MADE, Loads, _odd

from penstock.engine import Options, Result, execute

pytest.importorskip("psycopg2", reason="dlt loads into Postgres with it")


class PostgresLoads(Loads):
    """One dataset in a database, looked at as it is after each run."""

    url = ""

    def dlt(self, made: Any) -> None:
        """Load the next run with dlt."""
        self.next()
        where = {"settings": RESTORE, "postgres": _whole(self.url)}
        done = self._oracle.run(self._name, made(self.base), self.folder, **where)
        assert not done["error"], done["error"]
        mirror(self.url, "parity", self.file)

    def penstock(self, made: Any, **options: Any) -> Result:
        """Load the next run with Penstock, in dlt's columns."""
        self.next()
        told = {"dlt_columns": True, "db_schema": "parity", **options}
        result = execute(self.source(made), {}, self.url, Options(**told), lambda _event: None)
        failed = {r.stream: [e.message for e in r.failures] for r in result.receipts if r.failures}
        assert not failed
        mirror(self.url, "parity", self.file)
        return result


def _whole(url: str) -> str:
    """A URL with all that dlt asks for; a host that stands in the query counts before another."""
    parts = urlsplit(url)
    user = parts.username or "postgres"
    netloc = f"{user}:{parts.password or 'none'}@{parts.hostname or 'localhost'}:{parts.port or 5432}"
    return urlunsplit(parts._replace(netloc=netloc))


@pytest.fixture
def loads(oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path) -> Any:
    """A dataset in a database of its own, and another folder for dlt to be alone in."""
    made: list[PostgresLoads] = []

    def begin() -> PostgresLoads:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        one = PostgresLoads(folder, stages[0], oracle, name="parity")
        one.url = fresh_database()
        made.append(one)
        return one

    yield begin
    for one in made:
        drop_database(one.url)
        shutil.rmtree(one.folder)


@pytest.mark.parametrize("made", MADE.values(), ids=MADE)
@pytest.mark.parametrize("order", ["dpD", "pDp"])
def test_datasets_go_from_one_to_the_other(order: str, made: Any, loads: Any):
    """In any order, the tables are those of dlt alone, and what dlt reads is right."""
    alone, turns = loads().play("ddd", made), loads().play(order, made)
    assert turns.columns() == alone.columns()
    found = _sorted(turns.tables())
    for table, wanted in _sorted(alone.tables()).items():
        assert found[table] == wanted, table
