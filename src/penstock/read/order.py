"""Streams that take turns, where their functions share something: who is next, as dlt has it.

What makes rows stands in a ring, and is asked for one thing at a time; what it gives goes on to the
streams below at the end of the ring. A source is over before the next one begins. Whoever has not
come yet is waited for, until its stream says that it never will.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from penstock.plan.slices import Slice
from penstock.plan.turns import Order
from penstock.plan.variants import PARTITION
from penstock.read.context import StreamContext
from penstock.read.partitions import Fed, Gate
from penstock.read.threads import called

_MOST = 20  # more than those that stand in the ring from the beginning; then the newest is first


class Seat(Gate):
    """The place of a slice in the ring; it is given up once nobody works on the slice."""

    def __init__(self, ring: Ring, stream: str, order: Order, *, calls: bool) -> None:
        super().__init__()
        self.stream = stream
        self.order = order
        self.calls = calls  # what is to come is the call of its function, and not yet a row
        self.left = False
        self._ring = ring
        self._turn = asyncio.Event()
        self._step: Callable[[], bool] | None = None
        self._failed: BaseException | None = None
        self._enough = False

    async def turn(self) -> None:
        """Until it is this seat's turn; at once where it has been given up."""
        await self._turn.wait()

    def begin(self) -> None:
        """It is this seat's turn."""
        self._turn.set()

    def over(self) -> None:
        """The turn is over, if it was this seat's."""
        if self._turn.is_set() and not self.left:
            self._turn.clear()
            self._ring.passed(self)

    async def work(self, step: Callable[[], bool]) -> None:
        """Make a step in each turn until it says that it is enough; the last turn goes on.

        Steps of several seats are made by one thread, as long as none of them has to be waited for.
        """
        self._step, self._enough = step, False
        while True:
            await self._turn.wait()
            if self._enough:
                break
            if not self.left:
                self._turn.clear()
            with self._ring.driven():
                await called(self._ring.drive, self)
        self._step = None
        if self._failed is not None:
            raise self._failed

    @property
    def is_ready(self) -> bool:
        """Whether a thread may make the next step."""
        return self._step is not None and not self._enough and not self.calls

    def step(self) -> bool:
        """Make a step; gives whether that is enough."""
        assert self._step is not None, "only those that are ready are asked"
        try:
            self._enough = self._step()
        except BaseException as exc:  # noqa: BLE001 (its own task raises it)
            self._failed, self._enough = exc, True
        return self._enough

    def wait_for(self, source: int) -> None:
        """Nothing more comes from here before another source begins."""
        if not self.left:
            self._turn.clear()
            self._ring.put_off(self, source)

    def done(self) -> None:
        """One that worked on the slice is over with it."""
        super().done()
        if not self.held:
            self.leave()

    def leave(self) -> None:
        """Nothing more comes from here."""
        if not self.left:
            self.left = True
            self._turn.set()
            self._ring.without(self)


