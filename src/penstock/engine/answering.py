"""Scripts that ask for what they have loaded: their runs are done while they are executed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, Protocol

from penstock.dialects import Compiled, compile_document
from penstock.plan.expr import JsonValue

if TYPE_CHECKING:
    from penstock.destinations.base import Peek
    from penstock.dialects.document import Document, Known
    from penstock.engine.running import Result
    from penstock.events import Receipt
    from penstock.plan.source import Source
    from penstock.plan.target import Target

Columns = Mapping[str, Mapping[str, tuple[str, bool]]]


class Loads(Protocol):
    """Loads plans; gives how each went, and the destination as it is named, with its password."""

    def load(self, compiled: Compiled) -> tuple[Result, str]:
        """Load a plan."""

    def place(self, target: Target, source: str | None = None) -> tuple[str, str] | None:
        """The destination and schema that a run goes to; None where these are not known yet."""


class Held:
    """What a destination holds of a script's, whoever has loaded it."""

    def __init__(self, destination: str, db_schema: str) -> None:
        self._place = destination
        self.db_schema = db_schema

    def look(self, *, writes: bool) -> Any:
        """A connection to the tables, DuckDB's or like it; whoever asks for it closes it."""
        from penstock.destinations import look_into  # noqa: PLC0415 (few scripts ask)

        return look_into(self._place, self.db_schema, writes=writes)

    def columns(self) -> Columns:
        """The columns of each table, with their types and whether they may be null."""
        from penstock.destinations import columns_in  # noqa: PLC0415 (few scripts ask)

        return columns_in(self._place, self.db_schema)

    def loaded_before(self) -> bool:
        """Whether a run has loaded there."""
        return self._peek() is not None

    def _peek(self) -> Peek | None:
        from penstock.destinations import open_destination  # noqa: PLC0415 (few scripts ask)

        return open_destination(self._place).peek(self.db_schema)

    def entries(self, source: Source) -> Mapping[str, Mapping[str, str]]:
        """The state of the streams of a source."""
        from penstock.engine.homes import Homes  # noqa: PLC0415 (few scripts ask)

        peek = self._peek()
        held = {} if peek is None else peek.state
        return Homes(source).seen({one.name: held.get(one.name, {}) for one in source.streams})

    def known(self) -> Mapping[str, Known]:
        """What the next run starts from, by stream, as far as no plan is needed to tell it."""
        peek = self._peek()
        return dict(_known(peek.state)) if peek is not None else {}


class Answer(Held):
    """What a run has loaded, for the script that waits for it; see `dialects.document.Loaded`."""

    def __init__(
        self, source: Source | None, result: Result, destination: str, before: Columns | None
    ) -> None:
        super().__init__(destination, result.db_schema)
        self._source = source
        self._before = before
        self.run_id = result.run_id
        self.status: str = result.status
        self.destination = result.destination
        self.seconds = result.seconds
        self.first = before is None
        self._receipts = result.receipts
        self.rows: Mapping[str, int] = _rows(result.receipts)

    def of(self, streams: Collection[str]) -> Answer:
        """The same of some streams alone: of one of several runs that were loaded together."""
        found = copy(self)
        found.rows = _rows(one for one in self._receipts if one.stream in streams)
        return found

    def added(self) -> Columns:
        """The columns that the run has added, by table."""
        before = self._before or {}
        found = {
            table: {
                name: said for name, said in columns.items() if name not in before.get(table, {})
            }
            for table, columns in self.columns().items()
        }
        return {table: columns for table, columns in found.items() if columns}

    def known(self) -> Mapping[str, Known]:
        """What the next run starts from, by stream."""
        peek = self._peek()
        if peek is None:
            return {}
        from penstock.engine.homes import Homes  # noqa: PLC0415 (few scripts ask)

        state = peek.state if self._source is None else Homes(self._source).seen(peek.state)
        return dict(_known(state, self._source))


def _rows(receipts: Iterable[Receipt]) -> Counter[str]:
    rows: Counter[str] = Counter()
    for receipt in receipts:
        rows.update(receipt.rows_by_table or {receipt.table: receipt.rows})
    return rows


def _known(
    state: Mapping[str, Mapping[str, str]], source: Source | None = None
) -> Iterator[tuple[str, Known]]:
    from penstock.dialects.document import Known  # noqa: PLC0415 (few scripts ask)
    from penstock.engine.homes import OWNER  # noqa: PLC0415 (the same)
    from penstock.read.dlt_state import cursor_path  # noqa: PLC0415 (the same)
    from penstock.read.memory import ENTRY, told, unmarked  # noqa: PLC0415 (the same)
    from penstock.read.state import read_mark  # noqa: PLC0415 (the same)

    for name, entries in state.items():
        if not entries.keys() - {OWNER}:
            continue
        own, shared = told(entries.get(ENTRY))
        mark = read_mark(entries.get("cursor") or entries.get("behind"))
        stream = source.stream(name) if source is not None else None
        cursor = stream.cursor if stream is not None else None
        kept = mark.path if mark is not None and isinstance(mark.path, str) else None
        yield (
            name,
            Known(
                own=unmarked(own),
                shared=unmarked(shared),
                path=cursor_path(cursor) if cursor is not None else kept,
                last=mark.value if mark is not None else None,
            ),
        )


class Loader:
    """What a script's documents are loaded by, and what there was before."""

    def __init__(self, loads: Loads, values: Mapping[str, JsonValue] | None) -> None:
        self._loads = loads
        self._values = values

    def load(self, document: Document) -> Answer:
        """Load what a document says."""
        compiled = compile_document(document, self._values)
        source = compiled.source
        before = self._before(document, source)
        result, destination = self._loads.load(compiled)
        return Answer(source, result, destination, before)

    def there(self, target: Target) -> Held | None:
        """What a destination holds before anything is loaded; None where that is not known."""
        place = self._loads.place(target)
        return Held(*place) if place is not None else None

    def _before(self, document: Document, source: Source | None) -> Columns | None:
        """The columns that there are, or None where nothing was loaded before."""
        from penstock.plan.target import Target  # noqa: PLC0415 (few scripts ask)

        target = document.target or Target()
        place = self._loads.place(target, source.name if source is not None else document.name)
        held = Held(*place) if place is not None else None
        return held.columns() if held is not None and held.loaded_before() else None
