"""What happened, as frozen records: the command line, logs and tests all read the same ones."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from penstock.errors import Place

Status = Literal["done", "partial", "failed", "skipped", "interrupted"]


class RunStarted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A run began: where from, where to, and which streams it will load."""

    run_id: str
    source: str
    destination: str
    streams: tuple[str, ...]


class StreamStarted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The first request of a stream is about to be sent."""

    stream: str


class PageRead(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A page was read: `rows` records; `pages_left` where the API told a total."""

    stream: str
    rows: int
    bytes: int
    pages_left: int | None = None


class Waiting(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A request waits `seconds` before it is asked again, or for its turn."""

    stream: str
    seconds: float
    reason: str


class Committed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A checkpoint is kept: `rows` in the stream's own table."""

    stream: str
    load_id: str
    rows: int


class SchemaChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A table or column was added or widened."""

    stream: str
    change: str


class Warned(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something a user should look at; `code` is documented."""

    stream: str
    code: str
    message: str


class SliceFailed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A slice could not be read; the rest of the run goes on."""

    stream: str
    slice: str
    error: str
    place: Place | None = None  # in the document, where that is known


class StreamEnded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A stream is over; `receipt` says everything about it."""

    stream: str
    status: Status
    receipt: Receipt


class Stopping(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The user stopped the run: it ends at a checkpoint, or at once if asked again."""

    at_once: bool = False


class RunEnded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The run is over."""

    status: Status
    seconds: float


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A warning in a receipt: a documented `code` and what was seen."""

    code: str
    message: str


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A slice that is missing: what failed, where and on which request, and what to do."""

    slice: str
    code: str
    message: str
    request: str = ""
    hint: str = ""
    place: str = ""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a run can say of one stream: what was asked, what came, what is kept, and what is not.

    `rows` are rows kept in the stream's own table, `rows_read` records the API gave,
    `duplicates` records dropped because the run or an earlier one had them. `claimed` is the sum of
    totals the API told, where it told any. `ended` counts, by reason, how slices ended.
    """

    stream: str
    table: str
    status: Status
    rows: int = 0
    rows_read: int = 0
    rows_by_table: dict[str, int] = {}
    requests: int = 0
    pages: int = 0
    bytes: int = 0
    slices: int = 0
    slices_skipped: int = 0
    claimed: int | None = None
    duplicates: int = 0
    filtered: int = 0
    retries: int = 0
    waited: float = 0.0  # seconds, summed over requests
    prefetch_wasted: int = 0
    ended: dict[str, int] = {}
    window: tuple[str, str] | None = None
    schema_changes: tuple[str, ...] = ()
    detected: tuple[str, ...] = ()
    main_lane_rows: int = 0
    exact_lane_rows: int = 0
    warnings: tuple[Note, ...] = ()
    failures: tuple[Failure, ...] = ()
    seconds: float = 0.0


Event: TypeAlias = (
    RunStarted
    | StreamStarted
    | PageRead
    | Waiting
    | Committed
    | SchemaChanged
    | Warned
    | SliceFailed
    | StreamEnded
    | Stopping
    | RunEnded
)
