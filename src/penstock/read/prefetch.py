"""Page laws: which pages may be asked for before the one in front of them has come.

Where a total is known, all pages that are left. Where not, one page for every three that came back
full: pages asked for in vain behind the end are then never more than a third of those that were
needed. Where a short page must be proven to be the last, always one more, so that the page that
proves it, or that has the rows a short page in the middle would hide, costs no wait; but not where
the endpoint is proven and all fits on one page.

Where records may leave the range of a cursor that they are ordered by, no page is sure to be
needed, whatever the total: one ahead for every three full ones, and none before.
"""

from __future__ import annotations

import msgspec

from penstock.plan.law import Law
from penstock.plan.page import Position
from penstock.plan.pagination import Counter, Facts, Pagination

FULL_PAGES_EACH = 3  # full pages that pay for one page asked for ahead
SURE_PAGES = 9  # full pages before which nothing is asked for ahead, where a short page is the end


class Lookahead(msgspec.Struct, frozen=True, kw_only=True):
    """How many pages may be under way behind the one being waited for.

    `width` is what an endpoint that has proven nothing is given, `full` the full pages so far. A
    `most` of 0 is one page at a time, for good.
    """

    width: int = 0
    most: int = 0
    full: int = 0


def at_start(pagination: Pagination, law: Law, most: int, *, leaves: bool = False) -> Lookahead:
    """Before the first page; `leaves` says that records may leave the range before the end."""
    if not isinstance(pagination, Counter) or most == 0:
        return Lookahead()
    stop = pagination.stop
    told = stop.total is not None or stop.more is not None or stop.when is not None
    trusted = stop.short == "always" or (stop.short == "proven" and law.proven)
    # An offset cannot be told before the server has shown how much a page holds.
    proves = stop.short == "proven"
    unsure = not (told or trusted or leaves) and proves and pagination.unit == "page"
    return Lookahead(width=1 if unsure else 0, most=most)


def after_page(
    look: Lookahead, pagination: Counter, facts: Facts, left: int | None, *, leaves: bool = False
) -> tuple[Lookahead, int]:
    """The window after a page behind which `left` are, and how many may be under way now.

    The following page is one of these: it is needed in any case, unless a record `leaves`.
    """
    if left is not None and not leaves:
        return look, min(left, look.most)
    if left or (facts.law.page is not None and facts.count >= facts.law.page):
        look = msgspec.structs.replace(look, full=look.full + 1)
    if leaves:
        return look, min(look.most, look.full // FULL_PAGES_EACH)
    proving = pagination.stop.short == "proven" and look.full > 0
    spare = 1 if proving or (look.width and not facts.law.proven) else 0
    paid = look.full // FULL_PAGES_EACH
    if pagination.stop.short != "proven" and look.full < SURE_PAGES:
        paid = 0
    return look, min(look.most, 1 + max(spare, paid))


def positions(
    pagination: Counter, position: Position, law: Law, *, asked: int, width: int
) -> list[Position]:
    """The positions behind `position` up to the `width`-th, without the first `asked` of them."""
    ahead = (pagination.ahead(position, step, law) for step in range(asked + 1, width + 1))
    return [p for p in ahead if p is not None]
