"""`penstock run`: load a source into a destination."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from penstock.cli.app import Sourced
from penstock.cli.context import INTERRUPTED, App
from penstock.cli.display import Progress, progress
from penstock.cli.engine import Result
from penstock.cli.options import (
    allow_code_option,
    base_url_option,
    deny_private_option,
    destination_options,
    json_option,
    nesting_option,
    pass_app,
    select_option,
    source_argument,
    takeover_option,
    value_options,
)
from penstock.cli.session import (
    ANY_DESTINATION,
    Opened,
    default_destination,
    open_or_load,
)
from penstock.cli.summary import EXIT_CODES, results_json, status_of, summarize
from penstock.errors import Diagnostic
from penstock.events import Event, Receipt, Status, Stopping
from penstock.plan.check import check_streams
from penstock.plan.expr import JsonValue
from penstock.plan.hints import Nesting
from penstock.plan.target import Target

if TYPE_CHECKING:
    from penstock.engine import Options

MEGABYTE = 1024 * 1024


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a call of `run` may say."""

    source: str
    to: str | None
    db_schema: str | None
    sets: dict[str, JsonValue]
    config: dict[str, JsonValue] | None
    base_url: str | None
    select: tuple[str, ...]
    full_refresh: bool
    wait: float
    takeover: bool
    concurrency: int | None
    nesting: Nesting | None
    publish: str | None
    keep_pages: str | None
    allow_origins: tuple[str, ...]
    dlt_columns: bool
    deny_private: bool
    max_body: int | None
    keep_bad_pages: Path | None
    files: Path | None
    as_json: bool
    quiet: bool


@click.command(cls=Sourced)
@source_argument
@destination_options
@value_options
@base_url_option
@select_option
@click.option(
    "--full-refresh", is_flag=True, help="Forget state and columns, and load everything again."
)
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Wait at most so long for another run that owns the destination.",
)
@takeover_option
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    metavar="N",
    help="At most N requests at once, whatever the document says.",
)
@nesting_option
@click.option(
    "--publish",
    metavar="PATH",
    help="Put a copy of the DuckDB file here, for others to read while the run writes.",
)
@click.option(
    "--keep-pages",
    metavar="DIR",
    help="Keep the pages as they came, to build tables from them again: penstock reshape.",
)
@click.option(
    "--allow-origin",
    "allow_origins",
    multiple=True,
    metavar="URL",
    help="Credentials may go to this origin too. May be repeated.",
)
@click.option(
    "--dlt-columns",
    is_flag=True,
    help="Own columns and tables as dlt has them; goes on with a dataset that dlt made.",
)
@deny_private_option
@click.option(
    "--max-body",
    type=click.IntRange(min=1),
    metavar="MB",
    help="Take no answer larger than this, unpacked. [default: 256]",
)
@click.option(
    "--keep-bad-pages",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Keep answers that cannot be read in this folder, secrets masked.",
)
@click.option(
    "--files",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Fetch the files that records lead to into this folder.",
)
@json_option
@allow_code_option
@click.option("--quiet", "-q", is_flag=True, help="Say only what is wrong.")
@pass_app
def run(app: App, /, **given: Any) -> int:
    """Load SOURCE into a destination.

    Exits with 0 if all is loaded, 1 if it failed, 2 if the document or the call is wrong, 3 if some
    streams failed, 130 if it was interrupted. What was committed stays in every case.
    """
    wanted = Wanted(**given)
    app.json = wanted.as_json
    app.engine.prepare(wanted.to or ANY_DESTINATION)
    loads = _Loads(app, wanted)
    opened = open_or_load(app, wanted.source, wanted.sets, wanted.config, loads)
    if opened is not None:
        loads.load(opened)
    else:
        loads.check()
    if wanted.as_json:
        app.console.json(results_json(loads.results))
    return EXIT_CODES[status_of([result for result, _ in loads.results])]


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """A run of a script's of which nothing is selected."""

    source: str
    destination: str
    db_schema: str
    run_id: str = ""
    status: Status = "skipped"
    receipts: tuple[Receipt, ...] = ()
    seconds: float = 0.0