class Ring:
    """Those that take turns with one another.

    All of it is done in the loop of the run but for the turns that a thread makes meanwhile.
    """

    def __init__(self) -> None:
        self._entries: list[Seat | deque[Seat | None]] = []  # the last one is asked first
        self._calling: list[Seat] = []
        self._later: dict[int, list[Seat]] = {}
        self._at = 0
        self._first = 0
        self._current: Seat | None = None
        self._driven = False
        self._lock = threading.RLock()

    def expect(self, seat: Seat, source: int) -> None:
        """A seat that there is from the beginning of its source on."""
        with self._lock:
            self._later.setdefault(source, []).append(seat)

    def start(self) -> None:
        """Say whose turn it is, if it is nobody's."""
        with self._lock:
            if self._driven:
                return
            if self._current is None:
                self._choose()
            if self._current is not None:
                self._current.begin()

    def add(self, seats: Sequence[Seat | None]) -> None:
        """Seats that come at the end, one at each turn; null is a turn of nobody."""
        with self._lock:
            self._entries.append(deque(seats))
        self.start()

    def passed(self, seat: Seat) -> None:
        """A turn is over."""
        with self._lock:
            self._pass(seat)
        self.start()

    def drive(self, seat: Seat) -> None:
        """Make the turn of a seat, and those behind it, in this thread."""
        while not seat.step() and not seat.left:
            with self._lock:
                self._pass(seat)
                if self._current is None or not self._current.is_ready:
                    return
                seat = self._current

    @contextmanager
    def driven(self) -> Iterator[None]:
        """A thread makes turns meanwhile."""
        self._driven = True
        try:
            yield
        finally:
            self._driven = False
            self.start()

    def put_off(self, seat: Seat, source: int) -> None:
        """A seat has its next turn when a source begins."""
        self.expect(seat, source)
        self.without(seat)

    def without(self, seat: Seat) -> None:
        """A seat has been given up."""
        with self._lock:
            if seat in self._calling:
                self._calling.remove(seat)
            if seat in self._entries:
                self._remove(self._entries.index(seat))
            if self._current is seat:
                self._current = None
        self.start()

    def _pass(self, seat: Seat) -> None:
        if seat.calls:
            seat.calls = False
            if seat in self._calling:
                self._calling.remove(seat)
            elif not seat.left:
                self._entries.append(seat)
        if self._current is seat:
            self._current = None
            self._choose()

    def _remove(self, index: int) -> None:
        del self._entries[index]
        self._at -= index < self._at
        self._first -= index < self._first

    def _choose(self) -> None:
        """Whose turn it is."""
        while self._current is None:
            if self._calling:
                self._current = self._calling[0]
            elif not self._entries:
                if not self._later:
                    return
                self._next_source()
            else:
                self._current = self._next()

    def _next_source(self) -> None:
        seats = sorted(self._later.pop(min(self._later)), key=lambda seat: -seat.order.at)
        self._entries = [seat for seat in seats if not seat.left]
        self._calling = [seat for seat in seats if seat.calls and not seat.left]
        self._at, self._first = 0, len(self._entries)

    def _next(self) -> Seat | None:
        """The next in the ring; the newest one where many have come."""
        crowded = len(self._entries) - self._first >= _MOST
        self._at = len(self._entries) - 1 if crowded else (self._at - 1) % len(self._entries)
        entry = self._entries[self._at]
        if isinstance(entry, Seat):
            return entry
        if not entry:
            self._remove(self._at)
            return None
        seat = entry.popleft()
        return seat if seat is not None and not seat.left else None


class Rings:
    """The rings of a source's streams, and the seats in them that nobody has taken yet."""

    def __init__(self, contexts: Iterable[StreamContext]) -> None:
        self._rings: dict[int, Ring] = {}
        self._free: dict[tuple[str, str], Seat] = {}
        for context in contexts:
            order = context.stream.order
            if order is None:
                continue
            ring = self._rings.setdefault(order.ring, Ring())
            for label, source in () if context.parents else order.sources:
                seat = Seat(ring, context.name, order, calls=order.calls)
                self._free[context.name, label] = seat
                ring.expect(seat, source)
        for ring in self._rings.values():
            ring.start()

    def seat(self, context: StreamContext, fed: Fed) -> Seat | None:
        """The seat of a slice, if its stream takes turns."""
        order = context.stream.order
        if order is None:
            return None
        given = (gate for gate in fed.gates if isinstance(gate, Seat))
        own = next((gate for gate in given if gate.stream == context.name), None)
        if own is None:
            own = self._free.pop((context.name, _label(fed.piece)), None)
        return own or self.fed(context, order)

    def fed(self, context: StreamContext, order: Order) -> Seat:
        """A seat for what comes from a stream that takes no turns."""
        seat = self.below(context, order)
        self._rings[order.ring].add([seat])
        return seat

    def below(self, context: StreamContext, order: Order) -> Seat:
        """A seat for what comes from above, which is still to be put into the ring."""
        return Seat(self._rings[order.ring], context.name, order, calls=True)

    def put(self, context: StreamContext, seats: Sequence[Seat]) -> None:
        """Put the seats of what a page leads to into the ring, those of the last stream first."""
        if not seats:
            return
        found: list[Seat | None] = [*sorted(seats, key=lambda seat: -seat.order.at)]
        if context.stream.selected:
            found.insert(1, None)  # its own rows
        self._rings[seats[0].order.ring].add(found)

    def all_came(self, context: StreamContext) -> None:
        """Every slice of a stream has its seat by now: nobody is waited for any more."""
        for key in [key for key in self._free if key[0] == context.name]:
            self._free.pop(key).leave()


def _label(piece: Slice) -> str:
    return str(dict(piece.partition).get(PARTITION, ""))
