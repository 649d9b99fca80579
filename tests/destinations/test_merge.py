# ruff: noqa: PLR0917 (pytest passes fixtures and parameters by name)
"""Conformance of every destination: every strategy of a merge, and what decides about rows."""

import pyarrow as pa
import pytest
from msgspec.structs import replace
from tests.destinations.orders import KEY, NESTED, as_seen, checkpoint, column, order, seen

from penstock.destinations._doom import Doom
from penstock.destinations.base import Merge, Sort
from penstock.errors import DestinationError
from penstock.plan.hints import Validity
from penstock.shape.schema import DELETED_AT, VALID_FROM, VALID_TO, VERSION, Batch

INSTANT = pa.timestamp("us", "UTC")


def merged(load_id, orders, write, *, run_id="run1", columns=(), **values):
    """A checkpoint of orders, with more columns of the root; `values` are theirs by order."""
    root = NESTED.root
    schema = replace(
        NESTED, tables=(replace(root, columns=(*root.columns, *columns)), *NESTED.tables[1:])
    )
    one = checkpoint(load_id, orders, write=write, schema=NESTED)
    rows = one.batches[0].tables["orders"]
    for found in columns:
        kind = {"bool": pa.bool_(), "bigint": pa.int64(), "timestamp": INSTANT}.get(
            found.type, pa.string()
        )
        rows = rows.append_column(
            found.name, pa.array(values.get(found.name, [None] * len(orders)), kind)
        )
    batch = Batch(tables={**one.batches[0].tables, "orders": rows})
    return replace(one, run_id=run_id, schema=schema, batches=(batch,))


@pytest.mark.parametrize("strategy", ["delete-insert", "upsert"])
def test_rows_of_the_same_key_are_replaced(opened, place, strategy):
    """Rows that are there take the new values, with their children; others stay, new ones come."""
    write = Merge(key=KEY, strategy=strategy)
    session = opened()
    session.commit(checkpoint("a", [order(1), order(2)], write=write))
    done = session.commit(checkpoint("b", [order(2, "new", 1), order(3)], write=write))
    assert done.rows == {"orders": 2, "orders__lines": 3, "orders__lines__notes": 3}
    assert seen(place) == as_seen([order(1), order(2, "new", 1), order(3)])


@pytest.mark.parametrize("place", ["duckdb", "postgres"], indirect=True)
@pytest.mark.parametrize("strategy", ["delete-insert", "upsert"])
@pytest.mark.parametrize(("again", "passes"), [(3, 1), (1, 2)])
def test_batches_are_merged_in_one_pass_where_no_key_comes_twice(
    opened, place, monkeypatch, strategy, again, passes
):
    """Whether or not they are, the last row of a key stays, with what is below it."""
    write = Merge(key=KEY, strategy=strategy)
    session = opened()
    session.commit(checkpoint("a", [order(1), order(2)], write=write))
    found = []
    delete = Doom.delete
    monkeypatch.setattr(Doom, "delete", lambda *a, **k: (found.append(a), delete(*a, **k))[1])
    later = [order(again, "later", 1), order(4)]
    session.commit(checkpoint("b", [order(1, "new")], later, write=write))
    assert len(found) == passes
    kept = {o[0]: o for o in (order(1, "new"), order(2), *later)}
    assert seen(place) == as_seen(kept.values())


def test_upsert_keeps_what_somebody_added(opened, place):
    """A column that is not Penstock's keeps its values in a row that is updated."""
    write = Merge(key=KEY, strategy="upsert")
    session = opened()
    session.commit(checkpoint("a", [order(1)], write=write))
    place.by_hand("ALTER TABLE {} ADD COLUMN mine INTEGER", "orders")
    place.by_hand("UPDATE {} SET mine = 7", "orders")
    session.commit(checkpoint("b", [order(1, "new"), order(2)], write=write))
    assert {row["note"]: row["mine"] for row in place.rows("orders")} == {"new": 7, "": None}


