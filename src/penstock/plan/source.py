"""The plan itself: a source, its streams, and the values a user must bring."""

from __future__ import annotations

from typing import Literal

import msgspec

from penstock.plan.auth import Auth, NoAuth
from penstock.plan.expr import Expr, JsonValue
from penstock.plan.hints import Hints
from penstock.plan.pagination import Detect, Pagination
from penstock.plan.policy import ErrorPolicy
from penstock.plan.records import Records
from penstock.plan.request import Request
from penstock.plan.slices import Cursor, Partition

Format = Literal["json", "jsonl", "csv", "xml"]


class Decoder(msgspec.Struct, frozen=True, kw_only=True):
    """How a body becomes values; `gzip` unpacks it first where it is packed."""

    format: Format = "json"
    gzip: bool = False
    encoding: str = "utf-8"
    delimiter: str = ","


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """A value the document leaves to the user: looked up as `name`, never shown if `secret`."""

    name: str
    secret: bool = False
    required: bool = True
    default: JsonValue = None
    description: str = ""


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """At most `calls` requests in any `seconds`."""

    calls: int
    seconds: float


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a host is asked for at most: requests at once, and rates."""

    concurrency: int = 20
    rates: tuple[RateLimit, ...] = ()


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint's records and the table they go to.

    An unselected stream is read only as far as its children need it, and not loaded. `document`
    is where the stream stands in the document, for messages.
    """

    name: str
    request: Request
    auth: Auth = NoAuth()
    decoder: Decoder = Decoder()
    records: Records = Records()
    pagination: Pagination = Detect()
    partition: Partition | None = None
    cursor: Cursor | None = None
    policy: ErrorPolicy = ErrorPolicy()
    hints: Hints = Hints()
    selected: bool = True


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a document says, compiled: streams in the document's order, parents included."""

    name: str
    base_url: Expr | None
    streams: tuple[Stream, ...]
    inputs: tuple[Input, ...] = ()
    limits: Limits = Limits()

    def stream(self, name: str) -> Stream | None:
        """The stream called `name`, or None."""
        return next((s for s in self.streams if s.name == name), None)
