"""The documents that are changed: the bundled ones, and those of other tests, in both dialects."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml
from tests.parity.airbyte import asking as airbyte_asking
from tests.parity.airbyte import (
    auths,
    cursors,
    errors,
    extras,
    many,
    paging,
    partitions,
    selecting,
    tokens,
)
from tests.parity.dlt.cases import CASES as DLT_CASES

import penstock

BASE = "https://api.test"
_TESTS = Path(__file__).parents[1]
_PACKAGE = Path(penstock.__file__).parent / "connectors"
_AIRBYTE = (airbyte_asking, auths, cursors, errors, extras, many, paging, partitions, selecting)


class Seed(msgspec.Struct, frozen=True, kw_only=True):
    """A valid document as plain data, and values for what it asks for."""

    name: str
    document: dict[str, Any]
    values: dict[str, Any] = {}


def _plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


def _files(*places: Path) -> list[Seed]:
    found = [path for place in places for path in sorted(place.glob("*.yaml"))]
    return [Seed(name=p.name, document=yaml.safe_load(p.read_text("utf-8"))) for p in found]


def _is_manifest(seed: Seed) -> bool:
    return "streams" in seed.document


@cache
def seeds(dialect: str) -> tuple[Seed, ...]:
    """The documents of a dialect. Those that hold Python functions are left out."""
    folders = (_TESTS / "faults/documents", _TESTS / "simulator/documents")
    more = (_PACKAGE, _PACKAGE / "manifests", _TESTS / "e2e/documents")
    files = _files(*folders, *more)
    if dialect == "airbyte":
        cases = [case for module in _AIRBYTE for case in module.CASES] + list(tokens.CASES)
        made = [Seed(name=c.name, document=c.manifest, values=c.config) for c in cases]
    else:
        made = [Seed(name=c.name, document=c.config(BASE)) for c in DLT_CASES]
    wanted = [seed for seed in files if _is_manifest(seed) == (dialect == "airbyte")]
    return tuple(seed for seed in [*wanted, *made] if _plain(seed.document))
