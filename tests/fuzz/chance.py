"""Hypothesis decides: `PENSTOCK_FUZZ` says how often, as `ci` or as `nightly` has it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

PROFILE = os.environ.get("PENSTOCK_FUZZ", "ci")
EXAMPLES = {"ci": 500, "nightly": 20_000}[PROFILE]
# How many of a hundred examples each test plays.
SHARES = {"plain": 20, "text": 15, "bodies": 30}  # the first two for either dialect


class Drawn:
    """Decides as Hypothesis draws, which remembers what fails and makes it smaller."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def below(self, count: int) -> int:
        """A whole number from 0 to below `count`."""
        drawn: int = self._data.draw(st.integers(0, count - 1))
        return drawn


def fuzzed(share: str) -> Callable[[Callable[..., None]], Any]:
    """A test that is played with its share of all examples; those of `ci` are always the same."""

    def decorate(test: Callable[..., None]) -> Any:
        bounds = settings(
            max_examples=EXAMPLES * SHARES[share] // 100,
            derandomize=PROFILE == "ci",
            database=None,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        )
        return bounds(given(st.data())(test))

    return decorate
