"""What a slice does when the API asks for smaller pages, or for a new start."""

from __future__ import annotations

import msgspec

from penstock.errors import ReadError
from penstock.plan.policy import Action
from penstock.plan.recovery import Recovery, Restart, Shrink
from penstock.plan.slices import Slice
from penstock.read.context import StreamContext
from penstock.read.contiguous import halves

MOST_HALVINGS = 10


class Recovering(Exception):  # noqa: N818 (a signal between two rooms of the reader, not a fault)
    """The error policy says that the page is to be had in another way."""

    def __init__(self, action: Action, error: ReadError) -> None:
        super().__init__(action)
        self.action = action
        self.error = error


def provided(recovery: Recovery | None, action: Action) -> bool:
    """Whether a stream says what it does on an action."""
    if recovery is None:
        return False
    ways = {"reset": recovery.restart, "reduce": recovery.shrink, "split": recovery.halve}
    return ways.get(action) is not None


class Shrinking:
    """The page size of one slice while the API refuses larger pages; None is the document's."""

    def __init__(self, shrink: Shrink, size: int | None) -> None:
        self._shrink = shrink
        self._whole = size
        self.size: int | None = None
        self._attempts = 0
        self._at_minimum = 0

    def reduce(self, error: ReadError) -> float:
        """Ask for less from now on; gives the seconds to wait before.

        Raises:
            ReadError: pages cannot be smaller, or have been too often.
        """
        held = self.size or self._whole
        if held is None:
            raise error
        smaller = max(self._shrink.minimum, int(held // self._shrink.factor))
        if smaller >= held:
            if self._at_minimum >= self._shrink.at_minimum:
                raise self._refused(error, f"a page of {held} records, the smallest there may be")
            self._at_minimum += 1
            return self._shrink.backoff * self._at_minimum
        self._attempts += 1
        if self._attempts > self._shrink.attempts:
            raise self._refused(error, f"pages of every size down to {held} records")
        self.size = smaller
        return self._shrink.backoff * self._attempts

    def _refused(self, error: ReadError, what: str) -> ReadError:
        return ReadError(
            f"the API refuses {what}: {error.message}",
            code="page-size",
            hint=self._shrink.message or None,
            request=error.request,
        )

    def succeeded(self) -> None:
        """A page came."""
        self._attempts = self._at_minimum = 0
        if self._shrink.restore == "after-success":
            self.size = None


class Restarting(msgspec.Struct, kw_only=True):
    """The restarts of one slice: `count` records since the last one."""

    restart: Restart
    count: int = 0
    same: int = 0

    @property
    def due(self) -> bool:
        """Whether so many records came that the slice is begun again."""
        return self.restart.after is not None and self.count >= self.restart.after

    def begin(self, *, moved: bool) -> None:
        """Begin again; `moved` says whether at another place.

        Raises:
            ReadError: it would be the same as before.
        """
        self.count = 0
        self.same = 0 if moved else self.same + 1
        if self.same >= (1 if self.restart.split else 2):
            raise ReadError(
                "the slice would be begun at the same place once more",
                code="restart-loop",
                hint="its records may not come in the order of the cursor",
            )


def cut(context: StreamContext, part: Slice, exc: Recovering, depth: int) -> list[Slice]:
    """The halves of a slice whose window the API found too large.

    Raises:
        ReadError: it cannot be cut further.
    """
    recovery, follower = context.stream.recovery, context.follower
    halve = recovery.halve if recovery is not None else None
    if halve is None or follower is None or exc.action != "split":
        raise exc.error
    found = halves(part, follower, halve.minimum) if depth < MOST_HALVINGS else None
    if found is None:
        raise ReadError(
            f"the API refuses the smallest window there may be: {exc.error.message}",
            code="window-size",
            hint=halve.message or None,
            request=exc.error.request,
        )
    return found
