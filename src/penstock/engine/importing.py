"""State that another engine left, taken over into a destination."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from penstock.destinations import open_destination
from penstock.destinations.base import Append, Checkpoint, Owner, Session
from penstock.engine.protocol.states import entries_of
from penstock.engine.running import new_run_id
from penstock.errors import Diagnostic, PlanError
from penstock.plan.expr import JsonValue
from penstock.plan.source import Source


def import_state(  # noqa: PLR0913 (the same words as the command line's)
    source: Source,
    destination: str,
    db_schema: str | None,
    given: JsonValue,
    *,
    takeover: bool,
    values: Mapping[str, JsonValue] | None = None,
) -> tuple[str, ...]:
    """Let the next run start from the state in an Airbyte state file; gives the streams it is of.

    What the destination knew of these streams before is forgotten. Streams that are read in full in
    every run have no use for a state. `values` are the user's: classes of the document that bring a
    state into its last form may need them.

    Raises:
        PlanError: `given` is no state, or of no stream that could use it.
        DestinationError: another run holds the destination.
    """
    usable = {s.name for s in source.streams if s.cursor is not None and s.selected}
    found = {n: e for n, e in entries_of(source, given, values or {}).items() if n in usable and e}
    if not found:
        message = "the file holds no state of a stream that goes on from one"
        raise PlanError([Diagnostic(code="value-invalid", severity="error", message=message)])
    run_id = new_run_id()
    session = open_destination(destination).open(
        owner=Owner(run_id=run_id, pid=os.getpid(), host=socket.gethostname()),
        db_schema=db_schema or source.name,
        takeover="always" if takeover else "dead",
    )
    try:
        for number, (name, entries) in enumerate(found.items()):
            _keep(session, f"{run_id}.state{number}", run_id, name, entries)
    finally:
        session.close()
    return tuple(sorted(found))


def _keep(
    session: Session, load_id: str, run_id: str, stream: str, entries: dict[str, str]
) -> None:
    """Put entries in the place of all that the destination has of a stream, at once."""
    gone = dict.fromkeys(session.state(stream))
    state = tuple({**gone, **entries}.items())
    session.commit(
        Checkpoint(
            load_id=load_id, run_id=run_id, stream=stream, write=Append(), schema=None, state=state
        )
    )
