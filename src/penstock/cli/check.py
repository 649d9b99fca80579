"""`penstock check`: compile documents and say everything that is wrong with them, offline."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec

from penstock.cli import diagnostics
from penstock.cli.app import Sourced
from penstock.cli.context import DONE, WRONG, App
from penstock.cli.engine import Compiled, Fixed
from penstock.cli.options import allow_code_option, json_option, pass_app
from penstock.cli.rewriting import difference, rewrite
from penstock.cli.session import has_errors, hide_written
from penstock.errors import Diagnostic, PlanError
from penstock.plan.expr import JsonValue


class Checked(msgspec.Struct, kw_only=True):
    """What was found in a document, what was repaired in it, and the difference that makes."""

    spec: str
    dialect: str | None = None
    found: Sequence[Diagnostic] = ()
    repaired: Sequence[Diagnostic] = ()
    written: tuple[str, ...] = ()
    diff: str = ""


@click.command(cls=Sourced)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@json_option
@click.option(
    "--fix",
    "repair",
    is_flag=True,
    help="Write every repair into the document: YAML and JSON in place; for Python and text the "
    "difference goes to stdout.",
)
@allow_code_option
@pass_app
def check(
    app: App,
    sources: tuple[str, ...],
    as_json: bool,  # noqa: FBT001 (a flag)
    repair: bool,  # noqa: FBT001 (a flag)
) -> int:
    """Compile each SOURCE and say what is wrong with it, and what was repaired.

    Nothing is asked of any API. Exits with 2 if any document has an error.
    """
    app.json = as_json
    checked = [_fixed(app, spec) if repair else _checked(app, spec) for spec in sources]
    if as_json:
        app.console.json({"sources": [_entry(one, fixed=repair) for one in checked]})
    return WRONG if any(has_errors(one.found) for one in checked) else DONE


def _checked(app: App, spec: str) -> Checked:
    checked = Checked(spec=spec)
    try:
        _compiled(app, checked, app.compile(spec, whole=True))
    except PlanError as exc:
        checked.found = exc.diagnostics
    _show(app, checked)
    return checked


def _fixed(app: App, spec: str) -> Checked:
    checked = Checked(spec=spec)
    try:
        fixed = app.engine.fix_source(
            spec, allow_code=app.allow_code, arguments=app.arguments_of(spec)
        )
    except PlanError as exc:
        checked.found = exc.diagnostics
    else:
        _compiled(app, checked, fixed.compiled)
        _write(checked, fixed)
    if not app.json and checked.diff:
        app.console.raw(checked.diff.removesuffix("\n").encode())
    _show(app, checked)
    return checked


def _compiled(app: App, checked: Checked, compiled: Compiled) -> None:
    checked.found, checked.dialect = compiled.diagnostics, compiled.dialect
    if compiled.source is not None:
        hide_written(app, compiled.source)


def _write(checked: Checked, fixed: Fixed) -> None:
    """Write what is data, and keep the difference of what is not."""
    checked.repaired = fixed.repaired
    for one in fixed.files:
        if one.in_place:
            rewrite(one)
            checked.written = (*checked.written, one.file)
        else:
            checked.diff += difference(one)


def _entry(checked: Checked, *, fixed: bool) -> JsonValue:
    entry: dict[str, JsonValue] = {
        "source": checked.spec,
        "ok": not has_errors(checked.found),
        "dialect": checked.dialect,
        "diagnostics": [diagnostics.as_json(d) for d in checked.found],
    }
    if fixed:
        entry["repaired"] = [diagnostics.as_json(d) for d in checked.repaired]
        entry["written"] = list(checked.written)
        entry["diff"] = checked.diff
    return entry


def _show(app: App, checked: Checked) -> None:
    if app.json:
        return
    found, spec, console = checked.found, checked.spec, app.console
    diagnostics.show_all(console, found)
    said = f": {diagnostics.count(found)}" if found else ""
    if has_errors(found):
        console.say(f"{console.style('not usable', 'bold', 'red')}  {spec}{said}")
    else:
        kind = f" ({checked.dialect})" if checked.dialect else ""
        console.say(f"{console.style('ok', 'bold', 'green')}  {spec}{kind}{said}")
    if checked.repaired:
        count = len(checked.repaired)
        repairs = f"{count} repair{'s' if count != 1 else ''}"
        if checked.written:
            console.say(f"{repairs} written to {', '.join(checked.written)}")
        if checked.diff:
            console.say(f"{repairs} on stdout, as a difference: pipe it into `git apply`")
