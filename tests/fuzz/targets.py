"""What is fuzzed, whoever decides: documents of both dialects, as data and as text, and bodies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import yaml
from tests.fuzz import bodyplay
from tests.fuzz.bodies import answers
from tests.fuzz.mutate import SUFFIXES, Chooser, Json, garbled, mutated, odd, pick, written
from tests.fuzz.play import Answers, of_object, of_text, ran
from tests.fuzz.seeds import Seed, seeds
from tests.support.api import Api

from penstock.dialects import Compiled

DIALECTS = ("dlt", "airbyte")


def plain(dialect: str, choose: Chooser) -> None:
    """A document with something wrong, as plain data, and a run of what it compiles to."""
    seed, document = _changed(choose, dialect)
    _load(choose, seed, of_object(document, pick(choose, (None, {}, seed.values))))


def text(dialect: str, choose: Chooser) -> None:
    """The same as a file of some kind, which may be cut and garbled, and is repaired."""
    seed, document = _changed(choose, dialect)
    suffix = pick(choose, SUFFIXES)
    try:
        made = written(document, suffix)
    except (yaml.YAMLError, RecursionError, ValueError):
        return  # what cannot be written is no file
    _load(choose, seed, of_text(garbled(made, choose) if choose.below(2) else made, suffix))


def body(choose: Chooser) -> None:
    """A body of any bytes, from its decoding to tables."""
    bodyplay.play(choose)


TARGETS: Mapping[str, Callable[[Chooser], None]] = {
    **{f"{dialect}-plain": partial(plain, dialect) for dialect in DIALECTS},
    **{f"{dialect}-text": partial(text, dialect) for dialect in DIALECTS},
    "body": body,
}


def _changed(choose: Chooser, dialect: str) -> tuple[Seed, Json]:
    """A document of other tests, and the same with something wrong."""
    pool = seeds(dialect)
    seed = pick(choose, pool)
    donors = [pick(choose, pool).document for _ in range(2)]
    return seed, mutated(seed.document, choose, donors)


def _load(choose: Chooser, seed: Seed, compiled: Compiled | None) -> None:
    """Run what compiled, against an API that answers anything."""
    if compiled is None or compiled.source is None:
        return
    given = {wanted.name: odd(choose) for wanted in compiled.source.inputs}
    ran(compiled.source, {**given, **seed.values}, Api(Answers(choose, answers(choose)), most=9999))
