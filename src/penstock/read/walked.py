"""A page of a slice: asked for ahead; what a walk hands out of it, and what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeAlias

import msgspec

from penstock.plan.expr import JsonValue
from penstock.plan.hints import Hints
from penstock.plan.page import Position, Stopped
from penstock.read.decode import RawRecord
from penstock.read.fetch import Answer


class Admitted(msgspec.Struct, frozen=True, kw_only=True):
    """The records of a page that are handed out; `last` is the one that pagination looks at.

    `leads` are those that lead to children: a lag looks at them again, also where they are kept
    already.
    """

    kept: Sequence[RawRecord]
    leads: Sequence[RawRecord]
    last: RawRecord | None
    count: int


Admit: TypeAlias = "Callable[[Sequence[RawRecord], JsonValue], Awaitable[Admitted]]"


class Walked(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a slice, in order: its records, and what is behind it or why nothing is.

    `admitted` is what is handed out of it, where pagination had to know that. `loose` says that its
    records came one at a time. `table` is the one that they go to, if it is said, and `hints` what
    was said of it.
    """

    position: Position
    records: Sequence[RawRecord]
    url: str
    size: int
    following: Position | None
    stopped: Stopped | None
    left: int | None = None
    admitted: Admitted | None = None
    token: JsonValue = None
    loose: bool = False
    table: str | None = None
    hints: Hints | None = None


Spawn: TypeAlias = "Callable[[Coroutine[Any, Any, Answer]], asyncio.Task[Answer]]"


class Ahead(msgspec.Struct, kw_only=True):
    """A page that was asked for before its turn; `sent` once its request has left."""

    task: asyncio.Task[Answer] | None = None
    sent: bool = False

    def leave(self) -> None:
        """The request leaves."""
        self.sent = True
