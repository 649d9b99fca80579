"""DuckDB: a database in one file, embedded, owned by one process at a time.

What holds, and how:

- A checkpoint is one transaction: epoch, ledger, retracted rows, schema, rows, state.
- A new file is made beside its place and linked there, because a DuckDB that is killed while it
  creates a file leaves one that never opens.
- DuckDB's own lock keeps a second process out, so an owner whose lock is gone is dead. The epoch
  in the file fences a second session of the same process.
- Nothing is enforced as NOT NULL or as a primary key: an index makes loading dearer, and DuckDB
  cannot add a NOT NULL column to a table that has rows.
- A table or column that was loaded and is gone, or was changed by hand, is an error that says what
  to do: adding it again would show nulls where values were. `reset` forgets what is gone.
- A replace keeps tables and columns that the new generation lacks, empty: nothing is dropped that
  somebody's view may need. A generation does not outlive the session that builds it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast
from weakref import WeakValueDictionary

from penstock.destinations import _sql as sql
from penstock.destinations._dlt import DltDataset
from penstock.destinations._duckdb_driver import Ahead, is_first_series, native, spelled, whole
from penstock.destinations._duckdb_engine import SHARED, Connection, DuckDBEngine, explain, fold
from penstock.destinations._duckdb_snapshot import snapshot
from penstock.destinations._fence import drop_dead_builds, look, raise_epoch
from penstock.destinations._newfile import create, sweep
from penstock.destinations._place import Place
from penstock.destinations._session import SqlSession
from penstock.destinations.base import (
    Checkpoint,
    Committed,
    Destination,
    Fault,
    Kind,
    Merge,
    Owner,
    Peek,
    Session,
    Takeover,
    no_fault,
)
from penstock.errors import DestinationError, LockedError
from penstock.plan.expr import JsonValue

KIND = Kind(
    name="duckdb",
    summary="a DuckDB database file",
    schemes=("duckdb",),
    extensions=(".duckdb", ".db"),
    urls=("chat.duckdb", "chat.db", "duckdb:///absolute/path", "duckdb://relative/path"),
    nested=True,
    faults=(
        *("create:made", "create:rename", "create:renamed", "open:fence", "open:taken"),
        *("commit:begin", "commit:rows", "swap:renamed", "commit:state", "commit:before"),
        *("commit:after", "close:released"),
    ),
)

# One thread is cheaper than two for blocks of some megabytes, and the other core shapes the next.
# Memory is mostly a cache of blocks just written, which a load never reads again; a commit for
# which it is too little gets more (see `DuckDBEngine.recover`).
# Folding the log into the file writes the last rows of each table anew, so not every commit does
# it; but a commit as large as the threshold goes to the file at once and never to the log.
# Rows that were deleted leave gaps; closing them writes nearly the whole table anew, so it is done
# at the end of a run, and only where the gaps are large (see `DuckDBSession.fold`).
# A progress bar would go to stdout, which is for data.
SETTINGS = {
    "threads": 1,
    "memory_limit": "64MB",
    "checkpoint_threshold": "32MB",
    "max_vacuum_tasks": 0,
    "enable_progress_bar": "false",
}

# Rows that are compressed together. DuckDB's own 122,880 are seldom in one checkpoint: its rows go
# into the log then, and are compressed when the log is folded in. Those that fill a group go into
# the file at once, which took half the CPU for a checkpoint of 64 MB of JSON.
ROW_GROUP = 30_720

_ATTACHED = "loaded"  # what the file is called there

_GATE = threading.Lock()
_LIVE: WeakValueDictionary[tuple[str, str], SqlSession] = WeakValueDictionary()
_AHEAD = Ahead(SETTINGS)


def destination(url: str, *, fault: Fault = no_fault) -> Destination:
    """Return the destination that `url` names."""
    return DuckDB(url, fault=fault)


def prepare() -> None:
    """Begin what opening a file for a whole process takes, before it is known which."""
    if not is_first_series():
        _AHEAD.begin()


class Attached(DuckDBEngine):
    """A file that is attached to a database in memory, which stays when the file is let go of.

    The process will end without taking it to pieces, which takes a while.
    """

    catalog: ClassVar[str | None] = _ATTACHED

    def close(self) -> None:
        """Let go of the file; what cannot be written into it now is in its log."""
        with suppress(DestinationError):
            _detach(self.connection)


class DuckDBSession(SqlSession):
    """A session that can show others a copy of its file."""

    path: Path
    _engine: DuckDBEngine
    _removes = False

    def commit(self, checkpoint: Checkpoint) -> Committed:
        """Keep the checkpoint; see `base.Session`."""
        self._removes |= isinstance(checkpoint.write, Merge) or bool(checkpoint.retract)
        return super().commit(checkpoint)

    def fold(self) -> None:
        """Write the log into the file, and close the gaps in it that are large."""
        if self._removes and self._engine.has_gaps():
            self._engine.read("RESET max_vacuum_tasks")
        self._engine.flush()

    def publish(self, target: Path) -> None:
        """Put a copy of the file as it is now in the place of `target`; see `base.Publishes`."""
        self._engine.read("CHECKPOINT")
        snapshot(self.path, target, self._fault)


class DuckDB(Place):
    """A DuckDB file. `clock` and `sleep` are given by tests."""

    def __init__(self, url: str, **given: Any) -> None:
        super().__init__(url, **given)
        self.path = _path(url)

    def peek(self, db_schema: str) -> Peek | None:
        """Look at state and fence without taking it; None where nothing was ever loaded."""
        if not self.path.exists():
            return None
        engine = DuckDBEngine(self._connect(read_only=True), db_schema)
        try:
            return look(engine) if engine.has_system() else None
        finally:
            engine.connection.close()

    def dlt_states(self, db_schema: str) -> list[dict[str, JsonValue]]:
        """The newest state of each of dlt's pipelines in a dataset, the newest first."""
        if not self.path.exists():
            raise DestinationError(f"there is no file {str(self.path)!r}")
        engine = DuckDBEngine(self._connect(read_only=True), db_schema)
        try:
            return DltDataset(engine).states()
        finally:
            engine.connection.close()

    def _open(self, owner: Owner, db_schema: str, takeover: Takeover) -> Session:
        self._make(db_schema, alone=owner.alone)
        with _GATE:
            attached = self._attach() if owner.alone else None
            connection = attached or self._connect()
            kind = DuckDBEngine if attached is None else Attached
            engine = kind(connection, db_schema)
            try:
                return self._take(engine, owner, takeover)
            except BaseException:
                connection.close()
                raise

    def _make(self, db_schema: str, *, alone: bool) -> None:
        if self.path.exists():
            # Who was killed between naming the file and forgetting its first name left both.
            sweep(self.path)
            return
        if not self.path.parent.is_dir():
            raise DestinationError(
                f"there is no directory {str(self.path.parent)!r}", hint="make it, then run again"
            )
        try:
            fill = partial(self._fill, db_schema=db_schema, alone=alone)
            create(self.path, fill, self._fault)
        except OSError as error:
            raise explain(error) from error

    def _fill(self, path: Path, *, db_schema: str, alone: bool) -> None:
        attached = _attach(path) if alone else None
        connection = attached or _connect(path, read_only=False)
        try:
            engine = DuckDBEngine(connection, db_schema)
            with engine.transaction():
                engine.create_system()
            engine.read("CHECKPOINT")
        except BaseException:
            connection.close()
            raise
        if attached is not None:
            _detach(attached)
        else:
            connection.close()
        self._fault("create:made")

    def _attach(self) -> Connection | None:
        self._check_file()
        return _attach(self.path)

    def _connect(self, *, read_only: bool = False) -> Connection:
        self._check_file()
        return _connect(self.path, read_only=read_only)

    def _check_file(self) -> None:
        if self.path.is_file() and self.path.stat().st_size == 0:
            raise DestinationError(
                f"{str(self.path)!r} is an empty file, not a database",
                hint="delete it: a new database is made where there is no file",
            )

    def _take(self, engine: DuckDBEngine, owner: Owner, takeover: Takeover) -> Session:
        mark = (os.path.realpath(self.path), fold(engine.db_schema))
        try:
            with engine.transaction():
                engine.create_system()
                self._fault("open:fence")
                alive = takeover == "dead" and _alive(mark)
                where = "the database open in this process"
                epoch = raise_epoch(engine, owner, alive=lambda _: alive, where=where)
                drop_dead_builds(engine)
        except DestinationError as error:
            if engine.is_conflict(error.__cause__):
                raise LockedError("a session of this process is committing") from error
            raise
        self._fault("open:taken")
        session = DuckDBSession(engine, epoch=epoch, owner=owner, fault=self._fault)
        session.path = self.path
        session.on_close(session.fold)
        if not isinstance(engine, Attached):  # which has them already
            before = {} if owner.alone else _settings(engine)
            _set(engine, SETTINGS)
            if before:
                session.on_close(lambda: _set(engine, before))
        _LIVE[mark] = session
        return session


