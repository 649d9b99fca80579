"""Manifests are expanded exactly as the reference engine expands them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from penstock.dialects.airbyte.manifest import Component, References, nodes, replaced
from penstock.dialects.document import Document
from penstock.dialects.from_yaml import read_yaml

PYTHON = os.environ.get("PENSTOCK_CDK_PYTHON") or (
    sys.executable if find_spec("airbyte_cdk") else ""
)
_FOLDER = os.environ.get("PENSTOCK_AIRBYTE_CORPUS", "")
FOLDER = Path(_FOLDER) if _FOLDER else Path(__file__).parents[4] / "shared/corpus/airbyte"
SAMPLES = Path(__file__).with_name("samples")

needs_reference = pytest.mark.skipif(not PYTHON, reason="the reference engine is not installed")


def _ours(file: Path) -> object:
    text = file.read_text()
    document = Document(file=file.name, kind="yaml", text=text)
    document.root = read_yaml(document, text)
    references = References(document)
    if not references.check():
        return None
    root = document.root
    kind = {"type": nodes("DeclarativeSource", root), **root.mapping}
    made = Component(references, replaced(root, kind)).expanded()
    return json.loads(json.dumps(made, default=str))


def _theirs(files: list[Path]) -> list[object]:
    script = Path(__file__).with_name("reference.py")
    done = subprocess.run(
        [PYTHON, str(script)],
        input="\n".join(map(str, files)),
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line).get("manifest") for line in done.stdout.splitlines()]


@needs_reference
def test_samples_are_expanded_alike():
    """Our own samples of every rule come out as they do from the reference engine."""
    files = sorted(SAMPLES.glob("*.yaml"))
    assert files
    for file, theirs in zip(files, _theirs(files), strict=True):
        assert _ours(file) == theirs, file.name


@needs_reference
@pytest.mark.skipif(not FOLDER.is_dir(), reason="there is no folder of manifests")
def test_real_manifests_are_expanded_alike():
    """Real manifests, the small ones of the corpus, come out as from the reference engine."""
    files = [f for f in sorted(FOLDER.glob("*.yaml")) if f.stat().st_size < 60_000]
    for file, theirs in zip(files, _theirs(files), strict=True):
        assert _ours(file) == theirs, file.name