def test_insert_only_leaves_rows_that_are_there(opened, place):
    """A row of a known key is not taken, nor its children."""
    write = Merge(key=KEY, strategy="insert-only")
    session = opened()
    session.commit(checkpoint("a", [order(1)], write=write))
    session.commit(
        checkpoint("b", [order(1, "new", 5), order(2)], [order(2, "later", 4)], write=write)
    )
    assert seen(place) == as_seen([order(1), order(2)])


@pytest.mark.parametrize("key", [(), KEY], ids=["no key", "key"])
def test_merge_key_replaces_sets(opened, place, key):
    """Rows of earlier runs go by the merge key, those of this run stay, in every checkpoint."""
    write = Merge(key=key, merge_key=("note",))
    session = opened()
    session.commit(
        checkpoint("a", [order(1, "mon"), order(2, "mon"), order(3, "tue")], write=write)
    )
    first = merged("b", [order(4, "mon")], write, run_id="run2")
    second = merged("c", [order(5, "mon", 0)], write, run_id="run2")
    session.commit(first)
    session.commit(second)
    assert seen(place) == as_seen([order(3, "tue"), order(4, "mon"), order(5, "mon", 0)])


@pytest.mark.parametrize("key", [KEY, ()])
def test_the_column_of_a_merge_key_may_come_later(opened, place, key):
    """A table of declared columns has none for it before the first record."""
    write = Merge(key=key, merge_key=("set",))
    session = opened()
    session.commit(replace(checkpoint("a", [], write=write), batches=()))
    sets = {"columns": [column("set")], "set": ["x", "y"]}
    session.commit(merged("b", [order(1), order(2)], write, **sets))
    session.commit(merged("c", [order(3), order(4)], write, run_id="run2", **sets))
    assert seen(place) == as_seen([order(3), order(4)])


@pytest.mark.parametrize(("descending", "kept"), [(True, "b"), (False, "a")])
def test_dedup_sort_decides_among_rows_of_one_run(opened, place, descending, kept):
    """Of the rows that a run brings of one key the greatest stays, whichever came last."""
    write = Merge(key=KEY, sort=Sort(column="rank", descending=descending))
    rank = (column("rank", "bigint"),)
    session = opened()
    session.commit(merged("x", [order(1, "old")], write, columns=rank, rank=[99]))
    session.commit(merged("y", [order(1, "b")], write, run_id="run2", columns=rank, rank=[2]))
    session.commit(merged("z", [order(1, "a", 1)], write, run_id="run2", columns=rank, rank=[1]))
    session.commit(merged("w", [order(1, "n", 1)], write, run_id="run2", columns=rank))
    assert seen(place) == as_seen([order(1, kept, 2 if kept == "b" else 1)])


@pytest.mark.parametrize("strategy", ["delete-insert", "upsert"])
@pytest.mark.parametrize("kind", ["bool", "timestamp"])
def test_hard_delete_removes_rows(opened, place, strategy, kind):
    """A row that says so is deleted with its children; one that was never there is not added."""
    write = Merge(key=KEY, strategy=strategy, hard_delete="gone")
    gone = (column("gone", kind),)
    flag = [True, False, True] if kind == "bool" else [0, None, 0]
    session = opened()
    session.commit(merged("a", [order(0), order(9)], write, columns=gone, gone=flag[:2]))
    session.commit(merged("b", [order(1), order(2)], write, columns=gone))
    session.commit(
        merged("c", [order(1), order(2, "new"), order(3)], write, columns=gone, gone=flag)
    )
    assert seen(place) == as_seen([order(9), order(2, "new")])


