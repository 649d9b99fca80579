"""Datasets of files beyond what every destination promises: stores, logs, readers, failures."""

from __future__ import annotations

import errno
import os
import resource
import socket

import duckdb
import pytest
from deltalake import DeltaTable, write_deltalake
from msgspec.structs import replace
from tests.destinations.orders import (
    FLAT,
    KEY,
    STREAM,
    as_seen,
    checkpoint,
    order,
    seen,
)
from tests.destinations.places import PLACES, SCHEMA, Opener
from tests.destinations.s3_server import environment, fresh_bucket, objects

import penstock
from penstock.destinations import _lake_log as log
from penstock.destinations import _lake_rework as rework
from penstock.destinations import _lake_session as lake_session
from penstock.destinations import open_destination
from penstock.destinations._lake_store import LocalStore, RemoteStore
from penstock.destinations.base import Append, Merge, Owner, Replace
from penstock.errors import DestinationError, FencedError, LockedError

MERGE = Merge(key=KEY)


@pytest.fixture(params=["parquet", "delta"])
def place(request, tmp_path):
    return PLACES[request.param](tmp_path)


@pytest.fixture
def opened(place):
    opener = Opener(place)
    yield opener
    opener.close()


def in_dataset(found):
    """The orders of a dataset, as `seen` puts them together."""

    class Eyes:
        def rows(self, table):
            return found.table(table).to_pylist()

    return seen(Eyes())


def files_of(place):
    return set(place.folder.glob("orders*/*.parquet"))


# Readers.


def test_a_dataset_stays_as_it_was_opened(opened, place):
    """A reader keeps the commit it opened, whatever is committed later."""
    session = opened()
    session.commit(checkpoint("a", [order(1), order(2)]))
    before = penstock.dataset(str(place.folder))
    session.commit(checkpoint("b", [order(3)], write=Replace(generation="g", swap=True)))
    session.commit(checkpoint("c", [order(3, "new")], write=MERGE))
    assert in_dataset(before) == as_seen([order(1), order(2)])
    assert in_dataset(before.refreshed()) == as_seen([order(3, "new")])
    assert before.tables == ("orders", "orders__lines", "orders__lines__notes")


def test_duckdb_and_pyarrow_read_a_dataset(opened, place):
    """Its files are plain Parquet, and lists of them are what any reader takes."""
    opened().commit(checkpoint("a", [order(1), order(2)]))
    found = penstock.dataset(place.url, db_schema=SCHEMA)
    assert duckdb.sql(f"SELECT count(*) FROM {found.sql('orders__lines')}").fetchall() == [(4,)]
    assert found.dataset("orders").count_rows() == 2
    [loaded] = found.table("_penstock_loads").to_pylist()
    assert (loaded["load_id"], loaded["sequence"]) == ("a", 1)
    with pytest.raises(KeyError, match="no table 'nothing'; there are orders, orders__lines"):
        found.files("nothing")


def test_a_dataset_is_found_from_the_folder_around(opened, place):
    """The folder that holds one schema stands for it; of several, one must be named."""
    opened().commit(checkpoint("a", [order(1)]))
    assert penstock.dataset(place.url).commit == 2
    other = Owner(run_id="other", pid=1, host="here")
    open_destination(place.url).open(owner=other, db_schema="second").close()
    with pytest.raises(DestinationError, match=r"several schemas .*db_schema: second, shop"):
        penstock.dataset(place.url)
    with pytest.raises(DestinationError, match="holds no dataset"):
        penstock.dataset(place.url, db_schema="third")


# The log.


