"""What a stream does when an answer asks for smaller pages or windows, or a new start."""

from __future__ import annotations

from typing import Literal

import msgspec

from penstock.plan.slices import Duration


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """Begin a slice's pagination again, on the `reset` action or after `after` records.

    `split` begins at the last cursor value seen instead of the slice's start. Beginning twice at
    the same place is an error.
    """

    split: bool = False
    after: int | None = None


class Shrink(msgspec.Struct, frozen=True, kw_only=True):
    """Ask for smaller pages on the `reduce` action.

    The size is divided by `factor`, never below `minimum`, at most `attempts` times, with a wait of
    `backoff` seconds times the attempt; at the minimum it is asked `at_minimum` times more.
    `restore` says whether the next page is asked for in full again.
    """

    factor: float = 2.0
    minimum: int = 1
    attempts: int = 5
    backoff: float = 0.5
    at_minimum: int = 0
    restore: Literal["never", "after-success"] = "never"
    message: str = ""


class Halve(msgspec.Struct, frozen=True, kw_only=True):
    """Cut a slice's window into two on the `split` action, ten times at most.

    A window no longer than `minimum` fails instead, with `message`.
    """

    minimum: Duration | None = None
    message: str = ""


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, where the document has them."""

    restart: Restart | None = None
    shrink: Shrink | None = None
    halve: Halve | None = None