class _Loads:
    """What a call loads: one source, or several where a script waits for what it asks for."""

    def __init__(self, app: App, wanted: Wanted) -> None:
        self._app = app
        self._wanted = wanted
        self._began = time.time()
        self._names: dict[str, None] = {}
        self.results: list[tuple[Result, Sequence[Diagnostic]]] = []

    def load(self, opened: Opened) -> tuple[Result, str]:
        """Load a source; gives how it went, and where to."""
        if not opened.source.discovered:  # then the API knows more names
            check_streams(opened.source, self._wanted.select)
        return self._load(opened, self._wanted)

    def load_next(self, opened: Opened) -> tuple[Result, str]:
        """Load what a script has asked for by now, as far as it is selected."""
        names = [stream.name for stream in opened.source.streams]
        self._names.update(dict.fromkeys(names))
        mine = tuple(name for name in self._wanted.select if name in names)
        if self._wanted.select and not mine:
            return self._skipped(opened)
        return self._load(opened, msgspec.structs.replace(self._wanted, select=mine))

    def place(self, target: Target, source: str | None = None) -> tuple[str, str] | None:
        """Where a run goes to, as far as the call and the script say it."""
        wanted = self._wanted
        target = target if wanted.to is None else Target()
        schema = wanted.db_schema or target.db_schema or source
        destination = wanted.to or target.destination or (source and f"{source}.duckdb")
        return (destination, schema) if destination and schema else None

    def check(self) -> None:
        """Refuse names that nothing of what a script has asked for has.

        Raises:
            PlanError: with one diagnostic for each.
        """
        check_streams(list(self._names), self._wanted.select)

    def _skipped(self, opened: Opened) -> tuple[Result, str]:
        """Nothing of it is selected: the script is answered with what there is."""
        destination, wanted = self._destination(opened), self._wanted
        schema = wanted.db_schema or _target(opened, wanted).db_schema or opened.source.name
        shown = self._app.console.redactor.text(destination)
        return Skipped(source=opened.source.name, destination=shown, db_schema=schema), destination

    def _destination(self, opened: Opened) -> str:
        wanted = self._wanted
        given = wanted.to or _target(opened, wanted).destination
        return default_destination(opened.source, given)

    def _load(self, opened: Opened, wanted: Wanted) -> tuple[Result, str]:
        app, destination = self._app, self._destination(opened)
        with progress(app.console, quiet=wanted.quiet) as shown:
            options = _options(app, opened, wanted, self._began)
            result = _execute(app, opened, options, shown, destination)
        if not wanted.quiet:
            summarize(app.console, result, shown.told)
        self.results.append((result, opened.said))
        return result, destination


def _target(opened: Opened, wanted: Wanted) -> Target:
    """Where the document's own run puts its rows; nothing of it counts beside `--to`."""
    return opened.target if wanted.to is None else Target()


def _options(app: App, opened: Opened, wanted: Wanted, since: float) -> Options:
    target = _target(opened, wanted)
    made: Options = app.engine.Options(
        select=wanted.select,
        full_refresh=wanted.full_refresh or target.full_refresh,
        keep_columns=target.keep_columns,
        db_schema=wanted.db_schema or target.db_schema,
        base_url=wanted.base_url,
        takeover=wanted.takeover,
        wait=wanted.wait,
        concurrency=wanted.concurrency,
        nesting=wanted.nesting,
        publish=wanted.publish,
        keep_pages=wanted.keep_pages,
        allow_origins=wanted.allow_origins,
        dlt_columns=wanted.dlt_columns,
        deny_private=wanted.deny_private,
        max_body=wanted.max_body * MEGABYTE if wanted.max_body else None,
        keep_bad_pages=wanted.keep_bad_pages,
        files=wanted.files,
        since=since,
        alone=True,
    )
    return made


def _execute(
    app: App, opened: Opened, options: Options, shown: Progress, destination: str
) -> Result:
    def on_event(event: Event) -> None:
        if isinstance(event, Stopping) and event.at_once:
            os._exit(INTERRUPTED)  # nothing of what still goes on is waited for
        shown.on_event(event)

    return app.engine.execute(opened.source, opened.values, destination, options, on_event)
