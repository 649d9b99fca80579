"""What is kept for streams that runs leave out while their parents go on; see `read.behind`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from penstock.destinations.base import Session
from penstock.engine.entries import put_entries
from penstock.engine.homes import Homes
from penstock.engine.joint import Outside
from penstock.engine.loader import StreamLoader
from penstock.errors import DestinationError, FencedError
from penstock.events import Event, Warned
from penstock.plan.source import Source
from penstock.plan.together import tables
from penstock.read.behind import (
    above,
    caught_up,
    left_between,
    left_out,
    stand_ins,
    standing,
)
from penstock.read.context import StreamContext
from penstock.read.state import without_old_pass

Stored = Mapping[str, dict[str, str]]


def with_stand_ins(
    source: Source, session: Session, run_id: str, stored: Stored, homes: Homes
) -> dict[str, dict[str, str]]:
    """The state of all streams, and of stand-ins; of those that have caught up nothing is left."""
    found = {**stored, **homes.seen(session.states(stand_ins(source)))}
    for number, name in enumerate(caught_up(source, found)):
        try:
            put_entries(session, f"{run_id}.caught{number}", run_id, name, {}, homes=homes)
        except FencedError:
            raise
        except DestinationError:
            continue  # it goes on from where it is, as that which it stands for
        found[name] = {}
    return found


def current(source: Source, stored: Stored, now: float) -> dict[str, dict[str, str]]:
    """The state that a run begins with: without passes that are too old to be gone on with."""
    writes = {stream.name: stream.hints.write for stream in source.streams}
    writes |= {name: stream.hints.write for name, (stream, _) in stand_ins(source).items()}
    return {name: without_old_pass(held, writes[name], now) for name, held in stored.items()}


def keep_for_others(
    source: Source,
    contexts: Sequence[StreamContext],
    loaders: Mapping[str, StreamLoader],
    stored: Stored,
    *,
    fresh: bool,
) -> None:
    """Have the loaders keep what those need that the run leaves out.

    What is built anew needs nothing of what was kept for it before. Others that load the same
    table, and are not selected, have no rows there any more: they begin anew as well.
    """
    made = stand_ins(source)
    left = left_out(source, contexts)
    streams = {stream.name: stream for stream in source.streams}
    loaded = {context.name for context in contexts if context.loaded}
    gone = {
        one.name: [mate.name for mate in held if mate.name not in loaded]
        for held in tables(source.streams).values()
        for one in held
    }
    for name, loader in loaders.items():
        of = loader.context.stream.called
        loader.outside = Outside(
            before={**stored.get(of, {}), **stored.get(name, {})},
            there={one: stored.get(one, {}) for one in left.get(name, ())},
            older={
                one: stored[standing(of or name, between)]
                for one in (left.get(name, ()) if fresh else ())
                for between in above(made[one][1], streams)
                if stored.get(standing(of or name, between))
            },
            outdated={
                one: stored[one]
                for one, (_, child) in (made.items() if fresh else ())
                if child.name == name and stored.get(one)
            }
            | {one: stored[one] for one in gone.get(name, ()) if loader.replaces and stored[one]},
        )


def tell_of_gaps(contexts: Sequence[StreamContext], emit: Callable[[Event], None]) -> None:
    """Say what a run leaves out between others for good: that cannot be read again for it alone."""
    for context, name in left_between(contexts):
        message = (
            f"{name!r} is not loaded, but read for what is below it: what it has of these records "
            f"of {context.name!r} does not come with a later run, unless with --full-refresh"
        )
        if context.tally.note("left-between", message):
            emit(Warned(stream=context.name, code="left-between", message=message))
