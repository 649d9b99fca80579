"""One stream as Arrow tables, without a destination."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING

from penstock.engine.reading import parts
from penstock.engine.running import Options, selected
from penstock.errors import PlanError
from penstock.events import Event
from penstock.plan.expr import JsonValue
from penstock.plan.source import Source
from penstock.shape import Batch, Block, Segment, Shaper

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
    """The tables of one stream, the stream's own first, its child tables after it.

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
    shaping = _Shaping(Shaper(stream, plan.hints, None))
    options = Options(base_url=base_url)
    found = parts(source, values, stream, options=options, on_event=on_event)
    async with aclosing(found) as taken:
        async for part in taken:
            segment = Segment(records=part.records, extras=part.slice.extras, origin=part.origin)
            shaping.add(segment, part.size)
    return shaping.tables()


class _Shaping:
    """Segments that are shaped as soon as there are enough of them.

    The first page is shaped alone: it shows the schema that the fast way of shaping needs.
    """

    def __init__(self, shaper: Shaper) -> None:
        self._shaper = shaper
        self._segments: list[Segment] = []
        self._waiting = 0
        self._batches: list[Batch] = []

    def add(self, segment: Segment, size: int) -> None:
        """A page."""
        self._segments.append(segment)
        self._waiting += size
        if not self._batches or self._waiting >= _BLOCK:
            self._shape()

    def _shape(self) -> None:
        block = Block(load_id=f"read-{len(self._batches)}", segments=tuple(self._segments))
        if block.rows:
            self._batches.append(self._shaper.shape(block))
        self._segments, self._waiting = [], 0

    def tables(self) -> dict[str, pa.Table]:
        """All of it."""
        from penstock.shape.gather import gather  # noqa: PLC0415 (pyarrow is loaded late)

        self._shape()
        self._shaper.settle()
        return gather(self._batches, self._shaper.schema)
