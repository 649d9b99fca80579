"""A copy of a DuckDB file that others can read while a run writes to the file itself.

DuckDB locks a file that is being written, and on POSIX a process loses its lock on a file as soon
as it closes any handle on it. So the bytes are copied by another process, while this one holds the
lock and writes nothing; the copy is complete and synced before it gets its name.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from penstock.destinations._newfile import create
from penstock.destinations.base import Fault
from penstock.errors import DestinationError

_COPY = "import shutil, sys; shutil.copyfile(sys.argv[1], sys.argv[2])"


def snapshot(source: Path, target: Path, fault: Fault) -> None:
    """Put a copy of `source`, to which nobody writes now, in the place of `target`.

    Raises:
        DestinationError: it cannot be made; what `target` was before is as it was.
    """
    _check(source, target)
    try:
        create(target, lambda beside: _copy(source, beside), fault, over=True)
    except OSError as error:
        raise _failed(target, str(error)) from error


def _copy(source: Path, beside: Path) -> None:
    command = [sys.executable, "-I", "-S", "-c", _COPY, str(source), str(beside)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own words, and two paths)
    if done.returncode:
        raise OSError(done.stderr.strip().rpartition("\n")[2] or "the copy ended early")


def _check(source: Path, target: Path) -> None:
    if not target.parent.is_dir():
        raise _failed(target, f"there is no directory {str(target.parent)!r}", "make it")
    if target.exists() and target.samefile(source):
        raise _failed(target, "it is the destination itself", "publish to another path")
    log = target.with_name(f"{target.name}.wal")
    if log.exists():
        # DuckDB would apply it to the new file, whatever it was written for
        raise _failed(
            target, f"somebody writes to it: there is {log.name!r}", "open it read-only, as a copy"
        )


def _failed(target: Path, why: str, hint: str | None = None) -> DestinationError:
    return DestinationError(
        f"the copy {str(target)!r} could not be published: {why}",
        code="publish",
        hint=hint or "make its directory writable, with room for a second copy",
    )
