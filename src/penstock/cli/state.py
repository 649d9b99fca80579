"""`penstock state`: what the next run of a source will start from."""

from __future__ import annotations

from collections.abc import Mapping

import click

from penstock.cli.app import Group, Sourced
from penstock.cli.context import App
from penstock.cli.options import (
    allow_code_option,
    destination_options,
    pass_app,
    select_option,
    source_argument,
    takeover_option,
    value_options,
)
from penstock.cli.session import compile_source, default_destination, hide_given, target_of
from penstock.plan.check import check_streams
from penstock.plan.expr import JsonValue
from penstock.plan.source import Source
from penstock.plan.target import Target


@click.group(cls=Group, params=[])
def state() -> None:
    """Show, reset or import what the next run of a source will start from."""


@state.command(cls=Sourced)
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


@state.command(cls=Sourced)
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


@state.command("import", cls=Sourced)
@source_argument
@click.option(
    "--from",
    "origin",
    required=True,
    metavar="FROM",
    help="An Airbyte state file; state.json or the folder of a dlt pipeline; a database of dlt's, "
    "or the folder of its files.",
)
@click.option(
    "--dataset",
    metavar="NAME",
    help="The schema of that database that dlt loads into. [default: that of the tables]",
)
@value_options
@destination_options
@takeover_option
@allow_code_option
@pass_app
def import_state(  # noqa: PLR0913 (one argument for each option)
    app: App,
    *,
    source: str,
    origin: str,
    dataset: str | None,
    sets: Mapping[str, JsonValue],
    config: Mapping[str, JsonValue] | None,
    to: str | None,
    db_schema: str | None,
    takeover: bool,
) -> None:
    """Let the next run of SOURCE start where Airbyte or dlt ended. Rows are not touched."""
    values = {**(config or {}), **sets}
    hide_given(app, values)
    compiled, target = _compiled(app, source, (), to, values or None)
    destination = default_destination(compiled, to or target.destination)
    schema = db_schema or target.db_schema
    taken = app.engine.import_state(
        compiled, destination, schema, origin, dataset=dataset, takeover=takeover, values=values
    )
    app.console.say(f"{destination}: took over {', '.join(taken)}")


def _compiled(
    app: App,
    spec: str,
    select: tuple[str, ...],
    to: str | None,
    values: Mapping[str, JsonValue] | None = None,
) -> tuple[Source, Target]:
    """The plan, and where the document's own run puts its rows unless the call says it."""
    compiled, source = compile_source(app, spec, values)
    check_streams(source, select)
    return source, target_of(compiled) if to is None else Target()
