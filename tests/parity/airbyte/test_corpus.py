"""Real manifests: every stream of them does the same in both engines, against a generated API."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.parity.airbyte.generate import config, shape, walk
from tests.parity.airbyte.harness import Case, Reference, Server, compare

from penstock.dialects.airbyte.manifest import Component, References, nodes, replaced
from penstock.dialects.document import Document
from penstock.dialects.from_yaml import read_yaml

_FOLDER = os.environ.get("PENSTOCK_AIRBYTE_CORPUS", "")
FOLDER = Path(_FOLDER) if _FOLDER else Path(__file__).parents[4] / "shared/corpus/airbyte"
_CUSTOM = re.compile(r"class_name:")
# How many of the streams that are compared must agree; the figures are in docs/parity.md.
LEAST = 0.8


def expanded(text: str) -> dict[str, Any]:
    """A manifest with references followed and parameters handed down."""
    document = Document(file="manifest.yaml", kind="yaml", text=text)
    document.root = read_yaml(document, text)
    references = References(document)
    references.check()
    root = document.root
    kind = {"type": nodes("DeclarativeSource", root), **root.mapping}
    return Component(references, replaced(root, kind)).expanded()  # type: ignore[return-value]  # a mapping


def cases(file: Path) -> list[Case]:
    """A case for each stream of a manifest."""
    text = file.read_text()
    manifest = yaml.load(text, Loader=yaml.CSafeLoader)
    whole = expanded(text)
    values = config(whole.get("spec") or {})
    found = []
    for stream in whole.get("streams") or ():
        if isinstance(stream, dict) and stream.get("type") == "DeclarativeStream":
            parents = {str(p.get("type")) for p in walk(stream)}
            found.append(
                Case(
                    name=f"{file.stem}: {stream.get('name')}",
                    manifest=manifest,
                    config=values,
                    api=lambda stream=stream: shape([stream]),
                    streams=(str(stream.get("name")),),
                    waits=False,
                    alike="SubstreamPartitionRouter" in parents,
                )
            )
    return found


@pytest.mark.skipif(
    os.environ.get("PENSTOCK_PARITY") != "all", reason="takes minutes: PENSTOCK_PARITY=all"
)
@pytest.mark.skipif(not FOLDER.is_dir(), reason="there is no folder of manifests")
def test_streams_of_real_manifests_do_the_same(engines: tuple[Reference, Server]):
    """Of the first stream of every small manifest without classes, most are read the same."""
    files = [f for f in sorted(FOLDER.glob("*.yaml")) if not _CUSTOM.search(f.read_text())]
    small = [f for f in files if f.stat().st_size < 20_000][:40]
    agree, told = 0, []
    taken = [case for file in small for case in cases(file)[:1]]
    for case in taken:
        try:
            differences = compare(case, *engines)
        except TimeoutError as exc:
            differences = [str(exc)]
        agree += not differences
        told += [f"{case.name}: {line}" for line in differences[:3]]
    print(f"{agree} of {len(taken)} streams agree", *told, sep="\n")  # noqa: T201 (needed here only)
    assert agree >= LEAST * len(taken), "\n".join(told)
