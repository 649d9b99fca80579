"""`penstock read`: a stream's records as JSON lines, nothing stored."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping

import click

from penstock.cli.app import Sourced
from penstock.cli.context import DONE, FAILED, PARTIAL, App
from penstock.cli.display import Quiet
from penstock.cli.options import (
    allow_code_option,
    base_url_option,
    deny_private_option,
    pass_app,
    source_argument,
    value_options,
)
from penstock.cli.session import open_source
from penstock.events import Event, SliceFailed
from penstock.plan.check import check_streams
from penstock.plan.expr import JsonValue


@click.command(cls=Sourced)
@source_argument
@click.argument("stream", metavar="STREAM")
@click.option(
    "--limit", type=click.IntRange(min=0), metavar="N", help="Stop after so many records."
)
@value_options
@base_url_option
@deny_private_option
@allow_code_option
@pass_app
def read(  # noqa: PLR0913 (one argument for each option)
    app: App,
    *,
    source: str,
    stream: str,
    limit: int | None,
    sets: Mapping[str, JsonValue],
    config: Mapping[str, JsonValue] | None,
    base_url: str | None,
    deny_private: bool,
) -> int:
    """Print the records of STREAM as JSON lines, as the API gives them.

    Exits with 3 if some could not be read, and with 1 if none could.
    """
    opened = open_source(app, source, sets, config)
    if not opened.source.discovered:
        check_streams(opened.source, [stream])
    quiet = Quiet(app.console)
    failed: list[SliceFailed] = []

    def on_event(event: Event) -> None:
        quiet.on_event(event)
        if isinstance(event, SliceFailed):
            failed.append(event)

    records = app.engine.read_stream(
        *(opened.source, opened.values, stream),
        limit=limit,
        base_url=base_url,
        deny_private=deny_private,
        on_event=on_event,
        values_file=app.values_file,
    )
    count = _print(app, records)
    if not failed or app.console.closed:
        return DONE
    return PARTIAL if count else FAILED


def _print(app: App, records: Iterator[bytes]) -> int:
    """Print until the records end or nobody reads them any more; gives how many there were."""
    count = 0
    try:
        for record in records:
            app.console.raw(record)
            if app.console.closed:
                break
            count += 1
    finally:
        if isinstance(records, Generator):
            records.close()  # let the engine hang up now, not when memory is tidied
    return count
