"""State entries that come from elsewhere, put into a destination as they are."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.destinations.base import Append, Checkpoint, Session


def put_entries(
    session: Session, load_id: str, run_id: str, stream: str, entries: Mapping[str, str]
) -> None:
    """Put entries in the place of all that the destination has of a stream, at once."""
    gone = dict.fromkeys(session.state(stream))
    state = tuple({**gone, **entries}.items())
    session.commit(
        Checkpoint(
            load_id=load_id, run_id=run_id, stream=stream, write=Append(), schema=None, state=state
        )
    )
