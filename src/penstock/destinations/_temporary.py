"""Temporary folders, and what becomes of those that a process left that was killed.

The maker of a folder holds a lock on a file beside it, which the system drops with the process: a
folder whose file can be locked belongs to nobody any more, and who makes the next one removes it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from tempfile import gettempdir, mkdtemp
from weakref import finalize

_PREFIX, _LOCK = "penstock-", ".lock"


class _Holder:
    """What a folder is for that is removed by hand."""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for as long as it is needed.

    Raises:
        OSError: it cannot be made.
    """
    holder = _Holder()
    path, remove = _made(holder)
    try:
        yield path
    finally:
        remove()


def temporary_folder(holder: object) -> Path:
    """A new folder, which is removed when `holder` is gone, or the process ends.

    Raises:
        OSError: it cannot be made.
    """
    return _made(holder)[0]


def _made(holder: object) -> tuple[Path, Callable[[], object]]:
    if os.name != "posix":
        made = Path(mkdtemp(prefix=_PREFIX))
        return made, finalize(holder, rmtree, made, ignore_errors=True)
    folder = Path(gettempdir())
    _sweep(folder)
    while True:
        path = folder / f"{_PREFIX}{secrets.token_hex(8)}"
        lock = _lock_of(path)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        if _take(handle, lock):
            break
        os.close(handle)  # somebody took it for a leftover just now
    remove = finalize(holder, _remove, path, lock, handle, os.getpid())
    path.mkdir(mode=0o700)
    return path, remove


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + _LOCK)


def _sweep(folder: Path) -> None:
    """Remove the folders of processes that are dead; only those of this user."""
    with suppress(OSError):
        for lock in folder.glob(f"{_PREFIX}*{_LOCK}"):
            with suppress(OSError):
                _sweep_one(lock)


def _sweep_one(lock: Path) -> None:
    handle = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
    try:
        if os.fstat(handle).st_uid == os.getuid() and _take(handle, lock):
            rmtree(lock.with_name(lock.name.removesuffix(_LOCK)), ignore_errors=True)
            lock.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _take(handle: int, lock: Path) -> bool:
    """Lock the file, if nobody has it and it is still the one of that name."""
    import fcntl  # noqa: PLC0415 (not everywhere)

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        there, mine = lock.lstat(), os.fstat(handle)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)


def _remove(path: Path, lock: Path, handle: int, maker: int) -> None:
    """The folder goes before its lock. A forked process removes nothing of its parent's."""
    if os.getpid() == maker:
        rmtree(path, ignore_errors=True)
        lock.unlink(missing_ok=True)
    os.close(handle)
