"""A DuckDB file that a run has to itself: smaller row groups, and nobody beside it."""

import duckdb
import pytest
from tests.destinations.orders import checkpoint, order
from tests.destinations.places import SCHEMA

from penstock.destinations import _duckdb_driver as driver
from penstock.destinations import duckdb as duckdb_module
from penstock.destinations import prepare
from penstock.destinations.base import Owner
from penstock.destinations.duckdb import ROW_GROUP, DuckDB
from penstock.errors import LockedError

ALONE = Owner(run_id="run1", pid=1, host="h", alone=True)
SOCIABLE = Owner(run_id="run2", pid=1, host="h")

pytestmark = pytest.mark.skipif(
    duckdb.__version__.startswith("1."), reason="DuckDB 1 lets two open one file in two ways"
)


@pytest.fixture
def path(tmp_path):
    """A path that has to be quoted in SQL."""
    return tmp_path / "it's a file.duckdb"


def take(path, owner=ALONE):
    return DuckDB(str(path)).open(owner=owner, db_schema=SCHEMA)


def ask(path, query):
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_rows_are_stored_in_small_groups(path):
    """A checkpoint's rows fill whole groups, which go into the file without the log."""
    session = take(path)
    rows = [order(number) for number in range(ROW_GROUP + 10)]
    session.commit(checkpoint("a", rows))
    log = path.with_name(path.name + ".wal")
    logged = log.stat().st_size
    session.close()
    groups = ask(
        path,
        f"SELECT row_group_id, max(count) FROM pragma_storage_info('{SCHEMA}.orders') "
        "GROUP BY 1 ORDER BY 1",
    )
    assert groups == [(0, ROW_GROUP), (1, 10)]
    assert logged < path.stat().st_size / 4
    assert not log.exists()


def test_file_goes_on_with_and_without(path):
    """A file may be loaded by the one way and then by the other; all rows are there."""
    for number, owner in enumerate((ALONE, SOCIABLE, ALONE)):
        session = take(path, owner)
        rows = [order(number * 50_000 + k) for k in range(50_000)]
        session.commit(checkpoint(f"load{number}", rows))
        session.close()
    counted = ask(path, f"SELECT count(*), count(DISTINCT id) FROM {SCHEMA}.orders")
    assert counted == [(150_000, 150_000)]


def test_file_that_the_process_has_open_is_shared(path):
    """A run that would be alone makes do where a notebook holds the file already."""
    with duckdb.connect(str(path)) as connection:
        session = take(path)
        session.commit(checkpoint("a", [order(1)]))
        counted = connection.execute(f"SELECT count(*) FROM {SCHEMA}.orders").fetchall()
        session.close()
    assert counted == [(1,)]


def test_second_session_is_told(path):
    """While a run has the file to itself, another of the process is refused with a reason."""
    session = take(path)
    with pytest.raises(LockedError, match=r"open for a run of this process.*wait for that run"):
        take(path, SOCIABLE)
    session.close()
    take(path, SOCIABLE).close()


def test_what_does_not_fit_into_memory_is_put_beside_the_file(path):
    """Where rows are too many for the memory given, they go to a folder next to the file."""
    session = take(path)
    [(folder,)] = session._engine.read("SELECT current_setting('temp_directory')")
    session.close()
    assert folder == f"{path}.tmp"


def test_a_database_is_opened_ahead_once(path):
    """Who comes first has the one that was begun; whoever comes then opens another."""
    ahead = driver.Ahead({"threads": 1})
    ahead.begin()
    ahead.begin()
    first, second = ahead.take(), ahead.take()
    for taken in (first, second):
        assert taken.execute("SELECT current_setting('threads')").fetchall() == [(1,)]
    first.execute("CREATE TABLE there (a INTEGER)")
    assert second.execute("SELECT count(*) FROM duckdb_tables()").fetchall() == [(0,)]
    first.close()
    second.close()


def test_what_fails_ahead_is_raised_where_it_is_taken(monkeypatch):
    """And the next one is opened as if nothing had been."""
    ahead = driver.Ahead({})

    class Broken:
        def connect(self, _):
            raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(driver, "native", Broken)
        ahead.begin()
        with pytest.raises(MemoryError):
            ahead.take()
    ahead.take().close()


def test_a_file_is_opened_with_what_was_prepared(path, monkeypatch):
    """A session of a whole process takes the database that was begun, and works like any other."""
    prepare(str(path))
    session = take(path)
    session.commit(checkpoint("a", [order(1)]))
    session.close()
    assert ask(path, f"SELECT id FROM {SCHEMA}.orders") == [(1,)]


@pytest.mark.parametrize("url", ["", "nothing", "x.unknown", "what://ever"])
def test_preparing_says_nothing_of_what_there_is_not(url):
    """Opening it says so."""
    prepare(url)


def test_a_run_that_writes_nothing_imports_the_native_part_alone(path, run_python):
    """The package around it is four times as dear, and needed to read Arrow only."""
    take(path).close()
    code = (
        "import sys; from penstock.destinations.base import Owner;"
        "from penstock.destinations.duckdb import DuckDB;"
        "owner = Owner(run_id='r', pid=1, host='h', alone=True);"
        f"session = DuckDB({str(path)!r}).open(owner=owner, db_schema={SCHEMA!r});"
        "session.keep_receipts([('a', '{}')]); assert session.last_receipts() == {'a': '{}'};"
        "session.close(); print('_duckdb' in sys.modules, 'duckdb' in sys.modules)"
    )
    assert run_python(code) == "True False"


def test_a_new_file_is_made_and_opened_in_one_database(path, monkeypatch):
    """Opening one in memory is half of what making a file costs: the same serves for both."""
    made = []
    monkeypatch.setattr(duckdb_module, "_AHEAD", ahead := driver.Ahead({}))
    take_one = ahead.take
    monkeypatch.setattr(ahead, "take", lambda: made.append(take_one()) or made[-1])
    session = take(path)
    session.commit(checkpoint("a", [order(1)]))
    session.close()
    assert len(made) == 2
    assert made[0] is made[1]
    assert ask(path, f"SELECT id FROM {SCHEMA}.orders") == [(1,)]
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_database_that_has_used_its_folder_is_not_used_for_another_file(path, tmp_path):
    """DuckDB lets nobody choose another folder once something was put into one."""
    session = take(path)
    full = "SELECT range AS a, repeat('x', 500) || range AS b FROM range(200000)"
    session._engine.read("SET memory_limit = '64MB'")
    session._engine.read(f"CREATE TEMP TABLE large AS {full}")
    assert any(path.with_name(f"{path.name}.tmp").iterdir())
    session.close()
    other = take(tmp_path / "other.duckdb")
    [(folder,)] = other._engine.read("SELECT current_setting('temp_directory')")
    other.commit(checkpoint("a", [order(1)]))
    other.close()
    assert folder == str(tmp_path / "other.duckdb.tmp")
    assert ask(tmp_path / "other.duckdb", f"SELECT id FROM {SCHEMA}.orders") == [(1,)]
