"""One seed is one history: rows that come and change, faults, kills, rivals, runs; and its check.

In some runs the clock of the machine jumps.

Runs are disturbed, then left in peace. At every moment no row may be there twice, and after a run
that calls itself or the stream done, all that the API held when it began must be there.
"""

from __future__ import annotations

import asyncio
import random
import re
import signal
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any

import msgspec
from tests.simulator.kinds import KINDS, Kind, plan
from tests.simulator.places import MEMORY, place
from tests.simulator.store import Kill, Row
from tests.simulator.world import VALUES, World
from tests.support.api import Api, Asked
from tests.support.clock import EPOCH, VirtualClock, run

from penstock.engine.lot import Sizes
from penstock.engine.running import Options, Run, redactor_for
from penstock.errors import DestinationError, FencedError
from penstock.events import Event, Receipt, Status
from penstock.plan.page import HttpResponse

JUMPS = (8 * 3600.0, -8 * 3600.0, 90 * 86_400.0)  # of a run's own clock, in seconds
OFTEN = 0.15  # that a run builds all tables anew
MOST_SECONDS = 100_000.0  # of virtual time, for one run


class Later(Executor):
    """Does blocking work on the virtual loop, each piece `delay` seconds after it can begin."""

    def __init__(self, delay: Callable[[], float]) -> None:
        self._delay = delay
        self._free = 0.0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **words: Any) -> Future[Any]:
        """Do it later; in the order in which it came."""
        done: Future[Any] = Future()
        loop = asyncio.get_running_loop()
        self._free = max(self._free, loop.time()) + self._delay()

        def work() -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                done.set_result(fn(*args, **words))
            except BaseException as exc:  # noqa: BLE001 (whatever it was belongs to the caller)
                done.set_exception(exc)

        loop.call_at(self._free, work)
        return done


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """How one run went: its status, or what ended it."""

    status: str
    receipts: Sequence[Receipt] = ()
    requests: int = 0


