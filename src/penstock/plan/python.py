"""Kinds whose behaviour is a Python class of the document's own, called from worker threads.

Everything here is a callable that is handed the run as a `Door`; it may block, and ask what it
needs through the door.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from penstock.plan.door import Door, Taken
    from penstock.plan.expr import Frame, JsonValue
    from penstock.plan.hints import Hints
    from penstock.plan.page import HttpRequest, HttpResponse, Token
    from penstock.plan.policy import Verdict
    from penstock.plan.request import Value
    from penstock.plan.slices import Slice


class Extract(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Takes the records from a whole answer."""

    function: Callable[[Door, HttpResponse, Frame], Taken]
    name: str = ""


class Batch(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Changes, drops or makes records, a page at a time."""

    function: Callable[[Door, list[JsonValue], Frame], Iterable[JsonValue]]
    name: str = ""


class Sign(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Signs each request; tokens it needs it obtains through the door.

    `renew` is given a request without and with the credentials that the API refused, and says
    whether the next one is signed with others.
    """

    function: Callable[[Door, HttpRequest], HttpRequest]
    renew: Callable[[Door, HttpRequest, HttpRequest], bool] | None = None
    name: str = ""


class Judge(msgspec.Struct, frozen=True, kw_only=True):
    """Says what an answer means, how often to ask again, and how long to wait before.

    `wait` is given the number of the attempt, from 1, and no answer where none came. Each part is
    absent where the class leaves it to the policy it stands in.
    """

    verdict: Callable[[Door, HttpResponse], Verdict] | None = None
    retries: Callable[[Door], int] | None = None
    wait: Callable[[Door, HttpResponse | None, int], float | None] | None = None
    name: str = ""


class LastPage(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy may know of a page: its answer, its records, the token that asked for it."""

    response: HttpResponse
    count: int
    last_record: JsonValue
    token: Token
    frame: Frame


class Pages(msgspec.Struct, frozen=True, kw_only=True):
    """Says the token of the first page, of each next one, and how many records a page holds."""

    first: Callable[[Door], Token]
    following: Callable[[Door, LastPage], Token]
    size: Callable[[Door], int | None]
    name: str = ""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """The request of a page, and what the class that made it remembers of those before."""

    request: HttpRequest
    memory: object = None


class Lead(msgspec.Struct, frozen=True, kw_only=True):
    """Makes the request of the first page, and after each answer that of the next, if any.

    It is given the request as the document says it, and later the records of the page too.
    """

    begin: Callable[[Door, HttpRequest], Turn]
    following: Callable[[Door, Turn, HttpResponse, list[JsonValue]], Turn | None]
    name: str = ""


class Amend(msgspec.Struct, frozen=True, kw_only=True):
    """Looks at each answer before it is judged, and may put another in its place.

    It gives nothing where the answer is to be passed over.
    """

    function: Callable[[Door, HttpResponse], HttpResponse | None]
    name: str = ""


class Compute(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Makes the partitions of a stream, and what each sends with its requests.

    `parents` are the streams whose records it reads through the door. With `below` its partitions
    are those of a stream below others, whose state speaks of them.
    """

    function: Callable[[Door], Iterable[Slice]]
    values: Callable[[Door, Frame, JsonValue], list[Value]]
    parents: tuple[str, ...] = ()
    below: bool = False
    name: str = ""


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """Shapes the request of a page and gets its answer.

    `values` are what pagination, partition and cursor send.
    """

    function: Callable[[Door, Frame, JsonValue, list[Value]], HttpResponse]
    name: str = ""


class Retrieve(msgspec.Struct, frozen=True, kw_only=True):
    """Reads all the records of a slice.

    `said` tells it from others of its name; two are the same whose `parts` are. `calls` says that
    all is done when the function is called, `sources` by which of several sources it is, by label.
    `marks` says that rows may go to tables that nobody knows of before they come. What iterates may
    have a method `several`, which gives up to so many rows that come one at a time, at once; none
    where what is next is anything else.
    """

    function: Callable[[Door, Frame], Iterable[JsonValue | ForTable | NextSource]]
    name: str = ""
    said: str = ""
    parts: object = None
    calls: bool = False
    sources: tuple[tuple[str, int], ...] = (("", 0),)
    marks: bool = False


class ForTable(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that go to a table of their own, with what a class says of that table if it does.

    It stands among the records of a `Retrieve`. `many` says that they came as a list.
    """

    table: str
    rows: list[JsonValue]
    hints: Hints | None = None
    many: bool = False


class NextSource(msgspec.Struct, frozen=True, kw_only=True):
    """What comes next of a `Retrieve` is of another source, of this number."""

    number: int


class TableOf(msgspec.Struct, frozen=True, kw_only=True):
    """Names the table that a record goes to; `hints` says what holds for it, by its first one."""

    function: Callable[[JsonValue], object]
    hints: Callable[[JsonValue], Hints] | None = None
    name: str = ""


class Migrate(msgspec.Struct, frozen=True, kw_only=True):
    """Turns a state that another engine kept into the form it has now; others stay as they are."""

    function: Callable[[Door, JsonValue], JsonValue]
    name: str = ""


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """Gives the JSON schema of a stream."""

    function: Callable[[Door], JsonValue]
    name: str = ""
