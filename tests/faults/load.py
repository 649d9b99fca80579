"""Runs under load: 200 requests at once, and a destination that takes five seconds for a commit.

API and destination are in memory, on virtual time; nothing is kept of what was committed. Run as a
script it reads 10,000 partitions, and says as one JSON object what that took.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable

import msgspec
from tests.simulator.scenario import Events, Later
from tests.simulator.store import Hold, Store
from tests.support.api import BASE, Api, Asked, partition, query, source, stream
from tests.support.clock import VirtualClock, run

from penstock.destinations.base import Checkpoint, Committed
from penstock.engine.lot import Sizes
from penstock.engine.running import Options, Run
from penstock.plan.expr import Concat, Const, Quoted
from penstock.plan.pagination import Counter, SinglePage, Stop
from penstock.plan.records import Keys, Records
from penstock.plan.slices import Field, Parent
from penstock.plan.source import Source, Stream
from penstock.redact import Redactor

DATA = Records(path=Keys(path=("data",)))
AT_ONCE = 200
MEGABYTE = 1024 * 1024
PAD = "x" * 1000


class Drain(Hold):
    """A destination that keeps the count of rows alone, for each stream."""

    def __init__(self, report: Callable[[int], None]) -> None:
        super().__init__(Store(), 0, lambda _point: None)
        self._report = report

    def commit(self, checkpoint: Checkpoint) -> Committed:
        """Count the rows, and forget them."""
        rows = sum(batch.rows for batch in checkpoint.batches)
        if checkpoint.stream == "posts":
            self._report(rows)
        return Committed(rows={checkpoint.stream: rows})


class World:
    """Users in pages of 500, and for each `pages` of `records` posts; counts what nobody has kept.

    Counts are in records of posts: `most` is how many were given and not committed yet, at worst.
    """

    def __init__(self, users: int, pages: int, records: int) -> None:
        self._users, self._pages, self._records = users, pages, records
        self.given = self.kept = self.most = 0

    def __call__(self, asked: Asked) -> dict[str, object]:
        """A page."""
        at = asked.number("page")
        if asked.path == "/users":
            users = range(at * 500, min(at * 500 + 500, self._users))
            return {"data": [{"id": number} for number in users]}
        if at >= self._pages:
            return {"data": []}
        self.given += self._records
        self.most = max(self.most, self.given - self.kept)
        numbers = range(at * self._records, (at + 1) * self._records)
        return {"data": [{"id": n, "of": asked.path, "pad": PAD} for n in numbers]}

    def keep(self, rows: int) -> None:
        """So many rows are committed."""
        self.kept += rows


def plan(pages: int) -> Source:
    """Users, and their posts."""
    counted = Counter(unit="page", into=query("page"), start=Const(value=0), stop=Stop())
    field = Field(name="user", path=Keys(path=("id",)))
    url = Concat(parts=(Const(value=f"{BASE}/posts/"), Quoted(value=partition("user"))))
    posts = Stream(
        name="posts",
        request=stream("posts", url).request,
        partition=Parent(stream="users", fields=(field,)),
        pagination=counted if pages > 1 else SinglePage(),
        records=DATA,
    )
    users = stream("users", pagination=counted, records=DATA)
    return source(users, posts, concurrency=AT_ONCE)


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """How a run went: `most` as the world counts it, `peak` requests at once."""

    status: str
    rows: int
    most: int
    peak: int


def load(users: int, pages: int, records: int, sizes: Sizes) -> Loaded:
    """Run it."""
    world = World(users, pages, records)
    api = Api(world, latency=0.05)
    status = run(_go(plan(pages), api, world, sizes))
    return Loaded(status=status, rows=world.kept, most=world.most, peak=api.peak)


async def _go(made: Source, api: Api, world: World, sizes: Sizes) -> str:
    late = {"keep": 5.0, "shape": 0.0}
    doing = Run(
        made,
        {},
        Options(sizes=sizes),
        Drain(world.keep),
        run_id="r",
        emit=Events(),
        redactor=Redactor(),
        transport=api,
        clock=VirtualClock(),
        workers=lambda name: Later(lambda: late[name]),
    )
    status, _ = await doing.run()
    return status


def megabytes() -> int:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> dict[str, object]:
    """What 10,000 partitions took; `grown_mb` is beyond what a small run took."""
    sizes = Sizes(block=MEGABYTE, checkpoint=4 * MEGABYTE)
    load(100, 1, 5, sizes)
    before = megabytes()
    found = load(10_000, 1, 5, sizes)
    return {**msgspec.to_builtins(found), "grown_mb": megabytes() - before}


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(main()).decode())