@pytest.mark.parametrize("strategy", ["delete-insert", "upsert"])
def test_soft_delete_marks_what_is_gone(opened, place, strategy):
    """Rows that a full reading lacks are marked and keep their values; they may come back."""
    write = Merge(key=KEY, strategy=strategy, soft_delete=True)
    deleted = (column(DELETED_AT, "timestamp"),)
    session = opened()
    session.commit(merged("a", [order(1), order(2), order(3)], write, columns=deleted))
    session.commit(merged("b", [order(1)], write, run_id="run2", columns=deleted))
    session.commit(
        merged("c", [order(3)], replace(write, ends=True), run_id="run2", columns=deleted)
    )
    marked = {row["id"]: row[DELETED_AT] is not None for row in place.rows("orders")}
    assert marked == {1: False, 2: True, 3: False}
    assert seen(place) == as_seen([order(1), order(2), order(3)])
    session.commit(
        merged("d", [order(2)], replace(write, ends=True), run_id="run3", columns=deleted)
    )
    assert {r["id"]: r[DELETED_AT] is not None for r in place.rows("orders")} == {
        1: True,
        2: False,
        3: True,
    }


HISTORY = (column(VERSION), column(VALID_FROM, "timestamp"), column(VALID_TO, "timestamp"))


def version(load_id, orders, run_id, *, ends=True, key=KEY, merge_key=()):
    write = Merge(key=key, merge_key=merge_key, strategy="scd2", ends=ends)
    digests = [f"{number}{note}" for number, note, _ in orders]
    return merged(load_id, orders, write, run_id=run_id, columns=HISTORY, **{VERSION: digests})


def history(place):
    """The versions of each order, and which of them are valid."""
    return sorted((r["id"], r["note"], r[VALID_TO] is None) for r in place.rows("orders"))


@pytest.mark.parametrize("key", [(), KEY], ids=["no key", "key"])
def test_scd2_keeps_every_version(opened, place, key):
    """A row that changed gets a new version, one that is gone is retired, one as before stays."""
    session = opened()
    session.commit(version("a", [order(1), order(2), order(3)], "run1", key=key))
    session.commit(version("b", [order(1), order(2, "new", 1)], "run2", key=key))
    assert history(place) == [(1, "", True), (2, "", False), (2, "new", True), (3, "", False)]
    lines = {row["value"] for row in place.rows("orders__lines")}
    assert lines == {"1.0", "1.1", "2.0", "2.1", "3.0", "3.1"}
    assert len(place.rows("orders__lines")) == 7
    old, new = (
        next(r for r in place.rows("orders") if r["note"] == n and r["id"] == 2)
        for n in ("", "new")
    )
    assert old[VALID_TO] == new[VALID_FROM]
    session.commit(version("c", [order(2, "new", 1), order(3)], "run3", key=key))
    assert history(place) == [
        *((1, "", False), (2, "", False), (2, "new", True)),
        *((3, "", False), (3, "", True)),
    ]


def test_scd2_retires_only_after_all_was_read(opened, place):
    """A reading of several checkpoints retires nothing before its last one."""
    session = opened()
    session.commit(version("a", [order(1), order(2), order(3)], "run1"))
    session.commit(version("b", [order(1)], "run2", ends=False))
    assert all(valid for _, _, valid in history(place))
    session.commit(version("c", [order(2)], "run2"))
    assert history(place) == [(1, "", True), (2, "", True), (3, "", False)]
    assert place.rows("_penstock_seen") == []


def test_scd2_with_a_merge_key_retires_nothing_that_is_not_brought(opened, place):
    """With a merge key a reading is not taken for everything there is."""
    session = opened()
    session.commit(version("a", [order(1), order(2)], "run1", key=(), merge_key=KEY))
    session.commit(version("b", [order(1, "new")], "run2", key=(), merge_key=KEY))
    assert history(place) == [(1, "", False), (1, "new", True), (2, "", True)]