def test_a_long_log_is_folded(opened, place):
    """Opening reads a snapshot and few commits; old commits go, nothing else does."""
    session = opened()
    for number in range(3 * log.EVERY):
        session.commit(checkpoint(f"load {number}", schema=None, state=(("n", str(number)),)))
    session.close()
    folder = place.folder / "_penstock"
    assert len(list((folder / "commits").iterdir())) < 2 * log.EVERY + 10
    assert len(list((folder / "snapshots").iterdir())) == 2
    peek = opened.destination().peek(SCHEMA)
    assert peek.sequences == {STREAM: 3 * log.EVERY}
    assert peek.state == {STREAM: {"n": str(3 * log.EVERY - 1)}}
    again = opened("run2")
    assert again.commit(checkpoint("load 7", schema=None)).already


def test_a_missing_commit_is_said(opened, place):
    """A log with a hole is never read past it."""
    session = opened()
    session.commit(checkpoint("a", [order(1)]))
    session.commit(checkpoint("b", [order(2)]))
    session.close()
    (place.folder / "_penstock" / "commits" / "2.json").unlink()
    with pytest.raises(DestinationError, match="commit 2 is missing"):
        opened.destination().peek(SCHEMA)


def test_a_newer_format_is_refused(opened, place):
    """What a newer Penstock wrote is not guessed at."""
    opened().close()
    path = place.folder / "_penstock" / "commits" / "1.json"
    path.write_text(path.read_text().replace('"number"', '"format": 99, "number"', 1))
    with pytest.raises(DestinationError, match="newer Penstock"):
        opened("run2")


def test_the_other_kind_is_refused(opened, place):
    """Parquet files are not made of a dataset whose tables are Delta's, nor the other way."""
    opened().close()
    other = {"parquet": "delta", "delta": "parquet"}[place.kind]
    with pytest.raises(DestinationError, match=f"dataset of kind '{place.kind}'"):
        open_destination(f"{other}:{place.path}").open(
            owner=Owner(run_id="x", pid=1, host="h"), db_schema=SCHEMA
        )


# What is swept.


def test_files_out_of_use_stay_for_a_while(tmp_path, monkeypatch):
    """Replaced files are there for readers, and go with a run that comes later."""
    place = PLACES["parquet"](tmp_path)
    opened = Opener(place)
    session = opened()
    session.commit(checkpoint("a", [order(1)]))
    old = files_of(place)
    session.commit(checkpoint("b", [order(2)], write=Replace(generation="g", swap=True)))
    session.close()
    opened("run2").close()
    assert old < files_of(place)
    monkeypatch.setattr(lake_session, "GRACE", -1.0)
    opened("run3").close()
    assert not old & files_of(place)
    assert seen(place) == as_seen([order(2)])


def test_files_of_a_failed_commit_are_removed(opened, place):
    """What was staged for a commit that failed is gone at once."""

    def fault(point):
        if point == "commit:before":
            raise OSError(errno.EIO, "the disk is ill")

    session = opened(fault=fault)
    with pytest.raises(DestinationError, match="the disk is ill"):
        session.commit(checkpoint("a", [order(1)]))
    assert files_of(place) == set()


# Merges touch what they must.


def test_a_merge_reads_only_parts_that_have_its_keys(opened, place):
    """Files without a row of the same key stay as they are."""
    session = opened()
    for number in range(5):
        session.commit(checkpoint(f"{number}", [order(number * 10), order(number * 10 + 1)]))
    before = files_of(place)
    session.commit(checkpoint("m", [order(21, "new")], write=MERGE))
    gone = before - {place.folder / p for t in place.tables() for p in used(place, t)}
    assert len(gone) == 3  # one part: a file of each table
    assert (21, "new", ["21.0", "21.1"], ["21.0!", "21.1!"]) in seen(place)


def used(place, table):
    return [os.path.relpath(p, place.folder) for p in penstock.dataset(place.url).files(table)]


def test_large_parts_are_spread_by_key(opened, place, monkeypatch):
    """A part that grows large is written as several, each with its own children."""
    monkeypatch.setattr(rework, "PART_ROWS", 3)
    session = opened()
    session.commit(checkpoint("a", [order(n) for n in range(10)]))
    session.commit(checkpoint("b", [order(4, "new", 1)], write=MERGE))
    assert len(used(place, "orders")) == 4
    kept = [order(n) for n in range(10) if n != 4]
    assert seen(place) == as_seen([*kept, order(4, "new", 1)])
    before = set(used(place, "orders"))
    session.commit(checkpoint("c", [order(0, "newer")], write=MERGE))
    assert len(before - set(used(place, "orders"))) == 1


