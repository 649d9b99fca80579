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
    """How many pages may be under way behind the one being waited for. 0 is one page at a time."""

    width: int = 0
    most: int = 40

    def grown(self) -> Lookahead:
        """After a full page."""
        return msgspec.structs.replace(self, width=min(self.most, max(1, self.width * 2)))

    def stopped(self) -> Lookahead:
        """After a page that contradicts the law: one page at a time for good."""
        return Lookahead(width=0, most=0)


def at_start(pagination: Pagination, law: Law, most: int) -> Lookahead:
    """Before the first page."""
    if not isinstance(pagination, Counter) or most == 0:
        return Lookahead(width=0, most=0)
    ends_by_itself = pagination.stop.total is not None or pagination.stop.more is not None
    # An offset cannot be told before the server has shown how much a page holds.
    unsure = not law.proven and not ends_by_itself and pagination.unit == "page"
    return Lookahead(width=1 if unsure else 0, most=most)


def after_page(
    look: Lookahead, pagination: Counter, position: Position, facts: Facts
) -> tuple[Lookahead, list[Position]]:
    """The window after a page, and the positions behind it that may be asked for now."""
    left = pagination.remaining(position, facts)
    full = facts.law.page is not None and facts.count >= facts.law.page
    if left is not None:
        width = min(left, look.most)
    elif full and pagination.stop.more is None:
        look = look.grown()
        width = look.width
    else:
        width = look.width
    return look, positions(pagination, position, facts.law, width)


def positions(pagination: Counter, position: Position, law: Law, width: int) -> list[Position]:
    """The next `width` positions behind `position`, as far as they can be told."""
    ahead = (pagination.ahead(position, step, law) for step in range(1, width + 1))
    return [p for p in ahead if p is not None]
