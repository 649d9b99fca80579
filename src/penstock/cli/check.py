"""`penstock check`: compile documents and say everything that is wrong with them, offline."""

from __future__ import annotations

from collections.abc import Sequence

import click

from penstock.cli import diagnostics
from penstock.cli.app import Command
from penstock.cli.context import DONE, WRONG, App
from penstock.cli.options import allow_code_option, json_option, pass_app
from penstock.cli.session import has_errors, hide_written
from penstock.errors import Diagnostic, PlanError
from penstock.plan.expr import JsonValue


@click.command(cls=Command)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@json_option
@allow_code_option
@pass_app
def check(app: App, sources: tuple[str, ...], as_json: bool) -> int:  # noqa: FBT001 (a flag)
    """Compile each SOURCE and say what is wrong with it, and what was repaired.

    Nothing is asked of any API. Exits with 2 if any document has an error.
    """
    app.json = as_json
    checked = [_checked(app, spec) for spec in sources]
    if as_json:
        app.console.json({"sources": [entry for entry, _ in checked]})
    return WRONG if any(has_errors(found) for _, found in checked) else DONE


def _checked(app: App, spec: str) -> tuple[dict[str, JsonValue], Sequence[Diagnostic]]:
    dialect: str | None = None
    try:
        compiled = app.compile(spec)
    except PlanError as exc:
        found: Sequence[Diagnostic] = exc.diagnostics
    else:
        found, dialect = compiled.diagnostics, compiled.dialect
        if compiled.source is not None:
            hide_written(app, compiled.source)
    entry: dict[str, JsonValue] = {
        "source": spec,
        "ok": not has_errors(found),
        "dialect": dialect,
        "diagnostics": [diagnostics.as_json(d) for d in found],
    }
    if not app.json:
        _show(app, spec, dialect, found)
    return entry, found


def _show(app: App, spec: str, dialect: str | None, found: Sequence[Diagnostic]) -> None:
    diagnostics.show_all(app.console, found)
    said = f": {diagnostics.count(found)}" if found else ""
    if has_errors(found):
        app.console.say(f"{app.console.style('not usable', 'bold', 'red')}  {spec}{said}")
    else:
        kind = f" ({dialect})" if dialect else ""
        app.console.say(f"{app.console.style('ok', 'bold', 'green')}  {spec}{kind}{said}")
