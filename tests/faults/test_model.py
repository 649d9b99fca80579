"""The failure model, row by row: what proves it is there."""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TESTS = HERE.parent
PACKAGE = TESTS.parent / "src" / "penstock"

ROWS = tomllib.loads((HERE / "model.toml").read_text("utf-8"))
KINDS = frozenset(tomllib.loads((HERE / "verdicts.toml").read_text("utf-8")))
LAST = {"N": 23, "P": 9, "X": 8, "Y": 7, "C": 9}
OPEN: frozenset[str] = frozenset()


@cache
def functions(file: str) -> frozenset[str]:
    """The test functions of a file."""
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def test_every_row_is_there():
    """Each of the model's rows has an entry, and there are no others."""
    assert set(ROWS) == {f"{part}{n + 1}" for part, last in LAST.items() for n in range(last)}


@pytest.mark.parametrize("name", ROWS)
def test_what_proves_a_row_is_there(name: str):
    """The faults are kinds of the matrix, and the tests exist; what is open is known."""
    row = ROWS[name]
    assert set(row) <= {"what", "faults", "tests", "none", "open"}
    assert row["what"]
    assert set(row.get("faults", ())) <= KINDS
    for test in row.get("tests", ()):
        file, _, function = test.partition("::")
        assert function in functions(file), test
    proven = "faults" in row or "tests" in row
    assert proven or "none" in row or "open" in row
    assert not (proven and "none" in row)
    assert ("open" in row) == (name in OPEN)


def test_nothing_is_pickled():
    """No module of the package reads or writes Python objects as such."""
    loaded = {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not loaded & {name.partition(".")[0] for name in names}, path
