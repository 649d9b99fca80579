"""The place of a stream among those that take turns."""

from __future__ import annotations

import msgspec


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Of which ring a stream is, and where it stands `at` there.

    `sources` are the numbers of the sources that have it, by the label of its partition where they
    are told apart: one is over before the next one begins. `calls` says that its function makes all
    rows when it is called. `holds` says that others are called with what it gives, before the next
    in the ring has its turn.
    """

    ring: int
    at: int
    sources: tuple[tuple[str, int], ...] = (("", 0),)
    calls: bool = False
    holds: bool = False
