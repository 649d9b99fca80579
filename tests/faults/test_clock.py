"""A clock that jumps in mid-run: a laptop that slept, or a machine whose time is set.

Waits and rates are by a clock that only goes on; the windows of a run end where it began; a token
that seems good and is not is renewed when it is refused. So a run ends as it would have ended.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from tests.faults.matrix import MOST_REQUESTS, Case, plan
from tests.faults.world import KINDS, RECORDS, VALUES, World, now
from tests.simulator.scenario import Later
from tests.simulator.store import Store, visible
from tests.support.api import Api, Asked, Read, read_all
from tests.support.clock import VirtualClock, run

from penstock.engine.lot import Sizes
from penstock.engine.running import Options, Run, redactor_for
from penstock.plan.page import HttpResponse

HOURS = (8.0, -8.0, 24 * 90.0)
# Kinds in whose course somebody looks at a clock.
TIMED = (
    *("429", "429-date", "429-skewed", "429-zero", "503-seconds", "503", "500"),
    *("clock-ahead", "clock-behind", "token-revoked", "401", "hang", "slow", "reset"),
)


class Jumping:
    """A world in whose third request the clock of the run jumps."""

    def __init__(self, world: World, hours: float) -> None:
        self._world = world
        self._seconds = hours * 3600
        self.clock = VirtualClock(start=now())

    def __call__(self, asked: Asked) -> HttpResponse | Exception:
        """What the world answers."""
        found = self._world(asked)
        if self._world.asked == 3:
            self.clock.jump(self._seconds)
            self._seconds = 0.0
        return found


def ended(case: Case, hours: float) -> tuple[list[object], list[str], float]:
    """The rows, the failures and the seconds of a case."""
    world = World(KINDS[case.kind], case.strikes)
    jumping = Jumping(world, hours)
    api = Api(jumping, latency=world.latency, most=MOST_REQUESTS)
    source = plan(case.dialect, case.paginator)
    read: Read = read_all(source, api, values=VALUES, clock=jumping.clock)
    return read.ids(), [lost.error.code for lost in read.lost()], read.seconds


@pytest.mark.parametrize("hours", HOURS)
@pytest.mark.parametrize("kind", TIMED)
def test_a_fault_ends_as_it_would_have_ended(kind: str, hours: float) -> None:
    """The same rows or errors; no second longer, but for asking for a token once more."""
    for mode, dialect in (("once", "dlt"), ("once", "airbyte"), ("from the middle", "dlt")):
        case = Case(kind=kind, mode=mode, paginator="offset", dialect=dialect)
        rows, codes, seconds = ended(case, hours)
        wanted, said, before = ended(case, 0)
        assert (rows, codes) == (wanted, said), case
        assert seconds == pytest.approx(before, abs=0.1), case


def committed(hours: float) -> list[float]:
    """When a slow stream was committed: what is there is kept every 10 seconds."""
    times: list[float] = []

    def at(point: str) -> None:
        if point == "commit:after":
            times.append(jumping.clock.monotonic())

    store = Store()
    jumping = Jumping(World(), hours)
    source = plan("airbyte", "link")
    doing = Run(
        source,
        VALUES,
        Options(sizes=Sizes(seconds=10.0)),
        store.open(at),
        run_id="run",
        emit=lambda _event: None,
        redactor=redactor_for(source, VALUES),
        transport=Api(jumping, latency=lambda asked: 0.0 if asked.path == "/token" else 8.0),
        clock=jumping.clock,
        workers=lambda _name: Later(lambda: 0.0),
    )

    async def work() -> str:
        status, _receipts = await doing.run()
        return status

    assert run(work()) == "done"
    assert len(visible(store.tables, "link")) == RECORDS
    return times


@pytest.mark.parametrize("hours", HOURS)
def test_checkpoints_come_at_their_pace(hours: float) -> None:
    """However the clock is set, what is there is kept after as many seconds as before."""
    wanted = committed(0)
    assert len(wanted) > 2
    assert all(later - sooner >= 10 for sooner, later in pairwise(wanted[:-1]))
    assert committed(hours) == wanted
