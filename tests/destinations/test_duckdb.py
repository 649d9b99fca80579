"""What is DuckDB's own: the file, its lock, its name, and what a full disk does."""

import os
import subprocess
import sys
import threading
import time

import duckdb
import pyarrow as pa
import pytest
from msgspec.structs import replace
from tests.destinations.orders import as_seen, checkpoint, column, order, seen
from tests.destinations.places import SCHEMA, DuckDBPlace

from penstock.destinations import _newfile, open_destination
from penstock.destinations.base import Append, Checkpoint, Merge, Owner, no_fault
from penstock.destinations.duckdb import SETTINGS, DuckDB
from penstock.errors import DestinationError, LockedError
from penstock.shape.schema import LOAD_ID, Batch, Schema, Table, TableColumn

OWNER = Owner(run_id="run1", pid=1, host="h")


def take(path, fault=no_fault, **more):
    return DuckDB(str(path), fault=fault).open(owner=OWNER, db_schema=SCHEMA, **more)


@pytest.fixture
def held(tmp_path):
    """A database file that another process has open, and that process."""
    path = tmp_path / "held.duckdb"
    duckdb.connect(str(path)).close()
    code = f"import duckdb; c = duckdb.connect({str(path)!r}); print('held', flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield path, process
    process.stdin.close()
    process.wait(10)
    process.stdout.close()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("a/b.duckdb", "a/b.duckdb"),
        ("b.DB", "b.DB"),
        ("duckdb:///tmp/x y%20.bin", "/tmp/x y%20.bin"),
        ("duckdb://a/b", "a/b"),
        ("DuckDB:b", "b"),
    ],
)
def test_url_forms(url, path):
    """A path stands for itself; a URL's path is what follows the slashes, as it is written."""
    assert str(open_destination(url).path) == path


@pytest.mark.parametrize("url", ["duckdb://", "duckdb::memory:", "duckdb:"])
def test_no_file_is_an_error(url):
    """An in-memory database would be lost with the run."""
    with pytest.raises(DestinationError, match=r"is a file.*as in chat\.duckdb"):
        open_destination(url)


def test_file_of_another_process_names_it(held):
    """A database that another process has open is refused at once, with that process's id."""
    path, process = held
    before = time.monotonic()
    with pytest.raises(LockedError, match=rf"another process \(PID {process.pid}\).*wait for it"):
        take(path)
    assert time.monotonic() - before < 2
    with pytest.raises(LockedError, match=rf"PID {process.pid}"):
        DuckDB(str(path)).peek(SCHEMA)


def test_waits_for_another_process(held):
    """A run that may wait goes on as soon as the other process lets go."""
    path, process = held
    threading.Timer(0.2, process.stdin.close).start()
    session = take(path, wait=20)
    assert session.state("x") == {}
    session.close()


def test_backoff_stops_at_the_deadline(held):
    """Waiting ends when the time is up, without a pause beyond it."""
    path, _ = held
    now = 0.0

    def sleep(seconds):
        nonlocal now
        now += seconds

    destination = DuckDB(str(path), clock=lambda: now, sleep=sleep)
    with pytest.raises(LockedError):
        destination.open(owner=OWNER, db_schema=SCHEMA, wait=3.0)
    assert now == pytest.approx(3.0)


def test_creation_leaves_one_file(tmp_path):
    """After a clean end there is the database and nothing beside it."""
    session = take(tmp_path / "x.duckdb")
    session.commit(checkpoint("a", [order(1)]))
    session.close()
    assert [p.name for p in tmp_path.iterdir()] == ["x.duckdb"]


def test_database_is_whole_when_its_name_appears(tmp_path):
    """Before the file has its name it does not exist; once it has, it is complete."""
    path = tmp_path / "x.duckdb"
    seen_at = {}
    take(path, fault=lambda point: seen_at.setdefault(point, path.exists())).close()
    assert not seen_at["create:made"]
    assert not seen_at["create:rename"]
    assert seen_at["create:renamed"]


def test_slower_creator_uses_the_database_of_the_faster(tmp_path):
    """Of two runs that create the file at once, the second does not replace the first's."""
    path = tmp_path / "x.duckdb"
    inner = []

    def fault(point):
        if point == "create:rename" and not inner:
            inner.append(point)
            session = take(path)
            session.commit(checkpoint("a", [order(1)], state=(("x", "1"),)))
            session.close()

    session = take(path, fault=fault)
    assert session.state("orders") == {"x": "1"}
    session.close()
    assert [p.name for p in tmp_path.iterdir()] == ["x.duckdb"]


