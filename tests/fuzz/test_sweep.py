"""One thing wrong in every place of every document, place by place: none is missed by chance."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
from tests.fuzz.chance import PROFILE
from tests.fuzz.mutate import Json, Path, at, places
from tests.fuzz.play import bounded, of_object
from tests.fuzz.seeds import Seed, seeds
from tests.fuzz.targets import DIALECTS

STRIDE = {"ci": 50, "nightly": 1}[PROFILE]
VALUES: tuple[Json, ...] = (
    *(None, "", " ", "x", "{", "{{", "{{ config.a }}", "P", "%Q", "$[", 0, -1, 1.5, 10**30),
    *(False, True, [], {}, [[]], [None], {"type": None}, {"$ref": "#/"}),
)
# Where a value rightly decides how many streams there are.
MEANT = frozenset({"dynamic_streams", "condition"})


def changed(dialect: str) -> Iterator[tuple[Seed, Path, Json]]:
    """Each place, or each of a share of them, with one value after the other in it."""
    everywhere = ((seed, path) for seed in seeds(dialect) for path in places(seed.document))
    for number, (seed, path) in enumerate(everywhere):
        if number % STRIDE == 0:
            yield seed, path, VALUES[number // STRIDE % len(VALUES)]


def loaded(document: Json, seed: Seed) -> set[str] | None:
    """The streams that are loaded, where there is nothing to be said of a document."""
    found = of_object(document, seed.values)
    if found.source is None or found.diagnostics:
        return None
    return {stream.name for stream in found.source.streams if stream.selected}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_any_place_may_hold_anything(dialect: str) -> None:
    """It compiles or is diagnosed; and no stream is left out without a word."""
    whole: dict[str, set[str] | None] = {}
    played = 0
    for seed, path, value in changed(dialect):
        document = copy.deepcopy(seed.document)
        at(document, path[:-1])[path[-1]] = copy.deepcopy(value)
        with bounded():
            left = loaded(document, seed)
            if seed.name not in whole:
                whole[seed.name] = loaded(seed.document, seed)
        wanted = whole[seed.name]
        if left is not None and wanted is not None and path[1:] and MEANT.isdisjoint(path):
            assert len(left) >= len(wanted), (seed.name, path, value)
        played += 1
    assert played > 100
