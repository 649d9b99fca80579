"""Conformance of every destination: somebody else changes tables between two checkpoints.

What was committed stays as it is, one error says what happened and what to do, and once that is
done the same checkpoint completes.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from tests.destinations.orders import KEY, STREAM, as_seen, checkpoint, order, seen

from penstock.destinations._write import Writer
from penstock.destinations.base import Append, Merge, Replace, Write
from penstock.errors import DestinationError


class Drift(NamedTuple):
    """What somebody does to a table, what is said of it, and how it is undone."""

    table: str
    change: tuple[str, ...]
    said: str
    undo: str | None
    write: Write
    between: bool
    """Whether it happens between two runs, or within one."""


UPSERT = Merge(key=KEY, strategy="upsert")
INSERT = Merge(key=KEY, strategy="insert-only")
ANEW = Replace(generation="anew", swap=True)
DRIFTS = {
    "column-dropped": Drift(
        *("orders", ("ALTER TABLE {} DROP COLUMN note",)),
        r"'note' of table 'orders' is gone.*add it back .*--full-refresh",
        "ALTER TABLE {} ADD COLUMN note TEXT",
        *(Append(), True),
    ),
    "column-renamed": Drift(
        *("orders__lines", ("ALTER TABLE {} RENAME COLUMN value TO worth_of_it",)),
        r"'value' of table 'orders__lines' is gone.*add it back .*--full-refresh",
        "ALTER TABLE {} RENAME COLUMN worth_of_it TO value",
        *(INSERT, False),
    ),
    "type-changed": Drift(
        *("orders", ("ALTER TABLE {} ALTER COLUMN id TYPE DECIMAL(20,2)",)),
        r"(?i)'id' of table 'orders' is (decimal|numeric)\(20,2\), where bigint.*change it back",
        "ALTER TABLE {} ALTER COLUMN id TYPE BIGINT",
        *(UPSERT, False),
    ),
    "table-dropped": Drift(
        *("orders__lines", ("DROP TABLE {}",)),
        r"'orders__lines' is gone.*bring it back.*--full-refresh",
        None,
        *(Merge(key=KEY), True),
    ),
}


@pytest.mark.parametrize("name", DRIFTS)
def test_a_table_that_somebody_changed(opened, place, name):
    """It is found before anything is written; undone, or replaced, the load goes on."""
    drift = DRIFTS[name]
    session = opened()
    session.commit(checkpoint("a", [order(1)], state=(("x", "1"),)))
    if drift.between:
        session.close()
    for change in drift.change:
        place.by_hand(change, drift.table)
    if drift.between:
        session = opened("run2")
    one = checkpoint("b", [order(2)], write=drift.write, state=(("x", "2"),))
    with pytest.raises(DestinationError, match=drift.said) as caught:
        session.commit(one)
    assert caught.value.code == "drift"
    assert session.state(STREAM) == {"x": "1"}
    assert [row["id"] for row in place.rows("orders")] == [1]
    if drift.undo is None:
        session.commit(checkpoint("c", [order(2)], write=ANEW))
        assert seen(place) == as_seen([order(2)])
        return
    place.by_hand(drift.undo, drift.table)
    session.commit(one)
    assert session.state(STREAM) == {"x": "2"}
    assert [row[0] for row in seen(place)] == [1, 2]


def test_a_column_that_must_have_values(opened, place):
    """A rule that somebody put on a table is said with the way out; files have no rules."""
    session = opened()
    session.commit(checkpoint("a", [order(1)]))
    place.by_hand("ALTER TABLE {} ADD COLUMN mine INTEGER DEFAULT 7", "orders")
    place.by_hand("ALTER TABLE {} ALTER COLUMN mine SET NOT NULL", "orders")
    place.by_hand("ALTER TABLE {} ALTER COLUMN mine DROP DEFAULT", "orders")
    if not hasattr(place, "folder"):
        with pytest.raises(DestinationError, match=r"mine.*take back the rule") as caught:
            session.commit(checkpoint("b", [order(2)]))
        assert caught.value.code == "drift"
        assert seen(place) == as_seen([order(1)])
        place.by_hand("ALTER TABLE {} ALTER COLUMN mine DROP NOT NULL", "orders")
    session.commit(checkpoint("b", [order(2)]))
    assert {row["id"]: row["mine"] for row in place.rows("orders")} == {1: 7, 2: None}


def test_what_the_engine_keeps_is_gone(opened, place):
    """A lost ledger is never written past: what came after it would not be found."""
    session = opened()
    session.commit(checkpoint("a", [order(1)]))
    if hasattr(place, "folder"):
        commits = place.folder / "_penstock" / "commits"
        mine = commits / f"{place.number()}.json"
        kept = mine.read_bytes()
        mine.unlink()
        said, code = r"commit 2 is missing.*bring the file back", "damaged"
    else:
        place.by_hand("DROP TABLE {}", "_penstock_loads")
        said, code = r"'_penstock_loads' is gone.*bring it back.*--full-refresh", "drift"
    with pytest.raises(DestinationError, match=said) as caught:
        session.commit(checkpoint("b", [order(2)]))
    assert caught.value.code == code
    session.close()
    if hasattr(place, "folder"):
        assert [p.name for p in commits.iterdir()] == ["1.json"]
        mine.write_bytes(kept)
    assert seen(place) == as_seen([order(1)])
    opened("run2", takeover="always").commit(checkpoint("b", [order(2)]))
    assert seen(place) == as_seen([order(1), order(2)])


@pytest.mark.parametrize("place", ["duckdb", "postgres"], indirect=True)
def test_a_change_while_a_checkpoint_is_kept(opened, place, monkeypatch):
    """What the database says of it is told in words of tables and columns, and nothing is kept."""
    session = opened()
    session.commit(checkpoint("a", [order(1)]))
    append = Writer.append

    def late(*args):
        monkeypatch.undo()
        place.by_hand("ALTER TABLE {} DROP COLUMN note", "orders")
        return append(*args)

    monkeypatch.setattr(Writer, "append", late)
    with pytest.raises(DestinationError, match=r"'note' of table 'orders' is gone"):
        session.commit(checkpoint("b", [order(2)]))
    assert [row["id"] for row in place.rows("orders")] == [1]
    place.by_hand("ALTER TABLE {} ADD COLUMN note TEXT", "orders")
    session.commit(checkpoint("b", [order(2)]))
    assert [row[0] for row in seen(place)] == [1, 2]
