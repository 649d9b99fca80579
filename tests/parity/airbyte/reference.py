"""Run by the reference engine's own Python: expands each manifest named on standard input.

Reads file names, one a line; writes one JSON object a line: the expanded manifest, or an error.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml
from airbyte_cdk.sources.declarative.parsers.manifest_component_transformer import (
    ManifestComponentTransformer,
)
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import (
    ManifestReferenceResolver,
)


def expanded(name: str) -> object:
    """A manifest with its references followed, types filled in and parameters handed down."""
    manifest = yaml.load(Path(name).read_text(), Loader=yaml.CSafeLoader)
    manifest.setdefault("type", "DeclarativeSource")
    resolved = ManifestReferenceResolver().preprocess_manifest(manifest)
    return ManifestComponentTransformer().propagate_types_and_parameters("", resolved, {})


for line in sys.stdin:
    try:
        answer = {"manifest": expanded(line.strip())}
    except Exception as exc:  # noqa: BLE001 (whatever it says is the answer)
        answer = {"error": f"{type(exc).__name__}: {exc}"}
    print(json.dumps(answer, default=str), flush=True)  # noqa: T201 (its answer)
