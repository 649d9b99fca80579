"""Runs that a script did not come to: none is left out in silence."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.dialects.dlt.standin.base.reach import lines_of_runs

SOURCE = """
import dlt
from dlt.sources.rest_api import rest_api_source
source = rest_api_source({"client": {"base_url": "http://127.0.0.1:9"}, "resources": ["users"]})
pipeline = dlt.pipeline("p", destination="duckdb")
info = pipeline.run(source)
print(info.nobody_has_this)
"""
SECOND = """
def second():
    pipeline.run(
        source,
    )
"""


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a.run(b)", [1]),
        ("make().run(b)\nif x:\n    c.d.run(\n e)", [1, 3]),
        ("def f():\n    a.run(b)", []),
        ("def f():\n    a.run(b)\ndef g():\n    f()\nif __name__ == '__main__':\n    g()", [2]),
        ("class C:\n    def f(self):\n        self.p.run(b)", []),
        ("import asyncio, subprocess\nasyncio.run(f())\nsubprocess.run(['x'])", []),
        ("def f():\n    f()\n    a.run(b)\nf()", [3]),
    ],
)
def test_runs_are_found_where_they_are_come_to(text: str, lines: list[int]) -> None:
    """Outside of functions, and in those that are called."""
    assert sorted(found.start for found in lines_of_runs(ast.parse(text))) == lines


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (SECOND + "second()\n", 2, "error[script-unfinished]"),
        (SECOND, 1, "warning[script-unfinished]"),  # the API that it loads is not there
    ],
)
def test_a_script_that_ends_before_a_run_is_not_called_done(
    tmp_path: Path, more: str, code: int, said: str
) -> None:
    """What is behind the place is known to be missing, or known to be nothing."""
    (tmp_path / "script.py").write_text(SOURCE + more, "utf-8")
    command = [sys.executable, "-m", "penstock", "run", "script.py", "--concurrency", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said in done.stderr
    assert ("though it asks for further runs" in done.stderr) == (code == 2)
    assert done.returncode == code