@pytest.mark.parametrize("key", [(), KEY], ids=["no key", "key"])
def test_scd2_retires_in_the_sets_that_came(opened, place, key):
    """Of a set that came in two checkpoints, what neither of them had ends; others stay."""
    session, by = opened(), {"key": key, "merge_key": ("note",)}
    first = [order(n, "red") for n in (1, 2, 3)] + [order(n, "blue") for n in (4, 5)]
    session.commit(version("a", first, "run1", **by))
    session.commit(version("b", [order(1, "red")], "run2", ends=False, **by))
    session.commit(version("c", [order(6, "green")], "run2", ends=False, **by))
    session.commit(version("d", [order(7, "red")], "run2", **by))
    valid = sorted((number, note) for number, note, holds in history(place) if holds)
    assert valid == [(1, "red"), (4, "blue"), (5, "blue"), (6, "green"), (7, "red")]
    assert len(history(place)) == 7


def test_scd2_without_a_record_retires_nothing(opened, place):
    """A reading that brings nothing says nothing of what there is."""
    session = opened()
    session.commit(version("a", [order(1), order(2)], "run1"))
    session.commit(version("b", [], "run2"))
    assert history(place) == [(1, "", True), (2, "", True)]


def test_scd2_retires_what_only_a_run_that_was_cut_off_met(opened, place):
    """What such a run has met says nothing of what the next one lacks."""
    session = opened()
    session.commit(version("a", [order(1), order(2)], "run1"))
    session.commit(version("b", [order(1), order(2)], "run2", ends=False))
    session.commit(version("c", [order(1)], "run3"))
    assert history(place) == [(1, "", True), (2, "", False)]


def test_scd2_retires_all_where_others_came(opened, place):
    """A run whose last checkpoint is empty has brought something before."""
    session = opened()
    session.commit(version("a", [order(1), order(2)], "run1"))
    session.commit(version("b", [order(3)], "run2", ends=False))
    session.commit(version("c", [], "run2"))
    assert history(place) == [(1, "", False), (2, "", False), (3, "", True)]


EVER = "9999-12-31T00:00:00+00:00"
SAID = Validity(since="von", until="bis", version="rev", forever=EVER, at="2024-02-03T04:05:06Z")
NAMED = (column("von", "timestamp"), column("bis", "timestamp"), column("rev", "bigint"))


def test_scd2_with_columns_and_moments_that_are_said(opened, place):
    """A column of the records tells versions apart, and moments are as the document says."""
    session = opened()

    def commit(load_id, run, orders, at):
        write = Merge(strategy="scd2", ends=True, validity=replace(SAID, at=at))
        revisions = [int(note or 0) for _, note, _ in orders]
        rows = merged(load_id, orders, write, run_id=run, columns=NAMED, rev=revisions)
        session.commit(rows)

    def held(row):
        return row["id"], row["rev"], *(f"{row[c]:%Y-%m-%d}" for c in ("von", "bis"))

    commit("a", "run1", [order(1, "1"), order(2, "2")], "2024-02-03T04:05:06Z")
    commit("b", "run2", [order(1, "1", 1), order(2, "3")], "2024-03-03T04:05:06Z")
    assert sorted(map(held, place.rows("orders"))) == [
        (1, 1, "2024-02-03", "9999-12-31"),
        (2, 2, "2024-02-03", "2024-03-03"),
        (2, 3, "2024-03-03", "9999-12-31"),
    ]
    lines = sorted(row["value"] for row in place.rows("orders__lines"))
    assert lines == ["1.0", "1.1", "2.0", "2.0", "2.1", "2.1"]


def test_merge_without_a_key_is_refused(opened, place):
    """Rows cannot be merged by nothing."""
    with pytest.raises(DestinationError, match="'orders' is merged without a key"):
        opened().commit(checkpoint("a", [order(1)], write=Merge()))
    assert "orders" not in place.tables()


def test_rows_must_have_what_they_are_merged_by(opened):
    """Rows without a column of the key are refused."""
    session = opened()
    session.commit(checkpoint("a", [order(1)], write=Merge(key=KEY)))
    with pytest.raises(DestinationError, match="rows of 'orders' lack other, by which"):
        session.commit(checkpoint("b", [order(1)], write=Merge(key=("other",))))
