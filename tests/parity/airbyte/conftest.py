"""The two engines, started once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec

import pytest
from tests.parity.airbyte.harness import Reference, Server


@pytest.fixture(scope="session")
def engines() -> Iterator[tuple[Reference, Server]]:
    """The reference engine in a process of its own, and the server that both engines ask."""
    python = os.environ.get("PENSTOCK_CDK_PYTHON") or (
        sys.executable if find_spec("airbyte_cdk") else ""
    )
    if not python:
        pytest.skip("the reference engine is not installed")
    server = Server()
    reference = Reference(python, server)
    yield reference, server
    reference.close()
    server.close()
