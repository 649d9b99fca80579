"""Conformance of every destination: rows, by write mode."""

import pytest
from msgspec.structs import replace
from tests.destinations.orders import (
    FLAT,
    KEY,
    NESTED,
    as_seen,
    batch,
    checkpoint,
    order,
    root_table,
    seen,
)

from penstock.destinations.base import Append, Merge, Replace
from penstock.errors import DestinationError
from penstock.shape.schema import LOAD_ID, Schema

MERGE = Merge(key=KEY)


def build(generation, *, swap=False):
    return Replace(generation=generation, swap=swap)


def test_append_adds_rows_of_every_table(opened, place):
    """Append adds the rows of root and child tables, and counts them."""
    done = opened().commit(checkpoint("a", [order(1), order(2, lines=0)], [order(3)]))
    assert done.rows == {"orders": 3, "orders__lines": 4, "orders__lines__notes": 4}
    assert not done.already
    assert seen(place) == as_seen([order(1), order(2, lines=0), order(3)])


@pytest.mark.parametrize("write", [Append(), MERGE, build("g", swap=True)], ids=repr)
def test_checkpoint_is_kept_once(opened, place, write):
    """A checkpoint that the ledger knows is not applied again, in this run or the next."""
    first = opened()
    one = checkpoint("a", [order(1)], write=write, state=(("page", "1"),))
    first.commit(one)
    assert first.commit(one).already
    first.close()
    again = opened("run2").commit(one)
    assert again.already
    assert again.rows == {}
    assert seen(place) == as_seen([order(1)])


def test_merge_replaces_rows_and_everything_below(opened, place):
    """Merge replaces rows of the same key with all their children, and keeps the others."""
    session = opened()
    session.commit(checkpoint("a", [order(1), order(2), order(3)], write=MERGE))
    session.commit(checkpoint("b", [order(2, "new", 1), order(4)], write=MERGE))
    assert seen(place) == as_seen([order(1), order(2, "new", 1), order(3), order(4)])


def test_merge_applies_batches_in_order(opened, place):
    """A later batch of a checkpoint replaces rows of an earlier one, in a new table too."""
    session = opened()
    session.commit(checkpoint("a", [order(1, "old")], [order(1, "new", 1)], write=MERGE))
    assert seen(place) == as_seen([order(1, "new", 1)])


def test_merge_deletes_children_that_newer_records_lack(opened, place):
    """Merge removes old children even where the new rows come with the root table only."""
    session = opened()
    session.commit(checkpoint("a", [order(1), order(2)], write=MERGE))
    session.commit(checkpoint("b", [order(1, lines=0)], write=MERGE, schema=FLAT))
    assert seen(place) == as_seen([order(1, lines=0), order(2)])


def test_merge_by_several_columns(opened, place):
    """Rows are the same only if all columns of the key are."""
    session = opened()
    both = Merge(key=("id", "note"))
    session.commit(checkpoint("a", [order(1, "x"), order(1, "y")], write=both))
    session.commit(checkpoint("b", [order(1, "y", 0)], write=both))
    assert seen(place) == as_seen([order(1, "x"), order(1, "y", 0)])


def test_merge_keeps_rows_without_a_key(opened, place):
    """A null key is equal to no other, so that no such row is lost."""
    session = opened()
    session.commit(checkpoint("a", [(None, "first", [])], write=MERGE))
    session.commit(checkpoint("b", [(None, "second", [])], write=MERGE))
    assert {row["note"] for row in place.rows("orders")} == {"first", "second"}


def test_replace_shows_nothing_before_the_swap(opened, place):
    """A reader sees the old rows until the generation is complete, then only the new ones."""
    session = opened()
    session.commit(checkpoint("a", [order(1), order(2)]))
    session.commit(checkpoint("b", [order(3)], write=build("g")))
    session.commit(checkpoint("c", [order(4)], write=build("g")))
    assert seen(place) == as_seen([order(1), order(2)])
    session.commit(checkpoint("d", [order(5)], write=build("g", swap=True)))
    assert seen(place) == as_seen([order(3), order(4), order(5)])
    assert not [t for t in place.tables() if "__penstock_" in t]


def test_replace_swaps_without_rows(opened, place):
    """The checkpoint that swaps may bring no rows and no schema."""
    session = opened()
    session.commit(checkpoint("a", [order(1)]))
    session.commit(checkpoint("b", [order(2)], write=build("g")))
    session.commit(checkpoint("c", schema=None, write=build("g", swap=True)))
    assert seen(place) == as_seen([order(2)])


def test_replace_by_nothing_empties_the_tables(opened, place):
    """An empty source leaves empty tables, children included."""
    session = opened()
    session.commit(checkpoint("a", [order(1)]))
    session.commit(checkpoint("b", schema=None, write=build("g", swap=True)))
    assert seen(place) == []
    assert session.schema("orders") == NESTED


def test_replace_of_an_unknown_stream_by_nothing(opened, place):
    """A source that was always empty has no tables, and its state is kept all the same."""
    session = opened()
    session.commit(
        checkpoint("a", schema=None, write=build("g", swap=True), state=(("done", "true"),))
    )
    assert "orders" not in place.tables()
    assert session.state("orders") == {"done": "true"}


