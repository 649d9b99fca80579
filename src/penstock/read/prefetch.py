"""Page laws: which pages may be asked for before the one in front of them has come.

Where a total is known, all pages that are left. Where not, a window that doubles while pages come
back full. Until an endpoint has proven how it ends, always one more, so that the page that proves
it costs no wait.
"""

from __future__ import annotations

import msgspec

from penstock.plan.page import Position
from penstock.plan.pagination import Counter, Facts, Law, Pagination


class Lookahead(msgspec.Struct, frozen=True, kw_only=True):
    """How many pages may be under way behind the one being waited for.

    A `most` of 0 is one page at a time, for good.
    """

    width: int = 0
    most: int = 0

    def grown(self) -> Lookahead:
        """After a full page."""
        return msgspec.structs.replace(self, width=min(self.most, max(1, self.width * 2)))


def at_start(pagination: Pagination, law: Law, most: int) -> Lookahead:
    """Before the first page."""
    if not isinstance(pagination, Counter) or most == 0:
        return Lookahead()
    stop = pagination.stop
    told = stop.total is not None or stop.more is not None or stop.when is not None
    trusted = stop.short == "always" or (stop.short == "proven" and law.proven)
    # An offset cannot be told before the server has shown how much a page holds.
    unsure = not told and not trusted and pagination.unit == "page"
    return Lookahead(width=1 if unsure else 0, most=most)


def after_page(look: Lookahead, facts: Facts, left: int | None) -> tuple[Lookahead, int]:
    """The window after a page behind which `left` are, and how many may be under way now."""
    if left is not None:
        return look, min(left, look.most)
    full = facts.law.page is not None and facts.count >= facts.law.page
    if full:
        look = look.grown()
    return look, look.width


def positions(
    pagination: Counter, position: Position, law: Law, *, asked: int, width: int
) -> list[Position]:
    """The positions behind `position` up to the `width`-th, without the first `asked` of them."""
    ahead = (pagination.ahead(position, step, law) for step in range(asked + 1, width + 1))
    return [p for p in ahead if p is not None]
