"""Writing repaired documents: in place, or as a unified difference."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from penstock.cli.engine import Repaired

_BOM = b"\xef\xbb\xbf"


def rewrite(repaired: Repaired) -> None:
    """Put the repaired text in place of the file, whole or not at all.

    A mark at the beginning, the kind of line breaks and the file's mode stay as they are.
    """
    path = Path(repaired.file).resolve()
    before = path.read_bytes()
    text = repaired.after.replace("\n", "\r\n") if b"\r\n" in before else repaired.after
    held = (_BOM if before.startswith(_BOM) else b"") + text.encode("utf-8")
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(held)
        beside.chmod(path.stat().st_mode & 0o7777)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def difference(repaired: Repaired) -> str:
    """The repairs as a unified difference, named as `git apply` and `patch -p1` want it."""
    name = _shown(repaired.file)
    lines = difflib.unified_diff(
        repaired.before.splitlines(keepends=True),
        repaired.after.splitlines(keepends=True),
        f"a/{name}",
        f"b/{name}",
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _shown(file: str) -> str:
    path = Path(file)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return path.as_posix().lstrip("/")
