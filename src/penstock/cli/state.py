"""`penstock state`: what the next run of a source will start from."""

from __future__ import annotations

import click

from penstock.cli.app import Command, Group
from penstock.cli.context import App
from penstock.cli.options import (
    destination_options,
    pass_app,
    select_option,
    source_argument,
    takeover_option,
)
from penstock.cli.session import check_streams, compile_source, default_destination, target_of
from penstock.plan.source import Source
from penstock.plan.target import Target


@click.group(cls=Group, params=[])
def state() -> None:
    """Show or reset what the next run of a source will start from."""


@state.command(cls=Command)
@source_argument
@destination_options
@select_option
@pass_app
def show(
    app: App, source: str, to: str | None, db_schema: str | None, select: tuple[str, ...]
) -> None:
    """Print the state of SOURCE as one JSON object, by stream."""
    compiled, target = _compiled(app, source, select, to)
    destination = default_destination(compiled, to or target.destination)
    schema = db_schema or target.db_schema
    held = app.engine.show_state(compiled, destination, schema, select)
    app.console.json(dict(held))


@state.command(cls=Command)
@source_argument
@destination_options
@select_option
@takeover_option
@pass_app
def reset(  # noqa: PLR0913 (one argument for each option)
    app: App,
    *,
    source: str,
    to: str | None,
    db_schema: str | None,
    select: tuple[str, ...],
    takeover: bool,
) -> None:
    """Forget the state of SOURCE: the next run loads from the start. Rows stay as they are."""
    compiled, target = _compiled(app, source, select, to)
    destination = default_destination(compiled, to or target.destination)
    schema = db_schema or target.db_schema
    forgotten = app.engine.reset_state(compiled, destination, schema, select, takeover=takeover)
    streams = ", ".join(forgotten) or "nothing: there was no state"
    app.console.say(f"{destination}: reset {streams}")


def _compiled(
    app: App, spec: str, select: tuple[str, ...], to: str | None
) -> tuple[Source, Target]:
    """The plan, and where the document's own run puts its rows unless the call says it."""
    compiled, source = compile_source(app, spec)
    check_streams(source, select)
    return source, target_of(compiled) if to is None else Target()
