"""The test of the tests: bugs of the kind that loses rows, each caught by the test it names.

By default every bug is only fitted into its file, and a few are run; with `PENSTOCK_BUGS=all` all
of them are, which takes some minutes.
"""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
from tests.bugs.plant import ROOT, Bug, bugs, caught

LEAST = 20
QUICK = "tests/read/test_origins.py"  # needs no destination
ALL = os.environ.get("PENSTOCK_BUGS") == "all"
RUN = [bug for bug in bugs() if ALL or bug.test.startswith(QUICK)]


@pytest.mark.parametrize("bug", bugs(), ids=lambda bug: bug.name)
def test_a_bug_fits_its_file(bug: Bug):
    """What a bug replaces is there, once, and leaves a module; the test it names exists."""
    ast.parse(bug.changed())
    path, _, name = bug.test.partition("::")
    tests = ast.parse((ROOT / path).read_text("utf-8"))

    assert name in {node.name for node in tests.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("bug", RUN, ids=lambda bug: bug.name)
def test_a_bug_is_caught(bug: Bug, tmp_path: Path):
    """The test that a bug names fails for it."""
    assert caught(bug, tmp_path)


def test_there_are_many_bugs():
    """Each is another one."""
    assert len({(bug.file, bug.old, bug.new) for bug in bugs()}) == len(bugs()) >= LEAST
