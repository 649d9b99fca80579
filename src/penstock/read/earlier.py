"""The page before the first one, where a document does not say how its API counts.

One that names the param of a page and no more is taken to begin at 1. The reference engine begins
at 0, and runs such a document where an answer has a total: then the API may count from 0, and what
is on that page would be lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from penstock.errors import StatusError
from penstock.plan.page import Position
from penstock.read.ask import Ignored
from penstock.read.context import StreamContext
from penstock.read.decode import RawRecord
from penstock.read.fetch import Answer
from penstock.read.repeats import overlapping_keys

_NO_SUCH_PAGE = frozenset({400, 404, 416, 422})


async def earlier(
    context: StreamContext,
    before: Position,
    first: Answer,
    fetch: Callable[[Position], Awaitable[Answer]],
) -> Answer | None:
    """The answer for the page `before` the one that was taken for the first, if there is any.

    There is none where the API refuses it, where it is empty, and where it holds the same records:
    some APIs give the first page for the number 0. A stream whose API has shown that is not asked
    again.

    Raises:
        ReadError: whether there is one cannot be told.
    """
    if context.counts_from_one:
        return None
    try:
        answer = await fetch(before)
    except Ignored:
        answer = None
    except StatusError as exc:
        if exc.status not in _NO_SUCH_PAGE:
            raise
        answer = None
    mine = first.decoded.records
    records = () if answer is None or answer.nothing else answer.decoded.records
    if records and not _same(context, records, mine):
        context.tally.detected.setdefault("pages are counted from 0", None)
        return answer
    context.counts_from_one = bool(mine)
    return None


def _same(context: StreamContext, before: Sequence[RawRecord], first: Sequence[RawRecord]) -> bool:
    if list(map(bytes, before)) == list(map(bytes, first)):
        return True
    if context.keys is None:
        return False
    found = overlapping_keys(before, first, context.keys, b"\n".join(before))
    return found == len(before) == len(first)
