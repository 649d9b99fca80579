"""How tests call the command line: in this process on a fake engine, or as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.cli.fakes import SECRET

from penstock.cli.app import cli
from penstock.cli.context import App

ROOT = Path(__file__).parents[2]


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Calls the command line in an empty folder, with no values but the fake source's key."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("PENSTOCK_", "SOURCES_", "API_KEY", "REGION")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PENSTOCK__API_KEY", SECRET)

    def _call(engine, *arguments: str) -> Result:
        return CliRunner().invoke(cli, list(arguments), obj=App(engine))

    return _call


@pytest.fixture
def environ():
    """The environment of a process of its own: the fake source's key, and no terminal's wishes."""
    kept = {n: v for n, v in os.environ.items() if n not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}}
    found = os.pathsep.join((str(ROOT), str(ROOT / "src")))
    return {**kept, "PENSTOCK__API_KEY": SECRET, "PYTHONPATH": found, "TERM": "xterm"}


@pytest.fixture
def process(tmp_path, environ):
    """Runs the command line as a process, in an empty folder."""

    def _process(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=tmp_path,
            env={**environ, **extra},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    return _process
