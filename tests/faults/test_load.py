"""Under load: what a run holds is bounded, nobody starves, and nothing stays open."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
from tests.e2e.loads import given
from tests.e2e.loads import plan as document
from tests.faults.load import AT_ONCE, MEGABYTE, load
from tests.read.asking import DATA, many
from tests.support.api import Api, Asked, answer, query, read_all, response, source, stream
from tests.support.clock import run

from penstock.emulator import EmulatorServer, Settings
from penstock.engine import Options, execute, read_stream
from penstock.engine.lot import Sizes
from penstock.events import Event, PageRead
from penstock.plan.expr import Const
from penstock.plan.page import HttpResponse
from penstock.plan.pagination import Counter, NextToken, Stop
from penstock.plan.slices import Slice
from penstock.read.channel import LEAST, Channel
from penstock.read.parts import PagePart, Part

ROOT = Path(__file__).parents[2]


def test_ten_thousand_partitions_take_a_bounded_memory() -> None:
    """A destination that cannot keep up holds the requests back, not the memory up.

    The records are 50 MB of JSON. What may wait is 8 MB between reader and loader, a page of each
    of the 400 slices that may be open, and two checkpoints of 4 MB, one of them being committed:
    20 MB with the last pages. The process may grow by three times that, for what Python adds to
    texts; unbounded it would grow by 100 MB.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.load"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["status"], found["rows"]) == ("done", 50_000)
    assert found["peak"] == AT_ONCE
    assert found["most"] * 1024 < 20 * MEGABYTE
    assert found["grown_mb"] < 60


