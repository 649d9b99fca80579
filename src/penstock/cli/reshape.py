"""`penstock reshape`: tables built again from the pages that a run kept."""

from __future__ import annotations

from pathlib import Path

import click

from penstock.cli.app import Command
from penstock.cli.context import App
from penstock.cli.engine import Reshaped
from penstock.cli.options import (
    allow_code_option,
    json_option,
    nesting_option,
    pass_app,
    select_option,
    takeover_option,
)
from penstock.cli.session import compile_source
from penstock.plan.hints import Nesting


@click.command(cls=Command)
@click.argument(
    "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.argument("source", metavar="[SOURCE]", required=False)
@click.option("--to", metavar="DEST", required=True, help="Where to: x.duckdb or a URL.")
@click.option("--db-schema", metavar="NAME", help="The schema of the tables. [default: as it was]")
@nesting_option
@select_option
@takeover_option
@json_option
@allow_code_option
@pass_app
def reshape(  # noqa: PLR0913 (one argument for each option)
    app: App,
    *,
    folder: Path,
    source: str | None,
    to: str,
    db_schema: str | None,
    nesting: Nesting | None,
    select: tuple[str, ...],
    takeover: bool,
    as_json: bool,
) -> None:
    """Build tables from the pages that `penstock run --keep-pages DIR` kept, without a request.

    Nesting, columns and contracts are those of SOURCE, if it is given, and otherwise as they were.
    Rows and state are as after the runs, so the next run can go on from there. What is there
    already is passed over: a call that was cut off is repeated as it stands.
    """
    app.json = as_json
    compiled = compile_source(app, source)[1] if source else None
    built = app.engine.reshape(
        folder, to, db_schema=db_schema, source=compiled, nesting=nesting, select=select,
        takeover=takeover,
    )  # fmt: skip
    _tell(app, built)
    if as_json:
        app.console.json({"db_schema": built.db_schema, "rows": dict(built.rows)})


def _tell(app: App, built: Reshaped) -> None:
    done = built.checkpoints - built.again
    app.console.say(f"{built.db_schema}: {done} checkpoints replayed, {built.again} there already")
    for table, rows in built.rows.items():
        app.console.say(f"  {table}: {rows:,} rows")
    if built.unsure:
        app.console.say(
            f"{built.unsure} more are left out, as nobody knows whether they were committed: run "
            "the source once more with --keep-pages, which asks the destination"
        )