# What fails.


class Budget:
    """Lets this process write files of so many bytes, and no more."""

    def __init__(self, most):
        self._most = most

    def __enter__(self):
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._most, self._before[1]))

    def __exit__(self, *_):
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


@pytest.mark.parametrize("write", [Append(), MERGE, Replace(generation="g", swap=True)], ids=repr)
def test_a_full_disk_leaves_the_last_checkpoint(opened, place, write):
    """A file that cannot be written in full is said with the way out; a second try completes."""
    session = opened()
    session.commit(checkpoint("a", [order(1)]))
    many = checkpoint("b", [order(n, "x" * 50) for n in range(2, 400)], write=write)
    with Budget(4000), pytest.raises(DestinationError, match=r"free disk space.*run again"):
        session.commit(many)
    assert seen(place) == as_seen([order(1)])
    session.close()
    assert opened("run2").commit(replace(many, run_id="run2")).already is False
    assert len(seen(place)) == (398 if isinstance(write, Replace) else 399)


def test_a_folder_that_may_not_be_written(opened, place, monkeypatch):
    """Missing rights are said with the way out."""
    session = opened()
    session.commit(checkpoint("a", [order(1)]))

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied", str(place.folder))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(DestinationError, match=r"Permission denied.*let this user write there"):
        session.commit(checkpoint("b", [order(2)]))
    monkeypatch.undo()
    session.commit(checkpoint("b", [order(2)]))
    assert seen(place) == as_seen([order(1), order(2)])


@pytest.mark.parametrize("damage", ["gone", "cut off"])
def test_a_file_that_somebody_damaged_is_said(opened, place, damage):
    """Rows are not added to a table of which somebody deleted or damaged a file."""
    session = opened()
    for load in "ab":
        session.commit(checkpoint(load, [order(ord(load))]))
    path = place.folder / used(place, "orders")[0]
    whole = path.read_bytes()
    path.unlink()
    said = r"of table 'orders' is gone.*--full-refresh"
    if damage == "cut off":
        path.write_bytes(whole[:50])
        said = r"cannot be read.*--full-refresh"
    one = checkpoint("c", [order(97, "new")], write=MERGE)
    with pytest.raises(DestinationError, match=said) as caught:
        session.commit(one)
    assert caught.value.code == "drift"
    path.write_bytes(whole)
    session.commit(one)
    assert seen(place) == as_seen([order(97, "new"), order(98)])
    path.unlink(missing_ok=True)
    session.commit(checkpoint("d", [order(4)], write=Replace(generation="g", swap=True)))
    assert seen(place) == as_seen([order(4)])


def test_a_paused_run_is_fenced_though_the_log_was_folded(opened, place, monkeypatch):
    """A run that wakes up after its commits were folded away cannot commit into the gap."""
    monkeypatch.setattr(log, "EVERY", 2)
    first = opened("first")
    first.commit(checkpoint("a", [order(1)]))
    second = opened("second", takeover="always")
    for number in range(8):
        second.commit(checkpoint(f"b{number}", schema=None))
    with pytest.raises(FencedError, match="run second"):
        first.commit(checkpoint("c", [order(2)]))
    first.close()
    assert not opened.destination().peek(SCHEMA).released
    assert seen(place) == as_seen([order(1)])


def test_a_file_system_without_links_is_refused(opened, monkeypatch):
    """Where two runs could not be told apart, nothing is written."""

    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(DestinationError, match=r"does not have hard links.*another place"):
        opened()


# Delta tables, as others see and change them.


@pytest.fixture
def delta(tmp_path):
    opener = Opener(PLACES["delta"](tmp_path))
    yield opener
    opener.close()


