"""State entries that come from elsewhere, put into a destination as they are."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.destinations.base import Append, Checkpoint, Session
from penstock.engine.homes import Homes


def put_entries(  # noqa: PLR0913 (a checkpoint's own)
    session: Session,
    load_id: str,
    run_id: str,
    stream: str,
    entries: Mapping[str, str],
    *,
    homes: Homes | None = None,
) -> None:
    """Put entries in the place of all that the destination has of a stream, at once.

    With `homes` those of others stay.
    """
    held = session.state(stream)
    if homes is not None:
        own = homes.seen({stream: held})[stream]
        state = tuple(homes.entries(stream, {**dict.fromkeys(own), **entries}).items())
    else:
        state = tuple({**dict.fromkeys(held), **entries}.items())
    session.commit(
        Checkpoint(
            load_id=load_id, run_id=run_id, stream=stream, write=Append(), schema=None, state=state
        )
    )
