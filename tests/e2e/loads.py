"""What the tests of whole runs share: servers, runs, and tables set against what the API holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from penstock.emulator import EmulatorServer
from penstock.engine import Options, Result, compile_source, execute
from penstock.events import Event, Receipt
from penstock.plan.policy import ExponentialBackoff
from penstock.plan.source import Source

DOCUMENTS = Path(__file__).parent / "documents"
SCHEMA = "kept"
VALUES: Mapping[str, Any] = {
    "api_key": "demo-key",
    "client_id": "demo-client",
    "client_secret": "demo-secret",
    "api_token": "demo-token",
    "start_timestamp": 1_700_000_000_000,
    "batch_size": 31,
}
Row = dict[str, Any]


def plan(spec: str | Path, *, hasty: bool = True) -> Source:
    """The plan of a document, or of one of `documents`; `hasty` is one that hardly waits."""
    path = DOCUMENTS / spec
    source = compile_source(str(path if path.exists() else spec)).need()
    return _hasty(source) if hasty else source


def _hasty(source: Source) -> Source:
    """The source with waits between attempts that a test can afford, and some more attempts."""
    streams = tuple(
        msgspec.structs.replace(
            stream,
            policy=msgspec.structs.replace(
                stream.policy, backoff=(ExponentialBackoff(factor=0.01, cap=0.05),), retries=6
            ),
        )
        for stream in source.streams
    )
    return msgspec.structs.replace(source, streams=streams)


class Load:
    """One run, and what came of it."""

    def __init__(self, result: Result, events: list[Event]) -> None:
        self.result = result
        self.events = events
        self.status = result.status

    def receipt(self, stream: str) -> Receipt:
        """The receipt of a stream."""
        return next(r for r in self.result.receipts if r.stream == stream)

    def warnings(self, stream: str) -> set[str]:
        """The codes of a stream's warnings."""
        return {note.code for note in self.receipt(stream).warnings}


def given(source: Source, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a source asks for, those of the emulators unless told otherwise."""
    known = {**VALUES, **values}
    return {i.name: known.get(i.name, i.default) for i in source.inputs}


def load(
    spec: str | Path | Source,
    server: EmulatorServer,
    path: Path,
    values: Mapping[str, Any] | None = None,
    **options: Any,
) -> Load:
    """Run a document against a server, into a DuckDB file."""
    source = spec if isinstance(spec, Source) else plan(spec)
    events: list[Event] = []
    told = Options(**{"base_url": server.url, "db_schema": SCHEMA, **options})
    result = execute(source, given(source, values or {}), str(path), told, events.append)
    return Load(result, events)


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query on a file that nobody else has open."""
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute(f"SET schema = '{SCHEMA}'; SET TimeZone = 'UTC'")
        return [tuple(row.values()) for row in connection.sql(sql).to_arrow_table().to_pylist()]


def table(path: Path, name: str) -> list[Row]:
    """The rows of a table, by column; none where there is no table."""
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute(f"SET schema = '{SCHEMA}'; SET TimeZone = 'UTC'")
        found = connection.execute(
            "SELECT 1 FROM information_schema.tables WHERE table_name = ? AND table_schema = ?",
            [name, SCHEMA],
        ).fetchall()
        if not found:
            return []
        rows: list[Row] = connection.sql(f'SELECT * FROM "{name}"').to_arrow_table().to_pylist()
        return rows


def tables(path: Path) -> set[str]:
    """The names of the tables that hold rows of the source."""
    rows = query(
        path,
        "SELECT table_name FROM information_schema.tables "
        f"WHERE table_schema = '{SCHEMA}' AND table_name NOT LIKE '%\\_penstock%' ESCAPE '\\'",
    )
    return {name for (name,) in rows}


def same_value(stored: Any, wanted: Any) -> bool:
    """Whether a column's value is what the API said, types apart."""
    if isinstance(stored, datetime) and isinstance(wanted, str):
        moment = datetime.fromisoformat(wanted)
        stored = stored if stored.tzinfo else stored.replace(tzinfo=UTC)
        return stored == (moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if isinstance(stored, date) and isinstance(wanted, str):
        return stored.isoformat() == wanted
    if isinstance(stored, Decimal):
        return bool(stored == Decimal(str(wanted)))
    return bool(stored == wanted) and isinstance(stored, bool) == isinstance(wanted, bool)


def flat(record: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    """The columns a record has in its own table, and its lists."""
    for name, value in record.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{name}__")
        else:
            yield f"{before}{name}", value


def assert_holds(
    path: Path, name: str, truth: Iterable[Row], key: str | tuple[str, ...] = "id"
) -> None:
    """Assert that a table and its child tables hold exactly these records, value by value."""
    keys = (key,) if isinstance(key, str) else key
    rows = table(path, name)
    wanted = list(truth)
    stored = {tuple(row[k] for k in keys): row for row in rows}
    expected = {tuple(record[k] for k in keys): record for record in wanted}
    assert Counter(tuple(r[k] for k in keys) for r in rows) == Counter(expected.keys())
    lists: dict[str, list[tuple[str, Any]]] = {}
    for ident, record in expected.items():
        row = stored[ident]
        for column, value in flat(record):
            if isinstance(value, list):
                where = lists.setdefault(f"{name}__{column}", [])
                where += [(row["_penstock_id"], element) for element in value]
            elif value is not None:
                assert same_value(row[column], value), (name, ident, column, row[column], value)
            else:
                assert row.get(column) is None, (name, ident, column, row[column])
    for child, elements in lists.items():
        _assert_child(path, child, elements)


def _assert_child(path: Path, name: str, elements: list[tuple[str, Any]]) -> None:
    """Assert that a child table holds exactly these elements of these rows, in order."""
    rows = table(path, name)
    assert Counter(row["_penstock_parent_id"] for row in rows) == Counter(p for p, _ in elements)
    by_parent: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda r: r["_penstock_list_idx"]):
        by_parent.setdefault(row["_penstock_parent_id"], []).append(row)
    places: Counter[str] = Counter()
    for parent, element in elements:
        row = by_parent[parent][places[parent]]
        places[parent] += 1
        found = element if isinstance(element, dict) else {"value": element}
        for column, value in flat(found):
            if not isinstance(value, list) and value is not None:
                assert same_value(row[column], value), (name, column, row[column], value)


def unique(records: Iterable[Row], key: str) -> list[Row]:
    """The last record with each key."""
    return list({record[key]: record for record in records}.values())
