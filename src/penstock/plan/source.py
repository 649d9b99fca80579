"""The plan itself: a source, its streams, and the values a user must bring."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from penstock.errors import Place
from penstock.plan.auth import Auth, NoAuth
from penstock.plan.budget import Budget
from penstock.plan.decoder import Decoder, Format
from penstock.plan.expr import Expr, JsonValue
from penstock.plan.files import Files
from penstock.plan.hints import Hints
from penstock.plan.jobs import Job
from penstock.plan.pagination import Detect, Pagination
from penstock.plan.policy import ErrorPolicy
from penstock.plan.prepare import Change, MustFit
from penstock.plan.properties import Properties
from penstock.plan.python import Migrate, Retrieve, TableOf
from penstock.plan.records import Records
from penstock.plan.recovery import Recovery
from penstock.plan.request import Request
from penstock.plan.schemas import SchemaPart
from penstock.plan.slices import Cursor, Duration, Partition
from penstock.plan.target import Pipeline
from penstock.plan.turns import Order

__all__ = [
    "ByPartition",
    "Check",
    "Decoder",
    "Discovered",
    "Format",
    "Input",
    "Limits",
    "Places",
    "RateLimit",
    "Source",
    "Spec",
    "Stream",
    "scatters",
]


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """A value the document leaves to the user: looked up as `name`, never shown if `secret`.

    It is first looked for under the names of `before`, as far as there is no table there.
    `secret_paths` lead to secrets inside a value that is an object. With `minimum` or `maximum` the
    value must be a number, also as text, within these bounds.
    """

    name: str
    before: tuple[str, ...] = ()
    secret: bool = False
    required: bool = True
    default: JsonValue = None
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    secret_paths: tuple[tuple[str, ...], ...] = ()


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """At most `calls` requests in any `seconds`."""

    calls: int
    seconds: float


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a host is asked for at most: requests at once, rates, and budgets of single calls."""

    concurrency: int = 20
    rates: tuple[RateLimit, ...] = ()
    budget: Budget | None = None


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What a document tells a platform of its connection: the JSON schema of the user's values.

    `grant` says how a platform obtains a token for its user; nothing here acts on it.
    """

    schema: JsonValue
    documentation_url: str | None = None
    grant: JsonValue = None


class ByPartition(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A state that keeps the cursor of each partition under the value of its `field`."""

    field: str
    cursor: str


class Most(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a stream a run reads: it ends with the page that reaches one of these.

    `seconds` count from the first page on.
    """

    pages: int | None = None
    rows: int | None = None
    seconds: float | None = None

    def reached(self, pages: int, rows: int, seconds: float) -> bool:
        """Whether this is enough."""
        return (
            (self.pages is not None and pages >= self.pages)
            or (self.rows is not None and rows >= self.rows)
            or (self.seconds is not None and seconds > self.seconds)
        )

    def left(self, pages: int, rows: int, *, size: int) -> int:
        """How many further pages of this size may be wanted, at most."""
        found = [sys.maxsize]
        if self.pages is not None:
            found.append(self.pages - pages)
        if self.rows is not None and size:
            found.append(-((rows - self.rows) // size))
        return max(0, min(found))


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint's records and the table they go to.

    An unselected stream is read only as far as its children need it, and not loaded. With a `job`
    a slice is prepared by the API and then downloaded; `request` is then the job's creation.
    `later` takes the stream's place once it has state, unless that state is older than `retention`.
    Streams of one `group` are never read at the same time. With `slicing` "first-page" the params
    of partition and cursor are left out once there is a page token. `needs` are the classes without
    which the stream cannot be read. `schema` is the JSON schema the document declares, where it was
    compiled to be described; `files` are those that its records lead to. `retrieve` reads a
    slice in place of all that is said of requests and pages. `schemas` are where the schema comes
    from if the document does not hold it: the first of them, or with `combines` all of them.
    `migrations` bring a state of another engine into its last form. `made_by` is the dynamic stream
    that made it. `called` is the name in the document of a stream that is read under another one,
    as a parent that is not the stream of its name. `most` ends the reading early. `table_of` names
    the table of each record where they go to several. Streams with an `order` take turns. Streams
    that are `together` append to one table: what is complete of one is not read again before all
    of them are.
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
    job: Job | None = None
    properties: Properties | None = None
    recovery: Recovery | None = None
    later: Stream | None = None
    retention: Duration | None = None
    group: str | None = None
    slicing: Literal["every-page", "first-page"] = "every-page"
    needs: tuple[str, ...] = ()
    schema: JsonValue = None
    files: Files | None = None
    called: str = ""
    retrieve: Retrieve | None = None
    schemas: tuple[SchemaPart, ...] = ()
    combines: bool = False
    migrations: tuple[Migrate | ByPartition, ...] = ()
    made_by: str | None = None
    most: Most | None = None
    table_of: TableOf | None = None
    order: Order | None = None
    together: bool = False

    @property
    def table(self) -> str:
        """The name of the table that its records go to, as the document has it."""
        return self.hints.table or self.name


def scatters(stream: Stream) -> bool:
    """Whether records of a stream may go to tables of which nobody knows before they come."""
    marks = stream.retrieve is not None and stream.retrieve.marks
    return stream.table_of is not None or marks


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """The streams by which a connection is tried: those named, `first` ones, and made ones.

    `made` are dynamic streams and how many of the streams each makes are tried, None for all. With
    `ask` false it is enough that there are streams. `values` stand in for the user's meanwhile.
    """

    streams: tuple[str, ...] = ()
    first: int = 0
    made: tuple[tuple[str, int | None], ...] = ()
    ask: bool = True
    values: tuple[tuple[str, JsonValue], ...] = ()


class Discovered(msgspec.Struct, frozen=True, kw_only=True):
    """Streams that an API names: `expand` makes them of the records of the helper stream `source`.

    It is also given the values of the partition that each of them was in. The run reads that stream
    in full before it begins with these.
    """

    source: Stream
    expand: Callable[[Sequence[JsonValue], Sequence[dict[str, JsonValue]]], tuple[Stream, ...]]
    name: str = ""


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where things stand in the document: a template of a stream, what the spec says of a value.

    Either is looked for only when asked.
    """

    template: Callable[[str, str], Place | None]
    value: Callable[[tuple[str, ...]], Place | None]


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a document says, compiled: streams in the document's order, parents included.

    `prepare` changes the user's values before anything reads them, `validate` are checks of them
    then; `migrate` are those of the changes that the user's own file of values keeps. `check` says
    how a connection is tried, `dynamic` are the names of what makes streams, `spec` is what
    platforms are told. `pipeline` is the one that a script names, `homes` are the pipeline and the
    source there that streams are of: those of one name keep their states apart by these.
    """

    name: str
    base_url: Expr | None
    streams: tuple[Stream, ...]
    inputs: tuple[Input, ...] = ()
    limits: Limits = Limits()
    discovered: tuple[Discovered, ...] = ()
    prepare: tuple[Change, ...] = ()
    migrate: tuple[Change, ...] = ()
    validate: tuple[MustFit, ...] = ()
    check: Check | None = None
    dynamic: tuple[str, ...] = ()
    spec: Spec | None = None
    places: Places | None = None
    pipeline: Pipeline | None = None
    homes: tuple[tuple[str, str], ...] = ()

    def stream(self, name: str) -> Stream | None:
        """The stream called `name`, or None."""
        return next((s for s in self.streams if s.name == name), None)
