"""Postgres: a schema of a database, written by one run at a time and read by anybody.

What holds, and how:

- A checkpoint is one transaction: epoch, ledger, retracted rows, schema, rows by COPY, state.
- A run shows that it lives by an advisory lock on its epoch, which the server drops with the
  connection. Safety never depends on it: every commit first updates the fence's row, under its
  epoch, so that of a commit and a takeover one waits for the other.
- A connection that breaks is made anew, and the ledger is asked whether the commit that was under
  way came through. Deadlocks and serialization failures are tried again.
- A replacement is renamed into its place at the end of its last transaction. Where a view or a
  grant is tied to the old table, that table is filled anew instead.
- Text cannot hold U+0000: a record that has it is refused, with the way out. JSON keeps it.
- Merges index the columns that rows are found by; nothing is enforced as unique or not null.
"""

from __future__ import annotations

import time
from typing import Any
from weakref import finalize

from penstock.destinations import _sql as sql
from penstock.destinations._dlt import DltDataset
from penstock.destinations._fence import drop_dead_builds, look, raise_epoch
from penstock.destinations._place import Place
from penstock.destinations._postgres_engine import Link, PostgresEngine, fit
from penstock.destinations._postgres_errors import explain
from penstock.destinations._postgres_looking import Looked
from penstock.destinations._session import SqlSession
from penstock.destinations.base import (
    Destination,
    Fault,
    Kind,
    Owner,
    Peek,
    Session,
    Takeover,
    no_fault,
)
from penstock.errors import DestinationError, LockedError
from penstock.plan.expr import JsonValue

KIND = Kind(
    name="postgres",
    summary="a schema of a Postgres database",
    schemes=("postgresql", "postgres"),
    urls=("postgresql://user@host:5432/database", "postgres://user@host/database"),
    faults=(
        *("open:fence", "open:taken", "commit:begin", "commit:rows", "commit:state"),
        *("swap:renamed", "commit:before", "commit:after", "close:released"),
    ),
)

LOCK_SECONDS = 30
"""How long a commit waits for readers of a table that it changes."""


def destination(url: str, *, fault: Fault = no_fault) -> Destination:
    """Return the destination that `url` names."""
    return Postgres(url, fault=fault)


class Postgres(Place):
    """A schema of a Postgres database."""

    def peek(self, db_schema: str) -> Peek | None:
        """Look at state and fence without taking it; None where nothing was ever loaded."""
        engine = self._engine(db_schema, "peek")
        try:
            return look(engine) if engine.has_system() else None
        finally:
            engine.close()

    def dlt_states(self, db_schema: str) -> list[dict[str, JsonValue]]:
        """The newest state of each of dlt's pipelines in a dataset, the newest first."""
        engine = self._engine(db_schema, "peek")
        try:
            return DltDataset(engine).states()
        finally:
            engine.close()

    def _engine(self, db_schema: str, run_id: str) -> PostgresEngine:
        link = Link(connect=lambda: _connect(self.url, run_id), sleep=time.sleep)
        return PostgresEngine(link, db_schema)

    def _open(self, owner: Owner, db_schema: str, takeover: Takeover) -> Session:
        engine = self._engine(db_schema, owner.run_id)
        try:
            return self._take(engine, owner, takeover)
        except BaseException:
            engine.close()
            raise

    def _take(self, engine: PostgresEngine, owner: Owner, takeover: Takeover) -> Session:
        try:
            with engine.transaction():
                engine.rows("SET LOCAL lock_timeout = '300ms'")
                engine.lock_out()
                engine.create_system()
                self._fault("open:fence")
                epoch = raise_epoch(
                    engine,
                    owner,
                    alive=lambda epoch: takeover == "dead" and engine.is_held(epoch),
                    where=f"schema {engine.db_schema!r} open",
                )
                engine.hold(epoch)
                drop_dead_builds(engine)
        except DestinationError as error:
            if engine.is_conflict(error):
                raise LockedError("another run is committing or opening the schema") from error
            raise
        self._fault("open:taken")
        session = SqlSession(engine, epoch=epoch, owner=owner, fault=self._fault)
        session.on_close(engine.let_go)
        # A session that nobody holds any more holds nothing itself.
        finalize(session, engine.close)
        return session


def looked_at(url: str, db_schema: str, *, writes: bool) -> Looked:
    """A connection with a schema as its default one, for a script that asks what it loaded.

    Raises:
        DestinationError: the database cannot be reached.
    """
    connection = _connect(url, "script")
    connection.execute(f"SET search_path TO {sql.quote(fit(db_schema))}")
    if not writes:
        connection.execute("SET default_transaction_read_only = on")
    psycopg = _driver()
    connection.cursor_factory = psycopg.Cursor  # as scripts know it, with %s for values
    return Looked(connection, psycopg.RawCursor)


def _driver() -> Any:
    try:
        import psycopg  # noqa: PLC0415 (the driver is loaded when something is opened)
    except ImportError as error:
        raise DestinationError(
            "the Postgres driver is not installed", hint="pip install 'penstock[postgres]'"
        ) from error
    return psycopg


def _connect(url: str, run_id: str) -> Any:
    psycopg = _driver()
    try:
        return psycopg.connect(
            url,
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
            prepare_threshold=None,
            connect_timeout=10,
            client_encoding="UTF8",
            application_name=f"penstock {run_id}"[: sql.MAX_LABEL],
            options=f"-c lock_timeout={LOCK_SECONDS}s -c TimeZone=UTC -c DateStyle=ISO",
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
        )
    except psycopg.Error as error:
        raise explain(error) from error
