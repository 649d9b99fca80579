"""A dataset of files as a destination: opened, fenced, looked at."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary, finalize

from penstock.destinations._dlt_files import check_free, states_in
from penstock.destinations._duckdb_scratch import Scratch, scratch
from penstock.destinations._lake_files import folder_of
from penstock.destinations._lake_log import Change, Head, append, now, read_head
from penstock.destinations._lake_session import LakeSession, Mirror
from penstock.destinations._lake_store import LocalStore, Store, explain, store_at
from penstock.destinations._lake_tables import Tables
from penstock.destinations._newfile import running
from penstock.destinations._place import Place
from penstock.destinations.base import Owner, Peek, Session, Takeover
from penstock.errors import DestinationError, LockedError
from penstock.plan.expr import JsonValue

FAULTS = (
    *("open:fence", "open:taken", "commit:begin", "commit:rows", "commit:state", "swap:renamed"),
    *("commit:before", "commit:after", "close:released"),
)

_LIVE: WeakValueDictionary[tuple[str, int], LakeSession] = WeakValueDictionary()
"""The sessions of this process, by dataset and epoch."""


class Lake(Place):
    """A folder of datasets, one for each schema. `clock` and `sleep` are given by tests."""

    kind = "parquet"

    def __init__(self, url: str, place: str, **given: Any) -> None:
        super().__init__(url, **given)
        self._where = place

    def peek(self, db_schema: str) -> Peek | None:
        """Look at state and fence without taking it; None where nothing was ever loaded."""
        store = self._store(db_schema)
        try:
            head = read_head(store)
        except OSError as error:
            raise explain(error, store.root) from error
        if head.owner is None:
            return None
        return Peek(
            epoch=head.epoch,
            owner=head.owner,
            released=head.released,
            sequences={name: held.sequence for name, held in head.streams.items()},
            state={name: dict(sorted(held.state.items())) for name, held in head.streams.items()},
        )

    def dlt_states(self, db_schema: str) -> list[dict[str, JsonValue]]:
        """The newest state of each of dlt's pipelines in a dataset, the newest first."""
        store = self._store(db_schema)
        try:
            return states_in(store)
        except OSError as error:
            raise explain(error, store.root) from error

    def _store(self, db_schema: str) -> Store:
        return store_at(f"{self._where.rstrip('/')}/{folder_of(db_schema)}")

    def _open(self, owner: Owner, db_schema: str, takeover: Takeover) -> Session:
        store = self._store(db_schema)
        try:
            return self._take(store, owner, takeover)
        except OSError as error:
            raise explain(error, store.root) from error

    def _take(self, store: Store, owner: Owner, takeover: Takeover) -> Session:
        _check_parent(store)
        head = read_head(store)
        if head.owner is None:
            check_free(store)
        store.probe()
        if head.kind not in {"", self.kind}:
            raise DestinationError(
                f"{store.root} is a dataset of kind {head.kind!r}", hint=f"load into {head.kind}:…"
            )
        _check_free(store, head, takeover)
        hold = _hold(store, head.epoch + 1)
        try:
            self._fault("open:fence")
            change = Change(
                number=head.number + 1, token=secrets.token_hex(6), kind=self.kind,
                epoch=head.epoch + 1, at=now(), owner=owner,
            )  # fmt: skip
            _take_fence(store, head, change)
            self._fault("open:taken")
        except BaseException:
            hold.release()
            raise
        engine = scratch()
        session = LakeSession(
            store, head, engine,
            owner=owner, fault=self._fault, hold=hold, mirror=self.mirror(store, engine),
        )  # fmt: skip
        _LIVE[store.root, head.epoch] = session
        try:
            session.recover()
        except BaseException:
            session.close()
            raise
        # A file that cannot be removed now is found again by the next run.
        with suppress(OSError, DestinationError):
            session.sweep()
        return session

    def mirror(self, store: Store, engine: Scratch) -> Mirror:
        """How people see the tables."""
        return Tables(store, engine)


def _take_fence(store: Store, head: Head, change: Change) -> None:
    if not append(store, head, change):
        raise LockedError("another run is committing or opening the dataset")


def _check_parent(store: Store) -> None:
    """A dataset's folder is made, the one around it is not: it may be a slip of the pen."""
    if isinstance(store, LocalStore):
        around = store.path.parent.parent
        if not around.is_dir():
            raise DestinationError(
                f"there is no directory {str(around)!r}", hint="make it, then run again"
            )


def _check_free(store: Store, head: Head, takeover: Takeover) -> None:
    """Make sure that no run holds the dataset, as far as can be told.

    Raises:
        LockedError: one does.
    """
    owner = head.owner
    if owner is None or head.released:
        return
    mine = _LIVE.get((store.root, head.epoch))
    if takeover == "always":
        if mine is not None and mine.committing:
            raise LockedError("a session of this process is committing")
        return
    alive = mine is not None and not mine.closed
    if not alive and isinstance(store, LocalStore):
        alive = _is_held(_lock_of(store, head.epoch))
    elif not alive:
        # Nothing tells of another machine whether a run goes on there.
        alive = owner.host != socket.gethostname() or (
            owner.pid != os.getpid() and running(owner.pid)
        )
    if alive:
        raise LockedError(
            f"run {owner.run_id} (PID {owner.pid} on {owner.host}) has the dataset open",
            hint="wait for it to end; if it is dead, take over with --takeover",
        )


class _Lock:
    """A file that is locked while the run that made it lives, or until nobody holds this."""

    def __init__(self, path: Path | None, handle: int | None) -> None:
        self._path = path
        self._close = None if handle is None else finalize(self, os.close, handle)

    def release(self) -> None:
        """Let go, and leave no file behind."""
        if self._close is not None and self._close.alive and self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            self._close()


def _lock_of(store: LocalStore, epoch: int) -> Path:
    return store.path / "_penstock" / f"run-{epoch}.lock"


def _hold(store: Store, epoch: int) -> _Lock:
    """Show that this run lives; the system lets go of it with the process."""
    if not isinstance(store, LocalStore) or os.name != "posix":
        return _Lock(None, None)
    import fcntl  # noqa: PLC0415 (not everywhere)

    path = _lock_of(store, epoch)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise LockedError("another run is opening the dataset") from error
    _lock_of(store, epoch - 1).unlink(missing_ok=True)
    return _Lock(path, handle)


def _is_held(path: Path) -> bool:
    """Whether a living process has the file locked."""
    if os.name != "posix":
        return path.exists()
    import fcntl  # noqa: PLC0415 (not everywhere)

    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