class History:
    """The history of one seed."""

    def __init__(
        self,
        seed: int,
        tell: Callable[[str], None] = lambda _line: None,
        kinds: Sequence[Kind] = KINDS,
        where: str = MEMORY,
    ) -> None:
        self.seed = seed
        self._tell = tell
        self.rng = random.Random(seed)
        self.kind = self.rng.choice(kinds)
        self.store = place(where)
        self.world = World(
            self.rng,
            rows=self.rng.choice([0, 1, 3, 8, 20, 40]),
            size=self.rng.choice([1, 3, 5, 50]),
        )
        self.concurrency = self.rng.choice([1, 2, 5, 20])
        self.write = self.kind.write
        self.versions = self.write != "merge"  # whether older ones of a row may be there
        self.sizes = Sizes(
            block=self.rng.choice([60, 300, 2000]),
            checkpoint=self.rng.choice([100, 600, 4000]),
            idle=self.rng.choice([40, 1000]),
            seconds=self.rng.choice([0.1, 1e9]),
        )
        self.latency = self.rng.choice([0.0, 0.05, 1.0])
        self.time = EPOCH
        self.runs = 0
        self.sessions = 0
        self.settled = True  # whether nothing is left of the last run
        self.asked = 0
        self.over = False
        self.fresh = False
        self.select: tuple[str, ...] = ()
        self.began: dict[int, Row] = {}
        tell(f"seed {seed}: {self.kind.stream}, {len(self.world.rows)} rows, {self.sizes}")

    def play(self) -> None:
        """Live it, and check it at every step."""
        try:
            self._live()
        finally:
            self.store.close()

    def _live(self) -> None:
        for _ in range(self.rng.randint(1, 3)):
            for _ in range(self.rng.randint(0, 3)):
                self._disturbed()
                if self.over:
                    return
                self._mutate()
            self._calm()
            if self.over:
                return
            self._mutate()

    def _mutate(self) -> None:
        fresh, changed = self.rng.choice([0, 0, 1, 7]), self.rng.choice([0, 0, 1, 5])
        late, gone = self.rng.choice([0, 0, 1, 3]), self.rng.choice([0, 0, 0, 2])
        self.world.grow(fresh)
        if not self.kind.once:
            self.world.change(changed, move=not self.kind.passes)
            self.world.shrink(gone)
        if self.kind.grows:
            self.world.grow_late(late)
        self._tell(f"  {fresh} new rows, {changed} changed, {late} late, {gone} deleted")

    def _disturbed(self) -> None:
        """A run with faults, or a kill, or a stop, or a rival, or some of these."""
        self.world.faults = self.rng.choice([0.0, 0.03, 0.2])
        self.world.growth = self.rng.choice([0.0, 0.0, 0.2]) if self.kind.grows else 0.0
        trouble = self.rng.choice(["none", "kill", "kill", "stop", "rival", "full", "request"])
        number = self.rng.randint(1, self.rng.choice([3, 12]))
        self.fresh = self.rng.random() < OFTEN
        alone = [(self.rng.choice(self.kind.members),)] if self._can_be_alone else []
        above = [self.kind.above, self.kind.above[:1]] if self.kind.above else []
        self.select = self.rng.choice([(), (), (), *alone, *above])
        self._go(trouble, number)
        self.fresh, self.select = self.rng.random() < OFTEN, ()

    def _calm(self) -> None:
        """A run that nothing disturbs completes everything."""
        self.world.faults = self.world.growth = 0.0
        ran = self._go("none", 0)
        assert ran.status == "done", f"a run in peace ended {ran.status}: {ran.receipts}"

    def _go(self, trouble: str, number: int) -> Ran:
        self.time = max(self.time, self.world.newest_ms / 1000) + self.rng.choice([1, 5000])
        self.world.now_ms = self.world.began_ms = int(self.time * 1000)
        began, shown = dict(self.world.rows), self._swaps()
        state = self._state()
        passes = self.kind.passes or (self.kind.alone and bool(self.select))
        passing = passes and any(name.startswith("done/") for name in state)
        passing = passing or "read" in state
        if passing and not self.fresh:
            began = self.began
        elif not passing:  # what builds anew and is cut off leaves the pass as it is
            self.began = began
        self._turn()
        self.versions |= self.write == "append"
        self.runs += 1
        ran = run(self._run(trouble, number))
        self.asked += ran.requests
        self.settled = ran.status == "done"
        how = (
            f", {self.write}" + ", anew" * self.fresh + f", only {self.select}" * bool(self.select)
        )
        faults = f"with faults {self.world.faults}"
        self._tell(f"  run {self.runs}, {trouble} at {number}, {faults}{how}: ")
        self._tell(f"    {ran.status}, {ran.requests} requests, {len(self._rows())} rows kept")
        self._check_always(began, shown)
        if ran.status == "done" or self._called_done(ran):
            self._check_whole(began)
        return ran

    def _turn(self) -> None:
        """The document may say another disposition from now on.

        Rows of a slice that was merged in part would come again if they were appended.
        """
        write = self.rng.choice(self.kind.turns)
        partly = self.write == "merge" and not self.settled
        if self.rng.random() < OFTEN and not (write == "append" and partly):
            self.write = write

    async def _run(self, trouble: str, number: int) -> Ran:
        """One run, and its rival if it has one."""
        left = number
        rival: asyncio.Task[Ran] | None = None

        def at(point: str) -> None:
            nonlocal left, rival
            left -= 1
            if left:
                return
            match trouble:
                case "kill":
                    raise Kill(point)
                case "full" if point == "commit:before":
                    raise DestinationError("no space is left on the device")
                case "rival":
                    rival = asyncio.ensure_future(self._rival())

        def heard(event: Event) -> None:
            nonlocal left
            if trouble in {"stop", "request"} and type(event).__name__ == "PageRead":
                left -= 1
                if left == 0 and trouble == "stop":
                    signal.raise_signal(signal.SIGTERM)
                if left == 0 and trouble == "request":
                    raise Kill("between two pages")

        # A future whose run was killed is asked by nobody what came of it.
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        first = await self._one(at, heard)
        if rival is None:
            return first
        other = await rival
        return msgspec.structs.replace(first, status=f"{first.status}, its rival {other.status}")

    async def _rival(self) -> Ran:
        """Another run, which takes the destination over as soon as it can."""
        if self.over:  # what is appended in full comes again with a run behind one that was done
            return Ran(status="not needed")
        return await self._one(lambda _point: None, Events())

    async def _one(self, at: Callable[[str], None], emit: Callable[[Event], None]) -> Ran:
        self.sessions += 1
        run_id = f"{self.seed}-{self.runs}-{self.sessions}"
        hold = self.store.open(run_id, at)
        clock = VirtualClock(start=self.time, spread=self.rng.uniform(-1, 1))
        handle = self._jumping(clock)
        api = Api(handle, latency=lambda _asked: self.latency * self.rng.random(), most=5000)
        source = plan(self.kind, self.concurrency, self.write)
        doing = Run(
            source,
            VALUES,
            Options(
                sizes=self.sizes,
                select=self.select,
                full_refresh=self.fresh,
                dlt_columns=self.store.dlt,
            ),
            hold,
            run_id=run_id,
            emit=emit,
            redactor=redactor_for(source, VALUES),
            transport=api,
            clock=clock,
            workers=lambda _name: Later(lambda: self.rng.choice([0.0, 0.01, 0.5, 20.0])),
        )
        status: Status | str
        receipts: Sequence[Receipt] = ()
        try:
            async with asyncio.timeout(MOST_SECONDS):
                try:
                    status, receipts = await doing.run()
                except FencedError:
                    status = "fenced"
                hold.close()
        except Kill as exc:
            hold.dead, status = True, f"killed at {exc}"
        self.over |= self.kind.once and status == "done"
        return Ran(status=status, receipts=receipts, requests=len(api.requests))

    def _jumping(self, clock: VirtualClock) -> Callable[[Asked], HttpResponse | Exception]:
        """The API, during one of whose requests the run's own clock may jump."""
        chance = random.Random(f"{self.seed} {self.runs}")
        left, by = chance.randint(1, 12), chance.choice([0, 0, *JUMPS])

        def answer(asked: Asked) -> HttpResponse | Exception:
            nonlocal left
            left -= 1
            if left == 0:
                clock.jump(by)
            return self.world(asked)

        return answer

    def _called_done(self, ran: Ran) -> bool:
        """Whether the run says so of the stream, whatever became of its parents."""
        done = {r.stream for r in ran.receipts if r.status == "done"}
        return done >= set(self._members())

    @property
    def _can_be_alone(self) -> bool:
        """Whether a run may be of one stream alone; what is appended in full would come again."""
        return bool(self.kind.above or self.kind.other) and not self.kind.once

    def _members(self) -> tuple[str, ...]:
        """The streams that a run loads into the table."""
        chosen = tuple(n for n in self.kind.members if not self.select or n in self.select)
        anew = self.fresh or self.write == "replace"  # which is done of a whole table
        return self.kind.members if anew and chosen else chosen

    def _loaded(self, rows: dict[int, Row]) -> dict[int, Row]:
        """Those of the API's rows that a run loads."""
        parities = {self.kind.members.index(name) for name in self._members()}
        whole = len(parities) == len(self.kind.members)
        return rows if whole else {n: row for n, row in rows.items() if n % 2 in parities}

    def _state(self) -> dict[str, str]:
        """The state of the streams that load the table, as of one."""
        found = [self.store.state(name) for name in self.kind.members]
        return {name: text for state in found for name, text in state.items()}

    def _swaps(self) -> int:
        return sum(map(self.store.swaps, self.kind.members))

    def _rows(self) -> list[Row]:
        return self.store.rows(self.kind.table)

    def _check_always(self, began: dict[int, Row], shown: int) -> None:
        """Nothing is there twice, nothing was made up, and readers saw only what was whole."""
        rows = self._rows()
        identity = ("id", "v") if self.versions else ("id",)
        counted = Counter(tuple(row[k] for k in identity) for row in rows)
        twice = {k: n for k, n in counted.items() if n > 1}
        assert not twice, f"rows are there more than once: {twice}"
        there = [(row, self.world.rows[row["id"]]) for row in rows if row["id"] in self.world.rows]
        strange = [row for row, now in there if row["v"] == now["v"] and not _is(row, now)]
        assert not strange, f"rows differ from the API's: {strange[:3]}"
        epochs = self.store.epochs()
        assert epochs == sorted(epochs), f"an older run kept something after a newer one: {epochs}"
        if self.write == "replace" or self.fresh:
            swapped = self._swaps() > shown
            missing = set(self._loaded(began)) - {row["id"] for row in rows} if swapped else set()
            assert not missing, f"a table was shown that lacks {missing}"
            gone = len(rows) - len(there) if swapped else 0
            assert not gone, f"a table was shown with {gone} rows that were deleted before"

    def _check_whole(self, began: dict[int, Row]) -> None:
        """Every row that the API had when the run began is there, as it was or newer."""
        found = {row["id"]: max(row["v"], 0) for row in sorted(self._rows(), key=lambda r: r["v"])}
        there = {n: row for n, row in self._loaded(began).items() if n in self.world.rows}
        missing = {n: row for n, row in there.items() if found.get(n, 0) < row["v"]}
        assert not missing, f"rows are lost: {list(missing.values())[:3]}, {len(missing)} in all"
        if self.kind.history and began:
            gone = {row["id"] for row in self._rows()} - {*began, *self.world.rows}
            assert not gone, f"rows are valid that are gone: {gone}"


