"""The cases of the fault matrix, how one is run, and what its verdict is."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
from tests.faults.world import DIALECTS, KINDS, PAGINATORS, RECORDS, VALUES, World, now, record
from tests.support.api import Api, Read, read_all
from tests.support.clock import VirtualClock

from penstock.engine import compile_source
from penstock.engine.receipts import make_receipt
from penstock.errors import ReadError
from penstock.events import Receipt
from penstock.plan.source import Source
from penstock.shape.values import decode

DOCUMENTS = Path(__file__).parent / "documents"
VERDICTS = Path(__file__).parent / "verdicts.toml"
MOST_REQUESTS = 60
MOST_SECONDS = 7200.0  # virtual ones
MODES: Mapping[str, Callable[[int], bool]] = MappingProxyType(
    {
        "once": lambda number: number == 3,
        "from the middle": lambda number: number >= 3,
        "from the start": lambda _number: True,
    }
)


TELLING = frozenset(
    {"above-total", "below-total", "empty-page", "record-path-empty", "record-path-gone"}
)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of fault, when it strikes, and what is read."""

    kind: str
    mode: str
    paginator: str
    dialect: str

    def strikes(self, number: int) -> bool:
        """Whether the fault strikes a request; the only one of a single page is its first."""
        once = self.mode == "once" and self.paginator == "single"
        return number == 1 if once else MODES[self.mode](number)

    def __str__(self) -> str:
        return f"{self.kind} {self.mode}, {self.paginator}, {self.dialect}"


def cases(*modes: str) -> Iterator[Case]:
    """Every case, or those of some modes."""
    for kind in KINDS:
        for mode in modes or MODES:
            for paginator in PAGINATORS:
                if paginator == "single" and mode == "from the middle":
                    continue  # there is no middle
                for dialect in DIALECTS:
                    yield Case(kind=kind, mode=mode, paginator=paginator, dialect=dialect)


@cache
def plan(dialect: str, paginator: str) -> Source:
    """The plan of one stream of one dialect."""
    source = compile_source(str(DOCUMENTS / DIALECTS[dialect])).need()
    stream = next(s for s in source.streams if s.name == paginator)
    return msgspec.structs.replace(source, streams=(stream,))


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a case."""

    case: Case
    read: Read
    receipt: Receipt
    world: World

    @property
    def verdict(self) -> str:
        """How it ended: whole, with an error's code, with a warning's, or unnoticed."""
        rows = [decode(raw) for page in self.read.pages() for raw in page.records]
        found = Counter(row["id"] if isinstance(row, dict) else str(row) for row in rows)
        if self.receipt.failures:
            return " ".join(sorted({f.code for f in self.receipt.failures}))
        if max(found.values(), default=0) > 1:
            return "given twice"
        if set(found) == set(range(RECORDS)):
            return "complete"
        if not all(isinstance(row, dict) for row in rows):
            return "as given"
        told = {note.code for note in self.receipt.warnings} & TELLING
        return f"told: {' '.join(sorted(told))}" if told else "unnoticed"


def outcome(case: Case) -> Outcome:
    """Run a case on virtual time."""
    world = World(KINDS[case.kind], case.strikes)
    api = Api(world, latency=world.latency, most=MOST_REQUESTS)
    source = plan(case.dialect, case.paginator)
    clock = VirtualClock(start=now())
    read = read_all(source, api, values=VALUES, clock=clock)
    receipt = make_receipt(read.contexts[case.paginator], None, None, read.seconds)
    return Outcome(case=case, read=read, receipt=receipt, world=world)


@cache
def verdicts() -> dict[str, dict[str, Any]]:
    """The verdicts that are promised, by kind and mode."""
    return tomllib.loads(VERDICTS.read_text("utf-8"))


def promised(case: Case) -> str:
    """The verdict that is promised for a case: the most special of those that are said."""
    said = verdicts()[case.kind][case.mode]
    if isinstance(said, str):
        return said
    keys = (f"{case.paginator} {case.dialect}", case.paginator, case.dialect, "else")
    return next(said[key] for key in keys if key in said)


def written(found: Mapping[Case, str]) -> str:
    """The file of verdicts for what was found."""
    lines = ["# What each fault leads to: verdicts by kind, and by when it strikes.", ""]
    lines += [
        "# `python -m tests.faults.matrix` prints this file anew; tests hold every case to it."
    ]
    for kind in KINDS:
        lines += ["", f"[{json.dumps(kind)}]"]
        for mode in MODES:
            said = {c: v for c, v in found.items() if (c.kind, c.mode) == (kind, mode)}
            lines.append(f"{json.dumps(mode)} = {_grouped(said)}")
    return "\n".join(lines) + "\n"


def _grouped(said: Mapping[Case, str]) -> str:
    """Verdicts of one kind and mode: the usual one, and those of others."""
    usual = Counter(said.values()).most_common(1)[0][0]
    odd: dict[str, str] = {}
    for paginator in PAGINATORS:
        mine = {c.dialect: v for c, v in said.items() if c.paginator == paginator}
        if len(set(mine.values())) == 1:
            (verdict,) = set(mine.values())
            odd |= {paginator: verdict} if verdict != usual else {}
        else:
            odd |= {f"{paginator} {d}": v for d, v in mine.items() if v != usual}
    if not odd:
        return json.dumps(usual)
    pairs = {"else": usual, **odd}
    return f"{{ {', '.join(f'{json.dumps(k)} = {json.dumps(v)}' for k, v in pairs.items())} }}"


def check(done: Outcome) -> None:
    """Assert what holds of every case, whatever its verdict."""
    assert done.read.seconds <= MOST_SECONDS
    assert not [a for a in done.world.foreign if "authorization" in a.headers]
    for failure in done.receipt.failures:
        assert failure.request.startswith(("GET https://", "GET http://")), failure
        assert failure.message
        assert failure.hint
    assert done.receipt.stream == done.case.paginator
    wanted = {n: record(n) for n in range(RECORDS)}
    for text in done.read.pages():
        for raw in text.records:
            row = decode(raw)
            if isinstance(row, dict) and "id" in row:
                assert {k: v for k, v in row.items() if k in wanted[0]} == wanted[row["id"]]
    assert all(isinstance(lost.error, ReadError) for lost in done.read.lost())


if __name__ == "__main__":
    print(written({case: outcome(case).verdict for case in cases()}), end="")  # noqa: T201 (what this is for)
