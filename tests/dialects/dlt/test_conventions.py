"""A naming convention of dlt that Penstock does not have is told of, wherever it is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.cli.app import launch

SCRIPT = """
import os
import dlt
from dlt.sources.rest_api import rest_api_source
BEFORE
source = rest_api_source({"client": {"base_url": "https://a.test"}, "resources": ["a"]}, name="s")
dlt.pipeline("p", destination=DESTINATION).run(source)
dlt.pipeline("p", destination=DESTINATION).run(source)
"""
TOLD = "tables and columns are named as snake_case names them, and not as 'direct' does"
# What a script says before its run, its destination, and what lies beside it; whether it is told.
WAYS = {
    "a variable": ('os.environ["SCHEMA__NAMING"] = "direct"', '"duckdb"', "", True),
    "a value of the script's": ('dlt.config["schema.naming"] = "direct"', '"duckdb"', "", True),
    "a file": ("", '"duckdb"', '[schema]\nnaming = "direct"\n', True),
    "a file, for the source": ("", '"duckdb"', '[sources.s.schema]\nnaming = "direct"\n', True),
    "a file, for another source": ("", '"duckdb"', '[sources.t.schema]\nnaming = "x"\n', False),
    "a module": ("", '"duckdb"', '[schema]\nnaming = "dlt.common.normalizers.naming.direct"\n',
                 True),
    "a destination": ("", 'dlt.destinations.duckdb("x.duckdb", naming_convention="direct")', "",
                      True),
    "a file, for the destination": ("", '"duckdb"',
                                    '[destination.duckdb]\nnaming_convention = "direct"\n', True),
    "the one there is": ("", '"duckdb"', '[schema]\nnaming = "snake_case"\n', False),
    "none": ("", '"duckdb"', "", False),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_another_convention_is_told_of(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once for a pipeline; tables would be called otherwise than in dlt without a word."""
    before, destination, config, told = WAYS[way]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCHEMA__NAMING", "")
    monkeypatch.delenv("SCHEMA__NAMING")
    Path(".dlt").mkdir()
    Path(".dlt/config.toml").write_text(config, "utf-8")
    script = SCRIPT.replace("BEFORE", before).replace("DESTINATION", destination)
    Path("s.py").write_text(script, "utf-8")
    assert launch(["check", "s.py"]) == 0
    said = capsys.readouterr()
    assert (TOLD in said.out + said.err) is told