def looked_at(url: str, db_schema: str, *, writes: bool) -> Connection:
    """A connection to a database that no run holds, with a schema as its default, if it is there.

    A database that is not there is made by who may write, and empty to others.

    Raises:
        DestinationError: the database cannot be opened.
    """
    path = _path(url)
    driver = whole()  # a script may ask of its connection whatever the driver can do
    if writes or path.is_file():
        made = _connect(path, read_only=not writes)
    else:
        made = cast("Connection", driver.connect(":memory:"))
    known = "SELECT 1 FROM information_schema.schemata WHERE schema_name = ?"
    if made.execute(known, [db_schema]).fetchall():
        made.execute(f"USE {sql.quote(db_schema)}")
    return made


def _alive(mark: tuple[str, str]) -> bool:
    session = _LIVE.get(mark)
    return session is not None and not session.closed


def _settings(engine: DuckDBEngine) -> dict[str, Any]:
    """What is set now of what a run sets."""
    asked = ", ".join(f"current_setting('{name}')" for name in SETTINGS)
    return dict(zip(SETTINGS, engine.read(f"SELECT {asked}")[0], strict=True))


def _set(engine: DuckDBEngine, values: Mapping[str, Any]) -> None:
    """Apply settings.

    They are set, not given to `connect`: that would keep a notebook that loads from opening the
    file a second time with its own settings. They hold for all connections of the process.
    """
    engine.read(spelled(values))


