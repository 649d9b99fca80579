"""Penstock asks, gives, keeps and waits for the same as the reference engine."""

from __future__ import annotations

import pytest
from tests.parity.airbyte import (
    asking,
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
from tests.parity.airbyte.harness import Case, Reference, Server, compare
from tests.parity.airbyte.unusual import asking as unusual_asking
from tests.parity.airbyte.unusual import expanding as unusual_expanding
from tests.parity.airbyte.unusual import keeping as unusual_keeping
from tests.parity.airbyte.unusual import making as unusual_making
from tests.parity.airbyte.unusual import paging as unusual_paging
from tests.parity.airbyte.unusual import selecting as unusual_selecting
from tests.parity.airbyte.unusual import slicing as unusual_slicing

_MODULES = (
    asking,
    auths,
    cursors,
    errors,
    extras,
    many,
    paging,
    partitions,
    selecting,
    tokens,
    unusual_asking,
    unusual_expanding,
    unusual_keeping,
    unusual_making,
    unusual_paging,
    unusual_selecting,
    unusual_slicing,
)
CASES = [case for module in _MODULES for case in module.CASES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_both_engines_do_the_same(engines: tuple[Reference, Server], case: Case):
    """Requests, records, state, failure and waits of a case are those of the reference engine."""
    assert compare(case, *engines) == []


def test_there_are_enough_cases():
    """Every kind of component is compared, each case under a name of its own."""
    assert len(CASES) >= 250
    assert len({case.name for case in CASES}) == len(CASES)