def test_slices_that_are_open_together_take_a_bounded_memory() -> None:
    """Of 50 slices that grow side by side, the largest is committed before all are too large.

    Rows of a slice stay together where they can: here that would be all of them, 20 MB. The bound
    is 8 MB that wait, 2 MB of open slices, 1 MB being committed, and a page for each slice.
    """
    sizes = Sizes(block=MEGABYTE // 2, checkpoint=MEGABYTE, open=2 * MEGABYTE)
    found = load(50, 20, 20, sizes)
    assert (found.status, found.rows) == ("done", 20_000)
    assert found.most * 1024 < 13 * MEGABYTE


def part(stream_name: str, size: int) -> PagePart:
    """A page of so many bytes."""
    return PagePart(stream=stream_name, slice=Slice(), records=(), origin="", size=size)


def filled(most: int, given: list[PagePart], taken: int = 0) -> tuple[list[str], int]:
    """Streams of the parts that came out of a channel, and how many were in it at most."""

    async def go() -> tuple[list[str], int]:
        channel = Channel(most)
        puts = [asyncio.ensure_future(channel.put(one)) for one in given]
        out: list[str] = []
        held = 0
        while len(out) < len(given):
            await asyncio.sleep(0)
            held = max(held, sum(put.done() for put in puts) - len(out))
            got: Part | None = await channel.get()
            assert got is not None
            out.append(got.stream)
        channel.close()
        assert await channel.get() is None
        return out, held

    return run(go())


def test_parts_of_any_size_take_room() -> None:
    """Pages of a few bytes are objects too: a channel does not take as many as there are."""
    _, held = filled(100 * LEAST, [part("s", 7) for _ in range(1_000)])
    assert held == 100


def test_a_page_larger_than_the_channel_passes_alone() -> None:
    """It waits until nothing else is there, and smaller ones do not pass it for ever."""
    out, held = filled(
        4 * LEAST, [part("s", LEAST)] * 6 + [part("large", 99 * LEAST)] + [part("s", 1)] * 6
    )
    assert held == 4
    assert out.index("large") <= 8


def test_streams_wait_in_turn_where_a_channel_is_full() -> None:
    """A hundred slices of one stream do not keep the only one of another waiting."""
    out, _ = filled(2 * LEAST, [part("many", 1)] * 100 + [part("one", 1)] * 5)
    assert [n for n, name in enumerate(out) if name == "one"] == [3, 5, 7, 9, 11]


def test_a_part_that_is_given_up_makes_room() -> None:
    """Waiting parts that are cancelled do not hold others back, and do not come out."""

    async def go() -> list[str]:
        channel = Channel(LEAST)
        puts = [asyncio.ensure_future(channel.put(part(name, 1))) for name in "abcde"]
        await asyncio.sleep(0)
        for put in puts[1::2]:
            put.cancel()
        got = [await channel.get() for _ in range(3)]
        assert channel.empty
        return [one.stream for one in got if one is not None]

    assert run(go()) == ["a", "c", "e"]


def test_a_slow_destination_starves_no_stream() -> None:
    """Beside a thousand slices a stream of ten pages goes on, page by page, however slow the load.

    About 400 pages fill what may wait; from then on each of the two streams is let in by turns.
    """
    pad = "x" * 20_000

    def handle(asked: Asked) -> dict[str, object]:
        at = asked.number("cursor")
        return {"data": [{"id": at, "pad": pad}], "next": at + 1 if at < 9 else None}

    onward = NextToken(token=response("next"), into=query("cursor"))
    few = stream("few", pagination=onward, records=DATA)
    found = read_all(source(many(1_000), few), Api(handle), slowly=0.05)
    places = [n for n, one in enumerate(found.parts) if one.stream == "few"]
    assert len(found.pages("few")) == 10
    assert places[-1] < 600


def test_slices_share_what_may_be_asked_for_ahead() -> None:
    """Twenty slices of pages of a megabyte ask for a few ahead each, and not for eight.

    That is 64 MB in all; beside them there are 8 MB that wait for the loader, and of each slice the
    page that is being handed out.
    """
    numbers = count()

    def handle(_asked: Asked) -> HttpResponse:
        record = b'{"total_pages":12,"data":[{"id":%d}]' % next(numbers)
        return answer(body=record + b" " * MEGABYTE + b"}")

    pages = Counter(
        unit="page",
        into=query("page"),
        start=Const(value=1),
        stop=Stop(total=response("total_pages"), total_unit="pages"),
    )
    made = source(many(20, pagination=pages), concurrency=400)
    found = read_all(made, Api(handle), slowly=60.0, stop_after=2)
    assert 64 < len(found.api.requests) <= 64 + 8 + 20 + 2


@contextmanager
def nothing_stays() -> Iterator[None]:
    """What is opened is closed: descriptors and threads are as many as before."""

    def opened() -> dict[str, list[str]]:
        folder = Path("/proc/self/fd")
        found: list[str] = []
        for link in folder.iterdir():
            with suppress(OSError):  # the folder itself, while it is listed
                found.append(link.readlink().name)
        return {"files": sorted(found), "threads": sorted(t.name for t in threading.enumerate())}

    gc.collect()
    before = opened()
    yield
    gc.collect()
    after = opened()
    assert {k: len(v) for k, v in after.items()} == {k: len(v) for k, v in before.items()}, after


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    """Runs that fail, are stopped or break off close every socket, file and thread of theirs."""
    stopped: list[Event] = []

    def stop(event: Event) -> None:
        if isinstance(event, PageRead) and not stopped:  # a second signal would end it at once
            stopped.append(event)
            signal.raise_signal(signal.SIGTERM)

    def broken(event: Event) -> None:
        if isinstance(event, PageRead):
            raise ZeroDivisionError

    source = document("append_children.yaml")
    values = given(source, {})

    def go(
        server: EmulatorServer, to: str, heard: Callable[[Event], None] = lambda _e: None
    ) -> str:
        options = Options(base_url=server.url, db_schema="kept")
        return execute(source, values, str(tmp_path / to), options, heard).status

    with EmulatorServer("chat", Settings(records=60)) as server:
        assert go(server, "warm.duckdb") == "done"
    with nothing_stays():
        for kind in ("reset", "reset-midbody", "chunk-cut", "gzip-bomb"):
            faults = Settings(records=60, rules=(f"{kind}@#6+@/v1",), bomb_mb=2)
            with EmulatorServer("chat", faults) as server:
                assert go(server, f"{kind}.duckdb") in {"failed", "partial"}
        with EmulatorServer("chat", Settings(records=300, rules=("hang@#9+@/v1",))) as server:
            assert go(server, "stopped.duckdb", stop) == "interrupted"
        with EmulatorServer("chat", Settings(records=300)) as server:
            with pytest.raises(ZeroDivisionError):
                go(server, "broken.duckdb", broken)
            found = read_stream(source, values, "conversations", limit=3, base_url=server.url)
            assert len(list(found)) == 3
