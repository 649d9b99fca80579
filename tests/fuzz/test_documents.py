"""Whatever is wrong with a document, it ends in a plan or in diagnostics, and plans in rows."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import strategies as st
from tests.fuzz.bodies import answers
from tests.fuzz.chance import EXAMPLES, PROFILE, SHARES, Drawn, fuzzed
from tests.fuzz.mutate import SUFFIXES, Chooser, garbled, mutated, odd, pick, written
from tests.fuzz.play import Answers, bounded, of_object, of_text, ran
from tests.fuzz.seeds import Seed, seeds
from tests.support.api import Api

from penstock.dialects import Compiled

DIALECTS = ("dlt", "airbyte")


def changed(choose: Chooser, dialect: str) -> tuple[Seed, dict]:
    """A document of other tests, and the same with something wrong."""
    pool = seeds(dialect)
    seed = pick(choose, pool)
    donors = [pick(choose, pool).document for _ in range(2)]
    return seed, mutated(seed.document, choose, donors)


def load(choose: Chooser, seed: Seed, compiled: Compiled | None) -> None:
    """Run what compiled, against an API that answers anything."""
    if compiled is None or compiled.source is None:
        return
    given = {wanted.name: odd(choose) for wanted in compiled.source.inputs}
    ran(compiled.source, {**given, **seed.values}, Api(Answers(choose, answers(choose)), most=9999))


@pytest.mark.parametrize("dialect", DIALECTS)
@fuzzed("plain")
def test_a_document_of_plain_data_is_a_plan_or_diagnosed(dialect: str, data: st.DataObject):
    """Keys that are gone, renamed or doubled, other types, parts of others: nothing is raised."""
    choose = Drawn(data)
    with bounded():
        seed, document = changed(choose, dialect)
        load(choose, seed, of_object(document, pick(choose, (None, {}, seed.values))))


@pytest.mark.parametrize("dialect", DIALECTS)
@fuzzed("text")
def test_a_document_of_text_is_a_plan_or_diagnosed(dialect: str, data: st.DataObject):
    """The same of files of each kind, which also are cut and garbled, and repaired."""
    choose = Drawn(data)
    with bounded():
        seed, document = changed(choose, dialect)
        suffix = pick(choose, SUFFIXES)
        try:
            text = written(document, suffix)
        except (yaml.YAMLError, RecursionError, ValueError):
            return  # what cannot be written is no file
        load(choose, seed, of_text(garbled(text, choose) if choose.below(2) else text, suffix))


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
