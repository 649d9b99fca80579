"""Plant a bug in a copy of the package, and run the test that must catch it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "penstock"
SECONDS = 240  # after which a bug that makes its test hang counts as caught
# What a test needs less of where a bug is to be found: it is there in the first few.
LESS = {"PENSTOCK_SIMULATOR_SEEDS": "150"}


class Bug(msgspec.Struct, frozen=True, kw_only=True):
    """A bug: the text `old` of a file of the package becomes `new`, and so do those of `also`."""

    name: str
    file: str
    old: str
    new: str
    test: str
    also: tuple[tuple[str, str], ...] = ()

    def changed(self) -> str:
        """The file with the bug.

        Raises:
            AssertionError: a text that is to be replaced does not stand there once.
        """
        text = (PACKAGE / self.file).read_text("utf-8")
        for old, new in ((self.old, self.new), *self.also):
            count = text.count(old)
            assert count == 1, f"{self.name}: {self.file} has this {count} times: {old!r}"
            text = text.replace(old, new)
        return text


def bugs() -> list[Bug]:
    """All of them, in the order of the file."""
    found = tomllib.loads((Path(__file__).parent / "bugs.toml").read_text("utf-8"))
    return msgspec.convert(found["bug"], type=list[Bug])


def caught(bug: Bug, folder: Path) -> bool:
    """Whether its test fails, in a process of its own, with the bug in the package."""
    shutil.copytree(PACKAGE, folder / "penstock", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "penstock" / bug.file).write_text(bug.changed(), "utf-8")
    paths = [str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")]
    words = [
        *("-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"),
        bug.test,
    ]
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "pytest", *words],
            cwd=ROOT,
            env={**os.environ, **LESS, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    assert ended.returncode in {0, 1}, f"{bug.name}: {ended.stdout[-2000:]}{ended.stderr[-2000:]}"
    return ended.returncode == 1
