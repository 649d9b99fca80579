"""One stream as Arrow tables, without a destination."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING

from penstock.engine.lot import Lot
from penstock.engine.reading import parts
from penstock.engine.running import Options, selected
from penstock.engine.shaping import MAIN, Shapings, Stored
from penstock.errors import PlanError
from penstock.events import Event
from penstock.plan.expr import JsonValue
from penstock.plan.source import Source
from penstock.read.parts import PagePart

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 8 * 1024 * 1024  # bytes of JSON text that are shaped together


async def read_tables(
    source: Source,
    values: Mapping[str, JsonValue],
    stream: str,
    *,
    base_url: str | None = None,
    on_event: Callable[[Event], None] = lambda _event: None,
) -> dict[str, pa.Table]:
    """The tables of one stream, each with its child tables behind it.

    They have the columns and types that a load would give them. Rows are those of this reading:
    nothing is merged.

    Raises:
        PlanError: the source has no such stream.
        ReadError: a slice could not be read.
        ShapeError: a record does not fit its tables.
    """
    selected(source, (stream,))
    plan = source.stream(stream)
    if plan is None:
        raise PlanError(())
    shaping = _Shaping(Shapings(stream, plan.hints, lambda *_: Stored()))
    options = Options(base_url=base_url)
    found = parts(source, values, stream, options=options, on_event=on_event)
    async with aclosing(found) as taken:
        async for part in taken:
            shaping.add(part)
    return shaping.tables()


class _Shaping:
    """Pages that are shaped as soon as there are enough of them.

    The first page is shaped alone: it shows the schema that the fast way of shaping needs.
    """

    def __init__(self, shapings: Shapings) -> None:
        self._shapings = shapings
        self._lot = Lot("read-0")
        self._count = 0

    def add(self, part: PagePart) -> None:
        """A page."""
        names = self._shapings.names(part.tables)
        told = tuple(dict.fromkeys(names)) if names is not None else (MAIN,)
        said = self._shapings.said(part.hints)
        if self._shapings.changed(said):
            self._shape()
        self._shapings.begin(told, said)
        self._lot.add(part, 0.0, names)
        if not self._lot.batches or self._lot.waiting >= _BLOCK:
            self._shape()

    def _shape(self) -> None:
        for name, batch in self._shapings.shape(self._lot.seal()).items():
            self._lot.batches.setdefault(name, []).append(batch)
            self._count += 1
        self._lot.load_id = f"read-{self._count}"

    def tables(self) -> dict[str, pa.Table]:
        """All of it."""
        from penstock.shape.gather import gather  # noqa: PLC0415 (pyarrow is loaded late)

        self._shape()
        found: dict[str, pa.Table] = {}
        for name, one in self._shapings:
            if name in self._lot.batches or not self._shapings.others:
                one.shaper.settle()
                found |= gather(self._lot.batches.get(name, []), one.shaper.schema)
        return found
