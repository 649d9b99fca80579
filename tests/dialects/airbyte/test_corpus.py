"""Real manifests compile, all of them, and fast."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import yaml

from penstock.dialects.airbyte import compile_document
from penstock.dialects.document import Document
from penstock.dialects.from_yaml import read_yaml

_FOLDER = os.environ.get("PENSTOCK_AIRBYTE_CORPUS", "")
FOLDER = Path(_FOLDER) if _FOLDER else Path(__file__).parents[4] / "shared/corpus/airbyte"
FILES = sorted(FOLDER.glob("*.yaml"))

pytestmark = pytest.mark.skipif(not FILES, reason="there is no folder of manifests")


def _compiled(file: Path):
    text = file.read_text()
    document = Document(file=file.name, kind="yaml", text=text)
    document.root = read_yaml(document, text)
    return compile_document(document)


def test_every_manifest_compiles(capsys):
    """Every manifest gives a plan with streams; each refusal is named."""
    refused = {}
    for file in FILES:
        compiled = _compiled(file)
        if compiled.source is None or not (compiled.source.streams or compiled.source.discovered):
            refused[file.name] = [str(d) for d in compiled.diagnostics if d.severity == "error"]
    with capsys.disabled():
        print(f"\n{len(FILES) - len(refused)} of {len(FILES)} manifests compile")  # noqa: T201 (the figure is the point)
    assert not refused


def test_compiling_takes_about_as_long_as_parsing():
    """A large manifest is compiled in at most twice what the YAML loader takes, and a fifth."""
    file = max(FILES, key=lambda f: f.stat().st_size)
    _compiled(file)
    began = time.process_time()
    yaml.load(file.read_text(), Loader=yaml.CSafeLoader)
    parsing = time.process_time() - began
    began = time.process_time()
    _compiled(file)
    assert time.process_time() - began <= 2 * parsing + 0.2