def _is(row: Row, now: Row) -> bool:
    """Whether a kept row is the API's, types apart: a column may be for words by now."""
    wanted = dict(now)
    kept = _plain(row)
    for name in ("tags", "late", "lines"):  # tables from manifests keep them as JSON
        if isinstance(kept.get(name), str):
            kept[name] = msgspec.json.decode(kept[name])
    for name, of in (("id", "{}"), ("name", "g{}")):  # carried from the parent
        for above in ("groups", "recent"):
            carried = kept.pop(f"_{above}_{name}", None)
            right = carried is None or str(carried) == of.format(kept["g"])
            assert right, f"a parent's {name} is wrong: {row}"
    if "late__deep" in kept:
        kept["late"] = {"deep": kept.pop("late__deep")}
    if "lines" in kept:
        kept["lines"] = [_plain(item) for item in kept["lines"]]
    wanted = {k: v for k, v in wanted.items() if v != [] or k in kept}
    return {k: str(v) for k, v in kept.items()} == {k: str(v) for k, v in wanted.items()}


def _plain(row: Row) -> Row:
    """A row with its values under the names that they came under."""
    return {re.sub("__v_[a-z]+$", "", name): value for name, value in row.items()}


class Events:
    """Listens to nothing."""

    def __call__(self, event: Event) -> None:
        """Hear it."""
