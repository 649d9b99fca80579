"""Playing a scenario, comparing what came of it, and cutting it down while it still differs."""

from __future__ import annotations

import copy
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
from tests.destinations.postgres_server import drop_database, fresh_database
from tests.parity.dlt import steps
from tests.parity.dlt.chance import answers, known, rarest, turns
from tests.parity.dlt.chance.compose import BASE
from tests.parity.dlt.data import Parts
from tests.parity.dlt.harness import Case, Oracle, Outcome, play
from tests.parity.dlt.server import Stage

from penstock.dlt import incremental

Path_ = tuple[Any, ...]
_WAYS = ("drop_sources", "drop_resources", "drop_data")
LONGEST = 60.0  # seconds of cutting down


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What differs, and by which rows of docs/parity.md the engines part on purpose."""

    differs: list[str]
    rows: frozenset[str] = frozenset()
    error: str = ""
    theirs: list[Outcome] = []
    ours: list[Outcome] = []


def built(config: Any, base: str) -> Any:
    """A configuration with its functions, for an API at `base`."""
    if isinstance(config, dict):
        if set(config) == {"$step"}:
            return getattr(steps, config["$step"])
        if set(config) == {"$incremental"}:
            said = {k: built(v, base) for k, v in config["$incremental"].items()}
            picks = {"max": max, "min": min}
            if said.get("last_value_func") in picks:
                said["last_value_func"] = picks[said["last_value_func"]]
            return incremental(**said)
        return {k: built(v, base) for k, v in config.items()}
    if isinstance(config, list):
        return [built(v, base) for v in config]
    return config.replace(BASE, base) if isinstance(config, str) else config


class Player:
    """Plays scenarios; dlt is started anew now and then, since it keeps what it has seen."""

    def __init__(
        self,
        oracle: Oracle,
        stages: tuple[Stage, Stage],
        *,
        dlt_columns: bool = False,
        postgres: bool = False,
        refresh: bool = False,
    ) -> None:
        self._refresh = refresh
        self._oracle, self._stages = oracle, stages
        self._dlt_columns, self._postgres = dlt_columns, postgres

    def play(self, scenario: Parts) -> Played:
        """What both engines do with a scenario, and what of it differs."""
        case = Case(
            name=f"chance {scenario['seed']}",
            config=lambda base: built(rarest.said_in(scenario, self._run(base)), base),
            api=answers.api(copy.deepcopy(scenario["apis"])),
            runs=scenario["runs"], law=True,
        )  # fmt: skip
        if self._dlt_columns:
            return self._in_turns(scenario, case)
        with tempfile.TemporaryDirectory() as folder, self._databases() as urls:
            way = _WAYS[scenario["seed"] % len(_WAYS)] if self._refresh else None
            where = self._stages, Path(folder)
            both = play(case, self._oracle, *where, urls=urls, refresh=way)
        theirs, ours = ([self._placeless(outcome) for outcome in done] for done in both)
        differs, rows = known.differences(scenario, theirs, ours)
        error = next((o.error for o in theirs if o.error), "")
        return Played(differs=differs, rows=rows, error=error, theirs=theirs, ours=ours)

    def _run(self, base: str) -> int:
        """Which run an API is asked in."""
        return next((stage.round for stage in self._stages if stage.base == base), 1)

    def _placeless(self, outcome: Outcome) -> Outcome:
        tables = turns.placeless(outcome.tables, self._stages)
        return msgspec.structs.replace(outcome, tables=tables)

    @contextmanager
    def _databases(self) -> Iterator[tuple[str, str] | None]:
        """Two databases of Postgres, where that is what is loaded into."""
        if not self._postgres:
            yield None
            return
        urls = fresh_database(), fresh_database()
        yield urls
        for url in urls:
            drop_database(url)

    def _in_turns(self, scenario: Parts, case: Case) -> Played:
        """In the columns of dlt: by Penstock alone, and by both in turns."""
        apis = copy.deepcopy(scenario["apis"])
        back = turns.AFTER if scenario["seed"] % 2 and scenario["runs"] > 1 else turns.ALONE
        datasets = turns.Datasets(postgres=self._postgres)
        with tempfile.TemporaryDirectory() as folder, closing(datasets):
            where = self._stages, Path(folder)
            held = turns.Turns(case, apis, self._oracle, *where, datasets=datasets)
            held.play(back=back)
        pairs = ((1, "", held.ours), (2, "after dlt: ", held.after))
        said, rows = list(held.lost), frozenset[str]()
        for first, when, ours in pairs:
            theirs = held.theirs[first - 1 : first - 1 + len(ours)]
            more, met = known.differences(scenario, theirs, ours, first)
            said += [f"{when}{line}" for line in more]
            rows |= met
        error = next((o.error for o in held.theirs if o.error), "")
        ours = [*held.ours, *held.after]
        return Played(differs=said, rows=rows, error=error, theirs=held.theirs, ours=ours)


# Cutting down.


def shrunk(player: Player, scenario: Parts, played: Played, seconds: float = LONGEST) -> Parts:
    """The scenario without what its difference does not need."""
    found = kinds(played.differs)
    wanted = {kind for kind in found if kind.startswith("error")} or found
    held, smaller, ends = scenario, True, time.monotonic() + seconds
    while smaller:
        smaller = False
        for path in list(_places(held)):
            cut = _without(held, path)
            if time.monotonic() > ends:
                return held
            if cut is not None and kinds(player.play(cut).differs) & wanted:
                held, smaller = cut, True
    return held


def kinds(differs: list[str]) -> set[str]:
    """Differences without names and values: what must stay the same while a scenario shrinks."""
    found = set()
    for line in differs:
        words = re.sub(r"^run \d+: ", "", line)
        if words.startswith("error"):
            theirs, _, ours = words.partition("penstock")
            classes = sorted(set(re.findall(r"\w+(?:Error|Exception|Missing|Failed)\b", theirs)))
            found.add(f"error: {' '.join(classes)} / {re.findall(r'[a-z-]+(?=:)', ours)[:1]}")
        else:
            clean = re.sub(r"^[^:]*: ", "", words)
            found.add(" ".join(clean.split()[:3]) if "only" in clean[:5] else clean.split()[0])
    return found


def _places(scenario: Parts) -> Iterator[Path_]:
    """What may be left out, large things first."""
    found = [("config", *p) for p in _nodes(scenario["config"])]
    found += [("apis", *p) for p in _nodes(scenario["apis"])]
    yield from sorted(found, key=lambda p: (len(p), str(p[0])))
    yield ("runs",)


def _nodes(value: Any) -> Iterator[Path_]:
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = [(n, v) for n, v in reversed(list(enumerate(value)))]
    for key, inner in items:
        yield (key,)
        for path in _nodes(inner):
            yield (key, *path)


def _without(scenario: Parts, path: Path_) -> Parts | None:
    """The scenario without what stands at a path; None where nothing does, or it is needed."""
    if path == ("runs",):
        return {**scenario, "runs": 1} if scenario["runs"] > 1 else None
    cut = copy.deepcopy(scenario)
    held: Any = cut
    for step in path[:-1]:
        try:
            held = held[step]
        except (KeyError, IndexError, TypeError):
            return None
    last = path[-1]
    if last in {
        "cursor_path",
        "base_url",
        "client",
        "resources",
        "name",
        "rounds",
        "kind",
        "size",
        "start",
    }:
        return None
    if isinstance(held, list) and len(path) > 2 and path[-2] == "rounds":
        return None
    try:
        del held[last]
    except (KeyError, IndexError, TypeError):
        return None
    return cut