def test_replace_empties_tables_that_the_new_generation_lacks(opened, place):
    """Tables and columns that no newer record has stay, empty: a view may need them."""
    session = opened()
    old = Schema(
        stream="orders", tables=(root_table(NESTED.tables[1].columns[0]), *NESTED.tables[1:])
    )
    session.commit(checkpoint("a", [order(1)], schema=old))
    session.commit(checkpoint("b", [order(2, lines=0)], schema=FLAT, write=build("g", swap=True)))
    assert seen(place) == as_seen([order(2, lines=0)])
    assert place.rows("orders")[0]["value"] is None
    assert {t.name for t in session.schema("orders").tables} == {t.name for t in NESTED.tables}


def test_replace_grows_while_it_is_built(opened, place):
    """The tables of a generation follow its schema; the stored schema follows the swap."""
    session = opened()
    session.commit(checkpoint("a", [order(1)], schema=FLAT))
    session.commit(checkpoint("b", [order(2, lines=0)], schema=FLAT, write=build("g")))
    session.commit(checkpoint("c", [order(3)], schema=NESTED, write=build("g")))
    assert session.schema("orders") == FLAT
    session.commit(checkpoint("d", schema=None, write=build("g", swap=True)))
    assert seen(place) == as_seen([order(2, lines=0), order(3)])
    session.close()
    assert opened("run2").schema("orders") == NESTED


def test_new_generation_gives_the_old_one_up(opened, place):
    """Rows of a generation that was not finished never show."""
    session = opened()
    session.commit(checkpoint("a", [order(1)]))
    session.commit(checkpoint("b", [order(2)], write=build("g1")))
    session.commit(checkpoint("c", [order(3)], write=build("g2", swap=True)))
    assert seen(place) == as_seen([order(3)])
    assert not [t for t in place.tables() if "__penstock_" in t]


def test_dead_generation_is_dropped_and_cannot_go_on(opened, place):
    """A generation ends with its session: its tables are dropped, more rows are refused."""
    first = opened()
    first.commit(checkpoint("a", [order(1)]))
    first.commit(checkpoint("b", [order(2)], write=build("g")))
    first.close()
    second = opened("run2")
    assert not [t for t in place.tables() if "__penstock_" in t]
    for load_id in ("b", "c"):
        with pytest.raises(DestinationError, match=r"'g' was given up .* \(read the stream from"):
            second.commit(checkpoint(load_id, [order(3)], write=build("g", swap=True)))
    assert seen(place) == as_seen([order(1)])


def test_shown_generation_takes_no_more_rows(opened, place):
    """A generation that was swapped in is complete."""
    session = opened()
    session.commit(checkpoint("a", [order(1)], write=build("g", swap=True)))
    with pytest.raises(DestinationError, match="'g' is shown already"):
        session.commit(checkpoint("b", [order(2)], write=build("g")))
    assert seen(place) == as_seen([order(1)])


@pytest.mark.parametrize("write", [Append(), MERGE], ids=repr)
def test_retract_removes_what_a_load_brought(opened, place, write):
    """Retracted loads lose their rows in all tables, before the new rows come."""
    session = opened()
    session.commit(checkpoint("a", [order(1), order(2)]))
    session.commit(checkpoint("b", [order(3)]))
    session.commit(checkpoint("c", [order(1, "again")], write=write, retract=("a", "zzz")))
    assert seen(place) == as_seen([order(1, "again"), order(3)])


def test_retract_without_rows(opened, place):
    """A retraction needs no rows and no schema."""
    session = opened()
    session.commit(checkpoint("a", [order(1)]))
    session.commit(checkpoint("b", [order(2)]))
    session.commit(checkpoint("c", schema=None, retract=("a",)))
    assert seen(place) == as_seen([order(2)])


def test_retract_within_a_generation(opened, place):
    """In a replace, a retraction takes rows out of the generation, not out of the shown tables."""
    session = opened()
    session.commit(checkpoint("a", [order(1)]))
    session.commit(checkpoint("b", [order(2)], write=build("g")))
    session.commit(checkpoint("c", [order(3)], write=build("g"), retract=("a", "b")))
    assert seen(place) == as_seen([order(1)])
    session.commit(checkpoint("d", schema=None, write=build("g", swap=True)))
    assert seen(place) == as_seen([order(3)])


def test_retract_while_the_schema_grows(opened, place):
    """Rows can be retracted in the checkpoint that brings a new column and a new table."""
    session = opened()
    session.commit(checkpoint("a", [order(1, lines=0)], schema=FLAT))
    session.commit(checkpoint("b", [order(2)], schema=NESTED, retract=("a",)))
    assert seen(place) == as_seen([order(2)])


def test_empty_checkpoint_makes_declared_tables(opened, place):
    """A schema without rows still makes its tables."""
    opened().commit(checkpoint("a"))
    assert seen(place) == []


def test_rows_without_schema_are_refused(opened, place):
    """Rows that no schema describes are refused, and nothing is written."""
    session = opened()
    rows = (batch("a", [order(1)]),)
    with_rows = replace(checkpoint("a", schema=None), batches=rows)
    with pytest.raises(DestinationError, match="has rows but no schema"):
        session.commit(with_rows)
    assert "orders" not in place.tables()


def test_rows_of_an_unknown_table_are_refused(opened):
    """Rows of a table that the schema lacks are refused."""
    extra = replace(checkpoint("a", schema=FLAT), batches=(batch("a", [order(1)]),))
    with pytest.raises(DestinationError, match="'orders__lines', which the schema does not have"):
        opened().commit(extra)


def test_every_row_names_its_load(opened, place):
    """Each row tells which checkpoint brought it."""
    session = opened()
    session.commit(checkpoint("a", [order(1)]))
    session.commit(checkpoint("b", [order(2)]))
    assert {row["id"]: row[LOAD_ID] for row in place.rows("orders")} == {1: "a", 2: "b"}
