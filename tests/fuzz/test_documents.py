"""Whatever is wrong with a document, it ends in a plan or in diagnostics, and plans in rows."""

from __future__ import annotations

import json

import pytest
from hypothesis import strategies as st
from tests.fuzz.chance import EXAMPLES, PROFILE, SHARES, Drawn, fuzzed
from tests.fuzz.play import bounded, of_object
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import DIALECTS, plain, text


@pytest.mark.parametrize("dialect", DIALECTS)
@fuzzed("plain")
def test_a_document_of_plain_data_is_a_plan_or_diagnosed(dialect: str, data: st.DataObject):
    """Keys that are gone, renamed or doubled, other types, parts of others: nothing is raised."""
    with bounded():
        plain(dialect, Drawn(data))


@pytest.mark.parametrize("dialect", DIALECTS)
@fuzzed("text")
def test_a_document_of_text_is_a_plan_or_diagnosed(dialect: str, data: st.DataObject):
    """The same of files of each kind, which also are cut and garbled, and repaired."""
    with bounded():
        text(dialect, Drawn(data))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_documents_are_right_before_they_are_changed(dialect: str):
    """A share of the seeds: each compiles, or is one that tests of refusals use."""
    found = seeds(dialect)[::25]
    usable = [seed for seed in found if of_object(seed.document, seed.values).ok]
    assert len(usable) > len(found) * 3 // 4
    assert len(seeds(dialect)) > 400
    assert all(json.dumps(seed.document) for seed in found)


def test_there_are_as_many_examples_as_is_said():
    """The shares of all tests together are the whole."""
    assert 2 * (SHARES["plain"] + SHARES["text"]) + SHARES["bodies"] == 100
    assert {"ci": 500, "nightly": 20_000}[PROFILE] == EXAMPLES
