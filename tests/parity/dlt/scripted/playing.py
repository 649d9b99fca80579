"""A script executed twice by both engines, and what of their tables differs."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import msgspec
from tests.parity.dlt.harness import Case, Oracle, Outcome, differences
from tests.parity.dlt.scripted.answers import answer
from tests.parity.dlt.server import Stage
from tests.parity.dlt.test_scripts import loaded


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What differs, and what dlt said where it failed: then nothing is compared."""

    differs: list[str]
    refused: str = ""


def play(text: str, folder: Path, oracle: Oracle, stages: tuple[Stage, Stage]) -> Played:
    """Execute a script in two rounds."""
    before, here = dict(os.environ), Path.cwd()
    scripts = written(text, folder, stages)
    theirs: list[Outcome] = []
    ours: list[Outcome] = []
    os.chdir(scripts[1].parent)
    try:
        for which in (1, 2):
            for stage in stages:
                stage.play(answer, which)
            done = oracle.execute(scripts[0])
            theirs.append(Outcome(heard=[], tables=done["tables"], error=done["error"]))
            tables, error = _loaded(scripts[1])
            ours.append(Outcome(heard=[], tables=tables, error=error))
    finally:
        os.environ.clear()
        os.environ.update(before)
        os.chdir(here)
    refused = next((one.error for one in theirs if one.error), "")
    if refused:
        return Played(differs=[one.error for one in ours if "Traceback" in one.error],
                      refused=refused)  # fmt: skip
    return Played(differs=differences(Case(name="", config=lambda _: {}, law=True), theirs, ours))


def written(text: str, folder: Path, stages: tuple[Stage, Stage]) -> list[Path]:
    """The script as a file for dlt, and as one for Penstock, each in a folder of its own."""
    scripts = [folder / name / "pipeline.py" for name in ("theirs", "ours")]
    for path, stage in zip(scripts, stages, strict=True):
        (path.parent / ".dlt").mkdir(parents=True)
        path.write_text(text.replace("BASE", stage.base), "utf-8")
    return scripts


def _loaded(script: Path) -> tuple[dict[str, object], str]:
    try:
        return loaded(script, script.parent)
    except Exception:  # noqa: BLE001 (a bug of Penstock's, which is what is looked for)
        return {}, traceback.format_exc()