def table_at(place, name="orders"):
    return DeltaTable(str(place.folder / name))


def test_a_delta_commit_says_which_checkpoint_it_is(delta):
    """The app transaction has the number of the log, the commit info the load."""
    session = delta()
    session.commit(checkpoint("a", [order(1)]))
    session.commit(checkpoint("b", [order(2)]))
    table = table_at(delta.place)
    assert table.version() == 1
    assert table.transaction_version("penstock") == 3
    assert table.history(1)[0]["penstock"]["load_id"] == "b"


@pytest.mark.parametrize("write", [Append(), MERGE], ids=repr)
def test_a_compacted_table_is_taken_over(delta, write):
    """What somebody compacted is neither lost nor doubled, children included."""
    session = delta()
    for number in range(4):
        session.commit(checkpoint(f"{number}", [order(number)], write=write))
    for name in ("orders", "orders__lines"):
        table_at(delta.place, name).optimize.compact()
    session.commit(checkpoint("m", [order(2, "new", 1), order(9)], write=MERGE))
    kept = [order(0), order(1), order(2, "new", 1), order(3), order(9)]
    assert seen(delta.place) == as_seen(kept)
    table_at(delta.place).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    session.close()
    again = delta("run2")
    again.commit(checkpoint("n", [order(10)]))
    assert seen(delta.place) == as_seen([*kept, order(10)])


def test_rows_deleted_by_somebody_stay_deleted(delta):
    """A row that somebody deleted with Delta's own means does not come back."""
    session = delta()
    session.commit(checkpoint("a", [order(1, lines=0), order(2, lines=0)], schema=FLAT))
    table_at(delta.place).delete("id = 1")
    session.commit(checkpoint("b", [order(3, lines=0)], schema=FLAT))
    assert {row["id"] for row in delta.place.rows("orders")} == {2, 3}


@pytest.mark.parametrize("rule", ["not null", "check"])
def test_a_rule_on_a_delta_table_is_not_broken(delta, rule):
    """Delta's rules are kept by whoever writes: Penstock refuses what it does not check."""
    session = delta()
    session.commit(checkpoint("a", [order(1)]))
    if rule == "check":
        table_at(delta.place).alter.add_constraint({"small": "id < 10"})
    else:
        rows = table_at(delta.place).to_pyarrow_table()
        number = rows.schema.get_field_index("id")
        field = rows.schema.field(number).with_nullable(nullable=False)
        write_deltalake(
            str(delta.place.folder / "orders"),
            rows.cast(rows.schema.set(number, field)),
            mode="overwrite",
            schema_mode="overwrite",
        )
    with pytest.raises(DestinationError, match=r"rule '(small|id)'.*(drop|take back)"):
        session.commit(checkpoint("b", [order(11)]))
    assert seen(delta.place) == as_seen([order(1)])
    if rule == "check":
        with pytest.raises(DestinationError, match="drop it, then run again"):
            session.commit(checkpoint("b", [order(11)], write=Replace(generation="g", swap=True)))
        table_at(delta.place).alter.drop_constraint("small")
    session.commit(checkpoint("c", [order(12)], write=Replace(generation="g", swap=True)))
    session.commit(checkpoint("d", [order(13)]))
    assert seen(delta.place) == as_seen([order(12), order(13)])


def test_a_run_that_could_not_show_is_completed(delta):
    """What was decided and not shown is shown by the next run, before anything else."""

    def fault(point):
        if point == "commit:shown":
            raise OSError(errno.EIO, "the disk is ill")

    session = delta(fault=fault)
    with pytest.raises(DestinationError, match="the disk is ill"):
        session.commit(checkpoint("a", [order(1)]))
    assert delta.place.tables() == {"orders"}
    assert in_dataset(penstock.dataset(delta.place.url)) == as_seen([order(1)])
    session.close()
    again = delta("run2")
    assert seen(delta.place) == as_seen([order(1)])
    assert again.commit(checkpoint("a", [order(1)])).already


