"""What the command line asks of `penstock.engine`, which it imports late."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from penstock.errors import Diagnostic
from penstock.events import Event, Receipt, Status
from penstock.plan.expr import JsonValue
from penstock.plan.hints import Nesting
from penstock.plan.source import Source
from penstock.plan.target import Target


class Compiled(Protocol):
    """A document after compiling: its plan, unless it has errors, and what is to say about it."""

    @property
    def source(self) -> Source | None:
        """The plan; None where the document has errors."""

    @property
    def dialect(self) -> str:
        """The dialect it was recognised as."""

    @property
    def name(self) -> str:
        """The source's name."""

    @property
    def file(self) -> str:
        """Where the document stands."""

    @property
    def diagnostics(self) -> Sequence[Diagnostic]:
        """Everything found, errors and repairs alike."""


class Repaired(Protocol):
    """A file before and after repairs."""

    @property
    def file(self) -> str:
        """Where it stands."""

    @property
    def before(self) -> str:
        """Its text; a line ends in a line feed."""

    @property
    def after(self) -> str:
        """The repaired text."""

    @property
    def in_place(self) -> bool:
        """Whether it is data that can be written, and no program of the user's."""


class Fixed(Protocol):
    """What repairs made of a document."""

    @property
    def files(self) -> Sequence[Repaired]:
        """The files that change."""

    @property
    def compiled(self) -> Compiled:
        """The repaired document, compiled."""

    @property
    def repaired(self) -> Sequence[Diagnostic]:
        """What is not to be said any more."""


class Result(Protocol):
    """How a run went."""

    @property
    def run_id(self) -> str:
        """The run's own id."""

    @property
    def source(self) -> str:
        """The source's name."""

    @property
    def destination(self) -> str:
        """Where the rows are."""

    @property
    def db_schema(self) -> str:
        """The schema they are in."""

    @property
    def status(self) -> Status:
        """How it ended."""

    @property
    def receipts(self) -> Sequence[Receipt]:
        """One for each stream."""

    @property
    def seconds(self) -> float:
        """How long it took."""


class Loads(Protocol):
    """What loads the runs that a script waits for."""

    def load(self, compiled: Compiled) -> tuple[Result, str]:
        """Load a plan; gives how it went, and the destination with its password."""

    def place(self, target: Target, source: str | None = None) -> tuple[str, str] | None:
        """The destination and schema that a run goes to; None where these are not known yet."""


class Reshaped(Protocol):
    """What was built from kept pages."""

    @property
    def destination(self) -> str:
        """Where the tables are."""

    @property
    def db_schema(self) -> str:
        """The schema they are in."""

    @property
    def rows(self) -> Mapping[str, int]:
        """Rows by table."""

    @property
    def checkpoints(self) -> int:
        """How many checkpoints were kept."""

    @property
    def again(self) -> int:
        """How many of them were there already."""

    @property
    def unsure(self) -> int:
        """How many more nobody knows of whether they were committed."""


class Engine(Protocol):
    """The functions of `penstock.engine` that commands call."""

    @property
    def Options(self) -> Callable[..., Any]:  # noqa: N802 (a class)
        """What a run may be told besides source, values and destination."""

    def prepare(self, destination: str) -> None:
        """See `penstock.engine.prepare`."""

    def compile_source(  # noqa: PLR0913 (the engine's signature)
        self,
        spec: str,
        values: Mapping[str, JsonValue] | None = None,
        *,
        allow_code: bool = False,
        components: Path | None = None,
        load: Loads | None = None,
        arguments: Sequence[str] = (),
        whole: bool = False,
    ) -> Compiled:
        """Find and compile a document; `load` does what a script waits for."""

    def fix_source(
        self,
        spec: str,
        values: Mapping[str, JsonValue] | None = None,
        *,
        allow_code: bool = False,
        arguments: Sequence[str] = (),
    ) -> Fixed:
        """Write the repairs of a document into its text; nothing is stored."""

    def execute(
        self,
        source: Source,
        values: Mapping[str, JsonValue],
        destination: str,
        options: Any,
        on_event: Callable[[Event], None],
    ) -> Result:
        """Load a source; blocks until it is done or stopped."""

    def read_stream(  # noqa: PLR0913 (the engine's signature)
        self,
        source: Source,
        values: Mapping[str, JsonValue],
        stream: str,
        *,
        limit: int | None,
        base_url: str | None,
        deny_private: bool,
        on_event: Callable[[Event], None],
        values_file: Path | None,
    ) -> Iterator[bytes]:
        """The records of one stream, each as JSON."""

    def reshape(  # noqa: PLR0913 (the engine's signature)
        self,
        folder: Path,
        destination: str,
        *,
        db_schema: str | None,
        source: Source | None,
        nesting: Nesting | None,
        select: tuple[str, ...],
        takeover: bool,
    ) -> Reshaped:
        """Build tables from kept pages."""

    def show_state(
        self, source: Source, destination: str, db_schema: str | None, streams: tuple[str, ...]
    ) -> dict[str, dict[str, JsonValue]]:
        """What the next run starts from, by stream."""

    def import_state(  # noqa: PLR0913 (the engine's signature)
        self,
        source: Source,
        destination: str,
        db_schema: str | None,
        origin: str,
        *,
        dataset: str | None,
        takeover: bool,
        values: Mapping[str, JsonValue] | None,
    ) -> tuple[str, ...]:
        """Take a state of another engine over; gives the streams it is of."""

    def reset_state(
        self,
        source: Source,
        destination: str,
        db_schema: str | None,
        streams: tuple[str, ...],
        *,
        takeover: bool,
    ) -> tuple[str, ...]:
        """Forget what the next run would start from; gives the streams it was forgotten for."""
