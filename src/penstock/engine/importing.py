"""State that another engine left, taken over into a destination."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from penstock.destinations import open_destination
from penstock.destinations.base import DltPlace, Owner
from penstock.engine.entries import put_entries
from penstock.engine.protocol.states import entries_of
from penstock.engine.running import new_run_id
from penstock.errors import DestinationError, Diagnostic, PlanError
from penstock.patterns import pattern
from penstock.plan.expr import JsonValue
from penstock.plan.source import Source
from penstock.read.dlt_state import cursors_of, is_state

STATE_FOLDER = "_dlt_pipeline_state"
_URL = pattern(r"[A-Za-z][A-Za-z0-9+.-]+://|(parquet|delta):")
Entries = dict[str, dict[str, str]]


def import_state(  # noqa: PLR0913 (the same words as the command line's)
    source: Source,
    destination: str,
    db_schema: str | None,
    origin: str,
    *,
    dataset: str | None = None,
    takeover: bool = False,
    values: Mapping[str, JsonValue] | None = None,
) -> tuple[str, ...]:
    """Let the next run start from what another engine left; gives the streams it is of.

    `origin` is an Airbyte state file, the state or the working folder of a dlt pipeline, or a
    destination, or a folder of its files, where dlt keeps its state in the schema `dataset`. What
    the destination knew of these streams before is forgotten. Streams that are read in full in
    every run have no use for a state. `values` are the user's: classes of the document that bring
    a state into its last form may need them.

    Raises:
        PlanError: there is no state, or it is of no stream that could use it.
        DestinationError: another run holds the destination.
    """
    usable = {
        s.name
        for s in source.streams
        if s.selected and (s.cursor is not None or s.retrieve is not None)
    }
    taken = _entries(source, origin, dataset or db_schema or source.name, values or {})
    found = {name: entries for name, entries in taken.items() if name in usable and entries}
    if not found:
        raise _wrong(f"{origin} holds no state of a stream that goes on from one")
    run_id = new_run_id()
    session = open_destination(destination).open(
        owner=Owner.here(run_id),
        db_schema=db_schema or source.name,
        takeover="always" if takeover else "dead",
    )
    try:
        for number, (name, entries) in enumerate(found.items()):
            put_entries(session, f"{run_id}.state{number}", run_id, name, entries)
    finally:
        session.close()
    return tuple(sorted(found))


def _entries(source: Source, origin: str, dataset: str, values: Mapping[str, JsonValue]) -> Entries:
    """The entries that the state at `origin` stands for, by stream."""
    path = Path(origin)
    if (path / dataset / STATE_FOLDER).is_dir():  # where dlt keeps datasets as files
        return _from_dataset(source, f"parquet:{path.absolute()}", dataset)
    if path.is_dir():
        path /= "state.json"
    if _URL.match(origin) or not _is_json(path):
        return _from_dataset(source, origin, dataset)
    try:
        given = msgspec.json.decode(path.read_bytes())
    except msgspec.DecodeError as exc:
        raise _wrong(f"{path} is not JSON: {exc}") from exc
    except OSError as exc:
        raise _wrong(f"{path} cannot be read: {exc.strerror or exc}") from exc
    return cursors_of(source, given) if is_state(given) else entries_of(source, given, values)


def _is_json(path: Path) -> bool:
    """Whether it is a file of text, and not one that a destination keeps."""
    return path.suffix.lower() not in {".duckdb", ".db"}


def _from_dataset(source: Source, origin: str, dataset: str) -> Entries:
    place = open_destination(origin)
    if not isinstance(place, DltPlace):
        raise _wrong("dlt's state cannot be read from there")
    states = place.dlt_states(dataset)
    if not states:
        raise DestinationError(
            f"schema {dataset!r} holds no state of a dlt pipeline",
            code="empty",
            hint="name the dataset that dlt loads into with --dataset",
        )
    found: Entries = {}
    for state in states:
        for name, entries in cursors_of(source, state).items():
            found.setdefault(name, entries)
    return found


def _wrong(message: str) -> PlanError:
    return PlanError([Diagnostic(code="value-invalid", severity="error", message=message)])