# An object store.


@pytest.fixture
def bucket(monkeypatch):
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    return fresh_bucket()


def run_on(bucket, run_id, pid=None, host=None, **more):
    owner = Owner(run_id=run_id, pid=pid or os.getpid(), host=host or socket.gethostname())
    url = f"parquet:s3://{bucket}/lake"
    return open_destination(url).open(owner=owner, db_schema=SCHEMA, **more)


def test_an_object_store_is_written_and_read(bucket):
    """Every write mode works on S3, and a reader finds it there."""
    session = run_on(bucket, "first")
    session.commit(checkpoint("a", [order(1), order(2)], state=(("x", "1"),)))
    session.commit(checkpoint("b", [order(2, "new", 1), order(3)], write=MERGE))
    found = penstock.dataset(f"s3://{bucket}/lake")
    assert in_dataset(found) == as_seen([order(1), order(2, "new", 1), order(3)])
    session.commit(checkpoint("c", [order(4)], write=Replace(generation="g", swap=True)))
    assert session.commit(checkpoint("c", [order(4)])).already
    session.close()
    assert in_dataset(found.refreshed()) == as_seen([order(4)])
    assert open_destination(f"parquet:s3://{bucket}/lake").peek(SCHEMA).state == {
        STREAM: {"x": "1"}
    }
    assert not [name for name in objects(bucket) if "probe" in name]


def test_two_runs_on_an_object_store(bucket):
    """One of two runs is refused; one that was taken over can commit nothing."""
    first = run_on(bucket, "first", host="elsewhere", pid=1)
    with pytest.raises(LockedError, match=r"run first \(PID 1 on elsewhere\).*--takeover"):
        run_on(bucket, "second")
    second = run_on(bucket, "second", takeover="always")
    with pytest.raises(FencedError, match="run second"):
        first.commit(checkpoint("a", [order(1)]))
    second.commit(checkpoint("b", [order(2)]))
    assert in_dataset(penstock.dataset(f"s3://{bucket}/lake")) == as_seen([order(2)])
    first.close()
    second.close()


def test_a_store_that_puts_twice_is_refused(bucket, monkeypatch):
    """A store that ignores the condition of a write is found out before anything is written."""
    monkeypatch.setattr(RemoteStore, "create", lambda *_: True)
    with pytest.raises(DestinationError, match=r"conditional writes \(If-None-Match\)"):
        run_on(bucket, "first")


def test_a_lost_answer_of_an_object_store_is_looked_up(bucket):
    """A put whose answer was lost, and that is sent again, finds that it succeeded."""
    store = RemoteStore(f"s3://{bucket}/lake")
    assert store.create("x.json", b"mine")
    assert store.create("x.json", b"mine")
    assert not store.create("x.json", b"another's")
    assert store.read("x.json") == b"mine"


def test_a_local_file_is_made_once(tmp_path):
    """Of two who make a file of one name, the second is told, and the first's stays."""
    store = LocalStore(tmp_path / "lake" / "shop")
    (tmp_path / "lake").mkdir()
    assert store.create("_penstock/x.json", b"first")
    assert not store.create("_penstock/x.json", b"second")
    assert store.read("_penstock/x.json") == b"first"
    assert [p.name for p in (tmp_path / "lake/shop/_penstock").iterdir()] == ["x.json"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("parquet:", "needs a folder .name one, as in parquet:lake"),
        ("delta:", "is a folder of this machine .*delta:lake"),
        ("delta:s3://bucket/x", "parquet:s3://… loads into an object store"),
        ("parqet:lake", "did you mean 'parquet'"),
        ("dleta:lake", "did you mean 'delta'"),
    ],
)
def test_a_wrong_url_is_told_the_right_one(url, said):
    """A slip of the pen is answered with what was meant."""
    with pytest.raises(DestinationError, match=said):
        open_destination(url)
