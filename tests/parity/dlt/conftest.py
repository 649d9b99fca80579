"""What the parity tests share: one dlt process and two servers for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.parity.dlt.harness import Oracle, oracle_python
from tests.parity.dlt.server import Stage


@pytest.fixture(scope="session")
def oracle() -> Iterator[Oracle]:
    """The dlt that Penstock is compared with."""
    python = oracle_python()
    if python is None:
        pytest.skip("dlt is not installed here: install penstock[oracles], or name an interpreter "
                    "that has it in PENSTOCK_DLT_PYTHON")  # fmt: skip
    held = Oracle(python)
    yield held
    held.close()


@pytest.fixture(scope="session")
def stages() -> Iterator[tuple[Stage, Stage]]:
    """The server that dlt asks, and the one that Penstock asks."""
    with Stage().open() as theirs, Stage().open() as ours:
        yield theirs, ours
