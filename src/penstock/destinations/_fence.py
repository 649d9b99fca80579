# ruff: noqa: S608 (identifiers go through quote(), values are parameters)
"""The fence of an SQL destination: taken by raising its epoch, looked at without taking it."""

from __future__ import annotations

from collections.abc import Callable

from penstock.destinations import _sql as sql
from penstock.destinations._engine import Engine
from penstock.destinations.base import Owner, Peek
from penstock.errors import DestinationError, LockedError


def raise_epoch(
    engine: Engine,
    owner: Owner,
    *,
    alive: Callable[[int], bool],
    where: str,
) -> int:
    """Take the fence, unless the owner of the epoch that is there is `alive`.

    Raises:
        LockedError: it is; `where` says how it holds on.
        DestinationError: a newer Penstock wrote here.
    """
    fence = engine.at(sql.FENCE)
    found = engine.rows(f"SELECT format, epoch, run_id, pid, host FROM {fence}")
    taken = [owner.run_id, owner.pid, owner.host]
    if not found:
        engine.rows(
            f"INSERT INTO {fence} VALUES (?, 1, 1, ?, ?, ?, now(), NULL)",
            [sql.FORMAT, *taken],
        )
        return 1
    [(version, epoch, run_id, pid, host)] = found
    if version > sql.FORMAT:
        raise DestinationError(
            f"the database was written by a newer Penstock (format {version})",
            hint="upgrade Penstock",
        )
    if alive(int(epoch)):
        raise LockedError(
            f"run {run_id} (PID {pid} on {host}) has {where}",
            hint="close its session, or wait for it to end",
        )
    engine.rows(
        f"UPDATE {fence} SET epoch = epoch + 1, turn = turn + 1, run_id = ?, pid = ?, host = ?, "
        "started_at = now(), released_at = NULL",
        taken,
    )
    return int(epoch) + 1


def drop_dead_builds(engine: Engine) -> None:
    """Drop the tables of generations whose sessions ended before they were shown."""
    builds = engine.at(sql.BUILDS)
    found = engine.rows(f"SELECT table_name FROM {builds}")
    for (table,) in found:
        engine.rows(f"DROP TABLE IF EXISTS {engine.at(table)}")
    if found:
        engine.rows(f"DELETE FROM {builds}")


def look(engine: Engine) -> Peek | None:
    """See who holds the fence, and the state; None where no run ever got that far."""
    fence = engine.read(
        f"SELECT epoch, run_id, pid, host, released_at IS NOT NULL FROM {engine.at(sql.FENCE)}"
    )
    if not fence:  # the run that made the file got no further
        return None
    [(epoch, run_id, pid, host, released)] = fence
    state: dict[str, dict[str, str]] = {}
    query = f"SELECT stream, name, value FROM {engine.at(sql.STATE)} ORDER BY stream, name"
    for stream, name, value in engine.read(query):
        state.setdefault(stream, {})[name] = value
    query = f"SELECT stream, max(sequence) FROM {engine.at(sql.LOADS)} GROUP BY stream"
    return Peek(
        epoch=epoch,
        owner=Owner(run_id=run_id, pid=pid, host=host),
        released=released,
        sequences=dict(engine.read(query)),
        state=state,
    )
