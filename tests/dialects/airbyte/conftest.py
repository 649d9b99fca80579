"""Gives tests the helpers beside them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location(
    "airbyte_manifests", Path(__file__).with_name("manifests.py")
)
_manifests = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_manifests)


@pytest.fixture(scope="session")
def make():
    """The helpers that build and compile manifests."""
    return _manifests
