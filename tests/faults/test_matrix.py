"""The fault matrix: every fault in every way to page, in both dialects, once and for good."""

from __future__ import annotations

from itertools import groupby

import pytest
from tests.faults.matrix import MODES, Case, cases, check, outcome, promised, verdicts
from tests.faults.world import KINDS, RECORDS

from penstock.emulator import FAULTS

CASES = {kind: list(found) for kind, found in groupby(cases(), key=lambda c: c.kind)}
LEAST = 450


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_ends_as_promised(kind: str):
    """Every case of a fault ends in bounded time and requests, and as the guarantees say."""
    wrong = []
    for case in CASES[kind]:
        done = outcome(case)
        check(done)
        if done.verdict != promised(case):
            wrong.append(f"{case}: {done.verdict}, not {promised(case)}")

    assert wrong == []


def test_the_matrix_is_whole(record_property):
    """Every fault of the emulator is in it, in every mode; its cases are counted and many."""
    count = sum(map(len, CASES.values()))
    record_property("cases", count)
    print(f"fault matrix: {len(KINDS)} kinds, {count} cases")  # noqa: T201 (the figure is asked for)

    assert set(FAULTS) <= set(KINDS)
    assert set(verdicts()) == set(KINDS)
    assert all(set(said) == set(MODES) for said in verdicts().values())
    assert count >= LEAST


def test_without_a_fault_everything_comes():
    """The cases fail for their faults only: before any strikes, each stream is complete."""
    for case in {(c.paginator, c.dialect) for found in CASES.values() for c in found}:
        paginator, dialect = case
        calm = Case(kind="clock-ahead", mode="once", paginator=paginator, dialect=dialect)
        done = outcome(calm)

        assert sorted(done.read.ids()) == list(range(RECORDS))
        assert not done.receipt.warnings
        assert not done.receipt.failures


# Faults whose answers no client can tell from right ones, each with why.
BLIND = {
    "empty-page": "an empty page is how most APIs say that the last one was full",
    "no-content": "an answer that there is nothing is right where there is nothing",
    "records-null": "null is what some APIs give for an empty page",
    "shift-insert": "a page that moved on the API's side looks like any other",
    "shift-delete": "a page that moved on the API's side looks like any other",
}


def test_nothing_is_lost_in_silence():
    """A record is missed without an error or warning only where no client could notice."""
    blind = {c.kind for found in CASES.values() for c in found if promised(c) == "unnoticed"}

    assert blind <= set(BLIND)
