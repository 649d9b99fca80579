"""A new file that appears whole or not at all: made beside its place, synced, then linked there."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from penstock.destinations.base import Fault
from penstock.patterns import pattern

OLD = 3600.0
"""Seconds after which a leftover is dead wherever it came from: a file is made in under one."""

_MARK = pattern(r"\.(?P<host>[0-9a-f]+)-(?P<pid>\d+)-[0-9a-f]+\.new(\.wal)?$")


def create(path: Path, make: Callable[[Path], None], fault: Fault, *, over: bool = False) -> None:
    """Have `make` write a file beside `path` and give it that name, unless another run was faster.

    The name is never taken from a file that has it: of two runs that create at once, the second
    finds the file of the first. Only with `over` the new file takes the place of what is there.
    """
    sweep(path)
    beside = path.with_name(f".{path.name}.{_host()}-{os.getpid()}-{os.urandom(4).hex()}.new")
    try:
        make(beside)
        _sync(beside)
        fault("create:rename")
        if over:
            beside.replace(path)
        else:
            _name(beside, path)
    finally:
        for leftover in (beside, _wal(beside)):
            leftover.unlink(missing_ok=True)
    sync_directory(path.parent)
    fault("create:renamed")


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable, where the system lets a directory be opened."""
    if os.name == "posix":
        _sync(directory)


def _name(beside: Path, path: Path) -> None:
    """Link rather than rename: a rename would replace a database another run has just made."""
    try:
        os.link(beside, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not path.exists():
            beside.rename(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(path: Path) -> None:
    """Remove what dead runs left while they created `path`."""
    for leftover in _leftovers(path):
        if _dead(leftover):
            leftover.unlink(missing_ok=True)


def _leftovers(path: Path) -> Iterator[Path]:
    prefix = f".{path.name}"
    for entry in path.parent.iterdir():
        if entry.name.startswith(prefix) and _MARK.fullmatch(entry.name[len(prefix) :]):
            yield entry


def _dead(leftover: Path) -> bool:
    mark = _MARK.search(leftover.name)
    if mark is not None and mark["host"] == _host() and not running(int(mark["pid"])):
        return True
    try:
        return time.time() - leftover.stat().st_mtime > OLD
    except FileNotFoundError:
        return False


def running(pid: int) -> bool:
    """Whether a process of this machine goes on."""
    if os.name != "posix":  # elsewhere, asking would end the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _host() -> str:
    return socket.gethostname().encode().hex()[:16]


def _wal(path: Path) -> Path:
    return path.with_name(path.name + ".wal")