def _connect(path: Path, *, read_only: bool) -> Connection:
    driver = native()
    try:
        return cast("Connection", driver.connect(str(path), read_only=read_only))
    except driver.ConnectionException:
        if not read_only:
            raise
        # This process has the file open for writing: a second connection can read there.
        return cast("Connection", driver.connect(str(path)))
    except (driver.Error, OSError) as error:
        raise explain(error) from error


def _attach(path: Path) -> Connection | None:
    """Open a file with row groups of `ROW_GROUP` rows, which only attaching it can ask for.

    Nobody else in the process can open it meanwhile. None where somebody has, and with DuckDB 1,
    which would let them.
    """
    if is_first_series():
        return None
    connection = _spilling(f"{path}.tmp")
    try:
        connection.execute(
            f"ATTACH {sql.text(str(path))} AS {_ATTACHED} (ROW_GROUP_SIZE {ROW_GROUP})"
        )
        connection.execute(f"USE {_ATTACHED}")
    except (native().Error, OSError) as error:
        connection.close()
        if SHARED in str(error):
            return None
        raise explain(error) from error
    return connection


def _spilling(folder: str) -> Connection:
    """A database in memory that puts what memory does not hold into `folder`."""
    setting = f"SET temp_directory = {sql.text(folder)}"
    connection = _AHEAD.take()
    try:
        connection.execute(setting)
    except native().Error:  # it has used another one, and cannot leave it
        connection.close()
        connection = _AHEAD.take()
        connection.execute(setting)
    return connection


def _detach(connection: Connection) -> None:
    """Let go of an attached file, and keep the database in memory for the next one."""
    try:
        connection.execute(f"USE memory; DETACH {_ATTACHED}")
    except native().Error as error:
        connection.close()
        raise explain(error) from error
    _AHEAD.keep(connection)


def _path(url: str) -> Path:
    """Read the path out of a URL; what follows the slashes is taken as it stands."""
    scheme, colon, rest = url.partition(":")
    if colon and scheme.lower() == "duckdb":
        url = rest.removeprefix("//")
    if not url or url == ":memory:":
        raise DestinationError(
            "a DuckDB destination is a file; an in-memory database would be lost with the run",
            code="url",
            hint="name one, as in chat.duckdb",
        )
    return Path(url).expanduser()
