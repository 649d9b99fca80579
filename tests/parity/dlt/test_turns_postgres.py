"""Datasets of Postgres that dlt and Penstock load by turns: what holds of DuckDB holds there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.destinations.postgres_server import drop_database, fresh_database
from tests.parity.dlt.continued import RESTORE, Turns, everything
from tests.parity.dlt.harness import ALL, Oracle
from tests.parity.dlt.mirror import mirror, whole
from tests.parity.dlt.server import Stage
from tests.parity.dlt.test_continued import Held, _same, _since, _sorted
from tests.parity.dlt.test_turns import (
    MADE,
    Loads,
    _odd,
    _paged,
    _varied,
    check_odd,
    check_paged,
    check_refused,
    killed,
)

from penstock.engine import Options, Result, execute, import_state

pytest.importorskip("psycopg2", reason="dlt loads into Postgres with it")


class _InPostgres(Turns):
    """A dataset in a database, looked at as it is after each run."""

    url = ""

    def dlt(self, made: Any = everything) -> None:
        """Load the next run with dlt."""
        self.next()
        where = {"settings": RESTORE, "postgres": whole(self.url)}
        done = self._oracle.run(self._name, made(self.base), self.folder, **where)
        assert not done["error"], done["error"]
        self.look()

    def penstock(self, made: Any = everything, **options: Any) -> Result:
        """Load the next run with Penstock, in dlt's columns."""
        self.next()
        told = {"dlt_columns": True, "db_schema": "parity", **options}
        result = execute(self.source(made), {}, self.url, Options(**told), lambda _event: None)
        failed = {r.stream: [f.message for f in r.failures] for r in result.receipts if r.failures}
        assert not failed
        self.look()
        return result

    def look(self) -> None:
        """See what is there."""
        mirror(self.url, "parity", self.file)


class PostgresTurns(_InPostgres):
    """What is loaded from the API of `continued`."""


class PostgresLoads(_InPostgres, Loads):
    """What is loaded from the API of `test_turns`, and looked at after each run."""


@pytest.fixture
def begin(
    oracle: Oracle, stages: tuple[Stage, Stage], tmp_path: Path
) -> Iterator[Callable[[type[_InPostgres]], Any]]:
    """Begins datasets, each in a database of its own."""
    made: list[_InPostgres] = []

    def begin(kind: type[_InPostgres]) -> _InPostgres:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        one = kind(folder, stages[0], oracle, name="parity")
        one.url = fresh_database()
        made.append(one)
        return one

    yield begin
    for one in made:
        drop_database(one.url)


@pytest.mark.parametrize(
    ("name", "order"),
    [("long names", "pDp"), ("keys", "dpD"), *([("varied", "dpD")] if ALL else [])],
)
def test_datasets_go_from_one_to_the_other(name: str, order: str, begin: Any):
    """The tables are those of dlt alone, and what dlt reads is right."""
    alone = begin(PostgresLoads).play("ddd", MADE[name])
    turns = begin(PostgresLoads).play(order, MADE[name])
    assert turns.columns() == alone.columns()
    found = _sorted(turns.tables())
    for table, wanted in _sorted(alone.tables()).items():
        assert found[table] == wanted, table


def test_every_disposition_goes_on(begin: Any):
    """After each run the dataset holds what dlt alone leaves, ids that are digests included."""
    alone, turns = begin(PostgresTurns), begin(PostgresTurns)
    for nth, engine in enumerate("dpd"):
        alone.dlt()
        held = Held.of(alone)
        (turns.dlt if engine == "d" else turns.penstock)()
        _same(turns, held)
        assert nth == 0 or _since(turns) == [f"/events?since={2 * nth}"] * 2


def _types(turns: _InPostgres) -> set[tuple[str, ...]]:
    """The types of all columns that dlt knows, as Postgres has them."""
    query = (
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'parity' AND NOT starts_with(table_name, '_')"
    )
    with psycopg.connect(turns.url) as connection:
        return set(connection.execute(query).fetchall())


def test_columns_have_the_types_that_dlt_gives_them(begin: Any):
    """Those of tables that Penstock makes too, so that what is asked of them can be asked."""
    alone = begin(PostgresLoads).play("dd", _varied)
    turns = begin(PostgresLoads).play("pp", _varied)
    assert _types(turns) == _types(alone)
    kinds = {kind for _, _, kind in _types(turns)}
    assert {"character varying", "jsonb", "numeric", "date"} <= kinds


def test_dlt_learns_of_columns_that_penstock_made(begin: Any):
    """Of values of another class too: they go to a column of their own."""
    check_odd(begin(PostgresLoads).play("pDpd", _odd))


def test_a_key_that_its_column_cannot_have_is_refused(begin: Any):
    """What the record had is told, and not what the server says of its column."""
    loads = begin(PostgresLoads)
    check_refused(loads, loads.url)


def test_dlt_goes_on_after_a_run_that_was_killed(begin: Any):
    """Appended rows are there once as soon as Penstock has run, and dlt goes on."""
    loads = begin(PostgresLoads).play("d", _paged)
    killed(loads, loads.url, commits=5)
    loads.look()
    loads.check()
    loads.play("pD", _paged)
    check_paged(loads)


def test_state_of_dlt_is_taken_over(begin: Any, tmp_path: Path):
    """Into another place, from the database that dlt loads into."""
    turns = begin(PostgresTurns)
    turns.dlt()
    to = tmp_path / "other.duckdb"
    taken = import_state(turns.source(), str(to), "parity", turns.url, dataset="parity")
    assert taken == ("moving", "moving_by_key")
    there = Turns(tmp_path, turns._stage, turns._oracle, name="parity").at(to, rounds=1)
    there.penstock(dlt_columns=False)
    assert _since(there) == ["/events?since=2"] * 2
    assert there.query("SELECT id FROM moving ORDER BY 1") == [(5,), (6,), (7,), (8,)]
