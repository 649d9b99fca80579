"""What a document's own Python may ask of the run that calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

import msgspec

if TYPE_CHECKING:
    from penstock.plan.auth import Auth
    from penstock.plan.expr import Frame, JsonValue
    from penstock.plan.page import HttpRequest, HttpResponse
    from penstock.plan.policy import ErrorPolicy
    from penstock.plan.slices import Slice
    from penstock.plan.source import Source


_CURSOR = "incremental"
Tables: TypeAlias = "Mapping[str, Mapping[str, tuple[str, bool]]]"
"""Tables by name, their columns, and of each its type and whether it may be null."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What Python took from an answer: its records, and the answer itself as templates see it."""

    records: tuple[JsonValue, ...]
    answer: JsonValue = None


class Own(dict[str, object]):
    """What one stream keeps of its own.

    Where its cursor stands is found in it too, as in a state of dlt, if somebody `tells` that.
    """

    follows = False  # whether the stream has a cursor
    tells: Callable[[], object] | None = None

    def __missing__(self, name: str) -> object:
        if name == _CURSOR and self.tells is not None:
            return self.tells()
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (name == _CURSOR and self.tells is not None)

    def get(self, name: str, default: object = None) -> object:
        """As of any dict."""
        return self[name] if name in self else default  # noqa: SIM401 (this is what it is)


class Remembered(Protocol):
    """What the functions of a stream keep from run to run: their own, and that of all streams.

    `cursor` is the kind of its cursor's values, where these are no values of JSON. `tables` are
    those that the destination held when the run began; None where nothing was loaded there before.
    `read` are the states of streams of other sources that its functions have read.
    """

    source: str
    stream: str
    own: Own
    read: dict[str, dict[str, str]]
    cursor: Literal["moment", "day"] | None

    @property
    def tables(self) -> Tables | None:
        """The tables that the run found."""
        ...

    def of(self, stream: str) -> Own:
        """What another stream keeps of its own."""
        ...

    @property
    def shared(self) -> MutableMapping[str, object]:
        """What all streams of the source share."""
        ...


BEGUN: Final = "begun"
"""What a door keeps: where the streams that are read through it next go on from."""


class Door(Protocol):
    """The run, as seen from a worker thread: every method blocks until it is answered.

    `values` are the user's, `kept` is room for what Python wants to find again in the same run.
    """

    values: Mapping[str, JsonValue]
    kept: dict[object, object]

    def send(self, request: HttpRequest) -> HttpResponse:
        """The answer to one request, whatever its status."""
        ...

    def ask(
        self, request: HttpRequest, auth: Auth, policy: ErrorPolicy, frame: Frame
    ) -> HttpResponse:
        """The answer to a request, signed, and asked for as often as a policy allows."""
        ...

    def records(self, *streams: str) -> Iterator[tuple[Slice, JsonValue]]:
        """The records of other streams of the source, read at once, each with its slice."""
        ...

    def read(
        self, source: Source, values: Mapping[str, JsonValue], *streams: str
    ) -> Iterator[JsonValue]:
        """The records of streams of another source, read at once."""
        ...

    def allows(self, url: str) -> bool:
        """Whether the document, or the user, names the origin of a URL."""
        ...

    def seconds(self) -> float:
        """Seconds on the run's clock, from no particular moment."""
        ...

    def pause(self, seconds: float) -> None:
        """Wait, on the run's clock."""
        ...

    def remembered(self) -> Remembered:
        """What the stream remembers, to be read and changed."""
        ...

    def tell(self, code: str, message: str) -> None:
        """Say something of the stream, once, that its receipt tells too."""
        ...