@pytest.mark.parametrize("there", [False, True])
def test_leftovers_of_dead_runs_are_removed(tmp_path, there):
    """Half-made files are removed when their process is gone or they are old, else left.

    So they are beside a database that is there already: its first name is such a leftover.
    """
    if there:
        take(tmp_path / "x.duckdb").close()
    host = _newfile._host()
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )
    dead = tmp_path / f".x.duckdb.{host}-{ended.stdout.strip()}-00.new.wal"
    alive = tmp_path / f".x.duckdb.{host}-{os.getppid()}-00.new"
    elsewhere = tmp_path / ".x.duckdb.00-1-00.new"
    old = tmp_path / ".x.duckdb.00-2-00.new"
    mine = tmp_path / ".x.duckdb.notes.new"
    for file in (dead, alive, elsewhere, old, mine):
        file.touch()
    os.utime(old, (0, 0))
    take(tmp_path / "x.duckdb").close()
    left = {p.name for p in tmp_path.iterdir()}
    assert left == {"x.duckdb", alive.name, elsewhere.name, mine.name}


def test_file_system_without_links(tmp_path, monkeypatch):
    """Where there are no hard links the file is renamed into place."""

    def refuse(*_):
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    take(tmp_path / "x.duckdb").close()
    assert [p.name for p in tmp_path.iterdir()] == ["x.duckdb"]


def test_missing_directory(tmp_path):
    """A directory that is not there is named."""
    with pytest.raises(DestinationError, match=r"no directory '.*nowhere' \(make it"):
        take(tmp_path / "nowhere" / "x.duckdb")


def test_empty_file(tmp_path):
    """An empty file is what a killed creation leaves: it says so instead of guessing."""
    path = tmp_path / "x.duckdb"
    path.touch()
    with pytest.raises(DestinationError, match=r"is an empty file.*delete it"):
        take(path)


def test_file_that_is_no_database(tmp_path):
    """A file of another kind is refused and stays as it is."""
    path = tmp_path / "x.db"
    path.write_bytes(b"something else" * 400)
    with pytest.raises(
        DestinationError, match=r"not a valid DuckDB database file.*restore or move"
    ):
        take(path)
    assert path.read_bytes() == b"something else" * 400


def test_newer_format_is_refused(tmp_path):
    """A database that a newer Penstock wrote is not touched."""
    place = DuckDBPlace(tmp_path)
    take(place.url).close()
    place.by_hand("UPDATE {} SET format = 99", "_penstock_fence")
    with pytest.raises(DestinationError, match=r"newer Penstock \(format 99\) \(upgrade"):
        take(place.url)


def test_joins_a_database_that_others_made(tmp_path):
    """Loading into a file with tables of other tools leaves those alone."""
    path = tmp_path / "x.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 42 AS x")
    session = take(path)
    session.commit(checkpoint("a", [order(1)]))
    session.close()
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("SELECT x FROM mine").fetchall() == [(42,)]


def test_two_schemas_of_one_file(tmp_path):
    """Sources with schemas of their own can be loaded into one file at the same time."""
    url = str(tmp_path / "x.duckdb")
    one = DuckDB(url).open(owner=OWNER, db_schema="one")
    two = DuckDB(url).open(owner=OWNER, db_schema="two")
    one.commit(checkpoint("a", [order(1)], state=(("x", "1"),)))
    two.commit(checkpoint("a", [order(2)], state=(("x", "2"),)))
    assert (one.state("orders"), two.state("orders")) == ({"x": "1"}, {"x": "2"})
    one.close()
    two.close()


def test_settings_are_put_back(tmp_path):
    """A notebook that has the file open gets its settings back when the run ends."""
    place = DuckDBPlace(tmp_path)
    take(place.url).close()
    query = "SELECT current_setting('threads')"
    with duckdb.connect(place.url) as connection:
        connection.execute("SET threads = 3")
        session = take(place.url)
        assert connection.execute(query).fetchall() == [(SETTINGS["threads"],)]
        session.close()
        assert connection.execute(query).fetchall() == [(3,)]


def test_failed_value_says_what_to_do(tmp_path):
    """A value that DuckDB refuses fails the checkpoint with DuckDB's reason and a hint."""
    place = DuckDBPlace(tmp_path)
    session = take(place.url)
    session.commit(checkpoint("a", [order(1)]))
    session.keep_receipts([("s", "{}")])
    with pytest.raises(DestinationError, match=r"Malformed JSON.*does not fit its column"):
        session.keep_receipts([("s", "{bad")])
    assert session.last_receipts() == {"s": "{}"}
    session.close()


FILL = """
import resource, signal, sys
from penstock.destinations import open_destination
from penstock.destinations.base import Owner
from penstock.errors import DestinationError
from tests.destinations.orders import checkpoint, order

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (12_000_000, resource.RLIM_INFINITY))
owner = Owner(run_id="first", pid=1, host="h")
session = open_destination(sys.argv[1]).open(owner=owner, db_schema="shop")
kept = 0
try:
    for n in range(100):
        rows = [order(n * 1000 + i, str(i) * 300) for i in range(1000)]
        session.commit(checkpoint(f"load{n}", rows, state=(("done", str(n)),)))
        kept += 1
except DestinationError as error:
    print(kept, error)
session.close()
"""


