"""Some of several changes, made to a scenario or not."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence

from tests.parity.dlt.data import Parts

Change = Callable[[random.Random, Parts], None]


def changed(
    rng: random.Random,
    scenario: Parts,
    changes: Sequence[Change],
    *,
    untouched: float,
    sizes: Sequence[int],
) -> Parts:
    """The scenario, `untouched` in that share of cases, else with changes in their order.

    `sizes` says how many, one of these.
    """
    if rng.random() < untouched:
        return scenario
    made = copy.deepcopy(scenario)
    for change in sorted(rng.sample(changes, rng.choice(sizes)), key=changes.index):
        change(rng, made)
    return made
