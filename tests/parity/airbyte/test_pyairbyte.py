"""PyAirbyte runs Penstock in the place of a connector of its own, as docs/airbyte.md says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.parity.airbyte.build import manifest, option, paginator, stream
from tests.parity.airbyte.cursors import cursor
from tests.support.web import serving

import penstock

PYTHON = os.environ.get("PENSTOCK_PYAIRBYTE_PYTHON", "")
SOURCE = Path(penstock.__file__).parents[1]

# What a user of PyAirbyte writes: checks, reads, and reads again from the cache's state.
_USER = """
import json, sys
import airbyte
from airbyte.caches import DuckDBCache

base, executable, file = sys.argv[1:]
source = airbyte.get_source("source-shop", local_executable=executable, config={"base": base})
source.check()
names = source.get_available_streams()
source.select_all_streams()
cache = DuckDBCache(db_path=file)
counts = [source.read(cache=cache).processed_records for _ in range(2)]
rows = [dict(row) for row in cache["items"]]
told = [[row["id"], row["at"][:10], row["who"]] for row in rows]
print("TOLD", json.dumps([names, counts, told]))
"""


def _shop(folder: Path) -> Path:
    """A connector's executable: the manifest behind the command, and nothing else."""
    paged = paginator(
        {"type": "PageIncrement", "page_size": 2, "start_from_page": 1},
        option("page"),
    )
    items = stream(
        primary_key="id",
        asks={"url_base": "{{ config['base'] }}"},
        retrieves={"paginator": paged},
        incremental_sync=cursor(),
    )
    schema = {"id": "integer", "at": "string", "who": "object"}
    properties = {name: {"type": kind} for name, kind in schema.items()}
    items["schema_loader"]["schema"] = {"type": "object", "properties": properties}
    (folder / "manifest.yaml").write_text(yaml.safe_dump(manifest(items)))
    made = folder / "source-shop"
    command = f'"{sys.executable}" -m penstock airbyte "$@" --manifest-path {folder}/manifest.yaml'
    made.write_text(f'#!/bin/sh\nPYTHONPATH="{SOURCE}" exec {command}\n')
    made.chmod(0o755)
    return made


def _answer(_path: str, query: dict[str, str]) -> tuple[int, Any]:
    rows = [{"id": n, "at": f"2024-01-0{n}", "who": {"n": n}} for n in range(1, 6)]
    page = int(query.get("page", 1))
    found = [row for row in rows if str(row["at"]) >= query.get("since", "")]
    return 200, {"data": found[page * 2 - 2 : page * 2]}


@pytest.mark.skipif(not PYTHON, reason="PENSTOCK_PYAIRBYTE_PYTHON names no Python with PyAirbyte")
def test_pyairbyte_runs_a_manifest_with_it(tmp_path: Path):
    """Its check, its catalog, its cache and its state are what it has of any connector."""
    with serving(_answer) as web:
        done = subprocess.run(
            [PYTHON, "-c", _USER, web.url, str(_shop(tmp_path)), str(tmp_path / "cache.duckdb")],
            cwd=tmp_path,
            env={**os.environ, "AIRBYTE_OFFLINE_MODE": "1", "PYTHONPATH": ""},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    line = next((s for s in done.stdout.splitlines() if s.startswith("TOLD ")), "")
    assert line, done.stderr[-2000:]
    names, counts, rows = json.loads(line.removeprefix("TOLD "))
    assert (names, counts) == (["items"], [5, 1])  # the last one comes again: windows are inclusive
    assert rows == [[n, f"2024-01-0{n}", {"n": n}] for n in range(1, 6)]
