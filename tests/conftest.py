"""What all tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import nullcontext

import pytest
from hypothesis import settings
from tests.support.patience import in_all

# How long an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

LONGEST = 600.0  # seconds that a test may take on a busy machine; where it is then, is printed
# Who plays more than usual says how long that may take.
LONGER = any(
    os.environ.get(f"PENSTOCK_{name}")
    for name in (
        *("AIRBYTE_CORPUS", "BUGS", "CRASH", "FUZZ", "PARITY", "PARTITIONS", "PROCESSES"),
        *("SIMULATOR_SEEDS", "SYSCALLS"),
    )
)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    """A test that hangs fails."""
    with nullcontext() if LONGER else in_all(LONGEST):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    """So does one whose fixtures hang."""
    with nullcontext() if LONGER else in_all(LONGEST):
        return (yield)


@pytest.fixture
def run_python() -> Callable[[str], str]:
    """Run code in an interpreter of its own and give what it prints; an error in it is ours."""

    def run(code: str) -> str:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            capture_output=True,
            encoding="utf-8",
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run
