"""A script of several runs executed twice by both engines, and what of all their files differs."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import duckdb
from tests.parity.dlt import dump
from tests.parity.dlt.harness import Case, Oracle, Outcome, differences
from tests.parity.dlt.scripted.answers import answer
from tests.parity.dlt.scripted.playing import Played, written
from tests.parity.dlt.server import Stage

from penstock.cli.app import launch

_CASE = Case(name="", config=lambda _: {}, law=True)
_OWN = ("information_schema", "main", "pg_catalog")
_TRIES = 40


def play(text: str, folder: Path, oracle: Oracle, stages: tuple[Stage, Stage]) -> Played:
    """Execute a script in two rounds; what it tells in `told.txt` is compared too."""
    scripts = written(text, folder, stages)
    theirs: list[Outcome] = []
    ours: list[Outcome] = []
    for which in (1, 2):
        for stage in stages:
            stage.play(answer, which)
        error = oracle.execute(scripts[0])["error"]
        if error:
            return Played(differs=[], refused=error)
        theirs.append(Outcome(heard=[], tables=_held(scripts[0].parent)))
        error = _launched(scripts[1])
        ours.append(Outcome(heard=[], tables=_held(scripts[1].parent), error=error))
    told, found = (_told(path.parent) for path in scripts)
    if any("caught" in line for line in told):  # the exit code tells of it all the same
        ours = [Outcome(heard=[], tables=one.tables) for one in ours]
    differs = [line for line in differences(_CASE, theirs, ours) if "'rows': []" not in line]
    return Played(differs=[*differs, *([f"told: {told}, {found}"] if told != found else [])])


def _launched(script: Path) -> str:
    before, here, said = dict(os.environ), Path.cwd(), StringIO()
    os.chdir(script.parent)
    try:
        with redirect_stderr(said), redirect_stdout(said):
            code = launch(["run", "--quiet", script.name])
    except Exception:  # noqa: BLE001 (a bug of Penstock's, which is what is looked for)
        return traceback.format_exc()
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(before)
    return f"exit code {code}: {said.getvalue()}" if code else ""


def _held(folder: Path) -> dict[str, Any]:
    """The tables of all datasets in all files of a folder."""
    found: dict[str, Any] = {}
    for file in sorted(folder.glob("*.duckdb")):
        with duckdb.connect(str(file), read_only=True) as con:
            listed = con.execute("SELECT DISTINCT schema_name FROM information_schema.schemata")
            schemas = [name for (name,) in listed.fetchall()]
        for schema in schemas:
            if schema not in _OWN and not schema.endswith("_staging"):
                tables = dump.tables(str(file), schema)
                found |= {f"{file.stem}.{schema}.{name}": table for name, table in tables.items()}
    return found


def _told(folder: Path) -> list[str]:
    path = folder / "told.txt"
    return path.read_text("utf-8").splitlines() if path.exists() else []


def shrunk(parts: Sequence[str], oracle: Oracle, stages: tuple[Stage, Stage]) -> list[str]:
    """The parts of a script that differs without what the difference does not need."""
    left = list(parts)
    for nth in list(reversed(range(1, len(left))))[:_TRIES]:
        cut = left[:nth] + left[nth + 1 :]
        if not any(".run(" in part for part in cut):
            continue
        with tempfile.TemporaryDirectory() as folder:
            if play("\n".join(cut) + "\n", Path(folder), oracle, stages).differs:
                left = cut
    return left