def test_full_disk_keeps_what_was_committed(tmp_path):
    """When the file can grow no more the commit fails, says so, and a later run goes on."""
    place = DuckDBPlace(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", FILL, place.url],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    kept, _, message = done.stdout.partition(" ")
    assert int(kept) > 0
    assert "free disk space; what was committed is intact, run again" in message
    rows = [order(n * 1000 + i, str(i) * 300) for n in range(int(kept)) for i in range(1000)]
    session = take(place.url)
    assert session.state("orders") == {"done": str(int(kept) - 1)}
    assert seen(place) == as_seen(rows)
    assert not session.commit(checkpoint(f"load{kept}", [order(-1)])).already
    session.close()


class LosesAnswer:
    """A connection whose commits succeed, but whose next answer to one is lost."""

    def __init__(self, connection):
        self._connection = connection

    def execute(self, query, parameters=()):
        done = self._connection.execute(query, parameters)
        if query == "COMMIT":
            raise duckdb.IOException("could not write")
        return done

    def __getattr__(self, name):
        return getattr(self._connection, name)


def test_unclear_commit_ends_the_session(tmp_path):
    """After a commit without a clear answer the session stops; the next run looks it up."""
    path = tmp_path / "x.duckdb"
    session = take(path)
    real = session._engine.connection
    session._engine.connection = LosesAnswer(real)
    one = checkpoint("a", [order(1)])
    with pytest.raises(DestinationError, match="free disk space"):
        session.commit(one)
    session._engine.connection = real
    with pytest.raises(DestinationError, match=r"without a clear answer.*the ledger knows"):
        session.commit(checkpoint("b", [order(2)]))
    session.close()
    second = take(path)
    assert second.commit(one).already
    second.close()


def wide(rows, columns=2000):
    """A checkpoint of a very wide table."""
    names = [f"c{n}" for n in range(columns)]
    table = Table(
        name="wide",
        columns=(*(column(n) for n in names), TableColumn(name=LOAD_ID, type="text")),
    )
    texts = {n: pa.array([f"{n} of row {row}" for row in range(rows)]) for n in names}
    data = pa.table({**texts, LOAD_ID: pa.array(["a"] * rows)})
    schema = Schema(stream="orders", tables=(table,))
    return replace(checkpoint("a", schema=schema), batches=(Batch(tables={"wide": data}),))


def test_commit_that_needs_more_memory_gets_it(tmp_path):
    """A very wide table does not fit the little memory a load begins with, and is kept whole."""
    place = DuckDBPlace(tmp_path)
    session = take(place.path)
    memory = "SELECT current_setting('memory_limit')"
    before = session._engine.rows(memory)
    assert session.commit(wide(1500)).rows == {"wide": 1500}
    assert session._engine.rows(memory) != before
    session.close()
    with duckdb.connect(place.url, read_only=True) as connection:
        found = connection.execute("SELECT count(*), max(c1999) FROM shop.shop.wide").fetchall()
    assert found == [(1500, "c1999 of row 999")]


def test_large_batch_of_a_narrow_table(tmp_path):
    """A batch of a million rows needs no more memory than a load begins with, or gets it."""
    place = DuckDBPlace(tmp_path)
    session = take(place.path)
    assert session.commit(wide(1_000_000, columns=1)).rows == {"wide": 1_000_000}
    session.close()


def test_memory_has_an_end(tmp_path, monkeypatch):
    """Where half of the machine's memory is not enough, the commit fails and says so."""
    monkeypatch.setattr("penstock.destinations._duckdb_engine._machine_memory", lambda: 2**26)
    place = DuckDBPlace(tmp_path)
    session = take(place.path)
    with pytest.raises(DestinationError, match=r"(?i)out of memory.*give the process more memory"):
        session.commit(wide(1500))
    session.commit(checkpoint("b", [order(1)]))
    session.close()
    assert seen(place) == as_seen([order(1)])


def test_gaps_are_closed_when_they_are_large(tmp_path):
    """Rows that were replaced take room until they are a third of a table, and not for longer."""
    path, rows, some = tmp_path / "t.duckdb", 160_000, 32_000
    table = Table(name="t", columns=(TableColumn(name="id", type="bigint"),), key=("id",))
    schema = Schema(stream="t", tables=(table,))
    sizes = []
    for number in range(5):
        ids = range(number * some, number * some + some) if number else range(rows)
        session = open_destination(str(path)).open(
            owner=Owner(run_id=f"{number}", pid=1, host="here"), db_schema="s"
        )
        session.commit(
            Checkpoint(
                load_id=f"{number}",
                run_id=f"{number}",
                stream="t",
                write=Merge(key=("id",)) if number else Append(),
                schema=schema,
                batches=(Batch(tables={"t": pa.table({"id": pa.array(ids, pa.int64())})}),),
            )
        )
        session.close()
        with duckdb.connect(str(path), read_only=True) as connection:
            query = "SELECT estimated_size, (SELECT count(*) FROM t.s.t) FROM duckdb_tables() "
            [(size, count)] = connection.execute(f"{query} WHERE table_name = 't'").fetchall()
        sizes.append(size)
        assert count == rows
    assert sizes[:3] == [rows, rows + some, rows + 2 * some]  # not closed at once
    assert min(sizes[3:]) < rows + some
    assert max(sizes) <= rows * 1.5 + some
